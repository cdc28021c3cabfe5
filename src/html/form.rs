//! Forms: fields with labels, help and errors; the summary of errors; confirmations.

use maud::{Markup, html};

use super::frame::Frame;
use crate::model::error::FieldError;
use crate::model::ssh_key::{ImportedKey, KeyRules};

/// The field of the buttons that fill rows: a group and `all`, `read` or `none`.
pub const FILL: &str = "fill";

/// The input of a form and its faults; empty when the form is first shown. Secrets and passwords in `values` are never
/// written into a page.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The sent pairs, in order; a name may occur several times.
    pub values: Vec<(String, String)>,
    pub errors: Vec<FieldError>,
}

impl Input {
    /// Returns whether nothing was sent yet, so that defaults apply.
    pub fn is_fresh(&self) -> bool {
        self.values.is_empty()
    }

    /// The first value sent under `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns whether `name` was sent with `value`, as for a checked box.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.values
            .iter()
            .any(|(key, sent)| key == name && sent == value)
    }

    /// The fault of `name`.
    pub fn error(&self, name: &str) -> Option<&str> {
        self.errors
            .iter()
            .find(|error| error.field == name)
            .map(|error| error.message.as_str())
    }

    /// The title of the form's page, with `Error: ` in front of it if there are faults.
    pub(super) fn title(&self, title: &str) -> String {
        if self.errors.is_empty() {
            title.to_owned()
        } else {
            format!("Error: {title}")
        }
    }
}

/// The label of a field, also in the summary of errors.
pub(super) fn label(field: &str) -> &str {
    match field {
        "access" | "permissions" => "Permissions",
        "allow_shared" => "Shared key",
        "allowed_addresses" => "Allowed addresses",
        "api_key_lifetime_choice" => "API key lifetime",
        "api_key_lifetime_default" => "Default API key lifetime",
        "api_key_lifetime_max" => "Maximum API key lifetime",
        "api_key_lifetimes" => "Offered API key lifetimes",
        "api_keys_max" => "API keys per user",
        "cache_age_max" => "Maximum cache age",
        "confirm" => "Confirmation",
        "code" | "confirm_code" => "Code",
        "confirm_passkey" | "passkey" => "Passkey",
        "current" | "current_password" => "Current password",
        "display_name" => "Display name",
        "email" => "E-mail address",
        "expires_at" => "Date and time (UTC)",
        "expires_in" => "Expiration",
        "grace" => "The old secret",
        "groups" => "Groups",
        "kind" => "Kind",
        "kinds" => "Notices",
        "name" => "Name",
        "new" => "New password",
        "note" => "Note",
        "options" => "SSH options",
        "options.command" => "Command",
        "options.permitopen" => "Forwarding destinations",
        "password" => "Password",
        "public_key" => "Public key",
        "role" => "Role",
        "roles.admin" => "Every admin has",
        "roles.member" => "Every member has",
        "second_factor" => "Second factor",
        "second_factor_from" => "Enforced from",
        "session_idle_max" => "Idle timeout",
        "session_lifetime" => "Session lifetime",
        "shared_logins" => "Shared logins",
        "since" => "Since",
        "ssh_key_lifetime_max" => "Maximum SSH key lifetime",
        "ssh_key_types" => "Accepted key types",
        "ssh_keys_max" => "SSH keys per user",
        "ssh_rsa_bits_min" => "Minimum RSA size",
        "token_lifetime_choice" => "Token lifetime",
        "token_lifetime_default" => "Default token lifetime",
        "token_lifetime_max" => "Maximum token lifetime",
        "until" => "Until",
        "url" => "URL",
        "username" => "Username",
        "uses" => "Uses",
        other => other,
    }
}

