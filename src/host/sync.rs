//! `keycroft host sync`: refreshes the cache of a host.

use std::time::Duration;

use super::cache::KeyCache;
use super::folder::{CACHE, HostFolder, HostFolderArguments, Settings, expiry_word};
use super::rotate::rotate;
use super::server::{HostServer, parse_answer};
use super::sshd::ExpiryTime;
use crate::clock::Clock;
use crate::terminal::exit::Failure;
use crate::terminal::output::write_stderr;
use crate::wire::AuthorizedKeysOut;

/// How long refreshing the cache may take.
const SYNC_TIME: Duration = Duration::from_secs(30);
/// A cache that was confirmed this lately is not written again for the new time alone.
const CONFIRMED_LATELY: Duration = Duration::from_secs(10);

/// The result of a sync.
pub enum Synced {
    Fetched { keys: usize },
    Unchanged { keys: usize },
}

/// Refreshes the cache.
pub fn refresh(folder: &HostFolder, settings: &Settings) -> Result<Synced, Failure> {
    let server = HostServer::from_settings(folder, settings, SYNC_TIME)?;
    // One that can't be used is fetched anew; why is said where it matters.
    let present = folder.read(CACHE).ok().flatten();
    let present = present.and_then(|bytes| KeyCache::decode(&bytes).ok());
    // Before the request: changes during the transfer make the cache older, never newer.
    let now = Clock::System.now();
    let tag = present.as_ref().map(|cache| cache.tag.as_str());
    let answer = server.everybodys_keys(tag)?;
    if let (304, Some(mut cache)) = (answer.status, present) {
        let keys = cache.keys;
        if cache.fetched_at > now || now.since(cache.fetched_at) > CONFIRMED_LATELY {
            cache.fetched_at = now;
            folder.write(CACHE, cache.encode().as_bytes())?;
        }
        return Ok(Synced::Unchanged { keys });
    }
    let keys: AuthorizedKeysOut = parse_answer(&answer)?;
    let is_rotation_requested = keys.rotate_credential;
    let (cache, left_out) =
        KeyCache::from_answer(&keys, answer.header("ETag").unwrap_or_default(), now);
    folder.write(CACHE, cache.encode().as_bytes())?;
    if left_out > 0 {
        write_stderr(&format!(
            "keycroft: {left_out} incomplete keys from the server are left out"
        ));
    }
    if is_rotation_requested {
        rotate(folder, settings)?;
    }
    Ok(Synced::Fetched { keys: cache.keys })
}

/// `keycroft host sync`.
pub fn sync(place: &HostFolderArguments) -> Result<(), Failure> {
    let folder = HostFolder::open(place)?;
    folder.tidy();
    let mut settings = folder.settings()?;
    // sshd may have been replaced by a newer one.
    let present = expiry_word(ExpiryTime::Auto.expiries()?);
    if settings.expiry_time != present {
        present.clone_into(&mut settings.expiry_time);
        folder.write_settings(&settings)?;
    }
    match refresh(&folder, &settings)? {
        Synced::Fetched { keys } => write_stderr(&format!("fetched {keys} keys")),
        Synced::Unchanged { keys } => write_stderr(&format!("nothing changed; {keys} keys")),
    }
    Ok(())
}
