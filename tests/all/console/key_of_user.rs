//! Rotation in the console, and the page of another user's API key for admins.

use super::site::Site;

fn verify(site: &Site, secret: &str) -> u16 {
    let header = format!("Bearer {secret}");
    let headers = [("Authorization", header.as_str())];
    site.browser().send("GET", "/verify", &headers, "").status
}

#[test]
fn rotation_of_a_key_in_use_is_planned_unless_chosen_otherwise() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, first) = bob.make_key("key");
    assert_eq!(verify(&site, &first), 204);
    site.pass(7 * 86_400 - 1);
    let mut bob = {
        drop(bob);
        site.signed_in("bob")
    };
    let path = format!("/api-keys/{id}/rotate");
    let page = bob.open(&path);
    assert!(page.has("Planned") && page.has("Leaked"), "{}", page.text());
    let second = bob.submit(&page.form(&path)).expect(200).secret();
    assert_eq!((verify(&site, &first), verify(&site, &second)), (204, 204));
    let page = bob.open(&format!("/api-keys/{id}"));
    assert!(page.has("Two secrets are valid"), "{}", page.text());
    assert!(page.has("New secret") && page.has("Old secret"));
    site.pass(86_400);
    assert_eq!((verify(&site, &first), verify(&site, &second)), (401, 204));
}

#[test]
fn leaked_secret_is_revoked_now() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, first) = bob.make_key("key");
    assert_eq!(verify(&site, &first), 204);
    let path = format!("/api-keys/{id}/rotate");
    let form = bob.open(&path).form(&path).set("how", "leaked");
    let second = bob.submit(&form).expect(200).secret();
    assert_eq!((verify(&site, &first), verify(&site, &second)), (401, 204));
}

#[test]
fn rotation_ends_once_the_old_secret_is_unused() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, first) = bob.make_key("key");
    assert_eq!(verify(&site, &first), 204);
    let path = format!("/api-keys/{id}/rotate");
    let form = bob.open(&path).form(&path).set("grace", "until-unused");
    let second = bob.submit(&form).expect(200).secret();
    assert_eq!((verify(&site, &first), verify(&site, &second)), (204, 204));
    let page = bob.open(&format!("/api-keys/{id}"));
    assert!(page.has("2 hours"), "{}", page.text());
    site.pass(7_200);
    assert_eq!((verify(&site, &first), verify(&site, &second)), (401, 204));
    let page = bob.open(&format!("/api-keys/{id}"));
    assert!(!page.has("Two secrets are valid"));
}

/// A rotation does not make a key look unused.
#[test]
fn key_in_use_is_deleted_by_its_typed_name() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, secret) = bob.make_key("key");
    assert_eq!(verify(&site, &secret), 204);
    for _ in 0..3 {
        let path = format!("/api-keys/{id}/rotate");
        let form = bob.open(&path).form(&path).set("how", "leaked");
        bob.submit(&form).expect(200);
    }
    assert!(!bob.open("/api-keys").has(">Never used</td>"));
    let path = format!("/api-keys/{id}/delete");
    let page = bob.open(&path);
    assert!(!page.has("No recorded use"), "{}", page.text());
    let form = page.form(&path);
    bob.submit(&form).expect(422);
    bob.submit_and_follow(&form.set("confirm", "key"));
    assert_eq!(bob.get(&path).status, 404);
}

#[test]
fn admin_sees_disables_enables_and_deletes_a_users_key() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (id, secret) = bob.make_key("bobs key");
    assert_eq!(verify(&site, &secret), 204);
    let path = format!("/admin/users/bob/api-keys/{id}");
    for list in ["/admin/users/bob", "/admin/inventory"] {
        let page = alice.open(list);
        assert!(page.has(&format!("href=\"{path}\"")), "{}", page.text());
    }
    assert!(
        alice
            .open("/admin/inventory")
            .has("href=\"/admin/users/bob\"")
    );
    let page = alice.open(&path);
    for words in [
        "bobs key",
        "account:read",
        "Would be accepted",
        "Created by",
    ] {
        assert!(page.has(words), "{words}: {}", page.text());
    }
    assert!(!page.has(&secret[17..]));
    assert!(!page.has(&format!("{path}/edit")) && !page.has(&format!("{path}/rotate")));
    for (act, status) in [("disable", 401), ("enable", 204)] {
        let act = format!("{path}/{act}");
        let form = alice.open(&path).form(&act);
        alice.submit_and_follow(&form);
        assert_eq!(verify(&site, &secret), status, "{act}");
    }
    let delete = format!("{path}/delete");
    let form = alice.open(&delete).form(&delete);
    // Used today: its name has to be typed.
    alice.submit(&form).expect(422);
    let page = alice.submit_and_follow(&form.set("confirm", "bobs key"));
    assert!(page.has("API key bobs key deleted."), "{}", page.text());
    assert!(!alice.open("/admin/users/bob").has("bobs key"));
    assert_eq!(verify(&site, &secret), 401);
    for act in ["", "/delete"] {
        assert_eq!(alice.get(&format!("{path}{act}")).status, 404);
    }
}

/// An admin can't change the expiration of a user's key, so the page does not advise it.
#[test]
fn expired_key_has_a_remedy_for_its_reader() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (id, _) = bob.make_key("ci");
    site.pass(40 * 86_400);
    let own = "set a new expiration or create another one";
    let page = site.signed_in("bob").open(&format!("/api-keys/{id}"));
    assert!(page.has(own), "{}", page.text());
    let path = format!("/admin/users/bob/api-keys/{id}");
    let page = site.signed_in("alice").open(&path);
    assert!(
        page.has("its owner can set a new expiration") && !page.has(own),
        "{}",
        page.text()
    );
}

#[test]
fn member_does_not_see_the_key_of_another_user() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (id, _) = alice.make_key("hers");
    let page = bob.get(&format!("/admin/users/alice/api-keys/{id}"));
    assert_eq!(page.status, 403);
    // Nor does an admin under another user's name.
    let (id, _) = bob.make_key("his");
    let page = alice.get(&format!("/admin/users/alice/api-keys/{id}"));
    assert_eq!(page.status, 404);
}

#[test]
fn service_key_is_offered_a_year_where_policy_permits_it() {
    let site = Site::new();
    let mut alice = site.signed_in("alice");
    let token = site.token("alice");
    let header = format!("Bearer {token}");
    let send = |method: &str, path: &str, body: &str| {
        let headers = [
            ("Authorization", header.as_str()),
            ("Content-Type", "application/json"),
        ];
        site.browser().send(method, path, &headers, body).status
    };
    assert_eq!(
        send(
            "POST",
            "/api/v1/services",
            r#"{"name": "slurm", "permissions": []}"#
        ),
        201
    );
    let new = "/admin/services/slurm/api-keys/new";
    assert!(alice.open(new).has("value=\"365d\""));
    assert!(!alice.open("/api-keys/new").has("value=\"365d\""));
    assert_eq!(
        send(
            "PATCH",
            "/api/v1/policy",
            r#"{"api_key_lifetime_max": "90d"}"#
        ),
        200
    );
    assert!(!alice.open(new).has("value=\"365d\""));
}
