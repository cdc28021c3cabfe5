//! `keycroft completions` and `keycroft man`, from the tree of commands.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::completion;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::{self, OutputArguments};
use crate::wire::OPENAPI;

#[derive(Args)]
pub struct CompletionsArguments {
    /// Name of the shell
    shell: Shell,
}

#[derive(Args)]
pub struct ManArguments {
    /// Folder for the pages of all commands [default: print the main page]
    #[arg(value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// `keycroft completions`.
pub fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut text = Vec::new();
    completion::script(&arguments.shell.to_string(), &mut text)
        .map_err(|error| Failure::new(FAILED, error.to_string()))?;
    output::line(String::from_utf8_lossy(&text).trim_end())
}

/// `keycroft openapi`: the document that a server of this version serves as `/openapi.json`.
pub fn openapi(format: &OutputArguments) -> Result<(), Failure> {
    format.print_json(OPENAPI.trim_end())
}

/// `keycroft man`.
pub fn man(arguments: &ManArguments, command: Command) -> Result<(), Failure> {
    let Some(folder) = &arguments.dir else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut text)
            .map_err(|error| Failure::new(FAILED, error.to_string()))?;
        return output::line(String::from_utf8_lossy(&text).trim_end());
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error| Failure::new(FAILED, format!("{}: {error}", folder.display())))
}
