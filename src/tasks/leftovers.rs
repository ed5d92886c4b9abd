//! What the records tell of all groups together: how much runs have left changed in them, by kind, and which of them
//! stand still because of a run that no object looks after.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kube::runtime::watcher::Event;

use super::RecordView;
use crate::kubernetes::ObjectKey;

/// The kinds that a record can name, so that each has a series before there is anything to count.
const KINDS: [&str; 7] = [
    "Execution",
    "Process",
    "ScalingConfigurationImage",
    "ScalingConfigurationContainers",
    "Standby",
    "Protection",
    "StoppedInstance",
];

/// What the records list, by record.
#[derive(Default)]
pub struct Leftovers(Mutex<Lists>);

/// By the name of the record.
type Records = HashMap<String, Told>;

/// What is told of one record.
struct Told {
    kinds: Vec<(String, bool)>,
    frozen: Vec<(ObjectKey, Timestamp)>,
}

#[derive(Default)]
struct Lists {
    records: Records,
    /// A list that is coming in: what was known is counted until it is complete, or an apiserver
    /// that is away would look like nothing left.
    coming: Records,
}

fn put(records: &mut Records, record: &RecordView) {
    // A run that was let go is among the leftovers, as an execution.
    match record.leftovers() {
        kinds if kinds.is_empty() => records.remove(record.name()),
        kinds => {
            let frozen = record.frozen();
            records.insert(record.name().to_owned(), Told { kinds, frozen })
        }
    };
}

impl Leftovers {
    fn lock(&self) -> MutexGuard<'_, Lists> {
        // Nothing panics while holding it; if it did, the counts are still only counts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an event of the watch of records.
    pub fn apply(&self, event: &Event<RecordView>) {
        let mut lists = self.lock();
        match event {
            Event::Init => lists.coming.clear(),
            Event::InitApply(record) => put(&mut lists.coming, record),
            Event::InitDone => lists.records = std::mem::take(&mut lists.coming),
            Event::Apply(record) => put(&mut lists.records, record),
            Event::Delete(record) => {
                lists.records.remove(record.name());
            }
        }
    }

    /// How many things of each kind are listed, apart from those that are left on purpose.
    pub fn by_kind(&self) -> BTreeMap<(String, bool), i64> {
        // What a policy of an update leaves is in Standby.
        let always = KINDS.map(|kind| (kind, false)).into_iter();
        let always = always.chain([("Standby", true)]);
        let mut counts: BTreeMap<(String, bool), i64> = always
            .map(|(kind, kept)| ((kind.to_owned(), kept), 0))
            .collect();
        let lists = self.lock();
        for kind in lists.records.values().flat_map(|told| &told.kinds) {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        counts
    }

    /// Whose runs that no object looks after have their group stand still, and since when.
    pub fn frozen(&self) -> Vec<(ObjectKey, Timestamp)> {
        let lists = self.lock();
        let all = lists.records.values().flat_map(|told| &told.frozen);
        all.cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, kinds: &[&str]) -> RecordView {
        let leftovers: Vec<_> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"},
            "status": {"leftovers": leftovers},
        }))
        .unwrap()
    }

    #[test]
    fn they_are_counted_over_all_records_as_these_change() {
        let all = Leftovers::default();
        let count = |kind: &str| all.by_kind()[&(kind.to_owned(), false)];
        assert_eq!(count("Standby"), 0);
        all.apply(&Event::Apply(record(
            "a",
            &["Standby", "Standby", "Process"],
        )));
        all.apply(&Event::Apply(record("b", &["Standby"])));
        assert_eq!((count("Standby"), count("Process")), (3, 1));
        all.apply(&Event::Apply(record("a", &["Process"])));
        assert_eq!((count("Standby"), count("Process")), (1, 1));
        all.apply(&Event::Delete(record("b", &[])));
        assert_eq!(count("Standby"), 0);
        // The list may fail on its way and begin anew.
        for _ in 0..2 {
            all.apply(&Event::Init);
            all.apply(&Event::InitApply(record("c", &["Standby"])));
            assert_eq!((count("Standby"), count("Process")), (0, 1));
        }
        all.apply(&Event::Init);
        all.apply(&Event::InitApply(record("d", &["Protection"])));
        all.apply(&Event::InitDone);
        assert_eq!((count("Standby"), count("Process")), (0, 0));
        assert_eq!(count("Protection"), 1);
        // What an update leaves as it was told to alarms nobody.
        let kept: RecordView = serde_json::from_value(json!({
            "metadata": {"name": "e"},
            "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"},
            "status": {"leftovers": [{"kind": "Standby", "kept": true}]},
        }))
        .unwrap();
        all.apply(&Event::Apply(kept));
        assert_eq!(count("Standby"), 0);
        assert_eq!(all.by_kind()[&("Standby".to_owned(), true)], 1);
    }

    #[test]
    fn a_group_stands_still_while_a_run_that_was_let_go_has_its_processes() {
        let run = |name: &str, more: serde_json::Value| {
            let mut run = json!({"kind": "Rollback", "namespace": "ns", "name": name, "uid": name,
                "since": "2026-01-01T00:05:00Z", "executionId": "exec-1", "exitProcesses": ["ScaleIn"],
                "letGo": "Orphaned"});
            json_patch::merge(&mut run, &more);
            run
        };
        let record = |runs: serde_json::Value| -> RecordView {
            serde_json::from_value(json!({
                "metadata": {"name": "a"},
                "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"},
                "status": {"runs": runs},
            }))
            .unwrap()
        };
        let all = Leftovers::default();
        all.apply(&Event::Apply(record(json!([
            run("frozen", json!({})),
            // Its object says so itself; nothing has begun; it suspends nothing.
            run("attended", json!({"letGo": null})),
            run("not-begun", json!({"executionId": null})),
            run(
                "image",
                json!({"kind": "ImageUpdateTask", "exitProcesses": null})
            ),
        ]))));
        let key = ObjectKey {
            namespace: "ns".to_owned(),
            name: "frozen".to_owned(),
            kind: crate::kubernetes::ObjectKind::Rollback,
        };
        let since: Timestamp = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(all.frozen(), [(key, since)]);
        all.apply(&Event::Apply(record(json!([]))));
        assert_eq!(all.frozen(), []);
    }
}
