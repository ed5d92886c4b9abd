//! How much runs have left changed in scaling groups, by kind: counted from the records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::runtime::watcher::Event;

use super::RecordView;

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

/// The kinds, by the name of the record.
type Records = HashMap<String, Vec<String>>;

#[derive(Default)]
struct Lists {
    records: Records,
    /// A list that is coming in: what was known is counted until it is complete, or an apiserver
    /// that is away would look like nothing left.
    coming: Records,
}

fn put(records: &mut Records, record: &RecordView) {
    match record.leftovers() {
        kinds if kinds.is_empty() => records.remove(record.name()),
        kinds => records.insert(record.name().to_owned(), kinds),
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

    /// How many things of each kind are listed.
    pub fn by_kind(&self) -> BTreeMap<String, i64> {
        let mut counts: BTreeMap<String, i64> =
            KINDS.map(|kind| (kind.to_owned(), 0)).into_iter().collect();
        for kind in self.lock().records.values().flatten() {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        counts
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
        let count = |kind: &str| all.by_kind()[kind];
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
    }
}
