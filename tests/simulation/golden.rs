//! Objects as released versions have left them, at every stage: this version has to take each of them on to its end.
//!
//! A file of `golden/layout-N/` is one moment of a scenario, written by a version of layout N: the objects, and what was asked
//! of the cloud until then. A run begins with the same calls at the same times on the cloud of the scenario, puts the objects
//! into an empty apiserver, and starts the operator on them; people go on where they were. So no file depends on what this
//! version would have done until then.
//!
//! `GOLDEN=write` writes those of the present layout, where there are none yet. Files of a layout that was released stay as they
//! are: to be mended is what does not get on with them.
//!
//! What the emulated cloud itself numbers and dates is in them: an object that names task executions which its templates do not make
//! any more asks for something that never was. Such a moment is written again, by the layout that it has.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use ess_emulator::params::Params;
use ess_emulator::state::call::Service;
use ess_rollout_api::LAYOUT_VERSION;
use ess_rollout_test_support::apiserver::Kinds;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::Side;
use crate::invariants;
use crate::person::{self, Person, PersonRequest};
use crate::run::Run;
use crate::scenario::{Act, Scenario, When};
use crate::scenarios;
use crate::sweep;
use crate::wire::is_read;
use crate::workers::{self, Job};
use crate::world::{self, OPERATOR, PERSON, World};

/// What is kept of an apiserver, in the order in which it is put back.
const KINDS: [&str; 6] = [
    "configmaps",
    "secrets",
    "scalinggrouprecords",
    "rollingupdatetasks",
    "rollbacks",
    "imageupdatetasks",
];

/// One moment of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Golden {
    pub scenario: String,
    /// What is peculiar to it.
    pub stages: Vec<String>,
    /// When the scenario began.
    began: Timestamp,
    time: Timestamp,
    /// How many steps people had done, and what they had asked for.
    steps: usize,
    asked: Vec<PersonRequest>,
    calls: Vec<GoldenCall>,
    /// What ran, oldest first: as the objects name it.
    executions: Vec<String>,
    objects: Vec<Value>,
}

/// A call that changed something, or was to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct GoldenCall {
    time: Timestamp,
    principal: String,
    service: Service,
    action: String,
    params: Params,
}

/// A moment, before it is known what people had done by then.
#[derive(Debug, Clone)]
pub struct Moment {
    side: Side,
    time: Timestamp,
    calls: usize,
    executions: Vec<String>,
    objects: Vec<Value>,
}

impl Moment {
    /// As it is right after a request of the operator.
    pub fn of(world: &World, side: Side) -> Self {
        let objects = KINDS.iter().flat_map(|plural| world.apiserver.list(plural));
        Self {
            side,
            time: world.now(),
            calls: made(world).len(),
            executions: invariants::executions(world),
            objects: objects.map(|object| Value::clone(&object)).collect(),
        }
    }

    /// What a later version has to understand of it, in words: one text for each object.
    fn stages(&self) -> Vec<String> {
        let stages = self.objects.iter().filter_map(stage_of);
        let unknown = match self.side {
            Side::Cloud => ", a call has no outcome yet",
            Side::Apiserver => "",
        };
        stages.map(|stage| stage + unknown).collect()
    }
}

/// The stage of one object.
fn stage_of(object: &Value) -> Option<String> {
    let status = &object["status"];
    let word = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
    let mut words = vec![object["kind"].as_str()?.to_owned()];
    if matches!(words[0].as_str(), "Secret" | "ConfigMap") {
        return None;
    }
    words.extend(word("/state").map(str::to_owned));
    if !object["metadata"]["deletionTimestamp"].is_null() {
        words.push("deleted".to_owned());
    }
    for (field, name) in [
        ("/start", "start"),
        ("/execution", "execution"),
        ("/pause", "pause"),
        ("/approve", "Approve"),
        ("/cancellation", "cancellation"),
        ("/result", "result"),
        ("/restore", "restoring"),
        ("/waiting", "due"),
        ("/active/start", "start"),
        ("/active/execution", "execution"),
        ("/active/imageId", "image"),
        ("/holder", "held"),
        ("/leftovers", "leftovers"),
        ("/runs/0/letGo", "run let go"),
    ] {
        if status.pointer(field).is_some() {
            words.push(name.to_owned());
        }
    }
    words.extend(word("/approve/answer").map(str::to_owned));
    if status["restore"]["done"] == true {
        words.push("restored".to_owned());
    }
    let actions = status["actions"].as_array();
    let open = actions.into_iter().flatten();
    let open = open.filter(|action| {
        !["Applied", "Rejected"]
            .iter()
            .any(|end| action["state"] == **end)
    });
    words.extend(open.filter_map(|action| {
        Some(format!(
            "{} {}",
            action["verb"].as_str()?,
            action["state"].as_str()?
        ))
    }));
    Some(words.join(" "))
}

/// The calls by operator and people that change something.
fn made(world: &World) -> Vec<GoldenCall> {
    let cloud = world.cloud();
    let entries = cloud.world.journal.since(0);
    let theirs = entries.filter(|entry| {
        !entry.by_oos
            && !is_read(&entry.action)
            && [OPERATOR, PERSON].contains(&entry.principal.as_str())
    });
    let calls = theirs.filter_map(|entry| {
        Some(GoldenCall {
            time: entry.time,
            principal: entry.principal.clone(),
            service: entry.service?,
            action: entry.action.clone(),
            params: entry.params.clone(),
        })
    });
    calls.collect()
}

