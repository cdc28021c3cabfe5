//! Each kind of notice is addressed to each channel.

use std::collections::BTreeMap;

use keycroft::model::event::Origin;
use keycroft::model::notice_kind::NoticeKind;
use keycroft::model::password::Password;
use keycroft::model::secret::Presented;
use serde_json::{Value, json};

use super::{KEY, add_channel, delivered};
use crate::fixture::{PASSWORD, Site};

/// Gives a user a confirmed address.
fn confirm_address(site: &Site, name: &str) {
    let now = site.clock.now();
    let presented = Presented::parse(&site.token(name)).unwrap();
    let caller = site
        .app()
        .caller(&presented, |_| true, Origin::operator(), now)
        .unwrap();
    let address = json!({"email": format!("{name}@lab.example")});
    let path = "/api/v1/me/notices";
    site.asked(&site.token(name), "PATCH", path, &address, 200);
    let user = caller.user().unwrap().id;
    let to = address["email"].as_str().unwrap();
    let code = site
        .app()
        .confirmation_code(user, to, now)
        .unwrap()
        .unwrap();
    let code = Presented::parse(&code.reveal()).unwrap();
    site.app().confirm_email(&caller, code).unwrap();
}

#[test]
fn every_kind_is_addressed_to_every_channel() {
    const DAY: i64 = 86_400;
    let site = Site::new();
    site.set_password("bob");
    for kind in ["webhook", "ntfy", "chat", "email"] {
        add_channel(&site, kind);
    }
    confirm_address(&site, "alice");
    confirm_address(&site, "bob");
    delivered(&site);
    let (alice, bob) = (site.token("alice"), site.token("bob"));
    let post = |bearer: &str, path: &str, body: Value| {
        site.asked(bearer, "POST", &format!("/api/v1/{path}"), &body, 201)
    };
    post(&bob, "api-keys", json!({"name": "ci", "expires_in": "10d"}));
    post(
        &bob,
        "ssh-keys",
        json!({"public_key": KEY, "expires_in": "10d"}),
    );
    post(
        &alice,
        "services",
        json!({"name": "slurm", "permissions": []}),
    );
    let key = json!({"name": "node", "expires_in": "10d", "permissions": []});
    post(&alice, "services/slurm/api-keys", key);
    post(
        &alice,
        "hosts/enrollment-codes",
        json!({"expires_in": "10d"}),
    );
    let code = post(&alice, "hosts/enrollment-codes", json!({}));
    let code = code["secret"].as_str().unwrap();
    post(code, "hosts/enroll", json!({"name": "gpu1"}));
    let body = json!({"display_name": "Bob"});
    site.asked(&alice, "PATCH", "/api/v1/users/bob", &body, 200);
    site.sign_in("bob");
    let wrong = Password::typed("not the password of bob").unwrap();
    for _ in 0..5 {
        let now = site.clock.now();
        let sign_in = site
            .app()
            .sign_in("bob", &wrong, None, Origin::operator(), now);
        assert!(sign_in.is_err());
    }
    let right = Password::typed(PASSWORD).unwrap();
    assert!(
        site.app()
            .sign_in("bob", &right, None, Origin::operator(), site.clock.now())
            .is_ok()
    );
    site.pass(9 * DAY);
    let now = site.clock.now();
    let end = now.after(std::time::Duration::from_secs(86_400));
    site.app().collect_notices(now, || true).unwrap();
    site.app().collect_certificate(end, now).unwrap();
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let sql = "SELECT kind, count(DISTINCT channel) FROM notices GROUP BY kind";
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let channels: BTreeMap<String, i64> = rows.unwrap().map(Result::unwrap).collect();
    for kind in NoticeKind::ALL {
        assert_eq!(
            channels.get(kind.as_str()),
            Some(&4),
            "{kind:?}: {channels:?}"
        );
    }
}
