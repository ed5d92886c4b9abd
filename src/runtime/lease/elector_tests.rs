//! Processes that take part, on paused time.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{sync::watch, task::JoinHandle, time::advance};

use super::*;
use crate::runtime::shutdown::{self, Stop};

/// The Lease that all see.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<(Lease, u64)>>>);

/// One process's way to it.
#[derive(Clone)]
struct Way {
    kept: Kept,
    told: watch::Sender<()>,
    cut: Arc<AtomicBool>,
    /// Answers are lost.
    mute: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Way {
    async fn gets_through(&self) -> Result<(), LeaseError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.cut.load(Ordering::SeqCst) {
            return Err(LeaseError::Failed("connection refused".to_owned()));
        }
        Ok(())
    }

    async fn answers(&self) {
        if self.mute.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

impl Leases for Way {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn read(&self) -> LeaseFuture<'_, Option<(Lease, String)>> {
        Box::pin(async {
            self.gets_through().await?;
            let kept = self.kept.0.lock().unwrap().clone();
            Ok(kept.map(|(lease, version)| (lease, version.to_string())))
        })
    }

    fn write<'a>(&'a self, lease: &'a Lease, version: Option<&'a str>) -> LeaseFuture<'a, String> {
        Box::pin(async move {
            self.gets_through().await?;
            let next = {
                let mut kept = self.kept.0.lock().unwrap();
                let now = kept.as_ref().map(|(_, version)| version.to_string());
                if now.as_deref() != version {
                    return Err(LeaseError::Conflict);
                }
                let next = kept.as_ref().map_or(0, |(_, version)| *version) + 1;
                *kept = Some((lease.clone(), next));
                next
            };
            self.told.send_replace(());
            self.answers().await;
            Ok(next.to_string())
        })
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut told = self.told.subscribe();
        Box::pin(async move {
            if self.cut.load(Ordering::SeqCst) || told.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

struct Process {
    fence: Fence,
    way: Way,
    stop: Stop,
    running: JoinHandle<Elector<Way>>,
}

impl Process {
    fn begin(name: &str, kept: &Kept, told: &watch::Sender<()>) -> Self {
        let way = Way {
            kept: kept.clone(),
            told: told.clone(),
            cut: Arc::default(),
            mute: Arc::default(),
            calls: Arc::default(),
        };
        let fence = Fence::closed();
        let times = Times::default();
        let mut elector = Elector::new(way.clone(), name.to_owned(), times, fence.clone());
        let (stop, mut shutdown) = shutdown::channel();
        let running = tokio::spawn(async move {
            elector.run(&mut shutdown).await;
            elector
        });
        Self {
            fence,
            way,
            stop,
            running,
        }
    }

    fn leads(&self) -> bool {
        self.fence.leads()
    }
}

/// The one that leads, and another.
async fn two() -> (Process, Process) {
    let (kept, (told, _)) = (Kept::default(), watch::channel(()));
    let one = Process::begin("one", &kept, &told);
    wait(1).await;
    let other = Process::begin("other", &kept, &told);
    wait(20).await;
    assert!(one.leads() && !other.leads());
    (one, other)
}

/// Lets everything happen that is due in so many tenths of a second.
async fn tenths(count: u64) {
    for _ in 0..count {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        advance(Duration::from_millis(100)).await;
    }
}

async fn wait(seconds: u64) {
    tenths(10 * seconds).await;
}

/// After how many tenths of a second it leads.
async fn leads_after(process: &Process) -> u64 {
    for count in 0..600 {
        if process.leads() {
            return count;
        }
        tenths(1).await;
    }
    panic!("it does not lead");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_once_its_lease_is_over() {
    let (one, other) = two().await;
    one.running.abort();
    let after = leads_after(&other).await;
    assert!((130..=156).contains(&after), "{after}");
    assert!(!one.leads());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_gives_its_place_up_is_followed_at_once() {
    let (one, other) = two().await;
    let term = one.fence.term().unwrap();
    one.stop.stop();
    wait(5).await;
    assert!(one.leads(), "until what it does is over");
    let mut elector = one.running.await.unwrap();
    elector.release().await;
    assert!(!one.fence.leads());
    let after = leads_after(&other).await;
    assert!(after <= 3, "{after}");
    assert_eq!(other.fence.term(), Some(term + 1));
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_asks_no_more_than_once_in_two_seconds() {
    let (_one, other) = two().await;
    let before = other.way.calls.load(Ordering::SeqCst);
    wait(60).await;
    let calls = other.way.calls.load(Ordering::SeqCst) - before;
    assert!((20..=31).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn while_the_apiserver_is_away_nobody_acts_beyond_the_deadline_and_nobody_takes_the_place() {
    let (one, other) = two().await;
    let term = one.fence.term();
    let cut = |cut| {
        for process in [&one, &other] {
            process.way.cut.store(cut, Ordering::SeqCst);
        }
    };
    cut(true);
    wait(7).await;
    assert!(one.leads());
    let long = Duration::from_secs(5);
    assert!(one.fence.pass(long).is_err(), "it may be late by then");
    wait(4).await;
    assert!(!one.leads() && !other.leads());
    cut(false);
    leads_after(&one).await;
    assert_eq!(one.fence.term(), term, "its place was still its own");
    // For longer than the lease: then whoever comes first has the place.
    cut(true);
    for _ in 0..600 {
        tenths(1).await;
        assert!(!other.leads());
    }
    assert!(!one.leads());
    cut(false);
    wait(5).await;
    assert_ne!(one.leads(), other.leads());
}

#[tokio::test(start_paused = true)]
async fn who_alone_is_cut_off_stops_before_the_other_leads_and_stands_by_afterwards() {
    let (one, other) = two().await;
    let term = one.fence.term().unwrap();
    one.way.cut.store(true, Ordering::SeqCst);
    let lost = tokio::spawn({
        let fence = one.fence.clone();
        async move { fence.lost(term).await }
    });
    let mut stopped = false;
    while !other.leads() {
        stopped = !one.leads();
        tenths(1).await;
    }
    assert!(stopped, "it had stopped a tenth before");
    assert!(lost.is_finished());
    one.way.cut.store(false, Ordering::SeqCst);
    wait(30).await;
    assert!(!one.leads() && other.leads());
    other.running.abort();
    leads_after(&one).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_made_up_for_by_reading() {
    let (one, other) = two().await;
    one.way.mute.store(true, Ordering::SeqCst);
    for _ in 0..300 {
        assert!(!other.leads());
        tenths(1).await;
    }
    // It acts for some time of each round: from the read until the deadline that the write had.
    one.way.mute.store(false, Ordering::SeqCst);
    leads_after(&one).await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_the_lease_away_is_heeded() {
    let (one, other) = two().await;
    {
        let mut kept = one.way.kept.0.lock().unwrap();
        let (lease, version) = kept.as_mut().unwrap();
        lease.holder = "somebody".to_owned();
        *version += 1;
    }
    wait(3).await;
    assert!(!one.leads() && !other.leads());
    wait(16).await;
    assert!(one.leads() || other.leads());
    *one.way.kept.0.lock().unwrap() = None;
    wait(6).await;
    assert!(one.leads() || other.leads(), "a deleted one is made anew");
}
