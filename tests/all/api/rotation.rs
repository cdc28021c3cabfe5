//! Rotation: a new secret under the same id, and the grace period of the old one.

use serde_json::{Value, json};

use crate::fixture::{Site, id, id_of, secret};

fn rotate(site: &Site, created: &Value, body: &Value) -> Value {
    let path = format!("/api/v1/api-keys/{}/rotate", id(created));
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

fn show(site: &Site, created: &Value) -> Value {
    let path = format!("/api/v1/api-keys/{}", id(created));
    site.ask("GET", &path)
        .bearer(&site.token("alice"))
        .send()
        .expect(200)
        .json()
}

/// Last uses: of all secrets, of the current one and of the previous one.
fn last_uses(shown: &Value) -> [Value; 3] {
    [
        "last_used_at",
        "current_last_used_at",
        "previous_last_used_at",
    ]
    .map(|field| shown[field].clone())
}

#[test]
fn old_secret_is_valid_for_its_grace_to_the_second() {
    for (grace, seconds) in [("1s", 1), ("1m", 60), ("24h", 86_400), ("7d", 604_800)] {
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
fn grace_of_zero_revokes_the_old_secret_at_once() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    let new = rotate(&site, &old, &json!({"grace": "0s"}));
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
    assert_eq!(new["previous_ends_at"], Value::Null);
}

#[test]
fn rotation_without_a_grace_is_rejected() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    let path = format!("/api/v1/api-keys/{}/rotate", id(&old));
    for body in [
        json!({}),
        json!({"grace": null}),
        json!({"expires_in": "1d"}),
    ] {
        let answer = site.ask("POST", &path).bearer(&site.alice).json(&body);
        assert_eq!(answer.send().expect(422).fields(), ["grace"], "{body}");
    }
    assert!(works(&site, &secret(&old)));
}

#[test]
fn old_secret_never_outlives_its_key() {
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
fn rotation_during_a_grace_period_revokes_the_oldest() {
    let site = Site::new();
    let first = site.api_key(&site.alice, &json!({"name": "key"}));
    let second = rotate(&site, &first, &json!({"grace": "1h"}));
    let third = rotate(&site, &first, &json!({"grace": "1h"}));
    assert!(!works(&site, &secret(&first)));
    assert!(works(&site, &secret(&second)));
    assert!(works(&site, &secret(&third)));
    let fourth = rotate(&site, &first, &json!({"grace": "0s"}));
    for dead in [&first, &second, &third] {
        assert!(!works(&site, &secret(dead)));
    }
    assert!(works(&site, &secret(&fourth)));
}

#[test]
fn last_use_of_each_secret_is_reported() {
    let mut site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    assert!(works(&site, &secret(&old)));
    site.pass(10);
    // The use before the rotation is still in memory; it was of the old secret.
    let new = rotate(&site, &old, &json!({"grace": "1h"}));
    site.reopen();
    let shown = show(&site, &old);
    assert_eq!(
        last_uses(&shown),
        [
            json!("2026-11-22T12:00:00Z"),
            Value::Null,
            json!("2026-11-22T12:00:00Z")
        ]
    );
    site.pass(10);
    assert!(works(&site, &secret(&new)));
    site.pass(10);
    assert!(works(&site, &secret(&old)));
    site.reopen();
    let shown = show(&site, &old);
    assert_eq!(
        last_uses(&shown),
        [
            json!("2026-11-22T12:00:30Z"),
            json!("2026-11-22T12:00:20Z"),
            json!("2026-11-22T12:00:30Z")
        ]
    );
}

#[test]
fn rotated_disabled_key_stays_disabled() {
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
fn key_rotates_itself_only_with_its_present_secret() {
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
    // Otherwise a thief with an old secret could lock out the holder of the new one.
    ask(&secret(&old)).expect(403);
    let newest = ask(&secret(&new)).expect(200).json();
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
    assert!(works(&site, &secret(&newest)));
}

#[test]
fn pending_use_is_reported_for_the_right_secret() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key"}));
    assert!(works(&site, &secret(&old)));
    site.pass(10);
    let new = rotate(&site, &old, &json!({"grace": "1h"}));
    let output = || last_uses(&show(&site, &old));
    let at = |second: &str| json!(format!("2026-11-22T12:00:{second}Z"));
    assert_eq!(output(), [at("00"), Value::Null, at("00")]);
    // Within the second of the rotation, by either secret.
    assert!(works(&site, &secret(&new)));
    assert_eq!(output(), [at("10"), at("10"), at("00")]);
    assert!(works(&site, &secret(&old)));
    assert_eq!(output(), [at("10"), at("10"), at("10")]);
    site.pass(10);
    assert!(works(&site, &secret(&new)));
    assert_eq!(output(), [at("20"), at("20"), at("10")]);
}

/// After many rotations, in memory or stored, the last use of any secret stays.
#[test]
fn successive_rotations_lose_no_use() {
    for in_file in [false, true] {
        let mut site = Site::new();
        let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "90d"}));
        let first = rotate(&site, &old, &json!({"grace": "1h"}));
        site.pass(10);
        // The current secret is used, then the previous one, then the current one again.
        for used in [&first, &old, &first] {
            assert!(works(&site, &secret(used)));
            site.pass(10);
        }
        let last = "2026-11-22T12:00:30Z";
        for round in 0..4 {
            // The last time also uses that were in memory during all rotations.
            if in_file || round == 3 {
                site.reopen();
            }
            let shown = show(&site, &old);
            assert_eq!(shown["last_used_at"], last, "{in_file} {round}");
            assert_eq!(shown["last_used_from"], "127.0.0.1");
            site.pass(10);
            rotate(&site, &old, &json!({"grace": "0s"}));
        }
        let never_used = site
            .ask("GET", "/api/v1/credentials?show=never-used&limit=200")
            .bearer(&site.token("alice"))
            .send()
            .expect(200)
            .json();
        let ids = never_used["items"].as_array().unwrap();
        assert!(ids.iter().all(|item| item["id"] != old["id"]));
    }
}

