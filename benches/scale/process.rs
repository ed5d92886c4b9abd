//! What a process has used of the processor.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Of the kernel's clock that /proc counts in; Linux shows it to programs as 100, whatever it is inside.
const TICKS_PER_SECOND: f64 = 100.0;

/// Time on the processor, in programs and kernel, since the process began.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may have spaces.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("the kernel shows no name of the program")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // 14 and 15 of proc(5), which counts from 1; the name is the second.
    let ticks = |field: usize| -> Result<f64> {
        let text = fields.get(field - 3).context("too few fields")?;
        Ok(text.parse::<u32>()?.into())
    };
    Ok(Duration::from_secs_f64(
        (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
    ))
}
