//! The whole: the state, the services and the engines of OOS above it, and what is due.
//!
//! [`Cloud::call`] is the one door for calls from outside; templates pass the same door through
//! `Host`. [`Cloud::advance_to`] lets virtual time pass.

mod door;
mod host;
mod omit;
mod script;

#[cfg(test)]
mod parameters_tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::fixture::{Action, Fixture, FixtureError};
use crate::oos::{Caller, Engine, TriggerKind};
use crate::params::{self, Params};
use crate::services;
use crate::state::alarms::AlarmState;
use crate::state::call::{self, Call, EssVersion, Outcome, Service};
use crate::state::journal::given_secrets;
use crate::state::nonces::Nonces;
use crate::state::queue::Event;
use crate::state::time;
use crate::state::world::World;
use script::{Met, Script};

/// A whole emulated cloud.
#[derive(Debug)]
pub struct Cloud {
    /// What the services hold, and how the cloud is to behave. After a change from outside
    /// [`Cloud::settle`] does what is due, and lets reads that lag see it in time.
    pub world: World,
    /// One engine per account.
    pub(crate) engines: BTreeMap<String, Engine>,
    script: Script,
    pub(crate) nonces: Nonces,
    /// Where the control API lets the clock be moved to.
    goal: Option<Timestamp>,
}

/// How often executions may ask to be woken at one instant before it is assumed that they will
/// never stop asking. The largest template loops (1,000 items, all at once) stay far below.
const WAKES_AT_ONE_INSTANT: u32 = 100_000;

impl Cloud {
    /// Builds the scene that a fixture describes.
    pub fn new(fixture: &Fixture) -> Result<Self, FixtureError> {
        let mut cloud = Self {
            world: fixture.world()?,
            engines: BTreeMap::new(),
            script: Script::new(fixture.events.clone()),
            nonces: Nonces::default(),
            goal: None,
        };
        for (at, event) in cloud.script.timed(cloud.world.now) {
            cloud.world.queue.push(at, event);
        }
        services::ess::check_all_groups(&mut cloud.world);
        cloud.world.remember();
        Ok(cloud)
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.world.queue.next_due()
    }

    /// Makes one call from outside.
    pub fn call(&mut self, mut call: Call) -> Outcome {
        let Self { world, engines, .. } = self;
        let outcome = world.through_door(&mut call, |world, call| run(world, engines, call));
        self.script_after_call(&call);
        self.run_due();
        outcome
    }

    /// Lets virtual time pass until `to`: everything due happens in order. Going back is ignored.
    pub fn advance_to(&mut self, to: Timestamp) {
        self.advance_while(to, || true);
    }

    /// The same in parts, for whoever has others to answer meanwhile: `go_on` is asked after each
    /// instant at which something happened, so that the clock never stands where half of what is due
    /// is done. Gives whether `to` is reached.
    pub fn advance_while(&mut self, to: Timestamp, mut go_on: impl FnMut() -> bool) -> bool {
        while let Some(due) = self.world.queue.next_due().filter(|due| *due <= to) {
            self.world.now = self.world.now.max(due);
            self.run_due();
            if !go_on() {
                return false;
            }
        }
        self.world.now = self.world.now.max(to);
        true
    }

    /// Wants the clock to be moved by so much, from where it will be when all that was wanted before
    /// is done, so that two of these add up whoever comes first. Gives the time that it will show.
    /// Whoever owns the cloud moves it: see [`Cloud::heading`].
    pub(crate) fn head_for(&mut self, by: SignedDuration) -> Timestamp {
        let goal = time::later(self.destination(), by);
        self.goal = Some(goal);
        goal
    }

    /// Where the clock is to be moved to, while it is not there yet.
    pub fn heading(&self) -> Option<Timestamp> {
        self.goal.filter(|goal| *goal > self.world.now)
    }

    /// Where the clock will be when it has been moved as was wanted: now, when nobody wants it moved.
    pub(crate) fn destination(&self) -> Timestamp {
        self.heading().unwrap_or(self.world.now)
    }

    /// After a change from the side (control API): remembers it and does what is due.
    pub fn settle(&mut self) {
        self.world.remember();
        self.run_due();
    }

