//! The writer alone: batches, panics, the bound of its queue, and uses stored between jobs.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Sender, channel};

use super::super::file;
use super::*;
use crate::model::time::Time;
use crate::store::create::create;
use crate::store::usage::{SeenExpirations, Use};

/// Bar P3 of docs/guarantees.md: independent of the speed of the disk.
#[test]
fn waiting_jobs_are_committed_together() {
    let (_folder, _, mut connection) = new_database();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    let count = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        false
    };
    connection.commit_hook(Some(count)).unwrap();
    let writer = start(connection);
    let (entered, inside) = channel();
    let (gate, opens) = channel::<()>();
    let (results, answers) = channel();
    let held = add(&results, move || {
        entered.send(()).unwrap();
        opens.recv().unwrap();
    });
    assert!(writer.send(held).is_ok());
    inside.recv().unwrap();
    for _ in 0..BATCH_MAX + 10 {
        assert!(writer.send(add(&results, || ())).is_ok());
    }
    assert_eq!(commits.load(Ordering::SeqCst), 0);
    gate.send(()).unwrap();
    let answered: Vec<Result<(), Error>> = answers.iter().take(BATCH_MAX + 11).collect();
    assert!(answered.iter().all(Result::is_ok));
    // The one that was held, one full batch, and the rest.
    assert_eq!(commits.load(Ordering::SeqCst), 3);
}

fn start(connection: Connection) -> Writer {
    start_with(connection, Uses::new(), WriterTimeouts::default())
}

/// A new database: its folder, which goes with the value, its path, and a connection of a writer.
fn new_database() -> (tempfile::TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    create(&path, Time::from_unix(0)).unwrap();
    let connection = file::open_to_write(&path).unwrap();
    (folder, path, connection)
}

fn start_with(connection: Connection, uses: impl Into<Arc<Uses>>, waits: WriterTimeouts) -> Writer {
    let path = connection.path().expect("this is no database in memory");
    let identity = FileIdentity::new(path.as_ref(), &connection).unwrap();
    let shared = WriterShared {
        uses: uses.into(),
        cache: Arc::new(Cache::new()),
        identity: Arc::new(identity),
        notices: Arc::default(),
    };
    Writer::start(connection, shared, waits, None).unwrap()
}

/// A job that writes one row and passes on its answer.
fn add(results: &Sender<Result<(), Error>>, first: impl FnOnce() + Send + 'static) -> Message {
    let results = results.clone();
    Message::Job(WriteJob::new(Box::new(move |select| {
        first();
        let result = select.and_then(|select| {
            let sql = "INSERT INTO groups (name, created_at) VALUES ('g' || lower(hex(randomblob(8))), 0)";
            select.execute(sql, [])
        });
        let failure = result.as_ref().err().cloned();
        let answer: Reply =
            Box::new(move |committed| results.send(committed.and(result.map(|_| ()))).unwrap());
        FinishedJob { answer, failure }
    })))
}

#[test]
fn job_beyond_the_queue_limit_is_rejected() {
    let (_folder, _, connection) = new_database();
    let writer = start(connection);
    let (entered, inside) = channel();
    let (gate, opens) = channel::<()>();
    let (results, answers) = channel();
    let held = add(&results, move || {
        entered.send(()).unwrap();
        opens.recv().unwrap();
    });
    assert!(writer.send(held).is_ok());
    inside.recv().unwrap();
    for _ in 0..QUEUE_MAX {
        assert!(writer.send(add(&results, || ())).is_ok());
    }
    let rejected = writer.send(add(&results, || ()));
    assert!(matches!(rejected, Err(Error::Unavailable { .. })));
    gate.send(()).unwrap();
    let done = answers.iter().take(QUEUE_MAX + 1);
    assert_eq!(done.flatten().count(), QUEUE_MAX + 1);
}

