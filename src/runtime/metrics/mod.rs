//! Metrics in the OpenMetrics text format. Labels are of closed sets: never an instance, an execution or a message. Series of
//! single objects are of those alone that something is done or waited for, and go when it has ended.
//!
//! | module | what |
//! |---|---|
//! | [`catalogue`] | the list of all, from which docs/metrics.md is made |
//! | [`passes`], [`queue`] | passes and the queue, under the names of controller-runtime and client-go |
//! | [`cloud`], [`cluster`] | calls to Alibaba Cloud and to the apiserver |
//! | [`endpoints`] | requests to the endpoints that checks ask |
//! | [`updates`] | what becomes of updates |
//! | `scraped` | what is counted when a scrape asks for it |
//! | [`process`] | the process |

use std::sync::{Mutex, PoisonError};

pub mod catalogue;
pub mod cloud;
pub mod cluster;
pub mod endpoints;
pub mod passes;
pub mod process;
pub mod queue;
mod scraped;
pub mod updates;

use catalogue::{Catalogue, Lasts};
pub use scraped::{ActiveSeries, KINDS, OUTCOMES, PAUSES, Scrape};

/// All metrics of the process.
pub struct Metrics {
    catalogue: Catalogue,
    /// Passes.
    pub passes: passes::Passes,
    /// The queue of passes.
    pub queue: queue::Queue,
    /// Calls to Alibaba Cloud.
    pub cloud: cloud::Cloud,
    /// The apiserver.
    pub cluster: cluster::Cluster,
    /// The endpoints that checks ask.
    pub endpoints: endpoints::Endpoints,
    /// What becomes of updates.
    pub updates: updates::Updates,
    process: process::Process,
    /// Held by a scrape: what is counted for it is taken out and put in again, which another one must not see.
    scraping: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut all = Catalogue::default();
        let passes = passes::Passes::new(&mut all);
        let queue = queue::Queue::new(&mut all);
        let cloud = cloud::Cloud::new(&mut all);
        let cluster = cluster::Cluster::new(&mut all);
        let endpoints = endpoints::Endpoints::new(&mut all);
        let updates = updates::Updates::new(&mut all);
        let process = process::Process::new(&mut all);
        let about = ("ess_rollout_build_info", Lasts::AsItIs, "The program");
        all.info(about, ("version", ""), env!("CARGO_PKG_VERSION"));
        Self {
            catalogue: all,
            passes,
            queue,
            cloud,
            cluster,
            endpoints,
            updates,
            process,
            scraping: Mutex::default(),
        }
    }

    /// The list of all of them.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The text of a scrape.
    pub fn render(&self, scrape: &Scrape) -> String {
        let _scraping = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.queue.set(scrape);
        self.cloud.set(scrape);
        self.cluster.set(scrape);
        self.updates.set(scrape);
        self.process.read();
        let text = self.catalogue.text();
        self.updates.let_go();
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
