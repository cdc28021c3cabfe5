//! Fields, errors and destinations on the pages of second factors.

use std::collections::BTreeMap;

use serde_json::Value;

use super::authenticator::{Algorithm, Authenticator, Spoil};
use super::passkey::{honest, options, register, site};
use super::phone::*;
use crate::console::browser::{Browser, Page};
use crate::console::markup::{self, Form};
use crate::console::site::{BOB, Site};

const NEW_TOTP: &str = "/account/second-factor/totp/new";
const ADD_TOTP: &str = "/account/second-factor/totp";
const NEW_PASSKEY: &str = "/account/second-factor/passkeys/new";
const ADD_PASSKEY: &str = "/account/second-factor/passkeys";
/// A well-formed nonce of 1970.
const STALE: &str = "1-aaaaaaaaaaaaaaaaaaaa";

fn errors(page: &Page) -> Vec<String> {
    markup::errors(&page.text())
}

fn verification(page: &Page) -> String {
    let options: Value = serde_json::from_str(&options(page)).unwrap();
    let selection = &options["authenticatorSelection"]["userVerification"];
    let word = selection.as_str().or(options["userVerification"].as_str());
    word.unwrap().to_owned()
}

#[test]
fn page_with_a_passkey_requests_the_verification_it_needs() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let new = press(&mut bob, HERE, NEW_PASSKEY).expect(200);
    let mut browser = site.browser();
    let login = browser.open("/login");
    let step = first_step(&mut browser, "bob");
    assert!(step.has("Recovery code") && !step.has("authenticator app"));
    for (page, word) in [
        (&new, "preferred"),
        (&bob.open("/account"), "preferred"),
        (&login, "required"),
        (&step, "discouraged"),
    ] {
        assert_eq!(verification(page), word, "{}", page.url);
    }
    enroll_further(&site, &mut bob);
    let step = first_step(&mut site.browser(), "bob");
    assert!(step.has("authenticator app"), "{}", step.text());
}

/// The field for a code is there for every factor: a recovery code belongs to each of them.
#[test]
fn confirmation_page_has_a_code_field_only_with_a_factor() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let confirmation = |bob: &mut Browser<'_>| {
        site.pass(601);
        let question = press(bob, HERE, NEW_PASSKEY).expect(403);
        question.form(NEW_PASSKEY)
    };
    assert_eq!(confirmation(&mut bob).value("confirm_code"), None);
    let form = confirmation(&mut bob).set("current_password", BOB);
    let page = bob.submit(&form).expect(200);
    let mut device = Authenticator::new(Algorithm::Es256);
    let answer = device.register(&options(&page), honest);
    let form = page.form(ADD_PASSKEY);
    let overlong = form.clone().set("name", &"x".repeat(65));
    let again = bob.submit(&overlong.set("passkey", &answer)).expect(422);
    assert_eq!(errors(&again), ["name"]);
    bob.submit(&form.set("passkey", &answer)).expect(200);
    assert!(confirmation(&mut bob).value("confirm_code").is_some());
}

/// Neither a seed nor a challenge is shown to a session that was not confirmed, also for a wrong form.
#[test]
fn wrong_form_of_a_new_factor_needs_a_confirmation() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let totp = press(&mut bob, HERE, NEW_TOTP).expect(200).form(ADD_TOTP);
    let key = press(&mut bob, HERE, NEW_PASSKEY).expect(200);
    let forms = [
        totp.clone().set("code", "000000"),
        key.form(ADD_PASSKEY).set("passkey", "junk"),
        bob.open(HERE).form(NEW_PASSKEY),
    ];
    site.pass(601);
    for form in forms {
        assert_eq!(bob.submit(&form).status, 403, "{}", form.action);
    }
    let mut bob = site.signed_in("bob");
    let page = press(&mut bob, HERE, NEW_TOTP).expect(200);
    enroll(&site, &mut bob);
    let form = page.form(ADD_TOTP).set("code", "000000");
    bob.submit(&form).expect(409);
}