/// After a panic outside a job's savepoint the state is unknown: nothing of the transaction is kept.
#[test]
fn panic_outside_a_savepoint_rolls_back_everything() {
    let (_folder, path, connection) = new_database();
    let writer = start(connection);
    let (results, answers) = channel();
    let (entered, inside) = channel();
    let (gate, opens) = channel::<()>();
    let held = add(&results, move || {
        entered.send(()).unwrap();
        opens.recv().unwrap();
    });
    assert!(writer.send(held).is_ok());
    inside.recv().unwrap();
    let panics = |select: Result<&Select, Error>| -> FinishedJob {
        let select = select.unwrap();
        let sql = "INSERT INTO groups (name, created_at) VALUES ('torn', 0)";
        select.execute(sql, []).unwrap();
        panic!("the test's own panic");
    };
    assert!(writer.send(add(&results, || ())).is_ok());
    assert!(
        writer
            .send(Message::Job(WriteJob::new(Box::new(panics))))
            .is_ok()
    );
    assert!(writer.send(add(&results, || ())).is_ok());
    gate.send(()).unwrap();
    let answered: Vec<bool> = answers
        .iter()
        .take(3)
        .map(|answer| answer.is_ok())
        .collect();
    assert_eq!(answered, [true, false, false]);
    assert!(writer.send(add(&results, || ())).is_ok());
    assert!(answers.recv().unwrap().is_ok());
    let read = file::open_to_read(&path).unwrap();
    let rows: i64 = read
        .query_row("SELECT count(*) FROM groups", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2);
}

/// Uses are stored as soon as the writer has no job.
const AT_ONCE: WriterTimeouts = WriterTimeouts {
    job_max: Duration::from_secs(60),
    flush_after: Duration::ZERO,
    last_flush_max: Duration::from_secs(60),
};

fn use_of(id: Id) -> Use<'static> {
    Use {
        id,
        secret_number: 0,
        at: Time::from_unix(0),
        address: None,
        program: None,
    }
}

/// Adds this many tokens. Returns a use of each.
fn used_tokens(connection: &Connection, count: i64) -> Uses {
    let uses = Uses::new();
    let user = "INSERT INTO users (id, subject, username, display_name, role, created_at) VALUES (1, 'aaaaaaaaaaaa', 'alice', '', 'member', 0)";
    connection.execute(user, []).unwrap();
    let token = "INSERT INTO credentials (id, kind, user_id, name, permissions, allowed_addresses, digest, created_at, expires_at) VALUES (?, 'token', 1, '', '', '', zeroblob(32), 0, 1)";
    connection.execute_batch("BEGIN").unwrap();
    for _ in 0..count {
        let id = Id::random();
        connection.execute(token, [id.as_str()]).unwrap();
        uses.note(use_of(id));
    }
    connection.execute_batch("COMMIT").unwrap();
    uses
}

