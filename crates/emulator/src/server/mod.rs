//! Sockets around the front: HTTP and HTTPS listeners, and the task that lets real time drive the
//! virtual clock.

mod clock;
mod listener;
mod tls;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::cloud::Cloud;
use crate::control;
use crate::front;
use clock::RealTime;
use listener::{Connection, Connections};

pub use tls::TlsFiles;

/// Requests above this are refused: four times the largest that the API takes.
const BODY_LIMIT: usize = 1024 * 1024;

/// A cloud that real time drives.
pub struct Shared {
    inner: Mutex<Driven>,
    /// Rings whenever the clock or the queue may have changed.
    changed: Notify,
}

struct Driven {
    cloud: Cloud,
    time: RealTime,
}

impl Shared {
    /// The cloud as it is now: what became due meanwhile has happened.
    fn locked(&self) -> MutexGuard<'_, Driven> {
        // A panic while the lock was held has already failed that request; the state is plain
        // data, and later requests may go on with it.
        let mut driven = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Driven { cloud, time } = &mut *driven;
        time.catch_up(cloud);
        driven
    }

    /// Looks at the cloud without letting time pass first.
    pub fn peek<T>(&self, look: impl FnOnce(&Cloud) -> T) -> T {
        let driven = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        look(&driven.cloud)
    }

    /// Works with the cloud as it is now.
    pub fn with<T>(&self, work: impl FnOnce(&mut Cloud) -> T) -> T {
        let result = {
            let mut driven = self.locked();
            let Driven { cloud, time } = &mut *driven;
            let result = work(cloud);
            time.follow(cloud);
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
            }),
            changed: Notify::new(),
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
    /// Lets due things happen at their real time.
    async fn drive(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that a change between looking and waiting is not missed.
            changed.as_mut().enable();
            let wait = {
                let driven = self.locked();
                driven.time.until_next(&driven.cloud)
            };
            match wait {
                None => changed.await,
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = &mut changed => {}
                    }
                }
            }
        }
    }

    /// Waits until the virtual clock has reached `at`.
    async fn reached(&self, at: jiff::Timestamp) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wait = {
                let driven = self.locked();
                if driven.cloud.now() >= at {
                    return;
                }
                driven.time.until(at, &driven.cloud)
            };
            match wait {
                None => changed.await,
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = &mut changed => {}
                    }
                }
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
            false => shared.with(|cloud| front::too_large(cloud, &request, BODY_LIMIT)),
        });
    }
    if is_control {
        return to_http(shared.with(|cloud| control::handle(cloud, &request, wall_now)));
    }
    match shared.with(|cloud| front::handle(cloud, &request, wall_now)) {
        front::Outcome::Answer(response) => to_http(response),
        front::Outcome::AnswerAt(at, response) => {
            shared.reached(at).await;
            to_http(response)
        }
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
