//! Rejected requests fill neither the audit log nor the server's log.

use std::net::IpAddr;

use keycroft::model::event::{Action, Actor, AuditDetails, Channel, Origin, Target};
use keycroft::model::time::Time;
use keycroft::store::{EventCondition, Store, WriterTimeouts};
use serde_json::{Value, json};

use super::process::{Server, keycroft, new_lab};
use super::support::{NOW, bare_store};
use crate::fixture::Site;

fn requests(site: &Site) -> Vec<Value> {
    let mut events = site.events();
    events.retain(|event| event["outcome"] == "refused");
    events.reverse();
    events
}

#[test]
fn repeated_rejections_of_a_caller_are_one_event_a_minute() {
    let mut site = Site::new();
    let ask = |site: &Site, number: usize| {
        let path = format!("/api/v1/users/{number}{}", "a".repeat(1_000));
        assert_eq!(site.ask("GET", &path).bearer(&site.bob).send().status, 403);
    };
    for number in 0..60 {
        ask(&site, number);
        site.pass(i64::from(number % 2 == 0));
    }
    let first = requests(&site);
    assert_eq!(first.len(), 1, "{first:?}");
    let target = first[0]["target"]["id"].as_str().unwrap();
    assert_eq!(target.chars().count(), 128);
    assert!(
        target.starts_with("GET /api/v1/users/0aaa") && target.ends_with('…'),
        "{target}"
    );
    // A restart within the minute keeps the count, and the next minute's event has it.
    site.reopen();
    ask(&site, 60);
    assert_eq!(requests(&site).len(), 1);
    site.pass(60);
    ask(&site, 61);
    let second = requests(&site);
    assert_eq!(second.len(), 2, "{second:?}");
    assert_eq!(second[1]["after"]["repeated"], "60");
    assert_eq!(second[1]["after"]["repeated_since"], "2026-11-22T12:00:00Z");
    assert_eq!(
        second[1]["after"]["repeated_like"],
        format!("event {}", first[0]["number"])
    );
    // Then silence: the rest becomes an event after the minute, with any request.
    ask(&site, 62);
    ask(&site, 63);
    site.reopen();
    site.pass(61);
    site.ask("GET", "/healthz").send();
    let last = requests(&site);
    assert_eq!(last.len(), 3, "{last:?}");
    assert_eq!(last[2]["after"]["repeated"], "2");
    assert_eq!(last[2]["actor"], "bob");
    assert_eq!(last[2]["action"], "request");
    site.pass(61);
    site.ask("GET", "/healthz").send();
    assert_eq!(requests(&site).len(), 3, "each refusal is counted once");
    assert_eq!(
        site.ask("GET", "/api/v1/events")
            .bearer(&site.bob)
            .send()
            .json()["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["outcome"] == "refused")
            .count(),
        3,
        "bob sees them"
    );
}

/// Rejected within the act: by permission, by policy.
#[test]
fn rejections_within_an_act_are_folded() {
    let site = Site::new();
    for number in 0..20 {
        let body = json!({"name": format!("wide {number}"), "permissions": ["users:write"]});
        let answer = site
            .ask("POST", "/api/v1/api-keys")
            .bearer(&site.bob)
            .json(&body)
            .send();
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    assert_eq!(requests(&site).len(), 1);
    // Another act and another caller have separate events.
    site.ask("GET", "/api/v1/users").bearer(&site.bob).send();
    let service = site.narrow(&site.bob, &["account:read"]);
    site.ask("GET", "/api/v1/users").bearer(&service).send();
    let events = requests(&site);
    assert_eq!(
        events.len(),
        2,
        "all credentials of a person count together: {events:?}"
    );
}

fn reject(store: &Store, address: &str, target: &str, at: Time) {
    let origin = Origin {
        channel: Channel::Console,
        address: Some(address.parse::<IpAddr>().unwrap()),
        program: None,
        request_id: None,
    };
    let trace = AuditDetails::new(Target::new("user", target, "", None));
    store
        .note_rejection(at, Action::SignIn, Actor::nobody(), origin, trace)
        .unwrap();
}

fn count(store: &Store) -> usize {
    let read = store.read().unwrap();
    read.events(&EventCondition::default(), None, 1_000)
        .unwrap()
        .items
        .len()
}

#[test]
fn failed_sign_ins_of_an_address_are_one_event_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    for _ in 0..50 {
        reject(&store, "192.0.2.1", "", NOW);
    }
    assert_eq!(count(&store), 1);
    // The tried username stays visible; addresses within one IPv6 network count as one.
    reject(&store, "192.0.2.1", "alice", NOW);
    reject(&store, "2001:db8::1", "", NOW);
    for host in 2..50 {
        reject(&store, &format!("2001:db8::{host:x}"), "", NOW);
    }
    assert_eq!(count(&store), 3);
    // All day, from one address, at every name.
    for minute in 1..=60 {
        for name in 0..40 {
            reject(
                &store,
                "192.0.2.1",
                &format!("user{name}"),
                NOW.after(std::time::Duration::from_secs(60 * minute)),
            );
        }
    }
    let (events, minutes) = (count(&store) - 3, 60);
    assert!(events <= 6 * minutes, "{events}");
}

/// Even thousands of networks cause only a few events a minute, and nothing is lost but the addresses.
#[test]
fn failed_sign_ins_from_everywhere_are_a_few_events_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    for network in 0..300 {
        reject(
            &store,
            &format!("2001:db8:{network:x}::1"),
            &format!("user{}", network % 10),
            NOW,
        );
    }
    let events = count(&store);
    assert!((20..=30).contains(&events), "{events}");
    let later = NOW.after(std::time::Duration::from_secs(61));
    store.sweep_batch(later, 1_000).unwrap();
    let read = store.read().unwrap();
    let all = read
        .events(&EventCondition::default(), None, 1_000)
        .unwrap()
        .items;
    let repeated: usize = all
        .iter()
        .filter_map(|event| {
            event
                .after
                .split("repeated=")
                .nth(1)?
                .lines()
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert_eq!(repeated + events, 300, "each is an event or counted in one");
    // A clock that is set back neither stops nor doubles the count.
    reject(&store, "192.0.2.9", "", later);
    reject(&store, "192.0.2.9", "", NOW);
    reject(&store, "192.0.2.9", "", NOW);
    assert_eq!(count(&store), all.len() + 2);
}

#[test]
fn rejected_anonymous_requests_barely_grow_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let long = "a".repeat(7_900);
    for (level, bytes_max) in [("info", 400), ("debug", 30_000)] {
        let server = Server::spawn(&mut keycroft(
            &db,
            &["serve", "--listen", "127.0.0.1:0", "--log", level],
        ));
        let mut client = server.client();
        for _ in 0..60 {
            for (method, path) in [
                ("POST", format!("/{long}")),
                ("POST", format!("/api/v1/users/{long}/offboard")),
                ("DELETE", "/login".to_owned()),
                ("DELETE", format!("/api/v1/api-keys/{}", &long[..4_000])),
            ] {
                let status = client.ask(method, &path, "", "").status;
                assert!((400..500).contains(&status), "{method} {path}: {status}");
                client.reconnect();
            }
        }
        assert_eq!(
            client
                .ask(
                    "POST",
                    "/api/v1/api-keys",
                    &alice,
                    &format!("{{\"name\": \"{level}\"}}")
                )
                .status,
            201
        );
        let (status, message) = server.terminate();
        assert!(status.success());
        assert!(
            message.len() < bytes_max,
            "{level}: {} bytes",
            message.len()
        );
        assert!(message.lines().all(|line| line.len() < 200), "{message}");
        let changes = message
            .lines()
            .filter(|line| line.contains("POST /api/v1/api-keys 201"))
            .count();
        assert_eq!(changes, 1, "a change is logged: {message}");
        assert_eq!(message.contains("POST /aaa"), level == "debug", "{message}");
    }
}
