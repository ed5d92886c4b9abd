//! The names that templates give to parameters.
//!
//! Templates do not spell parameters as the wire does: the dots are left out (`SystemDiskSize`,
//! `InstanceId1`), and lists go by their plural (`ResourceIds`, `Tags`). Both spellings are taken.

use serde_json::Value;

use super::args::plural;
use super::parameters::{COMMON, PAGING, api, of_action};
use crate::api::covers;
use crate::error::ApiError;
use crate::params::{Params, given_twice, twice};
use crate::state::call::{EssVersion, Service};

/// The parameters that a template gives to an action, under the action's own names, and the names
/// that the action does not have. `Err` for one that is given in two spellings.
pub fn of_template(
    service: Service,
    action: &str,
    given: &Params,
) -> Result<(Params, Vec<String>), ApiError> {
    let Some(own) = own(service, action) else {
        let names = given_twice(given.keys().map(String::as_str));
        return names.map_or_else(
            || Ok((given.clone(), Vec::new())),
            |names| Err(twice(names)),
        );
    };
    let own = own.as_slice();
    let mut named = Params::new();
    let mut ignored = Vec::new();
    let mut spelt: Vec<(String, &str)> = Vec::new();
    for (name, value) in given {
        let found = if is_own(own, name) {
            Some(name.clone())
        } else {
            own_name(own, name)
        };
        let read = found
            .as_ref()
            .is_some_and(|found| !(is_list(own, found) && is_scalar(value)));
        if !read {
            ignored.push(name.clone());
        }
        let found = found.unwrap_or_else(|| name.clone());
        spelt.push((found.clone(), name));
        named.insert(found, value.clone());
    }
    match given_twice(spelt.iter().map(|(found, _)| found.as_str())) {
        None => Ok((named, ignored)),
        Some((one, other)) => {
            let mut as_given = spelt
                .iter()
                .filter(|(found, _)| found == one || found == other)
                .map(|(_, name)| *name);
            let (first, second) = (as_given.next(), as_given.next());
            Err(twice((first.unwrap_or(one), second.unwrap_or(other))))
        }
    }
}

/// The parameters of an action as templates may name them, in the 2014 spelling of ESS.
fn own(service: Service, action: &str) -> Option<Vec<&'static str>> {
    let known = of_action(api(service, EssVersion::V2014), action)?;
    let mut own: Vec<&str> = known
        .iter()
        .filter(|p| p.honoured)
        .map(|p| p.path)
        .collect();
    own.extend(known.iter().filter(|p| !p.honoured).map(|p| p.path));
    Some(own)
}

fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_own(own: &[&str], name: &str) -> bool {
    COMMON.contains(&name)
        || PAGING.contains(&name)
        || own.iter().any(|known| head(known) == head(name))
}

/// Whether the action has `name` as a list and as nothing else.
fn is_list(own: &[&str], name: &str) -> bool {
    !own.contains(&name) && own.iter().any(|known| covers(&format!("{name}.N"), known))
}

/// The list that a parameter is or lies in.
fn list(path: &str) -> Option<&str> {
    let of_structures = path.split_once(".N.").map(|(list, _)| list);
    of_structures.or_else(|| path.strip_suffix(".N"))
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null)
}

