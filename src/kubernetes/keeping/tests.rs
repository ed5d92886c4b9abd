//! Over an apiserver in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::reconcile::fake::{FakeClock, FakeKubernetes, task};

const CANARY: &str = "hunter2-in-clear";

#[derive(Default)]
struct Secrets {
    all: Mutex<BTreeMap<String, (String, String)>>,
    puts: Mutex<usize>,
    reads: Mutex<usize>,
}

impl KeptSecrets for Secrets {
    fn put<'a>(
        &'a self,
        name: &'a str,
        namespace: &'a str,
        content: &'a str,
        _: Timestamp,
    ) -> KubeFuture<'a, ()> {
        *self.puts.lock().unwrap() += 1;
        let kept = (namespace.to_owned(), content.to_owned());
        self.all.lock().unwrap().insert(name.to_owned(), kept);
        Box::pin(std::future::ready(Ok(())))
    }

    fn find<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<(String, String)>> {
        *self.reads.lock().unwrap() += 1;
        let found = self.all.lock().unwrap().get(name).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn list(&self) -> KubeFuture<'_, Vec<Listed>> {
        unreachable!("nobody lists here")
    }

    fn delete<'a>(&'a self, _: &'a Listed) -> KubeFuture<'a, ()> {
        unreachable!("nobody deletes here")
    }
}

fn secret_status() -> Value {
    let containers = json!([{"Name": "app", "EnvironmentVar": [{"Key": "P", "Value": CANARY}]}]);
    let update = json!({"containers": [{"name": "app", "image": "app:v1",
        "environmentVar": [{"key": "P", "value": CANARY}], "arg": [CANARY]}]});
    let script = json!({"run": {"inline": CANARY}});
    json!({
        "plan": {"batches": 1, "members": [],
            "scalingConfigurationContainers": containers.to_string(),
            "sourceContainerGroup": update},
        "start": {"attempt": 1, "clientToken": "t", "time": "2026-01-01T00:00:00Z", "templateName": "T",
            "parametersHash": "p", "specHash": "s", "scripts": {"run": CANARY}},
        "source": {"time": "2026-01-01T00:00:00Z", "executionId": "e", "scalingGroupId": "g",
            "method": "Template", "update": {"containerGroup": update, "script": script},
            "scalingConfigurationContainers": containers.to_string()},
    })
}

struct World {
    kubernetes: Arc<FakeKubernetes>,
    secrets: Arc<Secrets>,
}

impl World {
    /// With a task that has this status.
    fn new(status: Value) -> Self {
        let mut task = task("ns", "a");
        task.status = serde_json::from_value(status).unwrap();
        Self {
            kubernetes: Arc::new(FakeKubernetes::new(Arc::default(), task)),
            secrets: Arc::default(),
        }
    }

    /// A process that has just begun.
    fn keeping(&self) -> Keeping {
        let (kubernetes, secrets) = (self.kubernetes.clone(), self.secrets.clone());
        Keeping::new(kubernetes, secrets, Arc::new(FakeClock::new()))
    }

    fn stored(&self) -> Value {
        serde_json::to_value(self.kubernetes.task()).unwrap()
    }
}

async fn read(keeping: &Keeping) -> Object {
    let key = ObjectKey::task("ns", "a");
    keeping.get(&key).await.unwrap().unwrap()
}

fn status_of(object: &Object) -> Value {
    serde_json::to_value(object.rollout_status()).unwrap()
}

#[tokio::test]
async fn what_may_be_a_secret_is_in_no_status_and_whoever_reads_it_sees_it_whole() {
    let world = World::new(Value::Null);
    let keeping = world.keeping();
    let object = read(&keeping).await;
    let wanted: RollingUpdateTaskStatus = serde_json::from_value(secret_status()).unwrap();
    let status = Status::Rollout(Box::new(wanted.clone()));
    let written = keeping.write_status(&object, &status).await.unwrap();
    assert_eq!(written.rollout_status(), Some(&wanted));
    let stored = world.stored();
    assert!(!stored.to_string().contains(CANARY), "{stored}");
    let shown = &stored["status"]["source"]["update"]["containerGroup"]["containers"][0];
    assert_eq!(*shown, json!({"name": "app", "image": "app:v1"}));
    // By a process that knows nothing, too; each Secret is read once.
    let restarted = world.keeping();
    for _ in 0..3 {
        let again = read(&restarted).await;
        assert_eq!(again.rollout_status(), Some(&wanted));
    }
    assert_eq!(*world.secrets.reads.lock().unwrap(), 4);
    // What is referred to already is not kept again.
    let puts = *world.secrets.puts.lock().unwrap();
    let again = read(&restarted).await;
    restarted.write_status(&again, &status).await.unwrap();
    assert_eq!(*world.secrets.puts.lock().unwrap(), puts);
}

#[tokio::test]
async fn the_secret_is_there_before_the_status_that_refers_to_it() {
    let world = World::new(Value::Null);
    let keeping = world.keeping();
    let object = read(&keeping).await;
    let status = Status::Rollout(serde_json::from_value(secret_status()).unwrap());
    world
        .kubernetes
        .fail("write status", ErrorClass::Unavailable);
    assert!(keeping.write_status(&object, &status).await.is_err());
    assert_eq!(world.secrets.all.lock().unwrap().len(), 4);
    // Of the write that failed nothing is believed.
    keeping.write_status(&object, &status).await.unwrap();
    assert_eq!(*world.secrets.puts.lock().unwrap(), 8);
}

#[tokio::test]
async fn what_an_older_operator_wrote_goes_on_and_is_clean_once_it_was_read() {
    let world = World::new(secret_status());
    assert!(world.stored().to_string().contains(CANARY));
    let object = read(&world.keeping()).await;
    let wanted: RollingUpdateTaskStatus = serde_json::from_value(secret_status()).unwrap();
    assert_eq!(object.rollout_status(), Some(&wanted));
    assert!(!world.stored().to_string().contains(CANARY));
    assert_eq!(
        object.version(),
        world.kubernetes.task().unwrap().metadata.resource_version
    );
}

#[tokio::test]
async fn a_secret_that_is_gone_or_is_kept_for_others_stays_a_reference() {
    let world = World::new(secret_status());
    read(&world.keeping()).await;
    let sealed = world.stored()["status"].clone();
    for (namespace, _) in world.secrets.all.lock().unwrap().values_mut() {
        *namespace = "other".into();
    }
    let keeping = world.keeping();
    let unopened = read(&keeping).await;
    assert_eq!(status_of(&unopened), sealed);
    world.secrets.all.lock().unwrap().clear();
    let unopened = read(&keeping).await;
    assert_eq!(status_of(&unopened), sealed);
    // It is put back: the references are still there.
    let same = Status::Rollout(Box::new(unopened.rollout_status().unwrap().clone()));
    keeping.write_status(&unopened, &same).await.unwrap();
    assert_eq!(world.stored()["status"], sealed);
}
