//! Fields of users' objects: names, notes, expirations, permissions, addresses, passwords.

use serde_json::{Value, json};

use super::{BAD_NAMES, Ground, check_rejection, no_strings, too_long};
use crate::api::declared::KEYS;
use crate::fixture::{PASSWORD, id, secret};

#[test]
fn invalid_name_or_note_is_rejected() {
    let ground = Ground::new();
    let key = format!("/api/v1/api-keys/{}", ground.key);
    let mut names: Vec<Value> = BAD_NAMES.iter().map(|name| json!(name)).collect();
    names.push(json!(too_long()));
    names.push(json!("🔑".repeat(65)));
    names.extend(no_strings());
    for name in &names {
        ground.reject("POST", "/api/v1/api-keys", &json!({"name": name}), "name");
        ground.reject("PATCH", &key, &json!({"name": name}), "name");
        ground.reject("POST", "/api/v1/tokens", &json!({"name": name}), "name");
        ground.reject(
            "POST",
            "/api/v1/services/lab/api-keys",
            &json!({"name": name}),
            "name",
        );
        ground.reject(
            "PATCH",
            "/api/v1/me",
            &json!({"display_name": name}),
            "display_name",
        );
        ground.reject(
            "PATCH",
            "/api/v1/users/bob",
            &json!({"display_name": name}),
            "display_name",
        );
        ground.reject(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "display_name": name}),
            "display_name",
        );
    }
    ground.reject("POST", "/api/v1/api-keys", &json!({}), "name");
    ground.reject("POST", "/api/v1/api-keys", &json!({"name": null}), "name");
    for field in ["name", "permissions", "disabled"] {
        ground.reject("PATCH", &key, &json!({field: null}), field);
    }
    ground.reject(
        "PATCH",
        "/api/v1/me",
        &json!({"display_name": null}),
        "display_name",
    );
    let mut notes: Vec<Value> = BAD_NAMES[3..]
        .iter()
        .filter(|note| !note.contains('\n'))
        .map(|note| json!(note))
        .collect();
    notes.push(json!("x".repeat(1_001)));
    notes.extend(no_strings());
    for note in &notes {
        ground.reject(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "note": note}),
            "note",
        );
        ground.reject("PATCH", &key, &json!({"note": note}), "note");
    }
}

