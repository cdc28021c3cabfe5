//! Bar R7: expiration is exact to the second, and no clock takes it back.

use std::time::Duration;

use keycroft::app::App;
use keycroft::model::caller::Caller;
use keycroft::model::code::Purpose;
use keycroft::model::credential::{CredentialChange, Kind};
use keycroft::model::credential::{RequestedGrace, Rotation};
use keycroft::model::error::Error;
use keycroft::model::secret::Presented;
use keycroft::model::time::{RequestedExpiration, Time};

use super::support::{ENDLESS, Lab, NOW, for_seconds, origin};

const YEAR: i64 = 31_556_952;

fn id(secret: &str) -> keycroft::model::secret::Id {
    Presented::parse(secret).unwrap().id
}

fn renew(lab: &Lab, caller: &Caller, secret: &str, end: RequestedExpiration) -> Result<(), Error> {
    let scope = App::own(caller, Kind::ApiKey).unwrap();
    let change = CredentialChange {
        end: Some(end),
        ..CredentialChange::default()
    };
    lab.app.edit(caller, &scope, id(secret), change).map(|_| ())
}

#[test]
fn expiration_is_exact_to_the_second() {
    let lab = Lab::new();
    let key = lab.api_key(&lab.alice, "short", for_seconds(100)).unwrap();
    lab.turn_to(NOW.unix() + 99);
    assert!(lab.is_good(&key));
    lab.turn_to(NOW.unix() + 100);
    assert!(!lab.is_good(&key));
}

#[test]
fn seen_expiration_survives_clock_change_and_restart() {
    let lab = Lab::new();
    let seen = lab.api_key(&lab.alice, "seen", for_seconds(100)).unwrap();
    let unseen = lab.api_key(&lab.alice, "unseen", for_seconds(100)).unwrap();
    lab.turn_to(NOW.unix() + 100);
    assert!(!lab.is_good(&seen));
    lab.turn_to(NOW.unix() + 1);
    assert!(!lab.is_good(&seen), "in memory at once");
    assert!(lab.is_good(&unseen), "nobody saw this one expired");
    let lab = lab.restart();
    assert!(!lab.is_good(&seen), "in the file after a restart");
    assert!(lab.is_good(&unseen));
    let lab = lab.restart();
    assert!(!lab.is_good(&seen));
}

/// The order of memory and database matters: neither may miss it during the handover.
#[test]
fn seen_expiration_stays_while_it_is_stored() {
    let lab = Lab::with(keycroft::store::WriterTimeouts {
        flush_after: Duration::from_millis(1),
        ..Default::default()
    });
    for round in 0..20 {
        lab.turn_to(NOW.unix());
        let name = format!("round-{round}");
        let key = lab.api_key(&lab.alice, &name, for_seconds(60)).unwrap();
        lab.turn_to(NOW.unix() + 60);
        assert!(!lab.is_good(&key));
        lab.turn_to(NOW.unix());
        let marked = format!(
            "SELECT count(*) FROM credentials WHERE id = '{}' AND expired_seen_at IS NOT NULL",
            id(&key)
        );
        let reader = lab.stranger();
        loop {
            assert!(!lab.is_good(&key), "good again in round {round}");
            let written: i64 = reader.query_row(&marked, [], |row| row.get(0)).unwrap();
            if written == 1 {
                break;
            }
        }
        assert!(!lab.is_good(&key));
    }
}

#[test]
fn new_expiration_renews_at_once() {
    let lab = Lab::new();
    let key = lab
        .api_key(&lab.alice, "renewed", for_seconds(100))
        .unwrap();
    lab.turn_to(NOW.unix() + 100);
    assert!(!lab.is_good(&key));
    let alice = lab.caller(&lab.alice).unwrap();
    renew(&lab, &alice, &key, for_seconds(50)).unwrap();
    assert!(
        lab.is_good(&key),
        "renewed, though memory has seen it expired"
    );
    let lab = lab.restart();
    assert!(
        lab.is_good(&key),
        "and what memory wrote at the end does not end it"
    );
    lab.turn_to(NOW.unix() + 150);
    assert!(!lab.is_good(&key));
    lab.turn_to(NOW.unix() + 101);
    assert!(!lab.is_good(&key));
    let alice = lab.caller(&lab.alice).unwrap();
    renew(&lab, &alice, &key, ENDLESS).unwrap();
    assert!(lab.is_good(&key));
}

