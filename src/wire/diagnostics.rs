//! How the installation is.

use serde::{Deserialize, Serialize};

/// How the installation is, and how this very request reached it. No secrets are in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct DiagnosticsOut {
    pub version: String,
    pub sqlite_version: String,
    pub schema_version: u32,
    pub now: String,
    /// The file, by the path that the server was given.
    pub path: String,
    pub bytes: u64,
    pub journal_bytes: u64,
    /// Whether the last commit succeeded.
    pub writing: bool,
    pub last_backup_at: Option<String>,
    pub users: i64,
    pub credentials: i64,
    pub events: i64,
    /// Where the request came from, as far as a trusted proxy says it; `null` when one does not say.
    pub address: Option<String>,
    /// Who connected: a proxy, or the same.
    pub peer: String,
    /// The networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
    pub public_url: String,
    pub encrypted: bool,
    /// What is not as it should be.
    pub advice: Vec<AdviceOut>,
}

/// What to do about something.
#[derive(Debug, Serialize, Deserialize)]
pub struct AdviceOut {
    /// The field that it is about.
    pub about: String,
    /// One sentence to act on.
    pub message: String,
}
