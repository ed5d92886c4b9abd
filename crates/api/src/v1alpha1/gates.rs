//! What has to be so before an update goes on to its next batch, whoever wants it to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_default, is_false, is_zero};

/// What has to be so after a batch before the next one begins. It is asked besides what the suspension
/// policy asks of a person, and needs no person itself.
///
/// Its rules go with its fields where they stand in another spec, so their messages name no path.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.alarms) || has(self.loadBalancer) || (has(self.metrics) && size(self.metrics) > 0) || (has(self.webhooks) && size(self.webhooks) > 0) || !(has(self.intervalSeconds) || has(self.consecutivePasses) || has(self.timeoutSeconds) || has(self.onFailed) || has(self.onInconclusive))")
        .message("intervalSeconds, consecutivePasses, timeoutSeconds, onFailed and onInconclusive are about checks: set alarms, loadBalancer, metrics or webhooks"),
)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// How long a batch is in service before the next one begins, in seconds, up to two days: counted from when
    /// the operator sees that all of it has ended. After the last batch that is `finalSoakSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 172800))]
    pub soak_seconds: Option<i32>,

    /// How long the update is watched after its last batch, in seconds, up to two days, before it is `Verified`. The group is put
    /// back by then; the next update waits. Default: 0; load balancers are asked in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 172800))]
    pub final_soak_seconds: Option<i32>,

    /// Alarms that must not be in ALARM: when the update begins, while a batch is under way, while it soaks, and then until
    /// the next one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<AlarmGate>,

    /// The health of instances as the load balancers of the scaling group find it, after the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancerGate>,

    /// Measurements after the batch: what PromQL expressions come to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 10),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub metrics: Vec<MetricGate>,

    /// Programs that are asked after the batch whether all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 5),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub webhooks: Vec<WebhookGate>,

    /// How often the checks are made, in seconds. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 15, max = 600))]
    pub interval_seconds: Option<i32>,

    /// How many times in a row all checks have to pass after the soak before the next batch begins. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub consecutive_passes: Option<i32>,

    /// How long after the soak the checks may neither pass nor fail, in seconds, before `onInconclusive` says what is done.
    /// Default: 1800, half an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 172800))]
    pub timeout_seconds: Option<i32>,

    /// What is done once a check has failed. Default: Hold, the update waits for a person in the pause after the batch.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failed: GateFailurePolicy,

    /// What is done once the checks have neither passed nor failed for `timeoutSeconds`. Default: Hold, the update waits for a
    /// person.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_inconclusive: InconclusivePolicy,
}

impl Gates {
    /// The default of `intervalSeconds`.
    pub const INTERVAL: i32 = 30;
    /// The default of `consecutivePasses`.
    pub const PASSES: i32 = 2;
    /// The default of `timeoutSeconds`.
    pub const TIMEOUT: i32 = 1800;

    /// Whether anything is checked, a soak alone being no check.
    pub fn has_checks(&self) -> bool {
        self.alarms.is_some()
            || self.load_balancer.is_some()
            || !self.metrics.is_empty()
            || !self.webhooks.is_empty()
    }
}

/// Alarms, by their ids or because they are the scaling group's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(has(self.ruleIds) && size(self.ruleIds) > 0) || (has(self.fromScalingGroup) && self.fromScalingGroup)")
        .message("name alarms in ruleIds, or set fromScalingGroup"),
)]
#[serde(rename_all = "camelCase")]
pub struct AlarmGate {
    /// Alert rules of CloudMonitor, by their ids. One that does not exist, or is disabled, keeps the update from beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub rule_ids: Vec<String>,

    /// All enabled alarms of the scaling group: its event-triggered tasks in ESS, and the alert rules of its application group in
    /// CloudMonitor. There has to be one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_scaling_group: bool,

    /// What an alarm comes to that has too little data. Default: Inconclusive.
    #[serde(default, skip_serializing_if = "is_default")]
    pub insufficient_data: InsufficientData,
}

/// The health of backend servers, in every server group of CLB, ALB and NLB that the scaling group puts its instances into. An
/// instance is healthy where it is in the server group, with a weight, and every listener that forwards to it finds it so.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerGate {
    /// Which instances are looked at. Default: Batch, those that the batch has updated.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: BalancedInstances,

    /// For how long after the end of a batch an instance may be found unhealthy before that is a failure, in seconds: it has
    /// just begun to serve again. Until then the update waits. Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 7200))]
    pub grace_period_seconds: Option<i32>,
}

impl LoadBalancerGate {
    /// The default of `gracePeriodSeconds`.
    pub const GRACE_PERIOD: i32 = 120;
}

/// Which instances the load balancers are asked about.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum BalancedInstances {
    /// Those that the batch has updated.
    #[default]
    Batch,
    /// All that are in service. An update does not begin while one of them is unhealthy.
    Group,
}

