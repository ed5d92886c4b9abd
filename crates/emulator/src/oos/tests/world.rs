//! A world small enough to script: one scaling group, its instances, a virtual clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::oos::{Caller, Engine, Host, OosSwitches, Params};

pub(super) const GROUP: &str = "asg-1";

pub(super) struct Instance {
    pub(super) state: String,
    pub(super) status: String,
    pub(super) image: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Exit codes of the next commands; 0 once they are used up.
    pub(super) exit_codes: VecDeque<i64>,
}

/// One call that reached the cloud.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) by: String,
    pub(super) name: String,
    pub(super) params: Params,
}

pub(super) struct World {
    now: Timestamp,
    wakes: BTreeSet<Timestamp>,
    ids: u64,
    pub(super) switches: OosSwitches,
    pub(super) calls: Vec<Call>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) suspended: BTreeSet<String>,
    pub(super) configuration_image: String,
    invocations: BTreeMap<String, (String, i64, Timestamp)>,
    /// Refusals by action: the next calls of it get them, first come first served.
    pub(super) refusals: BTreeMap<String, VecDeque<ApiError>>,
    pub(super) denied: BTreeSet<String>,
    /// Answers to actions of the service `TEST`, first come first served; the last one stays.
    pub(super) answers: BTreeMap<String, VecDeque<Value>>,
}

impl World {
    pub(super) fn new(instances: &[&str]) -> Self {
        Self {
            now: "2024-05-06T07:00:00Z".parse().unwrap(),
            wakes: BTreeSet::new(),
            ids: 0,
            switches: OosSwitches::default(),
            calls: Vec::new(),
            instances: instances
                .iter()
                .map(|id| {
                    let instance = Instance {
                        state: "InService".into(),
                        status: "Running".into(),
                        image: "m-old".into(),
                        tags: BTreeMap::new(),
                        exit_codes: VecDeque::new(),
                    };
                    ((*id).to_owned(), instance)
                })
                .collect(),
            suspended: BTreeSet::new(),
            configuration_image: "m-old".into(),
            invocations: BTreeMap::new(),
            refusals: BTreeMap::new(),
            denied: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.name.as_str()).collect()
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.calls.iter().filter(|call| call.name == name).count()
    }

    fn ess(&mut self, action: &str, params: &Params) -> Result<Value, ApiError> {
        let text = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or("");
        match action.to_ascii_lowercase().as_str() {
            "describescalinginstances" => {
                let states = params.get("LifecycleStates").cloned();
                let rows: Vec<Value> = self
                    .instances
                    .iter()
                    .filter(|(id, i)| {
                        let by_id = params.get("InstanceId.1").is_none_or(|want| *want == **id);
                        let by_state = states
                            .as_ref()
                            .and_then(Value::as_array)
                            .is_none_or(|s| s.contains(&json!(i.state)));
                        by_id && by_state
                    })
                    .map(|(id, i)| json!({"InstanceId": id, "LifecycleState": i.state}))
                    .collect();
                let size = params.get("PageSize").and_then(Value::as_u64).unwrap_or(10) as usize;
                let page = params
                    .get("PageNumber")
                    .and_then(Value::as_u64)
                    .unwrap_or(1) as usize;
                let total = rows.len();
                let rows: Vec<Value> = rows
                    .into_iter()
                    .skip((page - 1) * size)
                    .take(size)
                    .collect();
                Ok(json!({
                    "PageNumber": page, "PageSize": size, "TotalCount": total,
                    "ScalingInstances": {"ScalingInstance": rows},
                }))
            }
            "suspendprocesses" | "resumeprocesses" => {
                let list = params.get("Process").and_then(Value::as_array).cloned();
                let list = list.unwrap_or_default();
                if list.is_empty() {
                    return Err(ApiError::new(
                        400,
                        "MissingParameter",
                        "Process.1 is mandatory.",
                    ));
                }
                for process in list {
                    let process = process.as_str().unwrap_or("").to_owned();
                    if action == "SuspendProcesses" {
                        self.suspended.insert(process);
                    } else {
                        self.suspended.remove(&process);
                    }
                }
                Ok(json!({}))
            }
            "modifyscalingconfiguration" => {
                self.configuration_image = text("ImageId").to_owned();
                Ok(json!({}))
            }
            "describescalinggroups" => Ok(json!({"ScalingGroups": {"ScalingGroup": [
                {"ScalingGroupId": GROUP, "ActiveScalingConfigurationId": "asc-1"}]}})),
            "describescalingconfigurations" => {
                Ok(json!({"ScalingConfigurations": {"ScalingConfiguration": [
                    {"ScalingConfigurationId": "asc-1", "KeyPairName": "key", "UserData": "ZGF0YQ=="}]}}))
            }
            "enterstandby" | "exitstandby" | "setinstancesprotection" => {
                let protects = params.get("ProtectedFromScaleIn") == Some(&json!(true));
                let instance = self
                    .instances
                    .get_mut(text("InstanceId.1"))
                    .ok_or_else(|| ApiError::new(404, "InvalidInstanceId.NotFound", "gone"))?;
                instance.state = match action {
                    "EnterStandby" => "Standby",
                    "SetInstancesProtection" if protects => "Protected",
                    _ => "InService",
                }
                .to_owned();
                Ok(json!({}))
            }
            _ => Err(ApiError::new(404, "InvalidAction.NotFound", action)),
        }
    }

