//! `/verify`: answers for proxies.

use keycroft::model::credential::Kind;
use keycroft::model::secret::{Presented, Secret, SecretForm};
use serde_json::{Value, json};

use crate::fixture::{Answer, Site, id, id_of, secret, unknown_secret};

const IDENTITY: [&str; 7] = [
    "Remote-User",
    "Remote-Name",
    "Remote-Groups",
    "Keycroft-Credential",
    "Keycroft-Kind",
    "Keycroft-Permissions",
    "Keycroft-Expires",
];

fn check_identity(answer: &Answer) {
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(answer.body.is_empty());
    for name in IDENTITY {
        assert!(answer.header(name).is_some(), "{name}");
    }
}

/// A service `lab` with `lab:use`, granted to bob.
pub(super) fn with_lab(site: &Site) {
    site.ask("POST", "/api/v1/services")
        .bearer(&site.alice)
        .json(&json!({"name": "lab", "permissions": ["lab:use", "lab:clean"]}))
        .send()
        .expect(201);
    site.ask("PATCH", "/api/v1/users/bob")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["lab:use"]}))
        .send()
        .expect(200);
}

#[test]
fn verify_answers_every_method_with_the_identity() {
    let site = Site::new();
    for group in ["staff", "admins"] {
        site.ask("POST", "/api/v1/groups")
            .bearer(&site.alice)
            .json(&json!({"name": group}))
            .send()
            .expect(201);
        site.ask("PUT", &format!("/api/v1/groups/{group}/members/bob"))
            .bearer(&site.alice)
            .send()
            .expect(204);
    }
    site.ask("PATCH", "/api/v1/me")
        .bearer(&site.bob)
        .json(&json!({"display_name": "Bob Ünal 🔑"}))
        .send()
        .expect(200);
    let key = site.api_key(
        &site.bob,
        &json!({"name": "k", "permissions": ["account:read", "tokens:read"], "expires_in": "1d"}),
    );
    let methods = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
        "ACL",
        "MKCALENDAR",
        "CHECKOUT",
        "VERSION-CONTROL",
    ];
    for method in methods {
        let answer = site.ask(method, "/verify").bearer(&secret(&key)).send();
        check_identity(&answer);
        let values = IDENTITY.map(|name| answer.header(name).unwrap().to_owned());
        let expected = [
            "bob",
            "Bob Ünal 🔑",
            "admins,staff",
            &id(&key),
            "api-key",
            "account:read tokens:read",
            "2026-11-23T12:00:00Z",
        ];
        assert_eq!(values, expected, "{method}");
        site.ask(method, "/verify").send().expect(401);
        // It changes nothing, so a cross-site mark of a browser does not matter.
        check_identity(
            &site
                .ask(method, "/verify")
                .bearer(&secret(&key))
                .header("Sec-Fetch-Site", "cross-site")
                .header("Origin", "https://app.example")
                .send(),
        );
    }
    let endless = site.narrow(&site.alice, &[]);
    let answer = site.ask("GET", "/verify").bearer(&endless).send();
    check_identity(&answer);
    assert_eq!(
        (
            answer.header("Remote-Groups"),
            answer.header("Keycroft-Permissions")
        ),
        (Some(""), Some(""))
    );
    let never = site.api_key(&site.bob, &json!({"name": "never", "expires_in": "never"}));
    assert_eq!(
        site.ask("GET", "/verify")
            .bearer(&secret(&never))
            .send()
            .header("Keycroft-Expires"),
        Some("")
    );
    let token = site.ask("GET", "/verify").bearer(&site.bob).send();
    assert_eq!(token.header("Keycroft-Kind"), Some("token"));
}

