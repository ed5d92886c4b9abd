//! ESS: instance refreshes, lifecycle actions and the diagnosis of a group, all of them of 2022-02-22.

use ess_rollout_cloud::{CloudError, Diagnosis, InstanceRefresh, LifecycleAction};
use serde_json::Value;

use crate::{
    client::Client,
    ess::read,
    fields::{rows, text},
    paging::Listing,
};

/// The page size that these lists take at most.
const PAGE: &str = "50";

impl Client {
    /// The API has no filter by status, so those that have ended are read as well and left out.
    pub(crate) async fn instance_refreshes(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Vec<InstanceRefresh>, CloudError> {
        let mut call = read("DescribeInstanceRefreshes", region)
            .with("ScalingGroupId", group)
            .with("MaxResults", PAGE);
        let listing = Listing {
            path: &["InstanceRefreshTasks"],
            id: "InstanceRefreshTaskId",
            filter: &format!("ScalingGroupId={group}"),
            matches: &|row| text(row, "ScalingGroupId") == group,
        };
        let take = |row: &Value| InstanceRefresh {
            id: text(row, "InstanceRefreshTaskId"),
            status: text(row, "Status").into(),
        };
        let mut refreshes = self.list_by_token(&mut call, &listing, &take).await?;
        refreshes.retain(|refresh| !refresh.status.is_final());
        Ok(refreshes)
    }

    /// The rows do not say of which activity they are.
    pub(crate) async fn lifecycle_actions(
        &self,
        region: &str,
        activity: &str,
    ) -> Result<Vec<LifecycleAction>, CloudError> {
        let mut call = read("DescribeLifecycleActions", region)
            .with("ScalingActivityId", activity)
            .with("LifecycleActionStatus", "Pending")
            .with("MaxResults", PAGE);
        let listing = Listing {
            path: &["LifecycleActions"],
            id: "LifecycleActionToken",
            filter: &format!("ScalingActivityId={activity}"),
            matches: &|_| true,
        };
        let found = self.list_by_token(&mut call, &listing, &Value::clone);
        let found = found.await?;
        let pending = found
            .iter()
            .filter(|row| text(row, "LifecycleActionStatus") == "Pending");
        let actions = pending.map(|row| LifecycleAction {
            hook: text(row, "LifecycleHookId"),
            instances: rows(row, &["InstanceIds"])
                .iter()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect(),
        });
        Ok(actions.collect())
    }

    /// One answer, without pages and without the id of the group in its rows.
    pub(crate) async fn diagnosis(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Vec<Diagnosis>, CloudError> {
        let call =
            read("DescribeScalingGroupDiagnoseDetails", region).with("ScalingGroupId", group);
        let answer = self.send(&call).await?;
        let item = |row: &Value| Diagnosis {
            kind: text(row, "DiagnoseType"),
            status: text(row, "Status").into(),
            resource: text(row, "ResourceId"),
            code: text(row, "ErrorCode"),
        };
        Ok(rows(&answer, &["Details"]).iter().map(item).collect())
    }
}
