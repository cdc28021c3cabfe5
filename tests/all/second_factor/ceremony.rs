//! 2F2: every field of a ceremony wrong, one at a time, by an authenticator that signs any input.

use data_encoding::BASE64URL_NOPAD;
use keycroft::model::passkey::{
    Expected, PasskeyError, Registered, RelyingParty, UserVerification, check_assertion,
    check_registration,
};
use keycroft::wire;
use serde_json::json;

use super::authenticator::*;
use super::passkey::{honest, options, register, sign_in, site};
use super::phone::*;
use crate::console::site::Site;

type Change = fn(&mut Parts);

/// Assertions that are rejected. Each is signed by the right key.
const ASSERTIONS: &[(&str, Change)] = &[
    ("type", |parts| parts.kind = "webauthn.create".into()),
    ("empty challenge", |parts| parts.challenge.clear()),
    ("other challenge", |parts| {
        parts.challenge = parts.challenge.replacen(|c| c != 'A', "A", 1);
    }),
    ("challenge that is no base64url", |parts| {
        parts.challenge.push('=');
    }),
    ("origin of another port", |parts| {
        parts.origin = "http://localhost:8421".into();
    }),
    ("origin of another scheme", |parts| {
        parts.origin = "https://localhost:8420".into();
    }),
    ("origin of a subdomain", |parts| {
        parts.origin = "http://evil.localhost:8420".into();
    }),
    ("origin that begins with the right one", |parts| {
        parts.origin.push_str(".evil.example");
    }),
    ("cross origin", |parts| parts.cross_origin = true),
    ("top origin", |parts| {
        parts.top_origin = Some("https://evil.example".into());
    }),
    ("relying party", |parts| parts.rp_id = "evil.example".into()),
    ("parent relying party", |parts| parts.rp_id = "host".into()),
    ("user not present", |parts| parts.flags &= !UP),
    ("user not verified", |parts| parts.flags &= !UV),
    ("backed up without being eligible", |parts| {
        parts.flags |= BS;
    }),
    ("backup eligibility changed", |parts| parts.flags |= BE),
    ("attested data announced and missing", |parts| {
        parts.flags |= AT;
    }),
    ("extensions announced and missing", |parts| {
        parts.flags |= ED;
    }),
    ("extensions that are no map", |parts| {
        parts.flags |= ED;
        parts.tail = vec![0];
    }),
    ("extension whose name is no text", |parts| {
        parts.flags |= ED;
        parts.tail = [head(5, 1), bytes(b"x"), bytes(b"y")].concat();
    }),
    ("bytes behind the data", |parts| parts.tail = vec![0xa0]),
    ("credential id of nobody", |parts| {
        parts.credential_id[0] ^= 1;
    }),
    ("empty credential id", |parts| parts.credential_id.clear()),
    ("user handle of another user", |parts| {
        parts.user_handle = Some(b"aaaaaaaaaaaa".to_vec());
    }),
    ("no user handle", |parts| parts.user_handle = None),
    ("type of credential", |parts| {
        parts.type_of_credential = "password".into();
    }),
    ("signature", |parts| parts.spoil = Spoil::Signature),
    ("no signature", |parts| parts.spoil = Spoil::NoSignature),
    ("authenticator data after signing", |parts| {
        parts.spoil = Spoil::AuthenticatorData;
    }),
    ("client data after signing", |parts| {
        parts.spoil = Spoil::ClientData;
    }),
];

#[test]
fn wrong_assertion_fields_are_rejected_one_by_one() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let site = site();
        let mut device = enrolled(&site, algorithm);
        for (name, change) in ASSERTIONS {
            let mut browser = site.browser();
            let page = sign_in(&mut browser, &mut device, change);
            assert_eq!(page.status, 401, "{algorithm:?} {name}: {}", page.text());
            assert!(!browser.is_signed_in(), "{name}");
            // A correct answer is still accepted.
            if *name != "counter" {
                site.pass(61);
            }
        }
        sign_in(&mut site.browser(), &mut device, honest).expect(303);
        // Extensions that are announced and there do no harm.
        let with = |parts: &mut Parts| {
            parts.flags |= ED;
            parts.tail = [head(5, 1), text("x"), bytes(b"y")].concat();
        };
        sign_in(&mut site.browser(), &mut device, with).expect(303);
    }
}

