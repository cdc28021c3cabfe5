//! `keycroft check` and `keycroft migrate`.

use clap::Args;

use super::exit::{FAILED, Failure};
use super::operator::Database;
use super::output::{self, Cell};
use crate::app::{AppState, Condition, Finding};
use crate::clock::Clock;

#[derive(Args)]
pub struct CheckArguments {
    #[command(flatten)]
    database: Database,
}

#[derive(Args)]
pub struct MigrateArguments {
    /// Try it on a copy, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: Database,
}

/// `keycroft check`.
pub fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let findings = AppState::examine(&arguments.database.path(), &Clock::System);
    let rows: Vec<Vec<Cell>> = findings.iter().map(row).collect();
    output::table(&["state", "what", "found"], &rows)?;
    let is_wrong = |finding: &&Finding| finding.condition == Condition::Wrong;
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(Failure::new(FAILED, "one thing is wrong")),
        wrong => Err(Failure::new(FAILED, format!("{wrong} things are wrong"))),
    }
}

fn row(finding: &Finding) -> Vec<Cell> {
    let state = match finding.condition {
        Condition::Good => "good",
        Condition::Look => "look",
        Condition::Wrong => "wrong",
    };
    vec![
        state.to_owned().into(),
        finding.subject.to_owned().into(),
        finding.words.clone().into(),
    ]
}

/// `keycroft migrate`.
pub fn migrate(arguments: &MigrateArguments) -> Result<(), Failure> {
    let path = arguments.database.path();
    let (from, to) = AppState::rehearse_migration(&path)
        .map_err(|refused| Failure::new(FAILED, refused.to_string()))?;
    if from == to {
        eprintln!("{} has schema {to}: nothing to do", path.display());
    } else if arguments.dry_run {
        eprintln!(
            "a copy of {} could be brought from schema {from} to {to}",
            path.display()
        );
    } else {
        arguments.database.open()?.close();
        eprintln!("brought {} from schema {from} to {to}", path.display());
    }
    Ok(())
}
