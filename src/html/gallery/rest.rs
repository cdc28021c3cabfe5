//! SSH keys, devices, diagnostics, errors and help.

use std::time::Duration;

use super::samples::*;
use super::{Shown, shown};
use crate::html::device::{self, DeviceAnswer, DeviceAsk};
use crate::html::diagnostics::{self, Fact, FactGroup};
use crate::html::error::{self, Problem};
use crate::html::form::Input;
use crate::html::help;
use crate::html::layout::Visitor;
use crate::html::overview::{self, Overview, Part};
use crate::html::reference::{Field, Operation, Reference, Subject, reference_page};
use crate::html::ssh_key::{self, HostUse, SshKeyEdit, SshKeyFacts, SshKeyNew, SshKeyPage};
use crate::html::ssh_key_list::{self, SshKeyList, SshKeyRow};
use crate::model::address::AllowedAddresses;
use crate::model::credential::Record;
use crate::model::host::HostLogin;
use crate::model::inventory::{Attention, Weakness};
use crate::model::list::List;
use crate::model::policy::Policy;
use crate::model::ssh_key::{Destination, ForcedCommand, KeyOptions};
use crate::model::time::Lifetime;

pub fn pages(words: &Words) -> Vec<Shown> {
    let mut list = Vec::new();
    overviews(words, &mut list);
    ssh_keys(words, &mut list);
    devices(words, &mut list);
    others(words, &mut list);
    list
}

fn overviews(words: &Words, list: &mut Vec<Shown>) {
    let records = |make: fn(&Words, usize) -> Record, count: usize| Part {
        rows: (0..count.min(5)).map(|n| make(words, n)).collect(),
        total: count,
    };
    let mut view = Overview {
        api_keys: records(record, 31),
        ssh_keys: Part {
            rows: (0..5).map(|n| ssh_key_row(words, n)).collect(),
            total: 7,
        },
        tokens: records(token, 4),
        sessions: records(session, 5),
        current: id(0),
        attention: Some(Attention {
            expiring_api_keys: 3,
            unused_api_keys: 2,
            never_used_api_keys: 1_000,
            expiring_ssh_keys: 1,
            weak_ssh_keys: 1,
            shared_ssh_keys: 2,
            silent_hosts: 1,
            users_without_second_factor: 5,
            days_of_certificate: Some(3),
            days_without_backup: Some(9),
        }),
    };
    shown(
        list,
        "overview",
        overview::overview_page(&frame(words), &view),
    );
    view.api_keys = records(record, 0);
    view.tokens = records(token, 0);
    view.ssh_keys = Part {
        rows: Vec::new(),
        total: 0,
    };
    view.attention = None;
    shown(
        list,
        "overview-empty",
        overview::overview_page(&frame(words), &view),
    );
}

pub fn key(words: &Words, n: usize) -> SshKeyFacts {
    let types = [
        ("ssh-ed25519", 256, 68),
        ("sk-ssh-ed25519@openssh.com", 256, 100),
        ("ssh-rsa", 3_072, 544),
        ("ecdsa-sha2-nistp256", 256, 140),
    ];
    let (key_type, bits, length) = types[n % 4];
    SshKeyFacts {
        id: id(n),
        name: words.at(n),
        key_type: key_type.into(),
        bits,
        fingerprint: format!("SHA256:{}", "n7Xk2Q".repeat(7)),
        comment: if n.is_multiple_of(3) {
            String::new()
        } else {
            words.at(n + 1)
        },
        public_key: format!("{key_type} {} {}", "A".repeat(length), words.at(n + 1)),
        allowed_addresses: if n.is_multiple_of(2) {
            AllowedAddresses::default()
        } else {
            AllowedAddresses::parse(&["10.0.0.0/8"]).unwrap()
        },
        options: KeyOptions {
            restrict: n.is_multiple_of(2),
            verify_required: n.is_multiple_of(3),
            command: ForcedCommand::parse(&words.at(n + 2)).ok(),
            permitopen: Destination::parse_list(&["db.example:5432", "[2001:db8::1]:*"])
                .unwrap_or_default(),
            ..KeyOptions::default()
        },
        created_at: NOW.before(days(20)),
        expires_at: [None, Some(NOW.after(days(5))), Some(NOW.before(days(5)))][n % 3],
        expired: n % 3 == 2,
        looked_up: (n % 2 == 1).then(|| HostUse {
            at: NOW.before(days(1)),
            host: words.at(n),
        }),
        used: n.is_multiple_of(4).then(|| HostUse {
            at: NOW.before(days(2)),
            host: words.at(n),
        }),
    }
}

pub fn ssh_key_row(words: &Words, n: usize) -> SshKeyRow {
    SshKeyRow {
        key: key(words, n),
        weakness: [Weakness::None, Weakness::Shared, Weakness::AgainstPolicy][n % 3],
    }
}

