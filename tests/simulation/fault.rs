//! What can go wrong at a boundary, and where.

use std::sync::LazyLock;

use crate::gate::Side;

/// What goes wrong at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The operator stops; the request is not sent.
    StopBefore,
    /// The request has its effect; the operator stops before it sees the answer.
    StopAfter,
    /// As [`Self::StopAfter`], and nobody runs for so long that the next pause comes.
    StopLong,
    /// The operator stops, and the request has its effect nearly the bound on lateness later.
    StopLate,
    /// The request has its effect; the connection ends without an answer.
    AnswerLost,
    /// The connection ends; the request has its effect nearly the bound on lateness later.
    EffectLate,
    /// The connection ends; the request never has an effect.
    Lost,
    /// Refused: too many requests.
    Throttled,
    /// The same, and it is said how long to wait.
    ThrottledWithHint,
    /// Refused: the service is not available.
    Unavailable,
    /// The request has its effect; the apiserver answers that it took too long.
    TimedOut,
    /// The request has its effect; the answer is the page of a proxy.
    AnswerGarbled,
    /// The request has its effect; the answer breaks off in the middle.
    AnswerTruncated,
    /// The request has its effect; the answer has no body.
    AnswerEmpty,
    /// Refused: somebody else wrote first. Nobody did.
    Conflict,
    /// The request has its effect; then each list of the cloud is answered once without any of its entries.
    Omitted,
    /// The request has its effect; then each question to the cloud is answered once as it was the last time, where that was
    /// within the bound on lateness.
    Older,
    /// The request has its effect; then each question to the cloud is answered once by the page of a proxy.
    ReadsGarbled,
    /// The same; the answer breaks off in the middle.
    ReadsTruncated,
    /// The same; it has no body.
    ReadsEmpty,
    /// The same; `null` stands for each list.
    ReadsNull,
    /// The same; each status is a word that nobody knows.
    ReadsUnknown,
    /// The same; each entry is there twice.
    ReadsTwice,
    /// The same; refused, as there are too many.
    ReadsThrottled,
    /// The same; what is told is of another account.
    ReadsElsewhere,
    /// The same; each list comes in pages of two, which overlap.
    PagesOverlap,
    /// The same; the second page begins one too late.
    PagesMiss,
    /// The same; what asks for the second page is not known any more.
    TokenExpired,
    /// The request has its effect; then all watches of the operator end.
    WatchClosed,
    /// The same; what they tell comes half a minute late.
    WatchLate,
    /// The same; they tell nothing for half a minute, and then that it is too late to tell.
    WatchLost,
    /// The same; for a minute they tell everything twice.
    WatchTwice,
    /// The request has its effect; then somebody else labels all our objects.
    Labelled,
    /// The request has its effect; then somebody puts all our objects back from a copy without their status.
    StatusWiped,
    /// The request has its effect; then somebody deletes all our objects and creates them again once they are gone.
    Recreated,
    /// The request has its effect; then somebody deletes the namespace.
    NamespaceDeleted,
    /// The request has its effect; then somebody puts a third image into the scaling configurations.
    Reconfigured,
    /// The request has its effect; then for a minute the operator's clock is an hour ahead.
    HourAhead,
    /// The same; behind.
    HourBehind,
    /// The same; a year ahead.
    YearAhead,
    /// The same; a year behind.
    YearBehind,
    /// The request has its effect; then the process stands still for half a minute.
    Frozen,
    /// The request has its effect; the operator is told to stop.
    Told,
    /// As [`Self::StopAfter`], and whoever comes next is told of a shorter bound on lateness.
    StopToShorter,
    /// The same; of a longer one.
    StopToLonger,
    /// The same; of another default region.
    StopToElsewhere,
    /// Another operator stands by. The request has its effect; the one that sent it stops.
    TakenKilled,
    /// The same; the request has its effect nearly the bound on lateness later.
    TakenLate,
    /// The same, at once; it stands still for longer than the lease, and goes on.
    TakenFrozen,
    /// The same; it does not reach the apiserver for longer than the lease.
    TakenCutOff,
    /// The same; it does not reach the cloud for as long, and keeps its place.
    CloudCutOff,
    /// The same; it is told to stop.
    TakenTold,
}

/// After a call that went wrong, the requests that may go wrong as well.
const FOLLOWING: usize = 2;
/// Of what befalls the one that leads.
const LEADERS_A_BOUNDARY: usize = 1;
/// Of what can follow any request.
const OTHERS_A_BOUNDARY: usize = 1;

