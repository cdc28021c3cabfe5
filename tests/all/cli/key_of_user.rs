//! Another user's API key, and the fate of the old secret in a rotation.

use serde_json::Value;

use super::support::{Lab, Run};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// As bob.
fn bobs_key(lab: &Lab) -> String {
    let bob = lab.token("bob");
    let fresh = lab
        .command()
        .args(["api-key", "create", "job"])
        .with("KEYCROFT_TOKEN", &bob)
        .done();
    assert_eq!(fresh.code, 0, "{}", fresh.err);
    fresh.out.trim().to_owned()
}

fn verify(lab: &Lab, secret: &str) -> i32 {
    lab.command().args(["verify"]).fed(secret).code
}

#[test]
fn admin_manages_a_users_key_by_name() {
    let lab = Lab::signed_in();
    let secret = bobs_key(&lab);
    assert_eq!(verify(&lab, &secret), 0);
    let shown = json(&lab.expect_success("api-key show job --user bob --json"));
    assert_eq!(shown["name"], "job");
    assert!(shown["last_used_at"].is_string());
    lab.expect_success("api-key disable job --user bob");
    assert_eq!(verify(&lab, &secret), 10);
    let explained = lab.run("api-key explain job --user bob");
    assert!(explained.err.contains("disabled"), "{}", explained.err);
    lab.expect_success("api-key enable job --user bob");
    assert_eq!(verify(&lab, &secret), 0);
    lab.expect_success("api-key delete job --user bob --yes");
    assert_eq!(verify(&lab, &secret), 10);
    lab.bad("api-key show job --user bob", 3);
}

/// A deletion names what it leaves, of oneself and of others; --with-created deletes all of it, also what that created.
#[test]
fn deletion_lists_and_deletes_created_credentials() {
    let lab = Lab::signed_in();
    for (owner, flag) in [("alice", ""), ("bob", " --user bob")] {
        let create = |line: &str, token: &str| {
            let arguments = line.split(' ');
            let fresh = lab
                .command()
                .args(arguments)
                .with("KEYCROFT_TOKEN", token)
                .done();
            assert_eq!(fresh.code, 0, "{}", fresh.err);
            fresh.out.trim().to_owned()
        };
        for way in ["", " --with-created"] {
            let first = create("api-key create first", &lab.token(owner));
            let token = create("token create second", &first);
            let third = create("api-key create third", &token);
            let deleted = lab.run(&format!("api-key delete first{flag}{way} --yes"));
            assert_eq!(deleted.code, 0, "{deleted:?}");
            let is_left = way.is_empty();
            for name in ["token second (", "API key third (", "pass --with-created"] {
                assert_eq!(
                    deleted.err.contains(name),
                    is_left,
                    "{owner}{way} {name}: {deleted:?}"
                );
            }
            // A token never outlives its creator; a key does.
            let expected = [10, 10, if is_left { 0 } else { 10 }];
            let found = [&first, &token, &third].map(|secret| verify(&lab, secret));
            assert_eq!(found, expected, "{owner}{way}");
            if is_left {
                lab.expect_success(&format!("api-key delete third{flag} --yes"));
            }
        }
        let token = create("token create shell", &lab.token(owner));
        create("api-key create third", &token);
        let deleted = lab.run(&format!("token delete shell{flag} --yes"));
        assert!(deleted.err.contains("API key third ("), "{deleted:?}");
    }
}

#[test]
fn user_flag_exists_only_where_it_works() {
    let lab = Lab::signed_in();
    for line in [
        "api-key create x --user bob",
        "api-key edit x --name y --user bob",
        "api-key rotate x --now --user bob",
    ] {
        assert!(lab.bad(line, 2).contains("--user"), "{line}");
    }
}

#[test]
fn rotation_requires_a_grace_option() {
    let lab = Lab::signed_in();
    lab.expect_success("api-key create ci");
    let rejected = lab.bad("api-key rotate ci", 2);
    assert!(
        rejected.contains("--grace") && rejected.contains("--now"),
        "{rejected}"
    );
    for line in [
        "api-key rotate ci --grace 1h --now",
        "api-key rotate ci --until-unused 2h --now",
        "api-key rotate ci --at-most 2d",
    ] {
        lab.bad(line, 2);
    }
    lab.bad("api-key rotate ci --grace 8d", 6);
    lab.bad("api-key rotate ci --until-unused 59m", 6);
    let first = lab
        .run("api-key rotate ci --grace 7d")
        .out
        .trim()
        .to_owned();
    let second = lab
        .run("api-key rotate ci --until-unused 2h --at-most 3d")
        .out
        .trim()
        .to_owned();
    let shown = json(&lab.expect_success("api-key show ci --json"));
    assert_eq!(shown["previous_quiet_for"], "2h");
    assert_eq!((verify(&lab, &first), verify(&lab, &second)), (0, 0));
    let third = lab.run("api-key reset ci --now").out.trim().to_owned();
    assert_eq!((verify(&lab, &second), verify(&lab, &third)), (10, 0));
    let shown = json(&lab.expect_success("api-key show ci --json"));
    assert_eq!(shown["previous_ends_at"], Value::Null);
}
