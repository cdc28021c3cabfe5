//! Bar S2: a revoked credential works nowhere from the answer on: every kind, revoked in every way, while in use.

mod lab;
mod own;
mod user;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lab::{Held, Lab};

/// Rounds of each race; `KEYCROFT_TEST_RACES=1000` is the long form.
fn rounds() -> usize {
    std::env::var("KEYCROFT_TEST_RACES").map_or(40, |number| number.parse().unwrap())
}

/// One way to revoke one credential.
struct Race {
    what: &'static str,
    make: fn(&mut Lab) -> Held,
    end: fn(&mut Lab, &Held),
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Revokes a credential while another thread uses it at every endpoint; no use after the answer may succeed.
fn race(races: &[Race]) {
    race_for(rounds(), races);
}

fn race_for(rounds: usize, races: &[Race]) {
    for race in races {
        let mut lab = Lab::new();
        let mut endpoints = lab.endpoints();
        for round in 0..rounds {
            let held = (race.make)(&mut lab);
            let what = format!("{}, round {round}", race.what);
            let (begun, expired) = (AtomicBool::new(false), AtomicBool::new(false));
            let when_done = SetWhenDropped(&expired);
            endpoints = thread::scope(|scope| {
                // Also after a panic: nothing else would stop the other thread.
                let when_done = when_done;
                let watching = scope.spawn(|| {
                    loop {
                        let ended = expired.load(Ordering::SeqCst);
                        let open = endpoints.open(&held);
                        let closed = open.iter().all(|(_, open)| !open);
                        begun.store(true, Ordering::SeqCst);
                        if ended {
                            assert!(closed, "{what}: {open:?} after its end");
                            return endpoints;
                        }
                    }
                });
                while !begun.load(Ordering::SeqCst) && !watching.is_finished() {
                    thread::yield_now();
                }
                let before = lab.endpoints_here(&held);
                let open = before.iter().all(|(_, open)| *open);
                assert!(open, "{what}: {before:?} before its end");
                (race.end)(&mut lab, &held);
                drop(when_done);
                watching.join().unwrap()
            });
        }
    }
}