#[test]
fn first_header_with_a_secret_decides() {
    let site = Site::new();
    let valid = site.narrow(&site.bob, &["account:read"]);
    let bad = unknown_secret(Kind::ApiKey);
    let code = Secret::generate(SecretForm::Code).reveal();
    let ask = || site.ask("GET", "/verify");
    for answer in [
        ask().bearer(&valid).send(),
        ask()
            .header("authorization", &format!("bearer {valid}"))
            .send(),
        ask()
            .header("Authorization", &format!("BEARER   {valid} "))
            .send(),
        ask().basic("bob", &valid).send(),
        ask().basic("", &valid).send(),
        ask().basic(&valid, "").send(),
        ask().basic(&valid, "x-oauth-basic").send(),
        ask().header("X-API-Key", &valid).send(),
        ask().header("x-api-key", &format!(" {valid} ")).send(),
        // Text in another form is skipped.
        ask()
            .bearer("somebody-elses")
            .header("X-API-Key", &valid)
            .send(),
        ask()
            .basic("bob", "hunter2")
            .header("X-API-Key", &valid)
            .send(),
        ask()
            .header("Authorization", "Digest x")
            .header("X-API-Key", &valid)
            .send(),
        ask()
            .header("Authorization", &valid)
            .header("X-API-Key", &valid)
            .send(),
        ask()
            .bearer(&valid)
            .header("X-API-Key", "somebody-elses")
            .send(),
        ask().bearer(&valid).header("X-API-Key", &bad).send(),
    ] {
        check_identity(&answer);
    }
    for (what, answer) in [
        ("nothing", ask().send()),
        (
            "a bad one first",
            ask().bearer(&bad).header("X-API-Key", &valid).send(),
        ),
        (
            "a code first",
            ask().bearer(&code).header("X-API-Key", &valid).send(),
        ),
        ("in both places", ask().basic(&valid, &valid).send()),
        (
            "in both places, with another header",
            ask().basic(&valid, &bad).header("X-API-Key", &valid).send(),
        ),
        ("two headers", ask().bearer(&valid).bearer(&valid).send()),
        (
            "two other headers",
            ask()
                .header("X-API-Key", &valid)
                .header("X-API-Key", &valid)
                .send(),
        ),
        (
            "two lines and another header",
            ask()
                .bearer(&valid)
                .basic("x", &bad)
                .header("X-API-Key", &valid)
                .send(),
        ),
        ("no scheme", ask().header("Authorization", &valid).send()),
        (
            "in the query",
            site.ask("GET", &format!("/verify?access_token={valid}"))
                .send(),
        ),
        (
            "in a cookie",
            ask().header("Cookie", &format!("session={valid}")).send(),
        ),
        (
            "nonsense",
            ask().header("Authorization", "Basic !!!").send(),
        ),
        ("too long", ask().basic(&"x".repeat(2_000), &valid).send()),
        ("cut off", ask().bearer(&valid[..valid.len() - 1]).send()),
    ] {
        assert_eq!(answer.status, 401, "{what}");
        assert!(
            answer
                .header("WWW-Authenticate")
                .unwrap()
                .starts_with("Bearer realm=\"keycroft\""),
            "{what}"
        );
        for name in IDENTITY {
            assert_eq!(answer.header(name), None, "{what}");
        }
    }
}

