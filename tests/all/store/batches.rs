//! Jobs of the writer: each complete or without effect, independent of others.

use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use keycroft::model::error::Error;
use keycroft::store::{EventCondition, Store, Verdict, WriterTimeouts};

use super::support::{
    ENDLESS, Lab, NOW, add_group, bare_store, for_seconds, groups_and_events, permit, trace,
};

/// Bar R14.
#[test]
fn panicking_job_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    let read = store.read().unwrap();
    let panicked = store.write(permit(), |write| {
        write.add_group("half")?;
        assert!(write.group("half")?.is_none(), "the test's own panic");
        Ok(((), trace("half")))
    });
    assert!(matches!(panicked, Err(Error::Fault(_))), "{panicked:?}");
    assert_eq!(groups_and_events(&read), (vec![], 0));
    add_group(&store, "next").unwrap();
    assert_eq!(groups_and_events(&read), (vec!["next".to_owned()], 1));
    assert!(store.is_writing());
}

/// Bars R14 and R4: in one transaction with others.
#[test]
fn failed_job_leaves_others_in_its_transaction_intact() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    let read = store.read().unwrap();
    let gate = Gate::shut(&store);
    let jobs: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            thread::spawn(move || {
                store.write(permit(), move |write| {
                    write.add_group(&format!("group-{number:02}"))?;
                    match number % 4 {
                        0 => Ok(((), trace("good"))),
                        1 => Err(Error::NotAllowed("the job says no".to_owned())),
                        2 => Err(Error::Fault("the job failed".to_owned())),
                        _ => panic!("the test's own panic"),
                    }
                })
            })
        })
        .collect();
    gate.open();
    let answers: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
    for (number, answer) in answers.iter().enumerate() {
        match number % 4 {
            0 => assert!(answer.is_ok(), "{answer:?}"),
            1 => assert!(matches!(answer, Err(Error::NotAllowed(_))), "{answer:?}"),
            _ => assert!(matches!(answer, Err(Error::Fault(_))), "{answer:?}"),
        }
    }
    let (groups, events) = groups_and_events(&read);
    assert_eq!(groups.len(), 10);
    // That of the gate, the ten that succeeded, and the ten that failed.
    assert_eq!(events, 21);
    assert!(matches!(
        read.verify_events(|_| ()).unwrap(),
        Verdict::Whole { head, .. } if head.number == 21
    ));
}

/// Holds the writer within a job, so that others wait behind it.
struct Gate {
    gate: std::sync::mpsc::SyncSender<()>,
    held: thread::JoinHandle<()>,
}

impl Gate {
    fn shut(store: &Store) -> Self {
        let (gate, opens) = sync_channel(1);
        let (entered, inside) = channel();
        let store = store.clone();
        let held = thread::spawn(move || {
            let done = store.write(permit(), move |_| {
                entered.send(()).unwrap();
                opens.recv().unwrap();
                Ok(((), trace("gate")))
            });
            done.unwrap();
        });
        inside.recv().unwrap();
        Self { gate, held }
    }

    fn open(self) {
        self.gate.send(()).unwrap();
        self.held.join().unwrap();
    }
}

/// Bar R4.
#[test]
fn act_without_its_event_is_rolled_back() {
    let lab = Lab::new();
    let before = lab.number("SELECT count(*) FROM credentials");
    lab.stranger()
        .execute_batch("CREATE TRIGGER no_events BEFORE INSERT ON events BEGIN SELECT raise(FAIL, 'the test says no'); END")
        .unwrap();
    for failing in ["FAIL", "ABORT", "ROLLBACK"] {
        lab.stranger()
            .execute_batch(&format!("DROP TRIGGER no_events; CREATE TRIGGER no_events BEFORE INSERT ON events BEGIN SELECT raise({failing}, 'the test says no'); END"))
            .unwrap();
        let created = lab.api_key(&lab.bob, "unheard", ENDLESS);
        assert!(
            matches!(created, Err(Error::Fault(_) | Error::Unavailable { .. })),
            "{failing}: {created:?}"
        );
        let role = keycroft::model::user::UserChange {
            disabled: Some(keycroft::model::user::Disabled::Yes),
            ..Default::default()
        };
        let bob = keycroft::model::user::Username::parse("bob").unwrap();
        assert!(
            lab.app
                .change_user(&lab.app.operator(0), &bob, role)
                .is_err()
        );
        assert!(lab.is_good(&lab.bob), "{failing}: bob is not disabled");
    }
    assert_eq!(lab.number("SELECT count(*) FROM credentials"), before);
    lab.stranger()
        .execute_batch("DROP TRIGGER no_events")
        .unwrap();
    assert!(lab.api_key(&lab.bob, "heard", ENDLESS).is_ok());
    assert!(matches!(
        lab.app.audit_log().unwrap().verify_events(|_| ()).unwrap(),
        Verdict::Whole { .. }
    ));
}

