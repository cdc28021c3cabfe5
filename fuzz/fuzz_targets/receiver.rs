//! Any bytes, for the property of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keycroft_fuzz::holds("receiver", bytes));
