//! Where a status says `secret:NAME`: what may hold secrets (environment variables and arguments of containers, scripts) is
//! kept in a Secret of that name in the operator's namespace, and not in the status, which many may read.

/// What such a reference begins with.
const PREFIX: &str = "secret:";
/// The key in the Secret's `data`.
pub const KEY: &str = "content";
/// The label of these Secrets: the namespace of the objects that one is kept for. It is opened for no others.
pub const NAMESPACE_LABEL: &str = "ess-rollout.io/kept-for";
/// The annotation that says when one was last put on record: those that nothing refers to any more are deleted an hour
/// later.
pub const USED_ANNOTATION: &str = "ess-rollout.io/last-used";

/// The reference to the Secret of this name.
pub fn reference(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The Secret that a text refers to; `None`: it is no reference.
pub fn referred(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)
}
