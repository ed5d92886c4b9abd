//! The time, as passes see it.

use std::{future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;

/// The time, as passes see it.
pub trait Clock: Send + Sync {
    /// Now, in whole seconds: what a status can hold. A fraction would be lost on the wire, and
    /// what is read back would differ from what was written.
    fn now(&self) -> Timestamp;

    /// Ends after this long.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
