//! The signed-in user's account: name and password.

use maud::{Markup, html};

use super::account_notice;
use super::form::{Field, Input, post, summary};
use super::layout::{Frame, Section, page};
use super::passkey::{self, PasskeyRequest};
use super::second_factor::step_up_code;
use super::sign_in::new_password;
use super::when::exact;
use crate::model::account_notice::AccountNotice;
use crate::model::second_factor::SecondFactors;
use crate::model::text::NAME_CHARACTERS_MAX;
use crate::model::user::User;

/// The account page; at most one of the two inputs has content.
#[derive(Debug, Clone)]
pub struct AccountPage {
    pub user: User,
    pub factors: SecondFactors,
    /// For changing the password.
    pub passkey: Option<PasskeyRequest>,
    /// Acts of others on the account, confirmed ones included.
    pub notices: Vec<AccountNotice>,
    /// The input of the form for the display name.
    pub name_input: Input,
    /// The input of the form for the password.
    pub password_input: Input,
}

/// `/account`. Two forms: `/account/name` (`display_name`) and `/account/password` (`current`, `new`).
pub fn account_page(frame: &Frame, view: &AccountPage) -> Markup {
    let user = &view.user;
    let title = view.name_input.title("Account");
    let title = if view.password_input.errors.is_empty() {
        title
    } else {
        view.password_input.title("Account")
    };
    let name = Field::text("display_name")
        .default(&user.display_name)
        .autocomplete("name")
        .required()
        .characters_max(NAME_CHARACTERS_MAX);
    let content = html! {
        h1 { "Account" }
        (summary(&view.name_input))
        (summary(&view.password_input))
        dl.facts {
            dt { "Username" } dd { (user.username) small { "Also your login name on hosts." } }
            dt { "Role" } dd { (user.role) }
            dt { "Since" } dd { (exact(user.created_at)) }
        }
        (account_notice::account_notice_list(frame, &view.notices))
        h2 { "Name" }
        (post(frame, "/account/name", &html! { (name.show(&view.name_input)) div.actions { button { "Save name" } } }))
        h2 { "Password" }
        p.lead { "Changing it signs you out everywhere else." }
        (post(frame, "/account/password", &html! {
            // Password managers need the username.
            input type="text" name="username" value=(user.username) autocomplete="username" readonly hidden;
            (Field::password("current", "current-password").show(&view.password_input))
            (new_password("new", &view.password_input))
            (step_up_code(&view.factors, &view.password_input))
            div.actions {
                button { "Change password" }
                @if let Some(request) = &view.passkey { (passkey::button(request, "passkey", "Change password with a passkey", &view.password_input)) }
            }
        }))
        h2 { "Second factor" }
        p { @if view.factors.any() { "A second factor is set up. A new password does not change it. If somebody else may have used your account, review your passkeys." } @else { "No second factor: the password alone gives access to this account." } }
        div.actions { a.button href="/account/second-factor" { "Manage second factors" } }
        h2 { "Notices" }
        p.lead { "Before an API key or SSH key expires, and when your account changes." }
        div.actions { a.button href="/account/notices" { "Manage notices" } }
    };
    page(frame, Section::Account, &title, &content)
}
