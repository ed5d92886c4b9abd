//! One call to an API, before it is signed.

use serde_json::Value;

use crate::{endpoints::Service, errors::Failed, limits::Lane};

/// Shorter values are words: cutting them out of a message would spoil it, and nobody's secret is as short.
const PRIVATE_MIN: usize = 6;

/// One API call. Parameters without a value are left out, never sent empty.
pub(crate) struct Call<'a> {
    pub service: Service,
    pub action: &'static str,
    pub region: &'a str,
    pub lane: Lane,
    pub parameters: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    /// A call in a region. `RegionId` is always sent: `ess.aliyuncs.com` serves many.
    pub(crate) fn new(service: Service, action: &'static str, lane: Lane, region: &'a str) -> Self {
        Self {
            service,
            action,
            region,
            lane,
            parameters: vec![("RegionId".to_owned(), region.to_owned())],
        }
    }

    /// Sets one parameter, or replaces it.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.parameters.iter_mut().find(|(n, _)| n == name) {
            Some(slot) => slot.1 = value,
            None => self.parameters.push((name.to_owned(), value)),
        }
    }

    /// Sets one parameter.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets one parameter unless it is empty.
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) if !value.is_empty() => self.with(name, value),
            _ => self,
        }
    }

    /// Sets a list as `Name.1`, `Name.2`, ….
    pub(crate) fn with_list<'v>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Self {
        for (index, value) in values.into_iter().enumerate() {
            self.set(&format!("{name}.{}", index + 1), value);
        }
        self
    }

    /// What was sent that others must not read, should the service repeat it in its refusal: values of variables,
    /// arguments and commands of containers, and scripts.
    pub(crate) fn private_values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (name, value) in &self.parameters {
            if name == "Parameters" {
                let parameters = serde_json::from_str(value).unwrap_or_default();
                collect(&parameters, false, &mut values);
            } else if is_private(name) {
                values.push(value.clone());
            }
        }
        values.retain(|value| value.len() >= PRIVATE_MIN);
        // A value may be a part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values
    }

    /// For the errors of this call.
    pub(crate) fn failed(&self) -> Failed {
        Failed {
            service: self.service,
            action: self.action,
            lane: self.lane,
        }
    }
}

/// A parameter of a container as ESS spells it: `Containers.1.EnvironmentVars.2.Value`.
fn is_private(name: &str) -> bool {
    let variable = name.contains(".EnvironmentVars.") && name.ends_with(".Value");
    variable || name.contains(".Args.") || name.contains(".Commands.")
}

/// The same of parameters of a template.
fn collect(value: &Value, private: bool, values: &mut Vec<String>) {
    match value {
        Value::String(text) if private => values.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, private, values)),
        Value::Object(map) => {
            for (name, value) in map {
                let names = ["Value", "Arg", "Command", "invokeScript", "rollbackScript"];
                let within = private || names.contains(&name.as_str());
                collect(value, within, values);
            }
        }
        _ => {}
    }
}
