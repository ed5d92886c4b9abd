//! What holds a batch has let it go when the operator does: by the clock of the world, and by what the cloud did, not by what is
//! on record.

use std::collections::{BTreeMap, BTreeSet};

use ess_emulator::state::alarms::AlarmState;
use ess_emulator::state::backend_health::BackendStatus;
use ess_rollout_api::v1alpha1::{RunPolicy, Window as Written};
use ess_rollout_core::windows::{Window, evaluate};
use ess_rollout_test_support::apiserver::{Change, ChangeKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{nested_executions, roots};
use crate::world::{NAMESPACE, OPERATOR, World};

/// What is decided in time may be called so much later: within it a call takes effect or never.
const LATENESS: SignedDuration = SignedDuration::from_secs(180);

/// The windows that several objects share.
const WINDOWS: &str = "maintenancewindows";

/// Between two looks at the checks, where a scenario does not say otherwise.
const INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// What the spec of an object asks of its batches.
pub struct Asks<'c> {
    policy: RunPolicy,
    window: Option<Window>,
    /// A rollback goes back at once, whatever windows select it.
    is_rollback: bool,
    /// Its kind as the apiserver names it, and its name.
    object: (&'static str, String),
    changes: &'c [Change],
}

/// What the windows for an object were from some time on.
enum Then {
    /// These, all of which can be read.
    Windows(Vec<Window>),
    /// One that cannot be read, or that is named and not there.
    Closed,
}

impl<'c> Asks<'c> {
    /// `None`: a person alone.
    pub fn of(object: &Value, changes: &'c [Change]) -> Option<Self> {
        let policy: RunPolicy = serde_json::from_value(object["spec"].clone()).ok()?;
        if !policy.holds_batches() && !changes.iter().any(|c| c.resource == WINDOWS) {
            return None;
        }
        let read = |written: &Written| Window::parse("spec.window", "spec.window", written).ok();
        Some(Self {
            window: policy.windows.window.as_ref().and_then(read),
            policy,
            is_rollback: object["kind"] == "Rollback",
            object: (
                match object["kind"].as_str() {
                    Some("Rollback") => "rollbacks",
                    Some("ImageUpdateTask") => "imageupdatetasks",
                    _ => "rollingupdatetasks",
                },
                object["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            changes,
        })
    }

    /// Whether a batch is let go on without a person after this pause.
    pub fn need_nobody(&self, pause: i64) -> bool {
        i32::try_from(pause).is_ok_and(|pause| !self.policy.asks_person_after(pause))
    }

    /// Whether something may begin that was decided at some time before this one.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let from = at - LATENESS;
        let (kind, name) = &self.object;
        let own = |change: &&Change| change.resource == *kind && change.name == *name;
        let changes = self.changes.iter();
        let changes = changes.filter(|change| change.resource == WINDOWS || own(change));
        let changes = changes.map(|change| change.time);
        let mut times: Vec<Timestamp> =
            changes.filter(|time| from < *time && *time <= at).collect();
        times.insert(0, from);
        times.push(at);
        times.windows(2).any(|stretch| {
            let Then::Windows(windows) = self.windows_at(stretch[0]) else {
                return false;
            };
            let then = evaluate(&windows, stretch[0]);
            then.is_open() || then.look_again <= stretch[1]
        })
    }

    /// The windows that were for it, by what the apiserver had then. Tags are taken to fit: those of the fixtures do.
    fn windows_at(&self, time: Timestamp) -> Then {
        let mut there: BTreeMap<&str, &Value> = BTreeMap::new();
        for change in self.changes.iter().filter(|c| c.resource == WINDOWS) {
            if change.time > time {
                break;
            }
            match change.kind {
                ChangeKind::Deleted => there.remove(change.name.as_str()),
                _ => there.insert(&change.name, &change.new),
            };
        }
        let overridden = self.overridden_at(time);
        let is_overridden = |name: &str| {
            let mut words = overridden.iter().flat_map(|value| value.split([',', '@']));
            words.any(|word| word == "all" || word == name)
        };
        let names = &self.policy.windows.window_refs;
        if names.iter().any(|name| !there.contains_key(name.as_str())) {
            return Then::Closed;
        }
        let own = self.window.iter().filter(|_| !is_overridden("spec.window"));
        let mut windows: Vec<Window> = own.cloned().collect();
        for (name, window) in there {
            if is_overridden(name) {
                continue;
            }
            let namespaces = &window["spec"]["selector"]["namespaces"];
            let elsewhere = namespaces.as_array().is_some_and(|namespaces| {
                !namespaces.is_empty() && !namespaces.contains(&NAMESPACE.into())
            });
            let named = names.iter().any(|named| named == name);
            if !named && (self.is_rollback || elsewhere) {
                continue;
            }
            let spec = serde_json::from_value(window["spec"].clone()).ok();
            let read = spec.and_then(|spec| Window::parse(name, "spec", &spec).ok());
            match read {
                Some(window) => windows.push(window),
                None => return Then::Closed,
            }
        }
        Then::Windows(windows)
    }

    /// What a person had asked for by then about windows.
    fn overridden_at(&self, time: Timestamp) -> Vec<&'c str> {
        let (kind, name) = &self.object;
        let own = self.changes.iter().take_while(|change| change.time <= time);
        let own = own.filter(|change| change.resource == *kind && change.name == *name);
        let asked = own.filter_map(|change| {
            change.new["metadata"]["annotations"]["ess-rollout.io/override-window"].as_str()
        });
        asked.collect()
    }

    /// An alarm that had not been well for longer than any look of then is late: its id, and since when.
    pub fn alarmed(&self, world: &World, at: Timestamp) -> Option<(String, Timestamp)> {
        let gates = self.policy.gates.as_ref()?;
        let alarms = gates.alarms.clone().unwrap_or_default();
        let cloud = world.cloud();
        let known = &cloud.world.resources.alarms;
        // What endpoints say is what that rule does.
        let measured = |id: &str| {
            let mut metrics = gates.metrics.iter();
            metrics.any(|metric| metric.query == id) || !gates.webhooks.is_empty()
        };
        let named = |id: &String| alarms.rule_ids.contains(id) || measured(id);
        let rules = known.rules.iter();
        let rules = rules.filter(|(id, _)| named(id) || alarms.from_scaling_group);
        let tasks = known.tasks.iter().filter(|_| alarms.from_scaling_group);
        let unwell = rules.chain(tasks).find(|(_, alarm)| {
            alarm.state != AlarmState::Ok && alarm.updated + INTERVAL * 2 + LATENESS < at
        });
        unwell.map(|(id, alarm)| (id.clone(), alarm.updated))
    }

    /// Whether the load balancers are asked between batches, and find this instance, the last to be updated, unhealthy from its update
    /// on.
    pub fn finds_unhealthy(&self, world: &World, instance: &str) -> bool {
        let gates = self.policy.gates.as_ref();
        let asks = gates.is_some_and(|gates| gates.load_balancer.is_some());
        // In a second execution it is not the first time that it is back.
        asks && roots(world).len() == 1 && is_unhealthy_for_good(world, instance)
    }

    /// By how many seconds a batch had not been in service for long enough.
    pub fn short_of(&self, world: &World, root: &str, at: Timestamp) -> Option<i64> {
        let soak = self.policy.gates.as_ref()?.soak_seconds?;
        let ended = |child: &Value| child["EndDate"].as_str()?.parse::<Timestamp>().ok();
        let nested = nested_executions(world, root);
        let ends: BTreeSet<Timestamp> = nested.iter().filter_map(ended).collect();
        let last = ends.range(..at).next_back()?;
        let short = i64::from(soak) - at.duration_since(*last).as_secs();
        // The clocks of the cloud count whole seconds.
        (short > 1).then_some(short)
    }
}

/// Checks that a person has had made again fail by what the cloud says since then.
pub(super) fn checks_made_again_are_asked_again(world: &World, changes: &[Change]) {
    const ASKED: [&str; 2] = ["DescribeMetricRuleList", "DescribeAlarms"];
    let cloud = world.cloud();
    let entries = cloud.world.journal.since(0);
    let asked = entries.filter(|e| e.principal == OPERATOR && ASKED.contains(&e.action.as_str()));
    let asked: BTreeSet<Timestamp> = asked.map(|entry| entry.time).collect();
    drop(cloud);
    let mut retried: BTreeMap<String, (&Value, Timestamp)> = BTreeMap::new();
    for change in changes {
        let gates = &change.new["spec"]["gates"];
        // What endpoints are asked is in no journal.
        if gates["alarms"].is_null() || !gates["metrics"].is_null() || !gates["webhooks"].is_null()
        {
            continue;
        }
        let gate = &change.new["status"]["gate"];
        let uid = change.new["metadata"]["uid"].to_string();
        if gate["retryTime"].is_null() {
            retried.remove(&uid);
            continue;
        }
        let since = match retried.get(&uid) {
            Some((time, since)) if **time == gate["retryTime"] => *since,
            _ => {
                retried.insert(uid, (&gate["retryTime"], change.time));
                continue;
            }
        };
        let before = change
            .old
            .as_deref()
            .map(|old| &old["status"]["gate"]["verdict"]);
        let is_new = before.is_some_and(Value::is_null) && gate["verdict"]["verdict"] == "Fail";
        // Whoever is told of a retry has asked in the same moment.
        let since = since - SignedDuration::from_secs(1);
        if is_new && asked.range(since..=change.time).next().is_none() {
            world.violation(format!(
                "the checks of {}, made again at {since}, failed at {} by what was said before",
                change.name, change.time
            ));
        }
    }
}

/// Whether the load balancers find this instance unhealthy from its update on.
pub fn is_unhealthy_for_good(world: &World, instance: &str) -> bool {
    let cloud = world.cloud();
    let mut rules = cloud.world.backend_health.list().into_iter();
    rules.any(|rule| {
        rule.instance.as_deref() == Some(instance)
            && rule.attempt == Some(1)
            && rule.for_seconds.is_none()
            && rule.status == BackendStatus::Abnormal
    })
}
