//! Signing in: the same answer to every wrong attempt, limits, redirects.

use super::browser::{Browser, Page};
use super::site::{ALICE, BOB, Site};

const WRONG: &str = "not what it is at all";

fn try_wrong(browser: &mut Browser<'_>, name: &str) -> Page {
    browser.sign_in(name, WRONG)
}

/// A page without the parts of one browser, one request or the typed name.
fn bare(page: &Page, name: &str) -> String {
    let token = page.form("/login").value("form_token").unwrap().to_owned();
    page.text().replace(&token, "T").replace(name, "NAME")
}

#[test]
fn unknown_known_and_disabled_users_get_equal_answers() {
    let site = Site::new();
    site.add_user("carol", keycroft::model::user::Role::Member, None);
    let mut alice = site.signed_in("alice");
    let page = alice.open("/admin/users/bob");
    alice.submit_and_follow(&page.form("/admin/users/bob/disable"));
    let expected = bare(&try_wrong(&mut site.browser(), "alice"), "alice");
    for name in ["nobody", "bob", "carol", "Not A Name!", "\u{202e}x"] {
        let page = try_wrong(&mut site.browser(), name);
        assert_eq!(page.status, 401, "{name}");
        // Browsers would ask for a password themselves.
        assert_eq!(page.header("WWW-Authenticate"), None);
        let typed = name.replace('<', "&lt;");
        assert_eq!(bare(&page, &typed), expected, "{name}");
        assert!(page.cookie("keycroft-session").is_none());
        assert!(!page.has(WRONG), "a password is never repeated");
    }
    // The right password of a disabled user is as wrong as any.
    let page = site.browser().sign_in("bob", BOB);
    assert_eq!((page.status, bare(&page, "bob")), (401, expected));
}

#[test]
fn overlong_password_is_a_wrong_password() {
    let site = Site::new();
    let page = site.browser().sign_in("alice", &"x".repeat(1_025));
    assert_eq!(page.status, 401);
    let page = site.browser().sign_in("alice", &"x".repeat(70_000));
    assert_eq!(page.status, 413);
}

#[test]
fn ten_wrong_passwords_a_minute_per_name_survive_restart() {
    for name in ["alice", "nobody"] {
        let mut site = Site::new();
        for number in 0..10 {
            let mut browser = site.browser();
            browser.peer = format!("10.0.0.{number}").parse().unwrap();
            assert_eq!(try_wrong(&mut browser, name).status, 401);
        }
        site.reopen();
        let mut browser = site.browser();
        browser.peer = "10.0.0.99".parse().unwrap();
        let page = browser.sign_in(name, ALICE);
        assert_eq!(page.status, 429, "{name}");
        assert_eq!(page.header("Retry-After"), Some("60"));
        assert!(page.has("Too many wrong passwords; try again in 60 seconds."));
        assert_eq!(page.form("/login").value("username"), Some(name));
        assert!(!page.has(ALICE));
        // Others are not affected.
        assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
        site.pass(59);
        assert_eq!(
            browser.sign_in(name, ALICE).header("Retry-After"),
            Some("1")
        );
        site.pass(1);
        let status = if name == "alice" { 303 } else { 401 };
        assert_eq!(browser.sign_in(name, ALICE).status, status);
    }
}

#[test]
fn fifty_wrong_passwords_a_minute_per_address() {
    let site = Site::new();
    for number in 0..50 {
        let page = try_wrong(&mut site.browser(), &format!("nobody-{number}"));
        assert_eq!(page.status, 401, "{number}");
    }
    let page = site.browser().sign_in("alice", ALICE);
    assert_eq!((page.status, page.header("Retry-After")), (429, Some("60")));
    let mut elsewhere = site.browser();
    elsewhere.peer = "10.0.0.1".parse().unwrap();
    assert_eq!(elsewhere.sign_in("alice", ALICE).status, 303);
}

