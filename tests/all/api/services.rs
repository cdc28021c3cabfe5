//! Services: their permissions, their API keys, and grants by user or by role.

use serde_json::{Value, json};

use crate::fixture::{Site, id, secret};

use super::administration::ask;

const SLURM: &str = "/api/v1/services/slurm";

fn slurm(site: &Site) {
    let new = json!({"name": "slurm", "permissions": ["slurm:submit", "slurm:cancel"]});
    ask(site, "POST", "/api/v1/services", &new, 201);
}

/// The status of `/verify` with a required permission.
fn verify(site: &Site, bearer: &str, permission: &str) -> u16 {
    let path = format!("/verify?permission={permission}");
    site.ask("GET", &path).bearer(bearer).send().status
}

#[test]
fn service_defines_permissions_and_has_keys() {
    let site = Site::new();
    let created = ask(
        &site,
        "POST",
        "/api/v1/services",
        &json!({"name": "slurm", "permissions": ["slurm:submit", "slurm:cancel", "slurm:submit"]}),
        201,
    );
    assert_eq!(
        created,
        json!({"name": "slurm", "permissions": ["slurm:cancel", "slurm:submit"], "created_at": "2026-11-22T12:00:00Z"})
    );
    ask(
        &site,
        "POST",
        "/api/v1/services",
        &json!({"name": "slurm"}),
        409,
    );
    assert_eq!(
        ask(&site, "GET", "/api/v1/services", &Value::Null, 200)["items"][0],
        created
    );
    // A service's own key with its own permissions: no user needs them first.
    let keys = "/api/v1/services/slurm/api-keys";
    let key = ask(
        &site,
        "POST",
        keys,
        &json!({"name": "k", "permissions": ["slurm:submit"], "expires_in": "1h"}),
        201,
    );
    ask(&site, "POST", keys, &json!({"name": "k"}), 409);
    let path = format!("{keys}/{}", id(&key));
    assert_eq!(
        ask(&site, "GET", &path, &Value::Null, 200)["permissions"],
        json!(["slurm:submit"])
    );
    assert_eq!(
        ask(
            &site,
            "PATCH",
            &path,
            &json!({"permissions": ["introspect", "slurm:cancel"], "name": "renamed"}),
            200
        )["permissions"],
        json!(["introspect", "slurm:cancel"])
    );
    let new = ask(
        &site,
        "POST",
        &format!("{path}/rotate"),
        &json!({"grace": "1m"}),
        200,
    );
    for one in [&key, &new] {
        let answer = site
            .ask("GET", "/verify?permission=slurm:cancel")
            .bearer(&secret(one))
            .send()
            .expect(204);
        assert_eq!(answer.header("Remote-User"), Some("slurm"));
    }
    assert_eq!(
        ask(&site, "GET", &format!("{path}/usage"), &Value::Null, 200)["days"]
            .as_array()
            .unwrap()
            .len(),
        30
    );
    assert_eq!(
        ask(&site, "GET", keys, &Value::Null, 200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    ask(&site, "DELETE", &path, &Value::Null, 204);
    assert_eq!(
        ask(
            &site,
            "GET",
            &format!("{keys}?ended=true"),
            &Value::Null,
            200
        )["items"][0]["id"],
        key["id"]
    );
    site.ask("GET", "/verify")
        .bearer(&secret(&new))
        .send()
        .expect(401);
    // Granted, used, removed.
    ask(
        &site,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["slurm:submit", "metrics"]}),
        200,
    );
    let token = site.token("bob");
    site.ask("GET", "/verify?permission=slurm:submit")
        .bearer(&token)
        .send()
        .expect(204);
    ask(
        &site,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": []}),
        200,
    );
    site.ask("GET", "/verify?permission=slurm:submit")
        .bearer(&token)
        .send()
        .expect(403);
    ask(
        &site,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["slurm:submit"]}),
        200,
    );
    // An admin without the permission can still help its holder, and rotate a key with a removed one.
    ask(
        &site,
        "POST",
        "/api/v1/users/bob/reset-password",
        &Value::Null,
        200,
    );
    let had = site.api_key(&token, &json!({"name": "had"}));
    assert!(
        had["permissions"]
            .as_array()
            .unwrap()
            .contains(&json!("slurm:submit"))
    );
    ask(&site, "DELETE", "/api/v1/services/slurm", &Value::Null, 204);
    assert_eq!(
        ask(&site, "GET", "/api/v1/users/bob", &Value::Null, 200)["permissions"],
        json!([])
    );
    site.ask("GET", "/verify?permission=slurm:submit")
        .bearer(&token)
        .send()
        .expect(403);
    site.ask("POST", &format!("/api/v1/api-keys/{}/rotate", id(&had)))
        .bearer(&token)
        .json(&json!({"grace": "0s"}))
        .send()
        .expect(200);
    for (method, path) in [
        ("GET", keys),
        ("POST", keys),
        ("DELETE", "/api/v1/services/slurm"),
        ("PATCH", "/api/v1/services/slurm"),
    ] {
        let body = if method == "PATCH" {
            json!({"permissions": []})
        } else {
            json!({"name": "x"})
        };
        ask(&site, method, path, &body, 404);
    }
}

