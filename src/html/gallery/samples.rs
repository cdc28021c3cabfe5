//! Values to show: users, credentials, events, with chosen words in every free field.

use std::time::Duration;

use crate::html::form::Input;
use crate::html::layout::{AdminPages, Flash, Frame, Outside, Theme};
use crate::html::list::ListPlace;
use crate::model::address::AllowedAddresses;
use crate::model::credential::{CredentialEnd, Grace, Kind, LastUse, OwnerId, Record, UsageDay};
use crate::model::error::FieldError;
use crate::model::event::Event;
use crate::model::list::{List, ListQuery, Listed};
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::Id;
use crate::model::time::{Day, Time};
use crate::model::user::{Disabled, Role, User, UserId, Username};

/// 2026-11-22T15:14:00Z.
pub const NOW: Time = Time::from_unix(1_795_360_440);
pub const SECRET: &str = "kca_4k2m9x0q7w1z_0123456789ABCDEFGHIJKLMNOPQRSTUV3jZRME";

/// What stands in fields that people and programs fill as they like.
pub struct Words(pub Vec<&'static str>);

impl Words {
    pub fn benign() -> Self {
        Self(vec![
            "nightly-backup",
            "ci deploy",
            "notebook",
            "grafana",
            "slurm prolog",
        ])
    }

    /// Markup, quotes, long words, right-to-left, and what ends an attribute, an element, a comment or a script.
    pub fn hostile() -> Self {
        Self(vec![
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' onmouseover='alert(1)",
            "</textarea></title></style><h1>x</h1>",
            "<!--",
            "]]>&lt;b&gt;&amp;",
            "javascript:alert(1)",
            "{{7*7}}${7*7}",
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
            "مفتاح النسخ الاحتياطي الليلي للمجموعة كلها بلا استثناء",
            "\" autofocus onfocus=\"alert(1)",
        ])
    }

    /// The `n`th word, round and round.
    pub fn at(&self, n: usize) -> String {
        self.0[n % self.0.len()].to_owned()
    }
}

/// The place of a list with `rows` rows.
pub fn place(list: List, path: &str, rows: usize) -> ListPlace {
    let query = ListQuery::new(list);
    let listed = Listed {
        rows: vec![(); rows],
        total: rows * 7,
        page: usize::from(rows > 0) + 1,
    };
    ListPlace::new(path, query, &listed)
}

/// The place of a list in which nothing matches.
pub fn no_match(words: &Words, list: List, path: &str) -> ListPlace {
    let mut place = place(list, path, 0);
    place.query = ListQuery::parse(list, [("sort", words.at(2).as_str()), ("page", "9999")]);
    place.query.text = words.at(1);
    place.query.owner = words.at(3);
    place.query.ignored = vec![format!("There is no {}.", words.at(4))];
    place.page = 1;
    place
}

pub fn id(n: usize) -> Id {
    Id::parse(&format!("{n:04}m9x0q7w1z")[..12]).expect("it has the form of an id")
}

pub fn days(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0) * 86_400)
}

pub fn user(words: &Words, role: Role) -> User {
    User {
        id: UserId(1),
        subject: "s".into(),
        username: Username::parse("alice").unwrap(),
        display_name: words.at(1),
        role,
        granted: Permissions::none(),
        granted_by_role: Permissions::parse(&["slurm:submit", "slurm:cancel"]).unwrap(),
        groups: Vec::new(),
        disabled_at: None,
        created_at: NOW.before(days(300)),
        has_password: true,
    }
}

pub fn offered() -> Permissions {
    let mut all = Role::Member.permissions();
    all.extend(&Permissions::parse(&["slurm:submit", "slurm:cancel"]).unwrap());
    all
}

pub fn frame(words: &Words) -> Frame {
    Frame {
        username: "alice".into(),
        display_name: words.at(0),
        admin: AdminPages::Shown,
        theme: Theme::System,
        form_token: "f".repeat(43),
        now: NOW,
        flash: None,
        site: "keys.lab.example".into(),
        public_url: "https://keys.lab.example".into(),
        notices: Vec::new(),
    }
}

pub fn frame_after(words: &Words, flash: Flash) -> Frame {
    Frame {
        flash: Some(flash),
        admin: AdminPages::Hidden,
        ..frame(words)
    }
}

pub fn outside() -> Outside {
    Outside {
        theme: Theme::System,
        form_token: "f".repeat(43),
        flash: None,
        site: "keys.lab.example".into(),
    }
}

/// A form come back, with `words` in it and something wrong with each of `fields`.
pub fn failed(words: &Words, fields: &[&str]) -> Input {
    let values = fields
        .iter()
        .enumerate()
        .map(|(n, field)| ((*field).to_owned(), words.at(n)))
        .collect();
    let errors = fields
        .iter()
        .enumerate()
        .map(|(n, field)| FieldError::new(field, format!("use another than {}", words.at(n))))
        .collect();
    Input { values, errors }
}

