//! The protocol of systemd: sockets, readiness, stopping and watchdog.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::terminal::exit::{FAILED, Failure};

/// The sockets that were opened for us (`sd_listen_fds(3)`); none when nobody did.
pub fn inherited() -> Result<Vec<TcpListener>, Failure> {
    let mut descriptors = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for place in 0..descriptors.len() {
        match descriptors.take_tcp_listener(place) {
            Ok(Some(listener)) => listeners.push(listener),
            Ok(None) => {}
            Err(error) => {
                let message = format!("socket {place} that was handed over: {error}");
                return Err(Failure::new(FAILED, message));
            }
        }
    }
    Ok(listeners)
}

/// Reports that the server accepts connections.
pub fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Says that the end has begun.
pub fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Does nothing when nobody listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the service manager could not be notified: {error}");
    }
}

/// Notifies the watchdog at its interval (`WatchdogSec=`), only while the server answers at `address`. Without a watchdog
/// it starts no thread.
pub fn watch(address: SocketAddr) -> io::Result<()> {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return Ok(());
    };
    let each = within / 3;
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            loop {
                match probe(reachable(address), each) {
                    Ok(()) => notify(&[NotifyState::Watchdog]),
                    Err(error) => {
                        log::error!("the server does not answer its own health check: {error}");
                    }
                }
                thread::sleep(each);
            }
        })?;
    Ok(())
}

/// Where a socket that listens everywhere can be reached from here.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Requires any answer; with TLS the alert that this was not a handshake. Both come from the thread that serves requests.
fn probe(address: SocketAddr, within: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    if stream.read(&mut [0; 1])? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_socket_fails_the_health_check() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It connects, since the kernel does that, and nobody answers.
        let error = probe(address, Duration::from_millis(50)).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
            "{error}"
        );
        drop(listener);
        assert!(probe(address, Duration::from_secs(5)).is_err());
    }

    #[test]
    fn wildcard_address_is_probed_on_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
    }
}
