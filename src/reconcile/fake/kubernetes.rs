//! An apiserver in memory that refuses stale versions and fails by script.

use std::{
    collections::{BTreeSet, HashMap},
    future::ready,
    sync::Mutex,
};

use ess_rollout_api::{
    EXECUTION_ID_ANNOTATION, FINALIZER,
    v1alpha1::{Rollback, RollingUpdateTask, ScalingGroupRecord, ScalingGroupRecordStatus},
};

use super::{Journal, RECORD};
use crate::kubernetes::{
    Cause, ConfigMapData, ErrorClass, KubeError, KubeFuture, Kubernetes, Object, ObjectKey,
    SecretData, Status,
};

/// The apiserver.
pub struct FakeKubernetes {
    journal: Journal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    version: u64,
    task: Option<RollingUpdateTask>,
    record: Option<ScalingGroupRecord>,
    always_failing: Option<(&'static str, ErrorClass)>,
    secrets: HashMap<(String, String), SecretData>,
    /// How many Secrets were read.
    secret_reads: usize,
    /// The names of the rollbacks that were created.
    rollbacks: BTreeSet<String>,
    /// The objects and records that were read, in order.
    reads: Vec<String>,
    /// A field that cannot be read.
    strange: Option<&'static str>,
    /// The write of this name fails, after so many that do not.
    failing: Option<(usize, &'static str, ErrorClass)>,
}

impl State {
    fn next_version(&mut self) -> Option<String> {
        self.version += 1;
        Some(self.version.to_string())
    }
}

impl FakeKubernetes {
    /// With this task in it.
    pub fn new(journal: Journal, task: RollingUpdateTask) -> Self {
        Self {
            journal,
            state: Mutex::new(State {
                version: 1,
                task: Some(task),
                ..State::default()
            }),
        }
    }

    /// The next write of this name fails so.
    pub fn fail(&self, write: &'static str, class: ErrorClass) {
        self.fail_after(0, write, class);
    }

    /// A write of this name fails so, once, after so many that do not.
    pub fn fail_after(&self, passing: usize, write: &'static str, class: ErrorClass) {
        self.state.lock().unwrap().failing = Some((passing, write, class));
    }

    /// Somebody else edits the task.
    pub fn touch(&self) {
        let mut state = self.state.lock().unwrap();
        let version = state.next_version();
        if let Some(task) = &mut state.task {
            task.metadata.resource_version = version;
        }
    }

    /// The task cannot be read, because of this field.
    pub fn reads_of(&self, strange: &'static str) {
        self.state.lock().unwrap().strange = Some(strange);
    }

    /// Every write of this name fails so.
    pub fn always_fail(&self, write: &'static str, class: ErrorClass) {
        self.state.lock().unwrap().always_failing = Some((write, class));
    }

    /// Puts a Secret there, or replaces it.
    pub fn put_secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let mut state = self.state.lock().unwrap();
        let secret = SecretData {
            resource_version: state.next_version().unwrap(),
            data: data
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        };
        let place = (namespace.to_owned(), name.to_owned());
        state.secrets.insert(place, secret);
    }

    /// Deletes a Secret.
    pub fn delete_secret(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.state.lock().unwrap().secrets.remove(&place);
    }

    /// How many times a Secret was read.
    pub fn secret_reads(&self) -> usize {
        self.state.lock().unwrap().secret_reads
    }

    /// Puts a record there.
    pub fn put_record(&self, record: ScalingGroupRecord) {
        self.state.lock().unwrap().record = Some(record);
    }

    /// The objects and records that were read, in order.
    pub fn reads(&self) -> Vec<String> {
        self.state.lock().unwrap().reads.clone()
    }

    /// The task as it is.
    pub fn task(&self) -> Option<RollingUpdateTask> {
        self.state.lock().unwrap().task.clone()
    }

    fn write<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, ErrorClass>,
    ) -> Result<T, KubeError> {
        let mut state = self.state.lock().unwrap();
        let always = match state.always_failing {
            Some((write, class)) if write == name => Some(class),
            _ => None,
        };
        let scripted = match &mut state.failing {
            Some((0, write, class)) if *write == name => Some(*class),
            Some((passing, write, _)) if *write == name => {
                *passing -= 1;
                None
            }
            _ => None,
        };
        let done = match scripted.or(always) {
            Some(class) => {
                state.failing = None;
                Err(class)
            }
            None => act(&mut state),
        };
        let word = if done.is_ok() {
            name.to_owned()
        } else {
            format!("{name} refused")
        };
        self.journal.lock().unwrap().push(word);
        done.map_err(|class| KubeError::other(name, class, "scripted"))
    }
}

fn same(stored: Option<&String>, given: Option<&String>) -> Result<(), ErrorClass> {
    if stored == given {
        Ok(())
    } else {
        Err(ErrorClass::Conflict)
    }
}

