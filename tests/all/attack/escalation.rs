//! Bar S4: ways to more power through a link, a limit, a rotation or created credentials.

use keycroft::model::user::{Role, Username};
use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Site, id, id_of, secret};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf thief";

fn ask(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let asking = site.ask(method, path).bearer(bearer);
    let answer = if body.is_null() {
        asking.send()
    } else {
        asking.json(body).send()
    };
    let message = if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    (answer.status, message)
}

#[track_caller]
fn may(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> Value {
    let (status, message) = ask(site, bearer, method, path, body);
    assert!(status < 300, "{method} {path}: {status} {message}");
    message
}

fn is_good(site: &Site, secret: &str) -> bool {
    site.ask("GET", "/verify").bearer(secret).send().status == 204
}

/// The code in the link of an answer.
fn code_of(created: &Value) -> String {
    let link = ["invitation", "link"]
        .iter()
        .find_map(|name| created[*name].as_str())
        .unwrap_or_else(|| panic!("no link: {created}"));
    link.split_once("code=").unwrap().1.to_owned()
}

fn reset_link(site: &Site, bearer: &str, user: &str) -> String {
    let path = format!("/api/v1/users/{user}/reset-password");
    code_of(&may(site, bearer, "POST", &path, &json!({})))
}

fn spend(site: &Site, endpoint: &str, code: &str) -> u16 {
    let body = json!({ "password": PASSWORD });
    ask(site, code, "POST", endpoint, &body).0
}

const RESET: &str = "/api/v1/password-reset";
const INVITATION: &str = "/api/v1/invitation";
const ENROLL: &str = "/api/v1/hosts/enroll";

/// A site with a second admin, dora; a token of hers.
fn with_dora() -> (Site, String) {
    let site = Site::new();
    site.add_user("dora", Role::Admin);
    let dora = site.token("dora");
    (site, dora)
}

fn change(site: &Site, user: &str, change: &Value) {
    let path = format!("/api/v1/users/{user}");
    may(site, &site.alice, "PATCH", &path, change);
}

/// Ways for dora to lose the permission behind her links.
const LOSSES: &[(&str, fn(&Site))] = &[
    ("demoted", |site| {
        change(site, "dora", &json!({"role": "member"}));
    }),
    ("disabled", |site| {
        change(site, "dora", &json!({"disabled": true}));
    }),
    ("deleted", |site| {
        may(
            site,
            &site.alice,
            "DELETE",
            "/api/v1/users/dora",
            &Value::Null,
        );
    }),
    ("gone", |site| {
        may(
            site,
            &site.alice,
            "POST",
            "/api/v1/users/dora/offboard",
            &json!({}),
        );
    }),
];

#[test]
fn link_is_invalid_once_its_creator_loses_permission() {
    for (loss, lose) in LOSSES {
        let (site, dora) = with_dora();
        let reset_of_an_admin = reset_link(&site, &dora, "alice");
        let reset_of_a_member = reset_link(&site, &dora, "bob");
        site.add_user("carol", Role::Member);
        let path = "/api/v1/users/carol/second-factor";
        let reset_of_factors = code_of(&may(&site, &dora, "DELETE", path, &Value::Null));
        let body = json!({"username": "new-admin", "role": "admin"});
        let invited = code_of(&may(&site, &dora, "POST", "/api/v1/users", &body));
        let host = may(
            &site,
            &dora,
            "POST",
            "/api/v1/hosts/enrollment-codes",
            &json!({}),
        );
        lose(&site);
        let before = site.snapshot();
        assert_eq!(spend(&site, RESET, &reset_of_an_admin), 401, "{loss}");
        assert_eq!(spend(&site, RESET, &reset_of_a_member), 401, "{loss}");
        assert_eq!(spend(&site, RESET, &reset_of_factors), 401, "{loss}");
        assert_eq!(spend(&site, INVITATION, &invited), 401, "{loss}");
        let (status, _) = ask(
            &site,
            &secret(&host),
            "POST",
            ENROLL,
            &json!({"name": "gpu1"}),
        );
        assert_eq!(status, 401, "{loss}");
        assert_eq!(site.snapshot(), before, "{loss}");
    }
}

#[test]
fn link_outlives_its_session_or_token_and_works_once() {
    let (site, dora) = with_dora();
    let reset = reset_link(&site, &dora, "bob");
    let body = json!({"username": "carol"});
    let invited = code_of(&may(&site, &dora, "POST", "/api/v1/users", &body));
    // Like `keycroft logout`.
    site.ask("POST", "/oauth/revoke")
        .form(&[("token", &dora)])
        .send()
        .expect(200);
    assert_eq!(spend(&site, RESET, &reset), 204);
    assert_eq!(spend(&site, RESET, &reset), 401);
    assert_eq!(spend(&site, INVITATION, &invited), 204);
}

#[test]
fn link_to_a_promoted_user_is_invalid() {
    let site = Site::new();
    let service = json!({"name": "lab", "permissions": ["lab:use"]});
    may(&site, &site.alice, "POST", "/api/v1/services", &service);
    // The permissions of a member, plus the right to change users.
    let mut permissions: Vec<String> = Role::Member
        .permissions()
        .words()
        .map(str::to_owned)
        .collect();
    permissions.push("users:write".to_owned());
    let words: Vec<&str> = permissions.iter().map(String::as_str).collect();
    for gain in [
        json!({"role": "admin"}),
        json!({"permissions": ["introspect"]}),
        json!({"permissions": ["lab:use"]}),
    ] {
        let helpdesk = site.narrow(&site.alice, &words);
        let reset = reset_link(&site, &helpdesk, "bob");
        change(&site, "bob", &gain);
        assert_eq!(spend(&site, RESET, &reset), 401, "{gain}");
        change(&site, "bob", &json!({"role": "member", "permissions": []}));
        assert_eq!(spend(&site, RESET, &reset), 204, "{gain}: and back");
        // The same through an invitation: a member's, then an admin's.
        let name = format!("new{}", site.events().len());
        let body = json!({ "username": name });
        let invited = code_of(&may(&site, &helpdesk, "POST", "/api/v1/users", &body));
        change(&site, &name, &gain);
        assert_eq!(spend(&site, INVITATION, &invited), 401, "{gain}");
    }
}

#[test]
fn link_expires_with_its_root_api_key() {
    let site = Site::new();
    let all = || {
        site.api_key(
            &site.alice,
            &json!({"name": format!("k{}", site.events().len())}),
        )
    };
    for end in ["delete", "revoke", "disable"] {
        let key = all();
        let token = may(&site, &secret(&key), "POST", "/api/v1/tokens", &json!({}));
        let links = [reset_link(&site, &secret(&key), "bob"), {
            site.add_user(&format!("carol-{end}"), Role::Member);
            reset_link(&site, &secret(&token), &format!("carol-{end}"))
        }];
        let path = format!("/api/v1/api-keys/{}", id(&key));
        match end {
            "delete" => may(&site, &site.alice, "DELETE", &path, &Value::Null),
            "revoke" => {
                let asking = site.ask("POST", "/oauth/revoke");
                asking.form(&[("token", &secret(&key))]).send().expect(200);
                Value::Null
            }
            _ => may(
                &site,
                &site.alice,
                "PATCH",
                &path,
                &json!({"disabled": true}),
            ),
        };
        // Tokens of a disabled key live on; so do credentials that they created.
        let through_the_token = if end == "disable" { 204 } else { 401 };
        assert_eq!(spend(&site, RESET, &links[0]), 401, "{end}");
        assert_eq!(spend(&site, RESET, &links[1]), through_the_token, "{end}");
    }
}

#[test]
fn code_expires_with_its_root_api_key_and_the_keys_permissions() {
    let year = json!({"expires_in": "365d", "uses": 9});
    let ends: [(&str, fn(&Site, &str)); 4] = [
        ("expired", |site, _| site.pass(3_600)),
        ("swept", |site, _| {
            site.pass(31 * 86_400);
            let admin = site.token("alice");
            for _ in 0..2 {
                may(site, &admin, "POST", "/api/v1/sweep", &json!({}));
            }
        }),
        ("offboarded", |site, _| {
            let path = "/api/v1/users/dora/offboard";
            may(site, &site.alice, "POST", path, &json!({}));
            change(site, "dora", &json!({"disabled": false}));
        }),
        ("narrowed", |site, key| {
            let own = format!("/api/v1/api-keys/{key}");
            let less = json!({"permissions": ["users:write"]});
            may(site, &site.token("dora"), "PATCH", &own, &less);
        }),
    ];
    for (end, act) in ends {
        let (site, dora) = with_dora();
        let key = site.api_key(&dora, &json!({"name": "k", "expires_in": "1h"}));
        let code = |bearer: &str| {
            let path = "/api/v1/hosts/enrollment-codes";
            secret(&may(&site, bearer, "POST", path, &year))
        };
        let codes = [code(&secret(&key)), {
            let token = may(&site, &secret(&key), "POST", "/api/v1/tokens", &json!({}));
            code(&secret(&token))
        }];
        let enroll =
            |code: &str, name: &str| ask(&site, code, "POST", ENROLL, &json!({ "name": name })).0;
        assert_eq!(enroll(&codes[0], "gpu1"), 201, "{end}");
        assert_eq!(enroll(&codes[1], "gpu2"), 201, "{end}");
        act(&site, &id(&key));
        assert_eq!(enroll(&codes[0], "gpu3"), 401, "{end}");
        // A token has the permissions with which it was created.
        let through_the_token = if end == "narrowed" { 201 } else { 401 };
        assert_eq!(enroll(&codes[1], "gpu4"), through_the_token, "{end}");
    }
}

/// An account is valid from everywhere: a limited caller could leave the limit by creating one.
#[test]
fn limited_caller_creates_nothing_valid_everywhere() {
    let (site, _) = with_dora();
    let service = json!({"name": "lab", "permissions": ["lab:use"]});
    may(&site, &site.alice, "POST", "/api/v1/services", &service);
    change(&site, "dora", &json!({"disabled": true}));
    let limit = json!({"name": "limited", "allowed_addresses": ["127.0.0.0/8"]});
    let limited = secret(&site.api_key(&site.alice, &limit));
    let users = "/api/v1/users";
    let codes = "/api/v1/hosts/enrollment-codes";
    let code = secret(&may(&site, &site.alice, "POST", codes, &json!({})));
    let host = may(&site, &code, "POST", ENROLL, &json!({"name": "gpu1"}));
    let host = format!("/api/v1/hosts/{}", id_of(&secret(&host)));
    let narrow = json!({"allowed_addresses": ["10.0.0.0/8"]});
    may(&site, &site.alice, "PATCH", &host, &narrow);
    for (method, path, body) in [
        ("POST", users, json!({"username": "eve"})),
        (
            "POST",
            users,
            json!({"username": "eve", "password": PASSWORD}),
        ),
        ("POST", users, json!({"username": "eve", "role": "admin"})),
        ("POST", "/api/v1/users/bob/reset-password", json!({})),
        ("POST", "/api/v1/users/alice/reset-password", json!({})),
        ("PATCH", "/api/v1/users/bob", json!({"role": "admin"})),
        (
            "PATCH",
            "/api/v1/users/bob",
            json!({"permissions": ["introspect"]}),
        ),
        (
            "PATCH",
            "/api/v1/users/bob",
            json!({"permissions": ["lab:use"]}),
        ),
        ("PATCH", "/api/v1/users/dora", json!({"disabled": false})),
        ("POST", "/api/v1/hosts/enrollment-codes", json!({})),
        ("PATCH", &host, json!({"allowed_addresses": null})),
        (
            "PATCH",
            &host,
            json!({"allowed_addresses": ["127.0.0.0/8", "10.0.0.0/7"]}),
        ),
        (
            "POST",
            "/api/v1/ssh-keys",
            json!({"public_key": KEY, "allowed_addresses": ["::/0"]}),
        ),
        (
            "POST",
            "/api/v1/services/lab/api-keys",
            json!({"name": "k", "allowed_addresses": ["::/0"]}),
        ),
    ] {
        let before = site.snapshot();
        let (status, message) = ask(&site, &limited, method, path, &body);
        assert_eq!(status, 403, "{method} {path} {body}: {message}");
        assert_eq!(site.snapshot(), before, "{method} {path} {body}");
    }
    // Removal needs no more, and created credentials inherit the limit.
    for narrower in ["10.0.0.0/16", "127.0.0.0/24"] {
        let body = json!({"allowed_addresses": [narrower]});
        may(&site, &limited, "PATCH", &host, &body);
    }
    may(
        &site,
        &limited,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"disabled": true}),
    );
    let key = may(
        &site,
        &limited,
        "POST",
        "/api/v1/ssh-keys",
        &json!({"public_key": KEY}),
    );
    assert_eq!(key["allowed_addresses"], json!(["127.0.0.0/8"]));
}

