//! What people do in a round: one object of each kind, from the manifest to its end, and their requests.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ess_rollout_core::identity;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::site::{INSTANCES, NEW_CONTAINER, NEW_IMAGE, PACKAGE, REGION, Site};

/// The longest that a run may take: another leader, the lease that it waits out before it repeats anything, and the run itself.
const PATIENCE: Duration = Duration::from_secs(180);
/// A request has its verdict by then, whatever happens to whoever leads. Where the leader is cut off between putting a call on record
/// and sending it, another leads after up to 17 seconds, and waits for 13 more, in which that call might take effect and show. A machine
/// that has much else to do makes a minute of that.
pub const VERDICT: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// A script in four batches with a pause after each: left by annotation, by `approvedBatches`, by annotation. A continue that
    /// comes late is refused.
    Script,
    /// An image in two batches, with one pause, left by `current@nonce`.
    Image,
    /// A package, whose installation fails on one instance and is retried there.
    Package,
    /// Containers, whose update fails on one container group and is retried there.
    Containers,
    /// A script that fails on one instance, which is passed over.
    Skipped,
    /// Cancelled by annotation in the first pause.
    Cancelled,
    /// An image update that is rolled back in its pause, and the rollback pauses, too.
    RolledBack,
    /// An image is built and put into the scaling configuration, and once more.
    ImageUpdate,
}

/// A request of a person, and its verdict.
#[derive(Debug)]
pub struct Asked {
    pub object: (&'static str, String),
    pub verb: &'static str,
    pub value: String,
    /// State and, where it was refused, the reason.
    pub wanted: (&'static str, Option<&'static str>),
    /// How long the verdict took; `None`: there is none.
    pub took: Option<Duration>,
}

/// What a person did and saw.
#[derive(Debug)]
pub struct Story {
    pub scenario: Scenario,
    pub round: String,
    pub requests: Vec<Asked>,
    /// Pauses that were approved, in whatever way.
    pub approvals: usize,
    /// Why the story has no end.
    pub trouble: Option<String>,
}

impl Scenario {
    pub const ALL: [Self; 8] = [
        Self::Script,
        Self::Image,
        Self::Package,
        Self::Containers,
        Self::Skipped,
        Self::Cancelled,
        Self::RolledBack,
        Self::ImageUpdate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Image => "image",
            Self::Package => "package",
            Self::Containers => "containers",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::RolledBack => "rolledback",
            Self::ImageUpdate => "imageupdate",
        }
    }

    pub fn group(self, round: &str) -> String {
        format!("asg-{}-{round}", self.name())
    }

    pub fn configuration(self, round: &str) -> String {
        format!("asc-{}-{round}", self.name())
    }

    /// An instance or container group of a run, from 1.
    pub fn member(self, round: &str, number: usize) -> String {
        let prefix = match self {
            Self::Containers => "eci",
            _ => "i",
        };
        format!("{prefix}-{}-{round}-{number:02}", self.name())
    }

    /// The first object of a run.
    pub fn object(self, round: &str) -> (&'static str, String) {
        let kind = match self {
            Self::ImageUpdate => "ImageUpdateTask",
            _ => "RollingUpdateTask",
        };
        (kind, format!("{}-{round}", self.name()))
    }

    /// All objects of a run.
    pub fn objects(self, round: &str) -> Vec<(&'static str, String)> {
        let mut objects = vec![self.object(round)];
        if self == Self::RolledBack {
            objects.push(("Rollback", format!("back-{round}")));
        }
        objects
    }

