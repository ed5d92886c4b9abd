//! Alarms: rules of CloudMonitor, and the event-triggered tasks of ESS. Nothing is measured here: a
//! state is what the fixture says, until an event or the control API says otherwise.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The states of a rule, in the words of both APIs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// What is watched is as it should be.
    #[default]
    Ok,
    /// It is not.
    Alarm,
    /// There is nothing to judge by.
    InsufficientData,
}

impl AlarmState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut all = [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter();
        all.find(|state| state.name() == name)
    }
}

/// When values of a metric raise an alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Condition {
    /// As the API of the rule has it: `GreaterThanThreshold` or `>=`.
    pub(crate) comparison_operator: Option<String>,
    pub(crate) statistics: String,
    pub(crate) threshold: f64,
    /// How often in a row.
    pub(crate) times: u32,
    /// Seconds.
    pub(crate) period: u32,
}

impl Default for Condition {
    fn default() -> Self {
        Self {
            comparison_operator: None,
            statistics: "Average".into(),
            threshold: 80.0,
            times: 3,
            period: 60,
        }
    }
}

/// A rule: of CloudMonitor when it has no scaling group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// `RuleId` of CloudMonitor, `AlarmTaskId` of ESS.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    /// The application group of CloudMonitor that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) monitor_group_id: Option<String>,
    /// The scaling group that an alarm of ESS is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scaling_group_id: Option<String>,
    pub(crate) namespace: String,
    pub(crate) metric_name: String,
    pub(crate) enabled: bool,
    /// How it stands now.
    pub state: AlarmState,
    /// The instances that are to blame while it is in ALARM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) instances: Vec<String>,
    /// `Critical`, `Warn` or `Info`.
    pub(crate) level: String,
    #[serde(flatten)]
    pub(crate) condition: Condition,
    pub(crate) created: Timestamp,
    /// When it changed its state last.
    pub updated: Timestamp,
    /// What it told when it went off and when that was over, the oldest first.
    #[serde(skip)]
    pub(crate) history: VecDeque<Notification>,
}

/// That an alarm went off, or is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    pub(crate) at: Timestamp,
    pub(crate) triggered: bool,
}

/// So much of its history a rule keeps: a rule that flutters must not fill the memory.
const HISTORY: usize = 1000;

impl Alarm {
    /// What `ACS::AlarmTrigger` gets when it goes off.
    fn notice(&self) -> Value {
        let mut notice = json!({
            "namespace": self.namespace,
            "metricName": self.metric_name,
            "ruleId": self.id,
            "alertName": self.name,
            "alertState": self.state.name(),
            "regionId": self.region,
            "timestamp": self.updated.as_millisecond(),
        });
        if let Some(group) = &self.monitor_group_id {
            notice["groupId"] = json!(group);
        }
        if let Some(group) = &self.scaling_group_id {
            notice["scalingGroupId"] = json!(group);
        }
        notice
    }
}

/// All rules by id.
#[derive(Debug, Clone, Default)]
pub struct Alarms {
    /// Those of CloudMonitor.
    pub rules: BTreeMap<String, Alarm>,
    /// Those of ESS.
    pub tasks: BTreeMap<String, Alarm>,
}

impl Alarms {
    /// A rule of either kind.
    pub fn get(&self, id: &str) -> Option<&Alarm> {
        self.rules.get(id).or_else(|| self.tasks.get(id))
    }

    /// A rule gets to another state. Gives what it tells when it goes off; a disabled one tells
    /// nothing. `None` in an error for a rule that does not exist.
    pub(crate) fn set(
        &mut self,
        id: &str,
        state: AlarmState,
        now: Timestamp,
    ) -> Result<Option<Value>, String> {
        let found = match self.rules.get_mut(id) {
            Some(rule) => Some(rule),
            None => self.tasks.get_mut(id),
        };
        let alarm = found.ok_or_else(|| {
            format!("no alarm {id}: metricRules and alarms of the fixture have others")
        })?;
        if alarm.state == state {
            return Ok(None);
        }
        let is_over = alarm.state == AlarmState::Alarm && state == AlarmState::Ok;
        let goes_off = state == AlarmState::Alarm;
        alarm.state = state;
        alarm.updated = now;
        if !alarm.enabled {
            return Ok(None);
        }
        if goes_off || is_over {
            if alarm.history.len() == HISTORY {
                alarm.history.pop_front();
            }
            alarm.history.push_back(Notification {
                at: now,
                triggered: goes_off,
            });
        }
        Ok(goes_off.then(|| alarm.notice()))
    }
}
