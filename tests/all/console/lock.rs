//! Names and browsers locked after too many wrong passwords in a row, and usernames as people type them.

use std::collections::BTreeMap;

use super::browser::{Browser, Page};
use super::site::{ALICE, BOB, Site};
use keycroft::model::user::Role;

const WRONG: &str = "not what it is at all";
const NEW: &str = "a brand new pass phrase";

fn execute(site: &Site, sql: &str) -> usize {
    let database = rusqlite::Connection::open(site.path()).unwrap();
    database.execute(sql, []).unwrap()
}

/// Simulates this many wrong passwords in a row, for name and browser.
fn lengthen_rows(site: &mut Site, count: u32) {
    let sql = format!("UPDATE throttle SET in_a_row = {count} WHERE in_a_row = 1");
    assert!(execute(site, &sql) > 0);
    site.reopen();
}

fn without_session(browser: &Browser<'_>) -> BTreeMap<String, String> {
    let mut cookies = browser.cookies.clone();
    cookies.remove("keycroft-session");
    cookies
}

/// A page without the parts of one browser or of the typed name.
fn bare(page: &Page, name: &str) -> String {
    let token = page.form("/login").value("form_token").unwrap().to_owned();
    page.text().replace(&token, "T").replace(name, "NAME")
}

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMzEAs5INwZPV+vYBOvAf2vMZp8mWLTGgyioz4OY25eq",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBpqyW1fvacRHCtkye3PKhpS+qYgMZZJBwd2sqCr8Lq",
];

#[test]
fn hundred_wrong_passwords_in_a_row_lock_unknown_browsers() {
    let mut site = Site::new();
    for name in ["alice", "nobody"] {
        assert_eq!(site.browser().sign_in(name, WRONG).status, 401);
    }
    lengthen_rows(&mut site, 98);
    for name in ["alice", "nobody", " Alice", "NOBODY "] {
        assert_eq!(site.browser().sign_in(name, WRONG).status, 401, "{name}");
    }
    for days in [0, 1, 400] {
        site.pass(days * 86_400);
        site.reopen();
        let mut pages = Vec::new();
        for name in ["alice", "nobody"] {
            let page = site.browser().sign_in(name, ALICE);
            assert_eq!(page.status, 403, "{name} after {days} days");
            assert!(page.has("Too many wrong passwords in a row."));
            pages.push((bare(&page, name), page.header("Retry-After").is_some()));
        }
        assert_eq!(pages[0], pages[1]);
        // Sign-ins of others and sweeping change nothing.
        assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
        site.app().sweep(&site.app().operator(0)).unwrap();
    }
}

/// Memory takes 50,000 counters at a start: the longest rows, however old.
#[test]
fn long_row_survives_a_restart_with_too_many_counters() {
    let mut site = Site::new();
    assert_eq!(site.browser().sign_in("alice", WRONG).status, 401);
    lengthen_rows(&mut site, 100);
    let more = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
                INSERT INTO throttle (bucket, since, count, in_a_row) SELECT printf('%032x', i), 4000000000, 1, 1 FROM n";
    assert_eq!(execute(&site, more), 50_000);
    site.reopen();
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 403);
}

#[test]
fn known_browser_is_not_affected_and_ends_the_row() {
    let mut site = Site::new();
    let known = without_session(&site.signed_in("alice"));
    assert_eq!(site.browser().sign_in("alice", WRONG).status, 401);
    lengthen_rows(&mut site, 99);
    assert_eq!(site.browser().sign_in("alice", WRONG).status, 401);
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 403);
    assert_eq!(site.browser_with(known).sign_in("alice", ALICE).status, 303);
    // Also after a restart.
    site.reopen();
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 303);
}

