//! What may not be shown: values of encrypted parameters, and what was made of them. They are taken out of
//! whatever shows: calls in the journal, executions, messages, recordings.
//!
//! A secret that is an ordinary word (of the APIs, of templates, an id or a region of the scene) is
//! hidden where it is a whole value and not within others: see [`Common`].

mod addresses;
mod finder;
mod names;
mod words;

pub(crate) use addresses::without_tokens;
pub(crate) use names::may_be_secret;
pub(crate) use words::of_language;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use finder::{Finder, Form, Hit};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "******";

/// Marks where a text was cut off. A secret is hidden up to it, too.
pub(crate) const CUT: char = '…';

/// Characters of a text that is cut off.
pub(crate) const KEPT: usize = 120;

/// Shorter ones are in everything.
pub(crate) const SHORT: usize = 4;

/// Messages are cut off once or twice; whoever writes many marks gets no more work done for them.
const MARKS: usize = 16;

/// As signatures spell parameters (RFC 3986).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Longer texts travel in no URL.
const LONGEST_IN_URL: usize = 8 * 1024;

/// How a secret is told from other texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing else says this: it is hidden wherever it is.
    Rare,
    /// Short, a small number, a word of the APIs or a part of a name: see [`Common`].
    Common,
    /// The id or name of something in the scene, or a region: likewise.
    Known,
}

/// Where a secret that is an ordinary word is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Common {
    /// Nowhere: what clients give means what it says.
    Stays,
    /// Where it is a whole text, also inside of JSON, unless the scene shows the text by itself: in what
    /// services hold.
    Whole,
    /// Where it is a whole text, also inside of JSON: in what executions give and get.
    Each,
    /// In messages, between words as well.
    Said,
}

/// Secrets, and where they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    all: BTreeMap<Arc<str>, Kind>,
    rare: Finder,
    /// Common ones, in quotes.
    quoted: Finder,
    /// Common ones that are not short, as words of messages.
    said: Finder,
    /// Whether a common one may stand in JSON without quotes.
    has_numbers: bool,
}

impl Secrets {
    /// Hides a text from now on, of which the scene says so much.
    pub fn add(&mut self, text: &str, kind: Kind) {
        if text.is_empty() || self.all.contains_key(text) {
            return;
        }
        let kind = match kind {
            Kind::Rare if text.len() < SHORT || words::is_common(text) => Kind::Common,
            kind => kind,
        };
        let of: Arc<str> = text.into();
        self.all.insert(Arc::clone(&of), kind);
        match kind {
            Kind::Rare => self.rare.add(spellings(&of)),
            Kind::Common | Kind::Known => self.add_common(&of),
        }
    }

    fn add_common(&mut self, of: &Arc<str>) {
        let form = |text: String, margin| Form {
            of: Arc::clone(of),
            text,
            margin,
        };
        // As JSON spells it, once and in a text of JSON inside of another.
        let quoted = json!(**of).to_string();
        let twice = json!(quoted).to_string();
        let twice = twice[1..twice.len() - 1].to_owned();
        self.quoted.add(vec![form(quoted, 1), form(twice, 2)]);
        if of.len() >= SHORT {
            self.said.add(vec![form((**of).to_owned(), 0)]);
            self.has_numbers |= of.chars().all(|c| c.is_ascii_digit());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether a text is one.
    pub fn contains(&self, text: &str) -> bool {
        self.all.contains_key(text)
    }

    /// Whether one is in a value, also as base64. A common one only counts as the whole.
    pub fn is_in(&self, value: &Value) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let holds = |text: &str| self.contains(text) || self.rare.is_any_in(text);
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            let found = match value {
                Value::String(text) => {
                    holds(text) || encoded(text).any(|(_, decoded)| holds(&decoded))
                }
                // A short number says too little, and would hide counters.
                Value::Number(number) => {
                    let text = number.to_string();
                    text.len() >= SHORT && holds(&text)
                }
                Value::Array(list) => {
                    open.extend(list);
                    false
                }
                Value::Object(map) => {
                    open.extend(map.values());
                    map.keys().any(|key| holds(key))
                }
                Value::Bool(_) | Value::Null => false,
            };
            if found {
                return true;
            }
        }
        false
    }

