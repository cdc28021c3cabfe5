//! Keycroft: the rooms.

pub mod http;
