//! Whether a batch may begin by the window of its object: at the start, and in each pause after a batch. What is under way goes
//! on to its end whatever the window says.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{BatchStatus, FinishBy, FrozenPolicy, WindowKind};
use jiff::Timestamp;

use super::{durations, gate};
use crate::rollout::context::Context;
use crate::task::reason::Reason;
use crate::windows::{self, Begin, Hold, Invalid, State, Window};

/// The path of the window.
const FIELD: &str = "spec.window";

/// How long a group may stand still between two times at which a window opens, in seconds, unless the spec says.
const FROZEN_BETWEEN: i32 = 3600;

/// Why a batch may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) struct Held {
    pub(in crate::rollout) reason: Reason,
    /// A sentence without its end.
    pub(in crate::rollout) message: String,
    /// When to look again; `None`: the window, as it is written, never lets it begin.
    pub(in crate::rollout) until: Option<Timestamp>,
}

/// The window of the object, if it has one.
///
/// # Errors
///
/// The field, what is wrong with it, and the cure.
pub(in crate::rollout) fn read(ctx: &Context<'_>) -> Result<Option<Window>, Invalid> {
    let written = ctx.spec.policy.windows.window.as_ref();
    written
        .map(|written| Window::parse(FIELD, FIELD, written))
        .transpose()
}

/// Why the next batch may not begin now; `None`: it may. `batches`: how far those before it are.
pub(in crate::rollout) fn held(ctx: &Context<'_>, batches: &[BatchStatus]) -> Option<Held> {
    let window = match read(ctx) {
        Ok(window) => window?,
        Err(invalid) => {
            return Some(Held {
                reason: invalid.reason,
                message: invalid.message,
                until: None,
            });
        }
    };
    let (now, takes) = (ctx.now(), takes(ctx, batches));
    let found = windows::evaluate([&window], now);
    let policy = ctx.spec.policy.windows.finish_by;
    let Begin::No(hold) = windows::may_begin(&found, now, Some(takes), policy) else {
        return None;
    };
    let named = named(&window);
    Some(match hold {
        Hold::Closed { opens } => closed(&window, &named, opens),
        // The time that was asked about is the present.
        Hold::Over => Held {
            reason: Reason::WindowClosed,
            message: format!("{named} has just changed"),
            until: Some(found.look_again.max(now)),
        },
        Hold::TooShort { until, .. } | Hold::DurationUnknown { until } => {
            too_short(&window, &named, takes, until)
        }
    })
}

fn closed(window: &Window, named: &str, opens: Option<Timestamp>) -> Held {
    let (reason, message) = match (opens, window.kind()) {
        (Some(opens), WindowKind::Allow) => (
            Reason::WindowClosed,
            format!("{named} is closed until {opens}"),
        ),
        (Some(opens), WindowKind::Freeze) => (
            Reason::WindowClosed,
            format!("{named} lets nothing begin until {opens}"),
        ),
        (None, _) => (
            Reason::NeverDue,
            format!("{named} never opens any more: write another one in a new object"),
        ),
    };
    Held {
        reason,
        message,
        until: opens,
    }
}

fn too_short(window: &Window, named: &str, takes: Duration, until: Timestamp) -> Held {
    let minutes = takes.as_secs().div_ceil(60);
    let fits = windows::next_fit([window], until, takes.try_into().unwrap_or_default());
    let then = match fits {
        Some(fits) => format!("the next one that is long enough begins at {fits}"),
        None => "no later one is longer: make it longer, or set spec.finishBy to BestEffort, in a new object".to_owned(),
    };
    Held {
        reason: Reason::WindowTooShort,
        message: format!(
            "{named} ends at {until}, and a batch may take {minutes} min with what comes after it; {then}"
        ),
        until: fits,
    }
}