#[test]
fn role_includes_permissions_of_a_service() {
    let site = Site::new();
    slurm(&site);
    let nobody = json!({"member": [], "admin": []});
    assert_eq!(ask(&site, "GET", SLURM, &Value::Null, 200)["roles"], nobody);
    let before = site.token("bob");
    let give = json!({"roles": {"member": ["slurm:submit"]}});
    let given = json!({"member": ["slurm:submit"], "admin": []});
    assert_eq!(ask(&site, "PATCH", SLURM, &give, 200)["roles"], given);
    assert_eq!(ask(&site, "GET", SLURM, &Value::Null, 200)["roles"], given);

    // Every member has it, later ones too; admins do not. The permissions of a token are fixed at its creation.
    let bob = site.token("bob");
    assert_eq!(verify(&site, &bob, "slurm:submit"), 204);
    assert_eq!(verify(&site, &bob, "slurm:cancel"), 403);
    assert_eq!(verify(&site, &before, "slurm:submit"), 403);
    assert_eq!(verify(&site, &site.token("alice"), "slurm:submit"), 403);
    let dave = json!({"username": "dave", "password": "dave likes green tea"});
    ask(&site, "POST", "/api/v1/users", &dave, 201);
    assert_eq!(verify(&site, &site.token("dave"), "slurm:submit"), 204);

    // The other role keeps its own permissions, and an absent role stays.
    let admins = json!({"roles": {"admin": ["slurm:cancel"]}});
    let both = json!({"member": ["slurm:submit"], "admin": ["slurm:cancel"]});
    assert_eq!(ask(&site, "PATCH", SLURM, &admins, 200)["roles"], both);
    assert_eq!(verify(&site, &site.token("alice"), "slurm:cancel"), 204);
    let key = site.api_key(
        &bob,
        &json!({"name": "job", "permissions": ["slurm:submit"]}),
    );
    assert_eq!(verify(&site, &secret(&key), "slurm:submit"), 204);

    // A removed permission has no effect from the next request on.
    let take = json!({"roles": {"member": []}});
    ask(&site, "PATCH", SLURM, &take, 200);
    assert_eq!(verify(&site, &bob, "slurm:submit"), 403);
    assert_eq!(verify(&site, &secret(&key), "slurm:submit"), 403);
    let events = "/api/v1/events?action=service.edit";
    let message = ask(&site, "GET", events, &Value::Null, 200)["items"].to_string();
    assert!(message.contains("members have"), "{message}");

    // A personal grant stays.
    let by_name = json!({"permissions": ["slurm:submit"]});
    ask(&site, "PATCH", "/api/v1/users/bob", &by_name, 200);
    ask(&site, "PATCH", SLURM, &give, 200);
    ask(&site, "PATCH", SLURM, &take, 200);
    assert_eq!(verify(&site, &bob, "slurm:submit"), 204);
}

#[test]
fn undefined_permission_is_removed_from_every_role() {
    let site = Site::new();
    slurm(&site);
    let all = ["slurm:cancel", "slurm:submit"];
    let give = json!({"roles": {"member": all, "admin": all}});
    ask(&site, "PATCH", SLURM, &give, 200);
    let bob = site.token("bob");
    assert_eq!(verify(&site, &bob, "slurm:cancel"), 204);
    let fewer = json!({"permissions": ["slurm:submit"]});
    let left = json!({"member": ["slurm:submit"], "admin": ["slurm:submit"]});
    assert_eq!(ask(&site, "PATCH", SLURM, &fewer, 200)["roles"], left);
    assert_eq!(verify(&site, &bob, "slurm:cancel"), 403);
    assert_eq!(verify(&site, &bob, "slurm:submit"), 204);
    // A permission that is defined again has to be granted again.
    let more = json!({"permissions": all});
    assert_eq!(ask(&site, "PATCH", SLURM, &more, 200)["roles"], left);
    assert_eq!(verify(&site, &bob, "slurm:cancel"), 403);
    // Defined and granted in one request; deleted with the service.
    let both = json!({"permissions": ["slurm:hold"], "roles": {"member": ["slurm:hold"]}});
    let now = json!({"member": ["slurm:hold"], "admin": []});
    assert_eq!(ask(&site, "PATCH", SLURM, &both, 200)["roles"], now);
    assert_eq!(verify(&site, &site.token("bob"), "slurm:hold"), 204);
    ask(&site, "DELETE", SLURM, &Value::Null, 204);
    let again = json!({"name": "slurm", "permissions": ["slurm:hold"]});
    ask(&site, "POST", "/api/v1/services", &again, 201);
    assert_eq!(verify(&site, &site.token("bob"), "slurm:hold"), 403);
}

