//! Clouds with random switches: what the probe finds of each is what was set, as far as anybody can see it from outside.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::oos::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, RejectedStatus, SafetyCheckDefault, SkippedItemStatus,
    Taken,
};
use ess_emulator::state::behaviour::Switches;
use ess_emulator_probe::account::Emulated;
use ess_emulator_probe::probe::{Options, probe};
use ess_emulator_probe::profile::as_seen;
use serde_json::json;

/// Of `make probe-selftest`; `PROBE_SEED` begins elsewhere.
const PROFILES: u64 = 50;

fn random(seed: u64) -> Switches {
    let mut random = fastrand::Rng::with_seed(seed);
    fn one<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
        of[random.usize(..of.len())]
    }
    let random = &mut random;
    let word = |random: &mut fastrand::Rng, of: &[&'static str]| one(random, of).to_owned();
    let status = [PausedStatus::Waiting, PausedStatus::Running];
    let taken = [Taken::Accepted, Taken::Refused];
    Switches {
        read_lag_seconds: f64::from(random.u32(0..20)),
        group_type_defaults_to_ecs: random.bool(),
        repeated_state_changes_accepted: random.bool(),
        oos: OosSwitches {
            waiting_status_batch_pause: word(random, &["", "PendingBatch"]),
            waiting_status_failure_pause: word(random, &["", "PendingFailure", "Paused"]),
            waiting_status_approval: word(random, &["", "WaitForApproval"]),
            loop_task_in_pause: one(random, &status),
            root_in_failure_pause: one(random, &status),
            child_in_failure_pause: one(
                random,
                &[ChildInFailurePause::Failed, ChildInFailurePause::Waiting],
            ),
            failure_pause_at: one(
                random,
                &[
                    FailurePauseAt::BeyondMaxErrors,
                    FailurePauseAt::EveryFailure,
                ],
            ),
            others_in_failure_pause: one(
                random,
                &[OthersInFailurePause::GoOn, OthersInFailurePause::StandStill],
            ),
            failure_pause_shows: one(
                random,
                &[
                    FailurePauseShows::AtOnce,
                    FailurePauseShows::AfterRunningItems,
                ],
            ),
            pause_after_last_batch: random.bool(),
            batch_split: one(
                random,
                &[
                    BatchSplit::Even,
                    BatchSplit::RemainderLast,
                    BatchSplit::CeilingFirst,
                ],
            ),
            notify_by_task_execution_id: random.bool(),
            notify_by_loop_item: random.bool(),
            notify_by_child_execution: random.bool(),
            skipped_item_status: one(
                random,
                &[SkippedItemStatus::Skipped, SkippedItemStatus::Success],
            ),
            cancelled_items_count_as_errors: random.bool(),
            rejected_execution: one(random, &[RejectedStatus::Cancelled, RejectedStatus::Failed]),
            skip_with_failure_pause: one(random, &taken),
            safety_check_default: one(
                random,
                &[
                    SafetyCheckDefault::Skip,
                    SafetyCheckDefault::ConfirmEveryHighRiskAction,
                ],
            ),
            unknown_template_parameters: one(random, &taken),
            update_date_moves_with_children: random.bool(),
            list_lag_seconds: random.u32(0..40),
            tag_lag_seconds: random.u32(0..40),
            update_date_lag_seconds: random.u32(0..20),
            stable_pages: random.bool(),
            start_delay_seconds: random.u32(0..8),
            task_delay_seconds: random.u32(0..8),
            cancel_delay_seconds: random.u32(0..12),
            // What the emulator does not have, which is nothing of an account.
            ..OosSwitches::default()
        },
        ..Switches::default()
    }
}

fn cloud(switches: Switches) -> Cloud {
    let text = json!({
        "accountId": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "principals": [{"name": "prober", "accessKeyId": "k", "accessKeySecret": "s", "allow": ["*"]}],
        "images": [{"imageId": "m-1"}],
        "scalingGroups": [
            {"scalingGroupId": "asg-ecs", "maxSize": 4,
                "configurations": [{"scalingConfigurationId": "asc-1", "imageId": "m-1"}], "instances": {"count": 2}},
            {"scalingGroupId": "asg-eci", "maxSize": 4, "groupType": "ECI",
                "eciConfigurations": [{"scalingConfigurationId": "asc-2",
                    "containers": [{"Name": "c", "Image": "i:1", "Cpu": 1, "Memory": 2}]}],
                "containerGroups": {"count": 1}},
        ],
    });
    let mut fixture = Fixture::parse(&text.to_string()).unwrap();
    fixture.switches = switches;
    Cloud::new(&fixture).unwrap()
}

#[test]
fn what_is_found_is_what_was_set() {
    let first = std::env::var("PROBE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut found_all = 0;
    for seed in first..first + PROFILES {
        let switches = random(seed);
        let mut account = Emulated::new(
            cloud(switches.clone()),
            "prober",
            "1000000000000001",
            "cn-hangzhou",
        );
        let options = Options {
            run: format!("seed{seed}"),
            groups: vec!["asg-ecs".to_owned(), "asg-eci".to_owned()],
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
