//! Checks between batches: how healthy load balancers find the instances.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{ThawState, Verdict, condition};
use ess_rollout_cloud::{ErrorClass, LifecycleState, ServerGroup, ServerHealth};
use serde_json::{Value, json};

use crate::builders::script;
use crate::gating::asked;
use crate::world::World;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// What becomes of an instance.
type Change<'a> = &'a dyn Fn(&mut World, &str);

fn clb() -> ServerGroup {
    ServerGroup::Default {
        load_balancer: "lb-1".into(),
    }
}

fn alb() -> ServerGroup {
    ServerGroup::Alb {
        group: "sgp-1".into(),
    }
}

fn all() -> [ServerGroup; 4] {
    let v_server_group = ServerGroup::VServerGroup {
        load_balancer: "lb-1".into(),
        group: "rsp-1".into(),
    };
    let nlb = ServerGroup::Nlb {
        group: "sgp-1".into(),
    };
    [clb(), v_server_group, alb(), nlb]
}

/// A script in four batches, of one instance each, whose group is attached to this.
fn balanced(of: ServerGroup, gate: Value, gates: Value) -> World {
    let mut gates = gates;
    gates["loadBalancer"] = gate;
    let mut world = script(json!({"batches": 4, "gates": gates}));
    world.cloud.group.as_mut().unwrap().server_groups = vec![of];
    world
}

/// The instances of the first batch.
fn first(world: &World) -> Vec<String> {
    let status = world.status();
    let of_batch = status.instances.iter().filter(|i| i.batch == 1);
    of_batch.map(|i| i.id.clone()).collect()
}

fn is_found(world: &mut World, id: &str, health: ServerHealth) {
    let why = (health, "CONNECT_TIMEOUT".to_owned());
    world.cloud.not_normal.insert(id.to_owned(), why);
}

/// Runs to the first pause, in which the one instance of the batch is found so.
fn paused_with(of: ServerGroup, gates: Value, change: impl Fn(&mut World, &str)) -> World {
    let mut world = balanced(of, json!({}), gates);
    world.run_until(HOUR, "a batch", |world| !first(world).is_empty());
    let id = first(&world)[0].clone();
    change(&mut world, &id);
    world.run_to_state("BatchHeld");
    world
}

#[test]
fn a_batch_that_every_load_balancer_finds_healthy_lets_the_next_one_begin() {
    for of in all() {
        let mut world = balanced(of.clone(), json!({}), json!({}));
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.state(), "Succeeded", "{of}");
        assert_eq!(world.cloud.approved, [1, 2, 3], "{of}");
        assert!(!world.states.contains(&"BatchSuspended".to_owned()));
    }
}

#[test]
fn an_instance_that_does_not_get_healthy_in_its_grace_period_holds_the_next_batch() {
    for of in all() {
        let unhealthy = match of {
            ServerGroup::Default { .. } | ServerGroup::VServerGroup { .. } => {
                ServerHealth::Abnormal
            }
            _ => ServerHealth::Unhealthy,
        };
        let mut world = paused_with(of.clone(), json!({}), |world, id| {
            is_found(world, id, unhealthy.clone());
        });
        world.run_for(MINUTE);
        let gate = world.status().gate.clone().unwrap();
        assert_eq!(gate.checks[0].name, "loadBalancer");
        assert_eq!(gate.checks[0].verdict, Verdict::Inconclusive, "{of}");
        assert!(gate.checks[0].message.contains("gracePeriodSeconds"));
        assert_eq!(world.said(condition::PAUSED), "True GateEvaluating");
        world.run_for(2 * MINUTE);
        assert_eq!(world.said(condition::PAUSED), "True GateFailed", "{of}");
        let said = world.pause_message();
        let id = &first(&world)[0];
        let expected = format!("{id} is unhealthy in {of} (CONNECT_TIMEOUT)");
        assert!(said.contains(&expected), "{said}");
        // It is healthy again, and still a person looks at it first.
        world.cloud.not_normal.clear();
        world.run_for(HOUR);
        assert_eq!(world.cloud.approved, [] as [i32; 0]);
        world.annotated("continue", "1");
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.cloud.approved, [1, 2, 3]);
    }
}