#[test]
fn role_with_an_undefined_permission_is_rejected() {
    let site = Site::new();
    slurm(&site);
    for (words, field) in [
        (json!({"member": ["slurm:hold"]}), "roles.member"),
        (json!({"admin": ["slurm:hold"]}), "roles.admin"),
        (json!({"member": ["users:write"]}), "roles.member"),
        (json!({"member": ["other:submit"]}), "roles.member"),
        (json!({"member": ["slurm:"]}), "roles.member"),
    ] {
        let rejected = ask(&site, "PATCH", SLURM, &json!({"roles": words}), 422);
        assert_eq!(rejected["errors"][0]["field"], field, "{rejected}");
    }
    for words in [
        json!({"roles": {"owner": []}}),
        json!({"roles": null}),
        json!({"roles": {"member": null}}),
        json!({"roles": ["slurm:submit"]}),
    ] {
        let status = site.ask("PATCH", SLURM).bearer(&site.alice).json(&words);
        assert!(matches!(status.send().status, 400 | 422), "{words}");
    }
    let nobody = json!({"member": [], "admin": []});
    assert_eq!(ask(&site, "GET", SLURM, &Value::Null, 200)["roles"], nobody);
}

/// A service that defines it later would find it granted.
#[test]
fn user_with_an_undefined_permission_is_rejected() {
    let site = Site::new();
    slurm(&site);
    let before = site.snapshot();
    let permissions = json!(["slurm:hold"]);
    for (method, path, body) in [
        (
            "PATCH",
            "/api/v1/users/bob",
            json!({"permissions": permissions}),
        ),
        (
            "POST",
            "/api/v1/users",
            json!({"username": "carol", "permissions": permissions}),
        ),
    ] {
        let rejected = ask(&site, method, path, &body, 422);
        assert_eq!(rejected["errors"][0]["field"], "permissions", "{rejected}");
    }
    assert_eq!(site.snapshot(), before);
}

/// Granting to a role means granting to each of its users: it needs the same permissions.
#[test]
fn role_change_needs_users_write() {
    let site = Site::new();
    slurm(&site);
    let own = |extra: Value| {
        let mut key = json!({"name": "gate", "expires_in": "1h"});
        let (all, more) = (key.as_object_mut().unwrap(), extra.as_object().unwrap());
        all.extend(more.clone());
        secret(&site.api_key(&site.token("alice"), &key))
    };
    let give = json!({"roles": {"member": ["slurm:submit"]}});
    let patch = |bearer: &str, body: &Value| {
        let asking = site.ask("PATCH", SLURM).bearer(bearer).json(body);
        asking.send().status
    };
    let narrow = own(json!({"name": "narrow", "permissions": ["services:read", "services:write"]}));
    assert_eq!(patch(&narrow, &give), 403);
    let near = own(json!({"name": "near", "allowed_addresses": ["127.0.0.1/32"]}));
    assert_eq!(patch(&near, &give), 403);
    // Without an effect on anyone, it is allowed; and the definitions belong to services:write.
    assert_eq!(patch(&narrow, &json!({"roles": {"member": []}})), 200);
    let more = json!({"permissions": ["slurm:submit", "slurm:cancel", "slurm:hold"]});
    assert_eq!(patch(&narrow, &more), 200);
    let users = [
        "services:read",
        "services:write",
        "users:read",
        "users:write",
    ];
    let wide = own(json!({"name": "wide", "permissions": users}));
    assert_eq!(patch(&wide, &give), 200);
    // Removing changes users' permissions too. A caller limited to addresses may remove, and restore nothing.
    let take = json!({"roles": {"member": []}});
    assert_eq!(patch(&narrow, &take), 403);
    assert_eq!(patch(&near, &take), 200);
    assert_eq!(patch(&site.bob, &give), 403, "a member");
}
