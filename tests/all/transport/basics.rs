//! Ordinary requests and answers.

use std::sync::atomic::Ordering::SeqCst;

use super::support::{Server, until};

#[test]
fn request_arrives_complete_and_the_connection_stays() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /a/b?c=%20d HTTP/1.1\r\nHost: keys.example:80\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        "POST /a/b?c=%20d from 127.0.0.1\ncontent-length: 5\nhost: keys.example:80\nx-one: 1\nx-one: 2\nbody: hello\n"
    );
    assert!(answer.header("date").is_some());
    client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().body.starts_with("GET /again "));
}

#[test]
fn every_lane_answers_requests() {
    let server = Server::start();
    server.shared.open_gate();
    for path in ["/quick", "/work", "/hash", "/held"] {
        // A request with a password ends its connection.
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert!(
            answer.body.starts_with(&format!("GET {path} ")),
            "{answer:?}"
        );
    }
    // Two workers and the first thread of each pool.
    until("handlers are opened", || {
        server.shared.opened.load(SeqCst) == 4
    });
}

#[test]
fn head_request_gets_the_length_without_a_body() {
    let server = Server::start();
    let complete = server.exchange("GET /x HTTP/1.0\r\nHost: a\r\n\r\n");
    let body = complete.split_once("\r\n\r\n").unwrap().1;
    let head = server.exchange("HEAD /x HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"));
    assert!(head.contains(&format!("content-length: {}\r\n", body.len() + 1)));
}

#[test]
fn no_content_answer_has_no_length() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), None);
}

#[test]
fn long_answer_is_sent_in_parts() {
    let server = Server::start();
    let chunked = server.exchange("GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (head, body) = chunked.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked"));
    assert_eq!(body.matches('x').count(), 3_000_000);
    let old = server.exchange("GET /long HTTP/1.0\r\nHost: a\r\n\r\n");
    let (head, body) = old.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("transfer-encoding"));
    assert_eq!(body.len(), 3_000_000);
    let mut client = server.connect();
    assert_eq!(client.get("/sized").body.len(), 3_000_000);
    assert_eq!(client.get("/big").body.len(), 40_000_000);
    client.send("HEAD /long HTTP/1.1\r\nHost: a\r\n\r\n");
    let message = client.rest_until_answer();
    assert!(
        message.starts_with("HTTP/1.1 200 ") && message.ends_with("\r\n\r\n"),
        "{message:?}"
    );
}

#[test]
fn http_1_0_client_is_served() {
    let server = Server::start();
    let once = server.exchange("GET /old HTTP/1.0\r\nHost: a\r\n\r\n");
    assert!(once.starts_with("HTTP/1.0 200 "), "{once:?}");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET /old HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
}

#[test]
fn header_value_of_any_bytes_does_no_harm() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\xc3\xa4\r\n\r\n");
    assert!(client.answer().body.contains("x: \u{fffd}\u{fffd}\u{e4}\n"));
}
