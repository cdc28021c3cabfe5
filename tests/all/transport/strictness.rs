//! Ambiguous requests are answered once and the connection is closed.

use std::io::Write;

use super::support::{NEVER, Server, find, settings, until};

/// Sends a request with another behind it: the first is rejected with this status, and the second is never read.
fn rejected(server: &Server, what: &str, request: impl AsRef<[u8]>, status: u16) -> String {
    let mut sent = request.as_ref().to_vec();
    sent.extend_from_slice(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = server.exchange(sent);
    let (version, rest) = answer.split_once(' ').unwrap_or_default();
    assert!(
        matches!(version, "HTTP/1.1" | "HTTP/1.0"),
        "{what}: {answer:?}"
    );
    assert!(
        rest.starts_with(&format!("{status} ")),
        "{what}: {answer:?}"
    );
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: {answer:?}");
    assert!(
        answer.contains("\r\nconnection: close\r\n"),
        "{what}: {answer:?}"
    );
    assert!(!answer.contains("/second"), "{what}: {answer:?}");
    answer
}

#[test]
fn request_needs_exactly_one_valid_host() {
    let server = Server::start();
    for version in ["1.0", "1.1"] {
        for headers in [
            "",
            "Host:\r\n",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nX: y\r\nhOST: b\r\n",
            "Host: a, b\r\n",
            "Host: a b\r\n",
            "Host: user@a\r\n",
            "Host: a/b\r\n",
            "Host: http://a\r\n",
            "Host: a:port\r\n",
            "Host: a:1:2\r\n",
            "Host: [::1\r\n",
            "Host: %61\r\n",
            "Host: \u{e4}\r\n",
        ] {
            let request = format!("GET / HTTP/{version}\r\n{headers}\r\n");
            rejected(&server, headers, request, 400);
        }
    }
    for host in ["a", "a.b-c.example:8420", "127.0.0.1", "[::1]:80", "[::1]"] {
        let mut client = server.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().status, 200, "{host}");
    }
}

#[test]
fn transfer_encoding_must_be_chunked_once() {
    let server = Server::start();
    for encodings in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{encodings}\r\n0\r\n\r\n");
        rejected(&server, encodings, request, 400);
    }
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    rejected(&server, "HTTP/1.0 has no chunks", old, 400);
}

#[test]
fn content_length_must_be_one_number() {
    let server = Server::start();
    for length in [
        "+1", "-1", "0x1", "1 1", "1, 1", "1,2", "", "1.0", "\u{661}", "a",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nx");
        rejected(&server, length, request, 400);
    }
    let two = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx";
    rejected(&server, "two lengths", two, 400);
}

#[test]
fn unknown_method_is_rejected() {
    let server = Server::start();
    for method in ["TRACE", "CONNECT", "BREW", "get", "GETT", "PRI"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = rejected(&server, method, request, 405);
        assert!(
            answer.contains("\r\nallow: GET, HEAD, POST, "),
            "{answer:?}"
        );
    }
    rejected(
        &server,
        "authority",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        405,
    );
    for method in ["G@T", "G(T", "\u{e4}", ""] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        rejected(&server, method, request, 400);
    }
    for method in [
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
        "MKCALENDAR",
        "ACL",
    ] {
        let mut client = server.connect();
        client.send(format!("{method} /m HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert!(
            answer.body.starts_with(&format!("{method} /m ")),
            "{answer:?}"
        );
    }
}

#[test]
fn expectation_must_be_100_continue() {
    let server = Server::start();
    for expectation in ["200-ok", "100-continue, x", "", "100"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: {expectation}\r\n\r\n");
        rejected(&server, expectation, request, 417);
    }
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    client.send("ok");
    assert!(client.answer().body.ends_with("body: ok\n"));
}

