//! The grammar of request annotations.

use ess_rollout_api::{requests, v1alpha1::Verb};

use crate::identity::hash_text;

/// The longest value that is read.
const VALUE_MAX: usize = 2048;
/// The longest id of an instance.
const INSTANCE_ID_MAX: usize = 128;
/// The longest name of a task.
const TASK_NAME_MAX: usize = 128;
/// The longest name of a window, with its namespace.
const WINDOW_NAME_MAX: usize = 320;
/// The most windows that one request may name one by one.
const WINDOWS_MAX: usize = 20;
/// The most instances that one request may name one by one.
pub const TARGETS_MAX: usize = 100;

/// The verbs, in the order in which requests seen at the same time take effect: what stops work
/// comes before what goes on with it.
pub const VERBS: [(Verb, &str); 8] = [
    (Verb::Cancel, requests::CANCEL),
    (Verb::CancelInstances, requests::CANCEL_INSTANCES),
    (Verb::Skip, requests::SKIP),
    (Verb::Retry, requests::RETRY),
    (Verb::RetryGate, requests::RETRY_GATE),
    (Verb::OverrideWindow, requests::OVERRIDE_WINDOW),
    (Verb::Continue, requests::CONTINUE),
    (Verb::RunNow, requests::RUN_NOW),
];

/// Which pause a `continue` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseTarget {
    /// The pause with this number.
    Id(i32),
    /// The one that there is when the request is accepted.
    Current,
}

/// One instance of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceTarget {
    /// The instance.
    pub instance: String,
    /// The attempt that the request was made against, when it names one.
    pub attempt: Option<i32>,
}

/// Reads the value of `continue`: `<pauseId>[@<nonce>]` or `current@<nonce>`.
///
/// # Errors
/// A sentence for the user.
pub fn parse_continue(value: &str) -> Result<PauseTarget, String> {
    let value = bounded(value)?;
    let pause = match value.split_once('@') {
        None => value,
        Some((pause, nonce)) => {
            check_nonce(nonce)?;
            if pause == "current" {
                return Ok(PauseTarget::Current);
            }
            pause
        }
    };
    positive(pause).map(PauseTarget::Id).ok_or_else(|| {
        format!(
            "{value:?} is neither a pause number (status.pause.id), alone or with @<nonce>, nor current@<nonce>"
        )
    })
}

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// These instances.
    Instances(Vec<InstanceTarget>),
    /// Every instance that failed and that nobody has decided about.
    Failed,
    /// Every instance of this batch that the verb can be for.
    Batch(i32),
    /// The failed task of the execution itself with this name; of a loop, its failed items.
    Task(String),
}

impl Targets {
    /// The name of a set, as `status.actions[].targets` has it; `None`: instances are named.
    pub fn set(&self) -> Option<String> {
        match self {
            Self::Instances(_) => None,
            Self::Failed => Some("failed".to_owned()),
            Self::Batch(batch) => Some(format!("batch-{batch}")),
            Self::Task(name) => Some(format!("task:{name}")),
        }
    }
}

/// Why the value of a request on instances is refused, each with a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstancesError {
    /// It does not follow the grammar.
    Malformed(String),
    /// It names more than [`TARGETS_MAX`] instances.
    TooManyTargets(String),
}

impl From<String> for InstancesError {
    fn from(why: String) -> Self {
        Self::Malformed(why)
    }
}

/// Reads the value of `retry`, `skip` or `cancel-instances`: `<instance>[/<attempt>][,...]@<nonce>`,
/// or a set in the place of the list: `failed`, `batch-<number>`, `task:<name>`.
/// An instance that is named twice in the same way counts once.
///
/// # Errors
/// A sentence for the user.
pub fn parse_targets(value: &str) -> Result<Targets, InstancesError> {
    let value = bounded(value)?;
    let (list, nonce) = value
        .rsplit_once('@')
        .ok_or_else(|| format!("{value:?} lacks @<nonce>, for instance i-example@1"))?;
    check_nonce(nonce)?;
    if list == "failed" {
        return Ok(Targets::Failed);
    }
    if let Some(batch) = list.strip_prefix("batch-") {
        let number = positive(batch).ok_or_else(|| format!("{batch:?} is no batch number"))?;
        return Ok(Targets::Batch(number));
    }
    if let Some(name) = list.strip_prefix("task:") {
        if !is_word(name, TASK_NAME_MAX) || name.contains([',', '@']) {
            return Err(format!("{list:?} names no task").into());
        }
        return Ok(Targets::Task(name.to_owned()));
    }
    parse_instances(list).map(Targets::Instances)
}

