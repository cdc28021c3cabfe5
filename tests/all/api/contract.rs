//! A user's objects on the wire, field by field and status by status: the contract with clients.

use serde_json::{Value, json};

use crate::fixture::{Site, id, secret};

const KEYS: &str = "/api/v1/api-keys";
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob";

/// All of these fields are present, with any value.
#[track_caller]
fn has_fields(value: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(value.get(field).is_some(), "{field} is missing in {value}");
    }
}

#[track_caller]
fn is_time(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
}

fn get(site: &Site, path: &str) -> Value {
    site.asked(&site.bob, "GET", path, &Value::Null, 200)
}

#[test]
fn me_describes_the_presented_credential() {
    let site = Site::new();
    let me = get(&site, "/api/v1/me");
    has_fields(
        &me,
        "username display_name role kind id permissions expires_at",
    );
    assert_eq!(
        (&me["username"], &me["kind"]),
        (&json!("bob"), &json!("token"))
    );
    let body = json!({"display_name": "Bob B."});
    let changed = site.asked(&site.bob, "PATCH", "/api/v1/me", &body, 200);
    assert_eq!(changed["display_name"], "Bob B.");
}

#[test]
fn api_key_has_all_fields_and_its_secret_once() {
    let site = Site::new();
    let asking = site.ask("POST", KEYS).bearer(&site.bob);
    let answer = asking.json(&json!({"name": "ci"})).send().expect(201);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let fresh = answer.json();
    let fields = "id name note permissions allowed_addresses state created_at created_by creator expires_at last_used_at \
                  last_used_from last_used_by rotated_at previous_ends_at previous_last_used_at";
    has_fields(&fresh, &format!("{fields} secret"));
    has_fields(&fresh["creator"], "id kind name");
    assert_eq!(fresh["created_by"], fresh["creator"]["id"]);
    is_time(&fresh["created_at"]);
    assert_eq!(
        fresh["expires_at"], "2026-12-22T12:00:00Z",
        "policy's default"
    );
    let list = get(&site, KEYS);
    assert_eq!(list["next"], Value::Null);
    let path = format!("{KEYS}/{}", id(&fresh));
    for shown in [&list["items"][0], &get(&site, &path)] {
        has_fields(shown, fields);
        assert_eq!(shown.get("secret"), None);
    }
    let rotate = format!("{path}/rotate");
    let rotated = site.asked(&site.bob, "POST", &rotate, &json!({"grace": "1h"}), 200);
    has_fields(&rotated, &format!("{fields} secret"));
    assert_eq!(rotated["previous_ends_at"], "2026-11-22T13:00:00Z");
}

#[test]
fn api_key_state_is_active_disabled_or_expired() {
    let site = Site::new();
    let fresh = site.api_key(&site.bob, &json!({"name": "ci", "expires_in": "1h"}));
    let path = format!("{KEYS}/{}", id(&fresh));
    assert_eq!(fresh["state"], "active");
    for (disabled, state) in [(true, "disabled"), (false, "active")] {
        let body = json!({"disabled": disabled});
        let changed = site.asked(&site.bob, "PATCH", &path, &body, 200);
        assert_eq!(changed["state"], state);
    }
    site.pass(3_600);
    assert_eq!(get(&site, &path)["state"], "expired");
    let rotate = format!("{path}/rotate");
    site.asked(&site.bob, "POST", &rotate, &json!({"grace": "0s"}), 409);
}

#[test]
fn null_clears_note_addresses_and_expiration() {
    let site = Site::new();
    let fresh = site.api_key(
        &site.bob,
        &json!({"name": "ci", "note": "n", "allowed_addresses": ["10.0.0.0/8"]}),
    );
    let path = format!("{KEYS}/{}", id(&fresh));
    let body = json!({"note": null, "allowed_addresses": null, "expires_in": null});
    let changed = site.asked(&site.bob, "PATCH", &path, &body, 200);
    assert_eq!(changed["note"], Value::Null);
    assert_eq!(changed["allowed_addresses"], json!([]));
    assert_eq!(changed["expires_at"], Value::Null);
    let both = json!({"expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    site.asked(&site.bob, "PATCH", &path, &both, 422);
}

#[test]
fn deleted_api_key_is_listed_for_30_days() {
    let site = Site::new();
    let fresh = site.api_key(&site.bob, &json!({"name": "ci"}));
    let path = format!("{KEYS}/{}", id(&fresh));
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("{path}/usage")),
        ("DELETE", path.clone()),
    ] {
        site.asked(&site.bob, method, &path, &Value::Null, 404);
    }
    assert_eq!(get(&site, KEYS)["items"], json!([]));
    let ended = &get(&site, &format!("{KEYS}?ended=true"))["items"][0];
    assert_eq!(ended["id"], fresh["id"]);
    // Its name is free.
    site.api_key(&site.bob, &json!({"name": "ci"}));
}

