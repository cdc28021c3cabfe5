//! SSH keys: in the API, on the command line, and for sshd.

mod api;
mod command;
mod file;
mod import;
mod keys;
mod options;
mod rejected;

use serde_json::{Value, json};

use crate::fixture::{Answer, Site};

/// Adds a key of the caller.
fn add(site: &Site, bearer: &str, body: &Value) -> Answer {
    site.ask("POST", "/api/v1/ssh-keys")
        .bearer(bearer)
        .json(body)
        .send()
}

/// Adds a key under a name. Returns the answer.
fn added(site: &Site, bearer: &str, name: &str, key: &str) -> Value {
    add(site, bearer, &json!({"name": name, "public_key": key}))
        .expect(201)
        .json()
}

/// Reads or changes one of the caller's keys.
fn one(site: &Site, method: &str, bearer: &str, id: &Value, body: Option<&Value>) -> Answer {
    let path = format!("/api/v1/ssh-keys/{}", id.as_str().unwrap());
    let asking = site.ask(method, &path).bearer(bearer);
    match body {
        Some(body) => asking.json(body).send(),
        None => asking.send(),
    }
}

/// All of the caller's keys.
fn all(site: &Site, bearer: &str) -> Vec<Value> {
    let answer = site.ask("GET", "/api/v1/ssh-keys").bearer(bearer).send();
    let items = answer.expect(200).json()["items"].clone();
    items.as_array().unwrap().clone()
}

/// Changes the policy as alice.
fn policy(site: &Site, change: &Value) {
    site.ask("PATCH", "/api/v1/policy")
        .bearer(&site.alice)
        .json(change)
        .send()
        .expect(200);
}
