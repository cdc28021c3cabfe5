//! From code to token.

use keycroft::app::App;
use keycroft::model::credential::Kind;
use keycroft::model::error::Error;
use keycroft::model::time::Lifetime;
use serde_json::Value;

use super::support::{Lab, START, hours, text};

#[test]
fn device_login_completes() {
    let lab = Lab::new();
    let begun = lab.begin();
    assert_eq!(
        (&begun["expires_in"], &begun["interval"]),
        (&300.into(), &5.into())
    );
    assert_eq!(
        text(&begun, "verification_uri"),
        "https://keys.lab.example/device"
    );
    assert!(text(&begun, "device_code").starts_with("kce_"));
    assert_eq!(lab.polled(&begun), "authorization_pending");

    let alice = lab.at_console("alice");
    let shown = lab
        .app()
        .device_login(&alice, &text(&begun, "user_code").to_lowercase())
        .unwrap();
    assert_eq!(
        (
            shown.computer.as_str(),
            shown.program.as_str(),
            shown.lifetime,
            shown.requested_at
        ),
        ("gpu1", "keycroft/1", Some(Lifetime::hours(8)), START)
    );
    assert!(shown.address.is_some());
    lab.app()
        .approve_device_login(&alice, text(&begun, "user_code"), hours(2))
        .unwrap();

    let (status, granted) = lab.poll(&begun);
    assert_eq!(status, 200, "{granted}");
    assert_eq!(
        (text(&granted, "token_type"), &granted["expires_in"]),
        ("Bearer", &7_200.into())
    );
    let caller = lab.with(text(&granted, "access_token"));
    assert_eq!(caller.credential().unwrap().kind, Kind::Token);
    assert_eq!(caller.credential().unwrap().owner.name(), "alice");
    assert_eq!(caller.power, alice.power);
    let record = lab
        .app()
        .credential(
            &caller,
            &App::own(&caller, Kind::Token).unwrap(),
            Kind::Token,
            caller.credential().unwrap().id,
        )
        .unwrap();
    assert_eq!(
        (record.name.as_str(), record.created_by),
        ("keycroft/1 on gpu1", Some(alice.credential().unwrap().id))
    );
    assert_eq!(lab.polled(&begun), "invalid_grant", "it is used up");

    let events = lab
        .app()
        .own_events(&caller, keycroft::app::EventCondition::default(), None, 10)
        .unwrap()
        .items;
    let output: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event.action.as_str(), event.actor.as_str()))
        .collect();
    assert_eq!(
        output[..2],
        [("token.create", "alice"), ("device.approve", "alice")]
    );
}

#[test]
fn denied_device_login_is_rejected() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.app()
        .deny_device_login(&alice, text(&begun, "user_code"))
        .unwrap();
    assert_eq!(lab.polled(&begun), "access_denied");
    assert!(
        matches!(
            lab.app()
                .approve_device_login(&alice, text(&begun, "user_code"), hours(1)),
            Err(Error::NotFound(_))
        ),
        "an answer stands"
    );
    assert_eq!(lab.polled(&begun), "access_denied");
}

#[test]
fn early_poll_is_slowed_down_by_5_seconds() {
    let lab = Lab::new();
    let begun = lab.begin();
    assert_eq!(
        lab.polled(&begun),
        "authorization_pending",
        "the first question is never too soon"
    );
    lab.turn(4);
    assert_eq!(lab.polled(&begun), "slow_down");
    lab.turn(9);
    assert_eq!(lab.polled(&begun), "slow_down", "ten seconds from now on");
    lab.turn(15);
    assert_eq!(lab.polled(&begun), "authorization_pending");
    let other = lab.begin();
    assert_eq!(
        lab.polled(&other),
        "authorization_pending",
        "each device has its own pace"
    );
}

#[test]
fn polling_writes_nothing_until_an_answer() {
    let lab = Lab::new();
    let begun = lab.begin();
    let wal = lab.app_state.app().unwrap();
    let before = std::fs::metadata(lab.folder.path().join("keycroft.db-wal"))
        .unwrap()
        .len();
    for _ in 0..20 {
        lab.turn(6);
        assert_eq!(lab.polled(&begun), "authorization_pending");
    }
    assert_eq!(
        std::fs::metadata(lab.folder.path().join("keycroft.db-wal"))
            .unwrap()
            .len(),
        before
    );
    drop(wal);
}

#[test]
fn device_login_expires_after_5_minutes() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.turn(299);
    lab.app()
        .device_login(&alice, text(&begun, "user_code"))
        .unwrap();
    lab.turn(1);
    assert_eq!(lab.polled(&begun), "expired_token");
    let alice = lab.at_console("alice");
    assert!(matches!(
        lab.app().device_login(&alice, text(&begun, "user_code")),
        Err(Error::NotFound(_))
    ));

    let late = lab.begin();
    lab.app()
        .approve_device_login(&alice, text(&late, "user_code"), hours(1))
        .unwrap();
    lab.turn(300);
    assert_eq!(
        lab.polled(&late),
        "expired_token",
        "approved, but fetched too late"
    );
}

#[test]
fn one_of_fifty_polls_gets_the_token() {
    let lab = Lab::new();
    let begun = lab.begin();
    let alice = lab.at_console("alice");
    lab.app()
        .approve_device_login(&alice, text(&begun, "user_code"), hours(1))
        .unwrap();
    let start = std::sync::Barrier::new(50);
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    lab.poll(&begun)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 200).count(),
        1
    );
    assert!(
        answers
            .iter()
            .filter(|(status, _)| *status != 200)
            .all(|(status, body)| *status == 400 && text(body, "error") == "invalid_grant")
    );
    let tokens = lab
        .app()
        .credentials(
            &alice,
            &App::own(&alice, Kind::Token).unwrap(),
            Kind::Token,
            false,
            None,
            10,
        )
        .unwrap()
        .items;
    assert_eq!(tokens.len(), 1);
}

#[test]
fn one_of_fifty_answers_counts() {
    let lab = Lab::new();
    let begun = lab.begin();
    let (alice, bob) = (lab.at_console("alice"), lab.at_console("bob"));
    let start = std::sync::Barrier::new(8);
    let done: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (who, begun, lab, start) = (
                    if number % 2 == 0 { &alice } else { &bob },
                    &begun,
                    &lab,
                    &start,
                );
                scope.spawn(move || {
                    start.wait();
                    let code = text(begun, "user_code");
                    if number < 4 {
                        lab.app().approve_device_login(who, code, hours(1)).is_ok()
                    } else {
                        lab.app().deny_device_login(who, code).is_ok()
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
}
