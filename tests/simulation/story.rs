//! How a run is told: who asked for what, what was called and written, and where it broke a rule what the operator believed
//! and what was true.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_test_support::apiserver::Kinds;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::gate::Plan;
use crate::invariants;
use crate::run::Run;
use crate::scenario::{Act, Scenario, When, image};
use crate::world::{KINDS, World};

/// What a person does, as a person says it.
pub fn act(act: &Act) -> String {
    match act {
        Act::Wait => "waits for that".to_owned(),
        Act::Create(object) => format!(
            "creates {} {} {}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default(),
            object
                .get("spec")
                .or(object.get("data"))
                .unwrap_or(&Value::Null)
        ),
        Act::Annotate(name, verb, value) => format!("annotates {name} {verb}={value}"),
        Act::Edit(name, spec) => format!("edits the spec of {name}: {spec}"),
        Act::Try(name, specs) => format!("tries {} edits of the spec of {name}", specs.len()),
        Act::Change(name, patch) => format!("changes {name}: {patch}"),
        Act::Delete(name) => format!("deletes {name}"),
        Act::Crd(plural, fields) => format!("installs a CRD of {plural} without {fields:?}"),
        Act::Replica(name, status) => {
            format!("sees that another replica has written of {name}: {status}")
        }
        Act::Console {
            of,
            service,
            action,
            params,
        } => format!("calls {service} {action} {params} about {of}"),
    }
}

/// What every object says, a line each.
pub fn believed(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in KINDS {
        for object in world.apiserver.list(kind) {
            let status = &object["status"];
            let word = |pointer: &str| status.pointer(pointer).map_or("-".to_owned(), plain);
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let conditions: Vec<String> = conditions
                .map(|c| format!("{}={}", plain(&c["type"]), plain(&c["reason"])))
                .collect();
            lines.push(format!(
                "{kind}/{}: {}, pause {}, execution {}, {}",
                plain(&object["metadata"]["name"]),
                word("/state"),
                word("/pause/id"),
                word("/execution/id"),
                conditions.join(" ")
            ));
            let instances = status["instances"].as_array().into_iter().flatten();
            let instances: Vec<String> = instances
                .map(|i| format!("{} {}", plain(&i["id"]), plain(&i["state"])))
                .collect();
            if !instances.is_empty() {
                lines.push(format!("    {}", instances.join(", ")));
            }
        }
    }
    for record in world.apiserver.list("scalinggrouprecords") {
        let status = &record["status"];
        let left = status["leftovers"].as_array().into_iter().flatten();
        let left: Vec<String> = left
            .map(|l| format!("{} {}", plain(&l["kind"]), plain(&l["target"])))
            .collect();
        lines.push(format!(
            "record {}: held by {}, left [{}]",
            plain(&record["metadata"]["name"]),
            status.pointer("/holder/name").map_or("-".to_owned(), plain),
            left.join(", ")
        ));
    }
    lines
}

/// What there is in the cloud, a line each.
pub fn truth(world: &World) -> Vec<String> {
    let mut lines: Vec<String> = invariants::roots(world)
        .iter()
        .map(|root| format!("{} {}", plain(&root["ExecutionId"]), plain(&root["Status"])))
        .collect();
    let cloud = world.cloud();
    let resources = &cloud.world.resources;
    for (id, group) in &resources.groups {
        let suspended: Vec<&str> = group
            .suspended_processes
            .iter()
            .map(String::as_str)
            .collect();
        lines.push(format!("{id}: suspended [{}]", suspended.join(", ")));
        let members: Vec<String> = resources
            .members_of(id)
            .map(|member| {
                let instance = resources.instances.get(&member.instance_id);
                let instance = instance.map_or(String::new(), |instance| {
                    format!(" {:?} {}", instance.status, instance.image_id)
                });
                format!(
                    "{} {:?}{instance}",
                    member.instance_id, member.lifecycle_state
                )
            })
            .collect();
        if !members.is_empty() {
            lines.push(format!("    {}", members.join(", ")));
        }
    }
    for (id, configuration) in &resources.configurations {
        lines.push(format!("{id}: {}", configuration.image_id));
    }
    lines
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// A run that broke rules: which, how to see it again, and its story.
pub fn of(name: &str, replayed_as: &str, violations: &[String], trace: &[String]) -> String {
    let mut lines = vec![format!("sweep: {name} broke {} rules", violations.len())];
    lines.extend(violations.iter().map(|violation| format!("  {violation}")));
    lines.push(format!("  replay: make sweep ONLY='{replayed_as}'"));
    lines.extend(trace.iter().map(|line| format!("    {line}")));
    lines.join("\n")
}

/// A run whose scenario waits for what never comes, in which an answer is lost: how it is told is kept in a file, so that it
/// stays a story. `STORY=write` writes it.
pub fn hold(kinds: &Arc<Kinds>) -> Result<(), String> {
    let each = json!({"suspensionPolicy": "SuspendFirstBatch"});
    let scenario = Scenario::new("story", image("web", each))
        .then(
            When::Paused("web", 1),
            Act::Annotate("web", "continue", "1"),
        )
        .ends("web", &["Failed"]);
    let scenario = Scenario {
        bound: Duration::from_secs(90),
        ..scenario
    };
    let run = Run {
        plan: Plan::from([(13, Fault::EffectLate)]),
        ..Run::dry(&Arc::new(scenario))
    };
    let outcome = run.run(kinds, true);
    let told = of(
        &run.name(),
        &run.name(),
        &outcome.violations,
        &outcome.trace,
    ) + "\n";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/story.txt");
    if std::env::var("STORY").is_ok_and(|story| story == "write") {
        return std::fs::write(&file, told).map_err(|error| error.to_string());
    }
    let kept = std::fs::read_to_string(&file).map_err(|error| format!("{file:?}: {error}"))?;
    let same = kept
        .lines()
        .zip(told.lines())
        .take_while(|(kept, told)| kept == told);
    match kept == told {
        true => Ok(()),
        false => Err(format!(
            "a run is told in another way than in {}, from line {} on: {:?} (STORY=write writes it)",
            file.display(),
            same.clone().count() + 1,
            told.lines().nth(same.count())
        )),
    }
}
