//! Queries of lists: a search text, filters, an order and a page, with the words that stand for them in addresses.

use std::time::Duration;

use super::credential::{Kind, Record, State};
use super::notice::Notice;
use super::text::{normalize, sanitize};
use super::time::Time;

/// From when on before its expiration a token is called expiring: it never lives longer than a day.
pub const SOON_TOKEN: Duration = Duration::from_secs(3_600);
/// Rows of one page.
pub const ROWS: usize = 25;
/// Longest search text or name that is kept.
const TEXT_CHARACTERS_MAX: usize = 128;
/// Longest unknown word that is repeated to the person.
const UNKNOWN_CHARACTERS_MAX: usize = 64;

/// The lists of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    ApiKeys,
    Tokens,
    Sessions,
    SshKeys,
    Users,
    Groups,
    Services,
    Hosts,
}

/// A column that a list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Sorts what a person should act on first; only the overview is sorted so.
    Urgency,
    Name,
    Owner,
    Status,
    Expires,
    LastUsed,
    Uses,
    Created,
    Fingerprint,
    Role,
    ApiKeys,
    Tokens,
    Sessions,
    SshKeys,
    Members,
    Permissions,
    Cached,
    Version,
}

const COLUMNS: &[(Column, &str)] = &[
    (Column::Name, "name"),
    (Column::Owner, "owner"),
    (Column::Status, "status"),
    (Column::Expires, "expires"),
    (Column::LastUsed, "last-used"),
    (Column::Uses, "uses"),
    (Column::Created, "created"),
    (Column::Fingerprint, "fingerprint"),
    (Column::Role, "role"),
    (Column::ApiKeys, "api-keys"),
    (Column::Tokens, "tokens"),
    (Column::Sessions, "sessions"),
    (Column::SshKeys, "ssh-keys"),
    (Column::Members, "members"),
    (Column::Permissions, "permissions"),
    (Column::Cached, "cached"),
    (Column::Version, "version"),
];

/// The statuses that a list can be filtered by. Each list knows some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active,
    Expiring,
    Rotating,
    Disabled,
    Expired,
    Deleted,
    /// An SSH key that policy would not accept today.
    Weak,
    /// An SSH key that several users have.
    Shared,
    /// A user without a password.
    Invited,
    /// An enabled user without a second factor.
    NoSecondFactor,
    /// A host whose cache is too old to answer from, or that never had one.
    Silent,
    Paused,
}

const STATUSES: &[(Status, &str)] = &[
    (Status::Active, "active"),
    (Status::Expiring, "expiring"),
    (Status::Rotating, "rotating"),
    (Status::Disabled, "disabled"),
    (Status::Expired, "expired"),
    (Status::Deleted, "deleted"),
    (Status::Weak, "weak"),
    (Status::Shared, "shared"),
    (Status::Invited, "invited"),
    (Status::NoSecondFactor, "no-second-factor"),
    (Status::Silent, "silent"),
    (Status::Paused, "paused"),
];

/// How recently something was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// Within 30 days.
    Recently,
    /// Not for 90 days, though older than that.
    Unused,
    Never,
}

const USES: &[(Used, &str)] = &[
    (Used::Recently, "recent"),
    (Used::Unused, "unused"),
    (Used::Never, "never"),
];

/// When something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// Within 14 days.
    Soon,
    Never,
}

const EXPIRATIONS: &[(Expiration, &str)] =
    &[(Expiration::Soon, "soon"), (Expiration::Never, "never")];

fn word_of<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    let found = table.iter().find(|(one, _)| one == value);
    found.map_or("", |(_, word)| word)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    let found = table.iter().find(|(_, one)| *one == word);
    found.map(|(value, _)| *value)
}

impl Column {
    pub fn as_str(self) -> &'static str {
        word_of(COLUMNS, &self)
    }

    /// The direction of the first click: the wanted rows come first.
    pub const fn usual_direction(self) -> Direction {
        match self {
            Self::Urgency
            | Self::Name
            | Self::Owner
            | Self::Status
            | Self::Expires
            | Self::Fingerprint
            | Self::Role
            | Self::Permissions
            | Self::Version => Direction::Ascending,
            Self::LastUsed
            | Self::Uses
            | Self::Created
            | Self::ApiKeys
            | Self::Tokens
            | Self::Sessions
            | Self::SshKeys
            | Self::Members
            | Self::Cached => Direction::Descending,
        }
    }

    pub const fn usually(self) -> Order {
        Order {
            column: self,
            direction: self.usual_direction(),
        }
    }
}

