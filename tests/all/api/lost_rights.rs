//! Bar S4: a right that is lost between check and commit does not count.

use keycroft::app::App;
use keycroft::model::caller::Caller;
use keycroft::model::credential::{Kind, NewCredential, RequestedGrace, Rotation};
use keycroft::model::error::Error;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::permission::Permissions;
use keycroft::model::secret::{Id, Presented};
use keycroft::model::time::RequestedExpiration;
use keycroft::model::user::{UserChange, Username};
use serde_json::json;

use crate::fixture::{Site, id_of};

use super::escalation::may;

/// A caller who was authenticated before the following acts.
pub(super) fn caller(site: &Site, bearer: &str) -> Caller {
    let presented = Presented::parse(bearer).unwrap();
    let origin = Origin {
        channel: Channel::Api,
        address: Some("127.0.0.1".parse().unwrap()),
        program: None,
        request_id: None,
    };
    site.app()
        .caller(&presented, Kind::is_bearer, origin, site.app().now())
        .unwrap()
}

fn wanted(name: &str, permissions: &[&str]) -> NewCredential {
    NewCredential {
        kind: Kind::ApiKey,
        name: Some(name.to_owned()),
        note: None,
        end: RequestedExpiration::Unsaid,
        permissions: Some(Permissions::parse(permissions).unwrap()),
        allowed_addresses: None,
    }
}

/// The result for `caller`, checked before, at the commit of the act.
fn issue(site: &Site, caller: &Caller, permissions: &[&str]) -> Result<(), Error> {
    let scope = App::own(caller, Kind::ApiKey).unwrap();
    site.app()
        .issue(caller, &scope, wanted("late", permissions), None)
        .map(|_| ())
}

/// Ways for bob to lose a right: the caller and request (`{id}`: his key), and whether any right is left.
const LOSSES: [(&str, &str, &str, &str, &str, bool); 9] = [
    (
        "demoted",
        "alice",
        "PATCH",
        "/users/bob",
        "{\"role\": \"member\"}",
        true,
    ),
    (
        "disabled",
        "alice",
        "PATCH",
        "/users/bob",
        "{\"disabled\": true}",
        false,
    ),
    ("deleted", "alice", "DELETE", "/users/bob", "{}", false),
    ("left", "alice", "POST", "/users/bob/offboard", "{}", false),
    (
        "key deleted",
        "alice",
        "DELETE",
        "/users/bob/api-keys/{id}",
        "{}",
        false,
    ),
    (
        "key disabled",
        "bob",
        "PATCH",
        "/api-keys/{id}",
        "{\"disabled\": true}",
        false,
    ),
    (
        "key rotated",
        "bob",
        "POST",
        "/api-keys/{id}/rotate",
        "{\"grace\": \"0s\"}",
        false,
    ),
    (
        "key narrowed",
        "bob",
        "PATCH",
        "/api-keys/{id}",
        "{\"permissions\": [\"api-keys:write\"]}",
        true,
    ),
    (
        "address gone",
        "bob",
        "PATCH",
        "/api-keys/{id}",
        "{\"allowed_addresses\": [\"10.0.0.0/8\"]}",
        false,
    ),
];

#[test]
fn permission_lost_before_commit_rejects_the_act() {
    for (what, who, method, path, body, forbidden) in LOSSES {
        let site = Site::new();
        may(
            &site,
            &site.alice,
            "PATCH",
            "/api/v1/users/bob",
            &json!({"role": "admin"}),
        );
        let key = site.narrow(
            &site.token("bob"),
            &["api-keys:write", "users:read", "users:write"],
        );
        let caller = caller(&site, &key);
        let path = format!("/api/v1{}", path.replace("{id}", &id_of(&key)));
        let body = serde_json::from_str(body).unwrap();
        may(&site, &site.token(who), method, &path, &body);
        let before = site.snapshot();
        let rejected = issue(&site, &caller, &["users:read"]).unwrap_err();
        match (forbidden, &rejected) {
            (true, Error::Forbidden { .. }) | (false, Error::Unauthenticated { .. }) => {}
            _ => panic!("{what}: {rejected:?}"),
        }
        let name = Username::parse("alice").unwrap();
        let change = UserChange {
            display_name: Some("x".to_owned()),
            ..UserChange::default()
        };
        let act = site.app().change_user(&caller, &name, change);
        assert!(
            matches!(
                act,
                Err(Error::Forbidden { .. } | Error::Unauthenticated { .. })
            ),
            "{what}"
        );
        assert_eq!(site.snapshot(), before, "{what}");
    }
}

#[test]
fn permission_dropped_by_its_service_is_not_granted() {
    let site = Site::new();
    may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/services",
        &json!({"name": "lab", "permissions": ["lab:use"]}),
    );
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"permissions": ["lab:use"]}),
    );
    let bob = caller(&site, &site.token("bob"));
    let alice = caller(&site, &site.alice);
    let service = site.app().service(&alice, "lab").unwrap();
    may(
        &site,
        &site.alice,
        "PATCH",
        "/api/v1/services/lab",
        &json!({"permissions": []}),
    );
    assert!(matches!(
        issue(&site, &bob, &["lab:use"]),
        Err(Error::Invalid(_) | Error::Forbidden { .. })
    ));
    let late = site.app().issue(
        &alice,
        &App::of_service(service.id),
        wanted("late", &["lab:use"]),
        None,
    );
    assert!(matches!(late, Err(Error::Invalid(_))));
    // Nor is a key created for a deleted service.
    may(
        &site,
        &site.alice,
        "DELETE",
        "/api/v1/services/lab",
        &json!({}),
    );
    let late = site.app().issue(
        &alice,
        &App::of_service(service.id),
        wanted("late", &[]),
        None,
    );
    assert!(matches!(late, Err(Error::NotFound(_))));
    let rotation = Rotation {
        grace: RequestedGrace::NONE,
        end: RequestedExpiration::Unsaid,
    };
    let late = site.app().rotate(
        &alice,
        &App::of_service(service.id),
        Id::random(),
        rotation,
        None,
    );
    assert!(matches!(late, Err(Error::NotFound(_))));
}
