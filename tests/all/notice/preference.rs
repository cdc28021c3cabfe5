//! A user's address and wanted notices: by the API, and the confirmation in the console.

use keycroft::model::event::Origin;
use keycroft::model::notice_kind::NoticeKind;
use keycroft::model::secret::Presented;
use keycroft::model::user::Role;
use serde_json::{Value, json};

use super::{add_channel, delivered, due};
use crate::fixture::Site;

const MINE: &str = "/api/v1/me/notices";

fn change(site: &Site, body: &Value, status: u16) -> Value {
    site.asked(&site.token("bob"), "PATCH", MINE, body, status)
}

/// Confirms the pending address of a user, with the code that the server would send.
fn confirm(site: &Site, name: &str) {
    let notices = due(site);
    let mail = notices
        .iter()
        .find(|notice| notice.kind == NoticeKind::AddressConfirmation)
        .unwrap();
    let now = site.clock.now();
    let code = site
        .app()
        .confirmation_code(mail.user.unwrap(), mail.address.as_deref().unwrap(), now)
        .unwrap();
    let presented = Presented::parse(&code.unwrap().reveal()).unwrap();
    let bearer = site.token(name);
    let bearer = Presented::parse(&bearer).unwrap();
    let origin = Origin::operator();
    let caller = site.app().caller(&bearer, |_| true, origin, now).unwrap();
    site.app().confirm_email(&caller, presented).unwrap();
    delivered(site);
}

#[test]
fn address_receives_notices_only_after_its_confirmation() {
    let site = Site::new();
    let body = json!({"email": "bob@lab.example"});
    change(&site, &body, 409);
    add_channel(&site, "email");
    let shown = change(&site, &body, 200);
    assert_eq!(shown["email"], Value::Null);
    assert_eq!(shown["email_pending"], "bob@lab.example");
    let me = site.asked(&site.token("bob"), "GET", "/api/v1/me", &Value::Null, 200);
    assert_eq!(
        (&me["email"], &me["email_confirmed"]),
        (&json!("bob@lab.example"), &json!(false))
    );
    change(&site, &body, 429);
    // A rejected change leaves all as it was.
    let before = change(&site, &json!({}), 200);
    let both = json!({"email": "bob@lab.example", "kinds": {"api-key.expires": []}});
    change(&site, &both, 429);
    assert_eq!(change(&site, &json!({}), 200), before);
    site.pass(60);
    let unknown =
        json!({"email": "eve@lab.example", "kinds": {"api-key.expires": ["000000000000"]}});
    change(&site, &unknown, 422);
    let unknown = json!({"email": null, "kinds": {"api-key.expires": ["000000000000"]}});
    change(&site, &unknown, 422);
    assert_eq!(change(&site, &json!({}), 200), before);
    site.pass(-60);
    let mails = due(&site);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].address.as_deref(), Some("bob@lab.example"));
    // The outbox holds no code: it exists only in the mail.
    assert!(!mails[0].body.contains("kce_") && !mails[0].path.contains("kce_"));
    let act = |role: &str| {
        let body = json!({"role": role});
        site.asked(
            &site.token("alice"),
            "PATCH",
            "/api/v1/users/bob",
            &body,
            200,
        );
    };
    act("admin");
    assert_eq!(
        due(&site).len(),
        1,
        "nothing goes to an unconfirmed address"
    );
    confirm(&site, "bob");
    act("member");
    let mails = due(&site);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].address.as_deref(), Some("bob@lab.example"));
    assert_eq!(mails[0].kind, NoticeKind::AdminAct);
}

#[test]
fn address_is_shown_only_with_account_read() {
    let site = Site::new();
    add_channel(&site, "email");
    change(&site, &json!({"email": "bob@lab.example"}), 200);
    for (permission, shown) in [
        ("account:read", json!("bob@lab.example")),
        ("api-keys:read", Value::Null),
    ] {
        let key = site.narrow(&site.bob, &[permission]);
        let me = site.asked(&key, "GET", "/api/v1/me", &Value::Null, 200);
        assert_eq!(me["email"], shown, "{permission}");
    }
}

