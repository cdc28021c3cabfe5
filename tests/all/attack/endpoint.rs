//! Endpoints that answer without waiting, and their callers.

use keycroft::model::credential::Kind;

use crate::fixture::{Site, unknown_secret};

/// Introspection is answered on the lane of verification. If its rejections were events, anyone with an API key could
/// make that thread wait for the disk, or for a lock on the database.
#[test]
fn rejected_introspection_never_waits_for_the_writer() {
    let site = Site::new();
    let before = site.dump(|table| table == "events");
    let answer = site
        .ask("POST", "/oauth/introspect")
        .bearer(&site.bob)
        .form(&[("token", &unknown_secret(Kind::ApiKey))])
        .send();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(
        answer.header("WWW-Authenticate").unwrap(),
        "Bearer realm=\"keycroft\", error=\"insufficient_scope\", scope=\"introspect\""
    );
    assert_eq!(site.dump(|table| table == "events"), before);
}

/// A page whose name points to 127.0.0.1 (DNS rebinding) is a loopback peer too, but sends its own name.
#[test]
fn metrics_without_credential_need_a_loopback_name() {
    let site = Site::new();
    let ask = |host: &str| {
        let asked = site.ask("GET", "/metrics").header("Host", host);
        asked.send().status
    };
    for own in [
        "127.0.0.1:8420",
        "127.0.0.9",
        "localhost:8420",
        "localhost",
        "[::1]:8420",
        "[::1]",
    ] {
        assert_eq!(ask(own), 200, "{own}");
    }
    for foreign in [
        "evil.example",
        "evil.example:8420",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8420",
        "127.0.0.1:8420.evil.example",
        "10.0.0.1:8420",
        "",
    ] {
        assert_eq!(ask(foreign), 401, "{foreign}");
    }
}
