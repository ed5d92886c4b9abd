//! Who asks for what, and under whose name: the admission policies of the chart on the real apiserver, with people who have the
//! roles of the chart, and what the ledger makes of their names.

use std::collections::BTreeMap;
use std::time::Instant;

use ess_rollout_api::warnings;
use ess_rollout_test_support::{Installation, Kubectl};
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene, Setup, control_plane, script_task, task, with};

const REFUSED: &str = "denied request: ";

/// What the chart is told in most of these tests: the names are the people's to write.
fn checked() -> Value {
    json!({"policies": {"enabled": true}, "stampRequester": false})
}

/// The same, and the apiserver writes the names.
fn stamped() -> Value {
    json!({"policies": {"enabled": true}, "stampRequester": true})
}

/// A namespace with people in it:
///
/// | who | what |
/// |---|---|
/// | alice | creates, and asks for everything (admin and operator) |
/// | bob | asks (operator) |
/// | carol | writes the objects, and has none of the verbs |
/// | dave | reads (viewer) |
/// | erin | writes, and has the verb continue on updates alone |
struct People {
    kubectl: Kubectl,
    namespace: String,
}

impl People {
    fn of(installation: &Installation) -> Self {
        let (kubectl, namespace) = (control_plane().kubectl(), installation.tasks.clone());
        let role = |level: &str| format!("{}:ess-rollout:{level}", installation.namespace);
        let rules = |verbs: &[&str], resources: &[&str]| json!({"apiGroups": ["ess-rollout.io"], "resources": resources, "verbs": verbs});
        let all = ["rollingupdatetasks", "rollbacks", "imageupdatetasks"];
        let writer = rules(&["get", "list", "create", "patch", "update"], &all);
        let continuer = rules(&["continue"], &all[..1]);
        let mut items = vec![
            json!({"kind": "Role", "metadata": {"name": "writer"}, "rules": [writer]}),
            json!({"kind": "Role", "metadata": {"name": "continuer"}, "rules": [continuer]}),
        ];
        let holders = [
            ("alice", "ClusterRole", role("admin")),
            ("alice", "ClusterRole", role("operator")),
            ("bob", "ClusterRole", role("operator")),
            ("dave", "ClusterRole", role("viewer")),
            ("carol", "Role", "writer".to_owned()),
            ("erin", "Role", "writer".to_owned()),
            ("erin", "Role", "continuer".to_owned()),
        ];
        for (number, (user, kind, role)) in holders.into_iter().enumerate() {
            let group = "rbac.authorization.k8s.io";
            items.push(json!({
                "kind": "RoleBinding",
                "metadata": {"name": format!("{user}-{number}")},
                "roleRef": {"apiGroup": group, "kind": kind, "name": role},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            }));
        }
        for item in &mut items {
            item["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        kubectl
            .apply_server_side(&namespace, &list.to_string())
            .unwrap();
        Self { kubectl, namespace }
    }

    /// What kubectl prints, and what it says besides; or why it is refused.
    fn run(
        &self,
        user: &str,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<(String, String), String> {
        let user = format!("--as={user}");
        let mut words = vec!["-n", &self.namespace, &user];
        words.extend_from_slice(args);
        self.kubectl
            .output(&words, input)
            .map_err(|error| error.to_string())
    }

    /// `kubectl annotate` with keys of ours: `continue=1` sets one, `continue-` takes it away.
    fn annotate(&self, user: &str, object: &str, annotations: &[&str]) -> Result<(), String> {
        let keys: Vec<_> = annotations
            .iter()
            .map(|key| format!("ess-rollout.io/{key}"))
            .collect();
        let mut words = vec!["annotate", "--overwrite", object];
        words.extend(keys.iter().map(String::as_str));
        self.run(user, &words, None).map(drop)
    }

    fn set(&self, user: &str, object: &str, spec: Value) -> Result<(), String> {
        let patch = json!({"spec": spec}).to_string();
        let words = ["patch", object, "--type=merge", "-p", &patch];
        self.run(user, &words, None).map(drop)
    }

    fn create(&self, user: &str, object: &Value) -> Result<(String, String), String> {
        self.run(user, &["create", "-f", "-"], Some(&object.to_string()))
    }

    fn annotations(&self, object: &str) -> BTreeMap<String, String> {
        let object = self.kubectl.get(&["-n", &self.namespace, object]).unwrap();
        let found = object["metadata"]["annotations"].clone();
        serde_json::from_value::<Option<_>>(found)
            .unwrap()
            .unwrap_or_default()
    }

    /// As the operator does when it has put requests on record.
    fn read(&self, object: &str, handled: Value) {
        let patch = json!({"status": {"handledActions": handled}}).to_string();
        let words = [
            "patch",
            object,
            "-n",
            &self.namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.kubectl.run(&words).unwrap();
    }

    /// Waits until the apiserver has taken the policies up, which it does within a second or two of their creation.
    fn until_in_force(&self, stamped: bool) {
        let looks = Instant::now();
        let patch = json!({"metadata": {"annotations": {"ess-rollout.io/continue": "probe"}}});
        let patch = patch.to_string();
        let words = [
            "patch",
            "rollingupdatetask/probe",
            "--dry-run=server",
            "--type=merge",
            "-o",
            "json",
            "-p",
            &patch,
        ];
        let probe = task(
            "probe",
            with(script_task(), json!({"desiredState": "Plan"})),
        );
        self.kubectl
            .apply_server_side(&self.namespace, &probe.to_string())
            .unwrap();
        loop {
            let refused = self.run("carol", &words, None).is_err();
            let written = self
                .run("alice", &words, None)
                .is_ok_and(|(text, _)| text.contains("\"ess-rollout.io/requested-by\": \"alice\""));
            if refused && written == stamped {
                return;
            }
            assert!(looks.elapsed() < PATIENCE, "the policies are not in force");
        }
    }
}

/// Without an operator: nobody reads a request but [`People::read`].
fn installed(prefix: &str, admission: Value) -> (Installation, People) {
    let stamps = admission["stampRequester"] == true;
    let values = json!({"crds": {"enabled": false}, "admission": admission});
    let installation = Installation::new(
        control_plane(),
        prefix,
        "cn-hangzhou",
        "http://127.0.0.1:1",
        &values,
    )
    .unwrap();
    let people = People::of(&installation);
    people.until_in_force(stamps);
    (installation, people)
}

#[track_caller]
fn refused(said: Result<(), String>, parts: &[&str]) {
    let why = said.unwrap_err();
    for part in [REFUSED].iter().chain(parts) {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }
}

const WEB: &str = "rollingupdatetask/web";

/// An object of each kind, by what kubectl calls it.
fn one_of_each() -> [(&'static str, Value); 3] {
    let rollback = json!({"apiVersion": "ess-rollout.io/v1alpha1", "kind": "Rollback", "metadata": {"name": "web"}, "spec": {"taskRef": {"name": "web"}}});
    let images = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask", "metadata": {"name": "web"},
        "spec": {"scalingGroupId": "asg-web", "source": {"instanceId": "i-web-01"}, "suspend": true},
    });
    [
        (WEB, task("web", script_task())),
        ("rollback/web", rollback),
        ("imageupdatetask/web", images),
    ]
}

#[test]
fn every_request_needs_the_verb_of_its_name_on_every_kind() {
    let (_installation, people) = installed("verbs", checked());
    for (object, manifest) in one_of_each() {
        people.create("alice", &manifest).unwrap();
        let resource = format!("{}s", object.trim_end_matches("/web"));
        for verb in [
            "continue",
            "retry",
            "skip",
            "cancel-instances",
            "cancel",
            "run-now",
            "retry-gate",
            "override-window",
        ] {
            let request = format!("{verb}=i-web-01@1");
            let lacks = format!(
                "carol lacks the verb {verb} on {resource}.ess-rollout.io in {}",
                people.namespace
            );
            let asked = people.annotate("carol", object, &[&request, "requested-by=carol"]);
            refused(asked, &[&lacks]);
        }
    }
    // By the roles of the chart: who may edit asks of updates and rollbacks, and image updates are the admins'.
    for object in [WEB, "rollback/web"] {
        let all = [
            "continue=1",
            "retry=i-web-01@1",
            "skip=i-web-02@1",
            "cancel-instances=i-web-03@1",
            "cancel=1",
            "retry-gate=1",
            "requested-by=bob",
        ];
        people.annotate("bob", object, &all).unwrap();
        for verb in ["run-now", "override-window"] {
            let request = format!("{verb}=all@1");
            let asked = people.annotate("bob", object, &[&request, "requested-by=bob"]);
            refused(asked, &[&format!("bob lacks the verb {verb}")]);
        }
    }
    let dave = people
        .annotate("dave", WEB, &["continue=1", "requested-by=dave"])
        .unwrap_err();
    assert!(
        dave.contains("cannot patch resource") && !dave.contains(REFUSED),
        "{dave}"
    );
    people
        .annotate(
            "alice",
            "imageupdatetask/web",
            &["run-now=1", "cancel=1", "requested-by=alice"],
        )
        .unwrap();
    for (user, verb, may) in [
        ("bob", "continue", true),
        ("bob", "run-now", false),
        ("bob", "override-window", false),
        ("alice", "override-window", true),
        ("carol", "continue", false),
    ] {
        let asked = people.run(
            user,
            &["auth", "can-i", verb, "rollingupdatetasks.ess-rollout.io"],
            None,
        );
        assert_eq!(asked.is_ok(), may, "{user} {verb}");
    }
}

#[test]
fn one_verb_is_for_one_request_and_the_spec_says_some_of_them_too() {
    let (_installation, people) = installed("spec", checked());
    let planned = with(script_task(), json!({"desiredState": "Plan"}));
    people.create("alice", &task("web", planned)).unwrap();
    let by = "requested-by=erin";
    let both = people.annotate("erin", WEB, &["continue=1", "retry=i-web-01@1", by]);
    refused(both, &["erin lacks the verb retry"]);
    people.annotate("erin", WEB, &["continue=1", by]).unwrap();

    refused(
        people.set("carol", WEB, json!({"approvedBatches": 2})),
        &["carol lacks the verb continue", "spec.approvedBatches"],
    );
    people
        .set("erin", WEB, json!({"approvedBatches": 2}))
        .unwrap();
    refused(
        people.set("carol", WEB, json!({"approvedBatches": 3})),
        &["carol lacks the verb continue"],
    );
    refused(
        people.set("erin", WEB, json!({"desiredState": "Run"})),
        &["erin lacks the verb start", "spec.desiredState"],
    );
    refused(
        people.set("erin", WEB, json!({"desiredState": "Cancelled"})),
        &["erin lacks the verb cancel on"],
    );
    people
        .set("bob", WEB, json!({"desiredState": "Run"}))
        .unwrap();
    refused(
        people.set("erin", WEB, json!({"desiredState": "Cancelled"})),
        &["erin lacks the verb cancel on"],
    );
    people
        .set("bob", WEB, json!({"desiredState": "Cancelled"}))
        .unwrap();
    // What is none of these needs the right to write alone. A field may be null, which is as if it were not there.
    people
        .set("carol", WEB, json!({"approvedBatches": 0}))
        .unwrap();
    let mut nothing = task("nothing", script_task());
    nothing["spec"]["approvedBatches"] = Value::Null;
    people.create("alice", &nothing).unwrap();
    let asked = people.annotate("carol", "rollingupdatetask/nothing", &["team=shop"]);
    asked.unwrap();
    people
        .set("carol", WEB, json!({"deletionTimeoutSeconds": 60}))
        .unwrap();
    people
        .run("carol", &["label", WEB, "team=shop"], None)
        .unwrap();
    people
        .run("carol", &["annotate", WEB, "team=shop"], None)
        .unwrap();
}

#[test]
fn a_request_carries_the_name_of_who_makes_it_and_keeps_it() {
    let (_installation, people) = installed("names", checked());
    people.create("alice", &task("web", script_task())).unwrap();
    let cure = [
        "set ess-rollout.io/requested-by=alice in the same write",
        "kubectl ess-rollout",
    ];
    refused(people.annotate("alice", WEB, &["continue=1"]), &cure);
    refused(
        people.annotate("alice", WEB, &["continue=1", "requested-by=bob"]),
        &cure,
    );
    let alone = ["belong to a request and change together with one"];
    refused(
        people.annotate("alice", WEB, &["requested-by=alice"]),
        &alone,
    );
    people
        .annotate(
            "alice",
            WEB,
            &[
                "continue=1",
                "requested-by=alice",
                "request-note=looks good",
            ],
        )
        .unwrap();

    // Nobody changes it afterwards.
    for key in [
        "requested-by=bob",
        "request-note=looks bad",
        "request-expires=2031-01-01T00:00:00Z",
    ] {
        refused(people.annotate("bob", WEB, &[key]), &alone);
    }
    // Nor while the operator has not read the request: it would be in the ledger under another name, or none.
    let unread = [
        "the operator has not read ess-rollout.io/continue yet",
        "ask again when it is in status.actions",
    ];
    let retry = ["retry=i-web-01@1", "requested-by=bob", "request-note-"];
    refused(people.annotate("bob", WEB, &retry), &unread);
    refused(people.annotate("bob", WEB, &["requested-by-"]), &unread);
    people.read(WEB, json!({"continue": "1"}));
    people.annotate("bob", WEB, &retry).unwrap();
    refused(
        people.annotate("alice", WEB, &["cancel=1", "requested-by=alice"]),
        &["ess-rollout.io/retry yet"],
    );
    // What is taken away does not come into the ledger.
    people
        .annotate("alice", WEB, &["cancel=1", "requested-by=alice", "retry-"])
        .unwrap();
    people
        .annotate("carol", WEB, &["continue-", "cancel-", "requested-by-"])
        .unwrap();
    assert_eq!(people.annotations(WEB), BTreeMap::new());
    // The verbs with a hyphen have another name in the status.
    people
        .annotate(
            "bob",
            WEB,
            &["cancel-instances=i-web-01@1", "requested-by=bob"],
        )
        .unwrap();
    people.read(WEB, json!({"cancelInstances": "i-web-01@1"}));
    people
        .annotate("alice", WEB, &["skip=i-web-01@1", "requested-by=alice"])
        .unwrap();

    // A manifest that has requests is nobody else's either.
    let copied = |name: &str, by: &str| {
        let mut copied = task(name, script_task());
        copied["metadata"]["annotations"] =
            json!({"ess-rollout.io/cancel": "1", "ess-rollout.io/requested-by": by});
        copied
    };
    refused(
        people.create("alice", &copied("copy", "bob")).map(drop),
        &cure[..1],
    );
    refused(
        people.create("carol", &copied("copy", "carol")).map(drop),
        &["carol lacks the verb cancel"],
    );
    people.create("alice", &copied("copy", "alice")).unwrap();
}

/// Of a test that shares its apiserver with others, and of a release that shares its cluster.
#[test]
fn other_namespaces_are_left_alone() {
    let (installation, people) = installed("scope", checked());
    let (_other, others) = {
        let values = json!({"crds": {"enabled": false}});
        let other = Installation::new(
            control_plane(),
            "free",
            "cn-hangzhou",
            "http://127.0.0.1:1",
            &values,
        )
        .unwrap();
        let people = People::of(&other);
        (other, people)
    };
    for people in [&people, &others] {
        people.create("alice", &task("web", script_task())).unwrap();
    }
    refused(
        people.annotate("carol", WEB, &["continue=1"]),
        &["carol lacks"],
    );
    others
        .annotate("carol", WEB, &["continue=1", "requested-by=nobody"])
        .unwrap();
    let bindings = people
        .kubectl
        .get(&["validatingadmissionpolicybindings"])
        .unwrap();
    let items = bindings["items"].as_array().unwrap().iter();
    let ours = format!("{}.ess-rollout.", installation.namespace);
    let ours: Vec<_> = items
        .filter(|item| {
            item["metadata"]["name"]
                .as_str()
                .unwrap()
                .starts_with(&ours)
        })
        .collect();
    assert_eq!(ours.len(), 2);
}

#[test]
fn four_eyes_are_those_of_two_people() {
    let (_installation, people) = installed("eyes", checked());
    let mut manifest = task(
        "web",
        with(
            script_task(),
            json!({"suspensionPolicy": "SuspendEachBatch"}),
        ),
    );
    // Without the label anybody continues what is his own.
    people
        .create("alice", &task("before", script_task()))
        .unwrap();
    people
        .annotate(
            "alice",
            "rollingupdatetask/before",
            &["continue=1", "requested-by=alice"],
        )
        .unwrap();
    let label = [
        "label",
        "namespace",
        &people.namespace,
        "ess-rollout.io/four-eyes=required",
    ];
    people.kubectl.run(&label).unwrap();
    // The apiserver's view of namespaces is a little behind.
    let began = Instant::now();
    while people
        .run(
            "alice",
            &["create", "--dry-run=server", "-f", "-"],
            Some(&manifest.to_string()),
        )
        .is_ok()
    {
        assert!(began.elapsed() < PATIENCE, "the label is not seen");
    }

    refused(
        people.create("alice", &manifest).map(drop),
        &["set ess-rollout.io/created-by=alice", "four-eyes=required"],
    );
    manifest["metadata"]["annotations"] = json!({"ess-rollout.io/created-by": "bob"});
    refused(
        people.create("alice", &manifest).map(drop),
        &["set ess-rollout.io/created-by=alice"],
    );
    manifest["metadata"]["annotations"] = json!({"ess-rollout.io/created-by": "alice"});
    let mut approved = manifest.clone();
    approved["spec"]["approvedBatches"] = json!(3);
    refused(
        people.create("alice", &approved).map(drop),
        &["four eyes: spec.approvedBatches"],
    );
    people.create("alice", &manifest).unwrap();

    let own =
        ["four eyes: alice created it (ess-rollout.io/created-by), so another person continues it"];
    refused(
        people.annotate("alice", WEB, &["continue=1", "requested-by=alice"]),
        &own,
    );
    refused(
        people.set("alice", WEB, json!({"approvedBatches": 2})),
        &own,
    );
    for change in ["created-by-", "created-by=bob"] {
        refused(
            people.annotate("alice", WEB, &[change]),
            &["created-by says who created the object: leave it as it is"],
        );
    }
    refused(
        people.annotate("bob", "rollingupdatetask/before", &["created-by=alice"]),
        &["leave it as it is"],
    );
    // It is about going on, not about stopping.
    people
        .annotate("alice", WEB, &["retry=i-web-01@1", "requested-by=alice"])
        .unwrap();
    people.read(WEB, json!({"retry": "i-web-01@1"}));
    people
        .annotate("bob", WEB, &["continue=1", "requested-by=bob"])
        .unwrap();
    people
        .set("bob", WEB, json!({"approvedBatches": 2}))
        .unwrap();
    people
        .set("alice", WEB, json!({"desiredState": "Cancelled"}))
        .unwrap();
}

#[test]
fn what_is_dangerous_is_said_and_not_refused() {
    let (_installation, people) = installed("warnings", checked());
    let said = |name: &str, spec: Value| {
        people
            .create("alice", &task(name, with(script_task(), spec)))
            .unwrap()
            .1
    };
    assert_eq!(said("harmless", json!({})), "");
    let all = [
        format!("spec.batches: {}", warnings::ALL_AT_ONCE),
        format!("spec.batchSize: {}", warnings::ALL_AT_ONCE),
        format!(
            "spec.ttlSecondsAfterFinished: {}",
            warnings::TTL_WITHOUT_RUN_KEY
        ),
        format!("spec.suspensionPolicy: {}", warnings::FROZEN_IN_PAUSES),
    ];
    let (first, each) = ("SuspendFirstBatch", "SuspendEachBatch");
    let cases = [
        (json!({"batches": 1}), "x..."),
        (json!({"batchSize": "100%", "batches": null}), ".x.."),
        (json!({"batchSize": 100, "batches": null}), "...."),
        (
            json!({"ttlSecondsAfterFinished": null, "runKey": null, "approvedBatches": null}),
            "....",
        ),
        (json!({"ttlSecondsAfterFinished": 60}), "..x."),
        (
            json!({"suspensionPolicy": first, "thawWhilePaused": true}),
            "....",
        ),
        (
            json!({"ttlSecondsAfterFinished": 60, "runKey": "r1"}),
            "....",
        ),
        (json!({"suspensionPolicy": first}), "...x"),
        (
            json!({"suspensionPolicy": first, "approvedBatches": 2}),
            "....",
        ),
        (
            json!({"suspensionPolicy": each, "approvedBatches": 3}),
            "...x",
        ),
        (
            json!({"suspensionPolicy": each, "approvedBatches": 4}),
            "....",
        ),
        (
            json!({"suspensionPolicy": each, "batches": null, "approvedBatches": 5}),
            "...x",
        ),
        (
            json!({"suspensionPolicy": each, "batches": null, "batchSize": 2, "approvedBatches": 6}),
            "...x",
        ),
        (
            json!({"batches": 1, "ttlSecondsAfterFinished": 60, "suspensionPolicy": each}),
            "x.xx",
        ),
    ];
    for (number, (spec, expected)) in cases.into_iter().enumerate() {
        let text = said(&format!("n{number}"), spec.clone());
        let found = all.iter().map(|warning| match text.contains(warning) {
            true => 'x',
            false => '.',
        });
        let found: String = found.collect();
        assert_eq!(found, expected, "{spec}: {text}");
        assert_eq!(
            text.matches("Warning: ").count(),
            expected.matches('x').count()
        );
    }
    // Of an object that is there, what can be changed alone is told.
    let change = json!({"spec": {"ttlSecondsAfterFinished": 90}}).to_string();
    let words = [
        "patch",
        "rollingupdatetask/n12",
        "--type=merge",
        "-p",
        &change,
    ];
    let (_, text) = people.run("bob", &words, None).unwrap();
    assert_eq!(text.matches("Warning: ").count(), 1);
    assert!(text.contains(&all[2]), "{text}");
}

#[test]
fn the_audit_log_has_each_request_what_it_was_for_and_whether_it_was_refused() {
    let (installation, people) = installed("audit", checked());
    people.create("alice", &task("web", script_task())).unwrap();
    people
        .annotate(
            "bob",
            WEB,
            &[
                "continue=1",
                "retry=failed@2",
                "requested-by=bob",
                "request-note=fine",
            ],
        )
        .unwrap();
    let other = people.annotate("carol", WEB, &["skip=i-web-01@1", "requested-by=carol"]);
    refused(other, &["carol lacks"]);
    people
        .set("bob", WEB, json!({"approvedBatches": 2}))
        .unwrap();
    people
        .set("bob", WEB, json!({"desiredState": "Cancelled"}))
        .unwrap();
    people
        .run("bob", &["label", WEB, "team=shop"], None)
        .unwrap();

    let noted = |key: &str| {
        let key = format!("{}.ess-rollout.requests/{key}", installation.namespace);
        let entries = control_plane().audit_log().entries().unwrap();
        let writes = entries
            .into_iter()
            .filter(|entry| entry.namespace() == people.namespace && entry.name() == "web");
        let noted =
            writes.filter_map(|entry| Some((entry.code(), entry.annotations.get(&key)?.clone())));
        noted.collect::<Vec<_>>()
    };
    let expected = [
        (200, "continue=1; retry=failed@2"),
        (403, "skip=i-web-01@1"),
        (200, "approvedBatches=2"),
        (200, "desiredState=Cancelled"),
    ];
    let expected = expected.map(|(code, text)| (code, text.to_owned()));
    assert_eq!(noted("request"), expected);
    let target = format!("rollingupdatetasks/{}/web", people.namespace);
    assert_eq!(
        noted("target"),
        expected.map(|(code, _)| (code, target.clone()))
    );
    assert_eq!(
        noted("note"),
        [(200, "fine".to_owned()), (403, "fine".to_owned())]
    );
}

/// With a MutatingAdmissionPolicy, which apiservers from 1.36 on have.
#[test]
fn the_apiserver_writes_who_asks_and_who_creates() {
    let (_installation, people) = installed("stamped", stamped());
    let manifest = task(
        "web",
        with(
            script_task(),
            json!({"ttlSecondsAfterFinished": 60, "runKey": "r1"}),
        ),
    );
    people.create("alice", &manifest).unwrap();
    let named = |key: &str| {
        people
            .annotations(WEB)
            .get(&format!("ess-rollout.io/{key}"))
            .cloned()
    };
    let is = |name: &str| Some(name.to_owned());
    assert_eq!(named("created-by"), is("alice"));
    assert_eq!(named("requested-by"), None);

    people.annotate("alice", WEB, &["continue=1"]).unwrap();
    assert_eq!(named("requested-by"), is("alice"));
    people.read(WEB, json!({"continue": "1"}));
    people
        .annotate("bob", WEB, &["retry=failed@1", "requested-by=alice"])
        .unwrap();
    assert_eq!(
        named("requested-by"),
        is("bob"),
        "and not who he says he is"
    );
    people.read(WEB, json!({"continue": "1", "retry": "failed@1"}));
    // Whoever may do everything has a name too.
    let admin = [
        "annotate",
        WEB,
        "-n",
        &people.namespace,
        "ess-rollout.io/skip=i-web-01@1",
    ];
    people.kubectl.run(&admin).unwrap();
    assert_eq!(named("requested-by"), is("admin"));
    people.read(
        WEB,
        json!({"continue": "1", "retry": "failed@1", "skip": "i-web-01@1"}),
    );
    // It says who; who may is still said by the other policy.
    refused(
        people.annotate("carol", WEB, &["cancel=1"]),
        &["carol lacks the verb cancel"],
    );
    refused(
        people.annotate("bob", WEB, &["requested-by=alice"]),
        &["change together with one"],
    );
    refused(
        people.annotate("bob", WEB, &["created-by=bob"]),
        &["leave it as it is"],
    );

    // What people and GitOps tools do with manifests that know nothing of names.
    for (user, words) in [
        ("carol", &["replace", "-f", "-"][..]),
        (
            "carol",
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        ),
        (
            "alice",
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        ),
        (
            "alice",
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        ),
    ] {
        people
            .run(user, words, Some(&manifest.to_string()))
            .unwrap();
        assert_eq!(named("created-by"), is("alice"), "{user} {words:?}");
    }
}

/// The operator beside the policies: nothing that it writes is in their way, and it may do all that it does.
#[tokio::test]
async fn a_name_that_a_policy_made_sure_of_is_in_the_ledger_as_it_is() {
    let scene = Scene::with(Setup {
        values: json!({"admission": checked(), "rbac": {"aggregate": true}}),
        ..Setup::default()
    })
    .await;
    let people = People::of(&scene.installation);
    people.until_in_force(false);
    let spec = with(
        script_task(),
        json!({"suspensionPolicy": "SuspendEachBatch"}),
    );
    people.create("alice", &task("web", spec)).unwrap();
    scene.until_paused("web", 1).await;
    people
        .annotate(
            "bob",
            WEB,
            &[
                "continue=1",
                "requested-by=bob",
                "request-note=three are fine",
            ],
        )
        .unwrap();
    let action = scene.until_settled("web", "continue", "1").await;
    assert_eq!(
        (&action["requestedBy"], &action["note"]),
        (&json!("bob"), &json!("three are fine"))
    );
    scene.until_paused("web", 2).await;
    people
        .annotate(
            "alice",
            WEB,
            &[
                "continue=2",
                "requested-by=alice",
                "request-note-",
                "request-expires=2026-01-01T00:00:00Z",
            ],
        )
        .unwrap();
    let action = scene.until_settled("web", "continue", "2").await;
    assert_eq!(
        (&action["requestedBy"], &action["note"]),
        (&json!("alice"), &Value::Null)
    );
    assert_eq!(
        (&action["state"], &action["reason"]),
        (&json!("Rejected"), &json!("Expired"))
    );
    people
        .annotate(
            "erin",
            WEB,
            &["continue=2@again", "requested-by=erin", "request-expires-"],
        )
        .unwrap();
    let task = scene.until_state("web", "Succeeded").await;
    assert_eq!(task["status"]["actions"][2]["requestedBy"], "erin");
    let user = scene.installation.user();
    assert_eq!(
        control_plane().audit_log().refused(&user).unwrap(),
        [] as [String; 0]
    );
}

#[tokio::test]
async fn under_both_policies_plain_kubectl_annotate_is_attributed() {
    let scene = Scene::with(Setup {
        values: json!({"admission": stamped(), "rbac": {"aggregate": true}}),
        ..Setup::default()
    })
    .await;
    let people = People::of(&scene.installation);
    people.until_in_force(true);
    let spec = with(
        script_task(),
        json!({"suspensionPolicy": "SuspendFirstBatch"}),
    );
    people.create("alice", &task("web", spec)).unwrap();
    scene.until_paused("web", 1).await;
    people
        .annotate("bob", WEB, &["continue=1", "requested-by=alice"])
        .unwrap();
    let action = scene.until_settled("web", "continue", "1").await;
    assert_eq!(action["requestedBy"], "bob");
    let task = scene.until_state("web", "Succeeded").await;
    assert_eq!(
        task["metadata"]["annotations"]["ess-rollout.io/created-by"],
        "alice"
    );
    let user = scene.installation.user();
    assert_eq!(
        control_plane().audit_log().refused(&user).unwrap(),
        [] as [String; 0]
    );
}

#[tokio::test]
async fn without_a_policy_anybody_may_have_written_the_name_and_the_ledger_says_so() {
    // One that is not there, and that this operator may not look for.
    let unknown = json!({"extraArgs": ["--admission-policy=another.requests"]});
    for (values, why) in [
        (json!({}), "no --admission-policy"),
        (
            unknown,
            "cannot get ValidatingAdmissionPolicy another.requests",
        ),
    ] {
        let mut scene = Scene::with(Setup {
            values,
            ..Setup::default()
        })
        .await;
        let spec = with(
            script_task(),
            json!({"suspensionPolicy": "SuspendFirstBatch"}),
        );
        scene.create("web", spec).await;
        scene.until_paused("web", 1).await;
        scene.request("web", "requested-by", "alice").await;
        scene.request("web", "continue", "1").await;
        let action = scene.until_settled("web", "continue", "1").await;
        assert_eq!(action["requestedBy"], "unverified:alice");
        let log = scene.operator.process().log();
        let told = log
            .lines()
            .filter(|line| line.contains("names in requests are not verified"));
        let told: Vec<_> = told.collect();
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
    }
}
