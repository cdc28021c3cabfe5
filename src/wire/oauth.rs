//! What OAuth's standards name.

use serde::{Deserialize, Serialize};

/// What introspection says of a secret that is good (RFC 7662, 2.2).
#[derive(Debug, Serialize, Deserialize)]
pub struct IntrospectionOut {
    pub active: bool,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Stable and never reused.
    pub sub: String,
    pub token_type: String,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The credential's id.
    pub jti: String,
    pub kind: String,
}

/// An error (RFC 6749, 5.2).
#[derive(Debug, Serialize, Deserialize)]
pub struct OauthProblemOut {
    pub error: String,
    pub error_description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// What this server offers (RFC 8414, 2).
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
