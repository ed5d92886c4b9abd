//! What an image is built from.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

/// What an image is built from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!has(self.imageName) || !self.imageName.matches('(?i)^(aliyun|acs:)')")
        .message("spec.source.imageName must not begin with aliyun or acs:, which ECS keeps for its own images"),
)]
#[serde(rename_all = "camelCase")]
pub struct ImageSource {
    /// The ECS instance, Running or Stopped (`i-…`). Use one without data disks: the console's guide
    /// has only the system disk in the image, but the OOS action images the whole instance, so expect
    /// snapshots of the data disks in it, too.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S+$"))]
    pub instance_id: String,

    /// What the image's name begins with: a letter, then letters, digits, `.`, `_`, `:` and `-`; not `aliyun` or
    /// `acs:`, which ECS keeps for its own images. OOS adds `_on_`, the id of the execution, `_at_` and the
    /// date, and ECS takes 128 characters in all. Default: `CreateImage_from_` and the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 70),
        regex(pattern = r"^[A-Za-z一-龥][A-Za-z0-9一-龥_.:-]*$")
    )]
    pub image_name: Option<String>,

    /// Tags on the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub tags: Vec<ImageTag>,
}

/// A tag on an image.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!self.key.contains('{{') && (!has(self.value) || !self.value.contains('{{'))")
        .message("spec.source.tags must not contain {{, which OOS would read as a reference to a template parameter"),
)]
#[serde(rename_all = "camelCase")]
pub struct ImageTag {
    /// Its key.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub value: String,
}
