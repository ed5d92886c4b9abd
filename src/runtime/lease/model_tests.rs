//! The election as a model: candidates with clocks of their own, and a Lease whose writes are lost, late, or out of order.

use proptest::prelude::*;

use super::*;

/// The clock of a candidate: how fast it goes, and how far it is off at the beginning.
#[derive(Debug, Clone)]
struct Clock {
    /// In thousandths.
    rate: u32,
    offset: u64,
}

#[derive(Debug, Clone)]
enum Event {
    /// So many milliseconds go by.
    Time(u64),
    /// A candidate does what is next, and its write fares like this.
    Acts(usize, Fate),
    /// A candidate reads; the answer takes so many milliseconds, or is lost.
    Reads(usize, Option<u64>),
    /// A write that is still under way arrives. Its sender has given it up.
    Arrives(usize),
    /// A candidate gives its place up.
    Releases(usize),
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It arrives and is answered after so many milliseconds.
    Answered(u64),
    /// It arrives, and the answer is lost.
    AnswerLost,
    /// It arrives later, or never.
    Late,
}

struct Message {
    lease: Lease,
    version: Option<String>,
}

/// A write that was taken, and whose answer is on its way.
struct Answer {
    lease: Lease,
    version: String,
    began: Instant,
    /// In milliseconds.
    at: u64,
}

struct World {
    start: Instant,
    /// In milliseconds.
    now: u64,
    clocks: Vec<Clock>,
    candidates: Vec<Candidate>,
    stored: Option<(Lease, u64)>,
    under_way: Vec<Message>,
    /// For each candidate: it does nothing until then.
    answers: Vec<Option<Answer>>,
    writes: u64,
}

impl World {
    fn new(clocks: Vec<Clock>) -> Self {
        // As near to each other as is allowed.
        let times = Times {
            renew_deadline: Duration::from_secs(12),
            ..Times::default()
        };
        times.check(Duration::from_secs(9)).unwrap();
        let candidates = (0..clocks.len())
            .map(|n| Candidate::new(format!("candidate-{n}"), times))
            .collect();
        Self {
            start: Instant::now(),
            now: 0,
            answers: clocks.iter().map(|_| None).collect(),
            clocks,
            candidates,
            stored: None,
            under_way: Vec::new(),
            writes: 0,
        }
    }

    /// The time that a candidate's clock shows.
    fn local(&self, who: usize) -> Instant {
        let clock = &self.clocks[who];
        let shown = self.now * u64::from(clock.rate) / 1000 + clock.offset;
        self.start + Duration::from_millis(shown)
    }

    /// The time for people: of no candidate's clock is it known to be right.
    fn wall(&mut self) -> Timestamp {
        self.writes += 1;
        let off = match self.writes % 3 {
            0 => -3_600_000,
            1 => 0,
            _ => 3_600_000,
        };
        Timestamp::from_millisecond(1_800_000_000_000 + off + i64::try_from(self.writes).unwrap())
            .unwrap()
    }

    fn snapshot(&self) -> Option<(Lease, String)> {
        let (lease, version) = self.stored.as_ref()?;
        Some((lease.clone(), version.to_string()))
    }

    /// The version that it led to; `None`: somebody else wrote first.
    fn store(&mut self, Message { lease, version }: Message) -> Option<String> {
        let stored = self.stored.as_ref().map(|(_, version)| version.to_string());
        if stored != version {
            return None;
        }
        let next = self.stored.as_ref().map_or(0, |(_, version)| *version) + 1;
        self.stored = Some((lease, next));
        Some(next.to_string())
    }

    fn acts(&mut self, who: usize, fate: Fate) {
        let (began, wall) = (self.local(who), self.wall());
        let Act::Write(lease, version) = self.candidates[who].next(began, wall) else {
            return;
        };
        self.candidates[who].sends(lease.clone(), began);
        let message = Message {
            lease: lease.clone(),
            version,
        };
        match fate {
            Fate::Late => self.under_way.push(message),
            Fate::AnswerLost => drop(self.store(message)),
            Fate::Answered(after) => {
                if let Some(version) = self.store(message) {
                    self.answers[who] = Some(Answer {
                        lease,
                        version,
                        began,
                        at: self.now + after,
                    });
                    self.goes_on(0);
                }
            }
        }
    }

    /// So much time goes by, and answers come in.
    fn goes_on(&mut self, by: u64) {
        let until = self.now + by;
        loop {
            let coming = self.answers.iter().enumerate();
            let coming = coming.filter_map(|(who, answer)| Some((answer.as_ref()?.at, who)));
            let Some((at, who)) = coming.min().filter(|(at, _)| *at <= until) else {
                break;
            };
            self.now = at;
            let now = self.local(who);
            if let Some(answer) = self.answers[who].take() {
                let times = (answer.began, now);
                self.candidates[who].wrote(answer.lease, answer.version, times);
            }
        }
        self.now = until;
    }

    fn reads(&mut self, who: usize, after: Option<u64>) {
        let seen = self.snapshot();
        if let Some(after) = after {
            self.goes_on(after);
            let now = self.local(who);
            self.candidates[who].saw(seen, now);
        }
    }