#[test]
fn an_instance_that_gets_healthy_in_time_is_waited_for() {
    let mut world = paused_with(clb(), json!({}), |world, id| {
        is_found(world, id, ServerHealth::Abnormal);
    });
    world.run_for(MINUTE + 30);
    world.cloud.not_normal.clear();
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1, 2, 3]);
}

#[test]
fn what_is_not_known_is_doubt_and_says_what_is_missing() {
    let cases: [(ServerGroup, Change<'_>, &str); 10] = [
        (
            clb(),
            &|w, id| is_found(w, id, ServerHealth::NotChecked),
            "is not checked yet in CLB lb-1",
        ),
        (
            alb(),
            &|w, id| is_found(w, id, ServerHealth::Initial),
            "is not checked yet in ALB server group sgp-1",
        ),
        (
            alb(),
            &|w, id| is_found(w, id, ServerHealth::Unused),
            "gets no requests in",
        ),
        (
            alb(),
            &|w, id| is_found(w, id, ServerHealth::Unknown("Odd".into())),
            "not known (Odd)",
        ),
        (
            alb(),
            &|w, id| w.cloud.not_attached.extend([id.into()]),
            "is not in ALB server group sgp-1",
        ),
        (
            clb(),
            &|w, id| w.cloud.weights.extend([(id.into(), 0)]),
            "has the weight 0 in CLB lb-1",
        ),
        (
            alb(),
            &|w, id| w.cloud.being_added.extend([id.into()]),
            "is being added to, or removed from, ALB server group sgp-1",
        ),
        (
            clb(),
            &|w, id| w.cloud.not_checked.extend([id.into()]),
            "is checked by no listener in CLB lb-1",
        ),
        (
            alb(),
            &|w, _| w.cloud.checked = false,
            "nothing checks the servers",
        ),
        (
            alb(),
            &|w, _| {
                w.cloud
                    .broken
                    .extend([("HealthOfGroups", ErrorClass::Retry)])
            },
            "gave no answer",
        ),
    ];
    for (of, change, expected) in cases {
        let mut world = paused_with(of, json!({"timeoutSeconds": 600}), change);
        world.run_for(5 * MINUTE);
        assert_eq!(
            world.said(condition::PAUSED),
            "True GateEvaluating",
            "{expected}"
        );
        let gate = world.status().gate.clone().unwrap();
        let check = &gate.checks[0];
        assert_eq!(check.verdict, Verdict::Inconclusive);
        assert!(check.message.contains(expected), "{}", check.message);
        world.run_for(10 * MINUTE);
        assert_eq!(
            world.said(condition::PAUSED),
            "True GateInconclusive",
            "{expected}"
        );
        assert_eq!(world.cloud.approved, [] as [i32; 0]);
    }
}

#[test]
fn only_the_instances_of_the_batch_count_unless_all_of_the_group_are_asked_for() {
    for (scope, holds) in [("Batch", false), ("Group", true)] {
        let mut world = balanced(clb(), json!({"scope": scope}), json!({}));
        world.run_to_state("BatchHeld");
        let members = world.cloud.instances.iter();
        let other = members
            .map(|m| m.id.clone())
            .find(|id| !first(&world).contains(id));
        is_found(&mut world, &other.unwrap(), ServerHealth::Abnormal);
        world.run_for(10 * MINUTE);
        let held = world.cloud.approved.is_empty();
        assert_eq!(held, holds, "{scope}");
    }
}

#[test]
fn an_update_of_a_group_whose_instances_are_unhealthy_waits_only_if_all_of_them_count() {
    for (scope, state) in [("Batch", "Running"), ("Group", "Pending")] {
        let mut world = balanced(clb(), json!({"scope": scope}), json!({}));
        let id = world.cloud.instances[0].id.clone();
        is_found(&mut world, &id, ServerHealth::Abnormal);
        world.run_for(10);
        assert_eq!(world.state(), state, "{scope}");
        if state == "Pending" {
            assert_eq!(world.said(condition::PREFLIGHT), "Unknown GateFailing");
            world.cloud.not_normal.clear();
            world.run_until(3 * HOUR, "at rest", World::at_rest);
            assert_eq!(world.state(), "Succeeded");
        }
    }
}

/// Nobody in service, or only in states that nobody knows, is not that all of them are healthy.
#[test]
fn a_group_of_which_nobody_is_known_to_serve_is_not_taken_for_healthy() {
    let left_out: fn(&mut World) = |world| world.cloud.instances.clear();
    let unknown: fn(&mut World) = |world| {
        for member in &mut world.cloud.instances {
            member.state = LifecycleState::Unknown("New".into());
        }
    };
    for change in [left_out, unknown] {
        let mut world = balanced(clb(), json!({"scope": "Group"}), json!({}));
        world.run_to_state("BatchHeld");
        let id = first(&world)[0].clone();
        is_found(&mut world, &id, ServerHealth::Abnormal);
        change(&mut world);
        world.run_for(10 * MINUTE);
        assert_eq!(world.cloud.approved, [] as [i32; 0]);
    }
}

#[test]
fn what_could_never_tell_is_said_before_anything_begins() {
    let unusable = |of: Option<ServerGroup>, change: &dyn Fn(&mut World), expected: &str| {
        let mut world = balanced(alb(), json!({}), json!({}));
        world.cloud.group.as_mut().unwrap().server_groups = of.into_iter().collect();
        change(&mut world);
        world.run_for(2 * MINUTE);
        assert_eq!(world.state(), "Blocked", "{expected}");
        assert_eq!(world.said(condition::PREFLIGHT), "False GateUnusable");
        let said = &world.condition(condition::PREFLIGHT).unwrap().message;
        assert!(said.contains(expected), "{said}");
        assert!(world.cloud.sent.is_empty());
    };
    unusable(None, &|_| {}, "attached to no load balancer");
    let gwlb = ServerGroup::Other {
        product: "GWLB".into(),
        group: "sgp-9".into(),
    };
    unusable(Some(gwlb), &|_| {}, "GWLB server group sgp-9 has no API");
    unusable(
        Some(alb()),
        &|w| w.cloud.forwarded = false,
        "no listener forwards",
    );
    unusable(
        Some(alb()),
        &|w| w.cloud.checked = false,
        "has no health check",
    );
    let denied = |w: &mut World| {
        w.cloud.broken.insert("BackendServers", ErrorClass::Denied);
    };
    unusable(Some(alb()), &denied, "gave no answer");
}

#[test]
fn a_batch_under_way_is_not_asked_about_and_a_pause_once_for_each_interval() {
    let mut world = balanced(alb(), json!({}), json!({"soakSeconds": 1200}));
    world.run_to_state("Running");
    let begun = asked(&world, "HealthOfGroups");
    world.run_to_state("BatchHeld");
    let before = asked(&world, "HealthOfGroups");
    assert_eq!(begun, before);
    world.shared.borrow_mut().clear();
    let writes = world.task_writes;
    world.run_for(10 * MINUTE);
    let looks = asked(&world, "HealthOfGroups");
    assert!((19..=22).contains(&(looks - before)), "{}", looks - before);
    // Which listeners forward to the group may be known for as long as ten minutes.
    let shared = world.shared.borrow();
    let listed = shared.iter().filter(|(query, _)| *query == "Listeners");
    let listed: BTreeSet<_> = listed.collect();
    assert!(listed.len() <= 2, "{listed:?}");
    assert!(world.task_writes - writes <= 2);
}

/// An interval may have begun before the batch ended, when its instances were out of service, and another task may have asked then.
#[test]
fn what_was_said_before_the_batch_ended_is_not_taken_for_what_is_said_of_it() {
    let of_interval = ["HealthOfServers", "HealthOfGroups", "BackendServers"];
    for of in all() {
        let mut world = balanced(of.clone(), json!({}), json!({"intervalSeconds": 600}));
        world.run_to_state("Running");
        world.shared.borrow_mut().clear();
        world.run_to_state("BatchHeld");
        world.run_for(MINUTE);
        let paused = world.status().pause.as_ref().unwrap().since.0;
        assert_ne!(paused.as_second() % 600, 0, "an interval begins by itself");
        let shared = world.shared.borrow();
        let since: Vec<_> = shared
            .iter()
            .filter(|(query, _)| of_interval.contains(query))
            .map(|(_, since)| *since)
            .collect();
        assert!(!since.is_empty(), "{of}");
        assert!(
            since.iter().all(|since| *since >= paused),
            "{of}: {since:?}"
        );
    }
}

/// Of a group so large that its instances are not on record all that serve are looked at: none of them would be a pass of nobody.
#[test]
fn a_batch_that_is_not_on_record_is_not_taken_for_healthy() {
    let mut world = balanced(clb(), json!({}), json!({}));
    world.run_to_state("BatchHeld");
    world.run_for(2);
    let id = first(&world)[0].clone();
    is_found(&mut world, &id, ServerHealth::Abnormal);
    let status = world.task.status.as_mut().unwrap();
    status.instances.clear();
    status.instances_truncated = Some(4);
    let looks = asked(&world, "HealthOfServers");
    world.run_until(2 * MINUTE, "a look", |world| {
        asked(world, "HealthOfServers") > looks
    });
    let gate = world.status().gate.clone().unwrap();
    assert_eq!(gate.checks[0].verdict, Verdict::Inconclusive);
    assert!(gate.checks[0].message.contains(&id));
}

/// Who has left the group after the update is not missed.
#[test]
fn an_instance_that_scales_in_during_the_last_soak_is_no_doubt() {
    let mut world = balanced(alb(), json!({}), json!({"finalSoakSeconds": 600}));
    world.run_until(3 * HOUR, "watched", |world| {
        let ready = world.condition(condition::READY);
        ready.is_some_and(|ready| ready.message.contains("watched until"))
    });
    let gone = world.cloud.instances.pop().unwrap();
    world.cloud.ecs.retain(|instance| instance.id != gone.id);
    world.run_for(2 * MINUTE);
    let gate = world.status().gate.clone().unwrap();
    assert_eq!(gate.checks[0].verdict, Verdict::Pass, "{gate:?}");
}

/// A list of the group's members that leaves one out, or has a word for its state that nobody knows, is no sign that it has left.
#[test]
fn an_instance_that_is_still_a_server_is_looked_at_whatever_the_group_says_of_it() {
    let unknown: Change<'_> = &|world, id| {
        let mut members = world.cloud.instances.iter_mut();
        members.find(|member| member.id == id).unwrap().state =
            LifecycleState::Unknown("New".into());
    };
    for of in all() {
        let mut world = balanced(of.clone(), json!({}), json!({"finalSoakSeconds": 600}));
        world.run_until(3 * HOUR, "watched", |world| {
            let ready = world.condition(condition::READY);
            ready.is_some_and(|ready| ready.message.contains("watched until"))
        });
        let id = world.cloud.instances[0].id.clone();
        unknown(&mut world, &id);
        is_found(&mut world, &id, ServerHealth::Unhealthy);
        world.cloud.weights.insert(id.clone(), 50);
        world.run_for(MINUTE);
        let gate = world.status().gate.clone().unwrap();
        assert_eq!(
            gate.checks[0].verdict,
            Verdict::Inconclusive,
            "{of} {gate:?}"
        );
        assert!(gate.checks[0].message.contains(&id), "{gate:?}");
    }
}

