//! Where a status holds what belongs into a Secret, and how that leaves it and comes back.

use std::collections::BTreeMap;

use ess_rollout_api::kept::{reference, referred};
use ess_rollout_api::v1alpha1::{
    Container, ContainerGroupUpdate, Plan, RollingUpdateTaskStatus, ScalingGroupRecordStatus,
    ScriptSource, ScriptUpdate, Source, StartIntent, Update,
};
use serde::{Serialize, de::DeserializeOwned};

/// What the texts say that Secrets keep, by their names.
pub type Contents = BTreeMap<String, String>;

/// Takes what belongs into Secrets out of a status, and names each by `name`. Gives it.
pub fn seal(status: &mut RollingUpdateTaskStatus, name: &impl Fn(&str) -> String) -> Contents {
    let mut kept = Contents::new();
    if let Some(plan) = &mut status.plan {
        seal_plan(plan, name, &mut kept);
    }
    if let Some(start) = &mut status.start
        && let Some(scripts) = start.scripts.take()
    {
        start.kept_scripts = Some(keep(write(&scripts), name, &mut kept));
    }
    if let Some(source) = &mut status.source {
        seal_source(source, name, &mut kept);
    }
    kept
}

/// The same of a record.
pub fn seal_record(
    status: &mut ScalingGroupRecordStatus,
    name: &impl Fn(&str) -> String,
) -> Contents {
    let mut kept = Contents::new();
    for text in texts_of_record(status) {
        seal_text(text, name, &mut kept);
    }
    kept
}

fn seal_plan(plan: &mut Plan, name: &impl Fn(&str) -> String, kept: &mut Contents) {
    if let Some(text) = &mut plan.scaling_configuration_containers {
        seal_text(text, name, kept);
    }
    if let Some(update) = plan.source_container_group.take() {
        plan.kept_source_container_group = Some(keep(write(&update), name, kept));
    }
}

fn seal_source(source: &mut Source, name: &impl Fn(&str) -> String, kept: &mut Contents) {
    if let Some(text) = &mut source.scaling_configuration_containers {
        seal_text(text, name, kept);
    }
    // Still a reference: it could not be opened, and what is here is not the whole.
    if source.kept_update.is_some() {
        return;
    }
    let shown = shown(&source.update);
    if shown != source.update {
        source.kept_update = Some(keep(write(&source.update), name, kept));
        source.update = shown;
    }
}

/// What everybody may see of an update.
fn shown(update: &Update) -> Update {
    let mut shown = update.clone();
    if let Some(containers) = &mut shown.container_group {
        shown_containers(containers);
    }
    if let Some(script) = &mut shown.script {
        shown_script(script);
    }
    shown
}

/// No more than names and images: the variables may be passwords, the arguments too.
fn shown_containers(update: &mut ContainerGroupUpdate) {
    let all = update
        .containers
        .iter_mut()
        .chain(&mut update.rollback_containers);
    for container in all {
        *container = Container {
            name: std::mem::take(&mut container.name),
            image: container.image.take(),
            ..Container::default()
        };
    }
}

fn shown_script(script: &mut ScriptUpdate) {
    let sources = std::iter::once(&mut script.run).chain(&mut script.rollback);
    for source in sources.filter(|source| source.inline.is_some()) {
        *source = ScriptSource {
            inline: Some("(see keptUpdate)".to_owned()),
            ..ScriptSource::default()
        };
    }
}

fn seal_text(text: &mut String, name: &impl Fn(&str) -> String, kept: &mut Contents) {
    if referred(text).is_none() {
        *text = keep(std::mem::take(text), name, kept);
    }
}

fn keep(content: String, name: &impl Fn(&str) -> String, kept: &mut Contents) -> String {
    let name = name(&content);
    let reference = reference(&name);
    kept.insert(name, content);
    reference
}

fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Whether something stands in a status that belongs into a Secret: an operator of version 0.1.0 wrote it. Asked at every
/// read, so nothing large is copied.
pub fn is_bare(status: &RollingUpdateTaskStatus) -> bool {
    let is_text = |text: &Option<String>| text.as_deref().is_some_and(|t| referred(t).is_none());
    let plan = status.plan.as_ref().is_some_and(|plan| {
        plan.source_container_group.is_some() || is_text(&plan.scaling_configuration_containers)
    });
    let start = status.start.as_ref().is_some_and(|s| s.scripts.is_some());
    let source = status.source.as_ref().is_some_and(|source| {
        let whole = source.kept_update.is_none() && shown(&source.update) != source.update;
        whole || is_text(&source.scaling_configuration_containers)
    });
    plan || start || source
}

/// The same of a record.
pub fn is_bare_record(status: &ScalingGroupRecordStatus) -> bool {
    let baseline = status.baseline.iter().flat_map(|b| &b.containers);
    let left = status.leftovers.iter().flat_map(|l| &l.containers);
    baseline.chain(left).any(|text| referred(text).is_none())
}

/// The Secrets that a status refers to.
pub fn references(status: &RollingUpdateTaskStatus) -> Vec<String> {
    let (plan, source) = (status.plan.as_ref(), status.source.as_ref());
    let start = status.start.as_ref();
    let all = [
        plan.and_then(|p| p.scaling_configuration_containers.as_ref()),
        plan.and_then(|p| p.kept_source_container_group.as_ref()),
        start.and_then(|s| s.kept_scripts.as_ref()),
        source.and_then(|s| s.scaling_configuration_containers.as_ref()),
        source.and_then(|s| s.kept_update.as_ref()),
    ];
    names(all.into_iter().flatten())
}

/// The Secrets that a record refers to.
pub fn references_of_record(status: &ScalingGroupRecordStatus) -> Vec<String> {
    let baseline = status.baseline.iter().flat_map(|b| &b.containers);
    let left = status.leftovers.iter().flat_map(|l| &l.containers);
    names(baseline.chain(left))
}

fn names<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = texts
        .filter_map(|text| referred(text))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Puts back what Secrets keep. What is not among these stays a reference.
pub fn open(status: &mut RollingUpdateTaskStatus, contents: &Contents) {
    if let Some(plan) = &mut status.plan {
        if let Some(text) = &mut plan.scaling_configuration_containers {
            open_text(text, contents);
        }
        open_value(
            &mut plan.kept_source_container_group,
            contents,
            |update: ContainerGroupUpdate| plan.source_container_group = Some(update),
        );
    }
    if let Some(start) = &mut status.start {
        let StartIntent {
            kept_scripts,
            scripts,
            ..
        } = start;
        open_value(kept_scripts, contents, |texts| *scripts = Some(texts));
    }
    if let Some(source) = &mut status.source {
        if let Some(text) = &mut source.scaling_configuration_containers {
            open_text(text, contents);
        }
        let Source {
            kept_update,
            update,
            ..
        } = source;
        open_value(kept_update, contents, |whole| *update = whole);
    }
}

/// The same of a record.
pub fn open_record(status: &mut ScalingGroupRecordStatus, contents: &Contents) {
    for text in texts_of_record(status) {
        open_text(text, contents);
    }
}

fn texts_of_record(status: &mut ScalingGroupRecordStatus) -> impl Iterator<Item = &mut String> {
    let baseline = status.baseline.iter_mut().flat_map(|b| &mut b.containers);
    let left = status.leftovers.iter_mut().flat_map(|l| &mut l.containers);
    baseline.chain(left)
}

fn open_text(text: &mut String, contents: &Contents) {
    if let Some(content) = referred(text).and_then(|name| contents.get(name)) {
        *text = content.clone();
    }
}

fn open_value<T: DeserializeOwned>(
    kept: &mut Option<String>,
    contents: &Contents,
    put: impl FnOnce(T),
) {
    let name = kept.as_deref().and_then(referred);
    let content = name.and_then(|name| contents.get(name));
    if let Some(value) = content.and_then(|content| serde_json::from_str(content).ok()) {
        *kept = None;
        put(value);
    }
}
