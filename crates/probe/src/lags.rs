//! How far lists and dates are behind, and how long things take.

use serde_json::json;

use crate::findings::{Findings, ProbeError};
use crate::oos::{Oos, between, date, text};

/// Two tasks that sleep, each for as long as a parameter says; or fail, where that is no duration.
pub(crate) const SLEEPS: &str = "sleeps";
/// Runs that one as its child.
pub(crate) const PARENT: &str = "parent";
/// Runs that one for each item of a list, the item being the first duration.
pub(crate) const LOOP: &str = "loop";

const VERSION: &str = "OOS-2019-06-01";

/// Creates the templates of most experiments.
pub(crate) fn templates(oos: &mut Oos<'_>, findings: &mut Findings) {
    let of_sleeps = oos.template(SLEEPS);
    let sleep = |name: &str| {
        let duration = format!("{{{{ {name} }}}}");
        json!({"Name": name, "Action": "ACS::Sleep", "Properties": {"Duration": duration}})
    };
    let durations = json!({"first": {"Type": "String"}, "second": {"Type": "String"}});
    let child = |first: &str| {
        json!({"TemplateName": of_sleeps.clone(),
            "Parameters": {"first": first, "second": "{{ second }}"}})
    };
    let all = [
        (
            SLEEPS,
            json!({"FormatVersion": VERSION, "Parameters": durations.clone(),
                "Tasks": [sleep("first"), sleep("second")]}),
        ),
        (
            PARENT,
            json!({"FormatVersion": VERSION, "Parameters": durations,
                "Tasks": [{"Name": "child", "Action": "ACS::Template", "Properties": child("{{ first }}")}]}),
        ),
        (
            LOOP,
            json!({"FormatVersion": VERSION,
            "Parameters": {
                "items": {"Type": "List"}, "batches": {"Type": "List"},
                "second": {"Type": "String", "Default": "PT1S"},
                "maxErrors": {"Type": "Number", "Default": 0},
                "pause": {"Type": "String", "Default": "Automatic"},
            },
            "Tasks": [{
                "Name": "each", "Action": "ACS::Template",
                "Properties": child("{{ ACS::TaskLoopItem }}"),
                "Loop": {"Items": "{{ items }}", "RateControl": {
                    "Mode": "Batch", "Batch": "{{ batches }}", "ConcurrencyInBatches": [10],
                    "MaxErrors": "{{ maxErrors }}", "BatchPauseOption": "{{ pause }}",
                }},
            }]}),
        ),
    ];
    for (name, content) in all {
        let created = oos.create_template(name, &content);
        findings.keep(&[name], created, |_, ()| ());
    }
}

pub(crate) fn find(oos: &mut Oos<'_>, findings: &mut Findings) {
    let found = list_lag(oos);
    if let Ok(lag) = &found {
        oos.list_lag = *lag;
    }
    findings.keep(&["oos.listLagSeconds"], found, |all, lag| {
        all.oos.list_lag_seconds = lag;
    });
    let found = tag_lag(oos);
    let by_tag = found.as_ref().copied().unwrap_or(0);
    findings.keep(&["oos.tagLagSeconds"], found, |all, lag| {
        all.oos.tag_lag_seconds = lag;
    });
    let delays = delays(oos);
    findings.keep(
        &["oos.startDelaySeconds", "oos.taskDelaySeconds"],
        delays,
        |all, (start, task)| {
            (all.oos.start_delay_seconds, all.oos.task_delay_seconds) = (start, task);
        },
    );
    let found = update_date_lag(oos);
    let lag = found.as_ref().copied().unwrap_or(0);
    findings.keep(&["oos.updateDateLagSeconds"], found, |all, lag| {
        all.oos.update_date_lag_seconds = lag;
    });
    let found = moves_with_children(oos, lag);
    findings.keep(&["oos.updateDateMovesWithChildren"], found, |all, moves| {
        all.oos.update_date_moves_with_children = moves;
    });
    let found = cancel_delay(oos);
    findings.keep(&["oos.cancelDelaySeconds"], found, |all, delay| {
        all.oos.cancel_delay_seconds = delay;
    });
    let found = stable_pages(oos, by_tag);
    findings.keep(&["oos.stablePages"], found, |all, stable| {
        all.oos.stable_pages = stable;
    });
}

fn sleeping(first: u32, second: u32) -> serde_json::Value {
    json!({"first": format!("PT{first}S"), "second": format!("PT{second}S")})
}

fn list_lag(oos: &mut Oos<'_>) -> Result<u32, ProbeError> {
    let id = oos.start(SLEEPS, &sleeping(1, 1), &json!({}))?;
    oos.seconds_until("an execution is listed", |oos| {
        Ok(oos.listed(&id)?.is_some())
    })
}

