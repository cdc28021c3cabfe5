//! Hosts: machines whose sshd gets SSH keys from Keycroft, and enrollment codes.

use std::time::Duration;

use maud::{Markup, html};

use super::form::{self, Field, Input, Tick, acts, danger, hidden, post, summary};
use super::layout::{Frame, Section, heading, page};
use super::shown_once::{field, paste};
use super::status_badge::badge;
use super::when::{length, time, time_or_never, utc};
use crate::model::host::CLOCK_SECONDS_MAX;
use crate::model::time::{Time, short};

/// A host for pages.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// 12 characters.
    pub id: String,
    pub name: String,
    /// Empty: every user may log in.
    pub groups: Vec<String>,
    /// A login, and a group that may use it.
    pub shared_logins: Vec<(String, String)>,
    /// The maximum cache age.
    pub cache_age_max: Duration,
    pub created_at: Time,
    pub last_contact_at: Option<Time>,
    pub last_contact_from: Option<String>,
    /// The reported version of the agent.
    pub version: Option<String>,
    /// When it last fetched or confirmed the keys of all users.
    pub cached_at: Option<Time>,
    /// Its clock compared with the server's at the last contact; negative: behind. `None`: unknown.
    pub clock_ahead_seconds: Option<i64>,
    /// When it was paused: it admits nobody.
    pub paused_at: Option<Time>,
    /// Addresses from which its credential is valid; empty: all.
    pub allowed_addresses: Vec<String>,
    pub rotation_requested_at: Option<Time>,
    pub credential_rotated_at: Option<Time>,
}

/// An enrollment code that can still be used.
#[derive(Debug, Clone)]
pub struct CodeFacts {
    pub id: String,
    pub uses_left: u32,
    pub expires_at: Time,
    pub groups: Vec<String>,
}

/// The form of a host.
#[derive(Debug, Clone)]
pub struct HostEdit {
    pub host: HostFacts,
    /// All groups.
    pub groups: Vec<String>,
    pub version: String,
    pub input: Input,
}

/// The form of an enrollment code.
#[derive(Debug, Clone)]
pub struct CodeNew {
    /// All groups.
    pub groups: Vec<String>,
    pub nonce: String,
    pub input: Input,
}

/// A new enrollment code.
pub struct CodeIssued<'a> {
    pub secret: &'a str,
    pub uses_left: u32,
    pub expires_at: Time,
}

/// A host is active while its cache is valid and its clock is right.
pub(super) fn pill(host: &HostFacts, now: Time) -> Markup {
    if host.paused_at.is_some() {
        return badge("warn", "Paused");
    }
    match host.cached_at {
        None => badge("warn", "No cache yet"),
        Some(_) if !has_valid_cache(host, now) => badge("bad", "Cache too old"),
        Some(_) if is_off(host) => badge("warn", "Clock differs"),
        Some(_) => badge("ok", "Active"),
    }
}

fn has_valid_cache(host: &HostFacts, now: Time) -> bool {
    let age = host.cached_at.map(|at| now.since(at));
    age.is_some_and(|age| age <= host.cache_age_max)
}

/// The remedy for a host without a valid cache.
fn what_to_do(host: &HostFacts, now: Time) -> Markup {
    html! {
        @if host.paused_at.is_none() && !has_valid_cache(host, now) {
            " On the host, as root, " code { "keycroft host check" } " names what is wrong."
        }
    }
}

fn is_off(host: &HostFacts) -> bool {
    let apart = host.clock_ahead_seconds.unwrap_or_default().unsigned_abs();
    apart > CLOCK_SECONDS_MAX.unsigned_abs()
}

fn clock(host: &HostFacts) -> String {
    let Some(ahead) = host.clock_ahead_seconds else {
        return "No time reported yet.".to_owned();
    };
    let apart = length(Duration::from_secs(ahead.unsigned_abs()));
    match ahead {
        _ if !is_off(host) => "Correct at the last contact.".to_owned(),
        1.. => {
            format!("{apart} ahead of the server at the last contact: keys expire too early there.")
        }
        _ => format!("{apart} behind the server at the last contact: keys expire too late there."),
    }
}

pub(super) fn open_to(host: &HostFacts) -> String {
    if host.paused_at.is_some() {
        "nobody".to_owned()
    } else if host.groups.is_empty() {
        "every user".to_owned()
    } else {
        host.groups.join(", ")
    }
}