/// Returns once so many uses are in the file.
fn wait_for_uses(path: &Path, count: i64) {
    let read = file::open_to_read(path).unwrap();
    let sql = "SELECT coalesce(sum(uses), 0) FROM usage_days";
    let stored = || read.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let begun = Instant::now();
    while stored() < count {
        assert!(begun.elapsed() < Duration::from_secs(30), "they never are");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A job that passes on the number that `sql` finds within its transaction.
fn number(results: &Sender<i64>, sql: &'static str) -> Message {
    let results = results.clone();
    Message::Job(WriteJob::new(Box::new(move |select| {
        let number = select.unwrap().count(sql, []).unwrap();
        FinishedJob {
            answer: Box::new(move |_| results.send(number).unwrap()),
            failure: None,
        }
    })))
}

#[test]
fn job_runs_before_all_uses_are_stored() {
    const USES: i64 = 600;
    let (_folder, path, mut connection) = new_database();
    let uses = used_tokens(&connection, USES);
    let (entered, inside) = channel();
    let (gate, opens) = channel::<()>();
    let wait = move || {
        let _ = entered.send(());
        let _ = opens.recv();
        false
    };
    connection.commit_hook(Some(wait)).unwrap();
    let writer = start_with(connection, uses, AT_ONCE);
    let (results, answers) = channel();
    assert!(writer.send(Message::Uses).is_ok());
    // The first part is about to be committed.
    inside.recv().unwrap();
    let stored = "SELECT count(*) FROM usage_days";
    assert!(writer.send(number(&results, stored)).is_ok());
    drop(gate);
    let before = answers.recv().unwrap();
    assert!(0 < before && before < USES, "{before}");
    writer.stop();
    let read = file::open_to_read(&path).unwrap();
    let after: i64 = read.query_row(stored, [], |row| row.get(0)).unwrap();
    assert_eq!(after, USES);
}

/// It wakes nobody, since others were pending.
#[test]
fn use_during_a_flush_is_stored_by_the_next() {
    let (_folder, path, mut connection) = new_database();
    let uses = Arc::new(used_tokens(&connection, 150));
    let mut again = Some((Arc::clone(&uses), uses.pending_ids()[0]));
    let use_again = move || {
        if let Some((uses, id)) = again.take() {
            uses.note(use_of(id));
        }
        false
    };
    connection.commit_hook(Some(use_again)).unwrap();
    let writer = start_with(connection, uses, AT_ONCE);
    assert!(writer.send(Message::Uses).is_ok());
    wait_for_uses(&path, 151);
}

/// A server with many credentials in use stops in time: some last uses are lost, but no expiration that was seen.
#[test]
fn stopping_writer_stores_seen_expirations_and_what_time_allows() {
    let (_folder, path, connection) = new_database();
    let uses = used_tokens(&connection, 1_000);
    let last = *uses.pending_ids().last().unwrap();
    let (own, at) = (Some(Time::from_unix(1)), Time::from_unix(2));
    let expirations = SeenExpirations {
        own,
        previous: None,
    };
    uses.note_expired(last, expirations, at);
    let waits = WriterTimeouts {
        flush_after: Duration::from_secs(3_600),
        last_flush_max: Duration::ZERO,
        ..AT_ONCE
    };
    start_with(connection, uses, waits).stop();
    let read = file::open_to_read(&path).unwrap();
    let count = |sql| read.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM usage_days"), 101);
    let seen = "SELECT count(*) FROM credentials WHERE expired_seen_at = 2";
    assert_eq!(count(seen), 1);
}

#[test]
fn writer_rests_nine_times_as_long_as_it_writes_but_a_minute_at_most() {
    for (took, parts, rests) in [
        (0, 1, 0),
        (7, 1_000, 60),
        (6, 1_000, 54),
        (6, 10, 54),
        (9_000, 1, 60_000),
    ] {
        let rest = flush::rest(Duration::from_millis(took), parts);
        assert_eq!(rest.as_millis(), rests, "{took} {parts}");
    }
}

/// Without a further use or job.
#[test]
fn uses_that_were_not_stored_are_tried_again() {
    let (_folder, path, mut connection) = new_database();
    let uses = used_tokens(&connection, 1);
    let mut is_first = true;
    let fail_first = move || std::mem::take(&mut is_first);
    connection.commit_hook(Some(fail_first)).unwrap();
    let writer = start_with(connection, uses, AT_ONCE);
    assert!(writer.send(Message::Uses).is_ok());
    wait_for_uses(&path, 1);
}

/// The loss of a use in a power cut is harmless. That of a job is not, also right after uses.
#[test]
fn stored_uses_are_not_synced_but_jobs_are() {
    let (_folder, _, mut connection) = new_database();
    let uses = used_tokens(&connection, 1);
    let watch = "CREATE TEMP TABLE modes (mode); CREATE TEMP TRIGGER watch AFTER INSERT ON main.usage_days BEGIN \
                 INSERT INTO modes SELECT synchronous FROM pragma_synchronous; END";
    connection.execute_batch(watch).unwrap();
    let (committed, commits) = channel();
    let count = move || {
        let _ = committed.send(());
        false
    };
    connection.commit_hook(Some(count)).unwrap();
    let writer = start_with(connection, uses, AT_ONCE);
    assert!(writer.send(Message::Uses).is_ok());
    commits.recv().unwrap();
    let (results, answers) = channel();
    for sql in ["SELECT mode FROM modes", "PRAGMA synchronous"] {
        assert!(writer.send(number(&results, sql)).is_ok());
    }
    let [normal, full] = [1, 2];
    let modes: Vec<i64> = answers.iter().take(2).collect();
    assert_eq!(modes, [normal, full]);
}
