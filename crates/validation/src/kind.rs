//! A kind as a CRD declares it.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::schema::Schema;

/// One kind in one version.
#[derive(Debug)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    /// As in `apiVersion`.
    pub version: String,
    /// As in paths.
    pub plural: String,
    /// As in `kind`.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether status is a subresource: then nothing else writes it, and it writes nothing else.
    pub status: bool,
    /// Fields of a field selector, besides name and namespace, as paths.
    pub selectable: Vec<Vec<String>>,
    /// `None`: a built-in kind, taken as it comes.
    pub schema: Option<Schema>,
}

impl Kind {
    /// One kind for each version that a CRD serves.
    ///
    /// # Errors
    /// When it is no CRD, its schema has a part that is not known here, or a rule does not compile.
    pub fn of_crd(crd: &Value) -> Result<Vec<Self>> {
        if crd["kind"] != "CustomResourceDefinition" {
            bail!("it is a {} and no CustomResourceDefinition", crd["kind"]);
        }
        let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
        versions
            .filter(|version| version["served"] == true)
            .map(|version| {
                let selectable = version["selectableFields"].as_array().into_iter().flatten();
                let paths = selectable.filter_map(|field| field["jsonPath"].as_str());
                Ok(Self {
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

fn text(value: &Value, path: &str) -> Result<String> {
    let text = value.pointer(path).and_then(Value::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("{path} is missing"))
}
