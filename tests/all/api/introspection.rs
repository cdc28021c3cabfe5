//! Introspection, revocation, metadata.

use keycroft::model::credential::Kind;
use serde_json::{Value, json};

use crate::fixture::{Site, id, secret, unknown_secret};

use super::verification::with_lab;

const INACTIVE: &[u8] = b"{\"active\":false}";

#[test]
fn introspection_describes_only_active_secrets() {
    let site = Site::new();
    with_lab(&site);
    let service = secret(
        &site
            .ask("POST", "/api/v1/services/lab/api-keys")
            .bearer(&site.alice)
            .json(&json!({"name": "k", "permissions": ["introspect"]}))
            .send()
            .expect(201)
            .json(),
    );
    let ask = |form: &[(&str, &str)]| {
        site.ask("POST", "/oauth/introspect")
            .bearer(&service)
            .form(form)
            .send()
    };
    let key = site.api_key(
        &site.token("bob"),
        &json!({"name": "k", "permissions": ["lab:use", "account:read"], "expires_in": "1h"}),
    );
    let first = ask(&[("token", &secret(&key))]).expect(200).json();
    let sub = first["sub"].clone();
    assert_eq!(
        first,
        json!({"active": true, "scope": "account:read lab:use", "username": "bob", "sub": sub, "token_type": "Bearer",
            "exp": 1_795_352_400, "iat": 1_795_348_800, "jti": id(&key), "kind": "api-key"})
    );
    assert!(sub.as_str().unwrap().len() == 12 && sub != "bob");
    let token = ask(&[
        ("token", &site.bob),
        ("token_type_hint", "access_token"),
        ("nonsense", "1"),
    ])
    .expect(200)
    .json();
    assert_eq!((&token["kind"], &token["sub"]), (&json!("token"), &sub));
    let endless = site.api_key(
        &site.bob,
        &json!({"name": "endless", "expires_in": "never"}),
    );
    assert_eq!(ask(&[("token", &secret(&endless))]).json().get("exp"), None);
    let own = ask(&[("token", &service)]).json();
    assert_eq!(own["username"], "lab");
    assert!(own["sub"].as_str().unwrap().starts_with("service-"));
    // By Basic too, and with a charset.
    site.ask("POST", "/oauth/introspect")
        .basic("lab", &service)
        .body(
            "application/x-www-form-urlencoded; charset=UTF-8",
            format!("token={}", site.bob),
        )
        .send()
        .expect(200);
    // Limited to addresses: valid only with a matching one.
    let limited = secret(&site.api_key(
        &site.bob,
        &json!({"name": "limited", "allowed_addresses": ["192.0.2.0/24"]}),
    ));
    assert_eq!(ask(&[("token", &limited)]).body, INACTIVE);
    assert_eq!(
        ask(&[("token", &limited), ("address", "203.0.113.1")]).body,
        INACTIVE
    );
    for fits in ["192.0.2.9", "::ffff:192.0.2.9"] {
        assert_eq!(
            ask(&[("token", &limited), ("address", fits)]).json()["active"],
            true
        );
    }
    ask(&[("token", &limited), ("address", "somewhere")]).expect(400);
    ask(&[("token", &limited), ("token", &limited)]).expect(400);
    let event = site
        .ask("POST", "/oauth/introspect")
        .bearer(&service)
        .json(&json!({"token": limited}))
        .send()
        .expect(400);
    assert_eq!(event.json()["error"], "invalid_request");
    // The caller needs its own permission.
    let answer = site
        .ask("POST", "/oauth/introspect")
        .bearer(&site.bob)
        .form(&[("token", &site.bob)])
        .send()
        .expect(403);
    assert_eq!(
        (&answer.json()["error"], &answer.json()["scope"]),
        (&json!("insufficient_scope"), &json!("introspect"))
    );
    site.ask("POST", "/oauth/introspect")
        .form(&[("token", &site.bob)])
        .send()
        .expect(401);
    // With the permission granted to bob, his new keys may introspect.
    site.ask("PATCH", "/api/v1/users/bob")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["introspect"]}))
        .send()
        .expect(200);
    let asks = site.narrow(&site.token("bob"), &["introspect"]);
    site.ask("POST", "/oauth/introspect")
        .bearer(&asks)
        .form(&[("token", &site.bob)])
        .send()
        .expect(200);
}

