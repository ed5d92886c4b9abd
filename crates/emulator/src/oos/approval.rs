//! Who has to agree before an `ACS::Approve` task lets the execution go on.

use serde_json::Value;

use super::cut::shorten;
use super::host::Caller;

/// The properties of `ACS::Approve` that decide.
pub(super) struct Approval {
    /// Names of RAM users; empty for anybody.
    approvers: Vec<String>,
    /// How many different people have to approve; 1 unless the task says more.
    pub(super) required: usize,
}

impl Approval {
    /// Reads resolved properties. A number that the approvers named can never reach is refused:
    /// the task would wait for ever.
    pub(super) fn of(properties: &Value) -> Result<Self, String> {
        let approvers: Vec<String> = match properties.get("Approvers") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or("Approvers must be names of RAM users")?,
            Some(_) => return Err("Approvers must be a list of names of RAM users".to_owned()),
        };
        let required = match properties.get("MinRequiredApprovals") {
            None | Some(Value::Null) => 1,
            Some(value) => match value {
                Value::String(text) => text.trim().parse::<usize>().ok(),
                other => other.as_u64().and_then(|n| usize::try_from(n).ok()),
            }
            .filter(|n| *n > 0)
            .ok_or_else(|| {
                let shown = shorten(&value.to_string());
                format!("MinRequiredApprovals must be a positive number, not {shown}")
            })?,
        };
        if !approvers.is_empty() && required > approvers.len() {
            return Err(format!(
                "MinRequiredApprovals is {required}, but there are {} Approvers",
                approvers.len()
            ));
        }
        Ok(Self {
            approvers,
            required,
        })
    }

    /// Whether the caller has a say. Users are named as they are, roles with their session or
    /// without.
    pub(super) fn admits(&self, caller: &Caller) -> bool {
        let mut parts = caller.principal.split('/');
        let role = match (parts.next(), parts.next()) {
            (Some("assumed-role"), role) => role,
            _ => None,
        };
        self.approvers.is_empty()
            || self
                .approvers
                .iter()
                .any(|name| *name == caller.principal || Some(name.as_str()) == role)
    }
}