/// A measurement: a PromQL expression that comes to one number, and from where on that is well, or is not. With limits of one kind
/// alone everything else is the other; with both, what lies between is neither, and the update waits.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.passBelow) || has(self.passAbove) || has(self.failBelow) || has(self.failAbove)")
        .message("say from where on a value is well, or is not: passBelow, passAbove, failBelow, failAbove"),
    validation = Rule::new("!(has(self.passBelow) && has(self.failAbove)) || double(self.passBelow) <= double(self.failAbove)")
        .message("failAbove must not be less than passBelow: a value in between would both pass and fail"),
    validation = Rule::new("!(has(self.passAbove) && has(self.failBelow)) || double(self.failBelow) <= double(self.passAbove)")
        .message("failBelow must not be more than passAbove: a value in between would both pass and fail"),
    validation = Rule::new("!(has(self.passAbove) && has(self.passBelow)) || double(self.passAbove) < double(self.passBelow)")
        .message("passAbove must be less than passBelow: no value would pass"),
    validation = Rule::new("!(has(self.failBelow) && has(self.failAbove)) || double(self.failBelow) <= double(self.failAbove)")
        .message("failBelow must not be more than failAbove: every value would fail"),
)]
#[serde(rename_all = "camelCase")]
pub struct MetricGate {
    /// Its name, in status and Events.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,

    /// The endpoint that is asked, by its name in the operator's configuration (chart value `gateEndpoints`).
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub source: String,

    /// A PromQL expression that comes to one number. `$group` and `$region` are the scaling group's, `$batch` the number of the
    /// batch, `$instances` and `$ips` the ids and private addresses of the instances that it has updated, separated by `|`, for
    /// `=~`; `$$` is a dollar sign.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,

    /// It is well below this. A decimal number, as a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    pub pass_below: Option<String>,

    /// It is well above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    pub pass_above: Option<String>,

    /// It is not, below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    pub fail_below: Option<String>,

    /// It is not, above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    pub fail_above: Option<String>,

    /// For how long after the end of a batch it is not asked, in seconds: what a window of the expression still holds of the batch
    /// itself. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 7200))]
    pub initial_delay_seconds: Option<i32>,
}

/// A program that says whether a batch is well.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookGate {
    /// Its name, in status and Events.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,

    /// The endpoint that is asked, by its name in the operator's configuration (chart value `gateEndpoints`).
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub target: String,
}

/// What is done once a check has failed.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum GateFailurePolicy {
    /// The update waits for a person in the pause after the batch.
    #[default]
    Hold,
    /// It is cancelled at once, in the middle of a batch too, and the group is put back.
    Cancel,
    /// A Rollback is created that undoes it: it takes the group over in a pause; in the middle of a batch the update is cancelled
    /// first. An update whose way back is not known does not begin.
    Rollback,
}

/// What is done once the checks have neither passed nor failed for too long.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum InconclusivePolicy {
    /// The update waits for a person.
    #[default]
    Hold,
    /// As if a check had failed: see `onFailed`.
    Fail,
}

/// What an alarm comes to that has too little data.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum InsufficientData {
    /// Neither passed nor failed.
    #[default]
    Inconclusive,
    /// Passed: of what measures errors, no data may be none.
    Pass,
}

/// What the checks came to after a batch, or while it is under way.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// The number of the pause that it is about: that after the batch which is under way, or has ended.
    pub pause_id: i32,
    /// Since when, after the soak, the checks have been made; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How many times in a row all of them have passed since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passes: i32,
    /// When they last did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pass_time: Option<Time>,
    /// When a person last had the checks made again: answers from before that do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_time: Option<Time>,
    /// What a person is to decide about; absent as long as nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<GateVerdict>,
    /// The checks, as they last were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 18), extend("x-kubernetes-list-type" = "atomic"))]
    pub checks: Vec<CheckStatus>,
}

/// That checks failed, or came to nothing in time.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateVerdict {
    /// Fail or Inconclusive.
    pub verdict: Verdict,
    /// When it was found.
    pub time: Time,
    /// Which check, and what of it.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What a check comes to.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Verdict {
    /// All is well.
    Pass,
    /// It is not.
    Fail,
    /// Neither is known.
    Inconclusive,
}

/// A check, as it last was.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// Which: `alarms.ruleIds`, `alarms.fromScalingGroup`, `loadBalancer`, `metrics.NAME`, `webhooks.NAME`.
    #[schemars(length(max = 64))]
    pub name: String,
    /// What it came to.
    pub verdict: Verdict,
    /// Since when it has come to that.
    pub since: Time,
    /// Of a measurement: what it came to then. It is not written at each look.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub value: String,
    /// Why; empty: it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
}
