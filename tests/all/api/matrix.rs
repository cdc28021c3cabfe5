//! Every route of the table, called by everyone who must be rejected, and by those who must not.

use keycroft::http::{Needs, ROUTES};
use keycroft::model::credential::Kind;
use keycroft::model::secret::{Id, Secret, SecretForm};
use keycroft::model::user::Role;
use serde_json::{Value, json};

use crate::fixture::{Answer, Asking, Site, id, secret, unknown_secret};

use super::declared::{DECLARED, Declared, KEYS, is_for_machines};

/// A site with one object of each kind, for the `{…}` of paths.
struct Full {
    site: Site,
    api_key: String,
    token: String,
    session: String,
    service_key: String,
    ssh_key: String,
    host: String,
    host_code: String,
    notice: String,
    channel: String,
    bobs: [String; 4],
}

impl Full {
    fn new() -> Self {
        let site = Site::new();
        site.set_password("alice");
        site.set_password("bob");
        let make = |path: &str, bearer: &str, body: Value| {
            let answer = site.ask("POST", path).bearer(bearer).json(&body).send();
            assert!(
                matches!(answer.status, 200 | 201),
                "{path}: {}",
                answer.text()
            );
            answer.json()
        };
        let api_key = id(&make(
            "/api/v1/api-keys",
            &site.alice,
            json!({"name": "alice's"}),
        ));
        let token = id(&make("/api/v1/tokens", &site.alice, json!({})));
        let bobs_key = id(&make(
            "/api/v1/api-keys",
            &site.bob,
            json!({"name": "bob's"}),
        ));
        let bobs_token = id(&make("/api/v1/tokens", &site.bob, json!({})));
        let session = crate::fixture::id_of(&site.sign_in("alice"));
        let bobs_session = crate::fixture::id_of(&site.sign_in("bob"));
        let add = |bearer: &str, key: &str| {
            id(&make(
                "/api/v1/ssh-keys",
                bearer,
                json!({"public_key": key}),
            ))
        };
        let codes = "/api/v1/hosts/enrollment-codes";
        let code = secret(&make(codes, &site.alice, json!({})));
        let host = site
            .ask("POST", "/api/v1/hosts/enroll")
            .bearer(&code)
            .json(&json!({"name": "gpu1"}))
            .send()
            .expect(201)
            .json();
        let host_code = id(&make(codes, &site.alice, json!({})));
        let ssh_key = add(&site.alice, KEYS[0]);
        let bobs_ssh_key = add(&site.bob, KEYS[1]);
        make("/api/v1/groups", &site.alice, json!({"name": "staff"}));
        site.ask("PUT", "/api/v1/groups/staff/members/bob")
            .bearer(&site.alice)
            .send()
            .expect(204);
        make(
            "/api/v1/services",
            &site.alice,
            json!({"name": "lab", "permissions": ["lab:use"]}),
        );
        let service_key = id(&make(
            "/api/v1/services/lab/api-keys",
            &site.alice,
            json!({"name": "first"}),
        ));
        let me = site.asked(&site.alice, "GET", "/api/v1/me", &Value::Null, 200);
        let notice = id(&me["notices"][0]);
        let hook = json!({"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:9/"});
        let channel = id(&make("/api/v1/notices/channels", &site.alice, hook));
        Self {
            notice,
            channel,
            site,
            api_key,
            token,
            session,
            service_key,
            ssh_key,
            host: id(&host),
            host_code,
            bobs: [bobs_key, bobs_token, bobs_session, bobs_ssh_key],
        }
    }

    /// The path of a row with existing objects that alice owns or manages.
    fn path(&self, pattern: &str) -> String {
        let [bobs_key, bobs_token, bobs_session, bobs_ssh_key] = &self.bobs;
        let id = match pattern {
            p if p.starts_with("/api/v1/users/{username}/api-keys") => bobs_key,
            p if p.starts_with("/api/v1/users/{username}/tokens") => bobs_token,
            p if p.starts_with("/api/v1/users/{username}/sessions") => bobs_session,
            p if p.starts_with("/api/v1/users/{username}/ssh-keys") => bobs_ssh_key,
            p if p.starts_with("/api/v1/me/notices") => &self.notice,
            p if p.starts_with("/api/v1/notices/channels") => &self.channel,
            p if p.starts_with("/api/v1/ssh-keys") => &self.ssh_key,
            p if p.starts_with("/api/v1/api-keys") => &self.api_key,
            p if p.starts_with("/api/v1/tokens") => &self.token,
            p if p.starts_with("/api/v1/sessions") => &self.session,
            p if p.starts_with("/api/v1/hosts/enrollment") => &self.host_code,
            p if p.starts_with("/api/v1/hosts") => &self.host,
            p if p.starts_with("/api/v1/services") => &self.service_key,
            _ => "",
        };
        let name = if pattern.starts_with("/api/v1/groups") {
            "staff"
        } else {
            "lab"
        };
        let path = pattern
            .replace("{id}", id)
            .replace("{username}", "bob")
            .replace("{name}", name);
        assert!(!path.contains('{'), "{pattern}: say what stands for it");
        path
    }