    /// Does what is due now.
    pub fn run_due(&mut self) {
        let mut wakes = 0;
        while let Some((at, event)) = self.world.queue.pop_due(self.world.now) {
            if let Event::WakeEngine { account } = &event {
                wakes += 1;
                if wakes > WAKES_AT_ONE_INSTANT {
                    tracing::error!(
                        account,
                        "an execution never stops asking to be woken; it is left alone for a second"
                    );
                    let at = time::later(self.world.now, time::seconds(1.0));
                    self.world.queue.push(at, event);
                    return;
                }
                self.world.wakes.remove(&(at, account.clone()));
            }
            self.happen(event);
            self.world.remember();
            self.script_after_change();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::WakeEngine { account } => {
                let Self { world, engines, .. } = self;
                world.engine_account.clone_from(&account);
                engines
                    .entry(account)
                    .or_insert_with(|| Engine::with(&world.library))
                    .wake(world);
            }
            Event::LateCall {
                call,
                seq,
                request_id,
            } => {
                let Self { world, engines, .. } = self;
                world.take_late_effect(&call, seq, &request_id, |world, call| {
                    run(world, engines, call)
                });
            }
            Event::Scripted {
                index,
                execution_id,
            } => self.perform(index, execution_id.as_deref()),
            Event::AlarmChanges { id, state } => {
                if let Err(why) = self.change_alarm(&id, state) {
                    tracing::warn!(why, "a state of an alarm could not be reached");
                }
            }
            other => services::happen(&mut self.world, other),
        }
    }

    /// An event or alarm of CloudMonitor: every execution whose trigger it fits starts a child.
    /// Gives how many did.
    pub fn event(&mut self, kind: TriggerKind, event: &Value) -> usize {
        let started = self.tell(kind, event, None);
        self.settle();
        started
    }

    /// Tells the engines of all accounts, or that of one, of an event.
    fn tell(&mut self, kind: TriggerKind, event: &Value, only: Option<&str>) -> usize {
        let Self { world, engines, .. } = self;
        let mut started = 0;
        for (account, engine) in engines {
            if only.is_none_or(|only| only == account) {
                world.engine_account.clone_from(account);
                started += engine.happened(world, kind, event);
            }
        }
        started
    }

    /// A rule of CloudMonitor or an alarm of ESS gets to a state. When it goes off, executions whose
    /// trigger it fits start a child; gives how many did. `Err` for a rule that does not exist.
    pub fn alarm_changes(&mut self, id: &str, state: AlarmState) -> Result<usize, String> {
        let started = self.change_alarm(id, state)?;
        self.settle();
        Ok(started)
    }

    /// As `alarm_changes`, for what is done while events are being carried out.
    fn change_alarm(&mut self, id: &str, state: AlarmState) -> Result<usize, String> {
        let now = self.world.now;
        let alarms = &mut self.world.resources.alarms;
        let Some(notice) = alarms.set(id, state, now)? else {
            return Ok(0);
        };
        let account = alarms.get(id).map(|alarm| alarm.account_id.clone());
        Ok(self.tell(TriggerKind::Alarm, &notice, account.as_deref()))
    }

    /// Makes the events due whose condition this call completes.
    fn script_after_call(&mut self, call: &Call) {
        let met = self.script.after_call(call);
        self.schedule_scripted(met);
        self.script_after_change();
    }

    /// Makes the events due that wait for an execution to reach a status.
    fn script_after_change(&mut self) {
        if self.script.waits_for_executions() {
            let executions = self.root_executions();
            let met = self.script.after_change(&executions);
            self.schedule_scripted(met);
        }
    }

    fn schedule_scripted(&mut self, met: Vec<Met>) {
        for Met {
            index,
            delay,
            execution_id,
        } in met
        {
            let event = Event::Scripted {
                index,
                execution_id,
            };
            self.world.after(delay, event);
        }
    }

    /// The secrets that the fixture has openly, because calls may have them as parameters: tokens of
    /// OIDC providers, and what its events give.
    pub(crate) fn secrets_of_fixture(&self) -> BTreeSet<String> {
        let providers = self.world.ram.oidc_providers.values();
        let tokens = providers.flat_map(|provider| &provider.tokens);
        let mut secrets: BTreeSet<String> = tokens.map(|token| token.token.clone()).collect();
        for (action, params) in self.script.calls() {
            secrets.extend(given_secrets(action, params));
        }
        secrets
    }

