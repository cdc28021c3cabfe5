//! Commands for timers and monitors: `backup --into --keep` and `health`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use super::support::{Lab, Run};

#[test]
fn backup_into_folder_keeps_the_newest() {
    let lab = Lab::new();
    let folder = lab.path("backups");
    lab.expect_success("backup --db keycroft.db --into backups");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    let first = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    assert_eq!(mode(first.path()), 0o600);
    let name = first.file_name().into_string().unwrap();
    assert!(
        name.starts_with("keycroft-20") && name.ends_with("Z.db"),
        "{name}"
    );
    fs::remove_file(first.path()).unwrap();

    let others = [
        "keycroft-2020-01-01T000000Z.db.old",
        "keycroft-2020-1-1T000000Z.db",
        "notes.txt",
    ];
    let old = [
        "2020-01-01T000000Z",
        "2021-01-01T000000Z",
        "2022-01-01T000000Z",
    ]
    .map(|stamp| format!("keycroft-{stamp}.db"));
    for name in others.into_iter().chain(old.iter().map(String::as_str)) {
        fs::write(folder.join(name), "x").unwrap();
    }
    // A folder of this name is not a backup.
    fs::create_dir(folder.join("keycroft-2019-01-01T000000Z.db")).unwrap();
    let done = lab.run("backup --db keycroft.db --into backups --keep 2");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.err.contains("deleted backups/keycroft-2020"),
        "{done:?}"
    );
    let mut left: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left.len(), 6, "{left:?}");
    for name in others.iter().chain([&old[2].as_str()]) {
        assert!(left.contains(&(*name).to_owned()), "{name} of {left:?}");
    }
    let newest = left
        .iter()
        .filter(|name| name.ends_with("Z.db") && name.starts_with("keycroft-2"))
        .max()
        .unwrap();
    let line = format!("check --db backups/{newest}");
    lab.expect_success(&line);
}

#[test]
fn backups_of_one_second_get_separate_names() {
    let lab = Lab::new();
    for _ in 0..4 {
        lab.expect_success("backup --db keycroft.db --into backups");
    }
    let names: Vec<_> = fs::read_dir(lab.path("backups")).unwrap().collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn failed_backup_deletes_no_older_one() {
    let lab = Lab::new();
    fs::create_dir(lab.path("backups")).unwrap();
    let old = lab.path("backups/keycroft-2020-01-01T000000Z.db");
    fs::write(&old, "x").unwrap();
    let newer = lab.path("backups/keycroft-2021-01-01T000000Z.db");
    fs::write(&newer, "x").unwrap();
    lab.bad("backup --db none.db --into backups --keep 1", 1);
    assert!(old.exists() && newer.exists());
    let rejected = lab.bad("backup --db keycroft.db --into backups --keep 0", 2);
    assert!(rejected.contains("--keep"), "{rejected}");
    let rejected = lab.bad("backup --db keycroft.db copy.db --into backups", 2);
    assert!(rejected.contains("--into"), "{rejected}");
}

#[test]
fn health_is_0_for_a_healthy_server_and_7_otherwise() {
    let mut lab = Lab::new();
    let url = lab.url.clone();
    // A configured proxy is not used.
    let done = lab
        .command()
        .with("HTTP_PROXY", "http://127.0.0.1:9")
        .args(["health", &url])
        .done();
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (0, "", "")
    );
    lab.stop_server();
    let removed = lab.bad(&format!("health {url}"), 7);
    assert!(removed.contains("/healthz"), "{removed}");
}

#[test]
fn health_accepts_the_same_addresses_as_other_commands() {
    let lab = Lab::new();
    let health = |server: &str| {
        lab.command()
            .arg("health")
            .with("KEYCROFT_SERVER", server)
            .done()
    };
    let done = health("keys.invalid");
    assert_eq!(done.code, 7, "{done:?}");
    assert!(
        done.err.contains("https://keys.invalid/healthz: "),
        "{done:?}"
    );
    for wrong in ["ftp://keys.invalid", "https://keys.invalid/path"] {
        assert_eq!(health(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn health_fails_on_an_unhealthy_or_silent_server() {
    let lab = Lab::new();
    let serve = |answer: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer.as_bytes());
            // Held open until the client gives up.
            let _ = stream.read(&mut head);
        });
        (url, server)
    };
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        "",
    ] {
        let (url, server) = serve(answer);
        lab.bad(&format!("health {url}"), 7);
        server.join().unwrap();
    }
}

/// Standard error that is full, as in a log on a full disk.
fn full() -> fs::File {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    full.unwrap()
}

#[test]
fn backup_works_when_standard_error_is_full() {
    let lab = Lab::new();
    let folder = lab.path("backups");
    fs::create_dir(&folder).unwrap();
    let old = folder.join("keycroft-2020-01-01T000000Z.db");
    fs::write(&old, "x").unwrap();
    let mut backup = lab.command();
    backup.args("backup --db keycroft.db --into backups --keep 1".split(' '));
    let done = backup.stderr(full()).done();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(!old.exists());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn server_starts_when_standard_error_is_full() {
    let mut lab = Lab::new();
    lab.stop_server();
    let address = lab.url.trim_start_matches("http://").to_owned();
    let mut serve = lab.command();
    serve.args(["serve", "--db=keycroft.db", "--listen", &address]);
    let mut server = serve.stderr(full()).spawn().unwrap();
    crate::process::until("the server answers", || {
        assert_eq!(server.try_wait().unwrap(), None);
        lab.run(&format!("health {}", lab.url)).code == 0
    });
    server.kill().unwrap();
    server.wait().unwrap();
}
