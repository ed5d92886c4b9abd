//! Carries out one decision, in the order of its fields, each only after the one before it
//! succeeded. The only place that sends mutations.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};

use ess_rollout_api::FINALIZER;
use ess_rollout_api::v1alpha1::{
    Rollback, ScalingGroupRecord, ScalingGroupRecordSpec, ScalingGroupRecordStatus,
};
use ess_rollout_cloud::{CloudError, Done, ErrorClass as CloudClass, Mutation};
use ess_rollout_core::decision::{CallOutcome, Decision, Event, Next, Work, WorkOutcome};

use tokio::time::Instant;

use super::{
    Context, counting,
    observe::{self, Decided, Group, PassTarget},
    story::{self, Turn},
    summary::laid_out,
};
use crate::kubernetes::{ErrorClass, KubeError, Object, ObjectKey, ObjectKind, Status, differs};

/// Events on their way. To be awaited before the pass ends.
pub type Publishing<'a> = BoxFuture<'a, ()>;

/// What came of it.
pub enum Acted<'a> {
    /// Somebody else wrote first, or it took too long: nothing more of it was done. Read again.
    Stale(Error),
    /// The task is gone.
    Gone,
    /// The record could not be written, and the object is to go all the same: nothing more of it was
    /// done.
    RecordLost(Error),
    /// All done, and the mutation has this outcome. Its Events have not been published: that must
    /// not delay the next decision, which puts the outcome on record.
    Worked(Box<WorkOutcome>, Publishing<'a>, Box<PassTarget>),
    /// All done; there was no mutation.
    Done(Next, Box<PassTarget>),
}

/// Why it stopped short.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A write failed: whether it took effect is seen by reading.
    #[error("cannot write what was decided")]
    Write(#[source] KubeError),
    /// It took longer to write than the bound on lateness leaves room for.
    #[error("it took {0:?} to write what was decided")]
    Late(Duration),
    /// The decision contradicts itself. A defect.
    #[error("the decision cannot be carried out: {0}")]
    Contradiction(&'static str),
}

impl Error {
    /// How to treat it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Write(error) => error.class,
            Self::Late(_) => ErrorClass::Unavailable,
            Self::Contradiction(_) => ErrorClass::Invalid,
        }
    }
}

/// Stops a decision on its way.
enum Stop {
    Stale(Error),
    Gone,
    RecordLost(Error),
    Error(Error),
}

impl Stop {
    fn write(error: KubeError) -> Self {
        match error.class {
            ErrorClass::Conflict => Self::Stale(Error::Write(error)),
            ErrorClass::Gone => Self::Gone,
            ErrorClass::Refused
            | ErrorClass::Invalid
            | ErrorClass::Outdated
            | ErrorClass::NotUnderstood
            | ErrorClass::Unavailable => Self::Error(Error::Write(error)),
        }
    }
}

