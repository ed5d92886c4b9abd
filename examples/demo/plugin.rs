//! An update with failing instances, from its manifest to its end and back, with `kubectl ess-rollout` alone.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support::process::find_program;
use serde_json::json;

use crate::stage::{Demo, TEAM};

/// Fails the first time, and is retried.
const RETRIED: &str = "i-demo-web-02";
/// Fails, and is passed over.
const SKIPPED: &str = "i-demo-web-05";

/// The shell in which it is typed.
struct Shell {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    /// With the manifest in it.
    directory: tempfile::TempDir,
}

impl Shell {
    fn new(demo: &Demo, manifest: &str) -> Result<Self> {
        let (kubectl, kubeconfig) = demo.kubectl();
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("web-v2.yaml"), manifest)?;
        Ok(Self {
            kubectl,
            kubeconfig,
            directory,
        })
    }

    /// Types a command; it has to end with this exit status.
    fn types(&self, words: &str, wanted: i32) -> Result<()> {
        println!("\n$ kubectl ess-rollout {words}");
        let plugin = find_program("kubectl-ess_rollout")?;
        let plugins = plugin.parent().context("the plugin has no directory")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let status = Command::new(&self.kubectl)
            .arg("ess-rollout")
            .args(split(words))
            .args(["--namespace", TEAM])
            .current_dir(self.directory.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", format!("{}:{path}", plugins.display()))
            // Enough for every line that is not cut anyway.
            .env("COLUMNS", "160")
            .status()?;
        let code = status.code();
        ensure!(code == Some(wanted), "{words}: {status}, and not {wanted}");
        if wanted != 0 {
            println!("(exit status {wanted})");
        }
        Ok(())
    }
}

/// As a shell does, as far as it is needed here.
fn split(words: &str) -> Vec<String> {
    let parts = words.split('\'').enumerate();
    let parts = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    parts.collect()
}

pub async fn plugin(demo: &mut Demo, manifest: &str) -> Result<()> {
    for instance in [RETRIED, SKIPPED] {
        let fault = json!({
            "service": "ECS", "action": "ReplaceSystemDisk", "caller": "oos", "params": {"InstanceId": instance},
            "effect": {"kind": "error", "status": 403, "code": "QuotaExceed.DiskCapacity", "message": "The used capacity of disk type has exceeded the quota in the zone."},
        });
        demo.fault(&fault).await?;
    }
    let shell = Shell::new(demo, manifest)?;
    shell.types("lint web-v2.yaml", 0)?;
    shell.types("plan -f web-v2.yaml", 0)?;
    shell.types("run web-v2 --no-follow", 0)?;
    // 4: it waits for a person.
    shell.types("wait web-v2", 4)?;
    shell.types("status web-v2", 0)?;
    shell.types("logs web-v2 --failed", 0)?;
    shell.types(
        &format!("retry web-v2 {RETRIED} -m 'the quota was raised'"),
        0,
    )?;
    shell.types("wait web-v2 --for=Paused", 0)?;
    shell.types("continue web-v2 -m 'the first batch looks well'", 0)?;
    shell.types("wait web-v2", 4)?;
    shell.types(&format!("skip web-v2 {SKIPPED} -m 'it goes anyway'"), 0)?;
    shell.types("status web-v2 --watch", 0)?;
    shell.types("status web-v2", 0)?;
    demo.print_groups().await?;
    shell.types("rollback web-v2", 0)?;
    shell.types("wait rollback/web-v2-undo --for=Finished", 0)?;
    shell.types("get --all-namespaces", 0)?;
    shell.types("history asg-demo-web", 0)?;
    shell.types("groups asg-demo-web", 0)?;
    for object in [("rollingupdatetask", "web-v2"), ("rollback", "web-v2-undo")] {
        demo.count(object.0, object.1);
    }
    Ok(())
}
