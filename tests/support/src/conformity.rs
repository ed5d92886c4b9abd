//! What an apiserver does to our objects: one suite, which passes on the real one and on [`crate::apiserver`]. What the
//! simulation relies on is in here; whoever relies on more adds a case.

use anyhow::{Context, Result, bail, ensure};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use kube::Client;
use serde_json::{Value, json};

const TASKS: &str = "rollingupdatetasks";
const GROUP: &str = "/apis/ess-rollout.io/v1alpha1";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const JSON: &str = "application/json";
const FINALIZER: &str = "ess-rollout.io/execution";

/// A case, by name.
pub type Case = (
    &'static str,
    fn(Apiserver) -> BoxFuture<'static, Result<()>>,
);

/// All cases. They share nothing: each has objects of its own name.
pub const CASES: &[Case] = &[
    ("what is created is completed", |a| creation(a).boxed()),
    ("a stale version is refused", |a| versions(a).boxed()),
    ("the generation counts changes of the spec", |a| {
        generations(a).boxed()
    }),
    ("status is written by itself", |a| status(a).boxed()),
    ("unknown fields are refused when that is asked for", |a| {
        strict(a).boxed()
    }),
    ("finalizers hold an object", |a| finalizers(a).boxed()),
    ("deletions have preconditions", |a| preconditions(a).boxed()),
    ("rules refuse what is wrong", |a| rules(a).boxed()),
    ("rules compare with what was before", |a| {
        transitions(a).boxed()
    }),
    ("a watch sees every change in order", |a| watches(a).boxed()),
    ("a watch ends when its time is up", |a| {
        watch_ends(a).boxed()
    }),
    ("lists come in pages and by selectors", |a| lists(a).boxed()),
    ("records are created empty and filled once", |a| {
        records(a).boxed()
    }),
    ("Secrets and Events are kept", |a| built_in(a).boxed()),
];

/// Runs all cases in a namespace, which has none of these objects yet.
///
/// # Errors
/// When one fails: all that did, with what was wrong.
pub async fn all(client: &Client, namespace: &str) -> Result<usize> {
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let apiserver = Apiserver {
            client: client.clone(),
            namespace: namespace.to_owned(),
        };
        if let Err(error) = case(apiserver).await {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(CASES.len())
}

/// The one that is held against the suite.
pub struct Apiserver {
    client: Client,
    namespace: String,
}

/// A refusal.
#[derive(Debug)]
struct Refused {
    code: u16,
    reason: String,
    message: String,
    /// The fields that are to blame.
    fields: Vec<String>,
}

fn expect<T: std::fmt::Debug>(
    answer: Result<T, Refused>,
    code: u16,
    reason: &str,
    says: &str,
) -> Result<()> {
    match answer {
        Ok(accepted) => bail!("accepted, not refused with {code} {reason}: {accepted:?}"),
        Err(refused) => {
            ensure!(
                refused.code == code && refused.reason == reason && refused.message.contains(says),
                "refused with {refused:?}, not with {code} {reason}: …{says}…"
            );
            Ok(())
        }
    }
}

fn accepted(answer: Result<Value, Refused>) -> Result<Value> {
    answer.map_err(|refused| anyhow::anyhow!("refused: {refused:?}"))
}

fn spec() -> Value {
    json!({"scalingGroupId": "asg-1", "batches": 2, "update": {"script": {"run": {"inline": "true"}}}})
}

fn spec_with(more: Value) -> Value {
    let mut spec = spec();
    json_patch::merge(&mut spec, &more);
    spec
}

fn task(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Apiserver {
    async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Value, Refused> {
        let path = path.replace("NAMESPACE", &self.namespace);
        let body = match method {
            "GET" => Vec::new(),
            _ => body.to_string().into_bytes(),
        };
        let request = http::Request::builder()
            .method(method)
            .uri(&path)
            .header("content-type", kind)
            .body(body)
            .map_err(|error| Refused {
                code: 0,
                reason: String::new(),
                message: error.to_string(),
                fields: Vec::new(),
            })?;
        match self.client.request::<Value>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => Err(Refused {
                code: status.code,
                reason: status.reason,
                message: status.message,
                fields: status
                    .details
                    .into_iter()
                    .flat_map(|details| details.causes)
                    .map(|cause| cause.field)
                    .collect(),
            }),
            Err(other) => Err(Refused {
                code: 0,
                reason: String::new(),
                message: other.to_string(),
                fields: Vec::new(),
            }),
        }
    }

    fn path(name: &str) -> String {
        format!("{GROUP}/namespaces/NAMESPACE/{TASKS}/{name}")
    }

    async fn create(&self, object: &Value) -> Result<Value, Refused> {
        let path = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}");
        self.send("POST", &path, JSON, object).await
    }

    async fn created(&self, name: &str) -> Result<Value> {
        accepted(self.create(&task(name, spec())).await)
    }

    async fn get(&self, name: &str) -> Result<Value, Refused> {
        self.send("GET", &Self::path(name), JSON, &Value::Null)
            .await
    }

    async fn put(&self, name: &str, object: &Value) -> Result<Value, Refused> {
        self.send("PUT", &Self::path(name), JSON, object).await
    }

    async fn put_status(&self, name: &str, object: &Value) -> Result<Value, Refused> {
        self.send("PUT", &format!("{}/status", Self::path(name)), JSON, object)
            .await
    }

    async fn merge(&self, name: &str, patch: Value) -> Result<Value, Refused> {
        self.send("PATCH", &Self::path(name), MERGE, &patch).await
    }

    async fn patch(&self, name: &str, operations: Value) -> Result<Value, Refused> {
        self.send("PATCH", &Self::path(name), JSON_PATCH, &operations)
            .await
    }

    async fn delete(&self, name: &str, parameters: Value) -> Result<Value, Refused> {
        self.send("DELETE", &Self::path(name), JSON, &parameters)
            .await
    }
}

