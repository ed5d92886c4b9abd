//! Two runs held against each other: does a script, a template or an operator make the same calls as
//! it did before? What changes something is compared in its order for each resource that it is
//! about; between resources the order may be another, as between jobs that run side by side. Ids
//! that were made up during a run, nonces and client tokens do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::compare::{Difference, is_hex, is_uuid};
use super::format::{self, RecordingError};
use super::scene::STAND_IN;
use crate::secrets::HIDDEN;
use crate::state::call::Service;
use crate::state::journal::Entry;

/// What counts besides changes, and what does not.
#[derive(Debug, Default)]
pub struct Options {
    /// Reads, too: which there are, not how often and in which order.
    pub reads: bool,
    /// Names of parameters that may differ.
    pub ignored: BTreeSet<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many calls of the recorded run counted.
    pub recorded: usize,
    /// How many of the new one.
    pub new: usize,
    /// Resource by resource the first difference.
    pub differences: Vec<Difference>,
}

/// A recording, or a journal as the control API shows it.
#[derive(Deserialize)]
struct Calls {
    #[serde(alias = "entries")]
    calls: Vec<Entry>,
}

/// Reads the calls of a recording, or of a saved `GET /_emulator/journal`.
///
/// # Errors
/// When the file is neither, or written by a later version.
pub fn read(file: &Path) -> Result<Vec<Entry>, RecordingError> {
    let name = file.display().to_string();
    let text = format::text(file)?;
    format::check_version(&name, &text)?;
    let calls: Calls = serde_json::from_str(&text)
        .map_err(|error| RecordingError::NotOne(name, error.to_string()))?;
    Ok(calls.calls)
}

/// Parameters that are another in each run.
const NONCES: &[&str] = &["ClientToken", "NextToken", "SignatureNonce"];

/// What calls are about: the first of these that a call has, in its parameters or in those of an
/// execution that it starts.
const SUBJECTS: &[&str] = &[
    "ScalingGroupId",
    "ScalingConfigurationId",
    "ContainerGroupId",
    "InstanceId",
    "InstanceIds",
    "ResourceId",
    "ResourceIds",
    "ImageId",
    "ExecutionId",
    "TemplateName",
    "Name",
];

/// How actions begin that change nothing.
const READS: &[&str] = &["Describe", "List", "Get", "Validate", "Check", "Search"];

fn is_read(call: &Entry) -> bool {
    // A session is nothing that the account has.
    call.service == Some(Service::Sts) || READS.iter().any(|verb| call.action.starts_with(verb))
}

/// Whether a call says something about who made it. One that was throttled is made again, how often
/// is a matter of time; one whose signature was refused is nobody's.
fn counts(call: &Entry) -> bool {
    !call.principal.is_empty() && !call.by_script && !call.code.contains("Throttling")
}

/// A call as it is compared.
#[derive(Debug, Clone)]
struct Step {
    seq: usize,
    text: String,
}

/// By what calls are about, with made-up ids as `*`: one list for each of them.
type Sequences = BTreeMap<String, Vec<Vec<Step>>>;

/// Holds a new run against the recorded one.
pub fn compare(recorded: &[Entry], new: &[Entry], options: &Options) -> Comparison {
    let (old, came) = (changes(recorded, options), changes(new, options));
    let count = |of: &Sequences| of.values().flatten().map(Vec::len).sum();
    let mut found = Comparison {
        recorded: count(&old),
        new: count(&came),
        differences: Vec::new(),
    };
    let keys: BTreeSet<&String> = old.keys().chain(came.keys()).collect();
    let none = Vec::new();
    for key in keys {
        let (a, b) = (
            old.get(key).unwrap_or(&none),
            came.get(key).unwrap_or(&none),
        );
        found.differences.extend(pair(key, a, b));
    }
    if options.reads {
        let (old, came) = (reads(recorded, options), reads(new, options));
        found.recorded += old.len();
        found.new += came.len();
        let lost = old.difference(&came);
        found
            .differences
            .extend(lost.map(|text| Difference::new("a read", text, "it is not made")));
        let fresh = came.difference(&old);
        found
            .differences
            .extend(fresh.map(|text| Difference::new("a read", "nothing", text)));
    }
    found
}

