//! What an apiserver does to an object by the CRD of its kind: prunes it, fills it with defaults, and refuses it. Pure, and
//! without a cluster.
//!
//! - [`kind`]: a kind as a CRD declares it
//! - [`schema`]: its structural schema
//! - [`cel`]: the rules in that
//! - [`cause`]: what is wrong with a field
//!
//! The fake apiserver of the tests is made of it, and is held against a real one; so is `kubectl ess-rollout lint`.

#![deny(missing_docs)]

pub mod cause;
pub mod cel;
pub mod kind;
pub mod schema;

pub use cause::{Cause, Problem, Wanted};
pub use kind::Kind;
pub use schema::Schema;
