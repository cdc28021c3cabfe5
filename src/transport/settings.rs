//! Every limit and deadline of the transport, with its unit, in one place.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::control::ControlSocket;

/// A request's head: request line and header lines with their line ends, bytes (431).
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The request line without its line end, bytes (414).
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// Header lines in one head (431). It is also hyper's own limit, which costs nothing while it is
/// not set.
pub const HEADERS_MAX: usize = 100;
/// What hyper may hold of one connection, in each direction, bytes.
pub const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// A socket's send buffer as asked of the kernel, bytes. It bounds what a client that never reads
/// costs, and makes the write deadline a minimum rate (a third of this within the deadline).
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Connections waiting to be accepted are the kernel's; this many are taken at once before the
/// other tasks of the thread have their turn.
pub const ACCEPTS_AT_ONCE: usize = 64;
/// A response longer than this goes out in parts while it is being read, bytes.
pub const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// One part of a response that goes out in parts, bytes.
pub const PART_BYTES: usize = 64 * 1024;
/// Parts of one response that wait for the client before its thread has to.
pub const PARTS_WAITING_MAX: usize = 2;
/// What is read and thrown away after an early answer, so that closing does not destroy it, bytes.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Connections that make room at once when the machine has no descriptor left for a new one.
pub const SHED_AT_ONCE: usize = 16;
/// Control connections open at once.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Connections that were told to make room and have not gone yet.
pub const LEAVING_MAX: usize = 64;

/// Who is left out of the limit per address (a proxy, through which everybody comes).
pub type Exempt = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How a server is to be run. `Settings::default()` is how it is meant to be run.
#[derive(Clone)]
pub struct Settings {
    /// Threads with a runtime of their own; each owns one `H`.
    pub workers: usize,
    /// The bounded pool for everything slower than microseconds.
    pub work: PoolLimits,
    /// The bounded pool for password hashing.
    pub hash: PoolLimits,
    /// Connections open at once.
    pub connections_max: usize,
    /// Connections open at once from one address that is not exempt.
    pub connections_per_address_max: usize,
    /// Addresses without the limit per address: loopback when nothing else is said, because that
    /// is where a proxy on the same machine comes from.
    pub exempt: Exempt,
    /// How long a client may take.
    pub deadlines: Deadlines,
    /// PEM files; without them plain HTTP is spoken.
    pub tls: Option<TlsFiles>,
    /// The socket for the operator.
    pub control: Option<Arc<ControlSocket>>,
    /// Whether SIGTERM and SIGINT stop the server and SIGHUP reads the TLS files again.
    pub signals: bool,
}

/// The size of a pool of blocking threads.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Threads at most; they are started as they are needed.
    pub threads_max: usize,
    /// Requests that wait for a thread; one more is answered 503.
    pub queue_max: usize,
    /// A thread without work ends after this; one of them stays.
    pub idle: Duration,
    /// A request that waited longer than this is passed over when its client has gone meanwhile.
    /// A client that only closed its sending half is not distinguishable from one that left; it is
    /// served unless the pool is overloaded.
    pub patience: Duration,
}

/// How long a client may take. All are absolute, none begins again with a byte.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// The TLS handshake.
    pub handshake: Duration,
    /// A head, from its first byte.
    pub head: Duration,
    /// A body, from the end of its head.
    pub body: Duration,
    /// A connection without a request.
    pub idle: Duration,
    /// Without the client taking any of a waiting response.
    pub write: Duration,
    /// Reading on after an early answer.
    pub linger: Duration,
    /// What is under way when the server is told to stop.
    pub stop: Duration,
}

/// Where the certificate chain and its key are, both PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let connections_max = connections_for(descriptors_max());
        Self {
            workers: cores,
            work: PoolLimits {
                threads_max: 32,
                queue_max: 256,
                idle: Duration::from_secs(10),
                patience: Duration::from_secs(1),
            },
            hash: PoolLimits {
                threads_max: cores,
                queue_max: 16,
                idle: Duration::from_secs(10),
                patience: Duration::from_secs(1),
            },
            connections_max,
            connections_per_address_max: connections_max / 2,
            exempt: Arc::new(|address| address.to_canonical().is_loopback()),
            deadlines: Deadlines::default(),
            tls: None,
            control: None,
            signals: true,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            stop: Duration::from_secs(8),
        }
    }
}

/// Connections that a process with so many descriptors can afford: a quarter of them (64 to 512)
/// stays for the database's files and everything else.
fn connections_for(descriptors: usize) -> usize {
    let reserve = (descriptors / 4).clamp(64, 512);
    descriptors.saturating_sub(reserve).clamp(16, 4096)
}

/// The soft limit on open descriptors of this process; 1024 where it cannot be read.
fn descriptors_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(line) = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
    else {
        return 1024;
    };
    match line.split_whitespace().nth(3) {
        Some("unlimited") => usize::MAX,
        Some(number) => number.parse().unwrap_or(1024),
        None => 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_of_descriptors_is_kept() {
        assert_eq!(connections_for(256), 192);
        assert_eq!(connections_for(1024), 768);
        assert_eq!(connections_for(usize::MAX), 4096);
        assert_eq!(connections_for(10), 16);
    }

    #[test]
    fn the_limit_of_this_process_is_read() {
        assert!(descriptors_max() > 16);
    }
}
