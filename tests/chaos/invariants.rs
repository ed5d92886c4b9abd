//! What must hold after a round, whatever happened in it. Effects are counted in the emulator's journal and state, not by what the
//! operators say they did.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use ess_rollout_core::identity;
use ess_rollout_test_support::{Evidence, evidence};
use serde_json::{Value, json};

use super::scenario::{Scenario, Story};
use super::site::{FOUND_SUSPENDED, NEW_CONTAINER, NEW_IMAGE, OLD_IMAGE, OPERATOR, PERSON, Site};

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Something happened twice.
    DoubleEffect,
    /// A request has no verdict, or another one, or more than one.
    LostRequest,
    /// Somebody acted who did not lead.
    WithoutLease,
    /// Another leads later than it should.
    LateTakeover,
    /// Something has not ended as it should, or did not end.
    WrongEnd,
}

#[derive(Debug)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

#[derive(Debug, Default)]
pub struct Findings(pub Vec<Violation>);

impl Findings {
    pub fn add(&mut self, rule: Rule, what: impl Into<String>) {
        self.0.push(Violation {
            rule,
            what: what.into(),
        });
    }

    fn check(&mut self, rule: Rule, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, otherwise());
        }
    }
}

/// Holds the runs of a round against the rules. `since`: the call of the journal with which it began.
pub async fn check(site: &Site, stories: &[Story], since: u64) -> Result<Findings> {
    let mut found = Findings::default();
    let evidence = Evidence::of(&site.emulator, since).await?;
    for story in stories {
        let mut of_run = Findings::default();
        of_run.0.extend(story.trouble.iter().map(|what| Violation {
            rule: Rule::WrongEnd,
            what: what.clone(),
        }));
        requests(&mut of_run, site, story).await?;
        executions(&mut of_run, site, &evidence, story).await?;
        updates(&mut of_run, &evidence, story)?;
        if story.trouble.is_none() {
            group(&mut of_run, &evidence, story);
            objects(&mut of_run, site, story).await?;
        }
        let name = format!("{} of round {}", story.scenario.name(), story.round);
        found.0.extend(of_run.0.into_iter().map(|one| Violation {
            what: format!("{name}: {}", one.what),
            ..one
        }));
    }
    notifications(&mut found, &evidence, stories);
    Ok(found)
}

/// Each request has one verdict, which is the right one.
async fn requests(found: &mut Findings, site: &Site, story: &Story) -> Result<()> {
    for (kind, name) in story.scenario.objects(&story.round) {
        let object = site.api(kind).get_opt(&name).await?;
        let object = object.map(|object| json!(object)).unwrap_or_default();
        let actions = object["status"]["actions"].as_array();
        let actions = actions.map_or(&[][..], Vec::as_slice);
        let asked = story.requests.iter();
        let asked: Vec<_> = asked.filter(|one| one.object.1 == name).collect();
        found.check(Rule::LostRequest, actions.len() == asked.len(), || {
            format!(
                "{} requests were made of {name}, and {} are on record: {actions:?}",
                asked.len(),
                actions.len()
            )
        });
        for (asked, action) in asked.iter().zip(actions) {
            let (state, reason) = asked.wanted;
            let right = action["state"] == state
                && reason.is_none_or(|reason| action["reason"] == reason)
                && asked.took.is_some();
            found.check(Rule::LostRequest, right, || {
                format!(
                    "{name} {}={} was to be {:?}: {action}",
                    asked.verb, asked.value, asked.wanted
                )
            });
        }
    }
    Ok(())
}

