//! Each exit code and its message.

use super::support::{Lab, Run, plain};

#[test]
fn every_documented_exit_code_is_returned() {
    let mut lab = Lab::signed_in();
    lab.expect_success("api-key create ci");
    // 2: wrong usage, or a confirmation without a terminal.
    for line in [
        "",
        "nonsense",
        "api-key",
        "api-key show",
        "api-key create ci --expires",
        "policy set nonsense=1",
        "policy set nonsense",
        "api-key edit ci",
        "whoami --server http:/nonsense",
        "api GET https://evil.example/",
    ] {
        lab.bad(line, 2);
    }
    // Before anything is done, and before the missing file of the code is noticed.
    let folder = lab.bad(
        "host enroll https://keys.invalid --code-file none --folder /a%b",
        2,
    );
    assert!(
        folder.contains("/a%b: sshd needs an absolute path"),
        "{folder}"
    );
    for line in [
        "api-key delete ci",
        "user delete bob",
        "user offboard bob",
        "session delete-others",
    ] {
        assert!(lab.bad(line, 2).contains("--yes"), "{line}");
    }
    assert!(lab.bad("api-key rotate ci", 2).contains("--grace"));
    // 3: not found.
    assert_eq!(
        lab.bad("api-key show nobody", 3),
        "keycroft: no API key has the name or id \"nobody\"\n  try: keycroft api-key list\n"
    );
    for line in [
        "user show nobody",
        "token delete nobody --yes",
        "context use nowhere",
        "api-key explain abcdefghijkl",
        "session delete abcdefghijkl --yes",
        "group delete none --yes",
    ] {
        lab.bad(line, 3);
    }
    // 5: permission, policy.
    let bob = lab.token("bob");
    let rejected = lab
        .command()
        .args(["user", "list"])
        .with("KEYCROFT_TOKEN", &bob)
        .done();
    assert_eq!(
        (rejected.code, rejected.err.as_str()),
        (
            5,
            "keycroft: this needs the permission users:read, which this credential does not have\n"
        )
    );
    // 6: invalid, conflict.
    assert!(lab.bad("api-key create ci", 6).contains("ci"));
    assert!(
        lab.bad("api-key create b --expires nonsense", 6)
            .contains("keycroft: --expires: ")
    );
    assert!(
        lab.bad("event list --since yesterday", 6)
            .contains("--since")
    );
    lab.bad("token create x --expires 25h", 6);
    // 4: login needed or expired.
    assert!(
        lab.command()
            .args(["whoami"])
            .with("HOME", "/nonexistent")
            .done()
            .err
            .contains("no server chosen")
    );
    assert_eq!(
        lab.command()
            .args(["whoami"])
            .with("HOME", "/nonexistent")
            .done()
            .code,
        4
    );
    assert_eq!(
        lab.command()
            .args(["whoami"])
            .with("HOME", "/nonexistent")
            .with("KEYCROFT_SERVER", &lab.url)
            .done()
            .code,
        4
    );
    // 7: unreachable.
    lab.stop_server();
    let removed = lab.bad("whoami", 7);
    assert!(removed.contains("connection refused"), "{removed}");
    let status = lab.run("status");
    assert_eq!(status.code, 7);
    assert!(status.out.contains("reached\tno: "), "{}", status.out);
}

#[test]
fn rejected_credential_is_named_with_its_source() {
    let lab = Lab::signed_in();
    let old = lab.expect_success("api-key create old --expires never");
    lab.expect_success("api-key delete old --yes");
    let by_variable = lab
        .command()
        .args(["whoami"])
        .with("KEYCROFT_TOKEN", old.trim())
        .done();
    assert_eq!(by_variable.code, 4);
    let expected = "rejects the API key kca_ID_… from KEYCROFT_TOKEN\n  try: unset KEYCROFT_TOKEN to use the saved login of context lab";
    assert!(
        plain(&by_variable.err).ends_with(expected),
        "{}",
        plain(&by_variable.err)
    );
    std::fs::write(lab.path("token"), &old).unwrap();
    let by_file = lab
        .command()
        .args(["whoami"])
        .with("KEYCROFT_TOKEN_FILE", lab.path("token"))
        .done();
    assert!(
        by_file.err.contains("from KEYCROFT_TOKEN_FILE"),
        "{}",
        by_file.err
    );
    lab.expect_success("logout");
    assert!(
        lab.bad("whoami", 4)
            .contains("keycroft login http://127.0.0.1:")
    );
}

