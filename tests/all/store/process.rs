//! The real binary as a process of its own.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen before it fails. Nothing passes because of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came true");
        std::thread::sleep(Duration::from_millis(2));
    }
}
