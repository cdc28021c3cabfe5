//! The JSON API against the wire contract, at `http::respond`.

mod matrix;
