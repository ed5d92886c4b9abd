//! Sorting and paging of lists.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;
use crate::oos::execution::{Execution, Task, time_text};
use crate::oos::request::{bad_parameter, optional_text};
use crate::params::Params;

/// Which rows a request asks for, and in what order.
pub(super) struct Page {
    pub(super) size: usize,
    token: Option<String>,
    field: SortField,
    descending: bool,
}

#[derive(Clone, Copy)]
enum SortField {
    StartDate,
    EndDate,
    Status,
}

impl Page {
    /// A page in the order that the request asks for.
    pub(super) fn parse(params: &Params, min: usize, max: usize) -> Result<Self, ApiError> {
        let field = match optional_text(params, "SortField")?.as_deref() {
            None | Some("StartDate") => SortField::StartDate,
            Some("EndDate") => SortField::EndDate,
            Some("Status") => SortField::Status,
            Some(_) => {
                let allowed = "must be StartDate, EndDate or Status";
                return Err(bad_parameter("SortField", allowed));
            }
        };
        let descending = match optional_text(params, "SortOrder")?.as_deref() {
            None | Some("Descending") => true,
            Some("Ascending") => false,
            Some(_) => {
                return Err(bad_parameter(
                    "SortOrder",
                    "must be Ascending or Descending",
                ));
            }
        };
        Ok(Self {
            field,
            descending,
            ..Self::unsorted(params, min, max)?
        })
    }

    /// A page of rows whose order nobody chooses.
    pub(super) fn unsorted(params: &Params, min: usize, max: usize) -> Result<Self, ApiError> {
        let size = match optional_text(params, "MaxResults")? {
            None => 50,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (min..=max).contains(size))
                .ok_or_else(|| bad_parameter("MaxResults", &format!("must be {min} to {max}")))?,
        };
        Ok(Self {
            size,
            token: optional_text(params, "NextToken")?,
            field: SortField::StartDate,
            descending: false,
        })
    }

    /// The sort key of a row: keys sorted upwards give the order asked for. Rows that started
    /// together keep the order in which they were made.
    pub(super) fn key(&self, execution: &Execution) -> String {
        let field = match self.field {
            SortField::StartDate => time_text(execution.created),
            SortField::EndDate => execution.ended.map(time_text).unwrap_or_default(),
            SortField::Status => execution.status.name().to_owned(),
        };
        self.turn(&format!("{field}/{:012}", execution.number))
    }

    /// The sort key of a task row. Tasks come in the order in which they ran, unless the request
    /// says otherwise.
    pub(super) fn task_key(&self, execution: &Execution, task: &Task) -> String {
        let field = match self.field {
            SortField::StartDate => time_text(task.created),
            SortField::EndDate => task.ended.map(time_text).unwrap_or_default(),
            SortField::Status => task.status.name().to_owned(),
        };
        self.turn(&format!("{field}/{:012}/{}", execution.number, task.id))
    }

    /// Complements the bytes of a key for descending order.
    fn turn(&self, key: &str) -> String {
        if !self.descending {
            return key.to_owned();
        }
        let bytes: String = key.bytes().map(|b| format!("{:02x}", 0xff - b)).collect();
        // Longer keys sort before their prefixes.
        bytes + "z"
    }

    /// The rows of this page among all rows' sorted keys, and the token of the next page.
    pub(super) fn cut(
        &self,
        keys: &[&str],
        stable: bool,
    ) -> Result<(Range<usize>, String), ApiError> {
        let start = match &self.token {
            None => 0,
            Some(token) => {
                let bad = || bad_parameter("NextToken", "is not one that a list gave");
                let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
                let text = String::from_utf8(bytes).map_err(|_| bad())?;
                match text.split_once(':') {
                    Some(("after", key)) => keys.partition_point(|k| *k <= key),
                    Some(("offset", n)) => n.parse::<usize>().map_err(|_| bad())?.min(keys.len()),
                    _ => return Err(bad()),
                }
            }
        };
        let end = start.saturating_add(self.size).min(keys.len());
        let next = if end == keys.len() || end == start {
            String::new()
        } else if stable {
            URL_SAFE_NO_PAD.encode(format!("after:{}", keys[end - 1]))
        } else {
            URL_SAFE_NO_PAD.encode(format!("offset:{end}"))
        };
        Ok((start..end, next))
    }
}
