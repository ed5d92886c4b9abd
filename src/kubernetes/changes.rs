//! What a write of a status changes, as a JSON patch: fields that this version does not know are in neither of the two
//! statuses that are compared, so no operation touches them. Replacing the whole would drop what a newer operator wrote.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The apiserver refuses more than 10,000 operations in one patch.
const OPERATIONS_MAX: usize = 8_000;

/// The fields that tell the items of our lists apart.
const IDENTIFYING: [&str; 8] = [
    "id", "type", "key", "index", "number", "instance", "kind", "target",
];

/// The operations that turn the one value into the other, at this path.
///
/// Items of lists are the same when their identifying fields are: they are changed in place, wherever
/// they are. A list whose items cannot be told apart is replaced.
pub(super) fn changes(path: &str, old: Option<&Value>, new: &Value) -> Vec<Value> {
    let mut fine = Vec::new();
    change(path, old, new, true, &mut fine);
    if fine.len() <= OPERATIONS_MAX {
        return fine;
    }
    // So much at once that whole items are sent.
    let mut coarse = Vec::new();
    change(path, old, new, false, &mut coarse);
    coarse
}

fn change(
    path: &str,
    old: Option<&Value>,
    new: &Value,
    inside_items: bool,
    operations: &mut Vec<Value>,
) {
    match (old, new) {
        (Some(old), new) if old == new => {}
        (Some(Value::Object(old)), Value::Object(new)) => {
            for name in old.keys().filter(|name| !new.contains_key(*name)) {
                operations.push(json!({"op": "remove", "path": below(path, name)}));
            }
            for (name, value) in new {
                let (path, old) = (below(path, name), old.get(name));
                change(&path, old, value, inside_items, operations);
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            if !items(path, old, new, inside_items, operations) {
                operations.push(json!({"op": "add", "path": path, "value": new}));
            }
        }
        // `add` replaces what is there.
        (_, new) => operations.push(json!({"op": "add", "path": path, "value": new})),
    }
}

/// Changes a list item by item, if the items can be told apart and those that stay keep their order.
fn items(
    path: &str,
    old: &[Value],
    new: &[Value],
    inside_items: bool,
    operations: &mut Vec<Value>,
) -> bool {
    let (Some(before), Some(after)) = (identities(old), identities(new)) else {
        return false;
    };
    // An empty list that a status always has may not be there on the wire.
    if old.is_empty() {
        return false;
    }
    let mut staying = Vec::new();
    let mut gone = Vec::new();
    for (index, item) in old.iter().enumerate() {
        match after.contains_key(&identity(item)) {
            true => staying.push(item),
            false => gone.push(index),
        }
    }
    let order = new.iter().map(identity);
    let order: Vec<String> = order.filter(|id| before.contains_key(id)).collect();
    if !staying.iter().map(|item| identity(item)).eq(order) {
        return false;
    }
    for index in gone.into_iter().rev() {
        operations.push(json!({"op": "remove", "path": format!("{path}/{index}")}));
    }
    let mut staying = staying.into_iter().peekable();
    for (index, item) in new.iter().enumerate() {
        let path = format!("{path}/{index}");
        match staying.next_if(|old| identity(old) == identity(item)) {
            Some(old) if inside_items => change(&path, Some(old), item, true, operations),
            Some(old) if old == item => {}
            Some(_) => operations.push(json!({"op": "replace", "path": path, "value": item})),
            None => operations.push(json!({"op": "add", "path": path, "value": item})),
        }
    }
    true
}

/// The items by what identifies them; `None`: not all of them are told apart by that.
fn identities(items: &[Value]) -> Option<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let identity = identity(item);
        if identity.is_empty() || found.insert(identity, index).is_some() {
            return None;
        }
    }
    Some(found)
}

fn identity(item: &Value) -> String {
    let named = IDENTIFYING.iter().filter_map(|name| {
        let value = item.get(name).filter(|value| !value.is_object())?;
        Some(format!("{name}={value};"))
    });
    named.collect()
}