/// Puts together the lists of calls that are the same, and names what is left over.
fn pair(key: &str, old: &[Vec<Step>], new: &[Vec<Step>]) -> Vec<Difference> {
    let texts = |list: &[Step]| -> Vec<String> { list.iter().map(|s| s.text.clone()).collect() };
    let mut left: Vec<&Vec<Step>> = new.iter().collect();
    let mut lost = Vec::new();
    for list in old {
        let same = left.iter().position(|n| texts(n) == texts(list));
        match same {
            Some(at) => drop(left.remove(at)),
            None => lost.push(list),
        }
    }
    let mut found = Vec::new();
    let none = Vec::new();
    for n in 0..lost.len().max(left.len()) {
        let a = lost.get(n).copied().unwrap_or(&none);
        let b = left.get(n).copied().unwrap_or(&none);
        let at = (0..a.len().max(b.len()))
            .find(|i| a.get(*i).map(|s| &s.text) != b.get(*i).map(|s| &s.text))
            .unwrap_or_default();
        let told = |step: Option<&Step>| {
            step.map_or_else(
                || "no more calls".to_owned(),
                |step| format!("call {}, {}", step.seq, step.text),
            )
        };
        found.push(Difference::new(
            format!("what changes {key}, step {}", at + 1),
            told(a.get(at)),
            told(b.get(at)),
        ));
    }
    found
}

fn changes(calls: &[Entry], options: &Options) -> Sequences {
    let mut by_subject: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for call in calls.iter().filter(|call| counts(call) && !is_read(call)) {
        let params = unfolded(Value::Object(call.params.clone()));
        let subject = SUBJECTS
            .iter()
            .find_map(|name| subject(&params, name))
            .unwrap_or_else(|| call.action.clone());
        let step = Step {
            seq: call.seq,
            text: line(call, params, options),
        };
        by_subject.entry(subject).or_default().push(step);
    }
    let mut sequences = Sequences::new();
    for (subject, steps) in by_subject {
        sequences.entry(normal(&subject)).or_default().push(steps);
    }
    sequences
}

fn reads(calls: &[Entry], options: &Options) -> BTreeSet<String> {
    let reads = calls.iter().filter(|call| counts(call) && is_read(call));
    reads
        .filter(|call| !call.by_oos)
        .map(|call| line(call, unfolded(Value::Object(call.params.clone())), options))
        .collect()
}

/// JSON in texts as what it says, so that the order of its members makes no difference.
fn unfolded(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        Value::Array(items) => items.into_iter().map(unfolded).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, unfolded(value)))
            .collect(),
        other => other,
    }
}

/// The value of a parameter by this name, whatever its case, the outermost first.
fn subject(params: &Value, name: &str) -> Option<String> {
    let members = params.as_object()?;
    let own = members
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((_, value)) = own {
        return match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
    }
    members.values().find_map(|value| subject(value, name))
}

fn line(call: &Entry, mut params: Value, options: &Options) -> String {
    if let Some(members) = params.as_object_mut() {
        members.retain(|name, _| !NONCES.contains(&name.as_str()));
    }
    strip(&mut params, &options.ignored);
    params.sort_all_objects();
    let service = call.service.map_or("", |service| service.name());
    // Sessions of a role are named as the client likes.
    let by = match call.principal.strip_prefix("assumed-role/") {
        Some(role) => role.split('/').next().unwrap_or(role),
        None => &call.principal,
    };
    let through = if call.by_oos { " through OOS" } else { "" };
    let (action, code) = (&call.action, &call.code);
    let params = normal(&params.to_string());
    format!("{service} {action} {params} by {by}{through}: {code}")
}

/// Takes parameters out that may differ.
fn strip(value: &mut Value, names: &BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(name));
            members.values_mut().for_each(|value| strip(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| strip(value, names)),
        _ => {}
    }
}

