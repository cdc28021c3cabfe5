//! The JSON API against the wire contract, at `http::respond`.

mod account_notices;
mod administration;
mod api_keys;
mod bad_input;
mod contract;
mod declared;
mod delegation;
mod escalation;
mod explain;
mod host_reach;
mod idempotency;
mod introspection;
mod lost_rights;
mod matrix;
mod openapi;
mod overview;
mod races;
mod revocation;
mod rotation;
mod services;
mod tokens;
mod users;
mod users_api_keys;
mod verification;
