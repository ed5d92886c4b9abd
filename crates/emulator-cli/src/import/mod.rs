//! `ess-emulator import`: a fixture of what a real account has.
//!
//! - [`reads`]: lists, page by page
//! - [`found`]: what is read
//! - [`stand_ins`]: names, ids and addresses in place of the real ones
//! - [`scene`]: a fixture
//! - [`write`]: from what was found to a fixture

mod found;
mod reads;
mod scene;
mod stand_ins;
mod write;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_rollout_aliyun::{Limiter, Limits, Rate};
use tokio::runtime::Runtime;

use crate::output::{beside, check_replaceable};
use crate::real::{self, Asking};
use found::Found;
use reads::Reads;

/// What is imported, and how.
#[derive(Debug, Args)]
pub struct Importing {
    #[command(flatten)]
    asking: Asking,
    /// Scaling groups to import, by commas; all of the region without it
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    groups: Vec<String>,
    /// Where the fixture is written; without it to the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep ids, names and values of tags. Ids of accounts in them are replaced, and addresses, user data, commands and environment
    /// variables are left out all the same
    #[arg(long)]
    keep_names: bool,
    /// The most calls a second to each API, instead of 25 for lists of instances and configurations and 10 for others
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
}

/// Reads the account and writes the fixture.
///
/// # Errors
/// Without credentials, when the groups cannot be read, a call is not answered, or the fixture cannot be written.
pub fn run(runtime: &Runtime, options: &Importing) -> anyhow::Result<()> {
    if let Some(file) = &options.output {
        check_replaceable(file)
            .with_context(|| format!("cannot write the fixture to {}", file.display()))?;
    }
    let limits = match options.rate.map(Rate::per_second) {
        None => Limits::default(),
        Some(rate) => Limits {
            oos_reads: rate,
            ess_instances: rate,
            ess: rate,
            ecs: rate,
            eci: rate,
            ..Limits::default()
        },
    };
    let (client, whose) = options
        .asking
        .client(runtime, Arc::new(Limiter::new(limits)))?;
    let region = options.asking.region();
    eprintln!("As {whose}, in {region}, this reads and changes nothing:");
    for action in found::actions() {
        eprintln!("- {action}");
    }
    let mut account = real::Real::new(runtime.handle().clone(), client, region, 1.0);
    let mut reads = Reads::of(&mut account);
    let mut found = Found::groups(&mut reads, &options.groups)?;
    let chosen = !options.groups.is_empty();
    eprintln!(
        "{} groups with {} members: about {} calls more.",
        found.groups.len(),
        found.size(),
        found.calls_left(chosen)
    );
    found.rest(&mut reads, chosen)?;
    let (calls, unread) = (reads.calls, reads.unread);
    let (scene, gaps) = write::write(&found, region, options.keep_names);
    for line in LEFT_OUT {
        eprintln!("not imported: {line}");
    }
    for line in &unread {
        eprintln!("could not be read: {line}");
    }
    for line in &gaps {
        eprintln!("not as it is: {line}");
    }
    let text = head(options, &unread, &gaps)
        + &serde_saphyr::to_string(&scene).context("the fixture cannot be written as YAML")?;
    // What the emulator would refuse is of no use to anybody.
    Fixture::parse(&text)
        .and_then(|mut fixture| {
            fixture.start_time = Some(jiff::Timestamp::UNIX_EPOCH);
            Cloud::new(&fixture)
        })
        .context(
            "the fixture that was made is refused by ess-emulator itself: please report this",
        )?;
    eprintln!("{calls} calls were made.");
    match &options.output {
        Some(file) => replace(file, &text)
            .with_context(|| format!("cannot write the fixture to {}", file.display())),
        None => std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to the standard output"),
    }
}

/// What is not even asked for, or is not taken over of what was answered, because a fixture has no
/// words for it or an account may have very much of it.
const LEFT_OUT: &[&str] = &[
    "scaling rules, alarm tasks, scheduled tasks and notifications",
    "of groups: vSwitches, health checks, removal, scaling and multi-zone policies, cooldowns, protection from deletion",
    "of scaling configurations and launch templates: disks, security groups, networks, tags, prices, user data",
    "disks and snapshots, and what load balancers have besides the members of groups",
    "OOS templates and parameters, saved commands, rules of CloudMonitor",
];

fn head(options: &Importing, unread: &[String], gaps: &[String]) -> String {
    let mut head = format!(
        "# Made by ess-emulator import {} from what an account has in {}.\n",
        env!("CARGO_PKG_VERSION"),
        options.asking.region()
    );
    head.push_str(match options.keep_names {
        true => "# Ids, names and values of tags are the real ones, but for ids of accounts in them. Addresses, user data, commands and variables are left out.\n",
        false => "# Ids, names, addresses and values of tags are stand-ins. User data, commands and variables are left out.\n",
    });
    head.push_str(
        "# The AccessKey and the role of OOS are the emulator's own, and may everything.\n",
    );
    // Writing to a text cannot fail.
    for line in LEFT_OUT {
        let _ = writeln!(head, "# Not imported: {line}");
    }
    for line in unread {
        let _ = writeln!(head, "# Could not be read: {line}");
    }
    for line in gaps {
        let _ = writeln!(head, "# Not as it is: {line}");
    }
    head
}

/// Writes a file whole, or leaves what is there.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let part = beside(file);
    std::fs::write(&part, text)?;
    std::fs::rename(&part, file)
}