/// What ESS says of the weight is deprecated: the load balancers are asked who gets requests.
#[test]
fn an_update_that_asks_for_no_check_is_verified_by_its_load_balancers_too() {
    let unhealthy: Change<'_> = &|world, id| is_found(world, id, ServerHealth::Unhealthy);
    let without_weight: Change<'_> = &|world, id| {
        world.cloud.weights.insert(id.to_owned(), 0);
    };
    let not_attached: Change<'_> = &|world, id| {
        world.cloud.not_attached.insert(id.to_owned());
    };
    for of in all() {
        let mut well = unasked(&of);
        well.run_until(HOUR, "at rest", World::at_rest);
        assert_eq!(well.said(condition::VERIFIED), "True AsReported", "{of}");
        for (change, found) in [
            (unhealthy, "is unhealthy in"),
            (without_weight, "has the weight 0 in"),
            (not_attached, "is not in"),
        ] {
            for (gets_well, verified) in [(true, "True AsReported"), (false, "False Different")] {
                let mut world = unasked(&of);
                let id = world.cloud.instances[0].id.clone();
                change(&mut world, &id);
                world.run_until(HOUR, found, |world| {
                    let ready = world.condition(condition::READY);
                    ready.is_some_and(|ready| ready.message.contains(&format!("{id} {found} {of}")))
                });
                world.run_for(MINUTE);
                if gets_well {
                    world.cloud.not_normal.clear();
                    world.cloud.weights.clear();
                    world.cloud.not_attached.clear();
                }
                world.run_until(2 * MINUTE, "at rest", World::at_rest);
                assert_eq!(world.state(), "Succeeded");
                assert_eq!(world.said(condition::VERIFIED), verified, "{of} {found}");
            }
        }
    }
}