async fn creation(a: Apiserver) -> Result<()> {
    let mut object = task("creation", spec());
    object["status"] = json!({"state": "Succeeded"});
    object["metadata"]["uid"] = "mine".into();
    object["metadata"]["generation"] = 7.into();
    object["spec"]["nonsense"] = true.into();
    let created = accepted(a.create(&object).await)?;
    let metadata = &created["metadata"];
    ensure!(
        metadata["generation"] == 1 && metadata["uid"] != "mine" && metadata["uid"].is_string(),
        "{metadata}"
    );
    ensure!(
        metadata["creationTimestamp"].is_string() && version(&created) > 0,
        "{metadata}"
    );
    ensure!(
        created["status"] == json!({"observedGeneration": -1}),
        "{}",
        created["status"]
    );
    let spec = &created["spec"];
    ensure!(
        spec["desiredState"] == "Run" && spec["lifecycleStates"] == json!(["InService"]),
        "{spec}"
    );
    ensure!(
        spec["update"]["script"]["type"] == "LinuxShell" && spec["nonsense"].is_null(),
        "{spec}"
    );

    expect(
        a.create(&task("creation", spec_with(json!({})))).await,
        409,
        "AlreadyExists",
        "already exists",
    )?;
    expect(
        a.create(&task("Not_A_Name", spec_with(json!({})))).await,
        422,
        "Invalid",
        "metadata.name",
    )?;
    expect(
        a.get("nobody").await,
        404,
        "NotFound",
        "\"nobody\" not found",
    )?;
    expect(
        a.put("nobody", &task("nobody", spec_with(json!({})))).await,
        404,
        "NotFound",
        "not found",
    )?;
    let strict = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}?fieldValidation=Strict");
    let misspelt = task("misspelt", spec_with(json!({"batchs": 3})));
    let answer = a.send("POST", &strict, JSON, &misspelt).await;
    expect(answer, 400, "BadRequest", "unknown field \"spec.batchs\"")?;
    let dry = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}?dryRun=All");
    accepted(
        a.send("POST", &dry, JSON, &task("dry", spec_with(json!({}))))
            .await,
    )?;
    expect(a.get("dry").await, 404, "NotFound", "not found")
}