    fn asking(&self, row: &Declared) -> Asking<'_> {
        let asking = self.site.ask(row.method(), &self.path(row.path));
        let body = (row.body)();
        if body.is_null() {
            asking
        } else {
            asking.json(&body)
        }
    }
}

/// The headers of every answer.
fn check_headers(what: &str, answer: &Answer) {
    assert_eq!(
        answer.header("X-Content-Type-Options"),
        Some("nosniff"),
        "{what}"
    );
    assert_eq!(
        answer.header("Request-Id").map(str::len),
        Some(12),
        "{what}"
    );
    assert!(answer.header("Content-Security-Policy").is_some(), "{what}");
    assert!(answer.header("Cache-Control").is_some(), "{what}");
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None, "{what}");
    if answer.status == 204 {
        assert!(answer.body.is_empty(), "{what}");
    }
}

/// A 401 without further detail.
fn check_unauthenticated(row: &Declared, who: &str, answer: &Answer, sent: bool) {
    let what = format!("{} {} by {who}", row.method, row.path);
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    let challenge = if sent {
        "Bearer realm=\"keycroft\", error=\"invalid_token\""
    } else {
        "Bearer realm=\"keycroft\""
    };
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge), "{what}");
    let body = if row.path.starts_with("/oauth/") {
        json!({"error": "invalid_token", "error_description": "Missing or invalid credential: send a valid API key or token."})
    } else {
        json!({"type": "urn:keycroft:problem:unauthorized", "title": "Unauthorized", "status": 401,
            "detail": "Missing or invalid credential: send a valid API key or token."})
    };
    assert_eq!(answer.json(), body, "{what}");
    check_headers(&what, answer);
}

#[test]
fn route_table_equals_the_declarations() {
    for route in ROUTES.iter().filter(|route| is_for_machines(route.path)) {
        let row = Declared::for_route(route);
        let permission = match route.needs {
            Needs::Permission(permission, _) => permission.as_str(),
            Needs::Bearer(_) => "",
            Needs::Host(_) => "host",
            Needs::Operator(_) => "operator",
            Needs::Nothing(_) | Needs::Page(_) | Needs::Form(_) => continue,
        };
        assert_eq!(row.permission, permission, "{} {}", row.method, row.path);
    }
    for row in DECLARED {
        let found = ROUTES
            .iter()
            .any(|route| route.method == row.method && route.path == row.path);
        assert!(
            found,
            "{} {} is declared but not in the table",
            row.method, row.path
        );
    }
}

