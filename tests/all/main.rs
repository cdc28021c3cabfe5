//! Black-box tests, one binary for all, files by feature.

mod tidy;
mod transport;
