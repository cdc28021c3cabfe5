//! The limits of an approval, and rejections.

use keycroft::app::EventCondition;
use keycroft::model::caller::Caller;
use keycroft::model::error::Error;
use keycroft::model::time::{Lifetime, RequestedExpiration, Time};
use keycroft::model::user::{Disabled, Role, UserChange, Username};

use super::support::{GRANT, Lab, START, hours, text};

#[test]
fn approval_needs_a_session_and_a_recent_password() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    let secret = lab
        .app()
        .user_token(
            &lab.app().operator(0),
            &Username::parse("alice").unwrap(),
            RequestedExpiration::Unsaid,
            None,
        )
        .unwrap()
        .secret
        .reveal();
    let by_token = lab.with(&secret);
    assert!(matches!(
        lab.app()
            .approve_device_login(&by_token, text(&begun, "user_code"), hours(1)),
        Err(Error::NotAllowed(_))
    ));
    let later = Caller {
        now: Time::from_unix(START.unix() + 601),
        ..alice.clone()
    };
    assert_eq!(
        lab.app()
            .approve_device_login(&later, text(&begun, "user_code"), hours(1))
            .err(),
        Some(Error::PasswordNeeded)
    );
    assert_eq!(lab.polled(&begun), "authorization_pending");
}

#[test]
fn approval_is_invalid_once_its_session_is() {
    // Signed out, disabled or demoted between approval and fetch.
    let lab = Lab::new();
    let (alice, bob) = (lab.at_console("alice"), lab.at_console("bob"));
    let begun = lab.begin();
    lab.app()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    lab.app().sign_out(&bob).unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");

    let bob = lab.at_console("bob");
    let begun = lab.begin();
    lab.app()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    let name = Username::parse("bob").unwrap();
    lab.app()
        .change_user(
            &alice,
            &name,
            UserChange {
                disabled: Some(Disabled::Yes),
                ..UserChange::default()
            },
        )
        .unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");

    lab.app()
        .change_user(
            &alice,
            &name,
            UserChange {
                disabled: Some(Disabled::No),
                role: Some(Role::Admin),
                ..UserChange::default()
            },
        )
        .unwrap();
    let bob = lab.at_console("bob");
    let begun = lab.begin();
    lab.app()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    lab.app()
        .change_user(
            &alice,
            &name,
            UserChange {
                role: Some(Role::Member),
                ..UserChange::default()
            },
        )
        .unwrap();
    let (_, granted) = lab.poll(&begun);
    assert!(!text(&granted, "scope").contains("users:"), "{granted}");
}

#[test]
fn device_token_never_outlives_its_session() {
    let lab = Lab::new();
    let alice = lab.at_console("alice");
    lab.app()
        .change_policy(
            &alice,
            keycroft::model::policy::PolicyChange {
                session_lifetime: Some(Lifetime::hours(3)),
                token_lifetime_max: Some(Lifetime::hours(4)),
                token_lifetime_default: Some(Lifetime::hours(4)),
                ..Default::default()
            },
        )
        .unwrap();
    let bob = lab.at_console("bob");
    let begun = lab.begin();
    let code = text(&begun, "user_code");
    assert!(matches!(
        lab.app().approve_device_login(&bob, code, hours(5)),
        Err(Error::AgainstPolicy(_))
    ));
    assert!(matches!(
        lab.app().approve_device_login(
            &bob,
            code,
            RequestedExpiration::At(Time::from_unix(START.unix() + 60))
        ),
        Err(Error::Invalid(_))
    ));
    lab.app()
        .approve_device_login(&bob, code, hours(4))
        .unwrap();
    assert_eq!(lab.poll(&begun).1["expires_in"], 3 * 3_600);
}

#[test]
fn scope_only_narrows_the_token() {
    let lab = Lab::new();
    let (status, begun) = lab.post(
        "/oauth/device_authorization",
        &[
            ("client_id", "keycroft-cli"),
            ("scope", "api-keys:read users:write"),
        ],
    );
    assert_eq!(status, 200);
    let bob = lab.at_console("bob");
    lab.app()
        .approve_device_login(&bob, text(&begun, "user_code"), RequestedExpiration::Unsaid)
        .unwrap();
    assert_eq!(text(&lab.poll(&begun).1, "scope"), "api-keys:read");
}

