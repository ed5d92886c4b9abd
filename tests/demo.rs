//! `make demo KIND=plugin` prints what it should: what people see of the command line, from a manifest to the end of an update and
//! back, compared word by word.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use ess_rollout_test_support::process::find_program;

/// What is another in each run: ids of executions, ages and how long something took, ids of requests.
const VARIES: [(&str, &str); 8] = [
    (r"exec-[0-9a-z]+", "exec-…"),
    (r"RequestId: [0-9A-F-]+", "RequestId: …"),
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
/// How far the others of a batch are when one has failed.
const OTHERS: &str = r"^     [◌·✔] i-demo-web";
/// What `status --watch` and `rollback` print on the way: as many lines as somebody happened to see changes, of which the last
/// counts.
const ON_THE_WAY: &str = r"^(rollback/)?web-v2\S* [A-Z]";

/// Without the lines that are there or not.
fn kept(text: &str) -> String {
    let [others, on_the_way] = [OTHERS, ON_THE_WAY].map(|of| regex::Regex::new(of).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    let is_kept = |(number, line): &(usize, &&str)| {
        let next = lines
            .get(number + 1)
            .is_some_and(|next| on_the_way.is_match(next));
        let is_passed = on_the_way.is_match(line) && next;
        !is_passed && !others.is_match(line)
    };
    let kept = lines.iter().enumerate().filter(is_kept);
    kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
}

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
    let began = text.find("== An image with failing").unwrap();
    let mut kept = kept(&text[began..]);
    for (pattern, sign) in VARIES {
        kept = regex::Regex::new(pattern)
            .unwrap()
            .replace_all(&kept, sign)
            .into_owned();
    }
    // Columns are as wide as what varies.
    let gaps = regex::Regex::new(r"(\S) {2,}").unwrap();
    let kept = gaps.replace_all(&kept, "$1  ").into_owned();
    insta::assert_snapshot!(kept);
}