fn task_of(object: &Object) -> &RollingUpdateTask {
    match object {
        Object::Task(task) => task,
        Object::Rollback(_) | Object::ImageUpdate(_) => unreachable!("there is one object, a task"),
    }
}

impl Kubernetes for FakeKubernetes {
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>> {
        if let Some(path) = self.state.lock().unwrap().strange {
            let source = Cause::NotUnderstood {
                path: path.to_owned(),
                why: "unknown variant `Explode`".to_owned(),
            };
            let error = KubeError {
                operation: format!("get {key}"),
                class: ErrorClass::NotUnderstood,
                source,
            };
            return Box::pin(ready(Err(error)));
        }
        self.state.lock().unwrap().reads.push(key.to_string());
        let task = self.task().map(Object::from);
        Box::pin(ready(Ok(task.filter(|task| task.key() == *key))))
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        assert_eq!(name, RECORD);
        let mut state = self.state.lock().unwrap();
        state.reads.push(format!("record {name}"));
        Box::pin(ready(Ok(state.record.clone())))
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(ready(self.write("create record", |state| {
            if state.record.is_some() {
                return Err(ErrorClass::Conflict);
            }
            let mut record = record.clone();
            record.metadata.resource_version = state.next_version();
            record.status = None;
            state.record = Some(record.clone());
            Ok(record)
        })))
    }

    fn create_rollback<'a>(&'a self, rollback: &'a Rollback) -> KubeFuture<'a, ()> {
        let name = rollback.metadata.name.clone().unwrap_or_default();
        Box::pin(ready(self.write(
            "create rollback",
            |state| match state.rollbacks.insert(name) {
                true => Ok(()),
                false => Err(ErrorClass::Conflict),
            },
        )))
    }

    fn write_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        status: &'a ScalingGroupRecordStatus,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(ready(self.write("write record", |state| {
            let stored = state.record.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                record.metadata.resource_version.as_ref(),
            )?;
            let mut record = record.clone();
            record.status = Some(status.clone());
            record.metadata.resource_version = state.next_version();
            state.record = Some(record.clone());
            Ok(record)
        })))
    }

    fn write_status<'a>(
        &'a self,
        object: &'a Object,
        status: &'a Status,
    ) -> KubeFuture<'a, Object> {
        let (task, status) = match (object, status) {
            (Object::Task(task), Status::Rollout(status)) => (task, status),
            _ => unreachable!("there is one object, a task"),
        };
        Box::pin(ready(self.write("write status", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            // Through the wire form, as times lose their fractions there.
            let status = serde_json::to_value(status).expect("a status");
            let mut task = task.clone();
            task.status = serde_json::from_value(status).expect("a status");
            task.metadata.resource_version = state.next_version();
            state.task = Some((*task).clone());
            Ok(Object::Task(task))
        })))
    }

    fn stall<'a>(
        &'a self,
        _: &'a ObjectKey,
        reason: &'a str,
        message: &'a str,
        _: jiff::Timestamp,
    ) -> KubeFuture<'a, Option<String>> {
        let said = format!("stalled {reason}: {message}");
        let new = !self.journal.lock().unwrap().contains(&said);
        if new {
            self.journal.lock().unwrap().push(said);
        }
        Box::pin(ready(Ok(new.then(|| "stalled".to_owned()))))
    }

    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object> {
        let task = task_of(object);
        Box::pin(ready(self.write("set finalizer", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            let mut task = task.clone();
            task.metadata.finalizers = Some(match present {
                true => vec![FINALIZER.to_owned()],
                false => Vec::new(),
            });
            task.metadata.resource_version = state.next_version();
            let dropped = !present && task.metadata.deletion_timestamp.is_some();
            state.task = (!dropped).then(|| task.clone());
            Ok(task.into())
        })))
    }

    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object> {
        let task = task_of(object);
        Box::pin(ready(self.write("set annotation", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            let mut task = task.clone();
            let annotations = task.metadata.annotations.get_or_insert_default();
            annotations.insert(EXECUTION_ID_ANNOTATION.to_owned(), value.to_owned());
            task.metadata.resource_version = state.next_version();
            state.task = Some(task.clone());
            Ok(task.into())
        })))
    }

    fn delete<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, ()> {
        let task = task_of(object);
        Box::pin(ready(self.write("delete", |state| {
            let stored = state.task.as_ref().ok_or(ErrorClass::Gone)?;
            same(
                stored.metadata.resource_version.as_ref(),
                task.metadata.resource_version.as_ref(),
            )?;
            state.task = None;
            Ok(())
        })))
    }

    fn get_config_map<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> KubeFuture<'a, Option<ConfigMapData>> {
        unreachable!("the task names no ConfigMap")
    }

    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>> {
        let mut state = self.state.lock().unwrap();
        state.secret_reads += 1;
        let place = (namespace.to_owned(), name.to_owned());
        Box::pin(ready(Ok(state.secrets.get(&place).cloned())))
    }
}