/// After an error that rolls back the transaction, no job in it reports success.
#[test]
fn jobs_of_a_lost_transaction_get_errors() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    let read = store.read().unwrap();
    let trigger = "CREATE TRIGGER lost BEFORE INSERT ON groups WHEN new.name = 'lost' BEGIN SELECT raise(ROLLBACK, 'the test takes all'); END";
    rusqlite::Connection::open(store.path())
        .unwrap()
        .execute_batch(trigger)
        .unwrap();
    let gate = Gate::shut(&store);
    let barrier = Arc::new(Barrier::new(21));
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                let name = if number == 10 {
                    "lost".to_owned()
                } else {
                    format!("group-{number}")
                };
                (name.clone(), add_group(&store, &name))
            })
        })
        .collect();
    barrier.wait();
    gate.open();
    let answers: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
    let (groups, events) = groups_and_events(&read);
    for (name, answer) in &answers {
        assert_eq!(answer.is_ok(), groups.contains(name), "{name}: {answer:?}");
    }
    assert!(!groups.contains(&"lost".to_owned()));
    let committed = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    let gate_stands = events - committed;
    assert!(gate_stands <= 1, "no event without its act");
    add_group(&store, "after").unwrap();
    assert!(store.is_writing());
}

/// One thread closes while others write: each gets an answer, and acknowledged writes are stored.
#[test]
fn stopping_writer_answers_every_job() {
    let folder = tempfile::tempdir().unwrap();
    let store = bare_store(folder.path(), WriterTimeouts::default());
    let begun = Arc::new(Barrier::new(9));
    let askers: Vec<_> = (0..8)
        .map(|asker| {
            let (store, begun) = (store.clone(), Arc::clone(&begun));
            thread::spawn(move || {
                let mut done = Vec::new();
                begun.wait();
                for number in 0.. {
                    let name = format!("group-{asker}-{number}");
                    match add_group(&store, &name) {
                        Ok(()) => done.push(name),
                        Err(Error::Unavailable { .. }) => return done,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                done
            })
        })
        .collect();
    begun.wait();
    add_group(&store, "first").unwrap();
    let closers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            thread::spawn(move || {
                store.close();
                // The database is closed when close returns.
                assert!(!store.path().with_extension("db-wal").exists());
            })
        })
        .collect();
    for closer in closers {
        closer.join().unwrap();
    }
    let done: Vec<String> = askers.into_iter().flat_map(|a| a.join().unwrap()).collect();
    let reopened = Store::open(store.path()).unwrap();
    let read = reopened.read().unwrap();
    for name in &done {
        assert!(read.group(name).unwrap().is_some(), "{name} was lost");
    }
    let all = read
        .events(&EventCondition::default(), None, 10_000)
        .unwrap();
    assert_eq!(all.items.len(), done.len() + 1);
}

