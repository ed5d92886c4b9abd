//! A reverse proxy between an operator and one of its two servers. It names the requests that change something, lets a
//! [`Gate`] decide what becomes of each request, and can be cut off from the operator as a network is.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use axum::{Router, http};
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Decides what becomes of each request.
pub trait Gate: Send + Sync + 'static {
    /// Sends a request on, or does not. `None`: its connection ends without an answer.
    ///
    /// Once this is called it goes on to its end: the death of whoever sent a request takes back nothing of it.
    fn pass(
        self: Arc<Self>,
        request: Request,
        server: Forwarder,
    ) -> BoxFuture<'static, Option<Response>>;
}

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

/// How a cut network looks from the operator's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Connections are reset, and so is every new one.
    Refused,
    /// Nothing comes back, whatever is sent: only time tells.
    Silent,
}

/// The network between an operator and a proxy. Connections end with a cut, at its beginning or, where it is silent, at its
/// end: what was sent meanwhile never arrives.
#[derive(Debug, Clone)]
pub struct Network(watch::Sender<Line>);

/// A connection works in the epoch in which it began.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    epoch: u64,
    cut: Option<Cut>,
}

impl Network {
    fn new() -> Self {
        Self(watch::channel(Line::default()).0)
    }

    pub fn cut(&self, how: Cut) {
        self.change(Some(how));
    }

    pub fn mend(&self) {
        self.change(None);
    }

    fn change(&self, cut: Option<Cut>) {
        self.0.send_modify(|line| {
            line.epoch += 1;
            line.cut = cut;
        });
    }
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Network,
    task: JoinHandle<()>,
}

/// The way to the server behind a proxy.
#[derive(Debug, Clone)]
pub struct Forwarder {
    base: String,
    client: reqwest::Client,
}

#[derive(Clone)]
struct Reception {
    upstream: Upstream,
    server: Forwarder,
    gate: Arc<dyn Gate>,
}

impl Proxy {
    /// Listens on loopback in front of `base`. `authority` is the PEM file of whoever signed an HTTPS server's certificate.
    pub async fn start(
        upstream: Upstream,
        base: &str,
        authority: Option<&Path>,
        gate: Arc<dyn Gate>,
    ) -> Result<Self> {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never());
        if let Some(pem) = authority {
            let authority = reqwest::Certificate::from_pem(&std::fs::read(pem)?)?;
            client = client.tls_certs_only([authority]);
        }
        let server = Forwarder {
            base: base.trim_end_matches('/').to_owned(),
            client: client.build()?,
        };
        let reception = Reception {
            upstream,
            server,
            gate,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let network = Network::new();
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(reception)
            .into_make_service_with_connect_info::<Connection>();
        let sockets = Sockets {
            listener,
            network: network.clone(),
        };
        let task = tokio::spawn(async move {
            // Only ends by the abort.
            let _ = axum::serve(sockets, app).await;
        });
        Ok(Self {
            address,
            network,
            task,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an operator asks of a server.
#[derive(Debug)]
pub struct Request {
    /// The name of one that changes something: `StartExecution`, `PATCH rollingupdatetasks/status`.
    pub step: Option<String>,
    pub method: Method,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

async fn answer(
    State(reception): State<Reception>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        step: reception.upstream.step(&method, uri.path(), &headers),
        method,
        path_and_query: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers,
        body,
    };
    // A task of its own: the death of the operator cancels this handler, and must cancel neither a request that
    // was received nor the operator's new start.
    let answered = tokio::spawn(reception.gate.pass(request, reception.server));
    match answered.await {
        Ok(Some(response)) => response,
        Ok(None) | Err(_) => {
            connection.cut();
            Response::new(Body::empty())
        }
    }
}

impl Forwarder {
    /// Sends a request on and gives the answer. `None`: there is none, the server cut the connection.
    pub async fn forward(&self, request: &Request) -> Option<Response> {
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

struct Sockets {
    listener: TcpListener,
    network: Network,
}

impl Listener for Sockets {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    stream.set_nodelay(true).ok();
                    return (Socket::new(stream, &self.network), peer);
                }
                // Out of file descriptors, most likely.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Sockets>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Sockets>) -> Self {
        stream.io().connection.clone()
    }
}

type Change = Pin<Box<dyn Future<Output = watch::Receiver<Line>> + Send>>;

/// A connection on which nothing is written any more once it is cut, and nothing is read or written while the network is.
struct Socket {
    stream: TcpStream,
    connection: Connection,
    /// In which it began.
    epoch: u64,
    now: Line,
    /// The next change of the network. Looked at before each read and write, so that a change wakes who waits for one.
    change: Change,
}

fn next_change(mut line: watch::Receiver<Line>) -> Change {
    Box::pin(async move {
        // The sender outlives the listener, which outlives this.
        line.changed().await.ok();
        line
    })
}

impl Socket {
    fn new(stream: TcpStream, network: &Network) -> Self {
        let mut line = network.0.subscribe();
        let now = *line.borrow_and_update();
        Self {
            stream,
            connection: Connection::default(),
            epoch: now.epoch,
            now,
            change: next_change(line),
        }
    }

    /// Whether anything gets through now.
    fn poll_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Poll::Ready(mut line) = self.change.as_mut().poll(cx) {
            self.now = *line.borrow_and_update();
            self.change = next_change(line);
        }
        match self.now.cut {
            _ if self.connection.0.load(Ordering::SeqCst) => {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Some(Cut::Silent) => Poll::Pending,
            None if self.now.epoch == self.epoch => Poll::Ready(Ok(())),
            Some(Cut::Refused) | None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_through(cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_through(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
