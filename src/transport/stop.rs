//! Tells a running server to stop, from anywhere.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::tls::Tls;

/// A handle on a server's end. Clones are the same handle.
#[derive(Clone)]
pub struct Stop(Arc<watch::Sender<u32>>);

impl Stop {
    /// A handle that was not used yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// The first time: finish what is under way and return. The second time: return.
    pub fn now(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Returns when the server was told this many times.
    pub(super) async fn told(&self, times: u32) {
        let mut told = self.0.subscribe();
        // It fails only without a sender, and `self` is one.
        let _ = told.wait_for(|count| *count >= times).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// SIGTERM and SIGINT stop, SIGHUP reads the certificate again.
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
