//! SSH keys in the API.

use keycroft::app::login_keys_from_database;
use keycroft::model::user::Username;
use serde_json::{Value, json};

use super::keys::*;
use super::{add, added, all, one, policy};
use crate::fixture::{Site, secret};

#[test]
fn ssh_key_answer_has_exactly_the_documented_fields() {
    let site = Site::new();
    let body = json!({
        "public_key": format!("{RSA_3072} bob@laptop "),
        "expires_in": "30d",
        "allowed_addresses": ["::ffff:10.0.0.0/104", "::ffff:192.0.2.7"],
    });
    let key = add(&site, &site.bob, &body).expect(201).json();
    let id = key["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 12);
    let expected = json!({
        "id": id,
        "name": "bob@laptop",
        "public_key": format!("{RSA_3072} bob@laptop"),
        "type": "ssh-rsa",
        "bits": 3072,
        "fingerprint": "SHA256:pCZRfmGkk96H2e0AsPweAnwAqTpIXgOW/YY0G8AzeQo",
        "comment": "bob@laptop",
        "allowed_addresses": ["10.0.0.0/8", "192.0.2.7/32"],
        "options": {"restrict": false, "no_touch_required": false, "verify_required": false, "command": null, "permitopen": []},
        "state": "active",
        "created_at": "2026-11-22T12:00:00Z",
        "expires_at": "2026-12-22T12:00:00Z",
        "last_looked_up_at": null,
        "last_used_at": null,
        "last_used_host": null,
    });
    assert_eq!(key, expected);
    assert_eq!(one(&site, "GET", &site.bob, &key["id"], None).json(), key);
    assert_eq!(all(&site, &site.bob), [key]);
    assert!(all(&site, &site.alice).is_empty());
}

#[test]
fn every_key_type_is_added_and_listed_newest_first() {
    let site = Site::new();
    let kinds = [
        (ED25519, 256),
        (ECDSA_P256, 256),
        (ECDSA_P384, 384),
        (ECDSA_P521, 521),
        (RSA_3072, 3072),
        (SK_ED25519, 256),
        (SK_ECDSA_P256, 256),
    ];
    for (number, (text, bits)) in kinds.iter().enumerate() {
        let key = added(&site, &site.bob, &number.to_string(), text);
        assert_eq!(key["bits"], json!(bits));
        assert_eq!(key["type"], json!(text.split(' ').next().unwrap()));
        assert_eq!(key["public_key"], json!(text));
        assert_eq!(key["expires_at"], Value::Null);
    }
    let names: Vec<Value> = all(&site, &site.bob)
        .iter()
        .map(|key| key["name"].clone())
        .collect();
    assert_eq!(names, ["6", "5", "4", "3", "2", "1", "0"]);
    let part = site
        .ask("GET", "/api/v1/ssh-keys?limit=4")
        .bearer(&site.bob)
        .send()
        .json();
    let path = format!(
        "/api/v1/ssh-keys?limit=4&after={}",
        part["next"].as_str().unwrap()
    );
    let rest = site.ask("GET", &path).bearer(&site.bob).send().json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);
    assert_eq!(rest["next"], Value::Null);
}

#[test]
fn duplicate_key_or_name_is_rejected() {
    let site = Site::new();
    added(&site, &site.bob, "laptop", ED25519);
    let taken = add(
        &site,
        &site.bob,
        &json!({"name": "laptop", "public_key": ECDSA_P256}),
    );
    assert!(taken.expect(409).text().contains("laptop"));
    let twice = json!({"name": "other", "public_key": format!("{ED25519} another comment")});
    let twice = add(&site, &site.bob, &twice).expect(409);
    assert!(
        twice.text().contains("under the name \\\"laptop\\\""),
        "{}",
        twice.text()
    );
    let other = added(&site, &site.bob, "other", ECDSA_P256);
    for (body, says) in [
        (json!({"name": "laptop"}), "laptop"),
        (json!({"public_key": ED25519}), "laptop"),
    ] {
        let rejected = one(&site, "PATCH", &site.bob, &other["id"], Some(&body)).expect(409);
        assert!(rejected.text().contains(says));
    }
    // It may be replaced by itself, and names of other users do not matter.
    let same = json!({"name": "other", "public_key": ECDSA_P256});
    one(&site, "PATCH", &site.bob, &other["id"], Some(&same)).expect(200);
    added(&site, &site.alice, "laptop", ECDSA_P384);
}

