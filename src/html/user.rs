//! Users, for admins: the list, one user with all credentials, adding, offboarding, deleting.

use maud::{Markup, html};

use super::form::{self, Field, Input, Tick, acts, button, danger, hidden, post, radios, summary};
use super::layout::{Frame, Section, heading, page};
use super::list::{self, when};
use super::overview::{self, Parts};
use super::permission_form::singles;
use super::shown_once;
use super::ssh_key_list::{self, SshKeyRow};
use super::status_badge::{self, badge};
use super::table::address;
use super::when::{exact, time, utc};
use crate::model::credential::{Kind, Record};
use crate::model::permission::{Permission, Permissions};
use crate::model::second_factor::SecondFactors;
use crate::model::text::NAME_CHARACTERS_MAX;
use crate::model::time::Time;
use crate::model::user::{Role, User};
use crate::model::user_agent;

/// The form of a new user.
#[derive(Debug, Clone)]
pub struct UserNew {
    /// A second form with the same nonce creates nothing.
    pub nonce: String,
    pub input: Input,
}

/// A one-time link, shown once.
pub struct OneTimeLink<'a> {
    pub username: &'a str,
    pub url: &'a str,
    pub expires_at: Time,
    pub purpose: LinkPurpose,
}

/// The purpose of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    Invitation,
    PasswordReset,
}

/// All valid credentials of a user.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    pub api_keys: Vec<Record>,
    pub tokens: Vec<Record>,
    pub sessions: Vec<Record>,
    pub ssh_keys: Vec<SshKeyRow>,
    /// There are more than are listed.
    pub has_more: bool,
}

impl Holdings {
    fn count(&self) -> usize {
        self.api_keys.len() + self.tokens.len() + self.sessions.len() + self.ssh_keys.len()
    }
}

/// Permits or forbids demoting, disabling and deleting the user; decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removable {
    Yes,
    /// The last admin is protected.
    LastAdmin,
}

/// One user.
#[derive(Debug, Clone)]
pub struct UserPage {
    pub user: User,
    /// The groups there are, in the order of their names.
    pub all_groups: Vec<String>,
    pub factors: SecondFactors,
    pub last_active_at: Option<Time>,
    pub parts: Parts,
    /// Permissions that can be granted beyond the role.
    pub grantable: Permissions,
    pub removable: Removable,
    /// The version of the user in the form, so that a concurrent change is not overwritten.
    pub version: String,
    /// The nonce of the form for a link: repeated, it creates only one.
    pub nonce: String,
    pub input: Input,
}

/// The confirmation of offboarding or deleting.
#[derive(Debug, Clone)]
pub struct UserEnd {
    pub user: User,
    pub holdings: Holdings,
    pub input: Input,
}

pub(super) fn pill(user: &User) -> Markup {
    match (user.is_enabled(), user.has_password) {
        (false, _) => badge("dim", "Disabled"),
        (true, false) => badge("warn", "Invited"),
        (true, true) => badge("ok", "Active"),
    }
}

/// `/admin/new-user`. Sends `nonce`, `username`, `display_name`, `role`, `how` (`invitation` or `password`), `password`.
pub fn new(frame: &Frame, view: &UserNew) -> Markup {
    let input = &view.input;
    let roles = [
        ("member", "Member"),
        ("admin", "Admin: manages users, hosts, services and policy"),
    ];
    let ways = [
        ("invitation", "With an invitation link that you send"),
        ("password", "With a password that you choose now"),
    ];
    let form = html! {
        (hidden("nonce", &view.nonce))
        (Field::text("username").autofocus().verbatim().required().help("Also the login name on hosts. It can't be changed, and is never given to anybody else.").show(input))
        (Field::text("display_name").characters_max(NAME_CHARACTERS_MAX).help("Empty: the username.").show(input))
        (form::group("role", "Role", input, &radios(input, "role", "member", &roles)))
        (form::group("how", "First sign-in", input, &html! {
            (radios(input, "how", "invitation", &ways))
            (Field::optional_password("password").help("Only for the second choice; at least 15 characters.").show(input))
        }))
        (acts("Add user", "/admin/users"))
    };
    let content =
        html! { h1 { "Add user" } (summary(input)) (post(frame, "/admin/new-user", &form)) };
    page(frame, Section::Users, &input.title("Add user"), &content)
}

