//! The help of the command line: groups of commands, and examples that can be pasted.

use clap::{Arg, Command};

/// Commands by subject, in the order of the help.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Everyday commands",
        &[
            "login", "logout", "status", "whoami", "api-key", "token", "session", "ssh-key",
            "notice", "open",
        ],
    ),
    (
        "Administration",
        &[
            "user",
            "group",
            "service",
            "host",
            "policy",
            "notice-channel",
            "event",
            "audit",
            "sweep",
        ],
    ),
    (
        "Server and database",
        &[
            "serve",
            "backup",
            "restore",
            "check",
            "migrate",
            "health",
            "service-unit",
            "authorized-keys",
        ],
    ),
    ("Secrets", &["verify", "revoke", "scan", "auth-token"]),
    (
        "Other commands",
        &[
            "api",
            "openapi",
            "context",
            "config",
            "completions",
            "man",
            "version",
            "help",
        ],
    ),
];

/// Examples of each command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "keycroft api GET /api/v1/me",
            "keycroft api POST /api/v1/api-keys --input key.json",
        ],
    ),
    (
        "api-key create",
        &[
            "keycroft api-key create ci -e 30d",
            "KEY=$(keycroft api-key create backup -p api-keys:read)",
        ],
    ),
    (
        "api-key delete",
        &[
            "keycroft api-key delete ci",
            "keycroft api-key delete ci backup --yes",
        ],
    ),
    ("api-key disable", &["keycroft api-key disable ci"]),
    (
        "api-key edit",
        &[
            "keycroft api-key edit ci -e 90d",
            "keycroft api-key edit ci --address 10.0.0.0/8",
        ],
    ),
    ("api-key enable", &["keycroft api-key enable ci"]),
    (
        "api-key explain",
        &["keycroft api-key explain ci --address 10.0.3.7"],
    ),
    (
        "api-key list",
        &[
            "keycroft api-key list",
            "keycroft api-key list -o json | jq -r '.items[].name'",
        ],
    ),
    (
        "api-key rotate",
        &[
            "keycroft api-key rotate ci --grace 24h",
            "keycroft api-key rotate ci --now",
        ],
    ),
    (
        "api-key show",
        &[
            "keycroft api-key show ci",
            "keycroft api-key show ci --field expires_at",
        ],
    ),
    (
        "audit archive",
        &["keycroft audit archive events-2026.jsonl --older-than 365d"],
    ),
    ("audit verify", &["keycroft audit verify"]),
    ("auth-token", &["keycroft auth-token -o json"]),
    (
        "authorized-keys",
        &["keycroft authorized-keys --db /var/lib/keycroft/keycroft.db -- alice"],
    ),
    (
        "backup",
        &[
            "keycroft backup keycroft-backup.db",
            "keycroft backup --into /var/backups/keycroft --keep 14",
        ],
    ),
    ("check", &["keycroft check"]),
    (
        "completions",
        &[
            "source <(keycroft completions bash)",
            "keycroft completions fish > ~/.config/fish/completions/keycroft.fish",
        ],
    ),
    ("config show", &["keycroft config show"]),
    ("context delete", &["keycroft context delete lab"]),
    ("context list", &["keycroft context list"]),
    ("context show", &["keycroft context show lab"]),
    ("context use", &["keycroft context use lab"]),
    (
        "event export",
        &["keycroft event export --since 30d > events.jsonl"],
    ),
    (
        "event list",
        &[
            "keycroft event list -n 20",
            "keycroft event list --all --action api-key.create --since 7d",
        ],
    ),
    ("event show", &["keycroft event show 42"]),
    (
        "group add-member",
        &["keycroft group add-member staff alice bob"],
    ),
    ("group create", &["keycroft group create staff"]),
    ("group delete", &["keycroft group delete staff"]),
    ("group list", &["keycroft group list"]),
    (
        "group remove-member",
        &["keycroft group remove-member staff bob"],
    ),
    ("group show", &["keycroft group show staff"]),
    ("health", &["keycroft health https://keys.lab.example"]),
    (
        "host authorized-keys",
        &["keycroft host authorized-keys -- alice"],
    ),
    ("host check", &["keycroft host check alice"]),
    ("host delete", &["keycroft host delete gpu1"]),
    (
        "host edit",
        &[
            "keycroft host edit gpu1 --group staff",
            "keycroft host edit gpu1 --cache-age-max 12h",
        ],
    ),
    (
        "host enroll",
        &["keycroft host enroll https://keys.lab.example --code-file code"],
    ),
    (
        "host enroll-code",
        &["keycroft host enroll-code --out code"],
    ),
    ("host list", &["keycroft host list"]),
    ("host pause", &["keycroft host pause gpu1"]),
    ("host report-logins", &["keycroft host report-logins"]),
    ("host resume", &["keycroft host resume gpu1"]),
    (
        "host rotate-credential",
        &["keycroft host rotate-credential"],
    ),
    ("host show", &["keycroft host show gpu1"]),
    ("host sync", &["keycroft host sync"]),
    (
        "login",
        &[
            "keycroft login keys.lab.example",
            "keycroft login https://keys.lab.example --with-token < token",
        ],
    ),
    ("logout", &["keycroft logout"]),
    (
        "man",
        &[
            "keycroft man | man -l -",
            "keycroft man /usr/local/share/man/man1",
        ],
    ),
    ("migrate", &["keycroft migrate --dry-run"]),
    ("notice acknowledge", &["keycroft notice acknowledge --all"]),
    ("notice deliveries", &["keycroft notice deliveries"]),
    ("notice list", &["keycroft notice list"]),
    (
        "notice preferences",
        &[
            "keycroft notice preferences --email alice@lab.example",
            "keycroft notice preferences --off api-key.expires=chat",
        ],
    ),
    ("notice show", &["keycroft notice show 4k2m9x0q7w1z"]),
    ("notice test", &["keycroft notice test chat"]),
    (
        "notice-channel create",
        &[
            "keycroft notice-channel create phone --kind ntfy --url https://ntfy.sh/lab",
            "keycroft notice-channel create bot --kind webhook --url https://bot.lab/in",
        ],
    ),
    (
        "notice-channel delete",
        &["keycroft notice-channel delete phone"],
    ),
    (
        "notice-channel edit",
        &["keycroft notice-channel edit phone --members false"],
    ),
    ("notice-channel list", &["keycroft notice-channel list"]),
    (
        "notice-channel show",
        &["keycroft notice-channel show phone"],
    ),
    ("open", &["keycroft open api-keys"]),
    ("openapi", &["keycroft openapi > openapi.json"]),
    (
        "policy set",
        &[
            "keycroft policy set api_key_lifetime_max=90d",
            "keycroft policy set api_key_lifetime_max=90d --dry-run",
        ],
    ),
    ("policy show", &["keycroft policy show"]),
    ("restore", &["keycroft restore keycroft-backup.db --yes"]),
    ("revoke", &["keycroft revoke < leaked"]),
    ("scan", &["keycroft scan .", "git log -p | keycroft scan -"]),
    (
        "serve",
        &[
            "keycroft serve",
            "keycroft serve --public-url https://keys.lab --behind-proxy 127.0.0.1",
        ],
    ),
    (
        "service create",
        &["keycroft service create slurm -p slurm:submit"],
    ),
    ("service delete", &["keycroft service delete slurm"]),
    (
        "service edit",
        &["keycroft service edit slurm --add-permission slurm:cancel"],
    ),
    ("service list", &["keycroft service list"]),
    (
        "service print",
        &["keycroft service print nginx jobs.lab.example -p slurm:submit"],
    ),
    ("service show", &["keycroft service show slurm"]),
    (
        "service-unit",
        &["keycroft service-unit > /etc/systemd/system/keycroft.service"],
    ),
    ("session delete", &["keycroft session delete 4k2m9x0q7w1z"]),
    ("session delete-others", &["keycroft session delete-others"]),
    ("session list", &["keycroft session list"]),
    ("session show", &["keycroft session show 4k2m9x0q7w1z"]),
    (
        "ssh-key add",
        &[
            "keycroft ssh-key add ~/.ssh/id_ed25519.pub -e 365d",
            "keycroft ssh-key add --agent",
        ],
    ),
    ("ssh-key delete", &["keycroft ssh-key delete laptop"]),
    (
        "ssh-key edit",
        &["keycroft ssh-key edit laptop --address 10.0.0.0/8"],
    ),
    (
        "ssh-key generate",
        &[
            "keycroft ssh-key generate",
            "keycroft ssh-key generate --type ed25519-sk --name laptop",
        ],
    ),
    (
        "ssh-key import",
        &["keycroft ssh-key import ~/.ssh/authorized_keys"],
    ),
    ("ssh-key list", &["keycroft ssh-key list"]),
    (
        "ssh-key show",
        &[
            "keycroft ssh-key show laptop",
            "keycroft ssh-key show laptop --field public_key",
        ],
    ),
    ("status", &["keycroft status"]),
    ("sweep", &["keycroft sweep"]),
    (
        "token create",
        &[
            "keycroft token create -e 8h",
            "TOKEN=$(keycroft token create notebook)",
        ],
    ),
    ("token delete", &["keycroft token delete notebook"]),
    ("token explain", &["keycroft token explain notebook"]),
    ("token list", &["keycroft token list"]),
    ("token show", &["keycroft token show notebook"]),
    (
        "user create",
        &[
            "keycroft user create alice --admin",
            "keycroft user create bob --display-name 'Bob Smith'",
        ],
    ),
    ("user delete", &["keycroft user delete bob"]),
    ("user disable", &["keycroft user disable bob"]),
    (
        "user edit",
        &[
            "keycroft user edit bob --role admin",
            "keycroft user edit bob -p introspect",
        ],
    ),
    ("user enable", &["keycroft user enable bob"]),
    ("user list", &["keycroft user list"]),
    (
        "user offboard",
        &[
            "keycroft user offboard bob --dry-run",
            "keycroft user offboard bob",
        ],
    ),
    ("user reset-password", &["keycroft user reset-password bob"]),
    (
        "user reset-second-factor",
        &["keycroft user reset-second-factor bob"],
    ),
    ("user role", &["keycroft user role bob admin"]),
    ("user show", &["keycroft user show bob"]),
    (
        "user token",
        &["TOKEN=$(keycroft user token alice --db /var/lib/keycroft/keycroft.db)"],
    ),
    ("verify", &["keycroft verify -p slurm:submit < secret"]),
    ("version", &["keycroft version"]),
    ("whoami", &["keycroft whoami"]),
];

