//! What the calls have in common: success, pages, lists of ids.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::services::args::{Args, Page, invalid};
use crate::state::alarms::Alarm;

/// Every answer says in the body, too, that it is one.
pub(super) fn success(mut answer: Value) -> Value {
    answer["Success"] = json!(true);
    answer["Code"] = json!(200);
    answer
}

/// A page whose number goes by this name.
pub(super) fn page(args: Args<'_>, number: &str, default: usize) -> Result<Page, ApiError> {
    let size = args.number("PageSize", 1, 100)?;
    let number = args.number(number, 1, i64::from(i32::MAX))?;
    let index = |n: Option<i64>| n.and_then(|n| usize::try_from(n).ok());
    Ok(Page {
        number: index(number).unwrap_or(1),
        size: index(size).unwrap_or(default),
    })
}

/// The number of a level: of `P2`, `P3`, `P4`.
pub(super) fn level(rule: &Alarm) -> i64 {
    match rule.level.as_str() {
        "Critical" => 2,
        "Warn" => 3,
        _ => 4,
    }
}

/// Ids that are separated by commas.
pub(super) fn ids(
    args: Args<'_>,
    name: &str,
    most: usize,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(text) = args.text(name) else {
        return Ok(None);
    };
    let ids: Vec<String> = text.split(',').map(|id| id.trim().to_owned()).collect();
    if ids.len() > most {
        return Err(invalid(name, &format!("at most {most} ids are allowed")));
    }
    Ok(Some(ids))
}
