//! How a plan is shown: the batches that there would be, and who is in which.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{GateFailurePolicy, Plan, SuspensionPolicy};
use jiff::Timestamp;

use super::page::{Page, Style, counted, wrapped};
use crate::rollout::Rollout;

/// Lines of instances of one batch; with `-v` all.
const BATCH_LINES: usize = 2;
/// Batches that are shown; with `-v` all.
const BATCHES: usize = 12;

/// The whole of it; nothing is known before the operator has looked at the group.
pub fn screen(rollout: &Rollout, now: Timestamp, style: Style) -> Vec<String> {
    let mut page = Page::new(now, style);
    let Some(plan) = &rollout.status.plan else {
        page.plain("  no plan: the operator has not read the scaling group for it");
        return page.lines;
    };
    head(&mut page, rollout, plan);
    batches(&mut page, plan);
    left_out(&mut page, plan);
    page.lines
}

fn head(page: &mut Page, rollout: &Rollout, plan: &Plan) {
    let count = plan.members.len();
    let batches = usize::try_from(plan.batches).unwrap_or_default();
    let (instances, batches) = (counted(count, "instance"), counted(batches, "batch"));
    let mut facts = vec![format!("{instances} in {batches}")];
    let policy = &rollout.policy;
    let pauses = match policy.suspension_policy {
        SuspensionPolicy::Automatic => "no pause",
        SuspensionPolicy::SuspendFirstBatch => "a pause after the first",
        SuspensionPolicy::SuspendEachBatch => "a pause after each",
    };
    facts.push(pauses.to_owned());
    let soak = policy.gates.as_ref().and_then(|gates| gates.soak_seconds);
    facts.extend(soak.map(|seconds| format!("{seconds} s in service before the next")));
    let gates = policy.gates.as_ref();
    if gates.is_some_and(|gates| gates.alarms.is_some()) {
        facts.push("alarms are watched".to_owned());
    }
    if gates.is_some_and(|gates| gates.load_balancer.is_some()) {
        facts.push("load balancers are asked".to_owned());
    }
    let names = |all: &mut dyn Iterator<Item = &String>| {
        let all: Vec<&str> = all.map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let measured = names(
        &mut gates
            .iter()
            .flat_map(|gates| &gates.metrics)
            .map(|m| &m.name),
    );
    facts.extend(measured.map(|names| format!("{names} measured")));
    let asked = names(
        &mut gates
            .iter()
            .flat_map(|gates| &gates.webhooks)
            .map(|w| &w.name),
    );
    facts.extend(asked.map(|names| format!("{names} asked")));
    if gates.is_some_and(|gates| gates.on_failed == GateFailurePolicy::Rollback) {
        facts.push("rolled back by itself when a check fails".to_owned());
    }
    if policy.windows.window.is_some() || !policy.windows.window_refs.is_empty() {
        facts.push("in its window".to_owned());
    }
    let time = plan.time.as_ref();
    facts.extend(time.map(|time| format!("as read {} ago", page.ago(time))));
    page.plain(&format!("  plan: {}", facts.join(", ")));
    if let Some(configuration) = &plan.scaling_configuration_id {
        let image = plan.scaling_configuration_image_id.as_ref();
        let image = image.map_or(String::new(), |image| format!(", which carries {image}"));
        page.plain(&format!("  scaling configuration {configuration}{image}"));
    }
    let from = plan
        .source_image_id
        .clone()
        .map(|image| format!("image {image}"));
    let package = plan.source_package.as_ref();
    let package = package.map(|package| match &package.version {
        Some(version) => format!("version {version} of the package"),
        None => "no version of the package".to_owned(),
    });
    if let Some(from) = from.or(package) {
        page.plain(&format!("  all instances have {from} now: the way back"));
    }
    if !plan.suspended_processes.is_empty() {
        let processes = plan.suspended_processes.join(", ");
        page.plain(&format!("  suspended before, and after: {processes}"));
    }
}

fn batches(page: &mut Page, plan: &Plan) {
    let mut batches: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for member in &plan.members {
        batches.entry(member.batch).or_default().push(&member.id);
    }
    let shown = if page.style.verbose {
        batches.len()
    } else {
        BATCHES
    };
    for (batch, members) in batches.iter().take(shown) {
        let count = counted(members.len(), "instance");
        page.plain(&format!("  batch {batch}, {count}:"));
        let lines = if page.style.verbose {
            usize::MAX
        } else {
            BATCH_LINES
        };
        let width = page.style.width.saturating_sub(4);
        for line in wrapped(&members.join(" "), width, lines) {
            page.plain(&format!("    {line}"));
        }
    }
    if batches.len() > shown {
        let more = batches.len() - shown;
        page.plain(&format!("  and {more} more batches: -v lists them"));
    }
}

fn left_out(page: &mut Page, plan: &Plan) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for left in plan.left_out.iter().flatten() {
        reasons.entry(&left.reason).or_default().push(&left.id);
    }
    for (reason, ids) in reasons {
        let (count, ids) = (ids.len(), ids.join(" "));
        page.plain(&format!("  {count} take no part ({reason}): {ids}"));
    }
}
