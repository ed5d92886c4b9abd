//! Replaying: the same calls at the same virtual times on a cloud of the same scene. The same fixture
//! and the same calls give the same ids, so answers and the end can be compared as they are.

use std::collections::BTreeMap;

use super::compare::{Difference, first, fits, shown};
use super::format::{Recorded, Recording, RecordingError};
use super::rebuild;
use super::scene::digest;
use super::stand_in::StandIns;
use super::take;
use crate::cloud::Cloud;
use crate::control;
use crate::front::Request;
use crate::oos::Caller;
use crate::state::call::{Call, EssVersion};
use crate::state::journal::Entry;
use serde_json::Value;

/// What a replay has found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many calls were made again.
    pub replayed: usize,
    /// Requests that were refused before they were calls, which cannot be made again: how many.
    pub refused: usize,
    /// Calls with secret parameters, which are replayed with a stand-in: their numbers.
    pub masked: Vec<usize>,
    /// Answers of which the recording has a digest of another version of the emulator alone, which
    /// says nothing: how many.
    pub unknown_answers: usize,
    /// All differences, those of calls first.
    pub differences: Vec<Difference>,
}

/// Whether `text` is the fixture that was recorded with.
///
/// # Errors
/// When it is another.
pub fn check_fixture(recording: &Recording, file: &str, text: &str) -> Result<(), RecordingError> {
    let (own, recorded) = (digest(text), &recording.scene.fixture_digest);
    if own == *recorded {
        return Ok(());
    }
    Err(RecordingError::OtherFixture(
        file.to_owned(),
        own,
        recorded.clone(),
    ))
}

/// Makes the calls of a recording again and compares what comes of them.
///
/// # Errors
/// When the recording cannot be replayed.
pub fn replay(recording: &Recording) -> Result<Verdict, RecordingError> {
    let mut cloud = rebuild::cloud(&recording.scene)?;
    recording.check_times(cloud.now())?;
    super::begin(&mut cloud);
    let mut verdict = Verdict::default();
    let mut controls = recording.controls.iter().peekable();
    // By the number of the recorded call: that of the replayed one.
    let mut pairs = BTreeMap::new();
    let mut stand_ins = StandIns::default();
    for recorded in &recording.calls {
        let call = &recorded.call;
        while let Some(control) = controls.next_if(|control| control.after < call.seq) {
            cloud.advance_to(control.time.min(call.time));
            apply(&mut cloud, control)?;
        }
        if call.by_oos || call.by_script {
            continue;
        }
        let Some((again, is_masked)) = call_of(recorded, &mut stand_ins, &cloud) else {
            verdict.refused += 1;
            continue;
        };
        if is_masked {
            verdict.masked.push(call.seq);
        }
        cloud.advance_to(call.time);
        pairs.insert(call.seq, cloud.world.journal.next_seq());
        cloud.call(again);
    }
    for control in controls {
        cloud.advance_to(control.time.min(recording.end));
        apply(&mut cloud, control)?;
    }
    cloud.advance_to(recording.end);
    verdict.replayed = pairs.len();
    let now = take(&mut cloud, &recording.scene)?;
    compare_calls(recording, &now, &pairs, &mut verdict);
    compare_consequences(recording, &now, &mut verdict);
    compare_ends(recording, &now, &mut verdict);
    Ok(verdict)
}

/// Those that were refused are not recorded: one that is refused now has another meaning, and what follows would, too.
fn apply(
    cloud: &mut Cloud,
    control: &crate::state::recorder::Control,
) -> Result<(), RecordingError> {
    let mut body = control.body.clone();
    let is_clock = control.path.trim_end_matches('/').ends_with("/clock");
    if let (true, Some(change)) = (is_clock, body.as_object_mut()) {
        change.remove("advanceSeconds");
    }
    let request = Request {
        method: control.method.clone(),
        path: control.path.clone(),
        body: match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        },
        ..Request::default()
    };
    let now = cloud.now();
    let answer = control::handle(cloud, &request, now);
    if answer.status < 400 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.body).trim().to_owned();
    let what = format!("{} {}", control.method, control.path);
    Err(RecordingError::Control(what, control.time, said))
}

/// A recorded call as it is made again, and whether a secret is missing in it. `None` for one that
/// was refused before it was known who called what.
fn call_of(recorded: &Recorded, stand_ins: &mut StandIns, cloud: &Cloud) -> Option<(Call, bool)> {
    let entry = &recorded.call;
    if entry.principal.is_empty() {
        return None;
    }
    let (params, masked) =
        stand_ins.give(recorded, |digest| cloud.world.word_of(entry.seq, digest));
    let call = Call {
        caller: Caller {
            principal: entry.principal.clone(),
            account_id: entry.account_id.clone(),
        },
        region: entry.region.clone(),
        service: entry.service?,
        action: entry.action.clone(),
        version: entry.version.unwrap_or(EssVersion::V2022),
        params,
        by_oos: false,
        wall_now: recorded.aside.wall_time.unwrap_or(entry.time),
    };
    Some((call, masked))
}

/// The name of a call in a difference.
fn place(call: &Entry) -> String {
    let service = call.service.map_or("", |service| service.name());
    let by = match (call.by_oos, call.by_script) {
        (true, _) => " (by an execution)",
        (_, true) => " (by an event of the fixture)",
        _ => "",
    };
    format!(
        "call {}, {service} {} by {}{by} at {}",
        call.seq, call.action, call.principal, call.time
    )
}

