//! Templates and actions from outside that go along with the built-in ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::public;
use super::template::Version;

/// Most templates of a library.
const MAX: usize = 10_000;

/// Templates by name. The built-in one of the same name is replaced.
#[derive(Debug, Clone, Default)]
pub struct Library {
    templates: BTreeMap<String, Arc<Version>>,
}

impl Library {
    /// Adds a template, or an action if its name has `::` in it, for all accounts and regions. The
    /// error says what is wrong with the text.
    pub fn add(&mut self, name: &str, content: &str) -> Result<(), String> {
        if self.templates.len() >= MAX {
            return Err(format!("there are {MAX} templates already"));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
        if name.is_empty() || name.len() > 200 || !name.chars().all(is_word) {
            return Err("the name must be letters, digits, hyphens, underscores and ::".to_owned());
        }
        let id = format!("t-library{:04}", self.templates.len() + 1);
        let version = Version::new(&id, name, "v1", content, true)?;
        self.templates.insert(name.to_owned(), version);
        Ok(())
    }

    /// Whether a template or an action of this name comes with the emulator.
    pub fn is_built_in(name: &str) -> bool {
        public::names().any(|known| known == name)
    }

    /// How many templates there are.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// What is written in all of them.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &str> {
        self.templates
            .values()
            .map(|version| version.content.as_str())
    }

    /// The names of all of them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.templates.keys()
    }

    pub(super) fn templates(&self) -> &BTreeMap<String, Arc<Version>> {
        &self.templates
    }
}
