//! The frame of every page: head, navigation, messages, footer.

use maud::{DOCTYPE, Markup, html};

use super::account_notice::banner;
use super::assets::{icon_path, script_path, style_path};
pub use super::frame::{AdminPages, Flash, Frame, Outside, Theme};

/// The viewer of a page for both.
#[derive(Debug, Clone, Copy)]
pub enum Visitor<'a> {
    SignedIn(&'a Frame),
    Outside(&'a Outside),
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Keys,
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
    Notices,
    Diagnostics,
    /// A page without an entry in the navigation.
    None,
}

const OWN: [(Section, &str, &str); 7] = [
    (Section::Keys, "/", "Keys"),
    (Section::ApiKeys, "/api-keys", "API keys"),
    (Section::Tokens, "/tokens", "Tokens"),
    (Section::SshKeys, "/ssh-keys", "SSH keys"),
    (Section::Sessions, "/sessions", "Sessions"),
    (Section::Events, "/events", "Events"),
    (Section::Account, "/account", "Account"),
];

const ADMIN: [(Section, &str, &str); 9] = [
    (Section::Users, "/admin/users", "Users"),
    (Section::Groups, "/admin/groups", "Groups"),
    (Section::Services, "/admin/services", "Services"),
    (Section::Hosts, "/admin/hosts", "Hosts"),
    (Section::Policy, "/admin/policy", "Policy"),
    (Section::Inventory, "/admin/inventory", "Inventory"),
    (Section::AllEvents, "/admin/events", "All events"),
    (Section::Notices, "/admin/notices", "Notices"),
    (Section::Diagnostics, "/admin/diagnostics", "Diagnostics"),
];

/// A page for a signed-in user. `title` stands before `· Keycroft`.
pub(super) fn page(frame: &Frame, section: Section, title: &str, content: &Markup) -> Markup {
    let body = html! {
        body {
            header {
                (skip_link())
                (brand("/"))
                span.muted.wide { (frame.site) }
                a.end href="/account" { (frame.username) }
                form #sign-out method="post" action="/logout" {
                    input type="hidden" name="form_token" value=(frame.form_token);
                    button.wide { "Sign out" }
                }
                button.phone popovertarget="menu" { "Menu" }
            }
            nav #menu popover aria-label="Main" {
                (entries(&OWN, section))
                @if frame.admin == AdminPages::Shown {
                    p { "Administration" }
                    (entries(&ADMIN, section))
                }
                button.phone form="sign-out" { "Sign out" }
            }
            main #main tabindex="-1" {
                @if let Some(flash) = &frame.flash { (message(flash)) }
                (banner(frame))
                (content)
            }
            (footer(Some(frame)))
        }
    };
    document(frame.theme, title, &body)
}

/// A page for a visitor who is not signed in: a form in the middle.
pub(super) fn outside(outside: &Outside, title: &str, content: &Markup) -> Markup {
    without_menu(outside, "plain", title, content)
}

/// A page without a menu; `class` sets the width of its content.
fn without_menu(outside: &Outside, class: &str, title: &str, content: &Markup) -> Markup {
    let body = html! {
        body class=(class) {
            header { (skip_link()) (brand("/login")) span.muted.wide { (outside.site) } }
            main #main tabindex="-1" {
                @if let Some(flash) = &outside.flash { (message(flash)) }
                (content)
            }
            (footer(None))
        }
    };
    document(outside.theme, title, &body)
}

/// A page for either.
pub(super) fn either(visitor: Visitor<'_>, title: &str, content: &Markup) -> Markup {
    match visitor {
        Visitor::SignedIn(frame) => page(frame, Section::None, title, content),
        Visitor::Outside(frame) => without_menu(frame, "solo", title, content),
    }
}

/// The heading of a page and its buttons.
pub(super) fn heading(title: &str, acts: &Markup) -> Markup {
    html! { div.head { h1 { (title) } div.actions { (acts) } } }
}

fn document(theme: Theme, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content=(theme.color_scheme());
                title { (title) " · Keycroft" }
                link rel="icon" href=(icon_path());
                link rel="stylesheet" href=(style_path());
                script src=(script_path()) defer {}
            }
            (body)
        }
    }
}

fn skip_link() -> Markup {
    html! { a.skip href="#main" { "Skip to content" } }
}

/// The mark, which is also the icon, and the name.
fn brand(href: &str) -> Markup {
    html! {
        a.brand href=(href) {
            svg.mark viewBox="0 0 16 16" aria-hidden="true" {
                path fill-rule="evenodd" d="M8.6.8a1 1 0 0 0-1.2 0L1.4 5.4A1 1 0 0 0 1 6.2V14a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1V6.2a1 1 0 0 0-.4-.8zM8 5.5a2 2 0 0 1 1 3.7l.7 3.3H6.3L7 9.2a2 2 0 0 1 1-3.7z" {}
            }
            "Keycroft"
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

/// The links that every page has, and for a signed-in person the choice of the theme.
fn footer(frame: Option<&Frame>) -> Markup {
    html! {
        footer {
            a href="/help" { "Help" }
            a href="/api" { "API" }
            span.wide { "Keycroft " (env!("CARGO_PKG_VERSION")) }
            span #zone { "Times in UTC" }
            @if let Some(frame) = frame {
                form.group.end method="post" action="/account/theme" aria-label="Theme" {
                    input type="hidden" name="form_token" value=(frame.form_token);
                    @for theme in Theme::ALL {
                        button name="theme" value=(theme.as_str()) aria-pressed=(theme == frame.theme) { (theme.label()) }
                    }
                }
            }
        }
    }
}

/// The result of the previous act, focused so that it is read first.
fn message(flash: &Flash) -> Markup {
    match flash {
        Flash::Done(text) => html! { p.notice.ok role="status" tabindex="-1" autofocus { (text) } },
        Flash::Failed(text) => {
            html! { p.notice.bad role="alert" tabindex="-1" autofocus { (text) } }
        }
    }
}