fn tag_lag(oos: &mut Oos<'_>) -> Result<u32, ProbeError> {
    let tags = json!({"ess-rollout-probe-look": oos.template("tags")}).to_string();
    oos.start(SLEEPS, &sleeping(1, 1), &json!({"Tags": tags}))?;
    oos.seconds_until("an execution is listed by its tag", |oos| {
        let list = oos.ask("ListExecutions", json!({"Tags": tags}))?;
        Ok(list["Executions"]
            .as_array()
            .is_some_and(|all| !all.is_empty()))
    })
}

fn delays(oos: &mut Oos<'_>) -> Result<(u32, u32), ProbeError> {
    let id = oos.start(SLEEPS, &sleeping(1, 1), &json!({}))?;
    oos.end(&id)?;
    let execution = oos.execution(&id)?;
    let tasks = oos.tasks(&id)?;
    let [first, second] = tasks.as_slice() else {
        return Err(ProbeError::Unknown(format!(
            "{} tasks instead of 2",
            tasks.len()
        )));
    };
    let start = between(date(&execution, "CreateDate"), date(first, "StartDate"));
    let task = between(date(first, "EndDate"), date(second, "StartDate"));
    start
        .zip(task)
        .ok_or_else(|| ProbeError::Unknown("a date is missing".to_owned()))
}

fn update_date_lag(oos: &mut Oos<'_>) -> Result<u32, ProbeError> {
    // It is under way when it is listed, so that its end is seen as it comes.
    let id = oos.start(SLEEPS, &sleeping(oos.list_lag + 5, 1), &json!({}))?;
    oos.end(&id)?;
    oos.seconds_until("UpdateDate has come to the end", |oos| {
        let execution = oos.execution(&id)?;
        Ok(date(&execution, "UpdateDate") >= date(&execution, "EndDate"))
    })
}

fn moves_with_children(oos: &mut Oos<'_>, lag: u32) -> Result<bool, ProbeError> {
    // The second task has not ended when the parent is listed and shows what the first changed.
    let second = oos.list_lag + lag + 10;
    let parent = oos.start(PARENT, &sleeping(lag + 10, second), &json!({}))?;
    let child = oos.until("the child is begun", |oos| {
        let tasks = oos.tasks(&parent)?;
        let child = tasks.first().map(|task| text(task, "ChildExecutionId"));
        Ok(child.filter(|id| !id.is_empty()))
    })?;
    let ended = oos.until("the first task of the child ends", |oos| {
        let tasks = oos.tasks(&child)?;
        Ok(tasks.first().and_then(|task| date(task, "EndDate")))
    })?;
    oos.sleep(lag + 2);
    let execution = oos.execution(&parent)?;
    Ok(date(&execution, "UpdateDate") >= Some(ended))
}

fn cancel_delay(oos: &mut Oos<'_>) -> Result<u32, ProbeError> {
    let id = oos.start(SLEEPS, &sleeping(3600, 1), &json!({}))?;
    oos.until("it runs", |oos| {
        let listed = oos.listed(&id)?.unwrap_or_default();
        Ok((text(&listed, "Status") == "Running").then_some(()))
    })?;
    oos.ask("CancelExecution", json!({"ExecutionId": id}))?;
    oos.seconds_until("it is cancelled", |oos| {
        let listed = oos.listed(&id)?.unwrap_or_default();
        Ok(text(&listed, "Status") == "Cancelled")
    })
}

/// The smallest page that ListExecutions gives (SDK model: 10 to 100).
const PAGE: usize = 10;

/// Reads a page, has one more execution come, and reads the next page: rows that come shift nothing, or have the last one again.
fn stable_pages(oos: &mut Oos<'_>, lag: u32) -> Result<bool, ProbeError> {
    let tags = json!({"ess-rollout-probe-look": oos.template("pages")}).to_string();
    let one_more = |oos: &mut Oos<'_>| {
        // Their order is by dates of whole seconds.
        oos.sleep(1);
        oos.start(SLEEPS, &sleeping(1, 1), &json!({"Tags": tags}))
    };
    let oldest = one_more(oos)?;
    for _ in 0..PAGE {
        one_more(oos)?;
    }
    oos.sleep(lag + 2);
    let page = |oos: &mut Oos<'_>, token: &str| {
        let list = oos.ask(
            "ListExecutions",
            json!({"Tags": tags, "MaxResults": PAGE.to_string(), "SortField": "StartDate",
                "SortOrder": "Descending", "NextToken": token}),
        )?;
        let rows = list["Executions"].as_array().into_iter().flatten();
        let ids: Vec<String> = rows.map(|row| text(row, "ExecutionId")).collect();
        Ok::<_, ProbeError>((ids, text(&list, "NextToken")))
    };
    let (first, token) = page(oos, "")?;
    one_more(oos)?;
    oos.sleep(lag + 2);
    let (second, _) = page(oos, &token)?;
    match (first.last(), second.contains(&oldest)) {
        (Some(last), true) => Ok(!second.contains(last)),
        _ => Err(ProbeError::Unknown(format!(
            "of {} executions {} and then {} were listed",
            PAGE + 1,
            first.len(),
            second.len()
        ))),
    }
}
