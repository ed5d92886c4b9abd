//! What is wrong with a field.

use regex::Regex;
use serde_json::Value;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It is none that the field may have.
    Invalid,
    /// It is missing.
    Required,
    /// It is none of the words that there are.
    Unsupported,
    /// It stands there twice.
    Duplicate,
    /// A text has too many characters.
    TooLong,
    /// A list has too many items.
    TooMany,
    /// It may not be set.
    Forbidden,
}

/// What is wanted of a field instead of what it is, for whoever says so in other words than an apiserver.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A value of this type: `object`, `array`, `string`, `integer`, `number`, `boolean` or `integer or string`.
    Type(&'static str),
    /// One of these.
    Words(Vec<Value>),
    /// A text that matches this.
    Pattern(Regex),
    /// A time of RFC 3339.
    DateTime,
    /// A number that is no less.
    AtLeast(f64),
    /// A number that is no greater.
    AtMost(f64),
    /// A text with so many characters, or a list with so many items, or more.
    NoShorter(u64),
    /// A text with so many characters, or a list with so many items, or fewer.
    NoLonger(u64),
    /// Any value.
    Present,
    /// What no other item is.
    Once,
    /// What a CEL rule says, in the words of its message.
    Rule(String),
}

/// One wrong field.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Its path, such as `spec.update.script`; empty: the object itself.
    pub field: String,
    /// In which way.
    pub problem: Problem,
    /// After the words for the problem.
    pub message: String,
    /// What a schema wants; `None`: it is not a schema that says so.
    pub wanted: Option<Wanted>,
}

impl Cause {
    /// A dot before the path is left off.
    pub fn new(field: &str, problem: Problem, message: impl Into<String>) -> Self {
        Self {
            field: field.trim_start_matches('.').to_owned(),
            problem,
            message: message.into(),
            wanted: None,
        }
    }

    /// The same, with what is wanted.
    pub(crate) fn wanting(self, wanted: Wanted) -> Self {
        Self {
            wanted: Some(wanted),
            ..self
        }
    }

    fn words(&self) -> &'static str {
        match self.problem {
            Problem::Invalid => "Invalid value",
            Problem::Required => "Required value",
            Problem::Unsupported => "Unsupported value",
            Problem::Duplicate => "Duplicate value",
            Problem::TooLong => "Too long",
            Problem::TooMany => "Too many",
            Problem::Forbidden => "Forbidden",
        }
    }

    /// The reason as `Status.details.causes` has it.
    pub fn reason(&self) -> &'static str {
        match self.problem {
            Problem::Invalid => "FieldValueInvalid",
            Problem::Required => "FieldValueRequired",
            Problem::Unsupported => "FieldValueNotSupported",
            Problem::Duplicate => "FieldValueDuplicate",
            Problem::TooLong => "FieldValueTooLong",
            Problem::TooMany => "FieldValueTooMany",
            Problem::Forbidden => "FieldValueForbidden",
        }
    }

    /// In the words of an apiserver.
    pub fn text(&self) -> String {
        format!("{}: {}: {}", self.field, self.words(), self.message)
    }
}
