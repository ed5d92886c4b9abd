//! OOS 2019-06-01: executions, their tasks, templates.

use std::collections::{BTreeMap, HashSet};

use ess_rollout_cloud::{
    CloudError, Done, ErrorClass, Execution, ExecutionFilter, ExecutionMode, ExecutionStatus,
    NotifyType, Package, SafetyCheck, StartExecution, TaskExecution, Template,
};
use serde_json::{Map, Value};

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    fields::{integer, object, rows, some_text, text, time},
    limits::Lane,
    paging::Listing,
};

/// The largest page of ListExecutions and ListTaskExecutions.
const PAGE: &str = "100";

/// The longest id of anything.
const ID_MAX: usize = 128;

/// The states that are not final and that ListExecutions can filter by, one at a time. `Queued` is
/// no filter value. In the order in which an execution passes through them, so that one that moves
/// on between two lists is seen in the later; `Waiting` twice, as the way back to it is open.
const ACTIVE: [&str; 5] = ["Pending", "Started", "Waiting", "Running", "Waiting"];

impl Client {
    pub(crate) async fn executions(
        &self,
        region: &str,
        filter: &ExecutionFilter,
    ) -> Result<Vec<Execution>, CloudError> {
        match filter {
            ExecutionFilter::Id(id) => {
                let call = read("ListExecutions", region).with("ExecutionId", id);
                let matches = |row: &Value| text(row, "ExecutionId") == *id;
                self.list_executions(call, &format!("ExecutionId={id}"), &matches)
                    .await
            }
            ExecutionFilter::ChildrenOf(parent) => {
                let call = read("ListExecutions", region).with("ParentExecutionId", parent);
                let matches = |row: &Value| text(row, "ParentExecutionId") == *parent;
                self.list_executions(call, &format!("ParentExecutionId={parent}"), &matches)
                    .await
            }
            ExecutionFilter::NestedSince(since) => self.nested_since(region, *since).await,
            ExecutionFilter::Tagged {
                tags,
                started_after,
            } => self.tagged(region, tags, *started_after, &execution).await,
            ExecutionFilter::TaggedProgress {
                tags,
                started_after,
            } => self.tagged(region, tags, *started_after, &progress).await,
            ExecutionFilter::ActiveByTemplate(part) => self.active_by_template(region, part).await,
            ExecutionFilter::NewestByTemplate(part) => {
                let mut found = self.newest_by_template(region, part).await?;
                found.retain(|execution| execution.parent.is_none());
                Ok(found)
            }
        }
    }

    /// With no more of the parameters than tells which instance each is for. Two lists, as a filter holds for start and end
    /// together. One that has started and ended is in both, the later reading being the newer.
    async fn nested_since(
        &self,
        region: &str,
        since: jiff::Timestamp,
    ) -> Result<Vec<Execution>, CloudError> {
        let since_text = date(since);
        let is_since = |time: Option<jiff::Timestamp>| {
            // The filter has whole seconds, and so have the dates: compare as it does.
            time.is_some_and(|time| time.as_second() >= since.as_second())
        };
        let mut found = BTreeMap::new();
        for name in ["StartDateAfter", "EndDateAfter"] {
            let call = newest_first(region)
                .with("IncludeChildExecution", "true")
                .with(name, &since_text);
            // Whether a row was asked for is a matter of two lists together: see below.
            let all = self.take_executions(call, name, &|_| true, &nested);
            let all = all.await?;
            found.extend(
                all.into_iter()
                    .map(|execution| (execution.id.clone(), execution)),
            );
        }
        let nested = found.into_values().filter(|execution| {
            execution.parent.is_some() && (is_since(execution.start) || is_since(execution.end))
        });
        Ok(nested.collect())
    }

