//! `keycroft audit archive` and `audit verify`: old events move to a file, and the chain stays intact.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keycroft::model::caller::Permit;
use keycroft::model::event::Action;
use keycroft::model::time::Time;
use keycroft::store::{Store, WriterTimeouts};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{keycroft, run, stdout_of};
use super::support::{number, trace};

/// Years before the present clock, so that each event is old.
const OLD: i64 = 1_600_000_000;

/// A database with one event per time in `times`.
fn database(folder: &Path, times: &[i64]) -> PathBuf {
    let path = folder.join("keycroft.db");
    Store::create(&path, Time::from_unix(OLD)).unwrap();
    let store = Store::open_with(&path, WriterTimeouts::default()).unwrap();
    for (place, unix) in times.iter().enumerate() {
        let name = format!("group-{place}");
        let permit = Permit::by_operator(Action::GroupAdd, Time::from_unix(*unix));
        let printed = trace(&name).after("note", format!("line\none \\ \u{e4} {place}"));
        let written = store.write(permit, move |write| {
            write.add_group(&name)?;
            Ok(((), printed))
        });
        written.unwrap();
    }
    store.close();
    path
}

/// 30 old events and 5 of this year.
fn lab() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let now = keycroft::clock::Clock::System.now().unix();
    let times: Vec<i64> = (0..30)
        .map(|place| OLD + place)
        .chain((0..5).map(|place| now - 1_000 + place))
        .collect();
    let db = database(folder.path(), &times);
    (folder, db)
}

fn rejected(db: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(db, arguments);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
    words
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Verifies files without a database.
fn verified_alone(files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keycroft"));
    command
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .args(["audit", "verify", "--archive-only"]);
    for file in files {
        command.arg("--archive").arg(file);
    }
    command.output().unwrap()
}

/// The numbers of the events in an archive file.
fn numbers_in(file: &Path) -> Vec<i64> {
    let content = fs::read_to_string(file).unwrap();
    let lines = content.lines().skip(1);
    lines
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["number"].as_i64().unwrap()
        })
        .collect()
}

fn numbers_kept(db: &Path) -> Vec<i64> {
    let connection = Connection::open(db).unwrap();
    let mut statement = connection
        .prepare("SELECT number FROM events ORDER BY number")
        .unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    found.map(Result::unwrap).collect()
}

