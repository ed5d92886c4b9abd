//! Keeps what may be a secret out of every status that is written.
//!
//! What a run needs for its way back (the containers of a scaling configuration with their environment variables, those
//! that container groups ran, scripts) goes into Secrets of the operator's namespace, one for each content, before the
//! status that refers to it is written. The name is a hash of the content and of the namespace that it is kept for, so
//! writing it again is the same write, and a crash at any point leaves at worst a Secret that nothing refers to, which
//! [`crate::kept`] deletes. A status that is read is whole again before anybody sees it: whoever decides knows nothing of
//! this.
//!
//! A Secret that is gone is not made up for: what it kept stays a reference, which the core takes for not known.

mod places;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ess_rollout_api::v1alpha1::{
    Rollback, RollingUpdateTaskStatus, ScalingGroupRecord, ScalingGroupRecordStatus,
};
use ess_rollout_core::identity::hash_text;
use jiff::Timestamp;

use super::{
    ConfigMapData, ErrorClass, KubeError, KubeFuture, Kubernetes, Object, ObjectKey, SecretData,
    Status,
};
use crate::runtime::{clock::Clock, telemetry::chain};
use places::Contents;

/// What the names of these Secrets begin with.
const NAME: &str = "ess-rollout-kept-";
/// What is kept for records is kept for this, which is no namespace.
pub const RECORDS: &str = "ScalingGroupRecords";
/// The most bytes of contents in memory: a pass over a task whose contents are there reads no Secret.
const MEMORY_MAX: usize = 4 << 20;

/// A Secret of these as the apiserver lists it, without what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its uid and version: what is deleted is what was listed.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub resource_version: Option<String>,
    /// The namespace of the objects that it is kept for.
    pub namespace: String,
    /// When it was last put on record.
    pub used: Option<Timestamp>,
}

/// The Secrets of the operator's namespace in which contents are kept.
pub trait KeptSecrets: Send + Sync {
    /// Keeps a content for objects of a namespace. If it is kept already, says that it is used now, so that nobody who
    /// has listed it before deletes it.
    fn put<'a>(
        &'a self,
        name: &'a str,
        namespace: &'a str,
        content: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, ()>;

    /// The namespace that it is kept for, and the content; `None`: there is none of this name.
    fn find<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<(String, String)>>;

    /// All of them, without their contents.
    fn list(&self) -> KubeFuture<'_, Vec<Listed>>;

    /// Deletes one, if it is still as it was listed.
    fn delete<'a>(&'a self, listed: &'a Listed) -> KubeFuture<'a, ()>;
}

/// The port with that between it and the apiserver.
pub struct Keeping {
    inner: Arc<dyn Kubernetes>,
    secrets: Arc<dyn KeptSecrets>,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

/// May be lost at any moment: it saves reads and writes.
#[derive(Default)]
struct Memory {
    /// By the namespace that it is kept for, and the name.
    contents: HashMap<(String, String), (String, u64)>,
    bytes: usize,
    clock: u64,
    /// What the newest version of an object that was seen refers to: that needs not be kept again to be referred to.
    seen: HashMap<String, (Option<String>, BTreeSet<String>)>,
}

impl Memory {
    fn find(&mut self, namespace: &str, name: &str) -> Option<String> {
        self.clock += 1;
        let place = (namespace.to_owned(), name.to_owned());
        let (content, used) = self.contents.get_mut(&place)?;
        *used = self.clock;
        Some(content.clone())
    }

    fn put(&mut self, namespace: &str, name: &str, content: String) {
        self.clock += 1;
        let place = (namespace.to_owned(), name.to_owned());
        self.bytes += content.len();
        if let Some((old, _)) = self.contents.insert(place, (content, self.clock)) {
            self.bytes -= old.len();
        }
        while self.bytes > MEMORY_MAX {
            let oldest = self.contents.iter().min_by_key(|(_, (_, used))| *used);
            let Some(place) = oldest.map(|(place, _)| place.clone()) else {
                break;
            };
            let gone = self.contents.remove(&place);
            self.bytes -= gone.map_or(0, |(content, _)| content.len());
        }
    }

