//! The client over real sockets against canned answers in the services' shapes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod alarms;
mod balancing;
mod connections;
mod containers;
mod executions;
mod fake;
mod faults;
mod mutations;
mod neighbours;
mod packages;
mod queries;
