//! The word to stop, and who gives it.

use tokio::sync::watch;

/// Told to everything that runs until it is told to stop.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Gives the word.
pub struct Stop(watch::Sender<bool>);

/// A pair of them.
pub fn channel() -> (Stop, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Shutdown(receiver))
}

impl Stop {
    /// Gives the word.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the word was given. Whoever could give it being gone counts too.
    pub fn requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Ends when the word is given.
    pub async fn wait(&mut self) {
        // An error means that nobody can give it any more.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Ends at SIGTERM or SIGINT.
///
/// # Errors
/// When the process cannot listen to signals.
pub async fn signalled() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        biased;
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