/// The list of all faults, with a link to each field; empty without faults.
pub(super) fn summary(input: &Input) -> Markup {
    html! {
        @if !input.errors.is_empty() {
            div.notice.bad role="alert" {
                h2 tabindex="-1" autofocus { "Please fix the following" }
                ul {
                    @for error in &input.errors {
                        li {
                            @if error.field.is_empty() {
                                (error.message)
                            } @else {
                                a href={ "#" (error.field) } { (label(&error.field)) } ": " (error.message)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A changing form.
pub(super) fn post(frame: &Frame, action: &str, content: &Markup) -> Markup {
    html! { form method="post" action=(action) { (hidden("form_token", &frame.form_token)) (content) } }
}

/// A changing form with a single button.
pub(super) fn button(frame: &Frame, action: &str, look: Option<&str>, word: &str) -> Markup {
    post(frame, action, &html! { button class=[look] { (word) } })
}

/// A hidden value.
pub(super) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// The values of an earlier form as hidden fields; leaves out those that [`safe_to_echo`] rejects.
pub(super) fn hidden_fields(fields: &[(String, String)]) -> Markup {
    html! { @for (name, value) in fields.iter().filter(|(name, value)| safe_to_echo(name, value)) { (hidden(name, value)) } }
}

/// Returns whether a sent value may appear in a page: not a password, not a form token, and not a public key that could
/// be a private one.
pub(super) fn safe_to_echo(name: &str, value: &str) -> bool {
    let name = name.strip_prefix(super::saved_form::KEPT).unwrap_or(name);
    match name {
        "form_token" | "current" | "new" | "confirm_code" | "confirm_passkey" | "passkey" => false,
        "public_key" => {
            ["ssh-", "ecdsa-", "sk-"]
                .iter()
                .any(|sign| value.starts_with(sign))
                && value.trim_end().lines().count() == 1
                || ImportedKey::parse(value, &KeyRules::default()).is_ok()
        }
        other => !other.contains("password"),
    }
}

/// The buttons of a form.
pub(super) fn acts(button: &str, cancel: &str) -> Markup {
    html! { div.actions { button.primary { (button) } a.button href=(cancel) { "Cancel" } } }
}

/// The buttons of a dangerous confirmation.
pub(super) fn danger(button: &str, back: &str) -> Markup {
    html! { div.actions { button.danger.primary { (button) } a.button href=(back) { "Cancel" } } }
}

/// One line of text input.
pub(super) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'a str,
    default: &'a str,
    help: Option<&'a str>,
    autocomplete: Option<&'a str>,
    list: Option<&'a str>,
    characters_max: Option<usize>,
    required: bool,
    verbatim: bool,
    autofocus: bool,
}

impl<'a> Field<'a> {
    /// A text field with the label of its name.
    pub(super) fn text(name: &'a str) -> Self {
        Self {
            name,
            label: label(name),
            kind: "text",
            default: "",
            help: None,
            autocomplete: Some("off"),
            list: None,
            characters_max: None,
            required: false,
            verbatim: false,
            autofocus: false,
        }
    }

    /// A password field, always shown empty.
    pub(super) fn password(name: &'a str, autocomplete: &'a str) -> Self {
        Self {
            kind: "password",
            ..Self::text(name)
        }
        .autocomplete(autocomplete)
        .required()
    }

    /// An optional password field.
    pub(super) fn optional_password(name: &'a str) -> Self {
        Self {
            kind: "password",
            autocomplete: Some("new-password"),
            ..Self::text(name)
        }
    }

    pub(super) fn kind(self, kind: &'a str) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn label(self, label: &'a str) -> Self {
        Self { label, ..self }
    }

    pub(super) fn default(self, default: &'a str) -> Self {
        Self { default, ..self }
    }

    pub(super) fn help(self, help: &'a str) -> Self {
        Self {
            help: Some(help),
            ..self
        }
    }

    pub(super) fn autocomplete(self, autocomplete: &'a str) -> Self {
        Self {
            autocomplete: Some(autocomplete),
            ..self
        }
    }

    pub(super) fn characters_max(self, most: usize) -> Self {
        Self {
            characters_max: Some(most),
            ..self
        }
    }

    pub(super) fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// A name or code, without autocorrection and capitalization on phones.
    pub(super) fn verbatim(self) -> Self {
        Self {
            verbatim: true,
            ..self
        }
    }

    /// The first field of a page, which has the focus unless a message or a fault stands before it.
    pub(super) fn autofocus(self) -> Self {
        Self {
            autofocus: true,
            ..self
        }
    }

    /// The field with its typed value and its fault.
    pub(super) fn show(&self, input: &Input) -> Markup {
        let typed = match self.kind {
            "password" => None,
            // Browsers reject anything else in such a field, and show nothing.
            "datetime-local" => input
                .value(self.name)
                .or(Some(self.default))
                .filter(|text| is_local_time(text)),
            _ => Some(input.value(self.name).unwrap_or(self.default)),
        };
        let error = input.error(self.name);
        let when_verbatim = |value: &'static str| self.verbatim.then_some(value);
        let control = html! {
            input id=(self.name) name=(self.name) type=(self.kind) value=[typed.filter(|text| !text.is_empty())]
                autocapitalize=[when_verbatim("none")] autocorrect=[when_verbatim("off")] spellcheck=[when_verbatim("false")]
                autocomplete=[self.autocomplete] list=[self.list] maxlength=[self.characters_max] required[self.required]
                autofocus[self.autofocus && input.value(FILL).is_none()] aria-describedby=[self.described_by(error)] aria-invalid=[error.map(|_| "true")];
        };
        html! {
            div.field {
                @if !self.label.is_empty() { label for=(self.name) { (self.label) } }
                // The script adds a button beside a password.
                @if self.kind == "password" { div.actions { (control) } } @else { (control) }
                (self.tail(error))
            }
        }
    }

    /// A field with several lines.
    pub(super) fn show_lines(&self, input: &Input, rows: usize) -> Markup {
        let error = input.error(self.name);
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                textarea id=(self.name) name=(self.name) rows=(rows) spellcheck="false" maxlength=[self.characters_max] required[self.required] autofocus[self.autofocus]
                    aria-describedby=[self.described_by(error)] aria-invalid=[error.map(|_| "true")] {
                    // Browsers drop the first line break, so that one in the text would be lost.
                    "\n" (input.value(self.name).unwrap_or(self.default))
                }
                (self.tail(error))
            }
        }
    }

    /// A choice from `options` (value, label).
    pub(super) fn show_choice(&self, input: &Input, options: &[(String, String)]) -> Markup {
        let error = input.error(self.name);
        let chosen = input.value(self.name).unwrap_or(self.default);
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                select id=(self.name) name=(self.name) aria-describedby=[self.described_by(error)] aria-invalid=[error.map(|_| "true")] {
                    @for (value, words) in options {
                        option value=(value) selected[value == chosen] { (words) }
                    }
                }
                (self.tail(error))
            }
        }
    }

    fn tail(&self, error: Option<&str>) -> Markup {
        html! {
            @if let Some(error) = error { p.error id={ (self.name) "-error" } { "Error: " (error) } }
            @if let Some(help) = self.help { p.hint id={ (self.name) "-help" } { (help) } }
        }
    }

    fn described_by(&self, error: Option<&str>) -> Option<String> {
        let help = self.help.map(|_| format!("{}-help", self.name));
        let error = error.map(|_| format!("{}-error", self.name));
        match (help, error) {
            (Some(help), Some(error)) => Some(format!("{help} {error}")),
            (help, error) => help.or(error),
        }
    }
}

/// `2027-01-31T15:04`, with or without seconds.
fn is_local_time(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(byte, sign): (u8, &u8)| {
        if *sign == b'd' {
            byte.is_ascii_digit()
        } else {
            byte == *sign
        }
    };
    matches!(text.len(), 16 | 19) && text.bytes().zip(form).all(fits)
}

/// A radio button or a checkbox.
pub(super) struct Tick<'a> {
    pub kind: &'static str,
    pub name: &'a str,
    pub value: &'a str,
    pub words: &'a str,
    pub on: bool,
}

impl Tick<'_> {
    pub(super) fn show(&self) -> Markup {
        let id = format!("{}={}", self.name, self.value);
        html! {
            div.choice {
                input type=(self.kind) id=(id) name=(self.name) value=(self.value) checked[self.on];
                label for=(id) { (self.words) }
            }
        }
    }
}

/// Radio buttons of one field.
pub(super) fn radios(input: &Input, name: &str, default: &str, answers: &[(&str, &str)]) -> Markup {
    let chosen = input.value(name).unwrap_or(default);
    let tick = |value: &str, words: &str| {
        Tick {
            kind: "radio",
            name,
            value,
            words,
            on: value == chosen,
        }
        .show()
    };
    html! { @for (value, words) in answers { (tick(value, words)) } }
}

/// A radio button with a label and an explanation.
pub(super) struct Choice<'a> {
    pub value: &'a str,
    pub words: &'a str,
    pub help: &'a str,
    /// For the script: the groups of rows that it chooses completely.
    pub all: Option<&'a str>,
}