/// The `n`th API key, in one state after the other.
pub fn record(words: &Words, n: usize) -> Record {
    let back = i64::try_from(n % 40).unwrap();
    Record {
        id: id(n),
        kind: Kind::ApiKey,
        owner: OwnerId::User(UserId(1)),
        name: words.at(n),
        note: n.is_multiple_of(3).then(|| words.at(n + 1)),
        permissions: match n % 4 {
            0 => offered(),
            1 => Permissions::new(&[
                BuiltinPermission::ApiKeysRead,
                BuiltinPermission::TokensRead,
            ]),
            2 => Permissions::parse(&["slurm:submit"]).unwrap(),
            _ => Permissions::own_where(|own| {
                own.as_str().ends_with(":read") && !own.is_administrative()
            }),
        },
        allowed_addresses: if n.is_multiple_of(2) {
            AllowedAddresses::default()
        } else {
            AllowedAddresses::parse(&["10.0.0.0/8", "2001:db8::/32"]).unwrap()
        },
        created_at: NOW.before(days(back + 1)),
        created_by: Some(id(9_000)),
        created_by_name: Some(format!("token {}", words.at(n))),
        expires_at: match n % 6 {
            0 => None,
            1 => Some(NOW.after(days(3))),
            2 => Some(NOW.before(days(1))),
            _ => Some(NOW.after(days(40 + back))),
        },
        disabled: Disabled::from(n % 6 == 3),
        seen_expired: false,
        ended: None,
        rotated_at: (n % 6 == 4).then(|| NOW.before(days(1))),
        rotations: i64::from(n % 6 == 4),
        grace: (n % 6 == 4).then(|| Grace {
            ends_at: NOW.after(Duration::from_secs(3 * 3_600)),
            until_unused: None,
        }),
        last_use: (n % 5 != 1).then(|| last_use(words, n)),
        current_use: (n % 5 != 1).then(|| last_use(words, n)),
        previous_use: (n % 6 == 4).then(|| last_use(words, n + 1)),
        idle_max: None,
        signed_in_with: None,
        user_agent: None,
        address: None,
    }
}

fn last_use(words: &Words, n: usize) -> LastUse {
    let program = if n.is_multiple_of(2) {
        "curl/8.5.0".to_owned()
    } else {
        words.at(n)
    };
    LastUse {
        at: NOW.before(Duration::from_secs(200 * (n as u64 + 1))),
        address: "10.0.3.7".parse().ok(),
        program: Some(program),
    }
}

pub fn ended(words: &Words, n: usize) -> Record {
    Record {
        ended: Some(CredentialEnd {
            at: NOW.before(days(2)),
            reason: words.at(n),
        }),
        ..record(words, n)
    }
}

pub fn token(words: &Words, n: usize) -> Record {
    Record {
        kind: Kind::Token,
        expires_at: Some(NOW.after(Duration::from_secs(1_800 * (n as u64 + 1)))),
        grace: None,
        ..record(words, n)
    }
}

pub fn session(words: &Words, n: usize) -> Record {
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15".to_owned(),
        words.at(n),
    ];
    Record {
        kind: Kind::Session,
        user_agent: Some(agents[n % 3].clone()),
        address: "10.0.0.5".parse().ok(),
        expires_at: Some(NOW.after(days(6))),
        grace: None,
        ..record(words, n)
    }
}

pub fn usage(n: usize) -> Vec<UsageDay> {
    let today = NOW.day().number();
    (0..30)
        .filter(|day| n % 5 != 1 && (day + n) % 7 > 1)
        .map(|day| UsageDay {
            day: Day::from_number(today - i64::try_from(day).unwrap()),
            uses: ((day * 37 + n * 11) % 97) as u64 * 3,
            refused: u64::from(day.is_multiple_of(9)) * 4,
        })
        .collect()
}

pub fn event(n: usize) -> Event {
    event_with(&Words::benign(), n)
}

pub fn event_with(words: &Words, n: usize) -> Event {
    let actions = [
        "api-key.create",
        "session.sign-in",
        "api-key.edit",
        "user.role",
        "request",
    ];
    Event {
        number: i64::try_from(n).unwrap() + 1,
        at: NOW.before(Duration::from_secs(4_000 * n as u64)),
        action: actions[n % 5].into(),
        outcome: if n % 4 == 1 { "refused" } else { "done" }.into(),
        channel: "console".into(),
        actor: if n % 4 == 1 {
            String::new()
        } else {
            words.at(n)
        },
        actor_user: Some(UserId(1)),
        credential: Some(id(n).to_string()),
        target_kind: "api-key".into(),
        target_id: id(n).to_string(),
        target_name: words.at(n + 1),
        target_owner: Some(UserId(1)),
        address: Some("10.0.0.5".into()),
        program: Some(words.at(n + 2)),
        request_id: Some("r".repeat(16)),
        before: format!("name={}\n", words.at(n).replace('\\', "")),
        after: format!("name={}\n", words.at(n + 1).replace('\\', "")),
    }
}
