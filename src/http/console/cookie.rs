//! Cookies: session, browser, code, theme.

use rouille::Response;

use crate::http::context::RequestContext;

/// The session's secret.
pub const SESSION: &str = "keycroft-session";
/// The id of a browser: sign-in forms are bound to it, and its wrong passwords are limited separately.
pub const BROWSER: &str = "keycroft-browser";
/// The code of a setup, invitation or reset link between the link and the form.
pub const CODE: &str = "keycroft-code";
/// Links the two steps of a sign-in. It is not a session.
pub const PENDING: &str = "keycroft-sign-in";
/// `light` or `dark`.
pub const THEME: &str = "keycroft-theme";

/// With TLS, the prefix makes browsers enforce Secure, Path=/ and no Domain (RFC 6265bis, 4.1.3.2).
fn full_name(context: &RequestContext<'_>, name: &str) -> String {
    if context.server_state.settings.is_https() {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// The value of a cookie; `None` if a browser sends two of one name.
pub fn read(context: &RequestContext<'_>, name: &str) -> Option<String> {
    let name = full_name(context, name);
    let lines = context
        .request
        .headers()
        .filter(|(header, _)| header.eq_ignore_ascii_case("cookie"))
        .map(|(_, value)| value);
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(one, _)| *one == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_owned()),
        _ => None,
    }
}

/// Sets a cookie for `seconds`. `value` must consist of cookie characters (RFC 6265, 4.1.1).
pub fn set(
    context: &RequestContext<'_>,
    response: &mut Response,
    name: &str,
    value: &str,
    seconds: u64,
) {
    let secure = if context.server_state.settings.is_https() {
        "; Secure"
    } else {
        ""
    };
    let line = format!(
        "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        full_name(context, name)
    );
    response.headers.push(("Set-Cookie".into(), line.into()));
}

/// Deletes a cookie.
pub fn clear(context: &RequestContext<'_>, response: &mut Response, name: &str) {
    set(context, response, name, "", 0);
}
