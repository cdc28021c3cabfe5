//! Limits on connections, and the choice of those that make room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::support::{Client, Server, settings, until};

#[test]
fn connections_are_spread_over_the_workers() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..2).map(|_| server.connect()).collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for client in &mut clients {
        *counts.entry(client.get("/thread").body).or_default() += 1;
    }
    assert_eq!(counts.len(), 2, "{counts:?}");
    clients.extend((0..62).map(|_| server.connect()));
    counts.clear();
    for client in &mut clients {
        *counts.entry(client.get("/thread").body).or_default() += 1;
    }
    assert!(counts.values().all(|&count| count == 32), "{counts:?}");
}

#[test]
fn longest_idle_connection_makes_room() {
    let mut settings = settings();
    settings.connections_max = 3;
    let server = Server::with(settings);
    let mut clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            assert_eq!(client.get("/").status, 200);
            tick();
            client
        })
        .collect();
    // The first was active again, so the second has been idle longest.
    assert_eq!(clients[0].get("/").status, 200);
    tick();
    let mut fourth = server.connect();
    assert_eq!(fourth.get("/").status, 200);
    assert!(clients[1].is_closed());
    assert_eq!(clients[0].get("/").status, 200);
    assert_eq!(clients[2].get("/").status, 200);
}

/// Lets the registry's clock, in milliseconds, advance.
fn tick() {
    let begun = std::time::Instant::now();
    until("time passes", || begun.elapsed().as_millis() > 2);
}

#[test]
fn connection_within_a_head_makes_room_after_idle_ones() {
    let mut settings = settings();
    settings.connections_max = 2;
    settings.workers = 1;
    let server = Server::with(settings);
    let mut slow = server.connect();
    slow.send("GET / HT");
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut third = server.connect();
    assert_eq!(third.get("/").status, 200);
    assert!(idle.is_closed());
    third.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it is held", || server.shared.held.load(SeqCst) == 1);
    let mut fourth = server.connect();
    assert_eq!(fourth.get("/").status, 200);
    assert!(slow.is_closed());
}

#[test]
fn new_connection_gets_503_when_all_are_busy() {
    let mut settings = settings();
    settings.connections_max = 2;
    let server = Server::with(settings);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    until("both are held", || server.shared.held.load(SeqCst) == 2);
    let answer = server.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer:?}");
    assert!(
        answer.contains("\r\nx-content-type-options: nosniff\r\n"),
        "{answer:?}"
    );
    server.shared.open_gate();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert!(server.is_alive());
}

#[test]
fn connections_per_address_are_limited() {
    let mut settings = settings();
    settings.connections_per_address_max = 2;
    settings.exempt = Arc::new(|address| address == std::net::IpAddr::from([127, 0, 0, 3]));
    let server = Server::with(settings);
    let from = |last| Client::from([127, 0, 0, last], server.address);
    let mut others: Vec<_> = (0..2).map(|_| from(2)).collect();
    let mut proxies: Vec<_> = (0..8).map(|_| from(3)).collect();
    let mut mine: Vec<_> = (0..2).map(|_| from(1)).collect();
    for client in others.iter_mut().chain(&mut proxies).chain(&mut mine) {
        assert_eq!(client.get("/").status, 200);
        tick();
    }
    let mut third = from(1);
    assert_eq!(third.get("/").status, 200);
    assert!(mine[0].is_closed());
    for client in others.iter_mut().chain(&mut proxies).chain(&mut mine[1..]) {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn reset_storm_does_no_harm() {
    let server = Server::start();
    for number in 0..1000 {
        let mut client = server.connect();
        match number % 4 {
            0 => {}
            1 => client.send("GET /"),
            2 => client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            _ => client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
        }
        client.reset();
    }
    assert!(server.is_alive());
}

/// Waking a client on this machine for each answer would cost more than verification (bar P1).
#[test]
fn answers_to_simultaneous_requests_leave_together() {
    let mut settings = settings();
    settings.workers = 1;
    let server = Server::with(settings);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        assert_eq!(client.get("/quick").status, 200);
    }
    let mut holder = server.connect();
    holder.send("GET /held-worker HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the worker is held", || {
        server.shared.held.load(SeqCst) == 1
    });
    for client in &mut clients {
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.shared.open_gate();
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                assert_eq!(client.answer().status, 200);
                assert_eq!(server.shared.slow.load(SeqCst), 2, "both were handled");
            });
        }
    });
}
