//! 2F3: no path gives a session or a confirmation without the factor that policy requires.

use keycroft::model::time::Time;

use super::phone::*;
use crate::console::browser::{Browser, Page};
use crate::console::site::{ALICE, BOB, Site};
use crate::fixture::Asking;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMzEAs5INwZPV+vYBOvAf2vMZp8mWLTGgyioz4OY25eq";
const NEW: &str = "somebody likes cold milk";

/// Sets up an app in the second step of a sign-in. Returns the phone and the page with recovery codes.
#[track_caller]
fn enroll_at_sign_in(site: &Site, browser: &mut Browser<'_>, step: &Page) -> (Phone, Page) {
    let phone = Phone::scan(step, &site.clock);
    let form = step.form("/login/enroll").set("code", &phone.code());
    let page = browser.submit(&form).expect(200);
    site.pass(30);
    (phone, page)
}

fn sessions(site: &Site) -> i64 {
    site.count("SELECT count(*) FROM credentials WHERE kind = 'session'")
}

/// Opens a link with a code and chooses a password.
#[track_caller]
fn choose(browser: &mut Browser<'_>, link: &str, path: &str) {
    browser
        .get(link.strip_prefix("http://127.0.0.1:8420").unwrap())
        .expect(303);
    let form = browser.open(path).form(path);
    // An invitation also signs in, up to the second step.
    let page = browser.submit(&form.set("password", NEW));
    assert!([200, 303].contains(&page.status), "{}", page.text());
}

#[test]
fn user_without_the_required_factor_sets_it_up_at_sign_in() {
    let site = Site::new();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    assert!(
        step.has("Your organization requires one"),
        "{}",
        step.text()
    );
    assert_eq!(sessions(&site), 0);
    let form = step.form("/login/enroll");
    let phone = Phone::scan(&step, &site.clock);
    let wrong = browser
        .submit(&form.clone().set("code", &phone.wrong()))
        .expect(401);
    assert_eq!(Phone::scan(&wrong, &site.clock).code(), phone.code());
    assert_eq!((sessions(&site), browser.is_signed_in()), (0, false));
    let (phone, page) = enroll_at_sign_in(&site, &mut browser, &wrong);
    let codes = recovery_codes(&page);
    assert!(browser.is_signed_in());
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    // From now on as everybody with a factor.
    drop(signed_in_with(&site, "bob", &phone));
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &codes[0]).expect(303);
}

