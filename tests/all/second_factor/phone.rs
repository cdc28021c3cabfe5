//! An authenticator app, and the steps that tests take again and again.

use keycroft::clock::Clock;
use keycroft::model::time::Time;
use ring::hmac;

use crate::console::browser::{Browser, Page};
use crate::console::markup;
use crate::console::site::{ALICE, BOB, Site};

/// An authenticator app, written apart from the program (RFC 6238).
#[derive(Clone)]
pub struct Phone {
    seed: Vec<u8>,
    clock: Clock,
}

impl Phone {
    /// Takes the seed that a page shows.
    #[track_caller]
    pub fn scan(page: &Page, clock: &Clock) -> Self {
        let seed = markup::elements(&page.text())
            .into_iter()
            .find(|element| element.attribute("id") == Some("seed"))
            .unwrap_or_else(|| panic!("no seed on {}: {}", page.url, page.text()))
            .text
            .replace(' ', "");
        Self::of_seed(&seed, clock)
    }

    pub fn of_seed(seed: &str, clock: &Clock) -> Self {
        Self {
            seed: data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).unwrap(),
            clock: clock.clone(),
        }
    }

    /// The code that a phone shows whose clock is ahead by so many seconds.
    pub fn code_at(&self, ahead: i64) -> String {
        let step = (self.clock.now().unix() + ahead).div_euclid(30);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.seed);
        let mac = hmac::sign(&key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let at = usize::from(mac[19] & 15);
        let word = mac[at..at + 4]
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }

    pub fn code(&self) -> String {
        self.code_at(0)
    }

    /// A code that is wrong at this time.
    pub fn wrong(&self) -> String {
        let near: Vec<String> = [-30, 0, 30].iter().map(|off| self.code_at(*off)).collect();
        (0..1_000_000)
            .map(|n| format!("{n:06}"))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}

/// The recovery codes that a page shows.
#[track_caller]
pub fn recovery_codes(page: &Page) -> Vec<String> {
    let found = markup::elements(&page.text())
        .into_iter()
        .find(|element| element.attribute("id") == Some("codes"))
        .unwrap_or_else(|| panic!("no codes on {}: {}", page.url, page.text()));
    let codes: Vec<String> = found.text.split_whitespace().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10);
    codes
}

/// Presses a button of a page.
#[track_caller]
pub fn press(browser: &mut Browser<'_>, page: &str, action: &str) -> Page {
    let form = browser.open(page).form(action);
    browser.submit(&form)
}

pub const HERE: &str = "/account/second-factor";

/// Sets up an authenticator app for who is signed in, and moves on to the next code. Returns phone and recovery codes.
#[track_caller]
pub fn enroll(site: &Site, browser: &mut Browser<'_>) -> (Phone, Vec<String>) {
    let page = press(browser, HERE, "/account/second-factor/totp/new").expect(200);
    let phone = Phone::scan(&page, &site.clock);
    let form = page.form("/account/second-factor/totp");
    let page = browser.submit(&form.set("code", &phone.code())).expect(200);
    let codes = recovery_codes(&page);
    site.pass(30);
    (phone, codes)
}

/// The first step of a sign-in with a second factor: it leads to the second step, without a session.
#[track_caller]
pub fn first_step(browser: &mut Browser<'_>, name: &str) -> Page {
    let page = browser.sign_in(name, password(name)).expect(303);
    let next = page.header("Location").unwrap().to_owned();
    assert!(page.cookie("keycroft-session").is_none());
    assert!(next.starts_with("/login/"), "{next}");
    assert!(!browser.is_signed_in());
    browser.open(&next)
}

#[track_caller]
pub fn send_code(browser: &mut Browser<'_>, step: &Page, code: &str) -> Page {
    browser.submit(&step.form("/login/code").set("code", code))
}

pub fn password(name: &str) -> &'static str {
    if name == "alice" { ALICE } else { BOB }
}

/// A browser in which `name` signed in with the phone's present code.
#[track_caller]
pub fn signed_in_with<'a>(site: &'a Site, name: &str, phone: &Phone) -> Browser<'a> {
    let mut browser = site.browser();
    let step = first_step(&mut browser, name);
    send_code(&mut browser, &step, &phone.code()).expect(303);
    assert!(browser.is_signed_in());
    browser
}

/// Writes the policy's rule on second factors.
pub fn require(site: &Site, rule: &str, from: Option<Time>) {
    let from = from.map_or(serde_json::Value::Null, |at| at.to_string().into());
    let body = serde_json::json!({"second_factor": rule, "second_factor_from": from});
    crate::fixture::Asking::new(&site.server_state, "PATCH", "/api/v1/policy")
        .by_operator()
        .json(&body)
        .send()
        .expect(200);
}
