//! `ACS::WaitFor`, `ACS::CheckFor`, `ACS::Sleep`, and the repetition of failing tasks.

use jiff::{Span, SpanTotal, Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::Outcome;
use super::api::describe;
use crate::oos::cut::shorten;
use crate::oos::engine::Engine;
use crate::oos::expr::UNSHOWN;
use crate::oos::host::Host;
use crate::oos::jq;
use crate::oos::kept;
use crate::oos::parameters::same;
use crate::oos::store::derived;
use crate::oos::template::TaskSpec;

/// How a task repeats itself (`Retries`, `DelayType`, ...).
struct Repetition {
    retries: u32,
    kind: String,
    delay: f64,
    back_off: f64,
    max_interval: f64,
}

impl Repetition {
    /// Reads the settings from the task or, where a template puts them there, its properties. All
    /// are resolved.
    fn of(
        given: &Map<String, Value>,
        properties: &Value,
        default_retries: u32,
    ) -> Result<Self, String> {
        let find = |key: &str| {
            let value = given.get(key).or_else(|| properties.get(key));
            value.filter(|value| !value.is_null())
        };
        let get = |key: &str| match find(key) {
            None => Ok(None),
            Some(value) => match value {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_f64(),
            }
            .map(Some)
            .ok_or_else(|| format!("{key} is {value}, which is no number")),
        };
        let kind = match find("DelayType") {
            None => "Exponential",
            Some(kind) => match kind.as_str() {
                Some(kind @ ("Exponential" | "Constant" | "Linear")) => kind,
                _ => return Err(format!("DelayType cannot be {kind}")),
            },
        };
        Ok(Self {
            retries: get("Retries")?.map_or(default_retries, |x: f64| x.clamp(0.0, 300.0) as u32),
            kind: kind.to_owned(),
            delay: get("Delay")?.unwrap_or(2.0).clamp(1.0, 3600.0),
            back_off: get("BackOff")?.unwrap_or(2.0).clamp(0.0, 3600.0),
            max_interval: get("MaxRetryInterval")?
                .unwrap_or(1800.0)
                .clamp(1.0, 3600.0),
        })
    }

    /// Seconds before repetition `n`, counted from 1.
    fn seconds(&self, n: u32) -> i64 {
        let x = match self.kind.as_str() {
            "Constant" => self.delay,
            "Linear" => self.delay + self.back_off * f64::from(n),
            _ => self.delay * self.back_off.powi(n.saturating_sub(1).min(64) as i32),
        };
        x.clamp(1.0, self.max_interval) as i64
    }
}

impl Engine {
    /// Repeats a failed task if its template asks for that. Waits repeat themselves.
    pub(in crate::oos) fn repeat(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        spec: &TaskSpec,
    ) -> bool {
        let is_wait = matches!(spec.action.as_str(), "ACS::WaitFor" | "ACS::Sleep");
        let t = &self.executions[id].tasks[task];
        // What failed before it began has nothing to repeat: its `When` or `Loop` is at fault.
        if is_wait || !t.begun || t.looped.is_some() {
            return false;
        }
        let repetition = match self.repetition(host, id, task, spec, &Value::Null, 0) {
            Ok(repetition) => repetition,
            Err(e) => {
                self.log(
                    id,
                    task,
                    host.now(),
                    format!("The task is not repeated: {e}."),
                );
                return false;
            }
        };
        let Some(t) = self.task_mut(id, task) else {
            return false;
        };
        if t.attempt >= repetition.retries {
            return false;
        }
        t.attempt += 1;
        t.child = None;
        let properties = std::mem::take(&mut t.properties);
        self.uncharge(id, kept::of_value(&properties));
        let Some(t) = self.task_mut(id, task) else {
            return false;
        };
        let seconds = repetition.seconds(t.attempt);
        self.schedule_step(host, id, task, seconds);
        true
    }

    fn repetition(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: usize,
        spec: &TaskSpec,
        properties: &Value,
        default_retries: u32,
    ) -> Result<Repetition, String> {
        const KEYS: &[&str] = &[
            "Retries",
            "DelayType",
            "Delay",
            "BackOff",
            "MaxRetryInterval",
        ];
        let given: Map<String, Value> = KEYS
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), spec.raw.get(*key)?.clone())))
            .collect();
        match self.resolve(host, id, Some(task), &Value::Object(given))? {
            Value::Object(given) => Repetition::of(&given, properties, default_retries),
            _ => Err("what repeats it is not an object".to_owned()),
        }
    }

    pub(super) fn wait_for(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        spec: &TaskSpec,
        properties: &Value,
    ) -> Outcome {
        let poll = match self.poll(host, id, properties) {
            Ok(poll) => poll,
            Err(e) => return Outcome::Failed(e),
        };
        if poll.is_one_of(properties.get("StopRetryValues"), false) {
            return Outcome::Failed(poll.why(&format!(
                "{} must not become {}",
                poll.selector,
                shorten(&json!(poll.values).to_string())
            )));
        }
        if poll.is_as_wanted(properties) {
            return Outcome::Done(poll.answer);
        }
        let repetition = match self.repetition(host, id, task, spec, properties, 10) {
            Ok(repetition) => repetition,
            Err(e) => return Outcome::Failed(e),
        };
        let Some(t) = self.task_mut(id, task) else {
            return Outcome::Stays(None);
        };
        if t.attempt >= repetition.retries {
            return Outcome::Failed(poll.why(&format!(
                "{} is {} after {} tries, {}",
                poll.selector,
                shorten(&json!(poll.values).to_string()),
                t.attempt + 1,
                unmet(properties)
            )));
        }
        t.attempt += 1;
        Outcome::Later(repetition.seconds(t.attempt))
    }

    pub(super) fn check_for(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        properties: &Value,
    ) -> Outcome {
        match self.poll(host, id, properties) {
            Ok(poll) if poll.is_as_wanted(properties) => Outcome::Done(poll.answer),
            Ok(poll) => Outcome::Failed(poll.why(&format!(
                "{} is {}, {}",
                poll.selector,
                shorten(&json!(poll.values).to_string()),
                unmet(properties)
            ))),
            Err(e) => Outcome::Failed(e),
        }
    }

    /// One call and what the selector finds in its answer. A refusal is an answer, too, with
    /// `Code` and `Message`: templates wait until a call goes through that way. A selector that
    /// does not look for them lets the refusal fail the task.
    fn poll(&mut self, host: &mut dyn Host, id: &str, properties: &Value) -> Result<Poll, String> {
        let call = self.call_of(host, properties)?;
        let selector = properties
            .get("PropertySelector")
            .and_then(Value::as_str)
            .unwrap_or(".")
            .to_owned();
        let (answer, error) = match self.call_all_pages(host, id, &call) {
            Ok(answer) => (answer, None),
            Err(e) => {
                let text = describe(&call, &e);
                let body = json!({
                    "Code": e.code, "Message": e.message,
                    "RequestId": e.request_id.unwrap_or_default(),
                });
                (body, Some(text))
            }
        };
        let secret = self.store.is_in(&answer) || self.store.is_in(&json!(selector));
        let found =
            jq::run(&selector, &answer).map_err(|e| if secret { UNSHOWN.to_owned() } else { e });
        // What is found shows in messages about what was waited for.
        if let (true, Ok(values)) = (secret, &found) {
            self.store
                .add_derived(host, derived(&answer, &json!(values)))?;
        }
        let values = match (found, &error) {
            (Ok(values), None) => values,
            (Ok(values), Some(text)) => {
                if values.iter().all(Value::is_null) || !selector.contains("Code") {
                    return Err(text.clone());
                }
                values
            }
            (Err(_), Some(text)) => return Err(text.clone()),
            (Err(e), None) => return Err(e),
        };
        Ok(Poll {
            call: format!("{} {}", call.service, call.api),
            selector,
            values,
            answer,
            error,
        })
    }

    pub(super) fn sleep(
        &mut self,
        host: &dyn Host,
        id: &str,
        task: usize,
        properties: &Value,
    ) -> Outcome {
        let seconds = match sleep_seconds(properties, host.now()) {
            Ok(seconds) => seconds,
            Err(e) => return Outcome::Failed(e),
        };
        let Some(t) = self.task_mut(id, task) else {
            return Outcome::Stays(None);
        };
        if t.attempt > 0 || seconds == 0 {
            return Outcome::Done(Value::Null);
        }
        t.attempt = 1;
        Outcome::Later(seconds)
    }
}

