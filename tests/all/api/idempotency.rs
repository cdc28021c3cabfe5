//! `Idempotency-Key`: a repeated request creates nothing twice.

use serde_json::{Value, json};

use crate::fixture::{Answer, Site, id, secret};

fn post(site: &Site, bearer: &str, path: &str, key: &str, body: &Value) -> Answer {
    site.ask("POST", path)
        .bearer(bearer)
        .header("Idempotency-Key", key)
        .json(body)
        .send()
}

#[test]
fn repeated_request_returns_the_created_id() {
    let site = Site::new();
    let created = id(&site.api_key(&site.alice, &json!({"name": "rotated"})));
    site.ask("POST", "/api/v1/services")
        .bearer(&site.alice)
        .json(&json!({"name": "lab"}))
        .send()
        .expect(201);
    let rotate = format!("/api/v1/api-keys/{created}/rotate");
    let calls = [
        (
            "/api/v1/api-keys",
            json!({"name": "one"}),
            json!({"name": "two"}),
        ),
        (
            "/api/v1/tokens",
            json!({"name": "one"}),
            json!({"name": "two"}),
        ),
        (
            rotate.as_str(),
            json!({"grace": "0s"}),
            json!({"grace": "1m"}),
        ),
        (
            "/api/v1/users",
            json!({"username": "carol"}),
            json!({"username": "dora"}),
        ),
        (
            "/api/v1/groups",
            json!({"name": "staff"}),
            json!({"name": "guests"}),
        ),
        (
            "/api/v1/services",
            json!({"name": "zoo"}),
            json!({"name": "farm"}),
        ),
        (
            "/api/v1/services/lab/api-keys",
            json!({"name": "one"}),
            json!({"name": "two"}),
        ),
    ];
    for (path, body, other) in &calls {
        // The same key on another route is another key.
        let first = post(&site, &site.alice, path, "retry-1", body);
        assert!(
            matches!(first.status, 200 | 201),
            "{path}: {}",
            first.text()
        );
        let first = first.json();
        let before = site.snapshot();
        let again = post(&site, &site.alice, path, "retry-1", body)
            .expect(409)
            .json();
        let created = ["id", "username", "name"]
            .iter()
            .find_map(|field| first.get(*field))
            .unwrap();
        assert_eq!(&again["id"], created, "{path}");
        assert_eq!(again["type"], "urn:keycroft:problem:already-done", "{path}");
        assert!(again.get("secret").is_none());
        let differs = post(&site, &site.alice, path, "retry-1", other)
            .expect(422)
            .json();
        assert_eq!(
            differs["type"], "urn:keycroft:problem:idempotency-key",
            "{path}"
        );
        assert_eq!(site.snapshot(), before, "{path}");
    }
    let kept = site.dump(|table| table == "requests_done");
    assert!(!kept.contains("retry-1"), "{kept}");
    assert_eq!(kept.lines().count(), calls.len());
}

#[test]
fn idempotency_keys_are_per_caller_and_skip_failures() {
    let site = Site::new();
    let other = site.narrow(&site.alice, &["api-keys:write", "tokens:write"]);
    for bearer in [&site.alice, &site.bob, &other] {
        post(
            &site,
            bearer,
            "/api/v1/tokens",
            "k",
            &json!({"permissions": []}),
        )
        .expect(201);
        post(
            &site,
            bearer,
            "/api/v1/tokens",
            "k",
            &json!({"permissions": []}),
        )
        .expect(409);
    }
    // Only successful requests count.
    post(
        &site,
        &site.bob,
        "/api/v1/api-keys",
        "x",
        &json!({"name": ""}),
    )
    .expect(422);
    post(
        &site,
        &site.bob,
        "/api/v1/api-keys",
        "x",
        &json!({"name": "n", "permissions": ["users:write"]}),
    )
    .expect(403);
    site.api_key(&site.bob, &json!({"name": "taken"}));
    post(
        &site,
        &site.bob,
        "/api/v1/api-keys",
        "x",
        &json!({"name": "taken"}),
    )
    .expect(409);
    post(
        &site,
        &site.bob,
        "/api/v1/api-keys",
        "x",
        &json!({"name": "free"}),
    )
    .expect(201);
    // The created object may be deleted; it was created all the same.
    let answer = post(
        &site,
        &site.bob,
        "/api/v1/api-keys",
        "y",
        &json!({"name": "gone"}),
    )
    .expect(201)
    .json();
    site.ask("DELETE", &format!("/api/v1/api-keys/{}", id(&answer)))
        .bearer(&site.bob)
        .send()
        .expect(204);
    assert_eq!(
        post(
            &site,
            &site.bob,
            "/api/v1/api-keys",
            "y",
            &json!({"name": "gone"})
        )
        .expect(409)
        .json()["id"],
        answer["id"]
    );
}

#[test]
fn idempotency_key_is_ascii_and_kept_for_a_day() {
    let site = Site::new();
    for bad in ["", " ", "a b", "ä", "\u{7f}", "a\u{0}", &"x".repeat(256)] {
        let before = site.snapshot();
        let answer = post(&site, &site.bob, "/api/v1/tokens", bad, &json!({})).expect(422);
        assert_eq!(answer.fields(), ["Idempotency-Key"], "{bad:?}");
        assert_eq!(site.snapshot(), before);
    }
    let long = "~".repeat(255);
    let key = secret(&site.api_key(&site.bob, &json!({"name": "k", "expires_in": "never"})));
    post(&site, &key, "/api/v1/tokens", &long, &json!({})).expect(201);
    site.pass(86_399);
    post(&site, &key, "/api/v1/tokens", &long, &json!({})).expect(409);
    site.pass(1);
    post(
        &site,
        &key,
        "/api/v1/tokens",
        &long,
        &json!({"name": "another body"}),
    )
    .expect(201);
    post(
        &site,
        &key,
        "/api/v1/tokens",
        &long,
        &json!({"name": "another body"}),
    )
    .expect(409);
}

#[test]
fn twenty_simultaneous_requests_create_one() {
    let site = Site::new();
    let states: Vec<_> = (0..20).map(|_| site.open_state()).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking = states.into_iter().map(|server_state| {
            let bearer = site.bob.clone();
            scope.spawn(move || {
                let asking = crate::fixture::Asking::new(&server_state, "POST", "/api/v1/api-keys");
                asking
                    .bearer(&bearer)
                    .header("Idempotency-Key", "once")
                    .json(&json!({"name": "one"}))
                    .send()
                    .status
            })
        });
        let running: Vec<_> = asking.collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| matches!(status, 201 | 409)),
        "{statuses:?}"
    );
}
