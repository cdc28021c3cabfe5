//! Second factors: the account's page, setting up an authenticator app or a passkey, recovery codes, and the second step
//! of signing in.

use maud::{Markup, PreEscaped, html};
use qrcode::{Color, QrCode};

use super::form::{Field, Input, acts, button, hidden, hidden_fields, post, summary};
use super::layout::{Frame, Outside, Section, outside, page};
use super::passkey::{self, PasskeyRequest};
use super::saved_form::{KEPT, SavedForm};
use super::when::{time, time_or_never};
use crate::model::passkey::{NoRelyingParty, Passkey};
use crate::model::second_factor::SecondFactors;
use crate::model::text::NAME_CHARACTERS_MAX;

/// The page of one's own second factors.
#[derive(Debug, Clone)]
pub struct FactorsPage {
    pub factors: SecondFactors,
    pub passkeys: Vec<Passkey>,
    /// Why there can be no passkeys here, if there can't.
    pub no_passkeys: Option<NoRelyingParty>,
    pub input: Input,
}

/// The seed of an authenticator app that is being set up.
#[derive(Clone)]
pub struct TotpPage {
    /// Stands for the seed, which only the server can compute from it.
    pub nonce: String,
    pub base32: String,
    pub uri: String,
    pub input: Input,
}

/// The form of a new passkey.
#[derive(Debug, Clone)]
pub struct PasskeyPage {
    pub request: PasskeyRequest,
    pub input: Input,
}

/// The second step of signing in.
#[derive(Debug, Clone)]
pub struct SecondStep {
    pub username: String,
    pub next: String,
    pub kept: Option<SavedForm>,
    /// An authenticator app is set up. Recovery codes go into the same field.
    pub totp: bool,
    pub passkey: Option<PasskeyRequest>,
    pub input: Input,
}

/// Setting up a first factor, which policy requires, before the session begins.
#[derive(Clone)]
pub struct EnrollStep {
    pub next: String,
    pub kept: Option<SavedForm>,
    pub totp: TotpPage,
    pub passkey: Option<PasskeyRequest>,
}

/// Where the page with recovery codes leads.
#[derive(Debug, Clone)]
pub enum Onward {
    Path(String, &'static str),
    /// A form that waited for the sign-in.
    Form(SavedForm),
}

const CODE_HELP: &str = "The 6 digits of your authenticator app, or a recovery code.";

/// `/account/second-factor`. Buttons go to `…/totp/new`, `…/totp/remove`, `…/recovery-codes`, `…/passkeys/new`,
/// `…/passkeys/ID/edit` and `…/passkeys/ID/delete`.
pub fn second_factor_page(frame: &Frame, view: &FactorsPage) -> Markup {
    let factors = &view.factors;
    let content = html! {
        h1 { "Second factor" }
        (summary(&view.input))
        p.lead { "A second factor protects your account when somebody learns your password. API keys, tokens and SSH keys work without it." }
        h2 { "Authenticator app" }
        @if factors.totp {
            p { "An authenticator app is set up." }
            (button(frame, "/account/second-factor/totp/remove", Some("danger"), "Remove the app"))
        } @else {
            p { "An app on your phone shows a code that you enter after your password. It works in every browser." }
            (button(frame, "/account/second-factor/totp/new", None, "Set up an app"))
        }
        h2 { "Passkeys" }
        p { "A passkey signs you in by fingerprint, face or PIN, without a password. The server stores only its public key: a stolen database contains no secret." }
        @if !view.passkeys.is_empty() {
            table.list {
                thead { tr { th { "Name" } th { "Added" } th { "Last used" } th { "Actions" } } }
                tbody { @for passkey in &view.passkeys { (passkey_row(frame, passkey)) } }
            }
        }
        @match view.no_passkeys {
            Some(reason) => p.lead { (reason.sentence()) },
            None => (button(frame, "/account/second-factor/passkeys/new", None, "Add a passkey")),
        }
        @if factors.any() {
            h2 { "Recovery codes" }
            p { (factors.recovery_codes_left) " of 10 are left. Each works once in place of your app or passkey." }
            (button(frame, "/account/second-factor/recovery-codes", None, "Create new codes"))
            p.lead { "New codes replace the old ones." }
        }
        p { a href="/account" { "Back to the account" } }
    };
    page(
        frame,
        Section::Account,
        &view.input.title("Second factor"),
        &content,
    )
}

fn passkey_row(frame: &Frame, passkey: &Passkey) -> Markup {
    let path = passkey_path(passkey);
    html! {
        tr {
            th.name scope="row" { bdi { (passkey.name) } @if passkey.registered.is_backed_up { small { "Synced" } } }
            td data-label="Added" { (time(passkey.created_at, frame.now)) }
            td data-label="Last used" { (time_or_never(passkey.last_used_at, frame.now)) }
            td {
                (post(frame, &format!("{path}/delete"), &html! {
                    a.button href={ (path) "/edit" } aria-label={ "Rename passkey " (passkey.name) } { "Rename" } " "
                    button.danger aria-label={ "Delete passkey " (passkey.name) } { "Delete" }
                }))
            }
        }
    }
}

fn passkey_path(passkey: &Passkey) -> String {
    format!("/account/second-factor/passkeys/{}", passkey.id)
}

/// `/account/second-factor/passkeys/ID/edit`. Sends `name`.
pub fn rename_passkey(frame: &Frame, passkey: &Passkey, input: &Input) -> Markup {
    let form = html! {
        (Field::text("name").default(&passkey.name).required().autofocus().characters_max(NAME_CHARACTERS_MAX).show(input))
        (acts("Save", "/account/second-factor"))
    };
    let content = html! {
        h1 { "Rename " bdi { (passkey.name) } }
        (summary(input))
        (post(frame, &format!("{}/edit", passkey_path(passkey)), &form))
    };
    page(
        frame,
        Section::Account,
        &input.title(&format!("Rename {}", passkey.name)),
        &content,
    )
}

/// `POST /account/second-factor/totp/new`: the seed as a QR code and as text. Sends `nonce` and `code`.
pub fn set_up_totp(frame: &Frame, view: &TotpPage) -> Markup {
    let content = html! {
        h1 { "Set up an authenticator app" }
        (summary(&view.input))
        (post(frame, "/account/second-factor/totp", &html! {
            (seed_and_code(view))
            div.actions { button.primary { "Turn on" } a.button href="/account/second-factor" { "Cancel" } }
        }))
    };
    page(
        frame,
        Section::Account,
        &view.input.title("Set up an authenticator app"),
        &content,
    )
}

fn seed_and_code(view: &TotpPage) -> Markup {
    html! {
        (hidden("nonce", &view.nonce))
        h2 { "1. Scan this code" }
        (qr(&view.uri))
        details {
            summary { "Enter the key by hand" }
            p { code #seed { (groups(&view.base32)) } }
            p.lead { "SHA-1, 6 digits, 30 seconds. On this device: " a href=(view.uri) { "open the app" } }
        }
        h2 { "2. Enter the code that the app shows" }
        (code_field("code", "6-digit code", None).show(&view.input))
    }
}

fn code_field<'a>(name: &'a str, label: &'a str, help: Option<&'a str>) -> Field<'a> {
    let field = Field::text(name)
        .label(label)
        .verbatim()
        .autocomplete("one-time-code");
    match help {
        Some(help) => field.help(help),
        None => field.required(),
    }
}