fn ssh_keys(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let keys = |rows: usize| SshKeyList {
        rows: (0..rows).map(|n| ssh_key_row(words, n)).collect(),
        at: place(List::SshKeys, "/ssh-keys", rows),
    };
    shown(
        list,
        "ssh-keys-empty",
        ssh_key_list::ssh_key_list(&frame, &keys(0)),
    );
    shown(
        list,
        "ssh-keys",
        ssh_key_list::ssh_key_list(&frame, &keys(25)),
    );
    let mut new = SshKeyNew {
        policy: Policy::default(),
        input: Input::default(),
    };
    shown(list, "ssh-key-new", ssh_key::new(&frame, &new));
    new.input = failed(
        words,
        &["public_key", "name", "expires_in", "allowed_addresses"],
    );
    new.input.values.push((
        "public_key".into(),
        "-----BEGIN OPENSSH PRIVATE KEY-----".into(),
    ));
    new.policy.ssh_key_lifetime_max = Lifetime::days(100);
    shown(list, "ssh-key-new-failed", ssh_key::new(&frame, &new));
    let page = |n: usize, logins: usize| SshKeyPage {
        key: key(words, n),
        logins: (0..logins)
            .map(|n| HostLogin {
                login: "alice".into(),
                host: words.at(n),
                address: n.is_multiple_of(2).then(|| "10.0.3.7".into()),
            })
            .collect(),
    };
    shown(list, "ssh-key", ssh_key::ssh_key_page(&frame, &page(2, 2)));
    shown(
        list,
        "ssh-key-unused",
        ssh_key::ssh_key_page(&frame, &page(1, 0)),
    );
    shown(
        list,
        "ssh-key-of-user",
        ssh_key::show_of_user(&frame, "carol", &key(words, 3)),
    );
    let edit = SshKeyEdit {
        key: key(words, 1),
        policy: Policy::default(),
        version: "v".into(),
        input: Input::default(),
    };
    shown(list, "ssh-key-edit", ssh_key::edit(&frame, &edit));
    shown(
        list,
        "ssh-key-delete",
        ssh_key::delete(&frame, &key(words, 0)),
    );
}

fn devices(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    shown(list, "device", device::enter(&frame, &Input::default()));
    shown(
        list,
        "device-failed",
        device::enter(&frame, &failed(words, &["code"])),
    );
    let ask = DeviceAsk {
        user_code: "BCDF-GHJK".into(),
        computer: words.at(0),
        program: words.at(1),
        address: "192.0.2.7".parse().ok(),
        here: "10.0.0.5".parse().ok(),
        offered: offered(),
        requested: None,
        asked_at: NOW.before(Duration::from_secs(60)),
        policy: Policy::default(),
        input: Input::default(),
    };
    shown(list, "device-ask", device::ask(&frame, &ask));
    shown(
        list,
        "device-approved",
        device::done(&frame, DeviceAnswer::Approved, &words.at(0)),
    );
    shown(
        list,
        "device-refused",
        device::done(&frame, DeviceAnswer::Refused, &words.at(1)),
    );
}

fn others(words: &Words, list: &mut Vec<Shown>) {
    let (frame, out) = (frame(words), outside());
    let fact = |n: usize| Fact {
        name: words.at(n),
        value: words.at(n + 1),
        advice: (n % 3 == 1).then(|| words.at(n)),
    };
    let groups: Vec<FactGroup> = (0..3)
        .map(|n| FactGroup {
            title: words.at(n),
            facts: (0..4).map(fact).collect(),
        })
        .collect();
    shown(
        list,
        "diagnostics",
        diagnostics::diagnostics_page(&frame, &groups),
    );
    let problem = Problem {
        status: 403,
        title: "Not allowed".into(),
        detail: format!("This needs {}.", words.at(0)),
        request_id: words.at(1),
    };
    shown(
        list,
        "error",
        error::error_page(Visitor::SignedIn(&frame), &problem),
    );
    shown(
        list,
        "error-outside",
        error::error_page(
            Visitor::Outside(&out),
            &Problem {
                status: 503,
                ..problem
            },
        ),
    );
    shown(list, "help", help::help_page(Visitor::SignedIn(&frame)));
    shown(
        list,
        "help-outside",
        help::help_page(Visitor::Outside(&out)),
    );
    let field = |n: usize| Field {
        name: words.at(n),
        kind: words.at(n + 2),
        description: words.at(n + 1),
        is_required: n.is_multiple_of(2),
    };
    let operation = |id: &str| Operation {
        id: id.into(),
        method: "POST".into(),
        path: "/api/v1/api-keys".into(),
        summary: words.at(0),
        description: words.at(1),
        command: words.at(3),
        parameters: vec![field(2)],
        body: vec![field(3), field(4)],
        answer: vec![field(5)],
        errors: vec!["401".into(), "403".into()],
    };
    let subjects = [Subject {
        name: words.at(2),
        description: words.at(3),
        operations: vec![operation("createApiKey"), operation("rotateApiKey")],
    }];
    for (name, search) in [
        ("reference", String::new()),
        ("reference-search", words.at(1)),
    ] {
        let reference = Reference {
            server: "https://keys.lab.example",
            search: &search,
            subjects: &subjects,
        };
        let visitor = Visitor::SignedIn(&frame);
        shown(list, name, reference_page(visitor, &reference));
    }
}
