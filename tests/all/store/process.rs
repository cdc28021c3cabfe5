//! The real program as a process: kills (R1), stop (R13), and idling (P6).

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::support::number;
pub use crate::process::{Answer, Client, Server, keycroft, until};

/// The program with a database, killed if it does not end: for starts that must fail.
pub fn keycroft_that_ends(db: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_keycroft")])
        .args(arguments)
        .arg("--db")
        .arg(db);
    command
}

/// Runs the program to its end.
pub fn run(db: &Path, arguments: &[&str]) -> Output {
    keycroft(db, arguments).output().unwrap()
}

/// Runs the program, which must succeed. Returns its standard output.
pub fn stdout_of(db: &Path, arguments: &[&str]) -> String {
    let output = run(db, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Creates a database with an admin alice. Returns a token of hers.
pub fn new_lab(db: &Path) -> String {
    stdout_of(db, &["user", "add", "alice", "--admin"]);
    stdout_of(db, &["user", "token", "alice"])
}

/// Lets 16 clients with one secret write until the server is gone or `enough` returns true. Records each acknowledged
/// API key: its secret and its fate.
pub fn load_telling(
    address: SocketAddr,
    secret: &str,
    round: usize,
    enough: &(impl Fn() -> bool + Sync),
    acknowledged: &Mutex<Vec<(String, Fate)>>,
) {
    thread::scope(|scope| {
        for writer in 0..16 {
            scope.spawn(move || {
                let name = format!("key {round} {writer}");
                // Ends with an error if the server is gone.
                let _ = write_on(address, secret, &name, enough, acknowledged);
            });
        }
    });
}

fn write_on(
    address: SocketAddr,
    secret: &str,
    name: &str,
    enough: &impl Fn() -> bool,
    acknowledged: &Mutex<Vec<(String, Fate)>>,
) -> std::io::Result<()> {
    let stream = TcpStream::connect(address)?;
    let mut client = Client {
        stream: BufReader::new(stream),
    };
    for turn in 0.. {
        if enough() {
            break;
        }
        let body = format!("{{\"name\": \"{name} {turn}\"}}");
        let created = client.try_ask("POST", "/api/v1/api-keys", secret, &body)?;
        assert_eq!(created.status, 201, "{created:?}");
        let place = {
            let mut all = acknowledged.lock().unwrap();
            all.push((created.field("secret"), Fate::Lives));
            all.len() - 1
        };
        if turn % 2 == 1 {
            // An unacknowledged request may have been carried out, or not.
            acknowledged.lock().unwrap()[place].1 = Fate::Unknown;
            let path = format!("/api/v1/api-keys/{}", created.field("id"));
            let ended = client.try_ask("DELETE", &path, secret, "")?;
            assert_eq!(ended.status, 204, "{ended:?}");
            acknowledged.lock().unwrap()[place].1 = Fate::Ended;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lives,
    Ended,
    Unknown,
}

/// Raises the policy's limit of API keys.
pub fn allow_many(client: &mut Client, secret: &str) {
    let body = r#"{"api_keys_max": 100000}"#;
    let allowed = client.ask("PATCH", "/api/v1/policy", secret, body);
    assert_eq!(allowed.status, 200, "{allowed:?}");
}

/// Compares acknowledged keys with verification. Returns how many.
pub fn require_all(client: &mut Client, acknowledged: &[(String, Fate)]) {
    for (key, fate) in acknowledged {
        let status = client.verify(key);
        match fate {
            Fate::Lives => assert_eq!(status, 204, "an acknowledged key was lost"),
            Fate::Ended => assert_eq!(status, 401, "an acknowledged deletion was lost"),
            Fate::Unknown => assert!(status == 204 || status == 401, "{status}"),
        }
    }
}

/// The number of rounds of a test with a long form, from the environment.
pub fn rounds(variable: &str, short: usize) -> usize {
    std::env::var(variable).map_or(short, |value| value.parse().unwrap())
}

/// Bar R1. `KEYCROFT_TEST_KILLS=200` is the long form.
#[test]
fn killed_server_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let mut acknowledged: Vec<(String, Fate)> = Vec::new();
    let (mut total, kills) = (0, rounds("KEYCROFT_TEST_KILLS", 20));
    for round in 0..kills {
        let server = Server::start(&db);
        let mut client = server.client();
        if round == 0 {
            allow_many(&mut client, &alice);
        }
        require_all(&mut client, &acknowledged);
        let pid = server.child.id().to_string();
        let printed = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let printed = &printed;
            scope.spawn(move || {
                // At another moment each time: during the first writes, or during a later checkpoint.
                let enough = 1 + (round * 37) % 120;
                until("there is a load", || {
                    printed.lock().unwrap().len() >= enough
                });
                let killed = Command::new("kill").args(["-KILL", &pid]).status();
                assert!(killed.unwrap().success());
            });
            load_telling(server.address, &alice, round, &|| false, printed);
        });
        let done = printed.into_inner().unwrap();
        assert!(!server.ended().0.success());
        total += done.len();
        acknowledged = done;
        let copy = folder.path().join("looked-at.db");
        for ending in ["", "-wal"] {
            let from = format!("{}{ending}", db.display());
            std::fs::copy(from, format!("{}{ending}", copy.display())).unwrap();
        }
        let sound: String = rusqlite::Connection::open(&copy)
            .unwrap()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok", "round {round}");
        stdout_of(&db, &["audit", "verify"]);
    }
    let server = Server::start(&db);
    require_all(&mut server.client(), &acknowledged);
    assert!(server.terminate().0.success());
    println!("{total} API keys acknowledged, {kills} kills");
    assert!(total > kills, "there was a load");
}

/// Bar R13.
#[test]
fn stopped_server_finishes_requests_and_merges_the_wal() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let server = Server::start(&db);
    allow_many(&mut server.client(), &alice);
    // So that all of them are pending when it is stopped.
    let stranger = rusqlite::Connection::open(&db).unwrap();
    stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut under_way: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for (number, client) in under_way.iter_mut().enumerate() {
        let body = format!("{{\"name\": \"under way {number}\"}}");
        client
            .send("POST", "/api/v1/api-keys", &alice, &body)
            .unwrap();
    }
    until("the server has read them", || unread(server.address) == 0);
    server.signal("TERM");
    until("it takes no more connections", || {
        TcpStream::connect(server.address).is_err()
    });
    stranger.execute_batch("ROLLBACK").unwrap();
    let answers: Vec<_> = under_way
        .iter_mut()
        .map(|client| client.answer().unwrap().status)
        .collect();
    assert_eq!(answers, [201; 20]);
    drop(stranger);
    let (status, log) = server.ended();
    assert!(status.success(), "{log}");
    for ending in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{ending}", db.display()));
        assert!(!beside.exists(), "{ending} is left: {log}");
    }
    let stored = "SELECT count(*) FROM credentials WHERE name LIKE 'under way%'";
    assert_eq!(number(&db, stored), 20);
    // Its last use was only in memory.
    assert_eq!(
        number(&db, "SELECT count(*) FROM last_uses WHERE at IS NOT NULL"),
        1
    );
}