#[test]
fn guessing_user_codes_is_limited() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    for _ in 0..10 {
        assert!(matches!(
            lab.app().device_login(&alice, "BBBB-BBBB"),
            Err(Error::NotFound(_))
        ));
    }
    assert!(matches!(
        lab.app().device_login(&alice, text(&begun, "user_code")),
        Err(Error::TooMany { .. })
    ));
    assert!(
        lab.app()
            .device_login(&lab.at_console("bob"), text(&begun, "user_code"))
            .is_ok(),
        "others are not hindered"
    );
    lab.turn(60);
    let later = Caller {
        now: lab.clock.now(),
        ..alice
    };
    assert!(
        lab.app()
            .device_login(&later, text(&begun, "user_code"))
            .is_ok()
    );
}

#[test]
fn device_logins_per_address_are_limited() {
    let lab = Lab::new();
    for _ in 0..30 {
        lab.begin();
    }
    let (status, body) = lab.post(
        "/oauth/device_authorization",
        &[("client_id", "keycroft-cli")],
    );
    assert_eq!((status, text(&body, "error")), (429, "slow_down"));
    lab.turn(60);
    lab.begin();
}

#[test]
fn site_of_many_addresses_has_a_separate_limit() {
    let lab = Lab::new();
    let from = |address: &str| lab.begin_from(address).0;
    for number in 0..120 {
        assert_eq!(from(&format!("2001:db8:1:{number}::1")), 200, "{number}");
    }
    assert_eq!(from("2001:db8:1:999::1"), 429);
    assert_eq!(from("2001:db8:2:999::1"), 200);
    for number in 0..120 {
        assert_eq!(from(&format!("192.0.2.{number}")), 200, "{number}");
    }
    assert_eq!(from("192.0.2.200"), 429);
    assert_eq!(from("192.0.3.200"), 200);
}

/// Adds logins of devices that nobody answered.
fn fill(database: &rusqlite::Connection, count: usize, created_at: i64, expires_at: i64) {
    let numbers = format!(
        "WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < {count})"
    );
    let rows = format!(
        "BEGIN; {numbers} INSERT INTO codes (id, purpose, digest, uses_left, created_at, expires_at)
            SELECT printf('%012d', n), 'device', zeroblob(32), 1, {created_at}, {expires_at} FROM r;
         {numbers} INSERT INTO device_logins (code_id, user_code, computer, program)
            SELECT printf('%012d', n), printf('%08d', n), 'x', 'x' FROM r; COMMIT;"
    );
    database.execute_batch(&rows).unwrap();
}

#[test]
fn full_list_drops_the_oldest_unanswered_login() {
    let lab = Lab::new();
    let answered = lab.begin();
    lab.app()
        .approve_device_login(
            &lab.at_console("alice"),
            text(&answered, "user_code"),
            hours(1),
        )
        .unwrap();
    lab.turn(1);
    let oldest = lab.begin();
    lab.turn(1);
    let next = lab.begin();
    lab.turn(1);
    let database = rusqlite::Connection::open(lab.folder.path().join("keycroft.db")).unwrap();
    let now = lab.clock.now().unix();
    fill(&database, 9_997, now, now + 300);
    let newest = lab.begin();
    assert_eq!(lab.polled(&oldest), "invalid_grant");
    for waiting in [next, newest] {
        assert_eq!(lab.polled(&waiting), "authorization_pending");
    }
    assert_eq!(lab.poll(&answered).0, 200);
}

/// Expired logins count as well: a flood from many sites would otherwise add rows faster than they are swept.
#[test]
fn expired_logins_make_room_first() {
    let lab = Lab::new();
    let waiting = lab.begin();
    let database = rusqlite::Connection::open(lab.folder.path().join("keycroft.db")).unwrap();
    let now = lab.clock.now().unix();
    fill(&database, 9_999, now + 1, now - 1);
    let rows = || -> i64 {
        let sql = "SELECT count(*) FROM device_logins";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(), 10_000);
    let newest = lab.begin();
    assert_eq!(rows(), 10_000);
    for begun in [waiting, newest] {
        assert_eq!(lab.polled(&begun), "authorization_pending");
    }
}

