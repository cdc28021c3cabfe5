//! An event as a sentence: who did what to which thing.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::model::event::{Event, Outcome, SECOND_FACTOR, decode_words};
use crate::model::event_action::present_name;
use crate::model::user::UserId;

/// The verb of an action when it was done and when it was only tried, and what its target is called.
struct Phrase {
    action: &'static str,
    past: &'static str,
    infinitive: &'static str,
    noun: &'static str,
}

const fn phrase(
    action: &'static str,
    past: &'static str,
    infinitive: &'static str,
    noun: &'static str,
) -> Phrase {
    Phrase {
        action,
        past,
        infinitive,
        noun,
    }
}

const PHRASES: &[Phrase] = &[
    phrase("api-key.create", "created", "create", "API key"),
    phrase("api-key.edit", "changed", "change", "API key"),
    phrase("api-key.disable", "disabled", "disable", "API key"),
    phrase("api-key.enable", "enabled", "enable", "API key"),
    phrase("api-key.rotate", "rotated", "rotate", "API key"),
    phrase("api-key.delete", "deleted", "delete", "API key"),
    phrase("token.create", "generated", "generate", "token"),
    phrase("token.delete", "deleted", "delete", "token"),
    phrase("session.delete", "signed out", "sign out", "session"),
    phrase(
        "session.delete-others",
        "signed out everywhere else",
        "sign out everywhere else",
        "",
    ),
    phrase("session.sign-in", "signed in", "sign in", ""),
    phrase("session.sign-out", "signed out", "sign out", ""),
    phrase(
        "password.change",
        "changed the password of",
        "change the password of",
        "",
    ),
    phrase(
        "password.reset",
        "set a password with a link for",
        "set a password with a link for",
        "",
    ),
    phrase(
        "account.edit",
        "changed the display name of",
        "change the display name of",
        "",
    ),
    phrase(
        "user.set-up",
        "set up Keycroft as",
        "set up Keycroft as",
        "",
    ),
    phrase(
        "user.set-up-link",
        "created a setup link",
        "create a setup link",
        "",
    ),
    phrase(
        "user.accept-invitation",
        "accepted the invitation of",
        "accept the invitation of",
        "",
    ),
    phrase("user.add", "added", "add", "user"),
    phrase("user.edit", "changed", "change", "user"),
    phrase(
        "user.role",
        "changed the role of",
        "change the role of",
        "user",
    ),
    phrase("user.disable", "disabled", "disable", "user"),
    phrase("user.enable", "enabled", "enable", "user"),
    phrase(
        "user.permissions",
        "changed the permissions of",
        "change the permissions of",
        "user",
    ),
    phrase(
        "user.reset-password",
        "created a reset link for",
        "create a reset link for",
        "user",
    ),
    phrase(
        "user.reset-second-factor",
        "reset the second factor of",
        "reset the second factor of",
        "user",
    ),
    phrase(
        "totp.add",
        "set up an authenticator app",
        "set up an authenticator app",
        "",
    ),
    phrase(
        "totp.remove",
        "removed an authenticator app",
        "remove an authenticator app",
        "",
    ),
    phrase("passkey.add", "added passkey", "add passkey", ""),
    phrase("passkey.edit", "renamed passkey", "rename passkey", ""),
    phrase("passkey.delete", "deleted passkey", "delete passkey", ""),
    phrase(
        "recovery-codes.create",
        "created new recovery codes",
        "create new recovery codes",
        "",
    ),
    phrase("user.delete", "deleted", "delete", "user"),
    phrase("user.offboard", "offboarded", "offboard", "user"),
    phrase(
        "notice.create-channel",
        "created",
        "create",
        "notice channel",
    ),
    phrase("notice.edit-channel", "changed", "change", "notice channel"),
    phrase(
        "notice.delete-channel",
        "deleted",
        "delete",
        "notice channel",
    ),
    phrase("notice.test", "tested", "test", "notice channel"),
    phrase(
        "notice.edit-preferences",
        "changed the notice preferences of",
        "change the notice preferences of",
        "",
    ),
    phrase(
        "account.enter-email",
        "entered an e-mail address for",
        "enter an e-mail address for",
        "",
    ),
    phrase(
        "account.confirm-email",
        "confirmed the e-mail address of",
        "confirm the e-mail address of",
        "",
    ),
    phrase(
        "account.create-calendar",
        "created a calendar link for",
        "create a calendar link for",
        "",
    ),
    phrase(
        "account.delete-calendar",
        "revoked the calendar link of",
        "revoke the calendar link of",
        "",
    ),
    phrase(
        "account.remove-email",
        "removed the e-mail address of",
        "remove the e-mail address of",
        "",
    ),
    phrase(
        "notice.acknowledge",
        "confirmed a notice:",
        "confirm a notice:",
        "",
    ),
    phrase("policy.edit", "changed the policy", "change the policy", ""),
    phrase(
        "sweep",
        "deleted expired records",
        "delete expired records",
        "",
    ),
    phrase(
        "file.backup",
        "backed up the database",
        "back up the database",
        "",
    ),
    phrase(
        "file.restore",
        "restored the database",
        "restore the database",
        "",
    ),
    phrase("group.add", "added", "add", "group"),
    phrase("group.delete", "deleted", "delete", "group"),
    phrase("service.add", "added", "add", "service"),
    phrase("service.edit", "changed", "change", "service"),
    phrase("service.delete", "deleted", "delete", "service"),
    phrase("ssh-key.add", "added", "add", "SSH key"),
    phrase("ssh-key.edit", "changed", "change", "SSH key"),
    phrase("ssh-key.delete", "deleted", "delete", "SSH key"),
    phrase(
        "ssh-key.import",
        "imported SSH keys for",
        "import SSH keys for",
        "user",
    ),
    phrase(
        "device.approve",
        "approved a login on",
        "approve a login on",
        "",
    ),
    phrase(
        "device.refuse",
        "rejected a login on",
        "reject a login on",
        "",
    ),
    phrase("host.enroll", "enrolled", "enroll", "host"),
    phrase("host.edit", "changed", "change", "host"),
    phrase("host.delete", "deleted", "delete", "host"),
    phrase(
        "host.rotate",
        "rotated the credential of",
        "rotate the credential of",
        "host",
    ),
    phrase(
        "host.login",
        "reported a login with",
        "report a login with",
        "SSH key",
    ),
    phrase("host.enroll-code", "created", "create", "enrollment code"),
    phrase(
        "host.delete-enroll-code",
        "deleted",
        "delete",
        "enrollment code",
    ),
    phrase("audit.archive", "archived events", "archive events", ""),
];