#[test]
fn shared_key_is_reported_only_to_admins() {
    let site = Site::new();
    let theirs = added(&site, &site.alice, "mine", ED25519);
    let body = json!({"name": "mine", "public_key": ED25519});
    let rejected = add(&site, &site.bob, &body).expect(409);
    assert_eq!(rejected.json()["type"], "urn:keycroft:problem:shared-key");
    assert!(rejected.text().contains("allow_shared") && !rejected.text().contains("alice"));
    add(
        &site,
        &site.bob,
        &json!({"name": "mine", "public_key": ED25519, "allow_shared": false}),
    )
    .expect(409);
    assert!(all(&site, &site.bob).is_empty());
    assert!(
        !site
            .events()
            .iter()
            .any(|event| event["action"] == "ssh-key.shared")
    );
    let body = json!({"name": "mine", "public_key": ED25519, "allow_shared": true});
    let key = add(&site, &site.bob, &body).expect(201).json();
    // A key that the user has is a duplicate, even if others have it too.
    let twice = json!({"name": "again", "public_key": ED25519});
    let twice = add(&site, &site.bob, &twice).expect(409);
    assert_ne!(twice.json()["type"], "urn:keycroft:problem:shared-key");
    assert_eq!(theirs.get("shared_with"), None);
    assert_eq!(key.get("shared_with"), None);
    let event = site.events();
    let event = event
        .iter()
        .find(|event| event["action"] == "ssh-key.shared");
    let event = event.expect("the event that tells admins");
    assert_eq!(event["actor"], "");
    assert!(event["after"].to_string().contains("alice bob"), "{event}");
    let own = site.ask("GET", "/api/v1/events").bearer(&site.bob).send();
    assert!(!own.text().contains("shared") && !own.text().contains("alice"));
    let listed = site
        .ask("GET", "/api/v1/users/bob/ssh-keys")
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(listed["items"][0]["shared_with"], json!(["alice"]));
    // Also when an edit makes it another user's key.
    let other = added(&site, &site.bob, "second", ECDSA_P256);
    added(&site, &site.alice, "second", ECDSA_P384);
    let change = json!({"public_key": ECDSA_P384});
    let rejected = one(&site, "PATCH", &site.bob, &other["id"], Some(&change)).expect(409);
    assert_eq!(rejected.json()["type"], "urn:keycroft:problem:shared-key");
    let change = json!({"public_key": ECDSA_P384, "allow_shared": true});
    one(&site, "PATCH", &site.bob, &other["id"], Some(&change)).expect(200);
    // A shared key can be renamed without another confirmation.
    one(
        &site,
        "PATCH",
        &site.bob,
        &other["id"],
        Some(&json!({"name": "still shared"})),
    )
    .expect(200);
    let shared = site.events();
    let shared = shared
        .iter()
        .filter(|event| event["action"] == "ssh-key.shared");
    assert_eq!(shared.count(), 2);
}

