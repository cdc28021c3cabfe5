//! Files beside a database, and their folder.

use std::fs::File;
use std::path::{Path, PathBuf};

/// Permission bits of group and others.
pub(super) const OTHERS: u32 = 0o077;
/// Files that SQLite keeps beside a database.
pub(super) const SIDECAR_ENDINGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The path of a file beside another one.
pub(super) fn sidecar_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Syncs the folder of a file.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
