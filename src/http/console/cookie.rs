//! Cookies: the session's, the browser's, a code's, the theme's.

use rouille::Response;

use crate::http::context::RequestContext;

/// Holds the session's secret.
pub const SESSION: &str = "keycroft-session";
/// Names a browser: sign-in forms are bound to it, and it has its own budget of wrong passwords.
pub const BROWSER: &str = "keycroft-browser";
/// Holds the code of a set-up, invitation or reset link between the link and the form.
pub const CODE: &str = "keycroft-code";
/// `light` or `dark`.
pub const THEME: &str = "keycroft-theme";

/// With TLS the name itself makes browsers hold to Secure, Path=/ and no Domain (RFC 6265bis, 4.1.3.2).
fn full_name(context: &RequestContext<'_>, name: &str) -> String {
    if context.server_state.settings.is_https() {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// The value of a cookie. When a browser sends two of one name, neither is believed.
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

/// Sets a cookie for `seconds`. `value` is of characters that a cookie may hold (RFC 6265, 4.1.1).
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

/// Takes a cookie away.
pub fn clear(context: &RequestContext<'_>, response: &mut Response, name: &str) {
    set(context, response, name, "", 0);
}
