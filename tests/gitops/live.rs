//! The objects of [`crate::states`], held against what is kept; the tables; and each action of Argo CD, carried out.

use serde_json::{Value, json};

use crate::argo::{self, Given};
use crate::states::{self, Case, KINDS, Live};
use crate::{kept, table, tools};

/// A runtime of its own: both wait for programs most of the time.
fn apart<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work())
}

fn states_of_kinds() -> [(&'static str, Vec<String>); 3] {
    let rollout = ess_rollout_core::rollout::states();
    [
        (KINDS[0], rollout.clone()),
        (KINDS[1], rollout),
        (KINDS[2], ess_rollout_core::image_update::states()),
    ]
}

#[test]
fn what_is_concluded_of_each_kind_in_each_state() {
    let mut cases = std::thread::scope(|scope| {
        let passing = scope.spawn(|| apart(async || states::in_passing().await.1));
        let mut cases = apart(async || {
            let (live, cases) = states::at_rest().await;
            carry_out_the_actions(&live).await;
            cases
        });
        cases.extend(passing.join().unwrap());
        cases
    });
    cases.sort_by_key(|case| (case.kind, case.name));
    let kinds = states_of_kinds();
    for (kind, all) in &kinds {
        for state in all {
            let name = states::case_of(state);
            let found = cases
                .iter()
                .find(|case| case.kind == *kind && case.name == name);
            let found = found.unwrap_or_else(|| {
                panic!("no {kind} in the state {state}: add it to tests/gitops/states.rs")
            });
            assert_eq!(found.object["status"]["state"], *state, "{kind} {name}");
        }
    }
    check_objects(&cases);
    argo::check_expectations();
    argo::check_action_tests();
    table::check(&cases, &kinds);
}

/// What is concluded of a kept object is what is concluded of the live one.
fn check_objects(cases: &[Case]) {
    for case in cases {
        let path = kept::object_path(case.kind, case.name);
        if kept::writes() {
            kept::check_file(&path, &kept::yaml(&kept::normalised(&case.object)));
        }
        let kept = kept::read(&path);
        let (now, then) = (kept::shape(&case.object), kept::shape(&kept));
        assert_eq!(
            now,
            then,
            "{} is not as it would be now: GOLDEN=write cargo test --test gitops writes it",
            path.display()
        );
        assert_eq!(argo::verdict(&case.object), argo::verdict(&kept));
        assert_eq!(
            argo::enabled(&case.object),
            argo::enabled(&kept),
            "{} {}",
            case.kind,
            case.name
        );
    }
    let kept: Vec<Value> = cases
        .iter()
        .map(|case| kept::read(&kept::object_path(case.kind, case.name)))
        .collect();
    let live: Vec<Value> = cases.iter().map(|case| case.object.clone()).collect();
    let verdicts = |objects: &[Value]| -> Vec<String> {
        tools::kstatus(objects)
            .into_iter()
            .map(|(status, _)| status)
            .collect()
    };
    assert_eq!(verdicts(&live), verdicts(&kept));
    // By this the integration tests go.
    let rule = live.iter().map(crate::scene::kstatus);
    assert_eq!(verdicts(&live), rule.collect::<Vec<_>>());
}

/// The account that the scripts name, and that of Argo CD in another cluster than its own.
const ACCOUNT: &str = "system:serviceaccount:argocd:argocd-server";
const ELSEWHERE: &str = "system:serviceaccount:kube-system:argocd-manager";

/// The roles that docs/gitops.md names.
fn grant(live: &Live) {
    let group = "rbac.authorization.k8s.io";
    let binding = |level: &str| {
        let role = format!("{}:ess-rollout:{level}", live.scene.installation.namespace);
        let subject = |user: &str| json!({"apiGroup": group, "kind": "User", "name": user});
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": format!("argocd-{level}")},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [subject(ACCOUNT), subject(ELSEWHERE)],
        })
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [binding("operator"), binding("admin")]});
    let namespace = &live.scene.namespace;
    live.scene
        .kubectl
        .apply_server_side(namespace, &list.to_string())
        .unwrap();
}