/// A text with `*` for what is another in each run: ids that the emulator made up (`exec-` and 16
/// hexadecimal digits), UUIDs, and secrets, for which a recording has stand-ins and a journal stars.
fn normal(text: &str) -> String {
    let text = text.replace(HIDDEN, "*");
    let mut normal = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        match word.rsplit_once('-') {
            _ if is_uuid(word) => normal.push('*'),
            Some((secret, _)) if secret.ends_with(STAND_IN) => {
                normal.push_str(secret.trim_end_matches(STAND_IN));
                normal.push('*');
            }
            Some((prefix, id)) if is_hex(id, 16) => {
                normal.push_str(prefix);
                normal.push_str("-*");
            }
            _ => normal.push_str(word),
        }
        let sign = tail.chars().next().map_or(0, char::len_utf8);
        normal.push_str(&tail[..sign]);
        rest = &tail[sign..];
    }
    normal
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(seq: usize, action: &str, params: &Value, code: &str) -> Entry {
        serde_json::from_value(json!({
            "seq": seq, "time": "2026-01-01T00:00:00Z", "service": "ESS", "action": action,
            "region": "cn-hangzhou", "principal": "ci", "byOos": false, "params": params,
            "status": 200, "code": code, "message": "", "requestId": "r", "fault": null,
            "effectTime": null,
        }))
        .unwrap()
    }

    fn standby(seq: usize, group: &str, token: &str) -> Entry {
        let params = json!({"ScalingGroupId": group, "InstanceIds": ["i-1"], "ClientToken": token});
        call(seq, "EnterStandby", &params, "OK")
    }

    fn found(old: &[Entry], new: &[Entry]) -> Vec<String> {
        let found = compare(old, new, &Options::default());
        found.differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn order_counts_within_a_resource_and_not_between_two() {
        let suspend = |seq| {
            let params = json!({"ScalingGroupId": "asg-a"});
            call(seq, "SuspendProcesses", &params, "OK")
        };
        let read = call(9, "DescribeScalingGroups", &json!({}), "OK");
        let throttled = call(8, "EnterStandby", &json!({}), "Throttling.User");
        let old = [
            suspend(1),
            standby(2, "asg-a", "t1"),
            standby(3, "asg-b", "t2"),
        ];
        let new = [
            standby(1, "asg-b", "t3"),
            suspend(2),
            standby(3, "asg-a", "t4"),
            read,
            throttled,
        ];
        assert_eq!(found(&old, &new), Vec::<String>::new());
        let other = [
            standby(1, "asg-a", "t"),
            suspend(2),
            standby(3, "asg-b", "t"),
        ];
        let differences = found(&old, &other);
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert!(
            differences[0]
                .starts_with("what changes asg-a, step 1: recorded call 1, ESS SuspendProcesses"),
            "{differences:?}"
        );
        let fewer = found(&old, &old[..2]);
        assert!(fewer[0].ends_with("now no more calls"), "{fewer:?}");
    }

    #[test]
    fn ids_of_a_run_and_the_order_in_json_do_not_count() {
        let start = |seq, id: &str, parameters: &str| {
            let params = json!({"ExecutionId": id, "Parameters": parameters});
            call(seq, "NotifyExecution", &params, "OK")
        };
        let old = [
            start(1, "exec-0123456789abcdef", r#"{"a":1,"b":2}"#),
            start(2, "exec-1123456789abcdef", r#"{"a":2}"#),
        ];
        let new = [
            start(1, "exec-2123456789abcdef", r#"{"a":2}"#),
            start(2, "exec-3123456789abcdef", r#"{"b":2,"a":1}"#),
        ];
        assert_eq!(found(&old, &new), Vec::<String>::new());
        assert_eq!(found(&old, &new[..1]).len(), 1);
        assert_eq!(
            normal("m-bp1after, exec-0123456789abcdef: 123e4567-e89b-12d3-a456-426614174000"),
            "m-bp1after, exec-*: *"
        );
    }

    #[test]
    fn what_may_differ_is_said_and_reads_count_when_they_are_asked_for() {
        let old = [call(
            1,
            "ModifyScalingGroup",
            &json!({"ScalingGroupId": "asg-a", "MinSize": "1"}),
            "OK",
        )];
        let new = [
            call(
                1,
                "ModifyScalingGroup",
                &json!({"ScalingGroupId": "asg-a", "MinSize": "2"}),
                "OK",
            ),
            call(
                2,
                "DescribeScalingGroups",
                &json!({"ScalingGroupIds": ["asg-a"]}),
                "OK",
            ),
        ];
        let ignored = BTreeSet::from(["MinSize".to_owned()]);
        let mut options = Options {
            reads: false,
            ignored,
        };
        assert_eq!(compare(&old, &new, &options).differences, []);
        options.reads = true;
        assert_eq!(compare(&old, &new, &options).differences.len(), 1);
    }
}
