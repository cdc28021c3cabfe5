//! Why something was refused.

use serde::{Deserialize, Serialize};

/// The chain of checks that a credential goes through, and which link fails.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplanationOut {
    pub id: String,
    pub kind: String,
    pub name: String,
    /// Whether every link holds.
    pub good: bool,
    /// The first link that fails.
    pub failed: Option<String>,
    /// One sentence.
    pub summary: String,
    pub checks: Vec<CheckOut>,
}

/// One link.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckOut {
    /// `exists`, `enabled`, `not_expired`, `address_allowed`, `owner_enabled` or `permission_held`.
    pub check: String,
    /// `null` when it was not asked and can't be told without.
    pub passed: Option<bool>,
    /// One sentence.
    pub message: String,
}
