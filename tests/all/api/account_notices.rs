//! Acts of others on a person's account are shown to that person until they confirm them.

use serde_json::{Value, json};

use super::host_reach::KEYS;
use crate::fixture::{PASSWORD, Site, id, id_of};

/// The notices shown to the owner of a credential.
fn notices(site: &Site, bearer: &str) -> Vec<Value> {
    let me = site.asked(bearer, "GET", "/api/v1/me", &Value::Null, 200);
    me["notices"].as_array().unwrap().clone()
}

fn texts(site: &Site, bearer: &str) -> Vec<String> {
    let all = notices(site, bearer).into_iter();
    all.map(|one| one["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn reset_link_is_shown_when_created_and_when_used() {
    let site = Site::new();
    let path = "/api/v1/users/bob/reset-password";
    let link = site.asked(&site.alice, "POST", path, &json!({}), 200);
    let created = "Admin alice created a link that resets your password.";
    assert_eq!(texts(&site, &site.bob), [created]);
    let code = link["link"]
        .as_str()
        .unwrap()
        .split_once("code=")
        .unwrap()
        .1
        .to_owned();
    let body = json!({"password": PASSWORD});
    site.asked(&code, "POST", "/api/v1/password-reset", &body, 204);
    let used = "Admin alice reset your password: the one-time link was used.";
    assert_eq!(texts(&site, &site.bob), [used, created]);
    let newest = &notices(&site, &site.bob)[0];
    assert_eq!(newest["action"], "password.reset");
    assert_eq!(newest["actor"], "alice");
    assert_eq!(newest["at"], "2026-11-22T12:00:00Z");
    assert!(texts(&site, &site.alice).is_empty());
}

#[test]
fn imported_key_is_shown_until_confirmed_or_removed() {
    let site = Site::new();
    let path = "/api/v1/users/bob/ssh-keys/import";
    let import = |key: &str, name: &str| {
        let text = format!("{key} {name}");
        let answer = site.asked(&site.alice, "POST", path, &json!({"text": text}), 200);
        id(&answer["lines"][0])
    };
    let first = import(KEYS[0], "laptop");
    let shown = texts(&site, &site.bob);
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].starts_with("Admin alice added to your SSH keys: laptop (SHA256:"),
        "{shown:?}"
    );
    // Deleting the key confirms the notice.
    site.asked(
        &site.bob,
        "DELETE",
        &format!("/api/v1/ssh-keys/{first}"),
        &Value::Null,
        204,
    );
    assert!(texts(&site, &site.bob).is_empty());
    // Confirmed by name, once, and by its user alone.
    import(KEYS[1], "desktop");
    let notice = id(&notices(&site, &site.bob)[0]);
    let path = format!("/api/v1/me/notices/{notice}/acknowledge");
    site.asked(&site.alice, "POST", &path, &json!({}), 404);
    let confirmed = site.asked(&site.bob, "POST", &path, &json!({}), 200);
    assert_eq!(confirmed["acknowledged_at"], "2026-11-22T12:00:00Z");
    assert!(texts(&site, &site.bob).is_empty());
    let events = site.events();
    let event = events
        .iter()
        .find(|event| event["action"] == "notice.acknowledge")
        .unwrap();
    assert_eq!(event["actor"], "bob");
    assert_eq!(event["target"]["id"], notice.as_str());
    // A second confirmation changes nothing.
    site.pass(60);
    let again = site.asked(&site.bob, "POST", &path, &json!({}), 200);
    assert_eq!(again["acknowledged_at"], "2026-11-22T12:00:00Z");
}