#[test]
fn event_of_an_address_or_preference_names_its_user() {
    let site = Site::new();
    let email = add_channel(&site, "email");
    change(&site, &json!({"email": "bob@lab.example"}), 200);
    change(&site, &json!({"kinds": {"api-key.expires": [email]}}), 200);
    change(&site, &json!({"email": null}), 200);
    let bob = json!({"kind": "user", "id": "bob", "name": ""});
    let events = site.events();
    for action in [
        "account.enter-email",
        "notice.edit-preferences",
        "account.remove-email",
    ] {
        let event = events.iter().find(|event| event["action"] == action);
        assert_eq!(event.unwrap()["target"], bob, "{action}");
    }
}

#[test]
fn changed_or_removed_address_receives_a_last_notice() {
    let site = Site::new();
    add_channel(&site, "email");
    change(&site, &json!({"email": "old@lab.example"}), 200);
    confirm(&site, "bob");
    site.pass(60);
    change(&site, &json!({"email": "new@lab.example"}), 200);
    let shown = site.asked(&site.token("bob"), "GET", MINE, &Value::Null, 200);
    assert_eq!(shown["email"], "old@lab.example");
    confirm_and_check(&site);
    site.pass(60);
    change(&site, &json!({"email": null}), 200);
    let mails = due(&site);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].address.as_deref(), Some("new@lab.example"));
}

fn confirm_and_check(site: &Site) {
    let mail = &due(site)[0];
    assert_eq!(mail.address.as_deref(), Some("new@lab.example"));
    let now = site.clock.now();
    let code = |address: &str| {
        let user = mail.user.unwrap();
        site.app().confirmation_code(user, address, now).unwrap()
    };
    // A mail to another address, which was under way when this one was requested, gets no code.
    assert!(code("old@lab.example").is_none());
    let text = code("new@lab.example").unwrap().reveal();
    let presented = || Presented::parse(&text).unwrap();
    let caller = |name: &str| {
        let bearer = Presented::parse(&site.token(name)).unwrap();
        let origin = Origin::operator();
        site.app().caller(&bearer, |_| true, origin, now).unwrap()
    };
    // Another user can't use the link, and does not spend it.
    assert!(
        site.app()
            .confirm_email(&caller("alice"), presented())
            .is_err()
    );
    site.app()
        .confirm_email(&caller("bob"), presented())
        .unwrap();
    assert!(
        site.app()
            .confirm_email(&caller("bob"), presented())
            .is_err()
    );
    let last = due(site)
        .into_iter()
        .find(|mail| mail.kind == NoticeKind::AccountChanged);
    assert_eq!(last.unwrap().address.as_deref(), Some("old@lab.example"));
    delivered(site);
}

#[test]
fn unwanted_kind_is_not_sent_but_security_stays_on_one_channel() {
    let site = Site::new();
    let (hook, phone) = (add_channel(&site, "webhook"), add_channel(&site, "ntfy"));
    let act = || {
        let body = json!({"display_name": "Bob"});
        site.asked(
            &site.token("alice"),
            "PATCH",
            "/api/v1/users/bob",
            &body,
            200,
        );
        delivered(&site).len()
    };
    assert_eq!(act(), 2);
    change(
        &site,
        &json!({"kinds": {"account.admin-act": [phone]}}),
        200,
    );
    assert_eq!(act(), 1);
    let answer = site
        .ask("PATCH", MINE)
        .bearer(&site.token("bob"))
        .json(&json!({"kinds": {"account.admin-act": []}}))
        .send();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.fields(), ["kinds"]);
    assert_eq!(act(), 1, "a rejected change changes nothing");
    // The remaining channel is deleted: the notice goes to the others.
    let path = format!("/api/v1/notices/channels/{phone}");
    site.asked(&site.token("alice"), "DELETE", &path, &Value::Null, 204);
    assert_eq!(act(), 1);
    // Other kinds can be turned off everywhere.
    change(&site, &json!({"kinds": {"api-key.expires": []}}), 200);
    site.api_key(
        &site.token("bob"),
        &json!({"name": "ci", "expires_in": "3d"}),
    );
    assert!(delivered(&site).is_empty());
    for body in [
        json!({"kinds": {"api-key.expires": ["000000000000"]}}),
        json!({"kinds": {"api-key.expires": ["x"]}}),
        json!({"kinds": {"test": [hook]}}),
        json!({"kinds": {"host.silent": [hook]}}),
        json!({"email": "not an address"}),
    ] {
        change(&site, &body, 422);
    }
}