#[test]
fn usage_and_explain_exist_for_api_keys_and_tokens() {
    let site = Site::new();
    let key = site.api_key(&site.bob, &json!({"name": "ci"}));
    let token = site.asked(&site.bob, "POST", "/api/v1/tokens", &json!({}), 201);
    for (noun, fresh) in [("api-keys", &key), ("tokens", &token)] {
        site.ask("GET", "/verify")
            .bearer(&secret(fresh))
            .send()
            .expect(204);
        for base in ["/api/v1", "/api/v1/users/bob"] {
            let path = format!("{base}/{noun}/{}", id(fresh));
            let ask = |tail: &str| {
                site.asked(
                    &site.alice,
                    "GET",
                    &format!("{path}{tail}"),
                    &Value::Null,
                    200,
                )
            };
            let by_bob = |tail: &str| get(&site, &format!("{path}{tail}"));
            let usage = if base == "/api/v1" {
                by_bob("/usage")
            } else {
                ask("/usage")
            };
            let days = usage["days"].as_array().unwrap();
            assert_eq!(days.len(), 30);
            assert_eq!(
                days[29],
                json!({"day": "2026-11-22", "uses": 1, "refused": 0})
            );
            let explained = if base == "/api/v1" {
                by_bob("/explain")
            } else {
                ask("/explain")
            };
            assert_eq!(explained["valid"], true, "{path}");
        }
    }
}

#[test]
fn token_lifetime_is_in_full_hours() {
    let site = Site::new();
    let body = json!({"name": "t", "expires_in": "2h", "permissions": ["account:read"], "allowed_addresses": ["127.0.0.1"]});
    let fresh = site.asked(&site.bob, "POST", "/api/v1/tokens", &body, 201);
    let fields = "id name permissions allowed_addresses state created_at created_by creator expires_at last_used_at last_used_from last_used_by";
    has_fields(&fresh, &format!("{fields} secret"));
    assert_eq!(fresh["expires_at"], "2026-11-22T14:00:00Z");
    let path = format!("/api/v1/tokens/{}", id(&fresh));
    let shown = get(&site, &path);
    has_fields(&shown, fields);
    assert_eq!(shown.get("secret"), None);
    for wrong in ["30m", "90m", "25h", "never"] {
        let body = json!({"expires_in": wrong});
        site.asked(&site.bob, "POST", "/api/v1/tokens", &body, 422);
    }
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
    site.asked(&site.bob, "GET", &path, &Value::Null, 404);
}

#[test]
fn sessions_are_listed_and_deleted() {
    let site = Site::new();
    site.set_password("bob");
    for _ in 0..3 {
        site.sign_in("bob");
    }
    let list = get(&site, "/api/v1/sessions");
    let session = &list["items"][0];
    has_fields(
        session,
        "id device user_agent address created_at last_active_at expires_at current",
    );
    let path = format!("/api/v1/sessions/{}", id(session));
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 404);
    site.asked(&site.bob, "DELETE", "/api/v1/sessions", &Value::Null, 204);
    assert_eq!(get(&site, "/api/v1/sessions")["items"], json!([]));
}

#[test]
fn ssh_key_has_all_fields() {
    let site = Site::new();
    let keys = "/api/v1/ssh-keys";
    let body = json!({"public_key": PUBLIC_KEY, "expires_in": "30d"});
    let fresh = site.asked(&site.bob, "POST", keys, &body, 201);
    let path = format!("{keys}/{}", id(&fresh));
    for shown in [&fresh, &get(&site, &path), &get(&site, keys)["items"][0]] {
        has_fields(
            shown,
            "id name public_key type bits fingerprint comment allowed_addresses state created_at expires_at \
             last_looked_up_at last_used_at last_used_host",
        );
        assert_eq!(shown["name"], "bob", "from the comment");
    }
    let body = json!({"name": "laptop", "expires_at": null});
    let changed = site.asked(&site.bob, "PATCH", &path, &body, 200);
    assert_eq!(
        (&changed["name"], &changed["expires_at"]),
        (&json!("laptop"), &Value::Null)
    );
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
}

