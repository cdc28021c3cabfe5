//! Users, invitations, resets, setup.

use keycroft::model::user::{Role, Username};
use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Site, id, secret};

/// The code in a link.
fn code(link: &Value, path: &str) -> String {
    let start = format!("http://127.0.0.1:8420{path}?code=");
    link.as_str()
        .unwrap()
        .strip_prefix(&start)
        .unwrap()
        .to_owned()
}

fn user(site: &Site, name: &str) -> Value {
    site.ask("GET", &format!("/api/v1/users/{name}"))
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json()
}

fn add(site: &Site, body: &Value) -> Value {
    site.ask("POST", "/api/v1/users")
        .bearer(&site.alice)
        .json(body)
        .send()
        .expect(201)
        .json()
}

fn edit(site: &Site, name: &str, body: &Value) -> Value {
    site.ask("PATCH", &format!("/api/v1/users/{name}"))
        .bearer(&site.alice)
        .json(body)
        .send()
        .expect(200)
        .json()
}

#[test]
fn invitation_is_valid_once() {
    let site = Site::new();
    let created = add(
        &site,
        &json!({"username": "carol", "display_name": "Carol", "role": "member"}),
    );
    let mut expected = json!({"username": "carol", "display_name": "Carol", "role": "member", "disabled": false, "permissions": [], "groups": [],
        "created_at": "2026-11-22T12:00:00Z", "disabled_at": null, "has_password": false});
    let none = json!({"totp": false, "passkeys": 0, "recovery_codes_left": 0});
    expected["second_factor"] = none;
    assert_eq!(user(&site, "carol"), expected);
    expected.as_object_mut().unwrap().remove("second_factor");
    let invitation = code(&created["invitation"], "/invitation");
    assert!(invitation.starts_with("kce_"));
    expected["invitation"] = created["invitation"].clone();
    assert_eq!(created, expected);
    let accept = |path: &str, code: &str| {
        site.ask("POST", path)
            .bearer(code)
            .json(&json!({"password": PASSWORD}))
            .send()
            .status
    };
    assert_eq!(accept("/api/v1/password-reset", &invitation), 401);
    assert_eq!(accept("/api/v1/invitation", &site.alice), 401);
    // Without a valid code, nothing about the body is revealed.
    let unknown = json!({"unknown": 1});
    site.asked(&site.alice, "POST", "/api/v1/invitation", &unknown, 401);
    assert_eq!(accept("/api/v1/invitation", &invitation), 204);
    assert_eq!(accept("/api/v1/invitation", &invitation), 401);
    assert_eq!(user(&site, "carol")["has_password"], true);
    site.sign_in("carol");
    // It expires after a week.
    let late = code(
        &add(&site, &json!({"username": "late"}))["invitation"],
        "/invitation",
    );
    site.pass(7 * 86_400 - 1);
    let token = site.token("alice");
    site.ask("GET", "/api/v1/users/late")
        .bearer(&token)
        .send()
        .expect(200);
    site.pass(1);
    assert_eq!(accept("/api/v1/invitation", &late), 401);
    // A user created with a password gets no invitation.
    let site = Site::new();
    let created = add(&site, &json!({"username": "dora", "password": PASSWORD}));
    assert_eq!(
        (
            created.get("invitation"),
            &created["display_name"],
            &created["has_password"]
        ),
        (None, &json!("dora"), &json!(true))
    );
    site.sign_in("dora");
}

#[test]
fn reset_link_replaces_earlier_ones() {
    let site = Site::new();
    site.set_password("bob");
    site.sign_in("bob");
    let reset = || {
        code(
            &site
                .ask("POST", "/api/v1/users/bob/reset-password")
                .bearer(&site.alice)
                .send()
                .expect(200)
                .json()["link"],
            "/reset",
        )
    };
    let (first, second) = (reset(), reset());
    let use_it = |code: &str| {
        site.ask("POST", "/api/v1/password-reset")
            .bearer(code)
            .json(&json!({"password": "quite another battery"}))
            .send()
            .status
    };
    assert_eq!(use_it(&first), 401);
    // The present password is valid until then.
    site.sign_in("bob");
    assert_eq!(use_it(&second), 204);
    assert_eq!(use_it(&second), 401);
    let sessions = site
        .ask("GET", "/api/v1/users/bob/sessions")
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(sessions["items"], json!([]));
    let late = reset();
    site.pass(86_400);
    assert_eq!(use_it(&late), 401);
    // A changed password invalidates a pending link.
    let site = Site::new();
    site.set_password("bob");
    let link = code(
        &site
            .ask("POST", "/api/v1/users/bob/reset-password")
            .bearer(&site.alice)
            .send()
            .expect(200)
            .json()["link"],
        "/reset",
    );
    site.ask("POST", "/api/v1/me/password")
        .bearer(&site.bob)
        .json(&json!({"current": PASSWORD, "new": "quite another battery"}))
        .send()
        .expect(204);
    site.ask("POST", "/api/v1/password-reset")
        .bearer(&link)
        .json(&json!({"password": PASSWORD}))
        .send()
        .expect(401);
}

