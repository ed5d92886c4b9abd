//! ESS, on scaling groups that somebody named. What is changed is changed back.

use std::time::Duration;

use ess_emulator::state::call::Service;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account::{Account, CallError};
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
    let mut ess = Ess {
        account,
        left: Vec::new(),
    };
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
    findings.left.append(&mut ess.left);
}

/// The first of the groups that the account does not have in the region.
///
/// # Errors
/// When the account cannot be asked.
pub fn missing<'g>(
    account: &mut dyn Account,
    groups: &'g [String],
) -> Result<Option<&'g str>, CallError> {
    for group in groups {
        let mut is_there = false;
        // Without a type only those of one may be listed.
        for kind in ["ECS", "ECI"] {
            let ask = json!({"ScalingGroupIds.1": group, "GroupType": kind});
            let answer = account.call(Service::Ess, "DescribeScalingGroups", &ask)?;
            let rows = answer["ScalingGroups"].as_array();
            let mut rows = rows.into_iter().flatten();
            is_there |= rows.any(|row| text(row, "ScalingGroupId") == *group);
        }
        if !is_there {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

struct Ess<'a> {
    account: &'a mut dyn Account,
    /// What was changed and could not be changed back.
    left: Vec<String>,
}

impl Ess<'_> {
    fn rows(
        &mut self,
        action: &'static str,
        rows: &str,
        ask: &Value,
    ) -> Result<Vec<Value>, ProbeError> {
        let answer = self.account.call(Service::Ess, action, ask)?;
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
            let made = self.account.call(Service::Ess, "SuspendProcesses", &ask);
            if let Err(error) = made {
                if error.may_be_done() {
                    self.resume(group, &ask);
                }
                return Err(error.into());
            }
            let seen = self.until("the process is shown as suspended", |ess| {
                ess.is_suspended(group)
            });
            self.resume(group, &ask);
            return seen;
        }
        let why = format!("of the groups none is of type ECS and has {PROCESS} in force");
        Err(ProbeError::Unknown(why))
    }

    /// Takes the suspension back.
    fn resume(&mut self, group: &str, ask: &Value) {
        self.account.take_back(true);
        let resumed = self.account.call(Service::Ess, "ResumeProcesses", ask);
        self.account.take_back(false);
        if let Err(error) = resumed {
            let left = format!("the suspension of {PROCESS} of {group} ({error})");
            self.left.push(left);
        }
    }

    fn until(
        &mut self,
        what: &str,
        look: impl Fn(&mut Self) -> Result<bool, ProbeError>,
    ) -> Result<u32, ProbeError> {
        let began = self.account.now();
        let deadline = began.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        while !look(self)? {
            if self.account.now() >= deadline {
                return Err(ProbeError::NotSeen(what.to_owned()));
            }
            self.account.sleep(Duration::from_secs(1));
        }
        let passed = self.account.now().duration_since(began);
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
        self.account.sleep(Duration::from_secs(u64::from(lag) + 1));
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
            match self.protects(group, &instance, true) {
                Ok(true) => {}
                Ok(false) => {
                    let why = format!("{instance} cannot be protected");
                    return Err(ProbeError::Unknown(why));
                }
                Err(error) => {
                    if matches!(&error, ProbeError::Call(call) if call.may_be_done()) {
                        self.unprotect(group, &instance);
                    }
                    return Err(error);
                }
            }
            let again = self.protects(group, &instance, true);
            self.unprotect(group, &instance);
            return again;
        }
        Err(ProbeError::Unknown(
            "the groups have no instance in service".to_owned(),
        ))
    }

    /// Takes the protection back.
    fn unprotect(&mut self, group: &str, instance: &str) {
        self.account.take_back(true);
        let taken = self.protects(group, instance, false);
        self.account.take_back(false);
        let why = match taken {
            Ok(true) => return,
            Ok(false) => "refused".to_owned(),
            Err(error) => error.to_string(),
        };
        let left = format!("the protection of {instance} of {group} ({why})");
        self.left.push(left);
    }

    /// Whether it is taken.
    fn protects(&mut self, group: &str, instance: &str, protect: bool) -> Result<bool, ProbeError> {
        let ask = json!({"ScalingGroupId": group, "InstanceIds.1": instance, "ProtectedFromScaleIn": protect.to_string()});
        match self
            .account
            .call(Service::Ess, "SetInstancesProtection", &ask)
        {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
