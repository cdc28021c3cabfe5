//! A client's side of a connection: settings, saved logins, trusted certificates, and the causes of failures.

pub mod cause;
pub mod config;
pub mod connection;
pub mod http;
pub mod proxy_bypass;
pub mod tls;