/// `/admin/hosts/ID`. Sends `version`, `name`, `groups` (a checkbox each), `shared_logins` (one per line, `ubuntu:
/// admins`), `cache_age_max` (`24h`), `allowed_addresses`, `paused` and `rotation_requested` (`yes` if checked).
pub fn host_page(frame: &Frame, view: &HostEdit) -> Markup {
    let (host, input, now) = (&view.host, &view.input, frame.now);
    let path = format!("/admin/hosts/{}", host.id);
    let shared: Vec<String> = host
        .shared_logins
        .iter()
        .map(|(login, group)| format!("{login}: {group}"))
        .collect();
    let form = html! {
        (hidden("version", &view.version))
        (Field::text("name").default(&host.name).required().autofocus().show(input))
        (groups(&view.groups, &host.groups, input))
        (Field::text("shared_logins").default(&shared.join("\n")).help("One per line: login, colon, group that may use it, such as ubuntu: admins.").show_lines(input, 3))
        (Field::text("cache_age_max").default(&short(host.cache_age_max)).required().help("While the server is unreachable, the host uses its cache up to this age, such as 24h.").show(input))
        (form::addresses_of_host(input, &host.allowed_addresses.join("\n")))
        (tick("paused", "Paused: admit nobody; the host stays enrolled", host.paused_at.is_some(), input))
        (tick("rotation_requested", "Rotate its credential at the next sync", host.rotation_requested_at.is_some(), input))
        div.actions { button.primary { "Save" } }
    };
    let content = html! {
        (heading(&host.name, &html! { a.button.danger href={ (path) "/delete" } { "Delete" } }))
        (summary(input))
        dl.facts {
            dt { "Status" } dd { (pill(host, now)) (what_to_do(host, now)) }
            dt { "Last contact" } dd { (time_or_never(host.last_contact_at, now)) @if let Some(from) = &host.last_contact_from { " from " (from) } }
            dt { "Cache" } dd { (time_or_never(host.cached_at, now)) ", valid for " (length(host.cache_age_max)) }
            dt { "Clock" } dd { (clock(host)) }
            dt { "Version" } dd { (host.version.as_deref().unwrap_or("unknown")) }
            @if let Some(at) = host.paused_at { dt { "Paused" } dd { (time(at, now)) ". Nobody can log in with a key from Keycroft; its cache is empty after its next sync." } }
            dt { "Credential" } dd {
                @if let Some(at) = host.credential_rotated_at { "Rotated " (time(at, now)) "." } @else { "Not rotated since the enrollment." }
                @if host.rotation_requested_at.is_some() { " The host rotates it at its next sync." }
            }
            dt { "Enrolled" } dd { (time(host.created_at, now)) }
        }
        h2 { "Change" }
        (post(frame, &path, &form))
    };
    page(frame, Section::Hosts, &input.title(&host.name), &content)
}

fn tick(name: &'static str, words: &str, present: bool, input: &Input) -> Markup {
    let on = if input.is_fresh() {
        present
    } else {
        input.has(name, "yes")
    };
    Tick {
        kind: "checkbox",
        name,
        value: "yes",
        words,
        on,
    }
    .show()
}

fn groups(all: &[String], given: &[String], input: &Input) -> Markup {
    let on = |group: &String| {
        if input.is_fresh() {
            given.contains(group)
        } else {
            input.has("groups", group)
        }
    };
    let boxes = html! {
        @if all.is_empty() { p { "No groups exist: every user may log in." } }
        @for group in all { (Tick { kind: "checkbox", name: "groups", value: group, words: group, on: on(group) }.show()) }
        @if !all.is_empty() { small { "None selected: every user may log in." } }
    };
    form::group("groups", "Limited to members of", input, &boxes)
}

/// `/admin/hosts/enroll`. Sends `nonce`, `uses`, `expires_in` (`24h`) and `groups`.
pub fn code_new(frame: &Frame, view: &CodeNew) -> Markup {
    let input = &view.input;
    let form = html! {
        (hidden("nonce", &view.nonce))
        (Field::text("uses").default("1").required().autofocus().help("How many hosts may be enrolled with it.").show(input))
        (Field::text("expires_in").default("24h").required().help("Its lifetime, such as 24h or 30d.").show(input))
        (groups(&view.groups, &[], input))
        (acts("Create code", "/admin/hosts"))
    };
    let content = html! {
        h1 { "Add host" }
        p.lead { "Creates an enrollment code. Its holder can enroll a host, which then receives the public keys of all users." }
        (summary(input))
        (post(frame, "/admin/hosts/enroll", &form))
    };
    page(frame, Section::Hosts, &input.title("Add host"), &content)
}

