//! The program itself: settings of `serve`, rejected starts, systemd.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::process::Server;

/// Time limit of a test; no test passes because of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// `keycroft serve` in its own folder, with an empty environment.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keycroft"));
    prepare(&mut command, folder);
    command.arg("serve");
    command
}

fn prepare(command: &mut Command, folder: &Path) {
    command
        .current_dir(folder)
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stderr(Stdio::piped());
}

fn is_healthy(server: &Server) -> bool {
    let mut client = server.client();
    client.ask("GET", "/healthz", "", "").status == 200
}

/// Sends SIGTERM. Returns the log of a server that ended without an error.
fn terminate(server: Server) -> String {
    let (status, log) = server.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

/// The exit code and the one line of a rejected `serve`.
fn rejected(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn serve_flag_beats_environment_beats_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("keycroft.toml"),
        "db = 'file.db'\nlisten = '127.0.0.3:0'\npublic-url = 'https://keys.example'\n",
    )
    .unwrap();
    let server = Server::spawn(&mut command(folder.path()));
    assert_eq!(server.address.ip().to_string(), "127.0.0.3");
    assert!(
        server.said_so_far().contains("at https://keys.example/"),
        "{}",
        server.said_so_far()
    );
    assert!(folder.path().join("file.db").exists());
    assert!(is_healthy(&server));
    terminate(server);

    let mut with_environment = command(folder.path());
    with_environment
        .env("KEYCROFT_LISTEN", "127.0.0.4:0")
        .env("KEYCROFT_DB", "environment.db");
    let server = Server::spawn(&mut with_environment);
    assert_eq!(server.address.ip().to_string(), "127.0.0.4");
    assert!(folder.path().join("environment.db").exists());

    with_environment.args(["--listen", "127.0.0.5:0", "--db", "flag.db"]);
    let server = Server::spawn(&mut with_environment);
    assert_eq!(server.address.ip().to_string(), "127.0.0.5");
    assert!(folder.path().join("flag.db").exists());
    assert!(is_healthy(&server));
}

#[test]
fn invalid_config_is_rejected_before_anything_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    for (text, word) in [
        (
            "log = 'warn'\nport = 80\n",
            "other.toml:2: unknown field `port`",
        ),
        ("tls-cert = 'a.pem'\n", "tls-cert requires tls-key"),
        ("behind-proxy = ['here']\n", "behind-proxy: "),
        ("public-url = 'keys'\n", "public-url: "),
        ("log = 'loud'\n", "log: "),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, message) = rejected(command(folder.path()).args(["--config", "other.toml"]));
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(word), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let (code, message) = rejected(command(folder.path()).args(["--config", "nowhere.toml"]));
    assert_eq!(
        (code, message.contains("nowhere.toml")),
        (1, true),
        "{message}"
    );
    assert!(!folder.path().join("keycroft.db").exists());
}

#[test]
fn plain_http_is_allowed_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = ["--listen", "0.0.0.0:0"];
    let (code, message) = rejected(command(folder.path()).args(everywhere));
    assert_eq!(code, 2);
    assert!(message.contains("plain HTTP on 0.0.0.0:0"), "{message}");
    assert!(!folder.path().join("keycroft.db").exists());
    std::fs::write(folder.path().join("keycroft.toml"), "insecure-http = true").unwrap();
    let (code, _) = rejected(
        command(folder.path())
            .args(everywhere)
            .arg("--insecure-http=false"),
    );
    assert_eq!(code, 2);
}

/// `keycroft serve` with an inherited socket, as from systemd.
fn with_socket(folder: &Path, listener: TcpListener) -> Command {
    let mut command = Command::new("sh");
    prepare(&mut command, folder);
    command
        .args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\" 3<&0", "sh"])
        .args([env!("CARGO_BIN_EXE_keycroft"), "serve"])
        .stdin(Stdio::from(OwnedFd::from(listener)));
    command
}

#[test]
fn inherited_socket_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.6:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::spawn(&mut with_socket(folder.path(), listener));
    assert_eq!(server.address, address);
    assert!(is_healthy(&server));
    terminate(server);
}

#[test]
fn inherited_socket_cannot_bypass_tls() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let (code, message) = rejected(&mut with_socket(folder.path(), listener));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("plain HTTP on 0.0.0.0"), "{message}");
}

#[test]
fn systemd_gets_readiness_watchdog_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let heard = UnixDatagram::bind(&path).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let count = heard.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    let server = Server::spawn(
        command(folder.path())
            .args(["--listen", "127.0.0.1:0"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "3000000"),
    );
    assert_eq!(next().trim(), "READY=1");
    assert_eq!(next().trim(), "WATCHDOG=1");
    terminate(server);
    let mut last = next();
    while last.trim() == "WATCHDOG=1" {
        last = next();
    }
    assert_eq!(last.trim(), "STOPPING=1");
}