/// "Delete what it created" is complete: credentials of a deleted token too, and of a key whose row is deleted.
#[test]
fn deleting_with_derived_revokes_all_of_them() {
    let site = Site::new();
    let endless = |name: &str| json!({"name": name, "expires_in": "never"});
    let root = site.api_key(&site.bob, &endless("root"));
    let child = may(
        &site,
        &secret(&root),
        "POST",
        "/api/v1/api-keys",
        &endless("child"),
    );
    let token = may(&site, &secret(&child), "POST", "/api/v1/tokens", &json!({}));
    let deep = may(
        &site,
        &secret(&token),
        "POST",
        "/api/v1/api-keys",
        &endless("deep"),
    );
    let ssh_key = may(
        &site,
        &secret(&deep),
        "POST",
        "/api/v1/ssh-keys",
        &json!({"public_key": KEY}),
    );
    let other = site.api_key(&site.bob, &endless("other"));
    // The token in between has expired and is swept; the child is deleted, and its row goes after 30 days.
    may(
        &site,
        &site.token("bob"),
        "DELETE",
        &format!("/api/v1/api-keys/{}", id(&child)),
        &Value::Null,
    );
    site.pass(31 * 86_400);
    may(
        &site,
        &site.token("alice"),
        "POST",
        "/api/v1/sweep",
        &json!({}),
    );
    let rows = site.dump(|table| table == "credentials");
    // The id is the second column.
    let is_there = |id: &str| rows.lines().any(|row| row.split(' ').nth(2) == Some(id));
    assert!(is_there(&id(&deep)) && !is_there(&id(&child)) && !is_there(&id(&token)));
    assert!(is_good(&site, &secret(&deep)));

    let bob = site.token("bob");
    let path = format!("/api/v1/api-keys/{}?with_created=true", id(&root));
    may(&site, &bob, "DELETE", &path, &Value::Null);
    assert!(!is_good(&site, &secret(&root)) && !is_good(&site, &secret(&deep)));
    assert!(is_good(&site, &secret(&other)), "what others made lives");
    let (status, _) = ask(
        &site,
        &bob,
        "GET",
        &format!("/api/v1/ssh-keys/{}", id(&ssh_key)),
        &Value::Null,
    );
    assert_eq!(status, 404);
    let events = site.events();
    let is_it =
        |event: &&Value| event["action"] == "api-key.delete" && event["target"]["id"] == id(&root);
    let message = events.iter().find(is_it).unwrap().to_string();
    assert!(
        message.contains(&id(&deep)) && message.contains(&id(&ssh_key)),
        "{message}"
    );
}

