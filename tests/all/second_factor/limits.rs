//! Failed attempts of a second factor: their limits, their events, and the end of a row of failures.

use keycroft::app::SignInStep;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::password::Password;

use super::authenticator::{Algorithm, Authenticator, Spoil};
use super::passkey::{honest, options, register, sign_in, site};
use super::phone::*;
use crate::console::site::{BOB, Site};
use crate::fixture::Asking;

const WRONG: &str = "not what it is at all";
const CODES: &str = "/account/second-factor/recovery-codes";

/// Rejected attempts as bob, with this condition on what is recorded of the factor.
fn rejected(site: &Site, condition: &str) -> i64 {
    site.count(&format!(
        "SELECT count(*) FROM events WHERE action = 'session.sign-in' AND outcome = 'refused' AND target_id = 'bob' \
         AND coalesce(after, '') {condition}"
    ))
}

fn failed_sign_ins(site: &Site) -> u64 {
    let figures = site.app().figures(site.clock.now());
    figures.unwrap().failed_sign_ins
}

/// Sets the row of failures of bob's name to 100 by wrong passwords.
fn lock_name(site: &Site) {
    let mut browser = site.browser();
    for _ in 0..10 {
        for _ in 0..10 {
            browser.sign_in("bob", WRONG).expect(401);
        }
        site.pass(61);
    }
    browser.sign_in("bob", BOB).expect(403);
}

#[test]
fn wrong_codes_stay_counted_after_a_restart() {
    let mut site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let before = failed_sign_ins(&site);
    let mut browser = site.browser();
    let mut step = first_step(&mut browser, "bob");
    for _ in 0..10 {
        step = send_code(&mut browser, &step, &phone.wrong()).expect(401);
    }
    assert_eq!(failed_sign_ins(&site), before + 10);
    site.reopen();
    assert_eq!(site.browser().sign_in("bob", BOB).status, 429);
}

/// Also none that names the account: anybody can send the id of a credential.
#[test]
fn wrong_passkey_leaves_the_row_of_its_name() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    lock_name(&site);
    let (events, failed) = (rejected(&site, "= ''"), failed_sign_ins(&site));
    let page = sign_in(&mut site.browser(), &mut device, |parts| {
        parts.spoil = Spoil::Signature;
    });
    page.expect(401);
    assert_eq!(site.browser().sign_in("bob", BOB).status, 403);
    assert_eq!(failed_sign_ins(&site), failed + 1);
    assert_eq!(rejected(&site, "= ''"), events + 1);
    sign_in(&mut site.browser(), &mut device, honest).expect(303);
    assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
}

/// Twelve within a minute, with a limit of ten wrong ones.
#[test]
fn right_passwords_and_passkeys_do_not_count() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    site.pass(601);
    let required = press(&mut bob, HERE, CODES).expect(403);
    for _ in 0..12 {
        let answer = device.assert(&options(&bob.open("/account")), honest);
        let form = required.form(CODES).set("confirm_passkey", &answer);
        bob.submit(&form).expect(200);
    }
    // The right password without the second factor, at the API.
    let token = site.token("bob");
    let body = serde_json::json!({"current": BOB, "new": "bob likes cold milk now"});
    for _ in 0..12 {
        let asking = Asking::new(&site.server_state, "POST", "/api/v1/me/password");
        asking.bearer(&token).json(&body).send().expect(422);
    }
}

/// A program without a browser is as unknown as a new one: it leaves the event of a missing factor.
#[test]
fn missing_factor_without_a_browser_leaves_an_event() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let origin = Origin {
        channel: Channel::Console,
        address: Some([127, 0, 0, 1].into()),
        program: None,
        request_id: None,
    };
    let typed = Password::typed(BOB).unwrap();
    let step = site
        .app()
        .sign_in("bob", &typed, None, origin, site.clock.now());
    assert!(matches!(step, Ok(SignInStep::Pending(_))));
    assert_eq!(rejected(&site, "LIKE 'second_factor=missing%'"), 1);
}

/// Each user gets to know a browser alone.
#[test]
fn browser_known_for_another_user_is_unknown() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let mut alice = site.signed_in("alice");
    alice.cookies.remove("keycroft-session");
    first_step(&mut alice, "bob");
    assert_eq!(rejected(&site, "LIKE 'second_factor=missing%'"), 1);
}

/// The answer reveals neither the account's state nor its factor.
#[test]
fn right_password_of_a_disabled_user_counts_as_wrong() {
    for with_factor in [false, true] {
        let site = Site::new();
        let mut bob = site.signed_in("bob");
        if with_factor {
            enroll(&site, &mut bob);
        }
        let mut alice = site.signed_in("alice");
        press(&mut alice, "/admin/users/bob", "/admin/users/bob/disable").expect(303);
        let before = failed_sign_ins(&site);
        let page = site.browser().sign_in("bob", BOB).expect(401);
        assert!(page.cookie("keycroft-sign-in").is_none());
        assert_eq!(failed_sign_ins(&site), before + 1, "{with_factor}");
        assert_eq!(rejected(&site, "= ''"), 1, "{with_factor}");
    }
}