    async fn tagged(
        &self,
        region: &str,
        tags: &[(String, String)],
        started_after: Option<jiff::Timestamp>,
        take: &(dyn Fn(&Value) -> Execution + Send + Sync),
    ) -> Result<Vec<Execution>, CloudError> {
        let wanted = tags_json(tags);
        let after = started_after.map(date);
        let call = newest_first(region)
            .with("Tags", &wanted)
            .with_some("StartDateAfter", after.as_deref());
        let matches = |row: &Value| {
            let found = object(row, "Tags");
            tags.iter()
                .all(|(key, value)| found.get(key).and_then(Value::as_str) == Some(value))
        };
        let mut found = self
            .take_executions(call, &format!("Tags={wanted}"), &matches, take)
            .await?;
        found.retain(|execution| {
            // The filter has whole seconds, and so have the dates: compare as it does.
            let recent = match (started_after, execution.start) {
                (Some(after), Some(start)) => start.as_second() >= after.as_second(),
                _ => true,
            };
            execution.parent.is_none() && recent
        });
        Ok(found)
    }

    /// One list for each state that can be filtered by, as the whole history of a template may be
    /// long, and the newest page of it without that filter, which is where a `Queued` one is found.
    /// One that has been queued for longer than a hundred newer starts is not seen.
    async fn active_by_template(
        &self,
        region: &str,
        part: &str,
    ) -> Result<Vec<Execution>, CloudError> {
        let filter = format!("TemplateName={part}");
        let matches = |row: &Value| text(row, "TemplateName").contains(part);
        let mut found = self.newest_by_template(region, part).await?;
        for status in ACTIVE {
            let call = newest_first(region)
                .with("TemplateName", part)
                .with("Status", status);
            found.extend(self.list_executions(call, &filter, &matches).await?);
        }
        // The lists were read one after the other: what is final in one of them is final.
        let ended: HashSet<String> = found
            .iter()
            .filter(|execution| execution.status.is_final())
            .map(|execution| execution.id.clone())
            .collect();
        let mut seen = HashSet::new();
        found.retain(|execution| {
            execution.parent.is_none()
                && !ended.contains(&execution.id)
                && seen.insert(execution.id.clone())
        });
        found.sort_by(|a, b| b.start.cmp(&a.start).then_with(|| a.id.cmp(&b.id)));
        Ok(found)
    }

    /// The first page of a template's executions, newest first.
    async fn newest_by_template(
        &self,
        region: &str,
        part: &str,
    ) -> Result<Vec<Execution>, CloudError> {
        let filter = format!("TemplateName={part}");
        let matches = |row: &Value| text(row, "TemplateName").contains(part);
        let listing = Listing {
            path: &["Executions"],
            id: "ExecutionId",
            filter: &filter,
            matches: &matches,
        };
        let call = newest_first(region).with("TemplateName", part);
        let rows = self.list_once(&call, &listing).await?;
        Ok(rows.iter().map(execution).collect())
    }

    async fn list_executions(
        &self,
        call: Call<'_>,
        filter: &str,
        matches: &(dyn Fn(&Value) -> bool + Send + Sync),
    ) -> Result<Vec<Execution>, CloudError> {
        self.take_executions(call, filter, matches, &execution)
            .await
    }

    async fn take_executions(
        &self,
        mut call: Call<'_>,
        filter: &str,
        matches: &(dyn Fn(&Value) -> bool + Send + Sync),
        take: &(dyn Fn(&Value) -> Execution + Send + Sync),
    ) -> Result<Vec<Execution>, CloudError> {
        call.set("MaxResults", PAGE);
        let listing = Listing {
            path: &["Executions"],
            id: "ExecutionId",
            filter,
            matches,
        };
        self.list_by_token(&mut call, &listing, take).await
    }

    pub(crate) async fn task_executions(
        &self,
        region: &str,
        execution: &str,
    ) -> Result<Vec<TaskExecution>, CloudError> {
        let mut call = read("ListTaskExecutions", region)
            .with("ExecutionId", execution)
            // Without it the items of a loop are not shown.
            .with("IncludeChildTaskExecution", "true")
            .with("MaxResults", PAGE);
        let listing = Listing {
            path: &["TaskExecutions"],
            id: "TaskExecutionId",
            filter: &format!("ExecutionId={execution}"),
            matches: &|row| text(row, "ExecutionId") == execution,
        };
        self.list_by_token(&mut call, &listing, &task_execution)
            .await
    }

