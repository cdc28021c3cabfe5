//! What the fuzzers share: the house to ask, which is that of the tests, and what holds.

// The house is made for many tests, of which these are few.
#[allow(dead_code)]
#[path = "../tests/all/fixture.rs"]
mod fixture;
#[path = "properties/mod.rs"]
mod properties;

/// Asks the property of this name.
pub fn holds(name: &str, bytes: &[u8]) {
    let (_, property) = properties::ALL
        .iter()
        .find(|(own, _)| *own == name)
        .expect("every fuzzer is named as its property");
    property(bytes);
}