/// Keys of a service or another user are not deleted with their creator.
#[test]
fn deleting_with_derived_leaves_other_owners_alone() {
    let site = Site::new();
    may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/services",
        &json!({"name": "lab", "permissions": []}),
    );
    let key = site.api_key(&site.alice, &json!({"name": "k"}));
    let body = json!({"name": "gate"});
    let gate = may(
        &site,
        &secret(&key),
        "POST",
        "/api/v1/services/lab/api-keys",
        &body,
    );
    let path = format!("/api/v1/api-keys/{}?with_created=true", id(&key));
    may(&site, &site.alice, "DELETE", &path, &Value::Null);
    assert!(is_good(&site, &secret(&gate)));
}

/// A holder of an old secret may use it during the grace period, and no longer.
#[test]
fn previous_secret_cannot_renew_or_rotate_its_key() {
    let site = Site::new();
    let old = site.api_key(&site.bob, &json!({"name": "k", "expires_in": "7d"}));
    let path = format!("/api/v1/api-keys/{}", id(&old));
    let rotate = format!("{path}/rotate");
    let new = may(&site, &site.bob, "POST", &rotate, &json!({"grace": "1h"}));
    assert!(is_good(&site, &secret(&old)));
    let before = site.snapshot();
    for (method, path, body) in [
        ("POST", &rotate, json!({"grace": "24h"})),
        ("PATCH", &path, json!({"expires_in": "never"})),
        ("PATCH", &path, json!({"allowed_addresses": ["10.0.0.0/8"]})),
        ("PATCH", &path, json!({"disabled": true})),
        ("DELETE", &path, Value::Null),
    ] {
        let (status, message) = ask(&site, &secret(&old), method, path, &body);
        assert_eq!(status, 403, "{method} {path} {body}: {message}");
    }
    assert_eq!(site.snapshot(), before);
    let token = may(&site, &secret(&old), "POST", "/api/v1/tokens", &json!({}));
    assert_eq!(
        token["expires_at"], "2026-11-22T13:00:00Z",
        "with the grace"
    );
    let of_it = may(&site, &secret(&token), "POST", "/api/v1/tokens", &json!({}));
    assert_eq!(of_it["expires_at"], "2026-11-22T13:00:00Z");
    site.pass(3_600);
    for removed in [secret(&old), secret(&token), secret(&of_it)] {
        assert!(!is_good(&site, &removed));
    }
    assert!(is_good(&site, &secret(&new)));
    may(
        &site,
        &secret(&new),
        "POST",
        &rotate,
        &json!({"grace": "0s"}),
    );
}