/// Groups of four characters, to type.
fn groups(base32: &str) -> String {
    let characters: Vec<char> = base32.chars().collect();
    let groups: Vec<String> = characters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// A QR code as one path, black on white in every theme: cameras read it so. The quiet zone is in the view box.
fn qr(text: &str) -> Markup {
    // A key URI of the longest names is far below the limit of 2,953 bytes.
    let Ok(code) = QrCode::new(text) else {
        return html! { p { "The key is too long for a QR code; enter it by hand." } };
    };
    let width = code.width();
    let mut path = String::new();
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", place % width, place / width));
        }
    }
    let side = width + 8;
    html! {
        svg.qr viewBox={ "-4 -4 " (side) " " (side) } role="img" aria-label="QR code for the authenticator app" {
            rect x="-4" y="-4" width=(side) height=(side) fill="#fff" {}
            path d=(PreEscaped(path)) fill="#000" {}
        }
    }
}

/// `POST /account/second-factor/passkeys/new`. Sends `name` and `passkey`.
pub fn add_passkey(frame: &Frame, view: &PasskeyPage) -> Markup {
    let content = html! {
        h1 { "Add a passkey" }
        (summary(&view.input))
        p.lead { "Choose a device in your browser: this computer, a phone or a security key." }
        (post(frame, "/account/second-factor/passkeys", &html! {
            (passkey_name().show(&view.input))
            div.actions {
                (passkey::button(&view.request, "passkey", "Add a passkey", &view.input))
                a.button href="/account/second-factor" { "Cancel" }
            }
        }))
    };
    page(
        frame,
        Section::Account,
        &view.input.title("Add a passkey"),
        &content,
    )
}

fn passkey_name() -> Field<'static> {
    Field::text("name")
        .help("A name for the device, such as laptop or blue key. Empty: passkey and today's date.")
        .characters_max(NAME_CHARACTERS_MAX)
}

