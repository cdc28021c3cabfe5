//! `keycroft service-unit`: the server's systemd units from the program itself.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output;

/// The path of the program in the units of the repository.
const PROGRAM: &str = "/usr/local/bin/keycroft";

#[derive(Args)]
pub struct ServiceUnitArguments {
    /// Unit to print
    #[arg(value_enum, default_value_t = Unit::Service)]
    unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// The server
    #[value(name = "keycroft.service")]
    Service,
    /// The server's socket, held by systemd
    #[value(name = "keycroft.socket")]
    Socket,
    /// One backup of the database
    #[value(name = "keycroft-backup.service")]
    BackupService,
    /// A backup every day
    #[value(name = "keycroft-backup.timer")]
    BackupTimer,
    /// The system user of these units, for systemd-sysusers
    #[value(name = "keycroft.sysusers")]
    Sysusers,
}

impl Unit {
    const fn text(self) -> &'static str {
        match self {
            Self::Service => include_str!("../../examples/systemd/keycroft.service"),
            Self::Socket => include_str!("../../examples/systemd/keycroft.socket"),
            Self::BackupService => include_str!("../../examples/systemd/keycroft-backup.service"),
            Self::BackupTimer => include_str!("../../examples/systemd/keycroft-backup.timer"),
            Self::Sysusers => include_str!("../../examples/systemd/keycroft.sysusers"),
        }
    }
}

/// `keycroft service-unit`.
pub fn run_service_unit(arguments: &ServiceUnitArguments) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(FAILED, format!("the path of this program: {error}")))?;
    let text = for_program(arguments.unit, &program).ok_or_else(|| {
        let why = "systemd would interpret its spaces, quotes, $, % or backslashes";
        Failure::new(
            FAILED,
            format!("{} cannot stand in a unit: {why}", program.display()),
        )
        .hint("install -m 755 keycroft /usr/local/bin/keycroft")
    })?;
    output::line(text.trim_end())
}

/// The unit with the path of the program, or `None` for a path that systemd would not take literally.
fn for_program(unit: Unit, program: &Path) -> Option<String> {
    let path = program.to_str()?;
    let literal = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    (path.starts_with('/') && path.chars().all(literal)).then(|| unit.text().replace(PROGRAM, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_name_this_program() {
        for unit in Unit::value_variants() {
            let same = for_program(*unit, Path::new(PROGRAM)).unwrap();
            assert_eq!(same, unit.text());
            let other = for_program(*unit, Path::new("/opt/keycroft-0.1.0/keycroft")).unwrap();
            assert!(!other.contains(PROGRAM));
            let runs = unit.text().contains("ExecStart=");
            assert_eq!(
                other.contains("ExecStart=/opt/keycroft-0.1.0/keycroft "),
                runs
            );
        }
    }

    #[test]
    fn path_with_special_characters_is_rejected() {
        for path in [
            "/opt/my keycroft",
            "/opt/100%/keycroft",
            "/opt/$HOME",
            "keycroft",
            "/a\"b",
            "/a\\b",
        ] {
            assert_eq!(for_program(Unit::Service, Path::new(path)), None, "{path}");
        }
    }
}
