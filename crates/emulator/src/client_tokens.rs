//! Answers by client token: who asks again in the same words is answered the same, and nothing happens a
//! second time.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::params::Params;

/// So many are remembered: more than anybody repeats. How long the services do is not documented.
const KEPT: usize = 10_000;
/// Bytes that the answers may take.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// What tells two requests apart.
pub(crate) type Fingerprint = [u8; 32];

/// The fingerprint of these parameters.
pub(crate) fn fingerprint<'p>(
    params: impl Iterator<Item = (&'p String, &'p Value)>,
) -> Fingerprint {
    let all: Params = params
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Sha256::digest(Value::Object(all).to_string()).into()
}

/// An answer, and what was asked for.
#[derive(Debug, Clone)]
struct Answered {
    asked: Fingerprint,
    answer: Value,
    bytes: usize,
}

/// The answers to the latest requests with a token, by whatever tells two tokens apart.
#[derive(Debug, Clone)]
pub(crate) struct ClientTokens<K> {
    answers: BTreeMap<K, Answered>,
    /// Oldest first.
    order: VecDeque<K>,
    bytes: usize,
}

impl<K> Default for ClientTokens<K> {
    fn default() -> Self {
        Self {
            answers: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<K: Ord + Clone> ClientTokens<K> {
    /// The answer to an earlier request with this token, and whether that was the same request.
    pub(crate) fn answer(&self, key: &K, asked: &Fingerprint) -> Option<(bool, &Value)> {
        let known = self.answers.get(key)?;
        Some((known.asked == *asked, &known.answer))
    }

    /// Remembers an answer, and forgets the oldest of too many.
    pub(crate) fn keep(&mut self, key: K, asked: Fingerprint, answer: Value) {
        let bytes = answer.to_string().len();
        self.bytes += bytes;
        self.order.push_back(key.clone());
        self.answers.insert(
            key,
            Answered {
                asked,
                answer,
                bytes,
            },
        );
        while self.order.len() > KEPT || (self.bytes > KEPT_BYTES && self.order.len() > 1) {
            let oldest = self.order.pop_front();
            if let Some(gone) = oldest.and_then(|oldest| self.answers.remove(&oldest)) {
                self.bytes -= gone.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut tokens = ClientTokens::default();
        for n in 0..KEPT + 10 {
            tokens.keep(n, [1; 32], json!(n));
        }
        assert_eq!(tokens.answers.len(), KEPT);
        assert_eq!(tokens.answer(&9, &[1; 32]), None);
        assert_eq!(tokens.answer(&10, &[1; 32]), Some((true, &json!(10))));
        assert_eq!(tokens.answer(&10, &[2; 32]), Some((false, &json!(10))));
    }

    #[test]
    fn large_answers_are_fewer() {
        let mut tokens = ClientTokens::default();
        let large = json!("x".repeat(1024 * 1024));
        for n in 0..100 {
            tokens.keep(n, [1; 32], large.clone());
        }
        assert!(tokens.bytes <= KEPT_BYTES, "{}", tokens.bytes);
        assert!(tokens.answers.len() > 50);
        assert!(tokens.answer(&99, &[1; 32]).is_some());
    }
}
