//! The plugin as a process, against a real apiserver, the operator and the emulated cloud.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod completion;
mod flow;
mod many;
mod scene;
mod table;
