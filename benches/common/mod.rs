//! What both benchmarks need: the release binary, the memory of a process, a fixture in a file, percentiles.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ess_rollout_test_support as support;
use serde_json::Value;
use support::process::find_program;

/// The operator as `make bench` builds it.
///
/// # Errors
/// When it is another build: its figures would say nothing.
pub fn release_binary() -> Result<PathBuf> {
    let binary = find_program("ess-rollout")?;
    ensure!(
        binary
            .components()
            .any(|part| part.as_os_str() == "release"),
        "{} is no release binary: run `make bench`",
        binary.display()
    );
    Ok(binary)
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}

/// Memory of a process as the kernel accounts it, in bytes: `VmRSS`, what is resident, or `VmHWM`, the most that ever was.
pub fn memory(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("the kernel shows no {field}"))?;
    Ok(kib.parse::<u64>()? << 10)
}

/// Writes a fixture of the emulator into a file that goes away with this process.
pub fn write_fixture(fixture: &Value) -> Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("ess-rollout-bench-")
        .tempdir()?;
    support::watchdog::add_directory(directory.path())?;
    let path = directory.keep().join("fixture.yaml");
    // JSON is YAML.
    fs::write(&path, fixture.to_string())?;
    Ok(path)
}

/// The smallest sample that so many percent of all are not above.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}
