//! Reading lists to their end, and holding what came back against what was asked.
//!
//! A service ignores parameters that it does not know, and then returns everything. So every list
//! is checked: rows that do not match are dropped, and a first page on which nothing matches is an
//! error that names the filter, not an empty answer and not a walk through the whole account.

use std::collections::HashSet;

use ess_rollout_cloud::{CloudError, ErrorClass};
use serde_json::Value;

use crate::{
    call::Call,
    client::Client,
    fields::{integer, rows, text},
};

/// The most pages that a list may have: ten thousand rows at a hundred each, ten times what one
/// rolling update can have.
const MAX_PAGES: usize = 100;

/// How often a list that changes while it is read is read again.
const READINGS: usize = 3;

/// The ids that no row shows. They are asked for once more: one answer that leaves something out says little, and what is
/// not there must not be taken for gone.
pub(crate) fn missing<'a>(ids: &[String], found: impl Iterator<Item = &'a str>) -> Vec<String> {
    let found: HashSet<&str> = found.collect();
    let ids = ids.iter().filter(|id| !found.contains(id.as_str()));
    ids.cloned().collect()
}

/// What a list looks like in the answer, and which of its rows were asked for.
pub(crate) struct Listing<'a> {
    /// Where the rows are.
    pub path: &'a [&'a str],
    /// Each row's own id.
    pub id: &'a str,
    /// The filter, as it reads in an error.
    pub filter: &'a str,
    /// Whether a row was asked for.
    pub matches: &'a (dyn Fn(&Value) -> bool + Send + Sync),
}

impl Listing<'_> {
    /// The rows of one page, whether they match or not.
    fn page<'v>(&self, call: &Call<'_>, answer: &'v Value) -> Result<&'v [Value], CloudError> {
        let rows = rows(answer, self.path);
        if rows.is_empty() && integer(answer, "TotalCount").unwrap_or(0) > 0 && self.absent(answer)
        {
            let field = self.path.join(".");
            return Err(call
                .failed()
                .unreadable(format!("the answer counts rows but has no list {field}")));
        }
        Ok(rows)
    }

    fn absent(&self, answer: &Value) -> bool {
        let pointer: String = self.path.iter().map(|name| format!("/{name}")).collect();
        !answer.pointer(&pointer).is_some_and(Value::is_array)
    }

    /// The rows that were asked for. `first` marks the page that decides whether the filter was
    /// applied at all.
    pub(crate) fn keep<'v>(
        &self,
        call: &Call<'_>,
        page: &'v [Value],
        first: bool,
    ) -> Result<Vec<&'v Value>, CloudError> {
        let kept: Vec<&Value> = page.iter().filter(|row| (self.matches)(row)).collect();
        if first && kept.is_empty() && !page.is_empty() {
            return Err(call.failed().ignored(format!(
                "asked for {}, but none of the {} rows that came back is of it: the endpoint \
                 ignores the filter",
                self.filter,
                page.len()
            )));
        }
        Ok(kept)
    }
}

/// Turns a call into that for the page after this answer; false: it was the last.
///
/// # Errors
/// When the service gives a `NextToken` that it gave before.
pub(crate) fn asks_for_next(
    call: &mut Call<'_>,
    answer: &Value,
    before: &mut HashSet<String>,
) -> Result<bool, CloudError> {
    let token = text(answer, "NextToken");
    if token.is_empty() {
        return Ok(false);
    }
    if !before.insert(token.clone()) {
        return Err(call
            .failed()
            .unreadable("the list never ends: NextToken repeats"));
    }
    call.set("NextToken", token);
    Ok(true)
}

impl Client {
    /// One call whose answer is one page.
    pub(crate) async fn list_once(
        &self,
        call: &Call<'_>,
        listing: &Listing<'_>,
    ) -> Result<Vec<Value>, CloudError> {
        let answer = self.send(call).await?;
        let kept = listing.keep(call, listing.page(call, &answer)?, true)?;
        Ok(kept.into_iter().cloned().collect())
    }

    /// Pages by `NextToken` until there is none. Rows that come twice are kept once, and of each what is taken of it: a list
    /// may have thousands, of which most is of no use.
    pub(crate) async fn list_by_token<T: Send>(
        &self,
        call: &mut Call<'_>,
        listing: &Listing<'_>,
        take: &(dyn Fn(&Value) -> T + Send + Sync),
    ) -> Result<Vec<T>, CloudError> {
        let mut seen = HashSet::new();
        let mut tokens = HashSet::new();
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let answer = self.send(call).await?;
            for row in listing.keep(call, listing.page(call, &answer)?, page == 0)? {
                if seen.insert(text(row, listing.id)) {
                    found.push(take(row));
                }
            }
            if !asks_for_next(call, &answer, &mut tokens)? {
                return Ok(found);
            }
        }
        Err(too_long(call))
    }

    /// Pages by `PageNumber` until all of `TotalCount` was seen. Rows move between pages when the
    /// list changes meanwhile, so such a reading is thrown away.
    pub(crate) async fn list_by_number(
        &self,
        call: &mut Call<'_>,
        page_size: usize,
        listing: &Listing<'_>,
    ) -> Result<Vec<Value>, CloudError> {
        call.set("PageSize", page_size.to_string());
        for _ in 0..READINGS {
            if let Some(found) = self.read_by_number(call, page_size, listing).await? {
                return Ok(found);
            }
        }
        Err(call
            .failed()
            .unreadable("the list changed each time while it was read"))
    }

    /// `None` when the list changed meanwhile.
    async fn read_by_number(
        &self,
        call: &mut Call<'_>,
        page_size: usize,
        listing: &Listing<'_>,
    ) -> Result<Option<Vec<Value>>, CloudError> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut total = None;
        for page in 0..MAX_PAGES {
            call.set("PageNumber", (page + 1).to_string());
            let answer = self.send(call).await?;
            let rows = listing.page(call, &answer)?;
            let count =
                integer(&answer, "TotalCount").and_then(|count| usize::try_from(count).ok());
            if page > 0 && count != total {
                return Ok(None);
            }
            total = count;
            let kept = listing.keep(call, rows, page == 0)?;
            let fresh = rows
                .iter()
                .filter(|row| seen.insert(text(row, listing.id)))
                .count();
            if fresh < rows.len() {
                return Ok(None);
            }
            found.extend(kept.into_iter().cloned());
            match total {
                Some(total) if seen.len() >= total => return Ok(Some(found)),
                Some(_) if rows.is_empty() => return Ok(None),
                Some(_) => {}
                None if rows.len() < page_size => return Ok(Some(found)),
                None => {}
            }
        }
        Err(too_long(call))
    }
}

/// Some reads say "not found" where others return no rows.
pub(crate) fn absent_if_not_found(
    result: Result<Vec<Value>, CloudError>,
) -> Result<Vec<Value>, CloudError> {
    match result {
        Err(error) if error.class == ErrorClass::NotFound => Ok(Vec::new()),
        other => other,
    }
}

fn too_long(call: &Call<'_>) -> CloudError {
    call.failed().unreadable(format!(
        "the list has more than {MAX_PAGES} pages; that is no list of one rolling update"
    ))
}
