//! Inputs as people type and paste them: byte order marks, UTF-16, wrapped lines, days, servers without a scheme,
//! proxies, links.

use std::fs;

use super::support::{Lab, Run, command};

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0cyVx/bUvpd8fBqTt2MJ0bmyBv3Jt6Sx9IoESJ1yMY alice@laptop";

#[test]
fn wrapped_or_reencoded_secret_is_accepted() {
    let lab = Lab::new();
    let token = lab.token("alice");
    let (begin, end) = token.split_at(30);
    fs::write(lab.path("utf16"), utf16(&format!("{token}\r\n"))).unwrap();
    fs::write(lab.path("bom"), format!("\u{feff}{token}\n")).unwrap();
    fs::write(lab.path("wrapped"), format!("{begin}\n  {end}\n")).unwrap();
    for file in ["utf16", "bom", "wrapped"] {
        let done = lab
            .command()
            .args(["whoami", "--server", &lab.url])
            .with("KEYCROFT_TOKEN_FILE", lab.path(file))
            .done();
        assert_eq!(done.code, 0, "{file}: {done:?}");
        let mut login = lab.command();
        login.args(["login", &lab.url, "--with-token", "--context", file]);
        let done = login.stdin(fs::File::open(lab.path(file)).unwrap()).done();
        assert_eq!(done.code, 0, "{file}: {done:?}");
    }
    let done = lab
        .command()
        .args(["whoami", "--server", &lab.url])
        .with("KEYCROFT_TOKEN", format!("\"{begin}\n{end}\""))
        .done();
    assert_eq!(done.code, 0, "{done:?}");
    let wrong = lab
        .command()
        .args(["login", &lab.url, "--with-token"])
        .fed(&format!("{begin} {begin}"));
    assert_eq!(wrong.code, 6, "{wrong:?}");
}

#[test]
fn ssh_key_in_utf16_as_text_or_from_a_pipe_is_accepted() {
    let lab = Lab::signed_in();
    fs::write(lab.path("utf16.pub"), utf16(&format!("{KEY}\r\n"))).unwrap();
    let added = lab.expect_success("ssh-key add utf16.pub --name utf16 --json");
    assert!(added.contains("alice@laptop"), "{added}");
    lab.expect_success("ssh-key delete utf16 --yes");
    let done = lab
        .command()
        .args(["ssh-key", "add", KEY, "--name", "text"])
        .done();
    assert_eq!(done.code, 0, "{done:?}");
    lab.expect_success("ssh-key delete text --yes");
    let pipe = format!("echo '{KEY}' | \"$0\" ssh-key add /dev/stdin --name pipe");
    let done = std::process::Command::new("sh")
        .args(["-c", &pipe, env!("CARGO_BIN_EXE_keycroft")])
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("HOME", lab.path("home"))
        .env("PATH", "/usr/bin:/bin")
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    fs::write(
        lab.path("key.ppk"),
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
    )
    .unwrap();
    let words = lab.bad("ssh-key add key.ppk", 6);
    assert!(
        words.contains("private key") && words.contains("not sent"),
        "{words}"
    );
    // ssh-keygen can't read it.
    assert!(
        words.contains("puttygen FILE -L") && !words.contains("ssh-keygen"),
        "{words}"
    );
}

#[test]
fn import_takes_the_text_of_a_key_and_a_pipe() {
    let lab = Lab::signed_in();
    let done = lab.command().args(["ssh-key", "import", KEY]).done();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("\ttext:1\tadded\t"), "{done:?}");
    let pipe = "echo '# none' > fifo & \"$0\" ssh-key import fifo";
    let done = std::process::Command::new("sh")
        .args([
            "-c",
            &format!("mkfifo fifo; {pipe}"),
            env!("CARGO_BIN_EXE_keycroft"),
        ])
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("HOME", lab.path("home"))
        .env("PATH", "/usr/bin:/bin")
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn import_of_one_persons_folder_names_the_file() {
    let lab = Lab::signed_in();
    let ssh = lab.path("me/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::write(ssh.join("authorized_keys2"), format!("{KEY}\n")).unwrap();
    for folder in ["me", "me/.ssh"] {
        let words = lab.bad(&format!("ssh-key import {folder}"), 2);
        let remedy = "keycroft ssh-key import me/.ssh/authorized_keys2";
        assert!(words.contains(remedy), "{words}");
    }
}

#[test]
fn day_as_expiration_includes_that_day() {
    let lab = Lab::signed_in();
    let tomorrow = keycroft::clock::Clock::System
        .now()
        .after(std::time::Duration::from_secs(2 * 86_400))
        .to_string();
    let day = &tomorrow[..10];
    let created = lab.expect_success(&format!("api-key create ci --expires {day} --json"));
    assert!(
        created.contains(&format!("\"expires_at\":\"{day}T23:59:59Z\"")),
        "{created}"
    );
    let words = lab.bad("api-key create other --expires 2027-1-31", 6);
    assert!(words.contains("30d"), "{words}");
}

#[test]
fn server_without_a_scheme_means_https() {
    let lab = Lab::new();
    let mut asked = lab.command();
    asked.args(["login", "keys.invalid", "--with-token"]);
    let done = asked.fed(&lab.token("alice"));
    assert_eq!(done.code, 7, "{done:?}");
    assert!(done.err.contains("https://keys.invalid"), "{done:?}");
    // On this machine, both are possible.
    let local = lab.url.trim_start_matches("http://").to_owned();
    let done = lab
        .command()
        .args(["login", &local, "--with-token"])
        .fed("x");
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("http:// or https://"), "{done:?}");
}

