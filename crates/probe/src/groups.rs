//! ESS, on scaling groups that somebody named. What is changed is changed back.

use std::time::Duration;

use ess_emulator::state::call::Service;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::Account;
use crate::findings::{Findings, ProbeError};
use crate::oos::text;

const PROCESS: &str = "AlarmNotification";
const PATIENCE: Duration = Duration::from_secs(15 * 60);

pub(crate) fn find(account: &mut dyn Account, groups: &[String], findings: &mut Findings) {
    let named = "no scaling group was named";
    let (lag, repeated, types) = (
        "readLagSeconds",
        "repeatedStateChangesAccepted",
        "groupTypeDefaultsToEcs",
    );
    if groups.is_empty() {
        return findings.without(&[lag, repeated, types], named);
    }
    let mut ess = Ess(account);
    let found = ess.read_lag(groups);
    let seconds = found.as_ref().copied().unwrap_or(0);
    findings.keep(&[lag], found, |all, lag| {
        all.read_lag_seconds = f64::from(lag);
    });
    let found = ess.group_type(groups);
    findings.keep(&[types], found, |all, only_ecs| {
        all.group_type_defaults_to_ecs = only_ecs;
    });
    let found = ess.repeated(groups, seconds);
    findings.keep(&[repeated], found, |all, accepted| {
        all.repeated_state_changes_accepted = accepted;
    });
}

struct Ess<'a>(&'a mut dyn Account);

impl Ess<'_> {
    fn rows(
        &mut self,
        action: &'static str,
        rows: &str,
        ask: &Value,
    ) -> Result<Vec<Value>, ProbeError> {
        let answer = self.0.call(Service::Ess, action, ask)?;
        Ok(answer[rows].as_array().cloned().unwrap_or_default())
    }

    fn group(&mut self, group: &str, kind: Option<&str>) -> Result<Option<Value>, ProbeError> {
        let mut ask = json!({"ScalingGroupIds.1": group});
        if let Some(kind) = kind {
            ask["GroupType"] = json!(kind);
        }
        let rows = self.rows("DescribeScalingGroups", "ScalingGroups", &ask)?;
        Ok(rows.into_iter().next())
    }

    /// Whether the process is shown as suspended.
    fn is_suspended(&mut self, group: &str) -> Result<bool, ProbeError> {
        let shown = self.group(group, Some("ECS"))?.unwrap_or_default();
        let processes = shown["SuspendedProcesses"].as_array();
        Ok(processes
            .into_iter()
            .flatten()
            .any(|process| process == PROCESS))
    }

    /// Suspends a process, sees when that shows, and resumes it.
    fn read_lag(&mut self, groups: &[String]) -> Result<u32, ProbeError> {
        for group in groups {
            if self.group(group, Some("ECS"))?.is_none() || self.is_suspended(group)? {
                continue;
            }
            let ask = json!({"ScalingGroupId": group, "Processes.1": PROCESS});
            self.0.call(Service::Ess, "SuspendProcesses", &ask)?;
            let seen = self.until("the process is shown as suspended", |ess| {
                ess.is_suspended(group)
            });
            self.0.call(Service::Ess, "ResumeProcesses", &ask)?;
            return seen;
        }
        let why = format!("of the groups none is of type ECS and has {PROCESS} in force");
        Err(ProbeError::Unknown(why))
    }

    fn until(
        &mut self,
        what: &str,
        look: impl Fn(&mut Self) -> Result<bool, ProbeError>,
    ) -> Result<u32, ProbeError> {
        let began = self.0.now();
        let deadline = began.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        while !look(self)? {
            if self.0.now() >= deadline {
                return Err(ProbeError::NotSeen(what.to_owned()));
            }
            self.0.sleep(Duration::from_secs(1));
        }
        let passed = self.0.now().duration_since(began);
        Ok(u32::try_from(passed.as_secs()).unwrap_or(0))
    }

    fn group_type(&mut self, groups: &[String]) -> Result<bool, ProbeError> {
        for group in groups {
            if self.group(group, Some("ECI"))?.is_some() {
                return Ok(self.group(group, None)?.is_none());
            }
        }
        Err(ProbeError::Unknown(
            "of the groups none is of type ECI".to_owned(),
        ))
    }

    /// Asks for a protection that is there already. An instance without one has it for a moment.
    fn repeated(&mut self, groups: &[String], lag: u32) -> Result<bool, ProbeError> {
        // What was changed before shows.
        self.0.sleep(Duration::from_secs(u64::from(lag) + 1));
        for group in groups {
            let ask = json!({"ScalingGroupId": group, "PageSize": "50"});
            let rows = self.rows("DescribeScalingInstances", "ScalingInstances", &ask)?;
            let in_state = |state: &str| {
                let mut rows = rows.iter();
                rows.find(|row| text(row, "LifecycleState") == state)
                    .map(|row| text(row, "InstanceId"))
            };
            if let Some(instance) = in_state("Protected") {
                return self.protects(group, &instance, true);
            }
            let Some(instance) = in_state("InService") else {
                continue;
            };
            if !self.protects(group, &instance, true)? {
                return Err(ProbeError::Unknown(format!(
                    "{instance} cannot be protected"
                )));
            }
            let again = self.protects(group, &instance, true);
            self.protects(group, &instance, false)?;
            return again;
        }
        Err(ProbeError::Unknown(
            "the groups have no instance in service".to_owned(),
        ))
    }

    /// Whether it is taken.
    fn protects(&mut self, group: &str, instance: &str, protect: bool) -> Result<bool, ProbeError> {
        let ask = json!({"ScalingGroupId": group, "InstanceIds.1": instance, "ProtectedFromScaleIn": protect.to_string()});
        match self.0.call(Service::Ess, "SetInstancesProtection", &ask) {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
