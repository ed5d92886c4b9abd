//! Accounts as they could be: what is to work against any of them is tried against some.

use ess_emulator::oos::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, RejectedStatus, SafetyCheckDefault, SkippedItemStatus,
    Taken,
};
use ess_emulator::state::behaviour::Switches;

/// Each behaviour that is left open drawn by itself, lags among them. The same seed gives the same.
pub fn switches(seed: u64) -> Switches {
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
