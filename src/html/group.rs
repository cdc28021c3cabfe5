//! Groups: named sets of users.

use maud::{Markup, html};

use super::form::{Field, Input, danger, hidden, post, summary};
use super::layout::{Frame, Section, heading, page};
use super::when::time;
use crate::model::group::Group;

/// The list of groups, with the form of a new one.
#[derive(Debug, Clone)]
pub struct GroupList {
    pub groups: Vec<Group>,
    pub input: Input,
}

/// One group.
#[derive(Debug, Clone)]
pub struct GroupPage {
    pub group: Group,
    /// The hosts that are limited to it or share logins with it.
    pub hosts: Vec<String>,
    pub input: Input,
}

/// `/admin/groups`. Sends `name`.
pub fn list(frame: &Frame, view: &GroupList) -> Markup {
    let content = html! {
        h1 { "Groups" }
        p.lead { "Named sets of users. Hosts may be limited to groups, and open shared logins to them." }
        (summary(&view.input))
        @if view.groups.is_empty() {
            p { "No groups yet." }
        } @else {
            table.list {
                thead { tr { th { "Name" } th { "Members" } th { "Made" } } }
                tbody {
                    @for group in &view.groups {
                        tr {
                            th.name scope="row" { a href={ "/admin/groups/" (group.name) } { (group.name) } }
                            td data-label="Members" { (group.members.len()) }
                            td data-label="Made" { (time(group.created_at, frame.now)) }
                        }
                    }
                }
            }
        }
        h2 { "Add a group" }
        (post(frame, "/admin/groups", &html! {
            (Field::text("name").required().help("1 to 32 of a-z, 0-9, _ and -, beginning with a letter.").show(&view.input))
            div.actions { button.primary { "Add group" } }
        }))
    };
    page(
        frame,
        Section::Groups,
        &view.input.title("Groups"),
        &content,
    )
}

/// `/admin/groups/NAME`. Sends `username` to `…/members/add` and `…/members/remove`.
pub fn show(frame: &Frame, view: &GroupPage) -> Markup {
    let group = &view.group;
    let path = format!("/admin/groups/{}", group.name);
    let content = html! {
        (heading(&group.name, &html! { a.button.danger href={ (path) "/delete" } { "Delete" } }))
        (summary(&view.input))
        p { "Hosts: " @if view.hosts.is_empty() { "none" } @else { (view.hosts.join(", ")) } }
        h2 { "Members" }
        @if group.members.is_empty() {
            p { "Nobody yet." }
        } @else {
            (post(frame, &format!("{path}/members/remove"), &html! {
                table.list {
                    thead { tr { th { "User" } th { "Actions" } } }
                    tbody {
                        @for member in &group.members {
                            tr {
                                th.name scope="row" { a href={ "/admin/users/" (member) } { (member) } }
                                td { button.danger name="username" value=(member) aria-label={ "Remove " (member) } { "Remove" } }
                            }
                        }
                    }
                }
            }))
        }
        h2 { "Add a member" }
        (post(frame, &format!("{path}/members/add"), &html! {
            (Field::text("username").verbatim().required().show(&view.input))
            div.actions { button.primary { "Add member" } }
        }))
    };
    page(
        frame,
        Section::Groups,
        &view.input.title(&group.name),
        &content,
    )
}

/// `/admin/groups/NAME/delete`.
pub fn delete(frame: &Frame, view: &GroupPage) -> Markup {
    let group = &view.group;
    let path = format!("/admin/groups/{}", group.name);
    let content = html! {
        h1 { "Delete " (group.name) "?" }
        (summary(&view.input))
        div.notice.warn {
            p { "Its " (group.members.len()) " members lose what it opens to them, at the next login." }
            @if !view.hosts.is_empty() { p { "These hosts name it: " (view.hosts.join(", ")) ". A host that is limited to this group must be changed first." } }
        }
        (post(frame, &format!("{path}/delete"), &html! { (hidden("name", &group.name)) (danger("Delete group", "Keep it", &path)) }))
    };
    page(
        frame,
        Section::Groups,
        &view.input.title(&format!("Delete {}", group.name)),
        &content,
    )
}
