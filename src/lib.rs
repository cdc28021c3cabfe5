//! Keycroft: keeps every credential of a lab in one program and one `SQLite` file.
pub mod model;
