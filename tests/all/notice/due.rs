//! Bar N1: notices about expirations, once for each threshold.

use keycroft::model::notice_delivery::{DueNotice, TryResult};
use keycroft::model::notice_kind::NoticeKind;
use keycroft::model::time::Time;
use keycroft::model::user::Role;
use serde_json::{Value, json};

use super::KEY;
use super::{add_channel, add_members_channel, delivered, due};
use crate::fixture::{Site, id};

const DAY: i64 = 86_400;

/// A key of bob that expires in this many days. Returns its path.
fn key(site: &Site, name: &str, days: i64) -> String {
    let body = json!({"name": name, "expires_in": format!("{days}d")});
    let key = site.api_key(&site.token("bob"), &body);
    format!("/api/v1/api-keys/{}", id(&key))
}

fn edit(site: &Site, path: &str, body: Value) {
    site.asked(&site.token("bob"), "PATCH", path, &body, 200);
}

#[test]
fn time_of_the_next_notice_is_known() {
    let site = Site::new();
    add_members_channel(&site);
    let now = site.clock.now();
    let next = || site.app().next_notice_at(now).unwrap();
    key(&site, "ci", 15);
    let threshold = now.unix() + DAY;
    assert_eq!(next().map(Time::unix), Some(threshold));
    let body = json!({"display_name": "Robert"});
    site.asked(&site.alice, "PATCH", "/api/v1/users/bob", &body, 200);
    assert_eq!(next(), Some(now), "a notice waits");
}

#[test]
fn expiration_is_noticed_once_per_threshold() {
    let mut site = Site::new();
    add_members_channel(&site);
    key(&site, "ci", 30);
    for (seconds, expected) in [
        (16 * DAY - 1, None),
        (1, Some("API key ci expires in 14 days")),
        (0, None),
        (3 * DAY, None),
        (4 * DAY, Some("API key ci expires in 7 days")),
        (6 * DAY, Some("API key ci expires in 1 day")),
        (DAY, None),
        (DAY, None),
    ] {
        site.pass(seconds);
        assert_eq!(delivered(&site), Vec::from_iter(expected), "{seconds}");
        site.reopen();
        assert!(delivered(&site).is_empty(), "again after a restart");
    }
}

#[test]
fn renewed_key_drops_its_notice_and_starts_again() {
    let site = Site::new();
    add_members_channel(&site);
    let path = key(&site, "ci", 30);
    site.pass(16 * DAY);
    assert_eq!(due(&site).len(), 1);
    edit(&site, &path, json!({"expires_in": "30d"}));
    assert!(due(&site).is_empty());
    site.pass(16 * DAY);
    assert_eq!(delivered(&site), ["API key ci expires in 14 days"]);
    // A rotation with a new expiration counts as a renewal, one without does not.
    let rotate = format!("{path}/rotate");
    site.asked(
        &site.token("bob"),
        "POST",
        &rotate,
        &json!({"grace": "0s"}),
        200,
    );
    assert!(due(&site).is_empty());
    site.pass(7 * DAY);
    assert_eq!(due(&site).len(), 1);
    let body = json!({"grace": "0s", "expires_in": "30d"});
    site.asked(&site.token("bob"), "POST", &rotate, &body, 200);
    assert!(due(&site).is_empty());
}

#[test]
fn deleted_or_disabled_key_is_not_noticed() {
    let site = Site::new();
    add_members_channel(&site);
    let deleted = key(&site, "deleted", 30);
    let disabled = key(&site, "disabled", 30);
    key(&site, "of nobody", 30);
    site.pass(16 * DAY);
    assert_eq!(due(&site).len(), 3);
    site.asked(&site.token("bob"), "DELETE", &deleted, &Value::Null, 204);
    edit(&site, &disabled, json!({"disabled": true}));
    assert_eq!(delivered(&site), ["API key of nobody expires in 14 days"]);
    site.asked(
        &site.token("alice"),
        "PATCH",
        "/api/v1/users/bob",
        &json!({"disabled": true}),
        200,
    );
    let acts = delivered(&site);
    site.pass(7 * DAY);
    assert!(delivered(&site).is_empty(), "{acts:?}");
}