/// Every kind of unauthenticated caller: each gets the same 401, and nothing changes.
#[test]
fn invalid_credential_is_rejected_equally_by_every_route() {
    let mut full = Full::new();
    let site = &full.site;
    let code = Secret::generate(SecretForm::Code).reveal();
    let session = site.sign_in("alice");
    let expired =
        secret(&site.api_key(&site.alice, &json!({"name": "expired", "expires_in": "1s"})));
    let deleted = site.api_key(&site.alice, &json!({"name": "deleted"}));
    site.ask("DELETE", &format!("/api/v1/api-keys/{}", id(&deleted)))
        .bearer(&site.alice)
        .send()
        .expect(204);
    let disabled = site.api_key(&site.alice, &json!({"name": "disabled"}));
    site.ask("PATCH", &format!("/api/v1/api-keys/{}", id(&disabled)))
        .bearer(&site.alice)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    let elsewhere = secret(&site.api_key(
        &site.alice,
        &json!({"name": "elsewhere", "allowed_addresses": ["10.0.0.0/8"]}),
    ));
    site.add_user("dora", Role::Admin);
    let left = site.token("dora");
    site.ask("PATCH", "/api/v1/users/dora")
        .bearer(&site.alice)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    site.add_user("emil", Role::Admin);
    let removed = site.token("emil");
    site.ask("DELETE", "/api/v1/users/emil")
        .bearer(&site.alice)
        .send()
        .expect(204);
    site.pass(1);
    let other = if site.alice.ends_with('x') { 'y' } else { 'x' };
    let typo = format!("{}{other}", &site.alice[..site.alice.len() - 1]);
    let nobodies: Vec<(&str, String)> = vec![
        ("nonsense", "nonsense".to_owned()),
        ("a typo", typo),
        ("an unknown API key", unknown_secret(Kind::ApiKey)),
        ("an unknown token", unknown_secret(Kind::Token)),
        ("an unknown session", unknown_secret(Kind::Session)),
        ("an unknown host credential", unknown_secret(Kind::Host)),
        ("an unknown code", code.to_string()),
        ("an expired key", expired.clone()),
        ("a deleted key", secret(&deleted)),
        ("a disabled key", secret(&disabled)),
        ("a key from a wrong address", elsewhere),
        ("a disabled user", left),
        ("a deleted user", removed),
        ("a session", session),
    ];
    // A seen expiration is stored seconds later; closing the store does it now.
    site.ask("GET", "/verify")
        .bearer(&expired)
        .send()
        .expect(401);
    full.site.reopen();
    let site = &full.site;
    let before = site.snapshot();
    for row in DECLARED
        .iter()
        .filter(|row| !matches!(row.permission, "-" | "local" | "operator"))
    {
        check_unauthenticated(row, "nobody", &full.asking(row).send(), false);
        for (who, secret) in &nobodies {
            check_unauthenticated(row, who, &full.asking(row).bearer(secret).send(), true);
            check_unauthenticated(row, who, &full.asking(row).basic("x", secret).send(), true);
        }
        let twice = full.asking(row).basic(&site.alice, &site.alice).send();
        check_unauthenticated(row, "two secrets", &twice, true);
        let twice = full
            .asking(row)
            .bearer(&site.alice)
            .bearer(&site.alice)
            .send();
        check_unauthenticated(row, "two headers", &twice, true);
    }
    assert_eq!(site.snapshot(), before);
}

/// Operator routes exist only on the control socket and in process.
#[test]
fn operator_routes_do_not_exist_on_the_network() {
    let full = Full::new();
    let site = &full.site;
    for row in DECLARED.iter().filter(|row| row.permission == "operator") {
        let what = format!("{} {}", row.method, row.path);
        let nothing = site.ask("POST", "/api/v1/nothing-here").send();
        let before = site.snapshot();
        for secret in [None, Some(&site.alice), Some(&site.bob)] {
            let asked = full.asking(row);
            let asked = match secret {
                Some(secret) => asked.bearer(secret),
                None => asked,
            };
            let answer = asked.send().expect(404);
            let (mut one, mut other) = (answer.json(), nothing.json());
            one["request_id"] = Value::Null;
            other["request_id"] = Value::Null;
            assert_eq!(one, other, "{what}");
            for method in ["GET", "DELETE"] {
                let path = full.path(row.path);
                let answer = site.ask(method, &path).bearer(&site.alice).send();
                assert_eq!(answer.status, 404, "{method} {path}");
                assert_eq!(answer.header("Allow"), None, "{method} {path}");
            }
        }
        assert_eq!(site.snapshot(), before, "{what}");
        full.asking(row)
            .by_operator()
            .send()
            .expect(row.success_status);
        // A presented credential counts, on the control socket too.
        let answer = full.asking(row).by_operator().bearer(&site.bob).send();
        assert_eq!(answer.status, 404, "{what}: {}", answer.text());
    }
}

/// The operator passes administrative permissions, and has no objects of a user.
#[test]
fn operator_passes_administrative_routes_only() {
    for row in DECLARED.iter().filter(|row| row.needs_permission()) {
        let full = Full::new();
        let answer = full.asking(row).by_operator().send();
        let administrative = ["users", "hosts", "services", "policy", "audit"];
        let is_administrative = administrative
            .iter()
            .any(|one| row.permission.starts_with(one));
        let what = format!("{} {}: {}", row.method, row.path, answer.text());
        if is_administrative {
            assert_eq!(answer.status, row.success_status, "{what}");
        } else if row.path == "/api/v1/events" {
            assert_eq!(answer.status, 200, "{what}");
        } else if !matches!(row.permission, "introspect" | "metrics") {
            assert_eq!(answer.status, 403, "{what}");
        }
    }
}

