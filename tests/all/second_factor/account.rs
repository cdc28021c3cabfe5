//! Setting up and removing an authenticator app, confirmations and password changes at the console.

use serde_json::json;

use super::authenticator::{Algorithm, Authenticator};
use super::phone::*;
use crate::console::markup::{self, Form};
use crate::console::site::{BOB, Site};
use crate::fixture::{Asking, id};

const NEW: &str = "/account/second-factor/totp/new";
const ADD: &str = "/account/second-factor/totp";

#[test]
fn setup_page_shows_seed_and_qr_code_outside_of_the_form() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let page = press(&mut bob, HERE, NEW).expect(200);
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(page.has("<svg") && page.has("QR code"));
    let form = page.form(ADD);
    let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["form_token", "nonce", "code"]);
    // Two pages, two seeds; neither is stored.
    let other = press(&mut bob, HERE, NEW);
    let (one, two) = (
        Phone::scan(&page, &site.clock),
        Phone::scan(&other, &site.clock),
    );
    assert_ne!(one.code(), two.code());
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
}

#[test]
fn wrong_code_adds_no_factor_and_keeps_the_seed() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let page = press(&mut bob, HERE, NEW);
    let phone = Phone::scan(&page, &site.clock);
    for code in [
        phone.wrong(),
        String::new(),
        "abc".into(),
        "k7m2-9xq4-ab3d-t0zw".into(),
    ] {
        let again = bob.submit(&page.form(ADD).set("code", &code)).expect(422);
        assert_eq!(Phone::scan(&again, &site.clock).code(), phone.code());
    }
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
    bob.submit(&page.form(ADD).set("code", &phone.code()))
        .expect(200);
    assert_eq!(site.count("SELECT count(*) FROM totp"), 1);
}

#[test]
fn seed_of_another_session_or_nonce_is_rejected() {
    let site = Site::new();
    let (mut bob, mut other) = (site.signed_in("bob"), site.signed_in("bob"));
    let of_other = press(&mut other, HERE, NEW);
    let phone = Phone::scan(&of_other, &site.clock);
    let own = press(&mut bob, HERE, NEW).form(ADD);
    let nonce = of_other.form(ADD).value("nonce").unwrap().to_owned();
    let form = own.clone().set("nonce", &nonce).set("code", &phone.code());
    assert_eq!(bob.submit(&form).status, 422);
    let second = press(&mut bob, HERE, NEW);
    let phone = Phone::scan(&second, &site.clock);
    let form = own.clone().set("code", &phone.code());
    assert_eq!(bob.submit(&form).status, 422);
    for nonce in [
        "",
        "x",
        "1-aaaaaaaaaaaaaaaaaaaa",
        "99999999999999999999-aaaaaaaaaaaaaaaaaaaa",
    ] {
        let form = own.clone().set("nonce", nonce).set("code", &phone.code());
        assert!(bob.submit(&form).status >= 403, "{nonce}");
    }
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
}

#[test]
fn seed_of_another_user_of_the_browser_is_rejected() {
    let site = Site::new();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let of_alice = first_step(&mut browser, "alice");
    let phone = Phone::scan(&of_alice, &site.clock);
    first_step(&mut browser, "bob");
    let form = of_alice.form("/login/enroll").set("code", &phone.code());
    assert_eq!(browser.submit(&form).status, 401);
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
}

#[test]
fn second_of_two_tabs_that_enroll_changes_nothing() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let new = bob.open(HERE).form(NEW);
    let (one, two) = (press(&mut bob, HERE, NEW), press(&mut bob, HERE, NEW));
    let (first, second) = (
        Phone::scan(&one, &site.clock),
        Phone::scan(&two, &site.clock),
    );
    let page = bob
        .submit(&one.form(ADD).set("code", &first.code()))
        .expect(200);
    let codes = recovery_codes(&page);
    let page = bob.submit(&two.form(ADD).set("code", &second.code()));
    assert_eq!(page.status, 409, "{}", page.text());
    // No seed is shown beside one that is set up.
    assert_eq!(bob.submit(&new).status, 409);
    // Sent twice, neither.
    assert_eq!(
        bob.submit(&one.form(ADD).set("code", &first.code())).status,
        409
    );
    site.pass(30);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &second.code()).expect(401);
    send_code(&mut browser, &step, &first.code()).expect(303);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &codes[9]).expect(303);
}

/// Every act on factors asks for a confirmation after ten minutes.
#[test]
fn acts_on_factors_need_a_confirmation() {
    let site = super::passkey::site();
    let mut bob = site.signed_in("bob");
    site.pass(601);
    let require = press(&mut bob, HERE, NEW).expect(403);
    let page = bob
        .submit(&require.form(NEW).set("current_password", BOB))
        .expect(200);
    let phone = Phone::scan(&page, &site.clock);
    bob.submit(&page.form(ADD).set("code", &phone.code()))
        .expect(200);
    let mut device = Authenticator::new(Algorithm::Es256);
    super::passkey::register(&mut bob, &mut device, "key").expect(303);
    let delete = markup::forms(&bob.open(HERE).text())
        .into_iter()
        .find(|form| form.action.ends_with("/delete"))
        .unwrap();
    site.pass(601);
    bob.submit(&delete).expect(403);
    for action in [
        "/account/second-factor/recovery-codes",
        "/account/second-factor/totp/remove",
    ] {
        site.pass(601);
        press(&mut bob, HERE, action).expect(403);
    }
    assert_eq!(site.count("SELECT count(*) FROM totp"), 1);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 1);
}