#[test]
fn setup_code_creates_one_admin_and_expires() {
    let site = Site::empty(&[]);
    let first = site.app().setup_code().unwrap().unwrap().reveal();
    let second = site.app().setup_code().unwrap().unwrap().reveal();
    let set_up = |code: &str, name: &str| {
        site.ask("POST", "/api/v1/setup")
            .bearer(code)
            .json(&json!({"username": name, "password": PASSWORD}))
            .send()
    };
    set_up(&first, "root-to-be").expect(401);
    site.ask("POST", "/api/v1/setup")
        .json(&json!({"username": "x", "password": PASSWORD}))
        .send()
        .expect(401);
    assert_eq!(
        set_up(&second, "Bad Name").expect(422).fields(),
        ["username"]
    );
    let answer = site
        .ask("POST", "/api/v1/setup")
        .bearer(&second)
        .json(&json!({"username": "x", "password": "short", "display_name": "\u{0}"}))
        .send();
    assert_eq!(answer.expect(422).fields(), ["display_name", "password"]);
    let created = set_up(&second, "founder").expect(201).json();
    assert_eq!(
        (&created["username"], &created["role"]),
        (&json!("founder"), &json!("admin"))
    );
    set_up(&second, "another").expect(401);
    assert!(site.app().setup_code().unwrap().is_none());
    // A pending link is invalid once an admin exists.
    let site = Site::empty(&[]);
    let link = site.app().setup_code().unwrap().unwrap().reveal();
    site.add_user("alice", Role::Admin);
    site.ask("POST", "/api/v1/setup")
        .bearer(&link)
        .json(&json!({"username": "x", "password": PASSWORD}))
        .send()
        .expect(401);
    let site = Site::empty(&[]);
    let link = site.app().setup_code().unwrap().unwrap().reveal();
    site.pass(3_600);
    site.ask("POST", "/api/v1/setup")
        .bearer(&link)
        .json(&json!({"username": "x", "password": PASSWORD}))
        .send()
        .expect(401);
}

