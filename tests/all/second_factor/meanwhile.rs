//! Changes that are committed between the first checks of a request and its act: the writer checks again.

use std::thread;
use std::time::Duration;

use keycroft::http::ServerState;
use rusqlite::TransactionBehavior;

use super::authenticator::{Algorithm, Authenticator};
use super::passkey::{honest, options, register, site};
use super::phone::*;
use crate::console::browser::{Browser, Page};
use crate::console::markup::Form;
use crate::console::site::{BOB, Site};
use crate::fixture::Asking;

const NEW: &str = "bob likes cold milk now";
const ADD: &str = "/account/second-factor/totp";

/// Runs `send` while another program holds the write lock, and commits `change` once the request waits for it. A request
/// that takes longer to get there meets the change earlier, and has to be rejected all the same.
fn meanwhile<T: Send>(site: &Site, change: &str, send: impl FnOnce(&ServerState) -> T + Send) -> T {
    let mut other = rusqlite::Connection::open(site.path()).unwrap();
    other.busy_timeout(Duration::from_secs(4)).unwrap();
    let transaction = other
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    assert_eq!(transaction.execute(change, []).unwrap(), 1, "{change}");
    let (app_state, settings) = (&site.app_state, &site.settings);
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            let state = ServerState::open(app_state, settings).unwrap();
            send(&state)
        });
        thread::sleep(Duration::from_secs(1));
        transaction.commit().unwrap();
        sent.join().unwrap()
    })
}

/// The answer to a form of `browser`.
fn submitted(site: &Site, browser: &Browser<'_>, form: &Form, change: &str) -> Page {
    let cookies = browser.cookies.clone();
    meanwhile(site, change, |state| {
        let mut browser = Browser::new(state);
        browser.cookies = cookies;
        browser.submit(form)
    })
}

/// Rejected sign-ins as bob that leave nothing about the second factor.
fn rejected(site: &Site) -> i64 {
    site.count(
        "SELECT count(*) FROM events WHERE action = 'session.sign-in' AND outcome = 'refused' AND target_id = 'bob' \
         AND coalesce(after, '') = ''",
    )
}

const DISABLE: &str = "UPDATE users SET disabled_at = 1 WHERE username = 'bob'";
const PASSWORD: &str = "UPDATE users SET password_hash = '$argon2id$' WHERE username = 'bob'";

#[test]
fn code_is_rejected_once_the_account_has_changed() {
    for (change, sentence) in [
        (DISABLE, "your account was changed"),
        (PASSWORD, "your account was changed"),
        ("UPDATE totp SET last_step = last_step + 100", "used before"),
    ] {
        let site = Site::new();
        let mut bob = site.signed_in("bob");
        let (phone, _) = enroll(&site, &mut bob);
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        let form = step.form("/login/code").set("code", &phone.code());
        let failed = || {
            site.app()
                .figures(site.clock.now())
                .unwrap()
                .failed_sign_ins
        };
        let before = failed();
        let page = submitted(&site, &browser, &form, change).expect(401);
        assert!(page.has(sentence), "{change}: {}", page.text());
        assert!(page.cookie("keycroft-session").is_none());
        // It is a failure like any other.
        assert_eq!(failed(), before + 1, "{change}");
        assert_eq!(site.count("SELECT max(count) FROM throttle"), 1, "{change}");
        let of_account = i64::from(change.starts_with("UPDATE users"));
        assert_eq!(rejected(&site), of_account, "{change}");
    }
}

#[test]
fn passkey_is_rejected_once_its_user_is_disabled() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut browser = site.browser();
    let login = browser.open("/login");
    let answer = device.assert(&options(&login), honest);
    let form = login.form("/login/passkey").set("passkey", &answer);
    let page = submitted(&site, &browser, &form, DISABLE).expect(401);
    assert!(page.cookie("keycroft-session").is_none());
    assert_eq!(rejected(&site), 1);
}

/// The password that was right is the old one of a reset.
#[test]
fn password_is_not_changed_once_it_was_reset() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/account").form("/account/password");
    let form = form.set("current", BOB).set("new", NEW);
    let page = submitted(&site, &bob, &form, PASSWORD).expect(422);
    assert!(page.has("this is not your password"), "{}", page.text());
    assert_eq!(
        site.count("SELECT count(*) FROM users WHERE password_hash = '$argon2id$'"),
        1
    );
}

/// The row of a name ends with a new password, not with a right one at the API.
#[test]
fn failed_change_at_the_api_leaves_the_row() {
    let site = Site::new();
    let token = site.token("bob");
    let change = |state: &ServerState, current: &str| {
        let body = serde_json::json!({"current": current, "new": NEW});
        Asking::new(state, "POST", "/api/v1/me/password")
            .bearer(&token)
            .json(&body)
            .send()
            .status
    };
    assert_eq!(change(&site.server_state, "not what it is at all"), 422);
    let status = meanwhile(&site, PASSWORD, |state| change(state, BOB));
    assert_eq!(status, 422);
    assert_eq!(change(&site.server_state, "not what it is at all"), 422);
    assert_eq!(site.count("SELECT max(in_a_row) FROM throttle"), 2);
}

#[test]
fn second_app_is_rejected_once_there_is_one() {
    let site = site();
    let mut bob = site.signed_in("bob");
    // Confirmed by a second factor, so that nothing else is missing.
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let page = press(&mut bob, HERE, "/account/second-factor/totp/new").expect(200);
    let phone = Phone::scan(&page, &site.clock);
    let form = page.form(ADD).set("code", &phone.code());
    let change = "INSERT INTO totp (user_id, seed, last_step, created_at) SELECT id, zeroblob(20), 1, 1 FROM users WHERE username = 'bob'";
    submitted(&site, &bob, &form, change).expect(409);
    assert_eq!(
        site.count("SELECT count(*) FROM totp WHERE seed = zeroblob(20)"),
        1
    );
}
