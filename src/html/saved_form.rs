//! A form that waits for a sign-in or a confirmation.

/// A form that was interrupted by a sign-in or a confirmation.
#[derive(Debug, Clone)]
pub struct SavedForm {
    /// Its target, from `/`.
    pub action: String,
    /// Its fields; pages leave out passwords and the form token.
    pub fields: Vec<(String, String)>,
}

/// Prefix of a saved form's field.
pub const KEPT: &str = "kept.";
