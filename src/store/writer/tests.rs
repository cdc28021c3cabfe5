//! The writer alone: batches, panics, and the bound of its queue.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;

use super::super::file;
use super::*;
use crate::model::time::Time;
use crate::store::create::create;

/// Bar P3 of docs/guarantees.md: independent of the speed of the disk.
#[test]
fn waiting_jobs_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    create(&path, Time::from_unix(0)).unwrap();
    let mut connection = file::open_to_write(&path).unwrap();
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
    let path = connection.path().expect("this is no database in memory");
    let identity = FileIdentity::new(path.as_ref(), &connection).unwrap();
    let shared = WriterShared {
        uses: Arc::new(Uses::new()),
        cache: Arc::new(Cache::new()),
        identity: Arc::new(identity),
        notices: Arc::default(),
    };
    Writer::start(connection, shared, WriterTimeouts::default(), None).unwrap()
}

/// A job that writes one row and passes on its answer.
fn add(
    results: &std::sync::mpsc::Sender<Result<(), Error>>,
    first: impl FnOnce() + Send + 'static,
) -> Message {
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    create(&path, Time::from_unix(0)).unwrap();
    let connection = file::open_to_write(&path).unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keycroft.db");
    create(&path, Time::from_unix(0)).unwrap();
    let connection = file::open_to_write(&path).unwrap();
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