/// Radio buttons in a box, each with an explanation.
pub(super) fn choices(name: &str, chosen: &str, answers: &[Choice<'_>]) -> Markup {
    html! {
        div.choices {
            @for answer in answers {
                label.choice {
                    input type="radio" name=(name) value=(answer.value) checked[answer.value == chosen] data-all=[answer.all];
                    span { (answer.words) small { (answer.help) } }
                }
            }
        }
    }
}

/// One radio button of a box with other content.
pub(super) fn radio(name: &str, value: &str, chosen: &str, words: &str, help: &str) -> Markup {
    html! {
        label.choice {
            input type="radio" name=(name) value=(value) checked[value == chosen];
            span { (words) small { (help) } }
        }
    }
}

/// A group of checkboxes or radio buttons with a question.
pub(super) fn group(id: &str, question: &str, input: &Input, content: &Markup) -> Markup {
    let error = input.error(id);
    let described_by = error.map(|_| format!("{id}-error"));
    html! {
        fieldset id=(id) aria-describedby=[described_by] {
            legend { (question) }
            @if let Some(error) = error { p.error id={ (id) "-error" } { "Error: " (error) } }
            (content)
        }
    }
}

/// The list of allowed addresses, one per line.
pub(super) fn addresses(input: &Input, present: &str) -> Markup {
    Field::text("allowed_addresses")
        .default(present)
        .help("Addresses or networks, one per line, such as 10.0.0.0/8. Empty: no limit.")
        .show_lines(input, 3)
}

/// The list for the credential of a host.
pub(super) fn addresses_of_host(input: &Input, present: &str) -> Markup {
    Field::text("allowed_addresses")
        .default(present)
        .help("Addresses or networks, one per line. Empty: no limit. From other addresses the host receives no keys.")
        .show_lines(input, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Input {
        Input {
            values: vec![
                ("name".into(), "<b>".into()),
                ("password".into(), "hunter2".into()),
            ],
            errors: vec![FieldError::new("name", "use 1 to 64 characters")],
        }
    }

    #[test]
    fn rejected_field_keeps_its_value_and_shows_its_error() {
        let markup = Field::text("name")
            .help("Any script.")
            .show(&failed())
            .into_string();
        assert!(markup.contains("value=\"&lt;b&gt;\""), "{markup}");
        assert!(
            markup.contains("aria-describedby=\"name-help name-error\" aria-invalid=\"true\""),
            "{markup}"
        );
        assert!(
            summary(&failed())
                .into_string()
                .contains("<a href=\"#name\">Name</a>: use 1 to 64 characters")
        );
        assert_eq!(failed().title("New API key"), "Error: New API key");
    }

    #[test]
    fn only_valid_times_are_kept_in_a_form() {
        assert!(is_local_time("2027-01-31T15:04") && is_local_time("2027-01-31T15:04:05"));
        for bad in [
            "",
            "2027-01-31",
            "2027-01-31T15:04Z",
            "2027-01-31 15:04",
            "2027-01-31T15:04:0",
            "\u{e9}027-01-31T15:0",
        ] {
            assert!(!is_local_time(bad), "{bad}");
        }
    }

    #[test]
    fn passwords_are_never_written_into_a_form() {
        let field = Field::password("password", "current-password")
            .show(&failed())
            .into_string();
        assert!(!field.contains("hunter2"));
        assert!(
            !hidden_fields(&failed().values)
                .into_string()
                .contains("hunter2")
        );
        assert!(
            hidden_fields(&failed().values)
                .into_string()
                .contains("name=\"name\"")
        );
        for name in [
            "password",
            "current_password",
            "kept.current",
            "new",
            "form_token",
        ] {
            assert!(!safe_to_echo(name, "x"), "{name}");
        }
        assert!(safe_to_echo("kept.note", "x") && safe_to_echo("public_key", "ssh-ed25519 AAAA\n"));
        let pasted = "restrict,command=\"x y\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";
        assert!(safe_to_echo("kept.public_key", pasted));
        assert!(!safe_to_echo("public_key", "restrict b3BlbnNzaC1rZXktdjEA"));
        assert!(!safe_to_echo(
            "kept.public_key",
            "-----BEGIN OPENSSH PRIVATE KEY-----"
        ));
    }
}
