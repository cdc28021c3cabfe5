//! The agent's folder on a host: credential, settings and cache. No other user may read or change it.
//!
//! sshd trusts these files, so a file that another user could have written is rejected.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::sshd::{Expiries, ExpiryTime};
use crate::client::connection::ClientCredential;
use crate::client::connection::SettingSource;
use crate::model::credential::Kind;
use crate::model::secret::Id;
use crate::terminal::environment::path_variable;
use crate::terminal::exit::{FAILED, Failure, INVALID};

/// The user of the agent.
pub const USER: &str = "keycroft-host";
/// Maximum size of the cache, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How the name of a file begins that is not finished.
const UNFINISHED: &str = ".new-";

const SETTINGS: &str = "host.toml";
const CREDENTIAL: &str = "credential";
const AUTHORITY: &str = "ca.pem";
const LOCK: &str = "lock";
// Named by the first edition, whose caches stay valid during an upgrade.
pub const CACHE: &str = "copy";

/// The folders and files of the agent.
#[derive(Args, Clone, Debug)]
pub struct HostFolderArguments {
    /// Folder of the host credential and the cache [env: KEYCROFT_HOST_FOLDER]
    #[arg(
        long,
        default_value_os_t = path_variable("KEYCROFT_HOST_FOLDER").unwrap_or_else(|| "/var/lib/keycroft-host".into()),
        value_name = "FOLDER"
    )]
    pub folder: PathBuf,
}

/// The settings of an enrolled host. They contain no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub server: String,
    pub id: String,
    pub name: String,
    /// `utc` or `local`: how this machine's sshd reads `expiry-time=`.
    pub expiry_time: String,
    /// `TZ` of sshd, which counts where it reads `expiry-time=` in local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sshd_time_zone: Option<String>,
    /// The certificate of the server is validated with `ca.pem` instead of the system's authorities.
    #[serde(default)]
    pub own_authority: bool,
}

impl Settings {
    /// How this machine's sshd reads `expiry-time=`.
    pub fn expiries(&self) -> Result<Expiries, Failure> {
        match self.expiry_time.as_str() {
            "utc" => Ok(Expiries::Utc),
            "local" => ExpiryTime::Local.expiries(),
            _ => ExpiryTime::Auto.expiries(),
        }
    }
}

/// The word of the settings for it.
pub fn expiry_word(expiries: Expiries) -> &'static str {
    match expiries {
        Expiries::Utc => "utc",
        Expiries::Local => "local",
    }
}

/// The folder, once it is known to be nobody else's.
pub struct HostFolder {
    path: PathBuf,
    owner: (u32, u32),
}

fn failed(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(FAILED, format!("{}: {why}", path.display()))
}

