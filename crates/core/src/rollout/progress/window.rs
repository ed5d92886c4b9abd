//! Whether a batch may begin by the windows that are for its object: at the start, and in each pause after a batch. What is under
//! way goes on to its end whatever they say.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    BatchStatus, FinishBy, FrozenPolicy, RollingUpdateTaskStatus, SuspensionPolicy,
};
use jiff::Timestamp;

use super::{durations, gate};
use crate::rollout::context::Context;
use crate::rollout::decision::Event;
use crate::task::closed::{Held, Union, of};
use crate::task::reason::Reason;
use crate::task::windows_of::{KIND, Whose};
use crate::windows::{self, Begin, Cause, Evaluation, Fit, Hold, State};

/// How long a group may stand still between two times at which a window opens, in seconds, unless the spec says.
const FROZEN_BETWEEN: i32 = 3600;

/// How many windows are named that do not hold an update (CRD: `status.windowsNotHolding`).
const NOT_HOLDING_MAX: usize = 20;

/// Why the next batch may not begin now; `None`: it may. `batches`: how far those before it are.
pub(in crate::rollout) fn held(ctx: &Context<'_>, batches: &[BatchStatus]) -> Option<Held> {
    let found = ctx.windows();
    if let Some(unknown) = &found.unknown {
        return Some(Held::by_unknown(unknown, ctx.now()));
    }
    if found.all.is_empty() {
        return None;
    }
    let union = Union::of(found);
    let (now, takes) = (ctx.now(), takes(ctx, batches));
    let evaluation = union.at(now);
    let policy = ctx.spec.policy.windows.finish_by;
    let Begin::No(hold) = windows::may_begin(&evaluation, now, Some(takes), policy) else {
        return None;
    };
    Some(match hold {
        Hold::Closed { opens } => match opens.and_then(|from| never_fits(ctx, &union, takes, from))
        {
            Some(held) => held,
            None => union.closed(&evaluation, opens),
        },
        // The time that was asked about is the present.
        Hold::Over => Held {
            reason: Reason::WindowClosed,
            message: format!("{} has just changed", union.named()),
            until: Some(evaluation.look_again.max(now)),
            mended_by: None,
        },
        Hold::TooShort { until, .. } | Hold::DurationUnknown { until } => {
            too_short(&union, &evaluation, takes, until)
        }
    })
}

/// Why a batch does not begin that might not be over in time.
fn too_short(
    union: &Union<'_>,
    evaluation: &Evaluation,
    takes: Duration,
    until: Timestamp,
) -> Held {
    let minutes = takes.as_secs().div_ceil(60);
    let fits = union.fits(takes, until);
    let then = match fits {
        Fit::At(fits) => format!("the next one that is long enough begins at {fits}"),
        Fit::NotBefore(time) => format!("none that is long enough was found until {time}"),
        Fit::Never => format!("no later one is longer: {}", longer(union)),
    };
    Held {
        reason: Reason::WindowTooShort,
        message: format!(
            "{}, and a batch may take {minutes} min with what comes after it; {then}",
            ends(union, evaluation, until)
        ),
        until: match fits {
            Fit::At(time) | Fit::NotBefore(time) => Some(time),
            Fit::Never => None,
        },
        mended_by: (fits == Fit::Never).then(|| union.cure().1),
    }
}

/// Why a batch never begins, where none of the times at which the windows are open, from this one on, is long enough for it: said
/// while they are closed, as it is no use to wait.
fn never_fits(
    ctx: &Context<'_>,
    union: &Union<'_>,
    takes: Duration,
    from: Timestamp,
) -> Option<Held> {
    let required = ctx.spec.policy.windows.finish_by == FinishBy::Required;
    if !required || union.fits(takes, from) != Fit::Never {
        return None;
    }
    let minutes = takes.as_secs().div_ceil(60);
    Some(Held {
        reason: Reason::WindowTooShort,
        message: format!(
            "{} is never open for the {minutes} min that a batch may take with what comes after it: {}",
            union.named(),
            longer(union)
        ),
        until: None,
        mended_by: Some(union.cure().1),
    })
}

