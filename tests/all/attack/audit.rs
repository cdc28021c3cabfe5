//! The audit log under attack: no secrets in it, and reading it stays cheap.

use std::time::Duration;

use serde_json::Value;

use crate::console::browser::Browser;
use crate::console::site::Site;

fn words_in_events(site: &Site, words: &str) -> i64 {
    site.count(&format!(
        "SELECT count(*) FROM events WHERE instr(target_id || target_name || before || after, '{words}') > 0"
    ))
}

/// A secret pasted into the URL of a forbidden page: the event is kept for ever.
#[test]
fn secret_in_a_rejected_path_is_not_logged() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, secret) = bob.make_key("ci");
    let page = bob.get(&format!("/admin/services/{secret}"));
    assert_eq!(page.status, 403, "{}", page.text());
    assert_eq!(words_in_events(&site, &secret[17..]), 0);
    assert_eq!(
        words_in_events(&site, &format!("GET /admin/services/kca_{id}_…")),
        1,
        "the refusal itself is"
    );
}

/// Own events come from two indexes: acts by the user, and acts on the user's objects.
#[test]
fn own_events_have_own_acts_and_acts_of_others() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let mut alice = site.signed_in("alice");
    for number in 0..3 {
        let (id, _) = bob.make_key(&format!("key {number}"));
        if number == 1 {
            let mut form = alice.open("/admin/users/bob").form("/admin/users/bob");
            form.action = format!("/admin/users/bob/api-keys/{id}/delete");
            alice.submit_and_follow(&form);
        }
    }
    let lines = |browser: &mut Browser<'_>, url: &str| -> Vec<Value> {
        let page = browser.open(url);
        let text = page.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let actions = |events: &[Value]| -> Vec<String> {
        let action = |event: &Value| event["action"].as_str().unwrap().to_owned();
        events.iter().map(action).collect()
    };
    let all = lines(&mut bob, "/events/export");
    let expected = [
        "api-key.create",
        "api-key.delete",
        "api-key.create",
        "api-key.create",
        "session.sign-in",
    ];
    assert_eq!(actions(&all)[..5], expected);
    let some = lines(&mut bob, "/events/export?action=api-key.delete");
    assert_eq!(actions(&some), ["api-key.delete"]);
    let none = lines(&mut bob, "/events/export?until=2026-11-22T11:59:59Z");
    assert!(none.is_empty());
}

/// A download occupies one of few threads until its reader is done: one at a time per user.
#[test]
fn second_simultaneous_download_is_rejected() {
    let site = Site::new();
    let bob = site.signed_in("bob");
    let alice = site.signed_in("alice");
    let ask = |browser: &Browser<'_>| {
        let cookie = format!("keycroft-session={}", browser.cookies["keycroft-session"]);
        let request = rouille::Request::fake_http_from(
            "127.0.0.1:40000".parse().unwrap(),
            "GET",
            "/events/export",
            vec![
                ("Host".into(), "127.0.0.1:8420".into()),
                ("Cookie".into(), cookie),
            ],
            Vec::new(),
        );
        keycroft::http::respond(&site.server_state, &request)
    };
    let first = ask(&bob);
    assert_eq!(first.status_code, 200);
    let second = ask(&bob);
    assert_eq!(second.status_code, 503);
    let header = second
        .headers
        .iter()
        .find(|(name, _)| name == "Retry-After");
    assert!(header.is_some_and(|(_, seconds)| {
        seconds
            .parse::<u64>()
            .is_ok_and(|seconds| Duration::from_secs(seconds) >= Duration::from_secs(1))
    }));
    assert_eq!(ask(&alice).status_code, 200, "others may");
    drop(first);
    assert_eq!(ask(&bob).status_code, 200);
}

/// A download contains the entire log. One page at a time is in memory, and each is authorized again.
#[test]
fn download_contains_the_complete_log() {
    const EVENTS: i64 = 100_500;
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "WITH RECURSIVE n (x) AS (SELECT 1 + (SELECT max(number) FROM events) UNION ALL SELECT x + 1 FROM n WHERE x < ?1) \
               INSERT INTO events (number, at, action, outcome, channel, actor, target_kind, target_id, target_name, before, after, hash) \
               SELECT x, 1795000000, 'sweep', 'done', 'cli', 'operator', 'sweep', 'sweep', '', '', '', zeroblob(32) FROM n";
    file.execute(sql, [EVENTS]).unwrap();
    let page = alice.open("/admin/events/export");
    assert_eq!(page.header("Content-Type"), Some("application/jsonl"));
    let text = page.text();
    assert!(text.ends_with('\n'));
    let mut expected = EVENTS;
    for line in text.lines() {
        let beginning = format!("{{\"number\":{expected},");
        assert!(line.starts_with(&beginning), "{beginning}: {line}");
        expected -= 1;
    }
    assert_eq!(expected, 0);
}

/// A user who is signed out during a download gets no more, and the download does not look complete.
#[test]
fn event_download_ends_with_the_session() {
    use std::io::Read;
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let file = rusqlite::Connection::open(site.path()).unwrap();
    for number in 0..1_100 {
        let sql = "INSERT INTO events (number, at, action, outcome, channel, actor, actor_user_id, target_kind, target_id, target_name, before, after, hash) \
                   SELECT 1 + max(number), 1795000000, 'sweep', 'done', 'cli', 'bob', (SELECT id FROM users WHERE username = 'bob'), 'sweep', ?1, '', '', '', zeroblob(32) FROM events";
        file.execute(sql, [number]).unwrap();
    }
    let cookie = format!("keycroft-session={}", bob.cookies["keycroft-session"]);
    let headers = vec![
        ("Host".to_owned(), "127.0.0.1:8420".to_owned()),
        ("Cookie".to_owned(), cookie),
    ];
    let peer = "127.0.0.1:40000".parse().unwrap();
    let request =
        rouille::Request::fake_http_from(peer, "GET", "/events/export", headers, Vec::new());
    let response = keycroft::http::respond(&site.server_state, &request);
    assert_eq!(response.status_code, 200);
    let (mut reader, _) = response.data.into_reader_and_size();
    let mut some = [0; 100];
    reader.read_exact(&mut some).unwrap();
    let form = bob.open("/account").form("/logout");
    bob.submit_and_follow(&form);
    let mut rest = Vec::new();
    assert!(reader.read_to_end(&mut rest).is_err());
    let lines = rest.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 1_000, "what was fetched before");
}
