//! Files of the command line: contexts (`config.toml`, no secrets) and their credentials (`credentials.toml`, 0600).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::terminal::exit::{FAILED, Failure, INVALID};

const CONFIG: &str = "config.toml";
const CREDENTIALS: &str = "credentials.toml";
/// Held while the two are changed, so that two commands at once both keep what they did.
const LOCK: &str = "lock";
/// Permission bits of a file or folder for others than its owner.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// `config.toml`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The context in use when nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Context>,
}

/// A server and who one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Certificates to trust instead of the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Says the secret on its standard output: a program and its arguments, run by no shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_command: Option<Vec<String>>,
    /// Plain HTTP to it was allowed when it was created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_http: bool,
}

/// `credentials.toml`. No `Debug`: it holds secrets.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Credentials {
    pub contexts: BTreeMap<String, SavedLogin>,
}

/// A saved login.
#[derive(Serialize, Deserialize)]
pub struct SavedLogin {
    pub secret: Zeroizing<String>,
    /// As the server said it (RFC 3339); none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// The folder of both files.
#[derive(Debug, Clone)]
pub struct ConfigFolder {
    path: PathBuf,
}

impl ConfigFolder {
    /// `$XDG_CONFIG_HOME/keycroft`, else `~/.config/keycroft`; none without a home.
    pub fn find() -> Option<Self> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
        Some(Self {
            path: base.join("keycroft"),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn credentials_path(&self) -> PathBuf {
        self.path.join(CREDENTIALS)
    }

    pub fn config(&self) -> Result<Config, Failure> {
        read(&self.path.join(CONFIG), |_| Ok(()))
    }

    /// The program that keeps the credential of a context, if it has one.
    pub fn credential_command(&self, context: &str) -> Result<Option<Vec<String>>, Failure> {
        let mut config = self.config()?;
        let Some(command) = config
            .contexts
            .remove(context)
            .and_then(|context| context.credential_command)
        else {
            return Ok(None);
        };
        for path in [&self.path, &self.path.join(CONFIG)] {
            let fail = |error| Failure::new(FAILED, format!("{}: {error}", path.display()));
            if fs::metadata(path).map_err(fail)?.mode() & OTHERS_WRITE != 0 {
                let message = format!(
                    "other users can write to {} and could run their own commands",
                    path.display()
                );
                let hint = format!("chmod go-w {}", path.display());
                return Err(Failure::new(FAILED, message).hint(hint));
            }
        }
        Ok(Some(command))
    }

    pub fn credentials(&self) -> Result<Credentials, Failure> {
        read(&self.credentials_path(), |file| {
            require_private(file, &self.credentials_path())
        })
    }

    /// Makes the folder (0700) if need be and waits until nobody else changes the files.
    pub fn lock(&self) -> Result<LockedFolder<'_>, Failure> {
        let fail =
            |error: io::Error| Failure::new(FAILED, format!("{}: {error}", self.path.display()));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(fail)?;
        let mode = fs::metadata(&self.path).map_err(fail)?.mode();
        if mode & OTHERS_WRITE != 0 {
            let message = format!(
                "other users can write to {} and could replace its files",
                self.path.display()
            );
            return Err(
                Failure::new(FAILED, message).hint(format!("chmod 700 {}", self.path.display()))
            );
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join(LOCK))
            .map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(LockedFolder {
            folder: self,
            _file: file,
        })
    }
}

/// The folder while nobody else changes it.
pub struct LockedFolder<'a> {
    folder: &'a ConfigFolder,
    _file: File,
}

impl LockedFolder<'_> {
    /// Changes both files and keeps earlier changes of other processes. Each is replaced atomically, the credentials first.
    pub fn change(
        &self,
        change: impl FnOnce(&mut Config, &mut Credentials) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut config, mut credentials) = (self.folder.config()?, self.folder.credentials()?);
        let before = config.clone();
        change(&mut config, &mut credentials)?;
        let encode = |error: toml::ser::Error| {
            Failure::new(
                FAILED,
                format!("the configuration can't be written: {error}"),
            )
        };
        let secret = Zeroizing::new(toml::to_string(&credentials).map_err(encode)?);
        let open = toml::to_string(&config).map_err(encode)?;
        // Both are written beside before either takes its place.
        let credentials = TemporaryFile::write(&self.folder.credentials_path(), &secret)?;
        // An unchanged one keeps its comments, and may be read-only.
        let config = (config != before)
            .then(|| TemporaryFile::write(&self.folder.path.join(CONFIG), &open))
            .transpose()?;
        credentials.take_place()?;
        config.map_or(Ok(()), TemporaryFile::take_place)
    }

    /// Finds out now whether the files can be written, so that no token is made that could not be kept.
    pub fn try_out(&self) -> Result<(), Failure> {
        self.change(|_, _| Ok(()))
    }
}

/// A file written beside the one whose place it is to take.
struct TemporaryFile {
    path: PathBuf,
    place: PathBuf,
}

impl TemporaryFile {
    fn write(place: &Path, text: &str) -> Result<Self, Failure> {
        // A link, as into a folder of dotfiles, stays: its file is replaced.
        let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        let mut path = place.clone().into_os_string();
        path.push(".new");
        let path = PathBuf::from(path);
        let written = Self {
            path: path.clone(),
            place,
        };
        // Under the lock no other process writes it: an existing file is left from a killed command.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let done = file.and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        });
        done.map_err(|error| written.failed(&error))?;
        Ok(written)
    }

