//! Every call that was received, in order, for tests to count and for people to read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, EssVersion, Service};
use super::recorder::Recorder;
use super::veil::Veil;
use crate::error::ApiError;
use crate::oos;
use crate::params::Params;
use crate::secrets::{Common, HIDDEN, Kind, SHORT, may_be_secret, percent_encoded};

/// One call. `code` is empty while a call is still on its way (a late effect).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1.
    pub seq: usize,
    /// Virtual time of arrival.
    pub time: Timestamp,
    /// `None` for a request that was refused before its service was known.
    pub service: Option<Service>,
    /// Of the API, for ESS, which has two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<EssVersion>,
    /// As the API reference spells it, once the service is known to have it.
    pub action: String,
    /// Where it was to be carried out.
    pub region: String,
    /// Empty when the signature was refused.
    pub principal: String,
    /// That of the principal; empty when the signature was refused, and for a call that needs none.
    #[serde(default)]
    pub account_id: String,
    /// Made by an execution rather than by a client.
    pub by_oos: bool,
    /// Made by an event of the fixture rather than by a client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_script: bool,
    /// Without the values of those that are secret.
    pub params: Params,
    /// Names of parameters that the action does not have, or that the emulator was told to ignore:
    /// they changed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// Actions and APIs that the template of the call asks for and that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Of the HTTP answer; 0 until there is one.
    pub status: u16,
    /// `OK` or the error code that the call ended with (also when the answer was then lost).
    pub code: String,
    /// Of the error; empty when there is none.
    pub message: String,
    /// As the caller sees it.
    pub request_id: String,
    /// The fault that was applied, if any.
    pub fault: Option<String>,
    /// When a late effect happened.
    pub effect_time: Option<Timestamp>,
    /// How many secrets there were when they were taken out of it.
    #[serde(skip)]
    pub(crate) hidden: usize,
}

/// What stands for the value of a secret parameter.
pub(crate) const MASKED: &str = "***";

/// Whether a parameter of a call is never kept.
pub(crate) fn is_secret(action: &str, name: &str, params: &Params) -> bool {
    let others = params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    may_be_secret(action, name, others)
}

/// Takes all out of a secret but its form, by which a call without it is refused alike.
fn mask(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        secret => *secret = Value::String(MASKED.into()),
    }
}

/// Parameters without the values of those that are secret.
pub(crate) fn masked(action: &str, params: &Params) -> Params {
    let shown = params.iter().map(|(name, value)| {
        let mut value = value.clone();
        if is_secret(action, name, params) {
            mask(&mut value);
        }
        (name.clone(), value)
    });
    shown.collect()
}

/// What a call has in secret parameters.
pub(crate) fn given_secrets(action: &str, params: &Params) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in params {
        if is_secret(action, name, params) {
            texts(value, &mut found);
        }
    }
    found
}

/// All texts in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

/// A message without what was given for secret parameters, as it is and as URLs and strings to sign
/// spell it. What is short is in everything by chance.
fn without(message: &str, given: &[String]) -> String {
    let mut shown = message.to_owned();
    let mut given: Vec<&String> = given.iter().filter(|text| text.len() >= SHORT).collect();
    given.sort_by_key(|text| std::cmp::Reverse(text.len()));
    for text in given {
        let once = percent_encoded(text);
        let twice = percent_encoded(&once);
        for form in [twice.as_str(), once.as_str(), text] {
            shown = shown.replace(form, MASKED);
        }
    }
    shown
}

/// The journal keeps this many calls; a test that makes more reads as it goes.
const KEPT: usize = 200_000;
/// Bytes that the parameters of all calls may take, by estimate, unless somebody records: the call of
/// a template may carry megabytes.
const KEPT_BYTES: usize = 128 * 1024 * 1024;

/// What a value takes, by estimate.
fn bytes_of(value: &Value) -> usize {
    let mut bytes = 0;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        bytes += size_of::<Value>();
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                bytes += map.keys().map(|key| key.len() + 64).sum::<usize>();
                open.extend(map.values());
            }
            _ => {}
        }
    }
    bytes
}

fn params_of(entry: &Entry) -> usize {
    entry.params.values().map(bytes_of).sum()
}

