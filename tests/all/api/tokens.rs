//! Tokens and sessions: short-lived, listed, revoked early.

use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Site, id, id_of, secret};

fn make(site: &Site, bearer: &str, body: &Value) -> Value {
    site.ask("POST", "/api/v1/tokens")
        .bearer(bearer)
        .json(body)
        .send()
        .expect(201)
        .json()
}

#[test]
fn token_is_created_at_the_limit_of_api_keys() {
    let site = Site::new();
    site.api_key(&site.alice, &json!({"name": "only"}));
    site.ask("PATCH", "/api/v1/policy")
        .bearer(&site.alice)
        .json(&json!({"api_keys_max": 1}))
        .send()
        .expect(200);
    make(&site, &site.alice, &json!({}));
}

#[test]
fn token_lasts_full_hours_within_its_creators_lifetime() {
    let site = Site::new();
    let key = secret(&site.api_key(&site.bob, &json!({"name": "k", "expires_in": "never"})));
    let created = make(
        &site,
        &key,
        &json!({"name": " laptop ", "expires_in": "2h", "permissions": ["account:read"], "allowed_addresses": ["127.0.0.1"]}),
    );
    let expected = json!({
        "id": id(&created), "name": "laptop", "permissions": ["account:read"], "allowed_addresses": ["127.0.0.1/32"], "state": "active",
        "created_at": "2026-11-22T12:00:00Z", "created_by": id_of(&key), "creator": {"id": id_of(&key), "kind": "api-key", "name": "k"}, "expires_at": "2026-11-22T14:00:00Z",
        "last_used_at": null, "last_used_from": null, "last_used_by": null,
    });
    assert_eq!(
        site.ask("GET", &format!("/api/v1/tokens/{}", id(&created)))
            .bearer(&key)
            .send()
            .expect(200)
            .json(),
        expected
    );
    assert_eq!(
        site.ask("GET", "/api/v1/tokens?limit=1")
            .bearer(&key)
            .send()
            .expect(200)
            .json()["items"][0],
        expected
    );
    for (hours, end) in [
        ("1h", "2026-11-22T13:00:00Z"),
        ("24h", "2026-11-23T12:00:00Z"),
        ("1d", "2026-11-23T12:00:00Z"),
        ("60m", "2026-11-22T13:00:00Z"),
    ] {
        assert_eq!(
            make(&site, &key, &json!({"expires_in": hours}))["expires_at"],
            end
        );
    }
    assert_eq!(
        make(&site, &key, &json!({}))["expires_at"],
        "2026-11-23T12:00:00Z"
    );
    assert_eq!(
        make(&site, &key, &Value::Object(serde_json::Map::new()))["name"],
        "token"
    );
    let named = site
        .ask("POST", "/api/v1/tokens")
        .bearer(&key)
        .header("User-Agent", "lab-cli/1.0 \u{202e}x")
        .send()
        .expect(201)
        .json();
    assert_eq!(named["name"], "lab-cli/1.0 x");
    let short = secret(&site.api_key(&site.bob, &json!({"name": "short", "expires_in": "30m"})));
    let token = make(&site, &short, &json!({"expires_in": "24h"}));
    assert_eq!(token["expires_at"], "2026-11-22T12:30:00Z");
    site.pass(1_799);
    site.ask("GET", "/verify")
        .bearer(&secret(&token))
        .send()
        .expect(204);
    site.pass(1);
    site.ask("GET", "/verify")
        .bearer(&secret(&token))
        .send()
        .expect(401);
}

#[test]
fn token_lifetime_follows_the_policy() {
    let site = Site::new();
    let policy = |change: Value| {
        site.ask("PATCH", "/api/v1/policy")
            .bearer(&site.alice)
            .json(&change)
            .send()
            .expect(200);
    };
    policy(json!({"token_lifetime_max": "8h", "token_lifetime_default": "4h"}));
    assert_eq!(
        make(&site, &site.bob, &json!({}))["expires_at"],
        "2026-11-22T16:00:00Z"
    );
    make(&site, &site.bob, &json!({"expires_in": "8h"}));
    let answer = site
        .ask("POST", "/api/v1/tokens")
        .bearer(&site.bob)
        .json(&json!({"expires_in": "9h"}))
        .send()
        .expect(422);
    assert_eq!(
        (answer.fields(), &answer.json()["type"]),
        (
            vec!["expires_in".to_owned()],
            &json!("urn:keycroft:problem:policy")
        )
    );
    policy(json!({"token_lifetime_choice": false}));
    site.ask("POST", "/api/v1/tokens")
        .bearer(&site.bob)
        .json(&json!({"expires_in": "1h"}))
        .send()
        .expect(422);
    make(&site, &site.bob, &json!({"expires_in": "4h"}));
    assert_eq!(
        make(&site, &site.bob, &json!({}))["expires_at"],
        "2026-11-22T16:00:00Z"
    );
}

