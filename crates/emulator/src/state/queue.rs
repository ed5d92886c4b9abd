//! What is due and when, in order of time and then of asking.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::alarms::AlarmState;
use super::call::Call;

/// Something that happens by itself when its time comes.
#[derive(Debug, Clone)]
pub enum Event {
    /// An execution of this account wants to go on.
    WakeEngine { account: String },
    /// An ECS instance reaches the end of Starting or Stopping.
    InstanceSettles { instance_id: String },
    /// A replaced system disk is in use again.
    DiskReady {
        instance_id: String,
        disk_id: String,
    },
    /// A disk that is not the system disk of an instance gets on.
    DiskSettles { disk_id: String },
    /// A snapshot that was asked for by itself is done.
    SnapshotSettles { snapshot_id: String, status: String },
    /// The time is over that a snapshot is kept.
    SnapshotExpires { snapshot_id: String },
    /// An instance is started that waited for its disk.
    InstanceStarts { instance_id: String },
    /// A file is on an instance, or is not.
    FileArrives {
        invoke_id: String,
        instance_id: String,
    },
    /// A command ends on one instance.
    CommandEnds {
        invoke_id: String,
        instance_id: String,
    },
    /// A scaling activity ends.
    ActivityEnds { activity_id: String },
    /// A lifecycle hook waits no longer.
    LifecycleTimeout { token: String },
    /// An instance refresh ends, unless it was paused meanwhile.
    InstanceRefreshEnds { id: String },
    /// ESS looks at a group: unhealthy instances, missing capacity.
    GroupCheck { group_id: String },
    /// A rule of CloudMonitor or an alarm of ESS gets to another state.
    AlarmChanges { id: String, state: AlarmState },
    /// An image that is being created gets to this status.
    ImageSettles { image_id: String, status: String },
    /// An update of a container group ends, by the number of the update.
    ContainerGroupSettles {
        container_group_id: String,
        update: u32,
    },
    /// A call whose sender gave up long ago takes effect (`effectLate`).
    LateCall {
        call: Box<Call>,
        seq: usize,
        request_id: String,
    },
    /// A scripted event of the fixture, by its position there.
    Scripted {
        index: usize,
        execution_id: Option<String>,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Queue {
    events: BTreeMap<(Timestamp, u64), Event>,
    asked: u64,
}

impl Queue {
    pub fn push(&mut self, at: Timestamp, event: Event) {
        self.asked += 1;
        self.events.insert((at, self.asked), event);
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next event if it is due at `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Event)> {
        let entry = self.events.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((at, _), event) = entry.remove_entry();
        Some((at, event))
    }

    /// Whether any waiting event satisfies `test`.
    pub fn any(&self, test: impl Fn(&Event) -> bool) -> bool {
        self.events.values().any(test)
    }
}