impl Entry {
    /// Without what became a secret after it was made.
    pub(crate) fn shown(&self, veil: &Veil) -> Cow<'_, Self> {
        if self.hidden == veil.len() {
            return Cow::Borrowed(self);
        }
        let mut shown = self.clone();
        veil.params(&mut shown.params, self.by_oos, &|_| HIDDEN.to_owned());
        shown.message = veil.message(&shown.message);
        shown.action = veil.name(&shown.action);
        shown.region = veil.name(&shown.region);
        for name in shown.ignored.iter_mut().chain(&mut shown.missing) {
            *name = veil.name(name);
        }
        Cow::Owned(shown)
    }

    fn empty(time: Timestamp, request_id: &str) -> Self {
        Self {
            seq: 0,
            time,
            service: None,
            version: None,
            action: String::new(),
            region: String::new(),
            principal: String::new(),
            account_id: String::new(),
            by_oos: false,
            by_script: false,
            params: Params::new(),
            ignored: Vec::new(),
            missing: Vec::new(),
            status: 0,
            code: String::new(),
            message: String::new(),
            request_id: request_id.to_owned(),
            fault: None,
            effect_time: None,
            hidden: 0,
        }
    }
}

/// The calls that were received. Of very many only the later ones are kept.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Arc<Entry>>,
    dropped: usize,
    /// What the parameters of the calls take.
    bytes: usize,
    /// What no call shows.
    veil: Arc<Veil>,
    /// Of calls that are on their way, what they have in secret parameters: no message of theirs shows it.
    given: BTreeMap<usize, Vec<String>>,
    /// Whether an event of the fixture is calling.
    scripted: bool,
    /// What a recording needs besides; `None`: nobody records.
    recorder: Option<Recorder>,
}

