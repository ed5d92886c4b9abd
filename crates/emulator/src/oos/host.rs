//! What the interpreter needs of the world around it, and on whose behalf it acts.

use jiff::Timestamp;
use serde_json::Value;

use super::package::{Installed, Package};
use super::switches::OosSwitches;
use crate::error::ApiError;
use crate::params::Params;
use crate::secrets::Kind;

/// On whose behalf a call is made. Permission checks and `ExecutedBy` go by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// What OOS shows as `ExecutedBy`: a user or an assumed role.
    pub principal: String,
    /// The account, digits only.
    pub account_id: String,
}

/// What the interpreter needs of the world around it.
pub trait Host {
    /// The virtual clock.
    fn now(&self) -> Timestamp;
    /// Makes one API call as `caller`, through the same door as calls from outside: permissions,
    /// faults and the journal apply. `service` is upper case (`ESS`, `ECS`, `OOS`, ...); `action`
    /// is the API name as the template spells it (matched case-insensitively); `params` as the
    /// template gave them, 2014 spelling for ESS (`InstanceId.1` is `{"InstanceId.1": "i-1"}` or
    /// `{"InstanceId": ["i-1"]}`).
    fn call(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError>;
    /// The door for calls that a template makes to OOS itself (`ListExecutions` in the rollback
    /// branch), which the engine answers from its own state: permission check, faults, journal.
    /// Gives the request id.
    fn admit(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<String, ApiError>;
    /// Asks for [`Engine::wake`](super::Engine::wake) no earlier than `at`.
    fn wake_at(&mut self, at: Timestamp);
    /// A fresh id: `prefix` plus characters that no other id of this run has. Deterministic.
    fn fresh_id(&mut self, prefix: &str) -> String;
    /// The role assumed when a template names one; `Err` when it does not exist or does not trust OOS.
    fn assume_role(&self, caller: &Caller, role: &str) -> Result<Caller, ApiError>;
    fn switches(&self) -> &OosSwitches;
    /// Whether a service other than OOS answers an action.
    fn answers(&self, _service: &str, _action: &str) -> bool {
        true
    }
    /// Notes with the call that is being answered what its template will not find.
    fn missing(&mut self, _what: &[String]) {}
    /// Notes a message that a template would send, without secrets.
    fn notified(&mut self, _caller: &Caller, _region: &str, _message: &Params) {}
    /// What a secret says besides: it may be the id of something that is there.
    fn meaning(&self, _secret: &str) -> Kind {
        Kind::Rare
    }
    /// A value that must not show in the journal.
    fn keep_secret(&mut self, _value: &str, _kind: Kind) {}
    /// A value that must not show in messages of the journal.
    fn keep_unsaid(&mut self, _value: &str) {}
    /// The regions that have OOS.
    fn regions(&self) -> Vec<String> {
        Vec::new()
    }
    /// All packages, of all accounts and regions.
    fn packages(&self) -> &[Package] {
        &[]
    }
    /// What an instance of the caller has installed: names and versions.
    fn installed_packages(
        &self,
        _caller: &Caller,
        _region: &str,
        _instance_id: &str,
    ) -> Vec<(String, Installed)> {
        Vec::new()
    }
}
