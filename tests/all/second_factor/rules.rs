//! Rules besides the ceremony: limits, removal, and a policy or a clock that changes meanwhile.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::authenticator::{Algorithm, Authenticator, text};
use super::passkey::{honest, options, register, sign_in, site};
use super::phone::*;
use crate::console::markup;
use crate::console::site::Site;
use crate::fixture::Asking;

const ADD_TOTP: &str = "/account/second-factor/totp";
const ADD_PASSKEY: &str = "/account/second-factor/passkeys";

/// A page that was open before the policy does not set a factor up after it, by the password alone.
#[test]
fn factor_page_opened_before_a_policy_needs_a_confirmation() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let seed = press(&mut bob, HERE, "/account/second-factor/totp/new").expect(200);
    let key = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
    require(&site, "everyone", None);
    let phone = Phone::scan(&seed, &site.clock);
    let form = seed.form(ADD_TOTP).set("code", &phone.code());
    assert_eq!(bob.submit(&form).status, 403);
    let answer = Authenticator::new(Algorithm::Es256).register(&options(&key), honest);
    let form = key.form(ADD_PASSKEY).set("passkey", &answer);
    assert_eq!(bob.submit(&form).status, 403);
    for table in ["totp", "passkeys"] {
        assert_eq!(site.count(&format!("SELECT count(*) FROM {table}")), 0);
    }
}

/// Setting one up at sign-in is for who must have one; everybody else does it in a confirmed session.
#[test]
fn factor_is_set_up_at_sign_in_only_while_required() {
    let site = Site::new();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    require(&site, "optional", None);
    let phone = Phone::scan(&step, &site.clock);
    let form = step.form("/login/enroll").set("code", &phone.code());
    let page = browser.submit(&form).expect(409);
    assert!(page.has("has become optional"), "{}", page.text());
    assert!(!browser.is_signed_in());
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
    assert_eq!(browser.sign_in("bob", password("bob")).status, 303);
    assert!(browser.is_signed_in());
}

/// With the password alone, no passkey can be added once the user has set up an app.
#[test]
fn passkey_is_not_added_at_sign_in_once_there_is_an_app() {
    let site = site();
    require(&site, "everyone", None);
    let (mut one, mut other) = (site.browser(), site.browser());
    let (step, second) = (first_step(&mut one, "bob"), first_step(&mut other, "bob"));
    let phone = Phone::scan(&step, &site.clock);
    let form = step.form("/login/enroll").set("code", &phone.code());
    one.submit(&form).expect(200);
    let answer = Authenticator::new(Algorithm::Es256).register(&options(&second), honest);
    let form = markup::forms(&second.text())
        .into_iter()
        .find(|form| form.value("passkey").is_some())
        .unwrap();
    other.submit(&form.set("passkey", &answer)).expect(409);
    assert!(!other.is_signed_in());
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
}

#[test]
fn last_passkey_is_kept_while_required() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let delete = markup::forms(&bob.open(HERE).text())
        .into_iter()
        .find(|form| form.action.ends_with("/delete"))
        .unwrap();
    require(&site, "everyone", None);
    let page = bob.submit(&delete).expect(422);
    assert!(page.has("add another one before"), "{}", page.text());
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 1);
    require(&site, "optional", None);
    bob.submit(&delete).expect(303);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 0);
}

#[test]
fn reset_and_deletion_of_a_user_remove_passkeys_apps_and_codes() {
    for act in ["/api/v1/users/bob/second-factor", "/api/v1/users/bob"] {
        let site = site();
        let mut bob = site.signed_in("bob");
        enroll(&site, &mut bob);
        let mut device = Authenticator::new(Algorithm::Es256);
        register(&mut bob, &mut device, "key").expect(303);
        let answer = Asking::new(&site.server_state, "DELETE", act).by_operator();
        assert!(answer.send().status < 300, "{act}");
        for table in ["totp", "passkeys", "recovery_codes"] {
            let left = site.count(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(left, 0, "{act}: {table}");
        }
    }
}

#[test]
fn user_has_at_most_twenty_passkeys() {
    let site = site();
    let mut bob = site.signed_in("bob");
    for number in 0..20 {
        let mut device = Authenticator::new(Algorithm::EdDsa);
        register(&mut bob, &mut device, &format!("key {number}"));
    }
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 20);
    let mut device = Authenticator::new(Algorithm::EdDsa);
    let list = bob.open(HERE);
    assert!((0..20).all(|number| list.has(&format!("key {number}<"))));
    let page = register(&mut bob, &mut device, "one more").expect(409);
    assert!(page.has("You have 20 passkeys"), "{}", page.text());
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 20);
}

