//! Runs a command with a control plane beside it: `with-control-plane -- cargo test`.
//!
//! Every test process below finds it through a variable and uses it instead of starting one. The exit status is
//! the command's; the control plane ends with the command.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use ess_rollout_test_support::ControlPlane;
use ess_rollout_test_support::control_plane::HANDSHAKE_VARIABLE;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8> {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|word| word == "--");
    let Some(program) = words.next() else {
        bail!("usage: with-control-plane [--] COMMAND [ARGUMENT…]");
    };
    let control_plane = ControlPlane::start()?;
    let directory = control_plane
        .directory()
        .context("a control plane that was just started owns its files")?;
    let file = directory.join("handshake.json");
    std::fs::write(&file, serde_json::to_string(control_plane.handshake())?)?;
    let status = Command::new(&program)
        .args(words)
        .env(HANDSHAKE_VARIABLE, &file)
        // For a person who looks in with kubectl: `with-control-plane -- bash`.
        .env("KUBECONFIG", control_plane.kubeconfig())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    // A command that a signal ended has no code.
    Ok(status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}
