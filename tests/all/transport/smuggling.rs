//! Nothing inside one request is ever answered as another.

use std::fmt::Write as _;
use std::io::Write;
use std::thread;

use super::support::Server;

/// Must never be answered.
const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends these bytes; the inner request must not be answered.
fn never_smuggles(server: &Server, what: &str, sent: &str) -> String {
    let mut client = server.connect();
    client.send(sent);
    client.half_close();
    let answers = client.rest();
    assert!(!answers.contains("GET /smuggled "), "{what}: {answers:?}");
    answers
}

fn hex(text: &str) -> String {
    format!("{:x}", text.len())
}

#[test]
fn second_body_length_is_rejected_before_the_handler() {
    let server = Server::start();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: CHUNKED\r\nContent-Length: 5\r\n",
        "content-LENGTH: 5\r\nX: y\r\nTRANSFER-encoding:chunked\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: nonsense\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length:\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding:\r\n",
        "Connection: Content-Length\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 05\r\n",
    ] {
        for (method, version) in [
            ("POST", "1.1"),
            ("POST", "1.0"),
            ("GET", "1.1"),
            ("DELETE", "1.1"),
        ] {
            let sent = format!(
                "{method} /outer HTTP/{version}\r\nHost: a\r\n{headers}\r\n0\r\n\r\n{INNER}"
            );
            let answers = never_smuggles(&server, headers, &sent);
            assert_eq!(answers.matches("HTTP/1.").count(), 1, "{answers:?}");
            assert!(answers[8..].starts_with(" 400 "), "{headers}: {answers:?}");
            assert!(!answers.contains("/outer"), "{headers}: {answers:?}");
            assert!(answers.contains("connection: close"), "{answers:?}");
        }
    }
    // Each alone is served.
    let alone = format!("POST /outer HTTP/1.1\r\nHost: a\r\n{chunked}\r\n1\r\nx\r\n0\r\n\r\n");
    assert!(never_smuggles(&server, "alone", &alone).contains("body: x"));
}

#[test]
fn upgrade_header_is_ignored() {
    let server = Server::start();
    let large = "x".repeat(5_000);
    let upgrades = [
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        "uPGRADE: h2c\r\nUpgrade: websocket\r\n",
    ];
    let bodies = [
        ("Content-Length: 0\r\n".to_owned(), String::new()),
        ("Content-Length: 5\r\n".to_owned(), "hello".to_owned()),
        ("Content-Length: 5000\r\n".to_owned(), large.clone()),
        ("Content-Length: 5000\r\n".to_owned(), String::new()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("1388\r\n{large}\r\n0\r\n\r\n"),
        ),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "g\r\n".to_owned(),
        ),
    ];
    for path in ["/outer", "/work", "/empty"] {
        for (length, body) in &bodies {
            let answer = |upgrade: &str| {
                let mut client = server.connect();
                client.send(format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\n{upgrade}{length}\r\n{body}"
                ));
                let mut answer = client.answer();
                answer.head = answer
                    .head
                    .lines()
                    .filter(|line| !line.starts_with("request-id") && !line.starts_with("date"))
                    .collect();
                (answer.status, answer.head)
            };
            let without = answer("");
            for upgrade in upgrades {
                let (status, head) = answer(upgrade);
                assert_eq!(status, without.0, "{path} {length} {upgrade}: {head}");
                assert_eq!(
                    head.contains("connection: close"),
                    without.1.contains("connection: close"),
                    "{path} {length} {upgrade}"
                );
            }
        }
    }
    // Further bytes of the connection are a request, not the upgraded protocol.
    let mut client = server.connect();
    let upgrade = upgrades[0];
    client.send(format!(
        "GET /first HTTP/1.1\r\nHost: a\r\n{upgrade}\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    assert!(client.answer().body.starts_with("GET /first "));
    assert!(client.answer().body.starts_with("GET /second "));
}

#[test]
fn body_length_counts_bytes() {
    let server = Server::start();
    let sent = format!(
        "POST /outer HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{INNER}GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        INNER.len()
    );
    let mut client = server.connect();
    client.send(sent);
    assert!(client.answer().body.ends_with(&format!("body: {INNER}\n")));
    assert!(client.answer().body.starts_with("GET /after "));
    assert!(client.is_closed());
}

#[test]
fn obscure_chunks_are_rejected_and_close_the_connection() {
    let server = Server::start();
    let size = hex(INNER);
    for (what, body) in [
        ("0x", format!("0x{size}\r\n{INNER}\r\n0\r\n\r\n")),
        ("plus", format!("+{size}\r\n{INNER}\r\n0\r\n\r\n")),
        ("minus", format!("-{size}\r\n{INNER}\r\n0\r\n\r\n")),
        ("space in front", format!(" {size}\r\n{INNER}\r\n0\r\n\r\n")),
        ("no size", format!("\r\n{INNER}\r\n0\r\n\r\n")),
        ("not hex", format!("g\r\n{INNER}\r\n0\r\n\r\n")),
        (
            "too large",
            format!("fffffffffffffffff\r\n{INNER}\r\n0\r\n\r\n"),
        ),
        (
            "wraps round",
            format!("10000000000000001\r\n{INNER}\r\n0\r\n\r\n"),
        ),
        ("bare line feed", format!("{size}\n{INNER}\r\n0\r\n\r\n")),
        (
            "bare carriage return",
            format!("{size}\rx{INNER}\r\n0\r\n\r\n"),
        ),
        (
            "extension with a line feed",
            format!("{size};a\nb\r\n{INNER}\r\n0\r\n\r\n"),
        ),
        (
            "data longer than its size",
            format!("1\r\nxx\r\n0\r\n\r\n{INNER}"),
        ),
        (
            "no line end behind data",
            format!("{size}\r\n{INNER}0\r\n\r\n"),
        ),
        (
            "lone line feed behind data",
            format!("1\r\nx\n0\r\n\r\n{INNER}"),
        ),
    ] {
        let sent =
            format!("POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let answers = never_smuggles(&server, what, &sent);
        assert!(answers.starts_with("HTTP/1.1 400 "), "{what}: {answers:?}");
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{what}: {answers:?}"
        );
    }
}

#[test]
fn chunk_extensions_and_trailers_close_the_connection() {
    let server = Server::start();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n",
        "00005\r\nhello\r\n000\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\nX-Trailer: a\r\nContent-Length: 40\r\n\r\n",
    ] {
        let sent = format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{INNER}"
        );
        let answers = never_smuggles(&server, body, &sent);
        assert!(answers.starts_with("HTTP/1.1 200 "), "{body}: {answers:?}");
        assert!(answers.contains("body: hello\n"), "{body}: {answers:?}");
        assert!(!answers.contains("x-trailer"), "{body}: {answers:?}");
    }
}

