//! Accepting connections of the control socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;

use super::accept::{AcceptedConnection, AcceptedSocket};
use super::control::ControlSocket;
use super::registry::Registry;

/// Pause after an accept that failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// How often a connection beyond the budget checks for room.
const ROOM_LOOK: Duration = Duration::from_millis(2);

/// Accepts connections of the control socket, on the first worker's thread.
pub struct ControlAcceptor {
    listener: UnixListener,
    registry: Arc<Registry>,
    worker: UnboundedSender<AcceptedConnection>,
}

impl ControlAcceptor {
    pub fn new(
        socket: &ControlSocket,
        registry: &Arc<Registry>,
        worker: &UnboundedSender<AcceptedConnection>,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::from_std(socket.listener()?)?,
            registry: Arc::clone(registry),
            worker: worker.clone(),
        })
    }

    /// Accepts connections until it is dropped.
    pub async fn run(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => self.take(stream).await,
                Err(error) => {
                    log::warn!("no control connection could be accepted: {error}");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// Closes connections of other users. Beyond the budget it waits, and so do those behind it in the queue of the
    /// socket.
    async fn take(&self, stream: UnixStream) {
        let own = rustix::process::geteuid().as_raw();
        let uid = match stream.peer_cred() {
            Ok(peer) if peer.uid() == own || peer.uid() == 0 => peer.uid(),
            Ok(peer) => {
                log::warn!("a control connection of user {} was rejected", peer.uid());
                return;
            }
            Err(error) => {
                log::warn!("a control connection was rejected: {error}");
                return;
            }
        };
        let place = loop {
            match self.registry.enter_control(uid) {
                Ok(place) => break place,
                Err(_) => tokio::time::sleep(ROOM_LOOK).await,
            }
        };
        let stream = AcceptedSocket::Control(stream);
        let _ = self.worker.send(AcceptedConnection { stream, place });
    }
}
