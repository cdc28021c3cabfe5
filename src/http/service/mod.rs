//! For services and proxies: is this secret good, whose is it, and what may it do?

pub mod device;
mod form;
pub mod health;
pub mod introspect;
pub mod metadata;
pub mod metrics;
pub mod verify;
