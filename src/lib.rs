//! Keycroft.
pub mod model;
pub mod clock;
pub mod store;
pub mod desk;
