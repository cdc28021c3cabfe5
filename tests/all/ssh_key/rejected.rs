//! Text that is not an SSH key, each mistake with its own message; and a private key, neither stored nor echoed.

use std::collections::BTreeSet;
use std::fs;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use super::keys::*;
use super::{add, added, all, one};
use crate::fixture::Site;

fn base64_of(line: &str) -> &str {
    line.split_once(' ').unwrap().1
}

#[test]
fn each_key_mistake_has_its_sentence() {
    let site = Site::new();
    let ed25519 = base64_of(ED25519);
    let mistakes = [
        (String::new(), "the key is missing"),
        (
            format!("ssh-ed25519 {ed25519}{}", "A".repeat(20_000)),
            "longer than 16 KiB",
        ),
        (DSA.to_owned(), "DSA keys are too weak"),
        (
            RSA_1024.to_owned(),
            "has 1024 bits and at least 3072 are required",
        ),
        (CERTIFICATE.to_owned(), "this is an SSH certificate"),
        (format!("{ED25519} a\n{ECDSA_P256} b"), "several keys"),
        (
            format!("from=\"10.0.0.1\" no-pty {ED25519}"),
            "sshd can't read the options",
        ),
        (
            format!("no-pty {ED25519}"),
            "the option no-pty is not supported: use restrict",
        ),
        (
            format!("from=\"*.example.org\" {ED25519}"),
            "can only contain IP addresses",
        ),
        (
            format!("expiry-time=\"20300101\" {ED25519}"),
            "expiry-time is in local time",
        ),
        (
            format!("permitopen=\"db:http\" {ED25519}"),
            "the option permitopen can't be stored",
        ),
        (format!("gpu1 {ED25519}"), "known_hosts"),
        (format!("ssh-rsa {ed25519}"), "differs from the one inside"),
        (
            format!("ssh-ed25519 {}", &ed25519[..40]),
            "the end of this key is missing",
        ),
        (
            format!("ssh-ed25519 {}!", &ed25519[..67]),
            "does not decode as base64",
        ),
        (
            ed25519.to_owned(),
            "the type in front of the key is missing",
        ),
        (
            "SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI".to_owned(),
            "this is a fingerprint",
        ),
        ("ssh-kyber AAAAC3Nz".to_owned(), "type of key is unknown"),
        ("hello".to_owned(), "not an OpenSSH public key"),
        (
            format!("ssh-ed25519 {ed25519} a\u{0}b"),
            "control characters",
        ),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----".to_owned(),
            "PuTTY",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----".to_owned(),
            "PEM format",
        ),
        (format!("{ED25519}\nhello"), "more than one line"),
    ];
    let mut sentences = BTreeSet::new();
    let before = site.snapshot();
    for (text, says) in &mistakes {
        let body = json!({"name": "x", "public_key": text});
        let answer = add(&site, &site.bob, &body).expect(422);
        assert_eq!(answer.fields(), ["public_key"], "{text}");
        let sentence = answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(sentence.contains(says), "{text}: {sentence}");
        sentences.insert(sentence);
    }
    assert_eq!(sentences.len(), mistakes.len());
    assert_eq!(site.snapshot(), before);
    // The same by an edit.
    let id = added(&site, &site.bob, "mine", ED25519)["id"].clone();
    for (text, says) in &mistakes {
        let body = json!({"public_key": text});
        let answer = one(&site, "PATCH", &site.bob, &id, Some(&body)).expect(422);
        assert!(answer.text().contains(says), "{text}");
    }
    assert_eq!(all(&site, &site.bob)[0]["public_key"], ED25519);
}