/// One execution for each run of each object, which does nothing any more, and no more Approves of it than were given.
async fn executions(
    found: &mut Findings,
    site: &Site,
    evidence: &Evidence,
    story: &Story,
) -> Result<()> {
    let group = story.scenario.group(&story.round);
    let roots = evidence::roots(&site.emulator, PERSON, &group).await?;
    let mut by_run: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for root in &roots {
        let tag = |name: &str| root["Tags"][name].as_str().unwrap_or_default().to_owned();
        let run = (tag(identity::TAG_UID), tag(identity::TAG_RUN));
        by_run.entry(run).or_default().push(&root["ExecutionId"]);
        let ended = story.trouble.is_some() || evidence::is_final(root);
        found.check(Rule::WrongEnd, ended, || {
            format!(
                "execution {} is {} after the end",
                root["ExecutionId"], root["Status"]
            )
        });
    }
    for ((uid, run), executions) in &by_run {
        found.check(Rule::DoubleEffect, executions.len() == 1, || {
            format!("executions of run {run:?} of the object {uid}: {executions:?}")
        });
    }
    let wanted = match story.scenario {
        Scenario::RolledBack | Scenario::ImageUpdate => 2,
        _ => 1,
    };
    if story.trouble.is_none() {
        found.check(Rule::WrongEnd, by_run.len() == wanted, || {
            format!("{} runs of {group}, not {wanted}", by_run.len())
        });
    }
    let ids: Vec<&Value> = roots.iter().map(|root| &root["ExecutionId"]).collect();
    let approves = evidence
        .effects(OPERATOR, "NotifyExecution")
        .filter(|call| call["params"]["NotifyType"] == "Approve")
        .filter(|call| ids.contains(&&call["params"]["ExecutionId"]))
        .count();
    let given = story.approvals;
    found.check(Rule::DoubleEffect, approves <= given, || {
        format!("{approves} Approves had an effect, {given} were given")
    });
    if story.trouble.is_none() {
        found.check(Rule::LostRequest, approves == given, || {
            format!("{approves} Approves had an effect, {given} were given")
        });
    }
    Ok(())
}

/// How many times each instance was updated, those that were the fewest times first; and by which call.
fn wanted_updates(scenario: Scenario) -> (&'static str, &'static [usize]) {
    match scenario {
        Scenario::Script | Scenario::Skipped => ("RunCommand", &[1, 1, 1, 1]),
        Scenario::Image => ("ReplaceSystemDisk", &[1, 1, 1, 1]),
        // Once more where it failed.
        Scenario::Package => ("RunCommand", &[1, 1, 1, 2]),
        // Of the first one nothing came.
        Scenario::Containers => ("UpdateContainerGroup", &[1, 1, 1, 1]),
        Scenario::Cancelled => ("RunCommand", &[1, 1]),
        Scenario::RolledBack => ("ReplaceSystemDisk", &[2, 2]),
        Scenario::ImageUpdate => ("CreateImage", &[2]),
    }
}

fn updates(found: &mut Findings, evidence: &Evidence, story: &Story) -> Result<()> {
    let (action, wanted) = wanted_updates(story.scenario);
    let begun = evidence.updates(&story.scenario.group(&story.round), action)?;
    let mut counts: Vec<usize> = begun.values().map(Vec::len).collect();
    counts.sort_unstable();
    // From the most on: fewer instances than wanted are no double effect.
    let most = counts.iter().rev().zip(wanted.iter().rev());
    let twice = counts.len() > wanted.len() || most.into_iter().any(|(count, most)| count > most);
    let what = || format!("{action} was called {counts:?} times for each instance, not {wanted:?}");
    found.check(Rule::DoubleEffect, !twice, what);
    if story.trouble.is_none() && !twice {
        found.check(Rule::WrongEnd, counts == wanted, what);
    }
    Ok(())
}

/// No more retries and skips had an effect than were asked for.
fn notifications(found: &mut Findings, evidence: &Evidence, stories: &[Story]) {
    for (verb, kind) in [("retry", "RetryTask"), ("skip", "SkipTask")] {
        let given = stories.iter().flat_map(|story| &story.requests);
        let given = given.filter(|asked| asked.verb == verb).count();
        let effective = evidence
            .effects(OPERATOR, "NotifyExecution")
            .filter(|call| call["params"]["NotifyType"] == kind)
            .count();
        found.check(Rule::DoubleEffect, effective <= given, || {
            format!("{effective} of {kind} had an effect, {given} were asked for")
        });
    }
}

