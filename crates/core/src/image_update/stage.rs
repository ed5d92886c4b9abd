//! Which stage the run under way is in, told by what is on record, and by nothing else.

use super::context::Context;
use super::{Draft, Drafted, due_run, ending, running, set_image, starting};
use crate::task::step::Staged;

/// The decision of the stage that the run is in, with what is on record in that stage.
pub(super) fn decide(ctx: &Context<'_>, status: Draft) -> Staged<Drafted> {
    let Some(run) = status.active.clone() else {
        return Ok(due_run::decide(ctx, status));
    };
    if let Some(end) = &run.end {
        Ok(ending::decide(ctx, status, &run, end))
    } else if let Some(execution) = &run.execution {
        Ok(running::decide(ctx, status, execution))
    } else if let Some(intent) = run.start.clone() {
        Ok(starting::decide(ctx, status, run, intent))
    } else if let Some(image) = &run.image_id {
        Ok(set_image::decide(ctx, status, &run, image))
    } else {
        Err("status.active has neither an image nor a start")
    }
}
