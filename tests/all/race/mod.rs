//! S2: from the answer on, what was ended opens no door: every kind, ended by every way there is, while it is used.

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

/// One way to end one thing.
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

/// Ends what was made while another thread tries every door; none that is tried after the end's answer may open.
fn race(races: &[Race]) {
    race_for(rounds(), races);
}

fn race_for(rounds: usize, races: &[Race]) {
    for race in races {
        let mut lab = Lab::new();
        let mut doors = lab.doors();
        for round in 0..rounds {
            let held = (race.make)(&mut lab);
            let what = format!("{}, round {round}", race.what);
            let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
            let when_done = SetWhenDropped(&over);
            doors = thread::scope(|scope| {
                // Also when what follows panics: nobody would end the other thread.
                let when_done = when_done;
                let watching = scope.spawn(|| {
                    loop {
                        let ended = over.load(Ordering::SeqCst);
                        let open = doors.open(&held);
                        let closed = open.iter().all(|(_, open)| !open);
                        begun.store(true, Ordering::SeqCst);
                        if ended {
                            assert!(closed, "{what}: {open:?} after its end");
                            return doors;
                        }
                    }
                });
                while !begun.load(Ordering::SeqCst) && !watching.is_finished() {
                    thread::yield_now();
                }
                let before = lab.doors_here(&held);
                let open = before.iter().all(|(_, open)| *open);
                assert!(open, "{what}: {before:?} before its end");
                (race.end)(&mut lab, &held);
                drop(when_done);
                watching.join().unwrap()
            });
        }
    }
}