#[test]
fn impossible_expiration_is_rejected() {
    let ground = Ground::new();
    let key = format!("/api/v1/api-keys/{}", ground.key);
    let rotate = format!("{key}/rotate");
    let mut lengths: Vec<Value> = [
        "",
        " ",
        "30",
        "-1d",
        "0s",
        "0d",
        "1ms",
        "soon",
        "Never",
        "101y",
        "36501d",
        "99999999999999999999d",
        "30d\0",
        "30\u{200b}d",
        "P30D",
    ]
    .map(|text| json!(text))
    .to_vec();
    lengths.extend(no_strings());
    lengths.push(json!(86_400));
    let mut times: Vec<Value> = [
        "",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "2026-11-22T12:00:00+01:00",
        "22.11.2026",
        "tomorrow",
        "10000-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-13-01T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-01T25:00:00Z",
        "2026-11-22T12:00:00Z\0",
    ]
    .map(|text| json!(text))
    .to_vec();
    // Past, and now.
    times.extend(
        [
            "1970-01-01T00:00:00Z",
            "2026-11-22T11:59:59Z",
            "2026-11-22T12:00:00Z",
        ]
        .map(|text| json!(text)),
    );
    times.extend(no_strings());
    times.push(json!(1_900_000_000));
    for (field, values) in [("expires_in", &lengths), ("expires_at", &times)] {
        for value in values {
            ground.reject(
                "POST",
                "/api/v1/api-keys",
                &json!({"name": "n", field: value}),
                field,
            );
            ground.reject(
                "POST",
                "/api/v1/services/lab/api-keys",
                &json!({"name": "n", field: value}),
                field,
            );
            ground.reject("PATCH", &key, &json!({field: value}), field);
            ground.reject(
                "POST",
                &rotate,
                &json!({"grace": "0s", field: value}),
                field,
            );
        }
    }
    let both = json!({"name": "n", "expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    ground.reject("POST", "/api/v1/api-keys", &both, "expires_at");
    let both = json!({"expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    ground.reject("PATCH", &key, &both, "expires_at");
    let both = json!({"grace": "0s", "expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    ground.reject("POST", &rotate, &both, "expires_at");
    ground.reject(
        "PATCH",
        &key,
        &json!({"expires_in": null, "expires_at": null}),
        "expires_at",
    );
    for grace in ["", "0", "7d1s", "8d", "never", "-1m", "now"]
        .map(|grace| json!(grace))
        .iter()
        .chain(&no_strings())
    {
        ground.reject("POST", &rotate, &json!({"grace": grace}), "grace");
    }
    ground.reject("POST", &rotate, &json!({}), "grace");
    for until in [
        json!({}),
        json!({"until_unused": "2h"}),
        json!({"at_most": "7d"}),
        json!({"until_unused": "59m", "at_most": "7d"}),
        json!({"until_unused": "2h", "at_most": "1h"}),
        json!({"until_unused": "2h", "at_most": "8d"}),
        json!({"until_unused": 7_200, "at_most": "7d"}),
        json!({"until_unused": "2h", "at_most": "7d", "more": 1}),
    ] {
        ground.reject("POST", &rotate, &json!({"grace": until}), "grace");
    }
    // Tokens: full hours from one to twenty-four.
    for life in ["30m", "90m", "0h", "25h", "2d", "1h1s", "never", "", "24"]
        .map(|life| json!(life))
        .iter()
        .chain(&no_strings())
    {
        ground.reject(
            "POST",
            "/api/v1/tokens",
            &json!({"expires_in": life}),
            "expires_in",
        );
    }
    ground.reject(
        "POST",
        "/api/v1/tokens",
        &json!({"expires_at": "2026-11-22T13:00:00Z"}),
        "expires_at",
    );
    // The last representable second is valid.
    let last = ground.site.api_key(
        &ground.site.alice,
        &json!({"name": "last", "expires_at": "9999-12-31T23:59:59Z"}),
    );
    assert_eq!(last["expires_at"], "9999-12-31T23:59:59Z");
}

#[test]
fn invalid_permission_or_address_is_rejected() {
    let mut ground = Ground::new();
    let created = |bearer: &str, path: &str, body: &Value| {
        id(&ground.site.asked(bearer, "POST", path, body, 201))
    };
    let code = ground.site.asked(
        &ground.site.alice,
        "POST",
        "/api/v1/hosts/enrollment-codes",
        &json!({}),
        201,
    );
    let host = created(
        &secret(&code),
        "/api/v1/hosts/enroll",
        &json!({"name": "gpu1"}),
    );
    let host = format!("/api/v1/hosts/{host}");
    let ssh_key = created(
        &ground.site.alice,
        "/api/v1/ssh-keys",
        &json!({"public_key": KEYS[0]}),
    );
    let ssh_key = format!("/api/v1/ssh-keys/{ssh_key}");
    ground.settle();
    let key = format!("/api/v1/api-keys/{}", ground.key);
    let words = [
        "",
        "users",
        "users:",
        "users:all",
        "account:read ",
        "account:read account:write",
        "Account:read",
        "*",
        "zoo:feed",
        "lab:other",
        "a\0:b",
        "x:\u{202e}y",
    ];
    let lists = words.map(|word| json!(["account:read", word]));
    for permissions in &lists {
        ground.reject(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "permissions": permissions}),
            "permissions",
        );
        ground.reject(
            "PATCH",
            &key,
            &json!({"permissions": permissions}),
            "permissions",
        );
        ground.reject(
            "POST",
            "/api/v1/tokens",
            &json!({"permissions": permissions}),
            "permissions",
        );
        ground.reject(
            "POST",
            "/api/v1/services/lab/api-keys",
            &json!({"name": "n", "permissions": permissions}),
            "permissions",
        );
        ground.reject(
            "PATCH",
            "/api/v1/users/bob",
            &json!({"permissions": permissions}),
            "permissions",
        );
    }
    for (value, field) in [
        (json!("account:read"), "permissions"),
        (json!(5), "permissions"),
        (json!({}), "permissions"),
        (json!([5]), "permissions[0]"),
        (json!(["account:read", null]), "permissions[1]"),
    ] {
        ground.reject(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "permissions": value}),
            field,
        );
        ground.reject("PATCH", &key, &json!({"permissions": value}), field);
    }
    // Permissions that a service's key can't have, and those that can't be granted beyond a role.
    ground.reject(
        "POST",
        "/api/v1/services/lab/api-keys",
        &json!({"name": "n", "permissions": ["users:read"]}),
        "permissions",
    );
    ground.reject(
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["users:read"]}),
        "permissions",
    );
    ground.reject(
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["account:read"]}),
        "permissions",
    );
    for network in [
        "",
        " ",
        "10.0.0.0/33",
        "10.0.0",
        "10.0.0.1-10.0.0.9",
        "example.org",
        "::1/129",
        "10.0.0.0/8 ",
        "fe80::1%eth0",
        "a\0",
        "0.0.0.0/0/0",
        "10.0.0.5/8",
        "::ffff:10.0.0.0/8",
        "2001:db8::1/32",
    ] {
        let list = json!(["10.0.0.0/8", network]);
        for (method, path, body) in [
            ("PATCH", &host, json!({"allowed_addresses": list})),
            ("PATCH", &ssh_key, json!({"allowed_addresses": list})),
            (
                "POST",
                &"/api/v1/ssh-keys".to_owned(),
                json!({"public_key": KEYS[1], "allowed_addresses": list}),
            ),
            (
                "POST",
                &"/api/v1/services/lab/api-keys".to_owned(),
                json!({"name": "n", "allowed_addresses": list}),
            ),
        ] {
            ground.reject(method, path, &body, "allowed_addresses");
        }
        ground.reject(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "allowed_addresses": list}),
            "allowed_addresses",
        );
        ground.reject(
            "PATCH",
            &key,
            &json!({"allowed_addresses": list}),
            "allowed_addresses",
        );
        ground.reject(
            "POST",
            "/api/v1/tokens",
            &json!({"allowed_addresses": list}),
            "allowed_addresses",
        );
    }
    let many: Vec<String> = (0..33).map(|n| format!("10.0.{n}.0/24")).collect();
    ground.reject(
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "allowed_addresses": many}),
        "allowed_addresses",
    );
    ground.reject(
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "allowed_addresses": "10.0.0.0/8"}),
        "allowed_addresses",
    );
}

