//! One connection from its first byte to its last.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::TcpStream;

use super::Peer;
use super::accept::{self, AcceptedConnection};
use super::registry::{Phase, Registry};
use super::service::{HttpService, WorkerPool};
use super::settings::{BUFFER_BYTES_MAX, LINGER_BYTES_MAX};
use super::socket::{ClientStream, Socket};
use super::stream::Stream;
use super::tls::Tls;
use super::watch::Watch;

/// The shared state that a worker needs to serve a connection.
pub struct WorkerContext<H> {
    /// Handler and pools.
    pub pool: Rc<WorkerPool<H>>,
    /// All connections.
    pub registry: Arc<Registry>,
    /// TLS, if configured.
    pub tls: Option<Arc<Tls>>,
    /// How long an early answer waits for the client to stop sending.
    pub linger: Duration,
}

/// Serves a connection until it ends.
pub async fn run<H: 'static>(host: Rc<WorkerContext<H>>, arrival: AcceptedConnection) {
    let AcceptedConnection { stream, place } = arrival;
    let socket = match stream {
        accept::AcceptedSocket::Control(stream) => Socket::from_unix(stream),
        accept::AcceptedSocket::Here(stream) => Socket::from_tcp(stream),
        accept::AcceptedSocket::There(stream) => match TcpStream::from_std(stream) {
            Ok(stream) => Socket::from_tcp(stream),
            Err(error) => {
                log::warn!("a connection could not be served: {error}");
                return;
            }
        },
    };
    let registry = Arc::clone(&host.registry);
    let watch = Watch::new(Arc::clone(&place.slot), registry, socket.clone());
    let ended = serve_requests(&host, socket.clone(), &watch).await;
    if ended && watch.unread.get() {
        // The client is still sending: closing now would reset the connection and destroy the answer.
        watch.waits_for(Phase::Idle);
        let drained = tokio::time::timeout(host.linger, socket.drain(LINGER_BYTES_MAX));
        drive(&watch, drained, |_| true).await;
    }
    drop(place);
}

/// Handshake and requests. Returns false if the connection was dropped or broke.
async fn serve_requests<H: 'static>(
    host: &WorkerContext<H>,
    socket: Socket,
    watch: &Rc<Watch>,
) -> bool {
    // A client that sends nothing costs no buffers.
    let begins = drive(watch, socket.readable(), |_| false).await;
    if !matches!(begins, Some(Ok(()))) {
        return false;
    }
    let tls = host
        .tls
        .as_ref()
        .filter(|_| watch.slot.mark == Peer::Network);
    let client = match tls {
        None => ClientStream::Plain(socket),
        Some(tls) => match drive(watch, tls.acceptor().accept(socket), |_| false).await {
            Some(Ok(stream)) => ClientStream::Tls(Box::new(stream)),
            Some(Err(_)) | None => return false,
        },
    };
    let service = HttpService {
        pool: Rc::clone(&host.pool),
        watch: Rc::clone(watch),
        https: tls.is_some(),
    };
    let stream = Stream::new(client, Rc::clone(watch));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .half_close(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(stream, service);
    let ended = drive(watch, connection, |connection| {
        connection.graceful_shutdown();
        true
    });
    matches!(ended.await, Some(Ok(())))
}

/// Drives a future of this connection, and acts when the registry calls for attention. Calls `finish` when the
/// connection has to end: at a stop of the server, or when it was chosen to make room while busy. `finish` returns
/// whether there is work to finish. Returns `None` when the connection has to close.
async fn drive<F: Future>(
    watch: &Watch,
    future: F,
    finish: impl Fn(Pin<&mut F>) -> bool,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut is_stopping = false;
    poll_fn(|cx| {
        watch.slot.wakes(cx.waker());
        let mut ends = watch.is_stopping();
        if watch.slot.take_attention() {
            if watch.drops_when_overdue() {
                return Poll::Ready(None);
            }
            if watch.slot.is_closing() {
                // It was idle when it was chosen. A request that came in between is answered.
                if watch.slot.phase() != Phase::Busy {
                    return Poll::Ready(None);
                }
                ends = true;
            }
        }
        if ends && !is_stopping {
            is_stopping = true;
            if !finish(future.as_mut()) {
                return Poll::Ready(None);
            }
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