#[test]
fn role_change_applies_from_the_next_request() {
    let site = Site::new();
    edit(&site, "bob", &json!({"role": "admin"}));
    let admin = site.token("bob");
    site.ask("GET", "/api/v1/users")
        .bearer(&admin)
        .send()
        .expect(200);
    edit(&site, "bob", &json!({"role": "member"}));
    site.ask("GET", "/api/v1/users")
        .bearer(&admin)
        .send()
        .expect(403);
    assert_eq!(
        site.ask("GET", "/api/v1/me").bearer(&admin).send().json()["permissions"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    edit(&site, "bob", &json!({"role": "admin"}));
    site.ask("GET", "/api/v1/users")
        .bearer(&admin)
        .send()
        .expect(200);
    // An earlier token keeps the permissions from its creation.
    site.ask("GET", "/api/v1/users")
        .bearer(&site.bob)
        .send()
        .expect(403);
}

#[test]
fn disabled_user_is_rejected_until_enabled() {
    let site = Site::new();
    site.set_password("bob");
    let key = site.narrow(&site.bob, &["account:read"]);
    let session = site.sign_in("bob");
    let out = edit(&site, "bob", &json!({"disabled": true}));
    assert_eq!(
        (&out["disabled"], &out["disabled_at"]),
        (&json!(true), &json!("2026-11-22T12:00:00Z"))
    );
    for one in [&key, &site.bob, &session] {
        site.ask("GET", "/verify").bearer(one).send().expect(401);
        site.ask("GET", "/api/v1/me").bearer(one).send().expect(401);
    }
    let out = edit(&site, "bob", &json!({"disabled": false}));
    assert_eq!(
        (&out["disabled"], &out["disabled_at"]),
        (&json!(false), &Value::Null)
    );
    site.ask("GET", "/verify").bearer(&key).send().expect(204);
}

#[test]
fn offboard_revokes_everything() {
    let site = Site::new();
    site.set_password("bob");
    let key = site.narrow(&site.bob, &[]);
    site.sign_in("bob");
    let link = code(
        &site
            .ask("POST", "/api/v1/users/bob/reset-password")
            .bearer(&site.alice)
            .send()
            .expect(200)
            .json()["link"],
        "/reset",
    );
    let ended = site
        .ask("POST", "/api/v1/users/bob/offboard")
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(
        ended,
        json!({"api_keys": 1, "tokens": 1, "sessions": 1, "ssh_keys": 0})
    );
    for one in [&key, &site.bob] {
        site.ask("GET", "/verify").bearer(one).send().expect(401);
    }
    site.ask("POST", "/api/v1/password-reset")
        .bearer(&link)
        .json(&json!({"password": PASSWORD}))
        .send()
        .expect(401);
    assert_eq!(user(&site, "bob")["disabled"], true);
    // Revoked credentials stay revoked after enabling.
    edit(&site, "bob", &json!({"disabled": false}));
    for one in [&key, &site.bob] {
        site.ask("GET", "/verify").bearer(one).send().expect(401);
    }
    let events = site.events();
    let event = events
        .iter()
        .find(|event| event["action"] == "user.offboard")
        .unwrap();
    assert_eq!(
        event["after"],
        json!({"api_keys": "1", "tokens": "1", "sessions": "1", "ssh_keys": "0"})
    );
}

#[test]
fn name_of_a_deleted_user_stays_reserved() {
    let site = Site::new();
    let key = site.narrow(&site.bob, &[]);
    site.ask("DELETE", "/api/v1/users/bob")
        .bearer(&site.alice)
        .send()
        .expect(204);
    for (method, tail) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/reset-password"),
        ("POST", "/offboard"),
        ("GET", "/api-keys"),
        ("GET", "/tokens"),
        ("GET", "/sessions"),
    ] {
        site.ask(method, &format!("/api/v1/users/bob{tail}"))
            .bearer(&site.alice)
            .json(&json!({}))
            .send()
            .expect(404);
    }
    site.ask("GET", "/verify").bearer(&key).send().expect(401);
    site.ask("POST", "/api/v1/users")
        .bearer(&site.alice)
        .json(&json!({"username": "bob"}))
        .send()
        .expect(409);
    let listed = site
        .ask("GET", "/api/v1/users")
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[test]
fn last_admin_cannot_be_removed() {
    let site = Site::new();
    let before = site.snapshot();
    let rejected = |method: &str, path: &str, body: Value| {
        let answer = site
            .ask(method, path)
            .bearer(&site.alice)
            .json(&body)
            .send()
            .expect(409);
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains("last admin")
        );
        assert_eq!(site.snapshot(), before);
    };
    rejected("PATCH", "/api/v1/users/alice", json!({"role": "member"}));
    rejected("PATCH", "/api/v1/users/alice", json!({"disabled": true}));
    rejected(
        "PATCH",
        "/api/v1/users/alice",
        json!({"display_name": "A", "role": "member", "disabled": true}),
    );
    rejected("DELETE", "/api/v1/users/alice", json!({}));
    rejected("POST", "/api/v1/users/alice/offboard", json!({}));
    // A disabled admin does not count.
    add(&site, &json!({"username": "dora", "role": "admin"}));
    edit(&site, "dora", &json!({"disabled": true}));
    site.ask("PATCH", "/api/v1/users/alice")
        .bearer(&site.alice)
        .json(&json!({"role": "member"}))
        .send()
        .expect(409);
    edit(&site, "dora", &json!({"disabled": false}));
    edit(&site, "alice", &json!({"role": "member"}));
}

#[test]
fn admin_lists_and_deletes_but_never_creates_for_others() {
    let site = Site::new();
    let key = site.api_key(&site.bob, &json!({"name": "bob's"}));
    let list = |kind: &str| {
        site.ask("GET", &format!("/api/v1/users/bob/{kind}"))
            .bearer(&site.alice)
            .send()
            .expect(200)
    };
    let listed = list("api-keys");
    assert!(!listed.text().contains("\"secret\""));
    assert_eq!(listed.json()["items"][0]["id"], key["id"]);
    assert_eq!(list("tokens").json()["items"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/users/bob/api-keys/{}", id(&key));
    for method in ["PUT", "POST"] {
        site.ask(method, &path)
            .bearer(&site.alice)
            .json(&json!({}))
            .send()
            .expect(405);
    }
    site.ask("POST", "/api/v1/users/bob/api-keys")
        .bearer(&site.alice)
        .json(&json!({"name": "x"}))
        .send()
        .expect(405);
    site.ask("DELETE", &path)
        .bearer(&site.alice)
        .send()
        .expect(204);
    site.ask("DELETE", &path)
        .bearer(&site.alice)
        .send()
        .expect(404);
    site.ask("GET", "/verify")
        .bearer(&secret(&key))
        .send()
        .expect(401);
    assert_eq!(
        site.ask("GET", "/api/v1/users/bob/api-keys?ended=true")
            .bearer(&site.alice)
            .send()
            .json()["items"][0]["id"],
        key["id"]
    );
    let name = Username::parse("bob").unwrap();
    assert!(
        site.app()
            .user_token(
                &site.app().operator(0),
                &name,
                keycroft::model::time::RequestedExpiration::Unsaid,
                None
            )
            .is_ok()
    );
}

#[test]
fn users_are_paged_newest_first() {
    let site = Site::new();
    for name in ["carol", "dora", "emil"] {
        add(&site, &json!({"username": name}));
    }
    let mut found = Vec::new();
    let mut path = "/api/v1/users?limit=2".to_owned();
    loop {
        let part = site
            .ask("GET", &path)
            .bearer(&site.alice)
            .send()
            .expect(200)
            .json();
        found.extend(
            part["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned()),
        );
        let Some(next) = part["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/users?limit=2&after={next}");
    }
    assert_eq!(found, ["emil", "dora", "carol", "bob", "alice"]);
}
