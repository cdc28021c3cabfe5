//! The source of the credential, its storage, and its removal.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::support::{Lab, PASSWORD, Run, by_shell, plain};

const FOLDER: &str = "home/.config/keycroft";

#[test]
fn flag_beats_environment_beats_files() {
    let lab = Lab::signed_in();
    lab.sign_in("bob", "bobs");
    let who = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = lab.command();
        command
            .args(["whoami"])
            .args(arguments)
            .envs(variables.iter().copied());
        let done = command.done();
        done.out
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("username\t"))
            .map_or(done.err.clone(), str::to_owned)
    };
    let token = lab.token("alice");
    assert_eq!(who(&[], &[]), "bob", "the last login is in use");
    assert_eq!(who(&[], &[("KEYCROFT_CONTEXT", "lab")]), "alice");
    assert_eq!(who(&[], &[("KEYCROFT_TOKEN", &token)]), "alice");
    // White space around a value does not count; an empty variable is not set.
    assert_eq!(who(&[], &[("KEYCROFT_CONTEXT", " lab ")]), "alice");
    assert_eq!(
        who(&[], &[("KEYCROFT_TOKEN", &format!(" {token}\n"))]),
        "alice"
    );
    for name in ["SERVER", "CONTEXT", "TOKEN", "TOKEN_FILE", "CA_FILE", "DB"] {
        for value in ["", "  "] {
            assert_eq!(
                who(&[], &[(&format!("KEYCROFT_{name}"), value)]),
                "bob",
                "{name}"
            );
        }
    }
    assert_eq!(
        who(&["--context", "bobs"], &[("KEYCROFT_CONTEXT", "lab")]),
        "bob"
    );
    assert_eq!(
        who(&["--context", "bobs"], &[("KEYCROFT_TOKEN", &token)]),
        "bob",
        "a flag beats the environment"
    );
    assert_eq!(
        who(
            &["--server", &lab.url],
            &[("KEYCROFT_SERVER", "https://nowhere.example")]
        ),
        "bob"
    );
    let elsewhere = who(&["--server", "http://127.0.0.1:1"], &[]);
    assert!(
        elsewhere.contains("you are not logged in to http://127.0.0.1:1"),
        "a saved login goes to no other server: {elsewhere}"
    );
    lab.expect_success("context use lab");
    assert_eq!(who(&[], &[]), "alice");
    assert_eq!(
        plain(&lab.expect_success("context list")).replace(&lab.url[17..], "PORT"),
        "\tbobs\thttp://127.0.0.1:PORT\tbob\tkct_ID_…\tTIME\n*\tlab\thttp://127.0.0.1:PORT\talice\tkct_ID_…\tTIME"
    );
    lab.expect_success("context delete lab");
    assert!(lab.bad("whoami", 4).contains("no server chosen"));
}

#[test]
fn context_delete_has_hidden_aliases() {
    let lab = Lab::signed_in();
    let help = lab.expect_success("context --help");
    assert!(help.contains("\n  delete "), "{help}");
    assert!(!help.contains("remove"), "{help}");
    for verb in ["delete", "remove", "rm"] {
        assert_eq!(
            lab.bad(&format!("context {verb} none"), 3),
            lab.bad("context show none", 3),
            "{verb}"
        );
    }
    lab.expect_success("context remove lab");
    assert!(lab.bad("whoami", 4).contains("no server chosen"));
}

#[test]
fn status_shows_the_source_of_each_setting() {
    let lab = Lab::signed_in();
    let status = lab.expect_success("status");
    for line in [
        format!("server\t{}", lab.url),
        "server from\tthe saved login of context lab".into(),
        "reached\tyes".into(),
        "credential from\tthe saved login of context lab".into(),
        "username\talice".into(),
    ] {
        assert!(status.lines().any(|one| one == line), "{line} in {status}");
    }
    let token = lab.token("bob");
    let status = lab
        .command()
        .args(["status"])
        .with("KEYCROFT_TOKEN", &token)
        .done()
        .out;
    for line in [
        "credential from\tKEYCROFT_TOKEN",
        "overrides\tthe saved login of context lab",
        "username\tbob",
    ] {
        assert!(status.lines().any(|one| one == line), "{line} in {status}");
    }
}

