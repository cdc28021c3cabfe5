//! Approving a command line that wants to log in (RFC 8628).

use std::net::IpAddr;

use maud::{Markup, html};

use super::form::{Field, Input, hidden, post, summary};
use super::layout::{Frame, Section, page};
use super::lifetime;
use super::permission::full;
use super::when::{exact, time};
use crate::model::permission::Permissions;
use crate::model::policy::Policy;
use crate::model::time::Time;
use crate::model::user_agent;

/// The confirmation of a device login.
#[derive(Debug, Clone)]
pub struct DeviceAsk {
    /// `BCDF-GHJK`, as the device shows it.
    pub user_code: String,
    /// The reported name of the computer.
    pub computer: String,
    pub program: String,
    /// The client address of the device.
    pub address: Option<IpAddr>,
    /// The address of this browser.
    pub here: Option<IpAddr>,
    /// The most permissions of the token; `None`: all permissions of the user.
    pub access: Option<Permissions>,
    pub asked_at: Time,
    /// The policy of token lifetimes.
    pub policy: Policy,
    pub input: Input,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAnswer {
    Approved,
    Refused,
}

/// `/device`: the code is typed, never taken from a link alone. Sends `code`.
pub fn enter(frame: &Frame, input: &Input) -> Markup {
    let content = html! {
        h1 { "Log in on a device" }
        p.lead { "The device shows a code of eight letters. Type it here only if you started this yourself." }
        (summary(input))
        (post(frame, "/device", &html! {
            (Field::text("code").verbatim().required().autocomplete("one-time-code").help("Like BCDF-GHJK; small letters and no dash are fine.").show(input))
            div.actions { button.primary { "Go on" } a.button href="/" { "Cancel" } }
        }))
    };
    page(
        frame,
        Section::None,
        &input.title("Log in on a device"),
        &content,
    )
}

/// The answer to a code: the device. Sends `code` and `expires_in` to `/device/approve`, `code` to `/device/refuse`.
pub fn ask(frame: &Frame, view: &DeviceAsk) -> Markup {
    let elsewhere = matches!((view.address, view.here), (Some(there), Some(here)) if !same_network(there, here));
    let content = html! {
        h1 { bdi { (view.computer) } " asks to sign in as you" }
        (summary(&view.input))
        p { "Approve only if the device shows this code, and if you started it:" }
        pre { (view.user_code) }
        dl.facts {
            dt { "Computer" } dd { bdi { (view.computer) } small { "as it calls itself" } }
            dt { "Address" } dd { @match view.address { Some(address) => (address), None => "unknown" } }
            dt { "Program" } dd { bdi { (user_agent::short(&view.program)) } }
            dt { "Access" } dd { @match &view.access { Some(access) => (full(access)), None => "Everything you may do" } }
            dt { "Asked" } dd { (time(view.asked_at, frame.now)) " (" (exact(view.asked_at)) ")" }
        }
        @if elsewhere { div.notice.warn { p { b { "It asks from another network than this browser." } " This is usual over SSH to a host elsewhere, and also how thieves ask." } } }
        (post(frame, "/device/approve", &html! {
            (hidden("code", &view.user_code))
            (lifetime::for_token(&view.input, &view.policy.token, frame.now))
            div.actions { button.primary { "Approve" } button.danger formaction="/device/refuse" { "This was not me" } }
        }))
    };
    page(
        frame,
        Section::None,
        &view.input.title("Log in on a device"),
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
        DeviceAnswer::Refused => (
            "Refused",
            "The device gets nothing. If somebody sent you the code, tell an admin.",
        ),
    };
    let content = html! {
        h1 { (title) ": " bdi { (computer) } }
        p.lead { (text) }
        div.actions { a.button href="/tokens" { "Go to the tokens" } }
    };
    page(frame, Section::None, title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_apart_as_a_hint() {
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
