//! `keycroft help exit-codes` and `help environment`.

use crate::terminal::exit::Failure;
use crate::terminal::output;

/// Environment variables.
const ENVIRONMENT: &str = "\
KEYCROFT_SERVER       server, such as https://keys.lab.example
KEYCROFT_TOKEN        token or API key
KEYCROFT_TOKEN_FILE   file with the token or API key
KEYCROFT_CONTEXT      context, a saved login
KEYCROFT_CA_FILE      PEM file of certificates to trust instead of the system's
KEYCROFT_DB           database, for commands of its owner
KEYCROFT_HOST_FOLDER  on a host: folder of its credential and cache
XDG_CONFIG_HOME       saved logins are in its folder keycroft [default: ~/.config]
NO_COLOR, CLICOLOR=0  no colors; CLICOLOR_FORCE=1: colors without a terminal, too
PAGER                 pager for long lists [default: less]; empty: none
BROWSER               browser for login and open

Same as the flags of keycroft serve: KEYCROFT_CONFIG, KEYCROFT_LISTEN, KEYCROFT_LOG,
KEYCROFT_PUBLIC_URL, KEYCROFT_TLS_CERT, KEYCROFT_TLS_KEY, KEYCROFT_BEHIND_PROXY,
KEYCROFT_INSECURE_HTTP, KEYCROFT_SMTP, KEYCROFT_SMTP_FROM,
KEYCROFT_SMTP_PASSWORD_FILE

A flag overrides a variable; a variable overrides the active context.";

/// Exit codes, one a line.
const EXIT_CODES: &str = "\
0    done
1    other failure; scan: found something
2    wrong usage, or a confirmation without a terminal (pass --yes)
3    not found
4    login needed or expired
5    rejected by permission or policy
6    invalid, or in conflict with existing objects
7    server unreachable
8    too many requests
10   verify: invalid
130  interrupted";

/// Prints a topic, if the arguments ask for one.
pub fn print_if_requested(arguments: &[std::ffi::OsString]) -> Option<Result<(), Failure>> {
    let [_, help, topic] = arguments else {
        return None;
    };
    if help != "help" {
        return None;
    }
    match topic.to_str()? {
        "environment" => Some(output::line(ENVIRONMENT)),
        "exit-codes" => Some(output::line(EXIT_CODES)),
        "--help" | "-h" => {
            let help = super::command_tree().render_long_help();
            Some(output::line(help.to_string().trim_end()))
        }
        _ => None,
    }
}
