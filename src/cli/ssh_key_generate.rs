//! `keycroft ssh-key generate`: a key pair by ssh-keygen; its public key is added.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use super::client::Client;
use crate::terminal::exit::{FAILED, Failure, INVALID, USAGE};

#[derive(Args)]
pub struct GenerateSshKey {
    /// Type of the key: ed25519, or ed25519-sk for a security key
    #[arg(long = "type", value_name = "TYPE", default_value = "ed25519", value_parser = ["ed25519", "ed25519-sk"])]
    kind: String,
    /// Private key file to write; .pub is added for the public key [default: ~/.ssh/id_ed25519 or id_ed25519_sk]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the SSH key [default: the comment of the key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Expiration: 30d, 12h, never, a date, or a time such as 2027-01-31T15:04:05Z [default: the latest that policy allows]
    #[arg(short, long, value_name = "WHEN")]
    expires: Option<String>,
}

/// The public key of a new pair, to be added.
pub struct GeneratedKey {
    pub file: PathBuf,
    pub name: Option<String>,
    pub expires: Option<String>,
}

/// Runs ssh-keygen, which asks for a passphrase. The private key never leaves the machine.
pub fn generate(client: &Client, wanted: GenerateSshKey) -> Result<GeneratedKey, Failure> {
    let file = match wanted.file {
        Some(file) => file,
        None => default_key_file(&wanted.kind)?,
    };
    let mut public = file.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    for existing in [&file, &public] {
        if std::fs::symlink_metadata(existing).is_ok() {
            let failure = Failure::new(
                INVALID,
                format!("{} exists; it is not overwritten", existing.display()),
            );
            let add = format!("keycroft ssh-key add {}", public.display());
            return Err(failure.hint(format!("{add}, or another name with --file")));
        }
    }
    // Without a server and a valid credential no key pair is created.
    client.get("/api/v1/me")?;
    let status = Command::new("ssh-keygen")
        .arg("-t")
        .arg(&wanted.kind)
        .arg("-f")
        .arg(&file)
        .status()
        .map_err(|error| {
            Failure::new(FAILED, format!("ssh-keygen: {error}")).hint("install the OpenSSH client")
        })?;
    if !status.success() {
        return Err(Failure::new(FAILED, "ssh-keygen failed; no key was added"));
    }
    Ok(GeneratedKey {
        file: public,
        name: wanted.name,
        expires: wanted.expires,
    })
}

/// The file that ssh tries by default for a key of this type.
fn default_key_file(kind: &str) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;

    let home = crate::terminal::environment::path_variable("HOME").ok_or_else(|| {
        Failure::new(USAGE, "HOME is not set").hint("keycroft ssh-key generate --file FILE")
    })?;
    let folder = home.join(".ssh");
    if !folder.is_dir() {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| Failure::new(FAILED, format!("{}: {error}", folder.display())))?;
    }
    Ok(folder.join(format!("id_{}", kind.replace('-', "_"))))
}
