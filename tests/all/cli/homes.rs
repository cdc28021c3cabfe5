//! The import of home directories: users own what root reads there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::support::Lab;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0cyVx/bUvpd8fBqTt2MJ0bmyBv3Jt6Sx9IoESJ1yMY alice@laptop";

fn set_mode(path: PathBuf, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The home of bob with one key in a file, with the modes that sshd requires.
fn home_of_bob(file: &str) -> Lab {
    let lab = Lab::signed_in();
    fs::create_dir_all(lab.path("homes/bob/.ssh")).unwrap();
    let file = format!("homes/bob/.ssh/{file}");
    fs::write(lab.path(&file), format!("{KEY}\n")).unwrap();
    for (path, mode) in [
        ("homes/bob", 0o755),
        ("homes/bob/.ssh", 0o700),
        (&file, 0o600),
    ] {
        set_mode(lab.path(path), mode);
    }
    lab
}

/// Imports the homes, from which nothing may be sent.
#[track_caller]
fn expect_rejection(lab: &Lab, reason: &str) {
    let done = lab.run("ssh-key import homes");
    assert_eq!(done.code, 6, "{done:?}");
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(
        lines.len() == 1 && lines[0].contains("\trefused\t") && lines[0].contains(reason),
        "{done:?}"
    );
    assert_eq!(lab.expect_success("ssh-key list --user bob"), "");
}

#[test]
fn import_of_homes_reads_both_files_of_sshd() {
    for file in ["authorized_keys", "authorized_keys2"] {
        let lab = home_of_bob(file);
        // A home may be elsewhere.
        fs::rename(lab.path("homes/bob"), lab.path("bob")).unwrap();
        symlink("../bob", lab.path("homes/bob")).unwrap();
        fs::write(lab.path("homes/notes"), "no home").unwrap();
        let printed = lab.expect_success("ssh-key import homes");
        assert!(printed.contains(file), "{printed}");
        let listed = lab.expect_success("ssh-key list --user bob");
        assert!(listed.contains("ssh-ed25519"), "{listed}");
    }
}

#[test]
fn import_of_homes_does_not_follow_links_of_users() {
    let lab = home_of_bob("authorized_keys");
    let (file, ssh) = ("homes/bob/.ssh/authorized_keys", "homes/bob/.ssh");
    fs::rename(lab.path(file), lab.path("elsewhere")).unwrap();
    symlink(lab.path("elsewhere"), lab.path(file)).unwrap();
    expect_rejection(&lab, "is a link, which is not followed");
    fs::remove_file(lab.path(file)).unwrap();
    fs::rename(lab.path("elsewhere"), lab.path(file)).unwrap();
    fs::rename(lab.path(ssh), lab.path("ssh")).unwrap();
    symlink(lab.path("ssh"), lab.path(ssh)).unwrap();
    expect_rejection(&lab, "is a link, which is not followed");
}

#[test]
fn import_of_homes_rejects_files_that_sshd_ignores() {
    let lab = home_of_bob("authorized_keys");
    for (path, mode, good) in [
        ("homes/bob/.ssh/authorized_keys", 0o666, 0o600),
        ("homes/bob/.ssh", 0o775, 0o700),
        ("homes/bob", 0o777, 0o755),
    ] {
        set_mode(lab.path(path), mode);
        expect_rejection(&lab, &format!("run chmod go-w {path}"));
        set_mode(lab.path(path), good);
    }
    lab.expect_success("ssh-key import homes");
}

#[test]
fn import_of_homes_does_not_wait_for_a_pipe() {
    let lab = home_of_bob("authorized_keys");
    let file = lab.path("homes/bob/.ssh/authorized_keys");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    expect_rejection(&lab, "not a file");
}