impl Status {
    pub fn as_str(self) -> &'static str {
        word_of(STATUSES, &self)
    }

    /// The status of a credential, as lists show and filter it: finer than [`State`].
    pub fn from_record(record: &Record, now: Time) -> Self {
        let is_soon = match record.kind {
            Kind::ApiKey => Notice::from_expiration(record.expires_at, now).is_some(),
            Kind::Token => {
                let end = record.expires_at;
                end.is_some_and(|end| end.since(now) <= SOON_TOKEN)
            }
            Kind::Session | Kind::Host => false,
        };
        match record.state(now) {
            State::Deleted => Self::Deleted,
            State::Expired => Self::Expired,
            State::Disabled => Self::Disabled,
            State::Active if record.grace_ends_at(now).is_some() => Self::Rotating,
            State::Active if is_soon => Self::Expiring,
            State::Active => Self::Active,
        }
    }
}

impl Used {
    pub fn as_str(self) -> &'static str {
        word_of(USES, &self)
    }
}

impl Expiration {
    pub fn as_str(self) -> &'static str {
        word_of(EXPIRATIONS, &self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub const fn opposite(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// A column and a direction: `name`, `-last-used`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub column: Column,
    pub direction: Direction,
}

impl Order {
    /// The value of the parameter `sort`.
    pub fn to_parameter(self) -> String {
        let sign = match self.direction {
            Direction::Ascending => "",
            Direction::Descending => "-",
        };
        format!("{sign}{}", self.column.as_str())
    }

    fn from_parameter(value: &str) -> Option<Self> {
        let (direction, column) = match value.strip_prefix('-') {
            Some(column) => (Direction::Descending, column),
            None => (Direction::Ascending, value),
        };
        let column = value_of(COLUMNS, column)?;
        Some(Self { column, direction })
    }
}

impl List {
    /// The columns that it can be sorted by.
    pub const fn columns(self) -> &'static [Column] {
        use Column as C;
        match self {
            Self::ApiKeys | Self::Tokens => &[
                C::Name,
                C::Owner,
                C::Status,
                C::Expires,
                C::LastUsed,
                C::Uses,
                C::Created,
            ],
            Self::Sessions => &[C::Name, C::Owner, C::Expires, C::LastUsed, C::Created],
            Self::SshKeys => &[
                C::Name,
                C::Owner,
                C::Fingerprint,
                C::Status,
                C::Expires,
                C::LastUsed,
                C::Created,
            ],
            Self::Users => &[
                C::Name,
                C::Status,
                C::Role,
                C::ApiKeys,
                C::Tokens,
                C::Sessions,
                C::SshKeys,
                C::LastUsed,
                C::Created,
            ],
            Self::Groups => &[C::Name, C::Members, C::Created],
            Self::Services => &[C::Name, C::Permissions, C::ApiKeys, C::LastUsed, C::Created],
            Self::Hosts => &[
                C::Name,
                C::Status,
                C::LastUsed,
                C::Cached,
                C::Version,
                C::Created,
            ],
        }
    }

    /// The statuses that it can be filtered by.
    pub const fn statuses(self) -> &'static [Status] {
        use Status as S;
        match self {
            Self::ApiKeys => &[
                S::Active,
                S::Expiring,
                S::Rotating,
                S::Disabled,
                S::Expired,
                S::Deleted,
            ],
            Self::Tokens => &[S::Active, S::Expiring, S::Expired],
            Self::Sessions => &[S::Active, S::Expired],
            Self::SshKeys => &[S::Active, S::Expiring, S::Expired, S::Weak, S::Shared],
            Self::Users => &[S::Active, S::Invited, S::NoSecondFactor, S::Disabled],
            Self::Hosts => &[S::Active, S::Silent, S::Paused],
            Self::Groups | Self::Services => &[],
        }
    }

    /// Returns true if it has filters by use and by expiration.
    pub const fn is_used_and_expires(self) -> bool {
        matches!(
            self,
            Self::ApiKeys | Self::Tokens | Self::Sessions | Self::SshKeys
        )
    }

    /// The order without `?sort=`.
    pub const fn usual_order(self) -> Order {
        match self {
            Self::ApiKeys | Self::Tokens => Column::Expires.usually(),
            Self::Sessions | Self::SshKeys => Column::LastUsed.usually(),
            Self::Users | Self::Groups | Self::Services | Self::Hosts => Column::Name.usually(),
        }
    }