#[test]
fn invalid_code_or_password_is_rejected() {
    let mut ground = Ground::new();
    ground.site.set_password("alice");
    ground.settle();
    let wrong = [
        json!("another password of mine"),
        json!(""),
        json!("x".repeat(1_024)),
    ];
    for current in &wrong {
        ground.reject(
            "POST",
            "/api/v1/me/password",
            &json!({"current": current, "new": "another long password"}),
            "current",
        );
    }
    ground.reject(
        "POST",
        "/api/v1/me/password",
        &json!({"current": "x".repeat(1_025), "new": "another long password"}),
        "current",
    );
    ground.reject(
        "POST",
        "/api/v1/me/password",
        &json!({"new": "another long password"}),
        "current",
    );
    ground.reject(
        "POST",
        "/api/v1/me/password",
        &json!({"current": PASSWORD}),
        "new",
    );
    for new in ["", "short", "alicealicealice", &"x".repeat(1_025)] {
        ground.reject(
            "POST",
            "/api/v1/me/password",
            &json!({"current": PASSWORD, "new": new}),
            "new",
        );
    }
    let site = &ground.site;
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .app()
        .reset_password(&site.app().operator(0), &name, None)
        .unwrap()
        .reveal();
    let before = site.snapshot();
    for (body, field) in [
        (json!({}), "password"),
        (json!({"password": 5}), "password"),
        (json!({"password": "short"}), "password"),
        (json!({"password": "bobbobbobbobbob"}), "password"),
        (json!({"password": PASSWORD, "x": 1}), "x"),
    ] {
        let answer = site
            .ask("POST", "/api/v1/password-reset")
            .bearer(&code)
            .json(&body)
            .send();
        check_rejection(&body.to_string(), &answer, field);
        // A mistake does not spend the code.
        assert_eq!(site.snapshot(), before, "{body}");
    }
    site.ask("POST", "/api/v1/invitation")
        .bearer(&code)
        .json(&json!({"password": PASSWORD}))
        .send()
        .expect(401);
    site.ask("POST", "/api/v1/setup")
        .bearer(&code)
        .json(&json!({"username": "x", "password": PASSWORD}))
        .send()
        .expect(401);
    assert_eq!(site.snapshot(), before);
    site.ask("POST", "/api/v1/password-reset")
        .bearer(&code)
        .json(&json!({"password": PASSWORD}))
        .send()
        .expect(204);
    site.ask("POST", "/api/v1/password-reset")
        .bearer(&code)
        .json(&json!({"password": PASSWORD}))
        .send()
        .expect(401);
}
