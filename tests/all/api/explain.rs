//! "Why was it rejected?": every check that can fail, compared with verification.

use serde_json::{Value, json};

use crate::fixture::{Site, id, secret};
use keycroft::model::user::Role;

const LINKS: [&str; 6] = [
    "exists",
    "enabled",
    "not_expired",
    "address_allowed",
    "owner_enabled",
    "permission_held",
];

/// A key of bob, explained to bob and to alice, an admin.
struct Case {
    site: Site,
    key: Value,
}

impl Case {
    fn new() -> Self {
        let site = Site::new();
        let bob = site.token("bob");
        let key = site.api_key(
            &bob,
            &json!({"name": "key", "expires_in": "1d", "permissions": ["account:read"], "allowed_addresses": ["10.0.0.0/8"]}),
        );
        Self { site, key }
    }

    fn edit(&self, bearer: &str, method: &str, path: &str, body: &Value) {
        let asking = self.site.ask(method, path).bearer(bearer);
        let answer = if body.is_null() {
            asking.send()
        } else {
            asking.json(body).send()
        };
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }

    /// The explanation as an admin gets it.
    fn explain(&self, query: &str) -> Value {
        let path = format!(
            "/api/v1/users/bob/api-keys/{}/explain?{query}",
            id(&self.key)
        );
        let alice = self.site.token("alice");
        self.site
            .ask("GET", &path)
            .bearer(&alice)
            .send()
            .expect(200)
            .json()
    }

    /// The status of verification at 10.0.0.7 with account:read required.
    fn verify(&self, permission: &str) -> u16 {
        let path = format!("/verify?permission={permission}");
        let asking = self.site.ask("GET", &path).bearer(&secret(&self.key));
        asking.from("10.0.0.7").send().status
    }

