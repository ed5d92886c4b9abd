//! `ess-rollout check`: what it says where everything is there, and where one thing is not. And that `helm test` runs it with
//! everything that the Deployment has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ess_rollout::check::rights;
use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::chart::{kind, render_chart_in};
use support::process::find_program;
use support::{ControlPlane, Emulator, Installation};

use crate::scene::{control_plane, fixture, with};

const KEY: (&str, &str) = ("operator-key", "operator-secret");

/// What the check said.
#[derive(Debug)]
pub struct Said {
    code: i32,
    text: String,
}

impl Said {
    /// That everything is there, and nothing worth a warning but this.
    pub fn passes(&self, warnings: &[&str]) {
        let marked = |mark| self.text.lines().filter(move |line| line.starts_with(mark));
        assert_eq!(marked("FAIL").count(), 0, "{}", self.text);
        let warned: Vec<&str> = marked("warn").collect();
        assert_eq!(warned.len(), warnings.len(), "{}", self.text);
        for (line, wanted) in warned.iter().zip(warnings) {
            assert!(line.contains(wanted), "{wanted} is not in {line}");
        }
        assert_eq!(self.code, 0, "{}", self.text);
        // And it has looked.
        assert!(marked("ok").count() > 5, "{}", self.text);
    }

    /// That this one fails, with these words, and no other.
    fn fails(&self, check: &str, words: &[&str]) {
        let failed = self.text.lines().filter(|line| line.starts_with("FAIL"));
        let failed: Vec<&str> = failed.collect();
        assert_eq!(failed.len(), 1, "{}", self.text);
        assert!(
            failed[0].starts_with(&format!("FAIL  {check}: ")),
            "{}",
            self.text
        );
        for word in words {
            assert!(failed[0].contains(word), "{word} is not in {}", failed[0]);
        }
        assert_eq!(self.code, 1, "{}", self.text);
    }
}

/// A check with these flags and nothing in its environment but what is given.
pub fn check(flags: &[String], envs: &[(String, String)], kubeconfig: &Path) -> Said {
    let mut command = Command::new(find_program("ess-rollout").unwrap());
    command.arg("check").args(flags).env_clear();
    command.env("KUBECONFIG", kubeconfig);
    for (name, value) in envs {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(KEY.1), "{text}");
    Said {
        code: output.status.code().unwrap(),
        text,
    }
}

/// An installation without an operator.
struct Place {
    emulator: Emulator,
    installation: Installation,
    control_plane: &'static ControlPlane,
}

impl Place {
    fn new() -> Self {
        Self::of(fixture(), control_plane())
    }

    fn of(fixture: Value, control_plane: &'static ControlPlane) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("fixture.yaml");
        std::fs::write(&file, fixture.to_string()).unwrap();
        let emulator = Emulator::start(&file).unwrap();
        let values = json!({
            "crds": {"enabled": false},
            "rbac": {"aggregate": false},
            "leaderElection": {"enabled": true},
            "admission": {"policies": {"enabled": true}},
        });
        let endpoint = emulator.endpoint();
        let installation =
            Installation::new(control_plane, "check", "cn-hangzhou", endpoint, &values).unwrap();
        Self {
            emulator,
            installation,
            control_plane,
        }
    }

    /// With the chart's flags, and these besides.
    fn check(&self, flags: &[&str], key: Option<(&str, &str)>) -> Said {
        self.check_in(flags, key, &[])
    }

    fn check_in(&self, flags: &[&str], key: Option<(&str, &str)>, more: &[(&str, &str)]) -> Said {
        let mut options = self.installation.operator();
        if let Some((id, secret)) = key {
            options = options.access_key(id, secret);
        }
        for flag in flags {
            // A flag that is given twice is an error.
            let name = flag.split('=').next().unwrap();
            options
                .flags
                .retain(|given| given.split('=').next() != Some(name));
            options = options.flag(*flag);
        }
        for (name, value) in more {
            options = options.env(name, value);
        }
        check(
            &options.flags,
            &options.envs,
            &self.installation.kubeconfig(),
        )
    }
}

