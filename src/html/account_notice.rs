//! Notices about acts of others on the account: the banner on every page, and the list on the account page.

use maud::{Markup, html};

use super::form::{button, post};
use super::frame::Frame;
use super::when::{exact, time};
use crate::model::account_notice::AccountNotice;

/// Notices the banner shows; the account page lists more.
const BANNER_MAX: usize = 3;

/// The banner of every page until each notice is confirmed.
pub(super) fn banner(frame: &Frame) -> Markup {
    let notices = &frame.notices;
    html! {
        @if !notices.is_empty() {
            section.box.warn aria-label="Changes by others to your account" {
                @for notice in notices.iter().take(BANNER_MAX) {
                    p { b { bdi { (notice.sentence()) } } " " (exact(notice.at)) " (" (time(notice.at, frame.now)) ")" }
                    (button(frame, &path(notice), None, "Confirm"))
                }
                @if notices.len() > BANNER_MAX {
                    p { a href="/account" { "All " (notices.len()) " notices" } }
                }
                p { "Expected? Confirm it. If not: review your " a href="/ssh-keys" { "SSH keys" } " and " a href="/sessions" { "sessions" } ", change your " a href="/account" { "password" } " and ask an admin." }
            }
        }
    }
}

/// The list on the account page: confirmed notices included, with the time and the confirming credential.
pub(super) fn account_notice_list(frame: &Frame, notices: &[AccountNotice]) -> Markup {
    html! {
        @if !notices.is_empty() {
            h2 { "Changes by others to your account" }
            ul {
                @for notice in notices {
                    li {
                        bdi { (notice.sentence()) } " " (exact(notice.at)) ". "
                        @match notice.acknowledged_at {
                            Some(at) => {
                                "Confirmed " (time(at, frame.now))
                                @if let Some(by) = notice.acknowledged_by { " by " code { (by) } }
                                "."
                            }
                            None => "Not confirmed.",
                        }
                    }
                }
            }
            @if frame.notices.len() > 1 {
                (post(frame, "/account/notices/acknowledge", &html! { div.actions { button { "Confirm all" } } }))
            }
        }
    }
}

fn path(notice: &AccountNotice) -> String {
    format!("/account/notices/{}/acknowledge", notice.id)
}
