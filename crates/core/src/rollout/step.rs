//! What the driver ([`crate::task::step`]) is told of rolling updates and rollbacks.

use ess_rollout_api::v1alpha1::{
    DeletionPolicy, DesiredState, GroupRun, Latched, LetGo, Place, RollingUpdateTaskStatus,
    ScalingGroupRecordStatus,
};
use ess_rollout_cloud::CloudError;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::before::{deadline, refusal};
use super::context::{self, Context};
use super::decision::{Decision, Draft, Drafted, Event, Input, Next, Step};
use super::progress::{freeze, gate, window};
use super::requests::{approve, close, ingest, notify, thaw};
use super::restore::record;
use super::rollback::automatic;
use super::stages::{adoption, stage};
use super::wanted::Wanted;
use super::{deletion, events, times};
use super::{report, result};
use crate::task::ask::Target;
use crate::task::step::{Engine, Staged};

/// Asks for more, or decides.
pub fn step(input: Input<'_>) -> Step {
    let wanted = match Wanted::of(input.subject, input.observation) {
        Ok(wanted) => wanted,
        Err(asks) => return Step::Read(asks),
    };
    match Context::new(input, &wanted) {
        Ok(ctx) => crate::task::step::step(&ctx, input.subject.status, input.observation),
        Err(asks) => Step::Read(asks),
    }
}

/// Where the object's run takes place, and under whose credentials the cloud is asked. Nothing is known of a rollback before the
/// task that it names has been told of: what [`step`] asks for first.
pub fn target(input: &Input<'_>) -> Target {
    match Wanted::of(input.subject, input.observation) {
        Ok(wanted) => context::target(input.subject, &wanted.spec, input.settings),
        Err(_) => Target::default(),
    }
}

impl<'a> Engine<'a> for Context<'a> {
    type Status = RollingUpdateTaskStatus;
    const DELETION_RULE: &'static str = deletion::RULE;
    const CONTRADICTION_CURE: &'static str =
        "look at the group's executions in the OOS console, and create the object anew";

    fn record_lost(&self) -> Option<&'a str> {
        self.input.record_lost
    }

    fn is_restored(&self) -> bool {
        self.annotated_execution().is_some()
    }

    fn bound(&self, status: &mut RollingUpdateTaskStatus) {
        times::bound(self, status);
    }

    fn first_visit(&self, status: &mut Draft) {
        ingest::present_at_creation(self, status);
        latch(self, status);
        report::first(status);
    }

    fn missing_annotation(&self, status: &RollingUpdateTaskStatus) -> Option<String> {
        adoption::missing_annotation(self, status)
    }

    /// Somebody has deleted the record while the run was on, or the rollback that took the group over has vanished. Without
    /// it another object would start on the group, and what is left in the end would be noted nowhere.
    fn regained(&self, status: &RollingUpdateTaskStatus) -> Option<ScalingGroupRecordStatus> {
        let let_go = self.deleting.is_some()
            && self.spec.policy.deletion_policy == DeletionPolicy::Orphan
            && status.execution.is_some()
            && status.result.is_none();
        let lost = self.input.record_lost.is_some();
        let finished = deletion::is_finished(status);
        let on = status.start.is_some() && !finished && !let_go && !lost && !self.region.is_empty();
        let plan = status.plan.as_ref().filter(|_| on)?;
        // A record that exists and names nobody was let go: by a rollback that took the group over.
        let holder = self.record.holder.as_ref();
        let from_this = holder.is_some_and(|h| h.taken_over_from.as_ref() == Some(&self.uid));
        let vanished = self.holder_gone && from_this;
        // The rollback vanished, and somebody has looked at the record since.
        let gone = [None, Some(LetGo::HolderVanished)];
        let open = |run: &GroupRun| run.uid == self.uid && gone.contains(&run.let_go);
        let vanished = vanished || holder.is_none() && self.record.runs.iter().any(open);
        (!self.record_exists || vanished).then(|| record::taken(self, plan, status.place.as_ref()))
    }

    fn prepare(&self, status: &mut RollingUpdateTaskStatus) {
        latch(self, status);
        // Before anything is read: what OOS answered is known whatever becomes of the reads.
        notify::take_outcome(self, status);
        approve::take_outcome(self, status);
        thaw::take_outcome(self, status);
    }

    fn place<'s>(&'s self, status: &'s RollingUpdateTaskStatus) -> Option<&'s Place> {
        let finished = deletion::is_finished(status);
        status.place.as_ref().filter(|_| !finished)
    }

    fn stage(&self, status: Draft) -> Staged<Drafted> {
        stage::decide(self, status)
    }

    fn abandon(&self, status: Draft, message: &str) -> Drafted {
        result::abandon(self, status, message)
    }

    fn not_read(&self, mut status: Draft, error: &CloudError) -> Drafted {
        let waits = status.start.is_none() && status.result.is_none();
        report::failed(self, &mut status, error);
        let failure = report::failure(self, error);
        if let Some(failure) = failure.filter(|failure| waits && failure.needs_person) {
            deadline::note(self, &mut status, Some(&failure.message));
        }
        let left = deadline::left(self, &status).filter(|_| waits);
        let releases = refusal::releases_group(self, &status);
        let left = left.map(|left| left.unsigned_abs());
        let mut decision = self.decide(status, self.waits().after(error)).within(left);
        // A group is not kept from others for something that only a person can mend.
        if waits && releases && error.needs_person() {
            decision.record = Some(record::given_back(self));
        }
        decision
    }

    fn given_back(&self, _status: &RollingUpdateTaskStatus) -> ScalingGroupRecordStatus {
        record::given_back(self)
    }

    fn runs(status: &RollingUpdateTaskStatus) -> bool {
        let begun = status.start.is_some() || status.execution.is_some();
        (begun || status.result.is_some()) && !deletion::is_finished(status)
    }

    fn left(&self, _old: &RollingUpdateTaskStatus, status: &RollingUpdateTaskStatus) -> String {
        deletion::left(self, status)
    }

    fn finish(&self, old: &RollingUpdateTaskStatus, decision: &mut Drafted) {
        deletion::list(self, decision);
        let status = &mut decision.status;
        close::close(self, status);
        gate::show(self, status);
        if let Some(by) = self.rolled_back_by {
            status.rolled_back_by = Some(by.clone());
        }
        automatic::create(self, decision);
        let status = &mut decision.status;
        if let Some(names) = window::not_holding(self, status) {
            status.windows_not_holding = names;
        }
        if deletion::is_finished(status) && !deletion::is_finished(old) {
            status.completion_time = Some(Time(self.now()));
        }
    }

    fn fit(&self, old: &RollingUpdateTaskStatus, decision: &mut Decision) {
        // Before anything is compared: what is on record was trimmed, too.
        report::trim(&mut decision.status);
        freeze::note(self, &mut decision.status);
        hold_back_progress(self, old, decision);
    }

    fn events(
        &self,
        old: &RollingUpdateTaskStatus,
        status: &RollingUpdateTaskStatus,
    ) -> Vec<Event> {
        events::events(self, old, status)
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