    pub(crate) async fn template(
        &self,
        region: &str,
        name: &str,
    ) -> Result<Option<Template>, CloudError> {
        let row = self.get_template(region, name, None).await?;
        Ok(row.map(|row| Template {
            name: text(&row, "TemplateName"),
            version: text(&row, "TemplateVersion"),
        }))
    }

    /// The `Template` object of a template or a package; the newest version when none is named.
    async fn get_template(
        &self,
        region: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<Value>, CloudError> {
        let call = read("GetTemplate", region)
            .with("TemplateName", name)
            .with_some("TemplateVersion", version);
        let mut answer = match self.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let row = answer["Template"].take();
        let found = text(&row, "TemplateName");
        if found != name {
            return Err(call
                .failed()
                .ignored(format!("asked for template {name}, but got {found:?}")));
        }
        let found = text(&row, "TemplateVersion");
        match version {
            Some(version) if found != version => Err(call.failed().ignored(format!(
                "asked for version {version} of template {name}, but got {found:?}"
            ))),
            _ => Ok(Some(row)),
        }
    }

    pub(crate) async fn package(
        &self,
        region: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<Package>, CloudError> {
        let row = self.get_template(region, name, version).await?;
        Ok(row.map(|row| Package {
            name: text(&row, "TemplateName"),
            version: text(&row, "TemplateVersion"),
            template_type: text(&row, "TemplateType"),
        }))
    }

    pub(crate) async fn instance_package(
        &self,
        region: &str,
        instance: &str,
        package: &str,
    ) -> Result<Option<String>, CloudError> {
        let mut call = read("ListInstancePackageStates", region)
            .with("InstanceId", instance)
            .with("TemplateNames", Value::from(vec![package]).to_string())
            .with("MaxResults", PAGE);
        let listing = Listing {
            path: &["PackageStates"],
            id: "TemplateName",
            filter: &format!("TemplateNames={package}"),
            // An instance has few packages: with the filter ignored the right row is among them.
            matches: &|_| true,
        };
        let take = |row: &Value| (text(row, "TemplateName"), text(row, "TemplateVersion"));
        let found = self.list_by_token(&mut call, &listing, &take).await?;
        let row = found.into_iter().find(|(name, _)| name == package);
        Ok(row.map(|(_, version)| version))
    }

    pub(crate) async fn start_execution(
        &self,
        region: &str,
        start: &StartExecution,
    ) -> Result<Done, CloudError> {
        let parameters = Value::Object(start.parameters.clone()).to_string();
        let call = mutation("StartExecution", region)
            .with("TemplateName", &start.template_name)
            .with_some("TemplateVersion", start.template_version.as_deref())
            .with("Parameters", parameters)
            .with(
                "Mode",
                match start.mode {
                    ExecutionMode::Automatic => "Automatic",
                    ExecutionMode::FailurePause => "FailurePause",
                },
            )
            .with_some(
                "SafetyCheck",
                start.safety_check.map(|check| match check {
                    SafetyCheck::Skip => "Skip",
                    SafetyCheck::ConfirmEveryHighRiskAction => "ConfirmEveryHighRiskAction",
                }),
            )
            .with_some("ClientToken", Some(&start.client_token))
            .with_some("Description", Some(&start.description))
            .with("Tags", tags_json(&start.tags));
        let answer = self.send(&call).await?;
        let started = execution(&answer["Execution"]);
        if started.id.is_empty() {
            return Err(call.failed().unreadable("the answer names no execution"));
        }
        Ok(Done::Started {
            execution: Box::new(started),
            request_id: text(&answer, "RequestId"),
        })
    }

    pub(crate) async fn notify_execution(
        &self,
        region: &str,
        execution: &str,
        notify: NotifyType,
        (task_execution, loop_item): (Option<&str>, Option<&str>),
        note: &str,
    ) -> Result<String, CloudError> {
        let call = mutation("NotifyExecution", region)
            .with("ExecutionId", execution)
            .with(
                "NotifyType",
                match notify {
                    NotifyType::Approve => "Approve",
                    NotifyType::RetryTask => "RetryTask",
                    NotifyType::SkipTask => "SkipTask",
                    NotifyType::CancelTask => "CancelTask",
                },
            )
            .with_some("TaskExecutionId", task_execution)
            .with_some("LoopItem", loop_item)
            .with_some("NotifyNote", Some(note));
        Ok(text(&self.send(&call).await?, "RequestId"))
    }

    pub(crate) async fn cancel_execution(
        &self,
        region: &str,
        execution: &str,
    ) -> Result<String, CloudError> {
        let call = mutation("CancelExecution", region).with("ExecutionId", execution);
        Ok(text(&self.send(&call).await?, "RequestId"))
    }
}

fn date(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn read<'a>(action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(Service::Oos, action, Lane::Read, region)
}

fn mutation<'a>(action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(Service::Oos, action, Lane::Mutation, region)
}

fn newest_first(region: &str) -> Call<'_> {
    read("ListExecutions", region)
        .with("SortField", "StartDate")
        .with("SortOrder", "Descending")
        .with("MaxResults", PAGE)
}

