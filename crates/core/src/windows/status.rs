//! What is shown of a `MaintenanceWindow`.

use ess_rollout_api::v1alpha1::{MaintenanceWindowSpec, MaintenanceWindowStatus, condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Invalid, State, Window, evaluate, is_never_due};
use crate::conditions::{set, shorten};
use crate::task::reason::Reason;
use crate::task::refusal::Refusal;

/// The most bytes of `status.reason` (CRD).
const REASON_MAX: usize = 512;

/// What is shown of a `MaintenanceWindow`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectStatus {
    /// Its status.
    pub status: MaintenanceWindowStatus,
    /// Until then it stays as it is.
    pub look_again: Timestamp,
}

/// What is shown of a `MaintenanceWindow` with this spec and generation, taken by itself. `shown`: what is shown of it now, so that
/// a condition that stays as it is keeps its time.
pub fn object_status(
    spec: &MaintenanceWindowSpec,
    generation: Option<i64>,
    shown: Option<&MaintenanceWindowStatus>,
    now: Timestamp,
) -> ObjectStatus {
    let ready = |(status, reason, message): (&str, Reason, &str)| {
        let mut conditions = shown.map_or_else(Vec::new, |shown| shown.conditions.clone());
        set(
            &mut conditions,
            condition::READY,
            status,
            reason.word(),
            message,
            generation,
            now,
        );
        conditions
    };
    let window = match Window::parse("", "spec", &spec.window) {
        Ok(window) => window,
        Err(invalid) => {
            let status = MaintenanceWindowStatus {
                observed_generation: generation,
                reason: Some(shorten(&invalid.message, REASON_MAX)),
                conditions: ready(("False", invalid.reason, &invalid.message)),
                ..MaintenanceWindowStatus::default()
            };
            return ObjectStatus {
                status,
                look_again: Timestamp::MAX,
            };
        }
    };
    let found = evaluate([&window], now);
    let (open, next) = match found.state {
        State::Open { until, .. } => (true, until),
        State::Closed { opens, .. } => (false, opens),
    };
    let said = match is_never_due(&window, now) && next.is_none() {
        true => (
            "True",
            Reason::NeverDue,
            "it does not begin again in the next four years",
        ),
        false => ("True", Reason::Scheduled, "it can be read"),
    };
    ObjectStatus {
        status: MaintenanceWindowStatus {
            observed_generation: generation,
            conditions: ready(said),
            open: Some(open),
            next_change: next.map(Time),
            reason: spec.window.reason.clone(),
        },
        look_again: found.look_again,
    }
}

/// What is wrong with a window as it is written; `None`: it can be read.
pub fn check_spec(spec: &MaintenanceWindowSpec) -> Option<Refusal> {
    let Invalid { reason, message } = Window::parse("", "spec", &spec.window).err()?;
    Some(Refusal { reason, message })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn shown(spec: Value, now: &str) -> (MaintenanceWindowStatus, Timestamp) {
        let spec: MaintenanceWindowSpec = serde_json::from_value(spec).unwrap();
        let found = object_status(&spec, Some(1), None, at(now));
        (found.status, found.look_again)
    }

    fn said(status: &MaintenanceWindowStatus) -> (&str, &str) {
        let ready = &status.conditions[0];
        assert_eq!(ready.type_, condition::READY);
        (&ready.status, &ready.reason)
    }

    #[test]
    fn it_says_whether_a_task_with_this_window_alone_might_begin_and_until_when() {
        let saturdays = json!({"schedule": "0 22 * * 6", "durationMinutes": 240, "timeZone": "Asia/Shanghai", "reason": "patch slot"});
        let (status, again) = shown(saturdays.clone(), "2026-11-07T13:59:59Z");
        assert_eq!(status.open, Some(false));
        assert_eq!(status.reason.as_deref(), Some("patch slot"));
        assert_eq!(status.next_change, Some(Time(at("2026-11-07T14:00:00Z"))));
        assert_eq!(again, at("2026-11-07T14:00:00Z"));
        assert_eq!(said(&status), ("True", "Scheduled"));
        let (status, again) = shown(saturdays, "2026-11-07T14:00:00Z");
        assert_eq!(
            (status.open, again),
            (Some(true), at("2026-11-07T18:00:00Z"))
        );
    }

    #[test]
    fn a_freeze_is_open_while_it_is_not_active() {
        let freeze = json!({"kind": "Freeze", "reason": "sale", "start": "2026-11-10T00:00:00Z", "end": "2026-11-12T00:00:00Z"});
        let (status, _) = shown(freeze.clone(), "2026-11-11T00:00:00Z");
        assert_eq!(status.open, Some(false));
        let (status, _) = shown(freeze, "2026-11-12T00:00:00Z");
        assert_eq!(
            (status.open, status.next_change.as_ref()),
            (Some(true), None)
        );
        assert_eq!(said(&status), ("True", "NeverDue"));
    }

    #[test]
    fn one_that_cannot_be_read_says_what_is_wrong_and_neither_open_nor_closed() {
        for (spec, reason, what) in [
            (
                json!({"schedule": "0 22 * * 9", "durationMinutes": 240, "timeZone": "Asia/Shanghai"}),
                "InvalidSchedule",
                "spec.schedule",
            ),
            (
                json!({"schedule": "0 22 * * 6", "durationMinutes": 240, "timeZone": "Asia/Shangai"}),
                "InvalidTimeZone",
                "spec.timeZone",
            ),
        ] {
            let (status, again) = shown(spec, "2026-11-07T00:00:00Z");
            assert_eq!(said(&status), ("False", reason));
            assert!(status.conditions[0].message.contains(what));
            assert!(status.reason.as_deref().unwrap().contains(what));
            assert_eq!((status.open, status.next_change), (None, None));
            assert_eq!(again, Timestamp::MAX);
        }
    }

    #[test]
    fn a_condition_that_stays_as_it_is_keeps_its_time() {
        let spec = json!({"schedule": "0 22 * * 6", "durationMinutes": 240, "timeZone": "UTC"});
        let (before, _) = shown(spec.clone(), "2026-11-07T00:00:00Z");
        let spec: MaintenanceWindowSpec = serde_json::from_value(spec).unwrap();
        let again = |time: &str| object_status(&spec, Some(1), Some(&before), at(time)).status;
        assert_eq!(again("2026-11-07T01:00:00Z"), before);
        let open = again("2026-11-07T22:00:00Z");
        assert_eq!(open.conditions, before.conditions);
        assert_eq!(open.open, Some(true));
    }
}
