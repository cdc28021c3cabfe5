//! API keys: creation, changes, expiration.

use serde_json::{Value, json};

use crate::fixture::{Site, id, secret};

const KEYS: &str = "/api/v1/api-keys";

fn path(fresh: &Value) -> String {
    format!("{KEYS}/{}", id(fresh))
}

fn works(site: &Site, secret: &str) -> bool {
    match site.ask("GET", "/verify").bearer(secret).send().status {
        204 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

fn show(site: &Site, fresh: &Value) -> Value {
    site.ask("GET", &path(fresh))
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json()
}

fn policy(site: &Site, change: &Value) {
    site.ask("PATCH", "/api/v1/policy")
        .bearer(&site.alice)
        .json(change)
        .send()
        .expect(200);
}

#[test]
fn new_key_has_its_settings_and_shows_its_secret_once() {
    let site = Site::new();
    let fresh = site.api_key(
        &site.alice,
        &json!({"name": " ключ 🔑 ", "note": "line one\r\nline two", "expires_in": "7d",
            "permissions": ["users:read", "account:read", "users:read"], "allowed_addresses": ["10.0.0.0/8", "::ffff:192.168.0.1", "::ffff:10.0.0.0/104"]}),
    );
    let creator = crate::fixture::id_of(&site.alice);
    let expected = json!({
        "id": id(&fresh), "name": "ключ 🔑", "note": "line one\nline two", "permissions": ["account:read", "users:read"],
        "allowed_addresses": ["10.0.0.0/8", "192.168.0.1/32"], "state": "active", "created_at": "2026-11-22T12:00:00Z", "created_by": creator, "creator": {"id": creator, "kind": "token", "name": "created by the operator"},
        "expires_at": "2026-11-29T12:00:00Z", "last_used_at": null, "last_used_from": null, "last_used_by": null,
        "rotated_at": null, "previous_ends_at": null, "previous_quiet_for": null, "current_last_used_at": null, "previous_last_used_at": null,
    });
    let mut shown = expected.clone();
    shown["secret"] = json!(secret(&fresh));
    assert_eq!(fresh, shown);
    assert_eq!(show(&site, &fresh), expected);
    assert_eq!(crate::fixture::id_of(&secret(&fresh)), id(&fresh));
    let listed = site
        .ask("GET", KEYS)
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(listed, json!({"items": [expected], "next": null}));
}

#[test]
fn omitted_fields_default_to_policy_and_caller() {
    let site = Site::new();
    let fresh = site.api_key(&site.bob, &json!({"name": "plain"}));
    assert_eq!(fresh["expires_at"], "2026-12-22T12:00:00Z");
    let mine = site
        .ask("GET", "/api/v1/me")
        .bearer(&site.bob)
        .send()
        .json();
    assert_eq!(fresh["permissions"], mine["permissions"]);
    assert_eq!(fresh["allowed_addresses"], json!([]));
    let nulls = site.api_key(&site.bob, &json!({"name": "nulls", "note": null, "expires_in": null, "expires_at": null, "permissions": null, "allowed_addresses": null}));
    for field in ["expires_at", "permissions", "allowed_addresses", "note"] {
        assert_eq!(nulls[field], fresh[field], "{field}");
    }
    let endless = site.api_key(
        &site.bob,
        &json!({"name": "endless", "expires_in": "never"}),
    );
    assert_eq!(endless["expires_at"], Value::Null);
    let powerless = site.api_key(&site.bob, &json!({"name": "powerless", "permissions": []}));
    assert_eq!(powerless["permissions"], json!([]));
    site.ask("GET", "/api/v1/me")
        .bearer(&secret(&powerless))
        .send()
        .expect(200);
}

#[test]
fn lifetime_beyond_policy_is_rejected() {
    let site = Site::new();
    let fresh = site.api_key(
        &site.alice,
        &json!({"name": "before", "expires_in": "never"}),
    );
    policy(&site, &json!({"api_key_lifetime_max": "90d"}));
    let before = site.snapshot();
    let reject = |method: &str, path: &str, body: Value, field: &str| {
        let answer = site
            .ask(method, path)
            .bearer(&site.alice)
            .json(&body)
            .send()
            .expect(422);
        assert_eq!(answer.fields(), [field], "{body}");
        assert_eq!(
            answer.json()["type"],
            "urn:keycroft:problem:policy",
            "{body}"
        );
        assert_eq!(site.snapshot(), before, "{body}");
    };
    for (method, at, base) in [
        ("POST", KEYS.to_owned(), json!({"name": "x"})),
        ("PATCH", path(&fresh), json!({})),
        (
            "POST",
            format!("{}/rotate", path(&fresh)),
            json!({"grace": "0s"}),
        ),
    ] {
        for (field, value) in [
            ("expires_in", "never"),
            ("expires_in", "91d"),
            ("expires_in", "7776001s"),
            ("expires_at", "2027-02-20T12:00:01Z"),
            ("expires_at", "9999-12-31T23:59:59Z"),
        ] {
            let mut body = base.clone();
            body[field] = json!(value);
            reject(method, &at, body, field);
        }
    }
    reject(
        "PATCH",
        &path(&fresh),
        json!({"expires_at": null}),
        "expires_in",
    );
    reject(
        "PATCH",
        &path(&fresh),
        json!({"expires_in": null}),
        "expires_in",
    );
    // An existing key stays as it is, and can be rotated only to a permitted expiration.
    assert!(works(&site, &secret(&fresh)));
    reject(
        "POST",
        &format!("{}/rotate", path(&fresh)),
        json!({"grace": "0s"}),
        "expires_in",
    );
    let rotated = site
        .ask("POST", &format!("{}/rotate", path(&fresh)))
        .bearer(&site.alice)
        .json(&json!({"grace": "0s", "expires_at": "2027-02-20T12:00:00Z"}))
        .send()
        .expect(200);
    assert_eq!(rotated.json()["expires_at"], "2027-02-20T12:00:00Z");
    // The default is fixed.
    policy(&site, &json!({"api_key_lifetime_choice": false}));
    for (field, value) in [
        ("expires_in", "7d"),
        ("expires_in", "never"),
        ("expires_at", "2026-12-01T00:00:00Z"),
    ] {
        let answer = site
            .ask("POST", KEYS)
            .bearer(&site.alice)
            .json(&json!({"name": "x", field: value}))
            .send()
            .expect(422);
        assert_eq!(answer.fields(), [field]);
        site.ask("PATCH", &path(&fresh))
            .bearer(&site.alice)
            .json(&json!({field: value}))
            .send()
            .expect(422);
    }
    for body in [
        json!({"name": "a"}),
        json!({"name": "b", "expires_in": "30d"}),
    ] {
        assert_eq!(
            site.api_key(&site.alice, &body)["expires_at"],
            "2026-12-22T12:00:00Z"
        );
    }
    // The limit per user.
    policy(&site, &json!({"api_keys_max": 3}));
    let answer = site
        .ask("POST", KEYS)
        .bearer(&site.alice)
        .json(&json!({"name": "c"}))
        .send()
        .expect(422);
    assert_eq!(answer.fields(), ["name"]);
    site.ask("DELETE", &path(&fresh))
        .bearer(&site.alice)
        .send()
        .expect(204);
    site.api_key(&site.alice, &json!({"name": "c"}));
}

#[test]
fn edit_changes_named_fields_and_null_clears() {
    let site = Site::new();
    let fresh = site.api_key(&site.alice, &json!({"name": "one", "note": "n", "allowed_addresses": ["127.0.0.1"], "expires_in": "1d"}));
    let edit = |body: Value| {
        site.ask("PATCH", &path(&fresh))
            .bearer(&site.alice)
            .json(&body)
            .send()
            .expect(200)
            .json()
    };
    let mut expected = fresh.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(edit(json!({})), expected);
    for (disabled, state) in [(true, "disabled"), (false, "active")] {
        expected["state"] = json!(state);
        for (field, value) in [
            ("name", json!("two")),
            ("note", json!("other")),
            ("note", Value::Null),
            ("allowed_addresses", json!(["10.0.0.0/8"])),
            ("permissions", json!(["account:read"])),
            ("expires_at", json!("2027-01-01T00:00:00Z")),
            ("expires_at", Value::Null),
        ] {
            expected[field] = value.clone();
            let change = json!({"disabled": disabled, field: value});
            assert_eq!(edit(change), expected, "{field}");
            assert_eq!(show(&site, &fresh), expected, "{field}");
        }
    }
    expected["allowed_addresses"] = json!([]);
    assert_eq!(edit(json!({"allowed_addresses": null})), expected);
    expected["expires_at"] = json!("2026-11-22T13:00:00Z");
    assert_eq!(edit(json!({"expires_in": "1h"})), expected);
    expected["state"] = json!("disabled");
    assert_eq!(edit(json!({"disabled": true})), expected);
    assert!(!works(&site, &secret(&fresh)));
    expected["state"] = json!("active");
    assert_eq!(edit(json!({"disabled": false})), expected);
    assert!(works(&site, &secret(&fresh)));
}

#[test]
fn key_expires_to_the_second_until_renewed() {
    let site = Site::new();
    let fresh = site.api_key(&site.alice, &json!({"name": "short", "expires_in": "10s"}));
    site.pass(9);
    assert!(works(&site, &secret(&fresh)));
    site.pass(1);
    assert!(!works(&site, &secret(&fresh)));
    assert_eq!(show(&site, &fresh)["state"], "expired");
    // Once seen expired, it stays expired when the clock is set back.
    site.pass(-5);
    assert!(!works(&site, &secret(&fresh)));
    let rotate = format!("{}/rotate", path(&fresh));
    site.ask("POST", &rotate)
        .bearer(&site.alice)
        .json(&json!({"grace": "0s"}))
        .send()
        .expect(409);
    site.pass(5);
    site.ask("POST", &rotate)
        .bearer(&site.alice)
        .json(&json!({"grace": "0s", "expires_in": "1d"}))
        .send()
        .expect(409);
    let renewed = site
        .ask("PATCH", &path(&fresh))
        .bearer(&site.alice)
        .json(&json!({"expires_in": "1h"}))
        .send()
        .expect(200)
        .json();
    assert_eq!(renewed["state"], "active");
    assert!(works(&site, &secret(&fresh)));
    site.ask("POST", &rotate)
        .bearer(&site.alice)
        .json(&json!({"grace": "0s"}))
        .send()
        .expect(200);
}

#[test]
fn seen_expiration_survives_a_restart() {
    let mut site = Site::new();
    let fresh = site.api_key(&site.alice, &json!({"name": "short", "expires_in": "10s"}));
    site.pass(20);
    assert!(!works(&site, &secret(&fresh)));
    site.reopen();
    site.pass(-15);
    assert!(!works(&site, &secret(&fresh)));
    assert_eq!(show(&site, &fresh)["state"], "expired");
}

#[test]
fn deleted_key_frees_its_name_and_is_kept_for_30_days() {
    let site = Site::new();
    let fresh = site.api_key(&site.alice, &json!({"name": "one"}));
    site.ask("POST", KEYS)
        .bearer(&site.alice)
        .json(&json!({"name": "one"}))
        .send()
        .expect(409);
    // The same name is free for another user.
    site.api_key(&site.bob, &json!({"name": "one"}));
    assert!(works(&site, &secret(&fresh)));
    site.ask("DELETE", &path(&fresh))
        .bearer(&site.alice)
        .send()
        .expect(204);
    assert!(!works(&site, &secret(&fresh)));
    for (method, tail) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("GET", "/usage"),
    ] {
        let asking = site.ask(method, &format!("{}{tail}", path(&fresh)));
        let asking = asking.bearer(&site.alice);
        let answer = if method == "POST" {
            asking.json(&json!({"grace": "0s"})).send()
        } else {
            asking.send()
        };
        answer.expect(404);
    }
    site.api_key(&site.alice, &json!({"name": "one"}));
    let ended = |token: &str| {
        site.ask("GET", &format!("{KEYS}?ended=true"))
            .bearer(token)
            .send()
            .expect(200)
            .json()["items"]
            .as_array()
            .unwrap()
            .clone()
    };
    let rows = ended(&site.alice);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (
            &rows[0]["id"],
            &rows[0]["state"],
            &rows[0]["deletion_reason"],
            &rows[0]["deleted_at"]
        ),
        (
            &fresh["id"],
            &json!("deleted"),
            &json!("deleted"),
            &json!("2026-11-22T12:00:00Z")
        )
    );
    // Its digest is deleted.
    let rows = site.dump(|table| table == "credentials");
    let row = rows
        .lines()
        .find(|line| line.contains(&id(&fresh)))
        .unwrap();
    assert!(!row.contains("Blob"), "{row}");
    site.pass(30 * 86_400 - 1);
    let token = site.token("alice");
    site.ask("POST", "/api/v1/sweep")
        .bearer(&token)
        .send()
        .expect(200);
    assert_eq!(ended(&token).len(), 1);
    site.pass(1);
    let swept = site
        .ask("POST", "/api/v1/sweep")
        .bearer(&token)
        .send()
        .expect(200)
        .json();
    assert!(swept["api_keys"].as_u64().unwrap() >= 1, "{swept}");
    assert_eq!(ended(&token).len(), 0);
}

