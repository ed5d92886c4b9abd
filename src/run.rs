//! `ess-rollout run`: wires everything and joins everything.

use std::{collections::BTreeSet, fmt::Debug, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use ess_rollout_aliyun::{ClientConfig, Limiter, Limits as RateLimits, MutationGuard};
use ess_rollout_api::v1alpha1::{ImageUpdateTask, MaintenanceWindow, Rollback, RollingUpdateTask};
use ess_rollout_core::rollout;
use futures::FutureExt;
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Resource};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinHandle, JoinSet},
};

use crate::{
    clouds::{AliyunClouds, Clouds, Metered},
    endpoints::{HttpEndpoints, Shared, names},
    kept::Sweeper,
    kubernetes::{
        Bounded, Clients, CountedLayer, FenceLayer, Heard, Keeping, KeptSecrets, KubeApi,
        KubeLeases, Kubernetes, ObjectKey, RECORDS, Schemas,
    },
    leading::{EffectGuard, Ended, Leading, drain, unexpected},
    pass::one_pass,
    policies, poller,
    reconcile::{Context, Counting, Limits},
    runtime::{
        clock::{Clock, SteadyClock, SystemClock},
        dispatcher::Triggers,
        events::{Counted, Publisher},
        health::{self, Readiness},
        lease::{Elector, Fence},
        metrics::Metrics,
        pace::Pace,
        shutdown::{self, Shutdown},
    },
    scrape::Sources,
    seen::Sightings,
    settings::Settings,
    tasks::{Leftovers, References, TaskIndex, Viewed},
    versions,
    watch::{self, Feed},
    windows::{Teller, Windows},
};

/// How long passes may take to finish after the word to stop, on top of the one call to the cloud that
/// may be under way: to send it, to write down its outcome, and to publish Events. The
/// terminationGracePeriodSeconds of the Deployment, 60, must be longer than both.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot begin, or a part of it ends by itself.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(SystemClock));
    let heard = Arc::new(Heard::new(clock.clone()));
    let fence = match &settings.election {
        Some(_) => Fence::closed(),
        None => Fence::open(),
    };
    let layer = FenceLayer {
        fence: fence.clone(),
        takes: settings
            .election
            .as_ref()
            .map_or(Duration::MAX, |election| election.times.longest_effect()),
    };
    let metrics = Arc::new(Metrics::new());
    metrics.passes.bounded(settings.workers.in_all);
    let counted = CountedLayer {
        metrics: metrics.clone(),
    };
    let clients = Clients::infer(heard, layer, counted).await?;
    let listener = TcpListener::bind(settings.health)
        .await
        .with_context(|| {
            format!(
                "cannot listen on --health-addr (ESS_ROLLOUT_HEALTH_ADDR) {}, where /readyz and /metrics are served",
                settings.health
            )
        })?;
    let health = listener.local_addr()?;
    let own_namespace = settings
        .namespace
        .clone()
        .unwrap_or_else(|| clients.default_namespace.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = own_namespace,
        %health,
        "operator begins"
    );

    let endpoints = Shared::new(HttpEndpoints::new(&settings.gate_endpoints)?);
    let endpoints = endpoints.counted(metrics.clone());
    let own = (fence, metrics, clock);
    let operator = Operator::new(&settings, &clients, &own_namespace, (own, endpoints));
    let (stop, shutdown) = shutdown::channel();
    let mut parts: JoinSet<Ended> = JoinSet::new();
    let health_server = operator.spawn(&mut parts, listener, &clients, &settings, &shutdown);
    let mut candidacy = Candidacy::begin(&settings, &clients, &operator);

    let ready = operator.readiness.clone();
    let ready_file = settings.ready_file.clone();
    let mut stopping = shutdown.clone();
    parts.spawn(async move {
        tokio::select! {
            biased;
            () = stopping.wait() => return ("readiness", Ok(())),
            () = ready.wait() => {}
        }
        tracing::info!("operator is ready");
        let written = match &ready_file {
            Some(path) => write_ready_file(path, health)
                .with_context(|| format!("cannot write --ready-file {}", path.display())),
            None => Ok(()),
        };
        if written.is_ok() {
            stopping.wait().await;
        }
        ("readiness", written)
    });

    let first = tokio::select! {
        biased;
        signal = shutdown::signalled() => {
            tracing::info!(signal = signal?, "operator stops");
            Ok(())
        }
        Some(ended) = parts.join_next() => Err(unexpected(ended)),
        error = candidacy.ended() => Err(error),
    };
    stop.stop();
    let patience = settings.call_timeout + DRAIN;
    // The health server answers to the end.
    let serves = || usize::from(!health_server.is_finished());
    let drained = tokio::time::timeout(patience, drain(&mut parts, serves)).await;
    // Not where something may still go on: others wait until it cannot.
    if let Ok(Ok(())) = drained {
        candidacy.release().await;
    }
    first?;
    drained.map_err(|_| {
        anyhow!("passes did not finish within {patience:?}; they resume at the next start")
    })?
}

