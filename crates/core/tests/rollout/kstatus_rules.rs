//! What kstatus (Flux, `helm --wait`) concludes from an object: its rules for kinds that it does not know, in their order.

use std::collections::BTreeMap;

use serde::Serialize;

/// The conclusion, as kstatus words it.
pub fn kstatus(object: &impl Serialize) -> &'static str {
    let object = serde_json::to_value(object).unwrap();
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if !metadata["deletionTimestamp"].is_null() {
        return "Terminating";
    }
    let observed = &status["observedGeneration"];
    if !observed.is_null() && *observed != metadata["generation"] {
        return "InProgress";
    }
    let conditions = status["conditions"].as_array();
    for condition in conditions.into_iter().flatten() {
        if condition["status"] == "True" && condition["type"] == "Reconciling" {
            return "InProgress";
        }
        if condition["status"] == "True" && condition["type"] == "Stalled" {
            return "Failed";
        }
    }
    let ready = conditions.into_iter().flatten();
    match ready.into_iter().find(|c| c["type"] == "Ready") {
        Some(ready) if ready["status"] != "True" => "InProgress",
        _ => "Current",
    }
}

/// The rows of the table of a kind in docs/gitops.md: a state, and the conclusion of kstatus beside it. The table is written by
/// the operator's `tests/gitops`.
pub fn documented(kind: &str) -> BTreeMap<String, String> {
    let text = include_str!("../../../../docs/gitops.md");
    let marker = format!("<!-- table {kind} -->");
    let Some((_, below)) = text.split_once(&marker) else {
        panic!("docs/gitops.md has no {marker}")
    };
    let rows = below.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|'));
    let rows = rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let state = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        if !state.chars().all(char::is_alphabetic) {
            return None;
        }
        Some((state.to_owned(), cells.next()?.to_owned()))
    });
    rows.collect()
}

/// Notes what is seen of a state, which the documentation has to say.
pub struct Seen(
    std::cell::RefCell<BTreeMap<String, String>>,
    BTreeMap<String, String>,
);

impl Seen {
    /// Held against the table of this kind.
    pub fn against(kind: &str) -> Self {
        Self(Default::default(), documented(kind))
    }

    pub fn look(&self, object: &impl Serialize) {
        let state = serde_json::to_value(object).unwrap()["status"]["state"].clone();
        let Some(state) = state.as_str() else { return };
        let found = kstatus(object);
        let said = self.1.get(state).map(String::as_str);
        assert_eq!(
            said,
            Some(found),
            "docs/gitops.md says otherwise of {state}"
        );
        self.0
            .borrow_mut()
            .insert(state.to_owned(), found.to_owned());
    }

    /// The states that the table has and nobody has seen.
    pub fn unseen(self) -> Vec<String> {
        let seen = self.0.into_inner();
        let all = self.1.into_keys();
        all.filter(|state| !seen.contains_key(state)).collect()
    }
}