#[test]
fn own_events_are_filtered_by_action_and_time() {
    let site = Site::new();
    let fresh = site.api_key(&site.bob, &json!({"name": "ci"}));
    site.pass(60);
    let path = format!("{KEYS}/{}", id(&fresh));
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
    let count = |query: &str| {
        let list = get(&site, &format!("/api/v1/events?{query}"));
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count("action=api-key.create"), 1);
    assert_eq!(count("action=api-key.delete&since=2026-11-22T12:01:00Z"), 1);
    assert_eq!(count("action=api-key.delete&until=2026-11-22T12:00:59Z"), 0);
}

/// RFC 7009: possession of the secret suffices, and the answer does not reveal whether it existed.
#[test]
fn possession_of_a_secret_is_enough_to_revoke_it() {
    let site = Site::new();
    site.set_password("bob");
    let revoke = |secret: &str| {
        site.ask("POST", "/oauth/revoke")
            .form(&[("token", secret)])
            .send()
            .status
    };
    let works = |secret: &str| site.ask("GET", "/verify").bearer(secret).send().status == 204;
    let limited = site.api_key(
        &site.bob,
        &json!({"name": "elsewhere", "allowed_addresses": ["10.0.0.0/8"]}),
    );
    let key = site.api_key(&site.bob, &json!({"name": "ci"}));
    let token = site.asked(&site.bob, "POST", "/api/v1/tokens", &json!({}), 201);
    for secret in [secret(&limited), secret(&key), secret(&token)] {
        for _ in 0..2 {
            assert_eq!(revoke(&secret), 200);
        }
        assert!(!works(&secret));
    }
    let session = site.sign_in("bob");
    assert_eq!(revoke(&session), 200);
    assert_eq!(get(&site, "/api/v1/sessions")["items"], json!([]));
    assert_eq!(revoke("nonsense"), 200);
    // The previous secret of a rotation revokes only itself.
    let old = site.api_key(&site.bob, &json!({"name": "rotated"}));
    let rotate = format!("{KEYS}/{}/rotate", id(&old));
    let new = site.asked(&site.bob, "POST", &rotate, &json!({"grace": "1h"}), 200);
    assert_eq!(revoke(&secret(&old)), 200);
    assert_eq!((works(&secret(&old)), works(&secret(&new))), (false, true));
}

fn code(site: &Site) -> Value {
    let path = "/api/v1/hosts/enrollment-codes";
    site.asked(&site.alice, "POST", path, &json!({}), 201)
}

#[test]
fn complete_list_is_paged() {
    let site = Site::new();
    let mut created: Vec<Value> = (0..3).map(|_| code(&site)["id"].clone()).collect();
    let mut listed = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/api/v1/hosts/enrollment-codes?limit=1{next}");
        let part = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
        assert_eq!(part["items"].as_array().unwrap().len(), 1);
        listed.push(part["items"][0]["id"].clone());
        let Some(after) = part["next"].as_str() else {
            break;
        };
        next = format!("&after={after}");
    }
    created.sort_by_key(Value::to_string);
    listed.sort_by_key(Value::to_string);
    assert_eq!(listed, created);
}