#[test]
fn archived_events_are_deleted_and_the_chain_continues() {
    let (folder, db) = lab();
    let before = stdout_of(&db, &["audit", "verify"]);
    assert!(before.starts_with("35\t"), "{before}");
    let file = folder.path().join("events-1.jsonl");
    let head = stdout_of(
        &db,
        &["audit", "archive", text(&file), "--older-than", "30d"],
    );
    assert!(head.starts_with("30\t"), "{head}");
    assert_eq!(numbers_in(&file), (1..=30).collect::<Vec<_>>());
    assert_eq!(numbers_kept(&db), (31..=36).collect::<Vec<_>>());
    // The act is an event with the head, so that the database alone names the missing events.
    let last = stdout_of(&db, &["event", "list", "--limit", "1", "--json"]);
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["items"][0]["action"], "audit.archive");
    assert_eq!(last["items"][0]["target"]["id"], "1-30");
    assert_eq!(last["items"][0]["target"]["name"], "events-1.jsonl");
    assert_eq!(last["items"][0]["after"]["events"], "30");
    assert_eq!(last["items"][0]["after"]["head"], head["30\t".len()..]);
    // Separately, together, and against the printed head.
    let alone = verified_alone(&[&file]);
    assert!(alone.status.success(), "{alone:?}");
    assert_eq!(String::from_utf8(alone.stdout).unwrap().trim_end(), head);
    let kept = run(&db, &["audit", "verify"]);
    assert!(kept.status.success(), "{kept:?}");
    let note = String::from_utf8(kept.stderr).unwrap();
    assert!(note.contains("events 1 to 30 are archived"), "{note}");
    let joined = run(
        &db,
        &[
            "audit",
            "verify",
            "--archive",
            text(&file),
            "--head",
            &before,
        ],
    );
    assert!(joined.status.success(), "{joined:?}");
    assert!(joined.stderr.is_empty(), "{joined:?}");
    let examined = run(&db, &["check"]);
    let examined = String::from_utf8(examined.stdout).unwrap();
    assert!(
        examined.contains("events 1 to 30 are archived"),
        "{examined}"
    );
    // New events and the next archive continue from there.
    stdout_of(&db, &["user", "add", "later"]);
    let next = folder.path().join("events-2.jsonl");
    thread::sleep(Duration::from_millis(2_100));
    let head = stdout_of(
        &db,
        &["audit", "archive", text(&next), "--older-than", "1s"],
    );
    assert!(head.starts_with("36\t"), "{head}");
    assert_eq!(numbers_in(&next), (31..=36).collect::<Vec<_>>());
    let both = [
        "audit",
        "verify",
        "--archive",
        text(&next),
        "--archive",
        text(&file),
    ];
    assert!(stdout_of(&db, &both).starts_with("38\t"));
    assert!(verified_alone(&[&next, &file]).status.success());
    let gap = rejected(&db, &["audit", "verify", "--archive", text(&file)], 1);
    assert!(gap.contains("events 31 to 36 are missing"), "{gap}");
    let again = stdout_of(
        &db,
        &[
            "audit",
            "archive",
            text(&folder.path().join("none")),
            "--older-than",
            "30d",
        ],
    );
    assert_eq!(again, "");
    assert!(!folder.path().join("none").exists());
}

#[test]
fn changed_or_cut_archive_is_detected() {
    let (folder, db) = lab();
    let file = folder.path().join("events.jsonl");
    stdout_of(
        &db,
        &["audit", "archive", text(&file), "--older-than", "30d"],
    );
    let complete = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = complete.lines().collect();
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let without = |place: usize| {
        let mut lines = lines.clone();
        lines.remove(place);
        join(&lines)
    };
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let mut twice = lines.clone();
    twice.insert(3, lines[3]);
    let mut wrong = vec![
        ("no events", join(&lines[..1])),
        ("no header", join(&lines[1..])),
        ("last line", join(&lines[..lines.len() - 1])),
        ("line end", complete[..complete.len() - 1].to_owned()),
        ("half a line", complete[..complete.len() - 40].to_owned()),
        ("empty", String::new()),
        ("first event", without(1)),
        ("middle event", without(12)),
        ("swapped", join(&swapped)),
        ("twice", join(&twice)),
        ("more", complete.clone() + lines[30] + "\n"),
        (
            "number in the header",
            complete.replacen("\"last\":30", "\"last\":29", 1),
        ),
        ("empty line", complete.clone() + "\n"),
    ];
    // Each field of an event is covered by its hash.
    let fields = [
        "number",
        "at",
        "action",
        "outcome",
        "actor",
        "target_kind",
        "target_id",
        "target_name",
        "before",
        "after",
        "hash",
        "address",
        "target_owner_id",
        "actor_user_id",
        "request_id",
        "credential",
    ];
    for field in fields {
        let mut event: Value = serde_json::from_str(lines[5]).unwrap();
        let value = &mut event[field];
        *value = match &*value {
            Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
            Value::Null if field.ends_with("user_id") || field.ends_with("owner_id") => 7.into(),
            _ if field == "at" => "2020-09-13T12:26:41Z".into(),
            other => format!("{}x", other.as_str().unwrap_or_default()).into(),
        };
        let event = event.to_string();
        let mut changed = lines.clone();
        changed[5] = &event;
        wrong.push((field, join(&changed)));
    }
    let changed = folder.path().join("changed.jsonl");
    for (what, content) in &wrong {
        fs::write(&changed, content).unwrap();
        let alone = verified_alone(&[&changed]);
        assert_eq!(alone.status.code(), Some(1), "{what}: {alone:?}");
        assert!(!alone.stderr.is_empty(), "{what}");
        rejected(&db, &["audit", "verify", "--archive", text(&changed)], 1);
    }
    // A cut archive with a matching header is valid by itself, and does not join the database.
    let mut header: Value = serde_json::from_str(lines[0]).unwrap();
    let last: Value = serde_json::from_str(lines[20]).unwrap();
    header["last"] = 20.into();
    header["head"] = last["hash"].clone();
    let header = header.to_string();
    let mut cut = lines[..=20].to_vec();
    cut[0] = &header;
    fs::write(&changed, join(&cut)).unwrap();
    assert!(verified_alone(&[&changed]).status.success());
    let gap = rejected(&db, &["audit", "verify", "--archive", text(&changed)], 1);
    assert!(gap.contains("events 21 to 30 are missing"), "{gap}");
    // The archive of another installation.
    let other = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..40).map(|place| OLD + 100 + place).collect();
    let other_db = database(other.path(), &times);
    let foreign = other.path().join("foreign.jsonl");
    stdout_of(
        &other_db,
        &["audit", "archive", text(&foreign), "--older-than", "30d"],
    );
    assert!(verified_alone(&[&foreign]).status.success());
    let differs = rejected(&db, &["audit", "verify", "--archive", text(&foreign)], 1);
    assert!(differs.contains("another one"), "{differs}");
    assert!(!verified_alone(&[&file, &foreign]).status.success());
}