/// Longest sleep, in seconds: a year. OOS names no bound.
const MAX_SLEEP: i64 = 366 * 86_400;

/// How long `ACS::Sleep` has to wait: for its `Duration`, or until its `EndDate`, of which one is
/// required (OOS help on `ACS::Sleep`). An `EndDate` that has passed is no wait.
fn sleep_seconds(properties: &Value, now: Timestamp) -> Result<i64, String> {
    let given = |key: &str| properties.get(key).filter(|value| !value.is_null());
    let seconds = match (given("Duration"), given("EndDate")) {
        (Some(_), Some(_)) | (None, None) => {
            return Err("either Duration or EndDate is needed".to_owned());
        }
        (Some(Value::String(text)), None) => duration(text),
        (Some(other), None) => other.as_i64(),
        (None, Some(date)) => {
            let until: Timestamp = date
                .as_str()
                .and_then(|text| text.to_ascii_uppercase().parse().ok())
                .ok_or("EndDate must be a UTC time such as 2030-01-31T02:00:00Z")?;
            let left = until.duration_since(now);
            // Not a moment too early.
            Some((left.as_secs() + i64::from(left.subsec_nanos() > 0)).max(0))
        }
    };
    seconds
        .filter(|seconds| (0..=MAX_SLEEP).contains(seconds))
        .ok_or_else(|| {
            "the sleep must be an ISO 8601 duration of at most a year, such as PT5M or 1H2M, or end \
             within a year"
                .to_owned()
        })
}

