//! Public keys in files, on standard input and in ssh-agent. A private key is recognized here and never sent.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::model::ssh_key::{
    ImportRejection, ImportedKey, KeyRejection, KeyRules, KeyType, PublicKey, RSA_BITS_FLOOR,
};
use crate::model::text::percent_encode;
use crate::terminal::exit::{FAILED, Failure, INVALID, NOT_FOUND, USAGE};

/// Maximum size of a file with one key, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1_024;

/// The path of a user's SSH keys; of one's own without a name.
pub fn path_of(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("/api/v1/users/{}/ssh-keys", percent_encode(user)),
        None => "/api/v1/ssh-keys".to_owned(),
    }
}

/// Rules that accept every type: the server applies the policy.
pub fn any_rules() -> KeyRules {
    KeyRules::new(KeyType::ALL, RSA_BITS_FLOOR).unwrap_or_default()
}

/// The public key in a file, or on standard input; other content is not sent.
pub fn from_file(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    let fail = |error: std::io::Error| Failure::new(USAGE, format!("{name}: {error}"));
    let mut bytes = Vec::new();
    if let Some(text) = file.to_str().filter(|text| is_key_text(text)) {
        bytes.extend_from_slice(text.as_bytes());
    } else if file.as_os_str() == "-" {
        let mut input = std::io::stdin().lock().take(FILE_BYTES_MAX);
        input.read_to_end(&mut bytes).map_err(fail)?;
    } else {
        let mut input = File::open(file).map_err(fail)?.take(FILE_BYTES_MAX);
        input.read_to_end(&mut bytes).map_err(fail)?;
    }
    let text = crate::terminal::text_file::decode(&bytes)
        .unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned().into());
    zeroize::Zeroize::zeroize(&mut bytes);
    match ImportedKey::parse(&text, &any_rules()) {
        Ok(read) if read == ImportedKey::from(read.key.clone()) => Ok(line_of(&read.key)),
        // With options in front: the server reads them.
        Ok(_) => Ok(text.trim().to_owned()),
        Err(ImportRejection::Key(KeyRejection::PrivateKey)) => Err(is_private(file, &text)),
        Err(rejection) => Err(Failure::new(INVALID, format!("{name}: {rejection}"))),
    }
}

/// Returns true when an argument is the text of a public key instead of a file name.
pub fn is_key_text(text: &str) -> bool {
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|begin| word.starts_with(begin))
    };
    matches!(text.split_once(' '), Some((word, rest)) if is_type(word) && rest.trim_start().starts_with("AAAA"))
}

fn line_of(key: &PublicKey) -> String {
    format!("{} {}", key.to_openssh(), key.comment())
        .trim_end()
        .to_owned()
}

fn is_private(file: &Path, text: &str) -> Failure {
    let failure = Failure::new(
        INVALID,
        format!("{}: this is a private key; it was not sent", file.display()),
    );
    let public = PathBuf::from(format!("{}.pub", file.display()));
    if public.is_file() {
        failure.hint(format!("keycroft ssh-key add {}", public.display()))
    } else if text.contains("PuTTY-User-Key-File-") {
        failure.hint("the line that PuTTYgen shows for OpenSSH, or puttygen FILE -L")
    } else {
        failure.hint("the .pub file beside it, or ssh-keygen -y to create one")
    }
}

/// The one key in ssh-agent.
pub fn from_agent() -> Result<String, Failure> {
    let printed = Command::new("ssh-add")
        .arg("-L")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(FAILED, format!("ssh-add: {error}")))?;
    let text = String::from_utf8_lossy(&printed.stdout);
    let keys: Vec<PublicKey> = text
        .lines()
        .filter_map(|line| PublicKey::parse(line, &any_rules()).ok())
        .collect();
    match (keys.first(), keys.len()) {
        (Some(key), 1) => Ok(line_of(key)),
        (Some(_), count) => Err(Failure::new(
            INVALID,
            format!("ssh-agent has {count} keys; choose one"),
        )
        .hint("ssh-add -L | grep COMMENT | keycroft ssh-key add -")),
        (None, _) => Err(Failure::new(
            NOT_FOUND,
            "ssh-agent is not running, or has no key that can be added",
        )
        .hint("keycroft ssh-key add ~/.ssh/id_ed25519.pub")),
    }
}
