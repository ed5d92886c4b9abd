//! The control API under `/_emulator/`: unsigned JSON for whoever drives a test. See the crate's
//! README for the list.

mod answers;
mod calls;
mod journal;
mod twice;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::front::{Request, Response};
use crate::oos::{TriggerKind, event_problem};
use crate::secrets::Common;
use crate::services::planned::{count_problem, fault_problem, health_problem, switches_problem};
use crate::services::policies::policy_problem;
use crate::state::activities::Trigger;
use crate::state::alarms::AlarmState;
use crate::state::backend_health::BackendHealthRule;
use crate::state::behaviour::Switches;
use crate::state::faults::Fault;
use crate::state::model::Resources;
use crate::state::ram::Policy;
use crate::state::time::{advance_problem, scale_problem, seconds};
pub use answers::Later;
use answers::{answer, no_body, no_query, read, refuse};
use calls::call_as;
use journal::journal;

/// Every path of the control API begins so.
pub const PREFIX: &str = "/_emulator/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    scale: Option<f64>,
    paused: Option<bool>,
    advance_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Scale {
    #[serde(default = "one")]
    count: usize,
    #[serde(default)]
    trigger: Trigger,
}

fn one() -> usize {
    1
}

fn scale(request: &Request) -> Result<Scale, Response> {
    let scale: Scale = read(request)?;
    match count_problem(scale.count) {
        Some(problem) => Err(refuse(400, problem)),
        None => Ok(scale),
    }
}