/// JSON pointer: `~` is written `~0` and a slash `~1`.
fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the apiserver makes of the patch between two statuses, applied to what it has.
    fn patched(mut stored: Value, old: &Value, new: &Value) -> Value {
        let patch = changes("/status", Some(old), new);
        let patch: json_patch::Patch = serde_json::from_value(patch.into()).unwrap();
        json_patch::patch(&mut stored, &patch).unwrap();
        stored["status"].clone()
    }

    #[test]
    fn what_a_newer_version_wrote_survives_a_write_of_this_one_everywhere() {
        let stored = json!({"status": {
            "state": "Running", "newField": {"a": 1}, "plan": {"batches": 2, "newer": true},
            "instances": [
                {"id": "i-1", "state": "Running", "newer": "one"},
                {"id": "i-2", "state": "Pending", "newer": "two"},
                {"id": "i-3", "state": "Pending", "newer": "three"}],
            "actions": [{"id": "a", "newer": 1}, {"id": "b", "newer": 2}],
        }});
        let known = json!({
            "state": "Running", "plan": {"batches": 2},
            "instances": [{"id": "i-1", "state": "Running"}, {"id": "i-2", "state": "Pending"}, {"id": "i-3", "state": "Pending"}],
            "actions": [{"id": "a"}, {"id": "b"}],
        });
        let next = json!({
            "state": "Succeeded", "plan": {"batches": 3}, "summary": {"total": 2},
            "instances": [{"id": "i-1", "state": "Succeeded"}, {"id": "i-3", "state": "Running"}],
            "actions": [{"id": "b", "state": "Applied"}, {"id": "c"}],
        });
        assert_eq!(
            patched(stored, &known, &next),
            json!({
                "state": "Succeeded", "newField": {"a": 1}, "plan": {"batches": 3, "newer": true}, "summary": {"total": 2},
                "instances": [
                    {"id": "i-1", "state": "Succeeded", "newer": "one"},
                    {"id": "i-3", "state": "Running", "newer": "three"}],
                "actions": [{"id": "b", "newer": 2, "state": "Applied"}, {"id": "c"}],
            })
        );
    }

    #[test]
    fn a_write_is_as_small_as_what_changes_and_never_more_operations_than_the_apiserver_takes() {
        let instances = |state: &str| -> Value {
            let all = (0..2000).map(|n| {
                json!({"id": format!("i-{n}"), "a": state, "b": state, "c": state, "d": state, "e": state})
            });
            all.collect::<Vec<_>>().into()
        };
        let old = json!({"instances": instances("x")});
        let mut new = old.clone();
        new["instances"][7]["a"] = "y".into();
        assert_eq!(
            changes("/status", Some(&old), &new),
            [json!({"op": "add", "path": "/status/instances/7/a", "value": "y"})]
        );
        let new = json!({"instances": instances("y")});
        let stored = json!({"status": old});
        assert!(changes("/status", Some(&old), &new).len() <= OPERATIONS_MAX);
        assert_eq!(patched(stored, &old, &new), new);
    }

    #[test]
    fn a_list_that_is_always_there_need_not_be_on_the_wire() {
        let stored = json!({"status": {"plan": {}}});
        let (old, new) = (
            json!({"plan": {"members": []}}),
            json!({"plan": {"members": [{"id": "i-1"}]}}),
        );
        assert_eq!(patched(stored, &old, &new), new);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            "[a-b~/]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let named = ("[a-c]", inner.clone(), "[x-z]")
                .prop_map(|(id, more, name)| json!({"id": id, name: more}));
            prop_oneof![
                prop::collection::vec(named, 0..4).prop_map(Value::from),
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c~/]{1,2}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_patch_leads_from_the_one_to_the_other(old in value(), new in value()) {
            prop_assert_eq!(patched(json!({"status": old}), &old, &new), new);
        }
    }
}
