//! Shared parts of lists: sorting, filtering, paging, and common cells.

use maud::{Markup, html};

use super::when::{relative, time};
use crate::model::credential::LastUse;
use crate::model::text::percent_encode;
use crate::model::time::Time;
use crate::model::user_agent;

/// `path` with a query; pairs without a value are left out.
pub fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(sign);
        address.push_str(name);
        address.push('=');
        address.extend(percent_encode(value));
        sign = '&';
    }
    address
}

/// When something was last used, from where and by what.
pub(super) fn last_use(last: Option<&LastUse>, now: Time) -> Markup {
    match last {
        None => html! { "Never" },
        Some(last) => html! {
            (time(last.at, now))
            @if last.address.is_some() || last.program.is_some() { small { (from(last)) } }
        },
    }
}

/// The last use in one line.
pub(super) fn last_use_in_line(last: Option<&LastUse>, now: Time) -> Markup {
    match last {
        None => html! { "never" },
        Some(last) => html! { (relative(last.at, now)) " from " (from(last)) },
    }
}

/// `10.0.3.7 · curl/8.5`.
fn from(last: &LastUse) -> String {
    let address = last.address.map(|address| address.to_string());
    let program = last.program.as_deref().map(user_agent::short);
    let parts: Vec<String> = [address, program].into_iter().flatten().collect();
    if parts.is_empty() {
        "an unknown place".to_owned()
    } else {
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let pairs = [("text", "a&b=ü \"<"), ("state", ""), ("page", "2")];
        assert_eq!(
            address("/api-keys", &pairs),
            "/api-keys?text=a%26b%3D%C3%BC%20%22%3C&page=2"
        );
        assert_eq!(address("/api-keys", &[]), "/api-keys");
    }
}
