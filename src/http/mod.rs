//! The doors for machines and browsers: a request comes in as a value, a response goes out as a value.

mod api;
mod ask;
mod body;
mod console;
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

pub use ask::{House, Settings};
pub use respond::{admit, respond};
pub use route::{ANY, Needs, ROUTES, Route};
pub use serve::{ServeError, listen, serve};
