//! Machinery that knows no domain.

pub mod backoff;
pub mod clock;
pub mod dispatcher;
pub mod events;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod pace;
pub mod queue;
pub mod shutdown;
pub mod telemetry;
