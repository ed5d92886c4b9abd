//! What is wrong with a field.

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

/// One wrong field.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Its path, such as `spec.update.script`; empty: the object itself.
    pub field: String,
    /// In which way.
    pub problem: Problem,
    /// After the words for the problem.
    pub message: String,
}

impl Cause {
    /// A dot before the path is left off.
    pub fn new(field: &str, problem: Problem, message: impl Into<String>) -> Self {
        Self {
            field: field.trim_start_matches('.').to_owned(),
            problem,
            message: message.into(),
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
