//! Filters of `ListExecutions` and `ListTaskExecutions`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::oos::engine::Engine;
use crate::oos::execution::{Execution, Task, time_text};
use crate::oos::parameters::same;
use crate::oos::records::tags;
use crate::oos::request::{CATEGORIES, STATUSES, bad_parameter, flag, one_of, optional_text, time};
use crate::oos::switches::OosSwitches;
use crate::oos::view::category;
use crate::params::Params;

/// Inclusive bounds on start and end, as texts that sort like times.
struct Dates {
    start_before: Option<String>,
    start_after: Option<String>,
    end_before: Option<String>,
    end_after: Option<String>,
}

impl Dates {
    fn parse(params: &Params) -> Result<Self, ApiError> {
        let bound = |name: &str| -> Result<Option<String>, ApiError> {
            Ok(time(params, name)?.map(time_text))
        };
        Ok(Self {
            start_before: bound("StartDateBefore")?,
            start_after: bound("StartDateAfter")?,
            end_before: bound("EndDateBefore")?,
            end_after: bound("EndDateAfter")?,
        })
    }

    fn matches(&self, start: Timestamp, end: Option<Timestamp>) -> bool {
        let start = time_text(start);
        let end = end.map(time_text);
        let is_ended = |test: &dyn Fn(&String) -> bool| end.as_ref().is_some_and(test);
        self.start_before.as_ref().is_none_or(|b| start <= *b)
            && self.start_after.as_ref().is_none_or(|b| start >= *b)
            && self
                .end_before
                .as_ref()
                .is_none_or(|b| is_ended(&|end| end <= b))
            && self
                .end_after
                .as_ref()
                .is_none_or(|b| is_ended(&|end| end >= b))
    }
}

pub(super) struct Filters {
    exact: Vec<(&'static str, String)>,
    template_name: Option<String>,
    tags: Map<String, Value>,
    /// Deepest level listed, where neither an id nor a parent is named.
    level: usize,
    dates: Dates,
}

const EXACT: &[&str] = &[
    "ExecutionId",
    "ParentExecutionId",
    "Status",
    "Mode",
    "ExecutedBy",
    "RamRole",
    "Description",
    "ResourceGroupId",
    "ResourceId",
    "ResourceTemplateName",
    "Category",
    "Categories",
];

impl Filters {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let mut exact = Vec::new();
        for name in EXACT {
            if let Some(value) = optional_text(params, name)? {
                exact.push((*name, value));
            }
        }
        let include = flag(params, "IncludeChildExecution")?.unwrap_or(false);
        let depth = optional_text(params, "Depth")?;
        if include && depth.is_some() {
            let reason = "cannot be combined with IncludeChildExecution";
            return Err(bad_parameter("Depth", reason));
        }
        let level = match depth.as_deref() {
            None if include => usize::MAX,
            None | Some("RootDepth") => 0,
            Some("FirstChildDepth") => 1,
            Some(_) => {
                return Err(bad_parameter(
                    "Depth",
                    "must be RootDepth or FirstChildDepth",
                ));
            }
        };
        let found = Self {
            exact,
            template_name: optional_text(params, "TemplateName")?,
            tags: tag_filter(params)?,
            level,
            dates: Dates::parse(params)?,
        };
        one_of(params, "Status", STATUSES)?;
        one_of(params, "Mode", &["Automatic", "FailurePause", "Debug"])?;
        one_of(params, "Category", CATEGORIES)?;
        check_categories(params)?;
        Ok(found)
    }

