//! What stands around every page: head, navigation, messages, footer.

use maud::{DOCTYPE, Markup, html};

use super::account_notice::banner;
use super::assets::{icon_path, script_path, style_path};
use crate::model::account_notice::AccountNotice;
use crate::model::time::Time;

/// How pages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the person's system says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word in the cookie, in the form and in `<html data-theme>`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the word; anything else is [`Theme::System`].
    pub fn from_word(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|theme| theme.as_str() == word);
        found.unwrap_or_default()
    }
}

/// The answer to "does this person see the admins' pages", decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminPages {
    Shown,
    Hidden,
}

/// What came of the act before; stays on the page until the next one.
#[derive(Debug, Clone)]
pub enum Flash {
    Done(String),
    Failed(String),
}

/// What every page of a signed-in person needs.
#[derive(Debug, Clone)]
pub struct Frame {
    pub username: String,
    pub display_name: String,
    pub admin: AdminPages,
    pub theme: Theme,
    /// Goes into every form that changes something.
    pub form_token: String,
    /// The one "now" of the request: relative times are told from it.
    pub now: Time,
    pub flash: Option<Flash>,
    /// The name of this installation, as its public address has it: `keys.lab.example`.
    pub site: String,
    /// Without a slash at the end: `https://keys.lab.example`; for lines to paste.
    pub public_url: String,
    /// Acts of others on the person's account, shown until confirmed.
    pub notices: Vec<AccountNotice>,
}

/// What a page for somebody who is not signed in needs.
#[derive(Debug, Clone)]
pub struct Outside {
    pub theme: Theme,
    pub form_token: String,
    pub flash: Option<Flash>,
    pub site: String,
}

/// Who looks at a page that both may see.
#[derive(Debug, Clone, Copy)]
pub enum Visitor<'a> {
    SignedIn(&'a Frame),
    Outside(&'a Outside),
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    ApiKeys,
    Tokens,
    SshKeys,
    Sessions,
    Events,
    Account,
    Users,
    Groups,
    Services,
    Hosts,
    Policy,
    Inventory,
    AllEvents,
    Diagnostics,
    /// A page that no entry leads to.
    None,
}

const OWN: [(Section, &str, &str); 6] = [
    (Section::ApiKeys, "/api-keys", "API keys"),
    (Section::Tokens, "/tokens", "Tokens"),
    (Section::SshKeys, "/ssh-keys", "SSH keys"),
    (Section::Sessions, "/sessions", "Sessions"),
    (Section::Events, "/events", "Events"),
    (Section::Account, "/account", "Account"),
];

const ADMIN: [(Section, &str, &str); 8] = [
    (Section::Users, "/admin/users", "Users"),
    (Section::Groups, "/admin/groups", "Groups"),
    (Section::Services, "/admin/services", "Services"),
    (Section::Hosts, "/admin/hosts", "Hosts"),
    (Section::Policy, "/admin/policy", "Policy"),
    (Section::Inventory, "/admin/inventory", "Inventory"),
    (Section::AllEvents, "/admin/events", "All events"),
    (Section::Diagnostics, "/admin/diagnostics", "Diagnostics"),
];

/// A page for a signed-in person. `title` is what stands before `· keycroft`.
pub(super) fn page(frame: &Frame, section: Section, title: &str, content: &Markup) -> Markup {
    let body = html! {
        body {
            a.skip href="#main" { "Skip to content" }
            header {
                p { a.brand href="/api-keys" { "keycroft" } " " small { (frame.site) } }
                span { "Signed in as " a href="/account" { (frame.username) } }
                form method="post" action="/logout" {
                    input type="hidden" name="form_token" value=(frame.form_token);
                    button { "Sign out" }
                }
            }
            nav aria-label="Main" {
                (entries(&OWN, section))
                @if frame.admin == AdminPages::Shown {
                    b { "Administration" }
                    (administration(section))
                }
            }
            main #main tabindex="-1" {
                @if let Some(flash) = &frame.flash { (message(flash)) }
                (banner(frame))
                (content)
            }
            (footer())
        }
    };
    document(frame.theme, title, &body)
}

/// A page for somebody who is not signed in.
pub(super) fn outside(outside: &Outside, title: &str, content: &Markup) -> Markup {
    let body = html! {
        body.out {
            a.skip href="#main" { "Skip to content" }
            header { p { a.brand href="/login" { "keycroft" } " " small { (outside.site) } } }
            main #main tabindex="-1" {
                @if let Some(flash) = &outside.flash { (message(flash)) }
                (content)
            }
            (footer())
        }
    };
    document(outside.theme, title, &body)
}

/// A page for either.
pub(super) fn either(visitor: Visitor<'_>, title: &str, content: &Markup) -> Markup {
    match visitor {
        Visitor::SignedIn(frame) => page(frame, Section::None, title, content),
        Visitor::Outside(frame) => outside(frame, title, content),
    }
}

/// The heading of a page and the acts that belong to all of it.
pub(super) fn heading(title: &str, acts: &Markup) -> Markup {
    html! { div.head { h1 { (title) } div.act { (acts) } } }
}

fn document(theme: Theme, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) " · keycroft" }
                link rel="icon" href=(icon_path());
                link rel="stylesheet" href=(style_path());
                script src=(script_path()) defer {}
            }
            (body)
        }
    }
}

fn entries(list: &[(Section, &str, &str)], current: Section) -> Markup {
    html! {
        ul {
            @for (section, path, word) in list {
                li { a href=(path) aria-current=[(*section == current).then_some("page")] { (word) } }
            }
        }
    }
}

/// Folded on a phone, with the name of the page one is on; the stylesheet unfolds it where there is room.
fn administration(current: Section) -> Markup {
    let here = ADMIN.iter().find(|(section, ..)| *section == current);
    html! {
        details {
            summary { "Administration" @if let Some((_, _, word)) = here { ": " (word) } }
            (entries(&ADMIN, current))
        }
    }
}

fn footer() -> Markup {
    html! { footer { a href="/help" { "Help" } span { "keycroft " (env!("CARGO_PKG_VERSION")) } } }
}

fn message(flash: &Flash) -> Markup {
    match flash {
        Flash::Done(text) => html! { div.box.ok role="status" { p { (text) } } },
        Flash::Failed(text) => html! { div.box.bad role="alert" { p { (text) } } },
    }
}