/// The answer to a first factor, and to new codes: the only page that ever shows them.
pub fn recovery_codes(frame: &Frame, codes: &[String], onward: &Onward) -> Markup {
    let content = html! {
        h1 { "Recovery codes" }
        div.notice.warn data-once {
            p { b { "This is the only time these codes are shown." } " Each works once in place of your app or passkey. Print them, or save them in a password manager." }
            pre #codes tabindex="0" data-copy="the codes" { (codes.join("\n")) }
            div.choice { input #saved type="checkbox" data-saved; label for="saved" { "I have saved them" } }
            @match onward {
                Onward::Path(path, words) => div.actions { a.button.primary href=(path) { (words) } },
                Onward::Form(kept) => {
                    p { "Your form is still here. Passwords have to be typed again." }
                    (post(frame, &kept.action, &html! {
                        (hidden_fields(&kept.fields))
                        div.actions { button.primary { "Send the form" } a.button href="/" { "Cancel" } }
                    }))
                }
            }
        }
    };
    page(frame, Section::Account, "Recovery codes", &content)
}

/// `/login/code`: sends `code` or `passkey`, `next`, and a kept form.
pub fn second_step(frame: &Outside, view: &SecondStep) -> Markup {
    let input = &view.input;
    let label = if view.totp { "Code" } else { "Recovery code" };
    let help = if view.totp {
        CODE_HELP
    } else {
        "One of the codes that you saved when you added the passkey."
    };
    let content = html! {
        h1 { "Second factor" }
        p.lead { "Your password is correct, " b { (view.username) } "." }
        (summary(input))
        form method="post" action="/login/code" {
            (step_fields(frame, &view.next, view.kept.as_ref()))
            @if let Some(request) = &view.passkey {
                div.actions { (passkey::button(request, "passkey", "Use a passkey", input)) }
            }
            (code_field("code", label, Some(help)).show(input))
            div.actions { button.primary { "Sign in" } a.button href="/login" { "Start again" } }
        }
        p.lead { "No phone, no passkey and no recovery code? Ask an admin to reset your second factor." }
    };
    outside(frame, &input.title("Second factor"), &content)
}

fn step_fields(frame: &Outside, next: &str, kept: Option<&SavedForm>) -> Markup {
    let prefixed = |kept: &SavedForm| -> Vec<(String, String)> {
        let fields = kept.fields.iter();
        fields
            .map(|(name, value)| (format!("{KEPT}{name}"), value.clone()))
            .collect()
    };
    html! {
        (hidden("form_token", &frame.form_token))
        (hidden("next", next))
        @if let Some(kept) = kept {
            (hidden("kept", &kept.action))
            (hidden_fields(&prefixed(kept)))
        }
    }
}

/// `/login/enroll`: sends `nonce` and `code`, or `name` and `passkey`.
pub fn enroll_step(frame: &Outside, view: &EnrollStep) -> Markup {
    let input = &view.totp.input;
    let content = html! {
        h1 { "Set up a second factor" }
        p.lead { "Your organization requires one. You are signed in as soon as it is set up." }
        (summary(input))
        form method="post" action="/login/enroll" {
            (step_fields(frame, &view.next, view.kept.as_ref()))
            (seed_and_code(&view.totp))
            div.actions { button.primary { "Turn on and sign in" } a.button href="/login" { "Cancel" } }
        }
        @if let Some(request) = &view.passkey {
            h2 { "Or add a passkey" }
            form method="post" action="/login/enroll" {
                (step_fields(frame, &view.next, view.kept.as_ref()))
                (hidden("nonce", &view.totp.nonce))
                (passkey_name().show(input))
                div.actions { (passkey::button(request, "passkey", "Add a passkey and sign in", input)) }
            }
        }
    };
    outside(frame, &input.title("Set up a second factor"), &content)
}

/// The button on the sign-in page. Sends `passkey`, `next`, and a kept form to `/login/passkey`.
pub(super) fn sign_in_button(
    frame: &Outside,
    request: &PasskeyRequest,
    next: &str,
    kept: Option<&SavedForm>,
    input: &Input,
) -> Markup {
    html! {
        form method="post" action="/login/passkey" {
            (step_fields(frame, next, kept))
            div.actions { (passkey::button(request, "passkey", "Sign in with a passkey", input)) }
        }
    }
}

/// The factors that a confirmation asks for besides the password.
#[derive(Debug, Clone, Default)]
pub struct StepUpFactors {
    pub code: bool,
    pub passkey: Option<PasskeyRequest>,
}

/// The code that goes along with a password change: `confirm_code`.
pub(super) fn step_up_code(factors: &SecondFactors, input: &Input) -> Markup {
    html! { @if factors.any() { (code_field("confirm_code", "Code", Some(CODE_HELP)).show(input)) } }
}

/// The fields of a confirmation: `confirm_code` and `confirm_passkey`.
pub(super) fn step_up_fields(factors: &StepUpFactors, input: &Input) -> Markup {
    html! {
        @if factors.code { (code_field("confirm_code", "Code", Some(CODE_HELP)).show(input)) }
        @if let Some(request) = &factors.passkey {
            div.actions { (passkey::button(request, "confirm_passkey", "Use a passkey instead", input)) }
        }
    }
}
