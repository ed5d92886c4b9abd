//! What was approved is what runs: whatever the start is made of besides the spec is pinned when it is first
//! read, and a start with anything else is refused.
//!
//! Whoever creates an object says what runs. ConfigMaps may be in the hands of others, as is the wish to run what
//! is only planned, so the text of a script is pinned for good: another text takes another object. A template
//! and the newest version of a package change without anybody's having touched the object: a plan pins them, and
//! planning again pins them anew.

use ess_rollout_api::v1alpha1::{PinnedInputs, Plan, RollingUpdateTaskStatus, ScriptHashes};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::preflight::Ready;
use crate::rollout::context::Context;
use crate::rollout::scripts;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// Of a hash in a message.
const HASH_SHOWN: usize = 12;

fn pinned<'s>(ctx: &Context<'_>, status: &'s mut RollingUpdateTaskStatus) -> &'s mut PinnedInputs {
    status.pinned.get_or_insert_with(|| PinnedInputs {
        time: Time(ctx.now()),
        scripts: None,
        template_version: None,
        package_version: None,
    })
}

/// Pins the scripts that come from ConfigMaps, or says what has changed. Nothing else stands against them.
pub(in crate::rollout) fn scripts(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) -> Option<Problem> {
    if !scripts::from_config_maps(ctx.spec) {
        return None;
    }
    let now = ctx.update.scripts()?.hashes();
    let pinned = pinned(ctx, status);
    match &pinned.scripts {
        None => {
            pinned.scripts = Some(now);
            None
        }
        Some(before) if *before == now => None,
        Some(before) => Some(changed_text(ctx, pinned, before, &now)),
    }
}

fn changed_text(
    ctx: &Context<'_>,
    pinned: &PinnedInputs,
    before: &ScriptHashes,
    now: &ScriptHashes,
) -> Problem {
    let script = ctx.spec.update.script.as_ref();
    let rollback = script.and_then(|script| script.rollback.as_ref());
    let fields = [
        ("run", script.map(|script| &script.run)),
        ("rollback", rollback),
    ];
    let hashes = |of: &ScriptHashes| [of.run.clone(), of.rollback.clone().unwrap_or_default()];
    let both = hashes(before).into_iter().zip(hashes(now));
    let changed = fields
        .into_iter()
        .zip(both)
        .filter(|(_, (before, now))| before != now);
    let short = |hash: &str| hash.chars().take(HASH_SHOWN).collect::<String>();
    let each = changed.map(|((field, source), (before, now))| {
        let key = source.and_then(|source| source.config_map_key_ref.as_ref());
        let place = key.map_or(String::new(), |key| {
            format!(" (key {} of ConfigMap {})", key.key, key.name)
        });
        let field = ctx.update.row().field_of(ctx.author, field);
        let (before, now) = (short(&before), short(&now));
        format!("{field}{place} was sha256 {before} and is {now} now")
    });
    let message = format!(
        "{}: what runs is what was there when this object was first checked, at {}; put that text back, or delete this object and create it anew",
        each.collect::<Vec<_>>().join("; "),
        pinned.time.0
    );
    Problem::blocked(Reason::PlanChanged, message)
}

/// Pins what a plan was made with.
pub(in crate::rollout) fn plan(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    template_version: &str,
    plan: &Plan,
) {
    let pinned = pinned(ctx, status);
    pinned.template_version = Some(template_version.to_owned()).filter(|v| !v.is_empty());
    pinned.package_version.clone_from(&plan.package_version);
}

/// What differs from the plan that somebody has looked at, if one was made.
pub(in crate::rollout) fn changed(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    ready: &Ready,
) -> Option<Problem> {
    let pinned = status.pinned.as_ref()?;
    let template = (
        format!("public template {}", ctx.update.template()),
        pinned.template_version.as_deref(),
        Some(ready.template_version.as_str()).filter(|version| !version.is_empty()),
    );
    let package = ctx.spec.update.package.as_ref();
    let package = (
        format!("package {}", package.map_or("", |package| &package.name)),
        pinned.package_version.as_deref(),
        ready.plan.package_version.as_deref(),
    );
    let each: Vec<String> = [template, package]
        .into_iter()
        .filter_map(|(what, before, now)| Some((what, before?, now?)))
        .filter(|(_, before, now)| before != now)
        .map(|(what, before, now)| format!("{what} was version {before} and is {now} now"))
        .collect();
    (!each.is_empty()).then(|| {
        let message = format!(
            "{}, which is not what was planned: set spec.desiredState to Plan, and to Run again when the plan is as you want it",
            each.join("; ")
        );
        Problem::blocked(Reason::PlanChanged, message)
    })
}

/// How the members differ from those of the plan that somebody has looked at: OOS takes those that are eligible at
/// the start, so this is said, and stands against nothing.
pub(in crate::rollout) fn note(status: &RollingUpdateTaskStatus, plan: &Plan) -> Option<String> {
    status.pinned.as_ref()?.template_version.as_ref()?;
    let planned = status.plan.as_ref()?;
    let absent = |one: &Plan, other: &Plan| {
        let among = |id: &str| other.members.iter().any(|member| member.id == id);
        one.members.iter().filter(|m| !among(&m.id)).count()
    };
    let (gone, new) = (absent(planned, plan), absent(plan, planned));
    (gone + new > 0).then(|| {
        format!(
            "{} instances were planned: {gone} of them are not eligible any more, and {new} others are by now",
            planned.members.len()
        )
    })
}