/// The answer to an invitation or a reset: the only page that shows the link.
pub fn link(frame: &Frame, view: &OneTimeLink<'_>) -> Markup {
    let (title, what) = match view.purpose {
        LinkPurpose::Invitation => ("Invitation link", "choose a password and sign in"),
        LinkPurpose::PasswordReset => ("Reset link", "choose a new password"),
    };
    let content = html! {
        h1 { (title) }
        p.lead { "For " b { (view.username) } ". It works once, until " (utc(view.expires_at)) " (" (time(view.expires_at, frame.now)) "): its holder may " (what) "." }
        section.notice.warn data-once aria-label="Secret" {
            p { b { "Copy the link now. It is shown once." } " Send it over a private channel." }
            (shown_once::field("Link", "link", view.url))
        }
        div.actions { a.button href={ "/admin/users/" (view.username) } { "Done" } }
    };
    page(frame, Section::Users, title, &content)
}

/// The answer to a repeated form for a link.
pub fn link_already_created(frame: &Frame, username: &str) -> Markup {
    let path = format!("/admin/users/{username}");
    let content = html! {
        h1 { "Already created" }
        p.lead { "This form was sent before. The link for " b { (username) } " was created then and cannot be shown again. No second one was created." }
        p { "If you did not send it, create a new one, which replaces it." }
        div.actions { a.button.primary href=(path) { "Go to the user" } }
    };
    page(frame, Section::Users, "Already created", &content)
}

/// `/admin/users/NAME`. Its forms go to `…/edit` (`version`, `display_name`, `role`, `permissions`), `…/disable`,
/// `…/enable`, `…/reset-password`, and `…/KINDs/ID/delete` for each credential.
pub fn user_page(frame: &Frame, view: &UserPage) -> Markup {
    let user = &view.user;
    let path = path(user);
    let content = html! {
        (heading(user.username.as_str(), &buttons(frame, view, &path)))
        (summary(&view.input))
        p.lead { (pill(user)) " " bdi { (user.display_name) } " · " (user.role) @if let Some(at) = user.disabled_at { " · disabled " (utc(at)) } }
        div.columns {
            section {
                h2 { "Details" }
                dl.facts {
                    dt { "Groups" } dd { @if user.groups.is_empty() { "None" } @for (place, group) in user.groups.iter().enumerate() { @if place > 0 { ", " } a href={ "/admin/groups/" (group) } { (group) } } }
                    dt { "Second factor" } dd { @if view.factors.any() { (factors(&view.factors)) } @else { b.warn { "None" } } }
                    dt { "Last active" } dd { (when(view.last_active_at, "Never", frame.now)) }
                    dt { "Since" } dd { (exact(user.created_at)) }
                    @if user.role == Role::Member && !user.granted_by_role.is_empty() { dt { "By role" } dd { (user.granted_by_role) } }
                    dt { "Events" } dd { a href=(address("/admin/events", &[("user", user.username.as_str())])) { "Events of " (user.username) } }
                }
            }
            section {
                h2 { "Groups" }
                @if view.all_groups.is_empty() { p.muted { "No groups yet." } } @else { (groups(frame, view, &path)) }
            }
            (parts(frame, view, &path))
        }
        h2 { "Change" }
        (change(frame, view, &path))
    };
    page(
        frame,
        Section::Users,
        &view.input.title(user.username.as_str()),
        &content,
    )
}

fn factors(factors: &SecondFactors) -> String {
    let passkeys = match factors.passkeys {
        0 => None,
        1 => Some("1 passkey".to_owned()),
        more => Some(format!("{more} passkeys")),
    };
    let app = factors.totp.then(|| "Authenticator app".to_owned());
    let all: Vec<String> = app.into_iter().chain(passkeys).collect();
    if all.is_empty() {
        "None".to_owned()
    } else {
        all.join(", ")
    }
}