#[test]
fn empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let mut padded = command(folder.path());
    padded
        .env("KEYCROFT_LISTEN", " 127.0.0.4:0 ")
        .env("KEYCROFT_DB", " padded.db\n")
        .env("KEYCROFT_PUBLIC_URL", "\thttps://keys.example ")
        .env("KEYCROFT_BEHIND_PROXY", " 10.0.0.0/8, 192.168.0.0/16 ,")
        .env("KEYCROFT_INSECURE_HTTP", " true ")
        .env("KEYCROFT_LOG", " warn ");
    let server = Server::spawn(&mut padded);
    assert_eq!(server.address.ip().to_string(), "127.0.0.4");
    assert!(
        server.said_so_far().contains("at https://keys.example/"),
        "{}",
        server.said_so_far()
    );
    terminate(server);
    let findings = check(folder.path(), "padded.db");
    assert!(
        findings.contains("--behind-proxy 10.0.0.0/8 trusts many addresses"),
        "{findings}"
    );

    let mut empty = command(folder.path());
    for name in [
        "CONFIG",
        "DB",
        "PUBLIC_URL",
        "TLS_CERT",
        "TLS_KEY",
        "BEHIND_PROXY",
        "INSECURE_HTTP",
        "LOG",
    ] {
        for value in ["", " "] {
            empty.env(format!("KEYCROFT_{name}"), value);
        }
    }
    // The default port may be in use: the file is the next source.
    std::fs::write(
        folder.path().join("keycroft.toml"),
        "listen = '127.0.0.3:0'",
    )
    .unwrap();
    empty.env("KEYCROFT_LISTEN", "");
    let server = Server::spawn(&mut empty);
    assert_eq!(server.address.ip().to_string(), "127.0.0.3");
    assert!(folder.path().join("keycroft.db").exists());
    terminate(server);

    let (code, message) = rejected(command(folder.path()).env("KEYCROFT_LISTEN", "here"));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("KEYCROFT_LISTEN"), "{message}");
    let (code, message) =
        rejected(command(folder.path()).env("KEYCROFT_BEHIND_PROXY", "10.0.0.5/8"));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("use 10.0.0.0/8 or 10.0.0.5"), "{message}");
}

/// The output of `keycroft check`.
fn check(folder: &Path, database: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keycroft"));
    prepare(&mut command, folder);
    let output = command.args(["check", "--db", database]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn untrusted_forwarding_proxy_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(&mut command);
    let secret = crate::fixture::unknown_secret(keycroft::model::credential::Kind::ApiKey);
    let verify = |server: &Server, forwarded: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /verify HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {secret}\r\n{forwarded}\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    };
    verify(&server, "");
    verify(&server, "X-Forwarded-For: 192.0.2.7\r\n");
    verify(&server, "X-Forwarded-For: 192.0.2.8\r\n");
    let log = terminate(server);
    let warning = "start the server with --behind-proxy 127.0.0.1";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert!(check(folder.path(), "keycroft.db").contains(warning));
    // A start that trusts the proxy clears the advice.
    command.args(["--behind-proxy", "127.0.0.1"]);
    let server = Server::spawn(&mut command);
    verify(&server, "X-Forwarded-For: 192.0.2.7\r\n");
    let log = terminate(server);
    assert!(!log.contains("X-Forwarded-For"), "{log}");
    let findings = check(folder.path(), "keycroft.db");
    assert!(
        findings.contains("trusted at the last start: 127.0.0.1/32"),
        "{findings}"
    );
}

/// Behind a proxy that terminates TLS, browsers name an origin that the server can only know from --public-url.
#[test]
fn missing_public_url_is_named_at_start_and_with_origins() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str], origin: &str| {
        let mut command = command(folder.path());
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let server = Server::spawn(&mut command);
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST /login HTTP/1.1\r\nHost: keys.lab.example\r\nConnection: close\r\nOrigin: {origin}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let address = server.address;
        (terminate(server), address)
    };
    let start = "--behind-proxy is set without --public-url";
    let rejected = "request from https://keys.lab.example rejected: the public URL is";
    let (log, address) = serve(&["--behind-proxy", "127.0.0.1"], "https://keys.lab.example");
    for words in [
        format!("[WARN] {start}: links name http://{address}"),
        format!("{rejected} http://{address}; if both are this server, set --public-url"),
    ] {
        assert_eq!(log.matches(&words).count(), 1, "{words}: {log}");
    }
    // Not without a proxy, and not with the setting; the log names a foreign site in both cases.
    let (log, _) = serve(&[], "https://keys.lab.example");
    assert!(!log.contains(start) && log.contains(rejected), "{log}");
    let url = "https://keys.lab.example";
    let (log, _) = serve(
        &["--behind-proxy=127.0.0.1", "--public-url", url],
        "https://evil.example",
    );
    assert!(!log.contains(start), "{log}");
    assert!(
        log.contains("request from https://evil.example rejected"),
        "{log}"
    );
    // A hostile origin adds no line and is cut.
    let hostile = format!("https://{}", "x".repeat(300));
    let (log, _) = serve(&[], &hostile);
    assert!(!log.contains(&"x".repeat(101)), "{log}");
}

/// A core dump would contain passwords: no unit that is shipped or printed allows one.
#[test]
fn shipped_service_leaves_no_core_dump() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd");
    let mut services = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "service") {
            let text = std::fs::read_to_string(&path).unwrap();
            let limits: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("LimitCORE"))
                .collect();
            assert_eq!(limits, ["LimitCORE=0"], "{}", path.display());
            services += 1;
        }
    }
    assert_eq!(services, 4);
    let mut printed = Command::new(env!("CARGO_BIN_EXE_keycroft"));
    let printed = printed
        .args(["service-unit", "keycroft.service"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(printed.stdout)
            .unwrap()
            .contains("\nLimitCORE=0\n")
    );
}
