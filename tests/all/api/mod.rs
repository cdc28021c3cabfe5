//! The JSON API against the wire contract, at `http::respond`.

mod api_keys;
mod bad_input;
mod burn;
mod matrix;
mod rotation;
mod verification;