fn path(user: &User) -> String {
    format!("/admin/users/{}", user.username)
}

fn buttons(frame: &Frame, view: &UserPage, path: &str) -> Markup {
    html! {
        @if view.user.is_enabled() {
            (post(frame, &format!("{path}/reset-password"), &html! {
                (hidden("nonce", &view.nonce))
                button { @if view.user.has_password { "Reset password" } @else { "New invitation" } }
            }))
        }
        @if view.factors.any() {
            a.button href={ (path) "/reset-second-factor" } { "Reset second factor" }
        }
        @if view.removable == Removable::Yes {
            @if view.user.is_enabled() { (button(frame, &format!("{path}/disable"), None, "Disable")) }
            @else { (button(frame, &format!("{path}/enable"), None, "Enable")) }
            a.button.danger href={ (path) "/offboard" } { "Offboard" }
            a.button.danger href={ (path) "/delete" } { "Delete" }
        } @else {
            span { "The last admin can't be demoted, disabled or deleted." }
        }
    }
}

fn change(frame: &Frame, view: &UserPage, path: &str) -> Markup {
    let (user, input) = (&view.user, &view.input);
    let grants: Vec<Permission> = view.grantable.iter().collect();
    let form = html! {
        (hidden("version", &view.version))
        div {
            div.columns {
                div.form {
                    (Field::text("display_name").default(&user.display_name).required().characters_max(NAME_CHARACTERS_MAX).show(input))
                    (form::group("role", "Role", input, &radios(input, "role", user.role.as_str(), &[("member", "Member"), ("admin", "Admin")])))
                }
                @if !grants.is_empty() {
                    (form::group("permissions", "Permissions beyond the role", input, &singles(input, &grants, &user.granted)))
                }
            }
        }
        div.actions { button { "Save" } }
    };
    post(frame, &format!("{path}/edit"), &form)
}

fn groups(frame: &Frame, view: &UserPage, path: &str) -> Markup {
    let form = html! {
        (hidden("present", &view.user.groups.join(" ")))
        fieldset {
            legend.muted { "Member of" }
            @for group in &view.all_groups {
                (Tick { kind: "checkbox", name: "groups", value: group, words: group, on: view.user.groups.contains(group) }.show())
            }
        }
        div.actions { button { "Save groups" } }
    };
    post(frame, &format!("{path}/groups"), &form)
}

/// The first credentials of each kind. API keys and SSH keys have pages, where they are deleted.
fn parts(frame: &Frame, view: &UserPage, path: &str) -> Markup {
    let (parts, username) = (&view.parts, view.user.username.as_str());
    let list = |kind: &str| address("/admin/inventory", &[("kind", kind), ("owner", username)]);
    let none = html! {};
    let end = |kind: &str, record: &Record, name: &str, word: &str| {
        html! {
            td.actions.keep {
                button.danger form="end" formaction={ (path) "/" (kind) "/" (record.id) "/delete" } aria-label={ (word) " " (name) } { (word) }
            }
        }
    };
    html! {
        (overview::list_section(&list("api-key"), "API keys", parts.api_keys.total, &none, &html! {
            @for record in &parts.api_keys.rows { (overview::api_key(frame, record, path)) }
        }))
        (overview::list_section(&list("ssh-key"), "SSH keys", parts.ssh_keys.total, &none, &html! {
            @for row in &parts.ssh_keys.rows { (overview::ssh_key(frame, row, path)) }
        }))
        (overview::list_section(&list("token"), "Tokens", parts.tokens.total, &none, &html! {
            @for record in &parts.tokens.rows {
                (overview::row(frame, record, &html! { b { bdi { (record.name) } } }, &end("tokens", record, &record.name, "Delete")))
            }
        }))
        (overview::list_section(&list("session"), "Sessions", parts.sessions.total, &none, &html! {
            @for record in &parts.sessions.rows {
                (overview::session(frame, record, &end("sessions", record, &user_agent::device(record.user_agent.as_deref()), "Sign out")))
            }
        }))
        form id="end" method="post" action=(path) hidden { (hidden("form_token", &frame.form_token)) }
    }
}

