//! Black-box tests, one binary for all, files by feature.

mod store;
mod transport;
