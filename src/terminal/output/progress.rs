//! The progress of long work: one line on standard error, on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Shorter work shows no progress.
const DELAY: Duration = Duration::from_millis(500);
/// Time between two updates.
const INTERVAL: Duration = Duration::from_millis(100);

/// The progress of one command.
pub struct Progress {
    label: &'static str,
    is_shown: bool,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    pub fn new(label: &'static str) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            label,
            is_shown: std::io::stderr().is_terminal() && !is_dumb,
            begun: Instant::now(),
            drawn: None,
        }
    }

    /// Runs `work` and shows the elapsed time meanwhile: for work that reports no steps.
    pub fn during<T>(label: &'static str, work: impl FnOnce() -> T) -> T {
        let mut progress = Self::new(label);
        if !progress.is_shown {
            return work();
        }
        let (done, ended) = channel::<()>();
        thread::scope(move |scope| {
            scope.spawn(move || {
                while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let seconds = progress.begun.elapsed().as_secs();
                    progress.draw(&format!("{label}  {seconds} s"));
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    /// Shows that `done` of `total` is done; 0 is an unknown total. Most calls draw nothing.
    pub fn show(&mut self, done: u64, total: u64) {
        if self.is_shown {
            self.draw(&text(self.label, done, total));
        }
    }

    /// Clears the line before other output.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            write_line("");
        }
    }

    fn draw(&mut self, text: &str) {
        let is_due = match self.drawn {
            Some(drawn) => drawn.elapsed() >= INTERVAL,
            None => self.begun.elapsed() >= DELAY,
        };
        if is_due {
            self.drawn = Some(Instant::now());
            write_line(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Replaces the current line of the terminal.
fn write_line(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "\r\u{1b}[K{text}").and_then(|()| err.flush());
}

/// `importing  [#####     ]  50%`; without a total the number alone.
fn text(label: &str, done: u64, total: u64) -> String {
    const CELLS: u64 = 20;
    if total == 0 {
        return format!("{label}  {done}");
    }
    let share = |of: u64| done.min(total).saturating_mul(of) / total;
    let filled = usize::try_from(share(CELLS)).unwrap_or_default();
    let bar = "#".repeat(filled);
    format!("{label}  [{bar:<20}] {:>3}%", share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar_or_a_number() {
        assert_eq!(
            text("importing", 1, 2),
            "importing  [##########          ]  50%"
        );
        assert_eq!(
            text("importing", 9, 2),
            "importing  [####################] 100%"
        );
        assert_eq!(text("verifying", 1234, 0), "verifying  1234");
    }

    #[test]
    fn work_runs_and_returns_its_result() {
        assert_eq!(Progress::during("working", || 7), 7);
    }
}
