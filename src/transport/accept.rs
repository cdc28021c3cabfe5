//! New connections: accepted, counted, and passed to the worker with the fewest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedSender;

use super::registry::{NoCapacity, Phase, RegisteredConnection, Registry};
use super::rejection::{Reject, Rejection};
use super::settings::{ACCEPTS_AT_ONCE, SEND_BUFFER_BYTES, SHED_AT_ONCE};

const FULL: Rejection =
    Rejection::full("The server has too many connections. Try again in a moment.");
/// Pause after an accept that failed for lack of resources.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How often a new connection checks whether those that must make room have closed, and at most how many times.
const CLOSING_CHECK: Duration = Duration::from_millis(2);
const CLOSING_CHECKS_MAX: usize = 50;

/// A connection on its way to its worker.
pub struct AcceptedConnection {
    /// The socket.
    pub stream: AcceptedSocket,
    /// Its place in the registry.
    pub place: RegisteredConnection,
}

/// A connected non-blocking socket.
pub enum AcceptedSocket {
    /// Registered with the runtime of the first worker, which accepts.
    Here(TcpStream),
    /// For another worker.
    There(StdTcpStream),
    /// From the control socket, for the first worker.
    Control(UnixStream),
}

/// Accepts connections of one listener, on the first worker's thread.
pub struct Acceptor {
    listener: TcpListener,
    registry: Arc<Registry>,
    workers: Vec<UnboundedSender<AcceptedConnection>>,
    /// The first phase of a connection.
    first: Phase,
    reject: Reject,
    /// A spare descriptor. When the others run out, it is closed for a moment, so that waiting clients get an answer.
    spare: Option<File>,
}

impl Acceptor {
    /// Opens a listening socket. Its connections inherit the options set here: no delay of small packets, and a bounded
    /// send buffer.
    pub fn open(
        listener: StdTcpListener,
        registry: &Arc<Registry>,
        workers: &[UnboundedSender<AcceptedConnection>],
        first: Phase,
        reject: &Reject,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            registry: Arc::clone(registry),
            workers: workers.to_vec(),
            first,
            reject: Arc::clone(reject),
            spare: File::open("/dev/null").ok(),
        })
    }

    /// Accepts connections for ever.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.accept_batch().await {
                log::warn!("no connection could be accepted: {error}");
                self.registry.shed(SHED_AT_ONCE);
                self.reject_one().await;
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn accept_batch(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS_AT_ONCE {
            match self.listener.accept().await {
                Ok((stream, peer)) => self.take(stream, peer).await?,
                // Only this client has left.
                Err(error) if is_client_error(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn take(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let Ok(place) = self.place(peer).await else {
            self.reject(stream.into_std()?);
            return Ok(());
        };
        let stream = match place.worker {
            0 => AcceptedSocket::Here(stream),
            _ => AcceptedSocket::There(stream.into_std()?),
        };
        // A worker that has ended drops the place with the message.
        let _ = self.workers[place.worker].send(AcceptedConnection { stream, place });
        Ok(())
    }

    /// A place in the registry. Waits for connections that are making room.
    async fn place(&self, peer: SocketAddr) -> Result<RegisteredConnection, NoCapacity> {
        for _ in 0..CLOSING_CHECKS_MAX {
            match self.registry.enter(peer, self.first) {
                Err(NoCapacity::ForAMoment) => tokio::time::sleep(CLOSING_CHECK).await,
                entered => return entered,
            }
        }
        Err(NoCapacity::Really)
    }

    /// Sends 503, if that is possible without waiting.
    fn reject(&self, mut stream: StdTcpStream) {
        if self.first == Phase::Handshake {
            return;
        }
        // Bytes that were received already are read: otherwise closing would reset the connection and destroy the
        // answer.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write(&FULL.bytes(&self.reject));
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0; 4096]);
    }

    async fn reject_one(&mut self) {
        if self.spare.take().is_some() {
            let mut accept = pin!(self.listener.accept());
            std::future::poll_fn(|cx| {
                let _ = accept.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
        }
        self.spare = File::open("/dev/null").ok();
    }
}

/// Returns whether an accept failed for a reason that concerns one connection.
fn is_client_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
    )
}
