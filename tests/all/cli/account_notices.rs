//! Acts of others on the account, on standard error until they are confirmed.

use super::support::{Lab, plain};

#[test]
fn notice_is_named_by_every_command_until_acknowledged() {
    let lab = Lab::signed_in();
    let quiet = lab.run("token list");
    assert!(!quiet.err.contains("notice"), "{quiet:?}");
    // Lab is alice; the operator acts on her account.
    lab.expect_success("user reset-password alice --db keycroft.db");
    for line in ["token list", "whoami --json", "api-key list"] {
        let done = lab.run(line);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(
            plain(&done.err).contains("keycroft: notice: The operator of the server created a link that resets your password. (TIME)\n  try: keycroft notice acknowledge ID"),
            "{line}: {done:?}"
        );
        assert!(!done.out.contains("notice:"), "{line}: {done:?}");
    }
    let listed = lab.run("notice list");
    assert!(listed.out.contains("created a link"), "{listed:?}");
    assert_eq!(listed.err, "");
    let id = listed.out.split('\t').next().unwrap().to_owned();
    lab.bad("notice acknowledge 000000000000", 3);
    lab.expect_success(&format!("notice acknowledge {id}"));
    assert_eq!(lab.expect_success("notice list"), "");
    assert!(!lab.run("token list").err.contains("notice"));
}
