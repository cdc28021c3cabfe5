//! Lists: the query of an address, and downloads as CSV.

use std::borrow::Cow;

use rouille::Response;

use crate::app::{ListExtent, OwnedItem, UserCounts};
use crate::http::context::RequestContext;
use crate::http::headers;
use crate::model::inventory::Item;
use crate::model::list::{List, ListQuery};
use crate::model::time::Time;
use crate::model::user::User;
use crate::model::user_agent;

/// The query of `list` in the address.
pub(super) fn query(context: &RequestContext<'_>, list: List) -> ListQuery {
    parsed_query(context.request.raw_query_string(), list)
}

/// The query of `list` in the part of an address after `?`.
pub(super) fn parsed_query(text: &str, list: List) -> ListQuery {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(text.trim_start_matches('?').as_bytes()).collect();
    let pairs = pairs.iter();
    ListQuery::parse(
        list,
        pairs.map(|(name, value)| (name.as_ref(), value.as_ref())),
    )
}

/// One page, or with `?format=csv` all rows.
pub(super) fn extent(context: &RequestContext<'_>) -> ListExtent {
    match super::query(context, "format").as_deref() {
        Some("csv") => ListExtent::All,
        _ => ListExtent::Page,
    }
}

/// A value of a table that spreadsheets do not run as a formula.
/// Source: OWASP, "CSV Injection".
fn escape(value: &str, line: &mut String) {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_quoted = is_formula || value.contains([',', '"', '\n', '\r']);
    if is_quoted {
        line.push('"');
        line.push_str(if is_formula { "'" } else { "" });
        line.push_str(&value.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(value);
    }
}

/// One line of a table (RFC 4180).
pub(super) fn line(values: &[String]) -> String {
    let mut line = String::new();
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        escape(value, &mut line);
    }
    line.push_str("\r\n");
    line
}

/// A table as a download.
pub(super) fn csv(
    name: &str,
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Response {
    let mut text = line(&head.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    for row in rows {
        text.push_str(&line(&row));
    }
    attachment(
        "text/csv; charset=utf-8",
        &format!("keycroft-{name}.csv"),
        text,
    )
}

/// An answer that browsers save.
pub(super) fn attachment(content_type: &'static str, file: &str, text: String) -> Response {
    let mut response = headers::bytes_of(content_type, 200, text.into_bytes());
    response.headers.push((
        "Content-Disposition".into(),
        format!("attachment; filename=\"{file}\"").into(),
    ));
    response
}

fn text(time: Option<Time>) -> String {
    time.map_or_else(String::new, |time| time.to_string())
}

/// Credentials or SSH keys.
pub(super) fn csv_of_items(name: &str, rows: &[OwnedItem], now: Time) -> Response {
    let head = [
        "id",
        "name",
        "owner",
        "state",
        "access",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_from",
        "last_used_by",
    ];
    let row = |owned: &OwnedItem| {
        let item = &owned.item;
        let last = owned.record().and_then(|record| record.last_use.as_ref());
        let (from, by) = match item {
            Item::Credential(_) => (
                last.and_then(|last| last.address)
                    .map(|one| one.to_string()),
                last.and_then(|last| last.program.clone()),
            ),
            Item::SshKey(key, _) => (key.used.as_ref().map(|used| used.host.clone()), None),
        };
        vec![
            item.id().to_string(),
            item_name(item),
            owned.owner.clone(),
            item.state(now).as_str().to_owned(),
            access(item),
            item.created_at().to_string(),
            text(item.expires_at()),
            text(item.last_used_at()),
            from.unwrap_or_default(),
            by.unwrap_or_default(),
        ]
    };
    csv(name, &head, rows.iter().map(row))
}

/// The displayed name: of a session its device.
pub(super) fn item_name(item: &Item) -> String {
    match item {
        Item::Credential(record) if record.user_agent.is_some() => {
            user_agent::device(record.user_agent.as_deref())
        }
        item => item.name().to_owned(),
    }
}

fn access(item: &Item) -> String {
    match item {
        Item::Credential(record) => record.permissions.to_string(),
        Item::SshKey(key, _) => format!("{} {}", key.key.kind().name(), key.key.fingerprint()),
    }
}

/// Users and what they hold.
pub(super) fn csv_of_users(rows: &[(User, UserCounts)]) -> Response {
    let head = [
        "username",
        "display_name",
        "role",
        "disabled",
        "groups",
        "api_keys",
        "tokens",
        "sessions",
        "ssh_keys",
        "last_active_at",
        "created_at",
    ];
    let row = |(user, counts): &(User, UserCounts)| {
        vec![
            user.username.to_string(),
            user.display_name.clone(),
            user.role.as_str().to_owned(),
            (!user.is_enabled()).to_string(),
            user.groups.join(" "),
            counts.api_keys.to_string(),
            counts.tokens.to_string(),
            counts.sessions.to_string(),
            counts.ssh_keys.to_string(),
            text(counts.last_active_at),
            user.created_at.to_string(),
        ]
    };
    csv("users", &head, rows.iter().map(row))
}

/// Texts that say nothing become empty.
pub(super) fn csv_time(time: Option<Time>) -> String {
    text(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_no_formula() {
        let values = [
            "a",
            "a,b",
            "say \"hi\"",
            "=1+1",
            "-2",
            "@x",
            "x=1",
            "é\nü",
            "",
        ];
        let values = values.map(str::to_owned);
        assert_eq!(
            line(&values),
            "a,\"a,b\",\"say \"\"hi\"\"\",\"'=1+1\",\"'-2\",\"'@x\",x=1,\"é\nü\",\r\n"
        );
    }
}