/// The group is as it was found, but for what the run was about.
fn group(found: &mut Findings, evidence: &Evidence, story: &Story) {
    let (scenario, round) = (story.scenario, story.round.as_str());
    let group = scenario.group(round);
    let suspended = evidence.suspended(&group);
    found.check(
        Rule::WrongEnd,
        suspended == Some(&json!([FOUND_SUSPENDED])),
        || format!("suspended processes afterwards: {suspended:?}"),
    );
    let parked = evidence
        .members(&group)
        .filter(|m| m["lifecycleState"] != "InService")
        .count();
    found.check(Rule::WrongEnd, parked == 0, || {
        format!("{parked} instances are not in service")
    });
    let image = match scenario {
        Scenario::Image => NEW_IMAGE,
        Scenario::Containers => return containers(found, evidence, &group),
        _ => OLD_IMAGE,
    };
    let others = evidence.instances(&group).filter(|i| i["imageId"] != image);
    let others = others.count();
    found.check(Rule::WrongEnd, others == 0, || {
        format!("{others} instances do not run {image}")
    });
    let configuration = evidence.configuration(&scenario.configuration(round));
    let carries = configuration.map(|configuration| &configuration["imageId"]);
    let right = match scenario {
        Scenario::ImageUpdate => carries.is_some_and(|carries| carries != OLD_IMAGE),
        _ => carries.is_some_and(|carries| carries == image),
    };
    found.check(Rule::WrongEnd, right, || {
        format!("the scaling configuration carries {carries:?}")
    });
}

fn containers(found: &mut Findings, evidence: &Evidence, group: &str) {
    let others = evidence.container_groups(group).filter(|row| {
        let containers = row["containers"].as_array().into_iter().flatten();
        let mut images = containers.map(|container| &container["spec"]["Image"]);
        images.any(|image| image != NEW_CONTAINER)
    });
    let others = others.count();
    found.check(Rule::WrongEnd, others == 0, || {
        format!("{others} container groups do not run {NEW_CONTAINER}")
    });
}

/// How each object of a run ends: conditions with their status and, where it matters, reason.
type End = &'static [(&'static str, &'static str, Option<&'static str>)];

fn wanted_end(scenario: Scenario, kind: &str) -> End {
    match (scenario, kind) {
        (Scenario::RolledBack, "RollingUpdateTask") => &[
            ("Succeeded", "False", Some("RolledBack")),
            ("Restored", "Unknown", Some("TakenOver")),
        ],
        (Scenario::Cancelled, _) => &[
            ("Succeeded", "False", Some("Cancelled")),
            ("Restored", "True", None),
        ],
        (Scenario::Skipped, _) => &[
            ("Succeeded", "True", Some("PartlyUpdated")),
            ("Restored", "True", None),
        ],
        (Scenario::ImageUpdate, _) => &[("Succeeded", "True", None), ("Verified", "True", None)],
        _ => &[
            ("Succeeded", "True", None),
            ("Restored", "True", None),
            ("Verified", "True", None),
        ],
    }
}

async fn objects(found: &mut Findings, site: &Site, story: &Story) -> Result<()> {
    for (kind, name) in story.scenario.objects(&story.round) {
        let object = site.api(kind).get_opt(&name).await?;
        let object = object.map(|object| json!(object)).unwrap_or_default();
        let conditions = object["status"]["conditions"].as_array();
        for (type_, status, reason) in wanted_end(story.scenario, kind) {
            let condition = conditions.and_then(|all| all.iter().find(|c| c["type"] == *type_));
            let right = condition.is_some_and(|condition| {
                condition["status"] == *status
                    && reason.is_none_or(|reason| condition["reason"] == reason)
            });
            found.check(Rule::WrongEnd, right, || {
                format!("{kind} {name} is not {type_}={status} {reason:?}: {condition:?}")
            });
        }
        let history = object["status"]["history"].as_array();
        if kind == "ImageUpdateTask" {
            let numbers = history.into_iter().flatten().map(|run| &run["number"]);
            let numbers: Vec<_> = numbers.collect();
            found.check(Rule::WrongEnd, numbers == [2, 1], || {
                format!("its runs are {numbers:?}")
            });
        }
    }
    Ok(())
}
