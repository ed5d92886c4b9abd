//! What can be read of executions: `ListExecutions`, `ListTaskExecutions`, logs, invocations.

mod filters;
mod paging;

use serde_json::{Value, json};

use super::engine::Engine;
use super::execution::{Execution, Task, time_text};
use super::host::Host;
use super::request::{STATUSES, one_of, optional_text, required_text};
use super::view;
use crate::error::ApiError;
use crate::params::Params;
use filters::{Filters, TaskFilters};
use paging::Page;

impl Engine {
    pub(super) fn list_executions(
        &self,
        host: &dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let switches = host.switches();
        let page = Page::parse(params, 10, 100)?;
        let filters = Filters::parse(params)?;
        let now = host.now();
        let mut rows: Vec<(String, &Execution)> = self
            .executions
            .values()
            .filter(|e| e.region == region && filters.matches(self, e, switches, now))
            .map(|e| (page.key(e), e))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let keys: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
        let (range, next) = page.cut(&keys, switches.stable_pages)?;
        let executions: Vec<Value> = rows[range]
            .iter()
            .map(|(_, e)| self.listed(e, switches, now))
            .collect();
        Ok(json!({
            "Executions": executions, "MaxResults": page.size, "NextToken": next,
            "TotalCount": rows.len(),
        }))
    }

    pub(super) fn list_task_executions(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let page = Page::parse(params, 20, 100)?;
        let filters = TaskFilters::parse(params)?;
        let mut rows: Vec<(String, &Execution, &Task)> = Vec::new();
        let of_one = filters.execution().map(|id| self.executions.get(id));
        let executions: Vec<&Execution> = match of_one {
            Some(one) => one.into_iter().collect(),
            None => self.executions.values().collect(),
        };
        for execution in executions.into_iter().filter(|e| e.region == region) {
            for task in &execution.tasks {
                if filters.matches(execution, task) {
                    rows.push((page.task_key(execution, task), execution, task));
                }
            }
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let keys: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
        let (range, next) = page.cut(&keys, true)?;
        let tasks: Vec<Value> = rows[range]
            .iter()
            .map(|(_, e, t)| view::task(e, t))
            .collect();
        Ok(json!({
            "TaskExecutions": tasks, "MaxResults": page.size, "NextToken": next,
            "TotalCount": rows.len(),
        }))
    }

    pub(super) fn list_execution_logs(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let page = Page::unsorted(params, 1, 100)?;
        let id = required_text(params, "ExecutionId")?;
        let task = optional_text(params, "TaskExecutionId")?;
        let execution = self.existing(region, &id)?;
        // There are no others here, so a misspelt one would be taken for a log that is empty.
        one_of(params, "LogType", &["System"])?;
        let rows: Vec<_> = execution
            .logs
            .iter()
            .filter(|log| task.as_ref().is_none_or(|task| log.task == *task))
            .enumerate()
            .map(|(i, log)| (format!("{i:08}"), log))
            .collect();
        let keys: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
        let (range, next) = page.cut(&keys, true)?;
        let logs: Vec<Value> = rows[range]
            .iter()
            .map(|(_, log)| {
                json!({
                    "LogType": "System", "Timestamp": time_text(log.at),
                    "TaskExecutionId": log.task, "Message": log.message,
                })
            })
            .collect();
        Ok(json!({
            "ExecutionLogs": logs, "IsTruncated": !next.is_empty(), "NextToken": next,
            "MaxResults": page.size,
        }))
    }

    /// Cloud Assistant invocations that the tasks below a task started: their answers have an
    /// `InvokeId`, which templates keep as an output.
    pub(super) fn list_invocations(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let wanted = required_text(params, "TaskExecutionId")?;
        let status = one_of(params, "Status", STATUSES)?;
        let mut rows = Vec::new();
        let mut open: Vec<(&Execution, &Task)> = self
            .executions
            .values()
            .filter(|e| e.region == region)
            .flat_map(|e| e.tasks.iter().map(move |t| (e, t)))
            .filter(|(_, t)| t.id == wanted)
            .collect();
        while let Some((execution, task)) = open.pop() {
            if let Some(child) = task.child.as_ref().and_then(|c| self.executions.get(c)) {
                open.extend(child.tasks.iter().map(|t| (child, t)));
            }
            let invocation = task
                .outputs
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("invokeId"))
                .and_then(|(_, value)| value.as_str());
            let shown = task.status.name();
            if let Some(invocation) = invocation
                && status.as_deref().is_none_or(|status| status == shown)
            {
                rows.push(json!({
                    "InvocationId": invocation,
                    "InvocationTaskExecutionId": task.id,
                    "InvocationTaskName": execution.template.parsed.tasks[task.spec].name,
                    "RegionId": execution.region,
                    "Status": shown,
                }));
            }
        }
        Ok(json!({
            "TaskExecutionInvocations": rows, "MaxResults": 50, "NextToken": "",
        }))
    }

