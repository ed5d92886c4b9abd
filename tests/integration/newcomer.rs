//! Somebody new, with the book alone: what its pages say is typed as it stands, from the installation to its end, and each
//! kind of update after its page.

use std::os::unix::fs::PermissionsExt;

use ess_rollout_test_support::{ControlPlane, Emulator, Operator};
use serde_json::{Value, json};

use crate::manuals::{Terminal, emulator_with};
use crate::scene::{fixture, group, with};

/// The groups, images and packages that the pages name.
fn of_the_pages() -> Value {
    let mut script = group("asg-bp1script", 6);
    let mut web = group("asg-bp1example", 12);
    let mut package = group("asg-bp1package", 4);
    for group in [&mut script, &mut web, &mut package] {
        group["configurations"][0]["imageId"] = json!("m-bp1before");
    }
    package["instances"]["packages"] = json!({"my-agent": "v2"});
    let eci = json!({
        "scalingGroupId": "asg-bp1eci",
        "groupType": "ECI",
        "maxSize": 20,
        "eciConfigurations": [{
            "scalingConfigurationId": "asc-bp1eci",
            "containers": [{"Name": "shop", "Image": "registry.example.com/shop:2026-10", "Cpu": 1}],
        }],
        "containerGroups": {"count": 3},
    });
    let failing = json!([
        {"instance": "i-bp1script-02", "attempt": 1, "exitCode": 5, "output": "the unit is masked\n"},
        {"instance": "i-bp1script-05", "exitCode": 6, "output": "no space left on device\n"},
    ]);
    with(
        fixture(),
        json!({
            "images": [{"imageId": "m-v1"}, {"imageId": "m-bp1before"}, {"imageId": "m-bp1example"}, {"imageId": "m-bp1december"}],
            "packages": [{"name": "my-agent", "versions": 3}],
            "scalingGroups": [web, script, package, group("asg-bp1certificates", 4), group("asg-bp1nightly", 2), eci],
            "commands": failing,
        }),
    )
}

/// An installation after the page, and the operator that it would run.
struct Installed {
    operator: Operator,
    emulator: Emulator,
    terminal: Terminal,
    // Ends last.
    _control_plane: ControlPlane,
}

fn installed() -> Installed {
    let control_plane = ControlPlane::start().unwrap();
    let terminal = Terminal::new(&control_plane);
    let emulator = emulator_with(terminal.directory.path(), &of_the_pages());
    terminal.follows("install.md", "The namespace and the AccessKey");
    terminal.begins("install.md", "With Helm");
    terminal.kubectl.wait_for_crds().unwrap();
    let operator = terminal.operator(&control_plane, &emulator);
    terminal.follows("start.md", "Before the first update");
    Installed {
        operator,
        emulator,
        terminal,
        _control_plane: control_plane,
    }
}

impl Installed {
    /// The images of the instances of a group, each once.
    async fn images(&self, group: &str) -> Vec<String> {
        let state = self.emulator.get("state").await.unwrap();
        let of_group = |instance: &&Value| {
            let id = instance["instanceId"].as_str().unwrap();
            id.starts_with(&group.replace("asg-", "i-"))
        };
        let instances = state["instances"].as_array().unwrap().iter();
        let images = instances.filter(of_group).map(|i| i["imageId"].as_str());
        let mut images: Vec<String> = images.map(|id| id.unwrap().to_owned()).collect();
        images.sort();
        images.dedup();
        images
    }

    #[track_caller]
    fn says(&self, printed: &str, parts: &[&str]) {
        for part in parts {
            assert!(printed.contains(part), "{part:?} is not in\n{printed}");
        }
    }
}