/// `PAIRS=all`.
static ALL_PAIRS: LazyLock<bool> =
    LazyLock::new(|| std::env::var("PAIRS").is_ok_and(|pairs| pairs == "all"));

/// Of so much that is tried at a boundary one fault is: `EVERY`. Without it, and where no part is asked for, as in `make test`, one in
/// three: all of it takes minutes.
pub static EVERY: LazyLock<usize> = LazyLock::new(|| {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (
        set("EVERY").and_then(|every| every.parse().ok()),
        set("ONLY"),
    ) {
        (Some(every), _) => usize::max(every, 1),
        (None, Some(_)) => 1,
        (None, None) => 3,
    }
});

/// What `FAULTS` says.
enum Chosen {
    All,
    These(Vec<Fault>),
}

fn chosen() -> Option<&'static Chosen> {
    static CHOSEN: LazyLock<Option<Chosen>> = LazyLock::new(|| {
        let names = std::env::var("FAULTS")
            .ok()
            .filter(|names| !names.is_empty())?;
        let fault = |name| Fault::parse(name).unwrap_or_else(|| panic!("no fault {name:?}"));
        Some(match names.as_str() {
            "all" => Chosen::All,
            names => Chosen::These(names.split(',').map(fault).collect()),
        })
    });
    CHOSEN.as_ref()
}

impl Fault {
    /// What befalls a mutation of the cloud.
    const OF_CALLS: [Self; 8] = [
        Self::StopBefore,
        Self::StopAfter,
        Self::StopLong,
        Self::StopLate,
        Self::AnswerLost,
        Self::EffectLate,
        Self::Lost,
        Self::Throttled,
    ];
    /// The same, in other words.
    const OF_CALLS_TOO: [Self; 7] = [
        Self::ThrottledWithHint,
        Self::Unavailable,
        Self::AnswerGarbled,
        Self::AnswerTruncated,
        Self::AnswerEmpty,
        Self::Omitted,
        Self::Older,
    ];
    /// What befalls a write to the apiserver.
    const OF_WRITES: [Self; 5] = [
        Self::StopBefore,
        Self::StopAfter,
        Self::AnswerLost,
        Self::Lost,
        Self::Conflict,
    ];
    /// The same, in other words.
    const OF_WRITES_TOO: [Self; 4] = [
        Self::TimedOut,
        Self::Throttled,
        Self::Unavailable,
        Self::Older,
    ];
    /// What befalls the operator after any of them.
    const AFTER_ANY: [Self; 22] = [
        Self::Omitted,
        Self::ReadsGarbled,
        Self::ReadsTruncated,
        Self::ReadsEmpty,
        Self::ReadsNull,
        Self::ReadsUnknown,
        Self::ReadsTwice,
        Self::ReadsThrottled,
        Self::ReadsElsewhere,
        Self::PagesOverlap,
        Self::PagesMiss,
        Self::TokenExpired,
        Self::WatchClosed,
        Self::WatchLate,
        Self::WatchLost,
        Self::WatchTwice,
        Self::Labelled,
        Self::HourAhead,
        Self::HourBehind,
        Self::Frozen,
        Self::Told,
        Self::StopToLonger,
    ];
    /// The same, where nothing else goes wrong: a call that is later than the shorter bound would break what is promised, and
    /// a process that starts while its clock is wrong believes it, so that a deadline of a day is over. A wiped status takes what
    /// was asked with it, so that little can be said of what other faults lead to then.
    const ALONE: [Self; 8] = [
        Self::StopToShorter,
        Self::StopToElsewhere,
        Self::YearAhead,
        Self::YearBehind,
        Self::StatusWiped,
        Self::Recreated,
        Self::NamespaceDeleted,
        Self::Reconfigured,
    ];
    /// What befalls the one of two operators that leads.
    const OF_LEADERS: [Self; 6] = [
        Self::TakenKilled,
        Self::TakenLate,
        Self::TakenFrozen,
        Self::TakenCutOff,
        Self::CloudCutOff,
        Self::TakenTold,
    ];

    /// What leaves open whether a call has had its effect: what comes next matters.
    const OPEN: [Self; 4] = [
        Self::EffectLate,
        Self::AnswerLost,
        Self::StopLate,
        Self::StopAfter,
    ];
    /// What comes next, where it is a call.
    const NEXT_CALLS: [Self; 4] = [
        Self::EffectLate,
        Self::StopLate,
        Self::Older,
        Self::Throttled,
    ];
    /// What comes next, where it is a write.
    const NEXT_WRITES: [Self; 6] = [
        Self::Older,
        Self::Omitted,
        Self::StopAfter,
        Self::AnswerLost,
        Self::Conflict,
        Self::Frozen,
    ];

