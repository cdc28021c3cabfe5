//! Reset of second factors by an admin and by the operator.

use super::phone::*;
use crate::console::site::{BOB, Site};
use crate::fixture::{Answer, Asking};

fn reset(site: &Site, who: &str) -> Answer {
    Asking::new(
        &site.server_state,
        "DELETE",
        "/api/v1/users/bob/second-factor",
    )
    .bearer(&site.token(who))
    .send()
}

#[test]
fn reset_removes_every_factor_and_only_its_link_signs_in() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    reset(&site, "bob").expect(403);
    let link = reset(&site, "alice").expect(200).json()["link"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!bob.is_signed_in(), "sessions end");
    for table in ["totp", "passkeys", "recovery_codes"] {
        assert_eq!(site.count(&format!("SELECT count(*) FROM {table}")), 0);
    }
    // Who knows the password, and found the phone or a code, does not get in meanwhile.
    let mut thief = site.browser();
    assert_eq!(thief.sign_in("bob", BOB).status, 401);
    assert!(phone.code() != codes[0]);
    let mut browser = site.browser();
    let page = browser
        .get(link.strip_prefix("http://127.0.0.1:8420").unwrap())
        .expect(303);
    let form = browser
        .open(page.header("Location").unwrap())
        .form("/reset");
    browser
        .submit(&form.set("password", "bob likes cold milk now"))
        .expect(200);
    let page = browser
        .sign_in("bob", "bob likes cold milk now")
        .expect(303);
    assert_eq!(page.header("Location"), Some("/"));
    assert!(browser.is_signed_in());
    // It creates an event and a notice to the user.
    assert_eq!(site.count("SELECT count(*) FROM events WHERE action = 'user.reset-second-factor' AND outcome = 'done'"), 1);
    let account = browser.open("/account");
    assert!(
        account.has("removed your second factors"),
        "{}",
        account.text()
    );
}

#[test]
fn factor_reset_without_a_factor_keeps_password_and_sessions() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    reset(&site, "alice").expect(200);
    assert!(bob.is_signed_in());
    assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
}

#[test]
fn admin_resets_at_the_console_after_a_question() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    assert!(!alice.open("/admin/users/bob").has("reset-second-factor"));
    enroll(&site, &mut bob);
    assert!(alice.open("/admin/users/bob").has("Authenticator app"));
    let page = "/admin/users/bob/reset-second-factor";
    let link = press(&mut alice, page, page).expect(200).secret();
    assert!(link.contains("/reset?code=kce_"), "{link}");
    assert!(!bob.is_signed_in());
    site.pass(601);
    assert_eq!(press(&mut alice, page, page).status, 403);
}

#[test]
fn reset_of_the_own_second_factor_is_rejected() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    enroll(&site, &mut alice);
    let own = "/api/v1/users/alice/second-factor";
    let answer = Asking::new(&site.server_state, "DELETE", own).bearer(&site.token("alice"));
    let answer = answer.send().expect(403);
    assert!(answer.text().contains("another admin or the operator"));
    let page = "/admin/users/alice/reset-second-factor";
    assert_eq!(press(&mut alice, page, page).status, 403);
    assert_eq!(site.count("SELECT count(*) FROM totp"), 1);
}

/// A reset gives a link to a password, and with it more than a limited key has.
#[test]
fn reset_by_a_limited_key_is_rejected() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let path = "/api/v1/users/bob/second-factor";
    for (name, limit, status) in [
        (
            "narrow",
            serde_json::json!({"permissions": ["users:read", "users:write"]}),
            403,
        ),
        (
            "near",
            serde_json::json!({"allowed_addresses": ["127.0.0.1"]}),
            403,
        ),
        ("full", serde_json::json!({}), 200),
    ] {
        let mut body = limit;
        body["name"] = name.into();
        let made = Asking::new(&site.server_state, "POST", "/api/v1/api-keys")
            .bearer(&site.token("alice"))
            .json(&body)
            .send()
            .expect(201);
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        let ask = |path: &str| Asking::new(&site.server_state, "DELETE", path).bearer(&secret);
        ask(&format!("{path}?all=1")).send().expect(422);
        let answer = ask(path).send();
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
}

#[test]
fn operator_resets_the_factor_of_the_last_admin() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    enroll(&site, &mut alice);
    let answer = Asking::new(
        &site.server_state,
        "DELETE",
        "/api/v1/users/alice/second-factor",
    )
    .by_operator()
    .send()
    .expect(200);
    let link = answer.json()["link"].as_str().unwrap().to_owned();
    let mut browser = site.browser();
    browser
        .get(link.strip_prefix("http://127.0.0.1:8420").unwrap())
        .expect(303);
    let form = browser.open("/reset").form("/reset");
    browser
        .submit(&form.set("password", "alice likes cold milk"))
        .expect(200);
    assert_eq!(
        browser.sign_in("alice", "alice likes cold milk").status,
        303
    );
    assert!(browser.is_signed_in());
}

/// An ordinary reset of the password leaves the factor as it is.
#[test]
fn password_reset_link_does_not_pass_the_factor() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (phone, _) = enroll(&site, &mut bob);
    let link = press(
        &mut alice,
        "/admin/users/bob",
        "/admin/users/bob/reset-password",
    )
    .expect(200)
    .secret();
    let mut browser = site.browser();
    browser
        .get(link.strip_prefix("http://127.0.0.1:8420").unwrap())
        .expect(303);
    let form = browser.open("/reset").form("/reset");
    browser
        .submit(&form.set("password", "bob likes cold milk now"))
        .expect(200);
    assert!(!browser.is_signed_in());
    let page = browser
        .sign_in("bob", "bob likes cold milk now")
        .expect(303);
    assert_eq!(page.header("Location"), Some("/login/code"));
    let step = browser.open("/login/code");
    send_code(&mut browser, &step, &phone.code()).expect(303);
}