#[test]
fn too_many_requests_has_its_exit_code() {
    let lab = Lab::new();
    // One address may begin thirty logins a minute.
    let form = "client_id=keycroft-cli";
    for _ in 0..30 {
        assert!(ask(&lab.url, form).starts_with("HTTP/1.1 200"));
    }
    let done = lab.command().args(["login", &lab.url]).done();
    assert_eq!(done.code, 8, "{done:?}");
    assert!(done.err.contains("try again in"), "{}", done.err);
}

fn ask(url: &str, form: &str) -> String {
    use std::io::{Read, Write};
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "POST /oauth/device_authorization HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}", form.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn secret_argument_is_rejected_without_an_echo() {
    let lab = Lab::signed_in();
    let secret = lab.expect_success("api-key create ci");
    let secret = secret.trim();
    for (arguments, right) in [
        (vec!["verify", secret], "keycroft verify < FILE"),
        (vec!["revoke", secret], "keycroft revoke < FILE"),
        (
            vec!["login", "--with-token", secret],
            "keycroft login --with-token < FILE",
        ),
        (
            vec!["whoami", "--token", secret],
            "KEYCROFT_TOKEN_FILE=FILE",
        ),
        (
            vec!["serve", "--nonsense", secret],
            "KEYCROFT_TOKEN_FILE=FILE",
        ),
    ] {
        let done = lab.command().args(&arguments).done();
        assert_eq!((done.code, done.out.as_str()), (2, ""));
        assert!(
            done.err.contains(right) && !done.err.contains(&secret[20..]),
            "{}",
            done.err
        );
    }
}

#[test]
fn answer_of_another_server_is_reported() {
    use std::io::{Read, Write};
    let lab = Lab::signed_in();
    let answers = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            1,
            "another version than this program",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            1,
            "not like a Keycroft server",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
            1,
            "the secret was not sent there",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            7,
            "does not reach Keycroft",
        ),
        ("nonsense\r\n\r\n", 7, "is unreachable"),
    ];
    let token = lab.token("bob");
    for (answer, code, message) in answers {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        });
        let done = lab
            .command()
            .args(["whoami", "--server", &url])
            .with("KEYCROFT_TOKEN", &token)
            .done();
        server.join().unwrap();
        assert_eq!(done.code, code, "{answer}: {done:?}");
        assert!(done.err.contains(message), "{answer}: {}", done.err);
    }
}

/// The same for a one-time link: the act is done when the answer arrives.
#[test]
fn link_in_an_answer_of_another_version_is_not_lost() {
    use std::io::{Read, Write};
    const BODY: &str = r#"{"one_time_link":"https://keys.lab.example/reset?code=kce_x"}"#;
    let lab = Lab::signed_in();
    let token = lab.token("alice");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4_096]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", BODY.len());
        let _ = write!(stream, "{head}\r\n\r\n{BODY}");
    });
    let mut command = lab.command();
    command.args(["user", "reset-password", "bob", "--server", &url]);
    let done = command.with("KEYCROFT_TOKEN", &token).done();
    server.join().unwrap();
    assert_eq!((done.code, done.out.trim()), (1, BODY), "{done:?}");
}

/// Only this answer has the secret, so it is written even if this version can't read it.
#[test]
fn secret_in_an_answer_of_another_version_is_not_lost() {
    use std::io::{Read, Write};
    const BODY: &str = r#"{"secret":"kct_of_another_version","lifetime":{"days":1}}"#;
    let lab = Lab::signed_in();
    let token = lab.token("bob");
    let file = lab.path("secret");
    for out in [None, Some(&file)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}", BODY.len());
            let _ = write!(stream, "{head}\r\n\r\n{BODY}");
        });
        let mut command = lab.command();
        command.args(["token", "create", "--server", &url]);
        if let Some(file) = out {
            command.args(["--out", file.to_str().unwrap()]);
        }
        let done = command.with("KEYCROFT_TOKEN", &token).done();
        server.join().unwrap();
        let written = match out {
            Some(file) => std::fs::read_to_string(file).unwrap(),
            None => done.out.clone(),
        };
        assert_eq!((done.code, written.trim()), (1, BODY), "{done:?}");
        assert!(
            done.err.contains("another version") && done.err.contains("has the answer"),
            "{}",
            done.err
        );
    }
}
