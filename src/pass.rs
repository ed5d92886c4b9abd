//! One pass as the process serves it: in a span, counted, its error said once, its panic contained.

use std::{panic::AssertUnwindSafe, sync::Arc};

use ess_rollout_cloud::Turn;
use ess_rollout_core::rollout::Next;
use futures::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    kubernetes::{ErrorClass, ObjectKey, ObjectKind},
    reconcile::{Context, Pass, reconcile_until},
    runtime::{
        dispatcher::Finished,
        metrics::{
            Metrics,
            passes::{PANIC, PassResult},
        },
        queue::Again,
        shutdown::Shutdown,
        telemetry::chain,
    },
};

/// A pass under way, be it cut off.
struct Active<'a>(&'a Metrics, &'static str);

impl<'a> Active<'a> {
    fn begin(metrics: &'a Metrics, kind: &'static str) -> Self {
        metrics.passes.began(kind);
        Self(metrics, kind)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.passes.left(self.1);
    }
}

/// One pass over an object. One that panics has failed, for this object alone: it is tried again
/// after a growing delay. If it ended the process, the object would be the first to be looked at
/// after each restart, and nobody else's update would go on.
pub async fn one_pass(
    context: Arc<Context>,
    metrics: Arc<Metrics>,
    (key, turn): (ObjectKey, Turn),
    shutdown: Shutdown,
) -> Finished {
    let kind = key.kind.name();
    let span = tracing::info_span!(
        "pass",
        controller = kind,
        namespace = key.namespace,
        name = key.name,
        // Nothing is made for a span that is not logged.
        reconcileID = %Uuid::new_v4(),
        uid = tracing::field::Empty,
        generation = tracing::field::Empty,
        executionId = tracing::field::Empty,
    );
    async {
        let began = Instant::now();
        let _active = Active::begin(&metrics, kind);
        // What passes share is behind locks that are taken whether or not their holder panicked.
        let passing = AssertUnwindSafe(reconcile_until(&context, &key, turn, shutdown));
        let (finished, result, class) = match passing.catch_unwind().await {
            Ok(pass) => finish(&context, &key, pass),
            Err(_) => {
                // Where it was is logged by the panic hook. What it said may hold anything.
                tracing::error!("pass panicked, a defect of the operator: trying again later");
                let finished = Finished {
                    again: Again::Failed,
                    versions: Vec::new(),
                };
                (finished, PassResult::Error, Some(PANIC))
            }
        };
        let took = began.elapsed();
        metrics.passes.ended(kind, result, class, took);
        tracing::debug!(duration = took.as_secs_f64(), ?result, "pass ended");
        finished
    }
    .instrument(span)
    .await
}

