//! The second actor: what somebody else does meanwhile, as the fixture scripted it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, EssVersion, Service};
use super::queue::Event;
use super::world::{later, seconds};
use super::{Cloud, run};
use crate::fixture::{Action, ScriptedEvent, When};
use crate::oos::{Caller, Params};
use crate::services::ess;

/// Events and how far their conditions have come.
#[derive(Debug, Default)]
pub struct Script {
    events: Vec<ScriptedEvent>,
    /// Events whose condition is still to be met.
    open: BTreeSet<usize>,
    /// Last status seen of each root execution, and how often it has entered each status.
    statuses: BTreeMap<String, String>,
    entered: BTreeMap<usize, u64>,
}

impl Script {
    pub fn new(events: Vec<ScriptedEvent>) -> Self {
        let open = (0..events.len())
            .filter(|i| events[*i].at_seconds.is_none())
            .collect();
        Self {
            events,
            open,
            ..Self::default()
        }
    }

    /// The events with a fixed time.
    pub fn timed(&self, start: Timestamp) -> Vec<(Timestamp, Event)> {
        self.events
            .iter()
            .enumerate()
            .filter_map(|(index, event)| {
                let at = later(start, seconds(event.at_seconds?));
                Some((
                    at,
                    Event::Scripted {
                        index,
                        execution_id: None,
                    },
                ))
            })
            .collect()
    }
}

impl Cloud {
    /// Makes the events due whose condition this call completes.
    pub(super) fn script_after_call(&mut self, call: &Call) {
        let open: Vec<usize> = self.script.open.iter().copied().collect();
        for index in open {
            let Some(When::Call {
                service,
                action,
                nth,
                ..
            }) = &self.script.events[index].when
            else {
                continue;
            };
            let same = service.eq_ignore_ascii_case(call.service.name())
                && action.eq_ignore_ascii_case(&call.action);
            let nth = *nth;
            if same {
                self.count(index, nth, None);
            }
        }
        self.script_after_change();
    }

    /// Makes the events due that wait for an execution to reach a status.
    pub(super) fn script_after_change(&mut self) {
        let waiting = |event: &ScriptedEvent| matches!(event.when, Some(When::Execution { .. }));
        if !self
            .script
            .open
            .iter()
            .any(|i| waiting(&self.script.events[*i]))
        {
            return;
        }
        for execution in self.root_executions() {
            let text = |name: &str| execution[name].as_str().unwrap_or_default().to_owned();
            let (id, status, template) =
                (text("ExecutionId"), text("Status"), text("TemplateName"));
            let before = self.script.statuses.insert(id.clone(), status.clone());
            if before.as_ref() == Some(&status) {
                continue;
            }
            let open: Vec<usize> = self.script.open.iter().copied().collect();
            for index in open {
                let Some(When::Execution {
                    status: want,
                    template_name,
                    nth,
                }) = &self.script.events[index].when
                else {
                    continue;
                };
                let nth = *nth;
                if *want == status && template_name.as_ref().is_none_or(|t| *t == template) {
                    self.count(index, nth, Some(id.clone()));
                }
            }
        }
    }

    fn count(&mut self, index: usize, nth: u64, execution_id: Option<String>) {
        let seen = self.script.entered.entry(index).or_default();
        *seen += 1;
        if *seen < nth {
            return;
        }
        self.script.open.remove(&index);
        let delay = self.script.events[index].delay_seconds;
        self.world.after(
            delay,
            Event::Scripted {
                index,
                execution_id,
            },
        );
    }

    /// All root executions, read without leaving a trace in the journal.
    fn root_executions(&mut self) -> Vec<Value> {
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
    pub(super) fn perform(&mut self, index: usize, execution_id: Option<&str>) {
        let Some(event) = self.script.events.get(index).cloned() else {
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
                        let region = region
                            .or_else(|| self.world.regions.first().cloned())
                            .unwrap_or_default();
                        self.call(Call {
                            caller,
                            region,
                            service,
                            action,
                            version: EssVersion::V2022,
                            params: filled(&params, execution_id.unwrap_or_default()),
                            by_oos: false,
                            wall_now: self.world.now,
                        });
                        Ok(())
                    }
                    _ => Err(format!("no principal {principal} or no service {service}")),
                }
            }
            Action::ScaleOut {
                scaling_group_id,
                count,
                trigger,
            } => ess::scale_out(&mut self.world, &scaling_group_id, count, trigger)
                .map(drop)
                .map_err(|e| e.message),
            Action::ScaleIn {
                scaling_group_id,
                count,
                trigger,
            } => ess::scale_in(&mut self.world, &scaling_group_id, count, trigger)
                .map(drop)
                .map_err(|e| e.message),
            Action::Vanish { instance_id } => {
                crate::services::vanish(&mut self.world, &instance_id).map_err(|e| e.message)
            }
            Action::Stop { instance_id } => {
                crate::services::ecs::stop(&mut self.world, &instance_id).map_err(|e| e.message)
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

/// The parameters with `$executionId` replaced.
fn filled(params: &Params, execution_id: &str) -> Params {
    params
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => Value::String(text.replace("$executionId", execution_id)),
                other => other.clone(),
            };
            (name.clone(), value)
        })
        .collect()
}
