//! A year of schedules over the days on which clocks change, with the operator killed between any two
//! effects, answers lost, calls late, a second leader, and times without any operator.

use std::io::Write as _;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time as Clock;
use jiff::tz::TimeZoneDatabase;
use serde_json::json;

use crate::cloud::Fate;
use crate::world::{Crash, World, at, cron};

const BEGIN: &str = "2026-01-05T12:00:00Z";
const END: &str = "2027-01-05T12:00:00Z";
/// Shorter than the shortest day less the longest run: of two times that came due meanwhile the older
/// would rightly be left out.
const DOWN_MAX_HOURS: u64 = 20;
/// Time enough between two such times to begin a run that is late.
const UP_MIN_HOURS: i64 = 3;

/// The small generator of Steele, Lea and Flood (2014): a seed names a schedule for good.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn seconds(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }
}

/// When a daily run is due, counted from the calendar: the first minute of each local day at which
/// the clock there shows that time or a later one.
fn due_by_the_calendar(zone: &str, clock: Clock) -> BTreeSet<Timestamp> {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let (mut minute, end) = (at(BEGIN).as_second(), at(END).as_second());
    // The day that has begun is over for this.
    let first = zone.to_datetime(at(BEGIN));
    let mut done = (first.time() >= clock).then(|| first.date());
    let mut due = BTreeSet::new();
    while minute < end {
        minute += 60;
        let time = Timestamp::from_second(minute).unwrap();
        let shown = zone.to_datetime(time);
        if shown.time() >= clock && done != Some(shown.date()) {
            done = Some(shown.date());
            due.insert(time);
        }
    }
    due
}

/// What a year came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    due: usize,
    ran: usize,
    doubled: usize,
    lost: usize,
    killed: usize,
}

struct Year {
    world: World,
    seeded: Seeded,
    /// When there last was no operator.
    down: i64,
    /// When the run with this number was due.
    times: BTreeMap<String, Timestamp>,
    killed: usize,
}

impl Year {
    fn new(seed: u64, zone: &str, expression: &str) -> Self {
        let schedule = json!({"cron": expression, "timeZone": zone});
        let mut world = cron("", json!({"schedule": schedule}));
        world.settings.poll_interval = Duration::from_secs(120);
        world.held_to_account = 50;
        Self {
            world,
            seeded: Seeded(seed),
            down: 0,
            times: BTreeMap::new(),
            killed: 0,
        }
    }

    fn live(&mut self) {
        let end = at(END).as_second();
        while self.world.cloud.now < end {
            self.happen();
            self.note();
            let rested = self.world.cloud.now - self.down > UP_MIN_HOURS * 3600;
            if rested && self.seeded.below(50) == 0 {
                let down = self.seeded.seconds(DOWN_MAX_HOURS * 3600);
                self.world.cloud.advance(down);
                self.down = self.world.cloud.now;
            } else {
                let wait = self.world.wait_seconds();
                self.world.cloud.advance(wait);
            }
        }
        // What was due just before the end has its time to run.
        self.world.cloud.fates.clear();
        self.world.run_to_rest();
        self.note();
    }

    /// One pass, and what goes wrong with it.
    fn happen(&mut self) {
        match self.seeded.below(12) {
            0 => self.world.cloud.fates = vec![Fate::AnswerLost],
            // Within the bound on lateness, or never.
            1 => self.world.cloud.fates = vec![Fate::Late(self.seeded.seconds(60))],
            2 => self.world.cloud.fates = vec![Fate::Lost],
            _ => {}
        }
        match self.seeded.below(6) {
            0 | 1 => {
                let effects = [
                    Crash::Finalizer,
                    Crash::Record,
                    Crash::Status,
                    Crash::Mutation,
                ];
                let effect = effects[usize::try_from(self.seeded.below(4)).unwrap()];
                let number = usize::try_from(self.seeded.below(4)).unwrap();
                self.world.pass_with(Some((number, effect)));
                self.killed += 1;
            }
            // Decides, sleeps while another leads, and goes on from where it was.
            2 => {
                let (decision, versions) = self.world.held_up();
                self.world.pass();
                let pause = self.seeded.seconds(10);
                self.world.cloud.advance(pause);
                let _ = self.world.carry_out(decision, versions, None);
                self.world.pass();
            }
            _ => self.world.pass(),
        }
    }

    fn note(&mut self) {
        let status = self.world.status();
        let active = status.active.iter();
        let active = active.map(|run| (run.number, run.schedule_time.clone()));
        let ended = status.history.iter();
        let ended = ended.map(|run| (run.number, run.schedule_time.clone()));
        for (number, time) in active.chain(ended) {
            self.times.insert(number.to_string(), time.unwrap().0);
        }
    }

    fn tally(&self, due: &BTreeSet<Timestamp>) -> Tally {
        let cloud = &self.world.cloud;
        let roots = cloud.executions.iter().filter(|e| e.parent.is_none());
        let started: Vec<Timestamp> = roots
            .map(|e| self.times[&e.tags["ess-rollout/run"]])
            .collect();
        let ran: BTreeSet<Timestamp> = started.iter().copied().collect();
        assert!(
            ran.is_subset(due),
            "ran when nothing was due: {:?}",
            ran.difference(due)
        );
        Tally {
            due: due.len(),
            ran: ran.len(),
            doubled: started.len() - ran.len(),
            lost: due.difference(&ran).count(),
            killed: self.killed,
        }
    }
}

#[test]
fn a_year_of_schedules_loses_no_run_and_doubles_none() {
    let mut all = Tally::default();
    for (seed, zone, hour, minute) in [
        (1, "Europe/Berlin", 2, 30),
        (2, "Europe/Berlin", 2, 30),
        (3, "America/New_York", 1, 30),
        (4, "America/New_York", 2, 30),
        (5, "Asia/Shanghai", 2, 0),
    ] {
        let due = due_by_the_calendar(zone, Clock::constant(hour, minute, 0, 0));
        assert_eq!(due.len(), 365, "{zone}");
        let mut year = Year::new(seed, zone, &format!("{minute} {hour} * * *"));
        year.live();
        let tally = year.tally(&due);
        let status = year.world.status();
        assert_eq!(status.missed_runs, None, "{zone}, seed {seed}");
        assert_eq!(status.last_run, Some(365), "{zone}, seed {seed}");
        all.due += tally.due;
        all.ran += tally.ran;
        all.doubled += tally.doubled;
        all.lost += tally.lost;
        all.killed += tally.killed;
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(
        std::io::stderr(),
        "schedule: due={} ran={} doubled={} lost={}",
        all.due,
        all.ran,
        all.doubled,
        all.lost
    );
    assert!(all.killed > 5000, "killed {} times", all.killed);
    assert_eq!((all.ran, all.doubled, all.lost), (all.due, 0, 0));
}