fn finish(
    context: &Context,
    key: &ObjectKey,
    pass: Pass,
) -> (Finished, PassResult, Option<&'static str>) {
    let (result, class, again) = match &pass.outcome {
        Ok(_) if pass.gone => (PassResult::Success, None, Again::Gone),
        Ok(next) => {
            let result = match next {
                Next::Now => PassResult::Requeue,
                Next::After(_) => PassResult::RequeueAfter,
                Next::OnChange => PassResult::Success,
            };
            (result, None, context.again(key, *next))
        }
        Err(error) => {
            let kind = error.class();
            let class = kind.word();
            match kind {
                // Said when the object was told, and on the object. A record is told nothing.
                ErrorClass::Outdated | ErrorClass::NotUnderstood
                    if key.kind != ObjectKind::ScalingGroupRecord =>
                {
                    tracing::debug!(class, error = chain(error), "pass failed");
                }
                _ => tracing::warn!(class, error = chain(error), "pass failed"),
            }
            (PassResult::Error, Some(class), Again::Failed)
        }
    };
    let finished = Finished {
        again,
        versions: pass.versions,
    };
    (finished, result, class)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        reconcile::fake::{Bench, idle, task},
        runtime::{
            dispatcher::{self, Triggers, Workers},
            metrics::Scrape,
            shutdown,
            telemetry::tests::Sink,
        },
    };
    use ess_rollout_core::rollout::Step;
    use serde_json::json;

    /// A counter that appears with its first error shows no increase for it.
    #[test]
    fn every_class_of_errors_is_counted_from_zero() {
        let text = Metrics::new().render(&Scrape::default());
        for class in ErrorClass::ALL {
            let class = class.word();
            let line = format!(r#"{{controller="rollback",class="{class}"}} 0"#);
            assert!(text.contains(&line), "{line} is missing in:\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_panics_fails_alone_and_is_tried_again_ever_later() {
        let bench = Bench::new(Box::new(|_| panic!("no")));
        let (context, metrics) = (Arc::new(bench.context), Arc::new(Metrics::new()));
        let triggers = Triggers::new();
        // The second is not there.
        triggers.trigger(ObjectKey::task("ns", "a"));
        triggers.trigger(ObjectKey::task("ns", "b"));
        let (stop, shutdown) = shutdown::channel();
        let one = Workers {
            in_a_lane: 1,
            in_all: 1,
        };
        let serving = dispatcher::run(&triggers, one, shutdown.clone(), |key, turn| {
            let (context, metrics) = (context.clone(), metrics.clone());
            one_pass(context, metrics, (key, turn), shutdown.clone())
        });
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.stop();
        };
        let (served, ()) = tokio::join!(serving, stopping);
        assert!(served.is_ok());
        let text = metrics.render(&Scrape::default());
        for line in [
            // At 0, about 1 and about 3 seconds.
            r#"controller_runtime_reconcile_errors_total{controller="rollingupdatetask",class="Panic"} 3"#,
            r#"controller_runtime_reconcile_total{controller="rollingupdatetask",result="success"} 1"#,
            r#"controller_runtime_active_workers{controller="rollingupdatetask"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }

    #[tokio::test]
    async fn a_line_of_a_long_pass_has_each_field_of_the_object_once() {
        let mut object = task("ns", "a");
        (object.metadata.uid, object.metadata.generation) = (Some("u-1".into()), Some(3));
        let bench = Bench::with(
            object,
            Box::new(|input| {
                let before = input.subject.status.and_then(|old| old.state.clone());
                let state = before.unwrap_or_default() + "x";
                let execution = json!({"id": "exec-1", "templateName": "t", "status": "Running"});
                let mut decision = idle(input.subject);
                // Known from the second decision on.
                decision.status.execution = Some(serde_json::from_value(execution).unwrap());
                decision.next = match state.len() {
                    4.. => Next::OnChange,
                    _ => Next::Now,
                };
                decision.status.state = Some(state);
                Step::Decided(Box::new(decision))
            }),
            |_| {},
        );
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
        let lines = lines.with_ansi(false).with_writer(move || writer.clone());
        let _default = tracing::subscriber::set_default(lines.finish());
        let (_stop, shutdown) = shutdown::channel();
        let (context, metrics) = (Arc::new(bench.context), Arc::new(Metrics::new()));
        let key = ObjectKey::task("ns", "a");
        one_pass(context, metrics, (key, Turn::default()), shutdown).await;
        let text = sink.text();
        let line = text
            .lines()
            .find(|line| line.contains("pass ended"))
            .unwrap();
        for field in [
            "uid=\"u-1\"",
            "generation=3",
            "executionId=\"exec-1\"",
            "name=\"a\"",
        ] {
            assert_eq!(line.matches(field).count(), 1, "{field}: {line}");
        }
    }

    #[tokio::test]
    async fn an_object_that_is_not_there_is_told_to_the_queue() {
        let bench = Bench::new(Box::new(|input| {
            Step::Decided(Box::new(idle(input.subject)))
        }));
        let (context, metrics) = (Arc::new(bench.context), Arc::new(Metrics::new()));
        let (_stop, shutdown) = shutdown::channel();
        for (name, again) in [("a", Again::OnChange), ("b", Again::Gone)] {
            let key = ObjectKey::task("ns", name);
            let (context, metrics) = (context.clone(), metrics.clone());
            let about = (key, Turn::default());
            let finished = one_pass(context, metrics, about, shutdown.clone()).await;
            assert_eq!(finished.again, again);
        }
    }
}