/// Seconds of an ISO 8601 duration, also in its short form: `1M` is a minute, `1H2M` an hour and
/// two minutes.
fn duration(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_uppercase();
    let forms = if text.starts_with('P') {
        vec![text]
    } else {
        vec![format!("PT{text}"), format!("P{text}")]
    };
    let span = forms.iter().find_map(|form| form.parse::<Span>().ok())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let seconds = span
        .total(SpanTotal::from(Unit::Second).days_are_24_hours())
        .ok()?;
    Some(seconds.ceil() as i64)
}

struct Poll {
    call: String,
    selector: String,
    values: Vec<Value>,
    answer: Value,
    error: Option<String>,
}

/// What a task waits for, in words.
fn unmet(properties: &Value) -> String {
    let mut wants = Vec::new();
    if let Some(values) = properties.get("DesiredValues").filter(|v| !v.is_null()) {
        wants.push(format!("not among {}", shorten(&values.to_string())));
    }
    if let Some(values) = properties.get("NotDesiredValues").filter(|v| !v.is_null()) {
        wants.push(format!(
            "which must be none of {}",
            shorten(&values.to_string())
        ));
    }
    wants.join(", ")
}

impl Poll {
    /// Whether all values found are among `DesiredValues` and none is among `NotDesiredValues`,
    /// as far as the task names them. None found is never enough.
    fn is_as_wanted(&self, properties: &Value) -> bool {
        let given = |key: &str| properties.get(key).filter(|values| !values.is_null());
        let desired = given("DesiredValues");
        let not_desired = given("NotDesiredValues");
        (desired.is_some() || not_desired.is_some())
            && !self.values.is_empty()
            && desired.is_none_or(|values| self.is_one_of(Some(values), true))
            && not_desired
                .is_none_or(|values| values.is_array() && !self.is_one_of(Some(values), false))
    }

    /// Whether all (or any) of the values found are among `wanted`. None found is never enough.
    fn is_one_of(&self, wanted: Option<&Value>, all: bool) -> bool {
        let Some(Value::Array(wanted)) = wanted else {
            return false;
        };
        let is_wanted = |value: &Value| wanted.iter().any(|w| same(w, value));
        if self.values.is_empty() {
            return false;
        }
        if all {
            self.values.iter().all(is_wanted)
        } else {
            self.values.iter().any(is_wanted)
        }
    }

    fn why(&self, reason: &str) -> String {
        match &self.error {
            Some(error) => error.clone(),
            None => format!("{}: {reason}", self.call),
        }
    }
}
