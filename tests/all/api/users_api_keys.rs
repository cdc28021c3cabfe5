//! Another user's API keys, for admins: listed, explained, disabled, enabled and deleted, nothing else.

use serde_json::{Value, json};

use crate::fixture::{Site, id, secret};

fn path(key: &Value) -> String {
    format!("/api/v1/users/bob/api-keys/{}", id(key))
}

fn works(site: &Site, key: &Value) -> bool {
    let answer = site.ask("GET", "/verify").bearer(&secret(key)).send();
    answer.status == 204
}

fn bobs_key(site: &Site) -> Value {
    site.api_key(
        &site.bob,
        &json!({"name": "job", "note": "in the vault", "permissions": ["account:read"], "allowed_addresses": ["127.0.0.0/8"]}),
    )
}

#[test]
fn admin_reads_a_users_key_without_its_secret() {
    let site = Site::new();
    let key = bobs_key(&site);
    assert!(works(&site, &key));
    let shown = site.asked(&site.alice, "GET", &path(&key), &Value::Null, 200);
    let own = format!("/api/v1/api-keys/{}", id(&key));
    let by_bob = site.asked(&site.bob, "GET", &own, &Value::Null, 200);
    assert_eq!(shown, by_bob);
    assert_eq!(shown["permissions"], json!(["account:read"]));
    assert_eq!(shown["allowed_addresses"], json!(["127.0.0.0/8"]));
    assert_eq!(shown["note"], "in the vault");
    assert_eq!(shown["last_used_at"], "2026-11-22T12:00:00Z");
    assert_eq!(shown.get("secret"), None);
    let usage = format!("{}/usage", path(&key));
    let usage = site.asked(&site.alice, "GET", &usage, &Value::Null, 200);
    let days = usage["days"].as_array().unwrap();
    assert_eq!((days.len(), &days[29]["uses"]), (30, &json!(1)));
    let explain = format!("{}/explain?address=10.0.0.1", path(&key));
    let explained = site.asked(&site.alice, "GET", &explain, &Value::Null, 200);
    assert_eq!(explained["failed"], "address_allowed");
}

#[test]
fn admin_disables_and_enables_a_users_key() {
    let site = Site::new();
    let key = bobs_key(&site);
    for (disabled, state) in [(true, "disabled"), (false, "active")] {
        let body = json!({"disabled": disabled});
        let changed = site.asked(&site.alice, "PATCH", &path(&key), &body, 200);
        assert_eq!(changed["state"], state);
        assert_eq!(works(&site, &key), !disabled);
    }
    let events = site.events();
    let acts: Vec<&str> = events
        .iter()
        .filter_map(|event| event["action"].as_str())
        .filter(|action| action.starts_with("api-key."))
        .collect();
    assert_eq!(acts[..2], ["api-key.enable", "api-key.disable"]);
}

/// Not even by an admin with all of its permissions.
#[test]
fn admin_cannot_change_other_fields_of_a_users_key() {
    let site = Site::new();
    let key = bobs_key(&site);
    let before = site.snapshot();
    for body in [
        json!({"name": "mine"}),
        json!({"disabled": true, "note": "x"}),
        json!({"permissions": ["account:read"]}),
        json!({"allowed_addresses": null}),
        json!({"expires_in": "1h"}),
        json!({"disabled": null}),
        json!({}),
    ] {
        site.asked(&site.alice, "PATCH", &path(&key), &body, 422);
    }
    let rotate = format!("{}/rotate", path(&key));
    site.asked(&site.alice, "POST", &rotate, &json!({"grace": "0s"}), 404);
    assert_eq!(site.snapshot(), before);
}

/// Bar S4: enabling is limited by the admin's credential; disabling is not.
#[test]
fn key_with_more_power_than_the_admin_is_not_enabled() {
    let site = Site::new();
    let key = site.api_key(&site.bob, &json!({"name": "job"}));
    let narrow = site.narrow(&site.alice, &["users:read", "users:write"]);
    site.asked(
        &narrow,
        "PATCH",
        &path(&key),
        &json!({"disabled": true}),
        200,
    );
    site.asked(
        &narrow,
        "PATCH",
        &path(&key),
        &json!({"disabled": false}),
        403,
    );
    assert!(!works(&site, &key));
    let limited = site.api_key(
        &site.alice,
        &json!({"name": "limited", "allowed_addresses": ["127.0.0.1"]}),
    );
    let limited = secret(&limited);
    site.asked(
        &limited,
        "PATCH",
        &path(&key),
        &json!({"disabled": false}),
        403,
    );
    site.asked(
        &site.alice,
        "PATCH",
        &path(&key),
        &json!({"disabled": false}),
        200,
    );
    assert!(works(&site, &key));
}

#[test]
fn key_under_another_users_name_is_not_found() {
    let site = Site::new();
    let key = bobs_key(&site);
    let wrong = format!("/api/v1/users/alice/api-keys/{}", id(&key));
    let nobody = format!("/api/v1/users/nobody/api-keys/{}", id(&key));
    for path in [wrong, nobody] {
        for tail in ["", "/usage", "/explain"] {
            let path = format!("{path}{tail}");
            site.asked(&site.alice, "GET", &path, &Value::Null, 404);
        }
        site.asked(&site.alice, "PATCH", &path, &json!({"disabled": true}), 404);
    }
    assert!(works(&site, &key));
}

#[test]
fn deleted_key_of_a_user_is_listed_and_explained() {
    let site = Site::new();
    let key = bobs_key(&site);
    site.asked(&site.alice, "DELETE", &path(&key), &Value::Null, 204);
    site.asked(&site.alice, "GET", &path(&key), &Value::Null, 404);
    let list = "/api/v1/users/bob/api-keys?ended=true";
    let ended = site.asked(&site.alice, "GET", list, &Value::Null, 200);
    assert_eq!(ended["items"][0]["id"], key["id"]);
    let explain = format!("{}/explain", path(&key));
    let explained = site.asked(&site.alice, "GET", &explain, &Value::Null, 200);
    assert_eq!(explained["failed"], "exists");
}

/// The creator of a key is named while it exists and may be seen.
#[test]
fn creator_of_a_key_is_an_object() {
    let site = Site::new();
    let parent = site.api_key(&site.bob, &json!({"name": "parent"}));
    let child = site.api_key(&secret(&parent), &json!({"name": "child"}));
    let by_parent = json!({"id": parent["id"], "kind": "api-key", "name": "parent"});
    assert_eq!(child["creator"], by_parent);
    let own = format!("/api/v1/api-keys/{}", id(&child));
    let shown = |bearer: &str, path: &str| site.asked(bearer, "GET", path, &Value::Null, 200);
    assert_eq!(shown(&site.bob, &own)["creator"], by_parent);
    assert_eq!(shown(&site.alice, &path(&child))["creator"], by_parent);
    let list = shown(&site.bob, "/api/v1/api-keys");
    assert_eq!(list["items"][0]["creator"], by_parent);
    // Of a deleted token, the id stays.
    let token = site.asked(
        &site.bob,
        "POST",
        "/api/v1/tokens",
        &json!({"name": "t"}),
        201,
    );
    assert_eq!(token["creator"]["kind"], "token");
    let orphan = site.api_key(&secret(&token), &json!({"name": "orphan"}));
    let tokens = format!("/api/v1/tokens/{}", id(&token));
    site.asked(&site.bob, "DELETE", &tokens, &Value::Null, 204);
    let own = format!("/api/v1/api-keys/{}", id(&orphan));
    assert_eq!(
        shown(&site.bob, &own)["creator"],
        json!({"id": token["id"], "kind": null, "name": null})
    );
}