/// The credentials of a user that end with the account, by kind.
fn holdings(holdings: &Holdings, frame: &Frame) -> Markup {
    if holdings.count() == 0 && !holdings.has_more {
        return html! { p { "No valid credentials." } };
    }
    let now = frame.now;
    let credential = |record: &Record| {
        let name = match record.kind {
            Kind::Session => user_agent::device(record.user_agent.as_deref()),
            Kind::ApiKey | Kind::Token | Kind::Host => record.name.clone(),
        };
        html! {
            tr {
                th.name scope="row" { b { bdi { (name) } } small { (record.kind.name()) " · " (record.id) } }
                td.state { (status_badge::pill(record, now)) }
                (list::expires(record.ends_at(), now))
                (list::last_used(record.last_use.as_ref(), now))
            }
        }
    };
    html! {
        div.rows {
            table.list {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Expires" } th scope="col" { "Last used" } } }
                tbody {
                    @for record in holdings.api_keys.iter().chain(&holdings.tokens).chain(&holdings.sessions) { (credential(record)) }
                    @for row in &holdings.ssh_keys {
                        tr {
                            th.name scope="row" { b { bdi { (row.key.name) } } small { "SSH key · " (row.key.fingerprint) } }
                            td.state { (ssh_key_list::pill(row, now)) }
                            (list::expires(row.key.expires_at, now))
                            (ssh_key_list::last_used(&row.key, now))
                        }
                    }
                }
            }
        }
    }
}

/// `/admin/users/NAME/offboard`: the credentials of a person, and one button that revokes them all. Sends `confirm`, the username.
pub fn offboard(frame: &Frame, view: &UserEnd) -> Markup {
    let lead = "Disables the account and revokes every API key, token, session and SSH key. Effective with the next request.";
    ending(frame, view, "Offboard", lead, "offboard", "Offboard")
}

/// `/admin/users/NAME/reset-second-factor`.
pub fn reset_second_factor(frame: &Frame, user: &User, present: &SecondFactors) -> Markup {
    let path = path(user);
    let title = format!("Reset second factor of {}", user.username);
    let content = html! {
        h1 { (title) "?" }
        p.lead { "For somebody who lost their phone or passkey. Verify their identity first." }
        dl.facts { dt { "Second factor" } dd { (factors(present)) } }
        p { "Every factor and the password stop working, and all sessions are signed out. You get a link: with it, " b { (user.username) } " chooses a new password, and can set up a new factor." }
        (post(frame, &format!("{path}/reset-second-factor"), &danger("Reset second factor", &path)))
    };
    page(frame, Section::Users, &title, &content)
}

/// `/admin/users/NAME/delete`. Sends `confirm`, the username.
pub fn delete(frame: &Frame, view: &UserEnd) -> Markup {
    let lead = "Revokes all credentials and deletes the account. The username stays reserved. This cannot be undone.";
    ending(frame, view, "Delete", lead, "delete", "Delete user")
}

fn ending(frame: &Frame, view: &UserEnd, verb: &str, lead: &str, act: &str, word: &str) -> Markup {
    let user = &view.user;
    let path = path(user);
    let title = format!("{verb} {}", user.username);
    let form = html! {
        (Field::text("confirm").label("Type the username").required().autofocus().show(&view.input))
        (danger(word, &path))
    };
    let content = html! {
        h1 { (title) "?" }
        (summary(&view.input))
        p.lead { (lead) }
        h2 { "Credentials to revoke " span.muted { (view.holdings.count()) @if view.holdings.has_more { "+" } } }
        (holdings(&view.holdings, frame))
        @if view.holdings.has_more { p.muted { "Not all are listed. All are revoked." } }
        (post(frame, &format!("{path}/{act}"), &form))
    };
    page(frame, Section::Users, &view.input.title(&title), &content)
}
