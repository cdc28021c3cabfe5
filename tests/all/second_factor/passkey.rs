//! 2F2: passkeys at the console, with an honest software authenticator.

use super::authenticator::{Algorithm, Authenticator, BE, BS, Parts, UV};
use super::phone::*;
use crate::console::browser::{Browser, Page};
use crate::console::markup;
use crate::console::site::{BOB, Site};
use keycroft::model::passkey::{NoRelyingParty, RelyingParty};
use keycroft::model::user::Role;

pub fn honest(_: &mut Parts) {}

/// An installation under a name that passkeys can belong to.
pub fn site() -> Site {
    let site = Site::empty("http://localhost:8420");
    site.add_user("alice", Role::Admin, Some(password("alice")));
    site.add_user("bob", Role::Member, Some(BOB));
    site
}

/// The options in a page's button.
#[track_caller]
pub fn options(page: &Page) -> String {
    markup::elements(&page.text())
        .into_iter()
        .find_map(|element| element.attribute("data-passkey").map(str::to_owned))
        .unwrap_or_else(|| panic!("no passkey on {}: {}", page.url, page.text()))
}

#[track_caller]
pub fn register(browser: &mut Browser<'_>, device: &mut Authenticator, name: &str) -> Page {
    let page = press(browser, HERE, "/account/second-factor/passkeys/new").expect(200);
    let answer = device.register(&options(&page), honest);
    let form = page
        .form("/account/second-factor/passkeys")
        .set("name", name);
    browser.submit(&form.set("passkey", &answer))
}

/// Signs in with a passkey alone.
#[track_caller]
pub fn sign_in(
    browser: &mut Browser<'_>,
    device: &mut Authenticator,
    change: impl FnOnce(&mut Parts),
) -> Page {
    let page = browser.open("/login");
    let answer = device.assert(&options(&page), change);
    browser.submit(&page.form("/login/passkey").set("passkey", &answer))
}

#[test]
fn passkey_of_each_algorithm_signs_in_without_password() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let site = site();
        let mut bob = site.signed_in("bob");
        assert!(
            !site.browser().open("/login").has("data-passkey"),
            "nobody has one"
        );
        let mut device = Authenticator::new(algorithm);
        let page = register(&mut bob, &mut device, "blue key").expect(200);
        recovery_codes(&page);
        let mut browser = site.browser();
        let page = sign_in(&mut browser, &mut device, honest);
        assert_eq!(
            (page.status, page.header("Location")),
            (303, Some("/")),
            "{algorithm:?}: {}",
            page.text()
        );
        assert!(browser.open("/sessions").has("by passkey"));
        // A passkey alone is enough for a confirmation.
        let form = browser
            .open("/account/second-factor")
            .form("/account/second-factor/recovery-codes");
        browser.submit(&form).expect(200);
    }
}

#[test]
fn passkey_is_a_second_factor_also_without_user_verification() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    device.flags = 0;
    register(&mut bob, &mut device, "old key").expect(200);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&options(&step)).unwrap()["allowCredentials"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let answer = device.assert(&options(&step), honest);
    browser
        .submit(&step.form("/login/code").set("passkey", &answer))
        .expect(303);
    assert!(browser.open("/sessions").has("by password and passkey"));
    // Alone it is not enough.
    let page = sign_in(&mut site.browser(), &mut device, honest);
    assert_eq!(page.status, 401);
    assert!(page.has("did not verify you"), "{}", page.text());
}

#[test]
fn several_passkeys_have_names_and_a_deleted_one_is_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let (mut one, mut two) = (
        Authenticator::new(Algorithm::EdDsa),
        Authenticator::new(Algorithm::Es256),
    );
    register(&mut bob, &mut one, "laptop").expect(200);
    assert_eq!(
        register(&mut bob, &mut two, "laptop").status,
        409,
        "the name is taken"
    );
    register(&mut bob, &mut two, "phone").expect(303);
    // The options name those that are there, so that no device registers twice.
    let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new");
    let options: serde_json::Value = serde_json::from_str(&options(&page)).unwrap();
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 2);
    assert_eq!(options["attestation"], "none");
    let order: Vec<i64> = options["pubKeyCredParams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["alg"].as_i64().unwrap())
        .collect();
    assert_eq!(order, [-8, -7, -257]);
    assert_eq!(register(&mut bob, &mut two, "again").status, 409);
    let page = bob.open(HERE);
    assert!(page.has("laptop") && page.has("phone"));
    for device in [&mut one, &mut two] {
        sign_in(&mut site.browser(), device, honest).expect(303);
    }
    // Newest first.
    let delete = markup::forms(&page.text())
        .into_iter()
        .filter(|form| form.action.ends_with("/delete"))
        .nth(1)
        .unwrap();
    bob.submit(&delete).expect(303);
    assert_eq!(sign_in(&mut site.browser(), &mut one, honest).status, 401);
    sign_in(&mut site.browser(), &mut two, honest).expect(303);
    let events =
        "SELECT count(*) FROM events WHERE action = 'passkey.delete' AND target_name = 'laptop'";
    assert_eq!(site.count(events), 1);
}

