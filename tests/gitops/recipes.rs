//! The recipes in examples/gitops, from commit to commit. The test plays the tools: it has a Git repository, applies what is
//! committed to the apiserver with the field managers that they use, waits by what they conclude, and prunes.

use std::path::{Path, PathBuf};
use std::process::Command;

use ess_rollout_test_support::chart::documents;
use ess_rollout_test_support::source_root;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::group;
use crate::states::Live;
use crate::{argo, flux, kept};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Flux,
    ArgoCd,
}

/// A kind and a name, as the tools remember what they have applied.
type Applied = (String, String);

/// A recipe under one of the tools.
struct Site<'l> {
    live: &'l Live,
    tool: Tool,
    recipe: &'static str,
    /// The team's repository.
    repository: tempfile::TempDir,
    health: Option<flux::HealthChecks>,
    inventory: Vec<Applied>,
}

fn git(directory: &Path, words: &[&str]) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=team",
            "-c",
            "user.email=team@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn example(recipe: &str) -> PathBuf {
    source_root().join("examples/gitops").join(recipe)
}

impl<'l> Site<'l> {
    fn new(live: &'l Live, tool: Tool, recipe: &'static str) -> Self {
        let repository = tempfile::tempdir().unwrap();
        git(
            repository.path(),
            &["init", "--quiet", "--initial-branch=main"],
        );
        let path = match tool {
            Tool::Flux => {
                let directory = example(recipe).join("flux");
                let rendered = live
                    .scene
                    .kubectl
                    .run(&["kustomize", directory.to_str().unwrap()])
                    .unwrap();
                let all = documents(&rendered).unwrap();
                let sync = all
                    .iter()
                    .find(|object| object["kind"] == "Kustomization")
                    .unwrap();
                let spec = &sync["spec"];
                assert_eq!(
                    (&spec["prune"], &spec["wait"]),
                    (&json!(true), &json!(true))
                );
                let path = spec["path"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("./")
                    .to_owned();
                (path, Some(flux::HealthChecks::of(spec)))
            }
            Tool::ArgoCd => {
                let application = kept::read(&example(recipe).join("argocd/application.yaml"));
                let spec = &application["spec"];
                assert_eq!(
                    spec["syncPolicy"]["automated"],
                    json!({"prune": true, "selfHeal": true})
                );
                assert_eq!(
                    spec["syncPolicy"]["syncOptions"],
                    json!(["ServerSideApply=true"])
                );
                (spec["source"]["path"].as_str().unwrap().to_owned(), None)
            }
        };
        let (path, health) = path;
        assert_eq!(path, "deploy");
        Self {
            live,
            tool,
            recipe,
            repository,
            health,
            inventory: Vec::new(),
        }
    }

    /// Commits the state of a step of the example.
    fn commit(&self, step: &str) {
        self.commit_changed(step, |text| text);
    }

    /// The same with other texts in it.
    fn commit_changed(&self, step: &str, change: impl Fn(String) -> String) {
        let deploy = self.repository.path().join("deploy");
        if deploy.exists() {
            std::fs::remove_dir_all(&deploy).unwrap();
        }
        std::fs::create_dir(&deploy).unwrap();
        for file in std::fs::read_dir(example(self.recipe).join(step)).unwrap() {
            let file = file.unwrap();
            let text = std::fs::read_to_string(file.path()).unwrap();
            std::fs::write(deploy.join(file.file_name()), change(text)).unwrap();
        }
        git(self.repository.path(), &["add", "--all"]);
        git(
            self.repository.path(),
            &["commit", "--quiet", "--message", step],
        );
    }

    /// What is committed, as it is applied.
    fn manifests(&self) -> Vec<Value> {
        let checkout = tempfile::tempdir().unwrap();
        let (from, to) = (
            self.repository.path().to_str().unwrap(),
            checkout.path().join("clone"),
        );
        git(checkout.path(), &["clone", "--quiet", from, "clone"]);
        let deploy = to.join("deploy");
        let rendered = self
            .live
            .scene
            .kubectl
            .run(&["kustomize", deploy.to_str().unwrap()])
            .unwrap();
        let mut all = documents(&rendered).unwrap();
        for object in &mut all {
            object["metadata"]["namespace"] = json!(self.live.scene.namespace);
            let name = format!(
                "{}-{}",
                self.recipe,
                object["metadata"]["name"].as_str().unwrap()
            );
            match self.tool {
                Tool::Flux => {
                    object["metadata"]["labels"] = json!({
                        "kustomize.toolkit.fluxcd.io/name": self.recipe, "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                    });
                }
                Tool::ArgoCd => {
                    let id = format!(
                        "{}:ess-rollout.io/{}:shop/{name}",
                        self.recipe,
                        object["kind"].as_str().unwrap()
                    );
                    object["metadata"]["annotations"] =
                        json!({"argocd.argoproj.io/tracking-id": id});
                }
            }
        }
        all
    }

    fn apply(&self, object: &Value, more: &[&str]) -> anyhow::Result<String> {
        let manager = match self.tool {
            Tool::Flux => "--field-manager=kustomize-controller",
            Tool::ArgoCd => "--field-manager=argocd-controller",
        };
        let words = [
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                manager,
                "-f",
                "-",
            ],
            more,
        ]
        .concat();
        self.live
            .scene
            .kubectl
            .run_with_input(&words, Some(&object.to_string()))
    }

    /// Brings the cluster to what is committed. Flux tries all first and changes nothing when one is refused.
    fn sync(&mut self) -> anyhow::Result<()> {
        let manifests = self.manifests();
        if self.tool == Tool::Flux {
            for object in &manifests {
                self.apply(object, &["--dry-run=server"])?;
            }
        }
        for object in &manifests {
            self.apply(object, &[])?;
        }
        let name = |object: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&object["kind"]), text(&object["metadata"]["name"]))
        };
        let now: Vec<Applied> = manifests.iter().map(name).collect();
        for (kind, name) in self
            .inventory
            .iter()
            .filter(|applied| !now.contains(applied))
        {
            let kind = format!("{}.ess-rollout.io", kind.to_lowercase());
            self.live.scene.kubectl.run(&[
                "delete",
                &kind,
                name,
                "-n",
                &self.live.scene.namespace,
            ])?;
        }
        self.inventory = now;
        Ok(())
    }

    /// What the tool concludes of an object.
    fn verdict(&self, object: &Value) -> String {
        match &self.health {
            Some(health) => health.verdict(object).to_owned(),
            None => argo::verdict(object),
        }
    }

    /// Waits until the tool concludes this of everything that is applied.
    async fn until(&self, flux: &str, argo: &str) {
        let wanted = if self.tool == Tool::Flux { flux } else { argo };
        for (kind, name) in &self.inventory {
            self.live
                .until(kind, name, wanted, |object| {
                    let verdict = self.verdict(object);
                    assert!(
                        !["Failed", "Degraded"].contains(&verdict.as_str()),
                        "{}",
                        object["status"]
                    );
                    verdict == wanted
                })
                .await;
        }
    }

    async fn until_well(&self) {
        self.until("Current", "Healthy").await;
    }
}

