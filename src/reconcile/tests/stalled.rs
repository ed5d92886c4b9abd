//! CRDs and objects of another version: said on the object, once, and nothing is sent.

use std::sync::Arc;

use ess_rollout_core::rollout::{Decision, Next};

use super::{decided, everything_once};
use crate::{
    kubernetes::{ErrorClass, Schemas},
    reconcile::fake::{Bench, idle, status},
};

/// The CRD of tasks that is served is without this field.
fn without(field: &str) -> Bench {
    let mut bench = Bench::new(everything_once());
    bench.context.schemas = Arc::new(Schemas::without("RollingUpdateTask", field));
    bench
}

#[test]
fn a_status_that_the_crds_do_not_fit_is_told_of_and_neither_record_nor_cloud_is_touched() {
    let bench = without("status.state");
    for _ in 0..3 {
        let pass = bench.pass();
        assert_eq!(pass.outcome.unwrap_err().class(), ErrorClass::Outdated);
    }
    let journal = bench.journal();
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert!(
        journal[0].starts_with(
            "stalled CRDOutdated: cannot write the status of RollingUpdateTask ns/a: the CustomResourceDefinitions do not \
             have status.state; nothing is sent to the cloud until they have: update them with `ess-rollout crds |"
        ),
        "{journal:?}"
    );
}

#[test]
fn a_field_that_this_status_does_not_have_stops_nothing() {
    let bench = without("status.restore.quietSince");
    assert!(bench.pass().outcome.is_ok());
    assert!(bench.journal().contains(&"mutate".to_owned()));
}

#[test]
fn a_write_that_is_refused_says_so_and_sends_nothing() {
    for (class, reason) in [
        (ErrorClass::Outdated, "CRDOutdated"),
        (ErrorClass::Invalid, "StatusRefused"),
    ] {
        let bench = Bench::new(everything_once());
        bench.kubernetes.always_fail("write status", class);
        assert!(bench.pass().outcome.is_err());
        let journal = bench.journal();
        assert!(!journal.contains(&"mutate".to_owned()), "{journal:?}");
        let said = format!("stalled {reason}: ");
        assert!(journal.last().unwrap().starts_with(&said), "{journal:?}");
    }
}

#[test]
fn an_object_that_is_not_understood_says_what_and_is_left_alone() {
    let bench = Bench::new(everything_once());
    bench.kubernetes.reads_of("status.actions[0].verb");
    for _ in 0..2 {
        let pass = bench.pass();
        assert_eq!(pass.outcome.unwrap_err().class(), ErrorClass::NotUnderstood);
    }
    let journal = bench.journal();
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert!(
        journal[0].starts_with("stalled NotUnderstood: ")
            && journal[0].contains("status.actions[0].verb is not understood: unknown variant")
            && journal[0].contains("a newer version of the operator wrote it"),
        "{journal:?}"
    );
}

#[test]
fn what_passes_by_itself_is_not_told_of() {
    for class in [ErrorClass::Unavailable, ErrorClass::Refused] {
        let bench = Bench::new(Box::new(|input| {
            decided(Decision {
                status: status("Done"),
                next: Next::OnChange,
                ..idle(input.subject)
            })
        }));
        bench.kubernetes.always_fail("write status", class);
        assert!(bench.pass().outcome.is_err());
        assert_eq!(bench.journal(), ["write status refused"]);
    }
}