/// What is said of the window besides what it keeps from beginning: how much of the update fits into it, and what becomes of a
/// batch that may run past its end.
pub(in crate::rollout) fn note(ctx: &Context<'_>, batches: i32) -> Option<String> {
    let window = read(ctx).ok()??;
    let (now, takes) = (ctx.now(), takes(ctx, &[]));
    let found = windows::evaluate([&window], now);
    let named = named(&window);
    let until = match found.state {
        State::Open { until, .. } => until?,
        State::Closed { opens, .. } => {
            return Some(match opens {
                Some(opens) => format!("{named} opens at {opens}"),
                None => format!("{named} never opens any more"),
            });
        }
    };
    let minutes = takes.as_secs().div_ceil(60);
    let all = u32::try_from(batches).unwrap_or_default();
    let fit = windows::batches_that_fit(&found, now, takes, all);
    let policy = &ctx.spec.policy;
    let meanwhile = match (policy.thaw_while_paused, policy.on_frozen_too_long) {
        (true, _) => "meanwhile the suspended processes are resumed",
        (false, FrozenPolicy::Thaw) => {
            "the suspended processes are resumed once spec.maxFrozenSeconds are over"
        }
        (false, _) => "the suspended processes stay so until then",
    };
    let rest = match (ctx.spec.policy.windows.finish_by, all.saturating_sub(fit)) {
        // Whoever wants it so does not ask.
        (FinishBy::Off, _) => return None,
        (_, 0) => String::new(),
        (FinishBy::Required, more) => {
            let who = match more {
                1 => "the last one waits".to_owned(),
                more => format!("the other {more} wait"),
            };
            format!("; {who} for the next time that it opens, and {meanwhile}")
        }
        (FinishBy::BestEffort, _) => "; a batch that has begun then runs past its end".to_owned(),
    };
    Some(format!(
        "{named} is open until {until}, and {fit} of {all} batches, of about {minutes} min each, may be over by then{rest}"
    ))
}

/// Why it does not begin although its window is open: it does not fit into it, and until the next time that it opens the group
/// would stand still for longer than it may.
pub(in crate::rollout) fn too_long_between(ctx: &Context<'_>, batches: i32) -> Option<String> {
    let window = read(ctx).ok()??;
    let policy = &ctx.spec.policy;
    // Where it scales meanwhile nothing is lost by the time between them.
    if policy.windows.finish_by == FinishBy::Off || policy.may_thaw() {
        return None;
    }
    let (now, takes) = (ctx.now(), takes(ctx, &[]));
    let found = windows::evaluate([&window], now);
    let State::Open {
        until: Some(until), ..
    } = found.state
    else {
        return None;
    };
    let all = u32::try_from(batches).unwrap_or_default();
    let fit = windows::batches_that_fit(&found, now, takes, all);
    // One more begins before the end where it may run past it.
    let begin = fit + u32::from(policy.windows.finish_by == FinishBy::BestEffort);
    if begin >= all {
        return None;
    }
    let most = policy.max_frozen_seconds.unwrap_or(FROZEN_BETWEEN);
    let opens = match windows::evaluate([&window], until).state {
        State::Closed { opens, .. } => opens,
        State::Open { .. } => return None,
    };
    let gap = opens.map(|opens| opens.duration_since(until).as_secs());
    if gap.is_some_and(|gap| gap <= i64::from(most)) {
        return None;
    }
    let named = named(&window);
    let minutes = takes.as_secs().div_ceil(60);
    let then = match (opens, gap) {
        (Some(opens), Some(gap)) => format!(
            "the next time that it opens is {opens}, and until then the group would not scale, which may last {most} s (spec.maxFrozenSeconds): make the window longer, the batches fewer, or set spec.maxFrozenSeconds to {gap} or more"
        ),
        _ => "it does not open again: make it longer, or the batches fewer".to_owned(),
    };
    Some(format!(
        "{named} ends at {until}, and {fit} of {all} batches of about {minutes} min each fit into it; {then}, in a new object"
    ))
}

/// How long a batch may take, with all that comes before the next: nine of ten do not take longer.
fn takes(ctx: &Context<'_>, batches: &[BatchStatus]) -> Duration {
    let next = batches.iter().find(|batch| batch.start_time.is_none());
    let size = next.and_then(|batch| usize::try_from(batch.size).ok());
    let gates = ctx.spec.policy.gates.as_ref();
    durations::expected(ctx, batches, size).p90 + gates.map_or(Duration::ZERO, gate::takes)
}

/// The window and why it is there.
fn named(window: &Window) -> String {
    match window.reason() {
        "" => FIELD.to_owned(),
        reason => format!("{FIELD} ({reason})"),
    }
}
