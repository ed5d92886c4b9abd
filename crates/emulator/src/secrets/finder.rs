//! Finds many texts in another one, in one pass over it.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// As much of a form goes into the automaton; the rest is compared where that much is found. A text
/// that was made of a secret may have a megabyte.
const HEAD: usize = 48;

/// A text to be found: a secret, or how it is written inside of something else.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// The secret.
    pub of: Arc<str>,
    /// As it is looked for.
    pub text: String,
    /// Bytes at both ends that are looked for and stay: quotes.
    pub margin: usize,
}

/// Where a secret is.
#[derive(Debug, Clone)]
pub(super) struct Hit<'a> {
    pub of: &'a Arc<str>,
    pub range: Range<usize>,
}

/// Forms with the automaton that finds them.
#[derive(Debug, Clone)]
struct Layer {
    forms: Vec<Form>,
    /// `None` when there are too many for one: they are looked for one by one.
    automaton: Option<AhoCorasick>,
}

impl Layer {
    fn new(forms: Vec<Form>) -> Self {
        let heads = forms.iter().map(|form| {
            let bytes = form.text.as_bytes();
            &bytes[..bytes.len().min(HEAD)]
        });
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(heads);
        Self {
            forms,
            automaton: automaton.ok(),
        }
    }

    /// The forms in a text, those within others as well, until `visit` says that it has enough.
    fn find<'a>(&'a self, text: &str, visit: &mut dyn FnMut(Hit<'a>) -> bool) -> bool {
        let mut told = |form: &'a Form, start: usize| {
            let is_there = text
                .get(start..)
                .is_some_and(|rest| rest.starts_with(&form.text));
            let (from, to) = (start + form.margin, start + form.text.len() - form.margin);
            let hit = || Hit {
                of: &form.of,
                range: from..to,
            };
            is_there && visit(hit())
        };
        match &self.automaton {
            Some(automaton) => automaton
                .find_overlapping_iter(text)
                .any(|found| told(&self.forms[found.pattern().as_usize()], found.start())),
            None => self.forms.iter().any(|form| {
                text.match_indices(form.text.as_str())
                    .any(|(start, _)| told(form, start))
            }),
        }
    }
}

/// Forms in layers, each more than twice as large as the next: one more form makes an automaton anew
/// of a few, now and then of many, and a text goes through few of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Finder {
    layers: Vec<Layer>,
}

impl Finder {
    /// Looks for these from now on, too. None may be empty.
    pub fn add(&mut self, mut forms: Vec<Form>) {
        if forms.is_empty() {
            return;
        }
        while let Some(last) = self
            .layers
            .pop_if(|last| last.forms.len() <= 2 * forms.len())
        {
            forms.extend(last.forms);
        }
        self.layers.push(Layer::new(forms));
    }

    /// Whether any of the forms is in a text.
    pub fn is_any_in(&self, text: &str) -> bool {
        self.layers
            .iter()
            .any(|layer| layer.find(text, &mut |_| true))
    }

    /// Where secrets are in a text, from its beginning on. Those that overlap are one, of the longest of
    /// those that begin first: a part of a secret may be one by itself, and must not take the whole apart.
    pub fn hits(&self, text: &str) -> Vec<Hit<'_>> {
        let mut found = Vec::new();
        for layer in &self.layers {
            layer.find(text, &mut |hit| {
                found.push(hit);
                false
            });
        }
        found.sort_by_key(|hit| (hit.range.start, Reverse(hit.range.end)));
        found.dedup_by(|next, before| {
            let overlap = next.range.start < before.range.end;
            if overlap {
                before.range.end = before.range.end.max(next.range.end);
            }
            overlap
        });
        found
    }

    /// How many automata a text goes through.
    #[cfg(test)]
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// All that is looked for.
    pub fn forms(&self) -> impl Iterator<Item = &Form> {
        self.layers.iter().flat_map(|layer| &layer.forms)
    }
}