#[test]
fn verify_requires_the_requested_permissions() {
    let site = Site::new();
    with_lab(&site);
    // The token is older than the grant: it keeps its permissions.
    let body = json!({"name": "k", "permissions": ["lab:use"]});
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&site.bob)
        .json(&body)
        .send()
        .expect(403);
    let key = site.narrow(&site.token("bob"), &["lab:use", "account:read"]);
    let ask = |query: &str| {
        site.ask("GET", &format!("/verify{query}"))
            .bearer(&key)
            .send()
    };
    for valid in [
        "",
        "?",
        "?permission=lab:use",
        "?permission=lab%3Ause",
        "?permission=account:read&permission=lab:use",
        "?challenge=basic",
        "?challenge=basic&permission=lab:use",
    ] {
        check_identity(&ask(valid));
    }
    for (query, parameter) in [
        ("?permissions=lab:use", "permissions"),
        ("?Permission=lab:use", "Permission"),
        (
            "?permission=lab:use&permission[]=users:write",
            "permission[]",
        ),
        ("?other=1&x", "other"),
        ("?x", "x"),
        ("?=", ""),
        ("?limit=0&permission=lab:use", "limit"),
        ("?challenge=digest", "challenge"),
        ("?challenge", "challenge"),
    ] {
        let answer = ask(query).expect(403);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("\"{parameter}\"")), "{detail}");
        assert!(detail.contains("in Caddy, end the uri"), "{detail}");
        site.ask("GET", &format!("/verify{query}"))
            .send()
            .expect(401);
    }
    // A secret in the wrong place is not echoed.
    let answer = ask(&format!("?{key}=1")).expect(403);
    assert!(!answer.text().contains(&key), "{}", answer.text());
    for (query, missing) in [
        ("?permission=lab:clean", "lab:clean"),
        ("?permission=lab:use&permission=users:write", "users:write"),
        ("?permission=account:write", "account:write"),
        ("?permission=zoo:feed", "zoo:feed"),
    ] {
        let answer = ask(query).expect(403);
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some(
                format!(
                    "Bearer realm=\"keycroft\", error=\"insufficient_scope\", scope=\"{missing}\""
                )
                .as_str()
            )
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(missing));
    }
    for malformed in [
        "?permission=",
        "?permission",
        "?permission=lab",
        "?permission=lab:",
        "?permission=*",
        "?permission=lab:use%20account:read",
        "?permission=%ff",
        "?permission=%00",
        "?permission=lab:use%0d%0aSet-Cookie:x",
        "?permission=users:all",
    ] {
        let answer = ask(malformed);
        assert_eq!(answer.status, 403, "{malformed}");
        site.ask("GET", &format!("/verify{malformed}"))
            .send()
            .expect(401);
    }
    // Deleting the permission removes it from every credential at once.
    site.ask("PATCH", "/api/v1/services/lab")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["lab:clean"]}))
        .send()
        .expect(200);
    assert_eq!(ask("?permission=lab:use").status, 403);
    assert_eq!(ask("").header("Keycroft-Permissions"), Some("account:read"));
    // Defining it again restores it for nobody.
    site.ask("PATCH", "/api/v1/services/lab")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["lab:clean", "lab:use"]}))
        .send()
        .expect(200);
    site.ask("PATCH", "/api/v1/users/bob")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["lab:use"]}))
        .send()
        .expect(200);
    assert_eq!(ask("?permission=lab:use").status, 403);
}

#[test]
fn forwarded_address_counts_only_from_trusted_proxies() {
    let site = Site::behind(&["127.0.0.1", "10.9.0.0/16"]);
    let key = secret(&site.api_key(
        &site.alice,
        &json!({"name": "k", "allowed_addresses": ["192.0.2.7", "2001:db8::/32"]}),
    ));
    let ask = |peer: &str, forwarded: &[&str]| {
        let mut asking = site.ask("GET", "/verify").bearer(&key).from(peer);
        for line in forwarded {
            asking = asking.header("X-Forwarded-For", line);
        }
        asking.send().status
    };
    for (peer, forwarded) in [
        ("192.0.2.7", vec![]),
        ("::ffff:192.0.2.7", vec![]),
        // Not a trusted proxy: its header is ignored.
        ("192.0.2.7", vec!["203.0.113.1"]),
        ("127.0.0.1", vec!["192.0.2.7"]),
        ("::ffff:127.0.0.1", vec!["192.0.2.7"]),
        ("127.0.0.1", vec!["203.0.113.1, 192.0.2.7"]),
        ("127.0.0.1", vec!["203.0.113.1", "192.0.2.7"]),
        ("127.0.0.1", vec!["nonsense, 192.0.2.7, 10.9.1.1"]),
        ("127.0.0.1", vec!["192.0.2.7:4711"]),
        ("127.0.0.1", vec!["2001:db8::1"]),
        ("127.0.0.1", vec!["[2001:db8::1]:4711"]),
        ("127.0.0.1", vec!["::ffff:192.0.2.7"]),
        ("127.0.0.1", vec!["10.9.1.1", "192.0.2.7, 10.9.1.1"]),
    ] {
        assert_eq!(ask(peer, &forwarded), 204, "{peer} {forwarded:?}");
    }
    for (peer, forwarded) in [
        ("203.0.113.1", vec![]),
        ("203.0.113.1", vec!["192.0.2.7"]),
        ("127.0.0.1", vec![]),
        ("127.0.0.1", vec![""]),
        ("127.0.0.1", vec!["192.0.2.7, 203.0.113.1"]),
        ("127.0.0.1", vec!["192.0.2.7", "203.0.113.1"]),
        ("127.0.0.1", vec!["192.0.2.7, nonsense"]),
        ("127.0.0.1", vec!["192.0.2.7, unknown, 10.9.1.1"]),
        ("127.0.0.1", vec!["10.9.1.1"]),
        ("10.8.0.1", vec!["192.0.2.7"]),
    ] {
        assert_eq!(ask(peer, &forwarded), 401, "{peer} {forwarded:?}");
    }
    // The JSON API reads the address in the same way.
    site.ask("GET", "/api/v1/me")
        .bearer(&key)
        .from("127.0.0.1")
        .header("X-Forwarded-For", "192.0.2.7")
        .send()
        .expect(200);
    site.ask("GET", "/api/v1/me")
        .bearer(&key)
        .from("127.0.0.1")
        .header("X-Forwarded-For", "203.0.113.1")
        .send()
        .expect(401);
    // Without --behind-proxy no header is trusted.
    let site = Site::new();
    let key = secret(&site.api_key(
        &site.alice,
        &json!({"name": "k", "allowed_addresses": ["192.0.2.7"]}),
    ));
    site.ask("GET", "/verify")
        .bearer(&key)
        .from("127.0.0.1")
        .header("X-Forwarded-For", "192.0.2.7")
        .send()
        .expect(401);
}