    /// At how many boundaries after this one a second fault is tried: where it was left open whether a call has had its effect.
    /// One of those that leave it open in turn, and the next boundary; with `PAIRS=all` each of them, and two.
    pub fn followed_after(side: Side, fault: Self, of_two: bool, number: usize) -> usize {
        let open = Self::OPEN.iter().position(|open| *open == fault);
        match open {
            Some(_) if side != Side::Cloud || of_two || chosen().is_some() => 0,
            Some(_) if *ALL_PAIRS => FOLLOWING,
            Some(turn) if number % Self::OPEN.len() == turn => 1,
            _ => 0,
        }
    }

    /// What is tried there: one of them in turn, or each.
    pub fn following(side: Side, number: usize) -> Vec<Self> {
        let all: &[Self] = match side {
            Side::Cloud => &Self::NEXT_CALLS,
            Side::Apiserver => &Self::NEXT_WRITES,
        };
        match *ALL_PAIRS {
            true => all.to_vec(),
            false => vec![all[number / Self::OPEN.len() % all.len()]],
        }
    }

    /// Whether another operator stands by.
    pub fn is_of_two(self) -> bool {
        Self::OF_LEADERS.contains(&self)
    }

    /// What befalls a request to this side itself: in few words, and in others.
    fn of(side: Side) -> (&'static [Self], &'static [Self]) {
        match side {
            Side::Cloud => (&Self::OF_CALLS, &Self::OF_CALLS_TOO),
            Side::Apiserver => (&Self::OF_WRITES, &Self::OF_WRITES_TOO),
        }
    }

    /// What can go wrong at a boundary of this side, however many faults there are; where one of two leads, what befalls it
    /// besides.
    pub fn at(side: Side, of_two: bool) -> impl Iterator<Item = Self> + Clone {
        let (few, others) = Self::of(side);
        let taken: &[Self] = if of_two { &Self::OF_LEADERS } else { &[] };
        let own = few.iter().chain(others);
        own.chain(&Self::AFTER_ANY).chain(taken).copied()
    }

    /// What is tried alone at the boundary of this number: where one operator is alone what befalls its own request, and in
    /// turn the same in other words and what can follow any request, so that each kind of request meets each in one scenario
    /// or another; where one of two leads what befalls it, in turn. Of these one in [`EVERY`], others at the next boundary.
    /// `FAULTS` tries its own at every boundary instead, and `FAULTS=all` all of them.
    pub fn alone_at(side: Side, of_two: bool, number: usize) -> Vec<Self> {
        let (few, others) = Self::of(side);
        let after: Vec<Self> = Self::AFTER_ANY.into_iter().chain(Self::ALONE).collect();
        match chosen() {
            None => {}
            Some(Chosen::All) if of_two => return Self::OF_LEADERS.to_vec(),
            Some(Chosen::All) => return [few, others, &after].concat(),
            Some(Chosen::These(these)) => {
                let these = these.iter().filter(|fault| fault.is_of_two() == of_two);
                return these.copied().collect();
            }
        }
        // By how many boundaries try something in turn: with `number` itself, a third of the boundaries would never come to
        // two thirds of what a multiple of three stand in line for.
        let in_turn = |all: &[Self], count: usize| -> Vec<Self> {
            let from = number / *EVERY * count;
            (from..from + count).map(|n| all[n % all.len()]).collect()
        };
        let all = match of_two {
            true => in_turn(&Self::OF_LEADERS, LEADERS_A_BOUNDARY),
            false => [
                few.to_vec(),
                in_turn(others, 1),
                in_turn(&after, OTHERS_A_BOUNDARY),
            ]
            .concat(),
        };
        let place = |position: usize| (position + number).is_multiple_of(*EVERY);
        let kept = all.into_iter().enumerate();
        let kept = kept.filter(|(position, _)| place(*position));
        kept.map(|(_, fault)| fault).collect()
    }

