//! SIGINT and SIGTERM, for what has to take back what it did before it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use ess_emulator_probe::account::Stop;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Their numbers, which the exit code tells: 128 and the number.
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// The signals that came.
#[derive(Debug, Default)]
pub struct Signals {
    /// The number of the first; 0 for none.
    first: AtomicU8,
    count: AtomicU8,
}

impl Signals {
    /// Notes them from now on, instead of ending at once. `tell` hears of each: how many there were.
    ///
    /// # Errors
    /// When the system does not let them be noted.
    pub fn note(
        runtime: &Runtime,
        tell: impl Fn(u8) + Send + 'static,
    ) -> anyhow::Result<Arc<Self>> {
        let _runtime = runtime.enter();
        let cannot = "cannot wait for signals";
        let mut interrupt = signal(SignalKind::interrupt()).context(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).context(cannot)?;
        let signals = Arc::<Self>::default();
        let noted = Arc::clone(&signals);
        runtime.spawn(async move {
            loop {
                let number = tokio::select! {
                    biased;
                    Some(()) = interrupt.recv() => SIGINT,
                    Some(()) = terminate.recv() => SIGTERM,
                    else => return,
                };
                tell(noted.came(number));
            }
        });
        Ok(signals)
    }

    fn came(&self, number: u8) -> u8 {
        // The first alone is kept.
        let order = Ordering::SeqCst;
        let _ = self.first.compare_exchange(0, number, order, order);
        self.count.fetch_add(1, order).saturating_add(1)
    }

    /// The exit code of a program that the first of them ended, if any came.
    pub fn exit_code(&self) -> Option<u8> {
        let first = self.first.load(Ordering::SeqCst);
        (first != 0).then(|| 128 + first)
    }

    /// The first asks for an end with everything taken back, a second for one at once.
    pub fn stop(&self) -> Stop {
        match self.count.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::CleanUp,
            _ => Stop::AtOnce,
        }
    }
}