/// Actions whose phrase is complete without their target.
const WHOLE: [&str; 12] = [
    "session.delete-others",
    "session.sign-out",
    "user.set-up-link",
    "policy.edit",
    "sweep",
    "file.backup",
    "file.restore",
    "audit.archive",
    "session.sign-in",
    "totp.add",
    "totp.remove",
    "recovery-codes.create",
];

/// Names and links for the sentences of one page.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The user who looks at the page.
    pub viewer: Option<UserId>,
    /// Names of the users whose things the events are about.
    pub users: HashMap<UserId, String>,
    /// True if the reader may open the pages of users, groups, services and hosts.
    pub has_admin_pages: bool,
}

/// Who did it: a name, with a link where there is a page.
pub(super) fn actor(event: &Event, names: &Names) -> Markup {
    html! {
        @if event.actor.is_empty() {
            span.who { b { "Somebody" } }
        } @else if event.actor_user.is_some() && names.has_admin_pages {
            a.who href={ "/admin/users/" (event.actor) } { b { bdi { (event.actor) } } }
        } @else {
            span.who { b { bdi { (event.actor) } } }
        }
    }
}

/// The act, behind the actor's name.
pub(super) fn sentence(event: &Event, names: &Names) -> Markup {
    let action = present_name(&event.action);
    let is_done = event.outcome == Outcome::Done.as_str();
    match action {
        "request" => {
            return html! { "was denied " code { bdi { (event.target_id) } } };
        }
        "ssh-key.shared" => {
            return html! { "added an SSH key that several users have: " code { (event.target_name) } };
        }
        "session.sign-in" if !is_done => {
            return html! {
                "failed to sign in as " (target(event, names))
                @for (_, value) in decode_words(&event.after).iter().filter(|(word, _)| word == SECOND_FACTOR) { ": correct password, second factor " (value) }
            };
        }
        "group.add-member" | "group.remove-member" => return member(event, action, is_done, names),
        _ => {}
    }
    let found = PHRASES.iter().find(|one| one.action == action);
    let noun = match found {
        Some(phrase) => phrase.noun,
        None => event.target_kind.as_str(),
    };
    html! {
        @if !is_done { "tried to " }
        @match found {
            Some(phrase) => { (if is_done { phrase.past } else { phrase.infinitive }) }
            None if action == "credential.revoke" => { (if is_done { "revoked" } else { "revoke" }) }
            None => { (action) }
        }
        @if !WHOLE.contains(&action) {
            " " @if !noun.is_empty() { (noun) " " }
            (target(event, names))
            (owner(event, names))
        }
    }
}

