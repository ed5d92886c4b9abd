//! Reads only: the task, the group's record, and the answers to what the core asks for.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ess_rollout_api::v1alpha1::{
    Holder, RollbackRef, RollingUpdateTask, RollingUpdateTaskSpec, ScalingGroupRecord,
};
use ess_rollout_cloud::{Answer, Cloud, CloudError, ErrorClass as CloudClass, Outcome, Query};
use ess_rollout_core::decision::{Decision, Step, WorkOutcome};
use ess_rollout_core::observation::Observation;
use ess_rollout_core::rollout::{
    self, ConfigMapText, ConfigMapTexts, QueueEntry, Undo, config_map_keys, effective_spec,
};
use ess_rollout_core::{identity, image_update};
use futures::{
    StreamExt,
    future::{Either, select},
    stream,
};
use jiff::Timestamp;

use super::Context;
use crate::{
    clouds::Outlives,
    kubernetes::{ErrorClass, KubeError, Object, ObjectKey, ObjectKind, Status},
    tasks::CredentialsScope,
};

/// How many queries of one decision are under way at the same time. The limiter of the cloud
/// client is what protects the account; this bounds memory.
const SIDE_BY_SIDE: usize = 8;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The task, the record or a ConfigMap cannot be read.
    #[error("cannot read what it is about")]
    Read(#[source] KubeError),
    /// The core asks without end. A defect.
    #[error("the core still asks for more after {0} rounds: {1}")]
    Rounds(usize, String),
}

impl Error {
    /// How to treat it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read(error) => error.class,
            Self::Rounds(..) => ErrorClass::Invalid,
        }
    }
}

/// What a pass is about, as just read.
pub struct Subject {
    /// Which object.
    pub key: ObjectKey,
    /// The object.
    pub object: Object,
    /// Of a rollback: the task that it undoes, if that exists.
    pub source: Option<RollingUpdateTask>,
    /// Of a rollback: what it asks for as an update.
    effective: Option<RollingUpdateTaskSpec>,
    /// Of a task: the rollback that undoes it.
    rolled_back_by: Option<RollbackRef>,
    /// The scaling group; empty: of a rollback whose task is not known.
    pub group: String,
    /// The region of its group; `None`: neither the task nor the operator names one.
    pub region: Option<String>,
    /// The name of the group's record; `None` without a region.
    pub record_name: Option<String>,
    /// The record; `None`: there is none yet.
    pub record: Option<ScalingGroupRecord>,
    /// Whether another object holds the group and does not exist any more.
    pub holder_gone: bool,
    /// Whose credentials the task uses.
    pub scope: CredentialsScope,
    /// What the keys of ConfigMaps hold that its scripts come from, until it starts.
    texts: ConfigMapTexts,
}

impl Subject {
    /// As the core sees a task or a rollback; `None`: it is neither.
    fn rollout(&self) -> Option<rollout::Subject<'_>> {
        let (spec, undo) = match &self.object {
            Object::Task(task) => (&task.spec, None),
            Object::Rollback(rollback) => {
                let undo = Undo {
                    spec: &rollback.spec,
                    source: self.source.as_ref(),
                };
                (self.effective.as_ref()?, Some(undo))
            }
            Object::ImageUpdate(_) => return None,
        };
        Some(rollout::Subject {
            kind: self.key.kind.name(),
            metadata: self.object.metadata(),
            spec,
            status: self.object.rollout_status(),
            undo,
            rolled_back_by: self.rolled_back_by.as_ref(),
            texts: &self.texts,
        })
    }
}

/// A decision, and when it was made.
pub struct Decided {
    /// The decision.
    pub decision: Decision<Status>,
    /// The `now` that it was made with.
    pub at: Timestamp,
}

