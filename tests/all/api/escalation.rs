//! S4: no credential makes, edits, enables or rotates one beyond itself; a right that is lost is lost.

use keycroft::desk::Desk;
use keycroft::model::caller::Caller;
use keycroft::model::credential::{Kind, NewCredential, Rotation};
use keycroft::model::error::Error;
use keycroft::model::event::{Origin, Way};
use keycroft::model::permission::Permissions;
use keycroft::model::secret::{Id, Presented};
use keycroft::model::time::WantedEnd;
use keycroft::model::user::{Role, UserChange, Username};
use serde_json::{Value, json};

use crate::house::{Site, id, id_of, secret};

const NARROW: [&str; 4] = [
    "account:read",
    "api-keys:read",
    "api-keys:write",
    "tokens:write",
];

fn ask(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = site.ask(method, path).bearer(bearer).json(body).send();
    let body = if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    (answer.status, body)
}

/// 403 that names `missing`, and nothing has changed.
#[track_caller]
fn lacks(site: &Site, bearer: &str, method: &str, path: &str, body: &Value, missing: &str) {
    let before = site.snapshot();
    let (status, said) = ask(site, bearer, method, path, body);
    assert_eq!(status, 403, "{method} {path} {body}: {said}");
    assert!(said["detail"].as_str().unwrap().contains(missing), "{said}");
    assert_eq!(site.snapshot(), before, "{method} {path} {body}");
}

#[track_caller]
fn may(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> Value {
    let (status, said) = ask(site, bearer, method, path, body);
    assert!(
        (200..300).contains(&status),
        "{method} {path} {body}: {status} {said}"
    );
    said
}

fn key_path(made: &Value) -> String {
    format!("/api/v1/api-keys/{}", id(made))
}

#[test]
fn a_narrow_key_makes_nothing_wider() {
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
        let made = may(
            &site,
            &narrow,
            "POST",
            path,
            &json!({"name": format!("all {path}")}),
        );
        assert_eq!(made["permissions"], json!(NARROW));
        // Nor does a child of a child.
        lacks(
            &site,
            &secret(&made),
            "POST",
            path,
            &json!({"name": "n", "permissions": ["users:write"]}),
            "users:write",
        );
    }
}

#[test]
fn a_narrow_key_changes_nothing_wider_but_may_end_it() {
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
        &json!({}),
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
    // Itself and its like it may change, but not widen.
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
fn what_is_disabled_or_over_can_not_bring_itself_back() {
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
            &json!({"expires_in": "never"})
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
            &json!({})
        )
        .0,
        401
    );
}

#[test]
fn a_limit_to_addresses_is_inherited_and_never_left() {
    let site = Site::new();
    let limited = site.api_key(
        &site.alice,
        &json!({"name": "limited", "allowed_addresses": ["127.0.0.0/24"]}),
    );
    let bearer = secret(&limited);
    let beyond = "beyond";
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
        for (said, got) in [
            (Value::Null, "127.0.0.0/24"),
            (json!(["127.0.0.7"]), "127.0.0.7/32"),
        ] {
            let made = may(
                &site,
                &bearer,
                "POST",
                path,
                &json!({"name": format!("{path} {said}"), "allowed_addresses": said}),
            );
            assert_eq!(made["allowed_addresses"], json!([got]));
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
        &json!({}),
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
fn a_token_never_outlives_what_made_it() {
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
    // Through a key that a token made: the key may live on, the token made by the token not.
    let child = may(
        &site,
        &secret(&second),
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "child", "expires_in": "never"}),
    );
    assert_eq!(child["expires_at"], Value::Null);
    site.ask("DELETE", "/api/v1/burn")
        .bearer(&secret(&first))
        .send()
        .expect(204);
    site.ask("GET", "/verify")
        .bearer(&secret(&second))
        .send()
        .expect(401);
    site.ask("GET", "/verify")
        .bearer(&secret(&child))
        .send()
        .expect(204);
    let maker = site.api_key(&site.alice, &json!({"name": "revoked"}));
    let token = may(&site, &secret(&maker), "POST", "/api/v1/tokens", &json!({}));
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &secret(&maker))])
        .send()
        .expect(200);
    site.ask("GET", "/verify")
        .bearer(&secret(&token))
        .send()
        .expect(401);
}

