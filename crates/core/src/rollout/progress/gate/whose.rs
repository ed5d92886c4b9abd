//! Whose instances a check is about: those of the batch that has ended, all that were updated, all that serve.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{InstanceState, InstanceStatus, RollingUpdateTaskStatus, Verdict};
use ess_rollout_cloud::{Answer, LifecycleState, Query};
use jiff::Timestamp;

use super::check::{Answers, Unanswered, unanswered};
use crate::rollout::context::Context;
use crate::task::observation::Known;

/// Who is asked about.
pub(super) enum Whose {
    /// These.
    These(BTreeSet<String>),
    /// The group scales again: who has left it since is not looked for.
    OfTheseInService(BTreeSet<String>),
    /// All that serve.
    InService,
}

impl Whose {
    /// Those that a batch has updated; where they are not on record, all that serve.
    pub(super) fn of_batch(status: &RollingUpdateTaskStatus, batch: i32) -> Self {
        let of_batch = |instance: &InstanceStatus| instance.batch == batch;
        let thaw = status.thaw.as_ref();
        let these = match thaw.is_some_and(|thaw| thaw.pause == batch) {
            true => Self::OfTheseInService,
            false => Self::These,
        };
        updated(status, of_batch).map_or(Self::InService, these)
    }

    /// All that were updated, as far as they are still there.
    pub(super) fn of_all_batches(status: &RollingUpdateTaskStatus) -> Self {
        updated(status, |_| true).map_or(Self::InService, Self::OfTheseInService)
    }

    /// Those that count unless they have left the group.
    pub(super) fn unless_gone(&self) -> BTreeSet<String> {
        match self {
            Self::OfTheseInService(these) => these.clone(),
            Self::These(_) | Self::InService => BTreeSet::new(),
        }
    }

    /// Their ids; an error: the group does not tell who serves.
    pub(super) fn ids<'a>(
        self,
        ctx: &Context<'a>,
        answers: &mut Answers<'a>,
        since: Timestamp,
    ) -> Known<Result<BTreeSet<String>, Unanswered>> {
        Ok(match self {
            Self::These(these) => Ok(these),
            Self::InService => in_service(ctx, answers, since)?.and_then(some),
            Self::OfTheseInService(these) => in_service(ctx, answers, since)?
                .map(|serving| these.intersection(&serving).cloned().collect()),
        })
    }
}

/// The instances that were updated, of these; `None`: there are so many that they are not on record.
fn updated(
    status: &RollingUpdateTaskStatus,
    of: impl Fn(&InstanceStatus) -> bool,
) -> Option<BTreeSet<String>> {
    let updated = status
        .instances
        .iter()
        .filter(|instance| of(instance) && instance.state == InstanceState::Succeeded);
    let updated = updated.map(|instance| instance.id.clone()).collect();
    status.instances_truncated.is_none().then_some(updated)
}

/// That none serves is not that all of them are well: a list may leave them out.
fn some(serving: BTreeSet<String>) -> Result<BTreeSet<String>, Unanswered> {
    let message = "the scaling group lists no instance that is in service";
    match serving.is_empty() {
        true => Err((Verdict::Inconclusive, message.to_owned())),
        false => Ok(serving),
    }
}

/// The instances of the group that serve, or may: a state that nobody knows is no sign that one does not.
fn in_service<'a>(
    ctx: &Context<'a>,
    answers: &mut Answers<'a>,
    since: Timestamp,
) -> Known<Result<BTreeSet<String>, Unanswered>> {
    let query = Query::ScalingInstances {
        group: ctx.group.clone(),
    };
    answers.ask(ctx, [query.clone()], since)?;
    let serves = |state: &LifecycleState| {
        use LifecycleState::{InService, Protected, Unknown};
        matches!(state, InService | Protected | Unknown(_))
    };
    Ok(match answers.told(&query) {
        Some(Ok(Answer::ScalingInstances(members))) => {
            let serving = members.iter().filter(|member| serves(&member.state));
            Ok(serving.map(|member| member.id.clone()).collect())
        }
        Some(Err(error)) => Err(unanswered(error)),
        _ => Ok(BTreeSet::new()),
    })
}