    pub(super) fn matches(
        &self,
        engine: &Engine,
        execution: &Execution,
        switches: &OosSwitches,
        now: Timestamp,
    ) -> bool {
        let age = now.duration_since(execution.created);
        let older_than = |seconds: u32| age >= SignedDuration::from_secs(i64::from(seconds));
        if !older_than(switches.list_lag_seconds) {
            return false;
        }
        if !self.tags.is_empty() {
            let has_all = self
                .tags
                .iter()
                .all(|(k, v)| execution.tags.get(k).is_some_and(|own| same(own, v)));
            if !has_all || !older_than(switches.tag_lag_seconds) {
                return false;
            }
        }
        let mut named = false;
        for (name, wanted) in &self.exact {
            let own = match *name {
                "ExecutionId" => {
                    named = true;
                    execution.id.as_str()
                }
                "ParentExecutionId" => {
                    named = true;
                    execution.parent_id.as_str()
                }
                "Status" => execution.status.name(),
                "Mode" => execution.mode.name(),
                "ExecutedBy" => execution.starter.principal.as_str(),
                "RamRole" => execution.ram_role.as_str(),
                "Description" => execution.description.as_str(),
                "ResourceGroupId" => execution.resource_group.as_str(),
                "ResourceId" => {
                    if !touches(engine, execution, wanted) {
                        return false;
                    }
                    continue;
                }
                "Category" | "Categories" => {
                    if !wanted.contains(category(execution)) {
                        return false;
                    }
                    continue;
                }
                _ => "",
            };
            if own != wanted {
                return false;
            }
        }
        (named || execution.level <= self.level && (self.level > 0 || execution.is_root()))
            && self
                .template_name
                .as_ref()
                .is_none_or(|part| execution.template.name.contains(part.as_str()))
            && self.dates.matches(execution.created, execution.ended)
    }
}

/// Whether an ECS instance is named by an execution's parameters or by those of its children.
fn touches(engine: &Engine, execution: &Execution, instance: &str) -> bool {
    let names_it = |e: &Execution| e.parameters.values().any(|v| v.as_str() == Some(instance));
    names_it(execution)
        || execution
            .children
            .iter()
            .filter_map(|child| engine.executions.get(child))
            .any(names_it)
}

pub(super) struct TaskFilters {
    exact: Vec<(&'static str, String)>,
    include_children: bool,
    dates: Dates,
}

impl TaskFilters {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let mut exact = Vec::new();
        for name in [
            "ExecutionId",
            "TaskExecutionId",
            "ParentTaskExecutionId",
            "TaskName",
            "TaskAction",
            "Status",
        ] {
            let value = match name {
                "Status" => one_of(params, name, STATUSES)?,
                _ => optional_text(params, name)?,
            };
            if let Some(value) = value {
                exact.push((name, value));
            }
        }
        Ok(Self {
            exact,
            include_children: flag(params, "IncludeChildTaskExecution")?.unwrap_or(false),
            dates: Dates::parse(params)?,
        })
    }

    /// The execution whose tasks are asked for, if the request names one.
    pub(super) fn execution(&self) -> Option<&str> {
        let named = self.exact.iter().find(|(name, _)| *name == "ExecutionId");
        named.map(|(_, id)| id.as_str())
    }

    pub(super) fn matches(&self, execution: &Execution, task: &Task) -> bool {
        let spec = &execution.template.parsed.tasks[task.spec];
        let mut named = false;
        for (name, wanted) in &self.exact {
            let own = match *name {
                "ExecutionId" => execution.id.as_str(),
                "TaskExecutionId" => {
                    named = true;
                    task.id.as_str()
                }
                "ParentTaskExecutionId" => {
                    named = true;
                    task.parent
                        .map(|parent| execution.tasks[parent].id.as_str())
                        .unwrap_or_default()
                }
                "TaskName" => spec.name.as_str(),
                "TaskAction" => spec.action.as_str(),
                _ => task.status.name(),
            };
            if own != wanted {
                return false;
            }
        }
        (named || self.include_children || task.parent.is_none())
            && self.dates.matches(task.created, task.ended)
    }
}

/// `Categories`: more than one, as a list or as its text.
fn check_categories(params: &Params) -> Result<(), ApiError> {
    let text = optional_text(params, "Categories")?.unwrap_or_default();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let mut names = text.split(|c| !is_of_name(c));
    match names.all(|name| name.is_empty() || CATEGORIES.contains(&name)) {
        true => Ok(()),
        false => {
            let reason = format!("must be some of {}", CATEGORIES.join(", "));
            Err(bad_parameter("Categories", &reason))
        }
    }
}

/// Tags given as JSON object, in a filter.
fn tag_filter(params: &Params) -> Result<Map<String, Value>, ApiError> {
    Ok(tags(params, "Tags")?.unwrap_or_default())
}