fn member(event: &Event, action: &str, is_done: bool, names: &Names) -> Markup {
    let (past, infinitive, to) = if action == "group.add-member" {
        ("added", "add", "to")
    } else {
        ("removed", "remove", "from")
    };
    let verb = if is_done { past } else { infinitive };
    html! {
        @if !is_done { "tried to " }
        (verb) " " (linked_name(&event.target_name, user_link(&event.target_name, names)))
        " " (to) " group " (linked_name(&event.target_id, admin_link("groups", &event.target_id, names)))
    }
}

/// The target's name, with a link where it has a page.
fn target(event: &Event, names: &Names) -> Markup {
    let action = present_name(&event.action);
    let is_gone = action.ends_with(".delete");
    let link = match event.target_kind.as_str() {
        _ if is_gone => None,
        "user" => user_link(&event.target_id, names),
        "group" => admin_link("groups", &event.target_id, names),
        "service" => admin_link("services", &event.target_id, names),
        "host" => admin_link("hosts", &event.target_id, names),
        "api-key" => credential_link("api-keys", event, names),
        "ssh-key" => credential_link("ssh-keys", event, names),
        _ => None,
    };
    // Of a user the name is the id; the other one is the display name.
    let by_id = event.target_kind == "user" && !event.target_id.is_empty();
    let name = if event.target_name.is_empty() || by_id {
        &event.target_id
    } else {
        &event.target_name
    };
    linked_name(name, link)
}

/// ` of NAME`, of a thing that does not belong to the actor.
fn owner(event: &Event, names: &Names) -> Markup {
    let owner = event.target_owner.filter(|_| event.target_kind != "user");
    let others = owner.filter(|owner| Some(*owner) != event.actor_user);
    let name = others.and_then(|owner| names.users.get(&owner));
    html! { @if let Some(name) = name { " of " (linked_name(name, user_link(name, names))) } }
}

fn linked_name(name: &str, link: Option<String>) -> Markup {
    html! {
        @match link {
            Some(link) => a href=(link) { b { bdi { (name) } } },
            None => b { bdi { (name) } },
        }
    }
}

fn admin_link(section: &str, name: &str, names: &Names) -> Option<String> {
    let has_page = names.has_admin_pages && !name.is_empty() && is_plain(name);
    has_page.then(|| format!("/admin/{section}/{name}"))
}

fn user_link(name: &str, names: &Names) -> Option<String> {
    admin_link("users", name, names)
}

/// Returns true for a word that is safe in a path: a request chooses the target of a rejected act.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    name.bytes().all(allowed) && !name.starts_with('.')
}

fn credential_link(section: &str, event: &Event, names: &Names) -> Option<String> {
    let id = &event.target_id;
    if !is_plain(id) {
        return None;
    }
    if event.target_owner.is_some() && event.target_owner == names.viewer {
        return Some(format!("/{section}/{id}"));
    }
    let owner = names.users.get(&event.target_owner?)?;
    Some(format!("{}/{section}/{id}", user_link(owner, names)?))
}