/// This process's part in the election; it has none where it is alone.
struct Candidacy {
    stop: shutdown::Stop,
    electing: Option<JoinHandle<Elector<KubeLeases>>>,
}

impl Candidacy {
    fn begin(settings: &Settings, clients: &Clients, operator: &Operator) -> Self {
        let (stop, mut shutdown) = shutdown::channel();
        let electing = settings.election.as_ref().map(|election| {
            let (calls, watches) = (clients.election.clone(), clients.watches.clone());
            let namespace = &operator.own_namespace;
            let leases = KubeLeases::new(calls, watches, namespace, &election.lease_name);
            // A process that was paused may come back: its name is its own.
            let pod = settings.pod_name.as_deref().unwrap_or("ess-rollout");
            let me = format!("{pod}_{:016x}", fastrand::u64(..));
            let watching = leases.watch(shutdown.clone());
            let times = election.times;
            let mut elector = Elector::new(leases, me, times, operator.fence.clone());
            let ready = operator.readiness.clone();
            tokio::spawn(async move {
                // Whoever leads and cannot begin would keep the place from one that can.
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return elector,
                    () = ready.wait() => {}
                }
                tokio::select! {
                    biased;
                    () = elector.run(&mut shutdown) => {}
                    () = watching => {}
                }
                elector
            })
        });
        Self { stop, electing }
    }

    /// Ends when the election does so by itself, which it must not.
    async fn ended(&mut self) -> anyhow::Error {
        let Some(electing) = &mut self.electing else {
            return std::future::pending().await;
        };
        let ended = electing.await;
        self.electing = None;
        match ended {
            Ok(_) => anyhow!("leader election ended by itself"),
            Err(error) => anyhow::Error::new(error).context("leader election panicked"),
        }
    }

    /// Gives the place up. Nothing may go on any more that it lets do.
    async fn release(self) {
        self.stop.stop();
        let Some(electing) = self.electing else {
            return;
        };
        if let Ok(mut elector) = electing.await {
            elector.release().await;
        }
    }
}

/// A reader sees the whole file or none.
fn write_ready_file(path: &Path, health: std::net::SocketAddr) -> std::io::Result<()> {
    let mut reachable = health;
    if reachable.ip().is_unspecified() {
        reachable.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let text = serde_json::json!({"health": reachable.to_string()}).to_string();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)?;
    std::fs::rename(&partial, path)
}

/// What the parts share.
struct Operator {
    context: Context,
    clouds: Arc<dyn Clouds>,
    tasks: Arc<TaskIndex>,
    windows: Arc<Windows>,
    sightings: Arc<Sightings>,
    leftovers: Arc<Leftovers>,
    api: Arc<KubeApi>,
    kept: Arc<dyn KeptSecrets>,
    references: Arc<References>,
    fence: Fence,
    triggers: Arc<Triggers<ObjectKey>>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    own_namespace: String,
    /// `None`: all.
    watched: Vec<Option<String>>,
    /// The same of MaintenanceWindows: those of the operator's own namespace are for all.
    watched_windows: Vec<Option<String>>,
}

fn gate<K: Resource<DynamicType = ()>>(namespace: Option<&str>) -> String {
    let plural = K::plural(&());
    match namespace {
        None => format!("watch of {plural}"),
        Some(namespace) => format!("watch of {plural} in {namespace}"),
    }
}

/// What the process has, whatever it was told.
type Own = (Fence, Arc<Metrics>, Arc<dyn Clock>);

const RECORD_GATE: &str = "watch of scalinggrouprecords";

