//! A password disappears from the memory of the server within seconds, and other processes can't read that memory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::{Answer, Client, Server, keycroft};

const PASSWORD: &str = "plum & Zürich 7 lanterns";
const ENCODED: &str = "plum+%26+Z%C3%BCrich+7+lanterns";
const WRONG: &str = "pear & Zürich 8 lanterns";
const WRONG_ENCODED: &str = "pear+%26+Z%C3%BCrich+8+lanterns";
const NEW: &str = "quince & Zürich 9 lanterns";
/// The user `nobody`, who runs the server in tests run by root.
const NOBODY: u32 = 65_534;

fn add_alice(db: &Path) {
    let mut command = keycroft(db, &["user", "add", "alice", "--admin", "--password-stdin"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(PASSWORD.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

/// Occurrences of each of `texts` in the memory of a process.
fn found_in_memory(pid: u32, texts: &[&str]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut counts = vec![0; texts.len()];
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (from, to) = words.next().unwrap().split_once('-').unwrap();
        if !words.next().unwrap().starts_with("rw") {
            continue;
        }
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Ranges that were unmapped meanwhile or can't be read count as empty.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        for (text, count) in texts.iter().zip(&mut counts) {
            *count += memchr_count(&bytes, text.as_bytes());
        }
    }
    counts
}

fn memchr_count(bytes: &[u8], wanted: &[u8]) -> usize {
    let first = wanted[0];
    let mut count = 0;
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|byte| *byte == first) {
        rest = &rest[place..];
        count += usize::from(rest.starts_with(wanted));
        rest = &rest[1..];
    }
    count
}

/// Signs in like a browser; the connection stays open on this side.
fn sign_in(stream: &mut BufReader<TcpStream>, password: &str) -> Answer {
    let host = stream.get_ref().peer_addr().unwrap();
    let mut client = Client {
        stream: BufReader::new(TcpStream::connect(host).unwrap()),
    };
    let head = format!("GET /login HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.stream.get_mut().write_all(head.as_bytes()).unwrap();
    let page = client.answer().unwrap();
    let cookie = page
        .head
        .lines()
        .find_map(|line| line.split_once("keycroft-browser="))
        .unwrap()
        .1;
    let cookie = cookie.split(';').next().unwrap();
    let token = page
        .body
        .split("name=\"form_token\" value=\"")
        .nth(1)
        .unwrap();
    let token = token.split('"').next().unwrap();
    let body = format!("form_token={token}&username=alice&password={password}");
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nCookie: keycroft-browser={cookie}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut head = String::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "{head}");
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: String::from_utf8(body).unwrap(),
    }
}

#[test]
fn password_is_wiped_from_memory_after_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    add_alice(&db);
    let token = super::process::stdout_of(&db, &["user", "token", "alice"]);
    let server = Server::start(&db);
    let open = || BufReader::new(TcpStream::connect(server.address).unwrap());
    let mut connections = [open(), open(), open()];
    for connection in &mut connections[..2] {
        let answer = sign_in(connection, ENCODED);
        assert_eq!(answer.status, 303, "{answer:?}");
    }
    assert_eq!(sign_in(&mut connections[2], WRONG_ENCODED).status, 401);
    let mut client = server.client();
    let body = format!("{{\"current\": \"{PASSWORD}\", \"new\": \"{NEW}\"}}");
    let changed = client.ask("POST", "/api/v1/me/password", &token, &body);
    assert_eq!(changed.status, 204, "{changed:?}");
    let texts = [
        PASSWORD,
        ENCODED,
        WRONG,
        WRONG_ENCODED,
        NEW,
        // SQLite keeps it as long as the database is open.
        db.to_str().unwrap(),
    ];
    let begun = Instant::now();
    loop {
        let counts = found_in_memory(server.child.id(), &texts);
        assert!(counts[5] > 0, "memory was looked at");
        if counts[..5].iter().all(|count| *count == 0) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{counts:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The process is not dumpable, so root owns `/proc/PID`. No other process of its user can read its memory, and it
/// leaves no core.
#[test]
fn running_server_cannot_be_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    add_alice(&db);
    let mut command = keycroft(&db, &["serve", "--listen", "127.0.0.1:0"]);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        for entry in fs::read_dir(folder.path()).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        // The user nobody must be able to run the program.
        let program = folder.path().join("keycroft");
        fs::copy(env!("CARGO_BIN_EXE_keycroft"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        command = std::process::Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--db"])
            .arg(&db)
            .env_clear()
            .envs(crate::fixture::clock_environment());
        command.uid(NOBODY).gid(NOBODY);
    }
    let server = Server::spawn(&mut command);
    let process = format!("/proc/{}", server.child.id());
    assert_eq!(fs::metadata(format!("{process}/mem")).unwrap().uid(), 0);
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:\t"))
        .unwrap();
    assert!(!uid.starts_with("0\t"), "{uid}");
}