/// A thief with the previous secret could otherwise act through a credential that it creates, also after its end.
#[test]
fn derived_credential_does_not_change_a_rotated_key() {
    let site = Site::new();
    let old = site.api_key(&site.bob, &json!({"name": "k", "expires_in": "7d"}));
    let path = format!("/api/v1/api-keys/{}", id(&old));
    let rotate = format!("{path}/rotate");
    let new = may(&site, &site.bob, "POST", &rotate, &json!({"grace": "1h"}));
    let created = |bearer: &Value, kind: &str, name: &str| {
        let path = format!("/api/v1/{kind}");
        may(
            &site,
            &secret(bearer),
            "POST",
            &path,
            &json!({ "name": name }),
        )
    };
    let token = created(&old, "tokens", "t");
    let key = created(&old, "api-keys", "k2");
    let key_of_token = created(&token, "api-keys", "k3");
    let token_of_key = created(&key, "tokens", "t2");
    let change = [
        ("POST", rotate.as_str(), json!({"grace": "0s"})),
        ("PATCH", &path, json!({"expires_in": "never"})),
        ("PATCH", &path, json!({"disabled": false})),
        ("PATCH", &path, json!({"disabled": true, "name": "x"})),
    ];
    let end = [
        ("PATCH", path.as_str(), json!({"disabled": true})),
        ("DELETE", &path, Value::Null),
    ];
    let rejected = |derived: &[&Value], acts: &[(&str, &str, Value)]| {
        for one in derived {
            for (method, path, body) in acts {
                let (status, message) = ask(&site, &secret(one), method, path, body);
                assert_eq!(status, 403, "{method} {path} {body}: {message}");
            }
        }
    };
    let before = site.snapshot();
    let all = [&token, &key, &key_of_token, &token_of_key];
    rejected(&all, &change);
    rejected(&all, &end);
    assert_eq!(site.snapshot(), before);
    // The keys outlive the previous secret. Then they may end the rotated key like each other key of bob.
    site.pass(3_601);
    rejected(&[&key, &key_of_token], &change);
    assert!(is_good(&site, &secret(&new)));
    let last = may(
        &site,
        &secret(&new),
        "POST",
        &rotate,
        &json!({"grace": "0s"}),
    );
    may(
        &site,
        &secret(&key),
        "PATCH",
        &path,
        &json!({"disabled": true}),
    );
    assert!(!is_good(&site, &secret(&last)));
    may(&site, &secret(&key_of_token), "DELETE", &path, &Value::Null);
}