/// The user whom this process runs as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl HostFolder {
    /// Looks at the folder: a real one, of mode 0700, owned by who runs this (root may look into another's).
    pub fn open(place: &HostFolderArguments) -> Result<Self, Failure> {
        let path = place.folder.clone();
        let found = fs::symlink_metadata(&path).map_err(|error| {
            failed(&path, error).hint("keycroft host enroll URL --code-file FILE, as root")
        })?;
        if !found.is_dir() {
            return Err(failed(&path, "not a folder, or a symbolic link"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(failed(&path, "other users can read it").hint(format!(
                "chmod 700 {0}, and treat its contents as exposed",
                path.display()
            )));
        }
        let me = own_user();
        if me != 0 && found.uid() != me {
            return Err(failed(&path, "another user owns it"));
        }
        Ok(Self {
            path,
            owner: (found.uid(), found.gid()),
        })
    }

    /// Makes the folder for a user, or gives it to them; it is opened when that went well.
    pub fn make(place: &HostFolderArguments, user: u32, group: u32) -> Result<Self, Failure> {
        let path = &place.folder;
        if fs::symlink_metadata(path).is_err() {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
            created.map_err(|error| failed(path, error))?;
            std::os::unix::fs::lchown(path, Some(user), Some(group))
                .map_err(|error| failed(path, error))?;
        }
        let folder = Self::open(place)?;
        if folder.owner.0 != user {
            return Err(failed(path, format!("it is not owned by {USER}"))
                .hint(format!("chown {USER}: {}", path.display())));
        }
        Ok(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder as it was named.
    pub fn place(&self) -> HostFolderArguments {
        HostFolderArguments {
            folder: self.path.clone(),
        }
    }

    pub fn owner(&self) -> (u32, u32) {
        self.owner
    }

    /// Reads a file that is a real one, of mode 0600, and the folder owner's. `None` when nothing is there.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let path = self.path(name);
        let seen = match fs::symlink_metadata(&path) {
            Ok(seen) => seen,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        if !seen.is_file() {
            return Err(failed(&path, "not a file, or a symbolic link"));
        }
        let mut file = File::open(&path).map_err(|error| failed(&path, error))?;
        let opened = file.metadata().map_err(|error| failed(&path, error))?;
        if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) || !opened.is_file() {
            return Err(failed(&path, "it was replaced while it was opened"));
        }
        if opened.uid() != self.owner.0 {
            return Err(failed(
                &path,
                "it does not have the same owner as its folder",
            ));
        }
        if opened.mode() & 0o077 != 0 {
            return Err(failed(&path, "other users can read or write it"));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let read = Read::by_ref(&mut file)
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| failed(&path, error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(failed(&path, "it is too long"));
        }
        Ok(Some(bytes))
    }

    /// Replaces a file atomically, with mode 0600 and the owner of the folder.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let unfinished = self.path(&format!("{UNFINISHED}{}", Id::random()));
        let path = self.path(name);
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)?;
            if own_user() != self.owner.0 {
                fchown(&file, Some(self.owner.0), Some(self.owner.1))?;
            }
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            failed(&path, error)
        })
    }

    /// Waits until no other process changes the credential; the lock ends with the value.
    pub fn lock(&self) -> Result<File, Failure> {
        let path = self.path(LOCK);
        let lock = || -> std::io::Result<File> {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                // Root must not follow a link that the folder's owner left there.
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)?;
            if own_user() != self.owner.0 {
                fchown(&file, Some(self.owner.0), Some(self.owner.1))?;
            }
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| failed(&path, error))
    }

    /// Removes what a crash left unfinished more than ten minutes ago.
    pub fn tidy(&self) {
        const OLD_SECONDS: i64 = 600;
        let now = crate::clock::Clock::System.now().unix();
        let Ok(entries) = fs::read_dir(&self.path) else {
            return;
        };
        for entry in entries.flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            let is_old = entry
                .metadata()
                .is_ok_and(|found| now - found.mtime() > OLD_SECONDS);
            if is_ours && is_old {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    pub fn settings(&self) -> Result<Settings, Failure> {
        let path = self.path(SETTINGS);
        let bytes = self.read(SETTINGS)?.ok_or_else(|| {
            failed(&path, "it does not exist: this machine is not enrolled")
                .hint("keycroft host enroll URL --code-file FILE, as root")
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| failed(&path, error))?;
        toml::from_str(text).map_err(|error| failed(&path, error.message()))
    }

    pub fn write_settings(&self, settings: &Settings) -> Result<(), Failure> {
        let text = toml::to_string(settings).map_err(|error| failed(&self.path, error))?;
        self.write(SETTINGS, text.as_bytes())
    }

    /// The host credential, or `None` when it is missing.
    pub fn credential(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path(CREDENTIAL);
        let Some(bytes) = self.read(CREDENTIAL)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| failed(&path, error))?;
        let source = SettingSource::Variable("the file of the host credential");
        let credential = ClientCredential::parse(text, source)?;
        if credential.is(Kind::Host) {
            Ok(Some(credential.secret))
        } else {
            Err(Failure::new(
                INVALID,
                format!("{}: not a host credential", path.display()),
            ))
        }
    }

    pub fn write_credential(&self, secret: &str) -> Result<(), Failure> {
        self.write(CREDENTIAL, format!("{secret}\n").as_bytes())
    }

    /// The certificate of the lab's own authority.
    pub fn authority(&self) -> PathBuf {
        self.path(AUTHORITY)
    }

    pub fn write_authority(&self, pem: &[u8]) -> Result<(), Failure> {
        self.write(AUTHORITY, pem)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, HostFolderArguments) {
        let outer = tempfile::tempdir().unwrap();
        let place = HostFolderArguments {
            folder: outer.path().join("host"),
        };
        fs::create_dir(&place.folder).unwrap();
        set_mode(&place.folder, 0o700);
        (outer, place)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn written_file_is_read_back_and_is_private() {
        let (_outer, place) = folder();
        let folder = HostFolder::open(&place).unwrap();
        assert!(folder.read(CACHE).unwrap().is_none());
        folder.write(CACHE, b"one").unwrap();
        folder.write(CACHE, b"two").unwrap();
        assert_eq!(folder.read(CACHE).unwrap().unwrap().as_slice(), b"two");
        let mode = fs::metadata(folder.path(CACHE)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&place.folder).unwrap().count(), 1);
    }

    #[test]
    fn files_that_others_can_read_or_replace_are_rejected() {
        let (outer, place) = folder();
        let folder = HostFolder::open(&place).unwrap();
        folder.write(CACHE, b"keys").unwrap();
        set_mode(&folder.path(CACHE), 0o640);
        assert!(folder.read(CACHE).is_err());
        set_mode(&folder.path(CACHE), 0o602);
        assert!(folder.read(CACHE).is_err());
        fs::remove_file(folder.path(CACHE)).unwrap();
        let elsewhere = outer.path().join("elsewhere");
        fs::write(&elsewhere, b"keys").unwrap();
        set_mode(&elsewhere, 0o600);
        symlink(&elsewhere, folder.path(CACHE)).unwrap();
        assert!(folder.read(CACHE).is_err());
        fs::remove_file(folder.path(CACHE)).unwrap();
        fs::create_dir(folder.path(CACHE)).unwrap();
        assert!(folder.read(CACHE).is_err());

        set_mode(&place.folder, 0o750);
        assert!(HostFolder::open(&place).is_err());
        set_mode(&place.folder, 0o700);
        let link = HostFolderArguments {
            folder: outer.path().join("link"),
        };
        symlink(&place.folder, &link.folder).unwrap();
        assert!(HostFolder::open(&link).is_err());
    }

    #[test]
    fn file_of_another_user_is_rejected() {
        if own_user() != 0 {
            // Only root can give a file away.
            return;
        }
        let (_outer, place) = folder();
        let folder = HostFolder::open(&place).unwrap();
        folder.write(CACHE, b"keys").unwrap();
        std::os::unix::fs::lchown(folder.path(CACHE), Some(65_534), None).unwrap();
        assert!(folder.read(CACHE).is_err());
        std::os::unix::fs::lchown(&place.folder, Some(65_534), None).unwrap();
        // Root may look into another's folder; what root writes there is that other's.
        let folder = HostFolder::open(&place).unwrap();
        folder.write(CACHE, b"keys").unwrap();
        assert_eq!(fs::metadata(folder.path(CACHE)).unwrap().uid(), 65_534);
    }
}
