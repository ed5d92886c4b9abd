//! What every kind of object that runs something shares, whatever it runs.
//!
//! | module | what |
//! |---|---|
//! | [`ask`], [`endpoints`], [`observation`], [`decision`] | what is asked for, what was told of it, and what comes out of it |
//! | `step`, `object` | the driver; the object, where it runs, the record of its group |
//! | `absence` | what an answer does not show, although it is on record |
//! | `start`, `cancel`, `quiet` | an execution is started exactly once, ended before its time, and waited for until it can act no more |
//! | `display` | what people read: the only writer of state word and conditions |
//! | `ahead` | whether what is due later could begin as things are |
//! | `turn` | whose turn a scaling group is |
//! | [`requests`], `ledger` | what people ask for by annotation, and what became of it |
//! | `windows_of`, `closed` | which windows are for an object, and what is said while they are closed |
//! | `deletion` | what a deletion waits for, and how that ends |
//! | [`refusal`] | what is refused of a spec by itself |
//! | `waits`, `problem`, `cloud_failure`, [`conditions`] | how long to wait for what, what stands against a start, what the cloud refuses, how it is said |

pub(crate) mod absence;
pub(crate) mod ahead;
pub mod ask;
pub(crate) mod cancel;
pub(crate) mod closed;
pub(crate) mod cloud_failure;
pub mod conditions;
pub mod decision;
pub(crate) mod deletion;
pub(crate) mod display;
pub mod endpoints;
pub mod ledger;
pub(crate) mod object;
pub mod observation;
pub(crate) mod problem;
pub(crate) mod quiet;
pub mod reason;
pub mod refusal;
pub mod requests;
pub(crate) mod start;
pub(crate) mod step;
pub(crate) mod turn;
pub(crate) mod waits;
pub(crate) mod windows_of;
