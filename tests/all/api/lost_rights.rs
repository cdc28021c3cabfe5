//! Bar S4: a right that is lost between check and commit does not count.

use keycroft::app::{App, WithDerived};
use keycroft::model::caller::Caller;
use keycroft::model::credential::{Kind, NewCredential, RequestedGrace, Rotation};
use keycroft::model::error::Error;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::permission::{BuiltinPermission, Permissions};
use keycroft::model::secret::{Id, Presented};
use keycroft::model::service::ServiceId;
use keycroft::model::time::RequestedExpiration;
use keycroft::model::user::{Disabled, Role, UserChange, Username};
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

/// The app layer checks the permissions of each scope itself, again inside the transaction.
#[test]
fn scope_needs_its_own_permissions_behind_the_route() {
    let site = Site::new();
    let reads = [
        "api-keys:read",
        "services:read",
        "sessions:read",
        "tokens:read",
        "users:read",
    ];
    let reader = caller(&site, &site.narrow(&site.alice, &reads));
    let nobody = caller(&site, &site.narrow(&site.alice, &["account:read"]));
    let own = |kind| App::own(&reader, kind).unwrap();
    let user = reader.user().unwrap().id;
    let app = site.app();
    for (scope, kind, needed) in [
        (
            own(Kind::ApiKey),
            Kind::ApiKey,
            BuiltinPermission::ApiKeysWrite,
        ),
        (
            own(Kind::Token),
            Kind::Token,
            BuiltinPermission::TokensWrite,
        ),
        (
            own(Kind::Session),
            Kind::Session,
            BuiltinPermission::SessionsWrite,
        ),
        (
            App::of_service(ServiceId(1)),
            Kind::ApiKey,
            BuiltinPermission::ServicesWrite,
        ),
        (
            App::of_user(user),
            Kind::ApiKey,
            BuiltinPermission::UsersWrite,
        ),
    ] {
        let id = Id::random();
        let rejected = app.end(&reader, &scope, kind, id, WithDerived::No);
        let expected = Error::Forbidden {
            missing: needed.into(),
        };
        assert_eq!(rejected, Err(expected), "{kind}");
        let forbidden = |error: Option<Error>| matches!(error, Some(Error::Forbidden { .. }));
        let list = app.credentials(&nobody, &scope, kind, false, None, 1);
        assert!(forbidden(list.err()), "{kind}");
        assert!(forbidden(app.credential(&nobody, &scope, kind, id).err()));
        assert!(forbidden(app.usages(&nobody, &scope, &[]).err()));
    }
}

#[test]
fn narrow_key_gives_and_restores_no_access_beyond_its_own() {
    let site = Site::new();
    let secret = site.narrow(&site.alice, &["users:read", "users:write"]);
    site.ask("POST", "/api/v1/users")
        .bearer(&secret)
        .json(&json!({"username": "carol", "display_name": "Carol", "role": "admin"}))
        .send()
        .expect(403);
    let helper = caller(&site, &secret);
    let (app, bob) = (site.app(), Username::parse("bob").unwrap());
    let forbidden = |error: Option<Error>| matches!(error, Some(Error::Forbidden { .. }));
    let granted = Permissions::parse(&["introspect"]).unwrap();
    for (role, granted) in [(Role::Admin, Permissions::none()), (Role::Member, granted)] {
        let change = UserChange {
            role: Some(role),
            granted: Some(granted),
            ..UserChange::default()
        };
        let widened = app.change_user(&helper, &bob, change.clone());
        assert!(forbidden(widened.err()));
        let change = UserChange {
            disabled: Some(Disabled::Yes),
            ..change
        };
        app.change_user(&app.operator(0), &bob, change).unwrap();
        let enabling = UserChange {
            disabled: Some(Disabled::No),
            ..UserChange::default()
        };
        assert!(forbidden(app.change_user(&helper, &bob, enabling).err()));
        assert!(forbidden(app.reset_password(&helper, &bob, None).err()));
        assert!(forbidden(app.reset_second_factor(&helper, &bob).err()));
    }
}
