//! The JSON shapes of the wire contract, shared by the server's door and the command line's client. What a domain type
//! holds leaves only through here, so nothing leaks by being added to a struct.

mod account;
mod credential;
mod event;
mod explanation;
mod host;
mod oauth;
mod policy;
mod ssh_key;
mod user;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::ssh_key::{ImportIn, ImportLineOut, ImportOut, SshKeyIn, SshKeyOut, SshKeyPatch};
pub use account::{MeIn, MeOut, PasswordByCodeIn, PasswordIn, SetUpIn};
pub use credential::{
    ApiKeyIn, ApiKeyOut, ApiKeyPatch, RotateIn, SessionOut, TokenIn, TokenOut, UsageOut,
};
pub use event::EventOut;
pub use explanation::{CheckOut, ExplanationOut};
pub use host::{
    AuthorizedKeysOut, EnrollIn, EnrollOut, EnrolmentCodeIn, EnrolmentCodeOut, HostOut, HostPatch,
    LOGINS_MAX, LoginIn, LoginKeyOut,
};
pub use oauth::{
    DeviceAuthorizationOut, IntrospectionOut, MetadataOut, OauthProblemOut, TokenGrantOut,
};
pub use policy::{PolicyOut, PolicyPatch, SweptOut};
pub use user::{
    EndedOut, GroupIn, GroupOut, LinkOut, ServiceIn, ServiceOut, ServicePatch, UserIn, UserOut,
    UserPatch,
};

/// A part of a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListOut<T> {
    pub items: Vec<T>,
    /// What to send as `after` for the next part.
    pub next: Option<String>,
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemOut {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldOut>,
    /// What an earlier request with the same `Idempotency-Key` made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, Deserialize)]
pub struct FieldOut {
    pub field: String,
    pub message: String,
}

/// `{}`: for calls that take nothing.
#[derive(Debug, Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
pub struct NothingIn {}

/// Tells `null` (`Some(None)`) from absent (`None`).
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be absent but not `null`, which would say nothing clear.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}