/// Its sign-in ends its own row, too.
#[test]
fn known_browser_is_not_locked_by_rows_that_ended() {
    let mut site = Site::new();
    let known = without_session(&site.signed_in("alice"));
    for round in 0..2 {
        let mut browser = site.browser_with(known.clone());
        assert_eq!(browser.sign_in("alice", WRONG).status, 401, "{round}");
        lengthen_rows(&mut site, 60);
        let mut browser = site.browser_with(known.clone());
        assert_eq!(browser.sign_in("alice", WRONG).status, 401, "{round}");
        assert_eq!(browser.sign_in("alice", ALICE).status, 303, "{round}");
    }
    let rows = site.count("SELECT max(in_a_row) FROM throttle");
    assert_eq!(rows, 0);
}

#[test]
fn known_browser_is_locked_by_its_own_wrong_passwords() {
    let mut site = Site::new();
    let known = without_session(&site.signed_in("alice"));
    assert_eq!(site.browser().sign_in("alice", WRONG).status, 401);
    lengthen_rows(&mut site, 100);
    let page = site.browser_with(known.clone()).sign_in("alice", WRONG);
    assert_eq!(page.status, 401);
    lengthen_rows(&mut site, 100);
    let page = site.browser_with(known).sign_in("alice", ALICE);
    assert_eq!(page.status, 403, "it is as unknown as any");
}

/// While the name is free, a locked browser signs in as an unknown one does.
#[test]
fn locked_browser_signs_in_while_its_name_is_free() {
    let mut site = Site::new();
    let known = without_session(&site.signed_in("alice"));
    let other = without_session(&site.signed_in("alice"));
    let page = site.browser_with(known.clone()).sign_in("alice", WRONG);
    assert_eq!(page.status, 401);
    lengthen_rows(&mut site, 100);
    // The limit is of one browser, not of its user.
    for _ in 0..10 {
        let page = site.browser_with(other.clone()).sign_in("alice", WRONG);
        assert_eq!(page.status, 401);
    }
    assert_eq!(site.browser_with(other).sign_in("alice", ALICE).status, 429);
    assert_eq!(site.browser_with(known).sign_in("alice", ALICE).status, 303);
}

#[test]
fn reset_link_unlocks_the_name_and_its_browser() {
    let mut site = Site::new();
    let alices = site.signed_in("alice").cookies.clone();
    assert_eq!(site.browser().sign_in("bob", WRONG).status, 401);
    lengthen_rows(&mut site, 100);
    assert_eq!(site.browser().sign_in("bob", BOB).status, 403);
    let mut alice = site.browser_with(alices);
    let form = alice
        .open("/admin/users/bob")
        .form("/admin/users/bob/reset-password");
    let page = alice.submit(&form);
    let text = page.text();
    let code = text.split("/reset?code=").nth(1).unwrap();
    let code = code[..55].to_owned();
    let mut bob = site.browser();
    let page = bob.get(&format!("/reset?code={code}"));
    assert_eq!(page.status, 303);
    let form = bob.open("/reset").form("/reset");
    assert_eq!(bob.submit(&form.set("password", NEW)).status, 200);
    let cookies = bob.cookies.clone();
    assert_eq!(site.browser().sign_in("bob", NEW).status, 303);
    // Others locked the name again; this browser is known.
    assert_eq!(site.browser().sign_in("bob", WRONG).status, 401);
    lengthen_rows(&mut site, 100);
    assert_eq!(site.browser().sign_in("bob", NEW).status, 403);
    assert_eq!(site.browser_with(cookies).sign_in("bob", NEW).status, 303);
}

#[test]
fn session_is_locked_by_wrong_confirmations() {
    let mut site = Site::new();
    let cookies = site.signed_in("alice").cookies.clone();
    site.pass(601);
    let confirm = |site: &Site, password: &str| {
        let mut alice = site.browser_with(cookies.clone());
        let page = alice.open("/admin/users/bob");
        let require = alice.submit(&page.form("/admin/users/bob/disable"));
        let form = require.expect(403).form("/admin/users/bob/disable");
        alice.submit(&form.set("current_password", password)).status
    };
    assert_eq!(confirm(&site, WRONG), 422);
    lengthen_rows(&mut site, 100);
    assert_eq!(confirm(&site, ALICE), 403);
    // A new sign-in creates another session.
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 303);
}