    /// Takes all of them out of a value.
    pub fn hide(&self, value: &mut Value, common: Common) {
        self.replace(value, common, &|_| HIDDEN.to_owned());
    }

    /// Puts something else for each of them. Gives whether there was any.
    pub fn replace(
        &self,
        value: &mut Value,
        common: Common,
        stand_in: &dyn Fn(&str) -> String,
    ) -> bool {
        if self.all.is_empty() {
            return false;
        }
        Hiding {
            secrets: self,
            common,
            stand_in,
        }
        .value(value)
    }

    /// A name as it is shown: of a parameter, an action, a region. One that is an ordinary word stays.
    pub fn name(&self, name: &str) -> Option<String> {
        if self.all.is_empty() {
            return None;
        }
        replaced(name, &self.rare.hits(name), &|_| HIDDEN.to_owned())
    }
}

/// How a secret may be written where it is hidden.
fn spellings(of: &Arc<str>) -> Vec<Form> {
    let within_quotes = |text: &str| {
        let quoted = json!(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let once = within_quotes(of);
    let mut texts = vec![within_quotes(&once), once, (**of).to_owned()];
    if of.len() <= LONGEST_IN_URL {
        let encoded = percent_encoded(of);
        texts.push(percent_encoded(&encoded));
        texts.push(encoded);
    }
    texts.sort();
    texts.dedup();
    let form = |text| Form {
        of: Arc::clone(of),
        text,
        margin: 0,
    };
    texts.into_iter().map(form).collect()
}

/// A text as URLs and strings to sign spell it.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The text with something else for what was found in it, if anything was.
fn replaced(text: &str, hits: &[Hit<'_>], stand_in: &dyn Fn(&str) -> String) -> Option<String> {
    if hits.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for hit in hits {
        out.push_str(&text[end..hit.range.start]);
        out.push_str(&stand_in(hit.of));
        end = hit.range.end;
    }
    out.push_str(&text[end..]);
    Some(out)
}

/// One way of hiding.
struct Hiding<'a> {
    secrets: &'a Secrets,
    common: Common,
    stand_in: &'a dyn Fn(&str) -> String,
}

impl Hiding<'_> {
    fn value(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.text(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(hidden) => {
                    *text = hidden;
                    true
                }
            },
            Value::Number(number) => {
                let text = number.to_string();
                let is_secret = text.len() >= SHORT && self.is_whole(&text);
                if is_secret {
                    *value = json!((self.stand_in)(&text));
                }
                is_secret
            }
            // All of them: `|` goes on where `||` would not.
            Value::Array(list) => list.iter_mut().fold(false, |any, v| self.value(v) | any),
            Value::Object(map) => {
                let rare = &self.secrets.rare;
                let named = map.keys().any(|key| rare.is_any_in(key));
                if named {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(key, value)| {
                            let shown = replaced(&key, &rare.hits(&key), self.stand_in);
                            (shown.unwrap_or(key), value)
                        })
                        .collect();
                }
                map.values_mut().fold(named, |any, v| self.value(v) | any)
            }
            Value::Bool(_) | Value::Null => false,
        }
    }

    /// Whether a whole text is a secret, and one that is hidden here.
    fn is_whole(&self, text: &str) -> bool {
        match self.secrets.all.get(text) {
            None => false,
            Some(Kind::Rare) => true,
            Some(Kind::Common) => self.common != Common::Stays,
            Some(Kind::Known) => matches!(self.common, Common::Each | Common::Said),
        }
    }

    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_whole(text) {
            return Cow::Owned((self.stand_in)(text));
        }
        let mut shown = match self.within(text) {
            Some(hidden) => Cow::Owned(hidden),
            None => Cow::Borrowed(text),
        };
        // A number stands in JSON without quotes, and a part of a text may be a part of the syntax: clients
        // read the rest of it as JSON.
        if text.starts_with(['{', '[']) {
            let is_broken = matches!(shown, Cow::Owned(_))
                && serde_json::from_str::<IgnoredAny>(&shown).is_err();
            let may_be_number = self.secrets.has_numbers && self.common != Common::Stays;
            if (is_broken || may_be_number)
                && let Ok(mut parsed) = serde_json::from_str::<Value>(text)
            {
                if self.value(&mut parsed) {
                    shown = Cow::Owned(parsed.to_string());
                } else if is_broken {
                    shown = Cow::Borrowed(text);
                }
            }
        }
        if shown.contains(CUT)
            && let Some(hidden) = self.beginnings(&shown)
        {
            shown = Cow::Owned(hidden);
        }
        if let Some(hidden) = self.encoded(&shown) {
            shown = Cow::Owned(hidden);
        }
        shown
    }

    /// What is in a text as it stands there.
    fn within(&self, text: &str) -> Option<String> {
        let mut shown = replaced(text, &self.secrets.rare.hits(text), self.stand_in);
        if self.common == Common::Stays {
            return shown;
        }
        let now = shown.as_deref().unwrap_or(text);
        let mut hits = self.secrets.quoted.hits(now);
        // Names of members say too little to be hidden.
        hits.retain(|hit| {
            let rest = now[hit.range.end..].trim_start_matches(['\\', '"']);
            self.is_whole(hit.of) && !rest.trim_start().starts_with(':')
        });
        shown = replaced(now, &hits, self.stand_in).or(shown);
        if self.common == Common::Said {
            let now = shown.as_deref().unwrap_or(text);
            let mut hits = self.secrets.said.hits(now);
            let is_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            hits.retain(|hit| {
                !now[..hit.range.start].ends_with(is_of_word)
                    && !now[hit.range.end..].starts_with(is_of_word)
            });
            shown = replaced(now, &hits, self.stand_in).or(shown);
        }
        shown
    }

    /// Where a text was cut off within a secret, its beginning stands before the mark.
    fn beginnings(&self, text: &str) -> Option<String> {
        let mut out = text.to_owned();
        // From the end, so that what is replaced moves no mark that is still to come.
        let marks = text.rmatch_indices(CUT).take(MARKS).map(|(at, _)| at);
        for at in marks {
            let head = &text[..at];
            let shown = |form: &Form| {
                let text = form.text.as_str();
                let longest = text
                    .char_indices()
                    .nth(KEPT)
                    .map_or(text.len(), |(end, _)| end);
                let mut lengths = (SHORT..=longest.min(head.len())).rev();
                let length = lengths.find(|end| {
                    text.get(..*end)
                        .is_some_and(|beginning| head.ends_with(beginning))
                })?;
                Some((length, Arc::clone(&form.of)))
            };
            if let Some((length, of)) = self.secrets.rare.forms().filter_map(shown).max() {
                out.replace_range(at - length..at, &(self.stand_in)(&of));
            }
        }
        (out != text).then_some(out)
    }

    /// What is in whatever of a text is base64 of another, as commands, files and user data travel.
    fn encoded(&self, text: &str) -> Option<String> {
        let mut shown = None;
        for (word, decoded) in encoded(text) {
            let hidden = match self.is_whole(&decoded) {
                true => Some((self.stand_in)(&decoded)),
                false => self.within(&decoded),
            };
            if let Some(hidden) = hidden {
                let now: &str = shown.as_deref().unwrap_or(text);
                shown = Some(now.replace(word, &STANDARD.encode(hidden)));
            }
        }
        shown
    }
}