/// An update without a check whose group is attached to this, with its first batch begun.
fn unasked(of: &ServerGroup) -> World {
    let mut world = script(json!({"batches": 2}));
    world.cloud.group.as_mut().unwrap().server_groups = vec![of.clone()];
    world.run_until(HOUR, "a batch", |world| !first(world).is_empty());
    world
}

#[test]
fn what_no_load_balancer_tells_is_said_and_holds_nothing_up() {
    let refused: Change<'_> = &|world, _| {
        let denied = ("BackendServers", ErrorClass::Denied);
        world.cloud.broken.extend([denied]);
    };
    let unchecked: Change<'_> = &|world, _| world.cloud.checked = false;
    for (change, why) in [
        (refused, "BackendServers gave no answer: Denied"),
        (unchecked, "nothing checks the servers of"),
    ] {
        let mut world = unasked(&alb());
        change(&mut world, "");
        world.run_until(HOUR, "the end", |world| world.status().result.is_some());
        world.run_until(MINUTE, "at rest", World::at_rest);
        assert_eq!(world.said(condition::VERIFIED), "True AsReported", "{why}");
        let said = &world.condition(condition::VERIFIED).unwrap().message;
        assert!(
            said.contains("what load balancers have of it is not known"),
            "{said}"
        );
        assert!(said.contains(why), "{said}");
    }
}

