//! Records that hold a run which no object looks after: looked at by themselves, rarely, until the end
//! of each is seen.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    GroupRun, Holder, LetGo, RunConfiguration, ScalingGroupRecord, ScalingGroupRecordStatus,
};
use jiff::Timestamp;

use super::run_end;
use crate::rollout::decision::{Event, Next, Settings};
use crate::rollout::kind::{self, content::ContentKind};
use crate::task::conditions::shorten;
use crate::task::decision::{Decision, Step};
use crate::task::object::IMAGE_UPDATE_TASK;
use crate::task::observation::{Missing, Observation};
use crate::task::reason::Reason;
use crate::task::waits::Waits;

/// How soon a run is looked at again that could not be.
const NOT_SEEN: Duration = Duration::from_secs(600);
/// Bound of the API, in bytes.
const MESSAGE_MAX: usize = 1024;

/// A run that no object looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnattendedRun {
    /// The uid of the object that it was made for.
    pub uid: String,
    /// The namespace of that.
    pub namespace: String,
    /// The Secret there with its credentials; `None`: the operator's own.
    pub secret: Option<String>,
}

/// Everything that a look at one of them is made from.
#[derive(Debug, Clone, Copy)]
pub struct RunInput<'a> {
    /// The record, read before anything in `observation`.
    pub record: &'a ScalingGroupRecord,
    /// [`UnattendedRun::uid`].
    pub uid: &'a str,
    /// The operator's configuration.
    pub settings: &'a Settings,
    /// Whole seconds: what a status can hold.
    pub now: Timestamp,
    /// What was read since the last write.
    pub observation: &'a Observation,
}

/// Whether an object that exists looks after a run.
fn is_attended(record: &ScalingGroupRecordStatus, run: &GroupRun) -> bool {
    record.holder.as_ref().is_some_and(|holder| {
        holder.uid == run.uid || holder.taken_over_from.as_ref() == Some(&run.uid)
    })
}

/// The runs of a record that no object looks after. Its holder exists: see [`without_holder`].
pub fn unattended_runs(record: &ScalingGroupRecord) -> Vec<UnattendedRun> {
    let Some(status) = &record.status else {
        return Vec::new();
    };
    let runs = status.runs.iter().filter(|run| !is_attended(status, run));
    runs.map(|run| UnattendedRun {
        uid: run.uid.clone(),
        namespace: run.namespace.clone(),
        secret: run
            .credentials_ref
            .as_ref()
            .map(|secret| secret.name.clone()),
    })
    .collect()
}

/// The record once its holder was looked for and does not exist any more: the group is nobody's, and
/// the run is one that nobody looks after.
pub fn without_holder(
    record: &ScalingGroupRecordStatus,
) -> Option<(ScalingGroupRecordStatus, Event)> {
    let mut record = record.clone();
    let holder = record.holder.take()?;
    let of_holder =
        |run: &GroupRun| run.uid == holder.uid || holder.taken_over_from.as_ref() == Some(&run.uid);
    if !record.runs.iter().any(|run| run.uid == holder.uid) {
        let run = of_baseline(&record, &holder);
        record.runs.push(run);
    }
    for run in record.runs.iter_mut().filter(|run| of_holder(run)) {
        run.let_go.get_or_insert(LetGo::HolderVanished);
    }
    let event = Event::warning(
        Reason::HolderVanished,
        "Look",
        format!(
            "{} {}/{} held the scaling group and has vanished, its finalizer taken by hand: its run is looked at until it has ended, and what it leaves is listed here",
            holder.kind, holder.namespace, holder.name
        ),
    );
    Some((record, event))
}

/// A run of which the record says no more than how the group was found: of an image update task, which
/// changes nothing of that, or one that an earlier version of the operator wrote.
fn of_baseline(record: &ScalingGroupRecordStatus, holder: &Holder) -> GroupRun {
    let baseline = record.baseline.as_ref();
    let baseline = baseline.filter(|_| holder.kind != IMAGE_UPDATE_TASK);
    let configuration = baseline.and_then(|baseline| {
        let image = ContentKind::Image.recorded(baseline)?;
        Some(RunConfiguration {
            id: baseline.scaling_configuration_id.clone()?,
            kind: ContentKind::Image.kind(),
            if_failed: Some(image.short()),
            if_succeeded: None,
            brings: None,
        })
    });
    GroupRun {
        kind: holder.kind.clone(),
        namespace: holder.namespace.clone(),
        name: holder.name.clone(),
        uid: holder.uid.clone(),
        since: holder.since.clone(),
        execution_id: None,
        credentials_ref: None,
        place: None,
        what: String::new(),
        exit_processes: baseline.map_or_else(Vec::new, |baseline| {
            kind::processes_but(&baseline.suspended_processes)
        }),
        configuration,
        members: Vec::new(),
        keeps_standby: false,
        let_go: None,
        message: String::new(),
        missing_since: None,
        unseen_since: None,
        quiet_since: None,
        fingerprint: String::new(),
    }
}

/// Looks at a run: asks for more, or decides what becomes of the record.
pub fn look_at_run(input: RunInput<'_>) -> Step<ScalingGroupRecordStatus> {
    let status = input.record.status.clone().unwrap_or_default();
    let waits = Waits {
        settings: input.settings,
        now: input.now,
    };
    let Some(run) = status.runs.iter().find(|run| run.uid == input.uid) else {
        return Step::Decided(Box::new(Decision::of_status(status, Next::OnChange)));
    };
    let spec = &input.record.spec;
    let place = (spec.region_id.as_str(), spec.scaling_group_id.as_str());
    let decision = match run_end::look(&status, run, place, &waits, input.observation) {
        Ok(look) => {
            let mut decision = Decision::of_status(look.record, look.next);
            decision.events = look.events;
            decision
        }
        Err(Missing::Read(queries)) => return Step::Read(queries),
        Err(Missing::Failed(error)) => {
            let mut error = *error;
            // It differs each time, and would have each look write.
            error.request_id = None;
            let execution = run.execution_id.as_deref();
            let ends = execution.map_or(String::new(), |id| {
                format!("; to end it: {}", run_end::ends(place.0, id))
            });
            let message = format!(
                "execution {} of {}/{} cannot be looked at: {error}{ends}",
                execution.unwrap_or("(unknown)"),
                run.namespace,
                run.name
            );
            let mut status = status.clone();
            for run in status.runs.iter_mut().filter(|run| run.uid == input.uid) {
                run.message = shorten(&message, MESSAGE_MAX);
            }
            Decision::of_status(status, Next::After(NOT_SEEN))
        }
    };
    Step::Decided(Box::new(decision))
}
