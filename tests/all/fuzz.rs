//! The stored corpus of the fuzzers (`fuzz/`), run with the same properties: fixed findings stay fixed.

use std::fs;
use std::path::PathBuf;

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// Runs a property with its stored inputs.
fn replay(name: &str) {
    let (_, property) = properties::ALL
        .iter()
        .find(|(own, _)| *own == name)
        .unwrap();
    let kept = fs::read_dir(folder("corpus").join(name)).unwrap();
    let mut paths: Vec<PathBuf> = kept.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| property(&bytes));
        assert!(held.is_ok(), "it does not hold for {}", path.display());
    }
}

/// One test for each property, so that they run in parallel and have names.
macro_rules! replays {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays!(
    authorization,
    authorized_keys_file,
    authorized_keys_line,
    cbor,
    cookie,
    database,
    form,
    forwarded,
    host_copy,
    json,
    key_options,
    login_line,
    names,
    allowed_addresses,
    next,
    passkey,
    query,
    receiver,
    scan,
    secret,
    settings_file,
    ssh_key,
    times,
    user_code,
    wire
);

#[test]
fn every_property_is_replayed_and_has_a_fuzzer() {
    let properties: Vec<&str> = properties::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(properties, REPLAYED);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in properties {
        let target = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("holds(\"{name}\", bytes)")),
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
