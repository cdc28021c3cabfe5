//! The transport: everything between a socket and a `rouille::Request`, and back.
//!
//! ```text
//! accept ─ registry ─▶ worker's runtime ─▶ connection ─ stream ─ head ─▶ hyper ─▶ service ─▶ handler
//!             limits,                         one task     one checked                │ convert
//!             deadlines                                    head at a time             └ pool ─▶ handler
//! ```
//!
//! There is one current-thread runtime per core, and one `H` (the handler) per thread. Requests that
//! take microseconds are answered on the thread that read them. All others wait for a thread of a
//! bounded pool. Nothing outside this folder is `async` or uses hyper, tokio or rustls.

mod accept;
mod body;
mod connection;
mod control;
mod control_accept;
mod convert;
mod handler;
mod head;
mod pool;
mod registry;
mod rejection;
mod service;
mod settings;
mod socket;
mod stop;
mod stream;
mod strict;
mod tls;
mod watch;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;

use accept::{AcceptedConnection, Acceptor};
use connection::WorkerContext;
use control_accept::ControlAcceptor;
use handler::ThreadHandler;
use pool::Pool;
use registry::{Phase, Registry};
use service::WorkerPool;
use tls::Tls;
pub use tls::certificate_end;

pub use handler::Application;
pub use rejection::Rejection;

pub use control::{ControlSocket, socket_path as control_socket_path};
pub use settings::{Deadlines, Exempt, PoolLimits, TlsFiles, TransportSettings};
pub use stop::Stop;

/// Time limit for the pools to end after the last connection.
const POOLS_END_WITHIN: Duration = Duration::from_millis(500);

/// The threads that answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The thread that read it, for requests that take microseconds and one read.
    Quick,
    /// A bounded pool of blocking threads.
    Work,
    /// The pool for password hashing, with one thread per core.
    Hash,
}

/// The peer of a connection, as far as the transport has verified it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Any client of a listener.
    Network,
    /// The server's own user or root, through the control socket or in process.
    Operator { uid: u32 },
}

/// The route table's decision about a request before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Threads that answer it.
    pub lane: Lane,
    /// Limit of its body in bytes. A longer one is not read: the handler finds the data of the request already taken,
    /// and the connection ends with the answer.
    pub body_bytes_max: usize,
}

/// Serves an application until it is stopped; the calling thread is the first of the workers.
///
/// `ready` is called once all listeners are open and signals are handled.
///
/// # Errors
///
/// When the application fails to open for a first thread, or a listener, a thread, a runtime or the certificate is not
/// available. No request was answered then.
pub fn serve<H: 'static>(
    settings: &TransportSettings,
    listeners: Vec<TcpListener>,
    stop: &Stop,
    application: Arc<Application<H>>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let tls = match &settings.tls {
        Some(files) => Some(Arc::new(Tls::load(files).map_err(io::Error::other)?)),
        None => None,
    };
    let all = All {
        work: Pool::start("work", Lane::Work, settings.work, &application)
            .map_err(io::Error::other)?,
        hash: Pool::start("hash", Lane::Hash, settings.hash, &application)
            .map_err(io::Error::other)?,
        registry: Registry::new(settings),
        linger: settings.deadlines.linger,
        application,
        tls,
    };
    let reject = Arc::clone(&all.application.reject);
    let (runtime, first) = all.prepare()?;
    let (sender, inbox) = unbounded_channel();
    let mut senders = vec![sender];
    let mut threads = Vec::new();
    for number in 1..settings.workers.max(1) {
        let (sender, thread) = all.clone().start_worker(number)?;
        senders.push(sender);
        threads.push(thread);
    }
    let ending = StopPlan {
        stop: stop.clone(),
        registry: Arc::clone(&all.registry),
        within: settings.deadlines.stop,
    };
    let signals = settings.signals.then(|| all.tls.clone());
    let served = runtime.block_on(async {
        spawn_local(Arc::clone(&all.registry).keep_deadlines());
        if let Some(tls) = signals {
            stop::listen_for_signals(stop, tls)?;
        }
        let phase = match all.tls {
            Some(_) => Phase::Handshake,
            None => Phase::Idle,
        };
        let mut acceptors = Vec::new();
        for listener in listeners {
            let acceptor = Acceptor::open(listener, &all.registry, &senders, phase, &reject)?;
            acceptors.push(spawn_local(acceptor.run()));
        }
        if let Some(socket) = &settings.control {
            let acceptor = ControlAcceptor::new(socket, &all.registry, &senders[0])?;
            acceptors.push(spawn_local(acceptor.run()));
        }
        spawn_local(ending.keep(acceptors, senders));
        ready();
        work(first, inbox).await;
        Ok(())
    });
    drop(runtime);
    for thread in threads {
        if thread.join().is_err() {
            log::error!("a worker panicked");
        }
    }
    all.work.close(POOLS_END_WITHIN);
    all.hash.close(POOLS_END_WITHIN);
    served
}

