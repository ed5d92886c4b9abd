//! Which stage the run under way is in, with what is on record in that stage.

use ess_rollout_api::v1alpha1::{
    ActiveRun, ExecutionRef, ImageUpdateTaskStatus, RunEnd, StartIntent,
};

use super::context::Context;
use super::{Draft, Drafted, due_run, ending, running, set_image, starting};
use crate::task::decision::Next;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// Told by what is on record, and by nothing else.
enum Stage {
    NoRun,
    /// The image is given, and put into the configurations.
    SettingImage(Box<ActiveRun>, String),
    Starting(Box<(ActiveRun, StartIntent)>),
    Running(ExecutionRef),
    Ending(Box<ActiveRun>, RunEnd),
    /// What is on record cannot be.
    Contradiction(&'static str),
}

impl Stage {
    fn of(status: &ImageUpdateTaskStatus) -> Self {
        let Some(run) = status.active.clone() else {
            return Self::NoRun;
        };
        if let Some(end) = run.end.clone() {
            Self::Ending(Box::new(run), end)
        } else if let Some(execution) = run.execution {
            Self::Running(execution)
        } else if let Some(intent) = run.start.clone() {
            Self::Starting(Box::new((run, intent)))
        } else if let Some(image) = run.image_id.clone() {
            Self::SettingImage(Box::new(run), image)
        } else {
            Self::Contradiction("status.active has neither an image nor a start")
        }
    }
}

/// The decision of the stage that the run is in.
pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    match Stage::of(&status) {
        Stage::NoRun => due_run::decide(ctx, status),
        Stage::SettingImage(run, image) => set_image::decide(ctx, status, &run, &image),
        Stage::Starting(of) => starting::decide(ctx, status, of.0, of.1),
        Stage::Running(execution) => running::decide(ctx, status, &execution),
        Stage::Ending(run, end) => ending::decide(ctx, status, &run, &end),
        Stage::Contradiction(what) => {
            let message = format!(
                "{what}: somebody has edited the status. Nothing is sent; create the object anew"
            );
            if ctx.deletion_overdue() {
                return Ok(ending::abandon(ctx, status, &message));
            }
            status.needs_person(Reason::StatusContradiction, &message);
            Ok(ctx.decide(status, Next::After(ctx.waits().patience().unsigned_abs())))
        }
    }
}