/// `role: member → admin`: pairs of the values before and after.
pub(super) fn changes(event: &Event) -> Vec<(String, String)> {
    let (before, after) = (decode_words(&event.before), decode_words(&event.after));
    let earlier = |word: &str| {
        let found = before.iter().find(|(key, _)| key == word);
        found.map(|(_, value)| value.as_str())
    };
    let changed = after.iter().map(|(word, value)| match earlier(word) {
        Some(was) => (word.clone(), format!("{was} → {value}")),
        None => (word.clone(), value.clone()),
    });
    let removed = before
        .iter()
        .filter(|(word, _)| !after.iter().any(|(key, _)| key == word));
    changed
        .chain(removed.map(|(word, was)| (word.clone(), format!("{was} → nothing"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence_of(event: &Event, names: &Names) -> String {
        let markup = sentence(event, names).into_string();
        let mut text = String::new();
        let mut within = false;
        for character in markup.chars() {
            match character {
                '<' => within = true,
                '>' => within = false,
                other if !within => text.push(other),
                _ => {}
            }
        }
        text
    }

    fn event_of(action: &str, kind: &str, id: &str, name: &str) -> Event {
        Event {
            action: action.into(),
            outcome: "done".into(),
            actor: "alice".into(),
            actor_user: Some(UserId(1)),
            target_kind: kind.into(),
            target_id: id.into(),
            target_name: name.into(),
            target_owner: Some(UserId(1)),
            number: 1,
            at: crate::model::time::Time::from_unix(0),
            channel: "console".into(),
            credential: None,
            address: None,
            program: None,
            request_id: None,
            before: String::new(),
            after: String::new(),
        }
    }

    #[test]
    fn events_are_sentences() {
        let mut names = Names {
            viewer: Some(UserId(2)),
            users: HashMap::from([(UserId(2), "bob".to_owned())]),
            has_admin_pages: true,
        };
        let key = event_of(
            "api-key.rotate",
            "api-key",
            "4k2m9x0q7w1z",
            "nightly backup",
        );
        assert_eq!(sentence_of(&key, &names), "rotated API key nightly backup");
        let others = Event {
            target_owner: Some(UserId(2)),
            ..key.clone()
        };
        assert_eq!(
            sentence_of(&others, &names),
            "rotated API key nightly backup of bob"
        );
        names.viewer = None;
        let markup = sentence(&others, &names).into_string();
        assert!(markup.contains("href=\"/admin/users/bob/api-keys/4k2m9x0q7w1z\""));
        let rejected = Event {
            outcome: "refused".into(),
            ..key
        };
        assert_eq!(
            sentence_of(&rejected, &names),
            "tried to rotate API key nightly backup"
        );
        for (event, words) in [
            (
                event_of("user.end-everything", "user", "bob", "Bob"),
                "offboarded user bob",
            ),
            (
                event_of("credential.burn", "api-key", "4k2m9x0q7w1z", ""),
                "revoked api-key 4k2m9x0q7w1z",
            ),
            (
                event_of("host.enrol-code", "enrollment-code", "4k2m9x0q7w1z", ""),
                "created enrollment code 4k2m9x0q7w1z",
            ),
            (
                event_of("group.add-member", "group", "gpu", "bob"),
                "added bob to group gpu",
            ),
            (
                event_of("password.change", "user", "alice", ""),
                "changed the password of alice",
            ),
            (
                event_of("totp.enroll", "user", "bob", ""),
                "totp.enroll user bob",
            ),
        ] {
            assert_eq!(sentence_of(&event, &names), words);
        }
    }

    #[test]
    fn every_action_has_a_phrase() {
        let special = [
            "credential.revoke",
            "request",
            "ssh-key.shared",
            "group.add-member",
            "group.remove-member",
        ];
        for line in include_str!("../model/event.rs").lines() {
            let action = line.trim().split("=> \"").nth(1);
            let Some(action) = action.and_then(|rest| rest.strip_suffix("\",")) else {
                continue;
            };
            let known = PHRASES.iter().any(|one| one.action == action);
            let is_action = line.trim().starts_with("Self::") && action.contains('.');
            assert!(!is_action || known || special.contains(&action), "{action}");
        }
    }

    #[test]
    fn target_without_a_valid_name_gets_no_link() {
        let names = Names {
            has_admin_pages: true,
            ..Names::default()
        };
        for id in ["../policy", "a b", "x?y", "a/b", ".."] {
            let event = event_of("user.disable", "user", id, "");
            assert!(
                !sentence(&event, &names).into_string().contains("href"),
                "{id}"
            );
        }
    }

    #[test]
    fn changes_are_shown_from_before_to_after() {
        let mut event = event_of("api-key.edit", "api-key", "4k2m9x0q7w1z", "ci");
        event.before = "role=member\nnote=x\n".into();
        event.after = "role=admin\nname=ci\n".into();
        let pair = |word: &str, text: &str| (word.to_owned(), text.to_owned());
        assert_eq!(
            changes(&event),
            [
                pair("role", "member → admin"),
                pair("name", "ci"),
                pair("note", "x → nothing")
            ]
        );
    }
}
