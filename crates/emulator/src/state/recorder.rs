//! What a recording has besides the journal: answers, and what the control API did.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::call::{Call, Service};
use crate::params::Params;

/// Answers above this many bytes are known by their digest alone.
const LARGEST_WHOLE: usize = 64 * 1024;

/// So many bytes of answers are kept whole; of later ones the digest is.
const ALL_WHOLE: usize = 64 * 1024 * 1024;

/// An answer without its request id and without secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// SHA-256 of its JSON with the members in the order of their names, in hexadecimal digits.
    pub answer_digest: String,
    /// `None` when it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Whether secrets were taken out of it, so that the digest of another run may be another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

impl Answer {
    /// One that is kept whole.
    pub(crate) fn whole(mut answer: Value, hidden: bool) -> Self {
        answer.sort_all_objects();
        Self {
            answer_digest: digest(answer.to_string().as_bytes()),
            answer: Some(answer),
            hidden,
        }
    }
}

/// What a replay has to know of a call and the journal does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aside {
    /// By the name of a secret parameter the number of its value: the same for the same value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, usize>,
    /// By the name of a secret parameter the digest of a value that is a word of the scene or of templates: see
    /// [`digest_of_word`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
    /// The clock that tokens and sessions expire by, for calls to STS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_time: Option<Timestamp>,
}

/// A change through the control API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// How many calls had come before.
    pub after: usize,
    /// Virtual time.
    pub time: Timestamp,
    /// `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// `/_emulator/faults`.
    pub path: String,
    /// `null` when there was none.
    #[serde(default)]
    pub body: Value,
}

/// Answers and changes so far.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) answers: BTreeMap<usize, Answer>,
    pub(crate) controls: Vec<Control>,
    pub(crate) asides: BTreeMap<usize, Aside>,
    /// What clients gave, but for secret parameters: what is a secret among it is known at the end.
    pub(crate) calls: BTreeMap<usize, Params>,
    /// Values of secret parameters and of the fixture's tokens, with their numbers.
    secrets: BTreeMap<String, usize>,
    whole: usize,
}

impl Recorder {
    /// A recorder that knows the fixture's tokens: they have the first numbers, in this order.
    pub(crate) fn knowing(tokens: BTreeSet<String>) -> Self {
        let mut new = Self::default();
        for token in tokens {
            new.number(&token);
        }
        new
    }

    /// The number of a secret value, from 1.
    fn number(&mut self, secret: &str) -> usize {
        number(&mut self.secrets, secret)
    }

    /// The numbers that secret values have so far.
    pub(crate) fn numbers(&self) -> BTreeMap<String, usize> {
        self.secrets.clone()
    }

    /// Notes what a replay needs of a client's call: its secrets, and its parameters without these.
    pub(crate) fn aside(
        &mut self,
        seq: usize,
        call: &Call,
        secrets: &[(&str, &str)],
        others: Params,
    ) {
        let mut aside = Aside {
            wall_time: (call.service == Service::Sts).then_some(call.wall_now),
            ..Aside::default()
        };
        for (name, value) in secrets {
            let number = self.number(value);
            aside.secrets.insert((*name).to_owned(), number);
        }
        if aside != Aside::default() {
            self.asides.insert(seq, aside);
        }
        self.calls.insert(seq, others);
    }

    pub(crate) fn answer(&mut self, seq: usize, mut answer: Value, hidden: bool) {
        if let Some(members) = answer.as_object_mut() {
            members.remove("RequestId");
        }
        answer.sort_all_objects();
        let text = answer.to_string();
        let fits = text.len() <= LARGEST_WHOLE && self.whole + text.len() <= ALL_WHOLE;
        if fits {
            self.whole += text.len();
        }
        let kept = Answer {
            answer_digest: digest(text.as_bytes()),
            answer: fits.then_some(answer),
            hidden,
        };
        self.answers.insert(seq, kept);
    }

    pub(crate) fn control(
        &mut self,
        after: usize,
        time: Timestamp,
        method: &str,
        path: &str,
        body: Value,
    ) {
        self.controls.push(Control {
            after,
            time,
            method: method.to_owned(),
            path: path.to_owned(),
            body,
        });
    }
}

/// The number of a secret value, from 1: a new one has the next.
pub(crate) fn number(numbers: &mut BTreeMap<String, usize>, secret: &str) -> usize {
    let next = numbers.len() + 1;
    *numbers.entry(secret.to_owned()).or_insert(next)
}

/// By which a word is found again among those that are known anyway. It is another one for each call.
pub(crate) fn digest_of_word(seq: usize, word: &str) -> String {
    digest(format!("{seq} {word}").as_bytes())
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
