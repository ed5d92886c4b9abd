//! What a release is made of, as far as it can be seen without making one: the workflows call what there is, the chart's
//! annotations are true, the parts of several machines become one release.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use ess_rollout_test_support::{shared, source_root};
use serde_json::{Value, json};

fn read(path: impl AsRef<Path>) -> String {
    let path = source_root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn run(script: &str, args: &[&str]) -> Output {
    Command::new(source_root().join(script))
        .args(args)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_workflows_call_what_there_is_and_take_actions_at_a_version() {
    let makefile = read("Makefile");
    let version = |tag: &str| {
        let numbers = tag
            .strip_prefix('v')
            .map(|tag| tag.split('.').collect::<Vec<_>>());
        numbers.is_some_and(|all| all.len() == 3 && all.iter().all(|n| n.parse::<u32>().is_ok()))
    };
    let mut called = BTreeSet::new();
    for name in ["ci.yaml", "release.yaml"] {
        let workflow = yaml(&read(format!(".github/workflows/{name}")));
        // No job has more than it says.
        assert_eq!(
            workflow["permissions"],
            json!({"contents": "read"}),
            "{name}"
        );
        for (job, steps) in workflow["jobs"].as_object().unwrap() {
            assert!(steps["timeout-minutes"].is_number(), "{name} {job}");
            for step in steps["steps"].as_array().unwrap() {
                if let Some(uses) = step["uses"].as_str() {
                    let (_, tag) = uses.split_once('@').unwrap();
                    assert!(version(tag), "{name} {job}: {uses}");
                    continue;
                }
                let script = step["run"].as_str().unwrap();
                for word in script.split_whitespace() {
                    if word.starts_with("hack/") || word.starts_with(".ci/") {
                        assert!(source_root().join(word).is_file(), "{name} {job}: {word}");
                        called.insert(word.to_owned());
                    }
                }
                let mut words = script.split_whitespace().peekable();
                while let Some(word) = words.next() {
                    let target = words.peek().copied().unwrap_or_default();
                    if word == "make" && !target.starts_with('-') {
                        assert!(
                            makefile.contains(&format!("\n{target}:")),
                            "{name} {job}: make {target}"
                        );
                        called.insert(format!("make {target}"));
                    }
                }
            }
        }
    }
    for needed in [
        ".ci/run",
        "make dist",
        "hack/release-files",
        "hack/chart-annotations",
    ] {
        assert!(called.contains(needed), "nothing calls {needed}");
    }
}

#[test]
fn the_image_is_built_with_the_tools_and_for_the_platforms_that_the_packages_are() {
    let dockerfile = read("Dockerfile");
    let tool = read("hack/cargo-tool");
    let (_, rest) = tool.split_once("cargo-auditable) version=").unwrap();
    let version = rest.split_whitespace().next().unwrap();
    assert!(dockerfile.contains(&format!("cargo-auditable@{version}")));
    assert!(dockerfile.contains("THIRD-PARTY-LICENCES"));
    let release = yaml(&read(".github/workflows/release.yaml"));
    let steps = release["jobs"]["image"]["steps"].as_array().unwrap();
    for (id, target) in [("push", "ess-rollout"), ("push-emulator", "ess-emulator")] {
        let push = &steps.iter().find(|step| step["id"] == id).unwrap()["with"];
        assert_eq!(push["platforms"], "linux/amd64,linux/arm64");
        let asked = push["target"].as_str();
        let stages = dockerfile
            .lines()
            .filter_map(|line| line.split_once("FROM scratch AS "));
        // The last stage is what is built when none is asked for.
        let (_, built) = match asked {
            Some(_) => stages
                .clone()
                .find(|(_, stage)| Some(*stage) == asked)
                .unwrap(),
            None => stages.clone().next_back().unwrap(),
        };
        assert_eq!(built, target);
    }
}

#[test]
fn the_annotations_of_the_chart_are_true() {
    let check = run("hack/chart-annotations", &["check"]);
    assert!(check.status.success(), "{}", said(&check));
    let chart = yaml(&read("charts/ess-rollout/Chart.yaml"));
    let cargo = read("Cargo.toml");
    let version = chart["version"].as_str().unwrap();
    assert!(
        cargo.contains(&format!("\nversion = \"{version}\"\n")),
        "{version}"
    );
    assert_eq!(chart["appVersion"], version);
    let annotation = |name: &str| {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str();
        yaml(text.unwrap_or_else(|| panic!("there is no artifacthub.io/{name}")))
    };
    assert!(read("LICENSE").contains("Apache License") && annotation("license") == "Apache-2.0");
    assert_eq!(annotation("prerelease"), version.starts_with("0."));

    let mut shipped = BTreeSet::new();
    for entry in std::fs::read_dir(source_root().join("crds")).unwrap() {
        let crd = yaml(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        for served in crd["spec"]["versions"].as_array().unwrap() {
            let (name, kind) = (&crd["metadata"]["name"], &crd["spec"]["names"]["kind"]);
            shipped.insert(format!("{name} {kind} {}", served["name"]));
        }
    }
    let named = annotation("crds");
    let named = named.as_array().unwrap().iter();
    let named = named.map(|crd| format!("{} {} {}", crd["name"], crd["kind"], crd["version"]));
    assert_eq!(named.collect::<BTreeSet<_>>(), shipped);

    let kubectl = shared().kubectl();
    kubectl.apply_crds(&source_root().join("crds")).unwrap();
    let namespace = kubectl.namespace("annotations").unwrap();
    for example in annotation("crdsExamples").as_array().unwrap() {
        kubectl
            .apply_server_side(&namespace, &example.to_string())
            .unwrap();
    }
    let changes = annotation("changes");
    assert!(changes.as_array().unwrap().len() > 3, "{changes}");
}

/// A copy of the few files that the scripts read.
fn copy(parts: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for part in parts {
        let to = directory.path().join(part);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copying = Command::new("cp")
            .arg("-r")
            .arg(source_root().join(part))
            .arg(&to)
            .status();
        assert!(copying.unwrap().success());
    }
    directory
}

#[test]
fn the_chart_of_a_release_names_its_image_and_what_is_new() {
    let parts = [
        "hack/chart-annotations",
        "charts/ess-rollout/Chart.yaml",
        "charts/ess-rollout/values.yaml",
        "Cargo.toml",
    ];
    let tree = copy(&parts);
    let path = |name: &str| tree.path().join(name);
    let log = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n### Fixed\n\n- One \"thing\"\n  of two lines.\n\n### Security\n\n- Another.\n\n## [0.0.9]\n\n### Added\n\n- Old.\n";
    std::fs::write(path("CHANGELOG.md"), log).unwrap();
    let script = |args: &[&str]| {
        Command::new(path("hack/chart-annotations"))
            .args(args)
            .output()
            .unwrap()
    };
    let stale = script(&["check"]);
    assert!(!stale.status.success() && said(&stale).contains("hack/chart-annotations write"));
    let made = script(&["release", "registry.example.com/mine/ess-rollout"]);
    assert!(made.status.success(), "{}", said(&made));
    let chart = yaml(&std::fs::read_to_string(path("charts/ess-rollout/Chart.yaml")).unwrap());
    let annotation = |name: &str| {
        yaml(
            chart["annotations"][format!("artifacthub.io/{name}")]
                .as_str()
                .unwrap(),
        )
    };
    let expected = json!([
        {"kind": "fixed", "description": "One \"thing\" of two lines."},
        {"kind": "security", "description": "Another."},
    ]);
    assert_eq!(annotation("changes"), expected);
    let image = &annotation("images")[0];
    let version = chart["version"].as_str().unwrap();
    assert_eq!(
        image["image"],
        format!("registry.example.com/mine/ess-rollout:{version}")
    );
    let values = yaml(&std::fs::read_to_string(path("charts/ess-rollout/values.yaml")).unwrap());
    assert_eq!(
        values["image"]["repository"],
        "registry.example.com/mine/ess-rollout"
    );
}

#[test]
fn what_several_machines_made_becomes_one_release() {
    let tree = copy(&["hack/release-files"]);
    std::fs::write(
        tree.path().join("CHANGELOG.md"),
        "# Changelog\n\n## [0.1.0]\n\n- New.\n\n## [0.0.9]\n\n- Old.\n",
    )
    .unwrap();
    let dist = tree.path().join("dist");
    let manifest = |version: &str, platform: &str| {
        format!(
            "kind: Plugin\nspec:\n  version: {version}\n  platforms:\n    - uri: plugin-{platform}.tar.gz\n"
        )
    };
    for platform in ["amd64", "arm64"] {
        let here = dist.join(format!("dist-linux-{platform}"));
        std::fs::create_dir_all(&here).unwrap();
        std::fs::write(here.join(format!("plugin-{platform}.tar.gz")), platform).unwrap();
        std::fs::write(here.join(format!("plugin-{platform}.cdx.json")), "{}").unwrap();
        std::fs::write(here.join("ess-rollout.yaml"), manifest("v1", platform)).unwrap();
    }
    let release = tree.path().join("release");
    let script = || {
        let mut script = Command::new(tree.path().join("hack/release-files"));
        script.arg(&dist).arg(&release).output().unwrap()
    };
    let made = script();
    assert!(made.status.success(), "{}", said(&made));
    let together = std::fs::read_to_string(release.join("ess-rollout.yaml")).unwrap();
    let platforms = yaml(&together)["spec"]["platforms"].clone();
    assert_eq!(
        platforms,
        json!([{"uri": "plugin-amd64.tar.gz"}, {"uri": "plugin-arm64.tar.gz"}])
    );
    assert_eq!(
        std::fs::read_to_string(release.join("notes.md"))
            .unwrap()
            .trim(),
        "- New."
    );
    let sums = std::fs::read_to_string(release.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 5, "{sums}");
    // Of two commits.
    std::fs::write(
        dist.join("dist-linux-arm64/ess-rollout.yaml"),
        manifest("v2", "arm64"),
    )
    .unwrap();
    assert!(said(&script()).contains("is of another release"));
}

/// The bill of materials against cargo's own tree, for what people are given.
#[test]
fn the_bill_of_materials_lists_what_cargo_tree_does() {
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    for package in ["ess-rollout", "ess-rollout-plugin", "ess-emulator"] {
        let made = run("hack/third-party", &["sbom", package, &triple]);
        assert!(made.status.success(), "{}", said(&made));
        let bill: Value = serde_json::from_slice(&made.stdout).unwrap();
        let components = bill["components"].as_array().unwrap().iter();
        let components = components.chain([&bill["metadata"]["component"]]);
        let listed = components.map(|c| {
            format!(
                "{} v{}",
                c["name"].as_str().unwrap(),
                c["version"].as_str().unwrap()
            )
        });
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--package",
                package,
                "--target",
                &triple,
            ])
            .args([
                "--edges",
                "normal,no-proc-macro",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ])
            .current_dir(source_root())
            .output()
            .unwrap();
        let tree = String::from_utf8(tree.stdout).unwrap();
        let wanted = tree.lines().map(|line| {
            let mut words = line.split(' ');
            format!("{} {}", words.next().unwrap(), words.next().unwrap())
        });
        let listed: BTreeSet<String> = listed.collect();
        assert_eq!(listed, wanted.collect::<BTreeSet<_>>(), "{package}");
        assert!(listed.len() > 50, "{package}: {}", listed.len());
        for component in bill["components"].as_array().unwrap() {
            assert!(
                component["licenses"][0]["expression"].is_string(),
                "{component}"
            );
        }
        // The same again, to the byte.
        assert_eq!(
            run("hack/third-party", &["sbom", package, &triple]).stdout,
            made.stdout
        );
    }
    // Which scanners read without the sources.
    let licences = run("hack/third-party", &["licences", "ess-rollout", &triple]);
    let licences = String::from_utf8(licences.stdout).unwrap();
    // What stands below the folder of a crate, and what is linked into each program.
    for whose in ["Jason Evans", "Rich Felker", "The Rust Project"] {
        assert!(licences.contains(whose), "{whose}");
    }
    for package in ["ring ", "tokio ", "kube-client "] {
        assert!(
            licences.lines().any(|line| line.starts_with(package)),
            "{package}"
        );
    }
}

#[test]
fn a_licence_or_a_source_that_is_not_allowed_is_named() {
    let tree = copy(&["hack/third-party", "deny.toml"]);
    let crates = tree.path().join("src");
    std::fs::create_dir_all(&crates).unwrap();
    std::fs::write(crates.join("lib.rs"), "").unwrap();
    let manifest = |licence: &str| {
        format!(
            "[package]\nname = \"openssl\"\nversion = \"1.0.0\"\nedition = \"2024\"\nlicense = \"{licence}\"\n"
        )
    };
    std::fs::write(
        tree.path().join("Cargo.lock"),
        "version = 4\n\n[[package]]\nname = \"openssl\"\nversion = \"1.0.0\"\n",
    )
    .unwrap();
    let check = |licence: &str| {
        std::fs::write(tree.path().join("Cargo.toml"), manifest(licence)).unwrap();
        said(
            &Command::new(tree.path().join("hack/third-party"))
                .arg("check")
                .output()
                .unwrap(),
        )
    };
    let refused = check("GPL-3.0-only AND MIT");
    assert!(
        refused.contains("openssl 1.0.0 is under GPL-3.0-only AND MIT"),
        "{refused}"
    );
    assert!(refused.contains("openssl 1.0.0 is banned"), "{refused}");
    let one_of_two = check("GPL-3.0-only OR MIT");
    assert!(!one_of_two.contains("is under"), "{one_of_two}");
}