#[test]
fn every_act_of_an_admin_on_a_person_is_shown() {
    let site = Site::new();
    let bob_key = id(&site.api_key(&site.bob, &json!({"name": "ci"})));
    let bob_token = id(&site.asked(
        &site.bob,
        "POST",
        "/api/v1/tokens",
        &json!({"name": "shell"}),
        201,
    ));
    let body = json!({"public_key": KEYS[0], "name": "laptop"});
    let ssh_key = id(&site.asked(&site.bob, "POST", "/api/v1/ssh-keys", &body, 201));
    site.set_password("bob");
    let session = id_of(&site.sign_in("bob"));
    site.asked(
        &site.alice,
        "POST",
        "/api/v1/groups",
        &json!({"name": "staff"}),
        201,
    );
    let user = |rest: &str| format!("/api/v1/users/bob{rest}");
    let acts: Vec<(&str, String, Value, &str)> = vec![
        (
            "PATCH",
            user(""),
            json!({"display_name": "B"}),
            "changed your account",
        ),
        (
            "PATCH",
            user(""),
            json!({"role": "admin"}),
            "changed your role from member to admin",
        ),
        (
            "PATCH",
            user(""),
            json!({"role": "member"}),
            "changed your role from admin to member",
        ),
        (
            "PATCH",
            user(""),
            json!({"permissions": ["metrics"]}),
            "changed your permissions to metrics",
        ),
        (
            "PATCH",
            user(""),
            json!({"disabled": true}),
            "disabled your account",
        ),
        (
            "PATCH",
            user(""),
            json!({"disabled": false}),
            "enabled your account",
        ),
        (
            "PUT",
            "/api/v1/groups/staff/members/bob".into(),
            Value::Null,
            "added you to the group staff",
        ),
        (
            "DELETE",
            "/api/v1/groups/staff/members/bob".into(),
            Value::Null,
            "removed you from the group staff",
        ),
        (
            "DELETE",
            user(&format!("/api-keys/{bob_key}")),
            Value::Null,
            "deleted your API key ci",
        ),
        (
            "DELETE",
            user(&format!("/tokens/{bob_token}")),
            Value::Null,
            "deleted your token shell",
        ),
        (
            "DELETE",
            user(&format!("/sessions/{session}")),
            Value::Null,
            "signed out one of your sessions",
        ),
        (
            "DELETE",
            user(&format!("/ssh-keys/{ssh_key}")),
            Value::Null,
            "deleted your SSH key laptop",
        ),
    ];
    let mut count = texts(&site, &site.bob).len();
    for (method, path, body, words) in acts {
        let answer = site.ask(method, &path).bearer(&site.alice);
        let answer = if body.is_null() {
            answer.send()
        } else {
            answer.json(&body).send()
        };
        assert!(
            matches!(answer.status, 200 | 204),
            "{method} {path}: {}",
            answer.text()
        );
        if body == json!({"disabled": true}) {
            count += 1;
            continue;
        }
        let shown = texts(&site, &site.bob);
        count += 1;
        assert_eq!(shown.len(), count, "{method} {path}");
        assert_eq!(shown[0], format!("Admin alice {words}."), "{method} {path}");
    }
    // Rejected acts, the user's own acts and reading create none; nor do acts on other users.
    let carol = site.asked(
        &site.alice,
        "POST",
        "/api/v1/users",
        &json!({"username": "carol"}),
        201,
    );
    assert_eq!(carol["username"], "carol");
    site.asked(&site.alice, "GET", "/api/v1/users/bob", &Value::Null, 200);
    site.asked(
        &site.bob,
        "PATCH",
        "/api/v1/me",
        &json!({"display_name": "Bob"}),
        200,
    );
    site.asked(
        &site.bob,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"role": "admin"}),
        403,
    );
    assert_eq!(texts(&site, &site.bob).len(), count);
    assert!(texts(&site, &site.token("carol")).is_empty());
}

#[test]
fn notice_needs_account_read_and_confirming_account_write() {
    let site = Site::new();
    let tokens_only = site.narrow(&site.bob, &["tokens:read"]);
    let reader = site.narrow(&site.bob, &["account:read"]);
    site.asked(
        &site.alice,
        "PATCH",
        "/api/v1/users/bob",
        &json!({"display_name": "B"}),
        200,
    );
    assert!(texts(&site, &tokens_only).is_empty());
    assert_eq!(texts(&site, &reader).len(), 1);
    let path = format!(
        "/api/v1/me/notices/{}/acknowledge",
        id(&notices(&site, &reader)[0])
    );
    site.asked(&reader, "POST", &path, &json!({}), 403);
    // A header on every answer reports unconfirmed notices.
    let header = |bearer: &str| {
        let answer = site
            .ask("GET", "/api/v1/tokens")
            .bearer(bearer)
            .send()
            .expect(200);
        answer.header("Keycroft-Notices").map(str::to_owned)
    };
    assert_eq!(header(&site.bob).as_deref(), Some("1"));
    assert_eq!(header(&tokens_only), None);
    assert_eq!(header(&site.alice), None);
}

/// If the notice can't be written, the act does not happen.
#[test]
fn notice_and_act_are_one_transaction() {
    let site = Site::new();
    let file = rusqlite::Connection::open(site.path()).unwrap();
    file.execute_batch(
        "CREATE TRIGGER stop BEFORE INSERT ON account_notices BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .unwrap();
    let events = site.events().len();
    let answer = site
        .ask("POST", "/api/v1/users/bob/reset-password")
        .bearer(&site.alice)
        .send();
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(
        file.query_row(
            "SELECT count(*) FROM codes WHERE purpose = 'password-reset'",
            [],
            |row| row.get::<_, i64>(0)
        )
        .unwrap(),
        0
    );
    file.execute_batch("DROP TRIGGER stop").unwrap();
    let after = site.events();
    assert!(
        after
            .iter()
            .all(|event| event["action"] != "user.reset-password"),
        "{after:?} {events}"
    );
}