#[test]
fn each_field_of_a_key_can_be_edited() {
    let site = Site::new();
    let id = added(&site, &site.bob, "laptop", &format!("{ED25519} old"))["id"].clone();
    let edit = |body: Value| {
        one(&site, "PATCH", &site.bob, &id, Some(&body))
            .expect(200)
            .json()
    };
    assert_eq!(edit(json!({"name": " desk "}))["name"], "desk");
    let limited =
        edit(json!({"allowed_addresses": ["10.0.0.1"], "expires_at": "2027-01-01T00:00:00Z"}));
    assert_eq!(limited["allowed_addresses"], json!(["10.0.0.1/32"]));
    assert_eq!(limited["expires_at"], "2027-01-01T00:00:00Z");
    assert_eq!(limited["comment"], "old");
    let replaced = edit(json!({"public_key": format!("{ECDSA_P521} new")}));
    assert_eq!(
        (replaced["bits"].clone(), replaced["comment"].clone()),
        (json!(521), json!("new"))
    );
    assert_eq!(replaced["name"], "desk");
    assert_eq!(replaced["expires_at"], "2027-01-01T00:00:00Z");
    let open = edit(json!({"allowed_addresses": null, "expires_at": null}));
    assert_eq!(open["allowed_addresses"], json!([]));
    assert_eq!(open["expires_at"], Value::Null);
    assert_eq!(edit(json!({})), open);
    one(&site, "DELETE", &site.bob, &id, None).expect(204);
    one(&site, "GET", &site.bob, &id, None).expect(404);
    one(&site, "DELETE", &site.bob, &id, None).expect(404);
    assert!(all(&site, &site.bob).is_empty());
    let actions: Vec<Value> = site
        .events()
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    let of_keys = actions
        .iter()
        .filter(|action| action.as_str().unwrap().starts_with("ssh-key."));
    assert_eq!(of_keys.count(), 7);
}

#[test]
fn ssh_key_of_another_user_is_not_found() {
    let site = Site::new();
    let key = added(&site, &site.alice, "mine", ED25519);
    let never = json!("aaaaaaaaaaaa");
    for id in [&key["id"], &never] {
        for (method, body) in [
            ("GET", None),
            ("PATCH", Some(json!({"name": "x"}))),
            ("DELETE", None),
        ] {
            let answer = one(&site, method, &site.bob, id, body.as_ref()).expect(404);
            assert!(answer.text().contains("No such SSH key."));
        }
        let path = format!("/api/v1/users/bob/ssh-keys/{}", id.as_str().unwrap());
        site.ask("DELETE", &path)
            .bearer(&site.alice)
            .send()
            .expect(404);
    }
    assert_eq!(all(&site, &site.alice), [key]);
}

#[test]
fn admin_lists_and_deletes_users_keys() {
    let site = Site::new();
    let key = added(&site, &site.bob, "mine", ED25519);
    let path = "/api/v1/users/bob/ssh-keys";
    site.ask("GET", path).bearer(&site.bob).send().expect(403);
    let listed = site
        .ask("GET", path)
        .bearer(&site.alice)
        .send()
        .expect(200)
        .json();
    assert_eq!(listed["items"][0]["id"], key["id"]);
    let one = format!("{path}/{}", key["id"].as_str().unwrap());
    site.ask("DELETE", &one)
        .bearer(&site.bob)
        .send()
        .expect(403);
    site.ask("DELETE", &one)
        .bearer(&site.alice)
        .send()
        .expect(204);
    assert!(all(&site, &site.bob).is_empty());
    let own = site.ask("GET", "/api/v1/events").bearer(&site.bob).send();
    assert!(own.text().contains("ssh-key.delete"));
    site.ask("GET", "/api/v1/users/nobody/ssh-keys")
        .bearer(&site.alice)
        .send()
        .expect(404);
}

#[test]
fn missing_ssh_key_permission_is_named() {
    let site = Site::new();
    let id = added(&site, &site.bob, "mine", ED25519)["id"].clone();
    let (read, write) = (
        site.narrow(&site.bob, &["ssh-keys:read"]),
        site.narrow(&site.bob, &["ssh-keys:write"]),
    );
    let body = json!({"name": "x"});
    let import = json!({"text": ""});
    let rejected = add(
        &site,
        &read,
        &json!({"public_key": ECDSA_P256, "name": "x"}),
    )
    .expect(403);
    assert!(rejected.text().contains("ssh-keys:write"));
    one(&site, "PATCH", &read, &id, Some(&body)).expect(403);
    one(&site, "DELETE", &read, &id, None).expect(403);
    let path = "/api/v1/ssh-keys/import";
    site.ask("POST", path)
        .bearer(&read)
        .json(&import)
        .send()
        .expect(403);
    one(&site, "GET", &write, &id, None).expect(403);
    site.ask("GET", "/api/v1/ssh-keys")
        .bearer(&write)
        .send()
        .expect(403);
    one(&site, "PATCH", &write, &id, Some(&body)).expect(200);
    one(&site, "DELETE", &write, &id, None).expect(204);
}

