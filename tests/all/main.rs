//! Black-box tests, one binary for all, files by feature.

mod api;
mod house;
mod transport;
