//! A secret is shown once: no reload, no going back, no second tab shows it again or creates another.

use super::markup;
use super::site::{ALICE, Site};

#[test]
fn repeated_form_creates_and_shows_nothing() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    for (path, name) in [("/api-keys/new", "key"), ("/tokens/new", "token")] {
        let form = bob.open(path).form(path).set("name", name);
        let secret = bob.submit(&form).expect(200).secret();
        let fresh = site.count("SELECT count(*) FROM credentials");
        for _ in 0..2 {
            let page = bob.submit(&form).expect(409);
            assert!(page.has("Already created"), "{}", page.text());
            assert!(!page.has(&secret[17..]), "{}", page.text());
            // Nor with other values.
            let page = bob.submit(&form.clone().set("name", "another")).expect(409);
            assert!(!page.has(&secret[17..]));
        }
        assert_eq!(site.count("SELECT count(*) FROM credentials"), fresh);
    }
}

#[test]
fn repeated_rotation_form_rotates_once() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, first) = bob.make_key("key");
    let path = format!("/api-keys/{id}/rotate");
    let form = bob
        .open(&path)
        .form(&path)
        .set("how", "planned")
        .set("grace", "1h");
    let second = bob.submit(&form).expect(200).secret();
    assert_ne!(first, second);
    assert_eq!(first[..16], second[..16], "the id stays");
    let page = bob.submit(&form).expect(409);
    assert!(!page.has(&second[17..]));
    let verify = |secret: &str| {
        let header = format!("Bearer {secret}");
        let headers = [("Authorization", header.as_str())];
        site.browser().send("GET", "/verify", &headers, "").status
    };
    assert_eq!((verify(&first), verify(&second)), (204, 204));
    site.pass(3_600);
    assert_eq!((verify(&first), verify(&second)), (401, 204));
}

#[test]
fn secret_is_on_no_other_page() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, secret) = bob.make_key("key");
    let form = bob.open("/tokens/new").form("/tokens/new");
    let token = bob.submit(&form).secret();
    let session = bob.cookies["keycroft-session"].clone();
    let mut alice = site.signed_in("alice");
    let own = [
        "/api-keys".to_owned(),
        "/api-keys/new".into(),
        format!("/api-keys/new?from={id}"),
        format!("/api-keys/{id}"),
        format!("/api-keys/{id}/edit"),
        format!("/api-keys/{id}/rotate"),
        format!("/api-keys/{id}/delete"),
        "/tokens".into(),
        "/sessions".into(),
        "/events".into(),
        "/events/export".into(),
        "/account".into(),
    ];
    let admins = [
        "/admin/users/bob",
        "/admin/inventory",
        "/admin/events",
        "/admin/events/export",
        "/admin/diagnostics",
        "/admin/users/bob/offboard",
    ];
    let mut pages: Vec<_> = own.iter().map(|path| bob.open(path)).collect();
    pages.extend(admins.iter().map(|path| alice.open(path)));
    for page in pages {
        for secret in [&secret, &token, &session] {
            assert!(!page.has(&secret[17..]), "{}", page.url);
        }
    }
}

#[test]
fn form_may_stay_open_for_23_hours() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    for (seconds, status) in [(82_800, 200), (82_801, 422)] {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        let form = form.set("access", "read-only");
        site.pass(seconds);
        let form = form.set("name", &format!("after {seconds}"));
        assert_eq!(bob.submit(&form).status, status, "{seconds}");
    }
}

#[test]
fn form_older_than_a_day_is_confirmed_again() {
    // The created key is forgotten after a day: a reload after that must not create a second one.
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let key = bob.open("/api-keys/new").form("/api-keys/new");
    let key = key.set("name", "one").set("access", "read-only");
    let token = bob.open("/tokens/new").form("/tokens/new");
    let token = token.set("access", "read-only");
    let path = "/admin/users/bob";
    let mut alice = site.signed_in("alice");
    let reset = alice.open(path).form("/admin/users/bob/reset-password");
    site.pass(22 * 3_600);
    bob.submit(&key).expect(200).secret();
    bob.submit(&token).expect(200).secret();
    let fresh = site.count("SELECT count(*) FROM credentials WHERE kind = 'api-key'");
    assert_eq!(bob.submit(&key).status, 409);
    for hours in [2, 20, 30, 71] {
        site.pass(hours * 3_600);
        let page = bob.submit(&key.clone().set("name", "two"));
        assert_eq!(page.status, 422, "{hours}: {}", page.text());
        assert!(page.has("This form was open for a day"), "{}", page.text());
        assert_eq!(bob.submit(&token).status, 422);
        let page = alice.submit(&reset.clone().set("current_password", ALICE));
        assert_eq!(page.status, 422, "{hours}: {}", page.text());
    }
    assert_eq!(site.count("SELECT count(*) FROM codes"), 0);
    assert_eq!(
        site.count("SELECT count(*) FROM credentials WHERE kind = 'api-key'"),
        fresh
    );
    // It comes back filled in, and can be submitted now.
    let again = bob
        .submit(&key.clone().set("name", "two"))
        .form("/api-keys/new");
    assert_eq!(again.value("name"), Some("two"));
    assert_ne!(again.value("nonce"), key.value("nonce"));
    bob.submit(&again).expect(200).secret();
}

