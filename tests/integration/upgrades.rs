//! Versions beside each other: the last one without leader election, and this one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ess_rollout_test_support::{Earlier, Operator};
use serde_json::{Value, json};

use crate::rolling_back;
use crate::scene::{
    GROUP, Scene, Setup, assert_condition, fixture, group, image_task, script_task, with,
};

/// How long each of the two runs before it is killed: a run takes about ten such turns.
const TURN: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_millis(100);
/// All of it takes half a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// `None`, and a word why: the checkout does not go back to it.
pub fn earlier() -> Option<Earlier> {
    let earlier = Earlier::find().unwrap();
    if earlier.is_none() {
        println!("skipped: this checkout does not have the earlier version");
    }
    earlier
}

/// What is under way, and what people do about it.
struct Fleet {
    scene: Scene,
    /// The last pause of `web` that was answered, and how many failures of `api` were.
    answered: i64,
    retried: bool,
    cancelled: bool,
    rolled_back: bool,
    approvals: usize,
    /// Which objects say which layout they have: this version writes that, and the earlier one, which does not know it, keeps
    /// it.
    laid_out: BTreeSet<String>,
}

impl Fleet {
    async fn start() -> Self {
        let groups = ["asg-api", "asg-batch", "asg-nightly"].map(|id| group(id, 3));
        let mut fixture = fixture();
        let all = fixture["scalingGroups"].as_array_mut().unwrap();
        all.extend(groups);
        fixture["faults"] = json!([{
            "service": "ECS", "action": "ReplaceSystemDisk", "params": {"InstanceId": "i-api-02"}, "caller": "oos", "count": 1,
            "effect": {"kind": "error", "status": 403, "code": "OperationDenied", "message": "Not now."},
        }]);
        let scene = Scene::with(Setup {
            fixture,
            clock_scale: 20.0,
            values: json!({"settleSeconds": 1}),
            ..Setup::default()
        })
        .await;
        let each = json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4});
        scene.create("web", with(script_task(), each)).await;
        let of_api = json!({"scalingGroupId": "asg-api", "batches": 1});
        scene.create("api", with(image_task(), of_api)).await;
        let of_batch =
            json!({"scalingGroupId": "asg-batch", "suspensionPolicy": "SuspendFirstBatch"});
        scene.create("batch", with(image_task(), of_batch)).await;
        let nightly = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask", "metadata": {"name": "nightly"},
            "spec": {"scalingGroupId": "asg-nightly", "source": {"instanceId": "i-nightly-01", "imageName": "nightly"}},
        });
        let applied = scene.kubectl.apply(&scene.namespace, &nightly.to_string());
        applied.unwrap();
        Self {
            scene,
            answered: 0,
            retried: false,
            cancelled: false,
            rolled_back: false,
            approvals: 0,
            laid_out: BTreeSet::new(),
        }
    }

    async fn object(&self, kind: &str, name: &str) -> Value {
        let api = self.scene.api(&self.scene.namespace, kind);
        api.get_opt(name)
            .await
            .unwrap()
            .map_or(Value::Null, |object| json!(object))
    }

    /// Looks once, and does what people do. Whether everything has ended.
    async fn goes_on(&mut self) -> bool {
        let web = self.scene.task("web").await;
        let pause = web["status"]["pause"]["id"].as_i64().unwrap_or_default();
        if web["status"]["state"] == "BatchSuspended" && pause > self.answered {
            self.answered = pause;
            self.approvals += 1;
            self.scene
                .request("web", "continue", &pause.to_string())
                .await;
        }
        let api = self.scene.task("api").await;
        if api["status"]["state"] == "FailureSuspended" && !self.retried {
            self.retried = true;
            self.scene.request("api", "retry", "i-api-02/1@1").await;
        }
        let batch = self.scene.task("batch").await;
        if batch["status"]["state"] == "BatchSuspended" && !self.cancelled {
            self.cancelled = true;
            self.scene.request("batch", "cancel", "one").await;
        }
        if !batch["status"]["completionTime"].is_null() && !self.rolled_back {
            self.rolled_back = true;
            let spec = json!({"taskRef": {"name": "batch"}, "batches": 1});
            rolling_back::apply(&self.scene, "back", spec);
        }
        let back = self.object("Rollback", "back").await;
        let nightly = self.object("ImageUpdateTask", "nightly").await;
        for object in [&web, &api, &batch, &back, &nightly] {
            let name = object["metadata"]["name"].to_string();
            match object["status"]["layoutVersion"].as_i64() {
                Some(version) => {
                    assert_eq!(version, 1, "{name}");
                    self.laid_out.insert(name);
                }
                None => assert!(!self.laid_out.contains(&name), "{name} has lost its layout"),
            }
        }
        let rollouts = [&web, &api, &batch, &back];
        // The last write of an object at rest takes its finalizer away.
        let ended = |object: &&Value| {
            !object["status"]["completionTime"].is_null()
                && object["metadata"]["finalizers"].is_null()
        };
        rollouts.iter().all(ended) && nightly["status"]["lastOutcome"] == "Succeeded"
    }

    async fn until_all_has_ended(&mut self, until: Instant) -> bool {
        while Instant::now() < until {
            if self.goes_on().await {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }
}

#[tokio::test]
async fn the_version_before_leader_election_and_this_one_take_turns_over_the_same_objects() {
    let Some(earlier) = earlier() else {
        return;
    };
    let mut fleet = Fleet::start().await;
    let mut other = Operator::new(&earlier.operator(&fleet.scene.options)).unwrap();
    let began = Instant::now();
    let mut turns = 0;
    loop {
        fleet.scene.operator.process().kill().unwrap();
        std::mem::swap(&mut fleet.scene.operator, &mut other);
        fleet.scene.operator.launch().unwrap();
        fleet.scene.operator.wait_ready().unwrap();
        turns += 1;
        if fleet.until_all_has_ended(Instant::now() + TURN).await {
            break;
        }
        if began.elapsed() > PATIENCE {
            let tails = [&mut fleet.scene.operator, &mut other].map(|one| one.process().log_tail());
            panic!("not ended after {turns} turns:\n{}", tails.join("\n"));
        }
    }
    assert!(turns >= 6, "{turns} turns");
    let scene = &fleet.scene;

    for (name, verified) in [("web", "AsReported"), ("api", "AsWanted")] {
        let task = scene.task(name).await;
        assert_condition(&task, "Succeeded", "True", "Updated");
        assert_condition(&task, "Verified", "True", verified);
    }
    let batch = scene.task("batch").await;
    assert_condition(&batch, "Succeeded", "False", "Cancelled");
    let back = fleet.object("Rollback", "back").await;
    assert_eq!(back["status"]["result"]["outcome"], "Succeeded", "{back}");
    let nightly = fleet.object("ImageUpdateTask", "nightly").await;
    assert_eq!(nightly["status"]["history"].as_array().unwrap().len(), 1);
    assert!(fleet.laid_out.len() >= 3, "{:?}", fleet.laid_out);

    assert_eq!(scene.effects("StartExecution").await, 5);
    assert_eq!(scene.starts().await, 5);
    let effective = |kind: &'static str| async move {
        let sent = scene
            .emulator
            .journal("OOS", "NotifyExecution")
            .await
            .unwrap();
        let those = sent
            .iter()
            .filter(|call| call["params"]["NotifyType"] == kind && call["code"] == "OK");
        those.count()
    };
    assert_eq!(fleet.approvals, 3);
    assert_eq!(effective("Approve").await, fleet.approvals);
    assert_eq!(effective("RetryTask").await, 1);
    for (name, verb, count) in [
        ("web", "Continue", 3),
        ("api", "Retry", 1),
        ("batch", "Cancel", 1),
    ] {
        let task = scene.task(name).await;
        let actions = task["status"]["actions"].as_array().unwrap();
        let applied = actions
            .iter()
            .filter(|action| action["verb"] == verb && action["state"] == "Applied");
        assert_eq!(
            (applied.count(), actions.len()),
            (count, count),
            "{name}: {actions:?}"
        );
    }
    for group in [GROUP, "asg-api", "asg-batch", "asg-nightly"] {
        assert_eq!(
            scene.suspended_processes(group).await,
            json!(["ScheduledAction"]),
            "{group}"
        );
        assert!(
            scene
                .all_instances(group, "lifecycleState", "InService")
                .await,
            "{group}"
        );
        let record = scene.record(group).await;
        assert!(record["status"]["holder"].is_null(), "{record}");
        assert!(record["status"]["leftovers"].is_null(), "{record}");
    }
    assert!(scene.all_instances("asg-api", "imageId", "m-v2").await);
    assert!(scene.all_instances("asg-batch", "imageId", "m-v1").await);
    assert_eq!(scene.configuration_image("asc-batch").await, "m-v1");
}
