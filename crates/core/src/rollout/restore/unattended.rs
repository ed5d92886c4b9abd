//! Records that hold a run which no object looks after: looked at by themselves, rarely, until the end
//! of each is seen.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    GroupRun, Holder, LetGo, RunConfiguration, ScalingGroupRecord, ScalingGroupRecordStatus,
};
use jiff::Timestamp;

use super::run_end::{self, Lookout, MESSAGE_MAX};
use super::runs;
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

/// Whether the holder of a group looks after a run.
fn attends(holder: &Holder, run: &GroupRun) -> bool {
    holder.uid == run.uid || holder.taken_over_from.as_ref() == Some(&run.uid)
}

/// The runs of a record that no object looks after. Its holder exists: see [`without_holder`].
pub fn unattended_runs(record: &ScalingGroupRecord) -> Vec<UnattendedRun> {
    let Some(status) = &record.status else {
        return Vec::new();
    };
    let holder = status.holder.as_ref();
    let unattended = |run: &&GroupRun| holder.is_none_or(|holder| !attends(holder, run));
    let runs = status.runs.iter().filter(unattended);
    runs.map(|run| UnattendedRun {
        uid: run.uid.clone(),
        namespace: run.namespace.clone(),
        secret: run.credentials_ref.as_ref().map(|s| s.name.clone()),
    })
    .collect()
}

/// Why nobody looks after a group that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// The object that holds it does not exist any more.
    Gone,
    /// The object names no region, has begun nothing, and the operator's default region is this one now.
    Elsewhere(String),
}

impl Display for Absence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("has vanished, its finalizer taken by hand"),
            Self::Elsewhere(region) => write!(
                f,
                "names no region, and the operator's default region is {region} now (spec.regionId keeps a task where it is)"
            ),
        }
    }
}

/// The record once its holder was looked for and is not there any more: the group is nobody's, and
/// the run is one that nobody looks after.
pub fn without_holder(
    record: &ScalingGroupRecordStatus,
    absence: &Absence,
) -> Option<(ScalingGroupRecordStatus, Event)> {
    let mut record = record.clone();
    let holder = record.holder.take()?;
    if !record.runs.iter().any(|run| run.uid == holder.uid) {
        let run = of_baseline(&record, &holder);
        record.runs.push(run);
    }
    for run in record.runs.iter_mut().filter(|run| attends(&holder, run)) {
        run.let_go.get_or_insert(LetGo::HolderVanished);
    }
    let note = format!(
        "{} {}/{} held the scaling group and {absence}: its run is looked at until it has ended, and what it leaves is listed here",
        holder.kind, holder.namespace, holder.name
    );
    Some((record, Event::warning(Reason::HolderVanished, "Look", note)))
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
        exit_processes: baseline.map_or_else(Vec::new, |baseline| {
            kind::processes_but(&baseline.suspended_processes)
        }),
        configuration,
        ..runs::of_holder(holder.clone())
    }
}

/// Looks at a run: asks for more, or decides what becomes of the record.
pub fn look_at_run(input: RunInput<'_>) -> Step<ScalingGroupRecordStatus> {
    let mut status = input.record.status.clone().unwrap_or_default();
    let Some(run) = status.runs.iter().find(|run| run.uid == input.uid) else {
        return Step::Decided(Box::new(Decision::of_status(status, Next::OnChange)));
    };
    let region = &input.record.spec.region_id;
    let lookout = Lookout {
        record: &status,
        region,
        group: &input.record.spec.scaling_group_id,
        waits: Waits {
            settings: input.settings,
            now: input.now,
        },
        observation: input.observation,
    };
    let decision = match lookout.look(run) {
        Ok(look) => Decision {
            events: look.events,
            ..Decision::of_status(look.record, look.next)
        },
        Err(Missing::Read(queries)) => return Step::Read(queries),
        Err(Missing::Failed(error)) => {
            let mut error = *error;
            // It differs each time, and would have each look write.
            error.request_id = None;
            let execution = run.execution_id.as_deref();
            let ends = execution.map_or(String::new(), |id| {
                format!("; to end it: {}", run_end::ends(region, id))
            });
            let message = format!(
                "execution {} of {}/{} cannot be looked at: {error}{ends}",
                execution.unwrap_or("(unknown)"),
                run.namespace,
                run.name
            );
            for run in status.runs.iter_mut().filter(|run| run.uid == input.uid) {
                run.message = shorten(&message, MESSAGE_MAX);
            }
            Decision::of_status(status, Next::After(NOT_SEEN))
        }
    };
    Step::Decided(Box::new(decision))
}
