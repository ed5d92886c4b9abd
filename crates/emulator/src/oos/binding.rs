//! Binding: what a caller gave for a template's parameters, checked and completed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::execution::NewExecution;
use super::expr::{Resolver, Scope};
use super::host::Host;
use super::parameters::Declaration;
use super::request::bad_parameter;
use super::run::OOS_UTIL_VERSION;
use super::store::Store;
use super::switches::Taken;
use super::template::{MAX_DEPTH, Version, depth};
use crate::error::ApiError;

impl Engine {
    /// The parameters of an execution: given ones checked, missing ones from their defaults.
    pub(super) fn bind(
        &mut self,
        host: &dyn Host,
        region: &str,
        template: &Version,
        given: Map<String, Value>,
        new: &NewExecution,
    ) -> Result<Map<String, Value>, ApiError> {
        let declared = &template.parsed.parameters;
        if given.values().any(|value| depth(value) > MAX_DEPTH) {
            return Err(bad_parameter("Parameters", "nest too deeply"));
        }
        let given = as_declared(given, template);
        if host.switches().unknown_template_parameters == Taken::Refused
            && let Some(name) = given.keys().find(|name| !declared.contains_key(*name))
        {
            let reason = format!("the template {} has no parameter {name}", template.name);
            return Err(bad_parameter("Parameters", &reason));
        }
        let mut bound = Map::new();
        let mut defaults = Vec::new();
        for (name, declaration) in declared {
            if declaration.is_masked() {
                for value in given.get(name).iter().chain(&declaration.default.as_ref()) {
                    self.store.add_unsaid(value);
                }
            }
            let value = match given.get(name) {
                Some(value) if !value.is_null() => {
                    let given =
                        self.read(host, (region, &bound, new), (name, declaration), value)?;
                    let checked = declaration
                        .check(name, given)
                        .map_err(|e| ApiError::new(400, "InvalidParameter", e))?;
                    self.store
                        .add_converted(host, value, &checked)
                        .map_err(|e| bad_parameter(name, &e))?;
                    checked
                }
                _ => match &declaration.default {
                    Some(default) => {
                        defaults.push(name.clone());
                        default.clone()
                    }
                    None => {
                        return Err(ApiError::new(
                            400,
                            "MissingParameter",
                            format!("The template parameter {name} is mandatory."),
                        ));
                    }
                },
            };
            bound.insert(name.clone(), value);
        }
        for name in defaults {
            let scope = start_scope(host, region, &bound, new, &self.store);
            let mut resolver = Resolver::new(&scope);
            let resolved = resolver.resolve(&bound[&name]);
            let derived = std::mem::take(&mut resolver.derived);
            self.store
                .add_derived(host, derived)
                .map_err(|e| bad_parameter(&name, &e))?;
            // What only exists once the execution runs is resolved where it is used.
            if let Ok(value) = resolved {
                let checked = declared[&name]
                    .check_default(&name, value.clone())
                    .map_err(|e| ApiError::new(400, "InvalidParameter", e))?;
                self.store
                    .add_converted(host, &value, &checked)
                    .map_err(|e| bad_parameter(&name, &e))?;
                bound.insert(name, checked);
            }
        }
        Ok(bound)
    }
}

impl Engine {
    /// A given value. Of a text with references, where the parameter is no text, what they stand for is meant; whatever is of the type as it
    /// is keeps them, and they are looked at where it is used.
    fn read(
        &mut self,
        host: &dyn Host,
        (region, bound, new): (&str, &Map<String, Value>, &NewExecution),
        (name, declaration): (&str, &Declaration),
        given: &Value,
    ) -> Result<Value, ApiError> {
        let holds_references = given.as_str().is_some_and(|text| text.contains("{{"));
        if !holds_references || declaration.kind.coerce(given.clone()).is_some() {
            return Ok(given.clone());
        }
        let scope = start_scope(host, region, bound, new, &self.store);
        let mut resolver = Resolver::new(&scope);
        let resolved = resolver.resolve(given);
        let derived = std::mem::take(&mut resolver.derived);
        self.store
            .add_derived(host, derived)
            .map_err(|e| bad_parameter(name, &e))?;
        resolved.map_err(|e| bad_parameter(name, &e))
    }
}

/// The given parameters under their declared names. Templates spell a parameter of an action in
/// another case than it is declared in (`InstanceId` for `instanceId`).
fn as_declared(given: Map<String, Value>, template: &Version) -> Map<String, Value> {
    let declared = &template.parsed.parameters;
    let (mut named, others): (Map<_, _>, Map<_, _>) = given
        .into_iter()
        .partition(|(name, _)| declared.contains_key(name));
    for (name, value) in others {
        let own = declared.keys().find(|own| own.eq_ignore_ascii_case(&name));
        match own {
            Some(own) if !named.contains_key(own) => named.insert(own.clone(), value),
            _ => named.insert(name, value),
        };
    }
    named
}

/// What expressions see before the execution exists.
pub(super) fn start_scope<'a>(
    host: &dyn Host,
    region: &'a str,
    parameters: &'a Map<String, Value>,
    new: &NewExecution,
    store: &'a Store,
) -> Scope<'a> {
    static NO_CONDITIONS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    static NO_TASKS: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    Scope {
        parameters,
        tasks: &NO_TASKS,
        declared: &[],
        conditions: &NO_CONDITIONS,
        item: None,
        store,
        region,
        pseudo: BTreeMap::from([
            ("RegionId", json!(region)),
            ("AccountId", json!(new.starter.account_id)),
            ("UserId", json!(new.starter.account_id)),
            ("ExecuteUser", json!(new.starter.principal)),
            ("OOSUtilVersion", json!(OOS_UTIL_VERSION)),
        ]),
        now: host.now(),
        split: host.switches().batch_split,
    }
}
