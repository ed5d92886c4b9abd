//! Whether a run may begin by the windows that are for its object. One that is under way goes on whatever they say: it disturbs
//! nothing that is in service.

use super::context::Context;
use crate::task::closed::{Held, Union};
use crate::windows::State;

/// Why no run may begin now.
pub(super) fn held(ctx: &Context<'_>) -> Option<Held> {
    let found = ctx.windows.found();
    if let Some(unknown) = &found.unknown {
        return Some(Held::by_unknown(unknown, ctx.now()));
    }
    let union = Union::of(found);
    let evaluation = union.at(ctx.now());
    match evaluation.state {
        State::Open { .. } => None,
        State::Closed { opens, .. } => Some(union.closed(&evaluation, opens)),
    }
}