#[test]
fn seed_of_a_stale_nonce_is_neither_taken_nor_shown() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = press(&mut bob, HERE, NEW_TOTP).expect(200).form(ADD_TOTP);
    let subject = site.text("SELECT subject FROM users WHERE username = 'bob'");
    let session = bob.cookies["keycroft-session"][4..16].to_owned();
    let seed = site.app().totp_seed(&subject, &session, STALE);
    let phone = Phone::of_seed(&seed.base32(), &site.clock);
    let form = form.set("nonce", STALE).set("code", &phone.code());
    let page = bob.submit(&form).expect(422);
    assert_ne!(page.form(ADD_TOTP).value("nonce"), Some(STALE));
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
}

#[test]
fn second_step_leads_only_to_pages_of_this_site() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let mut browser = site.browser();
    first_step(&mut browser, "bob");
    for (next, kept) in [("%2F%2Fevil.example", ""), ("%2Fssh-keys", "/ssh-keys")] {
        let page = browser.open(&format!("/login/code?next={next}"));
        assert_eq!(page.form("/login/code").value("next"), Some(kept));
    }
}

#[test]
fn passkey_signs_in_to_the_page_that_was_asked_for() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut browser = site.browser();
    let login = browser.open("/login?next=/ssh-keys");
    let wrong = device.assert(&options(&login), |parts| parts.spoil = Spoil::Signature);
    let form = login.form("/login/passkey").set("passkey", &wrong);
    let again = browser.submit(&form).expect(401);
    let answer = device.assert(&options(&again), honest);
    let form = again.form("/login/passkey").set("passkey", &answer);
    let page = browser.submit(&form).expect(303);
    assert_eq!(page.header("Location"), Some("/ssh-keys"));
    // This browser is known from now on.
    let known = "SELECT count(DISTINCT digest) FROM known_browsers";
    assert_eq!(site.count(known), 2);
}

/// A browser has one session: a new one replaces it, with each kind of factor.
#[test]
fn second_factor_replaces_the_session_of_its_browser() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let (phone, _) = enroll_further(&site, &mut bob);
    let cookies = |browser: &Browser<'_>| browser.cookies.clone();
    let is_in = |cookies: &BTreeMap<String, String>| {
        let mut browser = site.browser_with(cookies.clone());
        browser.is_signed_in()
    };
    let login = site.browser_with(without_session(&bob)).open("/login");
    let first = cookies(&bob);
    let answer = device.assert(&options(&login), honest);
    let form = login.form("/login/passkey").set("passkey", &answer);
    bob.submit(&form).expect(303);
    assert!(!is_in(&first));
    let second = cookies(&bob);
    let mut other = site.browser_with(without_session(&bob));
    let step = first_step(&mut other, "bob");
    bob.cookies.extend(other.cookies.clone());
    send_code(&mut bob, &step, &phone.code()).expect(303);
    assert!(!is_in(&second) && bob.is_signed_in());
    let replaced = "SELECT count(*) FROM events WHERE after LIKE '%replaced session=%'";
    assert_eq!(site.count(replaced), 2);
}

fn without_session(browser: &Browser<'_>) -> BTreeMap<String, String> {
    let mut cookies = browser.cookies.clone();
    cookies.remove("keycroft-session");
    cookies
}

/// Sets up an app beside another factor.
fn enroll_further(site: &Site, browser: &mut Browser<'_>) -> (Phone, Page) {
    let page = press(browser, HERE, NEW_TOTP).expect(200);
    let phone = Phone::scan(&page, &site.clock);
    let form = page.form(ADD_TOTP).set("code", &phone.code());
    let page = browser.submit(&form).expect(303);
    site.pass(30);
    (phone, page)
}

/// A form that waits for the sign-in still waits after a step that took too long.
#[test]
fn late_second_step_starts_again_with_the_form() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    bob.cookies.remove("keycroft-session");
    let page = bob.submit(&form.set("name", "kept one")).expect(401);
    let login = page.form("/login").set("username", "bob");
    let step = bob.submit(&login.set("password", BOB)).expect(200);
    site.pass(301);
    let page = send_code(&mut bob, &step, &phone.code()).expect(401);
    assert!(!bob.cookies.contains_key("keycroft-sign-in"));
    let login = page.form("/login");
    assert_eq!(login.value("kept"), Some("/api-keys/new"));
    assert_eq!(login.value("kept.name"), Some("kept one"));
    assert_eq!(login.value("kept.form_token"), None);
}