/// Valid credentials with all permissions except one.
#[test]
fn missing_permission_is_named_by_every_route() {
    let full = Full::new();
    let site = &full.site;
    let all = site
        .ask("GET", "/api/v1/me")
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    let all: Vec<&str> = all["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(all.len(), 21);
    for row in DECLARED.iter().filter(|row| row.needs_permission()) {
        let others: Vec<&str> = all
            .iter()
            .copied()
            .filter(|word| *word != row.permission)
            .collect();
        let key = site.narrow(&site.alice, &others);
        let before = site.snapshot();
        let what = format!("{} {}", row.method, row.path);
        let answer = full.asking(row).bearer(&key).send();
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        let challenge = format!(
            "Bearer realm=\"keycroft\", error=\"insufficient_scope\", scope=\"{}\"",
            row.permission
        );
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some(challenge.as_str()),
            "{what}"
        );
        let body = answer.json();
        let detail = if row.path.starts_with("/oauth/") {
            &body["error_description"]
        } else {
            &body["detail"]
        };
        assert_eq!(
            detail,
            &format!(
                "This needs the permission {}, which this credential does not have.",
                row.permission
            ),
            "{what}"
        );
        check_headers(&what, &answer);
        assert_eq!(site.snapshot(), before, "{what}");
    }
}

/// Bob requests objects of alice: they look nonexistent.
#[test]
fn object_of_another_owner_is_not_found() {
    let full = Full::new();
    let site = &full.site;
    let paths = [
        "/api/v1/api-keys/",
        "/api/v1/tokens/",
        "/api/v1/sessions/",
        "/api/v1/ssh-keys/",
        "/api/v1/me/notices/",
    ];
    let before = site.snapshot();
    let mut asked = 0;
    for row in DECLARED.iter().filter(|row| {
        row.path.contains("{id}") && paths.iter().any(|path| row.path.starts_with(path))
    }) {
        let never = Id::random().to_string();
        let mut answers = Vec::new();
        for id in [
            full.path(row.path),
            row.path.replace("{id}", &never),
            row.path.replace("{id}", "x"),
        ] {
            let asking = site.ask(row.method(), &id).bearer(&site.bob);
            let body = (row.body)();
            let answer = if body.is_null() {
                asking.send()
            } else {
                asking.json(&body).send()
            };
            assert_eq!(
                answer.status,
                404,
                "{} {}: {}",
                row.method,
                row.path,
                answer.text()
            );
            answers.push(without_id(answer));
        }
        assert_eq!(answers[0], answers[1], "{} {}", row.method, row.path);
        assert_eq!(answers[1], answers[2], "{} {}", row.method, row.path);
        asked += 1;
    }
    assert!(asked >= 9, "{asked}");
    // Below a user's path, only objects of that user: alice's key is not bob's.
    for (kind, id) in [
        ("api-keys", &full.api_key),
        ("tokens", &full.token),
        ("sessions", &full.session),
        ("ssh-keys", &full.ssh_key),
    ] {
        let wrong = site
            .ask("DELETE", &format!("/api/v1/users/bob/{kind}/{id}"))
            .bearer(&site.alice)
            .send();
        let never = site
            .ask(
                "DELETE",
                &format!("/api/v1/users/bob/{kind}/{}", Id::random()),
            )
            .bearer(&site.alice)
            .send();
        assert_eq!(wrong.status, 404);
        assert_eq!(without_id(wrong), without_id(never));
    }
    // A kind under another kind's path, and a user's key under a service's.
    for path in [
        format!("/api/v1/tokens/{}", full.api_key),
        format!("/api/v1/api-keys/{}", full.token),
        format!("/api/v1/services/lab/api-keys/{}", full.api_key),
    ] {
        site.ask("GET", &path)
            .bearer(&site.alice)
            .send()
            .expect(404);
        site.ask("DELETE", &path)
            .bearer(&site.alice)
            .send()
            .expect(404);
    }
    assert_eq!(site.snapshot(), before);
}

fn without_id(answer: Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer
        .headers
        .into_iter()
        .filter(|(name, _)| name != "Request-Id")
        .collect();
    (answer.status, headers, answer.body)
}

