//! A reverse proxy between the operator and one of its two servers. It names the requests that change something, and
//! lets the [`Gate`] decide what becomes of each.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use axum::{Router, http};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::gate::{Gate, Verdict};

/// Which server is behind it, and with that how its requests are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    Apiserver,
    Cloud,
}

impl Upstream {
    /// The name of a request that changes something; `None` for one that reads. Events are left out: they tell people
    /// what happened, and nothing depends on them.
    fn step(self, method: &Method, path: &str, headers: &HeaderMap) -> Option<String> {
        match self {
            Self::Cloud => {
                let action = headers.get("x-acs-action")?.to_str().ok()?;
                let reads = ["Describe", "List", "Get"];
                (!reads.iter().any(|read| action.starts_with(read))).then(|| action.to_owned())
            }
            Self::Apiserver => {
                if *method == Method::GET {
                    return None;
                }
                let mut parts = path
                    .trim_matches('/')
                    .split('/')
                    .skip_while(|part| *part != "namespaces")
                    .skip(2);
                let resource = parts.next()?;
                let what = match parts.nth(1) {
                    Some(subresource) => format!("{resource}/{subresource}"),
                    None => resource.to_owned(),
                };
                (resource != "events").then(|| format!("{method} {what}"))
            }
        }
    }
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Forwarder {
    upstream: Upstream,
    base: String,
    client: reqwest::Client,
    gate: Arc<Gate>,
}

impl Proxy {
    /// Listens on loopback in front of `base`. `authority` is the PEM file of whoever signed an HTTPS server's certificate.
    pub async fn start(
        upstream: Upstream,
        base: &str,
        authority: Option<&Path>,
        gate: Arc<Gate>,
    ) -> Result<Self> {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never());
        if let Some(pem) = authority {
            let authority = reqwest::Certificate::from_pem(&std::fs::read(pem)?)?;
            client = client.tls_certs_only([authority]);
        }
        let forwarder = Forwarder {
            upstream,
            base: base.trim_end_matches('/').to_owned(),
            client: client.build()?,
            gate,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(forwarder)
            .into_make_service_with_connect_info::<Connection>();
        let task = tokio::spawn(async move {
            // Only ends by the abort.
            let _ = axum::serve(Sockets(listener), app).await;
        });
        Ok(Self { address, task })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Request {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(
    State(forwarder): State<Forwarder>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let step = forwarder.upstream.step(&method, uri.path(), &headers);
    let request = Request {
        method,
        path_and_query: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers,
        body,
    };
    // A task of its own: the death of the operator cancels this handler, and must cancel neither a request that
    // was received nor the operator's new start.
    let answered = tokio::spawn(async move {
        match step {
            None => forwarder.forward(&request).await,
            Some(step) => forwarder.take_step(&step, request).await,
        }
    });
    match answered.await {
        Ok(Some(response)) => response,
        Ok(None) | Err(_) => {
            connection.cut();
            Response::new(Body::empty())
        }
    }
}

impl Forwarder {
    /// What the gate says becomes of a request that changes something. `None`: the connection ends without an answer.
    async fn take_step(self, step: &str, request: Request) -> Option<Response> {
        match self.gate.arrive(step) {
            Verdict::Pass => self.forward(&request).await,
            Verdict::KillBefore(restart) => {
                self.gate.kill(restart).await;
                None
            }
            Verdict::KillAfter(restart) => {
                self.forward(&request).await;
                self.gate.kill(restart).await;
                None
            }
            Verdict::KillThenForward(late, restart) => {
                let forwarder = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    forwarder.forward(&request).await;
                });
                self.gate.kill(restart).await;
                None
            }
            Verdict::AnswerAfter(wait) => {
                let answer = self.forward(&request).await;
                tokio::time::sleep(wait).await;
                answer
            }
        }
    }

    /// Sends a request on and gives the answer. `None`: there is none, the server cut the connection.
    async fn forward(&self, request: &Request) -> Option<Response> {
        let mut headers = request.headers.clone();
        for name in [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
        ] {
            headers.remove(name);
        }
        let sent = self
            .client
            .request(
                request.method.clone(),
                format!("{}{}", self.base, request.path_and_query),
            )
            .headers(headers)
            .body(request.body.clone())
            .send()
            .await
            .ok()?;
        let mut answer = http::Response::builder().status(sent.status());
        for (name, value) in sent.headers() {
            if ![
                header::CONNECTION,
                header::CONTENT_LENGTH,
                header::TRANSFER_ENCODING,
            ]
            .contains(name)
            {
                answer = answer.header(name, value);
            }
        }
        let watches = request.path_and_query.contains("watch=");
        let body = if watches {
            Body::from_stream(futures::stream::try_unfold(sent, |mut sent| async move {
                Ok::<_, reqwest::Error>(sent.chunk().await?.map(|chunk| (chunk, sent)))
            }))
        } else {
            Body::from(sent.bytes().await.ok()?)
        };
        answer.body(body).ok()
    }
}

/// The handle by which a request ends its own connection without an answer.
#[derive(Debug, Clone, Default)]
struct Connection(Arc<AtomicBool>);

impl Connection {
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Sockets(TcpListener);

impl Listener for Sockets {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    stream.set_nodelay(true).ok();
                    return (
                        Socket {
                            stream,
                            connection: Connection::default(),
                        },
                        peer,
                    );
                }
                // Out of file descriptors, most likely.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Sockets>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Sockets>) -> Self {
        stream.io().connection.clone()
    }
}

/// A connection on which nothing is written any more once it is cut.
struct Socket {
    stream: TcpStream,
    connection: Connection,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.connection.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