#[tokio::test]
async fn with_everything_there_all_is_green_and_nothing_was_changed() {
    let place = Place::new();
    place.check(&[], Some(KEY)).passes(&[]);
    let said = place.check(&["--output=json"], Some(KEY));
    let json: Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!(json["passed"], true);
    for check in json["checks"].as_array().unwrap() {
        assert_eq!(check["result"], "ok", "{check}");
    }
    for call in place.emulator.calls().await.unwrap() {
        let action = call["action"].as_str().unwrap();
        let reads = ["Describe", "List", "Get"]
            .iter()
            .any(|verb| action.starts_with(verb));
        assert!(reads, "{action}");
    }
}

#[test]
fn what_is_denied_is_named_with_what_does_not_work_for_it() {
    let denied = |actions: Value| {
        let mut fixture = fixture();
        fixture["principals"][0]["deny"] = actions;
        let place = Place::of(fixture, control_plane());
        place.check(&[], Some(KEY))
    };
    let words = ["Forbidden.RAM", "grant ess:DescribeScalingInstances in RAM"];
    denied(json!(["ess:DescribeScalingInstances"]))
        .fails("permission ess:DescribeScalingInstances", &words);
    denied(json!(["ess:DescribeLifecycleActions", "eci:*", "cms:*", "nlb:GetListenerHealthStatus"])).passes(&[
        "permission ess:DescribeLifecycleActions",
        "spec.gates.alarms needs it: grant cms:DescribeMetricRuleList",
        "update.containerGroup needs it: grant eci:DescribeContainerGroups",
        "spec.gates.loadBalancer needs it where a group is attached to such a load balancer: grant nlb:GetListenerHealthStatus",
    ]);
}

#[test]
fn a_group_that_is_named_is_the_one_that_is_asked_about() {
    let place = Place::new();
    place
        .check(&["--scaling-group=asg-web"], Some(KEY))
        .passes(&[]);
    place
        .check(&["--scaling-group=asg-nobody"], Some(KEY))
        .fails(
            "scaling group asg-nobody",
            &["is not among those of cn-hangzhou"],
        );
}

