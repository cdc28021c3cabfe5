//! Stops a running server.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::tls::Tls;

/// A handle that stops a server. Clones are the same handle.
#[derive(Clone)]
pub struct Stop(Arc<watch::Sender<u32>>);

impl Stop {
    /// An unused handle.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// First call: finish pending requests and return. Second call: return at once.
    pub fn now(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Returns after this many calls of [`Stop::now`].
    pub(super) async fn called(&self, times: u32) {
        let mut receiver = self.0.subscribe();
        // It fails only without a sender, and `self` is one.
        let _ = receiver.wait_for(|count| *count >= times).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// SIGTERM and SIGINT stop the server, SIGHUP reads the certificate again.
pub(super) fn listen_for_signals(stop: &Stop, tls: Option<Arc<Tls>>) -> std::io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        spawn_local(async move {
            while signals.recv().await.is_some() {
                stop.now();
            }
        });
    }
    let mut hangups = signal(SignalKind::hangup())?;
    spawn_local(async move {
        while hangups.recv().await.is_some() {
            let Some(tls) = &tls else { continue };
            match tls.reload() {
                Ok(()) => log::info!("read the certificate again"),
                Err(error) => log::error!("kept the old certificate: {error}"),
            }
        }
    });
    Ok(())
}