    fn spec(self, round: &str) -> Value {
        let script = json!({"script": {"run": {"inline": "systemctl restart my-agent"}}});
        let image = json!({"image": {"imageId": NEW_IMAGE}});
        let (update, batches, suspension) = match self {
            Self::Script => (script, INSTANCES, "SuspendEachBatch"),
            Self::Cancelled => (script, 2, "SuspendFirstBatch"),
            Self::Skipped => (script, 2, "Automatic"),
            Self::Image | Self::RolledBack => (image, 2, "SuspendFirstBatch"),
            Self::Package => (json!({"package": {"name": PACKAGE}}), 2, "Automatic"),
            Self::Containers => {
                let containers = json!([{"name": "app", "image": NEW_CONTAINER}]);
                let update = json!({"containerGroup": {"containers": containers}});
                (update, 2, "Automatic")
            }
            Self::ImageUpdate => {
                return json!({
                    "scalingGroupId": self.group(round),
                    "source": {"instanceId": self.member(round, 1), "imageName": "nightly"},
                });
            }
        };
        json!({
            "scalingGroupId": self.group(round),
            "update": update,
            "batches": batches,
            "suspensionPolicy": suspension,
            // One run for this group and key, in whichever cluster.
            "runKey": format!("run-{round}"),
        })
    }

    /// Does what the people of this scenario do, until everything has ended.
    pub async fn live(self, site: &Site, round: &str) -> Story {
        let mut person = Person {
            site,
            began: Instant::now(),
            story: Story {
                scenario: self,
                round: round.to_owned(),
                requests: Vec::new(),
                approvals: 0,
                trouble: None,
            },
        };
        if let Err(error) = person.lives().await {
            let trouble = format!("{error:#}");
            site.chronicle.tell(format!(
                "trouble with {} of round {round}: {trouble}",
                self.name()
            ));
            person.story.trouble = Some(trouble);
        }
        person.story
    }
}

type Object<'a> = (&'static str, &'a str);

const APPLIED: (&str, Option<&str>) = ("Applied", None);

struct Person<'a> {
    site: &'a Site,
    began: Instant,
    story: Story,
}

