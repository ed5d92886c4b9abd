//! Sockets around the front: HTTP and HTTPS listeners, and the task that lets real time drive the
//! virtual clock.

mod clock;
mod listener;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};

use crate::cloud::Cloud;
use crate::control;
use crate::front;
use clock::RealTime;
use listener::{Connection, Connections};

pub use tls::TlsFiles;

/// Requests above this are refused: four times the largest that the API takes.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long the cloud is worked on at a time while virtual time passes, before others get their turn.
const SLICE: Duration = Duration::from_millis(10);

/// A cloud that real time drives.
pub struct Shared {
    /// Whoever waits for it gets it in the order of asking: letting time pass, which may take long,
    /// is done in slices, between which all others get their turn.
    inner: Mutex<Driven>,
    /// Rings whenever the clock or the queue may have changed.
    changed: Notify,
    /// Rings whenever the clock was moved on request.
    moved: Notify,
}

struct Driven {
    cloud: Cloud,
    time: RealTime,
    /// Whether more is due than was done: the driver is at it, and others do not wait for it.
    is_late: bool,
}

impl Driven {
    /// Lets time pass as far as a slice of work leads. Gives whether the clock shows what it should.
    fn pass(&mut self) -> bool {
        let end = Instant::now() + SLICE;
        let go_on = || Instant::now() < end;
        let is_there = match self.cloud.heading() {
            Some(goal) => {
                // Not by real time as well: where the clock is moved to is where it arrives.
                let is_there = self.cloud.advance_while(goal, go_on);
                self.time.begin_anew(&self.cloud);
                self.cloud.world.behind = SignedDuration::ZERO;
                is_there
            }
            None => self.time.catch_up(&mut self.cloud, go_on),
        };
        self.is_late = !is_there;
        is_there
    }

    /// The cloud as it is now: what became due meanwhile has happened, or is being done.
    fn current(&mut self) -> &mut Cloud {
        if self.cloud.heading().is_none() && !self.is_late {
            self.pass();
        }
        &mut self.cloud
    }

    /// After somebody worked with the cloud.
    fn follow(&mut self) {
        if self.time.follow(&self.cloud) {
            self.is_late = false;
        }
    }
}

impl Shared {
    /// Looks at the cloud without letting time pass first.
    pub async fn peek<T>(&self, look: impl FnOnce(&Cloud) -> T) -> T {
        look(&self.inner.lock().await.cloud)
    }

    /// Works with the cloud as it is now.
    pub async fn with<T>(&self, work: impl FnOnce(&mut Cloud) -> T) -> T {
        let result = {
            let mut driven = self.inner.lock().await;
            let result = work(driven.current());
            driven.follow();
            result
        };
        self.changed.notify_waiters();
        result
    }
}

/// A running emulator.
pub struct Server {
    /// Where HTTP is answered, with the port that port 0 became.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is answered, likewise.
    pub https: Option<SocketAddr>,
    /// The cloud behind the sockets.
    pub shared: Arc<Shared>,
    tasks: tokio::task::JoinSet<()>,
}

impl Server {
    /// Listens and serves until dropped.
    pub async fn start(
        cloud: Cloud,
        http: Option<SocketAddr>,
        https: Option<SocketAddr>,
        tls: &TlsFiles,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            inner: Mutex::new(Driven {
                time: RealTime::new(&cloud),
                cloud,
                is_late: false,
            }),
            changed: Notify::new(),
            moved: Notify::new(),
        });
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Connection>();
        let mut tasks = tokio::task::JoinSet::new();
        let mut bound = [None, None];
        for (slot, address, secure) in [(0, http, false), (1, https, true)] {
            let Some(address) = address else { continue };
            let option = if secure { "--https" } else { "--http" };
            let tcp = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {option} {address}"))?;
            let local = tcp.local_addr()?;
            bound[slot] = Some(local);
            let acceptor = secure.then(|| tls.acceptor()).transpose()?;
            let connections = Connections::accept_on(tcp, local, acceptor, &mut tasks);
            let app = app.clone();
            tasks.spawn(async move {
                if let Err(error) = axum::serve(connections, app).await {
                    tracing::error!(%error, "a listener ended");
                }
            });
        }
        let driver = Arc::clone(&shared);
        tasks.spawn(async move { driver.drive().await });
        Ok(Self {
            http: bound[0],
            https: bound[1],
            shared,
            tasks,
        })
    }

    /// Waits until a part of the server ends, which none should.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }
}