fn policy(request: &Request) -> Result<Policy, Response> {
    let policy: Policy = read(request)?;
    match policy_problem(&policy) {
        Some(problem) => Err(refuse(400, problem)),
        None => Ok(policy),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AlarmChange {
    state: AlarmState,
}

/// What the client gets.
#[derive(Debug)]
pub enum Outcome {
    /// At once.
    Answer(Response),
    /// What is written without the cloud.
    Later(Later),
    /// What [`clock`] says, once it shows this time: see [`Cloud::heading`].
    ClockAt(Timestamp),
}

/// Answers one request of the control API.
pub fn handle(cloud: &mut Cloud, request: &Request, wall_now: Timestamp) -> Response {
    match begin(cloud, request, wall_now) {
        Outcome::Answer(response) => response,
        Outcome::Later(later) => later.write(),
        Outcome::ClockAt(at) => {
            cloud.advance_to(at);
            clock(cloud)
        }
    }
}

/// The same for a server, which lets the clock move while it answers others.
pub fn begin(cloud: &mut Cloud, request: &Request, wall_now: Timestamp) -> Outcome {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let before = (cloud.world.journal.len(), cloud.now());
    let outcome = looked_at(request, &parts).and_then(|()| match request.method.as_str() {
        "POST" if parts == ["clock"] => set_clock(cloud, request),
        "GET" if parts == ["journal"] => journal(cloud, request).map(Outcome::Later),
        "GET" if parts == ["state"] => Ok(Outcome::Later(shown_state(cloud))),
        _ => route(cloud, request, &parts, wall_now).map(Outcome::Answer),
    });
    let outcome = outcome.unwrap_or_else(Outcome::Answer);
    let is_refused = matches!(&outcome, Outcome::Answer(response) if response.status >= 400);
    if !is_refused {
        note(cloud, request, &parts, before);
    }
    outcome
}

/// The answer to a request whose body is above `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Response {
    refuse(413, format!("the body is larger than {limit} bytes"))
}

/// Tells a recording of what changed something, with the number of calls and the time before that.
/// Calls are in the journal by themselves, and how far the clock was set is in the times of what
/// comes next.
fn note(cloud: &mut Cloud, request: &Request, parts: &[&str], before: (usize, Timestamp)) {
    if request.method == "GET" || parts == ["calls"] {
        return;
    }
    let mut body = serde_json::from_slice(&request.body).unwrap_or_default();
    if parts == ["clock"]
        && let Some(change) = Value::as_object_mut(&mut body)
    {
        change.remove("advanceSeconds");
    }
    let (after, time) = before;
    cloud
        .world
        .journal
        .controlled(after, time, &request.method, &request.path, body);
}

/// Refuses a query or a body that nothing would look at.
fn looked_at(request: &Request, parts: &[&str]) -> Result<(), Response> {
    match (request.method.as_str(), parts) {
        // It looks at its query by itself.
        ("GET", ["journal"]) => no_body(request),
        ("GET" | "DELETE", _) | ("POST", ["instances", _, "vanish" | "stop"]) => {
            no_query(request)?;
            no_body(request)
        }
        _ => no_query(request),
    }
}

fn route(
    cloud: &mut Cloud,
    request: &Request,
    parts: &[&str],
    wall_now: Timestamp,
) -> Result<Response, Response> {
    Ok(match (request.method.as_str(), parts) {
        ("GET", ["health"]) => answer(&json!({ "status": "ok" })),
        ("GET", ["clock"]) => clock(cloud),
        ("GET", ["faults"]) => answer(&json!({ "faults": cloud.world.faults.list() })),
        ("POST", ["faults"]) => {
            let fault: Fault = read(request)?;
            if let Some(problem) = fault_problem(&cloud.world, &fault) {
                return Err(refuse(400, problem));
            }
            let now = cloud.now();
            let id = cloud.world.faults.add(fault, now);
            Response::json(201, &json!({ "id": id }))
        }
        ("DELETE", ["faults"]) => {
            cloud.world.faults.clear();
            answer(&json!({}))
        }
        ("DELETE", ["faults", id]) => match id.parse() {
            Ok(id) if cloud.world.faults.remove(id) => answer(&json!({})),
            _ => refuse(404, "no such fault"),
        },
        ("GET", ["actions"]) => answer(&json!({ "actions": crate::services::listed() })),
        ("GET", ["switches"]) => answer(&json!(cloud.world.switches)),
        ("PUT", ["switches"]) => {
            let switches: Switches = read(request)?;
            if let Some(problem) = switches_problem(&switches) {
                return Err(refuse(400, problem));
            }
            cloud.world.switches = switches;
            cloud.settle();
            answer(&json!(cloud.world.switches))
        }
        ("PUT", ["principals", name]) => {
            let policy = policy(request)?;
            match cloud.world.ram.principals.get_mut(*name) {
                Some(principal) => {
                    principal.policy = policy;
                    answer(&json!(principal.policy))
                }
                None => return Err(refuse(404, format!("no principal {name}"))),
            }
        }
        ("PUT", ["roles", name]) => {
            let policy = policy(request)?;
            let mut found = None;
            for role in cloud.world.ram.roles.values_mut() {
                if role.name == *name {
                    role.policy = policy.clone();
                    found = Some(answer(&json!(policy)));
                }
            }
            found.ok_or_else(|| refuse(404, format!("no role {name}")))?
        }
        ("POST", ["groups", id, "scaleOut"]) => {
            let Scale { count, trigger } = scale(request)?;
            activity(
                crate::services::ess::scale_out(&mut cloud.world, id, count, trigger),
                cloud,
            )
        }
        ("POST", ["groups", id, "scaleIn"]) => {
            let Scale { count, trigger } = scale(request)?;
            activity(
                crate::services::ess::scale_in(&mut cloud.world, id, count, trigger),
                cloud,
            )
        }
        ("POST", ["instances", id, "vanish"]) => {
            done(crate::services::vanish(&mut cloud.world, id), cloud)
        }
        ("POST", ["instances", id, "stop"]) => {
            done(crate::services::ecs::stop(&mut cloud.world, id), cloud)
        }
        ("POST", ["events"]) => tell(cloud, TriggerKind::Event, &read(request)?)?,
        ("POST", ["alarms"]) => tell(cloud, TriggerKind::Alarm, &read(request)?)?,
        ("PUT", ["alarms", id]) => {
            let AlarmChange { state } = read(request)?;
            match cloud.alarm_changes(id, state) {
                Ok(started) => answer(&json!({ "started": started })),
                Err(why) => refuse(404, why),
            }
        }
        ("GET", ["backendHealth"]) => {
            answer(&json!({ "rules": cloud.world.backend_health.list() }))
        }
        ("POST", ["backendHealth"]) => {
            let rule: BackendHealthRule = read(request)?;
            if let Some(problem) = health_problem(&cloud.world, &rule) {
                return Err(refuse(400, problem));
            }
            let now = cloud.now();
            cloud.world.backend_health.give(rule, now);
            Response::json(201, &json!({}))
        }
        ("DELETE", ["backendHealth"]) => {
            cloud.world.backend_health.clear();
            answer(&json!({}))
        }
        ("POST", ["calls"]) => call_as(cloud, read(request)?, wall_now)?,
        _ => refuse(404, "no such path in the control API"),
    })
}

/// Somebody makes up an event or an alarm.
fn tell(cloud: &mut Cloud, kind: TriggerKind, event: &Value) -> Result<Response, Response> {
    if let Some(problem) = event_problem(kind, event, &cloud.world.regions) {
        return Err(refuse(400, problem));
    }
    let started = cloud.event(kind, event);
    Ok(answer(&json!({ "started": started })))
}

/// What `GET clock` answers.
pub fn clock(cloud: &Cloud) -> Response {
    answer(&json!({
        "now": cloud.now(),
        "scale": cloud.world.clock.scale,
        "paused": cloud.world.clock.paused,
        "nextDue": cloud.next_due(),
        "advancingTo": cloud.heading(),
        "behindSeconds": cloud.world.behind.as_secs_f64(),
    }))
}

fn set_clock(cloud: &mut Cloud, request: &Request) -> Result<Outcome, Response> {
    let change: ClockChange = read(request)?;
    // Before anything is changed: what is refused changes nothing.
    if let Some(problem) = change.scale.and_then(scale_problem) {
        return Err(refuse(400, format!("scale {problem}")));
    }
    if let Some(by) = change.advance_seconds {
        let problem = advance_problem(cloud.destination(), cloud.world.started, by);
        if let Some(problem) = problem {
            return Err(refuse(400, format!("advanceSeconds {problem}")));
        }
    }
    let settings = &mut cloud.world.clock;
    settings.scale = change.scale.unwrap_or(settings.scale);
    settings.paused = change.paused.unwrap_or(settings.paused);
    // What it owed by the settings before is given up.
    cloud.world.behind = SignedDuration::ZERO;
    Ok(match change.advance_seconds {
        Some(by) => Outcome::ClockAt(cloud.head_for(seconds(by))),
        None => Outcome::Answer(clock(cloud)),
    })
}

/// What `GET state` answers: everything that the services hold, without secrets. A copy takes less time than writing it, which others would wait for.
fn shown_state(cloud: &Cloud) -> Later {
    let (resources, now) = (cloud.world.resources.clone(), cloud.now());
    let veil = cloud.world.journal.veil();
    Later::new(move || {
        let mut state = state(&resources, now);
        veil.hide(&mut state, Common::Whole);
        answer(&state)
    })
}

/// Everything that the services hold, as it is.
pub(crate) fn state(r: &Resources, now: Timestamp) -> Value {
    json!({
        "now": now,
        "scalingGroups": r.groups.values().collect::<Vec<_>>(),
        "scalingConfigurations": r.configurations.values().collect::<Vec<_>>(),
        "eciScalingConfigurations": r.eci_configurations.values().collect::<Vec<_>>(),
        "scalingInstances": r.members.values().collect::<Vec<_>>(),
        "scalingActivities": r.activities.values().collect::<Vec<_>>(),
        "instances": r.instances.values().collect::<Vec<_>>(),
        "disks": r.disks.values().collect::<Vec<_>>(),
        "containerGroups": r.container_groups.values().collect::<Vec<_>>(),
        "images": r.images.values().collect::<Vec<_>>(),
        "instanceRefreshes": r.instance_refreshes.values().collect::<Vec<_>>(),
        "lifecycleActions": r.lifecycle_actions.values().collect::<Vec<_>>(),
        "loadBalancers": r.balancing.balancers.values().collect::<Vec<_>>(),
        "serverGroups": r.balancing.server_groups.values().collect::<Vec<_>>(),
        "metricRules": r.alarms.rules.values().collect::<Vec<_>>(),
        "alarms": r.alarms.tasks.values().collect::<Vec<_>>(),
        "snapshots": r.snapshots.values().collect::<Vec<_>>(),
        "invocations": r.invocations.values().collect::<Vec<_>>(),
    })
}

fn activity(result: Result<String, ApiError>, cloud: &mut Cloud) -> Response {
    cloud.settle();
    match result {
        Ok(id) => answer(&json!({ "activity": cloud.world.resources.activities.get(&id) })),
        Err(error) => refuse(error.status, error),
    }
}

fn done(result: Result<(), ApiError>, cloud: &mut Cloud) -> Response {
    cloud.settle();
    match result {
        Ok(()) => answer(&json!({})),
        Err(error) => refuse(error.status, error),
    }
}
