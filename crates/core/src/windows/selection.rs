//! Which tasks a window is for.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::WindowSelector;

/// What of a task decides whether a window is for it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The tags of its scaling group.
    pub tags: &'a BTreeMap<String, String>,
}

/// Whether a window is for a task. `namespace`: that of the window; `operator`: that of the operator,
/// whose windows are for the tasks of all namespaces. In any other a window is for the tasks beside it,
/// so that nobody closes what is somebody else's. Every part of the selector has to fit, and one that
/// is empty does.
pub fn selects(
    selector: Option<&WindowSelector>,
    namespace: &str,
    operator: &str,
    task: &Subject,
) -> bool {
    let mut tags = wanted_tags(selector);
    may_select(selector, namespace, operator, task.namespace)
        && tags.all(|(key, value)| task.tags.get(key) == Some(value))
}

/// The same, whatever the tags of the group are.
pub fn may_select(
    selector: Option<&WindowSelector>,
    namespace: &str,
    operator: &str,
    task_namespace: &str,
) -> bool {
    let namespaces = selector.map_or(&[][..], |selector| &selector.namespaces);
    (namespace == operator || namespace == task_namespace)
        && (namespaces.is_empty() || namespaces.iter().any(|n| n == task_namespace))
}

/// Whether the tags of the group decide as well.
pub fn asks_for_tags(selector: Option<&WindowSelector>) -> bool {
    wanted_tags(selector).next().is_some()
}

fn wanted_tags(
    selector: Option<&WindowSelector>,
) -> impl Iterator<Item = (&String, &String)> + use<'_> {
    let groups = selector.and_then(|selector| selector.groups.as_ref());
    groups.into_iter().flat_map(|groups| &groups.tags)
}

#[cfg(test)]
mod tests {
    use ess_rollout_api::v1alpha1::WindowGroups;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn selector(pairs: &[(&str, &str)], namespaces: &[&str]) -> WindowSelector {
        WindowSelector {
            groups: Some(WindowGroups { tags: tags(pairs) }),
            namespaces: namespaces.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    /// Of a task in `shop`, whose group has the tags env=prod and tier=web.
    fn is_for_the_shop(selector: Option<&WindowSelector>, window_namespace: &str) -> bool {
        let tags = tags(&[("env", "prod"), ("tier", "web")]);
        let task = Subject {
            namespace: "shop",
            tags: &tags,
        };
        selects(selector, window_namespace, "ess-rollout-system", &task)
    }

    #[test]
    fn a_window_is_for_the_tasks_beside_it_and_one_of_the_operator_for_all() {
        let empty = WindowSelector::default();
        for all in [None, Some(&empty), Some(&selector(&[], &[]))] {
            assert!(is_for_the_shop(all, "shop"));
            assert!(is_for_the_shop(all, "ess-rollout-system"));
            assert!(!is_for_the_shop(all, "warehouse"));
        }
        // Not even where it says so.
        assert!(!is_for_the_shop(
            Some(&selector(&[], &["shop"])),
            "warehouse"
        ));
    }

    #[test]
    fn every_part_of_a_selector_has_to_fit() {
        for (tags, namespaces, fits) in [
            (&[("env", "prod")][..], &[][..], true),
            (&[("env", "prod"), ("tier", "web")], &["shop"], true),
            (&[], &["warehouse", "shop"], true),
            (&[("env", "test")], &["shop"], false),
            (&[("env", "prod"), ("zone", "a")], &["shop"], false),
            (&[("env", "prod")], &["warehouse"], false),
        ] {
            let selector = selector(tags, namespaces);
            let found = is_for_the_shop(Some(&selector), "ess-rollout-system");
            assert_eq!(found, fits, "{selector:?}");
        }
    }
}