    fn take(&mut self, event: Event) {
        let all = self.candidates.len();
        match event {
            Event::Time(by) => self.goes_on(by),
            // One call at a time.
            Event::Acts(who, _) | Event::Reads(who, _) | Event::Releases(who)
                if self.answers[who % all].is_some() => {}
            Event::Acts(who, fate) => self.acts(who % all, fate),
            Event::Reads(who, after) => self.reads(who % all, after),
            Event::Arrives(_) if self.under_way.is_empty() => {}
            Event::Arrives(nth) => {
                let message = self.under_way.remove(nth % self.under_way.len());
                self.store(message);
            }
            Event::Releases(who) => {
                let (who, wall) = (who % all, self.wall());
                if let Some((lease, version)) = self.candidates[who].release(wall) {
                    let version = Some(version);
                    let message = Message {
                        lease: lease.clone(),
                        version,
                    };
                    let now = self.local(who);
                    // It stops before it asks, whatever comes of that.
                    self.candidates[who].stops();
                    if let Some(version) = self.store(message) {
                        self.candidates[who].wrote(lease, version, (now, now));
                    }
                }
            }
        }
    }

    /// Those that may act now.
    fn leaders(&self) -> Vec<usize> {
        let leads = |who: &usize| {
            let holding = self.candidates[*who].holding();
            holding.is_some_and(|held| self.local(*who) < held.deadline)
        };
        (0..self.candidates.len()).filter(leads).collect()
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (0..5_000_u64).prop_map(Fate::Answered),
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::Late),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..3_usize;
    prop_oneof![
        4 => (0..2_500_u64).prop_map(Event::Time),
        2 => (9_000..17_000_u64).prop_map(Event::Time),
        1 => (17_000..90_000_u64).prop_map(Event::Time),
        8 => (who.clone(), fate()).prop_map(|(who, fate)| Event::Acts(who, fate)),
        6 => (who.clone(), proptest::option::weighted(0.8, 0..5_000_u64))
            .prop_map(|(who, after)| Event::Reads(who, after)),
        2 => (0..9_usize).prop_map(Event::Arrives),
        1 => who.prop_map(Event::Releases),
    ]
}

fn clock() -> impl Strategy<Value = Clock> {
    let rate = prop_oneof![900..=1100_u32, Just(900), Just(1100)];
    (rate, 0..7_200_000_u64).prop_map(|(rate, offset)| Clock { rate, offset })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_two_may_act_and_somebody_leads_once_calls_get_through(
        clocks in proptest::collection::vec(clock(), 2..=3),
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut world = World::new(clocks);
        for event in events {
            let told = format!("{event:?}");
            world.take(event);
            let leaders = world.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?} after {told}");
        }
        // By then the last lease is over even for the slowest clock.
        for _ in 0..55 {
            world.take(Event::Time(500));
            for who in 0..world.candidates.len() {
                world.take(Event::Reads(who, Some(0)));
                world.take(Event::Acts(who, Fate::Answered(0)));
                let leaders = world.leaders();
                prop_assert!(leaders.len() <= 1, "{leaders:?}");
            }
        }
        prop_assert_eq!(world.leaders().len(), 1);
    }
}

fn lease(holder: &str) -> Lease {
    Lease {
        holder: holder.to_owned(),
        duration: Duration::from_secs(15),
        transitions: 4,
        acquired: None,
        renewed: None,
    }
}

#[test]
fn a_place_is_free_when_its_record_has_not_changed_for_as_long_as_it_says() {
    let observed = Instant::now();
    let after = |seconds| observed + Duration::from_secs(seconds);
    let verdict = |lease: &Lease, now| evaluate(Some(lease), "me", observed, now);
    assert_eq!(evaluate(None, "me", observed, observed), Verdict::Free);
    assert_eq!(verdict(&lease(""), observed), Verdict::Free);
    assert_eq!(verdict(&lease("me"), after(900)), Verdict::Ours);
    assert_eq!(
        verdict(&lease("other"), after(14)),
        Verdict::Held(after(15))
    );
    assert_eq!(verdict(&lease("other"), after(15)), Verdict::Free);
    // What the record says counts, not what we are set to.
    let short = Lease {
        duration: Duration::from_secs(3),
        ..lease("other")
    };
    assert_eq!(verdict(&short, after(3)), Verdict::Free);
}

#[test]
fn a_change_of_leader_is_counted_and_a_renewal_is_not() {
    let mut candidate = Candidate::new("me".into(), Times::default());
    let now = Instant::now();
    candidate.saw(Some((lease("other"), "1".into())), now);
    let then = now + Duration::from_secs(15);
    let Act::Write(taken, version) = candidate.next(then, Timestamp::UNIX_EPOCH) else {
        panic!("it is free");
    };
    assert_eq!((taken.transitions, version.as_deref()), (5, Some("1")));
    assert_eq!(taken.acquired, Some(Timestamp::UNIX_EPOCH));
    candidate.wrote(taken, "2".into(), (then, then));
    let deadline = then + Duration::from_secs(10);
    let holding = Holding {
        deadline,
        transitions: 5,
    };
    assert_eq!(candidate.holding(), Some(holding));
    let then = then + Duration::from_secs(2);
    let wall = Timestamp::from_second(2).unwrap();
    let Act::Write(renewed, version) = candidate.next(then, wall) else {
        panic!("it is due");
    };
    assert_eq!((renewed.transitions, version.as_deref()), (5, Some("2")));
    assert_eq!(renewed.acquired, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(renewed.renewed, Some(wall));
}
