//! Every field of every body and query, wrong in every way: the right status, the field's name, a sentence, nothing stored.

use serde_json::{Value, json};

use crate::house::{Answer, PASSWORD, Site, id, unknown_secret};
use keycroft::model::credential::Kind;

/// A site, its state, and what the requests below are about.
struct Ground {
    site: Site,
    key: String,
    before: String,
    done: usize,
}

impl Ground {
    fn new() -> Self {
        let site = Site::new();
        let key = id(&site.api_key(&site.alice, &json!({"name": "taken"})));
        let create = |path: &str, body: Value| {
            site.ask("POST", path)
                .bearer(&site.alice)
                .json(&body)
                .send()
                .expect(201);
        };
        create("/api/v1/groups", json!({"name": "staff"}));
        create(
            "/api/v1/services",
            json!({"name": "lab", "permissions": ["lab:use"]}),
        );
        let mut ground = Self {
            site,
            key,
            before: String::new(),
            done: 0,
        };
        ground.settle();
        ground
    }

    /// Takes the present state as the one to be kept.
    fn settle(&mut self) {
        self.before = self.site.snapshot();
        self.done = self.done_events();
    }

    fn done_events(&self) -> usize {
        let events = self.site.dump(|table| table == "events");
        events
            .lines()
            .filter(|line| line.contains(" done "))
            .count()
    }

    fn check_unchanged(&self, what: &str) {
        assert_eq!(self.site.snapshot(), self.before, "{what}");
        assert_eq!(self.done_events(), self.done, "{what}");
    }

    /// Sends `body` as alice, expecting 422 for exactly `field`.
    fn refuse(&self, method: &str, path: &str, body: &Value, field: &str) {
        let what = format!("{method} {path} {body}");
        let answer = self
            .site
            .ask(method, path)
            .bearer(&self.site.alice)
            .json(body)
            .send();
        check_refusal(&what, &answer, field);
        self.check_unchanged(&what);
    }
}

fn check_refusal(what: &str, answer: &Answer, field: &str) {
    assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/problem+json"),
        "{what}"
    );
    let problem = answer.json();
    assert_eq!(answer.fields(), [field], "{what}: {problem}");
    for error in problem["errors"].as_array().unwrap() {
        check_sentence(what, error["message"].as_str().unwrap());
    }
    check_sentence(what, problem["detail"].as_str().unwrap());
    assert_eq!(problem["status"], 422, "{what}");
}

/// Words that a person can act on, on one line, without what can't be seen.
fn check_sentence(what: &str, sentence: &str) {
    assert!(
        (8..300).contains(&sentence.chars().count()),
        "{what}: {sentence}"
    );
    assert!(sentence.contains(' '), "{what}: {sentence}");
    assert!(
        !sentence.chars().any(keycroft::model::text::is_unseen),
        "{what}: {sentence:?}"
    );
    for leak in [
        "serde",
        "line 1",
        "column",
        "Some(",
        "invalid type",
        "sqlite",
    ] {
        assert!(!sentence.contains(leak), "{what}: {sentence}");
    }
}

/// What no name of any thing may be.
const BAD_NAMES: [&str; 17] = [
    "",
    " ",
    "\u{3000}",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\tb",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200b}b",
    "a\u{200d}b",
    "a\u{feff}",
    "a\u{2028}b",
    "\u{e0041}",
];

fn too_long() -> String {
    "x".repeat(65)
}

/// Values that are no strings.
fn no_strings() -> [Value; 5] {
    [json!(5), json!(true), json!([]), json!({}), json!(1.5)]
}

#[test]
fn names_and_notes_and_display_names() {
    let ground = Ground::new();
    let key = format!("/api/v1/api-keys/{}", ground.key);
    let mut names: Vec<Value> = BAD_NAMES.iter().map(|name| json!(name)).collect();
    names.push(json!(too_long()));
    names.push(json!("🔑".repeat(65)));
    names.extend(no_strings());
    for name in &names {
        ground.refuse("POST", "/api/v1/api-keys", &json!({"name": name}), "name");
        ground.refuse("PATCH", &key, &json!({"name": name}), "name");
        ground.refuse("POST", "/api/v1/tokens", &json!({"name": name}), "name");
        ground.refuse(
            "POST",
            "/api/v1/services/lab/api-keys",
            &json!({"name": name}),
            "name",
        );
        ground.refuse(
            "PATCH",
            "/api/v1/me",
            &json!({"display_name": name}),
            "display_name",
        );
        ground.refuse(
            "PATCH",
            "/api/v1/users/bob",
            &json!({"display_name": name}),
            "display_name",
        );
        ground.refuse(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "display_name": name}),
            "display_name",
        );
    }
    ground.refuse("POST", "/api/v1/api-keys", &json!({}), "name");
    ground.refuse("POST", "/api/v1/api-keys", &json!({"name": null}), "name");
    for field in ["name", "permissions", "disabled"] {
        ground.refuse("PATCH", &key, &json!({field: null}), field);
    }
    ground.refuse(
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
        ground.refuse(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "note": note}),
            "note",
        );
        ground.refuse("PATCH", &key, &json!({"note": note}), "note");
    }
}