async fn all_run(live: &Live, recipe: &str, image: &str) -> bool {
    live.scene
        .all_instances(&format!("asg-bp1{recipe}"), "imageId", image)
        .await
}

async fn release(live: &Live, tool: Tool) {
    let mut site = Site::new(live, tool, "release");
    site.commit("1-first");
    site.sync().unwrap();
    site.until_well().await;
    assert!(all_run(live, "release", "m-bp1first").await);
    let starts = live.scene.starts().await;

    // A manifest that is edited is refused, with the field and the cure, and nothing else happens.
    site.commit_changed("1-first", |text| text.replace("m-bp1first", "m-bp1second"));
    let refused = format!("{:#}", site.sync().unwrap_err());
    assert!(
        refused.contains("spec.update is immutable: create a new task"),
        "{refused}"
    );
    assert!(all_run(live, "release", "m-bp1first").await);

    site.commit("2-second");
    site.sync().unwrap();
    site.until_well().await;
    assert!(all_run(live, "release", "m-bp1second").await);
    assert_eq!(live.scene.starts().await, starts + 1);

    // What is taken away goes; synced again, the release that is left does not run again.
    site.commit("3-first-removed");
    site.sync().unwrap();
    live.scene
        .eventually("web-1 is gone", async || {
            live.scene.find_task("web-1").await.is_none().then_some(())
        })
        .await;
    live.scene.delete("web-2").await;
    live.scene
        .eventually("web-2 is gone", async || {
            live.scene.find_task("web-2").await.is_none().then_some(())
        })
        .await;
    site.sync().unwrap();
    site.until_well().await;
    assert_eq!(
        live.scene.task("web-2").await["status"]["result"]["reason"],
        "AlreadyRun"
    );
    assert_eq!(live.scene.starts().await, starts + 1);
    live.scene.delete("web-2").await;
}

