//! Faults of the handler: a 500 without detail, and the server goes on.

use std::sync::atomic::Ordering::SeqCst;

use super::support::{Answer, Server, until};

fn is_a_bare_500(answer: &Answer) {
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("request-id").unwrap().len(), 12);
    assert!(answer.body.starts_with(
        r#"{"type":"urn:keycroft:problem:internal","title":"Internal server error","status":500,"request_id":""#
    ));
    assert!(!answer.body.contains("asked"), "{answer:?}");
}

#[test]
fn panic_is_answered_500_and_the_thread_survives() {
    let server = Server::start();
    let mut client = server.connect();
    for path in ["/panic", "/work-panic", "/panic", "/work-panic"] {
        is_a_bare_500(&client.get(path));
        assert_eq!(client.get("/fine").status, 200);
        server.shared.open_gate();
        assert_eq!(client.get("/work").status, 200);
    }
    // Two workers, two pools' first threads, and a new handler for each panic.
    until("handlers are opened again", || {
        server.shared.opened.load(SeqCst) >= 8
    });
}

#[test]
fn header_with_a_line_end_is_never_sent() {
    let server = Server::start();
    let mut client = server.connect();
    for path in ["/inject", "/inject-nul", "/inject-name"] {
        let answer = client.get(path);
        is_a_bare_500(&answer);
        assert!(
            !answer.head.to_lowercase().contains("set-cookie"),
            "{answer:?}"
        );
        assert!(!answer.head.to_lowercase().contains("x-bad"), "{answer:?}");
    }
    assert_eq!(client.get("/fine").status, 200);
}

#[test]
fn invalid_status_is_answered_500() {
    let server = Server::start();
    for path in ["/status-99", "/status-101", "/status-600"] {
        is_a_bare_500(&server.connect().get(path));
    }
}

#[test]
fn framing_headers_of_the_handler_are_dropped() {
    let server = Server::start();
    let mut client = server.connect();
    let answer = client.get("/reserved");
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.header("content-length"), Some("2"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("connection"), None);
    assert_eq!(client.get("/fine").status, 200);
}

#[test]
fn broken_response_is_visibly_cut_off() {
    let server = Server::start();
    let complete = server.exchange("GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(complete.contains("transfer-encoding: chunked"));
    assert!(complete.ends_with("\r\n0\r\n\r\n"));
    let cut = server.exchange("GET /cut HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(cut.starts_with("HTTP/1.1 200 "));
    assert!(!cut.ends_with("0\r\n\r\n"));
    assert!(server.is_alive());
}
