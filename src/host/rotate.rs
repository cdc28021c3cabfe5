//! `keycroft host rotate-credential`: replaces the credential of this host.

use std::time::Duration;

use zeroize::Zeroizing;

use super::folder::{HostFolder, HostFolderArguments, Settings};
use super::server::{HostServer, parse_answer};
use crate::terminal::exit::Failure;
use crate::terminal::output::write_stderr;
use crate::wire::EnrollOut;

/// How long each request may take.
const TIME: Duration = Duration::from_secs(30);

/// `keycroft host rotate-credential`.
pub fn run_rotate_credential(place: &HostFolderArguments) -> Result<(), Failure> {
    let folder = HostFolder::open(place)?;
    let settings = folder.settings()?;
    rotate(&folder, &settings)
}

/// Replaces the host credential. The old secret stays valid until the new one fetches all keys, which happens at once: a
/// thief could use it to replace the new one. A crash at any point leaves a working host.
pub fn rotate(folder: &HostFolder, settings: &Settings) -> Result<(), Failure> {
    let _lock = folder.lock()?;
    let server = HostServer::from_settings(folder, settings, TIME)?;
    let answer = server.post("/api/v1/hosts/self/rotate", "{}")?;
    let rotated: EnrollOut = parse_answer(&answer).map_err(Failure::from)?;
    folder.write_credential(&Zeroizing::new(rotated.secret))?;
    HostServer::from_settings(folder, settings, TIME)?.everybodys_keys(None)?;
    write_stderr("rotated the credential of this host; the old one is revoked");
    Ok(())
}
