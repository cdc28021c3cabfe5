//! The `authorized_keys` files of home directories. Users own these files and root reads them: links are not followed,
//! and pipes are not waited for.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

/// The default files of sshd in `.ssh`.
pub const FILE_NAMES: [&str; 2] = ["authorized_keys", "authorized_keys2"];

/// A file or folder that is open, so that nobody can exchange it after the check.
struct Opened {
    path: PathBuf,
    descriptor: OwnedFd,
    mode: u32,
    owner: u32,
}

/// A file with keys that is open.
pub struct KeyFile {
    pub file: File,
    /// The reason for which sshd may ignore it: `StrictModes`. (Debian's sshd accepts writing by a group of one.)
    pub doubt: Option<String>,
}

/// The files that exist in a home, each with the reason if it can't be read.
pub fn open_key_files(home: &Path) -> Vec<(PathBuf, Result<KeyFile, String>)> {
    let ssh = home.join(".ssh");
    // Root created the entries of the given folder, so a home may be a link.
    let home = match open(CWD, home, home, OFlags::DIRECTORY) {
        Ok(Some(home)) => home,
        Ok(None) => return Vec::new(),
        Err(_) if !home.is_dir() => return Vec::new(),
        Err(message) => return vec![(ssh, Err(message))],
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let ssh = match open(&home.descriptor, Path::new(".ssh"), &ssh, flags) {
        Ok(Some(ssh)) => ssh,
        Ok(None) => return Vec::new(),
        Err(message) => return vec![(ssh, Err(message))],
    };
    let open_file = |name: &&str| {
        let path = ssh.path.join(name);
        let file = open_checked(&home, &ssh, name, &path).transpose()?;
        Some((path, file))
    };
    FILE_NAMES.iter().filter_map(open_file).collect()
}

fn open_checked(
    home: &Opened,
    ssh: &Opened,
    name: &str,
    path: &Path,
) -> Result<Option<KeyFile>, String> {
    // Not waiting: anybody may have left a pipe in place of the file.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Some(file) = open(&ssh.descriptor, Path::new(name), path, flags)? else {
        return Ok(None);
    };
    if FileType::from_raw_mode(file.mode) != FileType::RegularFile {
        return Err("this is not a file".to_owned());
    }
    let doubt = [home, ssh, &file]
        .into_iter()
        .find_map(|opened| strict_modes_problem(opened, home.owner));
    Ok(Some(KeyFile {
        file: File::from(file.descriptor),
        doubt,
    }))
}

/// `None` if there is nothing with this name.
fn open(
    folder: impl AsFd,
    name: &Path,
    path: &Path,
    flags: OFlags,
) -> Result<Option<Opened>, String> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    let fail = |error: Errno| format!("{}: {error}", path.display());
    let descriptor = match openat(folder, name, flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => {
            return Err("it is a link, which is not followed".to_owned());
        }
        Err(Errno::NOTDIR) => {
            return Err(format!(
                "{} is a link, which is not followed, or not a folder",
                path.display()
            ));
        }
        Err(error) => return Err(fail(error)),
    };
    let found = fstat(&descriptor).map_err(fail)?;
    Ok(Some(Opened {
        path: path.to_owned(),
        descriptor,
        mode: found.st_mode,
        owner: found.st_uid,
    }))
}

/// The reason for which sshd may ignore keys below this path.
fn strict_modes_problem(opened: &Opened, home_owner: u32) -> Option<String> {
    let path = opened.path.display();
    if opened.mode & 0o022 != 0 {
        return Some(format!(
            "others can write {path}, so sshd may ignore this file; run chmod go-w {path}"
        ));
    }
    (![0, home_owner].contains(&opened.owner)).then(|| {
        format!(
            "{path} belongs to another user ({}), so sshd may ignore this file; run chown {home_owner} {path}",
            opened.owner
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_another_user_is_rejected() {
        let file = tempfile::tempfile().unwrap();
        let mut opened = Opened {
            path: PathBuf::from("/home/bob/.ssh"),
            descriptor: file.into(),
            mode: 0o100_644,
            owner: 1_001,
        };
        assert_eq!(strict_modes_problem(&opened, 1_001), None);
        let problem = strict_modes_problem(&opened, 1_000).unwrap();
        assert!(
            problem.ends_with("run chown 1000 /home/bob/.ssh"),
            "{problem}"
        );
        opened.owner = 0;
        assert_eq!(strict_modes_problem(&opened, 1_000), None);
    }
}
