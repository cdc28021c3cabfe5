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
