//! Every command with the exit codes before it has done anything. A new command without a row fails here.

use std::collections::BTreeSet;

use super::support::{Lab, Run};

/// The target of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// A server: 4 without a login, 7 if it is unreachable.
    Server,
    /// A server or the database: the same, without a database.
    Either,
    /// A server without a credential: 7 if it is unreachable.
    Stranger,
    /// The database, or this machine: the code if it is missing.
    Here(i32),
    /// None.
    Nothing,
}

use At::{Either, Here, Nothing, Server, Stranger};

/// Commands with subcommands only.
const GROUPS: [&str; 15] = [
    "api-key",
    "audit",
    "config",
    "context",
    "event",
    "group",
    "host",
    "notice",
    "notice-channel",
    "policy",
    "service",
    "session",
    "ssh-key",
    "token",
    "user",
];

/// A command, its further arguments, and its target.
const TABLE: &[(&str, &str, At)] = &[
    ("api", "GET /api/v1/me", Server),
    ("api-key create", "x", Server),
    ("api-key delete", "x --yes", Server),
    ("api-key disable", "x", Server),
    ("api-key edit", "x --name y", Server),
    ("api-key enable", "x", Server),
    ("api-key explain", "x", Server),
    ("api-key list", "", Server),
    ("api-key rotate", "x --now", Server),
    ("api-key show", "x", Server),
    ("audit archive", "events.jsonl --db none.db", Here(1)),
    ("audit verify", "", Here(1)),
    ("auth-token", "", Server),
    ("authorized-keys", "--db none.db alice", Here(1)),
    ("backup", "--db none.db copy.db", Here(1)),
    ("check", "--db none.db", Here(1)),
    ("completions", "bash", Nothing),
    ("config show", "", Nothing),
    ("context delete", "none", Here(3)),
    ("context list", "", Nothing),
    ("context show", "none", Here(3)),
    ("context use", "none", Here(3)),
    ("event export", "", Either),
    ("event list", "", Either),
    ("event show", "1", Either),
    ("group create", "x", Server),
    ("group add-member", "x bob", Server),
    ("group delete", "x --yes", Server),
    ("group show", "x", Server),
    ("group list", "", Server),
    ("group remove-member", "x bob", Server),
    ("health", "", Stranger),
    ("host authorized-keys", "--folder none -- alice", Here(1)),
    ("host check", "--folder none", Here(1)),
    ("host delete", "x --yes", Server),
    ("host edit", "x --name y", Server),
    ("host enroll-code", "", Server),
    (
        "host enroll",
        "http://127.0.0.1:1 --code-file none",
        Here(-1),
    ),
    ("host list", "", Server),
    ("host pause", "x", Server),
    ("host report-logins", "--folder none", Here(1)),
    ("host resume", "x", Server),
    ("host rotate-credential", "--folder none", Here(1)),
    ("host show", "x", Server),
    ("host sync", "--folder none", Here(1)),
    ("login", "URL", Stranger),
    ("logout", "", Here(-1)),
    ("man", "", Nothing),
    ("migrate", "--db none.db", Here(1)),
    ("open", "", Here(4)),
    ("openapi", "", Nothing),
    ("notice acknowledge", "--all", Server),
    ("notice deliveries", "", Server),
    ("notice list", "", Server),
    ("notice preferences", "", Server),
    ("notice show", "x", Server),
    ("notice test", "x", Server),
    (
        "notice-channel create",
        "x --kind ntfy --url http://127.0.0.1:9/x",
        Server,
    ),
    ("notice-channel delete", "x --yes", Server),
    ("notice-channel edit", "x --admins false", Server),
    ("notice-channel list", "", Server),
    ("notice-channel show", "x", Server),
    ("policy set", "api_keys_max=9", Either),
    ("policy show", "", Either),
    ("restore", "none.db --yes --db new.db", Here(-1)),
    ("revoke", "", Stranger),
    ("scan", "none", Here(-1)),
    ("serve", "--listen nonsense", Here(-1)),
    ("service create", "x", Server),
    ("service show", "x", Server),
    ("service delete", "x --yes", Server),
    ("service edit", "x --add-permission x:y", Server),
    ("service list", "", Server),
    (
        "service print",
        "nginx x --basic --allow-preflight",
        Nothing,
    ),
    ("service-unit", "", Nothing),
    ("session delete", "x --yes", Server),
    ("session delete-others", "--yes", Server),
    ("session list", "", Server),
    ("session show", "x", Server),
    ("ssh-key add", "key.pub", Server),
    ("ssh-key delete", "x --yes", Server),
    ("ssh-key edit", "x --name y", Server),
    ("ssh-key generate", "--file none/x", Server),
    ("ssh-key import", "key.pub", Server),
    ("ssh-key list", "", Server),
    ("ssh-key show", "x", Server),
    ("status", "", Here(-1)),
    ("sweep", "", Either),
    ("token create", "x", Server),
    ("token delete", "x --yes", Server),
    ("token explain", "x", Server),
    ("token list", "", Server),
    ("token show", "x", Server),
    ("user create", "x", Either),
    ("user delete", "x --yes", Either),
    ("user disable", "x", Either),
    ("user edit", "x --display-name y", Either),
    ("user enable", "x", Either),
    ("user offboard", "x --yes", Either),
    ("user list", "", Either),
    ("user reset-password", "x", Either),
    ("user reset-second-factor", "x", Either),
    ("user role", "x admin", Either),
    ("user show", "x", Either),
    ("user token", "x", Here(-1)),
    ("verify", "", Stranger),
    ("version", "", Nothing),
    ("whoami", "", Server),
];

