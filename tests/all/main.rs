//! Black-box tests, one binary for all, files by feature.

mod console;
mod tidy;
mod transport;