#[test]
fn known_browser_cannot_be_locked_out_by_others() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let mut laptop = Browser::new(&site.server_state);
    laptop.cookies = alice.cookies.clone();
    // The browser is bob's too: each user has a separate limit in it.
    laptop.cookies.remove("keycroft-session");
    assert_eq!(laptop.sign_in("bob", BOB).status, 303);
    laptop.cookies.remove("keycroft-session");
    for number in 0..60 {
        let mut stranger = site.browser();
        if number < 10 {
            stranger.peer = "10.0.0.1".parse().unwrap();
            try_wrong(&mut stranger, "alice");
            try_wrong(&mut stranger, "bob");
        } else {
            // From alice's own address, whose limit is used up as well.
            try_wrong(&mut stranger, &format!("nobody-{number}"));
        }
    }
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 429);
    for _ in 0..9 {
        assert_eq!(try_wrong(&mut laptop, "alice").status, 401);
    }
    for _ in 0..10 {
        assert_eq!(try_wrong(&mut laptop, "bob").status, 401);
    }
    assert_eq!(try_wrong(&mut laptop, "bob").status, 429, "it has an end");
    assert_eq!(laptop.sign_in("alice", ALICE).status, 303);
    // Nor can they block her password confirmations.
    site.pass(661);
    for _ in 0..10 {
        let mut stranger = site.browser();
        stranger.peer = "10.0.0.1".parse().unwrap();
        try_wrong(&mut stranger, "alice");
    }
    let page = alice.open("/admin/users/bob");
    let require = alice.submit(&page.form("/admin/users/bob/disable"));
    let form = require.expect(403).form("/admin/users/bob/disable");
    let page = alice.submit(&form.set("current_password", ALICE));
    assert_eq!(page.status, 303, "{}", page.text());
}

#[test]
fn session_limits_wrong_confirmations() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    site.pass(601);
    let page = alice.open("/admin/users/bob");
    let mut require = alice.submit(&page.form("/admin/users/bob/disable"));
    for _ in 0..10 {
        let form = require.form("/admin/users/bob/disable");
        require = alice.submit(&form.set("current_password", WRONG));
        assert_eq!(require.status, 422);
        assert!(require.has("this is not your password") && !require.has(WRONG));
    }
    let form = require.form("/admin/users/bob/disable");
    let page = alice.submit(&form.set("current_password", ALICE));
    assert_eq!((page.status, page.header("Retry-After")), (429, Some("60")));
    // The form is still there a minute later.
    site.pass(60);
    let form = page.form("/admin/users/bob/disable");
    alice.submit_and_follow(&form.set("current_password", ALICE));
    assert_eq!(site.browser().sign_in("bob", BOB).status, 401);
}

#[test]
fn next_path_leads_only_to_pages_of_this_site() {
    let site = Site::new();
    let page = site.browser().get("/api-keys?state=active&text=a%2Fb");
    assert_eq!(page.status, 303);
    let login = page.header("Location").unwrap().to_owned();
    assert_eq!(
        login,
        "/login?next=%2Fapi-keys%3Fstate%3Dactive%26text%3Da%252Fb"
    );
    let mut browser = site.browser();
    let form = browser.open(&login).form("/login");
    let page = browser.submit(&form.set("username", "bob").set("password", BOB));
    assert_eq!(
        page.header("Location"),
        Some("/api-keys?state=active&text=a%2Fb")
    );
    for bad in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/\t/evil.example",
        "///evil.example",
        "evil.example",
        "/login",
    ] {
        let mut browser = site.browser();
        let query: String = form_urlencoded::byte_serialize(bad.as_bytes()).collect();
        let form = browser.open(&format!("/login?next={query}")).form("/login");
        assert_eq!(form.value("next"), Some(""), "{bad}");
        let form = form.set("next", bad).set("username", "bob");
        let page = browser.submit(&form.set("password", BOB));
        assert_eq!(page.header("Location"), Some("/"), "{bad}");
        // Nor for a signed-in user.
        let page = browser.get(&format!("/login?next={query}"));
        assert_eq!(page.header("Location"), Some("/"), "{bad}");
    }
}

#[test]
fn sign_in_events_contain_no_password() {
    let site = Site::new();
    try_wrong(&mut site.browser(), "alice");
    try_wrong(&mut site.browser(), "my password in the wrong field");
    let mut alice = site.signed_in("alice");
    let page = alice.open("/admin/events?action=session.sign-in");
    let text = page.text();
    let rows = text.split("<tbody>").nth(1).unwrap();
    assert_eq!(rows.matches("<td class=\"result\">").count(), 3);
    assert_eq!(rows.matches("Rejected").count(), 2);
    let lines = alice.open("/admin/events/export").text();
    assert_eq!(
        lines.matches("\"action\":\"session.sign-in\"").count(),
        3,
        "{lines}"
    );
    assert!(!lines.contains("wrong field") && !lines.contains(WRONG));
}
