//! Requests by annotation, and their verdicts.
//!
//! A request is one annotation, which the operator reads and answers in the ledger (`status.actions`). Another one of the same
//! verb takes the place of one that has not been read yet, so none is made while one stands.

use anyhow::{Context, Result, bail, ensure};
use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{ActionState, InstanceState, PauseKind, Verb};
use ess_rollout_core::requests;
use ess_rollout_core::task::ledger;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{CancelArgs, ContinueArgs, InstancesArgs, RequestArgs};
use crate::cluster::{Cluster, Found, is_conflict, said};
use crate::exit::End;
use crate::rollout::Rollout;
use crate::terminal::print;

/// How often somebody else may write between a read and the patch that follows it.
const CONFLICTS: usize = 5;

fn key(verb: Verb) -> &'static str {
    let found = requests::VERBS.iter().find(|(of, _)| *of == verb);
    found.map_or(keys::CONTINUE, |(_, key)| key)
}

/// The annotation without its prefix, as people type it.
fn word(verb: Verb) -> &'static str {
    key(verb).rsplit('/').next().unwrap_or_default()
}

/// What makes a value another one than that of an earlier request.
fn nonce() -> String {
    Timestamp::now().as_millisecond().to_string()
}

/// `continue`.
///
/// # Errors
/// When it is in no pause that a request can leave, or it cannot be asked.
pub async fn leave_pause(cluster: &Cluster, args: &ContinueArgs) -> Result<End> {
    make(cluster, &args.request, Verb::Continue, |rollout| {
        let pause = rollout
            .status
            .pause
            .as_ref()
            .filter(|_| rollout.is_paused());
        let Some(pause) = pause else {
            bail!(
                "{} is in no pause: it is {}",
                rollout.argument(),
                rollout.state()
            );
        };
        ensure!(
            pause.kind == PauseKind::Batch,
            "{} waits for something else than a word to continue: {}",
            rollout.argument(),
            pause.message
        );
        let id = args.pause.unwrap_or(pause.id);
        Ok(format!("{id}@{}", nonce()))
    })
    .await
}

/// `retry`, `skip` and `cancel-instances`.
///
/// # Errors
/// When it names an instance that takes no part, or it cannot be asked.
pub async fn of_instances(cluster: &Cluster, verb: Verb, args: &InstancesArgs) -> Result<End> {
    make(cluster, &args.request, verb, |rollout| {
        let all = &rollout.status.instances;
        if args.instances.is_empty() {
            let failed = all
                .iter()
                .any(|instance| instance.state == InstanceState::Failed);
            ensure!(failed, "no instance of {} has failed", rollout.argument());
            return Ok(format!("failed@{}", nonce()));
        }
        let mut targets = Vec::new();
        for named in &args.instances {
            // With the attempt that is seen here: what has been retried meanwhile is not meant.
            let known = all.iter().find(|instance| instance.id == *named);
            targets.push(match known.map(|instance| instance.attempt) {
                Some(attempt) if attempt > 0 => format!("{named}/{attempt}"),
                _ => named.clone(),
            });
        }
        Ok(format!("{}@{}", targets.join(","), nonce()))
    })
    .await
}

/// `cancel`.
///
/// # Errors
/// When it has ended, or it cannot be asked.
pub async fn cancel(cluster: &Cluster, args: &CancelArgs) -> Result<End> {
    make(cluster, &args.request, Verb::Cancel, |rollout| {
        ensure!(
            rollout.end().is_none(),
            "{} has ended: it is {}",
            rollout.argument(),
            rollout.state()
        );
        Ok(nonce())
    })
    .await
}

/// Makes a request, whose value follows from how the update is, and waits for its verdict.
async fn make(
    cluster: &Cluster,
    args: &RequestArgs,
    verb: Verb,
    value: impl Fn(&Rollout) -> Result<String>,
) -> Result<End> {
    let found = cluster.named(&args.named)?;
    let user = cluster.user().await;
    for _ in 0..CONFLICTS {
        let rollout = found.get().await?;
        let standing = ledger::new_requests(&rollout.metadata, &rollout.status.handled_actions);
        let standing: Vec<&str> = standing.map(word).collect();
        ensure!(
            standing.is_empty(),
            "the operator has not read the last request yet ({}): is it running?",
            standing.join(", ")
        );
        let value = value(&rollout)?;
        let patch = patch(
            &rollout,
            (verb, &value),
            user.as_deref(),
            args.note.as_deref(),
        );
        match found.patch(&patch).await {
            Ok(_) if args.timeout.is_zero() => {
                print(&[format!(
                    "{} of {} is asked for",
                    word(verb),
                    rollout.argument()
                )])?;
                return Ok(End::Wanted);
            }
            Ok(_) => {
                let verdict = verdict(&found, verb, &value);
                return match tokio::time::timeout(args.timeout, verdict).await {
                    Ok(verdict) => verdict,
                    Err(_) => {
                        eprintln!(
                            "no verdict within {} s: see kubectl ess-rollout status {}",
                            args.timeout.as_secs(),
                            rollout.argument()
                        );
                        Ok(End::TimedOut)
                    }
                };
            }
            Err(error) if is_conflict(&error) => {}
            Err(error) => {
                let what = format!("cannot ask {} to {}", rollout.argument(), word(verb));
                return Err(said(error)).context(what);
            }
        }
    }
    bail!("somebody else wrote first, {CONFLICTS} times: try again")
}

/// What is written: only if nobody has written since it was read. Names of earlier requests go.
fn patch(
    rollout: &Rollout,
    (verb, value): (Verb, &str),
    user: Option<&str>,
    note: Option<&str>,
) -> Value {
    json!({"metadata": {
        "resourceVersion": rollout.metadata.resource_version,
        "annotations": {
            key(verb): value,
            keys::REQUESTED_BY: user,
            keys::REQUEST_NOTE: note,
            // Of an earlier request: this one is meant now.
            keys::REQUEST_EXPIRES: null,
        },
    }})
}

/// Waits until the operator has settled a request, and says how.
async fn verdict(found: &Found<'_>, verb: Verb, value: &str) -> Result<End> {
    let id = requests::action_id(verb, value);
    let mut changes = found.follow();
    loop {
        let rollout = changes.next().await?;
        let mut actions = rollout.status.actions.iter();
        let Some(action) = actions.find(|action| action.id == id) else {
            continue;
        };
        let targets = action.targets.join(", ");
        let said = [action.reason.as_str(), action.message.as_str()];
        let said = said.into_iter().filter(|text| !text.is_empty());
        let said = said.collect::<Vec<_>>().join(": ");
        let (state, end) = match action.state {
            ActionState::Accepted => continue,
            ActionState::Applied => ("Applied", End::Wanted),
            ActionState::Rejected => ("Rejected", End::Rejected),
        };
        print(&[format!("{} {targets}: {state}: {said}", word(verb))])?;
        return Ok(end);
    }
}