impl Person<'_> {
    async fn lives(&mut self) -> Result<()> {
        let (scenario, round) = (self.story.scenario, self.story.round.clone());
        let (kind, name) = scenario.object(&round);
        let object = (kind, name.as_str());
        self.create(object, scenario.spec(&round)).await?;
        let bad = scenario.member(&round, 2);
        match scenario {
            Scenario::Script => {
                self.approve(object, 1, "1").await?;
                self.until_paused(object, "Batch", Some(2)).await?;
                let late = ("Rejected", Some("StalePause"));
                self.ask(object, "continue", "1@late", late).await?;
                self.story.approvals += 1;
                self.patch(object, json!({"spec": {"approvedBatches": 3}}))
                    .await?;
                self.approve(object, 3, "current@three").await?;
            }
            Scenario::Image => self.approve(object, 1, "current@one").await?,
            Scenario::Package => {
                self.until_paused(object, "Failure", None).await?;
                let value = format!("{bad}/1@one");
                self.ask(object, "retry", &value, APPLIED).await?;
            }
            Scenario::Containers => {
                self.until_paused(object, "Failure", None).await?;
                self.ask(object, "retry", "failed@one", APPLIED).await?;
            }
            Scenario::Skipped => {
                self.until_paused(object, "Failure", None).await?;
                let value = format!("{bad}@one");
                self.ask(object, "skip", &value, APPLIED).await?;
            }
            Scenario::Cancelled => {
                self.until_paused(object, "Batch", Some(1)).await?;
                self.ask(object, "cancel", "one", APPLIED).await?;
            }
            Scenario::RolledBack => {
                self.until_paused(object, "Batch", Some(1)).await?;
                let back = format!("back-{round}");
                let back = ("Rollback", back.as_str());
                let spec = json!({"taskRef": {"name": name}, "batches": 2, "suspensionPolicy": "SuspendFirstBatch"});
                self.create(back, spec).await?;
                self.approve(back, 1, "1").await?;
                self.until_completed(back).await?;
            }
            Scenario::ImageUpdate => {
                self.until_run(object, 1).await?;
                self.ask(object, "run-now", "again", APPLIED).await?;
                self.until_run(object, 2).await?;
            }
        }
        if scenario != Scenario::ImageUpdate {
            self.until_completed(object).await?;
        }
        // The last effect of a run is that the group is let go.
        let group = scenario.group(&round);
        let record = identity::record_name(REGION, &group);
        let record = ("ScalingGroupRecord", record.as_str());
        self.until(record, "the group is free", |record| {
            record["status"]["holder"].is_null().then_some(())
        })
        .await
    }

    async fn create(&self, (kind, name): Object<'_>, spec: Value) -> Result<()> {
        self.tell(format!("creates {kind} {name}"));
        let object = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        });
        let object = serde_json::from_value(object)?;
        let api = self.site.api(kind);
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    fn tell(&self, what: String) {
        self.site.chronicle.tell(format!("a person {what}"));
    }

    /// Looks until it is so.
    async fn until<T>(
        &self,
        (kind, name): Object<'_>,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let left = PATIENCE.saturating_sub(self.began.elapsed());
        let looks = self.site.objects.until(left, |objects| {
            let object = objects.get(kind, name);
            (!object.is_null()).then(|| look(&object)).flatten()
        });
        match looks.await {
            Some(found) => Ok(found),
            None => bail!(
                "after {PATIENCE:?} there is still not, of {kind} {name}: {what}; its status is {}",
                self.site.objects.get(kind, name)["status"]
            ),
        }
    }

    async fn until_paused(&self, object: Object<'_>, kind: &str, id: Option<i64>) -> Result<()> {
        let what = format!("a pause of kind {kind} {id:?}");
        self.until(object, &what, |object| {
            let pause = &object["status"]["pause"];
            let is_it = pause["kind"] == kind && id.is_none_or(|id| pause["id"] == id);
            is_it.then_some(())
        })
        .await
    }

    async fn until_completed(&self, object: Object<'_>) -> Result<()> {
        self.until(object, "it has completed", |object| {
            object["status"]["completionTime"].as_str().map(drop)
        })
        .await
    }

    /// A run of an ImageUpdateTask has ended.
    async fn until_run(&self, object: Object<'_>, number: i64) -> Result<()> {
        self.until(object, &format!("run {number} has ended"), |object| {
            let status = &object["status"];
            let ended = status["history"][0]["number"] == number && status["active"].is_null();
            ended.then_some(())
        })
        .await
    }

    /// Leaves a batch pause by annotation.
    async fn approve(&mut self, object: Object<'_>, pause: i64, value: &str) -> Result<()> {
        self.until_paused(object, "Batch", Some(pause)).await?;
        self.story.approvals += 1;
        self.ask(object, "continue", value, APPLIED).await
    }

    /// Makes a request, the one after the other, and waits for its verdict.
    async fn ask(
        &mut self,
        (kind, name): Object<'_>,
        verb: &'static str,
        value: &str,
        wanted: (&'static str, Option<&'static str>),
    ) -> Result<()> {
        let object = (kind, name.to_owned());
        let before = self.story.requests.iter();
        let index = before.filter(|asked| asked.object == object).count();
        self.tell(format!("asks {kind} {name} {verb}={value}"));
        let key = format!("ess-rollout.io/{verb}");
        self.patch(
            (kind, name),
            json!({"metadata": {"annotations": {key: value}}}),
        )
        .await?;
        let since = Instant::now();
        let verdict = self.site.objects.until(VERDICT, |objects| {
            let action = &objects.get(kind, name)["status"]["actions"][index];
            action["state"]
                .as_str()
                .filter(|state| *state != "Accepted")
                .map(str::to_owned)
        });
        let verdict = verdict.await;
        let took = verdict.as_ref().map(|_| since.elapsed());
        self.story.requests.push(Asked {
            object,
            verb,
            value: value.to_owned(),
            wanted,
            took,
        });
        verdict
            .map(|verdict| self.tell(format!("sees that {name} {verb}={value} is {verdict}")))
            .with_context(|| {
                format!("{kind} {name} {verb}={value} has no verdict after {VERDICT:?}")
            })
    }

    async fn patch(&self, (kind, name): Object<'_>, patch: Value) -> Result<()> {
        let api = self.site.api(kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }
}
