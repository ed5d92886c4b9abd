//! `make demo KIND=plugin` prints what it should: what people see of the command line, from a manifest to the end of an update and
//! back, compared word by word.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use ess_rollout_test_support::process::find_program;

/// What is another in each run: ids of executions, ages and how long something took, ids of requests.
const VARIES: [(&str, &str); 7] = [
    (r"exec-[0-9a-z]+", "exec-…"),
    // How far the others of a batch are when one of them has failed.
    (r"FailureSuspended, [0-9]/6", "FailureSuspended, …/6"),
    (
        r"asg-demo-web, [0-9]/6 instances, [0-9]+ %",
        "asg-demo-web, …/6 instances, … %",
    ),
    (r"[◌✖] batch ([12]) (Updating|Failed)", "batch $1 …"),
    (r"\b([0-9]+[smhd])+\b", "…"),
    (r"@[0-9]{13}", "@…"),
    (r"[0-9]+ s\b", "… s"),
];
/// Lines that are there or not, as somebody happens to look: how far it is in between.
const BETWEEN: &str =
    r"^(rollback/)?web-v2\S* (Pending|Running|Restoring)\b|^     [◌·✔] i-demo-web";

#[test]
fn the_demo_of_the_plugin_prints_what_it_should() {
    // Beside the tests' own directory, where cargo puts examples.
    let program = find_program("examples/demo").unwrap();
    let output = Command::new(program)
        .env("KIND", "plugin")
        // Signs and colours as in a pipe of a plain terminal.
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{failed}");
    let between = regex::Regex::new(BETWEEN).unwrap();
    let began = text.find("== An image with failing").unwrap();
    let lines = text[began..].lines().filter(|line| !between.is_match(line));
    let mut kept = lines.collect::<Vec<_>>().join("\n");
    for (pattern, sign) in VARIES {
        kept = regex::Regex::new(pattern)
            .unwrap()
            .replace_all(&kept, sign)
            .into_owned();
    }
    // Columns are as wide as what varies.
    let kept = regex::Regex::new("(…) +")
        .unwrap()
        .replace_all(&kept, "$1 ")
        .into_owned();
    insta::assert_snapshot!(kept);
}