/// A new key that the old one created may replace it.
#[test]
fn derived_credential_changes_and_ends_a_key_without_a_rotation() {
    let site = Site::new();
    let root = site.api_key(&site.bob, &json!({"name": "k", "expires_in": "7d"}));
    let path = format!("/api/v1/api-keys/{}", id(&root));
    let body = json!({"name": "k2"});
    let key = may(&site, &secret(&root), "POST", "/api/v1/api-keys", &body);
    may(
        &site,
        &secret(&key),
        "PATCH",
        &path,
        &json!({"name": "old"}),
    );
    may(&site, &secret(&key), "DELETE", &path, &Value::Null);
    assert!(is_good(&site, &secret(&key)));
}

/// Imported keys have the same limits, line by line.
#[test]
fn imported_key_inherits_the_callers_addresses() {
    let site = Site::new();
    let limit = json!({"name": "limited", "allowed_addresses": ["127.0.0.0/8"]});
    let limited = secret(&site.api_key(&site.bob, &limit));
    let asking = site.ask("POST", "/api/v1/ssh-keys/import").bearer(&limited);
    let line = format!("{KEY}\n");
    asking.json(&json!({ "text": line })).send();
    let listed = may(&site, &site.bob, "GET", "/api/v1/ssh-keys", &Value::Null);
    for key in listed["items"].as_array().unwrap() {
        assert_eq!(key["allowed_addresses"], json!(["127.0.0.0/8"]), "{key}");
    }
    // Importing for another user needs the permission to change users.
    let (status, message) = ask(
        &site,
        &site.bob,
        "POST",
        "/api/v1/users/alice/ssh-keys/import",
        &json!({ "text": line }),
    );
    assert_eq!(status, 403, "{message}");
}