/// Carries out a decision about what was just read.
///
/// # Errors
/// When a write fails other than by a conflict, or the decision contradicts itself.
pub async fn carry_out<'a>(
    context: &'a Context,
    subject: PassTarget,
    decided: Decided,
    versions: &mut Vec<String>,
) -> Result<Acted<'a>, Error> {
    match effects(context, subject, decided, versions).await {
        Ok(acted) => Ok(acted),
        Err(Stop::Stale(why)) => Ok(Acted::Stale(why)),
        Err(Stop::Gone) => Ok(Acted::Gone),
        Err(Stop::RecordLost(why)) => Ok(Acted::RecordLost(why)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Whether a decision lets the group go that the object holds by the record. Who waits for a free
/// group may look at the Events then, so those of earlier decisions come first.
pub fn lets_go(decided: &Decided) -> bool {
    let before = decided
        .group
        .record
        .as_ref()
        .and_then(|r| r.status.as_ref());
    let held = before.is_some_and(|status| status.holder.is_some());
    let record = decided.decision.record.as_ref();
    held && record.is_some_and(|status| status.holder.is_none())
}

/// All at once: each may take seconds where the API is slow, and there can be one for each instance.
async fn publish(context: &Context, object: &Object, events: &[Event]) {
    events.iter().for_each(story::event);
    join_all(
        events
            .iter()
            .map(|event| context.events.publish(object, event)),
    )
    .await;
}

async fn effects<'a>(
    context: &'a Context,
    mut subject: PassTarget,
    decided: Decided,
    versions: &mut Vec<String>,
) -> Result<Acted<'a>, Stop> {
    let Decided {
        decision,
        at,
        mut group,
    } = decided;
    // Without `..`: a new kind of effect must not be overlooked here.
    let Decision {
        finalizer,
        execution_annotation,
        record,
        rollback,
        lets_go_anyway,
        status,
        work,
        also,
        events,
        delete,
        next,
    } = decision;

    context.counting.seen(&subject.object, context.clock.now());
    let record = record.map(laid_out);
    let lost = |stop| match stop {
        Stop::Error(Error::Write(error)) if lets_go_anyway && error.class.is_lasting() => {
            Stop::RecordLost(Error::Write(error))
        }
        stop => stop,
    };
    if let Some(record) = &record {
        record_known_to_the_crds(context, &group, record).map_err(lost)?;
    }
    if !goes(&subject.object, finalizer) {
        status_known_to_the_crds(context, &subject, &status)?;
    }
    let mut released = false;
    let as_read = subject.as_of;
    if let Some(present) = finalizer {
        subject.object = context
            .kubernetes
            .set_finalizer(&subject.object, present)
            .await
            .map_err(Stop::write)?;
        subject.as_of = Instant::now();
        versions.extend(subject.object.version());
        released = is_released(&subject.object);
    }
    if let Some(value) = execution_annotation.filter(|_| !released) {
        subject.object = context
            .kubernetes
            .set_execution_annotation(&subject.object, &value)
            .await
            .map_err(Stop::write)?;
        subject.as_of = Instant::now();
        versions.extend(subject.object.version());
    }
    if let Some(record) = record {
        let written = write_record(context, &mut group, record, versions).await;
        written.map_err(lost)?;
    }
    if let Some(rollback) = rollback {
        create_rollback(context, &rollback).await?;
    }
    if released {
        let now = context.clock.now();
        let happened = counting::brings_at_the_end(&subject.object, &status, now);
        context.counting.count(&subject.object, happened);
        // The apiserver has dropped the object: there is nothing left to write a status on, and
        // without one nothing may be sent.
        if work.is_some() {
            return Err(Stop::Error(Error::Contradiction(
                "it lets the task go and still has work for it",
            )));
        }
    } else {
        write_status(context, &mut subject, status, versions).await?;
    }

    if let Some(work) = work {
        if delete {
            return Err(Stop::Error(Error::Contradiction(
                "it deletes the task and still has work for it",
            )));
        }
        if subject.as_of == as_read && !subject.is_fresh(context) {
            still_as_read(context, &subject).await?;
        }
        let outcome = send(context, &subject, &group, (work, also), at).await?;
        subject.record = group.known_record();
        let object = subject.object.clone();
        let publishing = async move { publish(context, &object, &events).await };
        let (outcome, subject) = (Box::new(outcome), Box::new(subject));
        return Ok(Acted::Worked(outcome, publishing.boxed(), subject));
    }
    publish(context, &subject.object, &events).await;
    if delete && !released {
        context
            .kubernetes
            .delete(&subject.object)
            .await
            .map_err(Stop::write)?;
    }
    subject.record = group.known_record();
    Ok(match released {
        true => Acted::Gone,
        false => Acted::Done(next, Box::new(subject)),
    })
}