/// Whatever of a text is base64 of another one, with that.
pub(crate) fn encoded(text: &str) -> impl Iterator<Item = (&str, String)> {
    let is_of_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let mut words: Vec<&str> = text
        .split(move |c| !is_of_base64(c))
        .filter(|word| word.len() >= SHORT && word.len().is_multiple_of(4))
        .collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter().filter_map(|word| {
        let decoded = String::from_utf8(STANDARD.decode(word).ok()?).ok()?;
        Some((word, decoded))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        for text in texts {
            secrets.add(text, Kind::Rare);
        }
        secrets
    }

    fn shown(secrets: &Secrets, text: &str, common: Common) -> String {
        let mut value = json!(text);
        secrets.hide(&mut value, common);
        value.as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        // Longer than what the automaton knows of it, and alike there.
        let head = "much of it is \"the same\" & more, ".repeat(4);
        let (one, other) = (format!("{head}one"), format!("{head}other"));
        let secrets = of(&[&one]);
        let quoted = json!({ "a": one }).to_string();
        let twice = json!({ "b": quoted }).to_string();
        let encoded = percent_encoded(&one);
        let texts = [
            one.clone(),
            format!("x{one}y"),
            quoted,
            twice,
            encoded.clone(),
            percent_encoded(&encoded),
            format!("echo {}", STANDARD.encode(&one)),
            STANDARD.encode(format!("login {one}")),
        ];
        for text in texts {
            assert!(
                secrets.is_in(&json!(text)) || text.contains("bG9n"),
                "{text}"
            );
            let shown = shown(&secrets, &text, Common::Stays);
            let parts = ["same", "c2FtZ", "one"];
            assert!(parts.iter().all(|part| !shown.contains(part)), "{shown}");
        }
        assert_eq!(shown(&secrets, &other, Common::Each), other);
        assert!(!secrets.is_in(&json!(other)));
    }

    #[test]
    fn secrets_that_overlap_are_hidden_whole() {
        let secrets = of(&["abcd-ef", "d-efghij", "cd-e", "ghij"]);
        assert_eq!(shown(&secrets, "xabcd-efghijx", Common::Each), "x******x");
        assert_eq!(
            shown(&secrets, "abcd-ef ghij", Common::Each),
            "****** ******"
        );
    }

    #[test]
    fn an_ordinary_word_is_hidden_where_it_is_meant() {
        let mut secrets = of(&["true", "12", "1024", "InstanceIds"]);
        secrets.add("asg-small", Kind::Known);
        for (text, stays, whole, each, said) in [
            ("true", "true", "******", "******", "******"),
            ("asg-small", "asg-small", "asg-small", "******", "******"),
            ("1024", "1024", "******", "******", "******"),
            (
                "is it true?",
                "is it true?",
                "is it true?",
                "is it true?",
                "is it ******?",
            ),
            (
                "asg-small-2",
                "asg-small-2",
                "asg-small-2",
                "asg-small-2",
                "asg-small-2",
            ),
            (
                r#"{"true":"true","n":1024}"#,
                r#"{"true":"true","n":1024}"#,
                r#"{"n":"******","true":"******"}"#,
                r#"{"n":"******","true":"******"}"#,
                r#"{"n":"******","true":"******"}"#,
            ),
        ] {
            let all = [Common::Stays, Common::Whole, Common::Each, Common::Said];
            for (common, expected) in all.into_iter().zip([stays, whole, each, said]) {
                assert_eq!(shown(&secrets, text, common), expected, "{common:?}");
            }
        }
        let mut named = json!({"InstanceIds": ["InstanceIds", 1024, true]});
        secrets.hide(&mut named, Common::Each);
        assert_eq!(named, json!({"InstanceIds": ["******", "******", true]}));
    }

    /// A text goes through few automata however many secrets there are, and one more secret does not
    /// make all of them anew.
    #[test]
    fn many_secrets_are_in_few_layers() {
        let texts: Vec<String> = (0..1000)
            .map(|n| format!("secret-{n:04}-of-many"))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let secrets = of(&texts);
        assert!(secrets.rare.layers() <= 12, "{}", secrets.rare.layers());
        for text in texts {
            assert_eq!(
                shown(&secrets, &format!("a {text} b"), Common::Stays),
                "a ****** b"
            );
        }
    }
}
