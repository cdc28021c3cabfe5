//! The wire: everything between a socket and a `rouille::Request`, and back.
//!
//! ```text
//! accept ─ registry ─▶ worker's runtime ─▶ connection ─ stream ─ head ─▶ hyper ─▶ service ─▶ handler
//!            limits,                         one task     one checked                │ convert
//!            deadlines                                    head at a time             └ pool ─▶ handler
//! ```
//!
//! There is one current-thread runtime per core, and one `H` (the handler) per thread. What takes
//! microseconds is answered where it was read; everything else waits for a thread of a bounded
//! pool. Nothing outside of this room is `async` or names hyper, tokio or rustls.

mod accept;
mod body;
mod connection;
mod control;
mod convert;
mod handler;
mod head;
mod pool;
mod refusal;
mod registry;
mod service;
mod settings;
mod socket;
mod stop;
mod stream;
mod strict;
mod tls;
mod watch;

use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rouille::{Request, Response};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;

use accept::{Acceptor, Arrival};
use connection::Host;
use control::ControlAcceptor;
use handler::{Plan, ThreadHandler};
use pool::Pool;
use registry::{Phase, Registry};
use service::WorkerPool;
use tls::Tls;

pub use control::{ControlSocket, socket_path as control_socket_path};
pub use settings::{Deadlines, Exempt, PoolLimits, Settings, TlsFiles};
pub use stop::Stop;

/// How long each pool may take to end after the last connection has.
const POOLS_END_WITHIN: Duration = Duration::from_millis(500);

/// Where a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// On the thread that read it: microseconds, one read.
    Quick,
    /// By a bounded pool of blocking threads.
    Work,
    /// By the pool for password hashing, which has as many threads as there are cores.
    Hash,
}

/// Who is at the other end of a connection, as far as the transport can vouch for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Anybody who reaches a listener.
    Network,
    /// The server's own user or root, by the control socket, or a command in process.
    Operator { uid: u32 },
}

/// What the route table says of a request before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Where it is answered.
    pub lane: Lane,
    /// What its body may have, bytes. A longer one is not read: the handler finds the data of the
    /// request already taken, and the connection ends with its answer.
    pub body_bytes_max: usize,
}

/// Serves until told to stop; the calling thread is the first of the workers.
///
/// `open` makes one `H` for each thread that answers, on that thread; it is called again after a
/// panic and when a pool grows. `admit` is given method and path of a request; `respond` answers it.
///
/// `ready` is called once all doors stand open and signals are heard.
///
/// # Errors
///
/// When `open` fails for a thread that is needed from the start, or a listener, a thread, a runtime
/// or the certificate cannot be had. Nothing was answered then.
pub fn serve<H: 'static, E: Display>(
    settings: &Settings,
    listeners: Vec<TcpListener>,
    stop: &Stop,
    open: impl Fn() -> Result<H, E> + Send + Sync + 'static,
    admit: fn(&str, &str) -> Admission,
    respond: fn(&H, &Request, Peer) -> Response,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let tls = match &settings.tls {
        Some(files) => Some(Arc::new(Tls::load(files).map_err(io::Error::other)?)),
        None => None,
    };
    let plan = Plan::new(open, admit, respond);
    let all = All {
        work: Pool::start("work", Lane::Work, settings.work, &plan).map_err(io::Error::other)?,
        hash: Pool::start("hash", Lane::Hash, settings.hash, &plan).map_err(io::Error::other)?,
        registry: Registry::new(settings),
        linger: settings.deadlines.linger,
        plan,
        tls,
    };
    let (runtime, first) = all.prepare()?;
    let (sender, inbox) = unbounded_channel();
    let mut senders = vec![sender];
    let mut threads = Vec::new();
    for number in 1..settings.workers.max(1) {
        let (sender, thread) = all.clone().start_worker(number)?;
        senders.push(sender);
        threads.push(thread);
    }
    let ending = Ending {
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
            let acceptor = Acceptor::open(listener, &all.registry, &senders, phase)?;
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

/// What every worker is made from.
struct All<H> {
    plan: Arc<Plan<H>>,
    work: Pool<H>,
    hash: Pool<H>,
    registry: Arc<Registry>,
    tls: Option<Arc<Tls>>,
    linger: Duration,
}

impl<H> Clone for All<H> {
    fn clone(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            work: self.work.clone(),
            hash: self.hash.clone(),
            registry: Arc::clone(&self.registry),
            tls: self.tls.clone(),
            linger: self.linger,
        }
    }
}

impl<H: 'static> All<H> {
    /// The calling thread's runtime and handler.
    fn prepare(&self) -> io::Result<(LocalRuntime, Rc<Host<H>>)> {
        let handler = ThreadHandler::open(&self.plan).map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let host = Host {
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

    /// A worker on a thread of its own, once it has its handler.
    fn start_worker(
        self,
        number: usize,
    ) -> io::Result<(UnboundedSender<Arrival>, thread::JoinHandle<()>)> {
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

/// A worker: serves what it is handed until nothing more can come.
async fn work<H: 'static>(host: Rc<Host<H>>, mut inbox: UnboundedReceiver<Arrival>) {
    while let Some(arrival) = inbox.recv().await {
        spawn_local(connection::run(Rc::clone(&host), arrival));
    }
}

/// The end of a server.
struct Ending {
    stop: Stop,
    registry: Arc<Registry>,
    within: Duration,
}

impl Ending {
    /// Waits until the server is told to stop, closes the doors, lets what is under way finish,
    /// and lets the workers go.
    async fn keep(
        self,
        acceptors: Vec<tokio::task::JoinHandle<()>>,
        workers: Vec<UnboundedSender<Arrival>>,
    ) {
        self.stop.told(1).await;
        for acceptor in acceptors {
            acceptor.abort();
            let _ = acceptor.await;
        }
        self.registry.stop();
        let finished = async {
            let mut emptied = std::pin::pin!(self.registry.emptied());
            let mut told_again = std::pin::pin!(self.stop.told(2));
            std::future::poll_fn(|cx| {
                let emptied = emptied.as_mut().poll(cx);
                if emptied.is_ready() {
                    return emptied;
                }
                told_again.as_mut().poll(cx)
            })
            .await;
        };
        if tokio::time::timeout(self.within, finished).await.is_err() {
            log::warn!("stopped before every connection had finished");
        }
        drop(workers);
    }
}
