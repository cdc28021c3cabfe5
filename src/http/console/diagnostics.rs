//! `/admin/diagnostics`: the state of the installation, as in the API.

use super::{Answer, frame, page_response};
use crate::html::diagnostics::{self as pages, Fact, FactGroup};
use crate::http::api::diagnostics::facts;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::wire::DiagnosticsOut;

pub fn show_diagnostics(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let out = facts(context, caller)?;
    page_response(pages::diagnostics_page(
        &frame(context, caller),
        &groups(&out),
    ))
}

fn groups(out: &DiagnosticsOut) -> [FactGroup; 3] {
    // `about` is the name of the field in the API.
    let fact = |name: &str, about: &str, value: &dyn ToString| Fact {
        name: name.to_owned(),
        value: value.to_string(),
        advice: out
            .advice
            .iter()
            .find(|advice| advice.about == about)
            .map(|advice| advice.message.clone()),
    };
    let group = |title: &str, facts: Vec<Fact>| FactGroup {
        title: title.to_owned(),
        facts,
    };
    let words = |yes: bool, words: [&'static str; 2]| words[usize::from(!yes)];
    let backup = out.last_backup_at.as_deref().unwrap_or("never");
    let proxies = if out.trusted_proxies.is_empty() {
        "none".to_owned()
    } else {
        out.trusted_proxies.join(", ")
    };
    let address = out.address.as_deref().unwrap_or("unknown");
    [
        group(
            "Program",
            vec![
                fact("Version", "version", &out.version),
                fact("SQLite", "sqlite_version", &out.sqlite_version),
                fact("Schema", "schema_version", &out.schema_version),
                fact("Time", "now", &out.now),
            ],
        ),
        group(
            "Data",
            vec![
                fact("File", "path", &out.path),
                fact("Size", "bytes", &bytes(out.bytes)),
                fact("Write-ahead log", "wal_bytes", &bytes(out.wal_bytes)),
                fact(
                    "Writing",
                    "writing",
                    &words(out.writing, ["works", "failed last"]),
                ),
                fact("Last backup", "last_backup_at", &backup),
                fact("Users", "users", &out.users),
                fact("Credentials", "credentials", &out.credentials),
                fact("Events", "events", &out.events),
            ],
        ),
        group(
            "Your request",
            vec![
                fact("Your address", "address", &address),
                fact("By way of", "peer", &out.peer),
                fact("Trusted proxies", "trusted_proxies", &proxies),
                fact("Public URL", "public_url", &out.public_url),
                fact(
                    "Encrypted",
                    "encrypted",
                    &words(out.encrypted, ["yes", "no"]),
                ),
            ],
        ),
    ]
}

/// `1.4 MB`.
fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    let Some((unit, word)) = UNITS.into_iter().find(|(unit, _)| count >= *unit) else {
        return format!("{count} bytes");
    };
    format!("{}.{} {word}", count / unit, count % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_printed_in_the_largest_unit() {
        for (count, words) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 KB"),
            (286_720, "286.7 KB"),
            (1_999_999, "1.9 MB"),
            (3_450_000_000, "3.4 GB"),
        ] {
            assert_eq!(bytes(count), words);
        }
    }
}
