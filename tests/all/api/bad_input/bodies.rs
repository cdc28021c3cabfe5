//! Malformed bodies, and the order of checks.

use keycroft::model::credential::Kind;
use serde_json::json;

use super::{Ground, check_rejection, check_sentence};
use crate::fixture::{Answer, id, unknown_secret};

/// Unknown fields and bodies that are not an object, for every operation with a body.
#[test]
fn malformed_body_is_rejected() {
    let ground = Ground::new();
    let site = &ground.site;
    let key = format!("/api/v1/api-keys/{}", ground.key);
    let rotate = format!("{key}/rotate");
    let calls = [
        ("PATCH", "/api/v1/me"),
        ("POST", "/api/v1/me/password"),
        ("POST", "/api/v1/api-keys"),
        ("PATCH", &key),
        ("POST", &rotate),
        ("POST", "/api/v1/tokens"),
        ("POST", "/api/v1/users"),
        ("PATCH", "/api/v1/users/bob"),
        ("POST", "/api/v1/users/bob/reset-password"),
        ("POST", "/api/v1/users/bob/offboard"),
        ("PATCH", "/api/v1/policy"),
        ("POST", "/api/v1/sweep"),
        ("POST", "/api/v1/groups"),
        ("PUT", "/api/v1/groups/staff/members/bob"),
        ("POST", "/api/v1/services"),
        ("PATCH", "/api/v1/services/lab"),
        ("POST", "/api/v1/services/lab/api-keys"),
    ];
    for (method, path) in calls {
        let ask = || site.ask(method, path).bearer(&site.alice);
        let check = |what: &str, answer: &Answer, status: u16| {
            assert_eq!(
                answer.status,
                status,
                "{method} {path} {what}: {}",
                answer.text()
            );
            check_sentence(what, answer.json()["detail"].as_str().unwrap());
            ground.check_unchanged(&format!("{method} {path} {what}"));
        };
        ground.reject(method, path, &json!({"nonsense": 1}), "nonsense");
        ground.reject(method, path, &json!({"Name": "x"}), "Name");
        for body in ["[]", "5", "null", "\"name\"", "true", "[{\"name\": \"x\"}]"] {
            check_rejection(body, &ask().body("application/json", body).send(), "");
        }
        // Deep nesting differs from invalid JSON, and costs no stack.
        let deep = format!("{{\"name\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let answer = ask().body("application/json", deep).send();
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        for body in [
            "{",
            "nonsense",
            "{\"name\": \"x\"} trailing",
            "{'name': 'x'}",
            "{\"name\": \"x\",}",
            "\u{feff}{}",
            "",
            "<xml/>",
        ] {
            check(body, &ask().body("application/json", body).send(), 400);
        }
        check(
            "bytes",
            &ask()
                .body("application/json", b"{\"name\": \"\xff\"}".to_vec())
                .send(),
            400,
        );
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "application/json; charset=latin1",
            "multipart/form-data; boundary=x",
            "",
        ] {
            check(kind, &ask().body(kind, "{\"name\": \"x\"}").send(), 415);
        }
        let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(65_536));
        check(
            "too long",
            &ask().body("application/json", huge.clone()).send(),
            413,
        );
        // The length is checked before the type, and the caller before both.
        check(
            "too long and no JSON",
            &ask().body("text/plain", huge.clone()).send(),
            413,
        );
        check(
            "too long by nobody",
            &site.ask(method, path).body("text/plain", huge).send(),
            401,
        );
        check(
            "no JSON by nobody",
            &site
                .ask(method, path)
                .bearer(&unknown_secret(Kind::Token))
                .body("text/plain", "{")
                .send(),
            401,
        );
        // Fields are checked before existence, and after the form of the body.
        let twice = ask().body("application/json", "{\"name\": \"a\", \"name\": \"b\", \"display_name\": \"a\", \"display_name\": \"b\"}").send();
        assert_eq!(twice.status, 422, "{path}");
    }
    let twice = site
        .ask("POST", "/api/v1/api-keys")
        .bearer(&site.alice)
        .body("application/json", "{\"name\": \"a\", \"name\": \"b\"}")
        .send();
    check_rejection("twice", &twice, "name");
    ground.check_unchanged("twice");
}

#[test]
fn invalid_request_is_reported_before_not_found() {
    let ground = Ground::new();
    let never = "/api/v1/api-keys/000000000000";
    ground.reject(
        "PATCH",
        never,
        &json!({"expires_at": "2020-01-01T00:00:00Z"}),
        "expires_at",
    );
    ground.reject(
        "PATCH",
        never,
        &json!({"permissions": ["zoo:feed"]}),
        "permissions",
    );
    ground.reject("PATCH", never, &json!({"nonsense": 1}), "nonsense");
    ground.reject(
        "POST",
        &format!("{never}/rotate"),
        &json!({"grace": "0s", "expires_at": "2020-01-01T00:00:00Z"}),
        "expires_at",
    );
    ground.reject(
        "POST",
        &format!("{never}/rotate"),
        &json!({"grace": "8d"}),
        "grace",
    );
    ground.reject(
        "PATCH",
        "/api/v1/users/nobody",
        &json!({"permissions": ["users:read"]}),
        "permissions",
    );
    ground.reject(
        "PATCH",
        "/api/v1/services/none",
        &json!({"permissions": ["lab:use"]}),
        "permissions",
    );
    let site = &ground.site;
    for (method, path) in [
        ("GET", never),
        ("DELETE", never),
        ("GET", "/api/v1/users/nobody"),
        ("DELETE", "/api/v1/groups/none"),
        ("PUT", "/api/v1/groups/none/members/bob"),
        ("GET", "/api/v1/services/none/api-keys"),
    ] {
        let answer = site
            .ask(method, &format!("{path}?nonsense=1"))
            .bearer(&site.alice)
            .send();
        check_rejection(path, &answer, "nonsense");
        site.ask(method, path)
            .bearer(&site.alice)
            .send()
            .expect(404);
    }
    // A name in use is checked last.
    let key = format!("/api/v1/api-keys/{}", ground.key);
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&site.alice)
        .json(&json!({"name": "taken"}))
        .send()
        .expect(409);
    ground.reject(
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "taken", "note": 5}),
        "note",
    );
    let other = id(&site.api_key(&site.alice, &json!({"name": "other"})));
    site.ask("PATCH", &format!("/api/v1/api-keys/{other}"))
        .bearer(&site.alice)
        .json(&json!({"name": "taken"}))
        .send()
        .expect(409);
    site.ask("PATCH", &key)
        .bearer(&site.alice)
        .json(&json!({"name": "taken"}))
        .send()
        .expect(200);
    for (path, body) in [
        ("/api/v1/users", json!({"username": "bob"})),
        ("/api/v1/groups", json!({"name": "staff"})),
        ("/api/v1/services", json!({"name": "lab"})),
        ("/api/v1/services", json!({"name": "bob"})),
        ("/api/v1/users", json!({"username": "lab"})),
    ] {
        let before = site.snapshot();
        let answer = site
            .ask("POST", path)
            .bearer(&site.alice)
            .json(&body)
            .send()
            .expect(409);
        check_sentence(path, answer.json()["detail"].as_str().unwrap());
        assert_eq!(site.snapshot(), before);
    }
}