async fn versions(a: Apiserver) -> Result<()> {
    let first = a.created("versions").await?;
    let mut old = first.clone();
    accepted(
        a.merge("versions", json!({"metadata": {"annotations": {"a": "1"}}}))
            .await,
    )?;
    old["spec"]["desiredState"] = "Cancelled".into();
    expect(
        a.put("versions", &old).await,
        409,
        "Conflict",
        "the object has been modified",
    )?;
    old["status"]["state"] = "Running".into();
    expect(
        a.put_status("versions", &old).await,
        409,
        "Conflict",
        "the object has been modified",
    )?;
    let stale = json!({"metadata": {"resourceVersion": first["metadata"]["resourceVersion"], "annotations": {"a": "2"}}});
    expect(
        a.merge("versions", stale).await,
        409,
        "Conflict",
        "the object has been modified",
    )?;
    let test = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": first["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
    ]);
    expect(a.patch("versions", test).await, 422, "Invalid", "")?;
    let mut without = accepted(a.get("versions").await)?;
    if let Some(metadata) = without["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    expect(
        a.put("versions", &without).await,
        422,
        "Invalid",
        "must be specified for an update",
    )?;
    let mut other = accepted(a.get("versions").await)?;
    other["metadata"]["uid"] = "00000000-1111-4000-8000-000000000000".into();
    expect(
        a.put("versions", &other).await,
        409,
        "Conflict",
        "UID in precondition",
    )?;
    // Nothing of that was written.
    let now = accepted(a.get("versions").await)?;
    ensure!(
        now["metadata"]["annotations"]["a"] == "1" && now["metadata"]["finalizers"].is_null(),
        "{now}"
    );
    Ok(())
}

async fn generations(a: Apiserver) -> Result<()> {
    let created = a.created("generations").await?;
    let noted = accepted(
        a.merge(
            "generations",
            json!({"metadata": {"annotations": {"a": "1"}}}),
        )
        .await,
    )?;
    ensure!(
        noted["metadata"]["generation"] == 1 && version(&noted) > version(&created),
        "{noted}"
    );
    let same = accepted(
        a.merge(
            "generations",
            json!({"metadata": {"annotations": {"a": "1"}}}),
        )
        .await,
    )?;
    ensure!(
        version(&same) == version(&noted),
        "a write without a change gave a version"
    );
    let edited = accepted(
        a.merge(
            "generations",
            json!({"spec": {"desiredState": "Cancelled"}}),
        )
        .await,
    )?;
    ensure!(edited["metadata"]["generation"] == 2, "{edited}");
    let mut seen = edited.clone();
    seen["status"] = json!({"observedGeneration": 2, "state": "Cancelled"});
    let seen = accepted(a.put_status("generations", &seen).await)?;
    ensure!(
        seen["metadata"]["generation"] == 2 && version(&seen) > version(&edited),
        "{seen}"
    );
    let again = accepted(a.put_status("generations", &seen).await)?;
    ensure!(
        version(&again) == version(&seen),
        "a write without a change gave a version"
    );
    accepted(a.delete("generations", json!({})).await)?;
    let anew = a.created("generations").await?;
    ensure!(anew["metadata"]["generation"] == 1, "{anew}");
    ensure!(
        anew["metadata"]["uid"] != created["metadata"]["uid"],
        "the same uid again"
    );
    Ok(())
}

