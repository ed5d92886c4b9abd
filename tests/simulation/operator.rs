//! The operator, wired as `ess_rollout::run` does it, but over the simulated wires and the virtual clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout::clouds::{AliyunClouds, Clouds, Metered};
use ess_rollout::endpoints::Shared;
use ess_rollout::kubernetes::{Bounded, Heard, Keeping, KubeApi, ObjectKey};
use ess_rollout::leading::{EffectGuard, Leading};
use ess_rollout::poller;
use ess_rollout::reconcile::{Context, Counting, Limits, reconcile};
use ess_rollout::runtime::clock::{Clock, SteadyClock};
use ess_rollout::runtime::dispatcher::{Finished, Triggers, Workers};
use ess_rollout::runtime::events::{Counted, Publisher};
use ess_rollout::runtime::health::Readiness;
use ess_rollout::runtime::lease::{Elector, Fence, Times};
use ess_rollout::runtime::metrics::Metrics;
use ess_rollout::runtime::pace::Pace;
use ess_rollout::runtime::queue::Again;
use ess_rollout::runtime::shutdown::{self, Stop};
use ess_rollout::scrape::Sources;
use ess_rollout::seen::Sightings;
use ess_rollout::tasks::TaskIndex;
use ess_rollout::watch::{self, Feed};
use ess_rollout::windows::{Teller, Windows};
use ess_rollout_aliyun::credentials::StaticCredentials;
use ess_rollout_aliyun::{Client, ClientConfig, Limiter, Limits as RateLimits, Timeouts};
use ess_rollout_api::v1alpha1::{ImageUpdateTask, Rollback, RollingUpdateTask};
use ess_rollout_cloud::Turn;
use ess_rollout_core::rollout::{self, Settings};
use futures::FutureExt;
use jiff::SignedDuration;
use kube::Api;
use tokio::task::JoinSet;

use crate::endpoints::{RuleEndpoints, endpoints};
use crate::gate::{Life, Stopping};
use crate::lease::LeaseWire;
use crate::wire::{ApiserverWire, CloudWire};
use crate::world::{NAMESPACE, REGION, SETTLE, VirtualClock, World};

/// The operator's AccessKey in every fixture.
pub const ACCESS_KEY: (&str, &str) = ("operator-key", "operator-secret");
/// Between two tries of what failed, at most: [`ess_rollout::runtime::backoff`].
const LONGEST_WAIT: Duration = Duration::from_secs(144);
/// Between two polls.
const POLL: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// As the program has them by default.
pub const DEFAULT_WORKERS: Workers = Workers {
    in_a_lane: 128,
    in_all: 256,
};
const WORKERS: Workers = Workers {
    in_a_lane: 4,
    in_all: 4,
};

/// An operator that runs. Dropped without a word, as by `kill -9`.
pub struct Operator {
    parts: JoinSet<()>,
    stop: Stop,
    /// Of one of two.
    election: Option<(Stop, JoinSet<Elector<LeaseWire>>)>,
    /// Empty: it is the only one.
    pub name: String,
    sources: Sources,
}

/// What an operator is told when it starts.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Passes side by side.
    pub workers: Workers,
    /// The bound on lateness.
    pub settle: Duration,
    /// The default region.
    pub region: &'static str,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            workers: WORKERS,
            settle: SETTLE,
            region: REGION,
        }
    }
}

/// By how much the clock of a node is wrong where there are two.
const CLOCK_OFF: SignedDuration = SignedDuration::from_secs(20);

impl Operator {
    /// Starts one, with nothing in its memory.
    pub fn start(world: &Arc<World>, told: Told) -> Self {
        Self::made(world, world.clock(), told, String::new())
    }

    /// One of two, the `number`th that is started: the clock of its node is behind, or ahead.
    pub fn candidate(world: &Arc<World>, number: usize, told: Told) -> Self {
        let ahead = match number.is_multiple_of(2) {
            true => CLOCK_OFF,
            false => -CLOCK_OFF,
        };
        let clock = world.clock().ahead_by(ahead);
        Self::made(world, clock, told, format!("operator-{number}"))
    }

    /// What a scrape of its metrics gets.
    pub fn metrics(&self) -> String {
        self.sources.text()
    }

