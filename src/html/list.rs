//! The parts of all lists: search and filters, sorted columns, pages, bulk actions, and the cells that many of them have.

use maud::{Markup, html};

use super::form::hidden;
use super::layout::Frame;
use super::table::address;
use super::when::{day, minute, relative};
use crate::model::credential::LastUse;
use crate::model::list::{
    Column, Direction, Expiration, List, ListQuery, Listed, Order, ROWS, Status, Used, pages,
};
use crate::model::time::Time;
use crate::model::user_agent;

/// `3`, or `100+`: things that are counted up to `limit`.
pub fn limited_count(count: usize, limit: usize) -> String {
    if count < limit {
        count.to_string()
    } else {
        format!("{limit}+")
    }
}

/// The address of a list, its query and its size.
#[derive(Debug, Clone)]
pub struct ListPlace {
    pub path: String,
    /// Parameters of the address outside the query, such as the kind of an inventory.
    pub fixed: Vec<(&'static str, String)>,
    pub query: ListQuery,
    /// Rows on all pages.
    pub total: usize,
    /// Number of this page, from 1.
    pub page: usize,
}

/// A column of a list.
pub(super) struct Head {
    column: Option<Column>,
    words: &'static str,
    class: &'static str,
}

impl ListPlace {
    /// The place of `listed` at `path`.
    pub fn new<T>(path: impl Into<String>, query: ListQuery, listed: &Listed<T>) -> Self {
        Self {
            path: path.into(),
            fixed: Vec::new(),
            query,
            total: listed.total,
            page: listed.page,
        }
    }

    /// True if there is nothing to list, with any filter.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0 && self.query.is_everything()
    }

    /// The address with other parameters in place of those of the same name.
    fn with(&self, changes: &[(&str, &str)]) -> String {
        let own = self.query.pairs();
        let own = own.iter().chain(&self.fixed);
        let own = own.map(|(name, value)| (*name, value.as_str()));
        let kept = own.filter(|(name, _)| !changes.iter().any(|(other, _)| other == name));
        let pairs: Vec<(&str, &str)> = kept.chain(changes.iter().copied()).collect();
        address(&self.path, &pairs)
    }

    /// The list without a filter.
    pub(super) fn everything(&self) -> String {
        let fixed = self.fixed.iter();
        let fixed: Vec<(&str, &str)> = fixed.map(|(name, value)| (*name, value.as_str())).collect();
        address(&self.path, &fixed)
    }

    /// The same search of another list at this path: statuses and uses differ from list to list.
    pub(super) fn of_list(&self, fixed: (&str, &str)) -> String {
        let (text, owner) = (self.query.text.as_str(), self.query.owner.as_str());
        address(&self.path, &[fixed, ("q", text), ("owner", owner)])
    }

    /// The list with one status.
    pub(super) fn with_status(&self, status: Status) -> String {
        self.with(&[("status", status.as_str())])
    }

    /// The query as in the address, from `?` on; empty without one.
    fn query_string(&self) -> String {
        let pairs = self.query.pairs();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        address("", &pairs)
    }

    /// A filter selects all rows that match it. Own sessions have "Sign out everywhere else".
    fn has_all_button(&self) -> bool {
        let is_own_sessions = self.path == "/sessions";
        let is_deleted = self.query.status == Some(Status::Deleted);
        self.total > 0 && !self.query.is_everything() && !is_deleted && !is_own_sessions
    }

    /// The same rows, all of them, as CSV.
    pub(super) fn csv(&self) -> String {
        self.with(&[("format", "csv")])
    }
}

/// A column that can be sorted by.
pub(super) const fn sorted(column: Column, words: &'static str, class: &'static str) -> Head {
    Head {
        column: Some(column),
        words,
        class,
    }
}

/// A column that can't.
pub(super) const fn plain(words: &'static str, class: &'static str) -> Head {
    Head {
        column: None,
        words,
        class,
    }
}

/// The column of the boxes that pick rows. A cell to the left of a row's name has no other header.
pub(super) const PICK: Head = plain("", "pick");

