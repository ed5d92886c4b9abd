//! Maintenance windows: rule by rule, and over a year beside an oracle that has nothing in common with
//! them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod oracle;
mod random;
mod rules;
mod work;
mod year;

use ess_rollout_api::v1alpha1::Window as Spec;
use ess_rollout_core::windows::Window;
use jiff::Timestamp;
use serde_json::Value;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A window by the fields of its spec.
fn window(name: &str, spec: Value) -> Window {
    let spec: Spec = serde_json::from_value(spec).unwrap();
    Window::parse(name, "spec", &spec).unwrap()
}
