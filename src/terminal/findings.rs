//! The findings of a check, one line each.

use super::exit::{FAILED, Failure};
use super::output::line;

/// The findings of a check; each is printed at once.
#[derive(Default)]
pub struct Findings {
    bad: usize,
}

fn print(mark: &str, text: &str) -> Result<(), Failure> {
    line(&format!("{mark:<5}{text}"))
}

fn in_one_line(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{} (try: {hint})", failure.message),
        None => failure.message.clone(),
    }
}

impl Findings {
    pub fn ok(&mut self, text: &str) -> Result<(), Failure> {
        print("ok", text)
    }

    pub fn warn(&mut self, text: &str) -> Result<(), Failure> {
        print("warn", text)
    }

    pub fn bad(&mut self, text: &str) -> Result<(), Failure> {
        self.bad += 1;
        print("BAD", text)
    }

    pub fn failure(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.bad(&in_one_line(failure))
    }

    /// The value of a step that has to succeed; `None` after a finding.
    pub fn step<T>(
        &mut self,
        text: &str,
        result: Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => self.ok(text).map(|()| Some(value)),
            Err(failure) => self
                .bad(&format!("{text}: {}", in_one_line(&failure)))
                .map(|()| None),
        }
    }

    /// The result of the check.
    pub fn finish(&self) -> Result<(), Failure> {
        match self.bad {
            0 => Ok(()),
            1 => Err(Failure::new(FAILED, "1 check failed")),
            bad => Err(Failure::new(FAILED, format!("{bad} checks failed"))),
        }
    }
}