/// Adds groups and examples to the tree of commands.
pub fn complete(root: Command) -> Command {
    let size = terminal_size::terminal_size();
    let width = size.map_or(WIDTH_MAX, |(width, _)| {
        usize::from(width.0).clamp(30, WIDTH_MAX)
    });
    let root = with_examples(root, "");
    let groups = grouped(&root, width);
    root.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} keycroft <COMMAND>\n\n{groups}{TOPICS}Options:\n{{options}}{{after-help}}"
    ))
}

/// Help that belongs to no command.
const TOPICS: &str = "\
Help topics:
  help environment   Environment variables
  help exit-codes    Exit codes

";

/// Columns before the description of a command.
const NAME_WIDTH: usize = 19;
/// Width of the help, as clap limits it.
const WIDTH_MAX: usize = 100;

/// The text in lines of at most `width` columns, if its words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn grouped(root: &Command, width: usize) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        for name in names {
            let found = root.find_subcommand(name);
            let about = found.and_then(Command::get_about);
            let about = about.map_or_else(
                || "Print this help, or the help of a command".to_owned(),
                ToString::to_string,
            );
            let indent = " ".repeat(NAME_WIDTH);
            let lines = wrapped(&about, width.saturating_sub(NAME_WIDTH));
            let line = format!("  {name:<16} {}", lines.join(&format!("\n{indent}")));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Removes the marks of code, which documentation needs and a terminal does not.
