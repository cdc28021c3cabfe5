//! Parts of signing in that both steps share: the cookie of the browser, the destination, and the first answer of a session.

use rouille::Response;

use super::{Answer, cookie, frame, outside, page, passkey, random_word, see_other};
use crate::app::{ChallengePurpose, SignedIn};
use crate::html::form::Input;
use crate::html::passkey::PasskeyRequest;
use crate::html::second_factor::{self, Onward};
use crate::html::sign_in::{self as pages, KEPT, SavedForm, SignIn};
use crate::http::context::RequestContext;
use crate::model::error::Error;
use crate::model::event::Channel;
use crate::model::secret::{Digest, Presented, find_all, hide_secrets};

/// How long a browser stays known, in seconds.
const BROWSER_SECONDS: u64 = 365 * 86_400;

/// A path of this site for a redirect. Rejects a path that a browser could take for another site. Also rejects one with
/// a secret, which would stay in the browser's history and in logs of proxies.
pub(super) fn safe_path(next: &str) -> Option<&str> {
    let is_ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/login")
        && next.len() <= 2_000;
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_open = find_all(next.as_bytes()).next().is_none();
    (is_ours && is_plain && is_open).then_some(next)
}

/// A path with its query, as the value of a query parameter; secrets in it are hidden.
pub(super) fn escape_path(path: &str) -> String {
    form_urlencoded::byte_serialize(hide_secrets(path).as_bytes()).collect()
}

/// The cookie that sign-in forms are bound to; `true` when it is new and has to be set.
pub(super) fn browser(context: &RequestContext<'_>) -> (String, bool) {
    match cookie::read(context, cookie::BROWSER)
        .filter(|value| value.len() == 20 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    {
        Some(value) => (value, false),
        None => (random_word(), true),
    }
}

/// The digest of a browser for the store.
pub(super) fn browser_digest(context: &RequestContext<'_>, browser: &str) -> Digest {
    context.app().keyed(&[b"browser", browser.as_bytes()])
}

/// The digest of the requesting browser, if it has its cookie.
pub(super) fn present_browser(context: &RequestContext<'_>) -> Option<Digest> {
    let (browser, is_new) = browser(context);
    (!is_new).then(|| browser_digest(context, &browser))
}

pub(super) fn with_browser(
    context: &RequestContext<'_>,
    mut response: Response,
    value: &str,
    is_new: bool,
) -> Response {
    if is_new {
        cookie::set(
            context,
            &mut response,
            cookie::BROWSER,
            value,
            BROWSER_SECONDS,
        );
    }
    response
}

/// The sign-in page, with a passkey's button when somebody has one here.
pub(super) fn form_page(context: &RequestContext<'_>, status: u16, view: SignIn) -> Response {
    let (browser, is_new) = browser(context);
    let view = SignIn {
        passkey: passkey_request(context, &browser),
        ..view
    };
    with_browser(
        context,
        page(status, pages::sign_in(&outside(context, &browser), &view)),
        &browser,
        is_new,
    )
}

/// A page without the button is better than none.
fn passkey_request(context: &RequestContext<'_>, browser: &str) -> Option<PasskeyRequest> {
    if !context.app().has_passkeys().unwrap_or(false) {
        return None;
    }
    passkey::request(context, ChallengePurpose::SignIn, browser, &[])
        .ok()
        .flatten()
}

/// The destination in a form, if it is a path of this site.
pub(super) fn next_path(input: &Input) -> String {
    input
        .value("next")
        .and_then(safe_path)
        .unwrap_or_default()
        .to_owned()
}

/// The form that waits for the sign-in, from the fields of this one.
pub(super) fn kept(input: &Input) -> Option<SavedForm> {
    let action = input.value("kept").and_then(safe_path)?.to_owned();
    let fields = input
        .values
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value.clone())))
        .collect();
    Some(SavedForm { action, fields })
}

/// The first answer of a session: its cookie, and where to go. `codes`: recovery codes to show once.
pub(super) fn begin(
    context: &RequestContext<'_>,
    signed_in: SignedIn,
    next: String,
    kept: Option<SavedForm>,
    codes: Option<Vec<String>>,
) -> Answer {
    let seconds = signed_in.expires_at.since(context.now).as_secs();
    let text = signed_in.secret.reveal();
    let next = if next.is_empty() {
        "/".to_owned()
    } else {
        next
    };
    let mut response = if codes.is_none() && kept.is_none() {
        see_other(next)
    } else {
        let presented = Presented::parse(&text)
            .ok_or_else(|| Error::Fault("a new session has no form".to_owned()))?;
        let caller = context.app().caller(
            &presented,
            |_| true,
            context.origin(Channel::Console),
            context.now,
        )?;
        let frame = frame(context, &caller);
        let markup = match (codes, kept) {
            (Some(codes), Some(kept)) => {
                second_factor::recovery_codes(&frame, &codes, &Onward::Form(kept))
            }
            (Some(codes), None) => {
                second_factor::recovery_codes(&frame, &codes, &Onward::Path(next, "Continue"))
            }
            (None, Some(kept)) => pages::go_on(&frame, &kept),
            (None, None) => return Err(Error::Fault("nothing to show".to_owned()).into()),
        };
        page(200, markup)
    };
    cookie::set(context, &mut response, cookie::SESSION, &text, seconds);
    cookie::clear(context, &mut response, cookie::PENDING);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::{escape_path, safe_path};
    use crate::model::secret::{Secret, SecretForm};

    #[test]
    fn next_path_with_a_secret_is_rejected() {
        let secret = Secret::generate(SecretForm::Code);
        let (id, text) = (secret.id(), secret.reveal());
        let path = format!("/api-keys?text=x{}y", text.as_str());
        assert_eq!(safe_path(&path), None);
        let next = escape_path(&path);
        assert!(!next.contains(text.as_str()) && next.contains(id.as_str()));
    }

    #[test]
    fn next_path_has_at_most_two_thousand_bytes() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(safe_path(&path(2_000)).is_some());
        assert_eq!(safe_path(&path(2_001)), None);
    }

    #[test]
    fn next_path_to_another_site_is_rejected() {
        for accepted in ["/", "/api-keys", "/api-keys?state=active&text=a%2Fb"] {
            assert_eq!(safe_path(accepted), Some(accepted));
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "/a b",
            "/a\r\nx",
            "/\t/evil",
            "javascript:alert(1)",
            "/login?next=/login",
            "/é",
        ] {
            assert_eq!(safe_path(bad), None, "{bad}");
        }
    }
}
