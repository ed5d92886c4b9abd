//! What the log says of a run at `info`.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_core::rollout::{Decision, Next};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use super::decided;
use crate::reconcile::fake::{Bench, event, idle, status, work};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// The lines since the last look.
    fn lines(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn each_effect_each_turn_and_each_event_is_one_line_and_rest_is_none() {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let bench = Bench::new(Box::new(|input| {
        let state = input.subject.status.and_then(|s| s.state.as_deref());
        if state == Some("Cancelling") {
            return decided(idle(input.subject));
        }
        let mut cancelling = status("Cancelling");
        cancelling.conditions = vec![Condition {
            type_: condition::READY.to_owned(),
            status: "Unknown".to_owned(),
            reason: "Cancelling".to_owned(),
            message: "on its way".to_owned(),
            last_transition_time: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            observed_generation: None,
        }];
        decided(Decision {
            status: cancelling,
            work: Some(work()),
            events: vec![event()],
            next: Next::OnChange,
            ..idle(input.subject)
        })
    }));
    tracing::subscriber::with_default(subscriber, || {
        assert!(bench.pass().outcome.is_ok());
        let lines = sink.lines();
        let told: Vec<&Value> = lines.iter().map(|line| &line["fields"]).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0]["message"], "turn");
        assert_eq!(told[0]["state"], "Cancelling");
        assert_eq!(told[0]["why"], "on its way");
        assert_eq!(told[1]["message"], "cloud changed");
        assert_eq!(told[1]["call"], "OOS CancelExecution");
        assert_eq!(told[1]["executionId"], "exec-1");
        assert_eq!(told[1]["scalingGroupId"], "asg-1");
        assert!(told[1]["requestId"].is_string(), "{}", told[1]);
        assert_eq!(told[2]["message"], "event");
        assert_eq!(told[2]["reason"], "Started");

        assert!(bench.pass().outcome.is_ok());
        assert_eq!(sink.lines(), [] as [Value; 0]);
    });
}