#[tokio::test]
async fn a_newcomer_comes_from_the_installation_to_its_end_by_typing_what_the_book_says() {
    let installed = installed();
    let terminal = &installed.terminal;

    let printed = terminal.follows("start.md", "The first update");
    installed.says(&printed, &["BatchSuspended", "1/4", "3/12"]);
    assert_eq!(
        installed.images("asg-bp1example").await,
        ["m-bp1before", "m-bp1example"]
    );
    let printed = terminal.follows("start.md", "Continue");
    installed.says(&printed, &["Succeeded: "]);
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1example"]);

    // Another team, whose namespace may not use the operator's credentials: its task waits, and can be asked.
    terminal.follows("install.md", "Two replicas");
    terminal.types("kubectl create namespace shop; kubectl -n shop apply -f web-2026-11.yaml");
    terminal.follows("approvals.md", "Install");
    terminal.follows("approvals.md", "Who may ask for what");
    terminal.follows("approvals.md", "Under whose name");
    terminal.follows("approvals.md", "Four eyes");

    terminal.saves_what("update-script.md");
    let printed = terminal.follows("requests.md", "Something failed");
    installed.says(&printed, &["i-bp1script-02", "ess-rollout.io/retry"]);
    terminal.follows("requests.md", "The pause after a batch");
    let printed = terminal.follows("requests.md", "An instance that cannot be updated");
    installed.says(
        &printed,
        &[
            "PartlyUpdated: ",
            "Retry Applied Retried",
            "Continue Applied Continued",
            "Skip Applied Skipped",
        ],
    );
    terminal.follows("requests.md", "Cancel");

    terminal.saves_what("rollback.md");
    let printed = terminal.follows("rollback.md", "Run");
    installed.says(&printed, &["Succeeded: ", "web-2026-11-undo"]);
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1before"]);

    terminal.follows("uninstall.md", "1. End what runs");
    terminal.follows("uninstall.md", "2. See what is left, and keep the records");
    assert!(terminal.absent(&["rollingupdatetasks", "--all-namespaces"]));
    drop(installed.operator);
    terminal.begins("uninstall.md", "3. Remove the operator");
    terminal.follows("uninstall.md", "4. Remove everything");
    assert!(terminal.absent(&["namespace/ess-rollout"]));
}

#[tokio::test]
async fn each_kind_of_update_goes_as_its_page_says() {
    let installed = installed();
    let terminal = &installed.terminal;

    let printed = terminal.follows("update-image.md", "Update images");
    installed.says(&printed, &["condition met"]);
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1december"]);
    terminal.follows("update-script.md", "A script from a ConfigMap");
    terminal.follows("update-package.md", "Install packages");
    terminal.follows("update-containers.md", "Update containers");
    let state = installed.emulator.get("state").await.unwrap();
    let containers = state["containerGroups"].to_string();
    assert!(
        containers.contains("shop:2026-11") && !containers.contains("shop:2026-10"),
        "{containers}"
    );

    let printed = terminal.follows("image-update-tasks.md", "Image update tasks");
    installed.says(&printed, &["asc-bp1nightly m-"]);

    terminal.saves_what("planning.md");
    let printed = terminal.follows("planning.md", "See the plan");
    installed.says(&printed, &["1 i-bp1example-01", "4 i-bp1example-12"]);
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1december"]);
    terminal.follows("planning.md", "Start it");
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1example"]);

    // The pipeline of the page of the plugin, with what is the reader's: the manifest, and tests that find nothing.
    let manifest = std::fs::read_to_string(terminal.directory.path().join("web-planned.yaml"));
    let manifest = manifest
        .unwrap()
        .replace("web-planned", "web")
        .replace("m-bp1example", "m-bp1before")
        .replace("desiredState: Plan", "suspensionPolicy: SuspendFirstBatch");
    terminal.saves("web.yaml", &manifest);
    terminal.saves("smoke-test", "#!/bin/sh\nexit 0\n");
    let smoke_test = terminal.directory.path().join("smoke-test");
    std::fs::set_permissions(smoke_test, PermissionsExt::from_mode(0o755)).unwrap();
    terminal.follows("command-line.md", "Exit status");
    assert_eq!(installed.images("asg-bp1example").await, ["m-bp1before"]);
}

#[test]
fn the_emulated_cloud_starts_as_its_page_says() {
    let control_plane = crate::scene::control_plane();
    let terminal = Terminal::new(control_plane);
    let printed = terminal.follows("emulator.md", "A fixture");
    assert!(printed.contains("asg-bp1ci"), "{printed}");
}