#[test]
fn ends_that_can_not_be() {
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
            ground.refuse(
                "POST",
                "/api/v1/api-keys",
                &json!({"name": "n", field: value}),
                field,
            );
            ground.refuse(
                "POST",
                "/api/v1/services/lab/api-keys",
                &json!({"name": "n", field: value}),
                field,
            );
            ground.refuse("PATCH", &key, &json!({field: value}), field);
            ground.refuse("POST", &rotate, &json!({field: value}), field);
        }
    }
    let both = json!({"name": "n", "expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    ground.refuse("POST", "/api/v1/api-keys", &both, "expires_at");
    let both = json!({"expires_in": "1d", "expires_at": "2027-01-01T00:00:00Z"});
    ground.refuse("PATCH", &key, &both, "expires_at");
    ground.refuse("POST", &rotate, &both, "expires_at");
    ground.refuse(
        "PATCH",
        &key,
        &json!({"expires_in": null, "expires_at": null}),
        "expires_at",
    );
    for grace in ["", "0", "1s", "2m", "61s", "24h1s", "25h", "never", "-1m"]
        .map(|grace| json!(grace))
        .iter()
        .chain(&no_strings())
    {
        ground.refuse("POST", &rotate, &json!({"grace": grace}), "grace");
    }
    // Tokens: whole hours from one to twenty-four.
    for life in ["30m", "90m", "0h", "25h", "2d", "1h1s", "never", "", "24"]
        .map(|life| json!(life))
        .iter()
        .chain(&no_strings())
    {
        ground.refuse(
            "POST",
            "/api/v1/tokens",
            &json!({"expires_in": life}),
            "expires_in",
        );
    }
    ground.refuse(
        "POST",
        "/api/v1/tokens",
        &json!({"expires_at": "2026-11-22T13:00:00Z"}),
        "expires_at",
    );
    // The last second that can be written is one.
    let last = ground.site.api_key(
        &ground.site.alice,
        &json!({"name": "last", "expires_at": "9999-12-31T23:59:59Z"}),
    );
    assert_eq!(last["expires_at"], "9999-12-31T23:59:59Z");
}

#[test]
fn permissions_and_addresses() {
    let ground = Ground::new();
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
        ground.refuse(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "permissions": permissions}),
            "permissions",
        );
        ground.refuse(
            "PATCH",
            &key,
            &json!({"permissions": permissions}),
            "permissions",
        );
        ground.refuse(
            "POST",
            "/api/v1/tokens",
            &json!({"permissions": permissions}),
            "permissions",
        );
        ground.refuse(
            "POST",
            "/api/v1/services/lab/api-keys",
            &json!({"name": "n", "permissions": permissions}),
            "permissions",
        );
        ground.refuse(
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
        ground.refuse(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "permissions": value}),
            field,
        );
        ground.refuse("PATCH", &key, &json!({"permissions": value}), field);
    }
    // What a service's key can't carry, and what can't be granted beyond a role.
    ground.refuse(
        "POST",
        "/api/v1/services/lab/api-keys",
        &json!({"name": "n", "permissions": ["users:read"]}),
        "permissions",
    );
    ground.refuse(
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["users:read"]}),
        "permissions",
    );
    ground.refuse(
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
    ] {
        let list = json!(["10.0.0.0/8", network]);
        ground.refuse(
            "POST",
            "/api/v1/api-keys",
            &json!({"name": "n", "allowed_addresses": list}),
            "allowed_addresses",
        );
        ground.refuse(
            "PATCH",
            &key,
            &json!({"allowed_addresses": list}),
            "allowed_addresses",
        );
        ground.refuse(
            "POST",
            "/api/v1/tokens",
            &json!({"allowed_addresses": list}),
            "allowed_addresses",
        );
    }
    let many: Vec<String> = (0..33).map(|n| format!("10.0.{n}.0/24")).collect();
    ground.refuse(
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "allowed_addresses": many}),
        "allowed_addresses",
    );
    ground.refuse(
        "POST",
        "/api/v1/api-keys",
        &json!({"name": "n", "allowed_addresses": "10.0.0.0/8"}),
        "allowed_addresses",
    );
}

