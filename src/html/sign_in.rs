//! Signing in, setup, invitation, reset, and confirming the password.

use maud::{Markup, html};

use super::form::{Field, Input, hidden, hidden_fields, post, safe_to_echo, summary};
use super::layout::{Frame, Outside, Section, outside, page};
use super::passkey::PasskeyRequest;
pub use super::saved_form::{KEPT, SavedForm};
use super::second_factor::{StepUpFactors, sign_in_button, step_up_fields};
use crate::model::password::CHARACTERS_MIN;
use crate::model::text::NAME_CHARACTERS_MAX;

/// The sign-in page.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// The page to open afterwards, a checked path on this site; empty: the first page.
    pub next: String,
    /// The form during which the session expired; its action goes in `kept`, its fields as `kept.NAME`.
    pub kept: Option<SavedForm>,
    /// The reason for a rejection: one sentence that does not reveal which part was wrong, or the waiting time.
    pub problem: Option<String>,
    /// Offered when somebody has a passkey here.
    pub passkey: Option<PasskeyRequest>,
    pub input: Input,
}

/// `/login`. Sends `username`, `password`, `next`, and `kept` with `kept.…` for a saved form.
pub fn sign_in(frame: &Outside, view: &SignIn) -> Markup {
    let content = html! {
        h1 { "Sign in" }
        @if let Some(problem) = &view.problem { div.notice.bad role="alert" { p { (problem) } } }
        @if view.kept.is_some() { div.notice.warn { p { "Your session has expired. Sign in to continue with your form." } } }
        (summary(&view.input))
        form method="post" action="/login" {
            (hidden("form_token", &frame.form_token))
            (hidden("next", &view.next))
            @if let Some(kept) = &view.kept {
                (hidden("kept", &kept.action))
                (hidden_fields(&prefixed(kept)))
            }
            (Field::text("username").autofocus().verbatim().autocomplete("username").required().show(&view.input))
            (Field::password("password", "current-password").show(&view.input))
            div.actions { button.primary { "Sign in" } }
        }
        @if let Some(request) = &view.passkey {
            (sign_in_button(frame, request, &view.next, view.kept.as_ref(), &view.input))
        }
        p.lead { "No account, or password forgotten? Ask an admin for a link." }
    };
    let title = if view.problem.is_some() {
        "Error: Sign in".to_owned()
    } else {
        view.input.title("Sign in")
    };
    outside(frame, &title, &content)
}

fn prefixed(kept: &SavedForm) -> Vec<(String, String)> {
    kept.fields
        .iter()
        .map(|(name, value)| (format!("{KEPT}{name}"), value.clone()))
        .collect()
}

/// The page after signing in with a saved form: one button sends it, with the new session's form token.
pub fn go_on(frame: &Frame, kept: &SavedForm) -> Markup {
    let content = html! {
        h1 { "Continue" }
        p.lead { "You are signed in again, and your form is still here. Passwords have to be typed again." }
        @let shown: Vec<&(String, String)> = kept.fields.iter().filter(|(name, value)| is_shown(name, value)).collect();
        @if !shown.is_empty() {
            dl.facts { @for (name, value) in shown { dt { (super::form::label(name)) } dd { bdi { (value) } } } }
        }
        (post(frame, &kept.action, &html! {
            (hidden_fields(&kept.fields))
            div.actions { button.primary { "Send the form" } a.button href="/" { "Cancel" } }
        }))
    };
    page(frame, Section::None, "Continue", &content)
}

/// Returns whether a field of a saved form is worth showing.
fn is_shown(name: &str, value: &str) -> bool {
    safe_to_echo(name, value) && !value.is_empty() && !matches!(name, "nonce" | "version")
}

/// A form opened by a link with a code.
#[derive(Debug, Clone, Default)]
pub struct ByCode {
    /// The user of the account; unknown at the first setup.
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub input: Input,
}

/// `/` before the first setup.
pub fn first_start(frame: &Outside) -> Markup {
    let content = html! {
        h1 { "Set up Keycroft" }
        p.lead { "No admin exists yet." }
        ol {
            li { "Find the setup link in the output of the server: on its terminal, or with " code { "journalctl -u keycroft" } "." }
            li { "Open the link and create the first admin. It works once, within an hour." }
        }
        p { "If the link has expired, restart the server: each start prints a new one. On the server, this command also creates an admin:" }
        pre { "keycroft user create alice --admin" }
    };
    outside(frame, "Set up", &content)
}

