//! Groups, policy, sweeping and events.

use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Site, id, secret};

/// Sends a request as alice.
pub fn ask(site: &Site, method: &str, path: &str, body: &Value, status: u16) -> Value {
    site.asked(&site.alice, method, path, body, status)
}

#[test]
fn group_members_are_added_and_removed() {
    let site = Site::new();
    let created = ask(
        &site,
        "POST",
        "/api/v1/groups",
        &json!({"name": "staff"}),
        201,
    );
    assert_eq!(
        created,
        json!({"name": "staff", "members": [], "created_at": "2026-11-22T12:00:00Z"})
    );
    ask(
        &site,
        "POST",
        "/api/v1/groups",
        &json!({"name": "staff"}),
        409,
    );
    for name in ["bob", "alice", "bob"] {
        ask(
            &site,
            "PUT",
            &format!("/api/v1/groups/staff/members/{name}"),
            &Value::Null,
            204,
        );
    }
    let listed = ask(&site, "GET", "/api/v1/groups", &Value::Null, 200);
    assert_eq!(listed["items"][0]["members"], json!(["alice", "bob"]));
    assert_eq!(
        ask(&site, "GET", "/api/v1/users/bob", &Value::Null, 200)["groups"],
        json!(["staff"])
    );
    for (method, path) in [
        ("PUT", "/api/v1/groups/staff/members/nobody"),
        ("PUT", "/api/v1/groups/none/members/bob"),
        ("DELETE", "/api/v1/groups/none"),
        ("DELETE", "/api/v1/groups/staff/members/carol"),
        ("PUT", "/api/v1/groups/staff/members/BOB"),
    ] {
        ask(&site, method, path, &Value::Null, 404);
    }
    ask(
        &site,
        "DELETE",
        "/api/v1/groups/staff/members/bob",
        &Value::Null,
        204,
    );
    ask(
        &site,
        "DELETE",
        "/api/v1/groups/staff/members/bob",
        &Value::Null,
        404,
    );
    ask(&site, "DELETE", "/api/v1/groups/staff", &Value::Null, 204);
    ask(&site, "DELETE", "/api/v1/groups/staff", &Value::Null, 404);
    assert_eq!(
        ask(&site, "GET", "/api/v1/users/alice", &Value::Null, 200)["groups"],
        json!([])
    );
}

#[test]
fn policy_is_changed_field_by_field() {
    let site = Site::new();
    let before = ask(&site, "GET", "/api/v1/policy", &Value::Null, 200);
    assert_eq!(
        before,
        json!({"api_key_lifetime_choice": true, "api_key_lifetimes": ["7d", "30d", "60d", "90d", "never"], "api_key_lifetime_default": "30d", "api_key_lifetime_max": "never",
            "token_lifetime_choice": true, "token_lifetime_default": "24h", "token_lifetime_max": "24h", "session_lifetime": "7d", "session_idle_max": "3d",
            "second_factor": "optional", "second_factor_from": null,
            "ssh_key_types": ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"],
            "ssh_rsa_bits_min": 3072, "ssh_key_lifetime_max": "never", "api_keys_max": 10_000, "ssh_keys_max": 1_000})
    );
    assert_eq!(
        ask(&site, "PATCH", "/api/v1/policy", &json!({}), 200),
        before
    );
    let mut expected = before;
    for (field, value) in [
        ("api_key_lifetime_choice", json!(false)),
        ("api_key_lifetimes", json!(["24h", "365d"])),
        ("api_key_lifetime_max", json!("365d")),
        ("api_key_lifetime_default", json!("24h")),
        ("token_lifetime_choice", json!(false)),
        ("token_lifetime_default", json!("1h")),
        ("token_lifetime_max", json!("2h")),
        ("session_lifetime", json!("5m")),
        ("session_idle_max", json!("5m")),
        ("second_factor", json!("everyone")),
        ("second_factor_from", json!("2126-12-01T00:00:00Z")),
        ("ssh_key_types", json!(["ssh-ed25519"])),
        ("ssh_rsa_bits_min", json!(4096)),
        ("ssh_key_lifetime_max", json!("90d")),
        ("api_keys_max", json!(1)),
        ("ssh_keys_max", json!(10_000)),
    ] {
        expected[field] = value.clone();
        assert_eq!(
            ask(
                &site,
                "PATCH",
                "/api/v1/policy",
                &json!({field: value}),
                200
            ),
            expected,
            "{field}"
        );
        let events = site.events();
        assert_eq!(events[1]["action"], "policy.edit");
        assert_eq!(
            events[1]["after"]
                .as_object()
                .unwrap()
                .keys()
                .collect::<Vec<_>>(),
            [field]
        );
    }
    assert_eq!(
        ask(&site, "GET", "/api/v1/policy", &Value::Null, 200),
        expected
    );
    // JSON does not distinguish 9 from 9.0, and messages use everyday words.
    let complete = site
        .ask("PATCH", "/api/v1/policy")
        .bearer(&site.alice)
        .body("application/json", "{\"api_keys_max\": 9.0}")
        .send()
        .expect(200);
    assert_eq!(complete.json()["api_keys_max"], 9);
    for (body, message) in [
        (json!({"api_keys_max": "9"}), "an integer"),
        (json!({"api_key_lifetimes": "30d"}), "a list"),
        (json!({"api_key_lifetime_choice": 1}), "true or false"),
        (json!({"session_lifetime": 7}), "text"),
    ] {
        let problem = ask(&site, "PATCH", "/api/v1/policy", &body, 422);
        let printed = format!("this has the wrong type: send {message}");
        assert_eq!(problem["errors"][0]["message"], printed);
    }
}

