//! Stopping: pending requests finish, no new one starts.

use std::net::TcpStream;
use std::sync::atomic::Ordering::SeqCst;

use keycroft::transport::{Application, Peer};

use super::support::{NEVER, SOON, Server, settings, until};

#[test]
fn pending_request_finishes_at_stop() {
    let mut server = Server::start();
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut silent = server.connect();
    let mut half = server.connect();
    half.send("GET / HT");
    let mut held = server.connect();
    held.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut sending = server.connect();
    // The answer 100 shows that the server has its head.
    sending.send(
        "POST /sent HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert_eq!(sending.answer().status, 100);
    sending.send("o");
    until("it is held", || server.shared.held.load(SeqCst) == 1);
    server.stop.now();
    assert!(idle.is_closed());
    assert!(silent.is_closed());
    assert!(half.is_closed());
    until("new connections are rejected", || {
        TcpStream::connect(server.address).is_err()
    });
    sending.send("k");
    let answer = sending.answer();
    assert!(answer.body.ends_with("body: ok\n"), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    server.shared.open_gate();
    let answer = held.answer();
    assert!(answer.body.starts_with("GET /held "), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(held.is_closed());
    server.ended().unwrap();
    assert_eq!(
        server.shared.closed.load(SeqCst),
        server.shared.opened.load(SeqCst)
    );
}

#[test]
fn second_stop_is_immediate() {
    let mut settings = settings();
    settings.deadlines.stop = NEVER;
    let mut server = Server::with(settings);
    let mut held = server.connect();
    held.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it is held", || server.shared.held.load(SeqCst) == 1);
    server.stop.now();
    server.stop.now();
    server.ended().unwrap();
    assert!(held.is_closed());
    assert_eq!(server.shared.let_go.load(SeqCst), 0);
}

#[test]
fn stop_has_a_deadline() {
    let mut settings = settings();
    settings.deadlines.stop = SOON;
    let mut server = Server::with(settings);
    let mut sending = server.connect();
    sending.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(sending.answer().status, 100);
    server.stop.now();
    server.ended().unwrap();
    assert!(sending.is_closed());
}

/// An application without content.
fn application(open: fn() -> Result<(), &'static str>) -> std::sync::Arc<Application<()>> {
    let admit = |_: &str, _: &str| keycroft::transport::Admission {
        lane: keycroft::transport::Lane::Quick,
        body_bytes_max: 0,
    };
    let respond = |(): &(), _: &rouille::Request, _: Peer| rouille::Response::empty_204();
    Application::new(open, admit, respond, super::support::reject())
}

#[test]
fn stop_before_start_is_honored() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stop = keycroft::transport::Stop::new();
    stop.now();
    let application = application(|| Ok(()));
    let ended = keycroft::transport::serve(&settings(), vec![listener], &stop, application, || ());
    ended.unwrap();
}

#[test]
fn failing_handler_is_reported_at_start() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let application = application(|| Err("no such file"));
    let stop = keycroft::transport::Stop::new();
    let ended = keycroft::transport::serve(&settings(), vec![listener], &stop, application, || ());
    assert_eq!(ended.unwrap_err().to_string(), "no such file");
}
