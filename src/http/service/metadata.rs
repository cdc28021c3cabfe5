//! `/.well-known/oauth-authorization-server` (RFC 8414) and `/openapi.json`.

use rouille::{Response, ResponseBody};

use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{headers, query};
use crate::wire::{MetadataOut, OPENAPI};

pub fn authorization_server(context: &RequestContext<'_>) -> Result<Response, Problem> {
    query::reject_parameters(context)?;
    let url = &context.server_state.settings.public_url;
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let out = MetadataOut {
        issuer: url.clone(),
        introspection_endpoint: format!("{url}/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: list(&["client_secret_basic", "Bearer"]),
        revocation_endpoint: format!("{url}/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: list(&["none"]),
        device_authorization_endpoint: format!("{url}/oauth/device_authorization"),
        token_endpoint: format!("{url}/oauth/token"),
        token_endpoint_auth_methods_supported: list(&["none"]),
        grant_types_supported: list(&["urn:ietf:params:oauth:grant-type:device_code"]),
        response_types_supported: Vec::new(),
        service_documentation: format!("{url}/openapi.json"),
    };
    Ok(headers::json("application/json", 200, &out))
}

pub fn openapi(context: &RequestContext<'_>) -> Result<Response, Problem> {
    query::reject_parameters(context)?;
    // Read in parts while it is sent.
    let mut response = headers::bytes_of("application/json", 200, Vec::new());
    response.data = ResponseBody::from_reader_and_size(OPENAPI.as_bytes(), OPENAPI.len());
    Ok(response)
}