    fn ecs(&mut self, action: &str, params: &Params) -> Result<Value, ApiError> {
        let text = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or("");
        let now = self.now;
        if matches!(
            action,
            "StopInstance" | "StartInstance" | "ReplaceSystemDisk"
        ) {
            let instance = self
                .instances
                .get_mut(text("InstanceId"))
                .ok_or_else(|| bad("InstanceId"))?;
            match action {
                "StopInstance" => instance.status = "Stopped".into(),
                "StartInstance" => instance.status = "Running".into(),
                _ => {
                    instance.image = text("ImageId").to_owned();
                    return Ok(json!({"DiskId": format!("d-{}", text("InstanceId"))}));
                }
            }
            return Ok(json!({}));
        }
        match action {
            "DescribeInstances" => {
                let ids: Option<Vec<String>> = match params.get("InstanceIds") {
                    None => None,
                    Some(_) => Some(
                        serde_json::from_str(text("InstanceIds"))
                            .map_err(|_| bad("InstanceIds"))?,
                    ),
                };
                let tags = params.get("Tag").and_then(Value::as_array);
                let has = |i: &Instance, tag: &Value| {
                    let key = tag["Key"].as_str().unwrap_or("");
                    i.tags.get(key).is_some_and(|v| tag["Value"] == *v)
                };
                let rows: Vec<Value> = self
                    .instances
                    .iter()
                    .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(id)))
                    .filter(|(_, i)| tags.into_iter().flatten().all(|tag| has(i, tag)))
                    .map(|(id, i)| {
                        json!({"InstanceId": id, "Status": i.status, "ResourceGroupId": "rg-1"})
                    })
                    .collect();
                Ok(json!({"Instances": {"Instance": rows}}))
            }
            "CreateImage" => Ok(json!({"ImageId": "m-made"})),
            "DescribeImages" => {
                Ok(json!({"Images": {"Image": [{"ImageId": "m-made", "Status": "Available"}]}}))
            }
            "DescribeDisks" => Ok(json!({"Disks": {"Disk": [{"Status": "In_use"}]}})),
            "ModifyInstanceAttribute" => Ok(json!({})),
            "RunCommand" => {
                let id = text("InstanceId.1").to_owned();
                let instance = self
                    .instances
                    .get_mut(&id)
                    .ok_or_else(|| bad("InstanceId"))?;
                let code = instance.exit_codes.pop_front();
                let invoke = format!("t-{}", self.invocations.len() + 1);
                self.invocations
                    .insert(invoke.clone(), (id, code.unwrap_or(0), now));
                Ok(json!({"CommandId": "c-1", "InvokeId": invoke}))
            }
            "DescribeInvocations" => {
                let (_, _, since) = self
                    .invocations
                    .get(text("InvokeId"))
                    .ok_or_else(|| bad("InvokeId"))?;
                let is_done = now.duration_since(*since) >= SignedDuration::from_secs(5);
                let status = if is_done { "Finished" } else { "Running" };
                Ok(json!({"Invocations": {"Invocation": [{"InvokeStatus": status}]}}))
            }
            "DescribeInvocationResults" => {
                let (id, code, _) = self
                    .invocations
                    .get(text("InvokeId"))
                    .ok_or_else(|| bad("InvokeId"))?;
                Ok(
                    json!({"Invocation": {"InvocationResults": {"InvocationResult": [
                    {"InstanceId": id, "ExitCode": code, "Output": "b2sK"}]}}}),
                )
            }
            "TagResources" => {
                let instance = self
                    .instances
                    .get_mut(text("ResourceId.1"))
                    .ok_or_else(|| bad("ResourceId.1"))?;
                instance
                    .tags
                    .insert(text("Tag.1.Key").to_owned(), text("Tag.1.Value").to_owned());
                Ok(json!({}))
            }
            _ => Err(ApiError::new(404, "InvalidAction.NotFound", action)),
        }
    }
}

fn bad(name: &str) -> ApiError {
    ApiError::new(400, "InvalidParameter", name)
}

impl Host for World {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn call(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let request_id = self.admit(caller, region, service, action, params)?;
        let answer = match service {
            "ESS" => self.ess(action, params),
            "ECS" => self.ecs(action, params),
            _ => match self.answers.get_mut(action) {
                Some(queue) if queue.len() > 1 => Ok(queue.pop_front().unwrap()),
                Some(queue) => Ok(queue[0].clone()),
                None => Err(ApiError::new(404, "InvalidAction.NotFound", action)),
            },
        };
        answer.map_err(|mut e| {
            e.request_id = Some(request_id);
            e
        })
    }