/// Answers of passkeys count as tries: at sign-in by address, at a confirmation by session.
#[test]
fn wrong_passkeys_are_limited_like_wrong_passwords() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut browser = site.browser();
    let mut statuses = Vec::new();
    for _ in 0..51 {
        let page = sign_in(&mut browser, &mut device, |parts| parts.flags = 0);
        statuses.push(page.status);
        let waits = page.header("Retry-After").is_some();
        assert_eq!(waits, page.status == 429);
    }
    assert!(statuses[..50].iter().all(|one| *one == 401), "{statuses:?}");
    assert_eq!(statuses[50..], [429], "{statuses:?}");
    site.pass(601);
    sign_in(&mut browser, &mut device, honest).expect(303);
    site.pass(601);
    let action = "/account/second-factor/recovery-codes";
    let events = "SELECT count(*) FROM events WHERE action = 'session.sign-in' AND outcome = 'refused' AND target_id = 'bob'";
    let before = site.count(events);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let require = press(&mut bob, HERE, action).expect(403);
        let answer = device.assert(&options(&require), |parts| parts.flags = 0);
        let form = require.form(action).set("confirm_passkey", &answer);
        statuses.push(bob.submit(&form).status);
    }
    assert_eq!(site.count(events), before + 1, "folded into one");
    assert_eq!(statuses[0], 422);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    site.pass(601);
    let require = press(&mut bob, HERE, action).expect(403);
    let answer = device.assert(&options(&require), honest);
    let form = require.form(action).set("confirm_passkey", &answer);
    bob.submit(&form).expect(200);
}

/// A session that was confirmed by a password alone does not touch a powerful key once a factor is required.
#[test]
fn powerful_key_of_an_old_session_is_neither_edited_nor_rotated() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let mut create = |name: &str, access: &str| {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", name).set("access", access);
        bob.submit(&form).expect(200).secret()[4..16].to_owned()
    };
    let (narrow, wide) = (create("narrow", "read-only"), create("wide", "everything"));
    for status in [403, 303] {
        let rule = if status == 403 {
            "everyone"
        } else {
            "optional"
        };
        require(&site, rule, None);
        let mut send = |id: &str, act: &str, field: &str, value: &str| {
            let path = format!("/api-keys/{id}/{act}");
            let form = bob.open(&path).form(&path);
            bob.submit(&form.set(field, value)).status
        };
        assert_eq!(send(&narrow, "edit", "access", "everything"), status);
        let rotated = send(&wide, "rotate", "grace", "0s");
        assert_eq!(rotated, if status == 403 { 403 } else { 200 });
    }
}

#[test]
fn challenge_and_sign_in_step_of_the_future_are_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut browser = site.browser();
    let page = browser.open("/login");
    let answer = device.assert(&options(&page), honest);
    let login = page.form("/login/passkey").set("passkey", &answer);
    let step = first_step(&mut browser, "bob");
    let answer = device.assert(&options(&step), honest);
    site.pass(-60);
    assert_eq!(browser.submit(&login).status, 401);
    let form = step.form("/login/code").set("passkey", &answer);
    assert_eq!(browser.submit(&form).status, 401);
    assert!(!browser.is_signed_in());
}

#[test]
fn cookie_of_the_second_step_ends_with_sign_in_and_sign_out() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    assert!(browser.cookies.contains_key("keycroft-sign-in"));
    send_code(&mut browser, &step, &phone.code()).expect(303);
    assert!(!browser.cookies.contains_key("keycroft-sign-in"));
    // Left over from a sign-in that somebody else began at this browser.
    let mut other = site.browser_with(browser.cookies.clone());
    first_step_here(&mut other);
    assert!(other.cookies.contains_key("keycroft-sign-in"));
    let session = browser.cookies["keycroft-session"].clone();
    other.cookies.insert("keycroft-session".into(), session);
    let form = other.open("/account").form("/logout");
    other.submit(&form).expect(303);
    assert!(!other.cookies.contains_key("keycroft-sign-in"));
}

fn first_step_here(browser: &mut crate::console::browser::Browser<'_>) {
    browser.cookies.remove("keycroft-session");
    first_step(browser, "bob");
}

#[test]
fn attestation_object_with_more_or_fewer_members_is_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut send = |change: &dyn Fn(&mut Vec<u8>)| {
        let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
        let answer = Authenticator::new(Algorithm::Es256).register(&options(&page), honest);
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        let object = &mut answer["response"]["attestationObject"];
        let encoded = object.as_str().unwrap();
        let mut bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).unwrap();
        change(&mut bytes);
        *object = BASE64URL_NOPAD.encode(&bytes).into();
        let form = page.form(ADD_PASSKEY).set("passkey", &answer.to_string());
        bob.submit(&form).status
    };
    let more = |first: u8, tail: &[u8]| {
        let tail = tail.to_vec();
        move |bytes: &mut Vec<u8>| {
            bytes[0] = first;
            bytes.extend(&tail);
        }
    };
    // Its map has 3 members (0xa3); one more is a duplicate, or unknown.
    let fourth = |name: &str| [text(name), text("none")].concat();
    assert_eq!(send(&more(0xa3, &[0])), 422);
    assert_eq!(send(&more(0xa4, &fourth("fmt"))), 422);
    assert_eq!(send(&more(0xa4, &fourth("other"))), 422);
    let without = |member: Vec<u8>| {
        move |bytes: &mut Vec<u8>| {
            bytes[0] = 0xa2;
            let mut windows = bytes.windows(member.len());
            let at = windows.position(|part| part == member).unwrap();
            bytes.drain(at..at + member.len());
        }
    };
    assert_eq!(send(&without(fourth("fmt"))), 422);
    assert_eq!(send(&without([text("attStmt"), vec![0xa0]].concat())), 422);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
    assert_eq!(send(&|_| ()), 200);
}

