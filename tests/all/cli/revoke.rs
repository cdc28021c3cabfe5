//! `keycroft revoke`: only a secret that the server accepted is reported as revoked.

use super::support::{Done, Lab, Run};

fn revoke(lab: &Lab, secret: &str) -> Done {
    lab.command().args(["revoke"]).fed(secret.trim())
}

#[test]
fn secret_of_another_server_is_not_reported_as_revoked() {
    let (lab, other) = (Lab::signed_in(), Lab::signed_in());
    let secret = other.expect_success("api-key create ci --expires never");
    let done = revoke(&lab, &secret);
    let warning = format!("was not valid at {}; it is revoked there if", lab.url);
    assert!(
        done.err.starts_with("warning: ") && done.err.contains(&warning),
        "{done:?}"
    );
    let done = revoke(&other, &secret);
    assert!(done.err.starts_with("revoked "), "{done:?}");
}

/// A server that can't verify the secret at the moment may still revoke it.
#[test]
fn secret_is_revoked_although_its_verification_fails() {
    use std::io::{Read, Write};
    let lab = Lab::signed_in();
    let secret = lab.expect_success("api-key create ci --expires never");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4_096];
            let read = stream.read(&mut head).unwrap();
            let is_revocation = head[..read].starts_with(b"POST /oauth/revoke ");
            let status = if is_revocation {
                "200 OK"
            } else {
                "503 Service Unavailable"
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            if is_revocation {
                break;
            }
        }
    });
    let done = lab
        .command()
        .args(["revoke", "--server", &url])
        .fed(secret.trim());
    assert!(done.code == 0 && done.err.contains(", if http"), "{done:?}");
    server.join().unwrap();
}

#[test]
fn disabled_secret_is_revoked() {
    let lab = Lab::signed_in();
    let secret = lab.expect_success("api-key create ci --expires never");
    lab.expect_success("api-key disable ci");
    assert!(revoke(&lab, &secret).err.starts_with("warning: "));
    lab.bad("api-key show ci", 3);
}

#[test]
fn secrets_of_hosts_and_tokens_are_revoked() {
    let lab = Lab::signed_in();
    let code = lab.expect_success("host enroll-code");
    let enrolled = lab
        .command()
        .args(["api", "POST", "/api/v1/hosts/enroll", "--input", "-"])
        .args(["--field", "secret"])
        .with("KEYCROFT_TOKEN", code.trim())
        .fed("{\"name\": \"gpu1\"}");
    assert_eq!(enrolled.code, 0, "{enrolled:?}");
    let token = lab.expect_success("token create --field secret");
    for secret in [enrolled.out, token] {
        let done = revoke(&lab, &secret);
        assert!(done.err.starts_with("revoked "), "{done:?}");
        // A revocation can be repeated (RFC 7009, 2.2).
        let again = revoke(&lab, &secret);
        assert!(
            again.code == 0 && again.err.starts_with("warning: "),
            "{again:?}"
        );
    }
}
