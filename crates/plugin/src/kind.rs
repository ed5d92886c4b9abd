//! The kinds of objects, and how people name them on a command line.

use anyhow::{Result, bail, ensure};
use ess_rollout_api::v1alpha1::{ImageUpdateTask, Rollback, RollingUpdateTask};
use kube::Resource;
use kube::api::ApiResource;

/// What people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A `RollingUpdateTask`.
    Task,
    /// A `Rollback`.
    Rollback,
    /// An `ImageUpdateTask`.
    ImageUpdate,
}

impl Kind {
    /// All, as they are listed.
    pub const ALL: [Self; 3] = [Self::Task, Self::Rollback, Self::ImageUpdate];

    /// As Kubernetes knows it.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Task => ApiResource::erase::<RollingUpdateTask>(&()),
            Self::Rollback => ApiResource::erase::<Rollback>(&()),
            Self::ImageUpdate => ApiResource::erase::<ImageUpdateTask>(&()),
        }
    }

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "RollingUpdateTask",
            Self::Rollback => "Rollback",
            Self::ImageUpdate => "ImageUpdateTask",
        }
    }

    /// Of its name in manifests; `None`: nothing that people write.
    pub fn of_manifest(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == kind)
    }

    /// Of what kubectl takes for it, and of what is shorter: `rollback`, `rollbacks.ess-rollout.io`, `iut`, `image`.
    pub fn of_word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let (word, group) = word
            .split_once('.')
            .unwrap_or((&word, ess_rollout_api::GROUP));
        if !group.ends_with(ess_rollout_api::GROUP) {
            return None;
        }
        Some(match word {
            "rollingupdatetask" | "rollingupdatetasks" | "rut" | "task" | "tasks" => Self::Task,
            "rollback" | "rollbacks" | "rutback" => Self::Rollback,
            "imageupdatetask" | "imageupdatetasks" | "iut" | "image" | "images" => {
                Self::ImageUpdate
            }
            _ => return None,
        })
    }
}

/// One object by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl Target {
    /// Reads `NAME`, `rollback/NAME` or `image/NAME`.
    ///
    /// # Errors
    /// When it is of another kind, or names nothing.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, name) = match text.split_once('/') {
            None => (Some(Kind::Task), text),
            Some((word, name)) => (Kind::of_word(word), name),
        };
        let Some(kind) = kind else {
            bail!("{text:?}: NAME is that of a RollingUpdateTask, rollback/NAME or image/NAME");
        };
        // The client puts it into a path.
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        ensure!(
            !name.is_empty() && name.len() <= 253 && name.chars().all(is_name),
            "{text:?} is no name of an object"
        );
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }

    /// As the commands take it.
    pub fn argument(&self) -> String {
        match self.kind {
            Kind::Task => self.name.clone(),
            Kind::Rollback => format!("rollback/{}", self.name),
            Kind::ImageUpdate => format!("image/{}", self.name),
        }
    }

    /// As `-o name` prints it.
    pub fn qualified(&self) -> String {
        let kind = self.kind.name().to_lowercase();
        format!("{kind}.{}/{}", ess_rollout_api::GROUP, self.name)
    }
}

/// Names a resource in messages: `RollingUpdateTask web`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// The API version of what people write.
pub fn api_version() -> String {
    RollingUpdateTask::api_version(&()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    fn target(kind: Kind, name: &str) -> Target {
        let name = name.to_owned();
        Target { kind, name }
    }

    #[test]
    fn a_name_may_say_its_kind() {
        for text in [
            "web",
            "task/web",
            "rut/web",
            "rollingupdatetask/web",
            "RollingUpdateTask.ess-rollout.io/web",
            "rollingupdatetasks.v1alpha1.ess-rollout.io/web",
        ] {
            assert_eq!(
                Target::parse(text).unwrap(),
                target(Kind::Task, "web"),
                "{text}"
            );
        }
        assert_eq!(
            Target::parse("rollback/back").unwrap(),
            target(Kind::Rollback, "back")
        );
        assert_eq!(
            Target::parse("iut/nightly").unwrap(),
            target(Kind::ImageUpdate, "nightly")
        );
        for wrong in [
            "deployment/web",
            "task.apps/web",
            "",
            "task/",
            "a/b/c",
            "../x",
            "web?x=1",
            "täsk",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_printed_can_be_typed() {
        for kind in Kind::ALL {
            let target = target(kind, "web");
            assert_eq!(Target::parse(&target.argument()).unwrap(), target);
            assert_eq!(Target::parse(&target.qualified()).unwrap(), target);
        }
    }
}
