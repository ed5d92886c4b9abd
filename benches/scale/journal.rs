//! The calls that the emulator received, by our clock: its own runs at real speed, and falls behind where it has much to do.

use anyhow::{Context, Result};
use ess_rollout_test_support::Emulator;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    #[serde(rename = "time")]
    pub at: Timestamp,
    pub action: String,
    pub params: Value,
    /// `OK`, or the error.
    pub code: String,
}

impl Call {
    pub fn succeeded(&self) -> bool {
        self.code == "OK"
    }

    pub fn text(&self, parameter: &str) -> Option<&str> {
        self.params.get(parameter)?.as_str()
    }

    /// The first of the instances that it is about.
    pub fn instance(&self) -> Option<&str> {
        let ids = self.params.get("InstanceIds");
        match ids.or_else(|| self.params.get("InstanceId"))? {
            Value::Array(ids) => ids.first()?.as_str(),
            id => id.as_str(),
        }
    }
}

/// The calls of the operator from this number on; `action` alone when it is given.
pub async fn of_operator(
    emulator: &Emulator,
    since: u64,
    action: Option<&str>,
) -> Result<Vec<Call>> {
    let action = action
        .map(|action| format!("&action={action}"))
        .unwrap_or_default();
    read(
        emulator,
        &format!("journal?since={since}&byOos=false{action}"),
    )
    .await
}

/// The calls of executions that put an instance back into service: the last thing that is done to it.
pub async fn instances_done(emulator: &Emulator, since: u64) -> Result<Vec<Call>> {
    let path = format!("journal?since={since}&byOos=true&action=ExitStandby&code=OK");
    read(emulator, &path).await
}

async fn read(emulator: &Emulator, path: &str) -> Result<Vec<Call>> {
    let behind = behind(emulator).await?;
    let mut answer = emulator.get(path).await?;
    let calls = serde_json::from_value(answer["entries"].take());
    let mut calls: Vec<Call> = calls.with_context(|| format!("the emulator's {path}"))?;
    for call in &mut calls {
        call.at += behind;
    }
    Ok(calls)
}

/// How far its clock is behind ours now.
async fn behind(emulator: &Emulator) -> Result<SignedDuration> {
    let asked = Timestamp::now();
    let clock = emulator.get("clock").await?;
    let answered = Timestamp::now();
    let now: Timestamp = serde_json::from_value(clock["now"].clone())?;
    let middle = asked + answered.duration_since(asked) / 2;
    Ok(middle.duration_since(now))
}

/// The number of the next call.
pub async fn next(emulator: &Emulator) -> Result<u64> {
    let answer = emulator.get(&format!("journal?since={}", u32::MAX)).await?;
    answer["next"]
        .as_u64()
        .context("the emulator's journal has no next")
}
