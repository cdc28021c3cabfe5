//! Commands that delete several objects: all that can be deleted are, and the rest is named.

use super::support::{Lab, Run};

#[test]
fn object_given_twice_is_deleted_once() {
    let lab = Lab::signed_in();
    lab.expect_success("api-key create one");
    lab.expect_success("api-key create two");
    let done = lab.run("api-key delete one one two --yes");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.err.lines().count(), 2, "{done:?}");
}

#[test]
fn credential_of_the_command_is_deleted_last() {
    let lab = Lab::signed_in();
    let all = "--permission api-keys:read,api-keys:write";
    let own = lab.expect_success(&format!("api-key create own {all}"));
    lab.expect_success("api-key create other");
    let done = lab
        .command()
        .args("api-key delete own other --yes".split(' '))
        .with("KEYCROFT_TOKEN", own.trim())
        .done();
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(lab.expect_success("api-key list"), "");
}

#[test]
fn object_deleted_with_its_creator_is_no_failure() {
    let lab = Lab::signed_in();
    let all = "--permission api-keys:read,api-keys:write";
    let creator = lab.expect_success(&format!("api-key create creator {all}"));
    let created = lab
        .command()
        .args("api-key create created --permission api-keys:read".split(' '))
        .with("KEYCROFT_TOKEN", creator.trim())
        .done();
    assert_eq!(created.code, 0, "{created:?}");
    lab.expect_success("api-key create other");
    let done = lab.run("api-key delete creator created other --with-created --yes");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("created ("), "{done:?}");
    assert!(done.err.contains(") no longer exists\n"), "{done:?}");
    assert_eq!(lab.expect_success("api-key list"), "");
}

#[test]
fn failed_deletion_does_not_stop_the_others() {
    let lab = Lab::signed_in();
    // The last admin cannot be deleted.
    let done = lab.run("user delete alice bob --yes");
    assert_eq!(done.code, 6, "{done:?}");
    assert!(done.err.contains("keycroft: alice at "), "{done:?}");
    assert!(done.err.contains("deleted bob at "), "{done:?}");
    lab.bad("user show bob", 3);
}

#[test]
fn lost_sign_in_stops_and_names_the_rest() {
    let lab = Lab::signed_in();
    lab.expect_success("user create carol --admin");
    let done = lab.run("user delete alice bob carol --yes");
    assert_eq!(done.code, 4, "{done:?}");
    let last = done.err.lines().last().unwrap();
    assert!(
        last.starts_with("not confirmed as deleted: bob at ") && last.contains(", carol at "),
        "{done:?}"
    );
}

#[test]
fn missing_name_is_reported_before_anything_is_deleted() {
    let lab = Lab::signed_in();
    lab.expect_success("group create lab");
    lab.expect_success("service create slurm");
    for (noun, name) in [("group", "lab"), ("service", "slurm"), ("user", "bob")] {
        lab.bad(&format!("{noun} delete {name} nobody --yes"), 3);
        lab.expect_success(&format!("{noun} show {name}"));
    }
}
