//! Passes, under the names that dashboards of controller-runtime know.

use std::time::Duration;

use super::{
    catalogue::{Buckets, Catalogue, Counters, Gauges, Histograms, Lasts},
    scraped::{KINDS, whole},
};

/// Upper bounds in seconds: a no-op pass takes milliseconds, one with slow cloud calls a minute.
pub(super) const SHORT: Buckets = Buckets(&[
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
]);

/// The label of a controller, as dashboards expect it.
const CONTROLLER: (&str, &str) = ("controller", "the kind, lower case");

/// The class of a pass that panicked.
pub const PANIC: &str = "Panic";
/// The classes of errors, those of [`crate::kubernetes::ErrorClass`], by a test of passes, and that one.
const CLASSES: [&str; 8] = [
    "Conflict",
    "Gone",
    "Refused",
    "Invalid",
    "CRDOutdated",
    "NotUnderstood",
    "Unavailable",
    PANIC,
];

/// How a pass ended, in controller-runtime's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing more until something changes.
    Success,
    /// Again at once.
    Requeue,
    /// Again later.
    RequeueAfter,
    /// It stopped short.
    Error,
}

/// Counts passes.
pub struct Passes {
    ended: Counters<2>,
    errors: Counters<2>,
    panics: Counters<1>,
    time: Histograms<1>,
    active: Gauges<1>,
    most: Gauges<1>,
}

fn controller(kind: &str) -> String {
    kind.to_ascii_lowercase()
}

impl Passes {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let passes = Self {
            ended: all.counters(
                (
                    "controller_runtime_reconcile_total",
                    Lasts::Process,
                    "Passes by how they ended",
                ),
                [CONTROLLER, ("result", "`success`, `requeue`, `requeue_after`, `error`")],
            ),
            errors: all.counters(
                (
                    "controller_runtime_reconcile_errors_total",
                    Lasts::Process,
                    "Passes that stopped short, each to be made again later. `Refused`: the ServiceAccount lacks a right. `CRDOutdated`, `NotUnderstood`: see [states](states.md)",
                ),
                [
                    CONTROLLER,
                    (
                        "class",
                        "`Conflict`, `Gone`, `Refused`, `Invalid`, `CRDOutdated`, `NotUnderstood`, `Unavailable`, `Panic`",
                    ),
                ],
            ),
            panics: all.counters(
                (
                    "controller_runtime_reconcile_panics_total",
                    Lasts::Process,
                    "Passes that panicked, a defect of the operator: for their object alone, which is tried again",
                ),
                [CONTROLLER],
            ),
            time: all.histograms(
                (
                    "controller_runtime_reconcile_time_seconds",
                    Lasts::Process,
                    "Time of a pass, what it waits for included",
                ),
                [CONTROLLER],
                SHORT,
            ),
            active: all.gauges(
                (
                    "controller_runtime_active_workers",
                    Lasts::AsItIs,
                    "Passes under way",
                ),
                [CONTROLLER],
            ),
            most: all.gauges(
                (
                    "controller_runtime_max_concurrent_reconciles",
                    Lasts::AsItIs,
                    "Passes that may be under way together, of all kinds; of each account and region half as many",
                ),
                [CONTROLLER],
            ),
        };
        // At zero from the beginning: where a series begins at one, nobody sees that it has risen.
        for kind in KINDS {
            let controller = controller(kind);
            passes.panics.with([&controller], |_| ());
            for class in CLASSES {
                passes.errors.with([&controller, class], |_| ());
            }
        }
        passes
    }

    /// So many may be under way together.
    pub fn bounded(&self, workers: usize) {
        let workers = whole(workers);
        for kind in KINDS {
            self.most
                .with([&controller(kind)], |most| most.set(workers));
        }
    }

    /// One over an object of this kind begins.
    pub fn began(&self, kind: &str) {
        self.active.with([&controller(kind)], |active| active.inc());
    }

    /// One over an object of this kind is not under way any more.
    pub fn left(&self, kind: &str) {
        self.active.with([&controller(kind)], |active| active.dec());
    }

    /// One over an object of this kind ended. `class` is that of its error.
    pub fn ended(&self, kind: &str, result: PassResult, class: Option<&str>, duration: Duration) {
        let word = match result {
            PassResult::Success => "success",
            PassResult::Requeue => "requeue",
            PassResult::RequeueAfter => "requeue_after",
            PassResult::Error => "error",
        };
        let controller = controller(kind);
        self.ended.with([&controller, word], |ended| ended.inc());
        if let Some(class) = class {
            self.errors
                .with([&controller, class], |errors| errors.inc());
        }
        if class == Some(PANIC) {
            self.panics.with([&controller], |panics| panics.inc());
        }
        self.time
            .with([&controller], |time| time.observe(duration.as_secs_f64()));
    }
}