/// Bytes that the kernel holds for a server that has not read them.
fn unread(server: SocketAddr) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mine = format!(":{:04X}", server.port());
    table
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let received = words.get(4)?.split_once(':')?.1;
            // 01 is an established connection, accepted or not.
            let counts = words[1].ends_with(&mine) && words[3] == "01";
            counts.then(|| u64::from_str_radix(received, 16).unwrap())
        })
        .sum()
}

/// Bar P6: an idle server never wakes up.
#[test]
fn idle_server_uses_no_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    let server = Server::start(&db);
    for _ in 0..10 {
        assert_eq!(server.client().verify(&alice), 204);
        assert_eq!(
            server
                .client()
                .ask("GET", "/api/v1/api-keys", &alice, "")
                .status,
            200
        );
    }
    let pid = server.child.id();
    // Uses are stored after 5 seconds; closed connections are forgotten before.
    let seen = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut switches: Vec<(String, String)> = tasks
            .map(|task| {
                let path = task.unwrap().path();
                let status = std::fs::read_to_string(path.join("status")).unwrap();
                let line = |word| {
                    status
                        .lines()
                        .find(|line| line.starts_with(word))
                        .unwrap()
                        .to_owned()
                };
                (line("Name"), line("voluntary_ctxt_switches"))
            })
            .collect();
        switches.sort_unstable();
        switches
    };
    let (begun, mut before) = (Instant::now(), seen());
    until("it sleeps for 3 seconds", || {
        thread::sleep(Duration::from_secs(3));
        let after = seen();
        let sleeps = std::mem::replace(&mut before, after.clone()) == after;
        // Until then the pools' threads wait for their end; one of each stays.
        sleeps && begun.elapsed() > Duration::from_secs(15)
    });
}