#[test]
fn oauth_errors_use_standard_codes() {
    let lab = Lab::new();
    let begun = lab.begin();
    let code = text(&begun, "device_code");
    let token = [
        ("grant_type", GRANT),
        ("client_id", "keycroft-cli"),
        ("device_code", code),
    ];
    let other = if code.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{other}", &code[..code.len() - 1]);
    let long = "account:read ".repeat(400);
    let cases: &[(&str, &[(&str, &str)], &str)] = &[
        ("/oauth/device_authorization", &[], "invalid_request"),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("scope", &long)],
            "invalid_scope",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "other")],
            "invalid_client",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("client_id", "keycroft-cli")],
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("scope", "nonsense")],
            "invalid_scope",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("lifetime", "90m")],
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            &[("client_id", "keycroft-cli"), ("lifetime", "never")],
            "invalid_request",
        ),
        ("/oauth/token", &token[1..], "invalid_request"),
        (
            "/oauth/token",
            &[("grant_type", "password"), token[1], token[2]],
            "unsupported_grant_type",
        ),
        ("/oauth/token", &[token[0], token[2]], "invalid_request"),
        (
            "/oauth/token",
            &[token[0], ("client_id", "other"), token[2]],
            "invalid_client",
        ),
        ("/oauth/token", &token[..2], "invalid_request"),
        (
            "/oauth/token",
            &[token[0], token[1], ("device_code", "nonsense")],
            "invalid_grant",
        ),
        (
            "/oauth/token",
            &[token[0], token[1], ("device_code", &mistyped)],
            "invalid_grant",
        ),
    ];
    for (path, form, error) in cases {
        let (status, body) = lab.post(path, form);
        assert_eq!(
            (status, text(&body, "error")),
            (400, *error),
            "{path} {form:?}"
        );
        assert!(
            !body.to_string().contains(code),
            "an answer never repeats what was sent"
        );
    }
    let token = lab
        .app()
        .user_token(
            &lab.app().operator(0),
            &Username::parse("alice").unwrap(),
            RequestedExpiration::Unsaid,
            None,
        )
        .unwrap()
        .secret
        .reveal();
    let (_, body) = lab.post(
        "/oauth/token",
        &[
            ("grant_type", GRANT),
            ("client_id", "keycroft-cli"),
            ("device_code", &token),
        ],
    );
    assert_eq!(
        text(&body, "error"),
        "invalid_grant",
        "a token is no device code"
    );
}

#[test]
fn device_name_is_sanitized() {
    let lab = Lab::new();
    let (_, begun) = lab.post(
        "/oauth/device_authorization",
        &[
            ("client_id", "keycroft-cli"),
            ("computer", &format!("a\u{202e}b\u{0}{}", "x".repeat(500))),
            ("program", "\u{1b}[2J"),
        ],
    );
    let shown = lab
        .app()
        .device_login(&lab.at_console("alice"), text(&begun, "user_code"))
        .unwrap();
    assert_eq!(
        (shown.computer.chars().count(), shown.program.as_str()),
        (64, "[2J")
    );
    assert!(shown.computer.starts_with("abx"));
}

#[test]
fn event_names_the_device_and_its_program() {
    let lab = Lab::new();
    let (alice, bob) = (lab.at_console("alice"), lab.at_console("bob"));
    let begun = lab.begin();
    lab.app()
        .approve_device_login(&bob, text(&begun, "user_code"), hours(1))
        .unwrap();
    let events = lab
        .app()
        .all_events(&alice, None, EventCondition::default(), None, 1)
        .unwrap();
    let event = &events.items[0];
    assert_eq!(
        (event.target_kind.as_str(), event.target_name.as_str()),
        ("device", "gpu1")
    );
    assert!(event.after.contains("keycroft/1"));
}
