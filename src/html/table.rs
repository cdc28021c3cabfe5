//! Shared parts of lists: sorting, filtering, paging, and common cells.

use maud::{Markup, html};

use super::when::{relative, time};
use crate::model::credential::LastUse;
use crate::model::time::Time;
use crate::model::user_agent;

/// The paging of a list.
#[derive(Debug, Clone, Default)]
pub enum Pager {
    /// The complete list.
    #[default]
    Whole,
    /// Page `page` of `pages`, from 1; links have `?page=`.
    Page { page: usize, pages: usize },
    /// A log: `older` is the value of `?after=`; `is_first` marks the newest page.
    Log {
        older: Option<String>,
        is_first: bool,
    },
}

/// `path` with a query; pairs without a value are left out.
pub(super) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(sign);
        address.push_str(name);
        address.push('=');
        encode(&mut address, value);
        sign = '&';
    }
    address
}

/// Percent-encoding of all but the unreserved characters (RFC 3986, 2.3).
fn encode(address: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push('%');
            address.push(char::from(HEX[usize::from(byte >> 4)]));
            address.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Links to the other pages of a list; `pairs` are the filters that stay.
pub(super) fn pager(pager: &Pager, path: &str, pairs: &[(&str, &str)]) -> Markup {
    let with = |name: &str, value: &str| {
        let mut pairs = pairs.to_vec();
        pairs.push((name, value));
        address(path, &pairs)
    };
    match pager {
        Pager::Whole
        | Pager::Page { pages: 0 | 1, .. }
        | Pager::Log {
            older: None,
            is_first: true,
        } => html! {},
        Pager::Page { page, pages } => html! {
            div.actions {
                @if *page > 1 { a.button href=(with("page", &(page - 1).to_string())) { "Previous page" } }
                span { "Page " (page) " of " (pages) }
                @if page < pages { a.button href=(with("page", &(page + 1).to_string())) { "Next page" } }
            }
        },
        Pager::Log { older, is_first } => html! {
            div.actions {
                @if !is_first { a.button href=(address(path, pairs)) { "Newest" } }
                @if let Some(older) = older { a.button href=(with("after", older)) { "Older" } }
            }
        },
    }
}

/// The last use: time, client address and user agent.
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

    #[test]
    fn a_list_in_pages_leads_on_and_back_with_its_filters() {
        let markup =
            pager(&Pager::Page { page: 2, pages: 3 }, "/x", &[("text", "a b")]).into_string();
        assert!(
            markup.contains("href=\"/x?text=a%20b&amp;page=1\""),
            "{markup}"
        );
        assert!(markup.contains("href=\"/x?text=a%20b&amp;page=3\""));
        assert!(
            pager(&Pager::Page { page: 1, pages: 1 }, "/x", &[])
                .into_string()
                .is_empty()
        );
    }
}