pub(super) const fn status_label(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::Expiring => "Expiring",
        Status::Rotating => "Rotating",
        Status::Disabled => "Disabled",
        Status::Expired => "Expired",
        Status::Deleted => "Deleted",
        Status::Weak => "Weak",
        Status::Shared => "Shared",
        Status::Invited => "Invited",
        Status::NoSecondFactor => "Without second factor",
        Status::Silent => "Silent",
        Status::Paused => "Paused",
    }
}

/// A workstation records no use of an SSH key, so a list of these can't say that one was never used.
const fn used_label(list: List, used: Used) -> &'static str {
    match (list, used) {
        (_, Used::Recently) => "Used in 30 days",
        (List::SshKeys, Used::Unused) => "No recorded use for 90 days",
        (List::SshKeys, Used::Never) => "No recorded use",
        (_, Used::Unused) => "Unused for 90 days",
        (_, Used::Never) => "Never used",
    }
}

const fn expiration_label(expiration: Expiration) -> &'static str {
    match expiration {
        Expiration::Soon => "Expires in 14 days",
        Expiration::Never => "No expiration",
    }
}

/// The name of a column in "Sort by …".
const fn column_label(column: Column) -> &'static str {
    match column {
        Column::Urgency => "urgency",
        Column::Name => "name",
        Column::Owner => "owner",
        Column::Status => "status",
        Column::Expires => "expiration",
        Column::LastUsed => "last use",
        Column::Uses => "uses",
        Column::Created => "creation",
        Column::Fingerprint => "fingerprint",
        Column::Role => "role",
        Column::ApiKeys => "API keys",
        Column::Tokens => "tokens",
        Column::Sessions => "sessions",
        Column::SshKeys => "SSH keys",
        Column::Members => "members",
        Column::Permissions => "permissions",
        Column::Cached => "cache",
        Column::Version => "version",
    }
}

fn select(name: &str, label: &str, any: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        select name=(name) aria-label=(label) {
            option value="" { (any) }
            @for (word, words) in options { option value=(word) selected[*word == chosen] { (words) } }
        }
    }
}

/// The search box and the filters; an owner's field where a list has several owners.
pub(super) fn search(at: &ListPlace, has_owners: bool) -> Markup {
    let query = &at.query;
    let noun = query.list.noun();
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    // Who shares a key with somebody is the admins' to know.
    let statuses = query.list.statuses().iter();
    let statuses: Vec<_> = statuses
        .filter(|status| has_owners || **status != Status::Shared)
        .map(|one| (one.as_str(), status_label(*one)))
        .collect();
    let uses = [Used::Recently, Used::Unused, Used::Never];
    let uses = uses.map(|one| (one.as_str(), used_label(query.list, one)));
    let expirations = [Expiration::Soon, Expiration::Never];
    let expirations = expirations.map(|one| (one.as_str(), expiration_label(one)));
    let status = query.status.map_or("", Status::as_str);
    html! {
        form.bar role="search" action=(at.path) {
            @for (name, value) in &at.fixed { (hidden(name, value)) }
            input type="search" name="q" value=[given(&query.text)] aria-label="Search" placeholder={ "Search " (noun) "s" };
            @if has_owners { input name="owner" value=[given(&query.owner)] aria-label="Owner" placeholder="Owner" autocapitalize="none" spellcheck="false"; }
            @if !statuses.is_empty() { (select("status", "Status", "Any status", status, &statuses)) }
            @if query.list.is_used_and_expires() {
                (select("expires", "Expiration", "Any expiration", query.expires.map_or("", Expiration::as_str), &expirations))
                (select("use", "Use", "Any use", query.used.map_or("", Used::as_str), &uses))
            }
            (order(query, has_owners))
            button { "Filter" }
            @if !query.is_everything() { a.button href=(at.everything()) { "Clear" } }
        }
        @for sentence in &query.ignored { p.notice.warn role="status" { bdi { (sentence) } } }
    }
}

