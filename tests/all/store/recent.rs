//! What is kept in memory is true: what another process writes to the same file counts from the next request on.

use keycroft::model::permission::BuiltinPermission;

use super::process::said;
use super::support::Lab;

#[test]
fn what_another_process_changes_counts_from_the_next_request_on() {
    let lab = Lab::new();
    for _ in 0..3 {
        // Asked twice: the second time it is known.
        assert!(lab.is_good(&lab.bob) && lab.is_good(&lab.bob));
        said(&lab.path, &["user", "disable", "bob"]);
        assert!(!lab.is_good(&lab.bob) && !lab.is_good(&lab.bob));
        said(&lab.path, &["user", "enable", "bob"]);
    }
    let may = |permission| lab.caller(&lab.alice).unwrap().power.contains(&permission);
    said(&lab.path, &["user", "role", "bob", "admin"]);
    assert!(may(BuiltinPermission::UsersWrite.into()));
    said(&lab.path, &["user", "role", "alice", "member"]);
    assert!(!may(BuiltinPermission::UsersWrite.into()));
    assert!(may(BuiltinPermission::AccountRead.into()));
}
