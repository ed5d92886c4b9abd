//! The program as it is started.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ess_rollout_test_support::Emulator;

#[tokio::test]
async fn two_files_of_one_name_are_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = directory.path().join("fixture.yaml");
    std::fs::write(&fixture, "regions: [cn-hangzhou]\n").unwrap();
    let template = "FormatVersion: OOS-2019-06-01\nTasks: [{Name: a, Action: 'ACS::Sleep', Properties: {Duration: PT1S}}]\n";
    let actions = directory.path().join("actions");
    for folder in ["old", "new"] {
        std::fs::create_dir_all(actions.join(folder)).unwrap();
        std::fs::write(actions.join(folder).join("ACS::My::Action.yml"), template).unwrap();
    }
    std::fs::write(actions.join("ACS::My::Other.yml"), template).unwrap();
    let flags = ["--actions", actions.to_str().unwrap()];
    let mut emulator = Emulator::start_with(&fixture, &flags).unwrap();
    let log = std::fs::read_to_string(emulator.directory().join("emulator.log")).unwrap();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("same name"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    for part in ["ACS::My::Action", "old/ACS::My", "new/ACS::My"] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    emulator.process().stop().unwrap();
}
