//! Channels by the API: hidden values, and deletion.

use keycroft::model::notice_delivery::TryResult;
use serde_json::{Value, json};

use super::{add_channel, add_members_channel, deliveries, due};
use crate::fixture::Site;

const CHANNELS: &str = "/api/v1/notices/channels";

#[test]
fn channel_url_and_signing_key_are_not_revealed() {
    let site = Site::new();
    let url = "https://hooks.lab.example/services/T0/B0/s3cr3t";
    let body = json!({"name": "tickets", "kind": "webhook", "url": url});
    let answer = site.asked(&site.alice, "POST", CHANNELS, &body, 201);
    let key = answer["secret"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 40);
    assert_eq!(answer["url"], "https://hooks.lab.example/\u{2026}");
    let id = answer["id"].as_str().unwrap();
    let path = format!("{CHANNELS}/{id}");
    let patch = json!({"url": format!("{url}2")});
    let changed = site.asked(&site.alice, "PATCH", &path, &patch, 200);
    let shown = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    let listed = site.asked(&site.alice, "GET", CHANNELS, &Value::Null, 200);
    assert_eq!(listed["items"][0], shown);
    let events = Value::from(site.events());
    for text in [changed, shown, listed, events] {
        let text = text.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains(&key), "{text}");
    }
    let events = site.events();
    let mut events = events.iter();
    let event = events
        .find(|event| event["action"] == "notice.edit-channel")
        .unwrap();
    assert_eq!(event["after"]["url"], "https://hooks.lab.example/\u{2026}");
}

#[test]
fn event_of_a_channel_names_it() {
    let site = Site::new();
    let channel = add_channel(&site, "ntfy");
    let path = format!("{CHANNELS}/{channel}");
    let (alice, rename) = (&site.alice, json!({"name": "phone"}));
    site.asked(alice, "PATCH", &path, &rename, 200);
    site.asked(alice, "POST", &format!("{path}/test"), &json!({}), 200);
    site.asked(alice, "DELETE", &path, &Value::Null, 204);
    let events = site.events();
    let events = events.iter();
    let of_notices =
        events.filter(|event| event["action"].as_str().unwrap().starts_with("notice."));
    let targets: Vec<&Value> = of_notices.map(|event| &event["target"]).collect();
    let named = |name: &str| json!({"kind": "notice-channel", "id": channel, "name": name});
    let (old, new) = (named("ntfy"), named("phone"));
    assert_eq!(targets, [&new, &new, &new, &old]);
}

#[test]
fn channel_of_another_kind_has_no_signing_key() {
    let site = Site::new();
    let body = json!({"name": "phone", "kind": "ntfy", "url": "https://ntfy.lab.example/x"});
    let answer = site.asked(&site.alice, "POST", CHANNELS, &body, 201);
    assert_eq!(answer["secret"], Value::Null);
    assert_eq!(answer["members"], true);
    let again = site.asked(&site.alice, "POST", CHANNELS, &body, 409);
    assert_eq!(again["type"], "urn:keycroft:problem:name-taken");
}

#[test]
fn invalid_channel_is_rejected_with_its_field() {
    let site = Site::new();
    for (body, field) in [
        (
            json!({"name": "", "kind": "ntfy", "url": "http://a/"}),
            "name",
        ),
        (
            json!({"name": "a", "kind": "pager", "url": "http://a/"}),
            "kind",
        ),
        (json!({"name": "a", "kind": "ntfy"}), "url"),
        (
            json!({"name": "a", "kind": "chat", "url": "ftp://a/"}),
            "url",
        ),
        (
            json!({"name": "a", "kind": "webhook", "url": "http://u:p@a/"}),
            "url",
        ),
        (
            json!({"name": "a", "kind": "webhook", "url": "http://a/\r\nX: y"}),
            "url",
        ),
        (
            json!({"name": "a", "kind": "ntfy", "url": "http://a/", "key": "x"}),
            "key",
        ),
    ] {
        let answer = site
            .ask("POST", CHANNELS)
            .bearer(&site.alice)
            .json(&body)
            .send();
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.fields(), [field], "{body}");
    }
}

#[test]
fn deleted_channel_drops_its_pending_notices() {
    let site = Site::new();
    let (kept, deleted) = (add_channel(&site, "ntfy"), add_channel(&site, "webhook"));
    for id in [&kept, &deleted] {
        let path = format!("{CHANNELS}/{id}/test");
        site.asked(&site.alice, "POST", &path, &json!({}), 200);
    }
    let waiting = due(&site);
    assert_eq!(waiting.len(), 2);
    let path = format!("{CHANNELS}/{deleted}");
    let shown = site.asked(&site.alice, "GET", &path, &Value::Null, 200);
    assert_eq!(shown["waiting"], 1);
    site.asked(&site.alice, "DELETE", &path, &Value::Null, 204);
    assert_eq!(due(&site).len(), 1);
    // A try that was under way is recorded, and nothing waits any more.
    for notice in waiting {
        let result = TryResult::Failed {
            status: Some(500),
            detail: "busy".to_owned(),
            is_of_channel: true,
        };
        site.app()
            .record_notice_try(notice, result, site.clock.now())
            .unwrap();
    }
    assert_eq!(deliveries(&site).len(), 2);
    site.pass(86_400);
    assert_eq!(due(&site).len(), 1);
}

#[test]
fn log_keeps_the_last_100_tries_and_their_next_one() {
    let site = Site::new();
    let channel = add_members_channel(&site);
    let path = format!("{CHANNELS}/{channel}/test");
    site.asked(&site.alice, "POST", &path, &json!({}), 200);
    for attempt in 1..=12 {
        site.pass(43_200 + 8_640);
        for notice in due(&site) {
            let result = TryResult::Failed {
                status: Some(503),
                detail: "busy\r\n\u{202e}".to_owned(),
                is_of_channel: true,
            };
            site.app()
                .record_notice_try(notice, result, site.clock.now())
                .unwrap();
        }
        let newest = &deliveries(&site)[0];
        let is_last = newest["outcome"] == "given-up";
        assert_eq!(is_last, newest["next_try_at"].is_null());
        assert_eq!(newest["detail"], "busy");
        assert_eq!(is_last, attempt >= 5, "{attempt}: {newest}");
    }
    assert!(due(&site).is_empty());
    for _ in 0..120 {
        site.asked(&site.token("alice"), "POST", &path, &json!({}), 200);
        super::delivered(&site);
        site.pass(1);
    }
    let log = deliveries(&site);
    assert_eq!(log.len(), 100);
    assert!(log.iter().all(|one| one["outcome"] == "delivered"));
}
