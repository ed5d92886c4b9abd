//! What watches a scaling group for people: alert rules of CloudMonitor, and event-triggered tasks of ESS.

use crate::words::open_enum;

open_enum! {
    /// CloudMonitor `AlertState`, ESS `State` of an event-triggered task: the same three words.
    AlarmState {
        /// What is measured is as it should be.
        Ok = "OK",
        /// It is not.
        Alarm = "ALARM",
        /// Too little was measured.
        InsufficientData = "INSUFFICIENT_DATA",
    }
}

/// An alert rule of CloudMonitor (DescribeMetricRuleList), or an event-triggered task of ESS (DescribeAlarms).
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// `RuleId`, `AlarmTaskId`.
    pub id: String,
    /// `RuleName`, `Name`; may be empty.
    pub name: String,
    /// `AlertState`, `State`.
    pub state: AlarmState,
    /// `EnableState`, `Enable`: one that is not keeps the state that it was in.
    pub enabled: bool,
}