#[test]
fn right_confirmation_ends_the_row_of_its_session() {
    let mut site = Site::new();
    let cookies = site.signed_in("alice").cookies.clone();
    let confirm = |site: &Site, password: &str| {
        site.pass(601);
        let mut alice = site.browser_with(cookies.clone());
        let (page, action) = ("/account/second-factor", "/account/second-factor/totp/new");
        let form = alice.open(page).form(action);
        let require = alice.submit(&form);
        let form = require.expect(403).form(action);
        alice.submit(&form.set("current_password", password)).status
    };
    assert_eq!(confirm(&site, WRONG), 422);
    lengthen_rows(&mut site, 99);
    assert_eq!(confirm(&site, ALICE), 200);
    assert_eq!(confirm(&site, WRONG), 422);
    assert_eq!(confirm(&site, ALICE), 200);
}

#[test]
fn capitals_and_spaces_in_a_username_are_ignored() {
    let site = Site::new();
    for name in ["Alice", " alice", "alice ", "\u{2003}ALICE\t"] {
        assert_eq!(site.browser().sign_in(name, ALICE).status, 303, "{name:?}");
    }
    for number in 0..10 {
        let name = ["bob", "Bob", "bob ", " BOB"][number % 4];
        let mut browser = site.browser();
        browser.peer = format!("10.0.{number}.1").parse().unwrap();
        assert_eq!(browser.sign_in(name, WRONG).status, 401, "{number}");
    }
    for name in ["bob", "Bob", " bOb "] {
        assert_eq!(site.browser().sign_in(name, BOB).status, 429, "{name}");
    }
}

/// Keyboards write an umlaut as one character or as two: in the console, the API and the command line.
#[test]
fn password_is_the_same_password_composed_and_decomposed() {
    let (composed, decomposed) = (
        "gr\u{fc}ne W\u{e4}lder im Fr\u{fc}hling",
        "gru\u{308}ne Wa\u{308}lder im Fru\u{308}hling",
    );
    let site = Site::new();
    for (number, (chosen, other)) in [(composed, decomposed), (decomposed, composed)]
        .iter()
        .enumerate()
    {
        let name = format!("user{number}");
        site.add_user(&name, Role::Member, Some(chosen));
        for typed in [chosen, other] {
            let mut browser = site.browser();
            assert_eq!(browser.sign_in(&name, typed).status, 303, "{typed:?}");
        }
        // So do the confirmation of a dangerous act, and the change of the password.
        let mut browser = site.browser();
        browser.sign_in(&name, chosen);
        site.pass(601);
        let form = browser.open("/ssh-keys/new").form("/ssh-keys/new");
        let require = browser
            .submit(&form.set("public_key", KEYS[number]).set("name", "laptop"))
            .expect(403);
        let confirmed = require.form("/ssh-keys/new").set("current_password", other);
        assert_eq!(browser.submit(&confirmed).status, 303);
        let token = site.token(&name);
        let mut browser = site.browser();
        let mut change = |current: &str, new: &str| {
            let body = format!(r#"{{"current": "{current}", "new": "{new}"}}"#);
            let headers = [
                ("Authorization", format!("Bearer {token}")),
                ("Content-Type", "application/json".to_owned()),
            ];
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            browser
                .send("POST", "/api/v1/me/password", &headers, &body)
                .status
        };
        assert_eq!(change("another long password", chosen), 422);
        assert_eq!(change(other, &format!("{other}!")), 204);
        assert_eq!(change(&format!("{chosen}!"), chosen), 204);
    }
}

#[test]
fn name_and_code_fields_disable_autocorrection() {
    let site = Site::new();
    let verbatim = "autocapitalize=\"none\" autocorrect=\"off\" spellcheck=\"false\"";
    assert!(site.browser().open("/login").has(verbatim));
    let mut alice = site.signed_in("alice");
    for page in ["/device", "/admin/new-user"] {
        assert!(alice.open(page).has(verbatim), "{page}");
    }
}

#[test]
fn new_sign_in_replaces_the_session_of_its_browser() {
    let site = Site::new();
    let mut bob = site.browser();
    let form = bob.open("/login").form("/login");
    let form = form.set("username", "bob").set("password", BOB);
    assert_eq!(bob.submit(&form).status, 303);
    let first = bob.cookies.clone();
    let mut elsewhere = site.signed_in("bob");
    assert_eq!(bob.submit(&form).status, 303);
    assert!(bob.is_signed_in() && elsewhere.is_signed_in());
    assert!(!site.browser_with(first).is_signed_in());
    // Also that of another user, on a shared computer; but not by an incomplete cookie.
    let before = bob.cookies.clone();
    let form = form.set("username", "alice").set("password", ALICE);
    assert_eq!(bob.submit(&form).status, 303);
    assert!(!site.browser_with(before).is_signed_in());
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE kind = 'session'"),
        2
    );
}