    /// Tells it to stop, waits until what it does is over, and has it give its place up.
    pub async fn told_to_stop(mut self, world: Arc<World>) {
        self.stop.stop();
        while self.parts.join_next().await.is_some() {}
        if let Some((stop, mut electing)) = self.election {
            stop.stop();
            while let Some(Ok(mut elector)) = electing.join_next().await {
                elector.release().await;
            }
            // Nobody waits for a lease to run out that belongs to nobody any more.
            let alone = world.gate.faults() == 1;
            if alone && world.lease.holder().as_deref() == Some(&self.name) {
                world.violation(format!("{} has stopped, and keeps its place", self.name));
            }
        }
    }

    fn made(world: &Arc<World>, clock: VirtualClock, told: Told, name: String) -> Self {
        let Told {
            workers,
            settle,
            region,
        } = told;
        let alone = name.is_empty();
        let life = Arc::new(Life::of(name.clone()));
        let times = Times::default();
        let (fence, takes) = match alone {
            true => (Fence::open(), CALL_TIMEOUT),
            false => (Fence::closed(), times.longest_effect()),
        };
        let election = (!alone).then(|| {
            let wire = LeaseWire {
                world: world.clone(),
                life: life.clone(),
                clock: clock.clone(),
            };
            let mut elector = Elector::new(wire, name.clone(), times, fence.clone());
            let (stop, mut until) = shutdown::channel();
            let mut electing = JoinSet::new();
            electing.spawn(Stopping::new(&life, async move {
                elector.run(&mut until).await;
                elector
            }));
            (stop, electing)
        });
        let steady: Arc<dyn Clock> = Arc::new(SteadyClock::new(clock.clone()));
        // All requests go one way here, not watches alone, which metrics tell of.
        let heard = Arc::new(Heard::new(steady.clone()));
        let client = ApiserverWire {
            world: world.clone(),
            life: life.clone(),
            fence: fence.clone(),
        }
        .client(NAMESPACE, takes, heard);
        let limits = Limits::for_calls(CALL_TIMEOUT);
        let (id, secret) = ACCESS_KEY;
        let credentials = StaticCredentials::new(id, secret, None).expect("a valid AccessKey");
        let metrics = Arc::new(Metrics::new());
        let config = ClientConfig {
            observer: Some(Arc::new(Metered(metrics.clone()))),
            limiter: Arc::new(Limiter::new(RateLimits {
                longest_wait_of_mutations: limits.turn,
                ..RateLimits::default()
            })),
            timeouts: Timeouts {
                request: CALL_TIMEOUT,
                ..Timeouts::default()
            },
            clock: Arc::new(clock.clone()),
            guard: Some(Arc::new(EffectGuard {
                fence: fence.clone(),
                takes,
            })),
            ..ClientConfig::default()
        };
        let wire = CloudWire {
            world: world.clone(),
            life: life.clone(),
        };
        let cloud = Client::with_transport(config.clone(), Arc::new(credentials), Arc::new(wire));
        let api = Arc::new(KubeApi::new(client.clone(), NAMESPACE));
        let own_namespaces = BTreeSet::from([NAMESPACE.to_owned()]);
        let clouds = AliyunClouds::new(config, api.clone(), own_namespaces.clone(), move |name| {
            let value = match name {
                "ALIBABA_CLOUD_ACCESS_KEY_ID" => id,
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET" => secret,
                _ => return None,
            };
            Some(value.to_owned())
        });
        let clouds: Arc<dyn Clouds> = Arc::new(clouds.over(cloud).counted(metrics.clone()));
        let tasks = Arc::new(TaskIndex::new(Some(region.to_owned())));
        let sightings = Arc::new(Sightings::new(settle));
        let triggers: Arc<Triggers<ObjectKey>> = Arc::new(Triggers::new().counted(metrics.clone()));
        let windows = Arc::new(Windows::new(NAMESPACE));
        let gates = ["tasks", "rollbacks", "imageupdates", "windows", "records"];
        let readiness = Arc::new(Readiness::new(gates.map(str::to_owned)));
        let context = Context {
            kubernetes: Arc::new(Bounded::new(Keeping::new(
                api.clone(),
                api.clone(),
                steady.clone(),
            ))),
            clouds: clouds.clone(),
            events: Arc::new(Counted {
                events: Publisher::new(client.clone(), None)
                    .beside_records(NAMESPACE, Some(region.to_owned())),
                metrics: metrics.clone(),
            }),
            clock: steady.clone(),
            tasks: tasks.clone(),
            windows: windows.clone(),
            pace: Arc::new(Pace::new(RateLimits::default().oos_starts.per_second)),
            sightings: sightings.clone(),
            recent: Arc::default(),
            endpoints: Arc::new(Shared::new(RuleEndpoints(world.clone()))),
            settings: Settings {
                default_region: Some(region.to_owned()),
                own_credentials_namespaces: own_namespaces,
                own_credentials_ram_roles: BTreeSet::new(),
                call_lifetime: settle + limits.call_time(takes),
                acts_since: None,
                list_lag: settle,
                poll_interval: POLL * poller::EVERY,
                progress_interval: Duration::from_secs(10),
                endpoints: endpoints(),
            },
            limits,
            schemas: Arc::default(),
            vouching: Arc::default(),
            counting: Arc::new(Counting::new(metrics.clone())),
            step: Arc::new(rollout::step),
        };

        let (stop, shutdown) = shutdown::channel();
        let mut parts = JoinSet::new();
        let sources = Sources {
            metrics: metrics.clone(),
            clock: steady.clone(),
            tasks: tasks.clone(),
            windows: windows.clone(),
            leftovers: Arc::default(),
            triggers: triggers.clone(),
            sightings,
            pace: context.pace.clone(),
            schemas: context.schemas.clone(),
            heard: Arc::new(Heard::new(steady.clone())),
            fence: fence.clone(),
            lease: None,
        };
        let feed = Feed {
            tasks: tasks.clone(),
            windows: windows.clone(),
            leftovers: sources.leftovers.clone(),
            references: Arc::default(),
            triggers: triggers.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
        };
        let [
            tasks_gate,
            rollbacks_gate,
            image_updates_gate,
            windows_gate,
            records_gate,
        ] = gates.map(str::to_owned);
        parts.spawn(watch::objects::<RollingUpdateTask>(
            Api::all(client.clone()),
            0,
            tasks_gate,
            feed.clone(),
            shutdown.clone(),
        ));
        parts.spawn(watch::objects::<Rollback>(
            Api::all(client.clone()),
            1,
            rollbacks_gate,
            feed.clone(),
            shutdown.clone(),
        ));
        parts.spawn(watch::objects::<ImageUpdateTask>(
            Api::all(client.clone()),
            2,
            image_updates_gate,
            feed.clone(),
            shutdown.clone(),
        ));
        parts.spawn(watch::windows(
            Api::all(client.clone()),
            0,
            windows_gate,
            feed.clone(),
            shutdown.clone(),
        ));
        parts.spawn(watch::records(
            Api::namespaced(client, NAMESPACE),
            records_gate,
            feed,
            shutdown.clone(),
        ));
        let leading = Leading {
            fence,
            longest_effect: takes,
            context,
            triggers,
            workers,
            clouds,
            poll_interval: POLL,
            teller: Teller {
                windows,
                kubernetes: api,
                clock: steady,
            },
            sweeper: None,
            readiness,
            metrics,
            pass: Arc::new({
                let (world, life) = (world.clone(), life.clone());
                move |context, about, _| {
                    let pass = pass(world.clone(), life.clone(), context, about);
                    Stopping::new(&life, pass).boxed()
                }
            }),
        };
        let world = world.clone();
        parts.spawn(Stopping::new(&life, async move {
            if let Err(error) = leading.serve(shutdown).await {
                world.violation(format!("{error:?}"));
            }
        }));
        Self {
            parts,
            stop,
            election,
            name,
            sources,
        }
    }
}

async fn pass(
    world: Arc<World>,
    life: Arc<Life>,
    context: Arc<Context>,
    (key, turn): (ObjectKey, Turn),
) -> Finished {
    world.pass_begins(&key);
    let pass = reconcile(&context, &key, turn).await;
    let again = match &pass.outcome {
        Ok(next) => context.again(&key, *next),
        Err(error) => {
            world.trace(|| format!("pass of {key} failed: {error:?}"));
            Again::Failed
        }
    };
    match again {
        // Another looks.
        _ if !life.name.is_empty() && !world.lease.lets_act(&life.name) => {}
        Again::Now => world.look_is_due(key, Duration::ZERO),
        Again::After(wait) | Again::InTurn(wait) => world.look_is_due(key, wait),
        Again::Failed => world.look_is_due(key, LONGEST_WAIT),
        Again::OnChange | Again::Gone => {}
    }
    Finished {
        again,
        versions: pass.versions,
    }
}
