//! The state of the installation.

use serde::{Deserialize, Serialize};

/// The state of the installation, and how this request reached it. Contains no secrets.
#[derive(Debug, Serialize, Deserialize)]
pub struct DiagnosticsOut {
    pub version: String,
    pub sqlite_version: String,
    pub schema_version: u32,
    pub now: String,
    /// The path of the database, as given to the server.
    pub path: String,
    pub bytes: u64,
    pub wal_bytes: u64,
    /// True if the last commit succeeded.
    pub writing: bool,
    pub last_backup_at: Option<String>,
    pub users: i64,
    pub credentials: i64,
    pub events: i64,
    /// The client address, as reported by a trusted proxy; `null` without a report.
    pub address: Option<String>,
    /// The address of the connection: a proxy, or the client.
    pub peer: String,
    /// The networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
    pub public_url: String,
    pub encrypted: bool,
    /// Problems to act on.
    pub advice: Vec<AdviceOut>,
}

/// A problem and its remedy.
#[derive(Debug, Serialize, Deserialize)]
pub struct AdviceOut {
    /// The field that it concerns.
    pub about: String,
    /// One sentence to act on.
    pub message: String,
}
