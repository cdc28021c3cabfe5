//! Bar S4: callers who may change only users or services give no further permissions.

use keycroft::model::user::Role;
use serde_json::json;

use super::escalation::{ask, lacks, may};
use crate::fixture::{Site, id, secret};

#[test]
fn caller_with_only_users_write_grants_nothing_more() {
    let site = Site::new();
    site.add_user("dora", Role::Admin);
    may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/services",
        &json!({"name": "lab", "permissions": ["lab:use"]}),
    );
    let narrow = site.narrow(&site.alice, &["users:read", "users:write"]);
    lacks(
        &site,
        &narrow,
        "POST",
        "/api/v1/users",
        &json!({"username": "mine", "role": "admin"}),
        "permission",
    );
    lacks(
        &site,
        &narrow,
        "POST",
        "/api/v1/users",
        &json!({"username": "mine", "role": "admin", "password": crate::fixture::PASSWORD}),
        "permission",
    );
    lacks(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"role": "admin"}),
        "permission",
    );
    lacks(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["introspect"]}),
        "introspect",
    );
    lacks(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["lab:use"]}),
        "lab:use",
    );
    // A link to another user's password gives that user's power.
    lacks(
        &site,
        &narrow,
        "POST",
        "/api/v1/users/dora/reset-password",
        &json!({}),
        "permission",
    );
    lacks(
        &site,
        &narrow,
        "POST",
        "/api/v1/users/bob/reset-password",
        &json!({}),
        "permission",
    );
    may(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/dora",
        &json!({"disabled": true}),
    );
    lacks(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/dora",
        &json!({"disabled": false}),
        "permission",
    );
    assert_eq!(
        ask(&site, &narrow, "DELETE", "/api/v1/users/alice", &json!({})).0,
        409
    );
    may(
        &site,
        &narrow,
        "POST",
        "/api/v1/users",
        &json!({"username": "member"}),
    );
    may(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/dora",
        &json!({"role": "member"}),
    );
    // Removal needs no more.
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["introspect", "lab:use"]}),
    );
    may(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["introspect"]}),
    );
    may(
        &site,
        &narrow,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": []}),
    );
}

#[test]
fn caller_with_only_services_write_grants_only_theirs() {
    let site = Site::new();
    may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/services",
        &json!({"name": "lab", "permissions": ["lab:use"]}),
    );
    let narrow = site.narrow(&site.alice, &["services:read", "services:write"]);
    let keys = "/api/v1/services/lab/api-keys";
    for power in ["introspect", "metrics"] {
        lacks(
            &site,
            &narrow,
            "POST",
            keys,
            &json!({"name": "n", "permissions": [power]}),
            power,
        );
    }
    let own = may(&site, &narrow, "POST", keys, &json!({"name": "own"}));
    assert_eq!(own["permissions"], json!(["lab:use"]));
    let wide = may(
        &site,
        &site.alice,
        "POST",
        keys,
        &json!({"name": "wide", "permissions": ["introspect"]}),
    );
    let path = format!("{keys}/{}", id(&wide));
    lacks(
        &site,
        &narrow,
        "PATCH",
        &path,
        &json!({"name": "x"}),
        "introspect",
    );
    lacks(
        &site,
        &narrow,
        "POST",
        &format!("{path}/rotate"),
        &json!({"grace": "0s"}),
        "introspect",
    );
    lacks(
        &site,
        &narrow,
        "PATCH",
        &format!("{keys}/{}", id(&own)),
        &json!({"permissions": ["introspect", "lab:use"]}),
        "introspect",
    );
    may(&site, &narrow, "PATCH", &path, &json!({"disabled": true}));
    lacks(
        &site,
        &narrow,
        "PATCH",
        &path,
        &json!({"disabled": false}),
        "introspect",
    );
    // Defining a permission gives it to nobody.
    lacks(
        &site,
        &narrow,
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "permissions": ["lab:use"]}),
        "api-keys:write",
    );
    lacks(
        &site,
        &site.alice,
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "permissions": ["lab:use"]}),
        "lab:use",
    );
    // A service's key has no access to objects of users or admins.
    for (method, path, missing) in [
        ("GET", "/api/v1/api-keys", "api-keys:read"),
        ("POST", "/api/v1/tokens", "tokens:write"),
        ("GET", "/api/v1/users", "users:read"),
        ("POST", keys, "services:write"),
        ("PATCH", "/api/v1/me", "account:write"),
    ] {
        lacks(&site, &secret(&own), method, path, &json!({}), missing);
    }
}
