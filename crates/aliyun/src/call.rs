//! One call to an API, before it is signed.

use crate::{endpoints::Service, errors::Failed, limits::Lane};

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

    /// For the errors of this call.
    pub(crate) fn failed(&self) -> Failed {
        Failed {
            service: self.service,
            action: self.action,
            lane: self.lane,
        }
    }
}