#[test]
fn policy_applies_to_adding_and_editing() {
    let site = Site::new();
    let kept = added(&site, &site.bob, "kept", ED25519);
    policy(
        &site,
        &json!({"ssh_key_types": ["ssh-rsa", "ecdsa-sha2-nistp256"], "ssh_rsa_bits_min": 4096, "ssh_key_lifetime_max": "90d", "ssh_keys_max": 2}),
    );
    let rejected = |body: Value, field: &str| {
        let answer = add(&site, &site.bob, &body).expect(422);
        assert_eq!(
            answer.json()["type"],
            "urn:keycroft:problem:policy",
            "{body}"
        );
        assert_eq!(answer.fields(), [field], "{body}");
    };
    rejected(json!({"name": "x", "public_key": SK_ED25519}), "public_key");
    rejected(json!({"name": "x", "public_key": RSA_3072}), "public_key");
    rejected(
        json!({"name": "x", "public_key": ECDSA_P256, "expires_in": "91d"}),
        "expires_in",
    );
    rejected(
        json!({"name": "x", "public_key": ECDSA_P256, "expires_in": "never"}),
        "expires_in",
    );
    rejected(
        json!({"name": "x", "public_key": ECDSA_P256, "expires_at": "2027-02-20T12:00:01Z"}),
        "expires_at",
    );
    // The default is the maximum.
    let key = added(&site, &site.bob, "second", ECDSA_P256);
    assert_eq!(key["expires_at"], "2027-02-20T12:00:00Z");
    rejected(
        json!({"name": "third", "public_key": ECDSA_P256}),
        "public_key",
    );
    // An existing key stays as it is and may be renamed; a new expiration or key has to be permitted.
    let edit = |body: Value| one(&site, "PATCH", &site.bob, &kept["id"], Some(&body));
    assert_eq!(
        edit(json!({"name": "still"})).expect(200).json()["expires_at"],
        Value::Null
    );
    assert_eq!(
        edit(json!({"expires_at": null})).expect(422).fields(),
        ["expires_in"]
    );
    assert_eq!(
        edit(json!({"public_key": SK_ED25519})).expect(422).fields(),
        ["public_key"]
    );
    one(&site, "DELETE", &site.bob, &key["id"], None).expect(204);
    assert_eq!(
        edit(json!({"public_key": ECDSA_P256})).expect(422).fields(),
        ["expires_in"]
    );
    edit(json!({"public_key": ECDSA_P256, "expires_in": "90d"})).expect(200);
}

#[test]
fn key_inherits_the_callers_allowed_addresses() {
    let site = Site::new();
    let body = json!({"name": "limited", "permissions": ["ssh-keys:read", "ssh-keys:write"], "allowed_addresses": ["127.0.0.0/8"]});
    let limited = secret(&site.api_key(&site.bob, &body));
    let inherited = added(&site, &limited, "inherits", ED25519);
    assert_eq!(inherited["allowed_addresses"], json!(["127.0.0.0/8"]));
    let wide =
        json!({"name": "wide", "public_key": ECDSA_P256, "allowed_addresses": ["10.0.0.0/8"]});
    add(&site, &limited, &wide).expect(403);
    let everywhere = json!({"name": "wide", "public_key": ECDSA_P256, "allowed_addresses": []});
    add(&site, &limited, &everywhere).expect(403);
    let widened = json!({"allowed_addresses": null});
    one(&site, "PATCH", &limited, &inherited["id"], Some(&widened)).expect(403);
    // A key that reaches beyond the limit can't be replaced, but deleted.
    let open = added(&site, &site.bob, "open", ECDSA_P256);
    let replaced = json!({"public_key": ECDSA_P384});
    one(&site, "PATCH", &limited, &open["id"], Some(&replaced)).expect(403);
    one(&site, "DELETE", &limited, &open["id"], None).expect(204);
    let text = format!("{ECDSA_P384} kept\nfrom=\"10.0.0.1\" {ECDSA_P521} beyond");
    let output = site
        .ask("POST", "/api/v1/ssh-keys/import")
        .bearer(&limited)
        .json(&json!({"text": text}))
        .send()
        .expect(200)
        .json();
    assert_eq!(
        (output["added"].clone(), output["refused"].clone()),
        (json!(1), json!(1))
    );
    assert_eq!(
        all(&site, &site.bob)[0]["allowed_addresses"],
        json!(["127.0.0.0/8"])
    );
}