/// `/setup`: the first admin. Sends `username`, `display_name`, `password`.
pub fn set_up(frame: &Outside, view: &ByCode) -> Markup {
    let input = &view.input;
    let name = Field::text("display_name")
        .autocomplete("name")
        .required()
        .characters_max(NAME_CHARACTERS_MAX);
    let content = html! {
        h1 { "Set up Keycroft" }
        p.lead { "Create the first admin. You are signed in afterwards." }
        (summary(input))
        form method="post" action="/setup" {
            (hidden("form_token", &frame.form_token))
            (Field::text("username").autofocus().verbatim().autocomplete("username").required().help("Also the login name on hosts: a-z, 0-9, _, . and -, beginning with a letter.").show(input))
            (name.show(input))
            (new_password("password", input))
            div.actions { button.primary { "Create admin" } }
        }
    };
    outside(frame, &input.title("Set up"), &content)
}

/// `/invitation`: a new user chooses a password. Sends `password`.
pub fn invitation(frame: &Outside, view: &ByCode) -> Markup {
    let welcome = match &view.display_name {
        Some(name) => format!("Welcome, {name}"),
        None => "Welcome".to_owned(),
    };
    by_code(
        frame,
        view,
        "/invitation",
        "Welcome",
        &welcome,
        "Choose a password to sign in.",
        "Set password",
    )
}

/// `/reset`: a user chooses a new password. Sends `password`.
pub fn reset(frame: &Outside, view: &ByCode) -> Markup {
    by_code(
        frame,
        view,
        "/reset",
        "New password",
        "New password",
        "All your sessions are signed out.",
        "Set password",
    )
}

fn by_code(
    frame: &Outside,
    view: &ByCode,
    action: &str,
    title: &str,
    headline: &str,
    lead: &str,
    act: &str,
) -> Markup {
    let input = &view.input;
    let content = html! {
        h1 { bdi { (headline) } }
        p.lead {
            @if let Some(username) = &view.username { "Your username is " b { (username) } ". " }
            (lead)
        }
        (summary(input))
        form method="post" action=(action) {
            (hidden("form_token", &frame.form_token))
            @if let Some(username) = &view.username {
                input type="text" name="username" value=(username) autocomplete="username" readonly hidden;
            }
            (new_password("password", input))
            div.actions { button.primary { (act) } }
        }
    };
    outside(frame, &input.title(title), &content)
}

/// The field of a new password.
pub(super) fn new_password(name: &str, input: &Input) -> Markup {
    let help = format!("At least {CHARACTERS_MIN} characters. Several words are easy to remember.");
    Field::password(name, "new-password")
        .help(&help)
        .show(input)
}

/// The password confirmation before a dangerous act.
#[derive(Debug, Clone)]
pub struct PasswordConfirmation {
    /// The form that waits; it is sent to its own action together with `current_password`.
    pub kept: SavedForm,
    /// The target of "Cancel".
    pub cancel: String,
    /// The factors besides the password.
    pub factors: StepUpFactors,
    /// An error under `current_password`, after a wrong one.
    pub input: Input,
}

/// The confirmation page: sends the earlier form again, to its own action, with `current_password` added.
pub fn password_confirmation(frame: &Frame, view: &PasswordConfirmation) -> Markup {
    let content = html! {
        h1 { "Confirm it's you" }
        p.lead { "Your last confirmation is more than 10 minutes old. Your changes are kept." }
        (summary(&view.input))
        (post(frame, &view.kept.action, &html! {
            (hidden_fields(&view.kept.fields))
            input type="text" name="username_shown" value=(frame.username) autocomplete="username" readonly hidden;
            (Field::password("current_password", "current-password").autofocus().show(&view.input))
            (step_up_fields(&view.factors, &view.input))
            div.actions { button.primary { "Continue" } a.button href=(view.cancel) { "Cancel" } }
        }))
    };
    page(
        frame,
        Section::None,
        &view.input.title("Confirm it's you"),
        &content,
    )
}

/// The page after signing out, and after an invalid link.
pub fn note(frame: &Outside, title: &str, text: &str) -> Markup {
    let content = html! {
        h1 { (title) }
        p.lead { (text) }
        div.actions { a.button.primary href="/login" { "Sign in" } }
    };
    outside(frame, title, &content)
}