/// Lists sort by the sum of uses that are stored with the last one.
#[test]
fn sum_of_uses_follows_every_secret_and_the_sweep() {
    let mut site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "never"}));
    let sums = |site: &mut Site| -> (i64, i64) {
        site.reopen();
        let file = rusqlite::Connection::open(site.path()).unwrap();
        let sql = "SELECT uses, (SELECT coalesce(sum(uses), 0) FROM usage_days d WHERE d.credential_id = l.credential_id) \
                   FROM last_uses l WHERE credential_id = ?";
        file.query_row(sql, [id(&old)], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    };
    let use_times = |site: &Site, secret: &str, times: usize| {
        assert!((0..times).all(|_| works(site, secret)));
    };
    use_times(&site, &secret(&old), 2);
    assert_eq!(sums(&mut site), (2, 2));
    use_times(&site, &secret(&old), 1);
    assert_eq!(sums(&mut site), (3, 3));
    // Both secrets before one flush, then the old one alone; then the old one while the clock is behind.
    site.pass(DAY);
    site.alice = site.token("alice");
    let new = rotate(&site, &old, &json!({"grace": "7d"}));
    use_times(&site, &secret(&new), 1);
    use_times(&site, &secret(&old), 3);
    assert_eq!(sums(&mut site), (7, 7));
    use_times(&site, &secret(&old), 4);
    assert_eq!(sums(&mut site), (11, 11));
    site.pass(-60);
    use_times(&site, &secret(&old), 5);
    assert_eq!(sums(&mut site), (16, 16));
    for (days, left) in [(28, 16), (1, 13), (1, 0)] {
        site.pass(days * DAY);
        let sweep = site.ask("POST", "/api/v1/sweep");
        sweep.bearer(&site.token("alice")).send().expect(200);
        assert_eq!(sums(&mut site), (left, left), "{days}");
    }
}

fn until_unused() -> Value {
    json!({"grace": {"until_unused": "2h", "at_most": "7d"}})
}

const DAY: i64 = 86_400;

/// Advances the clock by hours and minutes.
fn pass_minutes(site: &Site, minutes: i64) {
    site.pass(minutes * 60);
}

