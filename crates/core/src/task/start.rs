//! The intent to start an execution is on record and none is known: look first, then send again.
//!
//! The same client token starts nothing twice, so sending again is safe while OOS remembers the
//! token. After that a new token is used only when two look-ups, each a bound on lateness after
//! what came before, have found nothing.

use std::time::Duration;

use ess_rollout_api::v1alpha1::StartIntent;
use ess_rollout_cloud::{
    CloudError, Done, ErrorClass, Execution, ExecutionFilter, Mutation, Outcome as Effect,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::conditions::shorten;
use super::decision::{Next, WorkOutcome};
use super::observation::{Known, Observation};
use super::waits::Waits;

/// How long a start is sent again with the same token: OOS keeps tokens for an undocumented time,
/// and a few hours at most can be relied on.
const SAME_TOKEN: SignedDuration = SignedDuration::from_mins(30);

/// The intent to start, for the first time, but for what the kind of object adds.
pub(crate) fn intent(
    template: &str,
    token: String,
    spec_hash: String,
    now: Timestamp,
) -> StartIntent {
    StartIntent {
        attempt: 1,
        client_token: token,
        time: Time(now),
        template_name: template.to_owned(),
        template_version: None,
        parameters_hash: String::new(),
        spec_hash,
        scripts: None,
        kept_scripts: None,
        exit_processes: Vec::new(),
        pauses_after_each_batch: false,
        empty_lookups: 0,
        last_lookup_time: None,
        held_since: None,
        resent: false,
        refusal: String::new(),
        denied: false,
        token_used: false,
    }
}

/// What is known of the call just made, if this process made it.
pub(crate) enum Answer<'a> {
    /// There is no call, or it was not answered by anything that says more than a look-up.
    None,
    /// This was started.
    Started(&'a Execution),
    /// The answer was lost: look soon.
    Lost(&'a CloudError),
    /// It is certain to have done nothing, and is to be made again.
    Failed(&'a CloudError),
    /// It is certain to have done nothing, and will do nothing until a person has granted what it lacks.
    Denied(&'a CloudError),
    /// OOS refuses what it asks for. Of the calls before it this says nothing.
    Refused(String),
    /// The token was used with other parameters: something was started, find it.
    TokenUsed(&'a CloudError),
}

/// The answer to the call that the intent describes.
pub(crate) fn answer<'a>(outcome: Option<&'a WorkOutcome>, intent: &StartIntent) -> Answer<'a> {
    let ours = outcome.filter(|outcome| {
        matches!(&outcome.mutation, Mutation::StartExecution(start) if start.client_token == intent.client_token)
    });
    match ours.map(|outcome| &outcome.result) {
        Some(Ok(Done::Started { execution, .. })) => Answer::Started(execution),
        Some(Ok(Done::Accepted { .. })) | None => Answer::None,
        Some(Err(error)) if error.outcome == Effect::Unknown => Answer::Lost(error),
        Some(Err(error)) => match error.class {
            ErrorClass::TokenMismatch => Answer::TokenUsed(error),
            ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict => {
                Answer::Refused(format!("OOS refused to start: {error}"))
            }
            ErrorClass::Denied | ErrorClass::Unauthenticated => Answer::Denied(error),
            ErrorClass::Retry | ErrorClass::Throttled => Answer::Failed(error),
        },
    }
}

/// The roots with these tags, sorted by their keys, oldest first.
pub(crate) fn tagged(
    observation: &Observation,
    tags: Vec<(String, String)>,
) -> Known<Vec<&Execution>> {
    let filter = ExecutionFilter::Tagged {
        tags: tags.clone(),
        started_after: None,
    };
    Ok(with_tags(observation.executions(&filter)?, &tags))
}

/// Of the listed executions the roots with these tags, oldest first. An ignored filter returns
/// everything: the tags that come back are believed.
pub(crate) fn with_tags<'a>(
    listed: &'a [Execution],
    tags: &[(String, String)],
) -> Vec<&'a Execution> {
    let tagged = |e: &Execution| {
        tags.iter()
            .all(|(key, value)| e.tags.get(key) == Some(value))
    };
    let ours = |e: &&Execution| e.parent.is_none() && tagged(e);
    let mut found: Vec<&Execution> = listed.iter().filter(ours).collect();
    found.sort_by_key(|e| (e.start, e.id.clone()));
    found
}

/// The wait before a look-up after an answer that said nothing.
pub(crate) fn look_soon() -> Next {
    Next::After(Duration::from_secs(2))
}

/// A call was refused that was not the only one: one before it, whose answer was lost, may still
/// take effect. Nothing is sent any more until that is known.
pub(crate) fn note_refusal(intent: &mut StartIntent, message: &str, now: Timestamp) {
    intent.refusal = shorten(message, 1024);
    (intent.empty_lookups, intent.last_lookup_time) = (0, Some(Time(now)));
}

/// Counts look-ups from now on: something new has to be waited out.
pub(crate) fn count_anew(intent: &mut StartIntent) {
    (intent.empty_lookups, intent.last_lookup_time) = (0, None);
}

/// What follows when a look-up found nothing.
pub(crate) enum Then {
    /// Look again.
    Wait(Next),
    /// The call is made, with the token that the intent has now.
    Send,
    /// Nothing was started, and nothing will be.
    NothingRan,
    /// The same, and the call is not made again before the windows open.
    PutOff,
    /// Nothing was started, because OOS refused: why.
    Refused(String),
    /// Something was started, and OOS does not list it.
    NotFound(String),
}

/// A look-up found nothing. `ending`: since when nothing is to be started any more. `closed`: nothing may begin now. `token`: the
/// client token of an attempt.
pub(crate) fn nothing_found(
    waits: &Waits<'_>,
    intent: &mut StartIntent,
    answer: &Answer<'_>,
    ending: Option<&Time>,
    closed: bool,
    token: impl FnOnce(i32) -> String,
) -> Then {
    if let Answer::TokenUsed(error) = answer {
        intent.refusal = shorten(&error.to_string(), 1024);
        intent.token_used = true;
        count_anew(intent);
        return Then::Wait(look_soon());
    }
    let tokens_end = Time(intent.time.0 + SAME_TOKEN);
    if !intent.refusal.is_empty() {
        // A used token stands for something: it is looked for as long as lists may lag behind.
        let patient = intent.token_used && ending.is_none();
        if count_empty_lookup(waits, intent, patient.then_some(tokens_end)) < 2 {
            return Then::Wait(waits.poll());
        }
        return if intent.token_used {
            Then::NotFound(format!(
                "OOS lists no execution of this task and says that its client token was used: {}",
                intent.refusal
            ))
        } else {
            Then::Refused(intent.refusal.clone())
        };
    }
    if let Some(since) = ending {
        return match count_empty_lookup(waits, intent, Some(since.clone())) {
            ..2 => Then::Wait(waits.for_settle()),
            _ => Then::NothingRan,
        };
    }
    if closed {
        if intent.held_since.is_none() {
            count_anew(intent);
        }
        let since = intent.held_since.get_or_insert(Time(waits.now)).clone();
        return match count_empty_lookup(waits, intent, Some(since)) {
            ..2 => Then::Wait(waits.for_settle()),
            _ => Then::PutOff,
        };
    }
    if intent.held_since.take().is_some() {
        count_anew(intent);
    }
    if waits.now <= tokens_end.0 {
        intent.resent = true;
        return Then::Send;
    }
    // The token may have been forgotten: start anew, once it is known that nothing runs.
    if count_empty_lookup(waits, intent, Some(tokens_end)) < 2 {
        return Then::Wait(waits.for_settle());
    }
    intent.attempt += 1;
    intent.client_token = token(intent.attempt);
    intent.time = Time(waits.now);
    intent.resent = false;
    count_anew(intent);
    Then::Send
}

/// Counts a look-up that found nothing, if it came late enough to count. Gives the count.
fn count_empty_lookup(waits: &Waits<'_>, intent: &mut StartIntent, since: Option<Time>) -> i32 {
    let since = intent.last_lookup_time.clone().or(since);
    if since.is_none_or(|since| waits.settled_since(&since)) {
        intent.empty_lookups += 1;
        intent.last_lookup_time = Some(Time(waits.now));
    }
    intent.empty_lookups
}
