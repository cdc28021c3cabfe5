//! The doors for machines and browsers: a request comes in as a value, a response goes out as a value.

mod api;
mod body;
mod console;
mod context;
mod gate;
mod headers;
mod host;
mod problem;
mod query;
mod respond;
mod route;
mod serve;
mod service;
pub mod transport;

pub use context::{ServerState, Settings};
pub use respond::{admit, respond};
pub use route::{ANY, Needs, ROUTES, Route};
pub use serve::{ServeError, listen, serve};