    pub(super) fn get_execution_template(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let execution = self.existing(region, &required_text(params, "ExecutionId")?)?;
        let mut template = self.shown(region, &execution.template);
        if let Some(members) = template.as_object_mut() {
            members.remove("ResourceGroupId");
        }
        Ok(json!({"Content": execution.template.content, "Template": template}))
    }

    pub(super) fn existing(&self, region: &str, id: &str) -> Result<&Execution, ApiError> {
        self.executions
            .get(id)
            .filter(|execution| execution.region == region)
            .ok_or_else(|| {
                ApiError::new(
                    404,
                    "EntityNotExists.Execution",
                    format!("The specified execution {id} does not exist."),
                )
            })
    }
}

/// The languages of names (API references of DescribeRegions).
const LANGUAGES: &[&str] = &["zh-CN", "en-US", "ja"];

/// `DescribeRegions`: the regions of the scene.
pub(super) fn regions(ids: &[String], params: &Params) -> Result<Value, ApiError> {
    let language = one_of(params, "AcceptLanguage", LANGUAGES)?;
    let language = language.as_deref().unwrap_or("en-US");
    let regions: Vec<Value> = ids
        .iter()
        .map(|id| {
            json!({
                "RegionId": id, "LocalName": region_name(id, language),
                "RegionEndpoint": format!("oos.{id}.aliyuncs.com"),
            })
        })
        .collect();
    Ok(json!({ "Regions": regions }))
}

/// What a region is called in a language. One without a name of its own goes by its id.
pub(crate) fn region_name<'a>(id: &'a str, language: &str) -> &'a str {
    const NAMES: &[(&str, &str, &str)] = &[
        ("cn-hangzhou", "China (Hangzhou)", "华东1（杭州）"),
        ("cn-shanghai", "China (Shanghai)", "华东2（上海）"),
        ("cn-beijing", "China (Beijing)", "华北2（北京）"),
        ("cn-shenzhen", "China (Shenzhen)", "华南1（深圳）"),
        ("cn-qingdao", "China (Qingdao)", "华北1（青岛）"),
        ("cn-zhangjiakou", "China (Zhangjiakou)", "华北3（张家口）"),
        ("cn-hongkong", "China (Hong Kong)", "中国香港"),
        ("ap-southeast-1", "Singapore", "新加坡"),
        ("ap-northeast-1", "Japan (Tokyo)", "日本（东京）"),
        ("eu-central-1", "Germany (Frankfurt)", "德国（法兰克福）"),
        ("us-east-1", "US (Virginia)", "美国（弗吉尼亚）"),
        ("us-west-1", "US (Silicon Valley)", "美国（硅谷）"),
    ];
    match NAMES.iter().find(|(known, _, _)| *known == id) {
        Some((_, _, chinese)) if language.starts_with("zh") => chinese,
        Some((_, english, _)) => english,
        None => id,
    }
}