/// A call that no write of the object comes before, whose version would tell, must not rest on an older one.
async fn still_as_read(context: &Context, subject: &PassTarget) -> Result<(), Stop> {
    let now = context.kubernetes.get(&subject.key).await;
    match now.map_err(Stop::write)? {
        None => Err(Stop::Gone),
        Some(now) if now.version() == subject.object.version() => Ok(()),
        Some(_) => Err(Stop::Stale(Error::Late(subject.as_of.elapsed()))),
    }
}

/// Whether the apiserver drops the object once the finalizer is as decided: no status of it is written then, and none
/// has to fit the CRDs.
fn goes(object: &Object, finalizer: Option<bool>) -> bool {
    let metadata = object.metadata();
    let mut finalizers = metadata.finalizers.iter().flatten();
    finalizer == Some(false)
        && metadata.deletion_timestamp.is_some()
        && finalizers.all(|name| name == FINALIZER)
}

/// Refuses what the apiserver would refuse, before anything is written.
fn record_known_to_the_crds(
    context: &Context,
    group: &Group,
    record: &ScalingGroupRecordStatus,
) -> Result<(), Stop> {
    let name = group.record_name().unwrap_or_default();
    let fields = context.schemas.lacking("ScalingGroupRecord", record);
    outdated(&format!("ScalingGroupRecord {name}"), fields)
}

/// The same of the object itself: the record of a group would have a holder whose own status cannot be written.
fn status_known_to_the_crds(
    context: &Context,
    subject: &PassTarget,
    status: &Status,
) -> Result<(), Stop> {
    let kind = subject.key.kind.name();
    let fields = match status {
        Status::Rollout(status) => context.schemas.lacking(kind, status),
        Status::ImageUpdate(status) => context.schemas.lacking(kind, status),
    };
    outdated(&subject.key.to_string(), fields)
}

fn outdated(what: &str, fields: Vec<String>) -> Result<(), Stop> {
    if fields.is_empty() {
        return Ok(());
    }
    let error = KubeError::outdated(format!("write the status of {what}"), fields);
    Err(Stop::Error(Error::Write(error)))
}

/// Whether the apiserver drops the object with its last finalizer.
fn is_released(object: &Object) -> bool {
    let metadata = object.metadata();
    metadata.deletion_timestamp.is_some() && metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
}

/// Before the status says so: whoever dies in between creates it again, which is no second one.
async fn create_rollback(context: &Context, rollback: &Rollback) -> Result<(), Stop> {
    match context.kubernetes.create_rollback(rollback).await {
        Ok(()) => Ok(()),
        // There is one of its name, which nobody else gives, or the apiserver means something else.
        Err(error) if error.class == ErrorClass::Conflict => {
            let key = ObjectKey {
                namespace: rollback.metadata.namespace.clone().unwrap_or_default(),
                name: rollback.metadata.name.clone().unwrap_or_default(),
                kind: ObjectKind::Rollback,
            };
            match context.kubernetes.get(&key).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(Stop::Stale(Error::Write(error))),
                Err(error) => Err(Stop::Error(Error::Write(error))),
            }
        }
        Err(error) => Err(Stop::Error(Error::Write(error))),
    }
}

async fn write_record(
    context: &Context,
    group: &mut Group,
    status: ScalingGroupRecordStatus,
    versions: &mut Vec<String>,
) -> Result<(), Stop> {
    let (Some(region), Some(name)) = (&group.region, &group.record_name()) else {
        return Err(Stop::Error(Error::Contradiction(
            "it writes the record of a group whose region is not known",
        )));
    };
    let record = match group.record.take() {
        Some(record) => record,
        None => {
            let record = ScalingGroupRecord::new(
                name,
                ScalingGroupRecordSpec {
                    scaling_group_id: group.id.clone(),
                    region_id: region.clone(),
                },
            );
            let created = context
                .kubernetes
                .create_record(&record)
                .await
                .map_err(|error| record_failure(error, false))?;
            versions.extend(created.metadata.resource_version.clone());
            created
        }
    };
    if !differs(record.status.as_ref(), &status) {
        group.record = Some(record);
        return Ok(());
    }
    let written = context
        .kubernetes
        .write_record_status(&record, &status)
        .await
        .map_err(|error| record_failure(error, true))?;
    versions.extend(written.metadata.resource_version.clone());
    (group.record, group.record_as_of) = (Some(written), Instant::now());
    Ok(())
}