/// A code authorizes one act, anonymously: it is not a credential, and not another code.
#[test]
fn code_is_rejected_as_a_credential_elsewhere() {
    let site = Site::new();
    let reset = reset_link(&site, &site.alice, "bob");
    let body = json!({"username": "carol"});
    let invited = code_of(&may(&site, &site.alice, "POST", "/api/v1/users", &body));
    let host = secret(&may(
        &site,
        &site.alice,
        "POST",
        "/api/v1/hosts/enrollment-codes",
        &json!({}),
    ));
    for code in [&reset, &invited, &host] {
        assert!(!is_good(&site, code));
        assert_eq!(ask(&site, code, "GET", "/api/v1/me", &Value::Null).0, 401);
        let body = json!({"username": "eve", "password": PASSWORD});
        assert_eq!(ask(&site, code, "POST", "/api/v1/setup", &body).0, 401);
    }
    for (endpoint, wrong) in [
        (RESET, &invited),
        (RESET, &host),
        (INVITATION, &reset),
        (INVITATION, &host),
    ] {
        assert_eq!(spend(&site, endpoint, wrong), 401, "{endpoint}");
    }
    assert_eq!(
        ask(&site, &reset, "POST", ENROLL, &json!({"name": "gpu1"})).0,
        401
    );
    assert_eq!(spend(&site, RESET, &reset), 204);
}

/// The name of a deleted user gives no access.
#[test]
fn deleted_name_is_never_reused() {
    let (site, dora) = with_dora();
    let key = site.api_key(&dora, &json!({"name": "k"}));
    may(
        &site,
        &site.alice,
        "DELETE",
        "/api/v1/users/dora",
        &Value::Null,
    );
    let body = json!({"username": "dora"});
    assert_eq!(
        ask(&site, &site.alice, "POST", "/api/v1/users", &body).0,
        409
    );
    assert!(!is_good(&site, &secret(&key)));
    let dora = Username::parse("dora").unwrap();
    assert!(
        site.app()
            .reset_password(&site.app().operator(0), &dora, None)
            .is_err()
    );
    assert_eq!(id_of(&secret(&key)), id(&key));
}