/// One row of the matrix: tries to get in, or to be confirmed, without a factor; returns whether it did.
type Attempt = fn(&Site, &mut Browser<'_>) -> bool;

/// `old`: bob's session from before the policy. Each attempt has a separate installation.
const ATTEMPTS: &[(&str, Attempt)] = &[
    ("password", |site, _| {
        let mut browser = site.browser();
        browser.sign_in("bob", BOB);
        browser.is_signed_in()
    }),
    ("password in a known browser", |_, old| {
        old.cookies.remove("keycroft-session");
        old.sign_in("bob", BOB);
        old.is_signed_in()
    }),
    ("no code in the second step", |site, _| {
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        let enroll = step.form("/login/enroll");
        browser.submit(&enroll);
        let form = crate::console::markup::Form {
            action: "/login/code".into(),
            ..enroll
        };
        browser.submit(&form);
        browser.submit(&form.set("code", "123456"));
        browser.is_signed_in()
    }),
    ("set-up page of another browser", |site, _| {
        let (mut one, mut other) = (site.browser(), site.browser());
        let step = first_step(&mut one, "bob");
        let phone = Phone::scan(&step, &site.clock);
        let own = first_step(&mut other, "bob").form("/login/enroll");
        let nonce = step
            .form("/login/enroll")
            .value("nonce")
            .unwrap()
            .to_owned();
        other.submit(&own.set("nonce", &nonce).set("code", &phone.code()));
        other.is_signed_in()
    }),
    ("second tab after the first set one up", |site, _| {
        let (mut one, mut other) = (site.browser(), site.browser());
        let step = first_step(&mut one, "bob");
        let second = first_step(&mut other, "bob");
        enroll_at_sign_in(site, &mut one, &step);
        let phone = Phone::scan(&second, &site.clock);
        let form = second.form("/login/enroll").set("code", &phone.code());
        other.submit(&form);
        other.is_signed_in()
    }),
    ("reset link", |site, _| {
        let link = Asking::new(
            &site.server_state,
            "POST",
            "/api/v1/users/bob/reset-password",
        )
        .by_operator()
        .send()
        .expect(200);
        let link = link.json()["link"].as_str().unwrap().to_owned();
        let mut browser = site.browser();
        choose(&mut browser, &link, "/reset");
        if browser.is_signed_in() {
            return true;
        }
        browser.sign_in("bob", NEW);
        browser.is_signed_in()
    }),
    ("link of a second factor's reset", |site, _| {
        let link = Asking::new(
            &site.server_state,
            "DELETE",
            "/api/v1/users/bob/second-factor",
        )
        .by_operator()
        .send()
        .expect(200);
        let link = link.json()["link"].as_str().unwrap().to_owned();
        let mut browser = site.browser();
        choose(&mut browser, &link, "/reset");
        browser.sign_in("bob", NEW);
        browser.is_signed_in()
    }),
    ("invitation", |site, _| {
        let made = Asking::new(&site.server_state, "POST", "/api/v1/users")
            .by_operator()
            .json(&serde_json::json!({"username": "carol"}))
            .send()
            .expect(201);
        let link = made.json()["invitation"].as_str().unwrap().to_owned();
        let mut browser = site.browser();
        choose(&mut browser, &link, "/invitation");
        if browser.is_signed_in() {
            return true;
        }
        browser.sign_in("carol", NEW);
        browser.is_signed_in()
    }),
    ("confirmation of minutes ago in an old session", |_, old| {
        let form = old.open("/ssh-keys/new").form("/ssh-keys/new");
        let form = form.set("name", "key").set("public_key", KEY);
        old.submit(&form).status != 403
    }),
    ("confirmation by password in an old session", |site, old| {
        site.pass(601);
        let form = old.open("/ssh-keys/new").form("/ssh-keys/new");
        let form = form.set("name", "key").set("public_key", KEY);
        let require = old.submit(&form).expect(403);
        let form = require.form("/ssh-keys/new").set("current_password", BOB);
        let page = old.submit(&form);
        assert!(
            page.has("your organization requires a second factor"),
            "{}",
            page.text()
        );
        let confirmed =
            "SELECT count(*) FROM events WHERE after LIKE '%confirmed=%' AND outcome = 'done'";
        site.count("SELECT count(*) FROM ssh_keys") + site.count(confirmed) > 0
    }),
    ("powerful API key in an old session", |_, old| {
        let form = old.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("name", "all").set("access", "everything");
        old.submit(&form).status != 403
    }),
    ("factor set up in an old session", |_, old| {
        press(old, HERE, "/account/second-factor/totp/new").status == 200
    }),
    ("device approval in an old session", |site, old| {
        let begun = Asking::new(&site.server_state, "POST", "/oauth/device_authorization")
            .form(&[("client_id", "keycroft-cli")])
            .send()
            .expect(200);
        let code = begun.json()["user_code"].as_str().unwrap().to_owned();
        let form = old.open("/device").form("/device").set("code", &code);
        let page = old.submit(&form).expect(200);
        old.submit(&page.form("/device/approve"));
        site.count("SELECT count(*) FROM device_logins WHERE answer IS NOT NULL") > 0
    }),
    ("password change in an old session", |_, old| {
        let form = old.open("/account").form("/account/password");
        old.submit(&form.set("current", BOB).set("new", NEW)).status == 303
    }),
    ("password change by the API", |site, _| {
        for code in [serde_json::Value::Null, "123456".into()] {
            let body = serde_json::json!({"current": BOB, "new": NEW, "code": code});
            let answer = Asking::new(&site.server_state, "POST", "/api/v1/me/password")
                .bearer(&site.token("bob"))
                .json(&body)
                .send();
            assert_eq!(answer.status, 422, "{}", answer.text());
            assert_eq!(answer.json()["type"], "urn:keycroft:problem:policy");
        }
        site.browser().sign_in("bob", NEW).status == 303
    }),
];

#[test]
fn no_path_bypasses_the_required_factor() {
    for (name, attempt) in ATTEMPTS {
        let site = Site::new();
        let mut old = site.signed_in("bob");
        require(&site, "everyone", None);
        assert!(!attempt(&site, &mut old), "{name}");
    }
}

/// The same attempts succeed without the policy, where they are not wrong in themselves: the matrix can fail.
#[test]
fn paths_are_open_without_the_policy() {
    for name in [
        "password",
        "password in a known browser",
        "reset link",
        "invitation",
        "confirmation of minutes ago in an old session",
        "powerful API key in an old session",
        "factor set up in an old session",
        "device approval in an old session",
        "password change in an old session",
    ] {
        let (_, attempt) = ATTEMPTS.iter().find(|(one, _)| *one == name).unwrap();
        let site = Site::new();
        let mut old = site.signed_in("bob");
        assert!(attempt(&site, &mut old), "{name}");
    }
}

#[test]
fn rule_for_admins_does_not_apply_to_members() {
    let site = Site::new();
    require(&site, "admins", None);
    assert_eq!(
        site.browser().sign_in("bob", BOB).header("Location"),
        Some("/")
    );
    let page = site.browser().sign_in("alice", ALICE);
    assert_eq!(page.header("Location"), Some("/login/enroll"));
    // A member who becomes an admin needs one from then on.
    let mut bob = site.signed_in("bob");
    Asking::new(&site.server_state, "PATCH", "/api/v1/users/bob")
        .by_operator()
        .json(&serde_json::json!({"role": "admin"}))
        .send()
        .expect(200);
    assert_eq!(
        press(&mut bob, HERE, "/account/second-factor/totp/new").status,
        403
    );
}

#[test]
fn rule_begins_at_its_time() {
    let site = Site::new();
    let from = Time::from_unix(site.clock.now().unix() + 300);
    require(&site, "everyone", Some(from));
    let mut old = site.signed_in("bob");
    site.pass(299);
    drop(site.signed_in("bob"));
    let form = old.open("/ssh-keys/new").form("/ssh-keys/new");
    let form = form.set("name", "key").set("public_key", KEY);
    site.pass(1);
    assert_eq!(
        site.browser().sign_in("bob", BOB).header("Location"),
        Some("/login/enroll")
    );
    assert_eq!(
        old.submit(&form).status,
        403,
        "confirmed by the password alone"
    );
    // The session itself goes on.
    assert!(old.is_signed_in());
}

#[test]
fn last_factor_stays_while_required() {
    let site = Site::new();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    enroll_at_sign_in(&site, &mut browser, &step);
    let page = press(&mut browser, HERE, "/account/second-factor/totp/remove");
    assert_eq!(page.status, 422, "{}", page.text());
    assert!(
        page.has("your organization requires a second factor"),
        "{}",
        page.text()
    );
    assert_eq!(site.count("SELECT count(*) FROM totp"), 1);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 10);
}

#[test]
fn policy_page_names_users_without_a_factor() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    assert!(
        alice
            .open("/admin/policy")
            .has("2 users have no second factor")
    );
    enroll(&site, &mut bob);
    let page = alice.open("/admin/policy");
    assert!(page.has("1 user has no second factor"), "{}", page.text());
    let form = page.form("/admin/policy").set("second_factor", "everyone");
    let form = form.set("second_factor_from", "2026-12-01T08:00");
    let preview = alice.submit(&form).expect(200);
    assert!(preview.has("2026-12-01T08:00:00Z"), "{}", preview.text());
    alice.submit(&preview.form("/admin/policy")).expect(303);
    let form = alice.open("/admin/policy").form("/admin/policy");
    assert_eq!(form.value("second_factor"), Some("everyone"));
    assert_eq!(
        form.value("second_factor_from"),
        Some("2026-12-01T08:00:00")
    );
}
