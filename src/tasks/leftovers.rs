//! How much runs have left changed in scaling groups, by kind: counted from the records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::runtime::watcher::Event;

use super::RecordView;

/// The kinds that a record can name, so that each has a series before there is anything to count.
const KINDS: [&str; 6] = [
    "Process",
    "ScalingConfigurationImage",
    "ScalingConfigurationContainers",
    "Standby",
    "Protection",
    "StoppedInstance",
];

/// What the records list, by record.
#[derive(Default)]
pub struct Leftovers {
    records: Mutex<HashMap<String, Vec<String>>>,
}

impl Leftovers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        // Nothing panics while holding it; if it did, the counts are still only counts.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an event of the watch of records.
    pub fn apply(&self, event: &Event<RecordView>) {
        let mut records = self.lock();
        match event {
            Event::Init => records.clear(),
            Event::InitDone => {}
            Event::InitApply(record) | Event::Apply(record) => {
                match record.leftovers() {
                    kinds if kinds.is_empty() => records.remove(record.name()),
                    kinds => records.insert(record.name().to_owned(), kinds),
                };
            }
            Event::Delete(record) => {
                records.remove(record.name());
            }
        }
    }

    /// How many things of each kind are listed.
    pub fn by_kind(&self) -> BTreeMap<String, i64> {
        let mut counts: BTreeMap<String, i64> =
            KINDS.map(|kind| (kind.to_owned(), 0)).into_iter().collect();
        for kind in self.lock().values().flatten() {
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
        all.apply(&Event::Init);
        assert_eq!(count("Process"), 0);
    }
}