#[test]
fn rightmost_address_counts_when_all_are_trusted() {
    let site = Site::behind(&["127.0.0.1", "10.0.0.0/8"]);
    let key = |name: &str, address: &str| {
        let body = json!({"name": name, "allowed_addresses": [address]});
        secret(&site.api_key(&site.alice, &body))
    };
    let loopback = key("loopback", "127.0.0.1");
    let inside = key("inside", "10.1.2.3");
    let ask = |key: &str, peer: &str, forwarded: &[&str]| {
        let mut asking = site.ask("GET", "/verify").bearer(key).from(peer);
        for line in forwarded {
            asking = asking.header("X-Forwarded-For", line);
        }
        asking.send().status
    };
    // A client on the proxy's own machine.
    assert_eq!(ask(&loopback, "127.0.0.1", &["127.0.0.1"]), 204);
    // A client in the trusted network, through one proxy.
    assert_eq!(ask(&inside, "10.0.0.1", &["10.1.2.3"]), 204);
    // The client wrote the addresses to the left.
    assert_eq!(ask(&inside, "10.0.0.1", &["10.9.9.9, 10.1.2.3"]), 204);
    assert_eq!(ask(&inside, "10.0.0.1", &["10.9.9.9", "10.1.2.3"]), 204);
    assert_eq!(ask(&inside, "10.0.0.1", &["10.1.2.3, 10.9.9.9"]), 401);
    assert_eq!(ask(&loopback, "127.0.0.1", &["127.0.0.1, 10.9.9.9"]), 401);
    // Unknown: no header, an empty one, an entry that is not an address.
    for forwarded in [&[][..], &[""], &["unknown"], &["unknown, 10.1.2.3"]] {
        assert_eq!(ask(&inside, "10.1.2.3", forwarded), 401, "{forwarded:?}");
    }
}