/// An admin who reads the events of a user finds new factors among them.
#[test]
fn event_of_a_new_factor_names_it_and_its_owner() {
    let site = site();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "laptop").expect(303);
    for (action, expected) in [
        ("totp.add", "totp  bob"),
        ("passkey.add", "passkey laptop bob"),
    ] {
        let event = format!(
            "SELECT target_kind || ' ' || target_name || ' ' || username FROM events \
             JOIN users ON users.id = target_owner_id WHERE action = '{action}'"
        );
        assert_eq!(site.text(&event), expected);
    }
}

#[test]
fn passkey_confirms_with_or_without_the_password() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let action = "/account/second-factor/recovery-codes";
    for (flags, password, status) in [
        (UV, "", 200),
        (0, "", 422),
        (0, BOB, 200),
        (UV, "wrong password here", 422),
    ] {
        site.pass(601);
        let require = press(&mut bob, HERE, action).expect(403);
        device.flags = flags;
        let answer = device.assert(&options(&require), honest);
        let form = require.form(action).set("confirm_passkey", &answer);
        let page = bob.submit(&form.clone().set("current_password", password));
        assert_eq!(page.status, status, "{flags} {password}: {}", page.text());
        if status == 200 {
            // Once.
            site.pass(1);
            let replay = bob.submit(&form.set("current_password", password));
            assert!(replay.status == 422, "{}", replay.text());
        }
    }
}

#[test]
fn passkey_changes_the_password_in_place_of_a_code() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let page = bob.open("/account");
    let form = page
        .form("/account/password")
        .set("current", BOB)
        .set("new", "bob likes cold milk now");
    assert_eq!(bob.submit(&form).status, 422);
    let answer = device.assert(&options(&page), honest);
    bob.submit(&form.set("passkey", &answer)).expect(303);
}

#[test]
fn name_locked_by_wrong_passwords_signs_in_with_a_passkey() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut browser = site.browser();
    for _ in 0..10 {
        for _ in 0..10 {
            assert_eq!(browser.sign_in("bob", "wrong password here").status, 401);
        }
        site.pass(61);
    }
    assert_eq!(browser.sign_in("bob", BOB).status, 403);
    sign_in(&mut browser, &mut device, honest).expect(303);
    // The row of failures has ended.
    assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
}

#[test]
fn required_factor_can_be_a_passkey_at_sign_in() {
    let site = site();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let mut device = Authenticator::new(Algorithm::EdDsa);
    let answer = device.register(&options(&step), honest);
    let form = markup::forms(&step.text())
        .into_iter()
        .find(|form| form.value("passkey").is_some())
        .unwrap();
    let page = browser.submit(&form.set("passkey", &answer)).expect(200);
    recovery_codes(&page);
    assert!(browser.is_signed_in());
    sign_in(&mut site.browser(), &mut device, honest).expect(303);
}

#[test]
fn passkey_of_a_disabled_user_is_rejected() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(200);
    let mut alice = site.signed_in("alice");
    press(&mut alice, "/admin/users/bob", "/admin/users/bob/disable").expect(303);
    let page = sign_in(&mut site.browser(), &mut device, honest).expect(401);
    assert!(page.has("or was deleted"), "{}", page.text());
    press(&mut alice, "/admin/users/bob", "/admin/users/bob/enable").expect(303);
    sign_in(&mut site.browser(), &mut device, honest).expect(303);
}

#[test]
fn backup_flags_are_stored_and_enforced() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let mut device = Authenticator::new(Algorithm::Es256);
    device.flags = UV | BE;
    register(&mut bob, &mut device, "key").expect(200);
    assert!(!bob.open(HERE).has("Synced"));
    device.flags = UV | BE | BS;
    sign_in(&mut site.browser(), &mut device, honest).expect(303);
    assert!(bob.open(HERE).has("Synced"));
}

