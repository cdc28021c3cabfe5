//! The timers of a host: they refresh its cache and report logins. The units are those of `examples/systemd`.

use std::fs;
use std::path::Path;

use super::folder::HostFolderArguments;
use super::machine::run_program;
use super::machine::write_root_file;
use crate::terminal::exit::{FAILED, Failure};
use crate::terminal::output::write_stderr;

/// Where an administrator's units are.
const UNITS: &str = "/etc/systemd/system";
/// Where a package's units are.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
/// The program in the units of the repository.
const PROGRAM: &str = "/usr/local/bin/keycroft";
/// The folder of a host in them.
const FOLDER: &str = "/var/lib/keycroft-host";

/// The names of the timers.
pub const TIMERS: [&str; 2] = ["keycroft-host-sync.timer", "keycroft-host-logins.timer"];

const FILES: [(&str, &str); 4] = [
    (
        "keycroft-host-sync.service",
        include_str!("../../examples/systemd/keycroft-host-sync.service"),
    ),
    (
        "keycroft-host-sync.timer",
        include_str!("../../examples/systemd/keycroft-host-sync.timer"),
    ),
    (
        "keycroft-host-logins.service",
        include_str!("../../examples/systemd/keycroft-host-logins.service"),
    ),
    (
        "keycroft-host-logins.timer",
        include_str!("../../examples/systemd/keycroft-host-logins.timer"),
    ),
];

/// Returns true when systemd runs this machine.
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// A unit for this program and folder.
fn unit(text: &str, program: &Path, place: &HostFolderArguments) -> String {
    let folder = place.folder.to_string_lossy();
    let mut adapted = text.replace(PROGRAM, &program.to_string_lossy());
    if folder != FOLDER {
        adapted = adapted.replace(FOLDER, &folder);
        adapted = adapted.replace("host sync", &format!("host sync --folder {folder}"));
        adapted = adapted.replace(
            "host report-logins",
            &format!("host report-logins --folder {folder}"),
        );
    }
    adapted
}

/// Installs the timers and starts them, where systemd runs.
pub fn install(program: &Path, place: &HostFolderArguments) -> Result<(), Failure> {
    if !has_systemd() {
        write_stderr(
            "systemd does not run here: have `keycroft host sync` and `keycroft host report-logins` run every few minutes",
        );
        return Ok(());
    }
    // Those of a package are for its program and the usual folder.
    let is_packaged = |name: &str| {
        let mut packaged = PACKAGED
            .iter()
            .filter_map(|folder| fs::read_to_string(Path::new(folder).join(name)).ok());
        place.folder == Path::new(FOLDER)
            && packaged.any(|text| {
                !text.contains("ExecStart=") || text.contains(&format!("={} ", program.display()))
            })
    };
    for (name, text) in FILES {
        let path = Path::new(UNITS).join(name);
        let text = unit(text, program, place);
        // One from before, for another folder, would override the package's.
        let is_served = is_packaged(name) && fs::symlink_metadata(&path).is_err();
        if is_served || fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        write_root_file(&path, &text)
            .map_err(|error| Failure::new(FAILED, format!("{}: {error}", path.display())))?;
    }
    run_program("systemctl", &["daemon-reload"])?;
    run_program("systemctl", &["enable", "--now", TIMERS[0], TIMERS[1]])?;
    write_stderr("started the timers that refresh the cache and report logins");
    Ok(())
}

/// The timers that systemd does not run; all of them without systemd.
pub fn missing() -> Vec<&'static str> {
    let is_active =
        |timer: &str| has_systemd() && run_program("systemctl", &["is-active", timer]).is_ok();
    TIMERS
        .into_iter()
        .filter(|timer| !is_active(timer))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn units_name_the_program_and_the_folder() {
        let place = |folder: &str| HostFolderArguments {
            folder: PathBuf::from(folder),
        };
        for (name, text) in FILES {
            let same = unit(text, Path::new(PROGRAM), &place(FOLDER));
            assert_eq!(same, text, "{name}");
            let other = unit(text, Path::new("/opt/keycroft"), &place("/srv/host"));
            assert!(
                !other.contains(PROGRAM) && !other.contains(FOLDER),
                "{name}"
            );
            if name.ends_with(".service") {
                assert!(other.contains("ExecStart=/opt/keycroft host "), "{name}");
                assert!(other.contains(" --folder /srv/host\n"), "{name}");
                assert!(other.contains("ReadWritePaths=/srv/host\n"), "{name}");
            }
        }
    }
}
