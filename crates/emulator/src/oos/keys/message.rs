//! The properties that say what a message is sent with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::oos::near::nearest;
use crate::oos::template::call_in;

/// What a message is sent with. Names are taken in any case, as they are when it is sent.
pub(super) fn message(
    properties: &Map<String, Value>,
    place: &str,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    const WEB_HOOK: &[&str] = &["URI", "Headers", "Content"];
    const MAIL: &[&str] = &[
        "Host",
        "Port",
        "UserName",
        "Password",
        "Receivers",
        "Subject",
        "Content",
    ];
    let others = |section: &str, known: &'static [&'static str]| {
        let written = properties.get(section).and_then(Value::as_object);
        let written = written.filter(|section| call_in(section).is_none());
        let keys = written.into_iter().flat_map(Map::keys);
        let is_other = |key: &&String| !known.iter().any(|known| known.eq_ignore_ascii_case(key));
        keys.filter(is_other).cloned().collect::<Vec<String>>()
    };
    if let Some(key) = others("WebHook", WEB_HOOK).first() {
        return Err(format!("WebHook in {place} has the unknown key {key:?}"));
    }
    // What else a mail may have is not known for sure. What is sent, all of it, goes into the journal.
    for key in others("Mail", MAIL) {
        if let Some(meant) = nearest(&key, MAIL.iter().copied()) {
            return Err(format!(
                "Mail in {place} has the unknown key {key:?}; {meant} must be meant"
            ));
        }
        absent.insert(format!("{key} of Mail in {place}"));
    }
    Ok(())
}