/// Reads the object, the task that it undoes if it is a rollback, and then its group's record;
/// `None`: the object is gone.
///
/// # Errors
/// When the apiserver does not say.
pub async fn read(
    context: &Context,
    key: &ObjectKey,
    versions: &mut Vec<String>,
    told: &mut Told,
) -> Result<Option<Subject>, Error> {
    let found = context.kubernetes.get(key).await.map_err(Error::Read)?;
    let Some(object) = found else {
        return Ok(None);
    };
    versions.extend(object.version());
    told.tell(&object);
    let source = source(context, &object).await?;
    let mut effective = None;
    let (group, region, credentials) = match &object {
        Object::ImageUpdate(task) => {
            let spec = &task.spec;
            (
                &spec.scaling_group_id,
                &spec.region_id,
                &spec.credentials_ref,
            )
        }
        Object::Task(RollingUpdateTask { spec, .. }) => (
            &spec.scaling_group_id,
            &spec.region_id,
            &spec.policy.credentials_ref,
        ),
        Object::Rollback(rollback) => {
            let spec = effective.insert(effective_spec(rollback, source.as_ref()));
            (
                &spec.scaling_group_id,
                &spec.region_id,
                &spec.policy.credentials_ref,
            )
        }
    };
    let region = context.settings.region(object.place(), region.as_deref());
    let region = region.map(str::to_owned);
    // Of a rollback whose task is not known the group is not known either.
    let record_name = region
        .as_deref()
        .filter(|_| !group.is_empty())
        .map(|region| identity::record_name(region, group));
    let scope = CredentialsScope {
        namespace: key.namespace.clone(),
        secret: credentials.as_ref().map(|secret| secret.name.clone()),
    };
    let group = group.clone();
    let mut subject = Subject {
        key: key.clone(),
        rolled_back_by: context.tasks.rolled_back_by(key, object.metadata()),
        object,
        source,
        effective,
        group,
        region,
        record_name: None,
        record: None,
        holder_gone: false,
        scope,
        texts: ConfigMapTexts::new(),
    };
    subject.texts = texts(context, &subject).await?;
    if let Some(name) = &record_name {
        let record = context.kubernetes.get_record(name).await;
        subject.record = record.map_err(Error::Read)?;
    }
    subject.record_name = record_name;
    versions.extend(
        subject
            .record
            .as_ref()
            .and_then(|record| record.metadata.resource_version.clone()),
    );
    subject.holder_gone = holder_gone(context, &subject).await;
    Ok(Some(subject))
}

/// The task that a rollback undoes, if it names one and that exists.
async fn source(context: &Context, object: &Object) -> Result<Option<RollingUpdateTask>, Error> {
    let Object::Rollback(rollback) = object else {
        return Ok(None);
    };
    let Some(task) = &rollback.spec.task_ref else {
        return Ok(None);
    };
    let key = ObjectKey::task(object.key().namespace, &task.name);
    match context.kubernetes.get(&key).await.map_err(Error::Read)? {
        Some(Object::Task(task)) => Ok(Some(task)),
        Some(Object::Rollback(_) | Object::ImageUpdate(_)) | None => Ok(None),
    }
}

/// What the keys of ConfigMaps hold that the scripts come from, if the next decision may start them.
async fn texts(context: &Context, subject: &Subject) -> Result<ConfigMapTexts, Error> {
    let mut texts = ConfigMapTexts::new();
    let Some(rollout) = subject.rollout() else {
        return Ok(texts);
    };
    let keys = config_map_keys(rollout.spec, rollout.status);
    let names: BTreeSet<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    // Each is read once: two keys of one ConfigMap are of one version of it.
    for name in names {
        let namespace = &subject.key.namespace;
        let data = match context.kubernetes.get_config_map(namespace, name).await {
            Err(error) if error.class != ErrorClass::Refused => return Err(Error::Read(error)),
            data => data,
        };
        for key in keys.iter().filter(|key| key.name == name) {
            let text = match &data {
                Ok(Some(data)) => match data.get(&key.key) {
                    Some(text) => ConfigMapText::Text(text.clone()),
                    None => ConfigMapText::NoKey,
                },
                Ok(None) => ConfigMapText::NoConfigMap,
                Err(error) => ConfigMapText::Refused(error.source.to_string()),
            };
            texts.insert((*key).clone(), text);
        }
    }
    Ok(texts)
}

/// What the log has been told that a pass is about. In text a field that is recorded again stands in each line again,
/// so that only what is new is recorded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    uid: Option<String>,
    generation: Option<i64>,
    execution: Option<String>,
}

impl Told {
    /// Tells the log what the pass is about.
    fn tell(&mut self, object: &Object) {
        let before = std::mem::replace(
            self,
            Self {
                uid: object.metadata().uid.clone(),
                generation: object.metadata().generation,
                execution: object.execution_id().map(str::to_owned),
            },
        );
        let span = tracing::Span::current();
        if self.uid != before.uid {
            span.record("uid", self.uid.as_deref());
        }
        if self.generation != before.generation {
            span.record("generation", self.generation);
        }
        if self.execution != before.execution {
            span.record("executionId", self.execution.as_deref());
        }
    }
}

