//! Keycroft.
pub mod model;
pub mod html;
pub mod clock;