    fn saw(&mut self, key: String, version: Option<String>, names: Vec<String>) {
        match names.is_empty() {
            true => drop(self.seen.remove(&key)),
            false => {
                let names = names.into_iter().collect();
                self.seen.insert(key, (version, names));
            }
        }
    }

    fn refers(&self, key: &str, version: Option<&String>, name: &str) -> bool {
        let seen = self.seen.get(key);
        seen.is_some_and(|(of, names)| of.as_ref() == version && names.contains(name))
    }
}

/// The name of the Secret that keeps a content for objects of a namespace.
fn name_of(namespace: &str, content: &str) -> String {
    let hash = hash_text(&format!("{namespace}\n{content}"));
    format!("{NAME}{}", &hash[..40])
}

fn rollout_status(object: &mut Object) -> Option<&mut RollingUpdateTaskStatus> {
    match object {
        Object::Task(task) => task.status.as_mut(),
        Object::Rollback(rollback) => rollback.status.as_mut(),
        Object::ImageUpdate(_) => None,
    }
}

impl Keeping {
    /// Keeps through `secrets` what `inner` is not to be given.
    pub fn new(
        inner: Arc<dyn Kubernetes>,
        secrets: Arc<dyn KeptSecrets>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner,
            secrets,
            clock,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while holding it.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What these Secrets keep, as far as they are there.
    async fn contents(&self, namespace: &str, names: &[String]) -> Result<Contents, KubeError> {
        let mut contents = Contents::new();
        for name in names {
            let known = self.memory().find(namespace, name);
            let content = match known {
                Some(content) => Some(content),
                None => self.read(namespace, name).await?,
            };
            contents.extend(content.map(|content| (name.clone(), content)));
        }
        Ok(contents)
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Option<String>, KubeError> {
        match self.secrets.find(name).await {
            // A reference says nothing about whose content it is: the name does.
            Ok(Some((of, content))) if of == namespace && name_of(&of, &content) == name => {
                self.memory().put(namespace, name, content.clone());
                Ok(Some(content))
            }
            Ok(found) => {
                let why = match found {
                    None => "it does not exist",
                    Some(_) => "it is not what was kept under this name",
                };
                tracing::warn!(
                    secret = name,
                    why,
                    "what this Secret kept for a way back is not known any more"
                );
                Ok(None)
            }
            Err(error) if error.class == ErrorClass::Refused => {
                tracing::warn!(
                    secret = name,
                    error = chain(&error),
                    "a Secret of the operator's own namespace cannot be read"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn keep(
        &self,
        key: &str,
        version: Option<&String>,
        namespace: &str,
        contents: Contents,
    ) -> Result<(), KubeError> {
        for (name, content) in contents {
            let known = self.memory().refers(key, version, &name);
            if !known {
                let now = self.clock.now();
                self.secrets.put(&name, namespace, &content, now).await?;
            }
            self.memory().put(namespace, &name, content);
        }
        Ok(())
    }

    /// What an operator of version 0.1.0 wrote is written again at once, without what belongs into Secrets: a task
    /// that has finished would not be written otherwise. Not being able to costs nothing but that.
    async fn clean(&self, stored: Object) -> Result<Object, KubeError> {
        let object = self.open(stored.clone()).await?;
        let Some(status) = object.rollout_status() else {
            return Ok(object);
        };
        let status = Status::Rollout(Box::new(status.clone()));
        match self.write(&stored, &status).await {
            Ok(written) => Ok(written),
            Err(error) => {
                tracing::warn!(object = %object.key(), error = chain(&error), "containers or scripts stay in a status");
                Ok(object)
            }
        }
    }

    /// Writes a status without what belongs into Secrets over the one that is stored.
    async fn write(&self, stored: &Object, status: &Status) -> Result<Object, KubeError> {
        let mut sealed = status.clone();
        if let Status::Rollout(status) = &mut sealed {
            let key = stored.key();
            let contents = places::seal(status, &|content| name_of(&key.namespace, content));
            let version = stored.version();
            self.keep(&key.to_string(), version.as_ref(), &key.namespace, contents)
                .await?;
        }
        let written = self.inner.write_status(stored, &sealed).await?;
        self.open(written).await
    }

    async fn clean_record(
        &self,
        stored: ScalingGroupRecord,
    ) -> Result<ScalingGroupRecord, KubeError> {
        let record = self.open_record(stored.clone()).await?;
        let status = record.status.clone().unwrap_or_default();
        match self.write_record(&stored, &status).await {
            Ok(written) => Ok(written),
            Err(error) => {
                tracing::warn!(
                    record = record_key(&record),
                    error = chain(&error),
                    "containers stay in a record"
                );
                Ok(record)
            }
        }
    }

    async fn write_record(
        &self,
        stored: &ScalingGroupRecord,
        status: &ScalingGroupRecordStatus,
    ) -> Result<ScalingGroupRecord, KubeError> {
        let mut sealed = status.clone();
        let contents = places::seal_record(&mut sealed, &|content| name_of(RECORDS, content));
        let version = stored.metadata.resource_version.as_ref();
        self.keep(&record_key(stored), version, RECORDS, contents)
            .await?;
        let written = self.inner.write_record_status(stored, &sealed).await?;
        self.open_record(written).await
    }

    async fn open(&self, mut object: Object) -> Result<Object, KubeError> {
        let key = object.key();
        let version = object.version();
        let Some(status) = rollout_status(&mut object) else {
            return Ok(object);
        };
        let names = places::references(status);
        let contents = self.contents(&key.namespace, &names).await?;
        places::open(status, &contents);
        self.memory().saw(key.to_string(), version, names);
        Ok(object)
    }

    async fn open_record(
        &self,
        mut record: ScalingGroupRecord,
    ) -> Result<ScalingGroupRecord, KubeError> {
        let version = record.metadata.resource_version.clone();
        let Some(status) = &mut record.status else {
            return Ok(record);
        };
        let names = places::references_of_record(status);
        let contents = self.contents(RECORDS, &names).await?;
        places::open_record(status, &contents);
        let key = record_key(&record);
        self.memory().saw(key, version, names);
        Ok(record)
    }
}

fn record_key(record: &ScalingGroupRecord) -> String {
    record.metadata.name.clone().unwrap_or_default()
}

impl Kubernetes for Keeping {
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>> {
        Box::pin(async move {
            match self.inner.get(key).await? {
                Some(object) if object.rollout_status().is_some_and(places::is_bare) => {
                    self.clean(object).await.map(Some)
                }
                Some(object) => self.open(object).await.map(Some),
                None => {
                    self.memory().seen.remove(&key.to_string());
                    Ok(None)
                }
            }
        })
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        Box::pin(async move {
            match self.inner.get_record(name).await? {
                Some(record) if record.status.as_ref().is_some_and(places::is_bare_record) => {
                    self.clean_record(record).await.map(Some)
                }
                Some(record) => self.open_record(record).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            // The status is not created with it, and must not be sent either.
            let bare = ScalingGroupRecord {
                status: None,
                ..record.clone()
            };
            self.inner.create_record(&bare).await
        })
    }

    fn create_rollback<'a>(&'a self, rollback: &'a Rollback) -> KubeFuture<'a, ()> {
        self.inner.create_rollback(rollback)
    }

    fn write_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        status: &'a ScalingGroupRecordStatus,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            // As it is stored: what is written is what differs from that.
            let mut stored = record.clone();
            if let Some(status) = &mut stored.status {
                places::seal_record(status, &|content| name_of(RECORDS, content));
            }
            self.write_record(&stored, status).await
        })
    }

    fn write_status<'a>(
        &'a self,
        object: &'a Object,
        status: &'a Status,
    ) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let mut stored = object.clone();
            let namespace = object.key().namespace;
            if let Some(status) = rollout_status(&mut stored) {
                places::seal(status, &|content| name_of(&namespace, content));
            }
            self.write(&stored, status).await
        })
    }

    fn stall<'a>(
        &'a self,
        key: &'a ObjectKey,
        reason: &'a str,
        message: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, Option<String>> {
        self.inner.stall(key, reason, message, now)
    }

    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let changed = self.inner.set_finalizer(object, present).await?;
            self.open(changed).await
        })
    }

    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let changed = self.inner.set_execution_annotation(object, value).await?;
            self.open(changed).await
        })
    }

    fn delete<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, ()> {
        self.inner.delete(object)
    }

    fn get_config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<ConfigMapData>> {
        self.inner.get_config_map(namespace, name)
    }

    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>> {
        self.inner.get_secret(namespace, name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