/// An answer that was taken before counts as a wrong one.
#[test]
fn passkey_answers_sent_again_are_limited() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    site.pass(601);
    let action = "/account/second-factor/recovery-codes";
    let require = press(&mut bob, HERE, action).expect(403);
    // Its counter stays 0: only the challenge shows that it was used.
    let answer = device.assert(&options(&require), honest);
    let form = require.form(action).set("confirm_passkey", &answer);
    let statuses: Vec<u16> = (0..12).map(|_| bob.submit(&form).status).collect();
    assert_eq!(statuses[..2], [200, 422], "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

/// Also once the passkey is gone, which would be in the way.
#[test]
fn registration_sent_again_is_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
    let answer = Authenticator::new(Algorithm::Es256).register(&options(&page), honest);
    let form = page.form(ADD_PASSKEY).set("passkey", &answer);
    bob.submit(&form).expect(200);
    let delete = markup::forms(&bob.open(HERE).text())
        .into_iter()
        .find(|form| form.action.ends_with("/delete"))
        .unwrap();
    bob.submit(&delete).expect(303);
    assert_eq!(bob.submit(&form).status, 422);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
}

/// The same at sign-in, once its user has no factor again.
#[test]
fn registration_sent_again_at_sign_in_is_rejected() {
    let site = site();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    let answer = device.register(&options(&step), honest);
    let form = |step: &crate::console::browser::Page| {
        let mut forms = markup::forms(&step.text()).into_iter();
        let form = forms.find(|form| form.value("passkey").is_some()).unwrap();
        form.set("passkey", &answer)
    };
    browser.submit(&form(&step)).expect(200);
    require(&site, "optional", None);
    let delete = markup::forms(&browser.open(HERE).text())
        .into_iter()
        .find(|form| form.action.ends_with("/delete"))
        .unwrap();
    browser.submit(&delete).expect(303);
    require(&site, "everyone", None);
    browser.cookies.remove("keycroft-session");
    let step = first_step(&mut browser, "bob");
    browser.submit(&form(&step)).expect(401);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
}

/// Each algorithm goes with one type and one curve, and an RSA key has 2,048 to 8,192 bits.
#[test]
fn key_that_does_not_fit_its_algorithm_is_rejected() {
    use super::authenticator::{bytes, head};
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut change = |algorithm, change: &dyn Fn(&mut Vec<u8>)| {
        let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
        let mut device = Authenticator::new(algorithm);
        let answer = device.register(&options(&page), |parts| change(&mut parts.cose));
        let form = page.form(ADD_PASSKEY).set("passkey", &answer);
        assert_eq!(bob.submit(&form).status, 422, "{algorithm:?}");
        assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0);
    };
    // Behind the head of the map: 1 is the type, 3 the algorithm, -1 (0x20) the curve.
    change(Algorithm::EdDsa, &|cose| cose[2] = 2);
    change(Algorithm::EdDsa, &|cose| cose[6] = 4);
    change(Algorithm::EdDsa, &|cose| {
        let key = cose.len() - 32;
        cose[key - 1] = 31;
        cose.pop();
    });
    change(Algorithm::Rs256, &|cose| cose[2] = 2);
    let rsa = |modulus: Vec<u8>, exponent: &[u8]| {
        let (modulus, exponent) = (bytes(&modulus), bytes(exponent));
        [
            &head(5, 4)[..],
            &[1, 3, 3, 0x39, 1, 0, 0x20],
            &modulus,
            &[0x21],
            &exponent,
        ]
        .concat()
    };
    for (modulus, exponent) in [
        (vec![0x80; 255], &[1, 0, 1][..]),
        (vec![0x80; 1_025], &[1, 0, 1]),
        ([vec![0], vec![0x80; 256]].concat(), &[1, 0, 1]),
        (vec![0x80; 256], &[0, 1, 1]),
        (vec![0x80; 256], &[1, 0, 0, 0, 1]),
        (vec![0x80; 256], &[]),
    ] {
        change(Algorithm::Rs256, &|cose| {
            *cose = rsa(modulus.clone(), exponent);
        });
    }
}
