//! Which Secrets statuses refer to, as far as watches tell.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ess_rollout_api::kept::referred;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// The references of all objects and records. What a watch has missed is still referred to here: a Secret that is
/// deleted too late does no harm.
#[derive(Default)]
pub struct References(Mutex<All>);

#[derive(Default)]
struct All {
    by_object: HashMap<String, Vec<String>>,
    /// An object could not be decoded: what it refers to is not known.
    unknown: bool,
}

impl References {
    fn lock(&self) -> MutexGuard<'_, All> {
        // Nothing panics while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object refers to these.
    pub fn put(&self, object: String, names: Vec<String>) {
        let all = &mut self.lock().by_object;
        match names.is_empty() {
            true => all.remove(&object),
            false => all.insert(object, names),
        };
    }

    /// It is gone.
    pub fn remove(&self, object: &str) {
        self.lock().by_object.remove(object);
    }

    /// There is one that cannot be decoded.
    pub fn one_is_unknown(&self) {
        self.lock().unknown = true;
    }

    /// All of them; `None`: they are not all known.
    pub fn all(&self) -> Option<BTreeSet<String>> {
        let all = self.lock();
        (!all.unknown).then(|| all.by_object.values().flatten().cloned().collect())
    }
}

/// The references in a value, whatever its fields are: nothing else of it is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Found(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(Found(
            referred(text).map(str::to_owned).into_iter().collect(),
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Vec::new();
        while let Some((_, value)) = map.next_entry::<serde::de::IgnoredAny, Found>()? {
            found.extend(value.0);
        }
        Ok(Found(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element::<Found>()? {
            found.extend(item.0);
        }
        Ok(Found(found))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::default())
    }
    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::default())
    }
}
