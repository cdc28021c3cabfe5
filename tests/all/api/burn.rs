//! A secret ends itself, of whatever kind and in whatever state.

use keycroft::model::credential::Kind;
use keycroft::model::secret::{Form, Secret};
use serde_json::json;

use crate::fixture::{Site, id, secret, unknown_secret};

fn burn(site: &Site, secret: &str) -> u16 {
    site.ask("DELETE", "/api/v1/burn")
        .bearer(secret)
        .send()
        .status
}

fn works(site: &Site, secret: &str) -> bool {
    site.ask("GET", "/verify").bearer(secret).send().status == 204
}

#[test]
fn each_kind_ends_itself_once() {
    let site = Site::new();
    site.set_password("bob");
    let key = site.api_key(&site.bob, &json!({"name": "k", "permissions": []}));
    let session = site.sign_in("bob");
    let sessions = || {
        site.ask("GET", "/api/v1/sessions")
            .bearer(&site.token("bob"))
            .send()
            .json()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(sessions(), 1);
    let token = site.token("bob");
    for one in [&secret(&key), &token, &session] {
        assert_eq!(burn(&site, one), 204);
        assert_eq!(burn(&site, one), 401);
        assert!(!works(&site, one));
    }
    assert_eq!(sessions(), 0);
    let ended = site
        .ask("GET", "/api/v1/api-keys?ended=true")
        .bearer(&site.bob)
        .send()
        .json();
    assert_eq!(ended["items"][0]["ended_reason"], "burned");
    let event = site
        .events()
        .into_iter()
        .find(|event| event["target"]["id"] == key["id"] && event["action"] == "credential.burn")
        .unwrap();
    assert_eq!(
        (&event["credential"], &event["outcome"]),
        (&key["id"], &json!("done"))
    );
    // By Basic too.
    let key = site.narrow(&site.bob, &[]);
    site.ask("DELETE", "/api/v1/burn")
        .basic("x", &key)
        .send()
        .expect(204);
    assert!(!works(&site, &key));
}

#[test]
fn what_is_good_for_nothing_else_can_still_end_itself() {
    let site = Site::new();
    let make = |name: &str| {
        site.api_key(
            &site.bob,
            &json!({"name": name, "expires_in": "10s", "allowed_addresses": ["10.0.0.0/8"]}),
        )
    };
    let (expired, disabled) = (make("expired"), make("disabled"));
    site.ask("PATCH", &format!("/api/v1/api-keys/{}", id(&disabled)))
        .bearer(&site.bob)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    site.pass(100);
    site.ask("PATCH", "/api/v1/users/bob")
        .bearer(&site.alice)
        .json(&json!({"disabled": true}))
        .send()
        .expect(200);
    for one in [&expired, &disabled] {
        assert_eq!(burn(&site, &secret(one)), 204);
        assert_eq!(burn(&site, &secret(one)), 401);
    }
}

#[test]
fn the_previous_secret_ends_only_itself() {
    let site = Site::new();
    let old = site.api_key(&site.bob, &json!({"name": "k"}));
    let rotate = || {
        site.ask("POST", &format!("/api/v1/api-keys/{}/rotate", id(&old)))
            .bearer(&site.bob)
            .json(&json!({"grace": "1h"}))
            .send()
            .expect(200)
            .json()
    };
    let new = rotate();
    assert_eq!(burn(&site, &secret(&old)), 204);
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
    assert_eq!(burn(&site, &secret(&old)), 401);
    // After its grace it is good for nothing, and can end nothing else.
    let newer = rotate();
    site.pass(7_200);
    burn(&site, &secret(&new));
    assert!(works(&site, &secret(&newer)));
    // The present one ends the whole.
    let newest = rotate();
    assert_eq!(burn(&site, &secret(&newest)), 204);
    assert!(!works(&site, &secret(&newer)));
}

#[test]
fn codes_and_strangers_end_nothing() {
    let site = Site::new();
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .app()
        .reset_password(&site.app().operator(0), &name, None)
        .unwrap()
        .reveal();
    let before = site.snapshot();
    let never = Secret::generate(Form::Code).reveal();
    for one in [
        code.as_str(),
        &never,
        &unknown_secret(Kind::ApiKey),
        &unknown_secret(Kind::Session),
        "nonsense",
        "",
    ] {
        assert_eq!(burn(&site, one), 401);
    }
    assert_eq!(site.ask("DELETE", "/api/v1/burn").send().status, 401);
    site.ask("DELETE", "/api/v1/burn?x=1")
        .bearer(&site.bob)
        .send()
        .expect(422);
    // The right id with another's secret.
    let other = Secret::generate_for(
        Form::Credential(Kind::Token),
        keycroft::model::secret::Presented::parse(&site.bob)
            .unwrap()
            .id,
    )
    .reveal();
    assert_eq!(burn(&site, &other), 401);
    assert_eq!(site.snapshot(), before);
    assert!(works(&site, &site.bob));
}
