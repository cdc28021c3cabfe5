//! Reasons for a rejection.

use serde::{Deserialize, Serialize};

/// The checks of a credential, and the first that fails.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplanationOut {
    pub id: String,
    pub kind: String,
    pub name: String,
    /// True if every check passes.
    pub valid: bool,
    /// The first failed check.
    pub failed: Option<String>,
    /// One sentence.
    pub summary: String,
    pub checks: Vec<CheckOut>,
}

/// One check.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckOut {
    /// `exists`, `enabled`, `not_expired`, `address_allowed`, `owner_enabled` or `permission_held`.
    pub check: String,
    /// `null` if it was not requested and depends on the request.
    pub passed: Option<bool>,
    /// One sentence.
    pub message: String,
}