    /// As in a replay.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopBefore => "before",
            Self::StopAfter => "after",
            Self::StopLong => "away",
            Self::StopLate => "stop-late",
            Self::AnswerLost => "answer-lost",
            Self::EffectLate => "late",
            Self::Lost => "lost",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::Omitted => "omitted",
            Self::Older => "older",
            Self::ThrottledWithHint => "throttled-with-hint",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed-out",
            Self::AnswerGarbled => "garbled",
            Self::AnswerTruncated => "truncated",
            Self::AnswerEmpty => "empty",
            Self::ReadsGarbled => "reads-garbled",
            Self::ReadsTruncated => "reads-truncated",
            Self::ReadsEmpty => "reads-empty",
            Self::ReadsNull => "reads-null",
            Self::ReadsUnknown => "reads-unknown",
            Self::ReadsTwice => "reads-twice",
            Self::ReadsThrottled => "reads-throttled",
            Self::ReadsElsewhere => "reads-elsewhere",
            Self::PagesOverlap => "pages-overlap",
            Self::PagesMiss => "pages-miss",
            Self::TokenExpired => "token-expired",
            Self::WatchClosed => "watch-closed",
            Self::WatchLate => "watch-late",
            Self::WatchLost => "watch-lost",
            Self::WatchTwice => "watch-twice",
            Self::Labelled => "labelled",
            Self::StatusWiped => "status-wiped",
            Self::Recreated => "recreated",
            Self::NamespaceDeleted => "namespace-deleted",
            Self::Reconfigured => "reconfigured",
            Self::HourAhead => "hour-ahead",
            Self::HourBehind => "hour-behind",
            Self::YearAhead => "year-ahead",
            Self::YearBehind => "year-behind",
            Self::Frozen => "frozen",
            Self::Told => "told",
            Self::StopToShorter => "to-shorter",
            Self::StopToLonger => "to-longer",
            Self::StopToElsewhere => "to-elsewhere",
            Self::TakenKilled => "taken-killed",
            Self::TakenLate => "taken-late",
            Self::TakenFrozen => "taken-frozen",
            Self::TakenCutOff => "taken-cut-off",
            Self::CloudCutOff => "cloud-cut-off",
            Self::TakenTold => "taken-told",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        let calls = Self::at(Side::Cloud, true);
        let writes = Self::at(Side::Apiserver, false);
        let mut all = calls.chain(writes).chain(Self::ALONE);
        all.find(|fault| fault.name() == name)
    }

    /// Whether a run may end otherwise than its scenario says: what was asked or found out is forgotten, or is not understood
    /// when somebody asks.
    pub fn may_end_otherwise(self) -> bool {
        matches!(
            self,
            Self::StatusWiped
                | Self::Recreated
                | Self::NamespaceDeleted
                | Self::Reconfigured
                | Self::StopToElsewhere
                | Self::ReadsUnknown
                | Self::ReadsElsewhere
        )
    }

    /// Whether it befalls what the operator reads from then on.
    pub fn is_of_reads(self) -> bool {
        matches!(
            self,
            Self::Omitted
                | Self::Older
                | Self::ReadsGarbled
                | Self::ReadsTruncated
                | Self::ReadsEmpty
                | Self::ReadsNull
                | Self::ReadsUnknown
                | Self::ReadsTwice
                | Self::ReadsThrottled
                | Self::ReadsElsewhere
                | Self::PagesOverlap
                | Self::PagesMiss
                | Self::TokenExpired
        )
    }

    /// Whether others do something to objects or groups.
    pub fn is_by_others(self) -> bool {
        matches!(
            self,
            Self::StatusWiped | Self::Recreated | Self::NamespaceDeleted | Self::Reconfigured
        )
    }

    /// Whether it is about how lists come in pages.
    pub fn is_of_pages(self) -> bool {
        matches!(
            self,
            Self::PagesOverlap | Self::PagesMiss | Self::TokenExpired
        )
    }

    pub fn stops(self) -> bool {
        matches!(
            self,
            Self::StopBefore
                | Self::StopAfter
                | Self::StopLong
                | Self::StopLate
                | Self::StopToShorter
                | Self::StopToLonger
                | Self::StopToElsewhere
                | Self::TakenKilled
                | Self::TakenLate
        )
    }
}

/// A plan as text: numbers and names.
pub mod as_pairs {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Fault;
    use crate::gate::Plan;

    pub fn serialize<S: Serializer>(plan: &Plan, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs: Vec<(usize, &str)> = plan.iter().map(|(n, fault)| (*n, fault.name())).collect();
        pairs.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Plan, D::Error> {
        let pairs = Vec::<(usize, String)>::deserialize(deserializer)?;
        let fault = |name: String| {
            Fault::parse(&name).ok_or_else(|| D::Error::custom(format!("no fault {name:?}")))
        };
        let plan = pairs
            .into_iter()
            .map(|(number, name)| Ok((number, fault(name)?)));
        plan.collect()
    }
}