#[test]
fn ambiguous_target_is_rejected() {
    let server = Server::start();
    for target in [
        "http://a/",
        "https://a/x",
        "a",
        "a:80",
        "*",
        "?x",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/./a",
        "/a/./b",
        "/a/../b",
        "/../a",
        "/a/..",
        "/a/.",
        "/%61",
        "/a%2fb",
        "/%2e%2e/a",
        "/a%",
        "/a\\b",
        "/a#b",
        "/#",
        "/a?b#c",
        "/a|b",
        "/a\"b",
        "/a<b",
        "/a{b}",
        "/a^b",
        "/a`b",
        "/\u{e4}",
        "/a?\u{e4}",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        rejected(&server, target, request, 400);
    }
    for target in [
        "/",
        "/a",
        "/a/",
        "/a/b/c",
        "/.well-known/x",
        "/a..b",
        "/...",
        "/a?",
        "/a?b=%2F..//\\",
        "/a-b_c~d!$&'()*+,;=:@",
        "/a?b?c",
    ] {
        let mut client = server.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{target}");
        assert!(
            answer.body.starts_with(&format!("GET {target} from ")),
            "{answer:?}"
        );
    }
}

#[test]
fn request_line_must_have_three_words() {
    let server = Server::start();
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / http/1.1",
        "GET / HTTPS/1.1",
        "GET / ",
        "GET /a\0b HTTP/1.1",
        "\u{1}\u{2}",
    ] {
        rejected(&server, line, format!("{line}\r\nHost: a\r\n\r\n"), 400);
    }
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/3",
        "HTTP/1.1x",
        "HTTP/",
    ] {
        rejected(
            &server,
            version,
            format!("GET / {version}\r\nHost: a\r\n\r\n"),
            505,
        );
    }
}

#[test]
fn bare_line_feed_or_malformed_header_is_rejected() {
    let server = Server::start();
    for request in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 3\r\n\r\n",
        "GET / HTTP/1.1\r\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x08b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x1bb\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        rejected(&server, request, request, 400);
    }
    // Old clients send one empty line in front (RFC 9112, 2.2).
    let mut client = server.connect();
    client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn other_protocol_is_answered_at_once() {
    let server = Server::start();
    // A TLS ClientHello has no line end for a long time.
    let hello = [
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
    ];
    assert!(server.exchange(hello).starts_with("HTTP/1.1 400 "));
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert!(server.exchange(preface).starts_with("HTTP/1.1 505 "));
}

#[test]
fn rejection_has_only_the_security_headers() {
    let server = Server::start();
    let rejected = server.exchange("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, body) = rejected.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().skip(1).collect();
    lines.retain(|line| !line.starts_with("date: "));
    let id = lines
        .iter()
        .position(|line| line.starts_with("request-id: "))
        .unwrap();
    assert_eq!(lines.remove(id).len(), "request-id: ".len() + 12);
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "cache-control: no-store",
            "connection: close",
            &format!("content-length: {}", body.len()),
            "content-security-policy: default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
            "content-type: application/problem+json",
            "cross-origin-opener-policy: same-origin",
            "referrer-policy: same-origin",
            "x-content-type-options: nosniff",
        ]
    );
    assert_eq!(
        body,
        r#"{"type":"urn:keycroft:problem:malformed","title":"Bad request","status":400,"detail":"The path has a character that no path of this server contains."}"#
    );
    assert!(find(body.as_bytes(), b"%00").is_none());
}

#[test]
fn rejected_client_may_finish_sending() {
    let mut settings = settings();
    settings.deadlines.linger = NEVER;
    let server = Server::with(settings);
    for (head, status) in [("POST /none", 413), ("POST //", 400)] {
        let mut client = server.connect();
        client.send(format!(
            "{head} HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
        ));
        assert_eq!(client.answer().status, status);
        // A closed socket would answer the first of these with a reset, and the next ones fail.
        for _ in 0..50_000 {
            client.send("x");
        }
        client.half_close();
        assert!(client.is_closed());
    }
    // Not for ever.
    let mut client = server.connect();
    client.send("POST // HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    let sending = client.stream.try_clone().unwrap();
    until("it is cut off", || {
        (&sending).write_all(&[b'x'; 1000]).is_err()
    });
}

#[test]
fn bytes_behind_a_body_obey_the_same_rules() {
    let server = Server::start();
    for second in [
        "GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
    ] {
        for together in [true, false] {
            let mut client = server.connect();
            let first = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
            if together {
                client.send(format!("{first}hello{second}"));
                assert!(client.answer().body.ends_with("body: hello\n"));
            } else {
                client.send(first);
                client.send("hel");
                client.send("lo");
                assert!(client.answer().body.ends_with("body: hello\n"));
                client.send(second);
            }
            let message = client.rest();
            assert!(message.starts_with("HTTP/1.1 400 "), "{message:?}");
        }
    }
}
