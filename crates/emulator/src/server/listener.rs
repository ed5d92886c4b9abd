//! Connections, plain or TLS, that a fault can cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A client that does not finish its TLS handshake by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The handle by which a request cuts its own connection.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    cut: Arc<AtomicBool>,
}

impl Connection {
    /// From now on the connection fails, so that the answer never arrives.
    pub fn abort(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection that fails once it is cut.
pub struct Cuttable {
    stream: Box<dyn Duplex>,
    connection: Connection,
}

impl Cuttable {
    fn check(&self) -> io::Result<()> {
        if self.connection.cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A listener whose TLS handshakes do not hold each other up.
pub struct Connections {
    local: SocketAddr,
    ready: mpsc::Receiver<(Cuttable, SocketAddr)>,
}

impl Connections {
    /// Accepts in a task of its own.
    pub fn accept_on(
        tcp: TcpListener,
        local: SocketAddr,
        tls: Option<TlsAcceptor>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (sender, ready) = mpsc::channel(64);
        tasks.spawn(async move {
            loop {
                match tcp.accept().await {
                    Ok((stream, peer)) => {
                        tokio::spawn(prepare(stream, peer, tls.clone(), sender.clone()));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: wait for some to be freed.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Self { local, ready }
    }
}

async fn prepare(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Sender<(Cuttable, SocketAddr)>,
) {
    stream.set_nodelay(true).ok();
    let stream: Box<dyn Duplex> = match tls {
        None => Box::new(stream),
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                return;
            }
            Err(_) => return,
        },
    };
    let connection = Cuttable {
        stream,
        connection: Connection::default(),
    };
    // The server is going down when nobody takes it.
    ready.send((connection, peer)).await.ok();
}

impl Listener for Connections {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Cuttable, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, Connections>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().connection.clone()
    }
}