#[test]
fn nonce_is_valid_for_one_user_and_form() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let form = bob
        .open("/api-keys/new")
        .form("/api-keys/new")
        .set("name", "key");
    let nonce = form.value("nonce").unwrap().to_owned();
    bob.submit(&form).expect(200);
    // A known nonce reveals and blocks nothing.
    let form = alice.open("/api-keys/new").form("/api-keys/new");
    let page = alice.submit(&form.set("name", "key").set("nonce", &nonce));
    assert_eq!(page.status, 200, "{}", page.text());
    let form = bob.open("/tokens/new").form("/tokens/new");
    assert_eq!(bob.submit(&form.set("nonce", &nonce)).status, 200);
    let now = site.clock.now().unix();
    for bad in [
        String::new(),
        "short".into(),
        "aaaaaaaaaaaaaaaaaaaa".into(),
        format!("{now}-"),
        format!("{now}-aaaaaaaaaaaaaaaaaaa"),
        format!("{now}-!!!!!!!!!!!!!!!!!!!!"),
        format!("{now}-\u{e9}aaaaaaaaaaaaaaaaaa"),
        "x-aaaaaaaaaaaaaaaaaaaa".into(),
        "99999999999999999999-aaaaaaaaaaaaaaaaaaaa".into(),
    ] {
        let form = bob.open("/api-keys/new").form("/api-keys/new");
        let page = bob.submit(&form.set("name", "another").set("nonce", &bad));
        assert_eq!(page.status, 403, "{bad}: {}", page.text());
    }
    let form = bob.open("/api-keys/new").form("/api-keys/new");
    assert_eq!(
        bob.submit(&form.without("nonce").set("name", "x")).status,
        403
    );
}

#[test]
fn rejected_form_can_be_sent_again() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    bob.make_key("taken");
    let form = bob
        .open("/api-keys/new")
        .form("/api-keys/new")
        .set("name", "taken");
    let page = bob.submit(&form);
    assert_eq!(page.status, 409);
    assert_eq!(markup::errors(&page.text()), ["name"]);
    let again = page.form("/api-keys/new");
    assert_eq!(again.value("nonce"), form.value("nonce"));
    bob.submit(&again.set("name", "free")).expect(200).secret();
}

#[test]
fn link_is_shown_once_and_created_once() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let form = alice
        .open("/admin/new-user")
        .form("/admin/new-user")
        .set("username", "carol");
    let page = alice.submit(&form).expect(200);
    let link = page.secret();
    assert!(
        link.starts_with("http://127.0.0.1:8420/invitation?code=kce_"),
        "{link}"
    );
    let again = alice.submit(&form);
    let path = again.header("Location").unwrap();
    assert!(path.starts_with("/admin/users/carol?done=added&object=User+carol&seal="));
    let form = alice
        .open("/admin/users/bob")
        .form("/admin/users/bob/reset-password");
    let reset = alice.submit(&form).expect(200).secret();
    let codes = site.count("SELECT count(*) FROM codes");
    let again = alice.submit(&form);
    assert_eq!(again.status, 409, "{}", again.text());
    assert!(!again.has("kce_"), "{}", again.text());
    assert_eq!(site.count("SELECT count(*) FROM codes"), codes);
    for path in [
        "/admin/users/bob",
        "/admin/users/carol",
        "/admin/events/export",
    ] {
        let page = alice.open(path);
        assert!(!page.has(&link[60..]) && !page.has(&reset[60..]), "{path}");
    }
    assert!(!alice.open("/account").has(ALICE));
}
