//! Sessions: cookie, start and end.

use super::browser::Browser;
use super::site::{ALICE, BOB, Site};

fn copy<'a>(site: &'a Site, of: &Browser<'a>) -> Browser<'a> {
    let mut browser = site.browser();
    browser.cookies = of.cookies.clone();
    browser
}

#[test]
fn session_cookie_is_http_only_and_same_site() {
    let site = Site::new();
    let page = site.browser().sign_in("bob", BOB);
    let line = page.cookie("keycroft-session").unwrap();
    let (value, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax");
    assert!(value.starts_with("keycroft-session=kcs_"));
}

#[test]
fn session_cookie_is_host_prefixed_with_tls() {
    let site = Site::empty("https://keys.lab.example");
    site.add_user("bob", keycroft::model::user::Role::Member, Some(BOB));
    for forwarded in ["http", "https"] {
        let headers = [
            ("X-Forwarded-Proto", forwarded),
            ("Host", "keys.lab.example"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let mut browser = site.browser();
        let form = browser.open("/login").form("/login");
        let form = form.set("username", "bob").set("password", BOB);
        let body = super::markup::encode(&form.fields);
        let page = browser.send("POST", "/login", &headers, &body);
        assert_eq!(page.status, 303);
        let line = page.cookie("__Host-keycroft-session").unwrap();
        let (_, attributes) = line.split_once("; ").unwrap();
        assert_eq!(
            attributes,
            "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(browser.is_signed_in());
        // The name without the prefix, which another site of the domain could have set, does not count.
        let secret = browser.cookies.remove("__Host-keycroft-session").unwrap();
        browser.cookies.insert("keycroft-session".into(), secret);
        assert!(!browser.is_signed_in());
    }
    // Without TLS, a header makes nothing secure.
    let plain = Site::new();
    let mut browser = plain.browser();
    let form = browser.open("/login").form("/login");
    let form = form.set("username", "bob").set("password", BOB);
    let headers = [
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "proto=https"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let body = super::markup::encode(&form.fields);
    let page = browser.send("POST", "/login", &headers, &body);
    assert!(!page.cookie("keycroft-session").unwrap().contains("Secure"));
    assert_eq!(page.header("Strict-Transport-Security"), None);
}

#[test]
fn session_starts_at_sign_in_and_ends_at_sign_out() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let first = bob.cookies["keycroft-session"].clone();
    let form = bob.open("/account").form("/logout");
    let mut thief = copy(&site, &bob);
    let page = bob.submit(&form);
    assert_eq!(page.header("Location"), Some("/signed-out"));
    assert!(!bob.cookies.contains_key("keycroft-session"));
    assert!(
        !thief.is_signed_in(),
        "the secret is dead, not only forgotten"
    );
    // A planted cookie is not adopted.
    bob.cookies.insert("keycroft-session".into(), first.clone());
    assert_eq!(bob.sign_in("bob", BOB).status, 303);
    assert_ne!(bob.cookies["keycroft-session"], first);
    // Signing out twice is not an error.
    let mut again = site.browser();
    let page = again.submit(&form);
    assert_eq!(
        page.header("Location"),
        Some("/signed-out"),
        "{}",
        page.text()
    );
}

#[test]
fn two_session_cookies_are_both_rejected() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let mut alice = site.signed_in("alice");
    let (one, two) = (
        bob.cookies["keycroft-session"].clone(),
        alice.cookies["keycroft-session"].clone(),
    );
    let line = format!("keycroft-session={one}; keycroft-session={two}");
    assert_eq!(
        alice
            .send("GET", "/account", &[("Cookie", &line)], "")
            .status,
        303
    );
    assert!(bob.is_signed_in() && alice.is_signed_in());
}

#[test]
fn only_a_session_secret_is_a_session() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (_, key) = bob.make_key("key");
    let form = bob.open("/tokens/new").form("/tokens/new");
    let token = bob.submit(&form).secret();
    for secret in [key.as_str(), token.as_str(), "", "kcs_", "nonsense"] {
        let mut browser = site.browser();
        browser
            .cookies
            .insert("keycroft-session".into(), secret.to_owned());
        assert!(!browser.is_signed_in(), "{secret}");
    }
    // A session does not work at the API.
    let session = format!("Bearer {}", bob.cookies["keycroft-session"]);
    let mut browser = site.browser();
    let page = browser.send("GET", "/api/v1/me", &[("Authorization", &session)], "");
    assert_eq!(page.status, 401);
    let page = bob.get("/api/v1/me");
    assert_eq!(page.status, 401, "cookies are nothing there");
}

#[test]
fn session_can_revoke_another_of_the_same_user() {
    let site = Site::new();
    let (mut here, mut there) = (site.signed_in("bob"), site.browser());
    there.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1".into();
    there.peer = "10.1.2.3".parse().unwrap();
    assert_eq!(there.sign_in("bob", BOB).status, 303);
    let page = here.open("/sessions");
    assert!(
        page.has("Firefox on Linux") && page.has("10.1.2.3"),
        "{}",
        page.text()
    );
    assert_eq!(page.text().matches("This device").count(), 1);
    let id = there.cookies["keycroft-session"][4..16].to_owned();
    let form = page.form("/sessions/delete").set("id", &id);
    let page = here.submit_and_follow(&form);
    assert!(page.has("1 session signed out."));
    let page = there.get("/sessions");
    assert_eq!(page.header("Location"), Some("/login?next=%2Fsessions"));
    // Everywhere else, but not here.
    let mut others = [site.signed_in("bob"), site.signed_in("bob")];
    let form = here.open("/sessions").form("/sessions/delete-others");
    here.submit_and_follow(&form);
    assert!(here.is_signed_in());
    assert!(others.iter_mut().all(|other| !other.is_signed_in()));
    // The own session.
    let own = here.cookies["keycroft-session"][4..16].to_owned();
    let form = here
        .open("/sessions")
        .form("/sessions/delete")
        .set("id", &own);
    assert_eq!(here.submit(&form).header("Location"), Some("/signed-out"));
    assert!(!here.is_signed_in());
}

#[test]
fn session_of_another_user_is_not_found() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let id = alice.cookies["keycroft-session"][4..16].to_owned();
    let form = bob.open("/sessions").form("/sessions/delete");
    assert_eq!(bob.submit(&form.set("id", &id)).status, 404);
    assert!(alice.is_signed_in());
}

#[test]
fn new_password_revokes_other_sessions() {
    let site = Site::new();
    let (mut here, mut there) = (site.signed_in("bob"), site.signed_in("bob"));
    let form = here.open("/account").form("/account/password");
    let wrong = form.clone().set("current", ALICE);
    let page = here.submit(&wrong.set("new", "bob likes white tea"));
    assert_eq!(page.status, 422);
    assert_eq!(super::markup::errors(&page.text()), ["current"]);
    assert!(!page.has(ALICE) && !page.has("bob likes white tea"));
    for weak in ["too short", "passwordpassword", ""] {
        let form = form.clone().set("current", BOB).set("new", weak);
        let page = here.submit(&form);
        assert_eq!(page.status, 422, "{weak}");
        assert_eq!(super::markup::errors(&page.text()), ["new"], "{weak}");
    }
    assert!(there.is_signed_in());
    let form = form.set("current", BOB).set("new", "bob likes white tea");
    let page = here.submit_and_follow(&form);
    assert!(page.has("Your password is changed. All other sessions are signed out."));
    assert!(here.is_signed_in() && !there.is_signed_in());
    assert_eq!(site.browser().sign_in("bob", BOB).status, 401);
    assert_eq!(
        site.browser().sign_in("bob", "bob likes white tea").status,
        303
    );
}

#[test]
fn session_expires_after_a_week_or_the_policys_limit() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    // Used every two days, so that it does not expire by its idle timeout.
    for _ in 0..3 {
        site.pass(2 * 86_400);
        assert!(bob.is_signed_in());
    }
    site.pass(604_799 - 6 * 86_400);
    assert!(bob.is_signed_in());
    site.pass(1);
    assert!(!bob.is_signed_in());
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/policy").form("/admin/policy");
    let preview = alice.submit(&form.set("session_lifetime", "8h"));
    alice.submit_and_follow(&preview.form("/admin/policy"));
    let mut bob = site.signed_in("bob");
    site.pass(8 * 3_600);
    assert!(!bob.is_signed_in());
}