async fn status(a: Apiserver) -> Result<()> {
    let mut object = a.created("status").await?;
    object["status"] = json!({"state": "Running"});
    object["spec"]["approvedBatches"] = 2.into();
    let by_object = accepted(a.put("status", &object).await)?;
    ensure!(
        by_object["status"] == json!({"observedGeneration": -1}),
        "{by_object}"
    );
    ensure!(by_object["spec"]["approvedBatches"] == 2, "{by_object}");
    let mut object = by_object;
    object["status"] = json!({"state": "Running", "nonsense": 1});
    object["spec"]["approvedBatches"] = 9.into();
    object["metadata"]["annotations"] = json!({"a": "1"});
    object["metadata"]["finalizers"] = json!([FINALIZER]);
    let by_status = accepted(a.put_status("status", &object).await)?;
    ensure!(
        by_status["status"] == json!({"state": "Running"}),
        "{by_status}"
    );
    ensure!(by_status["spec"]["approvedBatches"] == 2, "{by_status}");
    ensure!(
        by_status["metadata"]["annotations"].is_null(),
        "{by_status}"
    );
    ensure!(by_status["metadata"]["finalizers"].is_null(), "{by_status}");
    let mut object = by_status;
    object["status"] = json!({"state": 5});
    expect(
        a.put_status("status", &object).await,
        422,
        "Invalid",
        "status.state",
    )?;
    // A status that is taken away is the default one.
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let without = accepted(a.put_status("status", &object).await)?;
    ensure!(
        without["status"] == json!({"observedGeneration": -1}),
        "{without}"
    );
    Ok(())
}

/// How the operator writes a status: what the CRD does not have must not be dropped without a word.
async fn strict(a: Apiserver) -> Result<()> {
    let created = a.created("strict").await?;
    let path = format!(
        "{}/status?fieldValidation=Strict",
        Apiserver::path("strict")
    );
    let version = &created["metadata"]["resourceVersion"];
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    let add = |name: &str, value: Value| json!([test, {"op": "add", "path": format!("/status/{name}"), "value": value}]);

    let nested = json!({"done": true, "nonsense": 1});
    let refused = a
        .send("PATCH", &path, JSON_PATCH, &add("restore", nested))
        .await;
    let says = "strict decoding error: unknown field \"status.restore.nonsense\"";
    expect(refused, 422, "Invalid", says)?;
    let item = json!([{"id": "i-1", "batch": 1, "state": "Pending", "nonsense": 1}]);
    let refused = a
        .send("PATCH", &path, JSON_PATCH, &add("instances", item))
        .await;
    expect(
        refused,
        422,
        "Invalid",
        "unknown field \"status.instances[0].nonsense\"",
    )?;
    // A word that is not in the schema is to blame by its field.
    let action =
        json!([{"id": "a", "verb": "Explode", "state": "Applied", "time": "2026-01-01T00:00:00Z"}]);
    match a
        .send("PATCH", &path, JSON_PATCH, &add("actions", action))
        .await
    {
        Err(refused) => ensure!(
            refused.code == 422
                && refused
                    .fields
                    .iter()
                    .any(|field| field == "status.actions[0].verb")
                && refused.message.contains("Unsupported value: \"Explode\""),
            "{refused:?}"
        ),
        Ok(accepted) => bail!("accepted: {accepted}"),
    }
    let written = a
        .send("PATCH", &path, JSON_PATCH, &add("state", "Running".into()))
        .await;
    let written = accepted(written)?;
    ensure!(
        written["status"] == json!({"observedGeneration": -1, "state": "Running"}),
        "{written}"
    );
    // The version that was tested is not there any more: refused with no field to blame.
    match a
        .send("PATCH", &path, JSON_PATCH, &add("state", "Failed".into()))
        .await
    {
        Err(refused) => ensure!(
            refused.code == 422 && refused.fields.is_empty(),
            "{refused:?}"
        ),
        Ok(accepted) => bail!("accepted: {accepted}"),
    }
    // A status that is not there can be added whole.
    let bare = json!([{"op": "remove", "path": "/status"}, {"op": "add", "path": "/status", "value": {"state": "Pending"}}]);
    let written = accepted(a.send("PATCH", &path, JSON_PATCH, &bare).await)?;
    ensure!(
        written["status"] == json!({"state": "Pending"}),
        "{written}"
    );
    // Not asked for, it is dropped.
    let path = format!("{}/status", Apiserver::path("strict"));
    let dropped = json!([{"op": "add", "path": "/status/nonsense", "value": 1}]);
    let written = accepted(a.send("PATCH", &path, JSON_PATCH, &dropped).await)?;
    ensure!(
        written["status"] == json!({"state": "Pending"}),
        "{written}"
    );
    Ok(())
}