#[test]
fn credentials_that_are_refused_half_or_missing_are_said() {
    let place = Place::new();
    let refused = place.check(&[], Some((KEY.0, "another-secret")));
    refused.fails(
        "credentials",
        &["those of operator… are refused", "SignatureDoesNotMatch"],
    );
    assert!(!refused.text.contains("another-secret"), "{}", refused.text);
    let half = place.check_in(&[], None, &[("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY.0)]);
    half.fails("credentials", &["ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"]);
    // Tasks may bring their own. That the services answer is seen all the same.
    let none = place.check(&[], None);
    none.passes(&["every task must name a Secret in spec.credentialsRef"]);
    assert!(
        none.text.contains("ok    endpoint of ESS: answers"),
        "{}",
        none.text
    );
}

#[test]
fn an_endpoint_that_nobody_serves_is_named_and_so_is_a_missing_region() {
    let place = Place::new();
    // Nobody listens where a listener has just been closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let all = place.emulator.endpoint();
    let endpoint = format!("--endpoint=all={all},ess=http://{closed}");
    let said = place.check(&[&endpoint], Some(KEY));
    said.fails(
        "endpoint of ESS",
        &["no connection to 127.0.0.1", "--network", "HTTPS_PROXY"],
    );
    place
        .check(&["--region="], Some(KEY))
        .passes(&["region: none is set"]);
}

#[test]
fn rights_that_are_missing_are_named_and_so_is_a_policy_that_is_not_there() {
    let place = Place::new();
    let kubectl = place.control_plane.kubectl();
    let (own, tasks) = (&place.installation.namespace, &place.installation.tasks);
    place
        .check(&["--admission-policy=another"], Some(KEY))
        .fails(
            "admission policy another",
            &["names in requests are not verified"],
        );
    let change = |namespace: &str, name: &str, keep: &dyn Fn(&Value) -> bool| {
        let role = kubectl.get(&["-n", namespace, "role", name]).unwrap();
        let mut rules = role["rules"].as_array().unwrap().clone();
        rules.retain(keep);
        let patch = json!({"rules": rules}).to_string();
        kubectl
            .run(&[
                "-n",
                namespace,
                "patch",
                "role",
                name,
                "--type=merge",
                "-p",
                &patch,
            ])
            .unwrap();
        role
    };
    let restore = |namespace: &str, role: &Value| {
        let name = role["metadata"]["name"].as_str().unwrap();
        let patch = json!({"rules": role["rules"]}).to_string();
        kubectl
            .run(&[
                "-n",
                namespace,
                "patch",
                "role",
                name,
                "--type=merge",
                "-p",
                &patch,
            ])
            .unwrap();
    };
    let has = |rule: &Value, resource: &str| {
        let resources = rule["resources"].as_array().unwrap();
        resources.iter().any(|name| name == resource)
    };
    // The authorizer sees a role a moment after it was written.
    let until = |wanted: &dyn Fn(&Said) -> bool| {
        for _ in 0..100 {
            let said = place.check(&[], Some(KEY));
            if wanted(&said) {
                return said;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        place.check(&[], Some(KEY))
    };
    let failed = |said: &Said| said.code != 0;

    let of_tasks = format!("{own}:ess-rollout");
    let role = change(tasks, &of_tasks, &|rule| !has(rule, "rollbacks/status"));
    until(&failed).fails(
        &format!("rights on tasks in namespace {tasks}"),
        &[
            "may not get, patch, update rollingupdatetasks.ess-rollout.io/status, nor",
            "rbac.create",
        ],
    );
    restore(tasks, &role);
    until(&|said| said.code == 0).passes(&[]);

    let role = change(tasks, &of_tasks, &|rule| !has(rule, "secrets"));
    until(&|said| said.text.contains("warn")).passes(&["spec.credentialsRef"]);
    restore(tasks, &role);

    change(own, "ess-rollout", &|rule| !has(rule, "leases"));
    let said = until(&failed);
    let place = format!("rights in the operator's namespace {own}");
    assert!(
        said.text.contains(&format!(
            "FAIL  {place}: may not create leases.coordination.k8s.io"
        )),
        "{}",
        said.text
    );
    assert!(
        said.text
            .contains("patch leases.coordination.k8s.io ess-rollout"),
        "{}",
        said.text
    );
    assert!(
        said.text
            .contains(&format!("FAIL  Lease {own}/ess-rollout: cannot be read")),
        "{}",
        said.text
    );
}

/// On a control plane of its own: CRDs exist once in a cluster.
#[test]
fn crds_that_are_missing_or_older_are_said_with_the_cure() {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap()));
    let kubectl = control_plane.kubectl();
    let crds = support::source_root().join("crds");
    kubectl.apply_crds(&crds).unwrap();
    let place = Place::of(fixture(), control_plane);
    place.check(&[], Some(KEY)).passes(&[]);

    let name = "rollbacks.ess-rollout.io";
    let file = crds.join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(file).unwrap();
    let mut crd: Value = serde_saphyr::from_str(&text).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let status = schema["properties"]["status"]["properties"]
        .as_object_mut()
        .unwrap();
    status.remove("restore").unwrap();
    kubectl
        .run_with_input(&["replace", "-f", "-"], Some(&crd.to_string()))
        .unwrap();
    let until_failed = || {
        for _ in 0..100 {
            let said = place.check(&[], Some(KEY));
            if said.code != 0 {
                return said;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        place.check(&[], Some(KEY))
    };
    let cure = "ess-rollout crds | kubectl apply";
    until_failed().fails("CustomResourceDefinitions", &["status.restore", cure]);

    kubectl.run(&["delete", "crd", name]).unwrap();
    let mut said = until_failed();
    for _ in 0..100 {
        if said.text.contains("are not served") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        said = place.check(&[], Some(KEY));
    }
    said.fails(
        "CustomResourceDefinitions",
        &["rollbacks are not served", cure],
    );
}

#[test]
fn without_an_apiserver_the_cloud_is_looked_at_all_the_same() {
    let place = Place::new();
    let mut options = place.installation.operator().access_key(KEY.0, KEY.1);
    options.kubeconfig = place
        .installation
        .kubeconfig_through("http://127.0.0.1:1", "nowhere")
        .unwrap();
    let said = check(&options.flags, &options.envs, &options.kubeconfig);
    said.fails("apiserver", &["cannot reach the apiserver"]);
    assert!(
        said.text.contains("ok    permissions to read"),
        "{}",
        said.text
    );
}

#[test]
fn what_is_looked_for_is_what_the_chart_gives() {
    let rules = |document: &Value| {
        let mut all = BTreeSet::new();
        for rule in document["rules"].as_array().unwrap() {
            let list = |key: &str| {
                let list = rule[key].as_array().cloned().unwrap_or_default();
                list.into_iter()
                    .map(|item| item.as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            for group in list("apiGroups") {
                for resource in list("resources") {
                    for verb in list("verbs") {
                        all.insert(format!(
                            "{group} {resource} {:?} {verb}",
                            list("resourceNames")
                        ));
                    }
                }
            }
        }
        all
    };
    let looked_for = |all: &[&[rights::Rule]]| {
        let mut found = BTreeSet::new();
        for rule in all.iter().copied().flatten() {
            let name: Vec<String> = rule.name.iter().map(|_| "ess-rollout".to_owned()).collect();
            for resource in rule.resources {
                for verb in rule.verbs {
                    found.insert(format!("{} {resource} {name:?} {verb}", rule.group));
                }
            }
        }
        found
    };
    let documents = render_chart_in("own", &json!({"rbac": {"aggregate": false}})).unwrap();
    let role = |wanted: &str, name: &str| {
        let mut found = documents
            .iter()
            .filter(|document| kind(document) == wanted && document["metadata"]["name"] == name);
        found
            .next()
            .unwrap_or_else(|| panic!("there is no {wanted} {name}"))
    };
    assert_eq!(
        rules(role("ClusterRole", "own:ess-rollout")),
        looked_for(&[rights::TASKS, rights::SECRETS])
    );
    assert_eq!(
        rules(role("Role", "ess-rollout")),
        looked_for(&[rights::OWN, rights::LEASE])
    );
}

/// What `helm test` runs, as a process: the flags and the environment of its pod. Secrets are read where the pod names them.
pub fn of_pod(
    pod: &Value,
    namespace: &str,
    kubectl: &support::Kubectl,
) -> (Vec<String>, Vec<(String, String)>) {
    let container = &pod["spec"]["containers"][0];
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let (command, flags) = args.split_first().unwrap();
    assert_eq!(command, "check");
    let mut envs = Vec::new();
    for env in container["env"].as_array().unwrap() {
        let from = &env["valueFrom"];
        let value = match from["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.namespace") => Some(namespace.to_owned()),
            Some(_) => Some("a-pod".to_owned()),
            None => env["value"].as_str().map(str::to_owned),
        };
        let of_secret = |key: &Value| {
            let (name, key) = (key["name"].as_str()?, key["key"].as_str()?);
            let template = format!("jsonpath={{.data.{key}}}");
            let encoded = kubectl.run(&["-n", namespace, "get", "secret", name, "-o", &template]);
            let text = Command::new("base64")
                .arg("-d")
                .stdin(of_text(&encoded.unwrap()))
                .output();
            String::from_utf8(text.unwrap().stdout)
                .ok()
                .filter(|text| !text.is_empty())
        };
        let value = value.or_else(|| of_secret(&from["secretKeyRef"]));
        if let Some(value) = value {
            envs.push((env["name"].as_str().unwrap().to_owned(), value));
        }
    }
    (flags.to_vec(), envs)
}

fn of_text(text: &str) -> std::process::Stdio {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// `helm test` has whatever the Deployment has.
#[test]
fn the_pod_of_helm_test_has_what_the_deployment_has() {
    let values = json!({
        "region": "cn-hangzhou",
        "watchNamespaces": ["shop"],
        "credentials": {"oidc": {"roleArn": "acs:ram::1:role/x", "providerArn": "acs:ram::1:oidc-provider/y"}},
        "extraArgs": ["--call-timeout-seconds=5"],
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [{"name": "v", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
        "proxy": {"httpsProxy": "http://proxy:3128"},
        "caBundle": {"configMap": "ca"},
        "nodeSelector": {"a": "b"},
    });
    let documents = render_chart_in("own", &values).unwrap();
    let of_kind = |wanted: &str| {
        documents
            .iter()
            .find(|document| kind(document) == wanted)
            .unwrap()
    };
    let runs = &of_kind("Deployment")["spec"]["template"]["spec"];
    let pod = of_kind("Pod");
    let checks = &pod["spec"];
    let without = |pod: &Value, keys: &[&str]| {
        let mut pod = pod.clone();
        for key in keys {
            pod.as_object_mut().unwrap().remove(*key);
        }
        pod
    };
    assert_eq!(
        without(
            runs,
            &[
                "containers",
                "terminationGracePeriodSeconds",
                "topologySpreadConstraints"
            ]
        ),
        without(checks, &["containers", "restartPolicy"]),
    );
    let (runs, checks) = (&runs["containers"][0], &checks["containers"][0]);
    assert_eq!(
        without(
            runs,
            &["name", "args", "ports", "livenessProbe", "readinessProbe"]
        ),
        without(checks, &["name", "args"]),
    );
    assert_eq!(runs["args"][0], "run");
    let rest = |container: &Value| container["args"].as_array().unwrap()[1..].to_vec();
    assert_eq!(rest(runs), rest(checks));
    // Neither the Service nor the PodDisruptionBudget takes it for the operator.
    let selector = of_kind("Service")["spec"]["selector"].as_object().unwrap();
    let labels = &pod["metadata"]["labels"];
    assert!(selector.iter().any(|(key, value)| labels[key] != *value));
}

/// What the values of a proxy and of a bundle of authorities set is what the process takes.
#[test]
fn the_cloud_is_reached_by_a_proxy_and_under_an_authority_of_ones_own() {
    let place = Place::new();
    let environment = |values: Value| {
        let values = with(values, json!({"crds": {"enabled": false}}));
        let documents = render_chart_in("own", &values).unwrap();
        let pod = documents
            .iter()
            .find(|document| kind(document) == "Pod")
            .unwrap();
        of_pod(pod, "own", &place.control_plane.kubectl()).1
    };
    // A name that nobody resolves: the proxy does.
    let proxied = environment(
        json!({"proxy": {"httpProxy": place.emulator.endpoint(), "noProxy": ["other.example.com"]}}),
    );
    let named = |envs: &[(String, String)], name: &str| {
        let found = envs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let proxy = named(&proxied, "HTTP_PROXY");
    let elsewhere = "--endpoint=all=http://cloud.example.com";
    let no_proxy = format!("{},127.0.0.1", named(&proxied, "NO_PROXY"));
    place
        .check_in(
            &[elsewhere],
            Some(KEY),
            &[("HTTP_PROXY", &proxy), ("NO_PROXY", &no_proxy)],
        )
        .passes(&[]);
    let direct = place.check_in(
        &[elsewhere],
        Some(KEY),
        &[("HTTP_PROXY", &proxy), ("NO_PROXY", "cloud.example.com")],
    );
    assert!(
        direct.text.contains("FAIL  endpoint of OOS"),
        "{}",
        direct.text
    );

    let trusting = environment(json!({"caBundle": {"configMap": "ca"}}));
    assert_eq!(named(&trusting, "SSL_CERT_DIR"), "/etc/ess-rollout/ca");
    let public = named(&trusting, "SSL_CERT_FILE");
    // As it is mounted: a link, beside others.
    let mounted = place.installation.directory().join("ca");
    let data = mounted.join("..data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(place.emulator.certificate_authority(), data.join("ca.crt")).unwrap();
    std::os::unix::fs::symlink(PathBuf::from("..data/ca.crt"), mounted.join("ca.crt")).unwrap();
    let endpoint = format!(
        "--endpoint=all={}",
        place.emulator.https_endpoint().unwrap()
    );
    let mounted = mounted.to_string_lossy();
    let envs = [
        ("SSL_CERT_FILE", public.as_str()),
        ("SSL_CERT_DIR", &mounted),
    ];
    place.check_in(&[&endpoint], Some(KEY), &envs).passes(&[]);
    let untrusted = place.check_in(&[&endpoint], Some(KEY), &envs[..1]);
    assert!(
        untrusted.text.contains("FAIL  endpoint of OOS"),
        "{}",
        untrusted.text
    );
}