impl Golden {
    /// All that a world has kept, once its run is over.
    pub fn all_of(world: &World, scenario: &Scenario, person: &Person) -> Vec<Self> {
        let moments = world.take_moments();
        if moments.is_empty() {
            return Vec::new();
        }
        let calls = made(world);
        let golden = moments.into_iter().map(|moment| Self {
            scenario: scenario.name.to_owned(),
            stages: moment.stages(),
            began: world::begin(),
            time: moment.time,
            steps: person.steps_by(moment.time),
            asked: person
                .requests
                .iter()
                .filter(|asked| asked.time <= moment.time)
                .cloned()
                .collect(),
            calls: calls[..moment.calls].to_vec(),
            executions: moment.executions,
            objects: moment.objects,
        });
        golden.collect()
    }

    /// With a line for each field, call and object.
    fn text(&self) -> String {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            panic!("a moment is an object");
        };
        let line = |(name, value): (&String, &Value)| match value {
            Value::Array(items) if items.first().is_some_and(Value::is_object) => {
                let items: Vec<String> = items.iter().map(|item| format!("\n    {item}")).collect();
                format!("  {name:?}: [{}\n  ]", items.join(","))
            }
            value => format!("  {name:?}: {value}"),
        };
        let lines: Vec<String> = fields.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }

    /// Brings a world that has just begun to this moment.
    pub async fn restore(&self, world: &World, person: &mut Person) {
        assert_eq!(self.began, world.now(), "{}: another date", self.scenario);
        for call in &self.calls {
            until(world, call.time).await;
            // Refused now as it was then, where it was.
            let answer = person::called_by(
                &call.principal,
                world,
                call.service,
                &call.action,
                call.params.clone(),
            );
            world.trace(|| format!("again {} {}: {answer:?}", call.principal, call.action));
        }
        until(world, self.time).await;
        let executions = invariants::executions(world);
        assert_eq!(
            self.executions, executions,
            "{}: the emulator gives other ids than it did",
            self.scenario
        );
        world.apiserver.restore("golden", self.objects.clone());
        person.goes_on_after(self.steps, self.asked.clone());
    }
}

async fn until(world: &World, time: Timestamp) {
    let wait = time.duration_since(world.now());
    tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/golden")
}

/// The names of all of them.
fn names() -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for layout in fs::read_dir(directory()).unwrap() {
        let layout = layout.unwrap().path();
        files.extend(
            fs::read_dir(layout)
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    files.sort();
    let name = |file: &PathBuf| {
        let name = file.strip_prefix(directory()).unwrap().with_extension("");
        name.display().to_string()
    };
    files.iter().map(name).collect()
}

/// The run that takes the one of this name on to its end; `None`: there is none.
pub fn run(name: &str) -> Option<Run> {
    let file = directory().join(format!("{name}.json"));
    let golden: Golden = serde_json::from_str(&fs::read_to_string(&file).ok()?)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let scenario = scenarios::shared()
        .iter()
        .find(|scenario| scenario.name == golden.scenario)
        .unwrap_or_else(|| panic!("{name}: there is no scenario {}", golden.scenario));
    Some(Run {
        from: Some(Arc::new((name.to_owned(), golden))),
        ..Run::dry(scenario)
    })
}

/// Takes each on to its end.
pub fn hold(kinds: &Arc<Kinds>, only: Option<&str>) -> ExitCode {
    let began = Instant::now();
    let names = names().into_iter();
    let names: Vec<String> = names
        .filter(|name| only.is_none_or(|only| only == name))
        .collect();
    let layouts: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| Some(name.split_once('/')?.0))
        .collect();
    assert!(!names.is_empty(), "there are no golden objects");
    let jobs = names.iter().map(|name| Job::One(format!("golden:{name}")));
    let done = workers::work(jobs.collect());
    let broken = sweep::tell_of_broken(kinds, &done);
    println!(
        "golden: layouts={} objects={} violations={broken} {:.0} s",
        layouts.len(),
        names.len(),
        began.elapsed().as_secs_f64()
    );
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Whether a moment of it can be come to again by calls alone.
fn can_be_repeated(scenario: &Scenario) -> bool {
    let steps = scenario
        .steps
        .iter()
        .all(|step| !matches!(step.when, When::Boundary(_)) && !matches!(step.act, Act::Crd(..)));
    steps
        && scenario.fixture["events"].is_null()
        && scenario.lists_behind == 0
        && scenario.tasks_behind == 0
}

/// Writes those of this layout: each stage that a scenario comes to, once.
pub fn write(kinds: &Arc<Kinds>) -> ExitCode {
    let directory = directory().join(format!("layout-{LAYOUT_VERSION}"));
    if directory.exists() {
        println!(
            "golden: {} is there: what a released version has written stays as it is",
            directory.display()
        );
        return ExitCode::FAILURE;
    }
    fs::create_dir_all(&directory).unwrap();
    let (mut stages, mut files) = (BTreeSet::new(), 0);
    for scenario in scenarios::all().into_iter().filter(can_be_repeated) {
        let scenario = Arc::new(scenario);
        let run = Run {
            keeps_moments: true,
            ..Run::dry(&scenario)
        };
        let outcome = run.run(kinds, false);
        assert!(
            outcome.violations.is_empty(),
            "{}: {:?}",
            scenario.name,
            outcome.violations
        );
        for (number, golden) in outcome.moments.into_iter().enumerate() {
            let news = golden
                .stages
                .iter()
                .filter(|stage| stages.insert((*stage).clone()));
            if news.count() == 0 {
                continue;
            }
            let file = directory.join(format!("{}-{:02}.json", scenario.name, number + 1));
            fs::write(file, golden.text()).unwrap();
            files += 1;
        }
    }
    println!("golden: {files} moments in {}", directory.display());
    ExitCode::SUCCESS
}
