//! A cloud in one thread, and short words for what the tests do with it.

use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::fixture::Fixture;
use ess_emulator::front::{Request, Response};
use ess_emulator::oos::Caller;
use ess_emulator::params::nest;
use ess_emulator::state::call::{Call, EssVersion, Outcome, Service};
use ess_emulator::state::faults::Fault;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub const REGION: &str = "cn-hangzhou";
pub const ACCOUNT: &str = "1000000000000001";
pub const SMALL: &str = include_str!("../../fixtures/small.yaml");

/// A cloud from a fixture's text.
pub fn cloud(yaml: &str) -> Cloud {
    Cloud::new(&Fixture::parse(yaml).unwrap()).unwrap()
}

/// The small fixture with more lines at its end.
pub fn small(more: &str) -> Cloud {
    cloud(&format!("{SMALL}\n{more}"))
}

/// The parts of a call that tests vary.
pub struct Ask<'a> {
    pub by: &'a str,
    pub version: EssVersion,
    pub region: &'a str,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            by: "admin",
            version: EssVersion::V2022,
            region: REGION,
        }
    }
}

impl Ask<'_> {
    pub fn outcome(
        &self,
        cloud: &mut Cloud,
        service: Service,
        action: &str,
        params: Value,
    ) -> Outcome {
        let mut params = params.as_object().unwrap().clone();
        params.entry("RegionId").or_insert(json!(self.region));
        cloud.call(Call {
            caller: Caller {
                principal: self.by.into(),
                account_id: ACCOUNT.into(),
            },
            region: self.region.into(),
            service,
            action: action.into(),
            version: self.version,
            params: nest(&params),
            by_oos: false,
            wall_now: cloud.now(),
        })
    }

    pub fn call(
        &self,
        cloud: &mut Cloud,
        service: Service,
        action: &str,
        params: Value,
    ) -> Result<Value, ApiError> {
        match self.outcome(cloud, service, action, params) {
            Outcome::Answered(result) => result,
            other => panic!("an answer at once was expected, not {other:?}"),
        }
    }
}

pub fn ess(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Ess, action, params)
}

pub fn ecs(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Ecs, action, params)
}

pub fn oos(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Oos, action, params)
}

pub fn eci(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Eci, action, params)
}

/// A call as templates make it, in the 2014 spelling of ESS.
pub fn ess_2014(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    let old = Ask {
        version: EssVersion::V2014,
        ..Ask::default()
    };
    old.call(cloud, Service::Ess, action, params)
}

/// Starts an execution and gives its id.
pub fn start(cloud: &mut Cloud, mode: &str, template: &str, parameters: &Value) -> String {
    let ask = json!({"TemplateName": template, "Mode": mode, "Parameters": parameters.to_string()});
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    answer["Execution"]["ExecutionId"].as_str().unwrap().into()
}

pub fn execution(cloud: &mut Cloud, id: &str) -> Value {
    let list = oos(cloud, "ListExecutions", json!({"ExecutionId": id})).unwrap();
    list["Executions"][0].clone()
}

/// Direct children, oldest first.
pub fn children(cloud: &mut Cloud, id: &str) -> Vec<Value> {
    let ask = json!({"ParentExecutionId": id, "MaxResults": 100, "SortOrder": "Ascending"});
    let list = oos(cloud, "ListExecutions", ask).unwrap();
    list["Executions"].as_array().unwrap().clone()
}

/// Retries the failed loop items of an execution that is suspended upon failure.
pub fn retry_failed(cloud: &mut Cloud, id: &str) {
    let ask = json!({"ExecutionId": id, "IncludeChildTaskExecution": true, "MaxResults": 100});
    let list = oos(cloud, "ListTaskExecutions", ask).unwrap();
    let failed = list["TaskExecutions"].as_array().unwrap().clone();
    for item in failed {
        if item["Status"] == "Failed" && item.get("LoopItem").is_some() {
            let ask = json!({
                "ExecutionId": id, "NotifyType": "RetryTask",
                "TaskExecutionId": item["TaskExecutionId"], "LoopItem": item["LoopItem"],
            });
            oos(cloud, "NotifyExecution", ask).unwrap();
        }
    }
}

/// The actions that executions called, in order, without reads.
pub fn changes_by_oos(cloud: &Cloud) -> Vec<String> {
    cloud
        .world
        .journal
        .since(0)
        .filter(|e| e.by_oos && !e.action.starts_with("Describe") && !e.action.starts_with("List"))
        .map(|e| e.action.clone())
        .collect()
}

/// The code of a refusal.
pub fn code(result: Result<Value, ApiError>) -> String {
    result.map_or_else(
        |error| error.code,
        |answer| panic!("refusal expected, not {answer}"),
    )
}

/// Lets virtual seconds pass.
pub fn pass(cloud: &mut Cloud, seconds: i64) {
    let to = cloud.now() + SignedDuration::from_secs(seconds);
    cloud.advance_to(to);
}

pub fn fault(cloud: &mut Cloud, fault: Value) {
    let fault: Fault = serde_json::from_value(fault).unwrap();
    let now = cloud.now();
    cloud.world.faults.add(fault, now);
}

/// (lifecycle state, weight) of a member, as ESS says.
pub fn member(cloud: &mut Cloud, id: &str) -> Option<(String, u64)> {
    let answer = ess(
        cloud,
        "DescribeScalingInstances",
        json!({"InstanceIds.1": id}),
    )
    .unwrap();
    let row = answer["ScalingInstances"]
        .as_array()
        .unwrap()
        .first()?
        .clone();
    Some((
        row["LifecycleState"].as_str().unwrap().into(),
        row["LoadBalancerWeight"].as_u64().unwrap(),
    ))
}

pub fn instance(cloud: &mut Cloud, id: &str) -> Option<Value> {
    let ids = json!([id]).to_string();
    let answer = ecs(cloud, "DescribeInstances", json!({"InstanceIds": ids})).unwrap();
    answer["Instances"]["Instance"]
        .as_array()
        .unwrap()
        .first()
        .cloned()
}

pub fn status(cloud: &mut Cloud, id: &str) -> String {
    instance(cloud, id).map_or("gone".into(), |i| i["Status"].as_str().unwrap().into())
}

/// Ids of the members of a group.
pub fn members(cloud: &mut Cloud, group: &str) -> Vec<String> {
    let params = json!({"ScalingGroupId": group, "PageSize": 100});
    let answer = ess(cloud, "DescribeScalingInstances", params).unwrap();
    let rows = answer["ScalingInstances"].as_array().unwrap();
    rows.iter()
        .map(|r| r["InstanceId"].as_str().unwrap().into())
        .collect()
}

/// A request to the control API and its answer.
pub fn control(cloud: &mut Cloud, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = Request {
        method: method.into(),
        path: format!("/_emulator/{path}"),
        query: query.into(),
        headers: Vec::new(),
        body: if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        },
    };
    let Response { status, body, .. } =
        ess_emulator::control::handle(cloud, &request, Timestamp::UNIX_EPOCH);
    (status, serde_json::from_slice(&body).unwrap())
}