/// What to do about windows of which none is long enough.
fn longer(union: &Union<'_>) -> &'static str {
    match union.is_own() {
        true => "make it longer, or set spec.finishBy to BestEffort, in a new object",
        false => "make it longer",
    }
}

/// What ends the time in which it is open.
fn ends(union: &Union<'_>, evaluation: &Evaluation, until: Timestamp) -> String {
    match &evaluation.state {
        State::Open {
            closed_by: Some(Cause::Freeze(freeze)),
            ..
        } => format!("{} begins at {until}", of(freeze)),
        State::Open {
            by: Some(allow), ..
        } => format!("{} ends at {until}", of(allow)),
        _ => format!("{} ends at {until}", union.named()),
    }
}

/// What is said of the windows besides what they keep from beginning: how much of the update fits into them, and what becomes of a
/// batch that may run past their end.
pub(in crate::rollout) fn note(ctx: &Context<'_>, batches: i32) -> Option<String> {
    let found = ctx.windows();
    if found.all.is_empty() || found.unknown.is_some() {
        return None;
    }
    let union = Union::of(found);
    let (now, takes) = (ctx.now(), takes(ctx, &[]));
    let evaluation = union.at(now);
    let open = match &evaluation.state {
        State::Open { until, by, .. } => {
            let until = (*until)?;
            match by {
                Some(allow) => format!("{} is open until {until}", of(allow)),
                None => ends(&union, &evaluation, until),
            }
        }
        State::Closed { opens, .. } => {
            let never = opens.and_then(|from| never_fits(ctx, &union, takes, from));
            return Some(match (never, opens) {
                (Some(never), _) => never.message,
                (None, Some(opens)) => format!("{} opens at {opens}", union.opened(&evaluation)),
                (None, None) => union.closed(&evaluation, None).message,
            });
        }
    };
    let minutes = takes.as_secs().div_ceil(60);
    let all = u32::try_from(batches).unwrap_or_default();
    let fit = windows::batches_that_fit(&evaluation, now, takes, all);
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
        "{open}, and {fit} of {all} batches, of about {minutes} min each, may be over by then{rest}"
    ))
}

/// Why it does not begin when its windows are open, be it now or once they are: it does not fit into the time until they close, and
/// until they open again the group would stand still for longer than it may.
pub(in crate::rollout) fn too_long_between(ctx: &Context<'_>, batches: i32) -> Option<String> {
    let found = ctx.windows();
    let policy = &ctx.spec.policy;
    let union = Union::of(found);
    // Where it scales meanwhile nothing is lost by the time between them.
    if found.is_empty() || policy.windows.finish_by == FinishBy::Off || policy.may_thaw() {
        return None;
    }
    let takes = takes(ctx, &[]);
    let may_begin = |from| match policy.windows.finish_by {
        FinishBy::Required => match union.fits(takes, from) {
            Fit::At(time) | Fit::NotBefore(time) => Some(time),
            Fit::Never => None,
        },
        FinishBy::BestEffort | FinishBy::Off => match union.at(from).state {
            State::Open { .. } => Some(from),
            State::Closed { opens, .. } => opens,
        },
    };
    // Where it never may, that is what is said.
    let begins = may_begin(ctx.now())?;
    let evaluation = union.at(begins);
    let State::Open {
        until: Some(until), ..
    } = evaluation.state
    else {
        return None;
    };
    let all = u32::try_from(batches).unwrap_or_default();
    let fit = windows::batches_that_fit(&evaluation, begins, takes, all);
    // One more begins before the end where it may run past it.
    let begin = fit + u32::from(policy.windows.finish_by == FinishBy::BestEffort);
    if begin >= all {
        return None;
    }
    let most = policy.max_frozen_seconds.unwrap_or(FROZEN_BETWEEN);
    let next = may_begin(until);
    let gap = next.map(|next| next.duration_since(until).as_secs());
    if gap.is_some_and(|gap| gap <= i64::from(most)) {
        return None;
    }
    let minutes = takes.as_secs().div_ceil(60);
    let then = match (next, gap) {
        (Some(next), Some(gap)) => format!(
            "the next batch may begin at {next}, and until then the group would not scale, which may last {most} s (spec.maxFrozenSeconds): make the window longer, the batches fewer, or set spec.maxFrozenSeconds to {gap} or more"
        ),
        _ => "after that none begins any more: make it longer, or the batches fewer".to_owned(),
    };
    let ends = ends(&union, &evaluation, until);
    let ends = match begins > ctx.now() {
        true => format!("it may begin at {begins}; {ends}"),
        false => ends,
    };
    Some(format!(
        "{ends}, and {fit} of {all} batches of about {minutes} min each fit into it; {then}, in a new object"
    ))
}

