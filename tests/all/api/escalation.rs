//! Bar S4: no credential creates, edits, enables or rotates one beyond itself.

use serde_json::{Value, json};

use crate::fixture::{Site, id, id_of, secret};

const NARROW: [&str; 4] = [
    "account:read",
    "api-keys:read",
    "api-keys:write",
    "tokens:write",
];

pub(super) fn ask(
    site: &Site,
    bearer: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let answer = site.ask(method, path).bearer(bearer).json(body).send();
    let body = if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    (answer.status, body)
}

/// 403 that names `missing`, without any change.
#[track_caller]
pub(super) fn lacks(
    site: &Site,
    bearer: &str,
    method: &str,
    path: &str,
    body: &Value,
    missing: &str,
) {
    let before = site.snapshot();
    let (status, message) = ask(site, bearer, method, path, body);
    assert_eq!(status, 403, "{method} {path} {body}: {message}");
    assert!(
        message["detail"].as_str().unwrap().contains(missing),
        "{message}"
    );
    assert_eq!(site.snapshot(), before, "{method} {path} {body}");
}

#[track_caller]
pub(super) fn may(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> Value {
    let (status, message) = ask(site, bearer, method, path, body);
    assert!(
        (200..300).contains(&status),
        "{method} {path} {body}: {status} {message}"
    );
    message
}

fn key_path(created: &Value) -> String {
    format!("/api/v1/api-keys/{}", id(created))
}

#[test]
fn narrow_key_creates_nothing_wider() {
    let site = Site::new();
    let narrow = site.narrow(&site.alice, &NARROW);
    for path in ["/api/v1/api-keys", "/api/v1/tokens"] {
        lacks(
            &site,
            &narrow,
            "POST",
            path,
            &json!({"name": "n", "permissions": ["users:write"]}),
            "users:write",
        );
        lacks(
            &site,
            &narrow,
            "POST",
            path,
            &json!({"name": "n", "permissions": ["account:read", "tokens:read"]}),
            "tokens:read",
        );
        // `x:write` does not contain `x:read`.
        let only_write = site.narrow(&site.alice, &["api-keys:write", "tokens:write"]);
        lacks(
            &site,
            &only_write,
            "POST",
            path,
            &json!({"name": "n", "permissions": ["api-keys:read"]}),
            "api-keys:read",
        );
        let created = may(
            &site,
            &narrow,
            "POST",
            path,
            &json!({"name": format!("all {path}")}),
        );
        assert_eq!(created["permissions"], json!(NARROW));
        // Nor does a child of a child.
        lacks(
            &site,
            &secret(&created),
            "POST",
            path,
            &json!({"name": "n", "permissions": ["users:write"]}),
            "users:write",
        );
    }
}

#[test]
fn narrow_key_may_delete_but_not_change_a_wider_key() {
    let site = Site::new();
    let narrow = site.narrow(&site.alice, &NARROW);
    let wide = site.api_key(
        &site.alice,
        &json!({"name": "wide", "permissions": ["account:read", "users:write"]}),
    );
    let path = key_path(&wide);
    for change in [
        json!({"name": "x"}),
        json!({"note": "x"}),
        json!({"expires_in": "never"}),
        json!({"permissions": ["account:read"]}),
        json!({"allowed_addresses": ["10.0.0.0/8"]}),
        json!({"disabled": true, "name": "x"}),
        json!({}),
    ] {
        lacks(&site, &narrow, "PATCH", &path, &change, "users:write");
    }
    lacks(
        &site,
        &narrow,
        "POST",
        &format!("{path}/rotate"),
        &json!({"grace": "0s"}),
        "users:write",
    );
    lacks(
        &site,
        &narrow,
        "POST",
        &format!("{path}/rotate"),
        &json!({"grace": "24h", "expires_in": "never"}),
        "users:write",
    );
    may(&site, &narrow, "PATCH", &path, &json!({"disabled": true}));
    lacks(
        &site,
        &narrow,
        "PATCH",
        &path,
        &json!({"disabled": false}),
        "users:write",
    );
    may(&site, &narrow, "DELETE", &path, &json!({}));
    // It may change itself and equal keys, but not widen them.
    for own in [
        id_of(&narrow),
        id_of(&site.narrow(&site.alice, &["account:read"])),
    ] {
        let path = format!("/api/v1/api-keys/{own}");
        lacks(
            &site,
            &narrow,
            "PATCH",
            &path,
            &json!({"permissions": ["account:read", "users:write"]}),
            "users:write",
        );
        lacks(
            &site,
            &narrow,
            "PATCH",
            &path,
            &json!({"permissions": ["tokens:read"]}),
            "tokens:read",
        );
        may(&site, &narrow, "PATCH", &path, &json!({"note": "x"}));
    }
}

#[test]
fn disabled_or_expired_key_cannot_renew_itself() {
    let site = Site::new();
    let key = site.api_key(&site.alice, &json!({"name": "k", "expires_in": "1h"}));
    may(
        &site,
        &secret(&key),
        "PATCH",
        &key_path(&key),
        &json!({"disabled": true}),
    );
    assert_eq!(
        ask(
            &site,
            &secret(&key),
            "PATCH",
            &key_path(&key),
            &json!({"disabled": false})
        )
        .0,
        401
    );
    may(
        &site,
        &site.alice,
        "PATCH",
        &key_path(&key),
        &json!({"disabled": false}),
    );
    site.pass(3_600);
    assert_eq!(
        ask(
            &site,
            &secret(&key),
            "PATCH",
            &key_path(&key),
            &json!({"expires_in": "never"})
        )
        .0,
        401
    );
    assert_eq!(
        ask(
            &site,
            &secret(&key),
            "POST",
            &format!("{}/rotate", key_path(&key)),
            &json!({"grace": "0s", "expires_in": "never"})
        )
        .0,
        401
    );
    let old = site.api_key(&site.alice, &json!({"name": "old"}));
    may(
        &site,
        &site.alice,
        "POST",
        &format!("{}/rotate", key_path(&old)),
        &json!({"grace": "1m"}),
    );
    site.pass(60);
    assert_eq!(
        ask(
            &site,
            &secret(&old),
            "POST",
            &format!("{}/rotate", key_path(&old)),
            &json!({"grace": "0s"})
        )
        .0,
        401
    );
}

#[test]
fn allowed_addresses_are_inherited() {
    let site = Site::new();
    let limited = site.api_key(
        &site.alice,
        &json!({"name": "limited", "allowed_addresses": ["127.0.0.0/24"]}),
    );
    let bearer = secret(&limited);
    let beyond = "valid elsewhere";
    for path in ["/api/v1/api-keys", "/api/v1/tokens"] {
        for wider in [
            json!([]),
            json!(["0.0.0.0/0"]),
            json!(["127.0.0.0/8"]),
            json!(["127.0.0.1", "10.0.0.1"]),
            json!(["::/0"]),
        ] {
            lacks(
                &site,
                &bearer,
                "POST",
                path,
                &json!({"name": "n", "allowed_addresses": wider}),
                beyond,
            );
        }
        for (message, got) in [
            (Value::Null, "127.0.0.0/24"),
            (json!(["127.0.0.7"]), "127.0.0.7/32"),
        ] {
            let created = may(
                &site,
                &bearer,
                "POST",
                path,
                &json!({"name": format!("{path} {message}"), "allowed_addresses": message}),
            );
            assert_eq!(created["allowed_addresses"], json!([got]));
        }
    }
    for change in [
        json!({"allowed_addresses": null}),
        json!({"allowed_addresses": []}),
        json!({"allowed_addresses": ["127.0.0.0/23"]}),
    ] {
        lacks(
            &site,
            &bearer,
            "PATCH",
            &key_path(&limited),
            &change,
            beyond,
        );
    }
    let free = site.api_key(&site.alice, &json!({"name": "free"}));
    for change in [
        json!({"name": "x"}),
        json!({"allowed_addresses": ["127.0.0.1"]}),
        json!({"expires_in": "1d"}),
    ] {
        lacks(&site, &bearer, "PATCH", &key_path(&free), &change, beyond);
    }
    lacks(
        &site,
        &bearer,
        "POST",
        &format!("{}/rotate", key_path(&free)),
        &json!({"grace": "0s"}),
        beyond,
    );
    may(
        &site,
        &bearer,
        "PATCH",
        &key_path(&free),
        &json!({"disabled": true}),
    );
    lacks(
        &site,
        &bearer,
        "PATCH",
        &key_path(&free),
        &json!({"disabled": false}),
        beyond,
    );
}

#[test]
fn token_never_outlives_its_creator() {
    let site = Site::new();
    let key = secret(&site.api_key(&site.alice, &json!({"name": "k", "expires_in": "90m"})));
    let first = may(
        &site,
        &key,
        "POST",
        "/api/v1/tokens",
        &json!({"expires_in": "24h"}),
    );
    assert_eq!(first["expires_at"], "2026-11-22T13:30:00Z");
    site.pass(3_600);
    let second = may(
        &site,
        &secret(&first),
        "POST",
        "/api/v1/tokens",
        &json!({"expires_in": "24h"}),
    );
    assert_eq!(second["expires_at"], "2026-11-22T13:30:00Z");
    // Through a key that a token created: the key may live on, the token of the token may not.
    let child = may(
        &site,
        &secret(&second),
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "child", "expires_in": "never"}),
    );
    assert_eq!(child["expires_at"], Value::Null);
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &secret(&first))])
        .send()
        .expect(200);
    site.ask("GET", "/verify")
        .bearer(&secret(&second))
        .send()
        .expect(401);
    site.ask("GET", "/verify")
        .bearer(&secret(&child))
        .send()
        .expect(204);
    let creator = site.api_key(&site.alice, &json!({"name": "revoked"}));
    let token = may(
        &site,
        &secret(&creator),
        "POST",
        "/api/v1/tokens",
        &json!({}),
    );
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &secret(&creator))])
        .send()
        .expect(200);
    site.ask("GET", "/verify")
        .bearer(&secret(&token))
        .send()
        .expect(401);
}

#[test]
fn credentials_of_a_demoted_admin_lose_permissions() {
    let site = Site::new();
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"role": "admin"}),
    );
    let admin = site.token("bob");
    let key = site.api_key(&admin, &json!({"name": "admin's"}));
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"role": "member"}),
    );
    for bearer in [&admin, &secret(&key)] {
        assert_eq!(
            ask(&site, bearer, "GET", "/api/v1/users", &json!({})).0,
            403
        );
        let created = may(
            &site,
            bearer,
            "POST",
            "/api/v1/api-keys",
            &json!({"name": id_of(bearer)}),
        );
        assert_eq!(created["permissions"].as_array().unwrap().len(), 10);
        // A caller with less cannot enable a credential with more than its owner has now.
        lacks(
            &site,
            bearer,
            "POST",
            &format!("{}/rotate", key_path(&key)),
            &json!({"grace": "0s"}),
            "permission",
        );
        lacks(
            &site,
            bearer,
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "x", "permissions": ["users:read"]}),
            "users:read",
        );
    }
}
