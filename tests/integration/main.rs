//! The operator as a process, against a real apiserver and the emulated cloud over HTTP.
//!
//! Each test has a namespace, an emulator and an operator of its own ([`scene::Scene`]); all share one control plane.
//! The emulator's clock runs fast, so that the minutes of a rolling update are a second. Nothing sleeps for a fixed
//! time: tests look until what they wait for is there, and for what must not happen they wait until the operator
//! has polled a few times more.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod admission;
mod approvals;
mod as_found;
mod chart_versions;
mod check;
mod conformity;
mod containers;
mod credentials;
mod deletion;
mod exclusion;
mod failures;
mod from_oos;
mod gates;
mod identity;
mod image_updates;
mod installed;
mod instances;
mod leading;
mod logs;
mod maintenance;
mod manuals;
mod measured;
mod newcomer;
mod others;
mod packages;
mod permissions;
mod planning;
mod preflight;
mod ram_policies;
mod robustness;
mod rolling_back;
mod scene;
mod script;
mod secrets;
mod signals;
mod suspension;
mod throttling;
mod unknowns;
mod upgrades;
mod writes;