#[test]
fn unused_session_expires_and_stays_expired() {
    const DAY: i64 = 86_400;
    let mut site = Site::new();
    let cookies = site.signed_in("bob").cookies.clone();
    let is_in = |site: &Site| site.browser_with(cookies.clone()).is_signed_in();
    site.pass(3 * DAY - 1);
    assert!(is_in(&site), "used in time");
    site.reopen();
    let seen = site.clock.now();
    // One second less than its lifetime of seven days.
    site.pass(3 * DAY);
    assert!(!is_in(&site));
    site.clock.turn_to(seen);
    site.reopen();
    assert!(!is_in(&site), "the clock was set back");
}

#[test]
fn idle_timeout_is_the_policys_at_sign_in() {
    let site = Site::new();
    let mut old = site.signed_in("bob");
    let mut alice = site.signed_in("alice");
    let form = alice.open("/admin/policy").form("/admin/policy");
    let preview = alice.submit(&form.set("session_idle_max", "5m"));
    assert!(preview.has("Unused sessions"));
    alice.submit_and_follow(&preview.form("/admin/policy"));
    let mut new = site.signed_in("bob");
    site.pass(299);
    assert!(new.is_signed_in());
    site.pass(300);
    assert!(!new.is_signed_in());
    assert!(
        old.is_signed_in(),
        "verification looks at the session alone"
    );
    let list = old.open("/sessions");
    assert_eq!(list.text().matches("This device").count(), 1);
}

#[test]
fn sign_out_clears_the_cache_and_no_other_cookie() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/account").form("/logout");
    let page = bob.submit(&form);
    assert_eq!(page.header("Clear-Site-Data"), Some("\"cache\""));
    assert!(bob.cookies.contains_key("keycroft-browser"));
}

#[test]
fn rejected_origin_is_named_with_the_setting() {
    let site = Site::new();
    let mut browser = site.browser();
    let form = browser.open("/login").form("/login");
    let form = form.set("username", "bob").set("password", BOB);
    let body = super::markup::encode(&form.fields);
    let post = |browser: &mut Browser<'_>, origin: &str| {
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", origin),
            ("Host", "keys.lab.example"),
        ];
        browser.send("POST", "/login", &headers, &body).expect(403)
    };
    let page = post(&mut browser, "https://keys.lab.example");
    for words in [
        "https://keys.lab.example",
        "http://127.0.0.1:8420",
        "--public-url https://keys.lab.example",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    let page = post(&mut browser, &format!("https://{}<b>", "x".repeat(300)));
    assert!(!page.has(&"x".repeat(150)) && !page.has("<b>"));
    assert!(!post(&mut browser, "null").has("--public-url"));
}
