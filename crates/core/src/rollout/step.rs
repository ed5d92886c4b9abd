//! The driver: which stage a task is in, and what every decision has in common.

use ess_rollout_api::v1alpha1::{
    DeletionPolicy, DesiredState, GroupRun, Latched, LetGo, RollingUpdateTaskStatus,
    ScalingGroupRecordStatus,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::before::{deadline, refusal};
use super::context::Context;
use super::decision::{Decision, Input, Next, Step};
use super::progress::freeze;
use super::report::{self, Phase};
use super::requests::{approve, close, ingest, notify};
use super::restore::record;
use super::stages::{adoption, ending, pending, running, starting};
use super::{deletion, events, times};
use crate::task::decision::visited;
use crate::task::observation::{Interrupt, Known};
use crate::task::{absence, ledger};

/// Asks for more, or decides.
pub fn step(input: Input<'_>) -> Step {
    let ctx = Context::new(input);
    let old = input.subject.status.cloned().unwrap_or_default();
    let mut status = old.clone();
    times::bound(&ctx, &mut status);

    if !visited(status.observed_generation) {
        if ctx.deleting.is_some() && !adoption::names_execution(&ctx) {
            let mut decision = never_visited(&ctx, old);
            deletion::without_record(&ctx, &mut decision);
            return Step::Decided(Box::new(decision));
        }
        ingest::present_at_creation(&ctx, &mut status);
        latch(&ctx, &mut status);
        note_unknown_annotations(&ctx, &mut status);
        report::first(&ctx, &mut status);
        let decision = ctx.decide(status, Next::Now);
        return decided(&ctx, &old, decision);
    }
    let finished = deletion::is_finished(&status);
    if let Some(value) = adoption::missing_annotation(&ctx, &status) {
        let mut decision = ctx.decide(status, Next::Now);
        decision.execution_annotation = Some(value);
        return decided(&ctx, &old, decision);
    }

    if let Some(record) = regained(&ctx, &status, finished) {
        let mut decision = ctx.decide(status, Next::Now);
        decision.record = Some(record);
        return decided(&ctx, &old, decision);
    }

    latch(&ctx, &mut status);
    note_unknown_annotations(&ctx, &mut status);
    // Before anything is read: what OOS answered is known whatever becomes of the reads.
    notify::take_outcome(&ctx, &mut status);
    approve::take_outcome(&ctx, &mut status);
    let staged = stage(&ctx, status.clone());
    let decision = match with_account(&ctx, &mut status, staged, finished) {
        Ok(decision) => decision,
        Err(Interrupt::Read(queries)) => return Step::Read(queries),
        Err(Interrupt::Failed(error)) => {
            let waits = status.start.is_none() && status.result.is_none();
            report::trouble(&ctx, &mut status, &error);
            if waits && error.needs_person() {
                deadline::note(&ctx, &mut status, true);
            }
            let left = deadline::left(&ctx, &status).filter(|_| waits);
            let lets_go = refusal::lets_go(&ctx, &status);
            let next = ctx.wait_after(&error);
            let left = left.map(|left| left.unsigned_abs());
            let mut decision = ctx.decide(status, next).within(left);
            // A group is not kept from others for something that only a person can mend.
            if waits && lets_go && error.needs_person() {
                decision.record = Some(record::given_back(&ctx));
            }
            decision
        }
    };
    decided(&ctx, &old, decision)
}

/// Deleted before it was ever seen: nothing was started for it. The finalizer may be there all the
/// same, set just before the operator died.
fn never_visited(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Decision {
    let mut decision = ctx.decide(status, Next::OnChange);
    if ctx.holds() {
        decision.record = Some(record::given_back(ctx));
        decision.next = Next::Now;
    } else {
        decision.finalizer = ctx.has_finalizer().then_some(false);
    }
    decision
}

/// The record with this object as holder again: somebody has deleted it while the run was on, or
/// the rollback that took the group over has vanished. Without it another object would start on the
/// group, and what is left in the end would be noted nowhere.
fn regained(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    finished: bool,
) -> Option<ScalingGroupRecordStatus> {
    let let_go = ctx.deleting.is_some()
        && ctx.spec.policy.deletion_policy == DeletionPolicy::Orphan
        && status.execution.is_some()
        && status.result.is_none();
    let lost = ctx.input.record_lost.is_some();
    let on = status.start.is_some() && !finished && !let_go && !lost && !ctx.region.is_empty();
    let plan = status.plan.as_ref().filter(|_| on)?;
    // A record that exists and names nobody was let go: by a rollback that took the group over.
    let exists = ctx.input.record.is_some_and(|r| r.status.is_some());
    let holder = ctx.record.holder.as_ref();
    let from_this = holder.is_some_and(|h| h.taken_over_from.as_ref() == Some(&ctx.uid));
    let vanished = ctx.input.holder_gone && from_this;
    // The rollback vanished, and somebody has looked at the record since.
    let gone = [None, Some(LetGo::HolderVanished)];
    let open = |run: &GroupRun| run.uid == ctx.uid && gone.contains(&run.let_go);
    let vanished = vanished || holder.is_none() && ctx.record.runs.iter().any(open);
    (!exists || vanished).then(|| record::taken(ctx, plan))
}

/// What the stage has come to, if the credentials are still of the account that the run is of: with those
/// of another nothing of it is seen, and nothing is to be sent. A deletion that may not wait any longer
/// waits for no credentials either.
fn with_account(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    staged: Known<Decision>,
    finished: bool,
) -> Known<Decision> {
    if finished || ctx.deletion_overdue() {
        return staged;
    }
    match absence::other_account(ctx.input.observation, status.place.as_ref()) {
        Ok(None) => staged,
        Ok(Some(message)) => {
            report::needs_person(ctx, status, "AccountChanged", &message);
            let wait = ctx.patience().unsigned_abs();
            Ok(ctx.decide(status.clone(), Next::After(wait)))
        }
        // Together with what the stage asks for: one round.
        Err(Interrupt::Read(account)) => match staged {
            Err(Interrupt::Read(queries)) => Err(Interrupt::Read(
                account.into_iter().chain(queries).collect(),
            )),
            _ => Err(Interrupt::Read(account)),
        },
        Err(failed) => Err(failed),
    }
}

fn stage(ctx: &Context<'_>, status: RollingUpdateTaskStatus) -> Known<Decision> {
    if status.result.is_some() {
        ending::decide(ctx, status)
    } else if status.execution.is_some() {
        running::decide(ctx, status)
    } else if status.start.is_some() {
        starting::decide(ctx, status)
    } else {
        pending::decide(ctx, status)
    }
}

/// Keeps the highest of what only rises: lowering it later, by a revert in Git or a self-heal, is
/// a no-op.
fn latch(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let mut latched = status.latched.clone().unwrap_or_default();
    let approved = ctx.spec.policy.approved_batches.unwrap_or(0);
    latched.approved_batches = latched.approved_batches.max(approved);
    latched.cancelled |= ctx.spec.policy.desired_state == DesiredState::Cancelled;
    if latched != Latched::default() {
        status.latched = Some(latched);
    }
}

fn note_unknown_annotations(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let metadata = ctx.metadata;
    ledger::note_unknown_annotations(metadata, &mut status.unknown_annotations);
}

fn decided(ctx: &Context<'_>, old: &RollingUpdateTaskStatus, mut decision: Decision) -> Step {
    // A change of the spec that changes nothing else must be seen too: kstatus, and with it Argo CD
    // and Flux, takes a status of an older generation for work in progress.
    if decision.status != *old || visited(old.observed_generation) {
        decision.status.observed_generation = ctx.generation;
    }
    // No wait outlasts the time that the deletion has.
    decision = decision.within(ctx.deletion_time_left());
    deletion::guard(ctx, old, &mut decision);
    deletion::without_record(ctx, &mut decision);
    deletion::list(ctx, &mut decision);
    deletion::say(ctx, &mut decision);
    close::close(ctx, &mut decision.status);
    if let Some(by) = ctx.input.subject.rolled_back_by {
        decision.status.rolled_back_by = Some(by.clone());
    }
    let is_done =
        |status: &RollingUpdateTaskStatus| status.restore.as_ref().is_some_and(|r| r.done);
    if is_done(&decision.status) && !is_done(old) {
        decision.status.completion_time = Some(Time(ctx.now()));
    }
    // Before anything is compared: what is on record was trimmed, too.
    report::trim(&mut decision.status);
    freeze::note(ctx, &mut decision.status);
    hold_back_progress(ctx, old, &mut decision);
    decision
        .events
        .extend(events::events(ctx, old, &decision.status));
    Step::Decided(Box::new(decision))
}

/// Progress alone is not worth a write each time it moves: every write goes to every watcher whole.
fn hold_back_progress(ctx: &Context<'_>, old: &RollingUpdateTaskStatus, decision: &mut Decision) {
    let new = &mut decision.status;
    if progress_moved(old, new) {
        let mut without = new.clone();
        without.batches.clone_from(&old.batches);
        without.summary.clone_from(&old.summary);
        without.instances.clone_from(&old.instances);
        without.instances_truncated = old.instances_truncated;
        let interval =
            SignedDuration::try_from(ctx.input.settings.progress_interval).unwrap_or_default();
        let due = new.progress_time.as_ref().map(|time| time.0 + interval);
        match due {
            Some(due) if without == *old && ctx.now() < due && decision.work.is_none() => {
                *new = without;
                let wait = (due - ctx.now()).try_into().unwrap_or(SignedDuration::ZERO);
                let wait = wait.unsigned_abs();
                decision.next = match decision.next {
                    Next::After(next) => Next::After(next.min(wait)),
                    Next::OnChange => Next::After(wait),
                    Next::Now => Next::Now,
                };
            }
            _ => new.progress_time = Some(Time(ctx.now())),
        }
    }
}

fn progress_moved(old: &RollingUpdateTaskStatus, new: &RollingUpdateTaskStatus) -> bool {
    old.batches != new.batches || old.summary != new.summary || old.instances != new.instances
}

impl Phase {
    /// The phase of a task whose stage was not reached.
    pub(super) fn of_status(status: &RollingUpdateTaskStatus) -> Option<Self> {
        status.state.as_deref().and_then(Self::from_word)
    }
}
