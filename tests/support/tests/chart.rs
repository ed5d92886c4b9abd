//! The chart and the kustomize tree, rendered by the real tools and applied to the real apiserver.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::admission;
use ess_rollout_test_support::chart::{
    apply_chart, documents, kind, render_chart, render_chart_in, run_helm,
};
use ess_rollout_test_support::{Installation, shared, source_root};
use serde_json::{Value, json};

fn of_kind<'a>(documents: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    documents
        .iter()
        .filter(|document| kind(document) == wanted)
        .collect()
}

fn args(documents: &[Value]) -> Vec<String> {
    let container =
        &of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    serde_json::from_value(container["args"].clone()).unwrap()
}

#[test]
fn the_chart_passes_lint() {
    let chart = source_root().join("charts/ess-rollout");
    run_helm(&["lint", "--strict", chart.to_str().unwrap()]).unwrap();
}

#[test]
fn a_misspelt_value_is_refused() {
    let error = render_chart(&json!({"watchNamespace": ["shop"]}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("watchNamespace"), "{error}");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let both = json!({"credentials": {"existingSecret": "key", "rrsa": {"roleName": "role"}}});
    let error = render_chart(&both).unwrap_err().to_string();
    assert!(
        error.contains("set one of existingSecret, rrsa, oidc and ecsRamRole"),
        "{error}"
    );
    let half = json!({"credentials": {"oidc": {"roleArn": "acs:ram::1:role/x"}}});
    assert!(render_chart(&half).is_err());
}

#[test]
fn settings_become_flags() {
    let values = json!({
        "region": "cn-hangzhou",
        "watchNamespaces": ["shop", "web"],
        "network": "vpc",
        "endpoints": {"oos": "https://oos.example.com"},
        "ownCredentials": {"namespaces": ["shop"], "ramRoles": ["OOSServiceRole"]},
        "pollIntervalSeconds": 5,
        "settleSeconds": 90,
        "cloudRates": {"oosReadsPerSecond": 40, "oosStartsPerSecond": 20, "oosRequestsPerSecond": 1000},
        "workers": 200,
        "leaderElection": {"leaseDurationSeconds": 60, "renewDeadlineSeconds": 45, "retryPeriodSeconds": 8},
        "log": {"format": "text", "level": "debug"},
        "extraArgs": ["--more"],
    });
    let expected = [
        "run",
        "--health-addr=0.0.0.0:8080",
        "--leader-elect=true",
        "--leader-elect-lease-name=ess-rollout",
        "--leader-elect-lease-duration-seconds=60",
        "--leader-elect-renew-deadline-seconds=45",
        "--leader-elect-retry-period-seconds=8",
        "--network=vpc",
        "--poll-interval-seconds=5",
        "--settle-seconds=90",
        "--oos-reads-per-second=40",
        "--oos-starts-per-second=20",
        "--oos-requests-per-second=1000",
        "--workers=200",
        "--log-format=text",
        "--log-level=debug",
        "--region=cn-hangzhou",
        "--watch-namespaces=shop,web",
        "--own-credentials-namespaces=shop",
        "--own-credentials-ram-roles=OOSServiceRole",
        "--endpoint=oos=https://oos.example.com",
        "--more",
    ];
    assert_eq!(args(&render_chart(&values).unwrap()), expected);
}

#[test]
fn two_replicas_take_turns_and_one_alone_is_possible_with_and_without_an_election() {
    let two = render_chart(&json!({})).unwrap();
    let deployment = of_kind(&two, "Deployment")[0]["spec"].clone();
    assert_eq!(deployment["replicas"], 2);
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    assert_eq!(deployment["strategy"], rolling);
    let spread = &deployment["template"]["spec"]["topologySpreadConstraints"];
    assert_eq!(spread.as_array().unwrap().len(), 2);
    let budget = &of_kind(&two, "PodDisruptionBudget")[0]["spec"];
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    assert_eq!(budget["selector"], deployment["selector"]);
    for spread in spread.as_array().unwrap() {
        assert_eq!(spread["labelSelector"], deployment["selector"]);
    }

    let one = render_chart(&json!({"replicaCount": 1})).unwrap();
    assert!(of_kind(&one, "PodDisruptionBudget").is_empty());
    assert_eq!(of_kind(&one, "Deployment")[0]["spec"]["strategy"], rolling);

    let alone = json!({"replicaCount": 1, "leaderElection": {"enabled": false}});
    let alone = render_chart(&alone).unwrap();
    let strategy = &of_kind(&alone, "Deployment")[0]["spec"]["strategy"];
    assert_eq!(*strategy, json!({"type": "Recreate"}));
    assert!(args(&alone).contains(&"--leader-elect=false".to_owned()));
    let rules = |documents: &[Value]| {
        let roles = of_kind(documents, "Role").into_iter();
        roles
            .filter(|role| role["rules"].to_string().contains("leases"))
            .count()
    };
    assert_eq!((rules(&alone), rules(&two)), (0, 1));

    let error = render_chart(&json!({"leaderElection": {"enabled": false}})).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("needs leaderElection.enabled"), "{error}");
}

