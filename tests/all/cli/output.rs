//! Output: pipes that close, existing files, full disks.

use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use super::support::{Lab, Run, plain};

#[test]
fn closed_output_pipe_is_not_an_error() {
    let lab = Lab::signed_in();
    let folder = lab.folder.path().display().to_string();
    for line in [
        "event export --all",
        "user list",
        "api-key list",
        "man",
        "completions bash",
        "whoami",
        "help",
    ] {
        // The reader is gone before the first line is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = lab
            .command()
            .args(line.split(' '))
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(0) && message.is_empty(),
            "{line}: {:?} {message} in {folder}",
            output.status
        );
    }
    // And with standard error closed too.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = lab
        .command()
        .args(["api-key", "show", "nobody"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn secret_that_cannot_be_printed_is_reported() {
    let lab = Lab::signed_in();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = lab
        .command()
        .args(["api-key", "create", "ci"])
        .stdout(writer)
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("was created, but not written")
            && message.contains("keycroft api-key rotate"),
        "{message}"
    );
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = lab
        .command()
        .args(["token", "create", "x"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = lab
        .command()
        .args(["whoami"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "a full disk is no success");
}

#[test]
fn secret_is_written_to_a_new_private_file() {
    let lab = Lab::signed_in();
    let done = lab.run("api-key create ci --out secret");
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    let text = std::fs::read_to_string(lab.path("secret")).unwrap();
    assert_eq!(plain(&text), "kca_SECRET");
    assert_eq!(
        std::fs::metadata(lab.path("secret")).unwrap().mode() & 0o777,
        0o600
    );
    let again = lab.bad("api-key create other --out secret", 6);
    assert!(again.contains("is not overwritten"), "{again}");
    assert_eq!(std::fs::read_to_string(lab.path("secret")).unwrap(), text);
    lab.bad("api-key show other", 3);
    lab.bad("api-key create ci --out unused", 6);
    assert!(
        !lab.path("unused").exists(),
        "no empty file is left when no key was made"
    );
    let hook = "notice-channel create hook --kind webhook --url http://127.0.0.1:9";
    for (line, begin) in [
        ("api-key create j", "kca_"),
        ("token create", "kct_"),
        ("user token alice --db=keycroft.db", "kct_"),
        ("host enroll-code", "kce_"),
        (hook, ""),
    ] {
        let json = lab.expect_success(&format!("{line} --json --out j"));
        let secret = std::fs::read_to_string(lab.path("j")).unwrap();
        assert!(secret.len() > 40 && secret.starts_with(begin), "{line}");
        assert!(!json.contains(secret.trim_end()), "{line}");
        std::fs::remove_file(lab.path("j")).unwrap();
    }
}

#[test]
fn error_is_json_with_json_output() {
    let lab = Lab::signed_in();
    let token = lab.token("bob");
    let done = lab
        .command()
        .args(["user", "list", "--json"])
        .with("KEYCROFT_TOKEN", &token)
        .done();
    let problem: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!((done.code, problem["status"].as_u64()), (5, Some(403)));
}

#[test]
fn key_that_expires_soon_is_named() {
    let lab = Lab::signed_in();
    for (days, named) in [
        (20, None),
        (10, Some("within 14 days: in ")),
        (5, Some("within 7 days: in ")),
        (1, Some("within a day: in ")),
    ] {
        let key = lab.expect_success(&format!("api-key create k{days} --expires {days}d"));
        let done = lab
            .command()
            .args(["whoami"])
            .with("KEYCROFT_TOKEN", key.trim())
            .done();
        assert_eq!(done.code, 0);
        match named {
            None => assert_eq!(done.err, "", "{days}"),
            Some(words) => assert!(
                plain(&done.err).contains(&format!("the API key kca_ID_… expires {words}")),
                "{days}: {}",
                done.err
            ),
        }
    }
    // Other keys too, on request: in the list, and by `status`; and SSH keys.
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf laptop";
    let added = lab
        .command()
        .args(["ssh-key", "add", "-", "--expires", "6d"])
        .fed(key);
    assert_eq!(added.code, 0, "{added:?}");
    let ssh = "the SSH key laptop (ID) expires within 7 days: in ";
    let listed = lab.run("ssh-key list");
    assert!(plain(&listed.err).contains(ssh), "{}", listed.err);
    let listed = plain(&lab.run("api-key list").err);
    for words in [
        "k10 (ID) expires within 14 days",
        "k5 (ID) expires within 7 days",
        "k1 (ID) expires within a day",
    ] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    assert!(!listed.contains("k20"), "{listed}");
    let status = plain(&lab.run("status").err);
    assert!(
        status.contains(ssh) && status.contains("k1 (ID) expires within a day"),
        "{status}"
    );
    // A disabled key needs no warning.
    lab.expect_success("api-key disable k1");
    assert!(!lab.run("api-key list").err.contains("k1 ("));
}

#[test]
fn quiet_lists_print_what_other_commands_accept() {
    let lab = Lab::signed_in();
    lab.expect_success("group create staff");
    lab.expect_success("service create slurm");
    lab.expect_success("notice-channel create phone --kind ntfy --url https://ntfy.lab.example/x");
    for (noun, names) in [
        ("user", "alice\nbob\n"),
        ("group", "staff\n"),
        ("service", "slurm\n"),
        ("notice-channel", "phone\n"),
        ("context", "lab\n"),
    ] {
        let listed = lab.expect_success(&format!("{noun} list -q"));
        let mut lines: Vec<&str> = listed.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, names.lines().collect::<Vec<_>>());
    }
    let numbers = lab.expect_success("event list --all -q");
    let number = numbers.lines().next().unwrap();
    lab.expect_success(&format!("event show {number}"));
    // Reports keep their columns.
    let report = lab.expect_success("config show -q");
    assert!(report.contains('\t'), "{report}");
}

#[test]
fn generate_does_not_overwrite_a_public_key() {
    let lab = Lab::signed_in();
    std::fs::write(lab.path("g.pub"), "mine").unwrap();
    let message = lab.bad("ssh-key generate --file g", 6);
    assert!(message.contains("g.pub exists"), "{message}");
}

#[test]
fn hostile_name_cannot_move_the_cursor() {
    let lab = Lab::signed_in();
    let done = lab
        .command()
        .args(["api-key", "create", "a\u{1b}[2J"])
        .done();
    assert_eq!(done.code, 6);
    assert!(!done.err.contains('\u{1b}'), "{:?}", done.err);
    let name = "x".repeat(64);
    lab.expect_success(&format!("api-key create {name}"));
    let odd = "تجربة <b>'\"";
    assert_eq!(
        lab.command().args(["api-key", "create", odd]).done().code,
        0
    );
    assert_eq!(lab.command().args(["api-key", "show", odd]).done().code, 0);
    assert!(lab.expect_success("api-key list").contains(odd));
}
