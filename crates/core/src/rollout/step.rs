//! Placeholder until the stages land.
use super::{Decision, Input, Next, Step};

/// One step.
pub fn step(input: Input<'_>) -> Step {
    Step::Decided(Box::new(Decision {
        finalizer: None,
        record: None,
        status: input.task.status.clone().unwrap_or_default(),
        work: None,
        events: Vec::new(),
        next: Next::OnChange,
    }))
}