#[test]
fn sweep_removes_only_expired_records() {
    let site = Site::new();
    site.set_password("bob");
    site.sign_in("bob");
    ask(
        &site,
        "POST",
        "/api/v1/users",
        &json!({"username": "carol"}),
        201,
    );
    let endless = site.api_key(
        &site.alice,
        &json!({"name": "endless", "expires_in": "never"}),
    );
    let short = site.api_key(&site.alice, &json!({"name": "short", "expires_in": "1h"}));
    let nothing = json!({"api_keys": 0, "tokens": 0, "sessions": 0, "codes": 0});
    assert_eq!(
        ask(&site, "POST", "/api/v1/sweep", &Value::Null, 200),
        nothing
    );
    // Without requests for eight days nothing was swept, and none of it verifies.
    site.pass(8 * 86_400);
    let swept = site
        .ask("POST", "/api/v1/sweep")
        .bearer(&secret(&endless))
        .send()
        .expect(200)
        .json();
    assert_eq!(
        swept,
        json!({"api_keys": 0, "tokens": 2, "sessions": 1, "codes": 2})
    );
    assert_eq!(
        site.ask("POST", "/api/v1/sweep")
            .bearer(&secret(&endless))
            .send()
            .expect(200)
            .json(),
        nothing
    );
    let shown = site
        .ask("GET", &format!("/api/v1/api-keys/{}", id(&short)))
        .bearer(&secret(&endless))
        .send()
        .expect(200)
        .json();
    assert_eq!(shown["state"], "expired");
    assert_eq!(site.events()[1]["action"], "sweep");
}

#[test]
fn user_sees_own_events_and_auditor_all() {
    let site = Site::new();
    site.api_key(&site.bob, &json!({"name": "bob's"}));
    site.api_key(&site.alice, &json!({"name": "alice's"}));
    ask(
        &site,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"display_name": "B"}),
        200,
    );
    site.pass(100);
    site.api_key(&site.bob, &json!({"name": "later"}));
    let list = |bearer: &str, query: &str| {
        site.ask("GET", &format!("/api/v1/events{query}"))
            .bearer(bearer)
            .send()
            .expect(200)
            .json()["items"]
            .as_array()
            .unwrap()
            .clone()
    };
    let own = list(&site.bob, "");
    // Acts by him and on his account and credentials, those of the operator and alice included.
    let actions: Vec<&str> = own
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "api-key.create",
            "user.edit",
            "api-key.create",
            "token.create",
            "user.add"
        ]
    );
    assert!(
        own.iter().all(|event| event["actor"] == "bob"
            || event["target"]["name"] == "bob (display)"
            || event["target"]["name"] == "B"
            || event["actor"] == "operator"),
        "{own:?}"
    );
    assert_eq!(list(&site.bob, "?action=api-key.create").len(), 2);
    assert_eq!(list(&site.bob, "?action=nonsense").len(), 0);
    assert_eq!(list(&site.bob, "?since=2026-11-22T12:01:40Z").len(), 1);
    assert_eq!(list(&site.bob, "?until=2026-11-22T12:01:40Z").len(), 4);
    assert_eq!(list(&site.alice, "?user=bob"), own);
    let all = list(&site.alice, "?all=true");
    assert_eq!(all.len(), 8);
    let numbers: Vec<i64> = all
        .iter()
        .map(|event| event["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    let last = &own[0];
    assert_eq!(
        (
            &last["channel"],
            &last["outcome"],
            &last["address"],
            &last["at"]
        ),
        (
            &json!("api"),
            &json!("done"),
            &json!("127.0.0.1"),
            &json!("2026-11-22T12:01:40Z")
        )
    );
    assert_eq!(last["request_id"].as_str().unwrap().len(), 12);
    let auditor = site.narrow(&site.alice, &["audit:read"]);
    assert_eq!(list(&auditor, "?all=true&limit=1").len(), 1);
    site.ask("GET", "/api/v1/events")
        .bearer(&auditor)
        .send()
        .expect(403);
    let verdict = site
        .app()
        .audit_log()
        .unwrap()
        .verify_events(|_| ())
        .unwrap();
    assert!(
        matches!(&verdict, keycroft::app::Verdict::Whole { head, .. } if head.number == 9),
        "{verdict:?}"
    );
}

#[test]
fn rejected_act_leaves_only_an_event() {
    let site = Site::new();
    let narrow = site.narrow(&site.bob, &["api-keys:write", "account:read"]);
    let before = site.snapshot();
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&narrow)
        .json(&json!({"name": "wide", "permissions": ["tokens:write"]}))
        .send()
        .expect(403);
    assert_eq!(site.snapshot(), before);
    let event = &site.events()[1];
    assert_eq!(
        (&event["action"], &event["outcome"], &event["after"]),
        (
            &json!("api-key.create"),
            &json!("refused"),
            &json!({"missing": "tokens:write"})
        )
    );
    assert_eq!(event["credential"], crate::fixture::id_of(&narrow));
}

