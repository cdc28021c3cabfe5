//! The doors for machines and browsers.

pub mod transport;