/// Clicks each action of each kind where it applies: it is carried out, and on record as that.
async fn carry_out_the_actions(live: &Live) {
    grant(live);
    for kind in [KINDS[0], KINDS[1]] {
        let fail = if kind == KINDS[0] {
            ["fail-a", "fail-b", "fail-c"]
        } else {
            ["fail-d", "fail-e", "fail-f"]
        };
        let failed = live.get(kind, fail[1]).await["status"]["instances"][0]["id"].clone();
        for (name, action, parameters) in [
            ("batch-suspended", "continue", json!({})),
            (fail[0], "retry", json!({"instance": "failed"})),
            (fail[1], "skip", json!({"instance": failed})),
            (fail[2], "cancel-instances", json!({"instance": "failed"})),
            ("planned", "cancel", json!({})),
        ] {
            click(live, kind, name, action, &parameters).await;
        }
    }
    click(live, KINDS[2], "scheduled", "run-now", &json!({})).await;
    live.until_state(KINDS[2], "scheduled", "Running").await;
    click(live, KINDS[2], "scheduled", "cancel", &json!({})).await;

    let task = live.get(KINDS[0], "succeeded").await;
    assert!(argo::enabled(&task).contains(&"rollback".to_owned()));
    let Ok(Given::Created(created)) = argo::act(&task, "rollback", &json!({})) else {
        panic!("a rollback is created");
    };
    let create = ["create", "-f", "-", &format!("--as={ACCOUNT}")];
    let manifest = created[0].to_string();
    live.scene
        .kubectl
        .run_with_input(&create, Some(&manifest))
        .unwrap();
    let name = created[0]["metadata"]["name"].as_str().unwrap();
    live.until_state(KINDS[1], name, "Succeeded").await;
    // Once is enough.
    let task = live.get(KINDS[0], "succeeded").await;
    assert!(!argo::enabled(&task).contains(&"rollback".to_owned()));
    let message = argo::health(&task)["message"].clone();
    assert!(message.as_str().unwrap().contains(name), "{message}");
}

async fn click(live: &Live, kind: &str, name: &str, action: &str, parameters: &Value) {
    let object = live.get(kind, name).await;
    let offered = argo::enabled(&object);
    assert!(
        offered.contains(&action.to_owned()),
        "{kind} {name}: {offered:?}"
    );
    let Ok(Given::Patched(patched)) = argo::act(&object, action, parameters) else {
        panic!("{action} patches the object");
    };
    // Argo CD writes the status by itself, apart from the rest. There is nothing of it here.
    let patch = argo::merge_patch(&object, &patched).unwrap();
    let fields: Vec<&String> = patch.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["metadata"], "{patch}");
    let write = |account: &str| {
        let (resource, account) = (
            format!("{}.ess-rollout.io", kind.to_lowercase()),
            format!("--as={account}"),
        );
        let patch = patch.to_string();
        let words = [
            "patch",
            &resource,
            name,
            "--type=merge",
            "-p",
            &patch,
            &account,
            "-n",
            &live.scene.namespace,
        ];
        live.scene.kubectl.run(&words)
    };
    let refused = format!("{:#}", write(ELSEWHERE).unwrap_err());
    assert!(
        refused.contains(&format!("ess-rollout.io/requested-by={ELSEWHERE}")),
        "{refused}"
    );
    write(ACCOUNT).unwrap();
    let value = &patch["metadata"]["annotations"][format!("ess-rollout.io/{action}")];
    let verb = match action {
        "cancel-instances" => "cancelInstances",
        "run-now" => "runNow",
        verb => verb,
    };
    let settled = live
        .until(kind, name, &format!("{action} is settled"), |object| {
            let status = &object["status"];
            let last = status["actions"]
                .as_array()
                .and_then(|actions| actions.last());
            status["handledActions"][verb] == *value
                && last.is_some_and(|last| last["state"] != "Accepted")
        })
        .await;
    let entry = settled["status"]["actions"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(entry["state"], "Applied", "{kind} {name}: {entry}");
    assert_eq!(entry["requestedBy"], ACCOUNT);
    // A second click on what was seen then asks for nothing.
    assert_eq!(
        argo::act(&object, action, parameters),
        Ok(Given::Patched(patched))
    );
}