/// An authenticator that bob registered.
fn enrolled(site: &Site, algorithm: Algorithm) -> Authenticator {
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(algorithm);
    register(&mut bob, &mut device, "key").expect(200);
    device
}

#[test]
fn assertion_is_accepted_once() {
    let site = site();
    // Its counter stays 0, as for synced passkeys: only the challenge reveals a replay.
    let mut device = enrolled(&site, Algorithm::Es256);
    let mut browser = site.browser();
    let page = browser.open("/login");
    let answer = device.assert(&options(&page), honest);
    let form = page.form("/login/passkey").set("passkey", &answer);
    browser.submit(&form).expect(303);
    let replay = browser.submit(&form);
    assert_eq!(replay.status, 401, "{}", replay.text());
    assert_eq!(
        site.count("SELECT count(*) FROM spent_challenges"),
        2,
        "one of the registration"
    );
    // Its memory goes long after the challenge has expired by itself.
    let spent = || {
        site.app().sweep(&site.app().operator(0)).unwrap();
        site.count("SELECT count(*) FROM spent_challenges")
    };
    site.pass(300);
    assert_eq!(spent(), 2);
    assert_eq!(browser.submit(&form).status, 401);
    site.pass(86_399);
    assert_eq!(spent(), 2);
    site.pass(1);
    assert_eq!(spent(), 0);
    assert_eq!(browser.submit(&form).status, 401);
}

/// Its time, its nonce and its MAC, each changed in one bit.
#[test]
fn changed_challenge_is_rejected() {
    let site = site();
    let mut device = enrolled(&site, Algorithm::Es256);
    for place in [7, 8, 23, 24, 55] {
        let mut browser = site.browser();
        let page = browser.open("/login");
        site.pass(2);
        let answer = device.assert(&options(&page), |parts| {
            let sent = parts.challenge.as_bytes();
            let mut challenge = BASE64URL_NOPAD.decode(sent).unwrap();
            challenge[place] ^= 1;
            parts.challenge = BASE64URL_NOPAD.encode(&challenge);
        });
        let form = page.form("/login/passkey").set("passkey", &answer);
        assert_eq!(browser.submit(&form).status, 401, "{place}");
    }
}

#[test]
fn challenge_belongs_to_its_browser_purpose_and_time() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    // Another browser's.
    let (mut one, mut other) = (site.browser(), site.browser());
    let answer = device.assert(&options(&one.open("/login")), honest);
    let form = other
        .open("/login")
        .form("/login/passkey")
        .set("passkey", &answer);
    assert_eq!(other.submit(&form).status, 401);
    // Of a confirmation, of a registration, and of a second step.
    let account = options(&bob.open("/account"));
    let registration = options(&press(
        &mut bob,
        HERE,
        "/account/second-factor/passkeys/new",
    ));
    let step = first_step(&mut one, "bob");
    for from in [
        account.as_str(),
        registration.as_str(),
        options(&step).as_str(),
    ] {
        for (browser, page, action) in [
            (&mut bob, "/login", "/login/passkey"),
            (&mut one, "/login", "/login/passkey"),
        ] {
            let cookie = browser.cookies.remove("keycroft-session");
            let answer = device.assert(from, honest);
            let form = browser.open(page).form(action).set("passkey", &answer);
            assert_eq!(browser.submit(&form).status, 401);
            assert!(!browser.is_signed_in());
            browser
                .cookies
                .extend(cookie.map(|value| ("keycroft-session".to_owned(), value)));
        }
    }
    // The sign-in's for a second step.
    let alone = options(&one.open("/login"));
    let answer = device.assert(&alone, honest);
    assert_eq!(
        one.submit(&step.form("/login/code").set("passkey", &answer))
            .status,
        401
    );
    // Too old.
    for (seconds, status) in [(300, 303), (301, 401)] {
        let mut browser = site.browser();
        let page = browser.open("/login");
        site.pass(seconds);
        let answer = device.assert(&options(&page), honest);
        let form = page.form("/login/passkey").set("passkey", &answer);
        assert_eq!(browser.submit(&form).status, status, "{seconds} s");
    }
}