fn parse_instances(list: &str) -> Result<Vec<InstanceTarget>, InstancesError> {
    let named: Result<Vec<_>, String> = list.split(',').map(parse_instance).collect();
    let named = named?;
    let mut targets: Vec<InstanceTarget> = Vec::with_capacity(named.len());
    for target in named {
        match targets.iter().find(|t| t.instance == target.instance) {
            None => targets.push(target),
            Some(same) if *same == target => {}
            Some(_) => return Err(format!("{} is named with two attempts", target.instance).into()),
        }
    }
    if targets.len() > TARGETS_MAX {
        return Err(InstancesError::TooManyTargets(format!(
            "a request names at most {TARGETS_MAX} instances, and this one names {}: failed@<nonce> and batch-<number>@<nonce> stand for more",
            targets.len()
        )));
    }
    Ok(targets)
}

fn parse_instance(item: &str) -> Result<InstanceTarget, String> {
    let (instance, attempt) = match item.split_once('/') {
        None => (item, None),
        Some((instance, attempt)) => {
            let number = positive(attempt);
            number.ok_or_else(|| format!("{attempt:?} is no attempt number"))?;
            (instance, number)
        }
    };
    if !is_word(instance, INSTANCE_ID_MAX) {
        return Err(format!("{item:?} names no instance"));
    }
    Ok(InstanceTarget {
        instance: instance.to_owned(),
        attempt,
    })
}

/// Reads the value of a request that is for the whole object, `cancel`, `run-now` or `retry-gate`: `<nonce>`.
///
/// # Errors
/// A sentence for the user.
pub fn parse_whole(value: &str) -> Result<(), String> {
    check_nonce(bounded(value)?)
}

/// Which windows an `override-window` is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowTargets {
    /// All that are for the object when the request is accepted.
    All,
    /// These: `spec.window`, a name, `<namespace>/<name>`.
    Named(Vec<String>),
}

