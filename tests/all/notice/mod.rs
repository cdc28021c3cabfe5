//! Notices: recipients, channels, and delivery exactly once.

mod act;
mod channel;
mod console;
mod delivery;
mod due;
mod matrix;
mod preference;
mod receiver;

use keycroft::model::notice_delivery::{DueNotice, TryResult};
use serde_json::{Value, json};

use crate::fixture::{Site, id};

/// A public key whose private half does not exist any more.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGlrJoBX6wu97NBZzY1USoVEfQf430RGyZ/A57sXU9Y bob";

/// Creates a channel to a port where nothing listens. Returns its id.
pub fn add_channel(site: &Site, kind: &str) -> String {
    let body = match kind {
        "email" => json!({"name": kind, "kind": kind}),
        _ => json!({"name": kind, "kind": kind, "url": "http://127.0.0.1:9/keys"}),
    };
    id(&site.asked(
        &site.token("alice"),
        "POST",
        "/api/v1/notices/channels",
        &body,
        201,
    ))
}

/// The same, without notices about services, hosts and the server.
pub fn add_members_channel(site: &Site) -> String {
    let body = json!({"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:9/keys", "admins": false});
    id(&site.asked(
        &site.token("alice"),
        "POST",
        "/api/v1/notices/channels",
        &body,
        201,
    ))
}

/// Searches for due notices, as the server does, and returns those that wait.
pub fn due(site: &Site) -> Vec<DueNotice> {
    let now = site.clock.now();
    site.app().collect_notices(now, || true).unwrap();
    site.app().due_notices(now, &[]).unwrap()
}

/// Delivers everything that is due. Returns the subjects.
pub fn delivered(site: &Site) -> Vec<String> {
    let notices = due(site);
    let subjects = notices
        .iter()
        .map(|notice| notice.subject.clone())
        .collect();
    for notice in notices {
        let result = TryResult::Delivered { status: Some(200) };
        site.app()
            .record_notice_try(notice, result, site.clock.now())
            .unwrap();
    }
    subjects
}

/// The deliveries, as the API lists them to alice.
pub fn deliveries(site: &Site) -> Vec<Value> {
    let path = "/api/v1/notices/deliveries?limit=200";
    let listed = site.asked(&site.token("alice"), "GET", path, &Value::Null, 200);
    listed["items"].as_array().unwrap().clone()
}
