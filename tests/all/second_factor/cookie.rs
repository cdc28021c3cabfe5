//! The cookie between the two steps of a sign-in: no session, and good for nothing else.

use super::authenticator::{Algorithm, Authenticator};
use super::passkey::{honest, options, register};
use super::phone::*;
use crate::console::site::{BOB, Site};

const PENDING: &str = "keycroft-sign-in";

#[test]
fn pending_cookie_opens_no_page_and_no_api() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    enroll(&site, &mut bob);
    let mut browser = site.browser();
    let page = browser.sign_in("bob", BOB).expect(303);
    let line = page.cookie(PENDING).unwrap().to_owned();
    assert!(
        line.ends_with("; Path=/; Max-Age=300; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    for path in ["/account", "/api-keys", "/sessions", HERE] {
        let page = browser.get(path);
        assert_eq!(page.status, 303, "{path}");
        assert!(page.header("Location").unwrap().starts_with("/login"));
    }
    // The word as a session's secret.
    let word = browser.cookies[PENDING].clone();
    browser.cookies.insert("keycroft-session".into(), word);
    assert!(!browser.is_signed_in());
}

#[test]
fn browser_cookie_is_set_when_missing_or_malformed() {
    let site = Site::new();
    let mut browser = site.browser();
    let is_set = |page: crate::console::browser::Page| page.cookie("keycroft-browser").is_some();
    assert!(is_set(browser.open("/login")));
    assert!(!is_set(browser.open("/login")));
    for bad in ["", "aaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaa!"] {
        browser
            .cookies
            .insert("keycroft-browser".into(), bad.into());
        assert!(is_set(browser.open("/login")), "{bad}");
    }
}

#[test]
fn pending_cookie_expires_after_five_minutes() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    for (seconds, status) in [(300, 303), (301, 401)] {
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        site.pass(seconds);
        let page = send_code(&mut browser, &step, &phone.code());
        assert_eq!(page.status, status, "after {seconds} s");
        assert_eq!(browser.is_signed_in(), status == 303);
    }
}

/// Who has a backup, and so every key that is stored, can't forge it: its key is stored nowhere.
#[test]
fn pending_cookie_ends_with_the_process() {
    let mut site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let cookies = browser.cookies.clone();
    site.reopen();
    let mut browser = site.browser_with(cookies);
    assert_eq!(send_code(&mut browser, &step, &phone.code()).status, 401);
    assert!(!browser.is_signed_in());
}

#[test]
fn pending_cookie_belongs_to_its_browser_user_and_password() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let word = browser.cookies[PENDING].clone();
    // Another browser.
    let mut thief = site.browser();
    let login = thief.open("/login").form("/login");
    thief.cookies.insert(PENDING.into(), word.clone());
    let form = step.form("/login/code").set("code", &phone.code());
    let form = form.set("form_token", login.value("form_token").unwrap());
    assert_eq!(thief.submit(&form).status, 401);
    assert!(!thief.is_signed_in());
    // Each part changed on its own.
    let parts: Vec<&str> = word.split('.').collect();
    let changed = |place: usize, value: &str| {
        let mut parts = parts.clone();
        parts[place] = value;
        parts.join(".")
    };
    let other_mac = parts[3].replace(['a', '0'], "1");
    for bad in [
        changed(0, "1"),
        changed(1, &(parts[1].parse::<i64>().unwrap() + 1).to_string()),
        changed(2, "aaaaaaaaaaaa"),
        changed(3, &other_mac),
        changed(3, ""),
        "....".to_owned(),
        String::new(),
    ] {
        browser.cookies.insert(PENDING.into(), bad.clone());
        let form = step.form("/login/code").set("code", &phone.code());
        assert_eq!(browser.submit(&form).status, 401, "{bad}");
        assert!(!browser.is_signed_in(), "{bad}");
    }
    // A later time, which would let it live longer.
    site.pass(10);
    let later = (parts[1].parse::<i64>().unwrap() + 10).to_string();
    // Alice's id, even if she had the same hash.
    let same = "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username = 'bob') WHERE username = 'alice'";
    let other = rusqlite::Connection::open(site.path()).unwrap();
    assert_eq!(other.execute(same, []).unwrap(), 1);
    let alice = site.count("SELECT id FROM users WHERE username = 'alice'");
    for bad in [changed(1, &later), changed(0, &alice.to_string())] {
        browser.cookies.insert(PENDING.into(), bad.clone());
        let page = browser.get("/login/code");
        assert_eq!(page.header("Location"), Some("/login"), "{bad}");
    }
    // The password was changed between the steps.
    browser.cookies.insert(PENDING.into(), word);
    let form = bob.open("/account").form("/account/password");
    let form = form
        .set("current", BOB)
        .set("new", "bob likes green tea now")
        .set("confirm_code", &phone.code());
    assert_eq!(bob.submit(&form).status, 303);
    site.pass(30);
    let form = step.form("/login/code").set("code", &phone.code());
    assert_eq!(browser.submit(&form).status, 401);
    assert!(!browser.is_signed_in());
}