impl Operator {
    fn new(
        settings: &Settings,
        clients: &Clients,
        own_namespace: &str,
        ((fence, metrics, clock), endpoints): (Own, Shared),
    ) -> Self {
        let rates = settings.rates.for_passes(settings.workers.in_a_lane);
        let limits = Limits {
            sighting_age: settings.poll_interval * 3,
            // What is asked next may wait as long once more.
            reading: rates.longest_wait_of_reads * 2,
            ..Limits::for_calls(settings.call_timeout)
        };
        let sightings = Arc::new(Sightings::new(settings.call_lifetime));
        let tasks = Arc::new(TaskIndex::new(settings.region.clone()));
        let lanes = tasks.clone();
        let windows = Arc::new(Windows::new(own_namespace));
        let api = Arc::new(KubeApi::new(clients.calls.clone(), own_namespace));
        let kept: Arc<dyn KeptSecrets> = api.clone();
        let keeping = Keeping::new(api.clone(), kept.clone(), clock.clone());
        let kubernetes: Arc<dyn Kubernetes> = Arc::new(Bounded::new(keeping));
        let own_credentials_namespaces = settings
            .own_credentials_namespaces
            .clone()
            .unwrap_or_else(|| BTreeSet::from([own_namespace.to_owned()]));
        let clouds = AliyunClouds::new(
            ClientConfig {
                limiter: Arc::new(Limiter::new(RateLimits {
                    longest_wait_of_mutations: limits.turn,
                    ..rates
                })),
                observer: Some(Arc::new(Metered(metrics.clone()))),
                guard: settings.election.as_ref().map(|election| {
                    let guard = EffectGuard {
                        fence: fence.clone(),
                        takes: election.times.longest_effect(),
                    };
                    Arc::new(guard) as Arc<dyn MutationGuard>
                }),
                ..settings.client_config()
            },
            kubernetes.clone(),
            own_credentials_namespaces.clone(),
            |name| std::env::var(name).ok(),
        );
        let clouds: Arc<dyn Clouds> = Arc::new(clouds.counted(metrics.clone()));
        let watched: Vec<Option<String>> = match settings.watch_namespaces.is_empty() {
            true => vec![None],
            false => settings
                .watch_namespaces
                .iter()
                .cloned()
                .map(Some)
                .collect(),
        };
        let own = Some(own_namespace.to_owned());
        let own = Some(own).filter(|own| watched != [None] && !watched.contains(own));
        let watched_windows: Vec<Option<String>> = watched.iter().cloned().chain(own).collect();
        let window_gates = watched_windows
            .iter()
            .map(|namespace| gate::<MaintenanceWindow>(namespace.as_deref()));
        let gates = watched
            .iter()
            .map(|namespace| namespace.as_deref())
            .flat_map(|namespace| {
                [
                    gate::<RollingUpdateTask>(namespace),
                    gate::<Rollback>(namespace),
                    gate::<ImageUpdateTask>(namespace),
                ]
            })
            .chain(window_gates)
            .chain([RECORD_GATE.to_owned()])
            .chain(
                settings
                    .admission_policy
                    .iter()
                    .map(|_| policies::GATE.to_owned()),
            );
        let schemas = Arc::new(Schemas::default());
        let context = Context {
            kubernetes,
            clouds: clouds.clone(),
            events: Arc::new(Counted {
                events: Publisher::new(clients.calls.clone(), settings.pod_name.clone())
                    .beside_records(own_namespace, settings.region.clone()),
                metrics: metrics.clone(),
            }),
            clock: clock.clone(),
            tasks: tasks.clone(),
            windows: windows.clone(),
            pace: Arc::new(Pace::new(settings.rates.oos_starts.per_second)),
            sightings: sightings.clone(),
            recent: Arc::default(),
            endpoints: Arc::new(endpoints),
            settings: rollout::Settings {
                default_region: settings.region.clone(),
                own_credentials_namespaces,
                own_credentials_ram_roles: settings.own_credentials_ram_roles.clone(),
                call_lifetime: settings.call_lifetime + limits.call_time(settings.longest_effect()),
                acts_since: None,
                list_lag: settings.call_lifetime,
                // What moves is told by the poller; this is for what it cannot tell.
                poll_interval: settings.poll_interval * poller::EVERY,
                progress_interval: settings.progress_interval,
                endpoints: names(&settings.gate_endpoints),
            },
            limits,
            schemas: schemas.clone(),
            vouching: Arc::default(),
            counting: Arc::new(Counting::new(metrics.clone())),
            step: Arc::new(rollout::step),
        };
        Self {
            context,
            fence,
            clouds,
            tasks,
            windows,
            sightings,
            leftovers: Arc::default(),
            api,
            kept,
            references: Arc::default(),
            triggers: Arc::new(
                Triggers::with_lanes(move |key| lanes.lane_of(key)).counted(metrics.clone()),
            ),
            readiness: Arc::new(Readiness::new(gates)),
            metrics,
            clock,
            own_namespace: own_namespace.to_owned(),
            watched,
            watched_windows,
        }
    }