#[test]
fn passkeys_without_host_name_or_tls_give_a_reason() {
    use NoRelyingParty::{IpAddress, PlainHttp};
    let site = Site::new();
    let page = site.signed_in("bob").open(HERE);
    assert!(page.has("is an IP address"), "{}", page.text());
    assert!(!page.has("passkeys/new"));
    for (url, rejected) in [
        ("http://127.0.0.1:8420", IpAddress),
        ("https://10.0.0.1", IpAddress),
        ("https://[::1]:8443", IpAddress),
        ("http://keys.lab.example", PlainHttp),
        ("http://localhost.example", PlainHttp),
        ("http://evillocalhost", PlainHttp),
        ("ftp://localhost", PlainHttp),
        ("localhost", PlainHttp),
    ] {
        assert_eq!(RelyingParty::from_url(url), Err(rejected), "{url}");
    }
    for (url, id, origin) in [
        (
            "https://keys.lab.example",
            "keys.lab.example",
            "https://keys.lab.example",
        ),
        (
            "https://Keys.Lab.example:443",
            "keys.lab.example",
            "https://keys.lab.example",
        ),
        ("https://keys:8443", "keys", "https://keys:8443"),
        (
            "http://localhost:8420",
            "localhost",
            "http://localhost:8420",
        ),
        ("http://localhost:80", "localhost", "http://localhost"),
        (
            "http://keys.localhost",
            "keys.localhost",
            "http://keys.localhost",
        ),
    ] {
        let expected = RelyingParty {
            id: id.to_owned(),
            origin: origin.to_owned(),
        };
        assert_eq!(RelyingParty::from_url(url), Ok(expected), "{url}");
    }
}

/// The script is small, comes from us, and only with a passkey's button.
#[test]
fn script_is_only_on_pages_with_a_passkey() {
    let site = site();
    let mut bob = site.signed_in("bob");
    for path in ["/login", "/account", HERE, "/api-keys"] {
        assert!(!bob.get(path).has("/-/passkey."), "{path}");
    }
    let page = press(&mut bob, HERE, "/account/second-factor/passkeys/new").expect(200);
    let text = page.text();
    let at = text.find("/-/passkey.").unwrap();
    let path = text[at..].split('"').next().unwrap();
    let script = bob.get(path).expect(200);
    assert!(script.body.len() <= 2_048);
    assert_eq!(
        page.header("Content-Security-Policy"),
        bob.open("/account").header("Content-Security-Policy")
    );
}

#[test]
fn passkey_is_renamed_within_the_rules_of_its_account() {
    let site = site();
    let mut bob = site.signed_in("bob");
    let (mut one, mut two) = (
        Authenticator::new(Algorithm::EdDsa),
        Authenticator::new(Algorithm::Es256),
    );
    register(&mut bob, &mut one, "laptop").expect(200);
    register(&mut bob, &mut two, "phone").expect(303);
    let names =
        || site.text("SELECT group_concat(name) FROM (SELECT name FROM passkeys ORDER BY number)");
    // Newest first, so the laptop is the last row.
    let page = bob.open(HERE);
    let link = markup::elements(&page.text())
        .into_iter()
        .filter_map(|element| element.attribute("href").map(str::to_owned))
        .rfind(|link| link.ends_with("/edit"))
        .unwrap();
    let page = bob.open(&link);
    assert!(page.has("Rename <bdi>laptop</bdi>"), "{}", page.text());
    let form = page.form(&link);
    assert_eq!(form.value("name"), Some("laptop"));
    for (name, status) in [("phone", 409), ("", 422), (&"x".repeat(65), 422)] {
        let page = bob.submit(&form.clone().set("name", name));
        assert_eq!(page.status, status, "{name}: {}", page.text());
        assert_eq!(names(), "laptop,phone");
    }
    bob.submit(&form.clone().set("name", " old laptop "))
        .expect(303);
    assert_eq!(names(), "old laptop,phone");
    assert!(bob.open(HERE).has("old laptop"));
    let event = "SELECT target_name || ': ' || before || after FROM events WHERE action = 'passkey.edit' AND outcome = 'done'";
    assert_eq!(
        site.text(event),
        "old laptop: name=laptop\nname=old laptop\n"
    );
    // Its present name is accepted.
    bob.submit(&form.clone().set("name", "old laptop"))
        .expect(303);
    for device in [&mut one, &mut two] {
        sign_in(&mut site.browser(), device, honest).expect(303);
    }
    // Another user's passkey does not exist.
    let mut alice = site.signed_in("alice");
    assert_eq!(alice.get(&link).status, 404);
    let own = alice.open("/account").form("/logout").fields;
    let stolen = markup::Form {
        action: link.clone(),
        fields: own,
    };
    assert_eq!(alice.submit(&stolen.set("name", "mine")).status, 404);
    // It needs a confirmation, as every act on factors does.
    site.pass(601);
    let require = bob.submit(&form.set("name", "tablet")).expect(403);
    assert_eq!(names(), "old laptop,phone");
    let answer = one.assert(&options(&require), honest);
    let form = require.form(&link).set("confirm_passkey", &answer);
    bob.submit(&form).expect(303);
    assert_eq!(names(), "tablet,phone");
}