#[test]
fn login_names_what_it_replaces_and_what_overrides_it() {
    let lab = Lab::new();
    let login = |token: &str, variable: Option<&str>| {
        let mut command = lab.command();
        command.args(["login", &lab.url, "--with-token"]);
        if let Some(value) = variable {
            command.with("KEYCROFT_TOKEN", value);
        }
        command.fed(token)
    };
    let (alice, bob) = (lab.token("alice"), lab.token("bob"));
    let first = login(&alice, None);
    assert!(
        first.code == 0 && !first.err.contains("previous login"),
        "{first:?}"
    );
    let again = login(&alice, None);
    assert!(
        again.code == 0 && !again.err.contains("previous login"),
        "{again:?}"
    );
    let second = login(&bob, Some(&alice));
    assert_eq!(second.code, 0, "{second:?}");
    assert!(
        second.err.contains(&alice[..16]) && second.err.contains("stays valid"),
        "{second:?}"
    );
    assert!(second.err.contains("KEYCROFT_TOKEN is set"), "{second:?}");
}

#[test]
fn proxy_is_named_in_errors_and_never_used_for_loopback() {
    let lab = super::tls::lab_until(2100);
    let ask = |url: &str, more: &[(&str, &str)]| {
        let mut command = lab.command();
        command
            .args(["whoami", "--server", url])
            .with("KEYCROFT_CA_FILE", "lab.pem")
            .with("KEYCROFT_TOKEN", lab.token("alice"));
        for (name, value) in more {
            command.with(name, value);
        }
        command.done()
    };
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let done = ask(&lab.url, &[(name, "http://127.0.0.1:9")]);
        assert_eq!(done.code, 0, "{name}: {done:?}");
        let done = ask(
            "https://keys.invalid",
            &[(name, "http://user:hidden@127.0.0.1:9")],
        );
        assert_eq!(done.code, 7, "{name}: {done:?}");
        assert!(
            done.err
                .contains(&format!("the proxy 127.0.0.1:9 of {name}")),
            "{done:?}"
        );
        assert!(!done.err.contains("hidden"), "{done:?}");
        for except in ["keys.invalid", "invalid", ".invalid", "*.invalid", "*"] {
            let done = ask(
                "https://keys.invalid",
                &[(name, "http://127.0.0.1:9"), ("NO_PROXY", except)],
            );
            assert!(
                done.code == 7 && !done.err.contains("proxy"),
                "{except}: {done:?}"
            );
        }
    }
}

#[test]
fn link_from_the_database_has_the_last_public_url() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("home")).unwrap();
    let run = |line: &str| command(folder.path()).args(line.split(' ')).done();
    let before = run("user add alice --admin --db=keycroft.db");
    assert!(
        before.out.starts_with("http://127.0.0.1:8420/"),
        "{before:?}"
    );
    assert!(before.err.contains("--public-url"), "{before:?}");
    super::support::serve_and_stop(folder.path(), &["--public-url=https://keys.lab.example"]);
    for line in [
        "user reset-password alice --db=keycroft.db",
        "user add bob --db=keycroft.db",
    ] {
        let after = run(line);
        assert!(
            after.out.starts_with("https://keys.lab.example/"),
            "{after:?}"
        );
        assert!(!after.err.contains("--public-url"), "{after:?}");
    }
    let given = run("user add carol --db=keycroft.db --public-url https://other.example/");
    assert!(given.out.starts_with("https://other.example/"), "{given:?}");
}

#[test]
fn example_in_help_can_be_pasted_into_a_shell() {
    let done = command(tempfile::tempdir().unwrap().path())
        .args(["policy", "set", "--help"])
        .done();
    assert!(
        done.out
            .contains("\n  keycroft policy set api_key_lifetime_max=90d --dry-run\n"),
        "{done:?}"
    );
}