/// A record that vanished is read again and made anew; it says nothing about the task. One that
/// cannot be made because its namespace is missing is a failure.
fn record_failure(error: KubeError, existed: bool) -> Stop {
    match error.class {
        ErrorClass::Conflict => Stop::Stale(Error::Write(error)),
        ErrorClass::Gone if existed => Stop::Stale(Error::Write(error)),
        _ => Stop::Error(Error::Write(error)),
    }
}

async fn write_status(
    context: &Context,
    PassTarget { object, as_of, .. }: &mut PassTarget,
    status: Status,
    versions: &mut Vec<String>,
) -> Result<(), Stop> {
    let differs = object
        .differs_from(&status)
        .map_err(|_| Stop::Error(Error::Contradiction("it has the status of another kind")))?;
    if !differs {
        return Ok(());
    }
    let turn = Turn::of(object, &status);
    let happened = counting::brings(object, &status, context.clock.now());
    let written = context.kubernetes.write_status(object, &status).await;
    if let Err(error) = &written
        && error.class == ErrorClass::Unavailable
    {
        context.counting.lost(object, context.clock.now());
    }
    *object = written.map_err(Stop::write)?;
    context.counting.count(object, happened);
    *as_of = Instant::now();
    versions.extend(object.version());
    if let Some(turn) = turn {
        turn.tell();
    }
    Ok(())
}

async fn send(
    context: &Context,
    subject: &PassTarget,
    group: &Group,
    (work, also): (Work, Vec<Mutation>),
    decided_at: jiff::Timestamp,
) -> Result<WorkOutcome, Stop> {
    let Work { mutation } = work;
    let opened = observe::open(
        context,
        observe::Access::of(subject, &group.scope),
        group.region.as_deref(),
    )
    .await;
    let age = age(context, decided_at);
    if age > context.limits.decision_age {
        tracing::warn!(
            age = age.as_secs_f64(),
            "it took too long to write down what was decided, so it is not sent: looking again"
        );
        return Err(Stop::Stale(Error::Late(age)));
    }
    let (region, cloud) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(WorkOutcome::of(mutation, Err(error))),
    };
    let mut result = cloud.mutate(region, &mutation).await;
    story::effect(group, &mutation, &result);
    if observe::rejected(&result) {
        context.clouds.rejected(&group.scope);
    }
    let mut outcome = WorkOutcome::of(mutation, result.clone());
    // What is not sent now goes on record again: nothing of it has happened.
    let mut goes_on = true;
    for mutation in also {
        goes_on = goes_on
            && judged(&result)
            && self::age(context, decided_at) <= context.limits.decision_age;
        let sent = match goes_on {
            true => {
                result = cloud.mutate(region, &mutation).await;
                story::effect(group, &mutation, &result);
                if observe::rejected(&result) {
                    context.clouds.rejected(&group.scope);
                }
                Some(result.clone())
            }
            false => None,
        };
        outcome.also.push(CallOutcome {
            mutation,
            result: sent,
        });
    }
    Ok(outcome)
}

fn age(context: &Context, decided_at: jiff::Timestamp) -> Duration {
    let age = context.clock.now().duration_since(decided_at);
    Duration::try_from(age).unwrap_or_default()
}

/// Whether the service took a call or judged it: the next one would not meet the same trouble.
fn judged(result: &Result<Done, CloudError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => matches!(
            error.class,
            CloudClass::Invalid | CloudClass::NotFound | CloudClass::Conflict
        ),
    }
}
