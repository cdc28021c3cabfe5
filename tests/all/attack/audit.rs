//! The audit log under attack: nothing secret in it, and nobody makes it dear to read.

use std::time::Duration;

use serde_json::Value;

use crate::console::browser::Browser;
use crate::console::site::Site;

fn words_in_events(site: &Site, words: &str) -> i64 {
    site.count(&format!(
        "SELECT count(*) FROM events WHERE instr(target_id || target_name || before || after, '{words}') > 0"
    ))
}

/// Somebody pastes a secret into the address of a page that is not theirs: the event of the refusal is kept for ever.
#[test]
fn a_secret_in_the_path_of_a_refused_page_is_not_written_down() {
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

/// A person's own events are asked for by two indexes: what they did, and what was done to theirs.
#[test]
fn own_events_are_both_what_one_did_and_what_was_done_to_one_in_order_and_in_parts() {
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

/// A download holds a thread of few until its reader took it all: one person has one at a time.
#[test]
fn nobody_downloads_twice_at_once() {
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
        keycroft::http::respond(&site.house, &request)
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
