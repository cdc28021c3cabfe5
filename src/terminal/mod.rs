//! The terminal side of every command: exit codes, output, prompts, environment variables, files of text.

pub mod environment;
pub mod exit;
pub mod findings;
pub mod output;
pub mod prompt;
pub mod text_file;
