//! All credentials of a user, revoked at once: disabled, offboarded, deleted; by API, console and operator.

use serde_json::{Value, json};

use super::lab::{Held, Lab};
use super::{Race, race_for, rounds};

/// Each way to revoke all credentials of a user.
const ENDS: &[(&str, fn(&mut Lab, &Held))] = &[
    ("disabled", |lab, held| {
        let path = format!("/api/v1/users/{}", held.user);
        lab.alice("PATCH", &path, &json!({"disabled": true}), 200);
    }),
    ("left", |lab, held| {
        let path = format!("/api/v1/users/{}/offboard", held.user);
        lab.alice("POST", &path, &json!({}), 200);
    }),
    ("deleted", |lab, held| {
        let path = format!("/api/v1/users/{}", held.user);
        lab.alice("DELETE", &path, &Value::Null, 204);
    }),
    ("disabled at the console", |lab, held| {
        lab.press(&format!("/admin/users/{}/disable", held.user), &[]);
    }),
    ("left at the console", |lab, held| {
        let action = format!("/admin/users/{}/offboard", held.user);
        lab.press(&action, &[("confirm", &held.user)]);
    }),
    ("deleted at the console", |lab, held| {
        let action = format!("/admin/users/{}/delete", held.user);
        lab.press(&action, &[("confirm", &held.user)]);
    }),
    ("disabled by the operator", |lab, held| {
        let path = format!("/api/v1/users/{}", held.user);
        lab.by_operator("PATCH", &path, &json!({"disabled": true}));
    }),
    ("deleted by the operator", |lab, held| {
        let path = format!("/api/v1/users/{}", held.user);
        lab.by_operator("DELETE", &path, &Value::Null);
    }),
];

fn race_all(make: fn(&mut Lab) -> Held) {
    let races: Vec<Race> = ENDS
        .iter()
        .map(|(what, end)| Race {
            what,
            make,
            end: *end,
        })
        .collect();
    // Of each kind, eight ways.
    race_for(rounds() / 2, &races);
}

#[test]
fn offboarded_users_api_keys_are_rejected_at_once() {
    race_all(|lab| {
        let user = lab.newcomer();
        lab.key_of(&user)
    });
}

#[test]
fn offboarded_users_tokens_are_rejected_at_once() {
    race_all(|lab| {
        let user = lab.newcomer();
        lab.token_of(&user)
    });
}

#[test]
fn offboarded_users_sessions_are_rejected_at_once() {
    race_all(|lab| {
        let user = lab.newcomer();
        lab.session_of(&user)
    });
}

#[test]
fn offboarded_users_ssh_keys_are_not_served() {
    race_all(|lab| {
        let user = lab.newcomer();
        lab.ssh_key_of(&user)
    });
}
