//! `keycroft scan`: everything that is named is read, or the scan fails.

use std::fs;
use std::os::unix::fs::symlink;

use keycroft::model::credential::Kind;
use keycroft::model::secret::{Secret, SecretForm};

use super::support::{Run, by_shell, command};

/// A folder with a secret in `kept/found`.
fn folder_with_secret() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kept")).unwrap();
    let secret = Secret::generate(SecretForm::Credential(Kind::ApiKey)).reveal();
    fs::write(folder.path().join("kept/found"), secret.as_bytes()).unwrap();
    folder
}

#[test]
fn named_links_and_pipes_are_read() {
    let folder = folder_with_secret();
    symlink("kept/found", folder.path().join("link")).unwrap();
    symlink("kept", folder.path().join("folder")).unwrap();
    for (path, prepare) in [
        ("link", ""),
        ("folder", ""),
        ("pipe", "mkfifo pipe; cat kept/found > pipe &"),
        ("/dev/fd/3", "exec 3<kept/found;"),
    ] {
        let done = by_shell(folder.path(), prepare, &["scan", path]).done();
        assert!(
            done.code == 1 && done.out.starts_with(path) && done.out.contains(":1: "),
            "{path}: {done:?}"
        );
    }
    // A link that is only found is not followed.
    fs::rename(folder.path().join("link"), folder.path().join("kept/link")).unwrap();
    let done = command(folder.path()).args(["scan", "kept"]).done();
    assert_eq!(done.out.lines().count(), 1, "{done:?}");
}

#[test]
fn scan_continues_after_a_file_that_cannot_be_read() {
    let folder = folder_with_secret();
    // It can be opened, but its first page cannot be read.
    let done = command(folder.path())
        .args(["scan", "/proc/self/mem", "kept"])
        .done();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.starts_with("kept/found:1: "), "{done:?}");
    assert!(done.err.contains("keycroft: /proc/self/mem: "), "{done:?}");
    assert!(
        done.err.contains("the others contain 1 secrets"),
        "{done:?}"
    );
}