    /// The kind of credential that it lists, if it lists credentials.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::ApiKeys => Some(Kind::ApiKey),
            Self::Tokens => Some(Kind::Token),
            Self::Sessions => Some(Kind::Session),
            Self::SshKeys | Self::Users | Self::Groups | Self::Services | Self::Hosts => None,
        }
    }

    /// One of its things, in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::ApiKeys => "API key",
            Self::Tokens => "token",
            Self::Sessions => "session",
            Self::SshKeys => "SSH key",
            Self::Users => "user",
            Self::Groups => "group",
            Self::Services => "service",
            Self::Hosts => "host",
        }
    }
}

/// A query of a list: `?q=&owner=&status=&use=&expires=&sort=&page=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    pub list: List,
    /// Part of a name, or an id; empty: everything.
    pub text: String,
    /// A name; empty: everybody's.
    pub owner: String,
    pub status: Option<Status>,
    pub used: Option<Used>,
    pub expires: Option<Expiration>,
    pub order: Order,
    /// From 1; a page behind the last one stands for the last.
    pub page: usize,
    /// Words that mean nothing here, as sentences that say what was done instead.
    pub ignored: Vec<String>,
}

impl ListQuery {
    /// Everything, in the usual order.
    pub const fn new(list: List) -> Self {
        Self {
            list,
            text: String::new(),
            owner: String::new(),
            status: None,
            used: None,
            expires: None,
            order: list.usual_order(),
            page: 1,
            ignored: Vec::new(),
        }
    }

    /// Reads the parameters of an address. An unknown word is set aside in `ignored`; an unknown parameter is ignored.
    pub fn parse<'a>(list: List, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut query = Self::new(list);
        for (name, value) in pairs {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let known = match name {
                "q" => {
                    query.text = search_text(value);
                    true
                }
                "owner" => {
                    query.owner = cut(value).to_lowercase();
                    true
                }
                "status" => {
                    let status = value_of(STATUSES, value);
                    query.status = status.filter(|status| list.statuses().contains(status));
                    query.status.is_some()
                }
                "use" if list.is_used_and_expires() => {
                    query.used = value_of(USES, value);
                    query.used.is_some()
                }
                "expires" if list.is_used_and_expires() => {
                    query.expires = value_of(EXPIRATIONS, value);
                    query.expires.is_some()
                }
                "sort" => {
                    let order = Order::from_parameter(value);
                    let order = order.filter(|order| list.columns().contains(&order.column));
                    query.order = order.unwrap_or(list.usual_order());
                    order.is_some()
                }
                "page" => {
                    query.page = page_number(value);
                    true
                }
                _ => true,
            };
            if !known {
                let value = sanitize(value, UNKNOWN_CHARACTERS_MAX);
                query.ignored.push(match name {
                    "sort" => format!("Unknown column \"{value}\" to sort by."),
                    name => format!("Unknown filter \"{name}: {value}\"; it is ignored."),
                });
            }
        }
        query
    }

    /// Returns true without any filter.
    pub fn is_everything(&self) -> bool {
        self.text.is_empty()
            && self.owner.is_empty()
            && self.status.is_none()
            && self.used.is_none()
            && self.expires.is_none()
    }

    /// The parameters of the address, without the page; those that say nothing are empty.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let order = (self.order != self.list.usual_order()).then(|| self.order.to_parameter());
        vec![
            ("q", self.text.clone()),
            ("owner", self.owner.clone()),
            ("status", self.status.map_or("", Status::as_str).to_owned()),
            ("use", self.used.map_or("", Used::as_str).to_owned()),
            (
                "expires",
                self.expires.map_or("", Expiration::as_str).to_owned(),
            ),
            ("sort", order.unwrap_or_default()),
        ]
    }
}

fn cut(value: &str) -> String {
    value.chars().take(TEXT_CHARACTERS_MAX).collect()
}

/// Of a complete secret only the public id is kept, so that no address and no page repeats the secret.
fn search_text(value: &str) -> String {
    let mut parts = value.split('_');
    let (form, id) = (parts.next().unwrap_or_default(), parts.next());
    match id {
        Some(id) if form.len() == 3 && form.starts_with("kc") && id.len() == 12 => id.to_owned(),
        _ => cut(&normalize(value)),
    }
}

/// A number too large to read stands for the last page.
fn page_number(value: &str) -> usize {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().unwrap_or(usize::MAX).max(1)
    } else {
        1
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// Rows on all pages.
    pub total: usize,
    /// Number of this page, from 1.
    pub page: usize,
}

impl<T> Listed<T> {
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            rows: self.rows.into_iter().map(change).collect(),
            total: self.total,
            page: self.page,
        }
    }
}

/// Pages of `total` rows; one of none.
pub fn pages(total: usize) -> usize {
    total.div_ceil(ROWS).max(1)
}

#[cfg(test)]
mod tests;
