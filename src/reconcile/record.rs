//! One pass over a record that holds a run which no object looks after: its end is read, and what it
//! left is listed. Reads of the cloud and writes of the record alone.

use ess_rollout_api::v1alpha1::{ScalingGroupRecord, ScalingGroupRecordStatus};
use ess_rollout_cloud::Turn;
use ess_rollout_core::decision::{Decision, Step};
use ess_rollout_core::observation::Observation;
use ess_rollout_core::rollout::{
    Absence, Event, Next, RunInput, UnattendedRun, look_at_run, unattended_runs, without_holder,
};

use super::{Context, Error, Pass, act, observe, story, summary::laid_out};
use crate::clouds::Outlives;
use crate::kubernetes::{ErrorClass, ObjectKey, differs};
use crate::tasks::CredentialsScope;

/// One pass over a record.
pub(super) async fn reconcile(context: &Context, key: &ObjectKey, turn: Turn) -> Pass {
    let mut pass = Pass {
        outcome: Ok(Next::OnChange),
        gone: false,
        versions: Vec::new(),
    };
    pass.outcome = looks(context, (&key.name, turn), &mut pass).await;
    pass
}

async fn looks(
    context: &Context,
    (name, turn): (&str, Turn),
    pass: &mut Pass,
) -> Result<Next, Error> {
    let mut conflicts = 0;
    loop {
        let read = context.kubernetes.get_record(name).await;
        let Some(mut record) = read.map_err(observe::Error::Read)? else {
            pass.gone = true;
            return Ok(Next::OnChange);
        };
        pass.versions
            .extend(record.metadata.resource_version.clone());
        match look(context, (&mut record, turn), pass).await {
            Err(Error::Act(act::Error::Write(error)))
                if error.class == ErrorClass::Conflict && conflicts < context.limits.conflicts =>
            {
                conflicts += 1;
            }
            Err(error) => return Err(error),
            Ok(next) => return Ok(next),
        }
    }
}

/// Looks at each of its runs once.
async fn look(
    context: &Context,
    (record, turn): (&mut ScalingGroupRecord, Turn),
    pass: &mut Pass,
) -> Result<Next, Error> {
    if let Some(absence) = holder_absence(context, record).await
        && let Some(status) = record.status.as_ref()
        && let Some((status, event)) = without_holder(status, &absence)
    {
        write(context, record, status, pass).await?;
        say(context, record, &event).await;
    }
    let mut next = Next::OnChange;
    for run in unattended_runs(record) {
        let decision = decide(context, (record, turn), &run).await?;
        next = sooner(next, decision.next);
        write(context, record, decision.status, pass).await?;
        for event in &decision.events {
            say(context, record, event).await;
        }
    }
    // An earlier version did not write it.
    if let Some(status) = record.status.clone() {
        write(context, record, status, pass).await?;
    }
    Ok(next)
}

async fn say(context: &Context, record: &ScalingGroupRecord, event: &Event) {
    story::event(event);
    context.events.publish_on_record(record, event).await;
}

fn sooner(one: Next, other: Next) -> Next {
    match (one, other) {
        (Next::Now, _) | (_, Next::Now) => Next::Now,
        (Next::After(one), Next::After(other)) => Next::After(one.min(other)),
        (Next::After(wait), Next::OnChange) | (Next::OnChange, Next::After(wait)) => {
            Next::After(wait)
        }
        (Next::OnChange, Next::OnChange) => Next::OnChange,
    }
}

async fn holder_absence(context: &Context, record: &ScalingGroupRecord) -> Option<Absence> {
    let holder = record.status.as_ref()?.holder.as_ref()?;
    // Who is watched here is there: nothing has to be read.
    if context.tasks.is_in(&holder.uid, &record.spec.region_id) {
        return None;
    }
    match observe::region_of(context, &holder.into()).await {
        None => Some(Absence::Gone),
        Some(Some(region)) if region != record.spec.region_id => Some(Absence::Elsewhere(region)),
        Some(_) => None,
    }
}

async fn decide(
    context: &Context,
    (record, turn): (&ScalingGroupRecord, Turn),
    run: &UnattendedRun,
) -> Result<Decision<ScalingGroupRecordStatus>, Error> {
    let scope = CredentialsScope {
        namespace: run.namespace.clone(),
        secret: run.secret.clone(),
    };
    // The object is gone, and its Secret may be.
    let access = observe::Access {
        scope: &scope,
        outlives: Some(Outlives::Run),
        turn,
    };
    let region = record.spec.region_id.as_str();
    let deadline = context.clock.now() + context.limits.reading;
    let mut observation = Observation::default();
    let mut asked = Vec::new();
    for _ in 0..=context.limits.rounds {
        let input = RunInput {
            record,
            uid: &run.uid,
            settings: &context.settings,
            now: context.clock.now(),
            observation: &observation,
        };
        match look_at_run(input) {
            Step::Decided(decision) => return Ok(*decision),
            Step::Read(asks) => {
                asked.clone_from(&asks);
                let answers = observe::answer(context, access, Some(region), asks, deadline);
                for (ask, reply) in answers.await {
                    observation.insert(ask, reply);
                }
            }
        }
    }
    Err(observe::Error::Rounds(context.limits.rounds, format!("{asked:?}")).into())
}

async fn write(
    context: &Context,
    record: &mut ScalingGroupRecord,
    status: ScalingGroupRecordStatus,
    pass: &mut Pass,
) -> Result<(), Error> {
    let status = laid_out(status);
    if !differs(record.status.as_ref(), &status) {
        return Ok(());
    }
    let written = context
        .kubernetes
        .write_record_status(record, &status)
        .await;
    *record = written.map_err(act::Error::Write)?;
    pass.versions
        .extend(record.metadata.resource_version.clone());
    Ok(())
}
