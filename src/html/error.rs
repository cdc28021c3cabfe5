//! Error pages: the failure, its reason and the next step.

use maud::{Markup, html};

use super::layout::{Visitor, either};

/// An error for a page.
#[derive(Debug, Clone)]
pub struct ProblemView {
    /// The status of the answer.
    pub status: u16,
    /// A short title.
    pub title: String,
    /// The reason, in one sentence.
    pub detail: String,
    /// The request id, for the log.
    pub request_id: String,
}

/// The page of an error.
pub fn error_page(visitor: Visitor<'_>, problem: &ProblemView) -> Markup {
    let content = html! {
        h1 { (problem.title) }
        p { (problem.detail) }
        p { (what_next(problem.status)) }
        div.actions { a.button.primary href="/" { "Go to the start page" } }
        p { small { "Status " (problem.status) " · request " code { (problem.request_id) } } }
    };
    either(visitor, &format!("Error: {}", problem.title), &content)
}

/// The remedy for a person.
const fn what_next(status: u16) -> &'static str {
    match status {
        400 | 422 => "Go back, correct what you sent, and send it again.",
        401 => "Sign in, and try again.",
        403 => "If you need this, ask an admin of this installation.",
        404 => {
            "Check the address, or look in the list: it may have been deleted, or belong to another user."
        }
        405 => "Go back and use the button on the page.",
        409 => "Go back and reload the page: something has changed.",
        413 | 414 | 431 => "Send less at once.",
        429 => "Wait a little, then try again.",
        503 | 507 => {
            "Nothing was changed. Try again soon. If it fails again, send an admin the request id."
        }
        _ => "An internal error. Send an admin the request id: the server log has the details.",
    }
}