fn tags_json(tags: &[(String, String)]) -> String {
    let map: Map<String, Value> = tags
        .iter()
        .map(|(key, value)| (key.clone(), Value::String(value.clone())))
        .collect();
    Value::Object(map).to_string()
}

fn execution(row: &Value) -> Execution {
    let tags = object(row, "Tags")
        .into_iter()
        .filter_map(|(key, value)| match value {
            Value::String(value) => Some((key, value)),
            Value::Null => Some((key, String::new())),
            Value::Number(_) | Value::Bool(_) => Some((key, value.to_string())),
            Value::Array(_) | Value::Object(_) => None,
        })
        .collect();
    Execution {
        parameters: object(row, "Parameters"),
        tags,
        ..progress(row)
    }
}

fn progress(row: &Value) -> Execution {
    Execution {
        id: text(row, "ExecutionId"),
        parent: some_text(row, "ParentExecutionId"),
        template_name: text(row, "TemplateName"),
        template_version: text(row, "TemplateVersion"),
        status: ExecutionStatus::from(text(row, "Status")),
        status_message: text(row, "StatusMessage"),
        waiting_status: text(row, "WaitingStatus"),
        mode: text(row, "Mode"),
        safety_check: text(row, "SafetyCheck"),
        category: text(row, "Category"),
        executed_by: text(row, "ExecutedBy"),
        start: time(row, "StartDate"),
        end: time(row, "EndDate"),
        updated: time(row, "UpdateDate"),
        parameters: Map::new(),
        counters: object(row, "Counters"),
        current_actions: rows(row, &["CurrentTasks"])
            .iter()
            .filter_map(|task| some_text(task, "TaskAction"))
            .collect(),
        tags: BTreeMap::new(),
    }
}

/// One of the many of an account: without its script, which is long, and every other parameter that is longer than an id.
fn nested(row: &Value) -> Execution {
    let mut execution = execution(row);
    let is_short = |value: &Value| value.as_str().is_some_and(|value| value.len() <= ID_MAX);
    execution.parameters.retain(|_, value| is_short(value));
    execution
}

fn task_execution(row: &Value) -> TaskExecution {
    TaskExecution {
        id: text(row, "TaskExecutionId"),
        name: text(row, "TaskName"),
        action: text(row, "TaskAction"),
        parent: some_text(row, "ParentTaskExecutionId"),
        child_execution: some_text(row, "ChildExecutionId"),
        status: ExecutionStatus::from(text(row, "Status")),
        status_message: text(row, "StatusMessage"),
        start: time(row, "StartDate"),
        end: time(row, "EndDate"),
        loop_batch: integer(row, "LoopBatchNumber"),
        loop_item: loop_item(row),
        outputs: object(row, "Outputs"),
    }
}

/// The item's text, character by character as given: OOS wants it back so.
fn loop_item(row: &Value) -> Option<String> {
    match row.get("LoopItem") {
        // Documented as text; taken apart by nobody, so any other form is kept as JSON.
        Some(item @ (Value::Object(_) | Value::Array(_))) => Some(item.to_string()),
        _ => some_text(row, "LoopItem"),
    }
}