fn rows() -> impl Iterator<Item = &'static (&'static str, &'static str, At)> {
    TABLE.iter()
}

fn words(command: &str, more: &str) -> Vec<String> {
    let all = format!("{command} {more}");
    all.split_ascii_whitespace().map(str::to_owned).collect()
}

#[test]
fn command_table_is_complete() {
    let lab = Lab::new();
    lab.expect_success("man pages");
    let pages: BTreeSet<String> = std::fs::read_dir(lab.path("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let page = |name: &str| format!("keycroft-{}.1", name.replace(' ', "-"));
    let mut known: BTreeSet<String> = rows().map(|(name, _, _)| page(name)).collect();
    known.extend(GROUPS.iter().map(|name| page(name)));
    known.insert("keycroft.1".to_owned());
    assert_eq!(pages, known);
}

#[test]
fn unknown_argument_is_a_usage_error() {
    let lab = Lab::new();
    for (command, more, _) in rows() {
        let done = lab
            .command()
            .args(words(command, "--there-is-no-such-flag"))
            .args(words("", more))
            .done();
        assert_eq!(done.out, "", "{command}");
        if command.ends_with("authorized-keys") {
            // Every requested login is accepted, even one that looks like a flag: it has no keys.
            continue;
        }
        assert_eq!(
            (done.code, done.out.as_str()),
            (2, ""),
            "{command}: {done:?}"
        );
        let help = lab.command().args(words(command, "--help")).done();
        assert!(
            help.code == 0 && help.out.contains("Usage: keycroft"),
            "{command}"
        );
    }
}

#[test]
fn commands_fail_clearly_without_server_or_database() {
    let mut lab = Lab::new();
    std::fs::write(
        lab.path("key.pub"),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf x\n",
    )
    .unwrap();
    let token = lab.token("alice");
    lab.stop_server();
    let elsewhere = lab.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(lab.path("key.pub"), elsewhere.join("key.pub")).unwrap();
    for (command, more, at) in rows() {
        let more = more.replace("URL", &lab.url);
        let run = |environment: &[(&str, &str)]| {
            let mut run = lab.command();
            run.args(words(command, &more)).current_dir(&elsewhere);
            for (name, value) in environment {
                run.env(name, value);
            }
            run.fed(&token)
        };
        let removed = [("KEYCROFT_SERVER", lab.url.as_str())];
        let both = [removed[0], ("KEYCROFT_TOKEN", token.as_str())];
        match at {
            Server | Either => {
                assert_eq!(
                    run(&[]).code,
                    4,
                    "{command}, signed in nowhere: {:?}",
                    run(&[])
                );
                assert_eq!(run(&both).code, 7, "{command}, no server: {:?}", run(&both));
            }
            Stranger => assert_eq!(run(&removed).code, 7, "{command}: {:?}", run(&removed)),
            // The code varies; it is never success.
            Here(-1) => assert_ne!(run(&removed).code, 0, "{command}: {:?}", run(&removed)),
            Here(code) => assert_eq!(run(&[]).code, *code, "{command}: {:?}", run(&[])),
            Nothing => assert_eq!(run(&[]).code, 0, "{command}: {:?}", run(&[])),
        }
    }
}