#[test]
fn endless_extensions_and_trailers_are_cut_off() {
    let server = Server::start();
    let head = "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "x".repeat(64 * 1024);
    for body in [
        format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        format!("5\r\nhello\r\n0\r\nX: {long}\r\n\r\n"),
        format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(5000)),
        format!("{}0\r\n\r\n", "1;xxxxxxxx\r\na\r\n".repeat(5000)),
    ] {
        let answers = never_smuggles(&server, "endless", &format!("{head}{body}{INNER}"));
        assert!(!answers.contains("HTTP/1.1 200 "), "{answers:?}");
    }
    assert!(server.is_alive());
}

#[test]
fn head_in_any_pieces_is_read() {
    let server = Server::start();
    let mut client = server.connect();
    let sent = "POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for at in 1..sent.len() {
        client.send(&sent[..at]);
        // Without a pause the kernel may join the pieces; the server then sees fewer.
        thread::yield_now();
        client.send(&sent[at..]);
        assert!(client.answer().body.ends_with("body: hello\n"), "at {at}");
    }
    for byte in sent.bytes() {
        client.send([byte]);
        thread::yield_now();
    }
    assert!(client.answer().body.ends_with("body: hello\n"));
}

#[test]
fn fifty_thousand_pipelined_requests_are_answered_in_order() {
    const COUNT: usize = 50_000;
    let server = Server::start();
    let mut client = server.connect();
    let mut writer = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        for batch in 0..COUNT / 100 {
            let mut sent = String::new();
            for number in batch * 100..(batch + 1) * 100 {
                write!(sent, "GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            }
            writer.write_all(sent.as_bytes()).unwrap();
        }
    });
    for number in 0..COUNT {
        let answer = client.answer();
        assert!(
            answer.body.starts_with(&format!("GET /{number} ")),
            "{answer:?}"
        );
    }
    sending.join().unwrap();
}

#[test]
fn pipelined_request_waits_for_a_slow_one() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    super::support::until("it is held", || {
        server.shared.held.load(std::sync::atomic::Ordering::SeqCst) == 1
    });
    server.shared.open_gate();
    assert!(client.answer().body.starts_with("GET /held "));
    assert!(client.answer().body.starts_with("GET /quick "));
}
