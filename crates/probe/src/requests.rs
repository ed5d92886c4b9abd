//! What is taken and what is refused, and what a batch is.

use ess_emulator::oos::{BatchSplit, RejectedStatus, SafetyCheckDefault, Taken};
use serde_json::{Value, json};

use crate::account::CallError;
use crate::findings::{Findings, ProbeError};
use crate::lags::SLEEPS;
use crate::oos::{Oos, text};

const SPLIT: &str = "split";
const APPROVAL: &str = "approval";

pub(crate) fn find(oos: &mut Oos<'_>, findings: &mut Findings) {
    let short = json!({"first": "PT1S", "second": "PT1S"});
    let with_unknown = json!({"first": "PT1S", "second": "PT1S", "nobodyDeclaresThis": "x"});
    let found = taken(oos.try_start(SLEEPS, &with_unknown, &json!({})));
    findings.keep(&["oos.unknownTemplateParameters"], found, |all, taken| {
        all.oos.unknown_template_parameters = taken;
    });
    let skips = json!({"Mode": "FailurePause", "SafetyCheck": "Skip"});
    let found = taken(oos.try_start(SLEEPS, &short, &skips));
    findings.keep(&["oos.skipWithFailurePause"], found, |all, taken| {
        all.oos.skip_with_failure_pause = taken;
    });
    let found = safety_check(oos.try_start(SLEEPS, &short, &json!({})));
    findings.keep(&["oos.safetyCheckDefault"], found, |all, default| {
        all.oos.safety_check_default = default;
    });
    let found = batch_split(oos);
    findings.keep(&["oos.batchSplit"], found, |all, split| {
        all.oos.batch_split = split;
    });
    let found = approval(oos);
    findings.keep(
        &["oos.waitingStatusApproval", "oos.rejectedExecution"],
        found,
        |all, (waiting, rejected)| {
            (all.oos.waiting_status_approval, all.oos.rejected_execution) = (waiting, rejected);
        },
    );
}

fn taken(answer: Result<Value, CallError>) -> Result<Taken, ProbeError> {
    match answer {
        Ok(_) => Ok(Taken::Accepted),
        Err(error) if error.is_refusal() => Ok(Taken::Refused),
        Err(error) => Err(error.into()),
    }
}

fn safety_check(answer: Result<Value, CallError>) -> Result<SafetyCheckDefault, ProbeError> {
    match text(&answer?, "SafetyCheck").as_str() {
        "Skip" => Ok(SafetyCheckDefault::Skip),
        "ConfirmEveryHighRiskAction" => Ok(SafetyCheckDefault::ConfirmEveryHighRiskAction),
        other => Err(ProbeError::Unknown(format!("SafetyCheck is {other:?}"))),
    }
}

fn batch_split(oos: &mut Oos<'_>) -> Result<BatchSplit, ProbeError> {
    let sleep = json!({"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}});
    let sizes =
        json!({"Type": "List", "Value": {"Fn::CalculateBatch": [3, [1, 2, 3, 4, 5, 6, 7]]}});
    let content =
        json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [sleep], "Outputs": {"sizes": sizes}});
    oos.create_template(SPLIT, &content)?;
    let id = oos.start(SPLIT, &json!({}), &json!({}))?;
    oos.end(&id)?;
    let outputs = text(&oos.execution(&id)?, "Outputs");
    let outputs: Value = serde_json::from_str(&outputs).unwrap_or_default();
    let sizes: Vec<u64> = outputs["sizes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|size| size.as_u64().or_else(|| size.as_str()?.parse().ok()))
        .collect();
    match sizes.as_slice() {
        [3, 2, 2] => Ok(BatchSplit::Even),
        [2, 2, 3] => Ok(BatchSplit::RemainderLast),
        [3, 3, 1] => Ok(BatchSplit::CeilingFirst),
        other => Err(ProbeError::Unknown(format!(
            "7 items in 3 batches are {other:?}"
        ))),
    }
}

fn approval(oos: &mut Oos<'_>) -> Result<(String, RejectedStatus), ProbeError> {
    let task = json!({"Name": "ask", "Action": "ACS::Approve", "Properties": {"Approvers": []}});
    oos.create_template(
        APPROVAL,
        &json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [task]}),
    )?;
    let id = oos.start(APPROVAL, &json!({}), &json!({}))?;
    let waiting = oos.until("it waits for approval", |oos| {
        let listed = oos.listed(&id)?.unwrap_or_default();
        Ok((text(&listed, "Status") == "Waiting").then(|| text(&listed, "WaitingStatus")))
    })?;
    oos.notify(&id, "Reject", &json!({}))?;
    let rejected = match oos.end(&id)?.as_str() {
        "Cancelled" => RejectedStatus::Cancelled,
        "Failed" => RejectedStatus::Failed,
        other => return Err(ProbeError::Unknown(format!("rejected, it ends as {other}"))),
    };
    Ok((waiting, rejected))
}
