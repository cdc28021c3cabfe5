//! The control socket: a Unix socket beside the database, for its owner and root alone.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The name of the socket is the name of the database with this ending.
const ENDING: &str = "-control";
/// The path of the control socket of the database at `path`.
pub fn socket_path(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ENDING);
    name.into()
}

/// A bound control socket. Its file is removed on drop.
pub struct ControlSocket {
    listener: StdUnixListener,
    path: PathBuf,
    inode: u64,
}

impl ControlSocket {
    /// Binds the socket beside the database at `database`, with mode 0600, replacing one that a killed server left. The
    /// caller holds the lock on the database, so no other server uses the name.
    pub fn bind(database: &Path) -> io::Result<Self> {
        let path = socket_path(database);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => {
                return Err(io::Error::other("a file that is not a socket has its name"));
            }
            Err(_) => {}
        }
        let folder = open_folder(&path)?;
        // Even between `bind` and `chmod` only the owner gets in: the peer's uid is checked.
        let short = short_path(&folder, &path);
        let listener = StdUnixListener::bind(&short)?;
        fs::set_permissions(&short, Permissions::from_mode(0o600))?;
        give_to_owner(&short, database)?;
        listener.set_nonblocking(true)?;
        let inode = fs::symlink_metadata(&short)?.ino();
        Ok(Self {
            listener,
            path,
            inode,
        })
    }

    pub(super) fn listener(&self) -> io::Result<StdUnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open_folder(path: &Path) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::PATH.union(OFlags::DIRECTORY).bits().cast_signed())
        .open(folder)
}

/// The same path through the folder's descriptor: a socket path has at most 107 bytes.
fn short_path(folder: &File, path: &Path) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(path.file_name().unwrap_or_default())
}

/// A server run by root gives the socket to the owner of the database.
fn give_to_owner(socket: &Path, database: &Path) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let owner = fs::symlink_metadata(database)?;
        std::os::unix::fs::lchown(socket, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