#[test]
fn demotion_applies_at_the_next_request() {
    let site = Site::new();
    site.add_user("root_", keycroft::model::user::Role::Admin, Some(BOB));
    let (mut alice, mut other) = (site.signed_in("alice"), site.signed_in("root_"));
    assert_eq!(other.get("/admin/users").status, 200);
    let page = alice.open("/admin/users/root_");
    alice.submit_and_follow(&page.form("/admin/users/root_/edit").set("role", "member"));
    assert_eq!(other.get("/admin/users").status, 403);
    assert_eq!(other.get("/api-keys").status, 200);
    let page = alice.open("/admin/users/root_");
    alice.submit_and_follow(&page.form("/admin/users/root_/disable"));
    assert_eq!(other.get("/api-keys").status, 303);
}

/// Sessions sort by the earlier of two ends: that of their lifetime, and that without a use.
#[test]
fn session_shows_when_it_ends_without_a_use() {
    let site = Site::new();
    let old = site.signed_in("bob");
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/policy").form("/admin/policy");
    let preview = alice.submit(&form.set("session_idle_max", "20h"));
    alice.submit_and_follow(&preview.form("/admin/policy"));
    site.pass(3_600);
    let mut new = site.signed_in("bob");
    let id = |browser: &Browser<'_>| browser.cookies["keycroft-session"][4..16].to_owned();
    let ends = [(id(&new), "in 20 hours"), (id(&old), "in 3 days")];
    for (order, is_reverse) in [("expires", false), ("-expires", true)] {
        let text = new.open(&format!("/sessions?sort={order}")).text();
        let mut rows: Vec<&str> = text.split("<tr>").skip(2).collect();
        assert_eq!(rows.len(), 2, "{text}");
        if is_reverse {
            rows.reverse();
        }
        for (row, (id, end)) in rows.iter().zip(&ends) {
            assert!(
                row.contains(id.as_str()) && row.contains(end),
                "{order} {end}: {row}"
            );
        }
    }
}
