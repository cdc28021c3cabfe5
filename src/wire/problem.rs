//! Errors on the wire (RFC 9457), and their types: one per remedy.

use serde::{Deserialize, Serialize};

/// The type of an error. Clients decide by it, never by the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemType {
    /// An earlier request with the same `Idempotency-Key` succeeded.
    AlreadyDone,
    Conflict,
    /// The request comes from another site.
    CrossSite,
    /// The credential lacks a permission, or can't be used for this act.
    Forbidden,
    /// The `Idempotency-Key` was used with another body.
    IdempotencyKey,
    Internal,
    /// A field or parameter is unknown or has a bad value.
    Invalid,
    Locked,
    /// The request cannot be parsed.
    Malformed,
    MethodNotAllowed,
    NameTaken,
    NotFound,
    PasswordRequired,
    Policy,
    RateLimited,
    SharedKey,
    StorageFull,
    Timeout,
    TooLarge,
    Unauthorized,
    Unavailable,
    /// No route has this path.
    UnknownPath,
    UnsupportedMediaType,
    WrongPassword,
}

impl ProblemType {
    /// The URN in member `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyDone => "urn:keycroft:problem:already-done",
            Self::Conflict => "urn:keycroft:problem:conflict",
            Self::CrossSite => "urn:keycroft:problem:cross-site",
            Self::Forbidden => "urn:keycroft:problem:forbidden",
            Self::IdempotencyKey => "urn:keycroft:problem:idempotency-key",
            Self::Internal => "urn:keycroft:problem:internal",
            Self::Invalid => "urn:keycroft:problem:invalid",
            Self::Locked => "urn:keycroft:problem:locked",
            Self::Malformed => "urn:keycroft:problem:malformed",
            Self::MethodNotAllowed => "urn:keycroft:problem:method-not-allowed",
            Self::NameTaken => "urn:keycroft:problem:name-taken",
            Self::NotFound => "urn:keycroft:problem:not-found",
            Self::PasswordRequired => "urn:keycroft:problem:password-required",
            Self::Policy => "urn:keycroft:problem:policy",
            Self::RateLimited => "urn:keycroft:problem:rate-limited",
            Self::SharedKey => "urn:keycroft:problem:shared-key",
            Self::StorageFull => "urn:keycroft:problem:storage-full",
            Self::Timeout => "urn:keycroft:problem:timeout",
            Self::TooLarge => "urn:keycroft:problem:too-large",
            Self::Unauthorized => "urn:keycroft:problem:unauthorized",
            Self::Unavailable => "urn:keycroft:problem:unavailable",
            Self::UnknownPath => "urn:keycroft:problem:unknown-path",
            Self::UnsupportedMediaType => "urn:keycroft:problem:unsupported-media-type",
            Self::WrongPassword => "urn:keycroft:problem:wrong-password",
        }
    }
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemOut {
    /// A [`ProblemType`], or the type of a newer server.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldOut>,
    /// The id of the object that an earlier request with the same `Idempotency-Key` created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ProblemOut {
    /// Returns true for a problem of this type.
    pub fn is(&self, kind: ProblemType) -> bool {
        self.kind == kind.as_str()
    }
}

/// The error of one field.
#[derive(Debug, Serialize, Deserialize)]
pub struct FieldOut {
    pub field: String,
    pub message: String,
}