/// The defaults are the operator's, and are written in one place.
#[test]
fn rates_that_no_value_names_are_the_operators_own() {
    let one = json!({"cloudRates": {"oosReadsPerSecond": 20}});
    let flags = args(&render_chart(&one).unwrap());
    let rates = flags
        .iter()
        .filter(|flag| flag.contains("per-second") || flag.contains("workers"));
    assert_eq!(rates.collect::<Vec<_>>(), ["--oos-reads-per-second=20"]);
    for wrong in [
        json!({"cloudRates": {"oosReadsPerSecond": 0}}),
        json!({"cloudRates": {"oosReadsPerMinute": 600}}),
        json!({"workers": 251}),
    ] {
        assert!(render_chart(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn watched_namespaces_get_roles_and_nothing_is_granted_cluster_wide() {
    let values = json!({"watchNamespaces": ["shop", "web"], "rbac": {"aggregate": false}});
    let documents = render_chart(&values).unwrap();
    assert!(of_kind(&documents, "ClusterRole").is_empty());
    assert!(of_kind(&documents, "ClusterRoleBinding").is_empty());
    let mut namespaces: Vec<_> = of_kind(&documents, "Role")
        .iter()
        .map(|role| role["metadata"]["namespace"].as_str().unwrap())
        .collect();
    namespaces.sort_unstable();
    assert_eq!(namespaces, ["ess-rollout", "shop", "web"]);
}

#[test]
fn the_rights_on_tasks_can_outlive_the_namespaces() {
    let values = json!({
        "watchNamespaces": ["shop"],
        "rbac": {"aggregate": false, "clusterWideTasks": true},
    });
    let documents = render_chart(&values).unwrap();
    let everywhere = of_kind(&documents, "ClusterRole");
    assert_eq!(everywhere.len(), 1);
    let rules = everywhere[0]["rules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .all(|rule| rule["apiGroups"] == json!(["ess-rollout.io"])),
        "{rules:?}"
    );
    let roles = of_kind(&documents, "Role");
    let shop = roles
        .iter()
        .find(|role| role["metadata"]["namespace"] == "shop")
        .unwrap();
    let rules = shop["rules"].to_string();
    assert!(rules.contains("secrets") && rules.contains("configmaps") && rules.contains("events"));
    assert!(!rules.contains("rollingupdatetasks"), "{rules}");
}

#[test]
fn secrets_can_be_limited_to_namespaces() {
    let documents = render_chart(&json!({"rbac": {"secretNamespaces": ["shop"]}})).unwrap();
    let reads_secrets = |role: &&Value| role["rules"].to_string().contains("secrets");
    assert!(!of_kind(&documents, "ClusterRole").iter().any(reads_secrets));
    let roles: Vec<_> = of_kind(&documents, "Role")
        .into_iter()
        .filter(reads_secrets)
        .collect();
    // And its own, for what it keeps itself.
    let own = json!("ess-rollout");
    let places: Vec<_> = roles
        .iter()
        .map(|role| &role["metadata"]["namespace"])
        .collect();
    assert_eq!(places, [&json!("shop"), &own]);
}

#[test]
fn credentials_come_as_the_values_say() {
    let secret = render_chart(&json!({"credentials": {"existingSecret": "key"}})).unwrap();
    let container = &of_kind(&secret, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let names: Vec<_> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|env| env["name"].as_str().unwrap())
        .collect();
    let expected = [
        "POD_NAMESPACE",
        "POD_NAME",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ];
    assert_eq!(names, expected);

    let rrsa = render_chart(&json!({"credentials": {"rrsa": {"roleName": "rollout"}}})).unwrap();
    let account = of_kind(&rrsa, "ServiceAccount")[0];
    assert_eq!(
        account["metadata"]["annotations"]["pod-identity.alibabacloud.com/role-name"],
        "rollout"
    );

    let arns = json!({"roleArn": "acs:ram::1:role/x", "providerArn": "acs:ram::1:oidc-provider/y"});
    let oidc = render_chart(&json!({"credentials": {"oidc": arns}})).unwrap();
    let pod = &of_kind(&oidc, "Deployment")[0]["spec"]["template"]["spec"];
    let token = &pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "sts.aliyuncs.com");
}

/// YAML takes `123` for a number, and the apiserver refuses it as a name.
#[test]
fn a_release_and_a_namespace_may_be_numbers() {
    let chart = source_root().join("charts/ess-rollout");
    let everything = [
        "serviceMonitor.enabled=true",
        "prometheusRule.enabled=true",
        "networkPolicy.enabled=true",
        "dashboard.enabled=true",
        "admission.policies.enabled=true",
    ];
    let chart = chart.to_string_lossy();
    let set = everything.join(",");
    let text = run_helm(&[
        "template",
        "123",
        &chart,
        "--namespace",
        "456",
        "--set",
        &set,
    ])
    .unwrap();
    fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Number(number) if ["123", "456"].contains(&number.to_string().as_str()) => {
                found.push(path.to_owned());
            }
            Value::Array(items) => {
                items.iter().for_each(|item| numbers(item, path, found));
            }
            Value::Object(members) => {
                for (name, value) in members {
                    numbers(value, &format!("{path}.{name}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for document in documents(&text).unwrap() {
        numbers(&document, kind(&document), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(text.contains("\"456\""), "the namespace is nowhere");
}

#[test]
fn a_variable_of_the_proxy_that_is_in_the_extra_ones_is_there_once() {
    let values = json!({
        "proxy": {"httpsProxy": "http://a:1", "noProxy": [".b"]},
        "extraEnv": [{"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}],
    });
    let rendered = render_chart(&values).unwrap();
    let container =
        &of_kind(&rendered, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let envs = container["env"].as_array().unwrap();
    let of = |name: &str| {
        envs.iter()
            .filter(|env| env["name"] == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("HTTPS_PROXY").len(), 1);
    assert!(of("HTTPS_PROXY")[0]["valueFrom"].is_object());
    assert_eq!(of("NO_PROXY")[0]["value"], ".b");
}

/// Tasks without a Secret of their own do not get the role of the node by chance.
#[test]
fn the_role_of_the_node_is_used_where_it_is_named_and_nowhere_else() {
    let metadata = |credentials: Value| {
        let rendered = render_chart(&json!({"credentials": credentials})).unwrap();
        let container =
            &of_kind(&rendered, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
        let env = container["env"].as_array().unwrap().iter();
        let said = env.filter(|env| {
            env["name"]
                .as_str()
                .unwrap()
                .starts_with("ALIBABA_CLOUD_ECS")
        });
        said.map(|env| format!("{}={}", env["name"], env["value"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        metadata(json!({"ecsRamRole": "rollout"})),
        ["ALIBABA_CLOUD_ECS_METADATA=rollout"]
    );
    assert_eq!(
        metadata(json!({})),
        ["ALIBABA_CLOUD_ECS_METADATA_DISABLED=true"]
    );
    assert_eq!(metadata(json!({"existingSecret": "key"})), [""; 0]);
    assert!(render_chart(&json!({"credentials": {"ecsRamRole": "a/b"}})).is_err());
    let both = json!({"credentials": {"existingSecret": "key", "ecsRamRole": "rollout"}});
    assert!(render_chart(&both).is_err());
}

#[test]
fn crds_can_be_left_out_and_are_kept_unless_told() {
    let with = render_chart(&json!({})).unwrap();
    let crds = of_kind(&with, "CustomResourceDefinition");
    assert_eq!(crds.len(), 5);
    for crd in crds {
        assert_eq!(
            crd["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
    }
    let not_kept = render_chart(&json!({"crds": {"keep": false}})).unwrap();
    let policy = &of_kind(&not_kept, "CustomResourceDefinition")[0]["metadata"]["annotations"]["helm.sh/resource-policy"];
    assert!(policy.is_null());
    let without = render_chart(&json!({"crds": {"enabled": false}})).unwrap();
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
}

#[test]
fn kustomize_grants_what_the_chart_grants() {
    let tree = source_root().join("config/default");
    let kustomize = documents(
        &shared()
            .kubectl()
            .run(&["kustomize", tree.to_str().unwrap()])
            .unwrap(),
    )
    .unwrap();
    let chart = render_chart(&json!({})).unwrap();
    let all_rules = |documents: &[Value]| {
        let mut rules: Vec<String> = of_kind(documents, "ClusterRole")
            .into_iter()
            .chain(of_kind(documents, "Role"))
            .map(|role| format!("{} {}", kind(role), role["rules"]))
            .collect();
        rules.sort_unstable();
        rules
    };
    assert_eq!(all_rules(&kustomize), all_rules(&chart));
}

/// `edit` is given widely, and an image update runs again when its spec names another image.
#[test]
fn whoever_may_edit_creates_nothing_and_changes_no_image_update() {
    let documents = render_chart(&json!({})).unwrap();
    let granted = |level: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{level}");
        let mut granted = BTreeSet::new();
        for role in of_kind(&documents, "ClusterRole") {
            if role["metadata"]["labels"][&label] != "true" {
                continue;
            }
            for rule in role["rules"].as_array().unwrap() {
                for resource in rule["resources"].as_array().unwrap() {
                    for verb in rule["verbs"].as_array().unwrap() {
                        let (verb, resource) = (verb.as_str().unwrap(), resource.as_str().unwrap());
                        granted.insert(format!("{verb} {resource}"));
                    }
                }
            }
        }
        granted
    };
    let (view, edit, admin) = (granted("view"), granted("edit"), granted("admin"));
    let more: BTreeSet<_> = edit.difference(&view).cloned().collect();
    let mut expected = BTreeSet::new();
    for resource in ["rollingupdatetasks", "rollbacks"] {
        // Besides the verbs of requests, which mean something under the admission policies.
        let asks = [
            "continue",
            "retry",
            "skip",
            "cancel-instances",
            "cancel",
            "retry-gate",
        ];
        let verbs = ["patch", "update", "start"].into_iter().chain(asks);
        expected.extend(verbs.map(|verb| format!("{verb} {resource}")));
    }
    assert_eq!(more, expected);
    let more: BTreeSet<_> = admin.difference(&edit).cloned().collect();
    let mut expected: BTreeSet<_> = ["patch", "update", "cancel", "run-now"]
        .map(|verb| format!("{verb} imageupdatetasks"))
        .into();
    for resource in ["rollingupdatetasks", "rollbacks", "imageupdatetasks"] {
        expected.extend(
            ["create", "delete", "deletecollection"].map(|verb| format!("{verb} {resource}")),
        );
    }
    let windows = ["create", "patch", "update", "delete", "deletecollection"];
    expected.extend(windows.map(|verb| format!("{verb} maintenancewindows")));
    let overrides = ["rollingupdatetasks", "rollbacks", "imageupdatetasks"];
    expected.extend(overrides.map(|resource| format!("override-window {resource}")));
    assert_eq!(more, expected);
}

const POLICIES: [&str; 2] = ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"];

/// The specs of policies, and of bindings without the name of their policy, by kind and the last part of the name.
fn admission_specs(documents: &[Value]) -> BTreeMap<(String, String), Value> {
    let ours = documents.iter().filter(|document| {
        POLICIES
            .iter()
            .any(|policy| kind(document).starts_with(policy))
    });
    let specs = ours.map(|document| {
        let name = document["metadata"]["name"].as_str().unwrap();
        let which = name.rsplit(['.', '-']).next().unwrap();
        let mut spec = document["spec"].clone();
        if let Some(policy) = spec.get_mut("policyName") {
            assert_eq!(policy, name);
            *policy = json!(which);
        }
        ((kind(document).to_owned(), which.to_owned()), spec)
    });
    specs.collect()
}

fn with_policies(more: Value) -> Vec<Value> {
    let mut admission = json!({"policies": {"enabled": true}, "stampRequester": true});
    for (name, value) in more.as_object().unwrap() {
        admission[name] = value.clone();
    }
    render_chart(&json!({"admission": admission})).unwrap()
}

/// The policies are written once, in crates/api.
#[test]
fn chart_and_kustomize_install_the_policies_that_come_with_the_operator() {
    let sources = [
        admission::REQUESTS,
        admission::REQUESTS_BINDING,
        admission::WARNINGS,
        admission::REQUESTER,
    ];
    let sources = sources.map(|text| documents(text).unwrap().remove(0));
    let chart = with_policies(json!({}));
    let from_chart = admission_specs(&chart);
    assert_eq!(from_chart.len(), 6);
    for (key, spec) in admission_specs(&sources) {
        assert_eq!(from_chart[&key], spec, "{key:?}");
    }

    let config = source_root().join("config");
    let overlay = tempfile::tempdir().unwrap();
    // kustomize takes no absolute paths.
    let up = overlay.path().canonicalize().unwrap();
    let up = "../".repeat(up.components().count() - 1);
    let config = format!("{up}{}", config.to_str().unwrap().trim_start_matches('/'));
    let overlaid = format!(
        "resources: [{config}/default]\ncomponents: [{config}/components/admission, {config}/components/requester]\n"
    );
    std::fs::write(overlay.path().join("kustomization.yaml"), overlaid).unwrap();
    let kustomize = ["kustomize", overlay.path().to_str().unwrap()];
    let kustomize = documents(&shared().kubectl().run(&kustomize).unwrap()).unwrap();
    assert_eq!(admission_specs(&kustomize), from_chart);

    // And each tells its operator which is its own, and lets it look at that one alone.
    let flag = "--admission-policy=ess-rollout.ess-rollout.requests";
    assert!(args(&chart).contains(&flag.to_owned()));
    let pod = &of_kind(&kustomize, "Deployment")[0]["spec"]["template"]["spec"];
    let variable = json!({"name": "ESS_ROLLOUT_ADMISSION_POLICY", "value": "ess-rollout-requests"});
    let variables = pod["containers"][0]["env"].as_array().unwrap();
    assert!(variables.contains(&variable), "{variables:?}");
    for (documents, name) in [
        (&chart, "ess-rollout.ess-rollout.requests"),
        (&kustomize, "ess-rollout-requests"),
    ] {
        let looks = of_kind(documents, "ClusterRole")
            .into_iter()
            .filter(|role| {
                role["metadata"]["name"]
                    .as_str()
                    .unwrap()
                    .ends_with(":admission")
            });
        let rules: Vec<_> = looks.map(|role| role["rules"].clone()).collect();
        let expected = json!([{
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
            "resourceNames": [name],
            "verbs": ["get"],
        }]);
        assert_eq!(rules, [expected]);
        let hash = |kind| &of_kind(documents, kind)[0]["metadata"]["labels"][admission::HASH_LABEL];
        assert_eq!(hash("ValidatingAdmissionPolicy"), admission::REQUESTS_HASH);
        assert_eq!(
            hash("ValidatingAdmissionPolicyBinding"),
            admission::REQUESTS_HASH
        );
    }
}

#[test]
fn what_the_cluster_has_decides_what_auto_installs() {
    let chart = source_root().join("charts/ess-rollout");
    let rendered = |more: &[&str]| {
        let chart = chart.to_str().unwrap();
        let mut words = vec![
            "template",
            "ess-rollout",
            chart,
            "--namespace",
            "ess-rollout",
        ];
        words.extend(more);
        let all = documents(&run_helm(&words)?)?;
        let names = POLICIES.map(|policy| of_kind(&all, policy).len());
        anyhow::Ok((
            names,
            args(&all)
                .iter()
                .any(|arg| arg.starts_with("--admission-policy")),
        ))
    };
    let mutating = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy";
    let off = "--set=admission.stampRequester=false";
    let on = "--set=admission.policies.enabled=true";
    assert_eq!(rendered(&[]).unwrap(), ([0, 0], false));
    assert_eq!(rendered(&[mutating]).unwrap(), ([2, 1], true));
    assert_eq!(rendered(&[mutating, off]).unwrap(), ([0, 0], false));
    assert_eq!(rendered(&[on]).unwrap(), ([2, 0], true));
    assert_eq!(rendered(&[on, mutating, off]).unwrap(), ([2, 0], true));
    let none = "--set=admission.policies.enabled=false";
    assert_eq!(rendered(&[mutating, none]).unwrap(), ([0, 0], false));
    let error = rendered(&[none, "--set=admission.stampRequester=true"]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("set admission.policies.enabled too"),
        "{error}"
    );
    for wrong in [
        "policies.enabled=yes",
        "stampRequester=Always",
        "namespaces={Shop}",
        "policy.enabled=true",
    ] {
        assert!(
            rendered(&[&format!("--set=admission.{wrong}")]).is_err(),
            "{wrong}"
        );
    }
}

/// Policies are cluster-wide objects: those of two releases have different names, and each is for its own namespaces.
#[test]
fn the_policies_of_two_releases_are_apart() {
    let release = |namespace: &str, watched: Value| {
        let admission = json!({"policies": {"enabled": true}, "stampRequester": true});
        let values = json!({"admission": admission, "watchNamespaces": watched});
        let all = render_chart_in(namespace, &values).unwrap();
        let cluster_wide = [
            "ClusterRoleBinding",
            "ValidatingAdmissionPolicy",
            "MutatingAdmissionPolicy",
        ];
        let names: BTreeSet<String> = cluster_wide
            .iter()
            .flat_map(|kind| of_kind(&all, kind))
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        (names, admission_specs(&all))
    };
    let (one, of_one) = release("one", json!([]));
    let (two, of_two) = release("two", json!(["shop"]));
    assert_eq!(one.intersection(&two).count(), 0, "{one:?} {two:?}");
    for ((kind, which), spec) in &of_two {
        let selected = &spec["matchResources"]["namespaceSelector"]["matchExpressions"];
        let expected =
            json!([{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}]);
        assert_eq!(
            *selected == expected,
            kind.ends_with("Binding"),
            "{kind} {which}"
        );
    }
    assert!(of_one.values().all(|spec| spec["matchResources"].is_null()));

    let named = with_policies(json!({"namespaces": ["web"]}));
    let bindings = of_kind(&named, "ValidatingAdmissionPolicyBinding");
    assert!(bindings.iter().all(|binding| {
        binding["spec"]["matchResources"]
            .to_string()
            .contains("[\"web\"]")
    }));
}

/// The token that `apply_chart` gives has the operator's rights and no more.
#[test]
fn the_service_account_may_do_what_the_operator_does_and_no_more() {
    let control_plane = shared();
    let kubectl = control_plane.kubectl();
    let (own, other) = (
        kubectl.namespace("chart").unwrap(),
        kubectl.namespace("tasks").unwrap(),
    );
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    apply_chart(control_plane, &own, &json!({}), &kubeconfig).unwrap();
    kubectl.wait_for_crds().unwrap();

    let operator = kubectl.with_kubeconfig(&kubeconfig);
    operator
        .run(&["get", "rollingupdatetasks", "--all-namespaces"])
        .unwrap();
    operator
        .run(&["get", "scalinggrouprecords", "-n", &own])
        .unwrap();
    let may = |verb: &str, resource: &str, namespace: &str| {
        operator
            .run(&["auth", "can-i", verb, resource, "-n", namespace])
            .is_ok()
    };
    assert!(may(
        "patch",
        "rollingupdatetasks.ess-rollout.io/status",
        &other
    ));
    assert!(may("get", "secrets", &other));
    assert!(!may("list", "secrets", &other));
    for verb in ["create", "patch", "delete"] {
        assert!(may(verb, "secrets", &own) && !may(verb, "secrets", &other));
    }
    assert!(!may("create", "scalinggrouprecords.ess-rollout.io", &other));
    assert!(!may("create", "pods", &own));
    assert!(may("patch", "leases.coordination.k8s.io/ess-rollout", &own));
    assert!(!may("patch", "leases.coordination.k8s.io/another", &own));
}

/// What the tests of the operator start from.
#[test]
fn an_installation_watches_the_namespace_of_its_test_alone() {
    let control_plane = shared();
    let more = json!({"settleSeconds": 3});
    let installation = Installation::new(
        control_plane,
        "installed",
        "cn-hangzhou",
        "http://127.0.0.1:1",
        &more,
    )
    .unwrap();
    let options = installation.operator();
    let has = |flag: &str| options.flags.iter().any(|have| have == flag);
    assert!(
        has("--settle-seconds=3") && has("--endpoint=all=http://127.0.0.1:1"),
        "{:?}",
        options.flags
    );
    assert!(
        !options
            .flags
            .iter()
            .any(|flag| flag == "run" || flag.contains("health-addr"))
    );

    let operator = control_plane
        .kubectl()
        .with_kubeconfig(installation.kubeconfig());
    operator
        .run(&["get", "rollingupdatetasks", "-n", &installation.tasks])
        .unwrap();
    assert!(
        operator
            .run(&["get", "rollingupdatetasks", "-n", "default"])
            .is_err()
    );
    let refused = control_plane
        .audit_log()
        .refused(&installation.user())
        .unwrap();
    assert_eq!(refused, ["list rollingupdatetasks in \"default\""]);
}

/// The pod that the Deployment describes, created where Pod Security `restricted` is enforced.
#[test]
fn the_pod_is_admitted_under_pod_security_restricted() {
    let kubectl = shared().kubectl();
    let namespace = kubectl.namespace("restricted").unwrap();
    kubectl
        .run(&[
            "label",
            "namespace",
            &namespace,
            "pod-security.kubernetes.io/enforce=restricted",
        ])
        .unwrap();
    let arns = json!({"roleArn": "acs:ram::1:role/x", "providerArn": "acs:ram::1:oidc-provider/y"});
    let values = json!({"crds": {"enabled": false}, "credentials": {"oidc": arns}});
    let documents = render_chart_in(&namespace, &values).unwrap();
    let account = of_kind(&documents, "ServiceAccount")[0].to_string();
    kubectl.apply_server_side(&namespace, &account).unwrap();
    let template = &of_kind(&documents, "Deployment")[0]["spec"]["template"];
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    kubectl
        .run_with_input(
            &["create", "--dry-run=server", "-n", &namespace, "-f", "-"],
            Some(&pod.to_string()),
        )
        .unwrap();
}

/// What people copy first must be valid.
#[test]
fn the_samples_are_accepted_by_the_apiserver() {
    let kubectl = shared().kubectl();
    kubectl.apply_crds(&source_root().join("crds")).unwrap();
    let namespace = kubectl.namespace("samples").unwrap();
    let samples = source_root().join("config/samples");
    kubectl
        .run(&["apply", "-n", &namespace, "-k", samples.to_str().unwrap()])
        .unwrap();
}

#[test]
fn images_come_from_the_registry_that_the_values_name() {
    let image = |values: Value| {
        let documents = render_chart(&values).unwrap();
        let pod = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["spec"];
        let image = &pod["containers"][0]["image"];
        assert_eq!(
            of_kind(&documents, "Pod")[0]["spec"]["containers"][0]["image"],
            *image
        );
        image.as_str().unwrap().to_owned()
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    for (values, expected) in [
        (
            json!({"image": {"registry": "registry.cn-hangzhou.aliyuncs.com"}}),
            "registry.cn-hangzhou.aliyuncs.com/ess-rollout:0.1.0".to_owned(),
        ),
        (
            json!({"image": {"registry": "a.example.com/b", "repository": "mine/op", "tag": "v2"}}),
            "a.example.com/b/mine/op:v2".to_owned(),
        ),
        (
            json!({"image": {"registry": "a.example.com", "tag": "v2", "digest": digest}, "global": {"imageRegistry": "b.example.com:5000/", "of": "others"}}),
            format!("b.example.com:5000/ess-rollout@{digest}"),
        ),
    ] {
        assert_eq!(image(values), expected);
    }
}

#[test]
fn chart_and_kustomize_let_the_pods_out_to_the_same() {
    let documents = render_chart(&json!({"networkPolicy": {"enabled": true}})).unwrap();
    let chart = of_kind(&documents, "NetworkPolicy")[0];
    let file = source_root().join("config/components/network-policy/networkpolicy.yaml");
    let kustomize = &self::documents(&std::fs::read_to_string(file).unwrap()).unwrap()[0];
    for part in ["policyTypes", "ingress", "egress"] {
        assert_eq!(chart["spec"][part], kustomize["spec"][part], "{part}");
    }
    let kubectl = shared().kubectl();
    let namespace = kubectl.namespace("network").unwrap();
    let mut policies = [chart.clone(), kustomize.clone()];
    for policy in &mut policies {
        policy["metadata"]["namespace"] = json!(namespace);
        kubectl
            .apply_server_side(&namespace, &policy.to_string())
            .unwrap();
    }
    // Both pods are meant, and nobody else's.
    let terms = chart["spec"]["podSelector"]["matchExpressions"]
        .as_array()
        .unwrap();
    for pod in [
        &of_kind(&documents, "Deployment")[0]["spec"]["template"],
        of_kind(&documents, "Pod")[0],
    ] {
        for term in terms {
            let label = &pod["metadata"]["labels"][term["key"].as_str().unwrap()];
            assert!(term["values"].as_array().unwrap().contains(label), "{term}");
        }
    }
    for wrong in [
        json!({"networkPolicy": {"cloud": {"cidrs": ["anywhere"]}}}),
        json!({"networkPolicy": {"cloud": {"ports": []}}}),
        json!({"networkPolicy": {"enable": true}}),
        json!({"proxy": {"httpsProxy": "proxy.example.com"}}),
    ] {
        assert!(render_chart(&wrong).is_err(), "{wrong}");
    }
}