async fn finalizers(a: Apiserver) -> Result<()> {
    let created = a.created("finalizers").await?;
    let add = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": created["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
    ]);
    let held = accepted(a.patch("finalizers", add).await)?;
    ensure!(
        held["metadata"]["finalizers"] == json!([FINALIZER]),
        "{held}"
    );
    let going = accepted(a.delete("finalizers", json!({})).await)?;
    ensure!(
        going["metadata"]["deletionTimestamp"].is_string(),
        "{going}"
    );
    ensure!(going["metadata"]["generation"] == 2, "{going}");
    let again = accepted(a.delete("finalizers", json!({})).await)?;
    ensure!(
        version(&again) == version(&going),
        "the second deletion changed something"
    );
    let more = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "other/one"}]);
    expect(
        a.patch("finalizers", more).await,
        422,
        "Invalid",
        "no new finalizers can be added",
    )?;
    let mut status = going.clone();
    status["status"] = json!({"state": "Cancelled"});
    let status = accepted(a.put_status("finalizers", &status).await)?;
    ensure!(status["status"]["state"] == "Cancelled", "{status}");
    let remove = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": status["metadata"]["resourceVersion"]},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]);
    let last = accepted(a.patch("finalizers", remove).await)?;
    ensure!(last["metadata"]["deletionTimestamp"].is_string(), "{last}");
    ensure!(last["metadata"]["finalizers"].is_null(), "{last}");
    expect(a.get("finalizers").await, 404, "NotFound", "not found")
}

async fn preconditions(a: Apiserver) -> Result<()> {
    let created = a.created("preconditions").await?;
    let other = json!({"preconditions": {"uid": "00000000-1111-4000-8000-000000000000"}});
    expect(
        a.delete("preconditions", other).await,
        409,
        "Conflict",
        "the UID in the precondition",
    )?;
    accepted(
        a.merge(
            "preconditions",
            json!({"metadata": {"annotations": {"a": "1"}}}),
        )
        .await,
    )?;
    let stale =
        json!({"preconditions": {"resourceVersion": created["metadata"]["resourceVersion"]}});
    expect(
        a.delete("preconditions", stale).await,
        409,
        "Conflict",
        "the ResourceVersion in the precondition",
    )?;
    let right = json!({"preconditions": {"uid": created["metadata"]["uid"]}});
    let answer = accepted(a.delete("preconditions", right).await)?;
    ensure!(
        answer["kind"] == "Status" && answer["status"] == "Success",
        "{answer}"
    );
    expect(
        a.delete("preconditions", json!({})).await,
        404,
        "NotFound",
        "not found",
    )
}

