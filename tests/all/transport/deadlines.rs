//! Deadlines: slow clients get an answer if possible, and are dropped.

use keycroft::transport::{Deadlines, TransportSettings};

use super::support::{Client, SOON, Server, settings, until};

fn with(change: impl FnOnce(&mut Deadlines)) -> Server {
    let mut settings: TransportSettings = settings();
    change(&mut settings.deadlines);
    Server::with(settings)
}

#[test]
fn slow_head_is_answered_and_dropped() {
    let server = with(|deadlines| deadlines.head = SOON);
    for sent in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n",
    ] {
        let answer = server.exchange(sent);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{sent:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    }
    // A second head has the same deadline.
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HT");
    assert!(client.rest().starts_with("HTTP/1.1 408 "));
}

#[test]
fn head_deadline_is_absolute() {
    let server = with(|deadlines| deadlines.head = SOON);
    let head = "GET / HTTP/1.1\r\nX: "
        .bytes()
        .chain(std::iter::repeat_n(b'x', 16_000));
    assert!(server.connect().trickle(head).starts_with("HTTP/1.1 408 "));
}

#[test]
fn slow_body_is_answered_and_dropped() {
    let server = with(|deadlines| deadlines.body = SOON);
    for head in [
        "Content-Length: 500\r\n\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nx",
    ] {
        let answer = server.exchange(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    }
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    assert!(client.rest().starts_with("HTTP/1.1 408 "));
}

#[test]
fn body_deadline_is_absolute() {
    let server = with(|deadlines| deadlines.body = SOON);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    let message = client.trickle(std::iter::repeat_n(b'x', 999));
    assert!(message.starts_with("HTTP/1.1 408 "), "{message:?}");
}

#[test]
fn idle_connection_is_closed_silently() {
    let server = with(|deadlines| deadlines.idle = SOON);
    assert_eq!(server.connect().rest(), "");
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn busy_handler_has_no_deadline() {
    let server = with(|deadlines| {
        deadlines.idle = SOON;
        deadlines.head = SOON;
        deadlines.body = SOON;
        deadlines.write = SOON;
    });
    let mut client = server.connect();
    client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    // Others are dropped meanwhile.
    assert!(server.exchange("G").starts_with("HTTP/1.1 408 "));
    assert_eq!(server.connect().rest(), "");
    assert_eq!(server.connect().rest(), "");
    server.shared.open_gate();
    assert!(client.answer().body.starts_with("GET /held "));
}

#[test]
fn client_that_never_reads_is_dropped() {
    let server = with(|deadlines| deadlines.write = SOON);
    for path in ["/big", "/long"] {
        let mut client = Client::narrow(server.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        // It notices by a reset.
        until("it is dropped", || {
            client.stream.take_error().unwrap().is_some()
        });
    }
    // The pool's threads are free again.
    server.shared.open_gate();
    assert_eq!(server.connect().get("/work").status, 200);
}

#[test]
fn client_that_sends_without_reading_is_dropped() {
    let server = with(|deadlines| deadlines.write = SOON);
    let client = Client::narrow(server.address);
    client.stream.set_nonblocking(true).unwrap();
    let requests = "GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    // The server stops reading when it cannot write, so only its deadline ends this.
    until("it is dropped", || {
        use std::io::{ErrorKind, Write};
        match (&client.stream).write_all(requests.as_bytes()) {
            Ok(()) => false,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    });
    assert!(server.is_alive());
}
