//! Options of sshd: set, shown, changed, and served.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::keys::*;
use super::{add, added, all, one};
use crate::fixture::{Answer, Site};

/// The lines for bob's login.
fn lines(db: &Path) -> Vec<String> {
    let printed = Command::new(env!("CARGO_BIN_EXE_keycroft"))
        .args(["authorized-keys", "--expiry-time", "utc", "--db"])
        .arg(db)
        .args(["--", "bob"])
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .output()
        .unwrap();
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn with_options(site: &Site, options: &Value) -> Answer {
    let body = json!({"name": "x", "public_key": SK_ED25519, "options": options});
    add(site, &site.bob, &body)
}

#[test]
fn options_are_stored_shown_and_served() {
    let site = Site::new();
    let options = json!({
        "restrict": true, "no_touch_required": true, "verify_required": true,
        "command": "echo \"a b\" \\d", "permitopen": ["db.example:5432", "[::1]:*", "*:80"],
    });
    let key = with_options(&site, &options).expect(201).json();
    assert_eq!(key["options"], options);
    assert_eq!(
        one(&site, "GET", &site.bob, &key["id"], None).json()["options"],
        options
    );
    assert_eq!(all(&site, &site.bob)[0]["options"], options);
    let expected = r#"restrict,no-touch-required,verify-required,command="echo \"a b\" \d",permitopen="db.example:5432",permitopen="[::1]:*",permitopen="*:80""#;
    assert_eq!(lines(&site.path()), [format!("{expected} {SK_ED25519}")]);
    let event = site.events();
    let event = event.iter().find(|event| event["action"] == "ssh-key.add");
    assert!(
        event.unwrap()["after"]
            .to_string()
            .contains("verify-required")
    );
}

#[test]
fn edit_keeps_absent_options() {
    let site = Site::new();
    let key = with_options(&site, &json!({"restrict": true, "command": "id"}))
        .expect(201)
        .json();
    let edit = |body: Value| {
        let answer = one(&site, "PATCH", &site.bob, &key["id"], Some(&body)).expect(200);
        answer.json()["options"].clone()
    };
    let edited = edit(json!({"options": {"permitopen": ["a:1"]}}));
    assert_eq!(
        (&edited["restrict"], &edited["command"]),
        (&json!(true), &json!("id"))
    );
    assert_eq!(edited["permitopen"], json!(["a:1"]));
    assert_eq!(edit(json!({"name": "y"})), edited);
    // A replaced key keeps the options.
    assert_eq!(edit(json!({"public_key": SK_ECDSA_P256})), edited);
    let edited = edit(json!({"options": {"restrict": false, "command": null}}));
    assert_eq!(
        (&edited["restrict"], &edited["command"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(edited["permitopen"], json!(["a:1"]));
    let none = json!({"restrict": false, "no_touch_required": false, "verify_required": false, "command": null, "permitopen": []});
    assert_eq!(edit(json!({"options": null})), none);
    assert_eq!(lines(&site.path()), [SK_ECDSA_P256]);
    // Options in front of a replacement are read too.
    let edited = edit(json!({"public_key": format!("restrict,verify-required {SK_ED25519}")}));
    assert_eq!(
        (&edited["restrict"], &edited["verify_required"]),
        (&json!(true), &json!(true))
    );
    let events = site.events();
    let changes = events
        .iter()
        .filter(|event| event["action"] == "ssh-key.edit");
    assert!(
        changes
            .clone()
            .any(|event| event["before"]["options"] == "restrict command=\"id\""),
        "{events:?}"
    );
}

#[test]
fn hostile_options_are_rejected_by_name() {
    let site = Site::new();
    let huge = "x".repeat(60_000);
    let many: Vec<String> = (1..=33).map(|port| format!("a:{port}")).collect();
    let wrong = [
        (json!({"command": ""}), "options.command"),
        (json!({"command": " "}), "options.command"),
        (json!({"command": "a\nb"}), "options.command"),
        (json!({"command": "a\r"}), "options.command"),
        (json!({"command": "a\u{0}b"}), "options.command"),
        (json!({"command": "a\u{202e}b"}), "options.command"),
        (json!({"command": "a\\"}), "options.command"),
        (json!({"command": huge}), "options.command"),
        (json!({"command": 5}), "options.command"),
        (json!({"permitopen": ["a"]}), "options.permitopen"),
        (
            json!({"permitopen": ["a:1\",command=\"id"]}),
            "options.permitopen",
        ),
        (json!({"permitopen": ["a:1\n"]}), "options.permitopen"),
        (json!({"permitopen": ["none"]}), "options.permitopen"),
        (json!({"permitopen": [""]}), "options.permitopen"),
        (json!({"permitopen": many}), "options.permitopen"),
        (json!({"permitopen": "a:1"}), "options.permitopen"),
        (json!({"restrict": 1}), "options.restrict"),
        (json!({"restrict": null}), "options.restrict"),
        (json!({"verify_required": "yes"}), "options.verify_required"),
        (json!({"pty": true}), "pty"),
        (json!("restrict"), "options"),
    ];
    let before = site.snapshot();
    for (options, field) in &wrong {
        let answer = with_options(&site, options).expect(422);
        assert_eq!(answer.fields(), [*field], "{options} {}", answer.text());
        assert!(!answer.text().contains("xxxx"), "{options}");
    }
    let secret = json!({"command": format!("curl -H {}", site.bob)});
    let answer = with_options(&site, &secret).expect(422);
    assert_eq!(answer.fields(), ["options.command"]);
    assert!(!answer.text().contains(&site.bob));
    assert_eq!(site.snapshot(), before);
    // The same by an edit.
    let key = with_options(&site, &json!({})).expect(201).json();
    for (options, field) in &wrong {
        let body = json!({"options": options});
        let answer = one(&site, "PATCH", &site.bob, &key["id"], Some(&body)).expect(422);
        assert_eq!(answer.fields(), [*field], "{options}");
    }
    // Limits are exact.
    let longest = "\"".repeat(2_048);
    let body = json!({"options": {"command": longest}});
    let edited = one(&site, "PATCH", &site.bob, &key["id"], Some(&body))
        .expect(200)
        .json();
    assert_eq!(edited["options"]["command"], longest);
    assert_eq!(lines(&site.path()).len(), 1);
}

#[test]
fn pasted_options_become_fields() {
    let site = Site::new();
    let paste = |body: Value| add(&site, &site.bob, &body);
    let line = format!(
        "restrict,from=\"10.0.0.0/8\",expiry-time=\"20270101Z\",command=\"sh -c \\\"id\\\"\" {ED25519} me"
    );
    let key = paste(json!({"public_key": line})).expect(201).json();
    assert_eq!(key["name"], "me");
    assert_eq!(key["public_key"], format!("{ED25519} me"));
    assert_eq!(key["allowed_addresses"], json!(["10.0.0.0/8"]));
    assert_eq!(key["expires_at"], "2027-01-01T00:00:01Z");
    assert_eq!(key["options"]["command"], "sh -c \"id\"");
    // Limits given twice have to agree; the earlier of two expirations counts.
    let line = format!("restrict,from=\"10.0.0.0/8\",expiry-time=\"20270101Z\" {ECDSA_P256} x");
    let twice = |more: Value, field: &str| {
        let mut body = json!({"public_key": line});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(paste(body).expect(422).fields(), [field]);
    };
    twice(
        json!({"allowed_addresses": ["10.0.0.0/16"]}),
        "allowed_addresses",
    );
    twice(json!({"options": {"restrict": false}}), "options");
    let body = json!({"public_key": line, "expires_in": "never", "options": {"restrict": true}, "allowed_addresses": ["10.0.0.0/8"]});
    assert_eq!(
        paste(body).expect(201).json()["expires_at"],
        "2027-01-01T00:00:01Z"
    );
    let line = format!("expiry-time=\"20270101Z\" {ECDSA_P384} y");
    let body = json!({"public_key": line, "expires_in": "1d"});
    assert_eq!(
        paste(body).expect(201).json()["expires_at"],
        "2026-11-23T12:00:00Z"
    );
    let past = json!({"public_key": format!("expiry-time=\"20200101Z\" {ECDSA_P521} z"), "expires_in": "1d"});
    assert_eq!(paste(past).expect(422).fields(), ["public_key"]);
}

#[test]
fn public_key_is_served_as_text() {
    let site = Site::new();
    let line = format!("{RSA_3072} bob@laptop");
    let key = added(&site, &site.bob, "mine", &line);
    let id = key["id"].as_str().unwrap();
    for path in [
        format!("/ssh-keys/{id}.pub"),
        format!("/api/v1/ssh-keys/{id}.pub"),
    ] {
        let text = site.ask("GET", &path).bearer(&site.bob).send().expect(200);
        assert_eq!(text.text(), line.clone() + "\n");
        assert_eq!(
            text.header("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
        site.ask("GET", &path)
            .bearer(&site.alice)
            .send()
            .expect(404);
        let narrow = site.narrow(&site.bob, &["account:read"]);
        site.ask("GET", &path).bearer(&narrow).send().expect(403);
    }
    let api = format!("/api/v1/ssh-keys/{id}.pub");
    site.ask("GET", &api).send().expect(401);
    for never in [
        "/ssh-keys/aaaaaaaaaaaa.pub",
        "/ssh-keys/aaaaaaaaaaaa.pub.pub",
    ] {
        site.ask("GET", never).bearer(&site.bob).send().expect(404);
    }
    // Without a credential it is a page of the console: sign-in comes first.
    let page = format!("/ssh-keys/{id}.pub");
    let out = site.ask("GET", &page).send().expect(303);
    assert!(out.header("Location").unwrap().starts_with("/login?next="));
    site.ask("GET", &page)
        .bearer("kca_wrong")
        .send()
        .expect(401);
}