/// Bar S1 for the database: after every kind of act it contains no secret, code or password, in clear or encoded.
#[test]
fn database_contains_no_secret() {
    let mut site = Site::new();
    site.set_password("bob");
    let mut secrets = vec![
        site.alice.clone(),
        site.bob.clone(),
        site.sign_in("bob"),
        PASSWORD.to_owned(),
        "idem-potency-key-0001".to_owned(),
    ];
    let created = site
        .ask("POST", "/api/v1/api-keys")
        .bearer(&site.bob)
        .header("Idempotency-Key", "idem-potency-key-0001")
        .json(&json!({"name": "k"}))
        .send()
        .expect(201)
        .json();
    secrets.push(secret(&created));
    let rotated = site
        .ask("POST", &format!("/api/v1/api-keys/{}/rotate", id(&created)))
        .bearer(&site.bob)
        .json(&json!({"grace": "1h"}))
        .send()
        .expect(200)
        .json();
    secrets.push(secret(&rotated));
    let link = ask(
        &site,
        "POST",
        "/api/v1/users",
        &json!({"username": "carol"}),
        201,
    )["invitation"]
        .as_str()
        .unwrap()
        .to_owned();
    secrets.push(link.split_once("code=").unwrap().1.to_owned());
    // In every place where somebody might paste one.
    let fool = secret(&rotated);
    for (method, path) in [
        ("DELETE", format!("/api/v1/users/bob/api-keys/{fool}")),
        ("GET", format!("/api/v1/users/{fool}")),
        ("POST", format!("/api/v1/services/{fool}/api-keys")),
    ] {
        site.ask(method, &path).bearer(&site.bob).send();
        site.ask(method, &path).bearer(&site.alice).send();
    }
    for token in [&fool, &site.bob] {
        ask(
            &site,
            "GET",
            &format!("/api/v1/events?user={token}"),
            &Value::Null,
            422,
        );
    }
    site.ask("POST", "/oauth/introspect")
        .bearer(&site.alice)
        .form(&[("token", &fool)])
        .send()
        .expect(200);
    site.ask("POST", "/oauth/introspect")
        .bearer(&site.bob)
        .form(&[("token", &fool)])
        .send()
        .expect(403);
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&site.bob)
        .json(&json!({"name": 5, "permissions": [fool.as_str()]}))
        .send()
        .expect(422);
    let wrong = site
        .ask("POST", "/api/v1/api-keys")
        .bearer(&site.bob)
        .json(&json!({"name": "x", "permissions": [fool.as_str()], "expires_in": fool.as_str()}))
        .send()
        .expect(422);
    assert!(!wrong.text().contains(&fool[17..]), "{}", wrong.text());
    site.reopen();
    let mut file = std::fs::read(site.path()).unwrap();
    file.extend(std::fs::read(site.path().with_extension("db-wal")).unwrap_or_default());
    let hex = |text: &str| data_encoding::HEXLOWER.encode(text.as_bytes());
    for secret in &secrets {
        // For Keycroft's secrets, the part behind the public id.
        let hidden = if secret.starts_with("kc") {
            &secret[17..]
        } else {
            secret
        };
        let reversed: String = hidden.chars().rev().collect();
        for form in [
            hidden.to_owned(),
            hex(hidden),
            reversed,
            data_encoding::BASE64_NOPAD.encode(hidden.as_bytes()),
        ] {
            let found = file
                .windows(form.len())
                .any(|window| window == form.as_bytes());
            assert!(!found, "{form}");
        }
    }
}
