//! The second actor: what somebody else does meanwhile, as the fixture scripted it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::fixture::{Action, ScriptedEvent, When};
use crate::params::Params;
use crate::state::call::Call;
use crate::state::queue::Event;
use crate::state::time::{later, seconds};

/// An event whose condition has come true.
#[derive(Debug)]
pub struct Met {
    pub index: usize,
    /// Virtual seconds until it happens.
    pub delay: f64,
    /// The execution that met the condition.
    pub execution_id: Option<String>,
}

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

    /// The event at a position.
    pub fn event(&self, index: usize) -> Option<&ScriptedEvent> {
        self.events.get(index)
    }

    /// The events whose condition this call completes.
    pub fn after_call(&mut self, call: &Call) -> Vec<Met> {
        let open: Vec<usize> = self.open.iter().copied().collect();
        let mut met = Vec::new();
        for index in open {
            let Some(When::Call {
                service,
                action,
                nth,
                ..
            }) = &self.events[index].when
            else {
                continue;
            };
            let same = service.eq_ignore_ascii_case(call.service.name())
                && action.eq_ignore_ascii_case(&call.action);
            let nth = *nth;
            if same {
                met.extend(self.count(index, nth, None));
            }
        }
        met
    }

    /// The calls that events make: actions and parameters.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &Params)> {
        self.events.iter().filter_map(|event| match &event.action {
            Action::Call { action, params, .. } => Some((action.as_str(), params)),
            _ => None,
        })
    }

    /// Whether an event waits for an execution to reach a status.
    pub fn waits_for_executions(&self) -> bool {
        self.open
            .iter()
            .any(|i| matches!(self.events[*i].when, Some(When::Execution { .. })))
    }

    /// The events whose condition is completed by what the root executions have come to.
    pub fn after_change(&mut self, root_executions: &[Value]) -> Vec<Met> {
        let mut met = Vec::new();
        for execution in root_executions {
            let text = |name: &str| execution[name].as_str().unwrap_or_default().to_owned();
            let (id, status, template) =
                (text("ExecutionId"), text("Status"), text("TemplateName"));
            let before = self.statuses.insert(id.clone(), status.clone());
            if before.as_ref() == Some(&status) {
                continue;
            }
            let open: Vec<usize> = self.open.iter().copied().collect();
            for index in open {
                let Some(When::Execution {
                    status: want,
                    template_name,
                    nth,
                }) = &self.events[index].when
                else {
                    continue;
                };
                let nth = *nth;
                if *want == status && template_name.as_ref().is_none_or(|t| *t == template) {
                    met.extend(self.count(index, nth, Some(id.clone())));
                }
            }
        }
        met
    }

    fn count(&mut self, index: usize, nth: u64, execution_id: Option<String>) -> Option<Met> {
        let seen = self.entered.entry(index).or_default();
        *seen += 1;
        if *seen < nth {
            return None;
        }
        self.open.remove(&index);
        Some(Met {
            index,
            delay: self.events[index].delay_seconds,
            execution_id,
        })
    }
}