    fn admit(
        &mut self,
        caller: &Caller,
        _region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<String, ApiError> {
        let request_id = self.fresh_id("REQ-");
        self.calls.push(Call {
            by: caller.principal.clone(),
            name: action.to_owned(),
            params: params.clone(),
        });
        let refusal = self
            .refusals
            .get_mut(action)
            .and_then(VecDeque::pop_front)
            .or_else(|| {
                let name = format!("{}:{action}", service.to_lowercase());
                self.denied
                    .contains(&name)
                    .then(|| ApiError::new(403, "Forbidden.RAM", format!("{name} is denied")))
            });
        match refusal {
            Some(mut e) => {
                e.request_id = Some(request_id);
                Err(e)
            }
            None => Ok(request_id),
        }
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.wakes.insert(at);
    }

    fn fresh_id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{:06}", self.ids)
    }

    fn assume_role(&self, caller: &Caller, role: &str) -> Result<Caller, ApiError> {
        if role != "OOSServiceRole" {
            return Err(ApiError::new(400, "AssumeRoleNotExist", role));
        }
        Ok(Caller {
            principal: format!("role/{role}"),
            account_id: caller.account_id.clone(),
        })
    }

    fn switches(&self) -> &OosSwitches {
        &self.switches
    }
}

/// A world with an engine in it.
pub(super) struct Cloud {
    pub(super) world: World,
    pub(super) engine: Engine,
}

pub(super) const REGION: &str = "cn-hangzhou";

impl Cloud {
    pub(super) fn new(instances: &[&str]) -> Self {
        Self {
            world: World::new(instances),
            engine: Engine::new(),
        }
    }

    pub(super) fn ask(&mut self, action: &str, params: Value) -> Result<Value, ApiError> {
        self.ask_as("someone", action, params)
    }

    pub(super) fn ask_as(
        &mut self,
        who: &str,
        action: &str,
        params: Value,
    ) -> Result<Value, ApiError> {
        let Value::Object(params) = params else {
            panic!("parameters are an object");
        };
        let caller = Caller {
            principal: who.into(),
            account_id: "1000".into(),
        };
        self.engine
            .handle(&mut self.world, &caller, REGION, action, &params)
    }

    /// Starts an execution and gives its id.
    pub(super) fn start(&mut self, params: Value) -> String {
        let answer = self.ask("StartExecution", params).unwrap();
        answer["Execution"]["ExecutionId"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Lets virtual time pass, stopping at each wake-up.
    pub(super) fn pass(&mut self, seconds: i64) {
        let end = self.world.now + SignedDuration::from_secs(seconds);
        while let Some(at) = self.world.wakes.pop_first() {
            if at > end {
                self.world.wakes.insert(at);
                break;
            }
            self.world.now = self.world.now.max(at);
            self.engine.wake(&mut self.world);
        }
        self.world.now = end;
        self.engine.wake(&mut self.world);
    }

    /// Lets time pass until nothing is due any more: all is final or waits for somebody.
    pub(super) fn settle(&mut self) {
        while self.wake_next() {}
    }

    /// Lets time pass until something is due, and that be done; whether something was.
    pub(super) fn wake_next(&mut self) -> bool {
        let Some(at) = self.world.wakes.pop_first() else {
            return false;
        };
        self.world.now = self.world.now.max(at);
        self.engine.wake(&mut self.world);
        true
    }

    pub(super) fn execution(&mut self, id: &str) -> Value {
        let list = self
            .ask("ListExecutions", json!({"ExecutionId": id}))
            .unwrap();
        list["Executions"][0].clone()
    }

    pub(super) fn status(&mut self, id: &str) -> String {
        self.execution(id)["Status"].as_str().unwrap().to_owned()
    }

    /// Direct children, oldest first.
    pub(super) fn children(&mut self, id: &str) -> Vec<Value> {
        let params = json!({
            "ParentExecutionId": id, "MaxResults": 100, "SortOrder": "Ascending",
        });
        let list = self.ask("ListExecutions", params).unwrap();
        list["Executions"].as_array().unwrap().clone()
    }

    /// Loop child tasks, oldest first.
    pub(super) fn items(&mut self, id: &str) -> Vec<Value> {
        let params = json!({
            "ExecutionId": id, "IncludeChildTaskExecution": true, "MaxResults": 100,
            "SortOrder": "Ascending",
        });
        let list = self.ask("ListTaskExecutions", params).unwrap();
        list["TaskExecutions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|task| task.get("LoopItem").is_some())
            .cloned()
            .collect()
    }

    /// Runs a template given as text to its end (or pause); gives the execution.
    pub(super) fn run(&mut self, content: &str, parameters: Value) -> Value {
        let id = self.start(json!({
            "TemplateContent": content, "Parameters": parameters.to_string(),
        }));
        self.settle();
        self.execution(&id)
    }
}
