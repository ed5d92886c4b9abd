//! A probe that is stopped in the middle leaves the account as it was, or names what it leaves.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::state::call::Service;
use ess_emulator_probe::account::{Account, CallError, Emulated, Stop};
use ess_emulator_probe::probe::{Options, missing_group, probe};
use jiff::Timestamp;
use serde_json::{Value, json};

mod scene;

fn emulated() -> Emulated {
    let mut text = scene::scene();
    // The probe has something to wait for.
    text["switches"] = json!({"readLagSeconds": 5});
    let fixture = Fixture::parse(&text.to_string()).unwrap();
    Emulated::new(
        Cloud::new(&fixture).unwrap(),
        "prober",
        "1000000000000001",
        "cn-hangzhou",
    )
}

fn options() -> Options {
    Options {
        run: "stopped".to_owned(),
        groups: vec!["asg-ecs".to_owned(), "asg-eci".to_owned()],
        rates: false,
    }
}

/// Whether the calls that were made are those after which it is to stop.
type After = dyn Fn(&[&'static str]) -> bool;

/// Stops once certain calls were made.
struct Stopping {
    inner: Emulated,
    /// Those made since, to clean up.
    since: usize,
    after: Box<After>,
    made: Vec<&'static str>,
    how: Stop,
}

impl Stopping {
    fn new(how: Stop, after: impl Fn(&[&'static str]) -> bool + 'static) -> Self {
        Self {
            inner: emulated(),
            since: 0,
            after: Box::new(after),
            made: Vec::new(),
            how,
        }
    }
}

impl Account for Stopping {
    fn call(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        if self.stop() != Stop::No {
            self.since += 1;
        }
        self.made.push(action);
        self.inner.call(service, action, parameters)
    }

    fn sleep(&mut self, time: Duration) {
        self.inner.sleep(time);
    }

    fn stop(&self) -> Stop {
        match (self.after)(&self.made) {
            true => self.how,
            false => Stop::No,
        }
    }

    fn now(&mut self) -> Timestamp {
        self.inner.now()
    }
}

fn templates(account: &mut Emulated) -> usize {
    let ask = json!({"ShareType": "Private", "MaxResults": "100"});
    let list = account.call(Service::Oos, "ListTemplates", &ask).unwrap();
    let list = list["Templates"].as_array().unwrap();
    let name = |row: &&Value| row["TemplateName"].as_str().unwrap().contains("stopped");
    list.iter().filter(name).count()
}

fn is_as_before(account: &mut Emulated) -> bool {
    account.sleep(Duration::from_secs(60));
    let resources = &account.cloud().world.resources;
    let group = &resources.groups["asg-ecs"];
    let states = resources.members_of("asg-ecs");
    let is_in_service = states
        .map(|member| json!(member.lifecycle_state))
        .all(|state| state == "InService");
    group.suspended_processes.is_empty() && is_in_service
}

/// So many of these were made.
fn made(action: &'static str, count: usize) -> impl Fn(&[&'static str]) -> bool {
    move |made| made.iter().filter(|own| **own == action).count() >= count
}

#[test]
fn what_was_done_is_taken_back() {
    for (action, count) in [
        ("ListExecutions", 1),
        ("CreateTemplate", 1),
        ("StartExecution", 1),
        ("StartExecution", 7),
        ("NotifyExecution", 2),
        ("SuspendProcesses", 1),
        ("SetInstancesProtection", 1),
        ("SetInstancesProtection", 2),
    ] {
        let mut account = Stopping::new(Stop::CleanUp, made(action, count));
        let began = account.now();
        let profile = probe(&mut account, &options(), |_| ());
        assert!(account.since > 0 || action == "ListExecutions", "{action}");
        assert!(
            profile.left.is_empty(),
            "{action} {count}: {:?}",
            profile.left
        );
        let passed = account.now().duration_since(began);
        assert!(passed.as_secs() < 2400, "{action} {count}: {passed}");
        let mut account = account.inner;
        assert_eq!(templates(&mut account), 0, "{action} {count}");
        assert!(is_as_before(&mut account), "{action} {count}");
    }
}

#[test]
fn what_is_left_is_named_when_it_ends_at_once() {
    let mut account = Stopping::new(Stop::AtOnce, made("StartExecution", 1));
    let profile = probe(&mut account, &options(), |_| ());
    assert_eq!(account.since, 0);
    let left = format!("{:?}", profile.left);
    assert!(
        left.contains("template ess-rollout-probe-stopped-") && left.contains("execution exec-"),
        "{left}"
    );

    let mut account = Stopping::new(Stop::AtOnce, made("SuspendProcesses", 1));
    let profile = probe(&mut account, &options(), |_| ());
    let left = format!("{:?}", profile.left);
    assert!(left.contains("AlarmNotification of asg-ecs"), "{left}");
}

#[test]
fn a_group_that_is_not_there_is_found() {
    let mut account = emulated();
    let there = options().groups;
    assert_eq!(missing_group(&mut account, &there), Ok(None));
    let odd = vec!["asg-eci".to_owned(), "asg-none".to_owned()];
    assert_eq!(missing_group(&mut account, &odd), Ok(Some("asg-none")));
}