#[test]
fn grace_until_unused_ends_when_the_old_secret_is_quiet() {
    for in_file in [false, true] {
        let mut site = Site::new();
        let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "never"}));
        assert!(works(&site, &secret(&old)));
        let new = rotate(&site, &old, &until_unused());
        assert_eq!(new["previous_ends_at"], "2026-11-29T12:00:00Z");
        assert_eq!(new["previous_quiet_for"], "2h");
        let turn = |site: &mut Site| {
            if in_file {
                site.reopen();
            }
        };
        // As long as the new secret is unused, the old one stays, used or not.
        pass_minutes(&site, 300);
        assert!(works(&site, &secret(&old)));
        turn(&mut site);
        // The new one is used; the old one a last time.
        assert!(works(&site, &secret(&new)));
        pass_minutes(&site, 60);
        assert!(works(&site, &secret(&old)));
        turn(&mut site);
        pass_minutes(&site, 119);
        assert!(works(&site, &secret(&old)), "{in_file}");
        turn(&mut site);
        pass_minutes(&site, 120);
        assert_eq!(show(&site, &old)["previous_ends_at"], Value::Null);
        assert!(!works(&site, &secret(&old)), "{in_file}");
        assert!(works(&site, &secret(&new)));
        // It stays expired when the clock is set back, across a restart too.
        pass_minutes(&site, -119);
        assert!(!works(&site, &secret(&old)), "{in_file}");
        site.reopen();
        assert!(!works(&site, &secret(&old)), "{in_file}");
    }
}

#[test]
fn grace_until_unused_ends_by_its_latest_date() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "never"}));
    let body = json!({"grace": {"until_unused": "1h", "at_most": "2h"}});
    let new = rotate(&site, &old, &body);
    assert!(works(&site, &secret(&new)));
    for _ in 0..4 {
        assert!(works(&site, &secret(&old)));
        pass_minutes(&site, 30);
    }
    assert!(!works(&site, &secret(&old)));
}

/// Uses of both secrets within the second of the rotation are distinguished, by the writer too.
#[test]
fn grace_until_unused_counts_only_the_new_secret_as_new() {
    for in_file in [false, true] {
        let mut site = Site::new();
        let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "never"}));
        assert!(works(&site, &secret(&old)));
        let new = rotate(&site, &old, &until_unused());
        assert!(works(&site, &secret(&old)));
        if in_file {
            site.reopen();
        }
        pass_minutes(&site, 121);
        assert!(works(&site, &secret(&old)), "the new one was never used");
        assert!(works(&site, &secret(&new)));
        pass_minutes(&site, 120);
        assert!(!works(&site, &secret(&old)));
    }
}

/// A second rotation with the same latest date is not affected by the end of the first.
#[test]
fn rotation_after_a_quiet_end_starts_a_new_grace_period() {
    let site = Site::new();
    // So short-lived that its own expiration is the latest date of both.
    let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "12h"}));
    let new = rotate(&site, &old, &until_unused());
    assert!(works(&site, &secret(&new)));
    pass_minutes(&site, 120);
    assert!(!works(&site, &secret(&old)));
    let newest = rotate(&site, &old, &until_unused());
    assert_eq!(newest["previous_ends_at"], new["previous_ends_at"]);
    assert!(works(&site, &secret(&new)));
    assert!(works(&site, &secret(&newest)));
    assert!(!works(&site, &secret(&old)));
}

#[test]
fn expired_key_rotates_only_after_a_new_expiration() {
    let site = Site::new();
    let key = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "1h"}));
    pass_minutes(&site, 60);
    let bearer = site.token("alice");
    let ask = |method: &str, path: &str, body: &Value| {
        let path = format!("/api/v1/api-keys/{}{path}", id(&key));
        site.ask(method, &path).bearer(&bearer).json(body).send()
    };
    // It was never presented: only its expiration shows that it is expired.
    let renewal = json!({"grace": "0s", "expires_in": "1h"});
    ask("POST", "/rotate", &renewal).expect(409);
    ask("PATCH", "", &json!({"expires_in": "1h"})).expect(200);
    ask("POST", "/rotate", &renewal).expect(200);
}

/// Bar S4: a token expires with the secret that created it, even if that can expire early.
#[test]
fn token_of_the_old_secret_ends_with_its_quiet_time() {
    let site = Site::new();
    let old = site.api_key(&site.alice, &json!({"name": "key", "expires_in": "never"}));
    let new = rotate(&site, &old, &until_unused());
    pass_minutes(&site, 60);
    for (creator, expires_at) in [
        (&old, "2026-11-22T15:00:00Z"),
        (&new, "2026-11-23T13:00:00Z"),
    ] {
        let token = site
            .ask("POST", "/api/v1/tokens")
            .bearer(&secret(creator))
            .json(&json!({"expires_in": "24h"}))
            .send()
            .expect(201)
            .json();
        assert_eq!(token["expires_at"], expires_at);
    }
}
