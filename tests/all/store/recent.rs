//! The cache is correct: a change by a local command counts from the next request on.

use super::process::{Server, new_lab, stdout_of};

#[test]
fn change_by_a_local_command_counts_from_the_next_request_on() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("keycroft.db");
    let alice = new_lab(&db);
    stdout_of(&db, &["user", "add", "bob"]);
    let bob = stdout_of(&db, &["user", "token", "bob"]);
    let server = Server::start(&db);
    let mut client = server.client();
    for _ in 0..3 {
        // Twice: the second time it is cached.
        assert_eq!([client.verify(&bob), client.verify(&bob)], [204, 204]);
        stdout_of(&db, &["user", "disable", "bob"]);
        assert_eq!([client.verify(&bob), client.verify(&bob)], [401, 401]);
        stdout_of(&db, &["user", "enable", "bob"]);
    }
    let may = |client: &mut super::process::Client| {
        client.ask("GET", "/api/v1/users", &alice, "").status == 200
    };
    stdout_of(&db, &["user", "role", "bob", "admin"]);
    assert!(may(&mut client));
    stdout_of(&db, &["user", "role", "alice", "member"]);
    assert!(!may(&mut client));
    assert_eq!(client.verify(&alice), 204);
}