#[test]
fn every_inactive_secret_gets_identical_bytes() {
    let site = Site::new();
    site.set_password("bob");
    let asker = site.narrow(&site.alice, &["introspect"]);
    let live = |name: &str| site.api_key(&site.bob, &json!({"name": name, "expires_in": "1h"}));
    let edit = |created: &Value, body: Value| {
        site.ask("PATCH", &format!("/api/v1/api-keys/{}", id(created)))
            .bearer(&site.bob)
            .json(&body)
            .send()
            .expect(200);
    };
    let (deleted, disabled, expired, rotated, revoked) = (
        live("deleted"),
        live("disabled"),
        live("expired"),
        live("rotated"),
        live("revoked"),
    );
    site.ask("DELETE", &format!("/api/v1/api-keys/{}", id(&deleted)))
        .bearer(&site.bob)
        .send()
        .expect(204);
    edit(&disabled, json!({"disabled": true}));
    edit(&expired, json!({"expires_in": "1s"}));
    site.ask("POST", &format!("/api/v1/api-keys/{}/rotate", id(&rotated)))
        .bearer(&site.bob)
        .json(&json!({"grace": "0s"}))
        .send()
        .expect(200);
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &secret(&revoked))])
        .send()
        .expect(200);
    site.pass(1);
    site.add_user("left", keycroft::model::user::Role::Member);
    let left = site.token("left");
    site.ask("POST", "/api/v1/users/left/offboard")
        .bearer(&site.alice)
        .send()
        .expect(200);
    site.add_user("off", keycroft::model::user::Role::Member);
    let off = site.token("off");
    site.ask("PATCH", "/api/v1/users/off")
        .bearer(&site.alice)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .app()
        .reset_password(&site.app().operator(0), &name, None)
        .unwrap()
        .reveal();
    let dead: Vec<String> = [&deleted, &disabled, &expired, &rotated, &revoked]
        .map(secret)
        .into_iter()
        .chain([left, off, site.sign_in("bob"), code.to_string()])
        .collect();
    let unknown = [
        unknown_secret(Kind::ApiKey),
        unknown_secret(Kind::Token),
        unknown_secret(Kind::Session),
        unknown_secret(Kind::Host),
    ];
    let nonsense = [
        "",
        "x",
        "kca_",
        "\u{0}",
        "a b",
        &"x".repeat(10_000),
        &asker[..50],
        &format!("{asker} "),
        &format!("Bearer {asker}"),
        "hunter2",
    ]
    .map(str::to_owned);
    let mut first: Option<Vec<(String, String)>> = None;
    for token in dead.iter().chain(&unknown).chain(&nonsense) {
        let answer = site
            .ask("POST", "/oauth/introspect")
            .bearer(&asker)
            .form(&[("token", token)])
            .send()
            .expect(200);
        assert_eq!(answer.body, INACTIVE, "{token}");
        let headers: Vec<(String, String)> = answer
            .headers
            .into_iter()
            .filter(|(name, _)| name != "Request-Id")
            .collect();
        assert_eq!(
            first.get_or_insert_with(|| headers.clone()),
            &headers,
            "{token}"
        );
    }
    for form in [&[][..], &[("tokens", "x")][..]] {
        assert_eq!(
            site.ask("POST", "/oauth/introspect")
                .bearer(&asker)
                .form(form)
                .send()
                .expect(200)
                .body,
            INACTIVE
        );
    }
    assert_eq!(
        site.ask("POST", "/oauth/introspect")
            .bearer(&asker)
            .send()
            .expect(200)
            .body,
        INACTIVE
    );
}

#[test]
fn revoke_answers_equally_for_known_and_unknown_secrets() {
    let site = Site::new();
    site.set_password("bob");
    let revoke = |token: &str| {
        site.ask("POST", "/oauth/revoke")
            .form(&[("token", token), ("token_type_hint", "refresh_token")])
            .send()
    };
    let key = site.narrow(&site.bob, &[]);
    let token = site.token("bob");
    for token in [&key, &token] {
        site.ask("GET", "/verify").bearer(token).send().expect(204);
        let answer = revoke(token).expect(200);
        assert!(answer.body.is_empty());
        site.ask("GET", "/verify").bearer(token).send().expect(401);
        revoke(token).expect(200);
    }
    let before = site.snapshot();
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .app()
        .reset_password(&site.app().operator(0), &name, None)
        .unwrap()
        .reveal();
    let with_code = site.snapshot();
    assert_ne!(before, with_code);
    for unknown in [
        "",
        "nonsense",
        &unknown_secret(Kind::ApiKey),
        &unknown_secret(Kind::Host),
        &code,
    ] {
        revoke(unknown).expect(200);
    }
    assert_eq!(site.snapshot(), with_code);
    let answer = site
        .ask("POST", "/oauth/revoke")
        .form(&[])
        .send()
        .expect(400);
    assert_eq!(answer.json()["error"], "invalid_request");
    site.ask("POST", "/oauth/revoke")
        .json(&json!({"token": "x"}))
        .send()
        .expect(400);
    assert_eq!(
        site.ask("GET", "/oauth/revoke")
            .send()
            .expect(405)
            .header("Allow"),
        Some("POST")
    );
}

#[test]
fn server_metadata_is_served() {
    let site = Site::new();
    let found = site
        .ask("GET", "/.well-known/oauth-authorization-server")
        .send()
        .expect(200)
        .json();
    assert_eq!(found["issuer"], "http://127.0.0.1:8420");
    assert_eq!(
        found["introspection_endpoint"],
        "http://127.0.0.1:8420/oauth/introspect"
    );
    assert_eq!(
        found["revocation_endpoint"],
        "http://127.0.0.1:8420/oauth/revoke"
    );
    assert_eq!(found["response_types_supported"], json!([]));
    assert_eq!(
        site.ask("GET", "/healthz").send().expect(200).json(),
        json!({"status": "ok"})
    );
}
