//! Security notices: acts on an account, written in their transaction.

use keycroft::app::Browser;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::notice_kind::NoticeKind;
use keycroft::model::password::Password;
use keycroft::model::secret::Digest;
use serde_json::json;

use super::KEY;
use super::{add_channel, delivered, due};
use crate::fixture::{PASSWORD, Site};

fn sign_in(site: &Site, name: &str, password: &str, browser: u8) -> bool {
    let origin = Origin {
        channel: Channel::Console,
        address: Some("10.0.3.7".parse().unwrap()),
        program: Some(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        ),
        request_id: None,
    };
    let browser = Browser {
        digest: Digest::new(&[browser]),
        session: None,
    };
    let password = Password::typed(password).unwrap();
    let now = site.clock.now();
    site.app()
        .sign_in(name, &password, Some(&browser), origin, now)
        .is_ok()
}

#[test]
fn sign_in_from_a_new_browser_is_noticed_once() {
    let site = Site::new();
    site.set_password("bob");
    add_channel(&site, "webhook");
    assert!(sign_in(&site, "bob", PASSWORD, 1));
    let notices = due(&site);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].kind, NoticeKind::NewDevice);
    assert_eq!(notices[0].recipient.as_deref(), Some("bob"));
    let body = "Somebody signed in to Keycroft as bob with Firefox on Linux from 10.0.3.7, on 2026-11-22 12:00:00 UTC.";
    assert!(notices[0].body.starts_with(body), "{}", notices[0].body);
    delivered(&site);
    assert!(sign_in(&site, "bob", PASSWORD, 1));
    assert!(delivered(&site).is_empty());
    assert!(sign_in(&site, "bob", PASSWORD, 2));
    assert_eq!(delivered(&site), ["New sign-in as bob"]);
}

#[test]
fn burst_of_failed_sign_ins_is_noticed_once_an_hour() {
    let site = Site::new();
    site.set_password("bob");
    add_channel(&site, "webhook");
    for attempt in 0..8 {
        assert!(!sign_in(&site, "bob", "not the password of bob", 9));
        let expected = usize::from(attempt >= 4);
        assert_eq!(due(&site).len(), expected, "{attempt}");
    }
    assert_eq!(delivered(&site), ["Failed sign-ins as bob"]);
    // An unknown name has nobody to notice.
    for _ in 0..8 {
        assert!(!sign_in(&site, "nobody", "not the password of bob", 9));
    }
    assert!(delivered(&site).is_empty());
    site.pass(3_600);
    for _ in 0..5 {
        assert!(!sign_in(&site, "bob", "not the password of bob", 9));
    }
    assert_eq!(delivered(&site), ["Failed sign-ins as bob"]);
}

#[test]
fn own_changes_of_the_account_are_noticed() {
    let site = Site::new();
    site.set_password("bob");
    add_channel(&site, "webhook");
    let bob = site.token("bob");
    delivered(&site);
    let body = json!({"public_key": KEY, "name": "laptop"});
    site.asked(&bob, "POST", "/api/v1/ssh-keys", &body, 201);
    let body = json!({"current": PASSWORD, "new": "another long password"});
    site.asked(&bob, "POST", "/api/v1/me/password", &body, 204);
    site.api_key(&bob, &json!({"name": "ci"}));
    assert_eq!(
        delivered(&site),
        [
            "Account bob: the SSH key laptop was added",
            "Account bob: the password was changed"
        ]
    );
}

#[test]
fn act_of_an_admin_sends_a_notice_only_to_its_user() {
    let site = Site::new();
    add_channel(&site, "webhook");
    let body = json!({"role": "admin"});
    site.asked(&site.alice, "PATCH", "/api/v1/users/bob", &body, 200);
    let notices = due(&site);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].recipient.as_deref(), Some("bob"));
    assert_eq!(notices[0].kind, NoticeKind::AdminAct);
    let sentence = "Admin alice changed your role from member to admin.";
    assert!(notices[0].body.starts_with(sentence), "{}", notices[0].body);
}

/// If the notice can't be written, the act does not happen.
#[test]
fn act_and_its_notice_are_one_transaction() {
    let site = Site::new();
    add_channel(&site, "webhook");
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let stop = "CREATE TRIGGER stop BEFORE INSERT ON notices BEGIN SELECT raise(ABORT, 'no'); END";
    file.execute_batch(stop).unwrap();
    let body = json!({"role": "admin"});
    site.asked(&site.alice, "PATCH", "/api/v1/users/bob", &body, 500);
    file.execute_batch("DROP TRIGGER stop").unwrap();
    let path = "/api/v1/users/bob";
    let bob = site.asked(&site.alice, "GET", path, &serde_json::Value::Null, 200);
    assert_eq!(bob["role"], "member");
    assert!(due(&site).is_empty());
}

#[test]
fn nothing_is_written_without_a_channel() {
    let site = Site::new();
    site.set_password("bob");
    assert!(sign_in(&site, "bob", PASSWORD, 1));
    let body = json!({"role": "admin"});
    site.asked(&site.alice, "PATCH", "/api/v1/users/bob", &body, 200);
    assert!(due(&site).is_empty());
    assert!(
        site.dump(|table| table == "notices" || table == "notices_given")
            .is_empty()
    );
}

#[test]
fn channel_without_members_gets_no_notices_to_users() {
    let site = Site::new();
    let channel = add_channel(&site, "webhook");
    let path = format!("/api/v1/notices/channels/{channel}");
    site.asked(&site.alice, "PATCH", &path, &json!({"members": false}), 200);
    let body = json!({"role": "admin"});
    site.asked(&site.alice, "PATCH", "/api/v1/users/bob", &body, 200);
    assert!(due(&site).is_empty());
}
