//! Finds out how an account behaves where the documentation of OOS and ESS leaves it open, so that the emulator can do the same:
//! what `ess-emulator probe` does.
//!
//! ```text
//! probe         the experiments, in their order, and what they leave
//!   lags        how far lists and dates are behind, and how long things take
//!   pauses      what pauses and failures show, and who may be retried
//!   requests    what is taken and what is refused
//!   rates       how often the account may ask
//!   groups      ESS, on scaling groups that somebody named
//!     findings  what they find, and why they find nothing
//!     oos       executions and templates, as experiments handle them
//!   guard       what becomes of a probe that is stopped
//!       account who is asked: an emulated cloud, or a real one
//! profile       what was found
//! random        accounts as they could be
//! ```
//!
//! An experiment uses nothing but the public API, and no more of it than templates that sleep: it starts no instance, runs no
//! command and changes no group, but for those that somebody named. What it creates it deletes.

#![deny(missing_docs)]

pub mod account;
mod findings;
mod groups;
mod guard;
mod lags;
mod oos;
mod pauses;
pub mod probe;
pub mod profile;
pub mod random;
pub mod rates;
mod requests;
