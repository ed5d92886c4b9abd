//! Clouds with random switches: what the probe finds of each is what was set, as far as anybody can see it from outside.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::state::behaviour::Switches;
use ess_emulator::state::rates::Rates;
use ess_emulator_probe::account::Emulated;
use ess_emulator_probe::probe::{Options, probe};
use ess_emulator_probe::profile::as_seen;
use ess_emulator_probe::random;
use ess_emulator_probe::rates::{ASKED, MOST};
use serde_json::json;

mod scene;

/// Of `make probe-selftest`; `PROBE_SEED` begins elsewhere.
const PROFILES: u64 = 50;

fn cloud(switches: Switches) -> Cloud {
    let text = scene::scene();
    let mut fixture = Fixture::parse(&text.to_string()).unwrap();
    fixture.switches = switches;
    Cloud::new(&fixture).unwrap()
}

/// High enough for the other experiments, which are no test of patience.
fn rates(seed: u64) -> Rates {
    let mut random = fastrand::Rng::with_seed(seed);
    let some = ASKED.into_iter().filter(|_| random.bool());
    let names: Vec<String> = some
        .map(|(service, action)| format!("{} {action}", service.name()))
        .collect();
    let rates = names.into_iter().map(|name| (name, random.u32(600..MOST)));
    rates.collect()
}

#[test]
fn what_is_found_is_what_was_set() {
    let first = std::env::var("PROBE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut found_all = 0;
    for seed in first..first + PROFILES {
        let mut switches = random::switches(seed);
        switches.rates = rates(seed);
        let mut account = Emulated::new(
            cloud(switches.clone()),
            "prober",
            "1000000000000001",
            "cn-hangzhou",
        );
        let options = Options {
            run: format!("seed{seed}"),
            groups: vec!["asg-ecs".to_owned(), "asg-eci".to_owned()],
            rates: true,
        };
        let profile = probe(&mut account, &options, |_| ());
        let (found, set) = (json!(as_seen(profile.switches)), json!(as_seen(switches)));
        assert_eq!(found, set, "PROBE_SEED={seed}: {:?}", profile.not_found);
        assert!(
            profile.left.is_empty(),
            "PROBE_SEED={seed}: {:?}",
            profile.left
        );
        found_all += 1;
    }
    println!("probe: profiles={found_all} found={found_all}");
}
