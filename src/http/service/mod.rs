//! Endpoints for services and proxies: verification and OAuth.

pub mod calendar;
pub mod device;
mod form;
pub mod health;
pub mod introspect;
pub mod metadata;
pub mod metrics;
pub mod verify;