#[test]
fn counter_that_does_not_grow_is_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    device.counter = 5;
    register(&mut bob, &mut device, "key").expect(200);
    let stored = || site.count("SELECT counter FROM passkeys");
    assert_eq!(stored(), 6);
    for (counter, accepted) in [
        (6, false),
        (5, false),
        (0, false),
        (7, true),
        (7, false),
        (4_000_000_000, true),
        (8, false),
        (0, false),
    ] {
        let page = sign_in(&mut site.browser(), &mut device, |parts| {
            parts.counter = counter;
        });
        assert_eq!(page.status == 303, accepted, "{counter}: {}", page.text());
        if accepted {
            assert_eq!(stored(), i64::from(counter));
        }
    }
    // As a second factor it counts, too.
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let answer = device.assert(&options(&step), |parts| parts.counter = 4_000_000_001);
    let form = step.form("/login/code").set("passkey", &answer);
    browser.submit(&form).expect(303);
    assert_eq!(stored(), 4_000_000_001);
}

#[test]
fn passkey_of_one_user_is_rejected_for_another() {
    let site = site();
    let mut of_bob = enrolled(&site, Algorithm::Es256);
    let mut alice = site.signed_in("alice");
    let mut of_alice = Authenticator::new(Algorithm::Es256);
    register(&mut alice, &mut of_alice, "key").expect(200);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    for handle in [
        of_alice.user_handle.clone(),
        of_bob.user_handle.clone(),
        None,
    ] {
        let answer = of_alice.assert(&options(&step), |parts| parts.user_handle = handle);
        assert_eq!(
            browser
                .submit(&step.form("/login/code").set("passkey", &answer))
                .status,
            401
        );
    }
    // Nor is its credential id registered for another.
    let page = press(&mut alice, HERE, "/account/second-factor/passkeys/new");
    let id = of_bob.credential_id.clone();
    let answer = of_alice.register(&options(&page), |parts| parts.credential_id = id);
    let form = page
        .form("/account/second-factor/passkeys")
        .set("name", "stolen")
        .set("passkey", &answer);
    assert_eq!(alice.submit(&form).status, 409);
    let answer = of_bob.assert(&options(&step), honest);
    browser
        .submit(&step.form("/login/code").set("passkey", &answer))
        .expect(303);
}

/// Registrations that are rejected.
const REGISTRATIONS: &[(&str, Change)] = &[
    ("type", |parts| parts.kind = "webauthn.get".into()),
    ("challenge", |parts| parts.challenge.clear()),
    ("origin", |parts| parts.origin = "https://localhost".into()),
    ("cross origin", |parts| parts.cross_origin = true),
    ("top origin", |parts| {
        parts.top_origin = Some("https://evil.example".into());
    }),
    ("relying party", |parts| parts.rp_id = "evil.example".into()),
    ("user not present", |parts| parts.flags &= !UP),
    ("backed up without being eligible", |parts| {
        parts.flags |= BS;
    }),
    ("no credential", |parts| parts.flags &= !AT),
    ("empty credential id", |parts| parts.credential_id.clear()),
    ("credential id of 1024 bytes", |parts| {
        parts.credential_id = vec![1; 1_024];
    }),
    ("bytes behind", |parts| parts.tail = vec![0]),
    ("type of credential", |parts| {
        parts.type_of_credential = "password".into();
    }),
    ("key that is no map", |parts| parts.cose = vec![0x80]),
    ("key cut off", |parts| parts.cose.truncate(10)),
    ("key of another algorithm", |parts| {
        // -7 becomes -10.
        let at = parts.cose.iter().position(|byte| *byte == 0x26).unwrap();
        parts.cose[at] = 0x29;
    }),
    ("key of another curve", |parts| {
        let at = parts
            .cose
            .windows(2)
            .position(|pair| pair == [0x20, 1])
            .unwrap();
        parts.cose[at + 1] = 2;
    }),
    ("key of another type", |parts| parts.cose[2] = 1),
    ("key with a member twice", |parts| {
        parts.cose[0] += 1;
        parts.cose.extend([0x03, 0x26]);
    }),
    ("format that is no text", |parts| parts.format[0] = 0),
    ("no statement", |parts| {
        parts.format = [text("none"), text("attstmt"), head(5, 0)].concat();
    }),
];