/// Reads the value of `override-window`: `<window>[,...]@<nonce>` or `all@<nonce>`.
///
/// # Errors
/// A sentence for the user.
pub fn parse_override_window(value: &str) -> Result<WindowTargets, String> {
    let value = bounded(value)?;
    let (list, nonce) = value
        .rsplit_once('@')
        .ok_or_else(|| format!("{value:?} lacks @<nonce>, for instance all@1"))?;
    check_nonce(nonce)?;
    if list == "all" {
        return Ok(WindowTargets::All);
    }
    let mut names: Vec<String> = Vec::new();
    for name in list.split(',') {
        if !is_word(name, WINDOW_NAME_MAX) || name.contains('@') {
            return Err(format!("{name:?} names no window"));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    match names.len() <= WINDOWS_MAX {
        true => Ok(WindowTargets::Named(names)),
        false => Err(format!(
            "a request names at most {WINDOWS_MAX} windows, and this one names {}: all@<nonce> stands for more",
            names.len()
        )),
    }
}

/// Whether a value follows the grammar of its verb.
///
/// # Errors
/// A sentence for the user.
pub fn check(verb: Verb, value: &str) -> Result<(), String> {
    match verb {
        Verb::Continue => parse_continue(value).map(|_| ()),
        Verb::Retry | Verb::Skip | Verb::CancelInstances => match parse_targets(value) {
            Ok(_) => Ok(()),
            Err(InstancesError::Malformed(why) | InstancesError::TooManyTargets(why)) => Err(why),
        },
        Verb::Cancel | Verb::RunNow | Verb::RetryGate => parse_whole(value),
        Verb::OverrideWindow => parse_override_window(value).map(|_| ()),
    }
}

/// The id of a request in the ledger: the same value is the same request.
pub fn action_id(verb: Verb, value: &str) -> String {
    format!("{}-{}", verb.word(), &hash_text(value)[..16])
}

fn bounded(value: &str) -> Result<&str, String> {
    if value.len() > VALUE_MAX {
        Err(format!("the value is longer than {VALUE_MAX} bytes"))
    } else if value.contains(char::is_control) {
        Err("the value must be one line".to_owned())
    } else {
        Ok(value)
    }
}

fn positive(number: &str) -> Option<i32> {
    number.parse().ok().filter(|number| *number > 0)
}

fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.contains(char::is_whitespace)
}

fn check_nonce(nonce: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    match (1..=64).contains(&nonce.len()) && nonce.bytes().all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "{nonce:?} is no nonce: 1 to 64 of the characters A-Z a-z 0-9 . _ : -"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_continue_names_a_pause_or_the_current_one() {
        assert_eq!(parse_continue("2"), Ok(PauseTarget::Id(2)));
        assert_eq!(parse_continue("2@1700000000"), Ok(PauseTarget::Id(2)));
        assert_eq!(
            parse_continue("current@2026-01-01T00:00:00Z"),
            Ok(PauseTarget::Current)
        );
        for bad in [
            "",
            "0",
            "-1",
            "current",
            "current@",
            "current@a b",
            "2@",
            "0@n",
            "@n",
            "1@a@b",
            "yes",
            "1\n",
        ] {
            assert!(parse_continue(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn instances_may_carry_the_attempt_they_are_meant_for() {
        assert_eq!(
            parse_targets("i-a,i-b/2@n1"),
            Ok(Targets::Instances(vec![
                InstanceTarget {
                    instance: "i-a".into(),
                    attempt: None
                },
                InstanceTarget {
                    instance: "i-b".into(),
                    attempt: Some(2)
                },
            ]))
        );
        for bad in [
            "i-a",
            "@n",
            "i-a,@n",
            "i-a/0@n",
            "i-a/x@n",
            "i-a@",
            "i a@n",
            "i-a/1,i-a/2@n",
            "batch-0@n",
            "batch-@n",
            "task:@n",
            "task:a,b@n",
            "failed",
            &format!("{}@n", "i".repeat(129)),
        ] {
            let refused = parse_targets(bad);
            assert!(
                matches!(refused, Err(InstancesError::Malformed(_))),
                "{bad:?}"
            );
        }
        assert_eq!(parse_instances("i-a,i-a").map(|t| t.len()), Ok(1));
        for (value, set) in [
            ("failed@n", Targets::Failed),
            ("batch-3@n", Targets::Batch(3)),
            ("task:tagInstance@n", Targets::Task("tagInstance".into())),
        ] {
            assert_eq!(parse_targets(value), Ok(set.clone()));
            assert_eq!(set.set().as_deref(), value.strip_suffix("@n"));
        }
        let many: Vec<String> = (0..=TARGETS_MAX).map(|n| format!("i-{n}")).collect();
        let refused = parse_targets(&format!("{}@n", many.join(",")));
        assert!(matches!(refused, Err(InstancesError::TooManyTargets(_))));
    }

    #[test]
    fn windows_are_named_one_by_one_or_all_at_once() {
        let named = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned());
            Ok(WindowTargets::Named(names.collect()))
        };
        assert_eq!(parse_override_window("all@1"), Ok(WindowTargets::All));
        assert_eq!(parse_override_window("nights@1"), named(&["nights"]));
        assert_eq!(
            parse_override_window("spec.window,shop/nights,spec.window@1"),
            named(&["spec.window", "shop/nights"])
        );
        let many: Vec<String> = (0..=WINDOWS_MAX).map(|n| format!("w-{n}")).collect();
        let many = format!("{}@1", many.join(","));
        for bad in [
            "",
            "all",
            "@1",
            "nights,@1",
            "a b@1",
            "nights@",
            "a@b@1",
            &many,
        ] {
            assert!(parse_override_window(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::seeded::config(256))]

        #[test]
        fn no_value_makes_the_grammar_panic(value in ".{0,200}") {
            let _ = parse_continue(&value);
            let _ = parse_targets(&value);
            let _ = parse_whole(&value);
            let _ = parse_override_window(&value);
        }
    }
}
