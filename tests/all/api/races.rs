//! S2 and S4 under concurrency: what was ended is refused from the answer on, what is good once is good once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keycroft::http::House;
use keycroft::model::user::{Role, Username};
use serde_json::json;

use crate::house::{Asking, PASSWORD, Site, id_of, secret};

/// Rounds of each race; each asks at all doors meanwhile.
const ROUNDS: usize = 40;

/// Whether a secret is good, by each door.
fn doors(house: &House, asker: &str, token: &str) -> [bool; 3] {
    let verify = Asking::new(house, "GET", "/verify")
        .bearer(token)
        .send()
        .status
        == 204;
    let me = Asking::new(house, "GET", "/api/v1/me")
        .bearer(token)
        .send()
        .status
        == 200;
    let form = Asking::new(house, "POST", "/oauth/introspect").bearer(asker);
    let introspected = form.form(&[("token", token)]).send();
    [verify, me, introspected.json()["active"] == true]
}

/// Ends `make`'s secret by `end` while others use it; from `end`'s return on no door opens.
fn race(make: fn(&Site) -> String, end: fn(&Site, &str)) {
    let site = Site::new();
    let asker = site.narrow(&site.alice, &["introspect"]);
    for _ in 0..ROUNDS {
        let token = make(&site);
        let over = AtomicBool::new(false);
        let house = site.open_house();
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let house = house;
                let mut seen = 0;
                loop {
                    let ended = over.load(Ordering::SeqCst);
                    let open = doors(&house, &asker, &token);
                    if ended {
                        assert_eq!(open, [false; 3], "good after its end");
                        break seen;
                    }
                    seen += usize::from(open == [true; 3]);
                }
            });
            while doors(&site.house, &asker, &token) != [true; 3] {
                assert!(!watching.is_finished());
            }
            end(&site, &token);
            over.store(true, Ordering::SeqCst);
            watching.join().unwrap();
        });
    }
}

fn key(site: &Site) -> String {
    site.narrow(&site.token("bob"), &["account:read"])
}

fn token(site: &Site) -> String {
    site.token("bob")
}

fn delete_key(site: &Site, secret: &str) {
    site.ask(
        "DELETE",
        &format!("/api/v1/users/bob/api-keys/{}", id_of(secret)),
    )
    .bearer(&site.alice)
    .send()
    .expect(204);
}

fn delete_token(site: &Site, secret: &str) {
    site.ask(
        "DELETE",
        &format!("/api/v1/users/bob/tokens/{}", id_of(secret)),
    )
    .bearer(&site.alice)
    .send()
    .expect(204);
}

#[test]
fn a_deleted_key_is_refused_from_the_answer_on() {
    race(key, delete_key);
}

#[test]
fn a_deleted_token_is_refused_from_the_answer_on() {
    race(token, delete_token);
}

#[test]
fn a_disabled_or_rotated_key_is_refused_from_the_answer_on() {
    race(key, |site, secret| {
        site.ask("PATCH", &format!("/api/v1/api-keys/{}", id_of(secret)))
            .bearer(&site.token("bob"))
            .json(&json!({"disabled": true}))
            .send()
            .expect(200);
    });
    race(key, |site, secret| {
        site.ask(
            "POST",
            &format!("/api/v1/api-keys/{}/rotate", id_of(secret)),
        )
        .bearer(&site.token("bob"))
        .send()
        .expect(200);
    });
}

#[test]
fn what_is_burned_or_revoked_is_refused_from_the_answer_on() {
    race(token, |site, secret| {
        site.ask("DELETE", "/api/v1/burn")
            .bearer(secret)
            .send()
            .expect(204);
    });
    race(key, |site, secret| {
        site.ask("POST", "/oauth/revoke")
            .form(&[("token", secret)])
            .send()
            .expect(200);
    });
}

#[test]
fn all_of_a_user_is_refused_from_the_answer_on() {
    race(
        |site| {
            site.ask("PATCH", "/api/v1/users/bob")
                .bearer(&site.alice)
                .json(&json!({"disabled": false}))
                .send()
                .expect(200);
            key(site)
        },
        |site, _| {
            site.ask("PATCH", "/api/v1/users/bob")
                .bearer(&site.alice)
                .json(&json!({"disabled": true}))
                .send()
                .expect(200);
        },
    );
    race(
        |site| {
            site.ask("PATCH", "/api/v1/users/bob")
                .bearer(&site.alice)
                .json(&json!({"disabled": false}))
                .send()
                .expect(200);
            token(site)
        },
        |site, _| {
            site.ask("POST", "/api/v1/users/bob/end-everything")
                .bearer(&site.alice)
                .send()
                .expect(200);
        },
    );
}

/// Asks the same from several threads at once; the statuses.
fn at_once(site: &Site, asked: &[(&str, &str, &str, serde_json::Value)]) -> Vec<u16> {
    let houses: Vec<House> = asked.iter().map(|_| site.open_house()).collect();
    thread::scope(|scope| {
        let running: Vec<_> = asked
            .iter()
            .zip(houses)
            .map(|((method, path, bearer, body), house)| {
                scope.spawn(move || {
                    Asking::new(&house, method, path)
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

#[test]
fn a_code_is_spent_once() {
    let site = Site::new();
    let name = Username::parse("bob").unwrap();
    for round in 0..12 {
        let code = site
            .desk()
            .reset_password_as_operator(&name)
            .unwrap()
            .reveal();
        let ask = (
            "POST",
            "/api/v1/password-reset",
            code.as_str(),
            json!({"password": format!("{PASSWORD} {round}")}),
        );
        let mut statuses = at_once(&site, &[ask.clone(), ask.clone(), ask.clone(), ask]);
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 401, 401, 401]);
    }
    // A set-up link makes one admin.
    let site = Site::empty(&[]);
    let code = site.desk().set_up_code().unwrap().unwrap().reveal();
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
fn two_admins_can_not_both_be_last() {
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
fn a_name_is_taken_once() {
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
fn two_rotations_leave_two_good_secrets_at_most() {
    let site = Site::new();
    for round in 0..ROUNDS {
        let old = site.api_key(&site.bob, &json!({"name": format!("key {round}")}));
        let path = format!("/api/v1/api-keys/{}/rotate", old["id"].as_str().unwrap());
        let houses: Vec<House> = (0..4).map(|_| site.open_house()).collect();
        let mut secrets: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> = houses
                .into_iter()
                .map(|house| {
                    let (path, bob) = (path.as_str(), site.bob.as_str());
                    scope.spawn(move || {
                        secret(
                            &Asking::new(&house, "POST", path)
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
        let good = secrets
            .iter()
            .filter(|secret| site.ask("GET", "/verify").bearer(secret).send().status == 204)
            .count();
        assert_eq!(good, 2);
    }
}