/// What a rollback is told of the windows that would hold it if it was an update.
pub(in crate::rollout) fn passed_over(ctx: &Context<'_>) -> Option<String> {
    let windows = &ctx.windows().passed_over;
    let union = Union::new(windows);
    if windows.is_empty() || union.at(ctx.now()).is_open() {
        return None;
    }
    Some(format!(
        "{} would hold an update now; a Rollback goes back at once, unless its spec.windowRefs names a window",
        union.named()
    ))
}

/// The windows that are for an update whose batches they cannot hold, as OOS does not pause for them: they came after its start.
/// By namespace and name. `None`: what is for it is not known.
pub(in crate::rollout) fn not_holding(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Vec<String>> {
    let each = ctx.spec.policy.suspension_policy == SuspensionPolicy::SuspendEachBatch;
    let begun = status.execution.is_some() && status.result.is_none();
    // In the pause after the first batch, which is for a person, they hold.
    let first = ctx.spec.policy.suspension_policy == SuspensionPolicy::SuspendFirstBatch;
    let ahead = status
        .batches
        .get(1)
        .is_none_or(|batch| batch.start_time.is_none());
    if !begun || each || first && ahead || ctx.holds_batches(status) {
        return Some(Vec::new());
    }
    let found = ctx.windows();
    let unknown = found.unknown.as_ref();
    if unknown.is_some_and(|unknown| unknown.whose == Whose::Cloud) {
        return None;
    }
    let names = found.all.iter().filter_map(|w| w.name().strip_prefix(KIND));
    let names = names.map(|name| name.trim_start().to_owned());
    let mut names: Vec<String> = names.chain(found.unreadable.iter().cloned()).collect();
    names.sort();
    names.truncate(NOT_HOLDING_MAX);
    Some(names)
}

/// The Event for windows that came too late to hold anything of it.
pub(in crate::rollout) fn event(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let known = &old.windows_not_holding;
    let mut names = new.windows_not_holding.iter();
    names.any(|name| !known.contains(name)).then(|| {
        let note = format!(
            "MaintenanceWindow {} came after the start and does not hold this update: OOS was not told to pause after each batch, which is decided at the start; to stop it cancel it",
            new.windows_not_holding.join(", ")
        );
        Event::warning(Reason::WindowNotHolding, "Update", note)
    })
}

/// How long a batch may take, with all that comes before the next: nine of ten do not take longer.
fn takes(ctx: &Context<'_>, batches: &[BatchStatus]) -> Duration {
    let next = batches.iter().find(|batch| batch.start_time.is_none());
    let size = next.and_then(|batch| usize::try_from(batch.size).ok());
    let gates = ctx.spec.policy.gates.as_ref();
    durations::expected(ctx, batches, size).p90 + gates.map_or(Duration::ZERO, gate::takes)
}