/// What `name` is called on the wire.
fn own_name(own: &[&str], name: &str) -> Option<String> {
    own.iter().find_map(|known| match list(known) {
        None => {
            (known.contains('.') && known.replace('.', "") == name).then(|| (*known).to_owned())
        }
        Some(list) => {
            let plural = plural(list);
            if let Some(rest) = name.strip_prefix(&plural)
                && (rest.is_empty() || rest.starts_with('.'))
            {
                return Some(format!("{list}{rest}"));
            }
            let rest = name.strip_prefix(list)?;
            let member = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = rest.strip_suffix(member).filter(|n| !n.is_empty())?;
            match member.trim_start_matches('.') {
                "" => Some(format!("{list}.{number}")),
                member if member.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    Some(format!("{list}.{number}.{member}"))
                }
                _ => None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use serde_json::json;

    fn mapped(action: &str, given: &Value) -> (Value, Vec<String>) {
        let given = given.as_object().unwrap();
        let (named, ignored) = of_template(Service::Ecs, action, given).unwrap();
        (Value::Object(named), ignored)
    }

    #[test]
    fn both_spellings_become_the_actions_own() {
        let documented = json!({"Tags": [{"Key": "a"}], "ResourceIds": ["i-1"], "RegionId": "r"});
        let wire = json!({"Tag": [{"Key": "a"}], "ResourceId": ["i-1"], "RegionId": "r"});
        assert_eq!(mapped("TagResources", &documented), (wire.clone(), vec![]));
        assert_eq!(mapped("TagResources", &wire), (wire, vec![]));
        assert_eq!(
            mapped(
                "TagResources",
                &json!({"Tags.1.Key": "a", "Tag.1.Value": "b", "ResourceId12": "i"})
            )
            .0,
            json!({"Tag.1.Key": "a", "Tag.1.Value": "b", "ResourceId.12": "i"})
        );
        assert_eq!(
            mapped("ReplaceSystemDisk", &json!({"SystemDiskSize": 40})).0,
            json!({"SystemDisk.Size": 40})
        );
        // The name is the action's own already, although it looks like a plural.
        assert_eq!(
            mapped("DescribeInstances", &json!({"InstanceIds": ["i-1"]})),
            (json!({"InstanceIds": ["i-1"]}), vec![])
        );
    }

    #[test]
    fn names_that_select_nothing_are_told() {
        for given in [
            json!({"tags": []}),
            json!({"InstanceNames": ["a"]}),
            json!({"TagX1": 1}),
            // A list that is one text is not looked at.
            json!({"Tag": "owner"}),
            json!({"Tags": "owner"}),
        ] {
            let (_, ignored) = mapped("DescribeInstances", &given);
            assert_eq!(ignored.len(), 1, "{given}");
        }
    }

    #[test]
    fn one_parameter_in_two_spellings_is_refused_with_both() {
        for (action, given, both) in [
            (
                "DescribeInstances",
                json!({"Tag": [], "Tags": []}),
                ["Tag", "Tags"],
            ),
            (
                "ReplaceSystemDisk",
                json!({"SystemDisk": {"Size": 1}, "SystemDiskSize": 2}),
                ["SystemDisk", "SystemDiskSize"],
            ),
            (
                "TagResources",
                json!({"ResourceIds": ["i-1"], "ResourceId1": "i-2"}),
                ["ResourceIds", "ResourceId1"],
            ),
        ] {
            let refused = of_template(Service::Ecs, action, given.as_object().unwrap());
            let message = refused.unwrap_err().message;
            for name in both {
                assert!(message.contains(name), "{given}: {message}");
            }
        }
    }

    fn calls(value: &Value, found: &mut Vec<(String, String, Params)>) {
        if let (Some(service), Some(api)) = (value["Service"].as_str(), value["API"].as_str()) {
            let params = value["Parameters"].as_object().cloned().unwrap_or_default();
            found.push((service.to_owned(), api.to_owned(), params));
        }
        match value {
            Value::Object(map) => map.values().for_each(|inner| calls(inner, found)),
            Value::Array(items) => items.iter().for_each(|inner| calls(inner, found)),
            _ => {}
        }
    }

    /// Also tells an action whose parameters nobody listed.
    #[test]
    fn the_bundled_templates_give_no_name_in_vain() {
        let mut found = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            calls(&serde_saphyr::from_str(&text).unwrap(), &mut found);
        }
        assert!(found.len() > 50, "{}", found.len());
        for (service, api, params) in found {
            let service = Service::parse(&service).unwrap();
            let action = crate::services::spelling(service, &api);
            if service != Service::Oos {
                assert!(own(service, &action).is_some(), "{api}");
            }
            // What a placeholder stands for is not known here.
            let params = params
                .into_iter()
                .map(|(name, _)| (name, json!([])))
                .collect();
            assert_eq!(
                of_template(service, &action, &params).unwrap().1,
                Vec::<String>::new(),
                "{api}"
            );
        }
    }
}