#[test]
fn wrong_registration_fields_are_rejected_one_by_one() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    for (name, change) in REGISTRATIONS {
        let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
        let answer = device.register(&options(&page), change);
        let form = page
            .form("/account/second-factor/passkeys")
            .set("passkey", &answer);
        let page = bob.submit(&form);
        assert_eq!(page.status, 422, "{name}: {}", page.text());
        assert_eq!(site.count("SELECT count(*) FROM passkeys"), 0, "{name}");
    }
    for junk in ["", "{}", "null", "[", "{\"rawId\":1}"] {
        let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
        let form = page
            .form("/account/second-factor/passkeys")
            .set("passkey", junk);
        assert_eq!(bob.submit(&form).status, 422, "{junk}");
    }
    // A statement that was not asked for is passed over.
    let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
    let answer = device.register(&options(&page), |parts| {
        let statement = [head(5, 1), text("sig"), bytes(b"x")].concat();
        parts.format = [text("packed"), text("attStmt"), statement].concat();
    });
    let form = page
        .form("/account/second-factor/passkeys")
        .set("passkey", &answer);
    bob.submit(&form).expect(200);
    // Sent again, it registers nothing.
    assert!(bob.submit(&form).status >= 400);
    assert_eq!(site.count("SELECT count(*) FROM passkeys"), 1);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 10);
}

#[test]
fn longest_credential_id_is_accepted() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
    let mut device = Authenticator::new(Algorithm::Es256);
    let answer = device.register(&options(&page), |parts| {
        parts.credential_id = vec![1; 1_023];
    });
    let form = page.form("/account/second-factor/passkeys");
    bob.submit(&form.set("passkey", &answer)).expect(200);
}

/// Checks that the rest of the program makes once more: each holds by itself.
#[test]
fn verification_alone_rejects_what_others_check_as_well() {
    let challenge = BASE64URL_NOPAD.encode(&[7; 56]);
    let user = BASE64URL_NOPAD.encode(b"abcdefghijkl");
    let options = json!({"challenge": challenge, "user": {"id": user}}).to_string();
    let mut device = Authenticator::new(Algorithm::Es256);
    let expected = Expected {
        relying_party: RelyingParty::from_url(ORIGIN).unwrap(),
        challenge: vec![7; 56],
        user_verification: UserVerification::Required,
    };
    let other = Expected {
        challenge: vec![8; 56],
        ..expected.clone()
    };
    let sent = wire::parse_registration(&device.register(&options, honest)).unwrap();
    let passkey = check_registration(&sent, &expected).unwrap();
    let rejected = check_registration(&sent, &other);
    assert_eq!(rejected, Err(PasskeyError::Challenge));
    let mut check = |passkey: &Registered, expected: &Expected, change: Change| {
        let sent = wire::parse_assertion(&device.assert(&options, change)).unwrap();
        check_assertion(&sent, passkey, "abcdefghijkl", expected).map(|_| ())
    };
    assert_eq!(check(&passkey, &expected, honest), Ok(()));
    let rejected = check(&passkey, &other, honest);
    assert_eq!(rejected, Err(PasskeyError::Challenge));
    let rejected = check(&passkey, &expected, |parts| parts.flags &= !UV);
    assert_eq!(rejected, Err(PasskeyError::UserVerification));
    let another = Registered {
        credential_id: vec![1; 32],
        ..passkey
    };
    let rejected = check(&another, &expected, honest);
    assert_eq!(rejected, Err(PasskeyError::Form));
}