#[test]
fn deleting_a_key_revokes_its_tokens() {
    let site = Site::new();
    let parent = site.api_key(&site.alice, &json!({"name": "parent"}));
    let make = |bearer: &str, name: &str| site.api_key(bearer, &json!({"name": name}));
    let child = make(&secret(&parent), "child");
    assert_eq!(child["created_by"], parent["id"]);
    let token = |bearer: &str| {
        site.ask("POST", "/api/v1/tokens")
            .bearer(bearer)
            .send()
            .expect(201)
            .json()
    };
    let first = token(&secret(&parent));
    let second = token(&secret(&first));
    assert_eq!(second["created_by"], first["id"]);
    let childs = token(&secret(&child));
    site.ask("DELETE", &path(&parent))
        .bearer(&site.alice)
        .send()
        .expect(204);
    // A key may outlive its creator, a token never does.
    assert!(works(&site, &secret(&child)));
    assert!(works(&site, &secret(&childs)));
    assert!(!works(&site, &secret(&first)));
    assert!(!works(&site, &secret(&second)));
    let grandchild = make(&secret(&child), "grandchild");
    site.ask("DELETE", &format!("{}?with_created=true", path(&child)))
        .bearer(&site.alice)
        .send()
        .expect(204);
    for fresh in [&child, &grandchild, &childs] {
        assert!(!works(&site, &secret(fresh)));
    }
    let event = site
        .events()
        .into_iter()
        .find(|event| event["action"] == "api-key.delete")
        .unwrap();
    assert!(
        event["after"]["with"]
            .as_str()
            .unwrap()
            .contains(&id(&grandchild)),
        "{event}"
    );
}