#[test]
fn plain_http_to_another_machine_is_rejected() {
    let lab = Lab::signed_in();
    for url in [
        "http://10.0.0.1:8420",
        "http://keys.lab.example",
        "http://localhost.example",
    ] {
        let done = lab.command().args(["whoami", "--server", url]).done();
        assert_eq!(done.code, 2);
        assert!(done.err.contains("--insecure-http"), "{}", done.err);
    }
}

#[test]
fn pasted_credential_is_checked_before_it_is_saved() {
    let lab = Lab::new();
    let login = |text: &str| {
        lab.command()
            .args(["login", &lab.url, "--with-token"])
            .fed(text)
    };
    let token = lab.token("bob");
    let mistyped = format!(
        "{}{}",
        &token[..54],
        if token.ends_with('a') { 'b' } else { 'a' }
    );
    for (text, code) in [("nonsense", 6), (mistyped.as_str(), 6), ("", 2)] {
        assert_eq!(login(text).code, code, "{text}");
    }
    let expired = lab.token("bob");
    assert_eq!(
        lab.command()
            .args(["revoke", "--server", &lab.url])
            .fed(&expired)
            .code,
        0
    );
    assert_eq!(login(&expired).code, 4);
    assert!(
        !lab.path(FOLDER).join("config.toml").exists(),
        "nothing was kept"
    );
    assert_eq!(login(&token).code, 0);
    assert_eq!(lab.expect_success("auth-token").trim(), token);
    let as_json: serde_json::Value =
        serde_json::from_str(&lab.expect_success("auth-token --json")).unwrap();
    assert_eq!(
        (
            as_json["access_token"].as_str(),
            as_json["token_type"].as_str()
        ),
        (Some(token.as_str()), Some("Bearer"))
    );
    assert!((86_000..=86_400).contains(&as_json["expires_in"].as_u64().unwrap()));
}

#[test]
fn secrets_are_saved_in_one_private_file() {
    let lab = Lab::signed_in();
    let (folder, file) = (lab.path(FOLDER), lab.path(FOLDER).join("credentials.toml"));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    assert!(
        !fs::read_to_string(folder.join("config.toml"))
            .unwrap()
            .contains("kct_")
    );
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let rejected = lab.bad("whoami", 1);
    assert!(
        rejected.contains("too open") && rejected.contains("chmod 600"),
        "{rejected}"
    );
}

#[test]
fn logout_revokes_a_token_and_removes_an_api_key() {
    let lab = Lab::signed_in();
    let token = lab.expect_success("auth-token");
    let key = lab.expect_success("api-key create mine --expires never");
    let done = lab
        .command()
        .args(["login", &lab.url, "--with-token", "--context", "key"])
        .fed(key.trim());
    assert_eq!(done.code, 0);
    let done = lab.run("logout --all");
    assert_eq!(
        (done.code, plain(&done.err).as_str()),
        (
            0,
            "key: deleted kca_ID_… here; it stays valid; to revoke it: keycroft revoke\nlab: revoked kct_ID_… on the server and deleted it here"
        )
    );
    let verify = |secret: &str| {
        lab.command()
            .args(["verify", "--server", &lab.url])
            .fed(secret.trim())
            .code
    };
    assert_eq!((verify(&token), verify(&key)), (10, 0));
    assert!(
        !fs::read_to_string(lab.path(FOLDER).join("credentials.toml"))
            .unwrap()
            .contains("kc")
    );
    assert_eq!(lab.run("logout --all").err, "no saved login\n");
}