async fn rules(a: Apiserver) -> Result<()> {
    let path = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}?dryRun=All");
    let image = json!({"update": {"script": null, "image": {"imageId": "m-1"}}});
    let size = |size: Value| spec_with(json!({"batches": null, "batchSize": size}));
    let script = |text: &str| spec_with(json!({"update": {"script": {"run": {"inline": text}}}}));
    let refused = [
        (
            spec_with(json!({"update": {"image": {"imageId": "m-1"}}})),
            "spec.update must hold exactly one of",
        ),
        (
            spec_with(json!({"update": {"script": null}})),
            "spec.update must hold exactly one of",
        ),
        (
            spec_with(json!({"batchSize": 2})),
            "set spec.batches or spec.batchSize, not both",
        ),
        (
            spec_with(json!({"maxErrors": 1})),
            "spec.maxErrors works for image updates only",
        ),
        (script("echo {{ x }}"), "must not contain {{"),
        (
            script(&"x".repeat(16385)),
            "may not be more than 16384 bytes",
        ),
        (
            spec_with(json!({"update": {"script": {"run": {"inline": null}}}})),
            "either inline or by configMapKeyRef",
        ),
        (size(json!(0)), "a count from 1 to 1000"),
        (size(json!("101%")), "a percentage from 1% to 100%"),
        (size(json!(true)), "spec.batchSize"),
        (spec_with(json!({"batches": 0})), "spec.batches"),
        (spec_with(json!({"batches": "2"})), "spec.batches"),
        (
            spec_with(json!({"suspensionPolicy": "Always"})),
            "\"SuspendEachBatch\"",
        ),
        (
            spec_with(json!({"lifecycleStates": ["InService", "InService"]})),
            "Duplicate value",
        ),
        (
            spec_with(json!({"lifecycleStates": []})),
            "spec.lifecycleStates",
        ),
        (
            spec_with(json!({"scalingGroupId": "a b"})),
            "spec.scalingGroupId",
        ),
        (
            spec_with(json!({"scalingGroupId": null})),
            "spec.scalingGroupId: Required value",
        ),
        (
            spec_with(json!({"description": "x".repeat(201)})),
            "spec.description",
        ),
    ];
    for (spec, says) in refused {
        let answer = a
            .send("POST", &path, JSON, &task("rules", spec.clone()))
            .await;
        expect(answer, 422, "Invalid", says).with_context(|| format!("{says:?}"))?;
    }
    let fine = [
        spec_with(image),
        size(json!(1)),
        size(json!("25%")),
        script("echo { { x } }"),
        spec(),
    ];
    for spec in fine {
        let answer = a
            .send("POST", &path, JSON, &task("rules", spec.clone()))
            .await;
        accepted(answer).with_context(|| format!("{spec}"))?;
    }
    Ok(())
}

async fn transitions(a: Apiserver) -> Result<()> {
    a.created("transitions").await?;
    let changes = [
        (
            json!({"scalingGroupId": "asg-2"}),
            "spec.scalingGroupId is immutable",
        ),
        (json!({"batches": 3}), "spec.batches is immutable"),
        (json!({"batches": null}), "spec.batches is immutable"),
        (
            json!({"description": "new"}),
            "spec.description is immutable",
        ),
        (
            json!({"update": {"script": {"run": {"inline": "false"}}}}),
            "spec.update is immutable",
        ),
        (json!({"runKey": "k"}), "spec.runKey is immutable"),
        (
            json!({"suspensionPolicy": "SuspendFirstBatch"}),
            "to let batches run ahead raise spec.approvedBatches",
        ),
    ];
    for (change, says) in changes {
        let answer = a.merge("transitions", json!({"spec": change})).await;
        expect(answer, 422, "Invalid", says)?;
    }
    let free = json!({"spec": {"approvedBatches": 2, "desiredState": "Cancelled", "ttlSecondsAfterFinished": 9}});
    let edited = accepted(a.merge("transitions", free).await)?;
    ensure!(edited["metadata"]["generation"] == 2, "{edited}");
    Ok(())
}

/// The lines of a watch, up to its end or so many.
async fn watch(a: &Apiserver, query: &str, most: usize) -> Result<Vec<Value>> {
    let path = format!(
        "{GROUP}/namespaces/{}/{TASKS}?watch=true&{query}",
        a.namespace
    );
    let request = http::Request::get(path)
        .header("accept-encoding", "identity")
        .body(Vec::new())?;
    let stream = a.client.request_stream(request).await?;
    let mut lines = futures::AsyncBufReadExt::lines(stream);
    let mut events = Vec::new();
    while events.len() < most
        && let Some(line) = lines.try_next().await?
    {
        events.push(serde_json::from_str(&line)?);
    }
    Ok(events)
}

