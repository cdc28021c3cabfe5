//! `keycroft help exit-codes` and `help environment`: what belongs to no single command.

use super::exit::Failure;
use super::output;

/// What the program reads of its environment.
const ENVIRONMENT: &str = "\
KEYCROFT_SERVER       the server to ask, like https://keys.lab.example
KEYCROFT_TOKEN        the token or API key to send
KEYCROFT_TOKEN_FILE   a file that holds it
KEYCROFT_CONTEXT      the saved login to use
KEYCROFT_CA_FILE      certificates to trust instead of the system's, PEM
KEYCROFT_DB           the file to work on, for its owner's commands
KEYCROFT_CONFIG, KEYCROFT_LISTEN, KEYCROFT_PUBLIC_URL, KEYCROFT_TLS_CERT, KEYCROFT_TLS_KEY,
KEYCROFT_BEHIND_PROXY, KEYCROFT_INSECURE_HTTP, KEYCROFT_LOG   as the flags of `keycroft serve`
XDG_CONFIG_HOME       where logins are saved, in the folder keycroft [default: ~/.config]
NO_COLOR              no colours
A flag stands before a variable, a variable before a saved login.";

/// Each code in a line of its own.
const EXIT_CODES: &str = "\
0    done
1    other failure; scan: found something
2    wrong usage, or a confirmation that can't be asked (--yes is needed)
3    not found
4    sign-in needed or expired
5    refused by permission or policy
6    invalid, or in conflict with what is there
7    server out of reach
8    too many requests
10   verify: not active
130  interrupted";

/// Prints a topic, if the arguments ask for one.
pub fn asked(arguments: &[std::ffi::OsString]) -> Option<Result<(), Failure>> {
    let [_, help, topic] = arguments else {
        return None;
    };
    if help != "help" {
        return None;
    }
    match topic.to_str()? {
        "environment" => Some(output::line(ENVIRONMENT)),
        "exit-codes" => Some(output::line(EXIT_CODES)),
        _ => None,
    }
}