#[test]
fn logout_without_a_server_is_reported() {
    let mut lab = Lab::signed_in();
    lab.stop_server();
    let done = lab.run("logout");
    assert_eq!(done.code, 7);
    assert!(
        done.err
            .contains("deleted here, but not revoked on the server"),
        "{}",
        done.err
    );
    assert!(
        !fs::read_to_string(lab.path(FOLDER).join("credentials.toml"))
            .unwrap()
            .contains("kct_")
    );
}

#[test]
fn full_disk_leaves_config_files_unchanged() {
    let lab = Lab::signed_in();
    let read = || {
        (
            fs::read(lab.path(FOLDER).join("config.toml")).unwrap(),
            fs::read(lab.path(FOLDER).join("credentials.toml")).unwrap(),
        )
    };
    let before = read();
    let arguments = ["login", &lab.url, "--with-token", "--context", "other"];
    let done = by_shell(lab.folder.path(), "trap '' XFSZ; ulimit -f 0;", &arguments)
        .fed(&lab.token("bob"));
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("it is unchanged"), "{}", done.err);
    assert_eq!(read(), before);
    let mut left: Vec<_> = fs::read_dir(lab.path(FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["config.toml", "credentials.toml", "lock"],
        "nothing half done is left"
    );
}

#[test]
fn two_simultaneous_logins_are_both_saved() {
    let lab = Lab::new();
    let tokens: Vec<String> = (0..8)
        .map(|number| lab.token(if number % 2 == 0 { "alice" } else { "bob" }))
        .collect();
    std::thread::scope(|scope| {
        for (number, token) in tokens.iter().enumerate() {
            let lab = &lab;
            scope.spawn(move || {
                let done = lab
                    .command()
                    .args([
                        "login",
                        &lab.url,
                        "--with-token",
                        "--context",
                        &format!("c{number}"),
                    ])
                    .fed(token);
                assert_eq!(done.code, 0, "{done:?}");
            });
        }
    });
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(
            lab.expect_success(&format!("auth-token --context c{number}"))
                .trim(),
            token
        );
    }
}

#[test]
fn environment_suffices_without_a_home() {
    let lab = Lab::new();
    let token = lab.token("bob");
    let mut command = lab.command();
    command
        .env_remove("HOME")
        .args(["whoami"])
        .with("KEYCROFT_SERVER", &lab.url)
        .with("KEYCROFT_TOKEN", &token);
    assert!(command.done().out.starts_with("username\tbob\n"));
    let login = lab
        .command()
        .env_remove("HOME")
        .args(["login", &lab.url, "--with-token"])
        .fed(&token);
    assert_eq!(login.code, 1);
    assert!(login.err.contains("KEYCROFT_TOKEN_FILE"));
}

#[test]
fn each_setting_is_shown_with_its_source() {
    let lab = Lab::signed_in();
    let shown = plain(&lab.expect_success("config show"));
    for line in [
        "server\thttp://127.0.0.1:PORT\tthe saved login of context lab",
        "context\tlab\tthe saved login of context lab",
        "credential\tkct_ID_…\tthe saved login of context lab",
        "ca_file\t\tdefault: the system's",
        "insecure_http\tfalse\tdefault",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}: {shown}");
    }
    let by_others = lab
        .command()
        .args(["config", "show", "--server", &lab.url, "--json"])
        .with("KEYCROFT_TOKEN", lab.token("bob"))
        .with("KEYCROFT_CA_FILE", "ca.pem")
        .done();
    let message: serde_json::Value = serde_json::from_str(&by_others.out).unwrap();
    assert_eq!(message["server"]["source"], "--server");
    assert_eq!(message["credential"]["source"], "KEYCROFT_TOKEN");
    assert_eq!(
        (&message["ca_file"]["value"], &message["ca_file"]["source"]),
        (&"ca.pem".into(), &"KEYCROFT_CA_FILE".into())
    );
    let nowhere = lab
        .command()
        .args(["config", "show"])
        .with("HOME", "/nonexistent")
        .done();
    assert_eq!(
        (nowhere.code, nowhere.out.as_str()),
        (
            0,
            "folder\t/nonexistent/.config/keycroft\tHOME\nserver\t\tdefault\n"
        )
    );
}

