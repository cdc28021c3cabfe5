//! Sizes: each limit with its status, and no byte is read beyond it.

use std::io::Write;

use super::support::Server;

#[test]
fn request_line_above_8_kilobytes_is_rejected() {
    let server = Server::start();
    let line = |length: usize| {
        let path = "a".repeat(length - "GET / HTTP/1.1".len());
        format!("GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    };
    assert!(server.exchange(line(8192)).starts_with("HTTP/1.1 200 "));
    assert!(server.exchange(line(8193)).starts_with("HTTP/1.1 414 "));
    assert!(server.exchange(line(12_000)).starts_with("HTTP/1.1 414 "));
    assert!(server.exchange(line(100_000)).starts_with("HTTP/1.1 414 "));
    // The answer comes before the end of the line.
    let endless = format!("GET /{}", "a".repeat(9000));
    assert!(server.exchange(endless).starts_with("HTTP/1.1 414 "));
}

#[test]
fn head_above_16_kilobytes_is_rejected() {
    let server = Server::start();
    let head = |length: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
        let value = "a".repeat(length - start.len() - "\r\n\r\n".len());
        format!("{start}{value}\r\n\r\n")
    };
    assert!(
        server
            .exchange(head(16 * 1024))
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        server
            .exchange(head(16 * 1024 + 1))
            .starts_with("HTTP/1.1 431 ")
    );
    assert!(server.exchange(head(200_000)).starts_with("HTTP/1.1 431 "));
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(20_000));
    assert!(server.exchange(endless).starts_with("HTTP/1.1 431 "));
}

#[test]
fn head_above_100_headers_is_rejected() {
    let server = Server::start();
    let head = |count: usize| {
        let more = "X: y\r\n".repeat(count - 2);
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")
    };
    assert!(server.exchange(head(100)).starts_with("HTTP/1.1 200 "));
    let answer = server.exchange(head(101));
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    // The transport's answer, not hyper's.
    assert!(
        answer.contains("\r\nx-content-type-options: nosniff\r\n"),
        "{answer:?}"
    );
}

#[test]
fn million_headers_are_cut_off() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let lines = "X: y\r\n".repeat(10_000);
    let mut rejected = false;
    for _ in 0..100 {
        if client.stream.write_all(lines.as_bytes()).is_err() {
            rejected = true;
            break;
        }
    }
    let answer = client.rest();
    // Bytes still being sent may destroy the answer with a reset, but never get another one.
    assert!(
        rejected || answer.starts_with("HTTP/1.1 431 "),
        "{answer:?}"
    );
    assert!(server.is_alive());
}

#[test]
fn body_above_the_limit_is_not_read() {
    let server = Server::start();
    for (what, request) in [
        (
            "declared",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n{}",
                "x".repeat(1001)
            ),
        ),
        (
            "declared, not sent",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n".to_owned(),
        ),
        (
            "huge",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nx".to_owned(),
        ),
        (
            "in chunks",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
                "x".repeat(1001)
            ),
        ),
        (
            "in many chunks",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                "1\r\nx\r\n".repeat(1001)
            ),
        ),
        (
            "none allowed",
            "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".to_owned(),
        ),
        (
            "by a pool",
            "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n".to_owned(),
        ),
    ] {
        let answer = server.exchange(request);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{what}: {answer:?}");
        assert!(answer.ends_with("over the limit"), "{what}: {answer:?}");
        assert!(answer.contains("connection: close"), "{what}: {answer:?}");
    }
}

#[test]
fn body_at_the_limit_is_read() {
    let server = Server::start();
    let body = "x".repeat(1000);
    let declared = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{body}"
    );
    assert!(
        server
            .exchange(declared)
            .ends_with(&format!("body: {body}\n"))
    );
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{body}\r\n0\r\n\r\n"
    );
    assert!(
        server
            .exchange(chunked)
            .ends_with(&format!("body: {body}\n"))
    );
    let empty = "POST /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(server.exchange(empty).ends_with("body: \n"));
}

#[test]
fn large_body_arrives_complete() {
    let server = Server::start();
    let body = "0123456789abcdef".repeat(5 * 64 * 1024);
    let mut client = server.connect();
    let length = body.len();
    client.send(format!(
        "POST /megabytes HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(&body);
    assert!(client.answer().body.ends_with(&format!("body: {body}\n")));
    assert_eq!(client.get("/after").status, 200);
}

#[test]
fn oversized_expect_continue_is_rejected() {
    let server = Server::start();
    let answer = server.exchange(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
}
