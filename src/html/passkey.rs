//! The button that asks for a passkey. Without scripts it stays hidden, and its page says why.

use maud::{Markup, html};

use super::assets::passkey_script_path;
use super::form::{Input, hidden};

/// A request to an authenticator: the options as JSON, and the field of the form that gets the answer.
#[derive(Debug, Clone)]
pub struct PasskeyRequest {
    pub options: String,
}

/// A button within a form. `field` gets the answer as JSON; an error under it is shown.
pub(super) fn button(request: &PasskeyRequest, field: &str, words: &str, input: &Input) -> Markup {
    html! {
        (hidden(field, ""))
        @if let Some(error) = input.error(field) { p.error id=(field) { "Error: " (error) } }
        button type="button" hidden data-passkey=(request.options) data-field=(field) { (words) }
        noscript { p.lead { "Passkeys need JavaScript." } }
        script src=(passkey_script_path()) defer {}
    }
}