impl Journal {
    /// From now on keeps what a recording needs besides the calls: see [`Recorder`]. `tokens` are
    /// secrets of the fixture that calls may have as parameters.
    pub(crate) fn record(&mut self, tokens: BTreeSet<String>) {
        self.recorder = Some(Recorder::knowing(tokens));
    }

    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Notes that the control API changed something, after so many calls.
    pub(crate) fn controlled(
        &mut self,
        after: usize,
        now: Timestamp,
        method: &str,
        path: &str,
        body: Value,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.control(after, now, method, path, body);
        }
    }

    /// Whether calls are from now on those of an event of the fixture.
    pub(crate) fn scripted(&mut self, is_script: bool) {
        self.scripted = is_script;
    }

    /// Notes the arrival of a call; gives its number.
    pub(crate) fn arrive(&mut self, now: Timestamp, call: &Call, request_id: &str) -> usize {
        let seq = self.next_seq();
        let secrets: Vec<(&str, &Value)> = (call.params.iter())
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| is_secret(&call.action, name, &call.params))
            .collect();
        let given = given_secrets(&call.action, &call.params);
        if !given.is_empty() {
            self.given.insert(seq, given);
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|_| !call.by_oos) {
            let numbered = (secrets.iter())
                .filter_map(|(name, value)| Some((*name, value.as_str()?)))
                .filter(|(_, value)| !value.is_empty());
            let numbered: Vec<(&str, &str)> = numbered.collect();
            let others = masked(&call.action, &call.params);
            recorder.aside(seq, call, &numbered, others);
        }
        self.push(Entry {
            service: Some(call.service),
            version: (call.service == Service::Ess).then_some(call.version),
            action: self.name(&call.action),
            region: self.name(&call.region),
            principal: call.caller.principal.clone(),
            account_id: call.caller.account_id.clone(),
            by_oos: call.by_oos,
            by_script: self.scripted && !call.by_oos,
            params: self.shown_params(call),
            hidden: self.veil.len(),
            ..Entry::empty(now, request_id)
        })
    }

    /// The parameters of a call as they are kept.
    fn shown_params(&self, call: &Call) -> Params {
        let mut shown = masked(&call.action, &call.params);
        self.veil
            .params(&mut shown, call.by_oos, &|_| HIDDEN.to_owned());
        shown
    }

    /// Notes for a recording which secrets of a call are words: see [`Aside::words`](super::recorder::Aside).
    pub(crate) fn words(&mut self, seq: usize, words: BTreeMap<String, String>) {
        if let Some(recorder) = self.recorder.as_mut().filter(|_| !words.is_empty()) {
            recorder.asides.entry(seq).or_default().words = words;
        }
    }

    /// Notes further texts that no message of a call may show.
    pub(crate) fn also_given(&mut self, seq: usize, texts: impl IntoIterator<Item = String>) {
        self.given.entry(seq).or_default().extend(texts);
    }

    /// The parameters of a client's call that was recorded, with something else for each secret that is
    /// known by now.
    pub(crate) fn given(&self, seq: usize, stand_in: &dyn Fn(&str) -> String) -> Option<Params> {
        let call = self.recorder.as_ref()?.calls.get(&seq)?;
        let mut params = call.clone();
        self.veil.params(&mut params, false, stand_in);
        Some(params)
    }

    /// Notes a request that was refused before it was a call. Its parameters are not kept: nobody
    /// knows which of them are secret.
    pub(crate) fn refused(
        &mut self,
        now: Timestamp,
        service: Option<Service>,
        action: &str,
        request_id: &str,
        error: ApiError,
    ) {
        let seq = self.push(Entry {
            service,
            action: self.name(action),
            hidden: self.veil.len(),
            ..Entry::empty(now, request_id)
        });
        self.outcome(seq, &Err(error));
    }

    /// Notes a call of a template that was refused before it was one.
    pub(crate) fn refused_of_template(
        &mut self,
        now: Timestamp,
        (caller, region): (&oos::Caller, &str),
        (service, action): (Option<Service>, &str),
        request_id: &str,
        error: ApiError,
    ) {
        let seq = self.push(Entry {
            service,
            action: self.name(action),
            region: self.name(region),
            principal: caller.principal.clone(),
            account_id: caller.account_id.clone(),
            by_oos: true,
            hidden: self.veil.len(),
            ..Entry::empty(now, request_id)
        });
        self.outcome(seq, &Err(error));
    }

    /// Notes what a template will not find: with the call that is being answered, or else with the
    /// latest one, which a template made.
    pub(crate) fn missing(&mut self, what: &[String]) {
        let names = what.iter().map(|name| self.name(name)).collect();
        let open = self.entries.iter().rposition(|entry| entry.status == 0);
        let last = self.entries.len().checked_sub(1);
        if let Some(entry) = open.or(last).and_then(|i| self.entries.get_mut(i)) {
            Arc::make_mut(entry).missing = names;
        }
    }

    /// Notes a message that a template would have sent: `ACS::Notify`, with its properties.
    pub(crate) fn notified(
        &mut self,
        now: Timestamp,
        caller: &oos::Caller,
        region: &str,
        message: &Params,
        request_id: &str,
    ) {
        let mut params = message.clone();
        self.veil.params(&mut params, true, &|_| HIDDEN.to_owned());
        let seq = self.push(Entry {
            service: Some(Service::Oos),
            action: "ACS::Notify".to_owned(),
            region: self.name(region),
            principal: caller.principal.clone(),
            by_oos: true,
            params,
            hidden: self.veil.len(),
            ..Entry::empty(now, request_id)
        });
        self.outcome(seq, &Ok(Value::Null));
    }

    /// Notes a value that no call may show.
    pub(crate) fn keep_secret(&mut self, value: &str, kind: Kind) {
        Arc::make_mut(&mut self.veil).add(value, kind);
    }

    /// Notes a value that no message may show.
    pub(crate) fn keep_unsaid(&mut self, value: &str) {
        Arc::make_mut(&mut self.veil).add_unsaid(value);
    }

    /// What may not show by now, for whoever shows something later.
    pub(crate) fn veil(&self) -> Arc<Veil> {
        Arc::clone(&self.veil)
    }

    /// Takes every value that must not show out of something else that is shown.
    pub(crate) fn hide(&self, value: &mut Value, common: Common) {
        self.veil.hide(value, common);
    }

    /// A name as it may be shown and logged: of a parameter, an action, a region.
    pub(crate) fn name(&self, name: &str) -> String {
        self.veil.name(name)
    }

    fn push(&mut self, entry: Entry) -> usize {
        self.bytes += params_of(&entry);
        while self.entries.len() >= KEPT
            || (self.bytes > KEPT_BYTES && self.recorder.is_none() && !self.entries.is_empty())
        {
            let half = self.entries.len().div_ceil(2);
            let gone = self.entries.drain(..half);
            let bytes: usize = gone.map(|entry| params_of(&entry)).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
            self.dropped += half;
        }
        let seq = self.next_seq();
        self.entries.push(Arc::new(Entry { seq, ..entry }));
        seq
    }

    /// The number of the next call to arrive.
    pub(crate) fn next_seq(&self) -> usize {
        self.len() + 1
    }

    pub(crate) fn ignored(&mut self, seq: usize, names: Vec<String>) {
        // A template may put a name together.
        let names: Vec<String> = names.iter().map(|n| self.name(n)).collect();
        if let Some(entry) = self.entry(seq) {
            entry.ignored.extend(names);
            entry.ignored.sort();
            entry.ignored.dedup();
        }
    }

    fn entry(&mut self, seq: usize) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(seq.checked_sub(self.dropped + 1)?);
        entry.map(Arc::make_mut)
    }

    pub(crate) fn fault(&mut self, seq: usize, fault: &str) {
        if let Some(entry) = self.entry(seq) {
            entry.fault = Some(fault.to_owned());
        }
    }

    pub(crate) fn effect(&mut self, seq: usize, at: Timestamp) {
        if let Some(entry) = self.entry(seq) {
            entry.effect_time = Some(at);
        }
    }

    pub(crate) fn outcome(&mut self, seq: usize, result: &Result<Value, ApiError>) {
        let given = self.given.remove(&seq).unwrap_or_default();
        let message = result
            .as_ref()
            .err()
            .map(|error| self.veil.message(&without(&error.message, &given)));
        self.keep_answer(seq, result);
        if let Some(entry) = self.entry(seq) {
            match result {
                Ok(_) => {
                    entry.status = 200;
                    entry.code = "OK".into();
                }
                Err(error) => {
                    entry.status = error.status;
                    entry.code = error.code.clone();
                    entry.message = message.unwrap_or_default();
                }
            }
        }
    }

    fn keep_answer(&mut self, seq: usize, result: &Result<Value, ApiError>) {
        let Some(mut recorder) = self.recorder.take() else {
            return;
        };
        // What executions are answered follows from the rest, and answers of STS are credentials.
        let is_kept =
            |call: &Entry| !call.by_oos && !call.by_script && call.service != Some(Service::Sts);
        if let (Ok(answer), Some(entry)) = (result, self.entry(seq))
            && is_kept(entry)
        {
            let mut shown = answer.clone();
            self.hide(&mut shown, Common::Each);
            let is_hidden = shown != *answer;
            recorder.answer(seq, shown, is_hidden);
        }
        self.recorder = Some(recorder);
    }

    /// Calls from number `since` on, oldest first.
    pub fn since(&self, since: usize) -> impl Iterator<Item = &Entry> {
        self.all()
            .map(|entry| &**entry)
            .filter(move |e| e.seq >= since)
    }

    /// All calls that are kept, oldest first: to be read while others go on.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// How many calls were ever received.
    pub(crate) fn len(&self) -> usize {
        self.dropped + self.entries.len()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed, and says where"
)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_with_long_parameters_push_out_older_ones_and_keep_their_numbers() {
        let mut journal = Journal::default();
        let now: Timestamp = "2024-05-06T07:00:00Z".parse().unwrap();
        for _ in 0..300 {
            let params = Params::from_iter([("Text".to_owned(), json!("x".repeat(1024 * 1024)))]);
            journal.push(Entry {
                params,
                ..Entry::empty(now, "r")
            });
        }
        let kept: Vec<usize> = journal.since(0).map(|entry| entry.seq).collect();
        assert!((40..=128).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.last(), Some(&300));
        assert_eq!(journal.next_seq(), 301);
        assert!(journal.bytes <= KEPT_BYTES);
    }
}
