//! A server as a process: signals, and a machine without descriptors.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use tokio_rustls::rustls::version::TLS13;

use super::support::{Client, Server, settings, until};
use super::tls;

/// Set for the server process; its value is the role.
const ROLE: &str = "KEYCROFT_TEST_SERVER";

/// This test binary again, as a server that prints its address first.
struct Process {
    child: Child,
    address: SocketAddr,
    /// Kept open, so that its last output has a reader.
    _says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Runs this test again, in the other role and with this many descriptors.
    fn start(test: &str, role: &str, descriptors: usize) -> Self {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args([
                &format!("transport::process::{test}"),
                "--exact",
                "--nocapture",
            ])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = says
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("at ")?.parse().unwrap()));
        Self {
            address: address.expect("the server says where it is"),
            child,
            _says: says,
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other role: serves until a signal ends it.
fn be_the_server(role: &str) {
    let mut settings = settings();
    settings.signals = true;
    if let Some(folder) = role.strip_prefix("tls ") {
        let folder = std::path::Path::new(folder);
        settings.tls = Some(keycroft::transport::TlsFiles {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        });
    }
    let mut server = Server::with(settings);
    println!("\nat {}", server.address);
    server.ended().unwrap();
}

#[test]
fn sigterm_stops_cleanly() {
    if let Ok(role) = std::env::var(ROLE) {
        return be_the_server(&role);
    }
    let mut process = Process::start("sigterm_stops_cleanly", "plain", 256);
    let mut client = Client::to(process.address);
    assert_eq!(client.get("/").status, 200);
    process.signal("TERM");
    assert!(client.is_closed());
    assert!(process.child.wait().unwrap().success());
}

#[test]
fn sighup_reads_the_certificate_again() {
    if let Ok(role) = std::env::var(ROLE) {
        return be_the_server(&role);
    }
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = tls::certificate(folder.path());
    let role = format!("tls {}", folder.path().display());
    let process = Process::start("sighup_reads_the_certificate_again", &role, 256);
    let accepts = |trusted| {
        let mut client = tls::connect(process.address, trusted, &TLS13);
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut message = String::new();
        client.write_all(request).is_ok() && client.read_to_string(&mut message).is_ok()
    };
    assert!(accepts(&old));
    let (_, new) = tls::certificate(folder.path());
    process.signal("HUP");
    until("the new certificate is used", || accepts(&new));
    assert!(!accepts(&old));
    // An invalid one changes nothing.
    std::fs::write(&files.certificate, "").unwrap();
    process.signal("HUP");
    for _ in 0..20 {
        assert!(accepts(&new));
    }
}

#[test]
fn server_survives_without_descriptors() {
    if let Ok(role) = std::env::var(ROLE) {
        return be_the_server(&role);
    }
    let process = Process::start("server_survives_without_descriptors", "plain", 64);
    // More than it can have open; the kernel queues the rest.
    let mut clients: Vec<_> = (0..400).map(|_| Client::to(process.address)).collect();
    for client in &mut clients {
        let _ = client
            .stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    // Idle ones make room, so a new connection is served even now.
    until("it answers", || {
        let mut client = Client::to(process.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.rest_until_answer().starts_with("HTTP/1.1 200 ")
    });
    drop(clients);
    until("it answers", || {
        let mut client = Client::to(process.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.rest_until_answer().starts_with("HTTP/1.1 200 ")
    });
}
