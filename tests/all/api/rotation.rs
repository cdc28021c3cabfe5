//! Rotation: a new secret under the same id, and how long the one before stays good.

use serde_json::{Value, json};

use crate::fixture::{Site, id, id_of, secret};

fn rotate(site: &Site, made: &Value, body: &Value) -> Value {
    let path = format!("/api/v1/api-keys/{}/rotate", id(made));
    site.ask("POST", &path)
        .bearer(&site.alice)
        .json(body)
        .send()
        .expect(200)
        .json()
}

fn works(site: &Site, secret: &str) -> bool {
    site.ask("GET", "/verify").bearer(secret).send().status == 204
}

fn show(site: &Site, made: &Value) -> Value {
    let path = format!("/api/v1/api-keys/{}", id(made));
    site.ask("GET", &path)
        .bearer(&site.token("alice"))
        .send()
        .expect(200)
        .json()
}

#[test]
fn the_old_secret_is_good_for_each_grace_to_the_second() {
    for (grace, seconds) in [
        ("1m", 60),
        ("15m", 900),
        ("1h", 3_600),
        ("6h", 21_600),
        ("24h", 86_400),
    ] {
        let site = Site::new();
        let old = site.api_key(
            &site.alice,
            &json!({"name": "key", "note": "n", "allowed_addresses": ["127.0.0.0/8"]}),
        );
        let new = rotate(&site, &old, &json!({"grace": grace}));
        assert_eq!(new["id"], old["id"]);
        assert_eq!(id_of(&secret(&new)), id(&old));
        assert_ne!(secret(&new), secret(&old));
        for field in [
            "name",
            "note",
            "permissions",
            "allowed_addresses",
            "expires_at",
            "created_by",
            "created_at",
        ] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert_eq!(new["rotated_at"], "2026-11-22T12:00:00Z");
        site.pass(seconds - 1);
        assert!(works(&site, &secret(&old)), "{grace}");
        assert!(works(&site, &secret(&new)), "{grace}");
        assert!(show(&site, &old)["previous_ends_at"].is_string());
        site.pass(1);
        assert!(!works(&site, &secret(&old)), "{grace}");
        assert!(works(&site, &secret(&new)), "{grace}");
        assert_eq!(show(&site, &old)["previous_ends_at"], Value::Null);
    }
}

#[test]
fn without_a_grace_the_old_secret_ends_at_once() {
    let site = Site::new();
    for body in [json!({}), json!({"grace": "0s"}), json!({"grace": null})] {
        let old = site.api_key(&site.alice, &json!({"name": body.to_string()}));
        let new = rotate(&site, &old, &body);
        assert!(!works(&site, &secret(&old)));
        assert!(works(&site, &secret(&new)));
        assert_eq!(new["previous_ends_at"], Value::Null);
    }
}

#[test]
fn the_old_secret_never_lives_past_its_own_end() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "10m"}));
    let new = rotate(&site, &old, &json!({"grace": "24h", "expires_in": "90d"}));
    assert_eq!(new["previous_ends_at"], "2026-11-22T12:10:00Z");
    assert_eq!(new["expires_at"], "2027-02-20T12:00:00Z");
    // Renewing afterwards does not lengthen it either.
    let path = format!("/api/v1/api-keys/{}", id(&old));
    site.ask("PATCH", &path)
        .bearer(&site.alice)
        .json(&json!({"expires_in": "never"}))
        .send()
        .expect(200);
    site.pass(599);
    assert!(works(&site, &secret(&old)));
    site.pass(1);
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
}

#[test]
fn rotating_during_a_grace_ends_the_oldest() {
    let site = Site::new();
    let first = site.api_key(&site.alice, &json!({"name": "key"}));
    let second = rotate(&site, &first, &json!({"grace": "1h"}));
    let third = rotate(&site, &first, &json!({"grace": "1h"}));
    assert!(!works(&site, &secret(&first)));
    assert!(works(&site, &secret(&second)));
    assert!(works(&site, &secret(&third)));
    let fourth = rotate(&site, &first, &json!({}));
    for dead in [&first, &second, &third] {
        assert!(!works(&site, &secret(dead)));
    }
    assert!(works(&site, &secret(&fourth)));
}

#[test]
fn which_of_the_two_was_used_last_is_told() {
    let mut site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    assert!(works(&site, &secret(&old)));
    site.pass(10);
    // The use before the rotation is still in memory; it was of the old secret.
    let new = rotate(&site, &old, &json!({"grace": "1h"}));
    site.reopen();
    let shown = show(&site, &old);
    assert_eq!(
        (&shown["last_used_at"], &shown["previous_last_used_at"]),
        (&Value::Null, &json!("2026-11-22T12:00:00Z"))
    );
    site.pass(10);
    assert!(works(&site, &secret(&new)));
    site.pass(10);
    assert!(works(&site, &secret(&old)));
    site.reopen();
    let shown = show(&site, &old);
    assert_eq!(
        (&shown["last_used_at"], &shown["previous_last_used_at"]),
        (
            &json!("2026-11-22T12:00:20Z"),
            &json!("2026-11-22T12:00:30Z")
        )
    );
}

#[test]
fn a_disabled_key_stays_disabled() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    let path = format!("/api/v1/api-keys/{}", id(&old));
    site.ask("PATCH", &path)
        .bearer(&site.alice)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    let new = rotate(&site, &old, &json!({"grace": "1h"}));
    assert_eq!(new["state"], "disabled");
    assert!(!works(&site, &secret(&old)));
    assert!(!works(&site, &secret(&new)));
    site.ask("PATCH", &path)
        .bearer(&site.alice)
        .json(&json!({"disabled": false}))
        .send()
        .expect(200);
    assert!(works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
}

#[test]
fn a_key_may_rotate_itself_with_its_present_secret_alone() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    let path = format!("/api/v1/api-keys/{}/rotate", id(&old));
    let ask = |bearer: &str| {
        site.ask("POST", &path)
            .bearer(bearer)
            .json(&json!({"grace": "1h"}))
            .send()
    };
    let new = ask(&secret(&old)).expect(200).json();
    assert!(works(&site, &secret(&old)));
    // Else whoever holds a secret that was rotated away would throw out who holds the new one.
    ask(&secret(&old)).expect(403);
    let newest = ask(&secret(&new)).expect(200).json();
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
    assert!(works(&site, &secret(&newest)));
}

#[test]
fn what_is_still_in_memory_is_told_of_the_right_secret() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    assert!(works(&site, &secret(&old)));
    site.pass(10);
    let new = rotate(&site, &old, &json!({"grace": "1h"}));
    let told = || {
        let shown = show(&site, &old);
        [
            shown["last_used_at"].clone(),
            shown["previous_last_used_at"].clone(),
        ]
    };
    assert_eq!(told(), [Value::Null, json!("2026-11-22T12:00:00Z")]);
    // In the second of the rotation, it was the new one.
    assert!(works(&site, &secret(&new)));
    assert_eq!(told()[0], "2026-11-22T12:00:10Z");
    site.pass(10);
    assert!(works(&site, &secret(&new)));
    assert_eq!(
        told(),
        [json!("2026-11-22T12:00:20Z"), json!("2026-11-22T12:00:00Z")]
    );
}
