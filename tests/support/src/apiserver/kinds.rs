//! The kinds that are served: those of the CRDs, and the few built-in ones that an operator touches.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::schema::Schema;

/// One kind in one version.
#[derive(Debug)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
    /// Whether status is a subresource: then nothing else writes it, and it writes nothing else.
    pub status: bool,
    /// Fields of a field selector, besides name and namespace, as paths.
    pub selectable: Vec<Vec<String>>,
    /// `None`: a built-in kind, taken as it comes.
    pub(super) schema: Option<Schema>,
}

impl Kind {
    /// `group/version`, or the version alone.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `plural.group`, as messages name it.
    pub fn resource(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Whether it comes from a CRD. Those have a generation, and are not updated without a version.
    pub fn custom(&self) -> bool {
        self.schema.is_some()
    }
}

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
            kinds.extend(of_crd(&crd).with_context(|| format!("in {}", path.display()))?);
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

fn text(value: &Value, path: &str) -> Result<String> {
    let text = value.pointer(path).and_then(Value::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("{path} is missing"))
}

/// One kind for each served version.
fn of_crd(crd: &Value) -> Result<Vec<Kind>> {
    if crd["kind"] != "CustomResourceDefinition" {
        bail!("it is a {} and no CustomResourceDefinition", crd["kind"]);
    }
    let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] == true)
        .map(|version| {
            let selectable = version["selectableFields"].as_array().into_iter().flatten();
            let paths = selectable.filter_map(|field| field["jsonPath"].as_str());
            Ok(Kind {
                group: text(crd, "/spec/group")?,
                version: text(version, "/name")?,
                plural: text(crd, "/spec/names/plural")?,
                kind: text(crd, "/spec/names/kind")?,
                namespaced: crd["spec"]["scope"] == "Namespaced",
                status: version["subresources"]["status"].is_object(),
                selectable: paths
                    .map(|path| path.split('.').skip(1).map(str::to_owned).collect())
                    .collect(),
                schema: Some(Schema::of(&version["schema"]["openAPIV3Schema"], "")?),
            })
        })
        .collect()
}
