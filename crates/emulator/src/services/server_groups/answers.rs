//! What the calls have in common: what is not found, and parts of lists.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::services::args::{Args, invalid};
use crate::services::balancers::find_group;
use crate::state::balancing::ServerGroup;
use crate::state::call::Call;
use crate::state::model::Resources;

pub(super) fn not_found(kind: &str, id: &str) -> ApiError {
    ApiError::new(
        404,
        format!("ResourceNotFound.{kind}"),
        format!("The specified resource {id} is not found."),
    )
}

pub(super) fn group<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a ServerGroup, ApiError> {
    find_group(resources, call, id).ok_or_else(|| not_found("ServerGroup", id))
}

/// A part of a list: tokens are positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) skip: usize,
    pub(super) take: usize,
}

impl Part {
    /// `NextToken`, and `MaxResults` from 1 to `most`; 20 when absent.
    pub(super) fn of(args: Args<'_>, most: i64) -> Result<Self, ApiError> {
        let take = args.number("MaxResults", 1, most)?.unwrap_or(20);
        let skip = match args.text("NextToken") {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| invalid("NextToken", "it is of no earlier answer"))?,
        };
        Ok(Self {
            skip,
            take: usize::try_from(take).unwrap_or(usize::MAX),
        })
    }

    /// The answer with this part of a list.
    pub(super) fn answer(self, name: &str, rows: impl IntoIterator<Item = Value>) -> Value {
        let rows: Vec<Value> = rows.into_iter().collect();
        let total = rows.len();
        let part: Vec<Value> = rows.into_iter().skip(self.skip).take(self.take).collect();
        json!({
            name: part,
            "TotalCount": total,
            "MaxResults": self.take,
            "NextToken": self.next(total),
        })
    }

    /// The token of the next part; empty when there is none.
    pub(super) fn next(self, total: usize) -> String {
        let next = self.skip.saturating_add(self.take);
        match next < total {
            true => next.to_string(),
            false => String::new(),
        }
    }
}