#[test]
fn who_may_only_change_users_gives_nobody_more() {
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
        &json!({"username": "mine", "role": "admin", "password": crate::house::PASSWORD}),
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
    // A link to somebody's password is their power.
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
    // Taking away needs no more.
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
fn who_may_only_change_services_gives_them_only_their_own() {
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
        &json!({}),
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
    // What it defines is in nobody's own power by that.
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
    // A service's key opens nothing of a person's or an admin's.
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

/// Somebody who was found good, before what follows.
fn caller(site: &Site, bearer: &str) -> Caller {
    let presented = Presented::parse(bearer).unwrap();
    let origin = Origin {
        way: Way::Api,
        address: Some("127.0.0.1".parse().unwrap()),
        program: None,
        request_id: None,
    };
    site.desk()
        .caller(&presented, Kind::is_bearer, origin, site.desk().now())
        .unwrap()
}

fn wanted(name: &str, permissions: &[&str]) -> NewCredential {
    NewCredential {
        kind: Kind::ApiKey,
        name: Some(name.to_owned()),
        note: None,
        end: WantedEnd::Unsaid,
        permissions: Some(Permissions::parse(permissions).unwrap()),
        networks: None,
    }
}

/// What `caller`, checked before, is told when the act is to be committed.
fn issue(site: &Site, caller: &Caller, permissions: &[&str]) -> Result<(), Error> {
    let whose = Desk::own(caller, Kind::ApiKey).unwrap();
    site.desk()
        .issue(caller, &whose, wanted("late", permissions), None)
        .map(|_| ())
}

/// A way to lose a right, done by alice or the file's owner to bob, his credential `id`, or the service.
type Loss = fn(&Site, &str);

#[test]
fn a_right_lost_between_check_and_commit_is_lost() {
    let losses: [(&str, Loss, bool); 9] = [
        (
            "demoted",
            |site, _| {
                drop(may(
                    site,
                    &site.alice,
                    "PATCH",
                    "/api/v1/users/bob",
                    &json!({"role": "member"}),
                ))
            },
            true,
        ),
        (
            "disabled",
            |site, _| {
                drop(may(
                    site,
                    &site.alice,
                    "PATCH",
                    "/api/v1/users/bob",
                    &json!({"disabled": true}),
                ))
            },
            false,
        ),
        (
            "deleted",
            |site, _| {
                drop(may(
                    site,
                    &site.alice,
                    "DELETE",
                    "/api/v1/users/bob",
                    &json!({}),
                ))
            },
            false,
        ),
        (
            "left",
            |site, _| {
                drop(may(
                    site,
                    &site.alice,
                    "POST",
                    "/api/v1/users/bob/end-everything",
                    &json!({}),
                ))
            },
            false,
        ),
        (
            "key deleted",
            |site, id| {
                drop(may(
                    site,
                    &site.alice,
                    "DELETE",
                    &format!("/api/v1/users/bob/api-keys/{id}"),
                    &json!({}),
                ))
            },
            false,
        ),
        (
            "key disabled",
            |site, id| {
                drop(may(
                    site,
                    &site.token("bob"),
                    "PATCH",
                    &format!("/api/v1/api-keys/{id}"),
                    &json!({"disabled": true}),
                ))
            },
            false,
        ),
        (
            "key rotated",
            |site, id| {
                drop(may(
                    site,
                    &site.token("bob"),
                    "POST",
                    &format!("/api/v1/api-keys/{id}/rotate"),
                    &json!({}),
                ))
            },
            false,
        ),
        (
            "key narrowed",
            |site, id| {
                drop(may(
                    site,
                    &site.token("bob"),
                    "PATCH",
                    &format!("/api/v1/api-keys/{id}"),
                    &json!({"permissions": ["api-keys:write"]}),
                ))
            },
            true,
        ),
        (
            "address taken away",
            |site, id| {
                drop(may(
                    site,
                    &site.token("bob"),
                    "PATCH",
                    &format!("/api/v1/api-keys/{id}"),
                    &json!({"allowed_addresses": ["10.0.0.0/8"]}),
                ))
            },
            false,
        ),
    ];
    for (what, lose, forbidden) in losses {
        let site = Site::new();
        may(
            &site,
            &site.alice,
            "PATCH",
            "/api/v1/users/bob",
            &json!({"role": "admin"}),
        );
        let key = site.narrow(
            &site.token("bob"),
            &["api-keys:write", "users:read", "users:write"],
        );
        let caller = caller(&site, &key);
        lose(&site, &id_of(&key));
        let before = site.snapshot();
        let refused = issue(&site, &caller, &["users:read"]).unwrap_err();
        match (forbidden, &refused) {
            (true, Error::Forbidden { .. }) | (false, Error::Unauthenticated { .. }) => {}
            _ => panic!("{what}: {refused:?}"),
        }
        let name = Username::parse("alice").unwrap();
        let act = site.desk().change_user(
            &caller,
            &name,
            UserChange {
                display_name: Some("x".to_owned()),
                ..UserChange::default()
            },
        );
        assert!(
            matches!(
                act,
                Err(Error::Forbidden { .. } | Error::Unauthenticated { .. })
            ),
            "{what}"
        );
        assert_eq!(site.snapshot(), before, "{what}");
    }
}

#[test]
fn a_permission_that_a_service_dropped_meanwhile_is_given_to_nobody() {
    let site = Site::new();
    may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/services",
        &json!({"name": "lab", "permissions": ["lab:use"]}),
    );
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["lab:use"]}),
    );
    let bob = caller(&site, &site.token("bob"));
    let alice = caller(&site, &site.alice);
    let service = site.desk().service(&alice, "lab").unwrap();
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/services/lab",
        &json!({"permissions": []}),
    );
    assert!(matches!(
        issue(&site, &bob, &["lab:use"]),
        Err(Error::Invalid(_) | Error::Forbidden { .. })
    ));
    let late = site.desk().issue(
        &alice,
        &Desk::of_service(&service),
        wanted("late", &["lab:use"]),
        None,
    );
    assert!(matches!(late, Err(Error::Invalid(_))));
    // Nor is a key made for a service that is gone.
    may(
        &site,
        &site.alice,
        "DELETE",
        "/api/v1/services/lab",
        &json!({}),
    );
    let late = site.desk().issue(
        &alice,
        &Desk::of_service(&service),
        wanted("late", &[]),
        None,
    );
    assert!(matches!(late, Err(Error::NotFound(_))));
    let rotation = Rotation {
        grace: std::time::Duration::ZERO,
        end: WantedEnd::Unsaid,
    };
    let late = site.desk().rotate(
        &alice,
        &Desk::of_service(&service),
        Id::random(),
        rotation,
        None,
    );
    assert!(matches!(late, Err(Error::NotFound(_))));
}

#[test]
fn a_demoted_admins_credentials_are_a_members() {
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
        let made = may(
            &site,
            bearer,
            "POST",
            "/api/v1/api-keys",
            &json!({"name": id_of(bearer)}),
        );
        assert_eq!(made["permissions"].as_array().unwrap().len(), 10);
        // What holds more than its owner has now is not brought back by who has less.
        lacks(
            &site,
            bearer,
            "POST",
            &format!("{}/rotate", key_path(&key)),
            &json!({}),
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