#[test]
fn connection_header_naming_a_keycroft_header_is_rejected() {
    let site = Site::behind(&["127.0.0.1"]);
    let valid = site.narrow(&site.bob, &["account:read"]);
    for lines in [
        &["Remote-User"][..],
        &["remote-user"],
        &["close, REMOTE-USER ,keep-alive"],
        &["keep-alive", "Keycroft-Permissions"],
        &["Remote-Name"],
        &["Remote-Groups"],
        &["Keycroft-Credential"],
        &["Keycroft-Kind"],
        &["Keycroft-Expires"],
        &["Authorization"],
        &["x-api-key"],
        &["X-Forwarded-For"],
        &["Forwarded"],
    ] {
        for path in ["/verify", "/api/v1/me"] {
            let mut asking = site.ask("GET", path).bearer(&valid);
            for line in lines {
                asking = asking.header("Connection", line);
            }
            let answer = asking.send();
            assert_eq!(answer.status, 400, "{path} {lines:?}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(
                detail.starts_with("The Connection header names"),
                "{detail}"
            );
        }
    }
    for line in [
        "close",
        "keep-alive, Upgrade",
        "",
        "X-Remote-User",
        "Cookie",
    ] {
        let asking = site.ask("GET", "/verify").bearer(&valid);
        check_identity(&asking.header("Connection", line).send());
    }
}

/// Ids are public, and an answer still reveals nothing about them.
#[test]
fn known_id_with_a_wrong_secret_is_rejected_like_an_unknown_one() {
    let site = Site::new();
    site.set_password("alice");
    let key = |name: &str, more: Value| {
        let mut body = json!({"name": name});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        secret(&site.api_key(&site.bob, &body))
    };
    let elsewhere = key("elsewhere", json!({"allowed_addresses": ["192.0.2.7"]}));
    let disabled = key("disabled", json!({}));
    let path = format!("/api/v1/api-keys/{}", id_of(&disabled));
    site.asked(&site.bob, "PATCH", &path, &json!({"disabled": true}), 200);
    let deleted = key("deleted", json!({}));
    let path = format!("/api/v1/api-keys/{}", id_of(&deleted));
    site.asked(&site.bob, "DELETE", &path, &Value::Null, 204);
    let expired = key("expired", json!({"expires_in": "1h"}));
    site.pass(3_601);
    let bob = site.token("bob");
    let known = [
        key("good", json!({})),
        elsewhere,
        disabled,
        deleted,
        expired,
        bob,
        site.sign_in("alice"),
    ];
    let queries = ["", "?permission=users:write", "?challenge=basic", "?x=y"];
    for right in &known {
        let right = Presented::parse(right).unwrap();
        let wrong = Secret::generate_for(right.form, right.id).reveal();
        let unknown = Secret::generate(right.form).reveal();
        for query in queries {
            let path = format!("/verify{query}");
            let ask = |secret: &str| {
                let asking = || site.ask("GET", &path);
                let askings = [
                    asking().bearer(secret),
                    asking().basic("x", secret),
                    asking().header("X-API-Key", secret),
                ];
                askings.map(|asking| {
                    let mut answer = asking.send().expect(401);
                    // Every answer has its own request id.
                    answer.headers.retain(|(name, _)| name != "Request-Id");
                    (answer.headers, answer.body)
                })
            };
            assert_eq!(ask(&wrong), ask(&unknown), "{path} {:?}", right.form);
        }
    }
}

#[test]
fn basic_is_offered_only_when_requested() {
    let site = Site::new();
    let valid = site.narrow(&site.bob, &["account:read"]);
    let bad = unknown_secret(Kind::ApiKey);
    let challenge = |path: &str, secret: Option<&str>| {
        let asking = site.ask("GET", path);
        let asking = match secret {
            Some(secret) => asking.basic("x", secret),
            None => asking,
        };
        let answer = asking.send().expect(401);
        answer.header("WWW-Authenticate").unwrap().to_owned()
    };
    let bearer = "Bearer realm=\"keycroft\"";
    for path in [
        "/verify?challenge=basic",
        "/verify?permission=account:read&challenge=basic",
    ] {
        assert_eq!(
            challenge(path, None),
            format!("Basic realm=\"keycroft\", {bearer}")
        );
        assert_eq!(
            challenge(path, Some(&bad)),
            format!("Basic realm=\"keycroft\", {bearer}, error=\"invalid_token\"")
        );
        check_identity(&site.ask("GET", path).basic("x", &valid).send());
    }
    for path in [
        "/verify",
        "/verify?challenge=Basic",
        "/verify?permission=challenge",
        "/api/v1/me",
    ] {
        assert_eq!(challenge(path, None), bearer, "{path}");
    }
    // The API does not have this parameter.
    let asking = site.ask("GET", "/api/v1/me?challenge=basic");
    assert_eq!(
        asking.send().expect(401).header("WWW-Authenticate"),
        Some(bearer)
    );
    // A proxy that copies a header sends an empty one if it is missing.
    let answer = site
        .ask("GET", "/verify")
        .header("Authorization", "")
        .header("X-API-Key", " ")
        .send()
        .expect(401);
    assert_eq!(answer.header("WWW-Authenticate"), Some(bearer));
    let asking = site.ask("GET", "/verify").header("Authorization", "");
    check_identity(&asking.header("X-API-Key", &valid).send());
}

