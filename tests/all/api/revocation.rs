//! `POST /oauth/revoke`: possession of a secret suffices, for every kind except codes and in every state.

use keycroft::model::credential::Kind;
use keycroft::model::secret::{Secret, SecretForm};
use serde_json::json;

use crate::fixture::{Site, id, secret, unknown_secret};

fn revoke(site: &Site, secret: &str) {
    let asking = site.ask("POST", "/oauth/revoke");
    let answer = asking.form(&[("token", secret)]).send().expect(200);
    assert!(answer.body.is_empty());
}

fn works(site: &Site, secret: &str) -> bool {
    site.ask("GET", "/verify").bearer(secret).send().status == 204
}

#[test]
fn each_kind_is_revoked_by_its_secret() {
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
        revoke(&site, one);
        revoke(&site, one);
        assert!(!works(&site, one));
    }
    assert_eq!(sessions(), 0);
    let ended = site
        .ask("GET", "/api/v1/api-keys?ended=true")
        .bearer(&site.bob)
        .send()
        .json();
    assert_eq!(ended["items"][0]["deletion_reason"], "revoked");
    let event = site
        .events()
        .into_iter()
        .find(|event| event["target"]["id"] == key["id"] && event["action"] == "credential.revoke")
        .unwrap();
    assert_eq!(
        (&event["credential"], &event["outcome"]),
        (&key["id"], &json!("done"))
    );
}

#[test]
fn expired_or_disabled_secret_of_a_disabled_user_is_revoked() {
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
        revoke(&site, &secret(one));
        revoke(&site, &secret(one));
        let events = site.events().into_iter();
        let revocations = events.filter(|event| {
            event["action"] == "credential.revoke" && event["target"]["id"] == one["id"]
        });
        assert_eq!(revocations.count(), 1);
    }
}

#[test]
fn previous_secret_revokes_only_itself() {
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
    revoke(&site, &secret(&old));
    assert!(!works(&site, &secret(&old)));
    assert!(works(&site, &secret(&new)));
    revoke(&site, &secret(&old));
    // After its grace period it is invalid, and revokes nothing else.
    let newer = rotate();
    site.pass(7_200);
    revoke(&site, &secret(&new));
    assert!(works(&site, &secret(&newer)));
    // The present secret revokes the credential.
    let newest = rotate();
    revoke(&site, &secret(&newest));
    assert!(!works(&site, &secret(&newer)));
}

#[test]
fn codes_and_unknown_secrets_revoke_nothing() {
    let site = Site::new();
    let name = keycroft::model::user::Username::parse("bob").unwrap();
    let code = site
        .app()
        .reset_password(&site.app().operator(0), &name, None)
        .unwrap()
        .reveal();
    let before = site.snapshot();
    let never = Secret::generate(SecretForm::Code).reveal();
    for one in [
        code.as_str(),
        &never,
        &unknown_secret(Kind::ApiKey),
        &unknown_secret(Kind::Session),
        "nonsense",
        "",
    ] {
        revoke(&site, one);
    }
    // The route of the first edition does not exist any more.
    let asking = site.ask("DELETE", "/api/v1/burn").bearer(&site.bob);
    asking.send().expect(404);
    // The right id with the secret of another.
    let other = Secret::generate_for(
        SecretForm::Credential(Kind::Token),
        keycroft::model::secret::Presented::parse(&site.bob)
            .unwrap()
            .id,
    )
    .reveal();
    revoke(&site, &other);
    assert_eq!(site.snapshot(), before);
    assert!(works(&site, &site.bob));
}
