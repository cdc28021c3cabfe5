//! Shared by the fuzzers: the server state of the tests, and the properties.

// The fixture serves many tests, of which the fuzzers use a part.
#[allow(dead_code)]
#[path = "../tests/all/fixture.rs"]
mod fixture;
#[path = "properties/mod.rs"]
mod properties;

/// Runs the property of this name.
pub fn holds(name: &str, bytes: &[u8]) {
    let (_, property) = properties::ALL
        .iter()
        .find(|(own, _)| *own == name)
        .expect("every fuzzer is named as its property");
    property(bytes);
}