/// A keyring or a password store keeps the secret: the config file has the command.
#[test]
fn secret_command_provides_the_credential() {
    let lab = Lab::signed_in();
    let token = lab.token("bob");
    let secret = lab.path("secret");
    fs::write(&secret, format!("{token}\n")).unwrap();
    let config = lab.path("home/.config/keycroft/config.toml");
    let before = fs::read_to_string(&config).unwrap();
    let with = |command: &str| {
        fs::write(&config, format!("{before}credential_command = {command}\n")).unwrap();
    };
    with(&format!("[\"cat\", {:?}]", secret.to_str().unwrap()));
    assert!(lab.expect_success("whoami").starts_with("username\tbob\n"));
    assert!(
        plain(&lab.expect_success("config show"))
            .contains("credential\tkct_ID_…\tthe credential_command of context lab")
    );
    // The environment beats every file.
    let alice = lab.token("alice");
    let mut by_variable = lab.command();
    by_variable.args(["whoami"]).with("KEYCROFT_TOKEN", &alice);
    assert!(by_variable.done().out.starts_with("username\talice\n"));
    with("[\"false\"]");
    assert!(
        lab.bad("whoami", 4)
            .contains("the credential_command of context lab: false exited")
    );
    with("[\"/nonexistent/keyring\"]");
    assert!(lab.bad("whoami", 4).contains("/nonexistent/keyring"));
    with("[\"echo\", \"no secret\"]");
    assert!(
        lab.bad("whoami", 6)
            .contains("the credential_command of context lab")
    );
    with("[]");
    assert!(lab.bad("whoami", 4).contains("of context lab: it is empty"));
    // A command that other users could change is not run.
    with("[\"cat\", \"/dev/null\"]");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(
        lab.bad("whoami", 1)
            .contains("could run their own commands")
    );
}

#[test]
fn single_field_is_printed_raw() {
    let lab = Lab::signed_in();
    assert_eq!(lab.expect_success("whoami --field username"), "alice\n");
    let id = lab.expect_success("api-key create one --out one.secret --field=id");
    assert_eq!(id.trim().len(), 12);
    lab.expect_success("api-key create two");
    assert_eq!(
        lab.expect_success("api-key list --field name"),
        "two\none\n"
    );
    assert_eq!(
        lab.expect_success("event list --field target.name")
            .lines()
            .next(),
        Some("two")
    );
    let none = lab.bad("whoami --field nothing", 6);
    assert!(none.contains("the answer has no field nothing"), "{none}");
    assert!(none.contains("username"), "it says which there are: {none}");
    lab.bad("api-key show nobody --field id", 3);
    lab.bad("whoami --field= ", 2);
    for line in ["-o table whoami --field kind", "--field=kind whoami --json"] {
        assert_eq!(lab.expect_success(line), "token\n", "{line}");
    }
    let events = lab.expect_success("event export --action api-key.create --field target.name");
    assert_eq!(events, "two\none\n");
    assert_eq!(
        lab.expect_success("api GET /api/v1/me --field role"),
        "admin\n"
    );
    assert_eq!(
        lab.expect_success("session list --field id"),
        "",
        "no items"
    );
    // The problem of a failed request has fields, too.
    let missing = lab.bad("api GET /api/v1/api-keys/none --field status", 3);
    assert!(missing.contains("urn:keycroft:problem:"), "{missing}");
    lab.expect_success("logout");
    lab.bad("status --field username", 4);
    lab.bad("status --json", 4);
}

#[test]
fn new_secret_is_printed_as_a_field() {
    let lab = Lab::signed_in();
    for line in [
        "api-key create one --field secret",
        "api-key rotate one --now --field secret",
        "token create --field secret",
        "user token alice --db=keycroft.db --field secret",
    ] {
        let secret = lab.expect_success(line);
        let verified = lab
            .command()
            .args(["verify", "--field", "active"])
            .fed(&secret);
        assert_eq!(
            (verified.code, verified.out.as_str()),
            (0, "true\n"),
            "{line}"
        );
    }
    let secret = lab.expect_success("api-key create two");
    fs::write(lab.path("found"), secret).unwrap();
    assert_eq!(lab.run("scan found --field line").out, "1\n");
}