    /// All root executions, read without leaving a trace in the journal.
    pub(crate) fn root_executions(&mut self) -> Vec<Value> {
        let accounts: Vec<String> = self.engines.keys().cloned().collect();
        let regions = self.world.regions.clone();
        let mut found = Vec::new();
        for account in accounts {
            for region in &regions {
                let caller = Caller {
                    principal: String::new(),
                    account_id: account.clone(),
                };
                let mut params = Params::new();
                params.insert("MaxResults".into(), json!("100"));
                let call = Call {
                    caller,
                    region: region.clone(),
                    service: Service::Oos,
                    action: "ListExecutions".into(),
                    version: EssVersion::V2022,
                    params,
                    by_oos: false,
                    wall_now: self.world.now,
                };
                let Self { world, engines, .. } = self;
                if let Ok(mut answer) = run(world, engines, &call)
                    && let Some(list) = answer["Executions"].as_array_mut()
                {
                    found.append(list);
                }
            }
        }
        found
    }

    /// Carries out a scripted event.
    fn perform(&mut self, index: usize, execution_id: Option<&str>) {
        let Some(event) = self.script.event(index).cloned() else {
            return;
        };
        let done = match event.action {
            Action::Call {
                service,
                action,
                region,
                principal,
                params,
            } => {
                let caller = self.world.ram.principals.get(&principal).map(|p| Caller {
                    principal: p.name.clone(),
                    account_id: p.account_id.clone(),
                });
                match (caller, Service::parse(&service)) {
                    (Some(caller), Some(service)) => {
                        let params = filled(&params, execution_id.unwrap_or_default());
                        let params = params::nest(&params);
                        let region = call::region_of(&params, region, &self.world.regions);
                        self.world.journal.scripted(true);
                        self.call(Call {
                            caller,
                            region,
                            service,
                            action,
                            version: EssVersion::V2022,
                            params,
                            by_oos: false,
                            wall_now: self.world.now,
                        });
                        self.world.journal.scripted(false);
                        Ok(())
                    }
                    _ => Err(format!("no principal {principal} or no service {service}")),
                }
            }
            Action::ScaleOut {
                scaling_group_id,
                count,
                trigger,
            } => services::ess::scale_out(&mut self.world, &scaling_group_id, count, trigger)
                .map(drop)
                .map_err(|e| e.message),
            Action::ScaleIn {
                scaling_group_id,
                count,
                trigger,
            } => services::ess::scale_in(&mut self.world, &scaling_group_id, count, trigger)
                .map(drop)
                .map_err(|e| e.message),
            Action::Vanish { instance_id } => {
                services::vanish(&mut self.world, &instance_id).map_err(|e| e.message)
            }
            Action::Stop { instance_id } => {
                services::ecs::stop(&mut self.world, &instance_id).map_err(|e| e.message)
            }
            Action::Event(event) => {
                self.event(TriggerKind::Event, &event);
                Ok(())
            }
            Action::Alarm(alarm) => {
                self.event(TriggerKind::Alarm, &alarm);
                Ok(())
            }
            Action::AlarmState { id, state } => self.change_alarm(&id, state).map(drop),
            Action::BackendHealth(rule) => {
                let now = self.world.now;
                self.world.backend_health.give(*rule, now);
                Ok(())
            }
            Action::Fault(fault) => {
                let now = self.world.now;
                self.world.faults.add(*fault, now);
                Ok(())
            }
        };
        if let Err(why) = done {
            tracing::warn!(
                event = index,
                why,
                "a scripted event could not be carried out"
            );
        }
    }
}

/// Hands a call to its service.
fn run(
    world: &mut World,
    engines: &mut BTreeMap<String, Engine>,
    call: &Call,
) -> Result<Value, ApiError> {
    services::check_region(world, call)?;
    if call.service != Service::Oos {
        return services::run(world, call);
    }
    if world.regions_without_oos.contains(&call.region) {
        return Err(ApiError::new(
            400,
            "ResourceNotAvailable",
            "Resource you requested is not available in this region or zone.",
        ));
    }
    let account = call.caller.account_id.clone();
    world.engine_account.clone_from(&account);
    let engine = engines
        .entry(account)
        .or_insert_with(|| Engine::with(&world.library));
    engine.handle(
        world,
        &call.caller,
        &call.region,
        &call.action,
        &call.params,
    )
}

/// The parameters with `$executionId` replaced.
fn filled(params: &Params, execution_id: &str) -> Params {
    let named = |(name, value): (&String, &Value)| (name.clone(), with_id(value, execution_id));
    params.iter().map(named).collect()
}

/// A value with `$executionId` replaced in all its texts.
fn with_id(value: &Value, execution_id: &str) -> Value {
    match value {
        Value::String(text) => text.replace("$executionId", execution_id).into(),
        Value::Array(items) => items.iter().map(|i| with_id(i, execution_id)).collect(),
        Value::Object(members) => Value::Object(filled(members, execution_id)),
        other => other.clone(),
    }
}