#[test]
fn admins_with_an_address_get_notices_about_the_server() {
    let site = Site::new();
    site.add_user("carol", Role::Admin);
    add_channel(&site, "email");
    let body = json!({"email": "alice@lab.example"});
    site.asked(&site.token("alice"), "PATCH", MINE, &body, 200);
    confirm(&site, "alice");
    site.pass(8 * 86_400);
    let mails = due(&site);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].kind, NoticeKind::BackupOld);
    assert_eq!(mails[0].recipient.as_deref(), Some("alice"));
    // Members do not see such kinds; admins do.
    let kinds = |name: &str| {
        let shown = site.asked(&site.token(name), "GET", MINE, &Value::Null, 200);
        shown["kinds"].as_array().unwrap().len()
    };
    assert_eq!((kinds("bob"), kinds("alice")), (6, 11));
}

#[test]
fn test_by_email_goes_to_the_sender() {
    let site = Site::new();
    let channel = add_channel(&site, "email");
    let path = format!("/api/v1/notices/channels/{channel}/test");
    site.asked(&site.token("alice"), "POST", &path, &json!({}), 409);
    let body = json!({"email": "alice@lab.example"});
    site.asked(&site.token("alice"), "PATCH", MINE, &body, 200);
    confirm(&site, "alice");
    site.asked(&site.token("alice"), "POST", &path, &json!({}), 200);
    assert_eq!(due(&site)[0].address.as_deref(), Some("alice@lab.example"));
    let second = json!({"name": "more mail", "kind": "email"});
    site.asked(
        &site.token("alice"),
        "POST",
        "/api/v1/notices/channels",
        &second,
        409,
    );
}

#[test]
fn certificate_is_noticed_once_per_threshold() {
    let site = Site::new();
    add_channel(&site, "webhook");
    let end = site
        .clock
        .now()
        .after(std::time::Duration::from_secs(20 * 86_400));
    let mut subjects = Vec::new();
    for _ in 0..22 {
        let now = site.clock.now();
        for _ in 0..2 {
            site.app().collect_certificate(end, now).unwrap();
        }
        let found = delivered(&site).into_iter();
        subjects.extend(found.filter(|subject| subject.contains("certificate")));
        site.pass(86_400);
    }
    assert_eq!(
        subjects,
        [
            "The TLS certificate expires in 14 days",
            "The TLS certificate expires in 7 days",
            "The TLS certificate expires in 1 day",
            "The TLS certificate expired"
        ]
    );
}

#[test]
fn deleted_user_leaves_no_address_and_no_notices() {
    let site = Site::new();
    add_channel(&site, "email");
    change(&site, &json!({"email": "bob@lab.example"}), 200);
    confirm(&site, "bob");
    site.api_key(
        &site.token("bob"),
        &json!({"name": "ci", "expires_in": "3d"}),
    );
    site.pass(2 * 86_400);
    assert_eq!(due(&site).len(), 1);
    site.asked(
        &site.token("alice"),
        "DELETE",
        "/api/v1/users/bob",
        &Value::Null,
        204,
    );
    assert!(due(&site).is_empty());
    let tables = ["notices", "email_addresses", "calendars", "notice_opt_outs"];
    assert!(site.dump(|table| tables.contains(&table)).is_empty());
}