/// An archive whose run was interrupted and repeated under another name, or one from before a restore.
#[test]
fn archives_of_the_same_events_agree() {
    let (folder, db) = lab();
    let (short, long) = (
        folder.path().join("short.jsonl"),
        folder.path().join("long.jsonl"),
    );
    let copy = folder.path().join("copy.db");
    fs::copy(&db, &copy).unwrap();
    stdout_of(
        &copy,
        &["audit", "archive", text(&short), "--older-than", "30d"],
    );
    stdout_of(
        &db,
        &["audit", "archive", text(&long), "--older-than", "1s"],
    );
    assert_eq!(
        (numbers_in(&short).len(), numbers_in(&long).len()),
        (30, 34)
    );
    assert!(verified_alone(&[&long, &short]).status.success());
    let both = [
        "audit",
        "verify",
        "--archive",
        text(&short),
        "--archive",
        text(&long),
    ];
    assert!(stdout_of(&db, &both).starts_with("36\t"));
    // The older database continues from within the longer archive.
    assert!(stdout_of(&copy, &["audit", "verify", "--archive", text(&long)]).starts_with("36\t"));
}

/// Kills the command with SIGKILL after each of many delays. The files are then intact, and the same command finishes
/// the act.
#[test]
fn archiving_killed_at_any_moment_loses_and_doubles_nothing() {
    const EVENTS: i64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..EVENTS).map(|place| OLD + place).collect();
    let db = database(folder.path(), &times);
    let before = stdout_of(&db, &["audit", "verify"]);
    let copy_to = |place: &Path| {
        fs::create_dir(place).unwrap();
        let copy = place.join("keycroft.db");
        fs::copy(&db, &copy).unwrap();
        copy
    };
    let command = |db: &Path, file: &Path| {
        let mut command = keycroft(db, &["audit", "archive", text(file), "--older-than", "1s"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let timed = copy_to(&folder.path().join("timed"));
    let begun = Instant::now();
    let status = command(&timed, &folder.path().join("timed/events.jsonl"))
        .status()
        .unwrap();
    assert!(status.success());
    let whole_run = begun.elapsed();
    let rounds: u32 = 24;
    // Progress of the killed runs: nothing, an unfinished file, a file, its archive recorded, some events deleted.
    let mut seen = BTreeSet::new();
    for round in 0..rounds {
        let place = folder.path().join(round.to_string());
        let copy = copy_to(&place);
        let file = place.join("events.jsonl");
        let mut child = command(&copy, &file).spawn().unwrap();
        thread::sleep(whole_run * round / (rounds - 3));
        child.kill().unwrap();
        let killed = child.wait().unwrap();
        let archived = number(&copy, "SELECT count(*) FROM event_archives");
        let kept = numbers_kept(&copy);
        let partial = place.join("events.jsonl.partial").exists();
        seen.insert((
            partial,
            file.exists(),
            archived,
            kept.len() < 400,
            killed.success(),
        ));
        // Nothing is lost: the file has the events missing in the database.
        let mut all: BTreeSet<i64> = kept.iter().copied().collect();
        if file.exists() {
            all.extend(numbers_in(&file));
            let verify = [
                "audit",
                "verify",
                "--archive",
                text(&file),
                "--head",
                &before,
            ];
            stdout_of(&copy, &verify);
        } else {
            assert_eq!(kept.len(), 400, "round {round}");
            stdout_of(&copy, &["audit", "verify", "--head", &before]);
        }
        assert!(
            (1..=EVENTS).all(|number| all.contains(&number)),
            "round {round}"
        );
        // The same command finishes the act.
        assert!(
            command(&copy, &file).status().unwrap().success(),
            "round {round}"
        );
        let (filed, kept) = (numbers_in(&file), numbers_kept(&copy));
        let both: Vec<i64> = filed.iter().chain(&kept).copied().collect();
        assert_eq!(
            both,
            (1..=EVENTS + 1).collect::<Vec<_>>(),
            "round {round}: each once"
        );
        assert_eq!(number(&copy, "SELECT count(*) FROM event_archives"), 1);
        stdout_of(
            &copy,
            &[
                "audit",
                "verify",
                "--archive",
                text(&file),
                "--head",
                &before,
            ],
        );
        fs::remove_dir_all(&place).unwrap();
    }
    assert!(seen.len() >= 3, "killed in too few stages: {seen:?}");
}

#[test]
fn archive_file_is_private_and_replaces_nothing() {
    let (folder, db) = lab();
    let file = folder.path().join("events.jsonl");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "umask 0; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_keycroft"),
        "audit",
        "archive",
    ]);
    command
        .arg(&file)
        .args(["--older-than", "30d", "--db"])
        .arg(&db)
        .env_clear()
        .envs(crate::fixture::clock_environment());
    assert!(command.output().unwrap().status.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert!(!folder.path().join("events.jsonl.partial").exists());
    // A second run with the same file does nothing and reports the same.
    let content = fs::read(&file).unwrap();
    stdout_of(
        &db,
        &["audit", "archive", text(&file), "--older-than", "30d"],
    );
    assert_eq!(fs::read(&file).unwrap(), content);
    // A file of another origin stays as it is.
    let (folder, db) = lab();
    for (name, content) in [("notes.txt", "mine\n"), ("empty", "")] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let words = rejected(
            &db,
            &["audit", "archive", text(&path), "--older-than", "30d"],
            2,
        );
        assert!(words.contains("exists"), "{words}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    // A leftover second name of an archive is never written through.
    let archive = folder.path().join("first.jsonl");
    fs::write(&archive, "precious").unwrap();
    fs::hard_link(&archive, folder.path().join("second.jsonl.partial")).unwrap();
    let second = folder.path().join("second.jsonl");
    stdout_of(
        &db,
        &["audit", "archive", text(&second), "--older-than", "30d"],
    );
    assert_eq!(fs::read_to_string(&archive).unwrap(), "precious");
    assert_eq!(numbers_kept(&db).len(), 6);
}

#[test]
fn symlink_in_place_of_the_unfinished_file_is_rejected() {
    let (folder, db) = lab();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let file = folder.path().join("events.jsonl");
    std::os::unix::fs::symlink(&victim, folder.path().join("events.jsonl.partial")).unwrap();
    rejected(
        &db,
        &["audit", "archive", text(&file), "--older-than", "30d"],
        1,
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(numbers_kept(&db).len(), 35);
}

#[test]
fn only_archived_events_can_be_deleted() {
    let (_folder, db) = lab();
    let connection = Connection::open(&db).unwrap();
    let rejected = |sql: &str| {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("archive"), "{sql}: {error}");
    };
    rejected("DELETE FROM events WHERE number = 1");
    rejected("DELETE FROM events");
    let archive = |first: i64, last: i64| {
        format!(
            "INSERT INTO event_archives SELECT {first}, {last}, hash, 0 FROM events WHERE number = {last}"
        )
    };
    rejected(&archive(2, 3));
    connection.execute_batch(&archive(1, 3)).unwrap();
    rejected(&archive(1, 5));
    rejected(&archive(5, 6));
    rejected("DELETE FROM events WHERE number = 4");
    rejected("UPDATE event_archives SET last = 10");
    rejected("DELETE FROM event_archives");
    connection
        .execute_batch("DELETE FROM events WHERE number <= 3")
        .unwrap();
    // The event that reports an archive is missing: these were not deleted by Keycroft.
    let words = super::archive::rejected(&db, &["audit", "verify"], 1);
    assert!(words.contains("broken"), "{words}");
}

#[test]
fn head_stored_elsewhere_reveals_a_rewritten_chain() {
    let (_folder, db) = lab();
    let head = stdout_of(&db, &["audit", "verify"]);
    let colon = head.replace('\t', ":");
    stdout_of(&db, &["user", "add", "one-more"]);
    assert!(stdout_of(&db, &["audit", "verify", "--head", &colon]).starts_with("36\t"));
    let untouched = fs::read(&db).unwrap();
    let cut = |sql: &str| {
        let connection = Connection::open(&db).unwrap();
        let drop = "DROP TRIGGER events_last; DROP TRIGGER events_stay;";
        connection.execute_batch(&format!("{drop} {sql}")).unwrap();
    };
    cut("DELETE FROM events WHERE number >= 35");
    stdout_of(&db, &["audit", "verify"]);
    let words = rejected(&db, &["audit", "verify", "--head", &colon], 1);
    assert!(words.contains("cut off: it ends with event 34"), "{words}");
    stdout_of(&db, &["user", "add", "another"]);
    stdout_of(&db, &["audit", "verify"]);
    let words = rejected(&db, &["audit", "verify", "--head", &colon], 1);
    assert!(words.contains("event 35 differs"), "{words}");
    fs::write(&db, untouched).unwrap();
    stdout_of(&db, &["audit", "verify", "--head", &colon]);
    for wrong in ["35", "x:y", "0:00", ""] {
        rejected(&db, &["audit", "verify", "--head", wrong], 2);
    }
}

#[test]
fn head_of_an_archived_event_needs_its_archive() {
    let (folder, db) = lab();
    let file = folder.path().join("events.jsonl");
    stdout_of(
        &db,
        &["audit", "archive", text(&file), "--older-than", "30d"],
    );
    let events = fs::read_to_string(&file).unwrap();
    let tenth: Value = serde_json::from_str(events.lines().nth(10).unwrap()).unwrap();
    let head = format!("10:{}", tenth["hash"].as_str().unwrap());
    let words = rejected(&db, &["audit", "verify", "--head", &head], 1);
    assert!(
        words.contains("event 10 is archived") && words.contains("--archive"),
        "{words}"
    );
    stdout_of(
        &db,
        &["audit", "verify", "--head", &head, "--archive", text(&file)],
    );
    let other = head.replace(|character: char| character.is_ascii_digit(), "1");
    let other = format!("10:{}", other.split_once(':').unwrap().1);
    let words = rejected(
        &db,
        &[
            "audit",
            "verify",
            "--head",
            &other,
            "--archive",
            text(&file),
        ],
        1,
    );
    assert!(words.contains("event 10 differs"), "{words}");
}
