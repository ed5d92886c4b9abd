//! Which fault comes in which round, and when: drawn from a seed.

use std::fmt;
use std::time::Duration;

use ess_rollout_test_support::proxy::Cut;
use fastrand::Rng;

/// What is done to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; started again once the other leads.
    Crash,
    /// SIGTERM; started again once the other leads.
    Stop,
    /// SIGSTOP, and SIGCONT.
    Freeze,
    /// Nothing gets through to the apiserver, for longer than the lease.
    Apiserver(Cut),
    /// Nothing gets through to the cloud.
    Cloud(Cut),
}

impl Fault {
    /// In each six rounds each of them once.
    const ALL: [[Self; 6]; 2] = [
        [
            Self::Crash,
            Self::Stop,
            Self::Freeze,
            Self::Apiserver(Cut::Refused),
            Self::Apiserver(Cut::Silent),
            Self::Cloud(Cut::Silent),
        ],
        [
            Self::Crash,
            Self::Stop,
            Self::Freeze,
            Self::Apiserver(Cut::Refused),
            Self::Apiserver(Cut::Silent),
            Self::Cloud(Cut::Refused),
        ],
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Stop => "SIGTERM",
            Self::Freeze => "SIGSTOP",
            Self::Apiserver(_) => "apiserver",
            Self::Cloud(_) => "cloud",
        }
    }

    /// Whether another leads then.
    pub fn deposes(self) -> bool {
        !matches!(self, Self::Cloud(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apiserver(cut) | Self::Cloud(cut) => write!(f, "{} {cut:?}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// One round.
#[derive(Debug, Clone)]
pub struct Round {
    pub number: usize,
    pub fault: Fault,
    /// It comes when the leader has sent so many effects in this round.
    pub after: usize,
    /// Of a cut: how long it goes on, of the apiserver after the other leads.
    pub lasts: Duration,
    /// Virtual seconds per real second.
    pub clock_scale: u32,
    /// Of its own things: when each of the runs begins.
    pub seed: u64,
}

/// At 15 instances are under way most of the time, at 120 runs wait for people most of it.
const CLOCK_SCALES: [u32; 4] = [15, 30, 60, 120];

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            fault,
            after,
            lasts,
            clock_scale,
            ..
        } = self;
        write!(
            f,
            "round {number}, {fault} after {after} effects, {lasts:.1?}, clock {clock_scale}"
        )
    }
}

pub fn rounds(seed: u64, count: usize) -> Vec<Round> {
    let mut random = Rng::with_seed(seed);
    let mut faults = Vec::new();
    for block in Fault::ALL.iter().cycle() {
        if faults.len() >= count {
            break;
        }
        let mut block = *block;
        random.shuffle(&mut block);
        faults.extend(block);
    }
    let rounds = faults.into_iter().take(count).enumerate();
    rounds
        .map(|(number, fault)| Round {
            number,
            fault,
            after: random.usize(1..=90),
            lasts: Duration::from_millis(random.u64(2000..9000)),
            clock_scale: CLOCK_SCALES[random.usize(..CLOCK_SCALES.len())],
            seed: random.u64(..),
        })
        .collect()
}