#[test]
fn notice_after_a_long_stop_is_that_of_the_nearest_threshold() {
    let site = Site::new();
    add_members_channel(&site);
    key(&site, "soon", 30);
    key(&site, "expired", 20);
    key(&site, "later", 40);
    assert!(due(&site).is_empty());
    site.pass(26 * DAY);
    assert_eq!(
        delivered(&site),
        [
            "API key soon expires in 4 days",
            "API key later expires in 14 days"
        ]
    );
}

#[test]
fn changed_clock_repeats_and_loses_no_notice() {
    let site = Site::new();
    add_members_channel(&site);
    key(&site, "ci", 30);
    site.pass(365 * DAY);
    assert!(delivered(&site).is_empty());
    site.pass(-365 * DAY);
    assert!(delivered(&site).is_empty());
    // Created while the last search lies in the future.
    key(&site, "new", 30);
    site.pass(16 * DAY);
    let mut noticed = delivered(&site);
    noticed.sort_unstable();
    let expected = [
        "API key ci expires in 14 days",
        "API key new expires in 14 days",
    ];
    assert_eq!(noticed, expected);
    site.pass(-DAY);
    assert!(delivered(&site).is_empty());
    site.pass(2 * DAY);
    assert!(delivered(&site).is_empty());
}

#[test]
fn thresholds_crossed_while_the_clock_was_ahead_are_announced() {
    let site = Site::new();
    add_members_channel(&site);
    key(&site, "ci", 20);
    site.pass(100 * DAY);
    assert!(delivered(&site).is_empty());
    site.pass(-92 * DAY);
    assert_eq!(delivered(&site), ["API key ci expires in 12 days"]);
}

/// A try that failed while the clock was ahead does not wait for that time.
#[test]
fn next_try_set_by_a_clock_ahead_is_due_at_once() {
    let site = Site::new();
    add_members_channel(&site);
    key(&site, "ci", 3);
    site.pass(DAY);
    let fail = |notice: DueNotice| {
        let result = TryResult::Failed {
            status: None,
            detail: "refused".to_owned(),
            is_of_channel: true,
        };
        let now = site.clock.now();
        site.app().record_notice_try(notice, result, now).unwrap();
    };
    let subject = |notices: &[DueNotice]| -> Vec<String> {
        notices
            .iter()
            .map(|notice| notice.subject.clone())
            .collect()
    };
    let notices = due(&site);
    assert_eq!(notices.len(), 1);
    notices.into_iter().for_each(fail);
    assert!(due(&site).is_empty(), "it waits for its next try");
    site.pass(-DAY);
    assert_eq!(subject(&due(&site)), ["API key ci expires in 2 days"]);
}

/// The number of a notice that was dropped during its delivery may belong to another by now.
#[test]
fn try_of_a_dropped_notice_leaves_its_successor() {
    let site = Site::new();
    let channel = add_members_channel(&site);
    key(&site, "ci", 3);
    let sent = due(&site).pop().unwrap();
    let alice = site.token("alice");
    let path = format!("/api/v1/notices/channels/{channel}");
    site.asked(&alice, "DELETE", &path, &Value::Null, 204);
    let number = |notice: &DueNotice| notice.number;
    add_members_channel(&site);
    key(&site, "other", 8);
    site.pass(2 * DAY);
    let next = due(&site);
    assert!(next.iter().any(|notice| number(notice) == number(&sent)));
    let result = TryResult::Delivered { status: Some(200) };
    let now = site.clock.now();
    site.app().record_notice_try(sent, result, now).unwrap();
    let numbers = |notices: &[DueNotice]| -> Vec<i64> { notices.iter().map(number).collect() };
    assert_eq!(numbers(&due(&site)), numbers(&next));
}

#[test]
fn first_channel_announces_soon_expiring_credentials() {
    let site = Site::new();
    key(&site, "ci", 3);
    add_members_channel(&site);
    assert_eq!(delivered(&site), ["API key ci expires in 3 days"]);
}

