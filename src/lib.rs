//! Keycroft.
pub mod model;
pub mod clock;