#[test]
fn seen_expiration_stays_after_a_clock_change() {
    let mut site = Site::new();
    let body = json!({"name": "short", "public_key": ED25519, "expires_in": "1h"});
    let id = add(&site, &site.bob, &body).expect(201).json()["id"].clone();
    let state =
        |site: &Site| one(site, "GET", &site.bob, &id, None).expect(200).json()["state"].clone();
    site.pass(3_599);
    assert_eq!(state(&site), "active");
    site.pass(1);
    assert_eq!(state(&site), "expired");
    site.pass(-60);
    assert_eq!(state(&site), "expired");
    site.reopen();
    assert_eq!(state(&site), "expired");
    assert_eq!(all(&site, &site.bob)[0]["state"], "expired");
    // A new expiration makes it valid again.
    let renewed = json!({"expires_in": "1h"});
    one(&site, "PATCH", &site.bob, &id, Some(&renewed)).expect(200);
    assert_eq!(state(&site), "active");
}

#[test]
fn sweep_marks_unread_keys_as_expired() {
    let site = Site::new();
    let body = json!({"name": "short", "public_key": ED25519, "expires_in": "1h"});
    let id = add(&site, &site.bob, &body).expect(201).json()["id"].clone();
    let bob = Username::parse("bob").unwrap();
    let opening = || {
        let found = login_keys_from_database(&site.path(), &site.clock, &bob).unwrap();
        found.keys.len()
    };
    site.pass(3_600);
    assert_eq!(opening(), 0);
    site.pass(-1);
    assert_eq!(opening(), 1, "reading the file notes nothing");
    site.pass(1);
    let swept = site.ask("POST", "/api/v1/sweep").bearer(&site.alice).send();
    swept.expect(200);
    site.pass(-1);
    assert_eq!(opening(), 0);
    let key = one(&site, "GET", &site.bob, &id, None).expect(200).json();
    assert_eq!(key["state"], "expired");
}

#[test]
fn request_with_an_idempotency_key_runs_once() {
    let site = Site::new();
    let ask = |name: &str| {
        site.ask("POST", "/api/v1/ssh-keys")
            .bearer(&site.bob)
            .header("Idempotency-Key", "once")
            .json(&json!({"name": name, "public_key": ED25519}))
            .send()
    };
    let key = ask("a").expect(201).json();
    assert_eq!(ask("a").expect(409).json()["id"], key["id"]);
    ask("b").expect(422);
    assert_eq!(all(&site, &site.bob).len(), 1);
}

#[test]
fn key_is_deleted_with_its_owner() {
    let site = Site::new();
    added(&site, &site.bob, "mine", ED25519);
    let ended = site
        .ask("POST", "/api/v1/users/bob/offboard")
        .bearer(&site.alice)
        .send()
        .expect(200);
    assert_eq!(ended.json()["ssh_keys"], 1);
    let listed = site
        .ask("GET", "/api/v1/users/bob/ssh-keys")
        .bearer(&site.alice)
        .send();
    assert_eq!(listed.json()["items"], json!([]));
}