#[test]
fn token_expires_with_its_shortened_key() {
    let site = Site::new();
    let key = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "2h"}));
    let fresh = site
        .ask("POST", "/api/v1/tokens")
        .bearer(&secret(&key))
        .json(&json!({"expires_in": "24h"}))
        .send()
        .expect(201)
        .json();
    assert_eq!(fresh["expires_at"], "2026-11-22T14:00:00Z");
    let end = || {
        site.ask("GET", &format!("/api/v1/tokens/{}", id(&fresh)))
            .bearer(&site.alice)
            .send()
            .expect(200)
            .json()["expires_at"]
            .clone()
    };
    let edit = |body: Value| {
        site.ask("PATCH", &path(&key))
            .bearer(&site.alice)
            .json(&body)
            .send()
            .expect(200)
    };
    edit(json!({"expires_in": "1h"}));
    assert_eq!(end(), "2026-11-22T13:00:00Z");
    edit(json!({"expires_in": "5h"}));
    assert_eq!(end(), "2026-11-22T13:00:00Z");
    site.ask("POST", &format!("{}/rotate", path(&key)))
        .bearer(&site.alice)
        .json(&json!({"grace": "0s", "expires_in": "30m"}))
        .send()
        .expect(200);
    assert_eq!(end(), "2026-11-22T12:30:00Z");
}

