//! Objects as another version, or a hand, has written them.

use ess_rollout_api::v1alpha1::{ImageUpdateTask, Rollback, RollingUpdateTask, ScalingGroupRecord};
use ess_rollout_core::{image_update, rollout};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was understood is written so that the same is understood again.
fn read<T: Serialize + DeserializeOwned>(data: &[u8]) -> Option<T> {
    let object: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_value(&object).ok()?;
    let again: T = match serde_json::from_value(written.clone()) {
        Ok(again) => again,
        Err(error) => panic!("what was written is not understood: {error}: {written}"),
    };
    assert_eq!(serde_json::to_value(&again).ok()?, written);
    Some(again)
}

/// Read as each kind, and its spec looked at as the plugin and the operator do.
pub fn object(data: &[u8]) {
    if let Some(task) = read::<RollingUpdateTask>(data) {
        rollout::check_task(&task.spec);
    }
    if let Some(rollback) = read::<Rollback>(data) {
        rollout::check_rollback(&rollback.spec);
    }
    if let Some(task) = read::<ImageUpdateTask>(data) {
        image_update::check_spec(&task.spec, Timestamp::UNIX_EPOCH);
    }
    if let Some(record) = read::<ScalingGroupRecord>(data)
        && let Some(status) = &record.status
    {
        rollout::unattended_runs(&record);
        rollout::without_holder(status, &rollout::Absence::Gone);
    }
}
