//! Checks between batches: measurements, and programs that are asked, at endpoints of the operator's configuration.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{Verdict, condition};
use ess_rollout_core::endpoints::{
    EndpointAnswer, EndpointError, EndpointKind, EndpointQuery, EndpointUse, WebhookVerdict,
};
use serde_json::{Value, json};

use crate::builders::script;
use crate::world::World;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

type Told = Result<EndpointAnswer, EndpointError>;

fn measured(value: f64) -> Told {
    Ok(EndpointAnswer::Measured {
        values: vec![value],
        series: 1,
        partial: false,
    })
}

fn says(verdict: WebhookVerdict, reason: &str) -> Told {
    Ok(EndpointAnswer::Said {
        verdict,
        reason: reason.to_owned(),
    })
}

fn unanswered(code: &str, needs_person: bool) -> Told {
    Err(EndpointError {
        endpoint: "prod".to_owned(),
        code: code.to_owned(),
        message: format!("endpoint prod: what is to be done about {code}"),
        needs_person,
    })
}

/// A script in four batches, one instance each, that asks both kinds of endpoints.
fn world(gates: Value) -> World {
    let mut world = script(json!({"batches": 4, "gates": gates}));
    for (name, kind, answer) in [
        ("prod", EndpointKind::Prometheus, measured(0.0)),
        ("qa", EndpointKind::Webhook, says(WebhookVerdict::Pass, "")),
    ] {
        let used = EndpointUse {
            kind,
            namespaces: Some(["shop".to_owned()].into()),
        };
        world.settings.endpoints.0.insert(name.to_owned(), used);
        world.endpoints.insert(name, answer);
    }
    world
}

fn errors(more: Value) -> World {
    let mut metric = json!({
        "name": "errors", "source": "prod", "query": "sum(rate(errors{instance=~\"$instances\"}[5m]))",
        "passBelow": "0.01", "failAbove": "0.05",
    });
    for (name, value) in more.as_object().unwrap() {
        metric[name] = value.clone();
    }
    world(json!({"metrics": [metric]}))
}

fn qa() -> World {
    world(json!({"webhooks": [{"name": "smoke", "target": "qa"}]}))
}

fn queries(world: &World) -> Vec<String> {
    let asked = world.endpoints_asked.borrow();
    let query = |asked: &EndpointQuery| match asked {
        EndpointQuery::Metric { query, .. } => query.clone(),
        EndpointQuery::Webhook(call) => format!("{} {:?}", call.batch, call.instances),
    };
    asked.iter().map(|(asked, _)| query(asked)).collect()
}

/// The ids of the instances of a batch.
fn of_batch(world: &World, batch: i32) -> Vec<String> {
    let instances = world.status().instances.iter();
    let of_batch = instances.filter(|i| i.batch == batch);
    of_batch.map(|i| i.id.clone()).collect()
}

#[test]
fn what_is_well_lets_the_next_batch_begin_and_each_batch_is_asked_about_by_its_instances() {
    for mut world in [errors(json!({})), qa()] {
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.cloud.approved, [1, 2, 3]);
        assert!(!world.states.contains(&"BatchSuspended".to_owned()));
        let asked: BTreeSet<String> = queries(&world).into_iter().collect();
        for batch in 1..=3 {
            let id = &of_batch(&world, batch)[0];
            let asked = asked.iter().filter(|query| query.contains(id));
            assert_eq!(asked.count(), 1, "batch {batch}");
        }
        // There is no pause after the last one.
        let id = &of_batch(&world, 4)[0];
        assert!(!asked.iter().any(|query| query.contains(id)));
    }
}

#[test]
fn what_is_not_well_holds_the_next_batch_and_says_so_and_is_not_forgotten() {
    let cases = [
        (
            errors(json!({})),
            "prod",
            measured(0.07),
            "metrics.errors: 0.07 is more than 0.05 (failAbove)",
        ),
        (
            qa(),
            "qa",
            says(WebhookVerdict::Fail, "checkout is broken"),
            "webhooks.smoke: it says Fail: checkout is broken",
        ),
    ];
    for (mut world, endpoint, answer, said) in cases {
        world.run_to_state("BatchHeld");
        let before = world.endpoints[endpoint].clone();
        world.endpoints.insert(endpoint, answer);
        world.run_for(2 * MINUTE);
        world.endpoints.insert(endpoint, before);
        world.run_for(HOUR);
        assert_eq!(world.cloud.approved, [] as [i32; 0]);
        assert_eq!(world.said(condition::PAUSED), "True GateFailed");
        let message = world.pause_message();
        assert!(message.contains(said), "{message}");
        world.annotated("continue", "1");
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.cloud.approved, [1, 2, 3]);
    }
}