#[test]
fn list_is_paged_newest_first() {
    let site = Site::new();
    let mut names: Vec<String> = (0..7).map(|n| format!("key {n}")).collect();
    for name in &names {
        site.api_key(&site.alice, &json!({"name": name}));
        site.api_key(&site.bob, &json!({"name": name}));
    }
    names.reverse();
    let mut found: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let part = site
            .ask("GET", &format!("{KEYS}?limit=3{after}"))
            .bearer(&site.alice)
            .send()
            .expect(200)
            .json();
        let items = part["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        found.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        match part["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found, names);
    let complete = site
        .ask("GET", &format!("{KEYS}?limit=7"))
        .bearer(&site.alice)
        .send()
        .json();
    assert_eq!(complete["next"], Value::Null);
}

#[test]
fn uses_are_counted_by_day() {
    let mut site = Site::new();
    let fresh = site.api_key(&site.alice, &json!({"name": "used", "expires_in": "never"}));
    let verify = |site: &Site, times: usize| {
        for _ in 0..times {
            site.ask("GET", "/verify")
                .bearer(&secret(&fresh))
                .header("User-Agent", "curl/8.5.0")
                .from("127.0.0.9")
                .send()
                .expect(204);
        }
    };
    verify(&site, 3);
    site.pass(86_400);
    verify(&site, 2);
    let alice = site.token("alice");
    let disable = |site: &Site, disabled: bool| {
        site.ask("PATCH", &path(&fresh))
            .bearer(&alice)
            .json(&json!({"disabled": disabled}))
            .send()
            .expect(200);
    };
    disable(&site, true);
    site.ask("GET", "/verify")
        .bearer(&secret(&fresh))
        .send()
        .expect(401);
    disable(&site, false);
    site.reopen();
    let usage = site
        .ask("GET", &format!("{}/usage", path(&fresh)))
        .bearer(&alice)
        .send()
        .expect(200)
        .json();
    let days = usage["days"].as_array().unwrap();
    assert_eq!(days.len(), 30);
    assert_eq!(
        days[0],
        json!({"day": "2026-10-25", "uses": 0, "refused": 0})
    );
    assert_eq!(
        days[28],
        json!({"day": "2026-11-22", "uses": 3, "refused": 0})
    );
    assert_eq!(
        days[29],
        json!({"day": "2026-11-23", "uses": 2, "refused": 1})
    );
    let shown = site.ask("GET", &path(&fresh)).bearer(&alice).send().json();
    assert_eq!(
        (
            &shown["last_used_at"],
            &shown["last_used_from"],
            &shown["last_used_by"]
        ),
        (
            &json!("2026-11-23T12:00:00Z"),
            &json!("127.0.0.9"),
            &json!("curl/8.5.0")
        )
    );
    // A user agent is stored without invisible characters, and cut.
    let name = format!("evil\u{202e}\u{7}{}", "é".repeat(5_000));
    site.ask("GET", "/verify")
        .bearer(&secret(&fresh))
        .header("User-Agent", &name)
        .send()
        .expect(204);
    site.reopen();
    let shown = site.ask("GET", &path(&fresh)).bearer(&alice).send().json();
    assert_eq!(shown["last_used_by"], format!("evil{}", "é".repeat(196)));
}
