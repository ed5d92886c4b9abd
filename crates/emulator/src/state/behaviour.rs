//! How the emulated cloud behaves: how long things take, and what the documentation leaves open.

use serde::{Deserialize, Serialize};

use super::rates::Rates;
use crate::oos::OosSwitches;
use crate::params::object;

/// How long things take, in virtual seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Durations {
    pub stop_instance: f64,
    pub start_instance: f64,
    pub replace_system_disk: f64,
    /// A command for which no rule gives a duration.
    pub command: f64,
    pub scale_out: f64,
    pub scale_in: f64,
    /// How long after it became true ESS notices an unhealthy instance or a missing one.
    pub health_check: f64,
    pub create_image: f64,
    /// A copy of an image in another region.
    pub copy_image: f64,
    /// A snapshot for which no rule gives a duration.
    pub create_snapshot: f64,
    pub create_disk: f64,
    pub attach_disk: f64,
    pub detach_disk: f64,
    /// ResetDisk and ReInitDisk.
    pub reset_disk: f64,
    /// How long a new instance is Pending.
    pub create_instance: f64,
    /// A file for which no rule gives a duration.
    pub send_file: f64,
    /// An update of a container group for which no rule gives a duration.
    pub update_container_group: f64,
    /// After a change of load-balancer weights, further changes of the same group are refused with
    /// `BackendServer.configuring` for so long. 0: never.
    pub load_balancer: f64,
    /// How long after it came into service, or its instance to Running, the health checks of load
    /// balancers have passed for a server. Until then nothing is known of it.
    pub backend_health_check: f64,
    /// An instance refresh that is started, or for which the fixture gives no time.
    pub instance_refresh: f64,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            stop_instance: 15.0,
            start_instance: 20.0,
            replace_system_disk: 20.0,
            command: 10.0,
            scale_out: 60.0,
            scale_in: 30.0,
            health_check: 30.0,
            create_image: 120.0,
            copy_image: 300.0,
            create_snapshot: 60.0,
            create_disk: 5.0,
            attach_disk: 5.0,
            detach_disk: 5.0,
            reset_disk: 20.0,
            create_instance: 10.0,
            send_file: 5.0,
            update_container_group: 20.0,
            load_balancer: 0.0,
            backend_health_check: 10.0,
            instance_refresh: 600.0,
        }
    }
}

/// What becomes of a parameter that an action has by its published metadata and that the emulator
/// does not honour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnsupportedParameters {
    /// The call is refused with `UnsupportedParameter`.
    #[default]
    Refuse,
    /// It is carried out without it; log and journal say so.
    Ignore,
}

/// Behaviour that the documentation leaves open, or that is wanted in some tests only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Switches {
    /// Reads of ESS, ECS, ECI, load balancers and CloudMonitor show the state of so many virtual
    /// seconds ago.
    pub read_lag_seconds: f64,
    /// DescribeScalingGroups (2022-02-22) without `GroupType` lists groups of type ECS only, as the
    /// metadata of 2014-08-28 says. That version always does.
    pub group_type_defaults_to_ecs: bool,
    /// EnterStandby and SetInstancesProtection(true) on an instance that is not InService, and
    /// ExitStandby on one that is not Standby, do nothing instead of failing.
    pub repeated_state_changes_accepted: bool,
    /// Calls a minute that the account may make; what is not named may be called as often as anybody likes.
    #[serde(skip_serializing_if = "Rates::is_empty")]
    pub rates: Rates,
    /// What becomes of parameters that the emulator does not honour.
    pub unsupported_parameters: UnsupportedParameters,
    /// What is undocumented about OOS.
    #[serde(deserialize_with = "object::read")]
    pub oos: OosSwitches,
}
