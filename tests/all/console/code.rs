//! Setup, invitation and reset: the code leaves the URL at once and is used up only by the form.

use super::browser::Browser;
use super::markup;
use super::site::{ALICE, BOB, Site};

const NEW: &str = "carol likes cold milk";

/// Opens a link: the code moves to a cookie, the URL is clean.
#[track_caller]
fn follow(browser: &mut Browser<'_>, link: &str, path: &str) -> super::browser::Page {
    let path_and_query = link.strip_prefix("http://127.0.0.1:8420").unwrap();
    let page = browser.get(path_and_query);
    assert_eq!((page.status, page.header("Location")), (303, Some(path)));
    let line = page.cookie("keycroft-code").unwrap();
    assert!(
        line.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    assert!(page.body.is_empty());
    browser.get(path)
}

fn link_for(site: &Site, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let mut alice = site.signed_in("alice");
    let mut form = alice.open(page).form(action);
    for (name, value) in fields {
        form = form.set(name, value);
    }
    alice.submit(&form).expect(200).secret()
}

/// A link for bob to choose a new password.
fn reset_link(site: &Site) -> String {
    link_for(
        site,
        "/admin/users/bob",
        "/admin/users/bob/reset-password",
        &[],
    )
}

#[test]
fn setup_link_creates_the_first_admin() {
    let site = Site::empty("http://127.0.0.1:8420");
    let code = site
        .app()
        .setup_code()
        .unwrap()
        .unwrap()
        .reveal()
        .to_string();
    let link = format!("http://127.0.0.1:8420/setup?code={code}");
    // Opening the page does not spend it.
    for _ in 0..3 {
        let page = follow(&mut site.browser(), &link, "/setup").expect(200);
        assert!(!page.has(&code), "{}", page.text());
    }
    let mut browser = site.browser();
    let form = follow(&mut browser, &link, "/setup").form("/setup");
    let form = form.set("display_name", "Carol C.");
    for (username, password, field) in [
        ("carol!", NEW, "username"),
        ("", NEW, "username"),
        ("carol", "too short", "password"),
        ("carol", "passwordpassword", "password"),
    ] {
        let page = browser.submit(
            &form
                .clone()
                .set("username", username)
                .set("password", password),
        );
        assert_eq!(page.status, 422, "{username} {password}");
        assert_eq!(markup::errors(&page.text()), [field]);
        assert_eq!(page.form("/setup").value("display_name"), Some("Carol C."));
        assert!(!page.has(password), "{password}");
    }
    let form = form.set("username", "carol").set("password", NEW);
    let page = browser.submit(&form).expect(303);
    assert_eq!(page.header("Location"), Some("/?done=welcome"));
    assert!(!browser.cookies.contains_key("keycroft-code"));
    assert!(browser.is_signed_in());
    // Spent: for this browser and for the link.
    let mut late = site.browser();
    assert_eq!(follow(&mut late, &link, "/setup").status, 404);
    let page = late.submit(&form);
    assert_eq!(page.status, 403, "{}", page.text());
    assert_eq!(site.browser().sign_in("carol", NEW).status, 303);
    assert_eq!(browser.open("/admin/users").status, 200);
    assert!(site.app().setup_code().unwrap().is_none());
}

#[test]
fn invitation_lets_the_user_choose_a_password() {
    let site = Site::new();
    let fields = [("username", "carol"), ("display_name", "Carol C.")];
    let link = link_for(&site, "/admin/new-user", "/admin/new-user", &fields);
    assert_eq!(site.browser().sign_in("carol", NEW).status, 401);
    let mut carol = site.browser();
    let page = follow(&mut carol, &link, "/invitation").expect(200);
    assert!(
        page.has("Welcome, Carol C.") && page.has("<b>carol</b>"),
        "{}",
        page.text()
    );
    let form = page.form("/invitation");
    let page = carol
        .submit(&form.clone().set("password", "carol"))
        .expect(422);
    assert_eq!(markup::errors(&page.text()), ["password"]);
    // The name is the invitation's, and the session replaces the one of this browser.
    let mut alice = site.signed_in("alice");
    let before = alice.cookies.clone();
    carol.cookies.insert(
        "keycroft-session".into(),
        before["keycroft-session"].clone(),
    );
    let chosen = form.clone().set("username", "alice").set("password", NEW);
    carol.submit(&chosen).expect(303);
    assert!(carol.open("/account").has("carol"));
    assert!(!alice.is_signed_in());
    // A second submission, also from the first form, has no effect.
    let mut again = site.browser();
    assert_eq!(follow(&mut again, &link, "/invitation").status, 404);
    let page = carol.submit(&form.set("password", "another password"));
    assert_eq!(page.status, 404);
    assert_eq!(site.browser().sign_in("carol", NEW).status, 303);
}

#[test]
fn reset_revokes_sessions_and_the_old_password() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let link = reset_link(&site);
    let second = reset_link(&site);
    assert!(
        bob.is_signed_in(),
        "the old password is good until the new one is set"
    );
    assert_eq!(
        follow(&mut site.browser(), &link, "/reset").status,
        404,
        "the newer link ends it"
    );
    let mut elsewhere = site.browser();
    let form = follow(&mut elsewhere, &second, "/reset")
        .expect(200)
        .form("/reset");
    elsewhere.submit(&form.set("password", NEW)).expect(200);
    assert!(!elsewhere.cookies.contains_key("keycroft-code"));
    assert!(!bob.is_signed_in());
    assert_eq!(site.browser().sign_in("bob", BOB).status, 401);
    assert_eq!(site.browser().sign_in("bob", NEW).status, 303);
}

#[test]
fn code_works_only_on_its_page_and_in_its_time() {
    let site = Site::new();
    let link = reset_link(&site);
    let code = link.split_once("code=").unwrap().1;
    for path in ["/setup", "/invitation"] {
        let mut browser = site.browser();
        browser.get(&format!("{path}?code={code}"));
        let page = browser.get(path).expect(404);
        assert!(page.has("This link is invalid"));
        assert!(!page.has(code));
    }
    for bad in [
        "",
        "x",
        "kce_x",
        "kca_4k2m9x0q7w1z_x",
        "a%0d%0aSet-Cookie:x=y",
        "%ff",
        "a;b",
    ] {
        let mut browser = site.browser();
        let page = browser.get(&format!("/reset?code={bad}")).expect(303);
        assert!(page.cookie("keycroft-code").is_none(), "{bad}");
        assert_eq!(browser.get("/reset").status, 404, "{bad}");
    }
    let mut browser = site.browser();
    let form = follow(&mut browser, &link, "/reset").form("/reset");
    site.pass(8 * 86_400);
    assert_eq!(browser.submit(&form.set("password", NEW)).status, 404);
    assert_eq!(site.browser().sign_in("alice", ALICE).status, 303);
    assert_eq!(site.browser().sign_in("bob", BOB).status, 303);
}

#[test]
fn code_form_is_bound_to_its_browser() {
    let site = Site::new();
    let link = reset_link(&site);
    let mut one = site.browser();
    let form = follow(&mut one, &link, "/reset")
        .form("/reset")
        .set("password", NEW);
    let mut other = site.browser();
    other
        .cookies
        .insert("keycroft-code".into(), one.cookies["keycroft-code"].clone());
    assert_eq!(other.submit(&form).status, 403);
    one.submit(&form).expect(200);
}
