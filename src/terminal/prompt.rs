//! Prompts, on a terminal only.

use std::io::{BufRead, IsTerminal, Read};

use zeroize::Zeroizing;

use super::exit::{FAILED, Failure, INTERRUPTED, INVALID, USAGE};
use super::output::print_prompt;
use super::text_file;
use crate::model::text::is_same_name;

/// Longest secret or password read from standard input, in bytes.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Returns true where prompts are possible.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for confirmation; `yes` confirms.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    answer_is(&format!("{question} [y/N] "), yes, |answer| {
        matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
    })
}

/// Asks to type `name`, for acts that can't be undone.
pub fn confirm_by_name(question: &str, name: &str, yes: bool) -> Result<(), Failure> {
    answer_is(
        &format!("{question} Type {name} to continue: "),
        yes,
        |answer| is_same_name(answer, name),
    )
}

fn answer_is(
    question: &str,
    yes: bool,
    is_right: impl FnOnce(&str) -> bool,
) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_interactive() {
        return Err(
            Failure::new(USAGE, "refusing to continue without confirmation").hint("pass --yes"),
        );
    }
    if is_right(prompt_line(question)?.trim()) {
        Ok(())
    } else {
        Err(nothing_done())
    }
}

fn nothing_done() -> Failure {
    Failure::new(FAILED, "canceled; nothing was done")
}

/// Asks for one line on the terminal.
pub fn prompt_line(question: &str) -> Result<String, Failure> {
    print_prompt(question);
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .read_line(&mut text)
        .map_err(|error| Failure::new(FAILED, format!("standard input: {error}")))?;
    if read == 0 {
        return Err(nothing_done());
    }
    Ok(text)
}

/// A secret from standard input; on a terminal typed or pasted without being shown.
pub fn secret(question: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    if std::io::stdin().is_terminal() {
        *text = rpassword::prompt_password(question).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => Failure::quiet(INTERRUPTED),
            _ => Failure::new(FAILED, format!("the terminal: {error}")),
        })?;
    } else {
        let mut input = std::io::stdin().lock().take(SECRET_BYTES_MAX);
        input
            .read_line(&mut text)
            .map_err(|error| Failure::new(FAILED, format!("standard input: {error}")))?;
    }
    let trimmed = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if trimmed.is_empty() {
        return Err(Failure::new(USAGE, "standard input is empty"));
    }
    Ok(trimmed)
}

/// A token, a key or another secret of Keycroft from standard input, where it may have been wrapped or encoded on the way; on a
/// terminal as [`secret`].
pub fn credential(question: &str) -> Result<Zeroizing<String>, Failure> {
    if std::io::stdin().is_terminal() {
        return secret(question);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .take(SECRET_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(FAILED, format!("standard input: {error}")))?;
    let text = text_file::decode(&bytes)
        .ok_or_else(|| Failure::new(INVALID, "standard input is not text (UTF-8 or UTF-16)"))?;
    if text.trim().is_empty() {
        return Err(Failure::new(USAGE, "standard input is empty"));
    }
    Ok(text)
}