async fn watches(a: Apiserver) -> Result<()> {
    let before = a.created("watches-before").await?;
    let from = before["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let created = a.created("watches").await?;
    let mut noted = created.clone();
    noted["status"] = json!({"state": "Running"});
    accepted(a.put_status("watches", &noted).await)?;
    accepted(
        a.merge("watches", json!({"metadata": {"annotations": {"a": "1"}}}))
            .await,
    )?;
    // Not a change: nobody sees it.
    accepted(
        a.merge("watches", json!({"metadata": {"annotations": {"a": "1"}}}))
            .await,
    )?;
    accepted(a.delete("watches", json!({})).await)?;
    let query =
        format!("resourceVersion={from}&timeoutSeconds=20&fieldSelector=metadata.name%3Dwatches");
    let events = watch(&a, &query, 4).await?;
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    ensure!(
        kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"],
        "{kinds:?}"
    );
    let versions: Vec<u64> = events
        .iter()
        .map(|event| version(&event["object"]))
        .collect();
    ensure!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    ensure!(versions[0] == version(&created), "{versions:?}");
    ensure!(
        events[1]["object"]["status"]["state"] == "Running",
        "{}",
        events[1]
    );
    ensure!(
        events[3]["object"]["metadata"]["annotations"]["a"] == "1",
        "{}",
        events[3]
    );

    // Without a version: what there is, first.
    let query = "timeoutSeconds=20&fieldSelector=metadata.name%3Dwatches-before";
    let events = watch(&a, query, 1).await?;
    ensure!(
        events[0]["type"] == "ADDED" && version(&events[0]["object"]) == version(&before),
        "{events:?}"
    );
    // An object that a selector loses is as good as deleted.
    let mut labelled = accepted(
        a.merge(
            "watches-before",
            json!({"metadata": {"labels": {"x": "1"}}}),
        )
        .await,
    )?;
    let from = labelled["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    labelled = accepted(
        a.merge(
            "watches-before",
            json!({"metadata": {"labels": {"x": "2"}}}),
        )
        .await,
    )?;
    ensure!(labelled["metadata"]["labels"]["x"] == "2", "{labelled}");
    let query = format!("resourceVersion={from}&timeoutSeconds=20&labelSelector=x%3D1");
    let events = watch(&a, &query, 1).await?;
    ensure!(events[0]["type"] == "DELETED", "{events:?}");
    Ok(())
}

async fn watch_ends(a: Apiserver) -> Result<()> {
    let created = a.created("watch-ends").await?;
    let from = created["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let query =
        format!("resourceVersion={from}&timeoutSeconds=1&fieldSelector=metadata.name%3Dwatch-ends");
    let events = watch(&a, &query, usize::MAX).await?;
    ensure!(
        events.iter().all(|event| event["type"] == "BOOKMARK"),
        "{events:?}"
    );
    Ok(())
}

async fn lists(a: Apiserver) -> Result<()> {
    for (index, name) in ["lists-a", "lists-b", "lists-c"].iter().enumerate() {
        let mut object = task(
            name,
            spec_with(json!({"scalingGroupId": format!("asg-list-{}", index % 2)})),
        );
        object["metadata"]["labels"] = json!({"suite": "lists"});
        accepted(a.create(&object).await)?;
    }
    let path = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}?labelSelector=suite%3Dlists");
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().into_iter().flatten();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    let all = accepted(a.send("GET", &path, JSON, &Value::Null).await)?;
    ensure!(
        names(&all) == ["lists-a", "lists-b", "lists-c"],
        "{:?}",
        names(&all)
    );
    ensure!(
        all["kind"] == "RollingUpdateTaskList" && version(&all) > 0,
        "{all}"
    );
    let page = accepted(
        a.send("GET", &format!("{path}&limit=2"), JSON, &Value::Null)
            .await,
    )?;
    ensure!(names(&page) == ["lists-a", "lists-b"], "{:?}", names(&page));
    let token = page["metadata"]["continue"].as_str().unwrap_or_default();
    accepted(a.delete("lists-c", json!({})).await)?;
    let rest = format!("{path}&limit=2&continue={token}");
    let rest = accepted(a.send("GET", &rest, JSON, &Value::Null).await)?;
    // As it was when the first page was read.
    ensure!(names(&rest) == ["lists-c"], "{:?}", names(&rest));
    ensure!(version(&rest) == version(&page), "{rest}");
    let group = format!(
        "{GROUP}/namespaces/NAMESPACE/{TASKS}?fieldSelector=spec.scalingGroupId%3Dasg-list-1"
    );
    let of_group = accepted(a.send("GET", &group, JSON, &Value::Null).await)?;
    ensure!(names(&of_group) == ["lists-b"], "{:?}", names(&of_group));
    let unknown = format!("{GROUP}/namespaces/NAMESPACE/{TASKS}?fieldSelector=spec.batches%3D1");
    let answer = a.send("GET", &unknown, JSON, &Value::Null).await;
    expect(answer, 400, "BadRequest", "field label not supported")
}

async fn records(a: Apiserver) -> Result<()> {
    let path = format!("{GROUP}/namespaces/NAMESPACE/scalinggrouprecords");
    let record = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
        "metadata": {"name": "cn-hangzhou.asg-1"},
        "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"},
        "status": {"holder": {"kind": "x", "namespace": "x", "name": "x", "uid": "x", "since": "2026-01-01T00:00:00Z"}},
    });
    let mut created = accepted(a.send("POST", &path, JSON, &record).await)?;
    ensure!(created["status"].is_null(), "{created}");
    created["status"] = record["status"].clone();
    let one = format!("{path}/cn-hangzhou.asg-1");
    let taken = accepted(
        a.send("PUT", &format!("{one}/status"), JSON, &created)
            .await,
    )?;
    ensure!(taken["status"]["holder"]["name"] == "x", "{taken}");
    // Compare and swap: whoever read it empty comes too late.
    let late = a
        .send("PUT", &format!("{one}/status"), JSON, &created)
        .await;
    expect(late, 409, "Conflict", "the object has been modified")?;
    let moved = json!({"spec": {"regionId": "cn-beijing"}});
    let answer = a.send("PATCH", &one, MERGE, &moved).await;
    expect(
        answer,
        422,
        "Invalid",
        "belongs to one scaling group for good",
    )?;
    let mut wrong = taken;
    wrong["status"]["holder"]["since"] = "yesterday".into();
    let answer = a.send("PUT", &format!("{one}/status"), JSON, &wrong).await;
    expect(answer, 422, "Invalid", "status.holder.since")
}

async fn built_in(a: Apiserver) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cloud"},
        "stringData": {"accessKeyId": "id"},
    });
    let path = "/api/v1/namespaces/NAMESPACE/secrets";
    accepted(a.send("POST", path, JSON, &secret).await)?;
    let read = accepted(
        a.send("GET", &format!("{path}/cloud"), JSON, &Value::Null)
            .await,
    )?;
    ensure!(
        read["data"]["accessKeyId"] == "aWQ=" && read["stringData"].is_null(),
        "{read}"
    );
    ensure!(read["metadata"]["generation"].is_null(), "{read}");
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "web.1"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Started", "action": "Start",
        "note": "it began", "reportingController": "ess-rollout.io/operator", "reportingInstance": "one",
        "regarding": {"apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
            "name": "web", "namespace": a.namespace},
    });
    let path = "/apis/events.k8s.io/v1/namespaces/NAMESPACE/events";
    accepted(a.send("POST", path, JSON, &event).await)?;
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
    let again = accepted(
        a.send("PATCH", &format!("{path}/web.1"), MERGE, &series)
            .await,
    )?;
    ensure!(
        again["series"]["count"] == 2 && again["note"] == "it began",
        "{again}"
    );
    Ok(())
}