    /// Requires that exactly `link` fails, and that verification rejects with `status`.
    fn fails(&self, link: &str, query: &str, words: &str, status: u16) {
        let message = self.explain(query);
        let links: Vec<&str> = message["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["check"].as_str().unwrap())
            .collect();
        assert_eq!(links, LINKS);
        for check in message["checks"].as_array().unwrap() {
            let passed = check["check"] != link;
            assert_eq!(check["passed"], json!(passed), "{link}: {check}");
        }
        assert_eq!(
            (&message["valid"], &message["failed"]),
            (&json!(false), &json!(link))
        );
        let summary = message["summary"].as_str().unwrap();
        assert!(
            summary.starts_with("It is rejected. ") && summary.contains(words),
            "{summary}"
        );
        assert_eq!(self.verify("account:read"), status, "{link}");
    }
}

/// Requires that `link` is the first failed check, with this sentence.
#[track_caller]
fn first(message: &Value, link: &str, words: &str) {
    assert_eq!(message["failed"], link);
    let summary = message["summary"].as_str().unwrap();
    assert!(summary.contains(words), "{message}");
}

const ALL: &str = "address=10.0.0.7&permission=account:read";

#[test]
fn valid_key_passes_every_check() {
    let case = Case::new();
    let message = case.explain(ALL);
    assert_eq!(
        (&message["valid"], &message["failed"], &message["summary"]),
        (&json!(true), &Value::Null, &json!("It is valid."))
    );
    assert!(
        message["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["passed"] == true)
    );
    assert_eq!(case.verify("account:read"), 204);
    // A check that was not requested has no result.
    let message = case.explain("");
    assert_eq!(message["summary"], "It is valid, as far as it was checked.");
    for check in message["checks"].as_array().unwrap() {
        let untold =
            ["address_allowed", "permission_held"].contains(&check["check"].as_str().unwrap());
        assert_eq!(
            check["passed"],
            if untold { Value::Null } else { json!(true) },
            "{check}"
        );
    }
}

#[test]
fn passed_check_says_what_holds() {
    let case = Case::new();
    let messages = |message: &Value| -> Vec<String> {
        let checks = message["checks"].as_array().unwrap().iter();
        checks
            .map(|check| check["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        messages(&case.explain(ALL)),
        [
            "It exists.",
            "It is enabled.",
            "It expires at 2026-11-23T12:00:00Z.",
            "10.0.0.7 is allowed by 10.0.0.0/8.",
            "Its owner, bob, is enabled.",
            "It carries account:read, and its owner has it.",
        ]
    );
    let bob = case.site.token("bob");
    let everywhere = json!({"allowed_addresses": []});
    let path = format!("/api/v1/api-keys/{}", id(&case.key));
    case.edit(&bob, "PATCH", &path, &everywhere);
    let messages = messages(&case.explain(ALL));
    assert_eq!(messages[3], "It is valid from every address.");
}

#[test]
fn exists_check_fails_for_a_deleted_key() {
    let case = Case::new();
    let path = format!("/api/v1/api-keys/{}", id(&case.key));
    case.edit(&case.site.token("bob"), "DELETE", &path, &Value::Null);
    case.fails("exists", ALL, "It was deleted at 2026-11-22T12:00:00Z", 401);
}

#[test]
fn enabled_check_fails_for_a_disabled_key() {
    let case = Case::new();
    let path = format!("/api/v1/api-keys/{}", id(&case.key));
    case.edit(
        &case.site.token("bob"),
        "PATCH",
        &path,
        &json!({"disabled": true}),
    );
    case.fails("enabled", ALL, "enable it to use it again", 401);
}

#[test]
fn not_expired_check_stays_failed_after_a_clock_change() {
    let case = Case::new();
    case.site.pass(86_399);
    assert_eq!(case.explain(ALL)["valid"], true);
    assert_eq!(case.verify("account:read"), 204);
    case.site.pass(1);
    case.fails(
        "not_expired",
        ALL,
        "It expired at 2026-11-23T12:00:00Z",
        401,
    );
    case.site.pass(-3_600);
    case.fails("not_expired", ALL, "the clock was set back", 401);
}

#[test]
fn address_check_fails_for_another_address() {
    let case = Case::new();
    let query = "address=192.0.2.1&permission=account:read";
    let message = case.explain(query);
    first(
        &message,
        "address_allowed",
        "It is valid only from 10.0.0.0/8, and 192.0.2.1 is not among them",
    );
    let asking = case.site.ask("GET", "/verify").bearer(&secret(&case.key));
    assert_eq!(asking.from("192.0.2.1").send().status, 401);
    assert_eq!(case.verify("account:read"), 204);
    // An IPv4-mapped address is the same address.
    assert_eq!(
        case.explain("address=::ffff:10.0.0.7&permission=account:read")["valid"],
        true
    );
}

#[test]
fn owner_check_fails_for_a_disabled_owner() {
    let case = Case::new();
    case.edit(
        &case.site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"disabled": true}),
    );
    case.fails("owner_enabled", ALL, "Its owner, bob, is disabled", 401);
}

#[test]
fn permission_check_fails_if_key_or_owner_lacks_it() {
    let case = Case::new();
    let query = "address=10.0.0.7&permission=tokens:read";
    let message = case.explain(query);
    first(&message, "permission_held", "It does not carry tokens:read");
    assert_eq!(case.verify("tokens:read"), 403);
    // Granted by an admin at that time.
    let site = Site::new();
    site.add_user("carol", Role::Admin);
    let key = site.api_key(
        &site.token("carol"),
        &json!({"name": "key", "permissions": ["users:read"]}),
    );
    let case = Case { site, key };
    case.edit(
        &case.site.alice,
        "PATCH",
        "/api/v1/users/carol",
        &json!({"role": "member"}),
    );
    let path = format!(
        "/api/v1/users/carol/api-keys/{}/explain?permission=users:read",
        id(&case.key)
    );
    let message = case
        .site
        .ask("GET", &path)
        .bearer(&case.site.alice)
        .send()
        .expect(200)
        .json();
    first(
        &message,
        "permission_held",
        "its owner does not have it now",
    );
    assert_eq!(case.verify("users:read"), 403);
}

#[test]
fn first_of_several_failed_checks_is_named() {
    let case = Case::new();
    let path = format!("/api/v1/api-keys/{}", id(&case.key));
    case.edit(
        &case.site.token("bob"),
        "PATCH",
        &path,
        &json!({"disabled": true}),
    );
    case.edit(
        &case.site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"disabled": true}),
    );
    case.site.pass(86_400);
    let message = case.explain("address=192.0.2.1&permission=users:read");
    assert_eq!(message["failed"], "enabled");
    let failed: Vec<&str> = message["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["passed"] == false)
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    assert_eq!(failed, &LINKS[1..]);
}

#[test]
fn explanation_needs_permission() {
    let case = Case::new();
    let own = format!("/api/v1/api-keys/{}/explain", id(&case.key));
    let bob = case.site.token("bob");
    case.site.ask("GET", &own).bearer(&bob).send().expect(200);
    // A key of another user looks like one that never existed.
    let theirs = case
        .site
        .ask("GET", &own)
        .bearer(&case.site.alice)
        .send()
        .expect(404)
        .json();
    let never = case
        .site
        .ask("GET", "/api/v1/api-keys/abcdefghijkl/explain")
        .bearer(&case.site.alice)
        .send()
        .expect(404)
        .json();
    assert_eq!(theirs, never);
    let narrow = case.site.narrow(&bob, &["account:read"]);
    case.site
        .ask("GET", &own)
        .bearer(&narrow)
        .send()
        .expect(403);
    for (query, field) in [
        ("address=here", "address"),
        ("permission=all", "permission"),
        ("port=1", "port"),
    ] {
        let path = format!("{own}?{query}");
        let message = case
            .site
            .ask("GET", &path)
            .bearer(&bob)
            .send()
            .expect(422)
            .json();
        assert_eq!(message["errors"][0]["field"], field);
    }
}
