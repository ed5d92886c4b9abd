//! The Lease, where two operators are there, and what holds about whoever acts.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ess_rollout::runtime::lease::{Lease, LeaseError, LeaseFuture, Leases, Times};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gate::Life;
use crate::wire::APISERVER;
use crate::world::{VirtualClock, World};

/// The Lease as the apiserver has it.
#[derive(Default)]
pub struct KeptLease {
    kept: Mutex<Option<Kept>>,
    /// Waiters are woken in their order.
    changed: Arc<Notify>,
    /// How often it has changed hands.
    changes: AtomicUsize,
}

#[derive(Clone)]
struct Kept {
    lease: Lease,
    version: u64,
    at: Instant,
}

impl KeptLease {
    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this candidate has renewed it lately enough to act now.
    pub fn lets_act(&self, name: &str) -> bool {
        let kept = self.lock();
        let longest = Times::default().renew_deadline;
        kept.as_ref()
            .is_some_and(|kept| kept.lease.holder == name && kept.at.elapsed() <= longest)
    }

    /// Who has it.
    pub fn holder(&self) -> Option<String> {
        self.lock().as_ref().map(|kept| kept.lease.holder.clone())
    }

    fn store(&self, lease: &Lease, version: Option<&str>) -> Result<String, LeaseError> {
        let mut kept = self.lock();
        let before = kept.as_ref().map(|kept| kept.version);
        if before.map(|version| version.to_string()).as_deref() != version {
            return Err(LeaseError::Conflict);
        }
        let version = before.unwrap_or_default() + 1;
        *kept = Some(Kept {
            lease: lease.clone(),
            version,
            at: Instant::now(),
        });
        self.changed.notify_waiters();
        Ok(version.to_string())
    }
}

/// One operator's way to it.
pub struct LeaseWire {
    pub world: Arc<World>,
    pub life: Arc<Life>,
    pub clock: VirtualClock,
}

/// How often it changes hands because of one thing that goes wrong: it is given up, taken, and taken back.
const CHANGES: usize = 3;

impl LeaseWire {
    /// Whoever has it keeps it as long as nothing goes wrong.
    fn passes_from_one_to_another(&self) {
        let changes = self.world.lease.changes.fetch_add(1, Ordering::Relaxed) + 1;
        if changes > CHANGES * (1 + self.world.gate.faults()) {
            let holder = self.world.lease.holder();
            let what = format!("the lease has changed hands {changes} times: {holder:?}");
            self.world.violation(what);
        }
    }

    async fn gets_through(&self) -> Result<(), LeaseError> {
        self.world.latency.pass(APISERVER).await;
        self.life.goes_on().await;
        match self.life.is_cut_from_apiserver() {
            true => Err(LeaseError::Failed("no connection".to_owned())),
            false => Ok(()),
        }
    }
}

impl Leases for LeaseWire {
    fn read(&self) -> LeaseFuture<'_, Option<(Lease, String)>> {
        Box::pin(async {
            self.gets_through().await?;
            let kept = self.world.lease.lock().clone();
            self.gets_through().await?;
            Ok(kept.map(|kept| (kept.lease, kept.version.to_string())))
        })
    }

    fn write<'a>(&'a self, lease: &'a Lease, version: Option<&'a str>) -> LeaseFuture<'a, String> {
        Box::pin(async move {
            self.gets_through().await?;
            let before = self.world.lease.lock().clone();
            let led_to = self.world.lease.store(lease, version);
            let holder = before.map(|kept| kept.lease.holder).unwrap_or_default();
            if led_to.is_ok() && holder != lease.holder {
                self.world
                    .trace(|| format!("lease: {holder:?} -> {:?}", lease.holder));
                self.world.nobody_looks();
                self.passes_from_one_to_another();
            }
            self.gets_through().await?;
            led_to
        })
    }

    fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let changed = self.world.lease.changed.clone();
        Box::pin(async move {
            changed.notified().await;
            self.life.goes_on().await;
            if self.life.is_cut_from_apiserver() {
                std::future::pending::<()>().await;
            }
        })
    }
}
