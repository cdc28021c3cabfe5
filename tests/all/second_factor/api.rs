//! Second factors in the JSON API.

use serde_json::json;

use super::phone::*;
use crate::console::site::{BOB, Site};
use crate::fixture::{Answer, Asking};

const NEW: &str = "bob likes cold milk now";

fn change(site: &Site, body: &serde_json::Value) -> Answer {
    Asking::new(&site.server_state, "POST", "/api/v1/me/password")
        .bearer(&site.token("bob"))
        .json(body)
        .send()
}

#[test]
fn me_shows_the_factors() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let me = || {
        let answer = Asking::new(&site.server_state, "GET", "/api/v1/me")
            .bearer(&site.token("bob"))
            .send();
        answer.expect(200).json()["second_factor"].clone()
    };
    let none = json!({"totp": false, "passkeys": 0, "recovery_codes_left": 0});
    assert_eq!(me(), none);
    let (_, codes) = enroll(&site, &mut bob);
    assert_eq!(
        me(),
        json!({"totp": true, "passkeys": 0, "recovery_codes_left": 10})
    );
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &codes[0]).expect(303);
    assert_eq!(me()["recovery_codes_left"], 9);
    let user = Asking::new(&site.server_state, "GET", "/api/v1/users/bob")
        .bearer(&site.token("alice"))
        .send();
    assert_eq!(user.json()["second_factor"]["totp"], true);
    let sessions = Asking::new(&site.server_state, "GET", "/api/v1/sessions")
        .bearer(&site.token("bob"))
        .send();
    let methods: Vec<_> = sessions.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["signed_in_with"].clone())
        .collect();
    assert_eq!(methods, ["password-recovery-code", "password"]);
}

#[test]
fn password_change_needs_the_code_with_a_factor() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    let missing = change(&site, &json!({"current": BOB, "new": NEW}));
    assert_eq!(
        (missing.status, missing.fields()),
        (422, vec!["code".to_owned()]),
        "{}",
        missing.text()
    );
    for code in [phone.wrong(), String::new(), "nonsense".into()] {
        let answer = change(&site, &json!({"current": BOB, "new": NEW, "code": code}));
        assert_eq!(
            (answer.status, answer.fields()),
            (422, vec!["code".to_owned()]),
            "{code}"
        );
    }
    let wrong = change(
        &site,
        &json!({"current": "not what it is at all", "new": NEW, "code": phone.code()}),
    );
    assert_eq!(wrong.fields(), ["current"]);
    assert!(bob.is_signed_in());
    change(
        &site,
        &json!({"current": BOB, "new": NEW, "code": phone.code()}),
    )
    .expect(204);
    assert!(!bob.is_signed_in());
    // Spent with it.
    let again = json!({"current": NEW, "new": BOB, "code": phone.code()});
    change(&site, &again).expect(422);
    change(
        &site,
        &json!({"current": NEW, "new": BOB, "code": codes[0]}),
    )
    .expect(204);
}

#[test]
fn password_change_takes_no_code_without_a_factor() {
    let site = Site::new();
    change(&site, &json!({"current": BOB, "new": NEW, "code": null})).expect(204);
    change(
        &site,
        &json!({"current": NEW, "new": BOB, "code": "123456"}),
    )
    .expect(204);
    change(
        &site,
        &json!({"current": BOB, "new": NEW, "code": "no code"}),
    )
    .expect(422);
}

/// Otherwise the answer would reveal whether the password is right.
#[test]
fn password_is_checked_only_with_the_permission() {
    let site = Site::new();
    let key = Asking::new(&site.server_state, "POST", "/api/v1/api-keys")
        .bearer(&site.token("bob"))
        .json(&json!({"name": "narrow", "permissions": ["account:read"]}))
        .send()
        .expect(201);
    let secret = key.json()["secret"].as_str().unwrap().to_owned();
    for current in [BOB, "not the password"] {
        Asking::new(&site.server_state, "POST", "/api/v1/me/password")
            .bearer(&secret)
            .json(&json!({"current": current, "new": NEW}))
            .send()
            .expect(403);
    }
}

#[test]
fn wrong_codes_at_the_api_count_like_wrong_passwords() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, _) = enroll(&site, &mut bob);
    for _ in 0..10 {
        change(
            &site,
            &json!({"current": BOB, "new": NEW, "code": phone.wrong()}),
        )
        .expect(422);
    }
    let answer = change(
        &site,
        &json!({"current": BOB, "new": NEW, "code": phone.code()}),
    );
    answer.expect(429);
}

#[test]
fn policy_takes_rule_and_time_and_null_clears_it() {
    let site = Site::new();
    let patch = |body: serde_json::Value| {
        Asking::new(&site.server_state, "PATCH", "/api/v1/policy")
            .bearer(&site.token("alice"))
            .json(&body)
            .send()
    };
    let policy =
        patch(json!({"second_factor": "admins", "second_factor_from": "2026-12-01T00:00:00Z"}))
            .expect(200)
            .json();
    assert_eq!(policy["second_factor"], "admins");
    assert_eq!(policy["second_factor_from"], "2026-12-01T00:00:00Z");
    let policy = patch(json!({"second_factor_from": null}))
        .expect(200)
        .json();
    assert_eq!(policy["second_factor_from"], serde_json::Value::Null);
    assert_eq!(policy["second_factor"], "admins");
    for (body, field) in [
        (json!({"second_factor": "all"}), "second_factor"),
        (json!({"second_factor": null}), "second_factor"),
        (
            json!({"second_factor_from": "tomorrow"}),
            "second_factor_from",
        ),
        (json!({"second_factor_from": 5}), "second_factor_from"),
    ] {
        let answer = patch(body);
        assert_eq!(
            (answer.status, answer.fields()),
            (422, vec![field.to_owned()]),
            "{}",
            answer.text()
        );
    }
}
