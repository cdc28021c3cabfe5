//! Approving a command line that wants to log in (RFC 8628).

use std::net::IpAddr;

use maud::{Markup, html};

use super::form::{Field, Input, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::lifetime;
use super::permission::Presets;
use super::permission_form::choice;
use super::when::{exact, time};
use crate::model::permission::Permissions;
use crate::model::policy::Policy;
use crate::model::time::Time;
use crate::model::user_agent;

/// The confirmation of a device login.
#[derive(Debug, Clone)]
pub struct DeviceConfirmation {
    /// `BCDF-GHJK`, as the device shows it.
    pub user_code: String,
    /// The reported name of the computer.
    pub computer: String,
    pub program: String,
    /// The client address of the device.
    pub address: Option<IpAddr>,
    /// The address of this browser.
    pub here: Option<IpAddr>,
    /// The permissions that the person can give.
    pub offered: Permissions,
    /// The permissions that the device requested; `None`: no certain ones.
    pub requested: Option<Permissions>,
    pub requested_at: Time,
    /// The policy of token lifetimes.
    pub policy: Policy,
    pub input: Input,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAnswer {
    Approved,
    Denied,
}

/// `/device`: the code is typed, never taken from a link alone. Sends `code`.
pub fn enter(frame: &Frame, input: &Input) -> Markup {
    let content = html! {
        div.narrow {
            h1 { "Log in on a device" }
            p.lead { "The device shows a code of eight letters. Enter it only if you started the login." }
            (summary(input))
            (post(frame, "/device", &html! {
                (Field::text("code").autofocus().verbatim().required().autocomplete("one-time-code").help("Such as BCDF-GHJK. Case and dash do not matter.").show(input))
                div.actions { button.primary { "Continue" } a.button href="/" { "Cancel" } }
            }))
        }
    };
    page(
        frame,
        Section::None,
        &input.title("Log in on a device"),
        &content,
    )
}

/// The answer to a code: the device. Sends `code`, `expires_in`, `access` and the rows to `/device/approve`, `code` to `/device/refuse`.
pub fn confirm_device(frame: &Frame, view: &DeviceConfirmation) -> Markup {
    let elsewhere = matches!((view.address, view.here), (Some(there), Some(here)) if !same_network(there, here));
    let given = view.requested.as_ref().map(|_| &view.offered);
    let content = html! {
        div.narrow {
            h1 { "Approve a login on " bdi { (view.computer) } "?" }
            p.lead { "A computer requests to log in as " b { (frame.username) } ". Approve only if you started it." }
            (summary(&view.input))
            div.notice {
                p { b.mono { (view.user_code) } }
                p { bdi { (view.computer) } " must show the same code." }
            }
            dl.facts {
                dt { "Computer" } dd { bdi { (view.computer) } small { "as it reports" } }
                dt { "Address" } dd { @match view.address { Some(address) => (address), None => "Unknown" } }
                dt { "User agent" } dd { bdi { (user_agent::short(&view.program)) } }
                dt { "Requested" } dd { (time(view.requested_at, frame.now)) small { (exact(view.requested_at)) } }
            }
            @if elsewhere { div.notice.warn { p { b { "The request comes from another network than this browser." } " This is normal over SSH. It can also be an attack." } } }
            (post(frame, "/device/approve", &html! {
                (hidden("code", &view.user_code))
                (lifetime::for_token(&view.input, &view.policy.token, frame.now))
                (choice(&view.input, &view.offered, given, Presets::Person))
                div.actions { button.primary { "Approve" } button.danger formaction="/device/refuse" { "Deny" } }
            }))
        }
    };
    page(
        frame,
        Section::None,
        &view.input.title("Approve a login"),
        &content,
    )
}

/// Returns whether both lie in the same network of the usual size: 16 bits of IPv4, 48 of IPv6. A hint for people, not
/// a rule.
fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..2] == other.octets()[..2],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..3] == other.segments()[..3],
        _ => false,
    }
}

/// The page after an answer.
pub fn done(frame: &Frame, answer: DeviceAnswer, computer: &str) -> Markup {
    let (title, text) = match answer {
        DeviceAnswer::Approved => (
            "Approved",
            "The device is logged in within a few seconds. You can close this page; its token is in your list.",
        ),
        DeviceAnswer::Denied => (
            "Denied",
            "The device gets no token. If somebody sent you the code, inform an admin.",
        ),
    };
    let content = html! {
        h1 { (title) ": " bdi { (computer) } }
        p.lead { (text) }
        div.actions { a.button href="/tokens" { "Show tokens" } }
    };
    page(frame, Section::None, title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_from_another_network_shows_a_hint() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(same_network(
            address("10.0.3.7"),
            address("::ffff:10.0.9.9")
        ));
        assert!(!same_network(address("10.0.3.7"), address("10.1.3.7")));
        assert!(same_network(
            address("2001:db8::1"),
            address("2001:db8:0:9::1")
        ));
        assert!(!same_network(address("2001:db8::1"), address("10.0.0.1")));
    }
}