fn without_code_marks(argument: Arg) -> Arg {
    let Some(help) = argument.get_help().map(ToString::to_string) else {
        return argument;
    };
    argument.help(help.replace('`', ""))
}

fn with_examples(command: Command, path: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let about = command.get_about().map(ToString::to_string);
    let mut command = command.mut_args(without_code_marks);
    if let Some(about) = about {
        command = command.about(about.replace('`', ""));
    }
    for name in names {
        let path = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(&name, |one| with_examples(one, &path));
    }
    let Some((_, examples)) = EXAMPLES.iter().find(|(name, _)| *name == path) else {
        return command;
    };
    let title = if examples.len() == 1 {
        "Example"
    } else {
        "Examples"
    };
    let mut text = format!("{title}:\n  {}", examples.join("\n  "));
    if let Some(more) = command.get_after_help() {
        text.push_str(&format!("\n\n{more}"));
    }
    command.after_help(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command_tree;

    /// An example is one line on a terminal of 80 columns.
    const EXAMPLE_WIDTH_MAX: usize = 78;

    #[test]
    fn help_has_no_code_marks() {
        let root = command_tree();
        let mut commands = vec![&root];
        while let Some(command) = commands.pop() {
            let about = command.get_about().map(ToString::to_string);
            assert!(!about.unwrap_or_default().contains('`'), "{command}");
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                assert!(!help.unwrap_or_default().contains('`'), "{argument}");
            }
            commands.extend(command.get_subcommands());
        }
    }

    /// Every command without subcommands, with its path.
    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let path = format!("{path} {}", one.get_name()).trim_start().to_owned();
            if one.has_subcommands() {
                leaves(one, &path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn each_command_is_in_one_group() {
        let root = command_tree();
        let mut known: Vec<&str> = root
            .get_subcommands()
            .filter(|one| !one.is_hide_set())
            .map(Command::get_name)
            .chain(["help"])
            .collect();
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        grouped.sort_unstable();
        assert_eq!(known, grouped);
    }

    #[test]
    fn each_command_has_examples_that_parse() {
        let root = command_tree();
        let mut commands = Vec::new();
        leaves(&root, "", &mut commands);
        commands.sort_unstable();
        let named: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(commands, named, "in the order of the alphabet");
        for (name, examples) in EXAMPLES {
            assert!((1..=2).contains(&examples.len()), "{name}");
            for example in *examples {
                assert!(example.len() <= EXAMPLE_WIDTH_MAX, "{example}");
                let words = words_of(example);
                assert!(
                    words.join(" ").starts_with(&format!("keycroft {name}")),
                    "{example}"
                );
                let parsed = root.clone().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
            }
        }
    }

    /// The arguments of the program in a line of a shell: without assignment, pipe and redirection.
    fn words_of(line: &str) -> Vec<String> {
        let begin = line.find("keycroft").unwrap();
        let line = line[begin..].split(['|', '<', '>', ')']).next().unwrap();
        let mut words = Vec::new();
        for (place, part) in line.split('\'').enumerate() {
            if place % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }
}
