//! Endpoints for machines and browsers: from a request value to a response value.

mod api;
mod auth;
mod body;
mod console;
mod context;
mod headers;
mod host;
mod local;
mod problem;
mod query;
mod respond;
mod route;
mod serve;
mod service;
mod settings;

pub use context::ServerState;
pub use local::{LocalAnswer, LocalServer};
pub use respond::{admit, respond, respond_to};
pub use route::{ANY, Needs, ROUTES, Route};
pub use serve::{ServeError, listen, reject, serve};
pub use settings::HttpSettings;
