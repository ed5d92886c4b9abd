//! When images are built.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules::dated;

/// When runs are due: at one time, or again and again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.at) != has(self.cron)")
        .message("set spec.schedule.at or spec.schedule.cron"),
    validation = Rule::new("has(self.cron) || (!has(self.timeZone) && !has(self.notBefore) && !has(self.notAfter))")
        .message("spec.schedule.timeZone, notBefore and notAfter go with cron; spec.schedule.at has its zone in itself"),
    validation = Rule::new("!has(self.notBefore) || !has(self.notAfter) || timestamp(self.notBefore) <= timestamp(self.notAfter)")
        .message("spec.schedule.notAfter is before notBefore"),
    validation = Rule::new("!has(self.cron) || !self.cron.contains('TZ')")
        .message("name the time zone in spec.schedule.timeZone, not in spec.schedule.cron"),
    validation = dated("at"),
    validation = dated("notBefore"),
    validation = dated("notAfter"),
)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Once, at this time (RFC 3339, a fraction of a second is left off). One that is not later than
    /// the creation of the object counts as missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Again and again: minute, hour, day of month, month, day of week, as for a CronJob, without a
    /// field for seconds; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub cron: Option<String>,
    /// The time zone of `cron` by its IANA name, for instance `Asia/Shanghai`. Default: UTC. A time
    /// that the change to summer time leaves out is due when the gap ends; one that comes twice is
    /// due once, the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// No run is due before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// No run is due after this time; then the task has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}