    /// Starts all parts; gives the handle of the health server.
    fn spawn(
        &self,
        parts: &mut JoinSet<Ended>,
        listener: TcpListener,
        clients: &Clients,
        settings: &Settings,
        shutdown: &Shutdown,
    ) -> AbortHandle {
        let feed = Feed {
            tasks: self.tasks.clone(),
            windows: self.windows.clone(),
            leftovers: self.leftovers.clone(),
            references: self.references.clone(),
            triggers: self.triggers.clone(),
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
        };
        self.watch_objects::<RollingUpdateTask>(parts, 0, clients, &feed, shutdown);
        let each = self.watched.len();
        self.watch_objects::<Rollback>(parts, each, clients, &feed, shutdown);
        self.watch_objects::<ImageUpdateTask>(parts, 2 * each, clients, &feed, shutdown);
        self.watch_windows(parts, clients, &feed, shutdown);
        let api = Api::namespaced(clients.watches.clone(), &self.own_namespace);
        let watching = watch::records(api, RECORD_GATE.to_owned(), feed, shutdown.clone());
        parts.spawn(async move {
            watching.await;
            ("watch of records", Ok(()))
        });

        let checking = versions::watch(
            clients.calls.clone(),
            self.context.schemas.clone(),
            self.readiness.clone(),
            shutdown.clone(),
        );
        parts.spawn(async move {
            checking.await;
            ("check of the CRDs", Ok(()))
        });

        if let Some(policy) = settings.admission_policy.clone() {
            let looking = policies::watch(
                clients.calls.clone(),
                policy,
                self.context.vouching.clone(),
                self.readiness.clone(),
                shutdown.clone(),
            );
            parts.spawn(async move {
                looking.await;
                ("look for the admission policy", Ok(()))
            });
        } else {
            tracing::info!(
                "names in requests are not verified: no --admission-policy (docs/approvals.md)"
            );
        }

        let election = settings.election.as_ref();
        let sources = Sources {
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
            windows: self.windows.clone(),
            leftovers: self.leftovers.clone(),
            triggers: self.triggers.clone(),
            sightings: self.sightings.clone(),
            pace: self.context.pace.clone(),
            schemas: self.context.schemas.clone(),
            heard: clients.heard.clone(),
            fence: self.fence.clone(),
            lease: election.map(|election| election.lease_name.clone()),
        };
        let serving = health::serve(
            listener,
            self.readiness.clone(),
            Arc::new(move || sources.text()),
        );
        let leading = self.leading(settings).serve(shutdown.clone());
        parts.spawn(async move { ("leading", leading.await) });
        parts.spawn(async move { ("health server", serving.await.map_err(Into::into)) })
    }

    /// One watch for each namespace, numbered from `first`.
    fn watch_objects<K>(
        &self,
        parts: &mut JoinSet<Ended>,
        first: usize,
        clients: &Clients,
        feed: &Feed,
        shutdown: &Shutdown,
    ) where
        K: Viewed<Scope = NamespaceResourceScope> + Debug + Clone + 'static,
    {
        for (source, namespace) in (first..).zip(&self.watched) {
            let api = match namespace {
                None => Api::all(clients.watches.clone()),
                Some(namespace) => Api::namespaced(clients.watches.clone(), namespace),
            };
            let gate = gate::<K>(namespace.as_deref());
            let watching = watch::objects::<K>(api, source, gate, feed.clone(), shutdown.clone());
            parts.spawn(async move {
                watching.await;
                ("watch of objects", Ok(()))
            });
        }
    }

    /// The same for MaintenanceWindows.
    fn watch_windows(
        &self,
        parts: &mut JoinSet<Ended>,
        clients: &Clients,
        feed: &Feed,
        shutdown: &Shutdown,
    ) {
        for (source, namespace) in self.watched_windows.iter().enumerate() {
            let api = match namespace {
                None => Api::all(clients.watches.clone()),
                Some(namespace) => Api::namespaced(clients.watches.clone(), namespace),
            };
            let gate = gate::<MaintenanceWindow>(namespace.as_deref());
            let watching = watch::windows(api, source, gate, feed.clone(), shutdown.clone());
            parts.spawn(async move {
                watching.await;
                ("watch of MaintenanceWindows", Ok(()))
            });
        }
    }

    /// What is done while this process leads.
    fn leading(&self, settings: &Settings) -> Leading {
        let known = self
            .watched
            .iter()
            .cloned()
            .collect::<Option<Vec<String>>>();
        Leading {
            fence: self.fence.clone(),
            longest_effect: settings.longest_effect(),
            context: self.context.clone(),
            triggers: self.triggers.clone(),
            workers: settings.workers,
            clouds: self.clouds.clone(),
            poll_interval: settings.poll_interval,
            teller: Teller {
                windows: self.windows.clone(),
                kubernetes: self.api.clone(),
                clock: self.clock.clone(),
            },
            sweeper: Some(Sweeper {
                secrets: self.kept.clone(),
                references: self.references.clone(),
                clock: self.clock.clone(),
                namespaces: known.map(|mut all| {
                    all.push(RECORDS.to_owned());
                    all
                }),
            }),
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            pass: Arc::new({
                let metrics = self.metrics.clone();
                move |context, about, until| {
                    one_pass(context, metrics.clone(), about, until).boxed()
                }
            }),
        }
    }
}