/// Members are rejected by administrative routes, and each attempt is an event.
#[test]
fn member_is_rejected_by_admin_routes_with_an_event() {
    let full = Full::new();
    let site = &full.site;
    let administrative = |row: &&Declared| {
        row.needs_permission()
            && ["users:", "hosts:", "services:", "policy:", "audit:"]
                .iter()
                .any(|word| row.permission.starts_with(word))
    };
    for row in DECLARED.iter().filter(administrative) {
        let what = format!("{} {}", row.method, row.path);
        // Rejections of one caller within a minute are one event.
        site.pass(60);
        let before = site.snapshot();
        full.asking(row).bearer(&site.bob).send().expect(403);
        assert_eq!(site.snapshot(), before, "{what}");
        let event = &site.events()[1];
        assert_eq!(event["outcome"], "refused", "{what}");
        assert_eq!(event["actor"], "bob", "{what}");
        assert_eq!(event["after"]["missing"], row.permission, "{what}");
        assert_eq!(
            event["target"]["id"],
            format!("{} {}", row.method(), full.path(row.path)),
            "{what}"
        );
    }
    for query in ["?all=true", "?user=alice", "?user=bob"] {
        let answer = site
            .ask("GET", &format!("/api/v1/events{query}"))
            .bearer(&site.bob)
            .send();
        assert_eq!(answer.status, 403, "{query}");
    }
}

/// Each route answers an admin as declared, and needs only the permission that it names.
#[test]
fn permitted_caller_gets_the_declared_answer() {
    for row in DECLARED.iter().filter(|row| row.permission != "operator") {
        let full = Full::new();
        let site = &full.site;
        let what = format!("{} {}", row.method, row.path);
        let answer = full.asking(row).bearer(&site.alice).send();
        assert_eq!(
            answer.status,
            row.success_status,
            "{what}: {}",
            answer.text()
        );
        check_headers(&what, &answer);
        let content = if row.path.strip_suffix(".pub").is_some() {
            "text/plain; charset=utf-8"
        } else if row.success_status < 300 {
            "application/json"
        } else {
            "application/problem+json"
        };
        if !answer.body.is_empty() && row.path != "/metrics" && !row.path.starts_with("/oauth/") {
            assert_eq!(answer.header("Content-Type"), Some(content), "{what}");
        }
        if answer.text().contains("\"secret\"") {
            assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{what}");
        }
    }
}

#[test]
fn cross_site_request_is_rejected_by_every_changing_route() {
    let full = Full::new();
    let site = &full.site;
    let before = site.snapshot();
    for row in DECLARED
        .iter()
        .filter(|row| !matches!(row.method, "GET" | "*") && row.permission != "operator")
    {
        let what = format!("{} {}", row.method, row.path);
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let answer = full
                .asking(row)
                .bearer(&site.alice)
                .header("Host", "127.0.0.1:8420")
                .header(name, value)
                .send();
            assert_eq!(
                answer.status,
                403,
                "{what} {name}: {value}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(site.snapshot(), before);
    for row in DECLARED.iter().filter(|row| row.method == "GET") {
        let answer = full
            .asking(row)
            .bearer(&site.alice)
            .header("Sec-Fetch-Site", "cross-site")
            .send();
        assert_eq!(
            answer.status, row.success_status,
            "{} {}",
            row.method, row.path
        );
    }
}

/// 404 and 405 are checked before everything else.
#[test]
fn unknown_path_or_method_is_reported_first() {
    let full = Full::new();
    let site = &full.site;
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/api-keys/",
        "/api/v1/nothing",
        "/api/v2/me",
        "/API/v1/me",
        "/api/v1/me/x",
        "/oauth/",
        "/verify/",
        "/verifyx",
    ] {
        let answer = site.ask("GET", path).send();
        assert_eq!(answer.status, 404, "{path}");
        check_headers(path, &answer);
    }
    for row in DECLARED
        .iter()
        .filter(|row| row.method != "*" && row.permission != "operator")
    {
        let path = full.path(row.path);
        let answer = site.ask("PROPFIND", &path).send();
        assert_eq!(answer.status, 405, "{path}");
        let allowed: Vec<&str> = answer.header("Allow").unwrap().split(", ").collect();
        assert!(allowed.contains(&row.method), "{path}: {allowed:?}");
        assert_eq!(
            allowed.contains(&"GET"),
            allowed.contains(&"HEAD"),
            "{path}: {allowed:?}"
        );
        for other in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let status = site.ask(other, &path).send().status;
            assert_eq!(
                status == 405,
                !allowed.contains(&other),
                "{other} {path}: {status}"
            );
        }
    }
}
