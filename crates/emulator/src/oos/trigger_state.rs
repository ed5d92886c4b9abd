//! What an execution that waits for its trigger holds.

use jiff::Timestamp;

/// What makes a trigger start a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// `ACS::TimerTrigger`.
    Timer,
    /// `ACS::EventTrigger`.
    Event,
    /// `ACS::AlarmTrigger`.
    Alarm,
}

impl TriggerKind {
    /// The kind that an action is.
    pub(super) fn of(action: &str) -> Option<Self> {
        Some(match action {
            "ACS::TimerTrigger" => Self::Timer,
            "ACS::EventTrigger" => Self::Event,
            "ACS::AlarmTrigger" => Self::Alarm,
            _ => return None,
        })
    }

    /// As `Category` of executions spells it.
    pub(super) fn category(self) -> &'static str {
        match self {
            Self::Timer => "TimerTrigger",
            Self::Event => "EventTrigger",
            Self::Alarm => "AlarmTrigger",
        }
    }

    /// From the `Type` of `TriggerExecution`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Timer" => Self::Timer,
            "Event" => Self::Event,
            "Alarm" => Self::Alarm,
            _ => return None,
        })
    }
}

/// The state of an execution that waits for its trigger.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    pub(super) kind: TriggerKind,
    pub(super) task: usize,
    pub(super) next: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_status: String,
    pub(super) last_message: String,
    pub(super) last_outputs: String,
    /// The child that runs.
    pub(super) child: Option<String>,
    pub(super) fired: usize,
}
