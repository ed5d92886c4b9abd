//! The world as executions see it: their calls pass the same door as everybody's.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::oos::{Caller, Host, Installed, OosSwitches, Package};
use crate::params::{self, Params};
use crate::secrets::Kind;
use crate::services;
use crate::state::call::{Call, EssVersion, Outcome, Service};
use crate::state::queue::Event;
use crate::state::world::World;

impl Host for World {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn call(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let (mut call, ignored) = self.inner_call(caller, region, service, action, params)?;
        let seq = self.journal.next_seq();
        let outcome = self.through_door(&mut call, |world, call| {
            services::check_region(world, call)?;
            services::run(world, call)
        });
        if !ignored.is_empty() {
            let shown = ignored.iter().map(|name| self.journal.name(name));
            let ignored: Vec<String> = shown.collect();
            tracing::warn!(
                service = call.service.name(),
                action = self.journal.name(&call.action),
                parameters = ?ignored,
                "a template gives parameters that are not looked at"
            );
            self.journal.ignored(seq, ignored);
        }
        answer_of(outcome)
    }

    fn admit(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<String, ApiError> {
        let (mut call, _) = self.inner_call(caller, region, service, action, params)?;
        let answer = answer_of(self.through_door(&mut call, |_, _| Ok(json!({}))))?;
        Ok(answer["RequestId"].as_str().unwrap_or_default().to_owned())
    }

    fn wake_at(&mut self, at: Timestamp) {
        let at = at.max(self.now);
        let account = self.engine_account.clone();
        if self.wakes.insert((at, account.clone())) {
            self.queue.push(at, Event::WakeEngine { account });
        }
    }

    fn fresh_id(&mut self, prefix: &str) -> String {
        self.ids.id(prefix)
    }

    fn assume_role(&self, caller: &Caller, role: &str) -> Result<Caller, ApiError> {
        self.ram.assume_for_oos(caller, role)
    }

    fn switches(&self) -> &OosSwitches {
        &self.switches.oos
    }

    fn answers(&self, service: &str, action: &str) -> bool {
        Service::parse(service).is_some_and(|service| {
            let known = services::actions(service);
            known.iter().any(|known| known.eq_ignore_ascii_case(action))
        })
    }

    fn missing(&mut self, what: &[String]) {
        tracing::warn!(missing = ?what, "a template asks for what this emulator does not have");
        self.journal.missing(what);
    }

    fn notified(&mut self, caller: &Caller, region: &str, message: &Params) {
        let request_id = self.ids.request_id();
        self.journal
            .notified(self.now, caller, region, message, &request_id);
    }

    fn meaning(&self, secret: &str) -> Kind {
        self.word(secret)
    }

    fn keep_secret(&mut self, value: &str, kind: Kind) {
        self.journal.keep_secret(value, kind);
    }

    fn keep_unsaid(&mut self, value: &str) {
        self.journal.keep_unsaid(value);
    }

    fn regions(&self) -> Vec<String> {
        let with_oos = |region: &&String| !self.regions_without_oos.contains(*region);
        self.regions.iter().filter(with_oos).cloned().collect()
    }

    fn packages(&self) -> &[Package] {
        &self.packages
    }

    fn installed_packages(
        &self,
        caller: &Caller,
        region: &str,
        instance_id: &str,
    ) -> Vec<(String, Installed)> {
        self.resources
            .instances
            .get(instance_id)
            .filter(|i| i.account_id == caller.account_id && i.region == region)
            .map(|i| i.packages.clone().into_iter().collect())
            .unwrap_or_default()
    }
}

impl World {
    /// The call of a template, and the names of parameters that its action does not have. What is none is in the
    /// journal all the same, without its parameters.
    fn inner_call(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<(Call, Vec<String>), ApiError> {
        let call = self.read_call(caller, region, service, action, params);
        call.map_err(|mut error| {
            let id = self.ids.request_id();
            let action: String = action.chars().take(128).collect();
            self.journal.refused_of_template(
                self.now,
                (caller, region),
                (Service::parse(service), &action),
                &id,
                error.clone(),
            );
            error.request_id = Some(id);
            error
        })
    }

    fn read_call(
        &self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<(Call, Vec<String>), ApiError> {
        let service = Service::parse(service).ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidProduct.NotFound",
                format!("The specified product is not found: {service}."),
            )
        })?;
        let action = services::spelling(service, action);
        let (params, ignored) = services::template_names::of_template(service, &action, params)?;
        let call = Call {
            caller: caller.clone(),
            region: region.to_owned(),
            service,
            action,
            // Templates use the 2014 spelling of ESS.
            version: EssVersion::V2014,
            params: params::nest(&params),
            by_oos: true,
            wall_now: self.now,
        };
        Ok((call, ignored))
    }
}

/// How an execution sees the outcome: it does not notice a delay, and a lost connection looks
/// like a service that is away for a moment.
fn answer_of(outcome: Outcome) -> Result<Value, ApiError> {
    match outcome {
        Outcome::Answered(result) | Outcome::AnsweredAt(_, result) => result,
        Outcome::Dropped => Err(ApiError::new(
            503,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        )),
    }
}