/// The order as a select: the head of the table is hidden on a phone. Elsewhere it only carries the order along.
fn order(query: &ListQuery, has_owners: bool) -> Markup {
    let columns = query.list.columns().iter();
    let columns = columns.filter(|column| has_owners || **column != Column::Owner);
    html! {
        select.phone name="sort" aria-label="Sort by" {
            @for column in columns {
                @let here = query.order.column == *column;
                @let order = if here { query.order } else { column.usually() };
                option value=(order.to_parameter()) selected[here] { "Sort by " (column_label(*column)) @if here && order != column.usually() { ", reversed" } }
            }
        }
    }
}

/// The head of the table. A click sorts by a column, a second one the other way.
pub(super) fn head(at: &ListPlace, columns: &[Head]) -> Markup {
    let order = at.query.order;
    let link = |column: Column| {
        let next = if order.column == column {
            Order {
                column,
                direction: order.direction.opposite(),
            }
        } else {
            column.usually()
        };
        let is_usual = next == at.query.list.usual_order();
        let sort = if is_usual {
            String::new()
        } else {
            next.to_parameter()
        };
        at.with(&[("sort", &sort)])
    };
    let (state, arrow) = match order.direction {
        Direction::Ascending => ("ascending", "↑"),
        Direction::Descending => ("descending", "↓"),
    };
    let class = |head: &Head| Some(head.class).filter(|class| !class.is_empty());
    html! {
        thead {
            tr {
                @for head in columns {
                    @if let Some(column) = head.column {
                        @let here = order.column == column;
                        th class=[class(head)] aria-sort=[here.then_some(state)] {
                            a href=(link(column)) { (head.words) @if here { " " span aria-hidden="true" { (arrow) } } }
                        }
                    } @else if head.class == PICK.class {
                        th.pick aria-label="Select" {}
                    } @else if head.words.is_empty() {
                        td class=[class(head)] {}
                    } @else {
                        th class=[class(head)] { (head.words) }
                    }
                }
            }
        }
    }
}

/// `26–50 of 131 API keys`, and the links to the pages beside this one.
pub(super) fn pager(at: &ListPlace) -> Markup {
    let (noun, last) = (at.query.list.noun(), pages(at.total));
    let first = (at.page - 1) * ROWS + 1;
    let end = (first + ROWS - 1).min(at.total);
    let number = |page: usize| at.with(&[("page", &page.to_string())]);
    html! {
        p.actions role="navigation" aria-label="Pages" {
            span.muted {
                @if last > 1 { (first) "–" (end) " of " }
                (at.total) " " (noun) @if at.total != 1 { "s" }
            }
            @if at.page > 1 { a.button rel="prev" href=(number(at.page - 1)) { "Previous" } }
            @if at.page < last { a.button rel="next" href=(number(at.page + 1)) { "Next" } }
        }
    }
}

/// The sentence in place of the rows when nothing matches.
pub(super) fn no_match(at: &ListPlace) -> Markup {
    let query = &at.query;
    let has_deleted = query.list.statuses().contains(&Status::Deleted);
    let is_deleted_next = has_deleted && !query.text.is_empty() && query.status.is_none();
    html! {
        p {
            "Nothing matches. " a href=(at.everything()) { "Clear the filter" }
            @if is_deleted_next { " or " a href=(at.with_status(Status::Deleted)) { "search deleted " (query.list.noun()) "s" } }
        }
    }
}

/// The box that picks a row.
pub(super) fn pick(id: &str, name: &str) -> Markup {
    html! { td.pick { input type="checkbox" name="pick" value=(id) aria-label={ "Select " (name) }; } }
}

/// The word for deleting things of a list.
pub(super) const fn deletion_verb(list: List) -> &'static str {
    match list {
        List::Sessions => "Sign out",
        _ => "Delete",
    }
}

/// Rows that can be picked, and the buttons that delete them. The form sends `pick` for each picked row, or `all`, to
/// `/delete` below the list, with the list's query in `query`.
pub(super) fn picked_form(
    frame: &Frame,
    at: &ListPlace,
    columns: &[Head],
    rows: &Markup,
) -> Markup {
    let verb = deletion_verb(at.query.list);
    html! {
        form.rows.form method="post" action={ (at.path) "/delete" } {
            (enter())
            (hidden("form_token", &frame.form_token))
            @for (name, value) in &at.fixed { (hidden(name, value)) }
            (hidden("query", &at.query_string()))
            table.list {
                (head(at, columns))
                tbody { (rows) }
            }
            (pager(at))
            (bulk(&html! { button.danger { (verb) " selected" } }))
            @if at.has_all_button() { p.actions { button name="all" value="yes" { (verb) " all matching" } } }
        }
    }
}

