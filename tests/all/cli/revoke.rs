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
    assert_eq!(done.code, 10, "{done:?}");
    assert!(
        done.err.contains(&lab.url) && done.err.contains("--server URL"),
        "{done:?}"
    );
    let done = revoke(&other, &secret);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn disabled_secret_is_revoked() {
    let lab = Lab::signed_in();
    let secret = lab.expect_success("api-key create ci --expires never");
    lab.expect_success("api-key disable ci");
    assert_eq!(revoke(&lab, &secret).code, 10);
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
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(revoke(&lab, &secret).code, 10);
    }
}