/// Whatever goes wrong with an endpoint is nobody's fault: the update waits, and goes on when it is over.
#[test]
fn doubt_is_waited_out() {
    let several = Ok(EndpointAnswer::Measured {
        values: vec![0.0, 0.0],
        series: 2,
        partial: false,
    });
    let no_data = Ok(EndpointAnswer::Measured {
        values: Vec::new(),
        series: 0,
        partial: false,
    });
    let cases: [(World, &str, Told, &str); 9] = [
        (
            errors(json!({})),
            "prod",
            measured(0.03),
            "0.03 is not less than 0.01 (passBelow)",
        ),
        (
            errors(json!({})),
            "prod",
            measured(f64::NAN),
            "the value is NaN",
        ),
        (errors(json!({})), "prod", several, "2 series"),
        (errors(json!({})), "prod", no_data, "there is no data"),
        (
            errors(json!({})),
            "prod",
            unanswered("timeout", false),
            "endpoint prod gave no answer: timeout",
        ),
        (
            errors(json!({})),
            "prod",
            unanswered("http-401", true),
            "what is to be done about http-401",
        ),
        (
            qa(),
            "qa",
            says(WebhookVerdict::Wait, "two suites to go"),
            "it says Wait: two suites to go",
        ),
        (qa(), "qa", unanswered("bad-answer", false), "bad-answer"),
        (qa(), "qa", measured(0.0), "no verdict came back"),
    ];
    for (mut world, endpoint, answer, said) in cases {
        world.run_to_state("BatchHeld");
        let before = world.endpoints[endpoint].clone();
        world.endpoints.insert(endpoint, answer);
        world.run_for(10 * MINUTE);
        assert_eq!(world.cloud.approved, [] as [i32; 0]);
        assert_eq!(
            world.said(condition::PAUSED),
            "True GateEvaluating",
            "{said}"
        );
        let gate = world.status().gate.clone().unwrap();
        assert_eq!(gate.checks[0].verdict, Verdict::Inconclusive);
        assert!(gate.checks[0].message.contains(said), "{:?}", gate.checks);
        world.endpoints.insert(endpoint, before);
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.cloud.approved, [1, 2, 3]);
    }
}

#[test]
fn doubt_for_too_long_is_a_persons() {
    let mut world = errors(json!({}));
    world.run_to_state("BatchHeld");
    world.endpoints.insert("prod", unanswered("timeout", false));
    world.run_for(31 * MINUTE);
    assert_eq!(world.said(condition::PAUSED), "True GateInconclusive");
}

#[test]
fn nothing_is_measured_in_a_batch_nor_before_its_delay_is_over() {
    let mut world = errors(json!({"initialDelaySeconds": 300}));
    world.run_to_state("Running");
    world.endpoints_asked.borrow_mut().clear();
    world.endpoints.insert("prod", measured(1.0));
    world.run_to_state("BatchHeld");
    world.run_for(4 * MINUTE);
    assert_eq!(queries(&world), [] as [String; 0]);
    let gate = world.status().gate.clone().unwrap();
    assert!(gate.checks[0].message.contains("initialDelaySeconds"));
    world.run_for(2 * MINUTE);
    assert_eq!(world.said(condition::PAUSED), "True GateFailed");
}

#[test]
fn a_number_that_changes_at_each_look_is_not_written_at_each() {
    let mut world = errors(json!({"initialDelaySeconds": 60}));
    world
        .settings
        .endpoints
        .0
        .get_mut("prod")
        .unwrap()
        .namespaces = None;
    world.run_to_state("BatchHeld");
    world.run_for(2);
    world.endpoints.insert("prod", measured(0.02));
    world.run_for(2 * MINUTE);
    let writes = world.task_writes;
    for step in 0..20 {
        world
            .endpoints
            .insert("prod", measured(0.02 + f64::from(step) / 1000.0));
        world.run_for(30);
    }
    assert!(
        world.task_writes - writes <= 1,
        "{}",
        world.task_writes - writes
    );
    let gate = world.status().gate.clone().unwrap();
    assert_eq!(gate.checks[0].value, "0.02");
}