#[test]
fn invalid_ssh_key_field_is_named() {
    let site = Site::new();
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "x", "public_key": ED25519});
        body[field] = value;
        body
    };
    let wrong = [
        (with("name", json!("")), "name"),
        (with("name", json!("x".repeat(65))), "name"),
        (with("name", json!("a\u{202e}b")), "name"),
        (with("name", json!(5)), "name"),
        (json!({"public_key": ED25519}), "name"),
        (json!({"name": "x"}), "public_key"),
        (with("public_key", json!(["x"])), "public_key"),
        (with("expires_in", json!("soon")), "expires_in"),
        (
            with("expires_at", json!("2026-11-22T12:00:00Z")),
            "expires_at",
        ),
        (
            with("expires_at", json!("10000-01-01T00:00:00Z")),
            "expires_at",
        ),
        (
            with("allowed_addresses", json!(["10.0.0.0/33"])),
            "allowed_addresses",
        ),
        (
            with("allowed_addresses", json!(["*.example.org"])),
            "allowed_addresses",
        ),
        (with("permissions", json!([])), "permissions"),
        (with("bits", json!(1)), "bits"),
    ];
    let before = site.snapshot();
    for (body, field) in wrong {
        assert_eq!(
            add(&site, &site.bob, &body).expect(422).fields(),
            [field],
            "{body}"
        );
    }
    let mut both = with("expires_in", json!("1h"));
    both["expires_at"] = json!("2027-01-01T00:00:00Z");
    assert_eq!(
        add(&site, &site.bob, &both).expect(422).fields(),
        ["expires_at"]
    );
    let several =
        json!({"name": "", "public_key": "x", "expires_in": "x", "allowed_addresses": ["x"]});
    let fields = add(&site, &site.bob, &several).expect(422).fields();
    assert_eq!(
        fields,
        ["name", "public_key", "expires_in", "allowed_addresses"]
    );
    assert_eq!(site.snapshot(), before);
}

/// A private key of unique words. Assembled here, so that no scanner takes this file for one.
fn private_key() -> (String, String) {
    let body = BASE64.encode(b"planted-private-key-material-0123456789");
    let label = "OPENSSH PRIVATE";
    (
        format!("-----BEGIN {label} KEY-----\n{body}\n-----END {label} KEY-----\n"),
        body,
    )
}

#[test]
fn private_key_is_never_stored_or_echoed() {
    let mut site = Site::new();
    let id = added(&site, &site.bob, "mine", ED25519)["id"].clone();
    let (private, body) = private_key();
    let sentence = "this is a private key: it was not stored; treat it as exposed";
    let mut answers = Vec::new();
    let json = |value: &Value| value.to_string();
    let new = json(&json!({"name": "x", "public_key": private}));
    let path = format!("/api/v1/ssh-keys/{}", id.as_str().unwrap());
    let complete = format!("{ED25519} ok\n{private}");
    let asked = [
        ("POST", "/api/v1/ssh-keys", new, 422, true),
        (
            "POST",
            "/api/v1/ssh-keys",
            json(&json!({"public_key": private})),
            422,
            true,
        ),
        (
            "POST",
            "/api/v1/ssh-keys",
            json(&json!({"name": private, "public_key": ECDSA_P256})),
            422,
            false,
        ),
        (
            "POST",
            "/api/v1/ssh-keys",
            json(&json!({"name": "x", "public_key": format!("{ECDSA_P256} {private}")})),
            422,
            true,
        ),
        ("POST", "/api/v1/ssh-keys", private.clone(), 400, false),
        (
            "PATCH",
            &path,
            json(&json!({"public_key": private})),
            422,
            true,
        ),
        (
            "POST",
            "/api/v1/ssh-keys/import",
            json(&json!({"text": complete})),
            422,
            true,
        ),
        (
            "POST",
            "/api/v1/users/bob/ssh-keys/import",
            json(&json!({"text": complete})),
            422,
            true,
        ),
    ];
    for (method, path, body, status, is_told) in asked {
        let bearer = if path.contains("users") {
            &site.alice
        } else {
            &site.bob
        };
        let answer = site
            .ask(method, path)
            .bearer(bearer)
            .header("Idempotency-Key", &format!("key{}", answers.len()))
            .body("application/json", body)
            .send()
            .expect(status);
        if is_told {
            assert!(answer.text().contains(sentence), "{}", answer.text());
        }
        answers.push(answer.text());
    }
    assert_eq!(all(&site, &site.bob).len(), 1);
    // In the WAL while it exists, and in the database.
    let mut found = answers.join("\n").into_bytes();
    let mut read = |site: &Site| {
        for ending in ["", "-wal"] {
            let path = format!("{}{ending}", site.path().display());
            found.extend(fs::read(path).unwrap_or_default());
        }
    };
    read(&site);
    site.reopen();
    read(&site);
    let body = body.trim_end_matches('=');
    let hex = HEXLOWER.encode(body.as_bytes());
    for needle in [
        "planted-private",
        &body[4..40],
        "PRIVATE KEY-----",
        &hex[..40],
    ] {
        let hit = found
            .windows(needle.len())
            .any(|part| part == needle.as_bytes());
        assert!(!hit, "{needle} was found");
    }
}
