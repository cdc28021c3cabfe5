//! The forms of a new API key and a new token: presets, rows, links that fill them.

use super::browser::Browser;
use super::markup;
use super::site::Site;

/// The permissions of the newest credential but sessions.
fn permissions(site: &Site) -> String {
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "SELECT permissions FROM credentials WHERE kind <> 'session' ORDER BY number DESC";
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn form(browser: &mut Browser<'_>, path: &str) -> markup::Form {
    browser.open(path).form(path.split('?').next().unwrap())
}

#[test]
fn default_access_leaves_out_administration() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for path in ["/api-keys/new", "/tokens/new"] {
        let form = form(&mut alice, path).set("name", "default");
        alice.submit(&form).expect(200).secret();
        assert_eq!(
            permissions(&site),
            "account:read account:write api-keys:read api-keys:write sessions:read \
             sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write",
            "{path}"
        );
    }
    let form = form(&mut alice, "/api-keys/new").set("name", "admin");
    alice.submit(&form.set("access", "everything")).expect(200);
    assert!(permissions(&site).contains("users:write"));
}

#[test]
fn fill_button_returns_the_form_with_its_rows_chosen() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for path in ["/api-keys/new", "/tokens/new"] {
        let created = site.count("SELECT count(*) FROM credentials");
        let sent = form(&mut alice, path).set("name", "mine");
        let page = alice
            .submit(&sent.set("fill", "account none"))
            .expect(200)
            .form(path);
        assert_eq!(page.value("name"), Some("mine"));
        assert_eq!(page.value("access"), Some("choose"));
        assert_eq!(page.value("permission.tokens"), Some("none"));
        let page = alice
            .submit(&page.set("fill", "administration read"))
            .expect(200)
            .form(path);
        assert_eq!(page.value("permission.tokens"), Some("none"));
        assert_eq!(page.value("permission.users"), Some("read"));
        assert_eq!(site.count("SELECT count(*) FROM credentials"), created);
        alice.submit(&page).expect(200).secret();
        assert_eq!(
            permissions(&site),
            "audit:read hosts:read policy:read services:read users:read"
        );
    }
}

#[test]
fn link_fills_name_lifetime_and_permissions() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let link = "/api-keys/new?name=render&expires=11d&permissions=tokens:read,sessions:write";
    let form = form(&mut bob, link);
    assert_eq!(form.value("name"), Some("render"));
    assert_eq!(form.value("expires_in"), Some("11d"));
    bob.submit(&form).expect(200).secret();
    assert_eq!(permissions(&site), "sessions:write tokens:read");
    assert_eq!(
        site.count("SELECT expires_at - created_at FROM credentials WHERE kind = 'api-key'"),
        11 * 86_400
    );
}

#[test]
fn edit_form_keeps_permissions_unless_others_are_chosen() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    for preset in ["read-only", "account", "everything"] {
        let new = form(&mut alice, "/api-keys/new").set("name", preset);
        let page = alice.submit(&new.set("access", preset));
        let id = page.expect(200).secret()[4..16].to_owned();
        let before = permissions(&site);
        let path = format!("/api-keys/{id}/edit");
        let edit = form(&mut alice, &path);
        assert_eq!(edit.value("access"), Some(preset));
        alice.submit(&edit).expect(303);
        assert_eq!(permissions(&site), before);
    }
    let link = "/api-keys/new?name=write&permissions=tokens:write";
    let new = form(&mut alice, link);
    let id = alice.submit(&new).expect(200).secret()[4..16].to_owned();
    let edit = form(&mut alice, &format!("/api-keys/{id}/edit"));
    assert_eq!(edit.value("access"), Some("choose"));
    alice.submit(&edit).expect(303);
    assert_eq!(permissions(&site), "tokens:write");
}

#[test]
fn token_accepts_allowed_addresses() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = form(&mut bob, "/tokens/new").set("allowed_addresses", "10.0.0.0/8, ::1");
    bob.submit(&form).expect(200).secret();
    let limited =
        "SELECT count(*) FROM credentials WHERE kind = 'token' AND allowed_addresses <> ''";
    assert_eq!(site.count(limited), 1);
}
