//! What was found.

use std::collections::{BTreeMap, BTreeSet};

use ess_emulator::oos::{ChildInFailurePause, FailurePauseAt, FailurePauseShows, PausedStatus};
use ess_emulator::state::behaviour::Switches;
use serde::{Deserialize, Serialize};

/// How an account behaves: a file that `ess-emulator --profile` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// What the emulator does. What was not found is as the emulator has it by default.
    pub switches: Switches,
    /// The switches that nothing was found about, by their names in `switches`, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_found: BTreeMap<String, String>,
    /// The largest page that is given, by action.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub page_limits: BTreeMap<String, u32>,
    /// What the probe could not delete.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<String>,
}

/// The same with what nobody can see from outside as if it were the default: two accounts with equal ones cannot be told apart.
pub fn as_seen(mut switches: Switches) -> Switches {
    let unseen = Switches::default().oos;
    let oos = &mut switches.oos;
    // A tag cannot be looked for before the execution is listed.
    oos.tag_lag_seconds = oos.tag_lag_seconds.max(oos.list_lag_seconds);
    // A child that waits for its failure to be resolved holds its loop, whatever that tolerates.
    if oos.child_in_failure_pause == ChildInFailurePause::Waiting {
        oos.failure_pause_at = FailurePauseAt::EveryFailure;
    }
    // Nothing shows early or late where nothing shows.
    if oos.root_in_failure_pause == PausedStatus::Running {
        oos.failure_pause_shows = unseen.failure_pause_shows;
    }
    // Nobody can skip or give up an item that nobody can name; and to skip a task in a child that waits is not to skip the item.
    let by_item = oos.notify_by_task_execution_id || oos.notify_by_loop_item;
    let child_failed = oos.child_in_failure_pause == ChildInFailurePause::Failed;
    let can_skip = by_item || (oos.notify_by_child_execution && child_failed);
    if !can_skip {
        oos.skipped_item_status = unseen.skipped_item_status;
    }
    if !by_item && !oos.notify_by_child_execution {
        oos.cancelled_items_count_as_errors = unseen.cancelled_items_count_as_errors;
    }
    switches
}

/// For the order of what shows first.
pub(crate) fn shows(at_once: bool) -> FailurePauseShows {
    match at_once {
        true => FailurePauseShows::AtOnce,
        false => FailurePauseShows::AfterRunningItems,
    }
}
