//! `lint` on manifests as people write them, right and wrong, and held against a real apiserver.
//!
//! A wrong one has what is said of it in `# expect:` lines, at its head or, where it cannot hold comments, in a file beside it.
//! `# apiserver: accepts` says that an apiserver takes what `lint` refuses, and why it is refused all the same.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ess_rollout_plugin::lint::files;
use ess_rollout_plugin::lint::finding::{Report, Severity};
use ess_rollout_plugin::lint::look;
use ess_rollout_test_support as support;
use serde_json::Value;
use support::process::find_program;

fn folder(name: &str) -> PathBuf {
    support::source_root()
        .join("crates/plugin/tests/lint")
        .join(name)
}

/// All manifests of a folder, in the order in which they are read.
fn manifests(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e != "expect"));
    files.sort();
    files
}

/// What is said of a manifest in comments: `# KEY: …`.
fn said(file: &Path, key: &str) -> Vec<String> {
    let beside = PathBuf::from(format!("{}.expect", file.display()));
    let text = match beside.exists() {
        true => fs::read_to_string(beside).unwrap(),
        false => String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned(),
    };
    let head = text.lines().take_while(|line| line.starts_with("# "));
    let prefix = format!("# {key}: ");
    head.filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        .collect()
}

fn lint(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(find_program("kubectl-ess_rollout").unwrap())
        .arg("lint")
        .args(args)
        // There is none, and none is wanted.
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It need not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn of_each_faulty_manifest_exactly_its_faults_are_said() {
    let files = manifests("faulty");
    assert!(files.len() >= 40, "there are {}", files.len());
    let mut expected = Vec::new();
    for file in &files {
        let lines = said(file, "expect");
        assert!(!lines.is_empty(), "{} expects nothing", file.display());
        expected.extend(
            lines
                .iter()
                .map(|line| format!("{}:{line}", file.display())),
        );
    }
    let output = lint(&["-f", folder("faulty").to_str().unwrap()], b"");
    let printed = text(&output.stdout);
    let printed: Vec<&str> = printed.lines().collect();
    for (printed, expected) in printed.iter().zip(&expected) {
        assert_eq!(printed, expected);
    }
    assert_eq!(printed.len(), expected.len());
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn of_good_manifests_nothing_is_said() {
    let files = manifests("good").len();
    assert!(files >= 20, "there are {files}");
    let output = lint(&["--strict", folder("good").to_str().unwrap()], b"");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(0));
    let summary = text(&output.stderr);
    assert!(
        summary.contains(&format!("in {files} files: 0 faults, 0 warnings")),
        "{summary}"
    );
}

/// The documents of a manifest, each in a file of its own.
fn documents(file: &Path, into: &Path) -> Vec<PathBuf> {
    let bytes = fs::read(file).unwrap();
    let Ok(text) = String::from_utf8(bytes) else {
        return vec![file.to_path_buf()];
    };
    let parts: Vec<&str> = text.split("\n---\n").collect();
    if parts.len() == 1 {
        return vec![file.to_path_buf()];
    }
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let write = |(index, part): (usize, &&str)| {
        let path = into.join(format!("{stem}-{index}.yaml"));
        fs::write(&path, format!("{part}\n")).unwrap();
        path
    };
    parts.iter().enumerate().map(write).collect()
}

fn look_at(file: &Path) -> Report {
    look(&files::read(&[file.to_path_buf()]), jiff::Timestamp::now()).unwrap()
}

#[test]
fn whatever_an_apiserver_refuses_is_found_without_one() {
    support::install_crypto_provider();
    let kubectl = support::shared().kubectl();
    kubectl
        .apply_crds(&support::source_root().join("crds"))
        .unwrap();
    // One of the manifests names it.
    let _ = kubectl.run(&["create", "namespace", "shop"]);
    let parts = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for file in [manifests("faulty"), manifests("good")].concat() {
        let accepts = said(&file, "apiserver");
        let mut refused_by_lint_alone = false;
        for document in documents(&file, parts.path()) {
            let report = look_at(&document);
            if report.objects == 0 && report.findings.is_empty() {
                continue;
            }
            let path = document.to_str().unwrap();
            let create = [
                "create",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                path,
            ];
            let answer = kubectl.run(&create).map_err(|error| format!("{error:#}"));
            match (&answer, report.count(Severity::Fault)) {
                (Ok(_), 0) | (Err(_), 1..) => {}
                (Err(why), 0) => wrong.push(format!("{path} is not refused: {why}")),
                (Ok(_), 1..) => {
                    refused_by_lint_alone = true;
                    if accepts.is_empty() {
                        let said = report.findings.iter().map(ToString::to_string);
                        let said: Vec<String> = said.collect();
                        wrong.push(format!("{path} is taken: {}", said.join("; ")));
                    }
                }
            }
        }
        if !accepts.is_empty() && !refused_by_lint_alone {
            wrong.push(format!("{} is refused by both", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_named_is_read_once_and_what_cannot_be_read_is_a_fault() {
    let scene = tempfile::tempdir().unwrap();
    let below = scene.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let task = "apiVersion: ess-rollout.io/v1alpha1\nkind: RollingUpdateTask\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  scalingGroupId: asg-1\n  update:\n    image:\n      imageId: m-1\n  batches: 1\n";
    let wrong = task.replace("batches: 1", "batches: 0");
    fs::write(below.join("one.yml"), task).unwrap();
    fs::write(scene.path().join("two.json"), &wrong).unwrap();
    fs::write(scene.path().join("notes.txt"), "a: [").unwrap();
    let all = scene.path().to_str().unwrap();
    let one = below.join("one.yml");
    let one = one.to_str().unwrap();

    let output = lint(&["-o", "json", "-f", all, one], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("2 objects in 2 files: 1 fault, 1 warning\n"));
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let fields: BTreeSet<&str> = found[0].as_object().unwrap().keys().map(|k| &**k).collect();
    let wanted = [
        "field",
        "file",
        "kind",
        "line",
        "message",
        "name",
        "namespace",
        "severity",
    ];
    assert_eq!(fields, BTreeSet::from(wanted));
    assert_eq!(found[0]["file"], one);
    assert_eq!(
        (&found[0]["severity"], &found[0]["line"]),
        (&"warning".into(), &11.into())
    );
    assert_eq!(
        (&found[1]["severity"], &found[1]["namespace"]),
        (&"fault".into(), &"shop".into())
    );

    // A warning fails where that is asked for.
    assert_eq!(lint(&[one], b"").status.code(), Some(0));
    assert_eq!(lint(&["--strict", one], b"").status.code(), Some(1));

    let output = lint(&["-f", "-"], wrong.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("-:11: RollingUpdateTask/web: spec.batches: "));

    let gone = scene.path().join("gone.yaml");
    let output = lint(&["-f", gone.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("gone.yaml:0: cannot be read: "));
}

/// Every good manifest with each of its lines left out, with another character here and there, and cut off there.
#[test]
fn nothing_that_is_written_makes_it_panic() {
    let mut sources = Vec::new();
    for file in manifests("good") {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut add = |text: String| {
            sources.push(files::Source {
                name: file.display().to_string(),
                text: Ok(text),
            });
        };
        for left_out in 0..lines.len() {
            let kept = lines.iter().enumerate().filter(|(n, _)| *n != left_out);
            add(kept.map(|(_, line)| format!("{line}\n")).collect());
        }
        for (at, other) in text
            .char_indices()
            .step_by(13)
            .zip("\0*&{[\t:-\u{85}'é".chars().cycle())
        {
            let (before, after) = text.split_at(at.0);
            add(before.to_owned());
            add(format!("{before}{other}{}", &after[at.1.len_utf8()..]));
        }
    }
    let report = look(&sources, jiff::Timestamp::now()).unwrap();
    assert!(sources.len() > 1500 && report.objects > 1500);
    assert!(report.count(Severity::Fault) > 500);
}

#[test]
fn nothing_to_check_is_an_error() {
    for (args, input, why) in [
        (&[][..], "", "no file is named"),
        (&["-f", "-"][..], "", "nothing was checked"),
        (
            &["-"][..],
            "apiVersion: v1\nkind: ConfigMap\n",
            "nothing was checked",
        ),
        // Of others, although it is a word of ours.
        (
            &["-"][..],
            "apiVersion: db.example.com/v1\nkind: Rollback\n",
            "nothing was checked",
        ),
    ] {
        let output = lint(args, input.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let error = text(&output.stderr);
        assert!(
            error.starts_with("error: ") && error.contains(why),
            "{error}"
        );
    }
}
