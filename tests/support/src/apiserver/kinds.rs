//! The kinds that are served: those of the CRDs, and the few built-in ones that an operator touches.

use std::path::Path;

use anyhow::{Context, Result};
use ess_rollout_validation::{Kind, Schema};
use serde_json::Value;

/// All kinds.
#[derive(Debug)]
pub struct Kinds(Vec<Kind>);

impl Kinds {
    /// The built-in kinds, and those of the CRDs in a directory of YAML files.
    ///
    /// # Errors
    /// When a file is no CRD, its schema has a part that is not known here, or a rule does not compile.
    pub fn of_crds(directory: &Path) -> Result<Self> {
        let mut kinds: Vec<Kind> = [
            ("", "v1", "secrets", "Secret", true),
            ("", "v1", "configmaps", "ConfigMap", true),
            ("", "v1", "namespaces", "Namespace", false),
            ("events.k8s.io", "v1", "events", "Event", true),
        ]
        .map(|(group, version, plural, kind, namespaced)| Kind {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            namespaced,
            status: false,
            selectable: Vec::new(),
            schema: None,
        })
        .into();
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
            .collect::<Result<_, _>>()?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let path = file.path();
            let text = std::fs::read_to_string(&path)?;
            let crd: Value = serde_saphyr::from_str(&text)
                .with_context(|| format!("{} is no YAML", path.display()))?;
            kinds.extend(Kind::of_crd(&crd).with_context(|| format!("in {}", path.display()))?);
        }
        Ok(Self(kinds))
    }

    /// The kinds of this source tree.
    ///
    /// # Errors
    /// As [`Self::of_crds`].
    pub fn of_this_tree() -> Result<Self> {
        Self::of_crds(&crate::source_root().join("crds"))
    }

    /// By plural name.
    pub fn named(&self, plural: &str) -> Option<&Kind> {
        self.0.iter().find(|kind| kind.plural == plural)
    }

    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Kind> {
        self.0
            .iter()
            .find(|k| k.group == group && k.version == version && k.plural == plural)
    }

    /// How many CEL rules there are.
    pub fn rules(&self) -> usize {
        let schemas = self.0.iter().filter_map(|kind| kind.schema.as_ref());
        schemas.map(Schema::rules).sum()
    }
}
