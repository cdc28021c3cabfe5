//! The message on the page after an act. The redirect carries a word and the name of the object; a seal shows that this
//! server wrote the name, so that a link from elsewhere cannot put words on a page.

use super::{Answer, query, see_other};
use crate::html::layout::Flash;
use crate::http::context::RequestContext;

/// Digits of the seal.
const SEAL_CHARACTERS: usize = 16;

/// Redirects to `path`, where `word` becomes a sentence.
pub(super) fn done(path: &str, word: &str) -> Answer {
    let sign = if path.contains('?') { '&' } else { '?' };
    Ok(see_other(format!("{path}{sign}done={word}")))
}

/// Redirects to `path`, where `word` becomes a sentence about `object`, such as `API key nightly backup`.
pub(super) fn done_with(
    context: &RequestContext<'_>,
    path: &str,
    word: &str,
    object: &str,
) -> Answer {
    let sealed = form_urlencoded::Serializer::new(word.to_owned())
        .append_pair("object", object)
        .append_pair("seal", &seal(context, word, object))
        .finish();
    done(path, &sealed)
}

fn seal(context: &RequestContext<'_>, word: &str, object: &str) -> String {
    let parts: [&[u8]; 3] = [b"flash", word.as_bytes(), object.as_bytes()];
    let mut seal = context.app().keyed(&parts).hex();
    seal.truncate(SEAL_CHARACTERS);
    seal
}

/// The sentence for `?done=`; unknown words are ignored.
pub(super) fn flash(context: &RequestContext<'_>) -> Option<Flash> {
    let word = query(context, "done")?;
    let object = query(context, "object");
    let object = object
        .filter(|object| query(context, "seal").as_deref() == Some(&seal(context, &word, object)));
    let failure = match word.as_str() {
        "nothing-picked" => "Nothing was selected. Select rows first.",
        "too-many-match" => "Too many match: at most 500 are deleted at once. Narrow the filter.",
        _ => "",
    };
    if !failure.is_empty() {
        return Some(Flash::Failed(failure.to_owned()));
    }
    let sentence = match &object {
        Some(object) => about(&word, object)?,
        None => general(&word)?,
    };
    Some(Flash::Done(sentence))
}

fn about(word: &str, object: &str) -> Option<String> {
    Some(match word {
        "saved" => format!("{object} saved."),
        "added" => format!("{object} added."),
        "removed" => format!("{object} removed."),
        "deleted" => format!("{object} deleted."),
        "deleted-credential" => {
            format!("{object} deleted. It is rejected from the next request on.")
        }
        "deleted-ssh-key" => format!("{object} deleted. Hosts reject it from the next login on."),
        "enabled" => format!("{object} enabled."),
        "disabled" => format!("{object} disabled. Requests are rejected from now on."),
        "offboarded" => {
            format!("{object} offboarded: account disabled, all credentials revoked.")
        }
        "signed-out-there" => format!("{object} signed out."),
        _ => return None,
    })
}

fn general(word: &str) -> Option<String> {
    let sentence = match word {
        "account" => "Account saved.",
        "notice-preferences" => "Notice preferences saved.",
        "policy" => "Policy saved.",
        "welcome" => "Your password is set, and you are signed in.",
        "signed-out-others" => "Signed out everywhere else.",
        "password" => "Your password is changed. All other sessions are signed out.",
        "email-sent" => "A mail with a link is on its way. Open the link and confirm the address.",
        "email-confirmed" => "The e-mail address is confirmed.",
        "email-removed" => "The e-mail address is removed. It receives a last notice.",
        "calendar-deleted" => "The calendar link is revoked.",
        "test-sent" => "The test notice is on its way. Reload this page to see its delivery.",
        "totp" => "The authenticator app is set up.",
        "totp-removed" => "The authenticator app is removed.",
        "passkey" => "The passkey is added.",
        "passkey-renamed" => "The passkey is renamed.",
        "passkey-deleted" => "The passkey is deleted.",
        "confirmed" => "Confirmed.",
        "theme" => "Appearance saved.",
        _ => return None,
    };
    Some(sentence.to_owned())
}