/// The shared parts of every worker.
struct All<H> {
    application: Arc<Application<H>>,
    work: Pool<H>,
    hash: Pool<H>,
    registry: Arc<Registry>,
    tls: Option<Arc<Tls>>,
    linger: Duration,
}

impl<H> Clone for All<H> {
    fn clone(&self) -> Self {
        Self {
            application: Arc::clone(&self.application),
            work: self.work.clone(),
            hash: self.hash.clone(),
            registry: Arc::clone(&self.registry),
            tls: self.tls.clone(),
            linger: self.linger,
        }
    }
}

impl<H: 'static> All<H> {
    /// The runtime and handler of the calling thread.
    fn prepare(&self) -> io::Result<(LocalRuntime, Rc<WorkerContext<H>>)> {
        let handler = ThreadHandler::open(&self.application).map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let host = WorkerContext {
            pool: Rc::new(WorkerPool {
                handler,
                work: self.work.clone(),
                hash: self.hash.clone(),
            }),
            registry: Arc::clone(&self.registry),
            tls: self.tls.clone(),
            linger: self.linger,
        };
        Ok((runtime, Rc::new(host)))
    }

    /// Starts a worker on its own thread. Returns once its handler is open.
    fn start_worker(
        self,
        number: usize,
    ) -> io::Result<(UnboundedSender<AcceptedConnection>, thread::JoinHandle<()>)> {
        let (sender, inbox) = unbounded_channel();
        let (opened, result) = mpsc::channel();
        let main = move || match self.prepare() {
            Ok((runtime, host)) => {
                let _ = opened.send(Ok(()));
                runtime.block_on(work(host, inbox));
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(main)?;
        match result.recv() {
            Ok(Ok(())) => Ok((sender, thread)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("a worker ended at its start")),
        }
    }
}

/// A worker: serves the connections that it is passed until the channel closes.
async fn work<H: 'static>(
    host: Rc<WorkerContext<H>>,
    mut inbox: UnboundedReceiver<AcceptedConnection>,
) {
    while let Some(arrival) = inbox.recv().await {
        spawn_local(connection::run(Rc::clone(&host), arrival));
    }
}

/// Everything needed to stop a server.
struct StopPlan {
    stop: Stop,
    registry: Arc<Registry>,
    within: Duration,
}

impl StopPlan {
    /// Waits for the stop, closes the listeners, lets pending requests finish, and ends the workers.
    async fn keep(
        self,
        acceptors: Vec<tokio::task::JoinHandle<()>>,
        workers: Vec<UnboundedSender<AcceptedConnection>>,
    ) {
        self.stop.called(1).await;
        for acceptor in acceptors {
            acceptor.abort();
            let _ = acceptor.await;
        }
        self.registry.stop();
        let finished = async {
            let mut emptied = std::pin::pin!(self.registry.emptied());
            let mut called_again = std::pin::pin!(self.stop.called(2));
            std::future::poll_fn(|cx| {
                let emptied = emptied.as_mut().poll(cx);
                if emptied.is_ready() {
                    return emptied;
                }
                called_again.as_mut().poll(cx)
            })
            .await;
        };
        if tokio::time::timeout(self.within, finished).await.is_err() {
            log::warn!("stopped before every connection had finished");
        }
        drop(workers);
    }
}