/// Whether the group is held by another object that does not exist any more. What cannot be read
/// exists: taking a group from a task that runs would be worse than waiting.
async fn holder_gone(context: &Context, subject: &Subject) -> bool {
    let status = subject
        .record
        .as_ref()
        .and_then(|record| record.status.as_ref());
    let Some(holder) = status.and_then(|status| status.holder.as_ref()) else {
        return false;
    };
    subject.object.metadata().uid.as_ref() != Some(&holder.uid) && is_gone(context, holder).await
}

/// Whether a holder does not exist any more.
pub(super) async fn is_gone(context: &Context, holder: &Holder) -> bool {
    let Some(kind) = ObjectKind::from_name(&holder.kind) else {
        return false;
    };
    let key = ObjectKey {
        namespace: holder.namespace.clone(),
        name: holder.name.clone(),
        kind,
    };
    match context.kubernetes.get(&key).await {
        Ok(None) => true,
        Ok(Some(found)) => found.metadata().uid.as_ref() != Some(&holder.uid),
        Err(error) => {
            tracing::debug!(%error, holder = %key, "holder of the group cannot be read");
            false
        }
    }
}

/// Asks the core, answers what it asks for, and so on until it decides. Everything that it sees is
/// read after the task and the record.
///
/// # Errors
/// When the core does not decide within the bound on rounds.
pub async fn decide(
    context: &Context,
    subject: &Subject,
    outcome: Option<&WorkOutcome>,
    record_lost: Option<&str>,
) -> Result<Decided, Error> {
    let ahead = context.tasks.ahead(
        subject.region.as_deref(),
        &subject.group,
        &subject.key,
        subject
            .object
            .metadata()
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
        context.clock.now(),
    );
    let deadline = context.clock.now() + context.limits.reading;
    let mut observation = Observation::default();
    let mut asked = Vec::new();
    for _ in 0..=context.limits.rounds {
        // Taken anew for each round: what the decision puts on record is when it was made, not
        // when the reads for it began.
        let at = context.clock.now();
        let known = Known {
            ahead: ahead.as_ref(),
            record_lost,
            outcome,
        };
        let step = next_step(context, subject, known, at, &observation);
        match step {
            Step::Decided(decision) => {
                return Ok(Decided {
                    decision: *decision,
                    at,
                });
            }
            Step::Read(queries) => {
                asked = queries.clone();
                let region = subject.region.as_deref();
                let answers = answer(context, Access::of(subject), region, queries, deadline);
                for (query, answer) in answers.await {
                    observation.insert(query, answer);
                }
            }
        }
    }
    Err(Error::Rounds(context.limits.rounds, format!("{asked:?}")))
}

/// What this process knows beside what it reads.
#[derive(Clone, Copy)]
struct Known<'a> {
    ahead: Option<&'a QueueEntry>,
    record_lost: Option<&'a str>,
    outcome: Option<&'a WorkOutcome>,
}

/// What the core says, by the kind of the object.
fn next_step(
    context: &Context,
    subject: &Subject,
    known: Known<'_>,
    now: Timestamp,
    observation: &Observation,
) -> Step<Status> {
    let Known {
        ahead,
        record_lost,
        outcome,
    } = known;
    let (record, holder_gone) = (subject.record.as_ref(), subject.holder_gone);
    let settings = &context.settings;
    if let Object::ImageUpdate(task) = &subject.object {
        let input = image_update::Input {
            task,
            record,
            holder_gone,
            record_lost,
            ahead,
            settings,
            now,
            observation,
            outcome,
        };
        let step = image_update::step(input);
        return step.map_status(|status| Status::ImageUpdate(Box::new(status)));
    }
    let rollout = subject.rollout();
    let input = rollout::Input {
        subject: rollout
            .unwrap_or_else(|| unreachable!("a rollback's spec is derived when it is read")),
        record,
        holder_gone,
        record_lost,
        ahead,
        settings,
        now,
        observation,
        outcome,
    };
    let step = (context.step)(input);
    step.map_status(|status| Status::Rollout(Box::new(status)))
}

/// Whose credentials are used, and for what.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) scope: &'a CredentialsScope,
    /// What is only to be seen to its end any more, so that those last read will do: see
    /// [`Clouds::open_last`](crate::clouds::Clouds::open_last).
    pub(super) outlives: Option<Outlives>,
}

impl<'a> Access<'a> {
    pub(super) fn of(subject: &'a Subject) -> Self {
        let deleting = subject.object.metadata().deletion_timestamp.as_ref();
        Self {
            scope: &subject.scope,
            outlives: deleting.map(|_| Outlives::Object),
        }
    }
}

