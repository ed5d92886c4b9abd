//! What watches a group: rules of CloudMonitor 2019-01-01, event-triggered tasks of ESS 2022-02-22.

use ess_rollout_cloud::{Alarm, CloudError};
use serde_json::Value;

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    ess,
    fields::{integer, rows, text},
    limits::Lane,
    paging::Listing,
};

/// The page size of DescribeMetricRuleList: how many ids it takes, and how many rows are asked for.
const PAGE: usize = 20;
/// The most pages of it that are read: two thousand rules are no watch over one group.
const PAGES_MAX: usize = 100;
/// The page size that DescribeAlarms takes at most.
const ALARMS_PAGE: usize = 50;

const LIST: &str = "DescribeMetricRuleList";

impl Client {
    pub(crate) async fn metric_rules(
        &self,
        region: &str,
        rules: &[String],
    ) -> Result<Vec<Alarm>, CloudError> {
        let mut found = Vec::new();
        for chunk in rules.chunks(PAGE) {
            let call = Call::new(Service::Cms, LIST, Lane::Read, region)
                .with("RuleIds", chunk.join(","))
                .with("Page", "1")
                .with("PageSize", PAGE.to_string());
            let listing = Listing {
                path: &["Alarms", "Alarm"],
                id: "RuleId",
                filter: &format!("RuleIds ({} ids)", chunk.len()),
                matches: &|row| chunk.contains(&text(row, "RuleId")),
            };
            found.extend(self.list_once(&call, &listing).await?.iter().map(rule));
        }
        Ok(sorted(found))
    }

    /// Pages by `Page`, and counts in a text.
    pub(crate) async fn metric_rules_of_group(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Vec<Alarm>, CloudError> {
        let mut call = Call::new(Service::Cms, LIST, Lane::Read, region)
            .with("GroupId", group)
            .with("PageSize", PAGE.to_string());
        let listing = Listing {
            path: &["Alarms", "Alarm"],
            id: "RuleId",
            filter: &format!("GroupId={group}"),
            matches: &|row| text(row, "GroupId") == group,
        };
        let mut found = Vec::new();
        for page in 1..=PAGES_MAX {
            call.set("Page", page.to_string());
            let answer = self.send(&call).await?;
            let listed = rows(&answer, listing.path);
            let kept = listing.keep(&call, listed, page == 1)?;
            found.extend(kept.into_iter().map(rule));
            let total = integer(&answer, "Total").and_then(|total| usize::try_from(total).ok());
            let is_last = match total {
                Some(total) => page * PAGE >= total,
                None => listed.len() < PAGE,
            };
            if is_last || listed.is_empty() {
                return Ok(sorted(found));
            }
        }
        let why = format!(
            "the application group has more than {} rules",
            PAGES_MAX * PAGE
        );
        Err(call.failed().unreadable(why))
    }

    pub(crate) async fn alarms(&self, region: &str, group: &str) -> Result<Vec<Alarm>, CloudError> {
        let mut call = ess::read("DescribeAlarms", region).with("ScalingGroupId", group);
        let listing = Listing {
            path: &["AlarmList"],
            id: "AlarmTaskId",
            filter: &format!("ScalingGroupId={group}"),
            matches: &|row| text(row, "ScalingGroupId") == group,
        };
        let found = self
            .list_by_number(&mut call, ALARMS_PAGE, &listing)
            .await?;
        let alarm = |row: &Value| Alarm {
            id: text(row, "AlarmTaskId"),
            name: text(row, "Name"),
            state: text(row, "State").into(),
            enabled: is_on(row, "Enable"),
        };
        Ok(sorted(found.iter().map(alarm).collect()))
    }
}

fn rule(row: &Value) -> Alarm {
    Alarm {
        id: text(row, "RuleId"),
        name: text(row, "RuleName"),
        state: text(row, "AlertState").into(),
        enabled: is_on(row, "EnableState"),
    }
}

/// What does not say that it is off is on.
fn is_on(row: &Value, name: &str) -> bool {
    text(row, name) != "false"
}

/// By id, each once: pages may overlap.
fn sorted(mut alarms: Vec<Alarm>) -> Vec<Alarm> {
    alarms.sort_by(|a, b| a.id.cmp(&b.id));
    alarms.dedup_by(|a, b| a.id == b.id);
    alarms
}
