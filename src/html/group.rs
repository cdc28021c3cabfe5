//! Groups: named sets of users.

use maud::{Markup, html};

use super::form::{Field, Input, danger, hidden, post, summary};
use super::layout::{Frame, Section, heading, page};
use super::list::{self, ListPlace, plain, sorted};
use super::user::pill;
use crate::model::group::Group;
use crate::model::list::Column;
use crate::model::user::User;

/// The list of groups, with the form of a new one.
#[derive(Debug, Clone)]
pub struct GroupList {
    pub at: ListPlace,
    pub groups: Vec<Group>,
    pub input: Input,
}

/// One group and a page of users: its members, or those who are not.
#[derive(Debug, Clone)]
pub struct GroupPage {
    pub group: Group,
    /// The hosts that are limited to it or share logins with it.
    pub hosts: Vec<String>,
    pub at: ListPlace,
    pub users: Vec<User>,
    pub input: Input,
}

/// The question whether to delete a group.
#[derive(Debug, Clone)]
pub struct GroupDelete {
    pub group: Group,
    pub hosts: Vec<String>,
    pub input: Input,
}

/// `/admin/groups`. Sends `name`.
pub fn group_list(frame: &Frame, view: &GroupList) -> Markup {
    let at = &view.at;
    let columns = [
        sorted(Column::Name, "Name", "name"),
        sorted(Column::Members, "Members", "num"),
        sorted(Column::Created, "Created", "low"),
    ];
    let content = html! {
        (heading("Groups", &html! { @if !at.is_empty() { a.button href=(at.csv()) { "CSV" } } }))
        p.lead { "Named sets of users. Hosts can be limited to groups and can open shared logins to them." }
        (summary(&view.input))
        @if at.is_empty() {
            p { "No groups yet." }
        } @else {
            (list::search(at, false))
            @if view.groups.is_empty() { (list::no_match(at)) } @else {
                div.rows.form {
                    table.list {
                        (list::head(at, &columns))
                        tbody {
                            @for group in &view.groups {
                                tr {
                                    th.name scope="row" { a href={ "/admin/groups/" (group.name) } { (group.name) } }
                                    td.num { (group.members.len()) }
                                    (list::created(group.created_at))
                                }
                            }
                        }
                    }
                    (list::pager(at))
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

/// `/admin/groups/NAME`. Sends `username`, or `pick` for each ticked user, to `…/members/remove`.
pub fn group_page(frame: &Frame, view: &GroupPage) -> Markup {
    let group = &view.group;
    let path = format!("/admin/groups/{}", group.name);
    let acts = html! {
        a.button.primary href={ (path) "/members/add" } { "Add members" }
        a.button.danger href={ (path) "/delete" } { "Delete" }
    };
    let content = html! {
        (heading(&group.name, &acts))
        (summary(&view.input))
        p.lead { "Hosts: " @if view.hosts.is_empty() { "none" } @else { (view.hosts.join(", ")) } }
        @if view.at.is_empty() {
            p { "No members yet." }
        } @else {
            (list::search(&view.at, false))
            @if view.users.is_empty() { (list::no_match(&view.at)) } @else {
                (users(frame, view, &format!("{path}/members/remove"), "Remove selected", true))
            }
        }
    };
    page(
        frame,
        Section::Groups,
        &view.input.title(&group.name),
        &content,
    )
}

/// `/admin/groups/NAME/members/add`. Sends `pick` for each ticked user.
pub fn add(frame: &Frame, view: &GroupPage) -> Markup {
    let path = format!("/admin/groups/{}", view.group.name);
    let title = format!("Add members to {}", view.group.name);
    let content = html! {
        (heading(&title, &html! { a.button href=(path) { "Back to the group" } }))
        (summary(&view.input))
        (list::search(&view.at, false))
        @if view.at.is_empty() {
            p { "Every user is a member." }
        } @else if view.users.is_empty() {
            (list::no_match(&view.at))
        } @else {
            (users(frame, view, &format!("{path}/members/add"), "Add selected", false))
        }
    };
    page(frame, Section::Groups, &view.input.title(&title), &content)
}

fn users(frame: &Frame, view: &GroupPage, action: &str, words: &str, is_member: bool) -> Markup {
    let columns = [
        list::PICK,
        sorted(Column::Name, "User", "name"),
        sorted(Column::Status, "Status", "state"),
        sorted(Column::Role, "Role", ""),
        plain("", ""),
    ];
    html! {
        form.rows.form method="post" action=(action) {
            (list::enter())
            (hidden("form_token", &frame.form_token))
            table.list {
                (list::head(&view.at, &columns))
                tbody {
                    @for user in &view.users {
                        @let name = user.username.as_str();
                        tr {
                            (list::pick(name, name))
                            th.name scope="row" { a href={ "/admin/users/" (name) } { (name) } small { bdi { (user.display_name) } } }
                            td.state { (pill(user)) }
                            td.when { (user.role) }
                            td.actions.keep {
                                @if is_member { button.danger name="username" value=(name) aria-label={ "Remove " (name) } { "Remove" } }
                                @else { button name="username" value=(name) aria-label={ "Add " (name) } { "Add" } }
                            }
                        }
                    }
                }
            }
            (list::pager(&view.at))
            (list::bulk(&html! { @if is_member { button.danger { (words) } } @else { button.primary { (words) } } }))
        }
    }
}

/// `/admin/groups/NAME/delete`.
pub fn delete(frame: &Frame, view: &GroupDelete) -> Markup {
    let group = &view.group;
    let path = format!("/admin/groups/{}", group.name);
    let content = html! {
        h1 { "Delete " (group.name) "?" }
        (summary(&view.input))
        div.notice.warn {
            p { "Its " (group.members.len()) " members lose the access that it grants, at the next login." }
            @if !view.hosts.is_empty() { p { "Hosts that use this group: " (view.hosts.join(", ")) ". First edit hosts that are limited to it." } }
        }
        (post(frame, &format!("{path}/delete"), &html! { (hidden("name", &group.name)) (danger("Delete group", &path)) }))
    };
    page(
        frame,
        Section::Groups,
        &view.input.title(&format!("Delete {}", group.name)),
        &content,
    )
}
