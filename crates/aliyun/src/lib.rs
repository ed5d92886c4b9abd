//! Client for the Alibaba Cloud APIs that a rolling update uses.
//!
//! [`Client`] implements [`ess_rollout_cloud::Cloud`] for one account: ESS 2022-02-22, ECS
//! 2014-05-26, ECI 2018-08-08, OOS 2019-06-01, CloudMonitor 2019-01-01, SLB 2014-05-15, ALB 2020-06-16 and NLB 2022-04-30. It knows nothing of Kubernetes and reads no environment except in
//! [`credentials::from_environment`].
//!
//! How a call travels:
//!
//! ```text
//! ess, ecs, eci, …     what is asked, page by page; what came back is checked against it
//!   client             credentials -> limiter -> signature -> transport -> error table
//!     limits           one token bucket per account, region and API
//!     accounts         which account a role or access key belongs to
//!     sign             ACS3-HMAC-SHA256, pure
//!     transport        one POST, bounded in time and size
//!     errors           code -> class, in one table
//! ```
//!
//! What must hold:
//!
//! - A mutation is sent at most once, unless the service refused the request before it looked at
//!   what it asks for (rejected credentials).
//! - No answer is better than a wrong one: unreadable bodies, endless pages and rows that nobody
//!   asked for are errors, never an empty answer.
//! - No secret, token or signature reaches an error, a log line or a `Debug` output.
//!
//! Whoever builds a client installs the process's rustls crypto provider first.

#![deny(missing_docs)]
#![allow(
    clippy::result_large_err,
    reason = "the port fixes the error; next to a request over the network its size is nothing"
)]

mod accounts;
mod alarms;
mod balancing;
mod call;
mod client;
mod config;
pub mod credentials;
mod eci;
mod ecs;
mod endpoints;
mod errors;
mod ess;
mod fields;
mod limits;
mod neighbours;
mod observe;
mod oos;
mod paging;
mod sign;
mod transport;

pub use client::Client;
pub use config::{ClientConfig, Clock, ConfigError, MutationGuard, SystemClock, Timeouts};
pub use credentials::{Credentials, CredentialsError, CredentialsProvider};
pub use endpoints::{EndpointError, Endpoints, Network, Service};
pub use limits::{Limiter, Limits, Rate};
pub use observe::{CallObserver, ObservedCall};
pub use transport::{
    HttpTransport, Transport, TransportError, WireFuture, WireRequest, WireResponse,
};