impl Shared {
    /// Lets due things happen at their real time, and moves the clock on request.
    async fn drive(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that a change between looking and waiting is not missed.
            changed.as_mut().enable();
            let (is_there, was_moved, wait) = {
                let mut driven = self.inner.lock().await;
                let was_moved = driven.cloud.heading().is_some();
                let is_there = driven.pass();
                let wait = driven.time.until_next(&driven.cloud);
                (is_there, was_moved, wait)
            };
            if was_moved {
                self.moved.notify_waiters();
            }
            if !is_there {
                tokio::task::yield_now().await;
                continue;
            }
            match wait {
                None => changed.await,
                Some(wait) => {
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(wait) => {}
                        () = &mut changed => {}
                    }
                }
            }
        }
    }

    /// Waits until the virtual clock has reached `at`, and looks at the cloud then.
    async fn reached<T>(&self, at: jiff::Timestamp, look: impl FnOnce(&Cloud) -> T) -> T {
        loop {
            let changed = self.changed.notified();
            let moved = self.moved.notified();
            tokio::pin!(changed, moved);
            changed.as_mut().enable();
            moved.as_mut().enable();
            let wait = {
                let mut driven = self.inner.lock().await;
                if driven.cloud.now() >= at || driven.current().now() >= at {
                    return look(&driven.cloud);
                }
                driven.time.until(at, &driven.cloud)
            };
            let slept = async {
                match wait {
                    None => std::future::pending().await,
                    Some(wait) => tokio::time::sleep(wait).await,
                }
            };
            tokio::select! {
                biased;
                () = slept => {}
                () = &mut changed => {}
                () = &mut moved => {}
            }
        }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (body, is_whole) = match body {
        Ok(body) => (body, true),
        Err(_) => (Bytes::new(), false),
    };
    let request = front::Request {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: body.to_vec(),
    };
    // Signatures and STS credentials go by the clock of the client's world.
    let wall_now = jiff::Timestamp::now();
    let is_control = request.path.starts_with(control::PREFIX);
    if !is_whole {
        return to_http(match is_control {
            true => control::too_large(BODY_LIMIT),
            false => {
                let refusal = |cloud: &mut Cloud| front::too_large(cloud, &request, BODY_LIMIT);
                shared.with(refusal).await
            }
        });
    }
    if is_control {
        let begin = |cloud: &mut Cloud| control::begin(cloud, &request, wall_now);
        return to_http(match shared.with(begin).await {
            control::Outcome::Answer(response) => response,
            control::Outcome::Later(later) => {
                let written = tokio::task::spawn_blocking(move || later.write()).await;
                written.unwrap_or_else(|error| {
                    tracing::error!(%error, "an answer could not be written");
                    front::Response {
                        status: 500,
                        headers: Vec::new(),
                        body: Vec::new(),
                    }
                })
            }
            control::Outcome::ClockAt(at) => shared.reached(at, control::clock).await,
        });
    }
    let handle = |cloud: &mut Cloud| front::handle(cloud, &request, wall_now);
    match shared.with(handle).await {
        front::Outcome::Answer(response) => to_http(response),
        front::Outcome::AnswerAt(at, response) => shared.reached(at, |_| to_http(response)).await,
        front::Outcome::Dropped => {
            connection.abort();
            Response::new(Body::empty())
        }
    }
}

fn to_http(response: front::Response) -> Response {
    let mut answer = Response::new(Body::from(response.body));
    *answer.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (
            axum::http::HeaderName::try_from(name),
            HeaderValue::from_str(&value),
        ) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
