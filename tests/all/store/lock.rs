//! Bar R6: a database that another process has locked.

use std::thread;
use std::time::{Duration, Instant};

use keycroft::model::error::Error;
use keycroft::store::WriterTimeouts;

use super::support::{ENDLESS, Lab, add_group, bare_store};

#[test]
fn locked_database_delays_writes_but_not_reads() {
    let lab = Lab::with(WriterTimeouts {
        job_max: Duration::from_millis(600),
        ..WriterTimeouts::default()
    });
    let key = lab.api_key(&lab.alice, "before", ENDLESS).unwrap();
    let stranger = lab.stranger();
    stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = |number: usize| {
            let (app_state, alice) = (lab.app_state.clone(), &lab.alice);
            scope.spawn(move || {
                let app = app_state.app().unwrap();
                let name = format!("locked-{number}");
                super::support::api_key(&app, alice, &name, ENDLESS)
            })
        };
        let asking: Vec<_> = (0..20).map(ask).collect();
        while asking.iter().any(|asker| !asker.is_finished()) {
            assert!(lab.is_good(&key));
        }
        asking
            .into_iter()
            .map(|asker| asker.join().unwrap())
            .collect()
    });
    // Not earlier; the time limits of the writer bound the delay.
    assert!(begun.elapsed() >= Duration::from_millis(600));
    for answer in answers {
        assert!(
            matches!(answer, Err(Error::Unavailable { .. })),
            "{answer:?}"
        );
    }
    assert!(lab.app.health().is_err());
    stranger.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        lab.number("SELECT count(*) FROM credentials WHERE name LIKE 'locked%'"),
        0
    );
    lab.api_key(&lab.alice, "after", ENDLESS).unwrap();
    assert!(lab.app.health().is_ok());
}

#[test]
fn waiting_write_succeeds_once_the_lock_is_released() {
    let lab = Lab::new();
    let stranger = lab.stranger();
    stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let app_state = lab.app_state.clone();
    let alice = lab.alice.clone();
    let asked = thread::spawn(move || {
        super::support::api_key(&app_state.app().unwrap(), &alice, "waited", ENDLESS)
    });
    // Long enough to find the lock, which takes an attempt of 200 ms.
    thread::sleep(Duration::from_millis(400));
    stranger.execute_batch("COMMIT").unwrap();
    let key = asked.join().unwrap().unwrap();
    assert!(lab.is_good(&key));
}

/// Clients that check its health may stop sending it writes: it has to recover by itself.
#[test]
fn writer_recovers_without_new_writes() {
    let folder = tempfile::tempdir().unwrap();
    let waits = WriterTimeouts {
        job_max: Duration::ZERO,
        flush_after: Duration::from_millis(10),
        ..WriterTimeouts::default()
    };
    let store = bare_store(folder.path(), waits);
    let stranger = rusqlite::Connection::open(store.path()).unwrap();
    stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(add_group(&store, "locked").is_err());
    assert!(!store.is_writing());
    stranger.execute_batch("ROLLBACK").unwrap();
    super::process::until("it is healthy again", || store.is_writing());
}
