//! One window, read.

use ess_rollout_api::v1alpha1::{Window as Spec, WindowKind};
use jiff::tz::TimeZone;

use super::dates::Dates;
use super::occurrences::{Block, blocks};
use crate::cron::{self, Cron, Invalid, whole_seconds};
use crate::task::reason::Reason;

/// The shortest and the longest occurrence, in minutes: those of the CRD.
const DURATION_MINUTES: std::ops::RangeInclusive<i32> = 5..=10080;

/// A window that says something. To keep, as long as its object is the same: what it works out of its
/// schedule it works out once.
#[derive(Debug, Clone)]
pub struct Window {
    name: String,
    reason: String,
    kind: WindowKind,
    times: Times,
}

/// A window, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub window: String,
    /// Its reason; empty: it says none.
    pub reason: String,
}

#[derive(Debug, Clone)]
pub(super) enum Times {
    Once(Block),
    Recurring(Box<Recurring>),
}

/// The occurrences of a schedule.
#[derive(Debug, Clone)]
pub(super) struct Recurring {
    pub(super) cron: Cron,
    pub(super) zone: TimeZone,
    /// In seconds.
    pub(super) duration: i64,
    pub(super) except: Dates,
    /// The minutes of a day at which occurrences begin.
    pub(super) minutes: Vec<u16>,
    /// What they make of a day on which no clocks change, in seconds from midnight. They may end on
    /// another.
    pub(super) blocks: Vec<Block>,
}

impl Window {
    /// Reads a window. `name`: what people are told that it is; `at`: the path of its fields, `spec` of
    /// a `MaintenanceWindow`, `spec.window` of a task.
    ///
    /// # Errors
    /// The field, what is wrong with it, and the cure. A task for which such a window is must wait:
    /// nobody knows whether it is a Freeze that is active.
    pub fn parse(name: &str, at: &str, spec: &Spec) -> Result<Self, Invalid> {
        let invalid = |message: String| Invalid {
            reason: Reason::InvalidSpec,
            message,
        };
        let times = match (&spec.schedule, &spec.start, &spec.end) {
            (Some(text), None, None) => Times::Recurring(Box::new(recurring(at, text, spec)?)),
            (None, Some(start), Some(end)) => {
                let (start, end) = (
                    whole_seconds(start).as_second(),
                    whole_seconds(end).as_second(),
                );
                if start >= end {
                    return Err(invalid(format!(
                        "{at}.end is not after start; set a later one"
                    )));
                }
                Times::Once(Block { start, end })
            }
            _ => {
                return Err(invalid(format!(
                    "{at} says not when; set schedule with durationMinutes and timeZone, or start and end"
                )));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            reason: spec.reason.clone().unwrap_or_default(),
            kind: spec.kind,
            times,
        })
    }

    /// What people are told that it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why; empty: it does not say.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What it does while it is active.
    pub fn kind(&self) -> WindowKind {
        self.kind
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }

    pub(super) fn named(&self) -> Named {
        Named {
            window: self.name.clone(),
            reason: self.reason.clone(),
        }
    }
}

fn recurring(at: &str, schedule: &str, spec: &Spec) -> Result<Recurring, Invalid> {
    let cron = Cron::parse(&format!("{at}.schedule"), schedule)?;
    let zone = spec.time_zone.as_deref().ok_or_else(|| Invalid {
        reason: Reason::InvalidTimeZone,
        message: format!(
            "{at}.timeZone is missing; set the zone of schedule, such as Asia/Shanghai or UTC"
        ),
    })?;
    let zone = cron::zone(&format!("{at}.timeZone"), zone)?;
    let duration = spec.duration_minutes.unwrap_or_default();
    if !DURATION_MINUTES.contains(&duration) {
        let (least, most) = DURATION_MINUTES.into_inner();
        return Err(Invalid {
            reason: Reason::InvalidSpec,
            message: format!("{at}.durationMinutes is {duration}; set {least} to {most}, a week"),
        });
    }
    let duration = i64::from(duration) * 60;
    let minutes: Vec<u16> = cron.minutes_of_day().collect();
    let seconds = minutes.iter().map(|minute| i64::from(*minute) * 60);
    Ok(Recurring {
        zone,
        duration,
        except: Dates::parse(&format!("{at}.except"), &spec.except)?,
        blocks: blocks(seconds, duration),
        minutes,
        cron,
    })
}
