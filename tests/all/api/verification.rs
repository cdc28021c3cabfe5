//! `/verify`, introspection, revocation, metadata: what services and proxies are told.

use keycroft::model::credential::Kind;
use keycroft::model::secret::{Form, Secret};
use serde_json::{Value, json};

use crate::house::{Answer, Site, id, secret, unknown_secret};

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
fn with_lab(site: &Site) {
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
fn every_method_is_answered_with_who_it_is() {
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
        // It changes nothing, so it does not matter from where a browser says it comes.
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
fn the_first_header_that_holds_a_secret_of_ours_decides() {
    let site = Site::new();
    let good = site.narrow(&site.bob, &["account:read"]);
    let bad = unknown_secret(Kind::ApiKey);
    let code = Secret::generate(Form::Code).reveal();
    let ask = || site.ask("GET", "/verify");
    for answer in [
        ask().bearer(&good).send(),
        ask()
            .header("authorization", &format!("bearer {good}"))
            .send(),
        ask()
            .header("Authorization", &format!("BEARER   {good} "))
            .send(),
        ask().basic("bob", &good).send(),
        ask().basic("", &good).send(),
        ask().basic(&good, "").send(),
        ask().basic(&good, "x-oauth-basic").send(),
        ask().header("X-API-Key", &good).send(),
        ask().header("x-api-key", &format!(" {good} ")).send(),
        // What is not in our form is passed over.
        ask()
            .bearer("somebody-elses")
            .header("X-API-Key", &good)
            .send(),
        ask()
            .basic("bob", "hunter2")
            .header("X-API-Key", &good)
            .send(),
        ask()
            .header("Authorization", "Digest x")
            .header("X-API-Key", &good)
            .send(),
        ask()
            .header("Authorization", &good)
            .header("X-API-Key", &good)
            .send(),
        ask()
            .bearer(&good)
            .header("X-API-Key", "somebody-elses")
            .send(),
        ask().bearer(&good).header("X-API-Key", &bad).send(),
    ] {
        check_identity(&answer);
    }
    for (what, answer) in [
        ("nothing", ask().send()),
        (
            "a bad one first",
            ask().bearer(&bad).header("X-API-Key", &good).send(),
        ),
        (
            "a code first",
            ask().bearer(&code).header("X-API-Key", &good).send(),
        ),
        ("in both places", ask().basic(&good, &good).send()),
        (
            "in both places, with another header",
            ask().basic(&good, &bad).header("X-API-Key", &good).send(),
        ),
        ("two headers", ask().bearer(&good).bearer(&good).send()),
        (
            "two other headers",
            ask()
                .header("X-API-Key", &good)
                .header("X-API-Key", &good)
                .send(),
        ),
        (
            "two lines and another header",
            ask()
                .bearer(&good)
                .basic("x", &bad)
                .header("X-API-Key", &good)
                .send(),
        ),
        ("no scheme", ask().header("Authorization", &good).send()),
        (
            "in the query",
            site.ask("GET", &format!("/verify?access_token={good}"))
                .send(),
        ),
        (
            "in a cookie",
            ask().header("Cookie", &format!("session={good}")).send(),
        ),
        (
            "nonsense",
            ask().header("Authorization", "Basic !!!").send(),
        ),
        ("too long", ask().basic(&"x".repeat(2_000), &good).send()),
        ("cut off", ask().bearer(&good[..good.len() - 1]).send()),
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
fn permissions_can_be_demanded() {
    let site = Site::new();
    with_lab(&site);
    // The token was made before the grant: it carries what it was given.
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
    for good in [
        "",
        "?",
        "?permission=lab:use",
        "?permission=lab%3Ause",
        "?permission=account:read&permission=lab:use",
        "?other=1&x",
        "?permissions=users:write",
        "?=",
        "?limit=0&permission=lab:use",
    ] {
        check_identity(&ask(good));
    }
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
    // Deleting the permission takes it out of every credential at once.
    site.ask("PATCH", "/api/v1/services/lab")
        .bearer(&site.alice)
        .json(&json!({"permissions": ["lab:clean"]}))
        .send()
        .expect(200);
    assert_eq!(ask("?permission=lab:use").status, 403);
    assert_eq!(ask("").header("Keycroft-Permissions"), Some("account:read"));
    // And defining it anew gives it back to nobody.
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
fn addresses_come_from_trusted_proxies_alone_and_from_the_right() {
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
        // Not a proxy: what it says is not looked at.
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
    // Without --behind-proxy nobody is believed.
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
fn a_services_key_is_nobody_else_and_outlives_who_made_it() {
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
    // A service can't take a person's name, nor a person a service's.
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

const INACTIVE: &[u8] = b"{\"active\":false}";

#[test]
fn introspection_tells_what_is_active_and_nothing_of_the_rest() {
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
    // Limited to addresses: good only with one that fits.
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
    // Granted to bob, his new keys may ask.
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
fn every_dead_secret_is_byte_for_byte_the_same() {
    let site = Site::new();
    site.set_password("bob");
    let asker = site.narrow(&site.alice, &["introspect"]);
    let live = |name: &str| site.api_key(&site.bob, &json!({"name": name, "expires_in": "1h"}));
    let edit = |made: &Value, body: Value| {
        site.ask("PATCH", &format!("/api/v1/api-keys/{}", id(made)))
            .bearer(&site.bob)
            .json(&body)
            .send()
            .expect(200);
    };
    let (deleted, disabled, expired, rotated, burned) = (
        live("deleted"),
        live("disabled"),
        live("expired"),
        live("rotated"),
        live("burned"),
    );
    site.ask("DELETE", &format!("/api/v1/api-keys/{}", id(&deleted)))
        .bearer(&site.bob)
        .send()
        .expect(204);
    edit(&disabled, json!({"disabled": true}));
    edit(&expired, json!({"expires_in": "1s"}));
    site.ask("POST", &format!("/api/v1/api-keys/{}/rotate", id(&rotated)))
        .bearer(&site.bob)
        .send()
        .expect(200);
    site.ask("DELETE", "/api/v1/burn")
        .bearer(&secret(&burned))
        .send()
        .expect(204);
    site.pass(1);
    site.add_user("left", keycroft::model::user::Role::Member);
    let left = site.token("left");
    site.ask("POST", "/api/v1/users/left/end-everything")
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
        .desk()
        .reset_password_as_operator(&name)
        .unwrap()
        .reveal();
    let dead: Vec<String> = [&deleted, &disabled, &expired, &rotated, &burned]
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
fn revoking_ends_what_is_shown_and_says_the_same_of_the_rest() {
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
        .desk()
        .reset_password_as_operator(&name)
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
fn the_server_describes_itself() {
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
