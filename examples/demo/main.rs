//! `make demo`: the main job on a bare machine. A control plane, the emulated cloud and the operator are started; objects
//! are applied with kubectl, continued by annotation and by `approvedBatches`, a failing instance is retried and another
//! passed over, an update is undone, and all are watched to their end. What is printed is read from the objects and from
//! the emulator's journal of calls.
//!
//! `KIND=script|image|package|containerGroup|imageUpdate` shows one kind of update on its own, `KIND=gates` updates that nobody
//! watches, `KIND=plugin` the command line.

mod gates;
mod plugin;
mod show;
mod stage;

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::Value;

use stage::{Demo, SYSTEM, TASK, Watched};

const ROLLBACK: fn(&'static str) -> Watched = |name| Watched("rollback", name);

/// A manifest of the demo by its name.
macro_rules! manifest {
    ($name:literal) => {
        include_str!(concat!("manifests/", $name, ".yaml"))
    };
}

#[tokio::main]
async fn main() -> Result<()> {
    let kind = std::env::var("KIND").unwrap_or_default();
    // Before anything is started.
    let kinds = [
        "",
        "script",
        "image",
        "package",
        "containerGroup",
        "imageUpdate",
        "gates",
        "plugin",
    ];
    if !kinds.contains(&kind.as_str()) {
        bail!(
            "KIND is {kind}: leave it out, or use one of{}",
            kinds.join(" ")
        );
    }
    let began = Instant::now();
    let mut demo = Demo::start(kind == "gates").await?;
    println!("\nScaling groups, before:");
    demo.print_groups().await?;
    match kind.as_str() {
        "script" => script(&mut demo)?,
        "image" => image(&mut demo).await?,
        "package" => package(&mut demo)?,
        "containerGroup" => containers(&mut demo).await?,
        "imageUpdate" => image_update(&mut demo).await?,
        "gates" => gates::gates(&mut demo, manifest!("gated"), manifest!("windowed")).await?,
        "plugin" => {
            title("An image with failing instances, and back, with kubectl ess-rollout alone");
            plugin::plugin(&mut demo, manifest!("web-v2")).await?;
        }
        _ => {
            script(&mut demo)?;
            image(&mut demo).await?;
            twins(&mut demo)?;
        }
    }
    title("What people see");
    demo.show_objects()?;
    demo.show(&["get", "scalinggrouprecords", "--namespace", SYSTEM])?;
    println!("\nScaling groups, after:");
    demo.print_groups().await?;
    demo.close(began).await
}

fn title(text: &str) {
    println!("\n== {text}");
}

/// Nobody is asked for anything.
fn nothing(_: &Demo, _: Watched, _: &Value) -> Result<()> {
    Ok(())
}

fn script(demo: &mut Demo) -> Result<()> {
    title("A script, in three batches, with a pause after the first");
    demo.apply("restart-agent", manifest!("restart-agent"))?;
    demo.watch(&[TASK("restart-agent")], Demo::continue_pause)?;

    title("A script that fails on two instances: one is retried, the other is passed over");
    demo.apply("rotate-certificates", manifest!("rotate-certificates"))?;
    demo.watch(&[TASK("rotate-certificates")], Demo::retry_then_skip)
}

async fn image(demo: &mut Demo) -> Result<()> {
    title("An image, half of the group at a time, with a pause after each batch");
    demo.apply("web-v2", manifest!("web-v2"))?;
    demo.watch(&[TASK("web-v2")], Demo::approve)?;
    demo.print_groups().await?;

    title("The image update is undone");
    demo.apply("web-v2-undo", manifest!("web-v2-undo"))?;
    demo.watch(&[ROLLBACK("web-v2-undo")], nothing)?;
    demo.print_groups().await
}

fn twins(demo: &mut Demo) -> Result<()> {
    title("Two updates of one group, applied at the same instant, run one after the other");
    demo.apply("api-script and api-v2", manifest!("api-twins"))?;
    demo.watch(&[TASK("api-script"), TASK("api-v2")], Demo::continue_pause)
}

fn package(demo: &mut Demo) -> Result<()> {
    title("Version v2 of an OOS package, in two batches, with a pause after the first");
    demo.apply("agent-v2", manifest!("agent-v2"))?;
    demo.watch(&[TASK("agent-v2")], Demo::continue_pause)?;

    title("Back to version v1");
    demo.apply("agent-v2-undo", manifest!("agent-v2-undo"))?;
    demo.watch(&[ROLLBACK("agent-v2-undo")], nothing)
}

async fn containers(demo: &mut Demo) -> Result<()> {
    title(
        "A container of elastic container instances, in two batches, with a pause after the first",
    );
    demo.apply("app-v2", manifest!("app-v2"))?;
    demo.watch(&[TASK("app-v2")], Demo::continue_pause)?;
    demo.print_groups().await?;

    title("The containers are as before again");
    demo.apply("app-v2-undo", manifest!("app-v2-undo"))?;
    demo.watch(&[ROLLBACK("app-v2-undo")], nothing)?;
    demo.print_groups().await
}

async fn image_update(demo: &mut Demo) -> Result<()> {
    const NIGHTLY: Watched = Watched("imageupdatetask", "web-nightly");
    title("An image is built from an instance and put into the scaling configuration");
    demo.apply("web-nightly", manifest!("web-nightly"))?;
    demo.watch(&[NIGHTLY], nothing)?;
    demo.print_groups().await?;

    title("Back to an earlier image, one edit away");
    demo.patch(NIGHTLY, r#"{"spec":{"imageId":"m-web-v1"}}"#)?;
    demo.until(NIGHTLY, "/status/imageId", "m-web-v1")?;
    demo.print_groups().await
}
