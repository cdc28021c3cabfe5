//! Bar S4 under concurrency: codes and names that can be used once. (Revocation is in `race`.)

use std::thread;

use keycroft::http::ServerState;
use keycroft::model::user::{Role, Username};
use serde_json::json;

use crate::fixture::{Asking, PASSWORD, Site, secret};

/// Rounds of each race.
const ROUNDS: usize = 40;

/// Sends requests from several threads at once. Returns the statuses.
fn at_once(site: &Site, asked: &[(&str, &str, &str, serde_json::Value)]) -> Vec<u16> {
    let states: Vec<ServerState> = asked.iter().map(|_| site.open_state()).collect();
    thread::scope(|scope| {
        let running: Vec<_> = asked
            .iter()
            .zip(states)
            .map(|((method, path, bearer, body), server_state)| {
                scope.spawn(move || {
                    Asking::new(&server_state, method, path)
                        .bearer(bearer)
                        .json(body)
                        .send()
                        .status
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// `KEYCROFT_TEST_RACES=1000` is the long form.
#[test]
fn code_is_accepted_once_in_a_race() {
    let site = Site::new();
    let name = Username::parse("bob").unwrap();
    let rounds = std::env::var("KEYCROFT_TEST_RACES").map_or(12, |number| number.parse().unwrap());
    for round in 0..rounds {
        let code = site
            .app()
            .reset_password(&site.app().operator(0), &name, None)
            .unwrap()
            .reveal();
        let ask = (
            "POST",
            "/api/v1/password-reset",
            code.as_str(),
            json!({"password": format!("seven kettles hum at dusk {round}")}),
        );
        let mut statuses = at_once(&site, &[ask.clone(), ask.clone(), ask.clone(), ask]);
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 401, 401, 401]);
    }
    // A setup link creates one admin.
    let site = Site::empty(&[]);
    let code = site.app().setup_code().unwrap().unwrap().reveal();
    let ask = |name: &str| {
        (
            "POST",
            "/api/v1/setup",
            code.as_str(),
            json!({"username": name, "password": PASSWORD}),
        )
    };
    let mut statuses = at_once(&site, &[ask("one"), ask("two"), ask("three")]);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401]);
}

#[test]
fn two_last_admins_cannot_demote_each_other() {
    for _ in 0..ROUNDS {
        let site = Site::new();
        site.add_user("dora", Role::Admin);
        let dora = site.token("dora");
        let body = json!({"role": "member"});
        let statuses = at_once(
            &site,
            &[
                ("PATCH", "/api/v1/users/dora", &site.alice, body.clone()),
                ("PATCH", "/api/v1/users/alice", &dora, body),
            ],
        );
        let done = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(done, 1, "{statuses:?}");
        let admins = site
            .dump(|table| table == "users")
            .lines()
            .filter(|line| line.contains(" admin "))
            .count();
        assert_eq!(admins, 1);
    }
}

#[test]
fn name_is_taken_once_in_a_race() {
    let site = Site::new();
    for round in 0..ROUNDS {
        let key = (
            "POST",
            "/api/v1/api-keys",
            site.bob.as_str(),
            json!({"name": format!("key {round}")}),
        );
        let user = (
            "POST",
            "/api/v1/users",
            site.alice.as_str(),
            json!({"username": format!("user-{round}")}),
        );
        let service = (
            "POST",
            "/api/v1/services",
            site.alice.as_str(),
            json!({"name": format!("user-{round}")}),
        );
        let statuses = at_once(&site, &[key.clone(), key, user.clone(), user, service]);
        let (keys, names) = statuses.split_at(2);
        for part in [keys, names] {
            assert_eq!(
                part.iter().filter(|status| **status == 201).count(),
                1,
                "{statuses:?}"
            );
            assert!(
                part.iter().all(|status| matches!(status, 201 | 409)),
                "{statuses:?}"
            );
        }
    }
}

#[test]
fn two_rotations_leave_at_most_two_valid_secrets() {
    let site = Site::new();
    for round in 0..ROUNDS {
        let old = site.api_key(&site.bob, &json!({"name": format!("key {round}")}));
        let path = format!("/api/v1/api-keys/{}/rotate", old["id"].as_str().unwrap());
        let states: Vec<ServerState> = (0..4).map(|_| site.open_state()).collect();
        let mut secrets: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> = states
                .into_iter()
                .map(|server_state| {
                    let (path, bob) = (path.as_str(), site.bob.as_str());
                    scope.spawn(move || {
                        secret(
                            &Asking::new(&server_state, "POST", path)
                                .bearer(bob)
                                .json(&json!({"grace": "1h"}))
                                .send()
                                .expect(200)
                                .json(),
                        )
                    })
                })
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        secrets.push(secret(&old));
        let valid = secrets
            .iter()
            .filter(|secret| site.ask("GET", "/verify").bearer(secret).send().status == 204)
            .count();
        assert_eq!(valid, 2);
    }
}