#[test]
fn service_key_is_independent_of_its_creator() {
    let site = Site::new();
    with_lab(&site);
    site.add_user("dora", keycroft::model::user::Role::Admin);
    let dora = site.token("dora");
    let make = |body: Value| {
        site.ask("POST", "/api/v1/services/lab/api-keys")
            .bearer(&dora)
            .json(&body)
            .send()
            .expect(201)
            .json()
    };
    let key = make(json!({"name": "k", "permissions": ["introspect", "lab:use"]}));
    let all = make(json!({"name": "all"}));
    assert_eq!(
        all["permissions"],
        json!(["introspect", "lab:clean", "lab:use", "metrics"])
    );
    site.ask("DELETE", "/api/v1/users/dora")
        .bearer(&site.alice)
        .send()
        .expect(204);
    let answer = site
        .ask("GET", "/verify?permission=lab:use")
        .bearer(&secret(&key))
        .send();
    check_identity(&answer);
    assert_eq!(
        (
            answer.header("Remote-User"),
            answer.header("Keycroft-Permissions")
        ),
        (Some("lab"), Some("introspect lab:use"))
    );
    let me = site
        .ask("GET", "/api/v1/me")
        .bearer(&secret(&key))
        .send()
        .expect(200)
        .json();
    assert_eq!(
        (&me["username"], &me["service"], &me["kind"]),
        (&Value::Null, &json!("lab"), &json!("api-key"))
    );
    // A service can't take a user's name, nor a user a service's.
    site.ask("POST", "/api/v1/services")
        .bearer(&site.alice)
        .json(&json!({"name": "bob"}))
        .send()
        .expect(409);
    site.ask("POST", "/api/v1/services")
        .bearer(&site.alice)
        .json(&json!({"name": "dora"}))
        .send()
        .expect(409);
    site.ask("POST", "/api/v1/users")
        .bearer(&site.alice)
        .json(&json!({"username": "lab"}))
        .send()
        .expect(409);
    site.ask("DELETE", "/api/v1/services/lab")
        .bearer(&site.alice)
        .send()
        .expect(204);
    site.ask("GET", "/verify")
        .bearer(&secret(&key))
        .send()
        .expect(401);
}

/// Verification rejects it, and the explanation must agree: before the mark is stored and after.
#[test]
fn seen_expiration_is_explained_after_a_clock_change() {
    let mut site = Site::new();
    let key = site.api_key(
        &site.alice,
        &serde_json::json!({"name": "short", "expires_in": "1h"}),
    );
    let (id, secret) = (key["id"].as_str().unwrap(), secret(&key));
    let explained = |site: &Site| {
        let path = format!("/api/v1/api-keys/{id}/explain");
        let answer = site.ask("GET", &path).bearer(&site.alice).send();
        answer.expect(200).json()["failed"].clone()
    };
    assert!(explained(&site).is_null());
    site.pass(3_600);
    site.ask("GET", "/verify")
        .bearer(&secret)
        .send()
        .expect(401);
    site.pass(-3_600);
    site.ask("GET", "/verify")
        .bearer(&secret)
        .send()
        .expect(401);
    assert_eq!(explained(&site), "not_expired");
    site.reopen();
    assert_eq!(explained(&site), "not_expired");
}
