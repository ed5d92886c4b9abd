//! What is on record of the newest Approve, and what stands against another one.

use ess_rollout_api::v1alpha1::{Action, ApproveAnswer, ApproveRecord, RollingUpdateTaskStatus};
use jiff::Timestamp;

use super::summary;
use crate::rollout::context::Context;

/// The record of the newest Approve, if it was for this pause.
pub(in crate::rollout) fn of_pause(
    status: &RollingUpdateTaskStatus,
    pause: i32,
) -> Option<&ApproveRecord> {
    let record = status.approve.as_ref();
    record.filter(|record| record.pause == pause)
}

/// Whether OOS refused the newest Approve, which was for this pause.
pub(super) fn is_refused(status: &RollingUpdateTaskStatus, pause: i32) -> bool {
    of_pause(status, pause).is_some_and(|r| r.answer == Some(ApproveAnswer::Refused))
}

/// Whether an Approve of the pause on show is wanted and its effect not seen.
pub(in crate::rollout) fn is_under_way(status: &RollingUpdateTaskStatus) -> bool {
    let id = status.pause.as_ref().map(|pause| pause.id);
    let record = id.and_then(|id| of_pause(status, id));
    record.is_some_and(|r| matches!(r.answer, None | Some(ApproveAnswer::Failed)))
}

/// How often OOS may refuse an Approve of a pause before a person has to ask again: once more after
/// a look that is newer than the refusal.
pub(in crate::rollout) const REFUSALS_MAX: i32 = 2;

/// What stands against another Approve of a pause, for good.
pub(in crate::rollout) enum Obstacle<'s> {
    /// OOS took one.
    Taken(&'s ApproveRecord),
    /// OOS refused as often as it may for one request.
    Refused(&'s ApproveRecord),
    /// One was never answered, and the next batch would leave no trace: whether the pause is still
    /// the same one cannot be told.
    Alike,
}

/// From when on what is read shows what became of an Approve ([`ApproveRecord::until`]), whoever put it on record.
pub(in crate::rollout) fn over_at(ctx: &Context<'_>, record: &ApproveRecord) -> Timestamp {
    let counted_from = record.answer_time.as_ref().unwrap_or(&record.time);
    ctx.waits().over_at(counted_from, record.until.0)
}

/// From when on what is read shows what has become of a pause, where OOS took an Approve of it: until then, and from then on,
/// it may be listed in the same way as the next one, of which nobody tells.
pub(in crate::rollout) fn left_is_shown_at(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: i32,
) -> Option<Timestamp> {
    let record = of_pause(status, pause);
    let taken = record.filter(|record| record.answer == Some(ApproveAnswer::Taken));
    taken.map(|record| over_at(ctx, record))
}

/// See [`Obstacle`]. `asked`: the request that asks for it now, if there is one.
pub(in crate::rollout) fn obstacle<'s>(
    ctx: &Context<'_>,
    status: &'s RollingUpdateTaskStatus,
    pause: i32,
    asked: Option<&Action>,
) -> Option<Obstacle<'s>> {
    let record = of_pause(status, pause)?;
    match record.answer {
        Some(ApproveAnswer::Taken) => Some(Obstacle::Taken(record)),
        Some(ApproveAnswer::Refused) if record.refusals >= REFUSALS_MAX => {
            let anew = asked.is_some_and(|a| Some(&a.time) >= record.answer_time.as_ref());
            (!anew).then_some(Obstacle::Refused(record))
        }
        None if ctx.now() >= over_at(ctx, record) && summary::passed_over(status, pause + 1) => {
            Some(Obstacle::Alike)
        }
        _ => None,
    }
}