fn outcome(call: &Entry) -> String {
    let mut text = call.code.clone();
    if !call.message.is_empty() {
        text.push_str(": ");
        text.push_str(&call.message);
    }
    if text.is_empty() {
        text.push_str("no answer yet");
    }
    text
}

/// Clients' calls, which are the same by themselves: what they were answered.
fn compare_calls(
    recording: &Recording,
    now: &Recording,
    pairs: &BTreeMap<usize, usize>,
    verdict: &mut Verdict,
) {
    let by_seq: BTreeMap<usize, &Recorded> = now.calls.iter().map(|r| (r.call.seq, r)).collect();
    let same_version = recording.emulator == now.emulator;
    for old in &recording.calls {
        let Some(new) = pairs.get(&old.call.seq).and_then(|seq| by_seq.get(seq)) else {
            continue;
        };
        let (a, b) = (&old.call, &new.call);
        let found = if (a.status, &a.code) != (b.status, &b.code) {
            Some(Difference::new(place(a), outcome(a), outcome(b)))
        } else {
            let (found, known) = answers(old, new, same_version);
            verdict.unknown_answers += usize::from(!known);
            found.map(|found| Difference {
                place: format!("{}: {}", place(a), found.place),
                ..found
            })
        };
        verdict.differences.extend(found);
    }
}

/// The difference of two answers, and whether they could be compared.
fn answers(old: &Recorded, new: &Recorded, same_version: bool) -> (Option<Difference>, bool) {
    let (Some(a), Some(b)) = (&old.answer, &new.answer) else {
        return (None, true);
    };
    match (&a.answer, &b.answer) {
        _ if a.answer_digest == b.answer_digest => (None, true),
        (Some(a), Some(b)) => match first(a, b) {
            Some(found) => {
                let place = format!("the answer has another {}", found.place);
                (Some(Difference { place, ..found }), true)
            }
            None => (None, true),
        },
        // What a secret stands for may have another length.
        _ if !same_version || a.hidden || b.hidden => (None, false),
        _ => {
            let digest = |of: &str| format!("one with the SHA-256 {of}");
            let found = Difference::new(
                "a large answer is another",
                digest(&a.answer_digest),
                digest(&b.answer_digest),
            );
            (Some(found), true)
        }
    }
}

/// What executions and events of the fixture called, in order, up to the first that is another.
fn compare_consequences(recording: &Recording, now: &Recording, verdict: &mut Verdict) {
    let own = |of: &Recording| -> Vec<Entry> {
        let all = of.calls.iter().map(|r| r.call.clone());
        all.filter(|call| call.by_oos || call.by_script).collect()
    };
    let (old, new) = (own(recording), own(now));
    for n in 0..old.len().max(new.len()) {
        let found = match (old.get(n), new.get(n)) {
            (Some(a), Some(b)) => consequence(a, b),
            (Some(a), None) => Some(Difference::new(place(a), outcome(a), "it is not made")),
            (None, Some(b)) => Some(Difference::new(
                format!("after the last call, {}", place(b)),
                "nothing",
                outcome(b),
            )),
            (None, None) => None,
        };
        if let Some(found) = found {
            verdict.differences.push(found);
            return;
        }
    }
}

fn consequence(a: &Entry, b: &Entry) -> Option<Difference> {
    let what = |call: &Entry| {
        let service = call.service.map_or("", |service| service.name());
        let (action, by, time) = (&call.action, &call.principal, call.time);
        format!("{service} {action} by {by} at {time}")
    };
    if what(a) != what(b) {
        return Some(Difference::new(place(a), "this call", what(b)));
    }
    let params = |call: &Entry| Value::Object(call.params.clone());
    if let Some(found) = first(&params(a), &params(b)).or_else(|| first(&params(b), &params(a))) {
        return Some(Difference {
            place: format!("{}: the parameter {}", place(a), found.place),
            recorded: shown(&params(a)),
            came: shown(&params(b)),
        });
    }
    ((a.status, &a.code) != (b.status, &b.code))
        .then(|| Difference::new(place(a), outcome(a), outcome(b)))
}

/// The id among others that is this one, of which a secret may be hidden in one of the two.
fn same<'a>(id: &'a str, others: &'a BTreeMap<String, Value>) -> Option<&'a str> {
    let hidden = || {
        others
            .keys()
            .find(|other| fits(id, other) || fits(other, id))
    };
    match others.contains_key(id) {
        true => Some(id),
        false => hidden().map(String::as_str),
    }
}

/// What has changed by the end.
fn compare_ends(recording: &Recording, now: &Recording, verdict: &mut Verdict) {
    let unchanged = "as at the start".to_owned();
    let mut kinds: Vec<&String> = recording.changes.keys().chain(now.changes.keys()).collect();
    kinds.sort();
    kinds.dedup();
    let none = BTreeMap::new();
    for kind in kinds {
        let old = recording.changes.get(kind).unwrap_or(&none);
        let new = now.changes.get(kind).unwrap_or(&none);
        let place = |id: &str| format!("at the end, {kind} {id}");
        for (id, a) in old {
            let found = match same(id, new).and_then(|id| new.get(id)) {
                Some(b) => first(a, b).map(|found| Difference {
                    place: format!("{}: {}", place(id), found.place),
                    ..found
                }),
                None => Some(Difference::new(place(id), shown(a), unchanged.clone())),
            };
            verdict.differences.extend(found);
        }
        for (id, b) in new.iter().filter(|(id, _)| same(id, old).is_none()) {
            verdict
                .differences
                .push(Difference::new(place(id), unchanged.clone(), shown(b)));
        }
    }
}
