//! `/livez`, `/readyz` and `/metrics`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    http::{StatusCode, header},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

/// What has to be there before the program is ready, by name, and what each still waits for.
pub struct Readiness {
    gates: Mutex<BTreeMap<String, Option<String>>>,
    /// What is wrong now, by name.
    faults: Mutex<BTreeMap<&'static str, String>>,
    ready: watch::Sender<bool>,
}

impl Readiness {
    /// Closed at first, all of them.
    pub fn new(gates: impl IntoIterator<Item = String>) -> Self {
        let gates: BTreeMap<_, _> = gates
            .into_iter()
            .map(|gate| (gate, Some("not begun".to_owned())))
            .collect();
        let (ready, _) = watch::channel(gates.is_empty());
        Self {
            gates: Mutex::new(gates),
            faults: Mutex::default(),
            ready,
        }
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        // Nothing panics while holding it.
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a gate waits for. An open one stays open.
    pub fn waiting(&self, gate: &str, reason: impl Into<String>) {
        if let Some(slot @ Some(_)) = self.gates().get_mut(gate) {
            *slot = Some(reason.into());
        }
    }

    /// Opens a gate.
    pub fn open(&self, gate: &str) {
        let mut gates = self.gates();
        if let Some(slot) = gates.get_mut(gate) {
            *slot = None;
        }
        if gates.values().all(Option::is_none) {
            self.ready.send_replace(true);
        }
    }

    /// What is wrong now about something, or nothing any more. It makes the program not ready, and stops nothing: who
    /// waits for it to be ready first ([`Self::wait`]) does not wait for this.
    pub fn fault(&self, name: &'static str, trouble: Option<String>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(trouble) => _ = faults.insert(name, trouble),
            None => _ = faults.remove(name),
        }
    }

    /// Ends when all are open.
    pub async fn wait(&self) {
        // The sender lives as long as `self`.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// What is still waited for, and what is wrong, one line each.
    pub fn missing(&self) -> Vec<String> {
        let gates = self.gates();
        let gates = gates
            .iter()
            .filter_map(|(gate, reason)| Some(format!("{gate}: {}", reason.as_deref()?)));
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = faults
            .iter()
            .map(|(name, trouble)| format!("{name}: {trouble}"));
        gates.chain(faults).collect()
    }
}

/// Serves until it is dropped. `/livez` says that the process answers, no more: what ends by itself
/// ends the process.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route(
            "/readyz",
            get(async move || match readiness.missing() {
                missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
                missing => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("{}\n", missing.join("\n")),
                ),
            }),
        )
        .route(
            "/metrics",
            get(async move || {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], metrics())
            }),
        );
    axum::serve(listener, router).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn fetch(port: u16, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn ready_only_when_all_gates_are_open_and_says_why_not() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let readiness = Arc::new(Readiness::new(["tasks".to_owned(), "records".to_owned()]));
        let server = tokio::spawn(serve(
            listener,
            readiness.clone(),
            Arc::new(|| "# EOF\n".to_owned()),
        ));

        readiness.open("tasks");
        readiness.waiting("records", "the CRD is not installed");
        let answer = fetch(port, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("records: the CRD is not installed"));
        assert!(!answer.contains("tasks"));
        assert!(fetch(port, "/livez").await.starts_with("HTTP/1.1 200"));

        readiness.open("records");
        readiness.waiting("records", "a passing fault");
        readiness.wait().await;
        assert!(fetch(port, "/readyz").await.starts_with("HTTP/1.1 200"));
        readiness.fault("crds", Some("too old".to_owned()));
        let answer = fetch(port, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("crds: too old"));
        // Who waited for the gates goes on.
        readiness.wait().await;
        readiness.fault("crds", None);
        assert!(fetch(port, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(port, "/metrics").await.ends_with("# EOF\n"));
        server.abort();
    }
}