    fn take_place(self) -> Result<(), Failure> {
        fs::rename(&self.path, &self.place).map_err(|error| self.failed(&error))?;
        // Syncs the new name, too; some file systems can't.
        if let Some(folder) = self
            .place
            .parent()
            .and_then(|folder| File::open(folder).ok())
        {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(
            FAILED,
            format!("{}: {error}; it is unchanged", self.place.display()),
        )
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Gone already when it took its place.
        let _ = fs::remove_file(&self.path);
    }
}

fn read<T: DeserializeOwned + Default>(
    path: &Path,
    check: impl FnOnce(&File) -> Result<(), Failure>,
) -> Result<T, Failure> {
    let fail = |error: io::Error| Failure::new(FAILED, format!("{}: {error}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(T::default());
        }
        Err(error) => return Err(fail(error)),
    };
    check(&file)?;
    let text = Zeroizing::new(io::read_to_string(file).map_err(fail)?);
    parse(&text).map_err(|line| {
        Failure::new(
            INVALID,
            format!("{}, line {line}: unexpected content", path.display()),
        )
        .hint(format!("mv {0} {0}.old", path.display()))
    })
}

/// Reads the text of one of the files.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, usize> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start).min(text.len());
        text.as_bytes()[..place]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    })
}

fn require_private(file: &File, path: &Path) -> Result<(), Failure> {
    let mode = file
        .metadata()
        .map_err(|error| Failure::new(FAILED, format!("{}: {error}", path.display())))?
        .mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let message = format!(
        "permissions of {} are too open (mode {:04o}); its secrets are not used",
        path.display(),
        mode & 0o7777
    );
    Err(Failure::new(FAILED, message).hint(format!(
        "chmod 600 {0}; and if anybody may have read it: keycroft logout --all",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> (tempfile::TempDir, ConfigFolder) {
        let home = tempfile::tempdir().unwrap();
        let folder = ConfigFolder {
            path: home.path().join("keycroft"),
        };
        (home, folder)
    }

    fn save(folder: &ConfigFolder, name: &str, secret: &str) -> Result<(), Failure> {
        folder.lock()?.change(|config, credentials| {
            config.contexts.insert(
                name.to_owned(),
                Context {
                    server: "https://a.example".into(),
                    username: None,
                    ca_file: None,
                    credential_command: None,
                    insecure_http: false,
                },
            );
            credentials.contexts.insert(
                name.to_owned(),
                SavedLogin {
                    secret: secret.to_owned().into(),
                    expires_at: None,
                },
            );
            Ok(())
        })
    }

    #[test]
    fn secrets_are_in_one_private_file() {
        let (_home, folder) = folder();
        save(&folder, "lab", "the-secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(mode(&folder.credentials_path()), 0o600);
        assert!(
            !fs::read_to_string(folder.path.join(CONFIG))
                .unwrap()
                .contains("the-secret")
        );
        assert_eq!(
            *folder.credentials().unwrap().contexts["lab"].secret,
            "the-secret"
        );
        let mut left: Vec<_> = fs::read_dir(&folder.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["config.toml", "credentials.toml", "lock"]);
    }

    #[test]
    fn linked_file_stays_a_link() {
        let (home, folder) = folder();
        save(&folder, "lab", "x").unwrap();
        for (name, target) in [(CONFIG, "dotfile.toml"), (CREDENTIALS, "dotfile.secret")] {
            let link = folder.path.join(name);
            fs::rename(&link, home.path().join(target)).unwrap();
            std::os::unix::fs::symlink(format!("../{target}"), &link).unwrap();
        }
        save(&folder, "home", "x").unwrap();
        assert!(folder.path.join(CONFIG).is_symlink());
        assert!(folder.credentials_path().is_symlink());
        assert_eq!(folder.config().unwrap().contexts.len(), 2);
        assert_eq!(folder.credentials().unwrap().contexts.len(), 2);
    }

    #[test]
    fn new_secret_keeps_the_comments_of_the_contexts() {
        let (_home, folder) = folder();
        save(&folder, "lab", "x").unwrap();
        let path = folder.path.join(CONFIG);
        let text = format!("# of the lab\n{}", fs::read_to_string(&path).unwrap());
        fs::write(&path, &text).unwrap();
        save(&folder, "lab", "y").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(*folder.credentials().unwrap().contexts["lab"].secret, "y");
    }

    #[test]
    fn files_that_others_can_read_or_write_are_rejected() {
        let (_home, folder) = folder();
        save(&folder, "lab", "the-secret").unwrap();
        for mode in [0o604, 0o640, 0o644, 0o620] {
            fs::set_permissions(folder.credentials_path(), PermissionsExt::from_mode(mode))
                .unwrap();
            let failure = folder.credentials().err().unwrap();
            assert!(failure.hint.unwrap().starts_with("chmod 600 "), "{mode:o}");
        }
        fs::set_permissions(folder.credentials_path(), PermissionsExt::from_mode(0o600)).unwrap();
        fs::set_permissions(&folder.path, PermissionsExt::from_mode(0o770)).unwrap();
        assert!(folder.lock().is_err());
    }

    #[test]
    fn simultaneous_logins_are_all_saved() {
        let (_home, folder) = folder();
        std::thread::scope(|scope| {
            for number in 0..32 {
                let folder = &folder;
                scope.spawn(move || save(folder, &format!("context{number}"), "x").unwrap());
            }
        });
        assert_eq!(folder.credentials().unwrap().contexts.len(), 32);
        assert_eq!(folder.config().unwrap().contexts.len(), 32);
    }

    #[test]
    fn malformed_file_is_reported_with_its_line_and_no_content() {
        let (_home, folder) = folder();
        save(&folder, "lab", "x").unwrap();
        fs::write(
            folder.credentials_path(),
            "[contexts.lab]\nsecret = the-secret\n",
        )
        .unwrap();
        let failure = folder.credentials().err().unwrap();
        assert!(
            failure.message.contains("line 2") && !failure.message.contains("the-secret"),
            "{}",
            failure.message
        );
    }
}
