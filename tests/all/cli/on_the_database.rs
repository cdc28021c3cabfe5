//! The choice between database and server.

use super::support::{Lab, Run, command, plain};

#[test]
fn commands_use_the_database_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| command(folder.path()).args(arguments).done();
    let none = run(&["user", "list"]);
    assert_eq!(
        (none.code, none.err.lines().next()),
        (
            4,
            Some("keycroft: no server chosen, and no keycroft.db in this folder")
        )
    );
    assert_eq!(
        run(&["user", "add", "bob"]).code,
        4,
        "no file is made for who is no admin"
    );
    assert!(!folder.path().join("keycroft.db").exists());
    let added = run(&["user", "add", "alice", "--admin"]);
    assert_eq!(
        (added.code, plain(&added.err).as_str()),
        (
            0,
            "created keycroft.db\ncreated admin alice in keycroft.db\none-time invitation link, valid for 7 days:\nkeycroft: this link leads to this machine only; pass --public-url URL for other people"
        )
    );
    assert_eq!(
        plain(&added.out),
        "http://127.0.0.1:PORT/invitation?code=kce_SECRET"
    );
    assert_eq!(run(&["user", "add", "bob"]).code, 0);
    assert_eq!(
        plain(&run(&["user", "list"]).out),
        "bob\tbob\tmember\tenabled\tTIME\t\t\nalice\talice\tadmin\tenabled\tTIME\t\t"
    );
    assert_eq!(
        run(&["user", "role", "alice", "member"]).code,
        6,
        "the last admin stays one"
    );
    for line in [
        ["user", "disable", "bob"].as_slice(),
        &["user", "show", "bob"],
        &["policy", "set", "api_keys_max=5"],
        &["policy", "show"],
        &["event", "list"],
        &["sweep"],
        &["audit", "verify"],
        &["user", "delete", "bob", "--yes"],
    ] {
        let done = run(line);
        assert_eq!(done.code, 0, "{line:?}: {done:?}");
    }
    assert!(
        run(&["event", "export"])
            .out
            .lines()
            .all(|line| line.contains("\"actor\":\"operator\""))
    );
    assert_eq!(
        run(&["user", "offboard", "alice", "--yes"]).code,
        6,
        "the last admin stays one"
    );
}

#[test]
fn saved_login_selects_the_server_and_db_flag_the_database() {
    let lab = Lab::signed_in();
    let at = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = lab.command();
        command
            .args(["user", "disable", "bob"])
            .args(arguments)
            .envs(variables.iter().copied());
        let done = command.done();
        assert_eq!(done.code, 0, "{done:?}");
        done.err.contains("in keycroft.db")
    };
    let token = lab.token("alice");
    assert!(
        !at(&[], &[]),
        "signed in: the server, though keycroft.db lies here"
    );
    assert!(at(&["--db", "keycroft.db"], &[]));
    assert!(at(&[], &[("KEYCROFT_DB", "keycroft.db")]));
    assert!(!at(
        &["--context", "lab"],
        &[("KEYCROFT_DB", "keycroft.db")]
    ));
    let both = lab
        .command()
        .args(["user", "list"])
        .with("KEYCROFT_DB", "keycroft.db")
        .with("KEYCROFT_TOKEN", &token)
        .done();
    assert_eq!(both.code, 2);
    assert!(
        both.err.contains("KEYCROFT_DB") && both.err.contains("KEYCROFT_TOKEN"),
        "{}",
        both.err
    );
    assert!(!at(
        &[],
        &[
            ("KEYCROFT_SERVER", &lab.url),
            ("KEYCROFT_TOKEN", &token),
            ("STATE_DIRECTORY", ".")
        ]
    ));
    assert_eq!(
        lab.run("user list --db keycroft.db --context lab").code,
        2,
        "both at once is nothing"
    );
    lab.expect_success("logout");
    lab.expect_success("context delete lab");
    assert!(at(&[], &[]), "signed in nowhere: the file that lies here");
    // The log names the operator.
    let events = lab.expect_success("event list --action user.disable");
    let (operator, alice) = (
        events.matches("\toperator\t").count(),
        events.matches("\talice\t").count(),
    );
    assert_eq!((operator, alice), (3, 3), "{events}");
}

#[test]
fn json_is_equal_for_server_and_database() {
    let lab = Lab::signed_in();
    for line in [
        "user list --json",
        "user show bob --json",
        "group list --json",
        "service list --json",
        "host list --json",
        "policy show --json",
        "policy show",
        "user show bob",
    ] {
        assert_eq!(
            lab.expect_success(line),
            lab.expect_success(&format!("{line} --db keycroft.db")),
            "{line}"
        );
    }
}
