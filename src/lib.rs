//! The operator: everything that is I/O around the pure core.
//!
//! ```text
//!  watch / poll            observe            decide (pure)         act                     report
//!  watch, poller  ->  reconcile::observe  ->  core's `step`  ->  reconcile::act  ->  Events, metrics
//!      |                     ^                                       |
//!      v                     |                                       v
//!  runtime::queue -----------+------- fresh reads each time <--- record, status, one cloud call
//! ```
//!
//! The modules, from the outside in:
//!
//! - [`cli`], [`settings`]: what the program is told, checked once
//! - [`run`]: wires everything, joins everything
//! - [`check`]: whether `run` would work, without running
//! - [`watch`], [`tasks`]: the watches and the little that is kept of each task
//! - [`windows`]: the MaintenanceWindows that watches show, and their statuses
//! - [`leading`]: what only the process that leads does, one term of office after the other
//! - [`kept`]: deletes Secrets in which nothing is kept any more
//! - [`versions`]: whether the CRDs of the cluster are those of this version
//! - [`policies`]: whether an admission policy makes sure of the names in requests
//! - [`poller`]: the one batched reader of executions per account and region
//! - `pass`: one pass, counted and logged, its panic contained
//! - [`scrape`]: what a scrape of `/metrics` counts when it is asked for
//! - [`reconcile`]: one pass over one task; [`reconcile::observe`] answers what the core asks,
//!   [`reconcile::act`] carries out its decisions
//! - [`kubernetes`], [`clouds`], [`endpoints`]: the ports that a pass is written against, and what is behind
//!   them
//! - [`runtime`]: machinery that knows no domain: clock, election, queue, backoff, events, health,
//!   metrics, telemetry
//!
//! What must hold, whoever changes what:
//!
//! 1. A pass acts on what it just read from the apiserver, never on what a watch left in memory, but for MaintenanceWindows: what a
//!    watch shows of them is late as the person is who changes one, and what is under way goes on either way.
//! 2. Every write carries the `resourceVersion` that was read. After a conflict nothing else of
//!    that decision is done: the pass starts over with fresh reads.
//! 3. The order of effects is finalizer and annotation, record (after the Secrets that it refers to), status (likewise), the one cloud mutation, Events,
//!    the deletion of an object that has outlived its time. Each only after the one before it succeeded.
//!    The Events that come with a mutation are published while its outcome is put on record, and
//!    before the group is let go.
//! 4. A mutation is sent by [`reconcile::act`] and nowhere else, and never twice for one decision.
//! 5. After every write and every mutation the next step sees a fresh observation.
//! 6. No state that matters is in memory: the index of tasks, the queue and the poller's
//!    fingerprints may be lost at any moment.
//! 7. A failing Event, metric or log line never fails a pass.
//! 8. No secret is in a log line, an error or a `Debug` output; none of a container's variables and no script is in a
//!    status: they are in Secrets of the operator's namespace ([`kubernetes::Keeping`]).
//! 9. No lock is held across an await, but that of a question which is asked once for all who have it ([`recent`]).
//! 10. Every task of the process is joined; when one ends by itself, the program ends, with an
//!     error. A pass that panics is a failed pass of its object and no more.
//! 11. Whatever changes something is sent by the process that leads, and only if it is over before the deadline: the fence
//!     ([`runtime::lease::Fence`]) is in the client of the apiserver and in that of the cloud, where nothing gets past it.

#![deny(missing_docs)]

pub mod check;
pub mod cli;
pub mod clouds;
pub mod endpoints;
pub mod kept;
pub mod kubernetes;
pub mod leading;
mod pass;
pub mod policies;
pub mod poller;
pub mod recent;
pub mod reconcile;
pub mod run;
pub mod runtime;
pub mod scrape;
pub mod seen;
pub mod settings;
pub mod tasks;
pub mod versions;
pub mod watch;
pub mod windows;