/// The last batch has no pause, and its instances are looked at before the update is called Verified.
#[test]
fn an_update_whose_last_instances_are_unhealthy_is_not_verified() {
    for (gets_well, verified) in [(true, "True AsReported"), (false, "False GateFailed")] {
        let mut world = balanced(alb(), json!({}), json!({}));
        world.run_until(HOUR, "the last batch", |world| {
            world.cloud.approved == [1, 2, 3]
        });
        let members = world.cloud.instances.iter().map(|member| member.id.clone());
        for id in members.collect::<Vec<_>>() {
            is_found(&mut world, &id, ServerHealth::Unhealthy);
        }
        world.run_until(HOUR, "watched", |world| {
            let ready = world.condition(condition::READY);
            ready.is_some_and(|ready| ready.message.contains("watched until"))
        });
        if gets_well {
            world.run_for(MINUTE);
            world.cloud.not_normal.clear();
        }
        world.run_until(HOUR, "at rest", World::at_rest);
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.said(condition::VERIFIED), verified);
    }
}

/// In a long soak in which the group scales, scale-in may take an instance that has just been updated: that says nothing of the update.
#[test]
fn an_instance_that_leaves_the_group_while_that_scales_fails_nothing() {
    for of in all() {
        let spec = json!({"batches": 4, "thawWhilePaused": true, "gates": {"soakSeconds": 900, "loadBalancer": {}}});
        let mut world = script(spec);
        world.cloud.group.as_mut().unwrap().server_groups = vec![of];
        world.run_until(HOUR, "the group scales", |w| {
            let thaw = w.status().thaw.as_ref();
            thaw.is_some_and(|thaw| thaw.state == ThawState::Resumed)
        });
        let id = first(&world)[0].clone();
        world.cloud.instances.retain(|instance| instance.id != id);
        world.cloud.not_attached.insert(id);
        world.run_until(HOUR, "the second batch", |w| {
            w.status()
                .batches
                .iter()
                .any(|b| b.index == 2 && b.start_time.is_some())
        });
        assert_eq!(world.cloud.approved, [1]);
        let verdict = world.status().gate.clone().and_then(|gate| gate.verdict);
        assert_eq!(verdict, None);
    }
}

/// There is nobody to be healthy.
#[test]
fn an_update_of_a_group_without_instances_waits_for_no_check() {
    let mut world = balanced(clb(), json!({"scope": "Group"}), json!({}));
    world.cloud.instances.clear();
    world.cloud.ecs.clear();
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}