/// Only the first factor was missing from the confirmation before it.
#[test]
fn further_factor_extends_no_confirmation() {
    let site = super::passkey::site();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    site.pass(560);
    let mut device = Authenticator::new(Algorithm::Es256);
    super::passkey::register(&mut bob, &mut device, "key").expect(303);
    site.pass(60);
    press(&mut bob, HERE, "/account/second-factor/recovery-codes").expect(403);
}

#[test]
fn confirmation_requires_a_password_and_an_unused_code() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    let action = "/account/second-factor/recovery-codes";
    let confirm = |bob: &mut crate::console::browser::Browser<'_>, password: &str, code: &str| {
        site.pass(601);
        let require = press(bob, HERE, action).expect(403);
        let form = require.form(action);
        assert!(form.value("confirm_code").is_some(), "{}", require.text());
        bob.submit(
            &form
                .set("current_password", password)
                .set("confirm_code", code),
        )
    };
    assert_eq!(confirm(&mut bob, BOB, "").status, 422);
    assert_eq!(confirm(&mut bob, BOB, &phone.wrong()).status, 422);
    assert_eq!(
        confirm(&mut bob, "not what it is at all", &phone.code()).status,
        422
    );
    assert_eq!(confirm(&mut bob, "", &phone.code()).status, 422);
    let page = confirm(&mut bob, BOB, &phone.code_at(601));
    assert_eq!(page.status, 200, "{}", page.text());
    // The code that confirmed can't sign in.
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &phone.code()).expect(401);
    let page = confirm(&mut bob, BOB, &codes[0]);
    assert_eq!(
        page.status,
        422,
        "the old codes are replaced: {}",
        page.text()
    );
}

#[test]
fn codes_of_confirmations_are_never_written_into_a_page() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    site.pass(601);
    let action = "/account/second-factor/recovery-codes";
    let require = press(&mut bob, HERE, action).expect(403);
    let form = require
        .form(action)
        .set("current_password", BOB)
        .set("confirm_code", "135246");
    let page = bob.submit(&form).expect(422);
    assert!(!page.has("135246") && !page.has(BOB));
}

/// A confirmation by the password alone ends when a factor is set up elsewhere.
#[test]
fn older_session_confirmed_by_password_needs_the_new_factor() {
    let site = Site::new();
    let (mut old, mut bob) = (site.signed_in("bob"), site.signed_in("bob"));
    let key = Asking::new(&site.server_state, "POST", "/api/v1/api-keys")
        .bearer(&site.token("bob"))
        .json(&json!({"name": "key"}))
        .send()
        .expect(201)
        .json();
    let [edit, rotate] = ["edit", "rotate"].map(|act| format!("/api-keys/{}/{act}", id(&key)));
    let (phone, _) = enroll(&site, &mut bob);
    for (page, action) in [
        ("/ssh-keys/new", "/ssh-keys/new"),
        ("/api-keys/new", "/api-keys/new"),
        (&edit, &edit),
        (&rotate, &rotate),
        (HERE, "/account/second-factor/totp/remove"),
    ] {
        let form = old.open(page).form(action).set("name", "key");
        let form = form
            .set("access", "everything")
            .set("expires_in", "30d")
            .set(
                "public_key",
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMzEAs5INwZPV+vYBOvAf2vMZp8mWLTGgyioz4OY25eq",
            );
        assert_eq!(old.submit(&form).status, 403, "{action}");
    }
    let require = press(&mut old, HERE, "/account/second-factor/totp/remove").expect(403);
    let form = require.form("/account/second-factor/totp/remove");
    let form = form
        .set("current_password", BOB)
        .set("confirm_code", &phone.code());
    old.submit(&form).expect(303);
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
}

#[test]
fn password_change_needs_the_code() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    let change = |bob: &mut crate::console::browser::Browser<'_>, code: &str| {
        let form = bob.open("/account").form("/account/password");
        let form = form
            .set("current", BOB)
            .set("new", "bob likes cold milk now");
        bob.submit(&form.set("confirm_code", code))
    };
    assert_eq!(change(&mut bob, "").status, 422);
    let page = change(&mut bob, &phone.wrong()).expect(422);
    assert!(page.has("this code is wrong"), "{}", page.text());
    // A recovery code that is still valid is not repeated.
    let form = bob.open("/account").form("/account/password");
    let form = form
        .set("current", "not the password")
        .set("confirm_code", &codes[0]);
    let page = bob
        .submit(&form.set("new", "bob likes cold milk now"))
        .expect(422);
    assert!(!page.text().contains(&codes[0]), "{}", page.text());
    change(&mut bob, &phone.code()).expect(303);
    assert!(bob.is_signed_in());
    // It still asks for the second factor.
    let mut browser = site.browser();
    let page = browser
        .sign_in("bob", "bob likes cold milk now")
        .expect(303);
    assert_eq!(page.header("Location"), Some("/login/code"));
}

#[test]
fn forms_of_factors_need_the_token_of_their_session() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let token = alice.open("/account").form("/logout").fields;
    for action in [
        NEW,
        ADD,
        "/account/second-factor/passkeys/new",
        "/account/second-factor/recovery-codes",
    ] {
        let form = Form {
            action: action.into(),
            fields: token.clone(),
        };
        assert_eq!(bob.submit(&form).status, 403, "{action}");
    }
    let form = site.browser().open("/login").form("/login");
    for action in ["/login/code", "/login/enroll", "/login/passkey"] {
        let form = Form {
            action: action.into(),
            fields: form.fields.clone(),
        };
        assert_eq!(site.browser().submit(&form).status, 403, "{action}");
    }
}
