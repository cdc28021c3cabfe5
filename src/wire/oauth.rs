//! Shapes of the OAuth standards.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The introspection of a valid secret (RFC 7662, 2.2). Borrows its text, since it is frequent.
#[derive(Debug, Serialize, Deserialize)]
pub struct IntrospectionOut<'a> {
    pub active: bool,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<Cow<'a, str>>,
    /// Stable and never reused.
    pub sub: Cow<'a, str>,
    pub token_type: Cow<'a, str>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The credential's id.
    pub jti: Cow<'a, str>,
    pub kind: Cow<'a, str>,
}

/// An error (RFC 6749, 5.2).
#[derive(Debug, Serialize, Deserialize)]
pub struct OauthProblemOut {
    pub error: String,
    pub error_description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// The next steps of a device login (RFC 8628, 3.2). No `Debug`: it holds a secret.
#[derive(Serialize, Deserialize)]
pub struct DeviceAuthorizationOut {
    /// For the device alone.
    pub device_code: String,
    /// For the person to type.
    pub user_code: String,
    pub verification_uri: String,
    /// Seconds.
    pub expires_in: u64,
    /// Polling interval in seconds.
    pub interval: u64,
}

/// A token (RFC 6749, 5.1). No `Debug`: it holds a secret.
#[derive(Serialize, Deserialize)]
pub struct TokenGrantOut {
    pub access_token: String,
    pub token_type: String,
    /// Seconds; absent if it never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    pub scope: String,
}

/// Server metadata (RFC 8414, 2).
#[derive(Debug, Serialize, Deserialize)]
pub struct MetadataOut {
    pub issuer: String,
    pub introspection_endpoint: String,
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    pub revocation_endpoint: String,
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    pub device_authorization_endpoint: String,
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub response_types_supported: Vec<String>,
    pub service_documentation: String,
}