/// A new secret is never shown again.
#[test]
fn field_without_the_new_secret_is_rejected_before_the_act() {
    let lab = Lab::signed_in();
    lab.expect_success("api-key create one");
    let webhook = "notice-channel create hook --kind webhook --url https://hooks.lab.example/x";
    let before = lab.expect_success("event list --field number");
    for line in [
        "api-key create two",
        "api-key rotate one --now",
        "token create",
        "user token alice --db=keycroft.db",
        "host enroll-code",
        webhook,
    ] {
        let lost = lab.bad(&format!("{line} --field id"), 2);
        assert!(lost.contains("--field id leaves out the secret"), "{lost}");
        assert!(lost.contains("--out FILE"), "{lost}");
        let twice = lab.bad(&format!("{line} --out x.secret --field secret"), 2);
        assert!(twice.contains("--out takes the secret"), "{twice}");
        assert!(!lab.path("x.secret").exists(), "{line}");
    }
    assert_eq!(lab.expect_success("event list --field number"), before);
    // A file keeps the secret. A channel without a key has none to lose.
    assert_eq!(
        lab.expect_success(&format!("{webhook} --out x.secret --field name")),
        "hook\n"
    );
    assert!(fs::read_to_string(lab.path("x.secret")).unwrap().len() > 20);
    let ntfy =
        "notice-channel create phone --kind ntfy --url https://ntfy.lab.example/x --field name";
    assert_eq!(lab.expect_success(ntfy), "phone\n");
}

#[test]
fn field_without_the_new_link_is_rejected_before_the_act() {
    let lab = Lab::signed_in();
    let before = lab.expect_success("event list --field number");
    for (line, link) in [
        ("user create carol", "invitation"),
        ("user reset-password bob", "link"),
        ("user reset-second-factor bob", "link"),
    ] {
        let lost = lab.bad(&format!("{line} --field username"), 2);
        let words = format!("--field username leaves out the {link}");
        assert!(lost.contains(&words), "{lost}");
    }
    assert_eq!(lab.expect_success("event list --field number"), before);
    let link = lab.expect_success("user create carol --field invitation");
    assert!(link.contains("/invitation?code="), "{link}");
    // With a password, no link can be lost.
    let done = lab
        .command()
        .args(["user", "create", "dave", "--password-stdin"])
        .args(["--field", "username"])
        .fed(PASSWORD);
    assert_eq!((done.code, done.out.as_str()), (0, "dave\n"), "{done:?}");
}

#[test]
fn link_that_cannot_be_written_has_a_remedy() {
    let lab = Lab::signed_in();
    for line in ["user create carol", "user reset-password bob --json"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = lab.command();
        command.args(line.split(' ')).stdout(full.unwrap());
        let done = command.done();
        let name = line.split(' ').nth(2).unwrap();
        let remedy = format!("keycroft user reset-password {name}\n");
        assert!(done.code == 1 && done.err.ends_with(&remedy), "{done:?}");
    }
}

#[test]
fn output_without_fields_is_rejected_unprinted() {
    let lab = Lab::signed_in();
    for line in [
        "authorized-keys --field id alice",
        "backup copy.db --field id",
        "completions bash --field id",
        "man --field id",
        "open --field id",
        "service print nginx x --field id",
        "service-unit --field id",
        "host check --field id",
        "host authorized-keys --field id alice",
        "audit archive events.jsonl --field id",
        "api GET /login --field id",
    ] {
        let done = lab.run(line);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{line}: {done:?}");
        assert!(
            done.err.contains("this command prints no fields"),
            "{line}: {done:?}"
        );
    }
}
