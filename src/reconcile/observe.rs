//! Reads only: the object, and what the core asks about it.

use std::{pin::pin, sync::Arc, time::Duration};

use ess_rollout_api::v1alpha1::ScalingGroupRecord;
use ess_rollout_cloud::{
    Answer, Cloud, CloudError, ErrorClass as CloudClass, Outcome, Query, Turn,
};
use ess_rollout_core::ask::{Ask, ConfigMap, ObjectRef, Reply, Target, late, unanswered};
use ess_rollout_core::decision::{Decision, Step, WorkOutcome};
use ess_rollout_core::endpoints::EndpointError;
use ess_rollout_core::observation::Observation;
use ess_rollout_core::{identity, image_update, rollout};
use futures::{
    StreamExt,
    future::{Either, select},
    stream,
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Context;
use crate::{
    clouds::Outlives,
    kubernetes::{ErrorClass, KubeError, Object, ObjectKey, ObjectKind, Status},
    seen::Place,
    tasks::CredentialsScope,
};

/// How many queries of one decision are under way at the same time. The limiter of the cloud
/// client is what protects the account; this bounds memory.
const SIDE_BY_SIDE: usize = 8;

/// How many times a step may ask for facts of the cluster before it decides or asks the cloud. Each depends on those before:
/// what is undone, the record of its group, whoever that names.
const FACT_ROUNDS: usize = 8;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object, or a fact of the cluster that the core asks for, cannot be read.
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
pub struct PassTarget {
    /// Which object.
    pub key: ObjectKey,
    /// The object.
    pub object: Object,
    /// Of the pass.
    pub turn: Turn,
    /// When it was last read or written.
    pub as_of: Instant,
    /// The record of its group, as the decision before in the same pass read or wrote it.
    pub record: Option<KnownRecord>,
}

/// The record of a scaling group.
pub struct KnownRecord {
    name: String,
    /// `None`: there is none yet.
    record: Option<ScalingGroupRecord>,
    /// When it was last read or written.
    as_of: Instant,
}

impl PassTarget {
    /// Whether it need not be read again for the next decision of a pass. Somebody else who writes in between is met by the
    /// version of the next write; a call that no write comes before must not rest on much older reading.
    pub fn is_fresh(&self, context: &Context) -> bool {
        self.as_of.elapsed() < context.limits.fresh
    }
}

/// The scaling group that a decision is about.
pub struct Group {
    /// Its id; empty: of a rollback whose task is not known.
    pub id: String,
    /// Its region; `None`: neither the object nor the operator names one.
    pub region: Option<String>,
    /// Whose credentials reach it.
    pub scope: CredentialsScope,
    /// Its record, as the core was told of it; `None`: there is none yet.
    pub record: Option<ScalingGroupRecord>,
    /// When that was last read or written.
    pub record_as_of: Instant,
}

impl Group {
    /// The name of its record; `None` unless both region and id are known.
    pub fn record_name(&self) -> Option<String> {
        let region = self.region.as_deref().filter(|_| !self.id.is_empty());
        region.map(|region| identity::record_name(region, &self.id))
    }

    /// The record for the next decision of the pass.
    pub fn known_record(self) -> Option<KnownRecord> {
        Some(KnownRecord {
            name: self.record_name()?,
            record: self.record,
            as_of: self.record_as_of,
        })
    }
}

/// A decision, and when it was made.
pub struct Decided {
    /// The decision.
    pub decision: Decision<Status>,
    /// The `now` that it was made with.
    pub at: Timestamp,
    /// The group that it is about.
    pub group: Group,
}

/// Reads the object; `None`: it is gone.
///
/// # Errors
/// When the apiserver does not say.
pub async fn read(
    context: &Context,
    (key, turn): (&ObjectKey, Turn),
    versions: &mut Vec<String>,
    told: &mut Told,
) -> Result<Option<PassTarget>, Error> {
    let found = context.kubernetes.get(key).await.map_err(Error::Read)?;
    let Some(object) = found else {
        return Ok(None);
    };
    versions.extend(object.version());
    told.tell(&object);
    Ok(Some(PassTarget {
        key: key.clone(),
        object,
        turn,
        as_of: Instant::now(),
        record: None,
    }))
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
    pub(super) fn tell(&mut self, object: &Object) {
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

/// Asks the core, tells it what it asks for, and so on until it decides. Everything that it is told of is read after the
/// object, but for a record that is as fresh. `None`: while the cloud was read, which may have waited for its turn, the record of
/// the group has changed, so that what was read is of another story. That the object has changed is met by the version of the
/// next write.
///
/// # Errors
/// When the apiserver does not say, or the core does not decide within the bound on rounds.
pub async fn decide(
    context: &Context,
    subject: &mut PassTarget,
    outcome: Option<&WorkOutcome>,
    record_lost: Option<&str>,
    versions: &mut Vec<String>,
) -> Result<Option<Decided>, Error> {
    let began = Instant::now();
    let is_fresh = |record: &KnownRecord| record.as_of.elapsed() < context.limits.fresh;
    let record = subject.record.take().filter(is_fresh);
    let known = Known {
        record_lost,
        outcome,
        record: record.as_ref(),
    };
    let mut observation = Observation::default();
    let mut deadline = None;
    let mut asked = Vec::new();
    for _ in 0..=context.limits.rounds {
        let stepping = step_on_facts(context, subject, known, &mut observation, versions);
        let (step, target, at) = stepping.await?;
        let scope = scope_of(subject, &target);
        match step {
            Step::Decided(decision) => {
                let region = target.region;
                let record = observation.into_record(region.as_deref(), &target.group);
                return Ok(Some(Decided {
                    decision: *decision,
                    at,
                    group: Group {
                        id: target.group,
                        region,
                        scope,
                        record,
                        record_as_of: known.record.map_or(began, |record| record.as_of),
                    },
                }));
            }
            Step::Read(asks) => {
                asked.clone_from(&asks);
                let deadline =
                    *deadline.get_or_insert_with(|| context.clock.now() + context.limits.reading);
                let access = Access::of(subject, &scope);
                let region = target.region.as_deref();
                let began = Instant::now();
                let answering = answer(context, access, region, asks, deadline);
                let late = context.clock.sleep(context.limits.late);
                let answers = match select(pin!(answering), late).await {
                    Either::Left((answers, _)) => answers,
                    Either::Right((_, answering)) => {
                        let told = (known, &observation);
                        tell_late(context, subject, told, &asked, versions).await;
                        answering.await
                    }
                };
                for (ask, reply) in answers {
                    observation.insert(ask, reply);
                }
                if began.elapsed() >= context.limits.fresh
                    && !is_unchanged(context, &observation, &target).await?
                {
                    return Ok(None);
                }
            }
        }
    }
    Err(Error::Rounds(context.limits.rounds, format!("{asked:?}")))
}

/// Says on the object that the look at it waits for its turn, rather than let what is shown look fresh: what the core says of
/// reads that fail. Nothing else is done of that decision, and what was asked is still waited for.
async fn tell_late(
    context: &Context,
    subject: &mut PassTarget,
    (known, observation): (Known<'_>, &Observation),
    asked: &[Ask],
    versions: &mut Vec<String>,
) {
    let mut observation = observation.clone();
    for ask in asked {
        let reply = match ask {
            Ask::Endpoint { query, .. } => Reply::Endpoint(Err(EndpointError {
                endpoint: query.endpoint().to_owned(),
                code: "timeout".to_owned(),
                message: String::new(),
                needs_person: false,
            })),
            _ => match ask.query() {
                Some(query) => Reply::Cloud(Err(late(query.call(), context.limits.late))),
                None => continue,
            },
        };
        observation.insert(ask.clone(), reply);
    }
    let (step, _) = next_step(context, subject, known, context.clock.now(), &observation);
    let Step::Decided(decision) = step else {
        return;
    };
    let differs = matches!(subject.object.differs_from(&decision.status), Ok(true));
    if !decision.is_of_status_alone() || !differs {
        return;
    }
    // One that somebody else has written meanwhile is met by the version of the next write.
    let written = context
        .kubernetes
        .write_status(&subject.object, &decision.status);
    if let Ok(object) = written.await {
        versions.extend(object.version());
        subject.object = object;
    }
}

/// Whether the record of the group is in the version that the core was told of.
async fn is_unchanged(
    context: &Context,
    observation: &Observation,
    target: &Target,
) -> Result<bool, Error> {
    let (Some(region), group) = (&target.region, &target.group) else {
        return Ok(true);
    };
    let Some(told) = observation.record_version(region, group) else {
        return Ok(true);
    };
    let name = identity::record_name(region, group);
    let record = context.kubernetes.get_record(&name).await;
    let record = record.map_err(Error::Read)?;
    Ok(record.is_some_and(|now| now.metadata.resource_version.as_deref() == Some(told)))
}

/// Asks the core, and tells it of the cluster, until it decides or asks of the cloud alone: what it asks of that together
/// with a fact of the cluster it asks again, knowing that. Gives the `now` that it was asked with, too.
async fn step_on_facts(
    context: &Context,
    subject: &PassTarget,
    known: Known<'_>,
    observation: &mut Observation,
    versions: &mut Vec<String>,
) -> Result<(Step<Status>, Target, Timestamp), Error> {
    let mut asked = Vec::new();
    for _ in 0..=FACT_ROUNDS {
        // Taken anew for each round: what the decision puts on record is when it was made, not
        // when the reads for it began.
        let at = context.clock.now();
        let (step, target) = next_step(context, subject, known, at, observation);
        let asks = match step {
            Step::Read(asks) if asks.iter().any(Ask::is_of_cluster) => asks,
            step => return Ok((step, target, at)),
        };
        for ask in &asks {
            if let Some(reply) = fact(context, (subject, known), (ask, &target), versions).await? {
                observation.insert(ask.clone(), reply);
            }
        }
        asked = asks;
    }
    Err(Error::Rounds(FACT_ROUNDS, format!("{asked:?}")))
}

/// What is so in the cluster; `None`: the cloud is asked, or an endpoint.
async fn fact(
    context: &Context,
    (subject, known): (&PassTarget, Known<'_>),
    (ask, target): (&Ask, &Target),
    versions: &mut Vec<String>,
) -> Result<Option<Reply>, Error> {
    Ok(Some(match ask {
        Ask::Task { namespace, name } => {
            let key = ObjectKey::task(namespace, name);
            let found = context.kubernetes.get(&key).await.map_err(Error::Read)?;
            Reply::Task(match found {
                Some(Object::Task(task)) => Some(task),
                Some(Object::Rollback(_) | Object::ImageUpdate(_)) | None => None,
            })
        }
        Ask::ConfigMap { namespace, name } => {
            let found = context.kubernetes.get_config_map(namespace, name).await;
            Reply::ConfigMap(match found {
                Ok(Some(data)) => ConfigMap::Data(data),
                Ok(None) => ConfigMap::Missing,
                Err(error) if error.class == ErrorClass::Refused => {
                    ConfigMap::Refused(error.source.to_string())
                }
                Err(error) => return Err(Error::Read(error)),
            })
        }
        Ask::RolledBackBy => {
            let metadata = subject.object.metadata();
            Reply::RolledBackBy(context.tasks.rolled_back_by(&subject.key, metadata))
        }
        Ask::Record { region, group } => {
            let name = identity::record_name(region, group);
            if let Some(known) = known.record.filter(|record| record.name == name) {
                return Ok(Some(Reply::Record(known.record.clone().map(Box::new))));
            }
            let record = context.kubernetes.get_record(&name).await;
            let record = record.map_err(Error::Read)?;
            let version = record.as_ref().map(|record| &record.metadata);
            versions.extend(version.and_then(|metadata| metadata.resource_version.clone()));
            Reply::Record(record.map(Box::new))
        }
        Ask::Exists(object) => Reply::Exists(region_of(context, object).await.is_some()),
        Ask::Ahead { region, group } => {
            let created = subject.object.metadata().creation_timestamp.as_ref();
            Reply::Ahead(context.tasks.ahead(
                Some(region),
                group,
                &subject.key,
                created.map(|time| time.0),
                context.clock.now(),
            ))
        }
        Ask::Windows => Reply::Windows(context.windows.of(&subject.key.namespace)),
        Ask::StartTurn => {
            let place = place_of(subject, target);
            Reply::StartTurn(context.pace.wait(&place, &subject.key))
        }
        Ask::Seen { execution, latest } => {
            let (place, age) = (place_of(subject, target), context.limits.sighting_age);
            let asked = (execution.as_str(), *latest);
            Reply::Seen(context.sightings.of(&place, asked, age))
        }
        Ask::Cloud(_) | Ask::Recent { .. } | Ask::Endpoint { .. } => return Ok(None),
    }))
}

/// Whose rates its calls draw from. Without a region there are none.
fn place_of(subject: &PassTarget, target: &Target) -> Place {
    let region = target.region.clone().unwrap_or_default();
    (scope_of(subject, target), region)
}

fn scope_of(subject: &PassTarget, target: &Target) -> CredentialsScope {
    CredentialsScope {
        namespace: subject.key.namespace.clone(),
        secret: target.secret.clone(),
    }
}

/// The region that an object looks in now, as far as it is known; `None`: the object does not exist any more. What cannot be read
/// exists.
pub(super) async fn region_of(context: &Context, object: &ObjectRef) -> Option<Option<String>> {
    let Some(kind) = ObjectKind::from_name(&object.kind) else {
        return Some(None);
    };
    let key = ObjectKey {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        kind,
    };
    match context.kubernetes.get(&key).await {
        Ok(Some(found)) if found.metadata().uid.as_ref() == Some(&object.uid) => {
            let region = context.settings.region(found.place(), found.own_region());
            Some(region.map(str::to_owned))
        }
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, holder = %key, "holder of the group cannot be read");
            Some(None)
        }
    }
}

/// What this process knows beside what it reads.
#[derive(Clone, Copy)]
struct Known<'a> {
    record_lost: Option<&'a str>,
    outcome: Option<&'a WorkOutcome>,
    /// Need not be read again.
    record: Option<&'a KnownRecord>,
}

/// What the core says, by the kind of the object, and the group that it says it of.
fn next_step(
    context: &Context,
    subject: &PassTarget,
    known: Known<'_>,
    now: Timestamp,
    observation: &Observation,
) -> (Step<Status>, Target) {
    let Known {
        record_lost,
        outcome,
        ..
    } = known;
    let settings = &context.settings;
    let namespace = subject.object.metadata().namespace.as_deref();
    let names_verified = context.vouching.covers(namespace.unwrap_or_default());
    let of_rollout = |subject| {
        let input = rollout::Input {
            subject,
            record_lost,
            settings,
            names_verified,
            now,
            observation,
            outcome,
        };
        let step = (context.step)(input);
        let step = step.map_status(|status| Status::Rollout(Box::new(status)));
        (step, rollout::target(&input))
    };
    match &subject.object {
        Object::Task(task) => of_rollout((&**task).into()),
        Object::Rollback(rollback) => of_rollout((&**rollback).into()),
        Object::ImageUpdate(task) => {
            let input = image_update::Input {
                task,
                record_lost,
                settings,
                names_verified,
                now,
                observation,
                outcome,
            };
            let step = image_update::step(input);
            let step = step.map_status(|status| Status::ImageUpdate(Box::new(status)));
            (step, image_update::target(&input))
        }
    }
}

/// Whose credentials are used, and for what.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) scope: &'a CredentialsScope,
    /// What is only to be seen to its end any more, so that those last read will do: see
    /// [`Clouds::open_last`](crate::clouds::Clouds::open_last).
    pub(super) outlives: Option<Outlives>,
    pub(super) turn: Turn,
}

impl<'a> Access<'a> {
    pub(super) fn of(subject: &PassTarget, scope: &'a CredentialsScope) -> Self {
        let deleting = subject.object.metadata().deletion_timestamp.as_ref();
        Self {
            scope,
            outlives: deleting.map(|_| Outlives::Object),
            turn: subject.turn,
        }
    }
}

/// Answers what is asked of the cloud, under these credentials, and of endpoints.
pub(super) async fn answer(
    context: &Context,
    access: Access<'_>,
    region: Option<&str>,
    asks: Vec<Ask>,
    deadline: Timestamp,
) -> Vec<(Ask, Reply)> {
    let is_of_cloud = |ask: &Ask| ask.query().is_some();
    let (of_cloud, others): (Vec<Ask>, Vec<Ask>) = asks.into_iter().partition(is_of_cloud);
    // Without a question no account is opened.
    let of_cloud = async {
        match of_cloud.is_empty() {
            true => Vec::new(),
            false => answer_of_cloud(context, access, region, of_cloud, deadline).await,
        }
    };
    let of_endpoints = stream::iter(others)
        .map(|ask| async move {
            let Ask::Endpoint { query, since } = &ask else {
                // A fact of the cluster, which was told before.
                return None;
            };
            let told = context.endpoints.ask(query, age(context, *since)).await;
            Some((ask, Reply::Endpoint(told)))
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .collect::<Vec<_>>();
    let (mut answers, of_endpoints) = futures::join!(of_cloud, of_endpoints);
    answers.extend(of_endpoints.into_iter().flatten());
    answers
}

/// How old an answer may be.
fn age(context: &Context, since: Timestamp) -> Duration {
    let age = context.clock.now().duration_since(since);
    Duration::try_from(age).unwrap_or_default()
}

async fn answer_of_cloud(
    context: &Context,
    access: Access<'_>,
    region: Option<&str>,
    asks: Vec<Ask>,
    deadline: Timestamp,
) -> Vec<(Ask, Reply)> {
    let cloud = open(context, access, region).await;
    let (region, cloud) = match cloud {
        Ok(opened) => opened,
        Err(error) => {
            return asks
                .into_iter()
                .map(|ask| (ask, Reply::Cloud(Err(error.clone()))))
                .collect();
        }
    };
    let cloud = &cloud;
    let place = (access.scope.clone(), region.to_owned());
    let place = &place;
    let read = async |query: &Query| {
        let began = Instant::now();
        let asking = (region, query, access.turn);
        let answer = ask(context, cloud.as_ref(), asking, deadline).await;
        if let Ok(answer) = &answer {
            context.sightings.read(place, began, query, answer);
        }
        answer
    };
    let read = &read;
    let answers = stream::iter(asks)
        .map(|ask| async move {
            let answer = match &ask {
                Ask::Cloud(query) => read(query).await,
                Ask::Recent { query, since } => {
                    let (recent, asked) = (&context.recent, (place.clone(), query.clone()));
                    let read = async || read(query).await;
                    recent.of(&asked, age(context, *since), read).await
                }
                _ => return None,
            };
            Some((ask, answer))
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .collect::<Vec<_>>();
    let answers: Vec<_> = answers.await.into_iter().flatten().collect();
    if answers.iter().any(|(_, answer)| rejected(answer)) {
        context.clouds.rejected(access.scope);
    }
    let told = |(ask, answer)| (ask, Reply::Cloud(answer));
    answers.into_iter().map(told).collect()
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
    (region, query, turn): (&str, &Query, Turn),
    deadline: Timestamp,
) -> Result<Answer, CloudError> {
    let left = Duration::try_from(deadline.duration_since(context.clock.now())).unwrap_or_default();
    match select(cloud.query(region, query, turn), context.clock.sleep(left)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            let reading = context.limits.reading;
            let message =
                format!("not answered within the {reading:?} that reads may take for one decision");
            Err(unanswered(query.call(), "timeout", message))
        }
    }
}
