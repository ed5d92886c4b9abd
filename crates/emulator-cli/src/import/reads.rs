//! Lists of an account, page by page. Only calls that change nothing go out from here.

use std::collections::HashSet;

use ess_emulator::state::call::Service;
use ess_emulator_probe::account::{Account, CallError};
use serde_json::{Value, json};

/// More rows than a list may have: twenty times 1,000 groups of 50.
const MOST_ROWS: usize = 1_000_000;

/// What is asked for in a list.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Who answers.
    pub service: Service,
    /// `DescribeScalingGroups`.
    pub action: &'static str,
    /// Where the rows are in the answer.
    pub path: &'static [&'static str],
    /// What a row is known by.
    pub id: &'static str,
    /// Members of a row that are kept. What is not to be written is not even held.
    pub keep: &'static [&'static str],
    /// How its pages go.
    pub paging: Paging,
}

/// How the pages of a list go.
#[derive(Debug, Clone, Copy)]
pub enum Paging {
    /// `PageNumber` and `PageSize`, so many rows a page, up to `TotalCount`.
    Number(usize),
    /// `NextToken`; the first is the name of the parameter for the size of a page.
    Token(&'static str, usize),
}

/// An account, and how it went so far.
pub struct Reads<'a> {
    account: &'a mut dyn Account,
    /// How many calls were made.
    pub calls: usize,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

impl<'a> Reads<'a> {
    /// Reads from this account.
    pub fn of(account: &'a mut dyn Account) -> Self {
        Self {
            account,
            calls: 0,
            unread: Vec::new(),
        }
    }

    /// One call.
    ///
    /// # Errors
    /// When it is refused, or not answered.
    pub fn call(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        self.calls += 1;
        self.account.call(service, action, parameters)
    }

    /// All rows of a list, each once.
    ///
    /// # Errors
    /// When a page is refused, or not answered, and when the pages do not end.
    pub fn all(&mut self, list: &List, parameters: &Value) -> Result<Vec<Value>, CallError> {
        let endless = |why: &str| CallError::Failed {
            action: list.action.to_owned(),
            why: why.to_owned(),
        };
        let mut parameters = parameters.clone();
        let (mut rows, mut seen, mut tokens) = (Vec::new(), HashSet::new(), HashSet::new());
        for page in 1.. {
            match list.paging {
                Paging::Number(size) => {
                    parameters["PageNumber"] = json!(page.to_string());
                    parameters["PageSize"] = json!(size.to_string());
                }
                Paging::Token(name, size) => parameters[name] = json!(size.to_string()),
            }
            let answer = self.call(list.service, list.action, &parameters)?;
            let found = rows_at(&answer, list.path);
            for row in found {
                if seen.insert(text(row, list.id)) {
                    rows.push(kept(row, list));
                }
            }
            if rows.len() > MOST_ROWS {
                return Err(endless("the list has more than a million rows"));
            }
            match list.paging {
                Paging::Number(size) => {
                    // Rows that come while it is read move others to later pages.
                    let total = answer["TotalCount"].as_u64();
                    let is_last = match total {
                        Some(total) => page as u64 * size as u64 >= total,
                        None => found.len() < size,
                    };
                    if is_last || found.is_empty() {
                        return Ok(rows);
                    }
                }
                Paging::Token(..) => {
                    let token = text(&answer, "NextToken");
                    if token.is_empty() {
                        return Ok(rows);
                    }
                    if !tokens.insert(token.clone()) {
                        return Err(endless("the list never ends: NextToken repeats"));
                    }
                    parameters["NextToken"] = json!(token);
                }
            }
        }
        Ok(rows)
    }

    /// The rows for each of these parameters, as far as they may be read: after a refusal the rest is
    /// not asked for, and `what` is among the unread.
    ///
    /// # Errors
    /// When a call is not answered, or throttled for ever.
    pub fn allowed(
        &mut self,
        what: &str,
        list: &List,
        each: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Value>, CallError> {
        let mut rows = Vec::new();
        for parameters in each {
            match self.all(list, &parameters) {
                Ok(found) => rows.extend(found),
                Err(error) if error.is_refusal() => {
                    self.refused(what, list.service, list.action, &error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Notes that something could not be read. Of the refusal its code is told: its message may have
    /// names in it.
    pub fn refused(&mut self, what: &str, service: Service, action: &str, error: &CallError) {
        let code = match error {
            CallError::Refused { code, .. } => code.as_str(),
            CallError::Failed { .. } | CallError::Stopped { .. } => "no answer",
        };
        let service = service.name().to_ascii_lowercase();
        self.unread
            .push(format!("{what}: {service}:{action} was refused, {code}"));
    }
}

/// A row with its id and what is kept of it.
fn kept(row: &Value, list: &List) -> Value {
    let members = row.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| *name == list.id || list.keep.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The rows under a path. Older versions wrap lists once more; missing ones are empty.
pub fn rows_at<'v>(answer: &'v Value, path: &[&str]) -> &'v [Value] {
    let mut at = answer;
    for name in path {
        at = &at[*name];
    }
    at.as_array().map_or(&[], Vec::as_slice)
}

/// The text of a member; empty when there is none.
pub fn text(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// The text of a member, if it has any.
pub fn some(row: &Value, name: &str) -> Option<String> {
    Some(text(row, name)).filter(|text| !text.is_empty())
}

/// A whole number that is not negative, written as number or as text.
pub fn number(row: &Value, name: &str) -> Option<usize> {
    match &row[name] {
        Value::String(text) => text.trim().parse().ok(),
        // `as` saturates, and `60.0` is 60.
        other => other.as_f64().filter(|n| *n >= 0.0).map(|n| n as usize),
    }
}
