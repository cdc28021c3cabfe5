//! The bounded pools: waiting requests, full queues, clients that left.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::support::{PATIENCE, Server, settings, until};

#[test]
fn request_beyond_the_queue_gets_503() {
    let server = Server::start();
    // One thread, and two requests that wait for it.
    let mut first = server.connect();
    first.send("GET /hash HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the thread is busy", || {
        server.shared.held.load(SeqCst) == 1
    });
    let (output, answers) = mpsc::channel();
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (mut client, output) = (server.connect(), output.clone());
            thread::spawn(move || {
                output.send(client.get("/hash")).unwrap();
            })
        })
        .collect();
    for _ in 0..4 {
        let answer = answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    // Verification is not affected.
    assert!(server.is_alive());
    server.shared.open_gate();
    assert_eq!(first.answer().status, 200);
    for _ in 0..2 {
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap().status, 200);
    }
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn request_of_a_disconnected_client_is_skipped() {
    let mut settings = settings();
    settings.workers = 1;
    settings.hash.patience = Duration::ZERO;
    let server = Server::with(settings);
    let mut first = server.connect();
    first.send("GET /hash HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the thread is busy", || {
        server.shared.held.load(SeqCst) == 1
    });
    for reset in [true, false] {
        let mut removed = server.connect();
        removed.send("GET /hash HTTP/1.1\r\nHost: a\r\n\r\n");
        // With one worker: once it has answered this, it has seen the other request.
        assert!(server.is_alive());
        if reset {
            removed.reset();
        } else {
            drop(removed);
        }
        assert!(server.is_alive());
    }
    server.shared.open_gate();
    assert_eq!(first.answer().status, 200);
    assert_eq!(server.connect().get("/hash").status, 200);
    assert_eq!(server.shared.held.load(SeqCst), 2);
}

#[test]
fn request_of_a_broken_connection_is_skipped_at_once() {
    let mut settings = settings();
    settings.workers = 1;
    let server = Server::with(settings);
    let mut first = server.connect();
    first.send("GET /hash HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the thread is busy", || {
        server.shared.held.load(SeqCst) == 1
    });
    let mut removed = server.connect();
    removed.send("GET /hash HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.is_alive());
    removed.reset();
    assert!(server.is_alive());
    server.shared.open_gate();
    assert_eq!(first.answer().status, 200);
    assert_eq!(server.connect().get("/hash").status, 200);
    assert_eq!(server.shared.held.load(SeqCst), 2);
}

#[test]
fn half_closed_client_is_answered() {
    let server = Server::start();
    server.shared.open_gate();
    for path in ["/quick", "/work", "/hash", "/empty"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.half_close();
        let message = client.rest();
        assert!(message.starts_with("HTTP/1.1 20"), "{path}: {message:?}");
    }
}

#[test]
fn pools_grow_and_shrink_to_one_thread() {
    let mut settings = settings();
    settings.work.threads_max = 8;
    settings.work.idle = Duration::from_millis(20);
    let server = Server::with(settings);
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    until("all are held at once", || {
        server.shared.held.load(SeqCst) == 8
    });
    // Two workers, the other pool's thread, and eight.
    assert_eq!(server.shared.opened.load(SeqCst), 11);
    assert_eq!(server.shared.closed.load(SeqCst), 0);
    server.shared.open_gate();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    until("seven have ended", || {
        server.shared.closed.load(SeqCst) == 7
    });
    assert_eq!(clients[0].get("/work").status, 200);
    assert_eq!(server.shared.opened.load(SeqCst), 11);
}
