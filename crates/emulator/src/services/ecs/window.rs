//! The part of a listing that is asked for.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::services::args::{Args, Page, invalid};

/// By `MaxResults` and `NextToken`, or by `PageNumber` and
/// `PageSize`, as older clients do. Where both are given the token decides.
pub(super) struct Window {
    page: Page,
    start: usize,
    by_number: bool,
}

impl Window {
    /// With the API's own default and bounds. `MaxResults` outside of them counts as the nearest
    /// (SDK models: DescribeInstances, DescribeDisks); `PageSize` has the same maximum, which is
    /// kept.
    pub(super) fn of(
        args: Args<'_>,
        default: usize,
        bounds: RangeInclusive<usize>,
    ) -> Result<Self, ApiError> {
        let most = *bounds.end();
        let given = |names: [&str; 2]| names.iter().any(|name| args.text(name).is_some());
        let by_number = given(["PageNumber", "PageSize"]) && !given(["MaxResults", "NextToken"]);
        if by_number {
            let page = args.page(default, most)?;
            return Ok(Self {
                start: page.size.saturating_mul(page.number.saturating_sub(1)),
                page,
                by_number,
            });
        }
        let size = args.number("MaxResults", i64::MIN, i64::MAX)?;
        // The token is the number of rows seen so far.
        let start = args
            .text("NextToken")
            .map(|token| token.parse())
            .transpose();
        let start = start.map_err(|_| invalid("NextToken", "it was not given out by this API"))?;
        Ok(Self {
            page: Page {
                number: 1,
                size: size
                    .map(|size| usize::try_from(size).unwrap_or(0))
                    .map_or(default, |size| size.clamp(*bounds.start(), most)),
            },
            start: start.unwrap_or(0),
            by_number,
        })
    }

    /// The rows of the window, and what says where it is: the fields beside the list.
    pub(super) fn cut<T>(&self, found: Vec<T>) -> (Vec<T>, Map<String, Value>) {
        let total = found.len();
        let rows: Vec<T> = found
            .into_iter()
            .skip(self.start)
            .take(self.page.size)
            .collect();
        let mut place = Map::new();
        place.insert("TotalCount".into(), total.into());
        place.insert("PageNumber".into(), self.page.number.into());
        place.insert("PageSize".into(), self.page.size.into());
        if !self.by_number {
            let end = self.start.saturating_add(rows.len());
            let next = if end < total {
                end.to_string()
            } else {
                String::new()
            };
            place.insert("NextToken".into(), next.into());
        }
        (rows, place)
    }
}
