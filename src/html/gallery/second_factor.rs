//! The pages of second factors.

use super::samples::*;
use super::{Shown, shown};
use crate::html::form::Input;
use crate::html::passkey::PasskeyRequest;
use crate::html::second_factor::{
    self as pages, EnrollStep, FactorsPage, Onward, PasskeyPage, SecondStep, TotpPage,
};
use crate::html::sign_in::SavedForm;
use crate::html::user;
use crate::model::passkey::{NoRelyingParty, Passkey, Registered};
use crate::model::second_factor::SecondFactors;
use crate::model::user::{Role, UserId};

pub fn request(words: &Words) -> PasskeyRequest {
    PasskeyRequest {
        options: format!(r#"{{"rp":{{"name":"{}"}}}}"#, words.at(1)),
    }
}

fn kept(words: &Words) -> SavedForm {
    SavedForm {
        action: "/api-keys/new".into(),
        fields: vec![("name".into(), words.at(0))],
    }
}

fn totp(words: &Words, input: Input) -> TotpPage {
    TotpPage {
        nonce: "1795360440-aaaaaaaaaaaaaaaaaaaa".into(),
        base32: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
        uri: format!("otpauth://totp/{}", words.at(2)),
        input,
    }
}

pub fn pages(words: &Words) -> Vec<Shown> {
    let mut list = Vec::new();
    let (frame, out) = (frame(words), outside());
    let passkey = |n: usize| Passkey {
        id: id(n),
        user: UserId(1),
        name: words.at(n),
        registered: Registered {
            credential_id: vec![1],
            public_key: Vec::new(),
            counter: 0,
            is_backup_eligible: true,
            is_backed_up: n.is_multiple_of(2),
        },
        created_at: NOW.before(days(9)),
        last_used_at: (n > 0).then_some(NOW),
    };
    let all = SecondFactors {
        totp: true,
        passkeys: 2,
        recovery_codes_left: 9,
    };
    let mut view = FactorsPage {
        factors: SecondFactors::default(),
        passkeys: Vec::new(),
        no_passkeys: Some(NoRelyingParty::IpAddress),
        input: Input::default(),
    };
    shown(
        &mut list,
        "second-factor-none",
        pages::second_factor_page(&frame, &view),
    );
    view.factors = all;
    view.passkeys = (0..2).map(passkey).collect();
    view.no_passkeys = None;
    view.input = failed(words, &[""]);
    shown(
        &mut list,
        "second-factor",
        pages::second_factor_page(&frame, &view),
    );
    shown(
        &mut list,
        "second-factor-totp",
        pages::set_up_totp(&frame, &totp(words, failed(words, &["code"]))),
    );
    let add = PasskeyPage {
        request: request(words),
        input: failed(words, &["name", "passkey"]),
    };
    shown(
        &mut list,
        "second-factor-passkey",
        pages::add_passkey(&frame, &add),
    );
    let codes = vec!["k7m2-9xq4-ab3d-t0zw".to_owned(); 10];
    for (name, onward) in [
        ("recovery-codes", Onward::Path("/".into(), "Done")),
        ("recovery-codes-form", Onward::Form(kept(words))),
    ] {
        shown(
            &mut list,
            name,
            pages::recovery_codes(&frame, &codes, &onward),
        );
    }
    let mut step = SecondStep {
        username: "carol".into(),
        next: words.at(1),
        kept: Some(kept(words)),
        totp: true,
        passkey: Some(request(words)),
        input: failed(words, &["code"]),
    };
    shown(&mut list, "second-step", pages::second_step(&out, &step));
    step.totp = false;
    step.kept = None;
    step.input = Input::default();
    shown(
        &mut list,
        "second-step-passkey",
        pages::second_step(&out, &step),
    );
    let enroll = EnrollStep {
        next: words.at(1),
        kept: Some(kept(words)),
        totp: totp(words, failed(words, &["code"])),
        passkey: Some(request(words)),
    };
    shown(&mut list, "enroll-step", pages::enroll_step(&out, &enroll));
    shown(
        &mut list,
        "user-reset-second-factor",
        user::reset_second_factor(&frame, &samples_user(words), &all),
    );
    list
}

fn samples_user(words: &Words) -> crate::model::user::User {
    super::samples::user(words, Role::Member)
}
