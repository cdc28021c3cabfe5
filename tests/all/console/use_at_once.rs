//! A new use is visible at once: in memory first and in the database seconds later, it is one use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use keycroft::app::AppState;
use keycroft::http::ServerState;
use keycroft::store::WriterTimeouts;
use serde_json::Value;

use super::browser::Browser;
use super::site::Site;

fn verify(browser: &mut Browser<'_>, secret: &str) -> u16 {
    let header = format!("Bearer {secret}");
    let headers = [
        ("Authorization", header.as_str()),
        ("User-Agent", "restic/0.18"),
    ];
    browser.send("GET", "/verify", &headers, "").status
}

fn api(browser: &mut Browser<'_>, token: &str, path: &str) -> Value {
    let header = format!("Bearer {token}");
    let page = browser.send("GET", path, &[("Authorization", &header)], "");
    assert_eq!(page.status, 200, "{path}: {}", page.text());
    serde_json::from_slice(&page.body).unwrap()
}

/// The last use and the count of a key, on every page and in every answer.
fn check(browser: &mut Browser<'_>, id: &str, token: &str, uses: u64) {
    let page = browser.open(&format!("/api-keys/{id}"));
    let sentence = if uses == 1 { "1 use " } else { "uses" };
    assert!(
        page.has(sentence) && page.has("restic/0.18"),
        "{}",
        page.text()
    );
    let list = browser.open("/api-keys");
    assert!(list.has("restic/0.18"), "{}", list.text());
    let question = browser.open(&format!("/api-keys/{id}/delete"));
    assert!(question.has("restic/0.18"), "{}", question.text());
    let form = question.form(&format!("/api-keys/{id}/delete"));
    assert!(
        form.fields.iter().any(|(name, _)| name == "confirm"),
        "one that is in use asks for its name"
    );
    // Without the name it is not deleted.
    assert_eq!(browser.submit(&form).status, 422);
    let key = api(browser, token, &format!("/api/v1/api-keys/{id}"));
    assert_eq!(key["last_used_at"], "2026-11-22T12:00:00Z");
    assert_eq!(key["last_used_by"], "restic/0.18");
    let usage = api(browser, token, &format!("/api/v1/api-keys/{id}/usage"));
    let days = usage["days"].as_array().unwrap();
    assert_eq!(days.len(), 30);
    let sum: u64 = days.iter().map(|day| day["uses"].as_u64().unwrap()).sum();
    assert_eq!(sum, uses);
    let inventory = api(browser, token, "/api/v1/credentials?show=never-used");
    let named = |item: &Value| item["id"] == id;
    assert!(!inventory["items"].as_array().unwrap().iter().any(named));
}

/// Credentials whose last use is not the latest of their secrets.
const STRAY: &str = "SELECT count(*) FROM credentials c LEFT JOIN last_uses l ON l.credential_id = c.id \
    WHERE c.last_used_at IS NOT nullif(max(coalesce(l.at, 0), coalesce(l.previous_at, 0), coalesce(l.earlier_at, 0)), 0)";

#[test]
fn use_is_shown_before_and_after_it_is_stored() {
    let mut site = Site::new();
    let token = site.token("alice");
    let mut alice = site.signed_in("alice");
    let (id, secret) = alice.make_key("backup");
    let page = alice.open(&format!("/api-keys/{id}/delete"));
    assert!(page.has("No recorded use"), "{}", page.text());
    for uses in 1..=3 {
        assert_eq!(verify(&mut alice, &secret), 204);
        check(&mut alice, &id, &token, uses);
    }
    assert_eq!(site.count("SELECT count(*) FROM last_uses"), 0);
    let cookies = alice.cookies.clone();
    site.reopen();
    assert!(site.count("SELECT count(*) FROM last_uses") > 0);
    let used =
        "SELECT count(*) FROM credentials WHERE kind = 'api-key' AND last_used_at = 1795348800";
    assert_eq!((site.count(used), site.count(STRAY)), (1, 0));
    let mut alice = site.browser_with(cookies);
    check(&mut alice, &id, &token, 3);
    // Some stored, one more in memory.
    assert_eq!(verify(&mut alice, &secret), 204);
    check(&mut alice, &id, &token, 4);
}

#[test]
fn pending_use_after_a_rotation_is_the_old_secrets() {
    let mut site = Site::new();
    let token = site.token("alice");
    let mut alice = site.signed_in("alice");
    let (id, secret) = alice.make_key("backup");
    assert_eq!(verify(&mut alice, &secret), 204);
    site.pass(10);
    let path = format!("/api-keys/{id}/rotate");
    let form = alice.open(&path).form(&path);
    alice
        .submit(&form.set("how", "planned").set("grace", "1h"))
        .expect(200);
    let key = api(&mut alice, &token, &format!("/api/v1/api-keys/{id}"));
    assert_eq!(key["last_used_at"], "2026-11-22T12:00:00Z");
    assert_eq!(key["current_last_used_at"], Value::Null);
    assert_eq!(key["previous_last_used_at"], "2026-11-22T12:00:00Z");
    site.pass(10);
    assert_eq!(verify(&mut alice, &secret), 204);
    let key = api(&mut alice, &token, &format!("/api/v1/api-keys/{id}"));
    assert_eq!(key["last_used_at"], "2026-11-22T12:00:20Z");
    assert_eq!(key["current_last_used_at"], Value::Null);
    assert_eq!(key["previous_last_used_at"], "2026-11-22T12:00:20Z");
    site.reopen();
    let used =
        "SELECT count(*) FROM credentials WHERE kind = 'api-key' AND last_used_at = 1795348820";
    assert_eq!((site.count(used), site.count(STRAY)), (1, 0));
}

/// The writer takes uses out of memory all the time; none is counted twice or lost.
#[test]
fn use_is_never_lost_or_counted_twice() {
    const USES: u64 = 4_000;
    let site = Site::new();
    let token = site.token("alice");
    let mut alice = site.signed_in("alice");
    let (id, secret) = alice.make_key("busy");
    site.app_state.close();
    let waits = WriterTimeouts {
        flush_after: Duration::ZERO,
        ..WriterTimeouts::default()
    };
    let app_state = AppState::open_with(&site.path(), site.clock.clone(), waits).unwrap();
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (settings, app_state, begun, done, secret) =
            (&site.settings, &app_state, &begun, &done, &secret);
        scope.spawn(move || {
            let server_state = ServerState::open(app_state, settings).unwrap();
            let mut browser = Browser::new(&server_state);
            for _ in 0..USES {
                begun.fetch_add(1, Ordering::SeqCst);
                assert_eq!(verify(&mut browser, secret), 204);
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        let server_state = ServerState::open(app_state, settings).unwrap();
        let mut browser = Browser::new(&server_state);
        let mut asked = 0;
        let begun_at = std::time::Instant::now();
        loop {
            let all_done = done.load(Ordering::SeqCst) == USES;
            let usage = api(
                &mut browser,
                &token,
                &format!("/api/v1/api-keys/{id}/usage"),
            );
            let most = begun.load(Ordering::SeqCst);
            let days = usage["days"].as_array().unwrap();
            let sum: u64 = days.iter().map(|day| day["uses"].as_u64().unwrap()).sum();
            assert!(sum <= most, "{sum} of {most}");
            asked += 1;
            // Those in flight appear some moments later.
            assert!(
                begun_at.elapsed() < Duration::from_secs(60),
                "{sum} of {USES}"
            );
            if all_done && sum == USES {
                break;
            }
        }
        assert!(asked > 10, "{asked}");
    });
    app_state.close();
}