#[test]
fn user_disabled_between_the_steps_gets_no_session() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let mut alice = site.signed_in("alice");
    press(&mut alice, "/admin/users/bob", "/admin/users/bob/disable").expect(303);
    assert_eq!(
        browser.get("/login/code").header("Location"),
        Some("/login")
    );
    assert_eq!(send_code(&mut browser, &step, &phone.code()).status, 401);
    assert!(!browser.is_signed_in());
}

/// The cookie is not spent by its sign-in. Sent again it gives what the password gives: the question for a factor, and each
/// factor is used up.
#[test]
fn pending_cookie_sent_again_gives_no_second_session() {
    let site = super::passkey::site();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    let mut device = Authenticator::new(Algorithm::Es256);
    register(&mut bob, &mut device, "key").expect(303);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let cookies = browser.cookies.clone();
    let answer = device.assert(&options(&step), honest);
    let form = step.form("/login/code");
    for sent in [
        form.clone().set("code", &phone.code()),
        form.clone().set("code", &codes[0]),
        form.clone().set("passkey", &answer),
    ] {
        let mut first = site.browser_with(cookies.clone());
        first.submit(&sent).expect(303);
        assert!(first.is_signed_in());
        let mut again = site.browser_with(cookies.clone());
        assert_eq!(again.submit(&sent).status, 401);
        assert!(!again.is_signed_in());
    }
    // Nor once the user has no factor any more: the password has to be typed again.
    press(&mut bob, HERE, "/account/second-factor/totp/remove").expect(303);
    let delete = crate::console::markup::forms(&bob.open(HERE).text());
    let delete = delete
        .into_iter()
        .find(|form| form.action.ends_with("/delete"));
    bob.submit(&delete.unwrap()).expect(303);
    for sent in [
        form.clone().set("code", &phone.code_at(30)),
        form.clone().set("code", &codes[1]),
        crate::console::markup::Form {
            action: "/login/enroll".into(),
            ..form
        },
    ] {
        let mut again = site.browser_with(cookies.clone());
        assert!([401, 403, 409].contains(&again.submit(&sent).status));
        assert!(!again.is_signed_in());
    }
}

/// The cookie of a first factor that is set up at sign-in sets up none a second time.
#[test]
fn pending_cookie_of_an_enrollment_sent_again_enrolls_nothing() {
    let site = Site::new();
    require(&site, "everyone", None);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let cookies = browser.cookies.clone();
    let phone = Phone::scan(&step, &site.clock);
    let form = step.form("/login/enroll").set("code", &phone.code());
    browser.submit(&form).expect(200);
    site.pass(30);
    let mut again = site.browser_with(cookies);
    let page = again.submit(&form.set("code", &phone.code()));
    assert_eq!(page.status, 409, "{}", page.text());
    assert!(!again.is_signed_in());
    assert_eq!(site.count("SELECT count(*) FROM totp"), 1);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 10);
}