async fn approval(live: &Live, tool: Tool) {
    let mut site = Site::new(live, tool, "approval");
    site.commit("1-asked");
    site.sync().unwrap();
    live.scene.until_paused("web-1", 1).await;
    // The recipe has Flux take the pause for well, so that its Kustomization is ready to be reconciled again.
    site.until("Current", "Suspended").await;
    // Again and again, as both do: that alone approves nothing.
    site.sync().unwrap();
    live.scene.polls(3).await;
    live.scene.until_paused("web-1", 1).await;

    site.commit("2-approved");
    site.sync().unwrap();
    // A person lowers it in the cluster, and the tool puts it back; then the commit is reverted. What was approved stays so.
    live.scene
        .patch_spec("web-1", json!({"approvedBatches": 1}))
        .await;
    site.sync().unwrap();
    live.scene
        .until("web-1", "the approval", |task| {
            task["status"]["latched"]["approvedBatches"] == 2
        })
        .await;
    site.commit("1-asked");
    site.sync().unwrap();
    live.scene.until_state("web-1", "Succeeded").await;
    site.until_well().await;
    assert!(all_run(live, "approval", "m-bp1first").await);

    // Pruned in its pause an update is cancelled, and its group put back, before it goes.
    let named = |text: String, name: &str| {
        let text = text.replace("name: web-1", &format!("name: {name}"));
        let text = text.replace("runKey: web-1", &format!("runKey: {name}"));
        text.replace("m-bp1first", "m-bp1second")
    };
    site.commit_changed("1-asked", |text| named(text, "web-2"));
    site.sync().unwrap();
    live.scene.until_paused("web-2", 1).await;
    assert_eq!(
        live.scene.configuration_image("asc-bp1approval").await,
        "m-bp1second"
    );
    site.commit_changed("1-asked", |text| {
        let text = named(text, "web-3");
        let plan = if text.contains("kind: RollingUpdateTask") {
            "  desiredState: Plan\n"
        } else {
            ""
        };
        text + plan
    });
    site.sync().unwrap();
    assert!(live.scene.find_task("web-2").await.is_none());
    assert_eq!(
        live.scene.configuration_image("asc-bp1approval").await,
        "m-bp1first"
    );
    let suspended = live.scene.suspended_processes("asg-bp1approval").await;
    assert_eq!(suspended, json!(["ScheduledAction"]));
    live.scene.delete("web-3").await;
}

async fn rollback(live: &Live, tool: Tool) {
    let mut site = Site::new(live, tool, "rollback");
    site.commit("1-update");
    site.sync().unwrap();
    site.until_well().await;
    assert!(all_run(live, "rollback", "m-bp1first").await);
    site.commit("2-undone");
    site.sync().unwrap();
    site.until_well().await;
    assert!(all_run(live, "rollback", "m-v1").await);
    let task = live.scene.task("web-1").await;
    assert_eq!(task["status"]["rolledBackBy"]["name"], "web-1-undo");
    // The rollback stays done when the two go.
    for (kind, name) in &site.inventory {
        let api = live.scene.api(&live.scene.namespace, kind);
        api.delete(name, &Default::default()).await.unwrap();
    }
    assert!(all_run(live, "rollback", "m-v1").await);
}

async fn nightly(live: &Live, tool: Tool) {
    let mut site = Site::new(live, tool, "nightly");
    site.commit("1-nightly");
    site.sync().unwrap();
    site.until_well().await;
    // The night does not come while a test waits.
    let now =
        Patch::Merge(json!({"metadata": {"annotations": {"ess-rollout.io/run-now": "tonight"}}}));
    let api = live.scene.api(&live.scene.namespace, "ImageUpdateTask");
    api.patch("web-nightly", &PatchParams::default(), &now)
        .await
        .unwrap();
    let built = live
        .until("ImageUpdateTask", "web-nightly", "an image", |task| {
            task["status"]["state"] == "Scheduled" && task["status"]["imageId"].is_string()
        })
        .await;
    let image = built["status"]["imageId"].as_str().unwrap();
    assert_eq!(
        live.scene.configuration_image("asc-bp1nightly").await,
        image
    );
    assert!(
        all_run(live, "nightly", "m-v1").await,
        "instances in service are left alone"
    );

    site.commit_changed("2-rolled-out", |text| text.replace("m-bp1nightly", image));
    site.sync().unwrap();
    site.until_well().await;
    assert!(all_run(live, "nightly", image).await);
    // What the tools do not declare is left alone.
    let task = live.get("ImageUpdateTask", "web-nightly").await;
    assert_eq!(
        task["metadata"]["annotations"]["ess-rollout.io/run-now"],
        "tonight"
    );
}

async fn recipes(tool: Tool) {
    let recipes = ["release", "approval", "rollback", "nightly"];
    let groups: Vec<Value> = recipes
        .iter()
        .map(|recipe| group(&format!("asg-bp1{recipe}"), 2))
        .collect();
    let images =
        ["m-v1", "m-v2", "m-bp1first", "m-bp1second"].map(|image| json!({"imageId": image}));
    let fixture =
        json!({"scalingGroups": groups, "images": images, "durations": {"createImage": 60}});
    let live = Live::with(fixture, json!({})).await;
    release(&live, tool).await;
    approval(&live, tool).await;
    live.scene
        .eventually("it is gone", async || {
            live.scene.find_task("web-1").await.is_none().then_some(())
        })
        .await;
    rollback(&live, tool).await;
    live.scene
        .eventually("it is gone", async || {
            live.scene.find_task("web-1").await.is_none().then_some(())
        })
        .await;
    nightly(&live, tool).await;
}

#[tokio::test]
async fn the_recipes_succeed_with_flux() {
    recipes(Tool::Flux).await;
}

#[tokio::test]
async fn the_recipes_succeed_with_argo_cd() {
    recipes(Tool::ArgoCd).await;
}