#[test]
fn expired_previous_secret_stays_expired() {
    let lab = Lab::new();
    let old = lab.api_key(&lab.alice, "rotates", ENDLESS).unwrap();
    let alice = lab.caller(&lab.alice).unwrap();
    let scope = App::own(&alice, Kind::ApiKey).unwrap();
    let rotation = Rotation {
        grace: RequestedGrace::lasting(Duration::from_secs(60)).unwrap(),
        end: RequestedExpiration::Unsaid,
    };
    let rotated = lab.app.rotate(&alice, &scope, id(&old), rotation, None);
    let new = rotated.unwrap().secret.reveal().to_string();
    lab.turn_to(NOW.unix() + 59);
    assert!(lab.is_good(&old) && lab.is_good(&new));
    lab.turn_to(NOW.unix() + 60);
    assert!(!lab.is_good(&old) && lab.is_good(&new));
    lab.turn_to(NOW.unix() + 1);
    assert!(!lab.is_good(&old), "in memory at once");
    let lab = lab.restart();
    assert!(!lab.is_good(&old), "in the file after a restart");
    assert!(lab.is_good(&new));
    let kept = format!(
        "SELECT count(*) FROM credentials WHERE id = '{}' AND previous_digest IS NOT NULL",
        id(&old)
    );
    assert_eq!(lab.number(&kept), 0);
}

/// A request with the present secret may wait behind the rotation that makes it the previous one.
#[test]
fn secret_that_a_rotation_replaces_meanwhile_changes_nothing() {
    let lab = Lab::new();
    let old = lab.api_key(&lab.alice, "rotates", ENDLESS).unwrap();
    let (waiting, alice) = (lab.caller(&old).unwrap(), lab.caller(&lab.alice).unwrap());
    let scope = App::own(&alice, Kind::ApiKey).unwrap();
    let rotation = || Rotation {
        grace: RequestedGrace::lasting(Duration::from_secs(60)).unwrap(),
        end: RequestedExpiration::Unsaid,
    };
    let rotated = lab.app.rotate(&alice, &scope, id(&old), rotation(), None);
    let new = rotated.unwrap().secret.reveal().to_string();
    let again = lab.app.rotate(&waiting, &scope, id(&old), rotation(), None);
    assert!(
        matches!(again, Err(Error::NotAllowed(_))),
        "{:?}",
        again.err()
    );
    assert!(lab.is_good(&old) && lab.is_good(&new));
}

#[test]
fn code_seen_expired_stays_expired() {
    let lab = Lab::new();
    let bob = keycroft::model::user::Username::parse("bob").unwrap();
    let code = lab
        .app
        .reset_password(&lab.app.operator(0), &bob, None)
        .unwrap()
        .reveal();
    let present = || Presented::parse(&code).unwrap();
    let asked = |now: Time| lab.app.code_user(&present(), Purpose::PasswordReset, now);
    assert!(asked(NOW).is_ok());
    let end = NOW.after(Purpose::PasswordReset.lifetime());
    assert!(asked(end).is_err());
    assert!(asked(NOW).is_err(), "the clock went back");
    let consumed = lab.app.set_password_by_code(
        present(),
        Purpose::PasswordReset,
        "blue teapots sing at dawn",
        None,
        origin(),
        NOW,
    );
    assert!(consumed.is_err());
}

#[test]
fn clock_changes_never_break_endless_credentials() {
    let mut lab = Lab::new();
    let endless = lab.api_key(&lab.alice, "endless", ENDLESS).unwrap();
    for jump in [
        12 * YEAR,
        -55 * YEAR,
        500 * YEAR,
        -60 * YEAR,
        20_000 * YEAR,
        0,
    ] {
        lab.turn_to(NOW.unix().saturating_add(jump));
        let now = lab.app.now();
        assert!(lab.is_good(&endless), "{now}");
        lab.app.sweep_sometimes(now);
        let caller = lab.caller(&endless).unwrap();
        let scope = App::own(&caller, Kind::ApiKey).unwrap();
        let name = format!("made at {}", now.unix());
        let created = lab.api_key(&endless, &name, for_seconds(3_600));
        match created {
            Ok(key) => assert_eq!(lab.is_good(&key), now < Time::LAST, "{now}"),
            // At the last second, no expiration can lie ahead.
            Err(error) => assert_eq!(now, Time::LAST, "{error:?}"),
        }
        let listed = lab
            .app
            .credentials(&caller, &scope, Kind::ApiKey, false, None, 50);
        assert!(!listed.unwrap().items.is_empty());
        assert_eq!(
            lab.app
                .usage(&caller, &scope, Kind::ApiKey, id(&endless))
                .unwrap()
                .len(),
            30
        );
        lab.app.sweep(&lab.app.operator(0)).unwrap();
        lab = lab.restart();
        assert!(lab.is_good(&endless), "after a restart at {now}");
    }
    assert!(matches!(
        lab.app.audit_log().unwrap().verify_events(|_| ()).unwrap(),
        keycroft::app::Verdict::Whole { .. }
    ));
}