/// Bar R12.
#[test]
fn sweep_of_100000_rows_does_not_block_writes() {
    let lab = Lab::new();
    let live = lab
        .api_key(&lab.alice, "live", for_seconds(86_400))
        .unwrap();
    let some = plant_expired(&lab, 100_000);
    for secret in &some {
        assert!(!lab.is_good(secret));
    }
    let app_state = lab.app_state.clone();
    let sweeper = thread::spawn(move || {
        app_state
            .app()
            .unwrap()
            .sweep(&app_state.app().unwrap().operator(0))
            .unwrap()
    });
    let connection = lab.stranger();
    let left = || -> i64 {
        let sql = "SELECT count(*) FROM credentials WHERE name = 'planted'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let mut between = 0;
    for number in 0.. {
        let begun = left();
        lab.api_key(&lab.bob, &format!("between-{number}"), ENDLESS)
            .or_else(|error| match error {
                // As many as the policy allows.
                Error::AgainstPolicy(_) => Ok(String::new()),
                other => Err(other),
            })
            .unwrap();
        assert!(lab.is_good(&live));
        assert!(some.iter().all(|secret| !lab.is_good(secret)));
        if begun == 0 {
            break;
        }
        if left() > 0 {
            between += 1;
        }
    }
    let swept = sweeper.join().unwrap();
    assert_eq!(swept.tokens, 60_000);
    assert_eq!(swept.sessions, 30_000);
    assert_eq!(swept.api_keys, 10_000);
    assert!(
        between >= 10,
        "only {between} writes came between the batches"
    );
    assert_eq!(
        lab.number("SELECT count(*) FROM last_uses WHERE credential_id LIKE 'planted%'"),
        0
    );
}

/// A batch takes its share from each table and each kind, so that a flood of one does not delay the others.
#[test]
fn sweep_batch_takes_a_quota_of_each_table() {
    const QUOTA: i64 = 10;
    let lab = Lab::new();
    let (now, old) = (NOW.unix(), NOW.unix() - 100 * 86_400);
    let day = NOW.day().number() - 40;
    let connection = lab.stranger();
    let fill = |rows: i64, sql: &str| {
        let numbers = format!(
            "WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < {rows})"
        );
        connection
            .execute_batch(&format!("{numbers} {sql}"))
            .unwrap();
    };
    let credentials = |rows: i64, kind: &str, letter: char| {
        let (name, ended, reason) = match letter {
            'd' => ("'planted ' || n", old.to_string(), "'deleted'"),
            'e' => ("'expired ' || n", "NULL".to_owned(), "NULL"),
            _ => ("'planted'", "NULL".to_owned(), "NULL"),
        };
        let digest = if letter == 'd' {
            "NULL"
        } else {
            "zeroblob(32)"
        };
        let end = if letter == 'd' {
            "NULL".to_owned()
        } else {
            old.to_string()
        };
        fill(
            rows,
            &format!(
                "INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at, expires_at, deleted_at, deletion_reason) \
             SELECT printf('{letter}%011d', n), '{kind}', 1, {name}, '', '', {digest}, {old}, {end}, {ended}, {reason} FROM r"
            ),
        );
    };
    // The flood: a hundred batches of tokens. A few rows of everything else.
    credentials(100 * QUOTA, "token", 't');
    credentials(3 * QUOTA, "session", 's');
    credentials(3 * QUOTA, "api-key", 'd');
    credentials(3 * QUOTA, "api-key", 'e');
    let few = 3 * QUOTA;
    fill(
        few,
        &format!(
            "INSERT INTO codes (id, purpose, digest, uses_left, created_at, expires_at) SELECT printf('%012d', n), 'device', zeroblob(32), 1, {old}, {old} FROM r"
        ),
    );
    fill(
        few,
        "INSERT INTO device_logins (code_id, user_code, computer, program) SELECT printf('%012d', n), printf('%08d', n), 'x', 'x' FROM r",
    );
    fill(
        few,
        &format!(
            "INSERT INTO usage_days (credential_id, day, uses, refused) SELECT (SELECT id FROM credentials WHERE expires_at > {now} LIMIT 1), {day} - n, 1, 0 FROM r"
        ),
    );
    fill(
        few,
        &format!(
            "INSERT INTO requests_done (request, body, made, at) SELECT CAST(printf('%032d', n) AS BLOB), zeroblob(32), 'x', {old} FROM r"
        ),
    );
    fill(
        few,
        &format!("INSERT INTO throttle (bucket, since, count) SELECT n, {old}, 1 FROM r"),
    );
    fill(
        few,
        &format!(
            "INSERT INTO known_browsers (digest, user_id, expires_at) SELECT CAST(printf('%032d', n) AS BLOB), 1, {old} FROM r"
        ),
    );
    // Another user of these browsers, who signed in lately.
    let fresh = NOW.unix() + 1;
    fill(
        few,
        &format!(
            "INSERT INTO known_browsers (digest, user_id, expires_at) SELECT CAST(printf('%032d', n) AS BLOB), 2, {fresh} FROM r"
        ),
    );
    fill(
        few,
        &format!(
            "INSERT INTO spent_challenges (digest, expires_at) SELECT CAST(printf('%032d', n) AS BLOB), {old} FROM r"
        ),
    );
    fill(
        few,
        &format!(
            "INSERT INTO account_notices (id, user_id, at, action, actor, actor_kind, target_kind, target_id, target_name, before, after, acknowledged_at) \
        SELECT printf('%012d', n), 1, {old}, 'user.edit', 'x', 'operator', 'user', 'x', 'x', '', '', {old} FROM r"
        ),
    );
    fill(
        few,
        &format!(
            "INSERT INTO ssh_keys (id, user_id, name, type, bits, key, fingerprint, comment, allowed_addresses, created_at, expires_at) \
        SELECT printf('%012d', n), 1, n, 'ssh-ed25519', 256, 'x', n, '', '', {old}, {old} FROM r"
        ),
    );
    drop(connection);
    let lab = lab.restart();
    let left = || {
        [
            "credentials WHERE kind = 'token' AND name = 'planted'",
            "credentials WHERE kind = 'session'",
            "credentials WHERE name LIKE 'planted %'",
            "credentials WHERE name LIKE 'expired %'",
            "codes WHERE purpose = 'device'",
            "device_logins",
            "usage_days",
            "requests_done",
            "throttle",
            "known_browsers WHERE user_id = 1",
            "spent_challenges",
            "account_notices WHERE acknowledged_at IS NOT NULL",
            "ssh_keys WHERE expired_seen_at IS NULL",
        ]
        .map(|rows| (rows, lab.number(&format!("SELECT count(*) FROM {rows}"))))
    };
    let quota = usize::try_from(QUOTA).unwrap();
    let before = left();
    for (place, (rows, count)) in before.iter().enumerate() {
        let planted = if place == 0 { 100 * QUOTA } else { few };
        assert_eq!(*count, planted, "{rows}");
    }
    lab.app_state.close();
    let store = keycroft::store::Store::open(&lab.path).unwrap();
    let swept = store.sweep_batch(NOW, quota).unwrap();
    assert_eq!(
        (swept.tokens, swept.sessions, swept.codes),
        (quota, quota, quota)
    );
    for ((rows, was), (_, is)) in before.iter().zip(left()) {
        assert_eq!(was - is, QUOTA, "{rows}");
    }
    let others = "SELECT count(*) FROM known_browsers WHERE user_id = 2";
    assert_eq!(lab.number(others), few);
    // Two more batches leave only the flood.
    for _ in 0..2 {
        store.sweep_batch(NOW, quota).unwrap();
    }
    for (place, (rows, count)) in left().iter().enumerate() {
        let expected = if place == 0 { 97 * QUOTA } else { 0 };
        assert_eq!(*count, expected, "{rows}");
    }
}

/// Expired credentials of three kinds. Returns the secrets of some.
fn plant_expired(lab: &Lab, count: usize) -> Vec<String> {
    use keycroft::model::secret::{Secret, SecretForm};
    let mut connection = lab.stranger();
    connection
        .pragma_update(None, "foreign_keys", "OFF")
        .unwrap();
    let transaction = connection.transaction().unwrap();
    let mut secrets = Vec::new();
    {
        let mut insert = transaction
            .prepare("INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at, expires_at) VALUES (?, ?, 1, 'planted', '', '', ?, ?, ?)")
            .unwrap();
        let mut used = transaction
            .prepare(
                "INSERT INTO usage_days (credential_id, day, uses, refused) VALUES (?, ?, 1, 0)",
            )
            .unwrap();
        for number in 0..count {
            let kind = match number % 10 {
                0..6 => keycroft::model::credential::Kind::Token,
                6..9 => keycroft::model::credential::Kind::Session,
                _ => keycroft::model::credential::Kind::ApiKey,
            };
            let end = NOW.unix() - 31 * 86_400 - 1;
            let (id, digest) = if number < 5 {
                let secret = Secret::generate(SecretForm::Credential(kind));
                let (id, digest) = (secret.id().to_string(), secret.digest());
                secrets.push(secret.reveal().to_string());
                (id, digest.as_bytes().to_vec())
            } else {
                (format!("p{number:011}"), vec![0; 32])
            };
            // A name is unique among a user's API keys.
            let unnamed = rusqlite::params![id, kind.as_str(), digest, end - 60, end];
            if kind == keycroft::model::credential::Kind::ApiKey {
                let sql = "INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, created_at, expires_at, deleted_at, deletion_reason) VALUES (?, 'api-key', 1, 'planted', '', '', ?, ?, ?, 'deleted')";
                transaction
                    .prepare_cached(sql)
                    .unwrap()
                    .execute(rusqlite::params![id, end - 60, end, end])
                    .unwrap();
            } else {
                insert.execute(unnamed).unwrap();
            }
            for day in 0..3 {
                used.execute(rusqlite::params![id, NOW.day().number() - day])
                    .unwrap();
            }
        }
    }
    transaction.commit().unwrap();
    secrets
}

/// Uses are stored without further requests, even if the wake-up found no room in the queue.
#[test]
fn pending_uses_are_stored_within_seconds() {
    let lab = Lab::with(WriterTimeouts {
        flush_after: Duration::from_millis(10),
        ..WriterTimeouts::default()
    });
    for _ in 0..7 {
        assert!(lab.is_good(&lab.alice));
    }
    let id = &lab.alice[4..16];
    let uses = format!(
        "SELECT coalesce((SELECT sum(uses) FROM usage_days WHERE credential_id = '{id}'), 0)"
    );
    super::process::until("the uses are in the file", || lab.number(&uses) == 7);
    let last = format!(
        "SELECT at FROM last_uses WHERE credential_id = '{id}' AND address = '127.0.0.1' AND program = 'test'"
    );
    assert_eq!(lab.number(&last), NOW.unix());
}

/// A use before a rotation does not count for the new secret.
#[test]
fn use_before_a_rotation_counts_for_the_old_secret() {
    use keycroft::app::App;
    use keycroft::model::credential::Kind;
    use keycroft::model::credential::{RequestedGrace, Rotation};
    use keycroft::model::time::RequestedExpiration;
    let lab = Lab::new();
    let old = lab.api_key(&lab.alice, "rotates", ENDLESS).unwrap();
    assert!(lab.is_good(&old));
    lab.turn_to(NOW.unix() + 10);
    let alice = lab.caller(&lab.alice).unwrap();
    let scope = App::own(&alice, Kind::ApiKey).unwrap();
    let rotation = Rotation {
        grace: RequestedGrace::lasting(Duration::from_secs(3_600)).unwrap(),
        end: RequestedExpiration::Unsaid,
    };
    let id = keycroft::model::secret::Presented::parse(&old).unwrap().id;
    let new = lab.app.rotate(&alice, &scope, id, rotation, None).unwrap();
    let new = new.secret.reveal().to_string();
    let lab = lab.restart();
    let record = |lab: &Lab| {
        let alice = lab.caller(&lab.alice).unwrap();
        lab.app
            .credential(&alice, &scope, Kind::ApiKey, id)
            .unwrap()
    };
    assert!(
        record(&lab).current_use.is_none(),
        "the new one was not used"
    );
    assert_eq!(record(&lab).last_use.unwrap().at, NOW);
    assert_eq!(record(&lab).previous_use.unwrap().at, NOW);
    lab.turn_to(NOW.unix() + 20);
    assert!(lab.is_good(&new) && lab.is_good(&old));
    let lab = lab.restart();
    assert_eq!(record(&lab).last_use.unwrap().at.unix(), NOW.unix() + 20);
    assert_eq!(
        record(&lab).previous_use.unwrap().at.unix(),
        NOW.unix() + 20
    );
}