/// Enter presses the first button of a form: this one, which means the picked rows, and not the one in the first row.
pub(super) fn enter() -> Markup {
    html! { input type="submit" hidden; }
}

/// The bar below the rows, shown with the first picked row.
pub(super) fn bulk(buttons: &Markup) -> Markup {
    html! { p.dock.bulk.actions { (buttons) } }
}

/// When something expires.
pub(super) fn expires(at: Option<Time>, now: Time) -> Markup {
    match at {
        None => html! { td.when.muted { "No expiration" } },
        Some(at) => html! {
            td.when data-label=(if at > now { "Expires" } else { "Expired" }) { time datetime=(stamp(at)) { (relative(at, now)) } small { (minute(at)) } }
        },
    }
}

/// When something was last used, from where and by what.
pub(super) fn last_used(last: Option<&LastUse>, now: Time) -> Markup {
    match last {
        None => html! { td.when.from.muted { "Never used" } },
        Some(last) => html! {
            td.when.from data-label="Used" { (relative(last.at, now)) (from(last)) }
        },
    }
}

/// A time to the minute, as HTML reads it: short, since lists have many.
fn stamp(at: Time) -> String {
    let text = at.to_string();
    text.get(..16)
        .map_or(text.clone(), |minute| format!("{minute}Z"))
}

/// `10.0.3.7 · curl/8.5`.
fn from(last: &LastUse) -> Markup {
    let address = last.address.map(|address| address.to_string());
    let program = last.program.as_deref().map(user_agent::short);
    let parts: Vec<String> = [address, program].into_iter().flatten().collect();
    html! { @if !parts.is_empty() { small { (parts.join(" · ")) } } }
}

/// A time, possibly in the future, in relative words.
pub(super) fn when(at: Option<Time>, never: &str, now: Time) -> Markup {
    html! {
        @match at { Some(at) => time datetime=(at) { (relative(at, now)) }, None => (never) }
    }
}

/// The day of the creation.
pub(super) fn created(at: Time) -> Markup {
    html! { td.low { (day(at)) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::list::List;

    fn place(pairs: &[(&str, &str)], total: usize) -> ListPlace {
        let query = ListQuery::parse(List::ApiKeys, pairs.iter().copied());
        let listed = Listed::<()> {
            rows: Vec::new(),
            total,
            page: query.page,
        };
        ListPlace::new("/api-keys", query, &listed)
    }

    #[test]
    fn second_click_on_a_column_reverses_the_order() {
        let columns = [
            sorted(Column::Name, "Name", "name"),
            sorted(Column::Uses, "Uses", ""),
        ];
        let first = head(&place(&[("q", "a b")], 1), &columns).into_string();
        assert!(first.contains("href=\"/api-keys?q=a%20b&amp;sort=name\""));
        assert!(first.contains("href=\"/api-keys?q=a%20b&amp;sort=-uses\""));
        assert!(!first.contains("aria-sort"), "{first}");
        let second = head(&place(&[("sort", "name")], 1), &columns).into_string();
        assert!(second.contains("aria-sort=\"ascending\"><a href=\"/api-keys?sort=-name\">"));
        assert!(second.contains("Name <span aria-hidden=\"true\">↑</span>"));
    }

    #[test]
    fn pages_keep_filter_and_order() {
        let at = place(
            &[("status", "expired"), ("sort", "-name"), ("page", "2")],
            131,
        );
        let markup = pager(&at).into_string();
        assert!(markup.contains("26–50 of 131 API keys"), "{markup}");
        for page in [1, 3] {
            let link = format!("/api-keys?status=expired&amp;sort=-name&amp;page={page}\"");
            assert!(markup.contains(&link), "{markup}");
        }
        let one = pager(&place(&[], 1)).into_string();
        assert!(one.contains("1 API key<") && !one.contains("href"), "{one}");
    }
}
