//! Every limit and deadline of the transport, with its unit.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::control::ControlSocket;

/// Limit of a request's head: request line and header lines with their line ends, in bytes (431).
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Limit of the request line without its line end, in bytes (414).
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// Limit of header lines in one head (431). Equal to hyper's own limit, which costs nothing while it is not set.
pub const HEADERS_MAX: usize = 100;
/// Limit of hyper's buffers for one connection, in each direction, in bytes.
pub const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Requested send buffer of a socket, in bytes. It bounds the cost of a client that never reads. It turns the write
/// deadline into a minimum rate (a third of this within the deadline).
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Connections accepted in one go before other tasks of the thread get their turn. The kernel queues the others.
pub const ACCEPTS_AT_ONCE: usize = 64;
/// A longer response is sent in parts while it is being read, in bytes.
pub const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// One part of a response that is sent in parts, in bytes.
pub const PART_BYTES: usize = 64 * 1024;
/// Parts of one response that may wait for the client before its thread waits too.
pub const PARTS_WAITING_MAX: usize = 2;
/// Bytes read and discarded after an early answer, so that closing does not destroy it.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Connections closed at once when the machine has no descriptor left for a new one.
pub const SHED_AT_ONCE: usize = 16;
/// Control connections open at once.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Connections that must make room and have not closed yet.
pub const CLOSING_MAX: usize = 64;

/// Addresses without the limit per address, such as a proxy, from which all clients come.
pub type Exempt = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The settings of a server. `TransportSettings::default()` is for production.
#[derive(Clone)]
pub struct TransportSettings {
    /// Threads with a runtime; each has one `H`.
    pub workers: usize,
    /// The bounded pool for requests slower than microseconds.
    pub work: PoolLimits,
    /// The bounded pool for password hashing.
    pub hash: PoolLimits,
    /// Connections open at once.
    pub connections_max: usize,
    /// Connections open at once from one address that is not exempt.
    pub connections_per_address_max: usize,
    /// Addresses without the limit per address. By default loopback, where a proxy on the same machine comes from.
    pub exempt: Exempt,
    /// Time limits of clients.
    pub deadlines: Deadlines,
    /// PEM files of TLS; without them plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The socket for the operator.
    pub control: Option<Arc<ControlSocket>>,
    /// If true, SIGTERM and SIGINT stop the server and SIGHUP reads the TLS files again.
    pub signals: bool,
}

/// The size of a pool of blocking threads.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Limit of threads; they are started as needed.
    pub threads_max: usize,
    /// Limit of requests that wait for a thread; one more is answered 503.
    pub queue_max: usize,
    /// Idle time after which a thread ends; one of them stays.
    pub idle: Duration,
    /// A request that waited longer is skipped if its client has left. A client that only closed its sending half looks
    /// the same as one that left; it is served unless the pool is overloaded.
    pub patience: Duration,
}

/// Time limits of clients. All are absolute: no byte restarts them.
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
    /// A response of which the client takes nothing.
    pub write: Duration,
    /// Reading on after an early answer.
    pub linger: Duration,
    /// Pending requests at the stop of the server.
    pub stop: Duration,
}

/// The paths of the certificate chain and its key, both PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

impl Default for TransportSettings {
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

/// Connections for a process with this many descriptors: a quarter of them (64 to 512) stays for the database and
/// everything else.
fn connections_for(descriptors: usize) -> usize {
    let reserve = (descriptors / 4).clamp(64, 512);
    descriptors.saturating_sub(reserve).clamp(16, 4096)
}

/// The soft limit on open descriptors of this process; 1024 if it is unknown.
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
    fn connection_limit_leaves_spare_descriptors() {
        assert_eq!(connections_for(256), 192);
        assert_eq!(connections_for(1024), 768);
        assert_eq!(connections_for(usize::MAX), 4096);
        assert_eq!(connections_for(10), 16);
    }

    #[test]
    fn descriptor_limit_of_the_process_is_read() {
        assert!(descriptors_max() > 16);
    }
}
