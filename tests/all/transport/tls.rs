//! TLS: the round trip, the protocol, and a handshake that takes too long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use keycroft::transport::TlsFiles;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::support::{PATIENCE, SOON, Server, settings};

/// Writes a new certificate for `localhost` and its key; returns the certificate.
pub fn certificate(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let created = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, created.cert.pem()).unwrap();
    std::fs::write(&files.key, created.signing_key.serialize_pem()).unwrap();
    (files, created.cert.der().clone())
}

/// A client that trusts this certificate alone.
pub fn connect(
    address: std::net::SocketAddr,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(connection, stream)
}

#[test]
fn request_through_tls_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (files, trusted) = certificate(folder.path());
    let mut settings = settings();
    settings.tls = Some(files);
    let server = Server::with(settings);
    for version in [&TLS12, &TLS13] {
        let mut client = connect(server.address, &trusted, version);
        let body = "x".repeat(900);
        for close in ["keep-alive", "close"] {
            let request = format!(
                "POST /tls HTTP/1.1\r\nHost: a\r\nConnection: {close}\r\nContent-Length: 900\r\n\r\n{body}"
            );
            client.write_all(request.as_bytes()).unwrap();
        }
        let mut message = String::new();
        client.read_to_string(&mut message).unwrap();
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(message.matches("HTTP/1.1 200 OK").count(), 2, "{message:?}");
        assert_eq!(message.matches(&format!("body: {body}\n")).count(), 2);
    }
}

#[test]
fn long_answer_and_rejection_go_through_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (files, trusted) = certificate(folder.path());
    let mut settings = settings();
    settings.tls = Some(files);
    let server = Server::with(settings);
    let mut client = connect(server.address, &trusted, &TLS13);
    client
        .write_all(b"GET /sized HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut message = Vec::new();
    client.read_to_end(&mut message).unwrap();
    assert!(message.len() > 3_000_000 && message.ends_with(b"xxx"));
    let mut client = connect(server.address, &trusted, &TLS13);
    client
        .write_all(b"GET //a HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut message = String::new();
    client.read_to_string(&mut message).unwrap();
    assert!(message.starts_with("HTTP/1.1 400 "), "{message:?}");
}

#[test]
fn slow_or_invalid_handshake_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (files, trusted) = certificate(folder.path());
    let mut settings = settings();
    settings.tls = Some(files);
    settings.deadlines.handshake = SOON;
    let server = Server::with(settings);
    assert_eq!(server.connect().rest(), "");
    let mut half = server.connect();
    half.send([0x16, 0x03, 0x01, 0x02, 0x00]);
    assert_eq!(half.rest(), "");
    let plain = server.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!plain.contains("HTTP"), "{plain:?}");
    let mut client = connect(server.address, &trusted, &TLS13);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut message = String::new();
    client.read_to_string(&mut message).unwrap();
    assert!(message.starts_with("HTTP/1.1 200 "), "{message:?}");
}

#[test]
fn invalid_certificate_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = certificate(folder.path());
    std::fs::write(&files.key, "not a key").unwrap();
    let mut settings = settings();
    settings.tls = Some(files);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = Server::on(listener, settings);
    let error = server.ended().unwrap_err().to_string();
    assert!(error.contains("key.pem"), "{error}");
    assert!(!error.contains("not a key"), "{error}");
}