/// One type per remedy: clients decide by it, not by the text.
#[test]
fn problem_type_names_the_remedy() {
    let site = Site::new();
    let key = site.api_key(&site.bob, &json!({"name": "ci"}));
    let other = site.api_key(&site.bob, &json!({"name": "other"}));
    let ssh_key = json!({"public_key": PUBLIC_KEY});
    for bearer in [&site.alice, &site.bob] {
        let body = json!({"public_key": PUBLIC_KEY, "allow_shared": true});
        site.asked(bearer, "POST", "/api/v1/ssh-keys", &body, 201);
    }
    let policy = json!({"api_key_lifetime_max": "90d", "api_key_lifetimes": ["30d"], "api_key_lifetime_default": "30d"});
    site.asked(&site.alice, "PATCH", "/api/v1/policy", &policy, 200);
    let body = json!({"name": "lab"});
    for path in ["/api/v1/groups", "/api/v1/services"] {
        site.asked(&site.alice, "POST", path, &body, 201);
    }
    let (key, other) = (
        format!("{KEYS}/{}", id(&key)),
        format!("{KEYS}/{}", id(&other)),
    );
    let unknown = "/api/v1/api-keys/000000000000";
    let carol = json!({"username": "carol", "password": crate::fixture::PASSWORD});
    site.asked(&site.alice, "POST", "/api/v1/users", &carol, 201);
    let carol_token = site.token("carol");
    for (bearer, method, path, body, status, kind) in [
        (
            &site.bob,
            "GET",
            "/api/v1/nothing",
            Value::Null,
            404,
            "unknown-path",
        ),
        (
            &site.bob,
            "PUT",
            KEYS,
            Value::Null,
            405,
            "method-not-allowed",
        ),
        (
            &String::new(),
            "GET",
            KEYS,
            Value::Null,
            401,
            "unauthorized",
        ),
        (
            &site.bob,
            "GET",
            "/api/v1/users",
            Value::Null,
            403,
            "forbidden",
        ),
        (&site.bob, "POST", KEYS, json!({"name": ""}), 422, "invalid"),
        (&site.bob, "POST", KEYS, json!({"nam": "x"}), 422, "invalid"),
        (
            &site.bob,
            "GET",
            "/api/v1/api-keys?x=1",
            Value::Null,
            422,
            "invalid",
        ),
        (
            &site.bob,
            "POST",
            KEYS,
            json!({"name": "x", "expires_in": "never"}),
            422,
            "policy",
        ),
        (&site.bob, "GET", unknown, Value::Null, 404, "not-found"),
        (&site.alice, "GET", &key, Value::Null, 404, "not-found"),
        (
            &site.bob,
            "POST",
            KEYS,
            json!({"name": "ci"}),
            409,
            "name-taken",
        ),
        (
            &site.bob,
            "PATCH",
            &other,
            json!({"name": "ci"}),
            409,
            "name-taken",
        ),
        (
            &site.alice,
            "POST",
            "/api/v1/users",
            json!({"username": "bob"}),
            409,
            "name-taken",
        ),
        (
            &site.alice,
            "POST",
            "/api/v1/groups",
            json!({"name": "lab"}),
            409,
            "name-taken",
        ),
        (
            &site.alice,
            "POST",
            "/api/v1/services",
            json!({"name": "lab"}),
            409,
            "name-taken",
        ),
        (
            &site.alice,
            "PATCH",
            "/api/v1/users/alice",
            json!({"role": "member"}),
            409,
            "conflict",
        ),
        (
            &site.bob,
            "POST",
            "/api/v1/ssh-keys",
            ssh_key.clone(),
            409,
            "conflict",
        ),
        (
            &carol_token,
            "POST",
            "/api/v1/ssh-keys",
            ssh_key,
            409,
            "shared-key",
        ),
    ] {
        let asking = site.ask(method, path);
        let asking = if bearer.is_empty() {
            asking
        } else {
            asking.bearer(bearer)
        };
        let asking = if body.is_null() {
            asking
        } else {
            asking.json(&body)
        };
        is_problem(&asking.send(), status, kind);
    }
    let create = || site.ask("POST", KEYS).bearer(&site.bob);
    let long = json!({"name": "x".repeat(70_000)});
    is_problem(&create().json(&long).send(), 413, "too-large");
    let form = create().form(&[("name", "x")]);
    is_problem(&form.send(), 415, "unsupported-media-type");
    let text = create().body("application/json", "{");
    is_problem(&text.send(), 400, "malformed");
    let foreign = create().header("Sec-Fetch-Site", "cross-site");
    is_problem(
        &foreign.json(&json!({"name": "x"})).send(),
        403,
        "cross-site",
    );
    let once = |name: &str| {
        let asking = create().header("Idempotency-Key", "k");
        asking.json(&json!({"name": name})).send()
    };
    once("once").expect(201);
    is_problem(&once("once"), 409, "already-done");
    is_problem(&once("twice"), 422, "idempotency-key");
    let wrong = json!({"current": "no", "new": "another long password"});
    let mut last = 0;
    for _ in 0..50 {
        let asking = site.ask("POST", "/api/v1/me/password").bearer(&carol_token);
        let answer = asking.json(&wrong).send();
        last = answer.status;
        if last == 429 {
            assert!(answer.header("Retry-After").is_some());
            is_problem(&answer, 429, "rate-limited");
            break;
        }
    }
    assert_eq!(last, 429);
}

#[track_caller]
fn is_problem(answer: &crate::fixture::Answer, status: u16, kind: &str) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/problem+json")
    );
    let problem = answer.json();
    let urn = format!("urn:keycroft:problem:{kind}");
    assert_eq!(problem["type"], urn, "{text}");
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
}