#[test]
fn users_groups_services_and_policy() {
    let ground = Ground::new();
    let long = "a".repeat(33);
    let mut usernames: Vec<Value> = [
        "",
        "Carol",
        "1a",
        "-x",
        ".a",
        "a.",
        "a b",
        "a/b",
        "../x",
        "$(id)",
        "ä",
        "a\n",
        "a\0",
        "a\u{202e}",
        "carol@lab",
        &long,
    ]
    .map(|name| json!(name))
    .to_vec();
    usernames.extend(no_strings());
    usernames.push(Value::Null);
    for name in &usernames {
        ground.refuse(
            "POST",
            "/api/v1/users",
            &json!({"username": name}),
            "username",
        );
    }
    ground.refuse("POST", "/api/v1/users", &json!({}), "username");
    for role in ["", "Admin", "root", "admin ", "member\0"]
        .map(|role| json!(role))
        .iter()
        .chain(&no_strings())
    {
        ground.refuse(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "role": role}),
            "role",
        );
        ground.refuse("PATCH", "/api/v1/users/bob", &json!({"role": role}), "role");
    }
    for password in [
        "",
        "short",
        "fourteen chars",
        "aaaaaaaaaaaaaaaa",
        "123456789012345",
        "carolcarolcarol",
        "passwordpassword",
        &"long ".repeat(210),
    ]
    .map(|password| json!(password))
    .iter()
    .chain(&no_strings())
    {
        ground.refuse(
            "POST",
            "/api/v1/users",
            &json!({"username": "carol", "password": password}),
            "password",
        );
    }
    for disabled in [json!("yes"), json!(1), json!(null), json!([])] {
        ground.refuse(
            "PATCH",
            "/api/v1/users/bob",
            &json!({"disabled": disabled}),
            "disabled",
        );
    }
    for field in ["display_name", "role", "permissions"] {
        ground.refuse("PATCH", "/api/v1/users/bob", &json!({field: null}), field);
    }
    let words = [
        "", "Staff", "1a", "-a", "a b", "a,b", "ä", "a\0", "a\n", &long,
    ];
    for name in words
        .map(|name| json!(name))
        .iter()
        .chain(&no_strings())
        .chain(&[Value::Null])
    {
        ground.refuse("POST", "/api/v1/groups", &json!({"name": name}), "name");
    }
    ground.refuse("POST", "/api/v1/groups", &json!({}), "name");
    for name in [
        "",
        "Lab",
        "1a",
        "a b",
        "a_b",
        "a:b",
        "ä",
        "a\0",
        "users",
        "api-keys",
        "introspect",
        "metrics",
        &long,
    ]
    .map(|name| json!(name))
    .iter()
    .chain(&no_strings())
    .chain(&[Value::Null])
    {
        ground.refuse("POST", "/api/v1/services", &json!({"name": name}), "name");
    }
    for words in [
        json!(["zoo:feed"]),
        json!(["users:write"]),
        json!(["new"]),
        json!(["new:"]),
        json!(["new:A"]),
        json!(["introspect"]),
        json!("new:a"),
        json!(null),
    ] {
        ground.refuse(
            "POST",
            "/api/v1/services",
            &json!({"name": "new", "permissions": words}),
            "permissions",
        );
    }
    for words in [
        json!(["zoo:feed"]),
        json!(["users:write"]),
        json!(["lab:a b"]),
        json!("lab:a"),
        json!(null),
    ] {
        ground.refuse(
            "PATCH",
            "/api/v1/services/lab",
            &json!({"permissions": words}),
            "permissions",
        );
    }
    ground.refuse("PATCH", "/api/v1/services/lab", &json!({}), "permissions");
    let policy = [
        ("api_key_lifetime_choice", json!("yes")),
        ("api_key_lifetimes", json!([])),
        ("api_key_lifetimes", json!(["soon"])),
        (
            "api_key_lifetimes",
            json!([
                "1d", "2d", "3d", "4d", "5d", "6d", "7d", "8d", "9d", "10d", "11d", "12d", "13d"
            ]),
        ),
        ("api_key_lifetimes", json!("30d")),
        ("api_key_lifetime_default", json!("0s")),
        ("api_key_lifetime_default", json!(30)),
        ("api_key_lifetime_max", json!("")),
        ("token_lifetime_choice", json!(1)),
        ("token_lifetime_default", json!("90m")),
        ("token_lifetime_default", json!("25h")),
        ("token_lifetime_default", json!("never")),
        ("token_lifetime_max", json!("25h")),
        ("token_lifetime_max", json!("never")),
        ("session_lifetime", json!("1m")),
        ("session_lifetime", json!("8d")),
        ("session_lifetime", json!("never")),
        ("ssh_key_types", json!([])),
        ("ssh_key_types", json!(["ssh-dss"])),
        ("ssh_rsa_bits_min", json!(1024)),
        ("ssh_rsa_bits_min", json!(8192)),
        ("ssh_rsa_bits_min", json!(-1)),
        ("ssh_rsa_bits_min", json!("3072")),
        ("ssh_key_lifetime_max", json!("soon")),
        ("api_keys_max", json!(0)),
        ("api_keys_max", json!(100_001)),
        ("api_keys_max", json!(1.5)),
        ("ssh_keys_max", json!(0)),
        ("ssh_keys_max", json!(null)),
    ];
    for (field, value) in policy {
        ground.refuse("PATCH", "/api/v1/policy", &json!({field: value}), field);
    }
    ground.refuse(
        "PATCH",
        "/api/v1/policy",
        &json!({"api_key_lifetime_max": "7d"}),
        "api_key_lifetime_default",
    );
    ground.refuse(
        "PATCH",
        "/api/v1/policy",
        &json!({"token_lifetime_max": "2h"}),
        "token_lifetime_default",
    );
    ground.refuse(
        "PATCH",
        "/api/v1/policy",
        &json!({"api_key_lifetimes": null}),
        "api_key_lifetimes",
    );
}