#[test]
fn each_kind_of_expiration_reaches_its_audience() {
    let site = Site::new();
    site.add_user("carol", Role::Admin);
    add_channel(&site, "webhook");
    let (alice, bob) = (site.token("alice"), site.token("bob"));
    key(&site, "ci", 10);
    let body = json!({"public_key": KEY, "name": "laptop", "expires_in": "10d"});
    site.asked(&bob, "POST", "/api/v1/ssh-keys", &body, 201);
    let body = json!({"name": "slurm", "permissions": []});
    site.asked(&alice, "POST", "/api/v1/services", &body, 201);
    let body = json!({"name": "node", "expires_in": "10d", "permissions": []});
    site.asked(
        &alice,
        "POST",
        "/api/v1/services/slurm/api-keys",
        &body,
        201,
    );
    let body = json!({"expires_in": "10d"});
    site.asked(&alice, "POST", "/api/v1/hosts/enrollment-codes", &body, 201);
    delivered(&site);
    site.pass(3 * DAY);
    let mut found: Vec<(NoticeKind, Option<String>)> = due(&site)
        .into_iter()
        .map(|notice| (notice.kind, notice.recipient))
        .collect();
    found.sort_by_key(|(kind, _)| kind.as_str());
    let of_bob = Some("bob".to_owned());
    assert_eq!(
        found,
        [
            (NoticeKind::ApiKeyExpires, of_bob.clone()),
            (NoticeKind::CodeExpires, None),
            (NoticeKind::ServiceKeyExpires, None),
            (NoticeKind::SshKeyExpires, of_bob),
        ]
    );
}

#[test]
fn silent_host_and_old_backup_are_noticed_once() {
    let site = Site::new();
    let alice = site.token("alice");
    let codes = "/api/v1/hosts/enrollment-codes";
    let code = site.asked(&alice, "POST", codes, &json!({}), 201);
    let code = code["secret"].as_str().unwrap();
    let body = json!({"name": "gpu1"});
    site.asked(code, "POST", "/api/v1/hosts/enroll", &body, 201);
    add_channel(&site, "webhook");
    assert!(delivered(&site).is_empty());
    site.pass(3_600);
    assert_eq!(delivered(&site), ["Host gpu1 is silent"]);
    site.pass(7 * DAY);
    assert_eq!(delivered(&site), ["No backup exists"]);
    site.pass(DAY);
    assert!(delivered(&site).is_empty());
    let body = json!({"name": "a.db", "bytes": 1});
    let backup = || {
        let sent = site
            .ask("POST", "/api/v1/backups")
            .by_operator()
            .json(&body)
            .send();
        assert!(sent.status < 300, "{}", sent.text());
    };
    backup();
    site.pass(7 * DAY);
    assert!(delivered(&site).is_empty());
    site.pass(1);
    assert_eq!(delivered(&site), ["The last backup is older than a week"]);
}

#[test]
fn many_expirations_at_once_are_noticed_in_batches() {
    let site = Site::new();
    add_members_channel(&site);
    let file = rusqlite::Connection::open(site.path()).unwrap();
    let expires_at = site.clock.now().unix() + 30 * DAY;
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
               INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at, expires_at) \
               SELECT printf('%012d', i), 'api-key', 2, 'key ' || i, '', '', zeroblob(32), 0, ?1 - i / 7000 FROM n";
    file.execute(sql, [expires_at]).unwrap();
    site.pass(16 * DAY);
    let search = |batches_max: usize| {
        let mut batches = 0;
        let pause = || {
            batches += 1;
            batches < batches_max
        };
        let found = site.app().collect_notices(site.clock.now(), pause);
        found.unwrap();
        batches
    };
    // The server stops in between; the next search goes on.
    assert_eq!(search(30), 30);
    assert_eq!(search(1_000), 170);
    assert_eq!(search(1_000), 0);
    let count = |sql: &str| -> i64 { file.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM notices"), 10_000);
    assert_eq!(count("SELECT count(DISTINCT item_id) FROM notices"), 10_000);
}
