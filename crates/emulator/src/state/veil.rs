//! What is taken out of whatever the journal, logs and the control API show.

use serde_json::Value;

use crate::params::Params;
use crate::secrets::{Common, Kind, Secrets, without_tokens};

/// What may not show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Veil {
    /// Values of encrypted parameters, and passwords and tokens of messages: nothing shows them.
    secrets: Secrets,
    /// Values of parameters with `NoEcho`: no message shows them.
    unsaid: Secrets,
}

impl Veil {
    pub(super) fn add(&mut self, secret: &str, kind: Kind) {
        self.secrets.add(secret, kind);
    }

    pub(super) fn add_unsaid(&mut self, value: &str) {
        self.unsaid.add(value, Kind::Rare);
    }

    /// How many things may not show.
    pub(super) fn len(&self) -> usize {
        self.secrets.len() + self.unsaid.len()
    }

    /// Takes every value that must not show out of something that is shown.
    pub(crate) fn hide(&self, value: &mut Value, common: Common) {
        without_tokens(value);
        self.secrets.hide(value, common);
    }

    /// A message as it may be shown and logged.
    pub(super) fn message(&self, text: &str) -> String {
        let mut shown = Value::String(text.to_owned());
        self.hide(&mut shown, Common::Said);
        self.unsaid.hide(&mut shown, Common::Said);
        shown.as_str().unwrap_or_default().to_owned()
    }

    /// A name as it may be shown and logged: of a parameter, an action, a region.
    pub(super) fn name(&self, name: &str) -> String {
        self.secrets.name(name).unwrap_or_else(|| name.to_owned())
    }

    /// Puts something else for each secret in what a client gave.
    pub(crate) fn given(&self, value: &mut Value, stand_in: &dyn Fn(&str) -> String) {
        without_tokens(value);
        self.secrets.replace(value, Common::Stays, stand_in);
    }

    /// Takes secrets out of parameters. What a client gives means what it says: an ordinary word stays.
    pub(super) fn params(
        &self,
        params: &mut Params,
        by_oos: bool,
        stand_in: &dyn Fn(&str) -> String,
    ) {
        let mut all = Value::Object(std::mem::take(params));
        match by_oos {
            true => self.hide(&mut all, Common::Each),
            false => self.given(&mut all, stand_in),
        }
        if let Value::Object(all) = all {
            *params = all;
        }
    }
}