/// Fields that nobody asked for, and bodies that are no object, on every call that takes one.
#[test]
fn bodies_of_every_wrong_form() {
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
        ("POST", "/api/v1/users/bob/end-everything"),
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
        ground.refuse(method, path, &json!({"nonsense": 1}), "nonsense");
        ground.refuse(method, path, &json!({"Name": "x"}), "Name");
        for body in ["[]", "5", "null", "\"name\"", "true", "[{\"name\": \"x\"}]"] {
            check_refusal(body, &ask().body("application/json", body).send(), "");
        }
        // Deep nesting is told from what is not JSON, and costs no stack.
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
        // Too long comes before what kind it is, and who asks comes before both.
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
        // A wrong field comes before whether the thing is there, and after the form of the body.
        let twice = ask().body("application/json", "{\"name\": \"a\", \"name\": \"b\", \"display_name\": \"a\", \"display_name\": \"b\"}").send();
        assert_eq!(twice.status, 422, "{path}");
    }
    let twice = site
        .ask("POST", "/api/v1/api-keys")
        .bearer(&site.alice)
        .body("application/json", "{\"name\": \"a\", \"name\": \"b\"}")
        .send();
    check_refusal("twice", &twice, "name");
    ground.check_unchanged("twice");
}

#[test]
fn what_is_wrong_is_told_before_whether_the_thing_is_there() {
    let ground = Ground::new();
    let never = "/api/v1/api-keys/000000000000";
    ground.refuse(
        "PATCH",
        never,
        &json!({"expires_at": "2020-01-01T00:00:00Z"}),
        "expires_at",
    );
    ground.refuse(
        "PATCH",
        never,
        &json!({"permissions": ["zoo:feed"]}),
        "permissions",
    );
    ground.refuse("PATCH", never, &json!({"nonsense": 1}), "nonsense");
    ground.refuse(
        "POST",
        &format!("{never}/rotate"),
        &json!({"expires_at": "2020-01-01T00:00:00Z"}),
        "expires_at",
    );
    ground.refuse(
        "POST",
        &format!("{never}/rotate"),
        &json!({"grace": "2m"}),
        "grace",
    );
    ground.refuse(
        "PATCH",
        "/api/v1/users/nobody",
        &json!({"permissions": ["users:read"]}),
        "permissions",
    );
    ground.refuse(
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
        check_refusal(path, &answer, "nonsense");
        site.ask(method, path)
            .bearer(&site.alice)
            .send()
            .expect(404);
    }
    // A name in use comes last.
    let key = format!("/api/v1/api-keys/{}", ground.key);
    site.ask("POST", "/api/v1/api-keys")
        .bearer(&site.alice)
        .json(&json!({"name": "taken"}))
        .send()
        .expect(409);
    ground.refuse(
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

#[test]
fn queries() {
    let ground = Ground::new();
    let site = &ground.site;
    let refuse = |path: &str, field: &str| {
        let answer = site.ask("GET", path).bearer(&site.alice).send();
        check_refusal(path, &answer, field);
    };
    for list in [
        "/api/v1/api-keys",
        "/api/v1/tokens",
        "/api/v1/sessions",
        "/api/v1/events",
        "/api/v1/users",
        "/api/v1/users/bob/api-keys",
        "/api/v1/users/bob/tokens",
        "/api/v1/users/bob/sessions",
        "/api/v1/groups",
        "/api/v1/services",
        "/api/v1/services/lab/api-keys",
    ] {
        for limit in [
            "0",
            "201",
            "-1",
            "1.5",
            "x",
            "",
            "%00",
            "99999999999999999999",
        ] {
            refuse(&format!("{list}?limit={limit}"), "limit");
        }
        for after in ["", "x", "0", "-5", "99999999999999999999", "%ff", "1;drop"] {
            refuse(&format!("{list}?after={after}"), "after");
        }
        refuse(&format!("{list}?limit=1&limit=2"), "limit");
        refuse(&format!("{list}?nonsense"), "nonsense");
        refuse(&format!("{list}?LIMIT=1"), "LIMIT");
        assert_eq!(
            site.ask(
                "GET",
                &format!("{list}?limit=200&after=9223372036854775807")
            )
            .bearer(&site.alice)
            .send()
            .status,
            200,
            "{list}"
        );
    }
    for value in ["1", "yes", "", "TRUE"] {
        refuse(&format!("/api/v1/api-keys?ended={value}"), "ended");
        refuse(&format!("/api/v1/events?all={value}"), "all");
        let answer = site
            .ask(
                "DELETE",
                &format!("/api/v1/api-keys/{}?with_made={value}", ground.key),
            )
            .bearer(&site.alice)
            .send();
        check_refusal("with_made", &answer, "with_made");
    }
    for time in ["2026", "now", "10000-01-01T00:00:00Z", ""] {
        refuse(&format!("/api/v1/events?since={time}"), "since");
        refuse(&format!("/api/v1/events?until={time}"), "until");
    }
    refuse("/api/v1/events?user=A%00", "user");
    site.ask("GET", "/api/v1/events?user=nobody")
        .bearer(&site.alice)
        .send()
        .expect(404);
    for path in [
        "/api/v1/me",
        "/api/v1/policy",
        "/healthz",
        "/openapi.json",
        "/.well-known/oauth-authorization-server",
        "/api/v1/users/bob",
        &format!("/api/v1/api-keys/{}", ground.key),
        &format!("/api/v1/api-keys/{}/usage", ground.key),
    ] {
        refuse(&format!("{path}?nonsense=1"), "nonsense");
        // A name that can't be seen is not repeated.
        let answer = site
            .ask("GET", &format!("{path}?a%00%E2%80%AEb=1"))
            .bearer(&site.alice)
            .send();
        check_refusal(path, &answer, "ab");
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let answer = site
            .ask("POST", &format!("{path}?token=x"))
            .bearer(&site.alice)
            .form(&[("token", "x")])
            .send()
            .expect(400);
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    ground.check_unchanged("queries");
}

#[test]
fn codes_and_passwords() {
    let mut ground = Ground::new();
    ground.site.set_password("alice");
    ground.settle();
    let wrong = [
        json!("another password of mine"),
        json!(""),
        json!("x".repeat(1_024)),
    ];
    for current in &wrong {
        ground.refuse(
            "POST",
            "/api/v1/me/password",
            &json!({"current": current, "new": "another long password"}),
            "current",
        );
    }
    ground.refuse(
        "POST",
        "/api/v1/me/password",
        &json!({"current": "x".repeat(1_025), "new": "another long password"}),
        "current",
    );
    ground.refuse(
        "POST",
        "/api/v1/me/password",
        &json!({"new": "another long password"}),
        "current",
    );
    ground.refuse(
        "POST",
        "/api/v1/me/password",
        &json!({"current": PASSWORD}),
        "new",
    );
    for new in ["", "short", "alicealicealice", &"x".repeat(1_025)] {
        ground.refuse(
            "POST",
            "/api/v1/me/password",
            &json!({"current": PASSWORD, "new": new}),
            "new",
        );
    }
    let site = &ground.site;
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .desk()
        .reset_password_as_operator(&name)
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
        check_refusal(&body.to_string(), &answer, field);
        // Not spent by a mistake.
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
