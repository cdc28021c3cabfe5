//! Black-box tests, one binary for all, files by feature.

mod serve;
mod tidy;
mod transport;