/// The answer after creating a code: the only page that shows it, with three commands to paste.
pub fn code_created(frame: &Frame, view: &CodeIssued<'_>) -> Markup {
    let url = &frame.public_url;
    let content = html! {
        h1 { "Enroll the host now" }
        p.lead { "Valid for " (view.uses_left) @if view.uses_left == 1 { " host" } @else { " hosts" } ", until " (utc(view.expires_at)) "." }
        section.notice.warn data-once aria-label="Secret" {
            p { b { "Copy the code now. It is shown once." } " Keycroft stores only its hash." }
            (field("Code", "code", view.secret))
        }
        div.actions { a.button href="/admin/hosts" { "Done" } }
        h2 { "On the machine, as root" }
        p { "First install the program so that only root can change it. Then paste these commands. They keep the code in a file that only root can read." }
        pre data-copy="the commands" {
            "install -m 755 keycroft /usr/local/bin/keycroft\n"
            "install -m 600 /dev/null keycroft-code && cat > keycroft-code <<'END'\n" (view.secret) "\nEND\n"
            "keycroft host enroll " (url) " --code-file keycroft-code && rm keycroft-code\n"
            "keycroft host check"
        }
        p { "This sets up sshd and starts the timers that refresh the cache and report logins. Without systemd, run " code { "keycroft host sync" } " and " code { "keycroft host report-logins" } " every few minutes. A server certificate from your own authority: add " code { "--ca-file ca.pem" } "." }
        (paste("In cloud-init, on an image that contains the program", "the lines for cloud-init", &format!("write_files:\n  - path: /etc/keycroft/code\n    permissions: \"0600\"\n    content: {}\nruncmd:\n  - keycroft host enroll {url} --code-file /etc/keycroft/code\n  - rm /etc/keycroft/code", view.secret)))
    };
    page(frame, Section::Hosts, "Enroll the host now", &content)
}

/// The answer to a repeated form of a code.
pub fn code_already_created(frame: &Frame) -> Markup {
    page(
        frame,
        Section::Hosts,
        "Already created",
        &super::shown_once::already("code", "/admin/hosts", None),
    )
}

/// `/admin/hosts/ID/delete`. Sends `confirm`, the name.
pub fn delete(frame: &Frame, host: &HostFacts, input: &Input) -> Markup {
    let path = format!("/admin/hosts/{}", host.id);
    let title = format!("Delete {}", host.name);
    let content = html! {
        h1 { (title) "?" }
        (summary(input))
        div.notice.warn {
            p { "Last contact: " (time_or_never(host.last_contact_at, frame.now)) "." }
            p { "The credential of the host is rejected immediately, and the host rejects keys from Keycroft at the next login. While it cannot reach the server, it uses its cache for up to " (length(host.cache_age_max)) "." }
        }
        (post(frame, &format!("{path}/delete"), &html! {
            (Field::text("confirm").label("Type the host's name").required().autofocus().show(input))
            (danger("Delete host", &path))
        }))
    };
    page(frame, Section::Hosts, &input.title(&title), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_difference_is_shown_in_words() {
        let clock_text = |clock_ahead_seconds| {
            let host = HostFacts {
                id: "abcdefghijkl".into(),
                name: "gpu1".into(),
                groups: Vec::new(),
                shared_logins: Vec::new(),
                cache_age_max: Duration::from_secs(600),
                created_at: Time::from_unix(0),
                last_contact_at: None,
                last_contact_from: None,
                version: None,
                cached_at: Some(Time::from_unix(0)),
                clock_ahead_seconds,
                paused_at: None,
                allowed_addresses: Vec::new(),
                rotation_requested_at: None,
                credential_rotated_at: None,
            };
            let pill = pill(&host, Time::from_unix(1)).into_string();
            (clock(&host), pill.contains("Clock differs"))
        };
        for (ahead, part, is_off) in [
            (None, "No time reported yet", false),
            (Some(0), "Correct at the last contact", false),
            (Some(5), "Correct at the last contact", false),
            (Some(-5), "Correct at the last contact", false),
            (Some(6), "6 seconds ahead of", true),
            (Some(-90), "90 seconds behind the", true),
            (Some(i64::MIN), " behind the", true),
        ] {
            let (words, off) = clock_text(ahead);
            assert!(words.contains(part), "{ahead:?}: {words}");
            assert_eq!(off, is_off, "{ahead:?}");
        }
    }
}