#[test]
fn an_update_does_not_begin_beside_a_measurement_that_fails_already() {
    // One that is about a batch says nothing before there is one.
    let mut of_batch = errors(json!({}));
    of_batch.endpoints.insert("prod", measured(1.0));
    of_batch.run_until(HOUR, "begun", |world| world.state() == "Running");
    assert!(queries(&of_batch)[0].contains("~\"none\""));

    let mut of_group =
        errors(json!({"query": "errors{group=\"$group\", region=\"$region\"} > bool 0"}));
    of_group.endpoints.insert("prod", measured(1.0));
    of_group.run_for(HOUR);
    assert_eq!(of_group.said(condition::READY), "Unknown GateFailing");
    let asked = &queries(&of_group)[0];
    assert!(
        asked.contains("group=\"asg-example\"") && asked.contains("region=\"cn-"),
        "{asked}"
    );
    of_group.endpoints.insert("prod", measured(0.0));
    of_group.run_until(HOUR, "begun", |world| world.state() == "Running");
}

#[test]
fn what_could_never_be_asked_is_said_before_anything_begins() {
    let with = |change: &dyn Fn(&mut World)| {
        let mut world = world(json!({
            "metrics": [{"name": "errors", "source": "prod", "query": "up", "failBelow": "1"}],
            "webhooks": [{"name": "smoke", "target": "qa"}],
        }));
        world.endpoints.insert("prod", measured(1.0));
        change(&mut world);
        world.run_for(10 * MINUTE);
        world
    };
    let used = |world: &mut World, name: &str, kind, namespaces: Option<&str>| {
        let namespaces = namespaces.map(|one| [one.to_owned()].into());
        let used = EndpointUse { kind, namespaces };
        world.settings.endpoints.0.insert(name.to_owned(), used);
    };
    assert_ne!(with(&|_| {}).state(), "Blocked");
    type Case<'a> = (&'a dyn Fn(&mut World), &'a str);
    let cases: [Case<'_>; 6] = [
        (
            &|world| drop(world.settings.endpoints.0.remove("prod")),
            "metrics.errors: the operator has no endpoint prod: add it to its configuration (chart value gateEndpoints",
        ),
        (
            &|world| drop(world.settings.endpoints.0.remove("qa")),
            "webhooks.smoke: the operator has no endpoint qa",
        ),
        (
            &|world| used(world, "qa", EndpointKind::Prometheus, None),
            "is of the kind Prometheus, and a Webhook is asked for",
        ),
        (
            &|world| used(world, "prod", EndpointKind::Prometheus, Some("other")),
            "objects of namespace shop may not name endpoint prod",
        ),
        (
            &|world| {
                drop(
                    world
                        .endpoints
                        .insert("prod", unanswered("bad-query", true)),
                )
            },
            "metrics.errors: endpoint prod: what is to be done about bad-query",
        ),
        (
            &|world| {
                let gates = world.task.spec.policy.gates.as_mut().unwrap();
                gates.metrics[0].query = "up{x=\"$instnce\"}".to_owned();
            },
            "$instnce is none of the names",
        ),
    ];
    for (change, said) in cases {
        let world = with(change);
        assert_eq!(world.said(condition::READY), "False GateUnusable", "{said}");
        let ready = world.condition(condition::READY).unwrap();
        assert!(ready.message.contains(said), "{}", ready.message);
        assert!(world.status().execution.is_none());
    }
}

#[test]
fn one_answer_does_for_all_who_ask_in_the_same_interval() {
    let mut world = errors(json!({"query": "vector(0)"}));
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    let asked = world.endpoints_asked.borrow();
    assert!(asked.len() > 6);
    let pauses: BTreeSet<i64> = asked
        .iter()
        .map(|(_, since)| since.as_second())
        .filter(|since| since % 30 != 0)
        .collect();
    // But for the first look at each pause, which is told nothing from before it.
    assert!(pauses.len() <= 3, "{pauses:?}");
}

