//! Keycroft: every credential of a lab in one program and one SQLite database. The layers, in reading order.

pub mod model;

pub mod clock;

pub mod store;

pub mod app;

pub mod wire;

pub mod html;

pub mod transport;

pub mod http;

pub mod terminal;

pub mod client;

pub mod host;

pub mod cli;