#[test]
fn enrollment_keeps_the_name_and_passes_over_an_empty_passkey() {
    let site = site();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let forms = markup::forms(&step.text());
    let named = |forms: Vec<Form>| forms.into_iter().find(|form| form.value("name").is_some());
    let form = named(forms).unwrap().set("name", "blue key");
    let page = browser.submit(&form.set("passkey", "junk")).expect(401);
    let again = named(markup::forms(&page.text())).unwrap();
    assert_eq!(again.value("name"), Some("blue key"));
    let phone = Phone::scan(&page, &site.clock);
    let form = page.form("/login/enroll").set("code", &phone.code());
    browser.submit(&form.set("passkey", "")).expect(200);
    assert!(browser.is_signed_in());
}

#[test]
fn errors_of_a_confirmation_are_at_their_fields() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    site.pass(601);
    let question = press(&mut bob, HERE, NEW_TOTP).expect(403).form(NEW_TOTP);
    for _ in 0..10 {
        let form = question.clone().set("current_password", "not what it is");
        assert_eq!(errors(&bob.submit(&form).expect(422)), ["current_password"]);
    }
    let form = question.set("current_password", BOB);
    assert_eq!(errors(&bob.submit(&form).expect(429)), ["current_password"]);
    // Nothing that can be typed here is enough.
    site.pass(61);
    require(&site, "everyone", None);
    let page = bob.submit(&form);
    assert_eq!(errors(&page), Vec::<String>::new(), "{}", page.text());
    require(&site, "optional", None);
    bob.submit(&form).expect(200);
    enroll(&site, &mut bob);
    let change = bob.open("/account").form("/account/password");
    let change = change.set("current", BOB).set("new", "bob likes cold milk");
    let page = bob
        .submit(&change.set("confirm_code", "000000"))
        .expect(422);
    assert_eq!(errors(&page), ["confirm_code"]);
}

/// The browser in which the password was changed stays known; one without its cookie does not become known.
#[test]
fn changed_password_confirms_the_session_and_ends_the_row() {
    let mut site = Site::new();
    for keeps_cookie in [true, false] {
        let (old, new) = if keeps_cookie {
            (BOB, "bob likes cold milk")
        } else {
            ("bob likes cold milk", BOB)
        };
        let mut bob = site.browser();
        bob.sign_in("bob", old).expect(303);
        let mut stranger = site.browser();
        for _ in 0..10 {
            for _ in 0..10 {
                stranger.sign_in("bob", "not what it is").expect(401);
            }
            site.pass(61);
        }
        site.pass(601);
        let form = bob.open("/account").form("/account/password");
        if !keeps_cookie {
            bob.cookies.remove("keycroft-browser");
        }
        let form = form.set("current", old).set("new", new);
        bob.submit(&form).expect(303);
        let known = site.count("SELECT count(*) FROM known_browsers");
        assert_eq!(known, i64::from(keeps_cookie));
        press(&mut bob, HERE, NEW_TOTP).expect(200);
        site.reopen();
        assert_eq!(site.browser().sign_in("bob", new).status, 303);
    }
}

#[test]
fn own_reset_at_the_console_gives_its_reason() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    enroll(&site, &mut alice);
    let page = "/admin/users/alice/reset-second-factor";
    let page = press(&mut alice, page, page).expect(403);
    assert!(page.has("ask another admin"), "{}", page.text());
}

#[test]
fn users_without_a_factor_are_those_who_can_sign_in() {
    use keycroft::model::user::Role;
    let site = site();
    for name in ["carol", "dave"] {
        site.add_user(name, Role::Member, None);
    }
    let mut alice = site.signed_in("alice");
    press(
        &mut alice,
        "/admin/users/carol",
        "/admin/users/carol/disable",
    )
    .expect(303);
    let operator = site.app().operator(0);
    let names = || site.app().users_without_second_factor(&operator).unwrap();
    assert_eq!(names(), ["alice", "bob", "dave"]);
    let mut bob = site.signed_in("bob");
    register(&mut bob, &mut Authenticator::new(Algorithm::Es256), "key").expect(200);
    let dave = keycroft::model::user::Username::parse("dave").unwrap();
    site.app().delete_user(&operator, &dave).unwrap();
    assert_eq!(names(), ["alice"]);
}