/// An interval may have begun before the batch ended, when its instances were out of service, and another task may have asked then.
#[test]
fn what_was_said_before_the_batch_ended_is_not_taken_for_what_is_said_of_it() {
    let metric = json!({
        "name": "errors", "source": "prod", "query": "vector(0)", "passBelow": "0.01", "failAbove": "0.05",
    });
    let webhook = json!({"name": "smoke", "target": "qa"});
    for gates in [
        json!({"metrics": [metric], "intervalSeconds": 600}),
        json!({"webhooks": [webhook], "intervalSeconds": 600}),
    ] {
        let mut world = world(gates);
        world.run_to_state("Running");
        world.endpoints_asked.borrow_mut().clear();
        world.run_to_state("BatchHeld");
        world.run_for(MINUTE);
        let paused = world.status().pause.as_ref().unwrap().since.0;
        assert_ne!(paused.as_second() % 600, 0, "an interval begins by itself");
        let asked = world.endpoints_asked.borrow();
        assert!(!asked.is_empty());
        for (query, since) in asked.iter() {
            assert!(*since >= paused, "{query:?}: {since}");
        }
    }
}

#[test]
fn what_is_measured_in_the_last_soak_says_whether_the_update_is_verified() {
    for (value, verified) in [
        (0.0, "True AsReported"),
        (0.06, "False GateFailed"),
        (0.03, "Unknown GateInconclusive"),
    ] {
        let mut world = errors(json!({}));
        world
            .task
            .spec
            .policy
            .gates
            .as_mut()
            .unwrap()
            .final_soak_seconds = Some(600);
        world.run_until(3 * HOUR, "watched", |world| {
            let ready = world.condition(condition::READY);
            ready.is_some_and(|ready| ready.message.contains("watched until"))
        });
        world.endpoints.insert("prod", measured(value));
        world.run_until(HOUR, "at rest", World::at_rest);
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.said(condition::VERIFIED), verified, "{value}");
    }
}

#[test]
fn addresses_are_those_of_the_instances_of_the_batch() {
    let mut world = errors(json!({"query": "sum(up{instance=~\"($ips):9100\"}) # $batch"}));
    for (index, instance) in world.cloud.ecs.iter_mut().enumerate() {
        instance.addresses = vec![format!("10.0.0.{index}")];
    }
    world.run_to_state("BatchHeld");
    world.run_for(2);
    let id = of_batch(&world, 1)[0].clone();
    let address = world
        .cloud
        .ecs
        .iter()
        .find(|i| i.id == id)
        .unwrap()
        .addresses[0]
        .clone();
    let asked = queries(&world);
    let last = asked.last().unwrap();
    assert!(
        last.contains(&format!("({}):9100", address.replace('.', "[.]"))),
        "{last}"
    );
    assert!(last.ends_with("# 1"));

    let mut unknown = errors(json!({"query": "sum(up{instance=~\"$ips\"})"}));
    unknown.run_to_state("BatchHeld");
    unknown.run_for(MINUTE);
    let gate = unknown.status().gate.clone().unwrap();
    assert!(gate.checks[0].message.contains("no private address of"));
}

/// One call about a batch, however often it is made: whoever is asked does his work once.
#[test]
fn a_webhook_is_told_what_it_is_about_and_by_a_key_of_that() {
    let mut world = qa();
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    let asked = world.endpoints_asked.borrow();
    let keys: BTreeSet<(String, i32)> = asked
        .iter()
        .filter_map(|(query, _)| match query {
            EndpointQuery::Webhook(call) => Some((call.key.clone(), call.batch)),
            EndpointQuery::Metric { .. } => None,
        })
        .collect();
    let expected = (1..=3).map(|batch| (format!("uid-1/smoke/{batch}"), batch));
    assert_eq!(keys, expected.collect());
    let Some((EndpointQuery::Webhook(call), _)) = asked.last() else {
        panic!("a webhook was asked")
    };
    assert_eq!(call.kind, "RollingUpdateTask");
    assert_eq!(
        (call.namespace.as_str(), call.name.as_str()),
        ("shop", "web")
    );
    assert_eq!(call.batches, 4);
}