/// Answers queries, under these credentials.
pub(super) async fn answer(
    context: &Context,
    access: Access<'_>,
    region: Option<&str>,
    queries: Vec<Query>,
    deadline: Timestamp,
) -> Vec<(Query, Result<Answer, CloudError>)> {
    let cloud = open(context, access, region).await;
    let (region, cloud) = match cloud {
        Ok(opened) => opened,
        Err(error) => {
            return queries
                .into_iter()
                .map(|query| (query, Err(error.clone())))
                .collect();
        }
    };
    let cloud = &cloud;
    let answers: Vec<_> = stream::iter(queries)
        .map(|query| async move {
            let answer = ask(context, cloud.as_ref(), region, &query, deadline).await;
            (query, answer)
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    if answers.iter().any(|(_, answer)| rejected(answer)) {
        context.clouds.rejected(access.scope);
    }
    answers
}

/// The cloud under the task's credentials, and the region to call.
pub(super) async fn open<'a>(
    context: &Context,
    access: Access<'_>,
    region: Option<&'a str>,
) -> Result<(&'a str, Arc<dyn Cloud>), CloudError> {
    let Some(region) = region else {
        return Err(CloudError {
            call: "choosing the region".to_owned(),
            class: CloudClass::Invalid,
            outcome: Outcome::NoEffect,
            code: "no-region".to_owned(),
            message: "set spec.regionId, or give the operator a default (chart value region, flag --region)".to_owned(),
            request_id: None,
            missing_action: None,
            retry_after: None,
        });
    };
    let cloud = match access.outlives {
        Some(what) => context.clouds.open_last(access.scope, what).await?,
        None => context.clouds.open(access.scope).await?,
    };
    Ok((region, cloud))
}

pub(super) fn rejected<T>(answer: &Result<T, CloudError>) -> bool {
    matches!(answer, Err(error) if error.class == CloudClass::Unauthenticated)
}

async fn ask(
    context: &Context,
    cloud: &dyn Cloud,
    region: &str,
    query: &Query,
    deadline: Timestamp,
) -> Result<Answer, CloudError> {
    let left = Duration::try_from(deadline.duration_since(context.clock.now())).unwrap_or_default();
    match select(cloud.query(region, query), context.clock.sleep(left)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(CloudError {
            call: name_of(query).to_owned(),
            class: CloudClass::Retry,
            outcome: Outcome::NoEffect,
            code: "timeout".to_owned(),
            message: format!(
                "not answered within the {:?} that reads may take for one decision",
                context.limits.reading
            ),
            request_id: None,
            missing_action: None,
            retry_after: None,
        }),
    }
}

/// The call that answers a query, as errors name it.
fn name_of(query: &Query) -> &'static str {
    match query {
        Query::ScalingGroup { .. } | Query::ScalingGroupInList { .. } => {
            "ESS DescribeScalingGroups"
        }
        Query::ScalingInstances { .. } | Query::ScalingInstancesById { .. } => {
            "ESS DescribeScalingInstances"
        }
        Query::ActivitiesInProgress { .. } => "ESS DescribeScalingActivities",
        Query::InstanceRefreshes { .. } => "ESS DescribeInstanceRefreshes",
        Query::LifecycleActions { .. } => "ESS DescribeLifecycleActions",
        Query::Diagnosis { .. } => "ESS DescribeScalingGroupDiagnoseDetails",
        Query::ScalingConfiguration { .. } | Query::ScalingConfigurationInGroup { .. } => {
            "ESS DescribeScalingConfigurations"
        }
        Query::EciScalingConfiguration { .. } | Query::EciScalingConfigurationInGroup { .. } => {
            "ESS DescribeEciScalingConfigurations"
        }
        Query::Account => "STS GetCallerIdentity",
        Query::ContainerGroups { .. } => "ECI DescribeContainerGroups",
        Query::Image { .. } => "ECS DescribeImages",
        Query::EcsInstances { .. } => "ECS DescribeInstances",
        Query::Executions(_) => "OOS ListExecutions",
        Query::TaskExecutions { .. } => "OOS ListTaskExecutions",
        Query::Template { .. } | Query::Package { .. } => "OOS GetTemplate",
        Query::InstancePackage { .. } => "OOS ListInstancePackageStates",
        Query::Invocation { .. } => "ECS DescribeInvocationResults",
    }
}