#[test]
fn deleted_token_is_rejected_and_unlisted() {
    let mut site = Site::new();
    let created = make(&site, &site.bob, &json!({}));
    site.ask("GET", "/verify")
        .bearer(&secret(&created))
        .send()
        .expect(204);
    site.reopen();
    let path = format!("/api/v1/tokens/{}", id(&created));
    let usage = site
        .ask("GET", &format!("{path}/usage"))
        .bearer(&site.bob)
        .send()
        .expect(200)
        .json();
    assert_eq!(
        usage["days"][29],
        json!({"day": "2026-11-22", "uses": 1, "refused": 0})
    );
    // It may delete itself through the list as well.
    site.ask("DELETE", &path)
        .bearer(&secret(&created))
        .send()
        .expect(204);
    site.ask("GET", "/verify")
        .bearer(&secret(&created))
        .send()
        .expect(401);
    for (method, tail) in [("GET", ""), ("DELETE", ""), ("GET", "/usage")] {
        site.ask(method, &format!("{path}{tail}"))
            .bearer(&site.bob)
            .send()
            .expect(404);
    }
    assert!(!site.dump(|table| table != "events").contains(&id(&created)));
    for method in ["PATCH", "PUT", "POST"] {
        assert_eq!(
            site.ask(method, &path)
                .bearer(&site.bob)
                .send()
                .expect(405)
                .header("Allow"),
            Some("GET, HEAD, DELETE")
        );
    }
}

#[test]
fn session_secret_is_not_a_bearer_credential() {
    let mut site = Site::new();
    site.set_password("bob");
    let sessions = [
        site.sign_in("bob"),
        site.sign_in("bob"),
        site.sign_in("bob"),
    ];
    let list = |site: &Site, path: &str, bearer: &str| {
        site.ask("GET", path)
            .bearer(bearer)
            .send()
            .expect(200)
            .json()["items"]
            .as_array()
            .unwrap()
            .clone()
    };
    site.reopen();
    let found = list(&site, "/api/v1/sessions", &site.bob);
    assert_eq!(found.len(), 3);
    assert_eq!(
        found[2],
        json!({"id": id_of(&sessions[0]), "device": "Firefox on Linux", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "address": "127.0.0.1", "created_at": "2026-11-22T12:00:00Z", "last_active_at": null, "last_active_from": null, "expires_at": "2026-11-29T12:00:00Z", "signed_in_with": "password", "current": false})
    );
    assert_eq!(
        list(&site, "/api/v1/users/bob/sessions", &site.alice),
        found
    );
    assert!(list(&site, "/api/v1/sessions", &site.alice).is_empty());
    for session in &sessions {
        site.ask("GET", "/api/v1/me")
            .bearer(session)
            .send()
            .expect(401);
        site.ask("GET", "/verify")
            .bearer(session)
            .send()
            .expect(401);
    }
    site.ask(
        "DELETE",
        &format!("/api/v1/sessions/{}", id_of(&sessions[0])),
    )
    .bearer(&site.bob)
    .send()
    .expect(204);
    site.ask(
        "DELETE",
        &format!("/api/v1/users/bob/sessions/{}", id_of(&sessions[1])),
    )
    .bearer(&site.alice)
    .send()
    .expect(204);
    assert_eq!(list(&site, "/api/v1/sessions", &site.bob).len(), 1);
    site.ask("DELETE", "/api/v1/sessions")
        .bearer(&site.bob)
        .send()
        .expect(204);
    assert!(list(&site, "/api/v1/sessions", &site.bob).is_empty());
}

#[test]
fn new_password_revokes_all_sessions() {
    let site = Site::new();
    site.set_password("bob");
    site.sign_in("bob");
    site.sign_in("bob");
    let new = "quite another battery";
    site.ask("POST", "/api/v1/me/password")
        .bearer(&site.bob)
        .json(&json!({"current": PASSWORD, "new": new}))
        .send()
        .expect(204);
    let sessions = site
        .ask("GET", "/api/v1/sessions")
        .bearer(&site.bob)
        .send()
        .expect(200)
        .json();
    assert_eq!(sessions["items"], json!([]));
    // The token of the request lives on, and the old password is invalid.
    site.ask("POST", "/api/v1/me/password")
        .bearer(&site.bob)
        .json(&json!({"current": PASSWORD, "new": "a third long password"}))
        .send()
        .expect(422);
    site.ask("POST", "/api/v1/me/password")
        .bearer(&site.bob)
        .json(&json!({"current": new, "new": "a third long password"}))
        .send()
        .expect(204);
    // Guessing is limited for every credential.
    let guess = |n: usize| {
        site.ask("POST", "/api/v1/me/password")
            .bearer(&site.bob)
            .json(&json!({"current": format!("guess number {n}"), "new": new}))
            .send()
    };
    let mut rejected = None;
    for n in 0..12 {
        let answer = guess(n);
        if answer.status == 429 {
            rejected = Some((n, answer));
            break;
        }
        assert_eq!(answer.status, 422);
    }
    let (n, answer) = rejected.unwrap();
    // Ten a minute, of which the old password above was one.
    assert_eq!(n, 9);
    let seconds: u32 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    site.pass(60);
    guess(99).expect(422);
}
