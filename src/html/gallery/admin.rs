//! The admins' pages.

use std::time::Duration;

use super::rest::{key, ssh_key_row};
use super::samples::*;
use super::{Shown, shown};
use crate::html::api_key::ApiKeyRow;
use crate::html::bulk::{self, BulkDelete, BulkRow};
use crate::html::form::Input;
use crate::html::group::{self, GroupDelete, GroupList, GroupPage};
use crate::html::host::{self, CodeFacts, CodeIssued, CodeNew, HostEdit, HostFacts};
use crate::html::host_list::{self, HostList};
use crate::html::inventory::{self, Inventory, InventoryRow, InventoryThing, Tab, kind_word};
use crate::html::list::ListPlace;
use crate::html::policy::{self, Exceeding, PolicyForm, PolicyPreview};
use crate::html::service::{self, ServiceDelete, ServiceFacts, ServiceForm};
use crate::html::service_list::{self, ServiceList};
use crate::html::user::{
    self, Holdings, LinkPurpose, OneTimeLink, Removable, UserEnd, UserNew, UserPage,
};
use crate::html::user_list::{self, UserList, UserRow};
use crate::model::credential::Record;
use crate::model::group::{Group, GroupId};
use crate::model::list::List;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::policy::Policy;
use crate::model::second_factor::SecondFactors;
use crate::model::service::{ByRole, Service, ServiceId};
use crate::model::time::Lifetime;
use crate::model::user::Role;

pub fn pages(words: &Words) -> Vec<Shown> {
    let mut list = Vec::new();
    users(words, &mut list);
    rules(words, &mut list);
    inventory(words, &mut list);
    groups(words, &mut list);
    services(words, &mut list);
    hosts(words, &mut list);
    list
}

fn holdings(words: &Words, each: usize) -> Holdings {
    Holdings {
        api_keys: (0..each).map(|n| record(words, n)).collect(),
        tokens: (0..each).map(|n| token(words, n + 30)).collect(),
        sessions: (0..each).map(|n| session(words, n + 60)).collect(),
        ssh_keys: (0..each).map(|n| key(words, n)).collect(),
    }
}

fn users(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let row = |n: usize| {
        let mut user = user(
            words,
            if n.is_multiple_of(4) {
                Role::Admin
            } else {
                Role::Member
            },
        );
        user.display_name = words.at(n);
        user.disabled_at = (n % 5 == 3).then(|| NOW.before(days(3)));
        user.has_password = n % 5 != 2;
        UserRow {
            user,
            api_keys: 3,
            tokens: 1,
            sessions: 2,
            ssh_keys: 4,
            last_active_at: (n % 3 != 2).then(|| NOW.before(days(1))),
        }
    };
    shown(
        list,
        "users",
        user_list::user_list(
            &frame,
            &UserList {
                at: place(List::Users, "/admin/users", 25),
                rows: (0..25).map(row).collect(),
            },
        ),
    );
    shown(
        list,
        "users-nobody",
        user_list::user_list(
            &frame,
            &UserList {
                at: no_match(words, List::Users, "/admin/users"),
                rows: Vec::new(),
            },
        ),
    );
    shown(
        list,
        "user-new",
        user::new(
            &frame,
            &UserNew {
                nonce: "n".into(),
                input: Input::default(),
            },
        ),
    );
    shown(
        list,
        "user-new-failed",
        user::new(
            &frame,
            &UserNew {
                nonce: "n".into(),
                input: failed(words, &["username", "display_name", "password", "role"]),
            },
        ),
    );
    let link = OneTimeLink {
        username: "bob",
        url: "/invitation",
        expires_at: NOW.after(days(7)),
        purpose: LinkPurpose::Invitation,
    };
    shown(list, "user-invitation", user::link(&frame, &link));
    shown(
        list,
        "user-reset",
        user::link(
            &frame,
            &OneTimeLink {
                purpose: LinkPurpose::PasswordReset,
                ..link
            },
        ),
    );
    one_user(words, list);
}

fn one_user(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let mut page = UserPage {
        user: user(words, Role::Member),
        all_groups: vec!["staff".into(), "students".into()],
        factors: SecondFactors::default(),
        holdings: holdings(words, 5),
        grantable: Permissions::parse(&["introspect", "metrics", "slurm:submit"]).unwrap(),
        removable: Removable::Yes,
        version: "v".into(),
        nonce: "1795360440-aaaaaaaaaaaaaaaaaaaa".into(),
        input: Input::default(),
    };
    shown(list, "user", user::user_page(&frame, &page));
    shown(
        list,
        "user-link-already-made",
        user::link_already_made(&frame, "carol"),
    );
    page.user = user(words, Role::Admin);
    page.holdings = Holdings::default();
    page.removable = Removable::LastAdmin;
    page.input = failed(words, &["display_name"]);
    shown(list, "user-last-admin", user::user_page(&frame, &page));
    let end = UserEnd {
        user: user(words, Role::Member),
        holdings: holdings(words, 2),
        input: failed(words, &["confirm"]),
    };
    shown(list, "user-offboard", user::offboard(&frame, &end));
    shown(
        list,
        "user-delete",
        user::delete(
            &frame,
            &UserEnd {
                holdings: Holdings::default(),
                input: Input::default(),
                ..end
            },
        ),
    );
    shown(
        list,
        "user-grants",
        user::user_page(&frame, &granted(words)),
    );
}

fn granted(words: &Words) -> UserPage {
    let mut user = user(words, Role::Member);
    user.granted = Permissions::new(&[BuiltinPermission::Introspect]);
    user.disabled_at = Some(NOW.before(days(1)));
    UserPage {
        user,
        all_groups: Vec::new(),
        factors: SecondFactors {
            totp: true,
            passkeys: 2,
            recovery_codes_left: 1,
        },
        holdings: holdings(words, 1),
        grantable: Permissions::new(&[BuiltinPermission::Introspect, BuiltinPermission::Metrics]),
        removable: Removable::Yes,
        version: "v".into(),
        nonce: "1795360440-aaaaaaaaaaaaaaaaaaaa".into(),
        input: Input::default(),
    }
}

fn rules(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let mut form = PolicyForm {
        policy: Policy::default(),
        version: "v".into(),
        without_second_factor: 60,
        preview: None,
        input: Input::default(),
    };
    shown(list, "policy", policy::form(&frame, &form));
    form.input = failed(
        words,
        &[
            "api_key_lifetime_default",
            "token_lifetime_max",
            "ssh_key_types",
            "api_key_lifetime_choice",
        ],
    );
    shown(list, "policy-failed", policy::form(&frame, &form));
    let exceeding = |n: usize| Exceeding {
        kind: "API key",
        owner: words.at(n + 1),
        name: words.at(n),
        path: format!("/admin/users/bob/api-keys/{}", id(n)),
        expires_at: [None, Some(NOW.after(days(200)))][n % 2],
        why: "It ends later than 90 days from now.".into(),
    };
    form.input = Input::default();
    form.policy.api_key.max = Lifetime::days(90);
    form.preview = Some(PolicyPreview {
        before: Policy::default(),
        exceeding: (0..20).map(exceeding).collect(),
        exceeding_total: 33,
        confirm: "c".into(),
    });
    shown(list, "policy-preview", policy::form(&frame, &form));
    form.policy.ssh_rsa_bits_min = 4_096;
    form.preview = Some(PolicyPreview {
        before: Policy::default(),
        exceeding: Vec::new(),
        exceeding_total: 0,
        confirm: "c".into(),
    });
    shown(list, "policy-preview-none", policy::form(&frame, &form));
}

fn inventory(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let tabs = [List::ApiKeys, List::SshKeys, List::Tokens, List::Sessions];
    let row = |kind: List, n: usize| InventoryRow {
        thing: match kind {
            List::SshKeys => InventoryThing::SshKey(Box::new(ssh_key_row(words, n))),
            List::Tokens => credential(token(words, n), n),
            List::Sessions => credential(session(words, n), n),
            _ => credential(record(words, n), n),
        },
        owner: words.at(n + 1),
        owner_path: n.is_multiple_of(2).then(|| "/admin/users/alice".into()),
        path: n.is_multiple_of(3).then(|| "/admin/users/alice".into()),
        is_deletable: !n.is_multiple_of(7),
    };
    let view = |kind: List, rows: usize| Inventory {
        at: ListPlace {
            fixed: vec![("kind", kind_word(kind).into())],
            ..place(kind, "/admin/inventory", rows)
        },
        tabs: tabs.map(|list| Tab { list, count: 1_204 }).to_vec(),
        rows: (0..rows).map(|n| row(kind, n)).collect(),
        offered: offered(),
    };
    for kind in tabs {
        let name = format!("inventory-{}s", kind_word(kind));
        shown(
            list,
            &name,
            inventory::inventory_list(&frame, &view(kind, 25)),
        );
    }
    let mut nothing = view(List::SshKeys, 0);
    nothing.at = no_match(words, List::SshKeys, "/admin/inventory");
    shown(
        list,
        "inventory-nothing",
        inventory::inventory_list(&frame, &nothing),
    );
    let row = |n: usize| BulkRow {
        id: id(n).to_string(),
        name: words.at(n),
        owner: words.at(n + 1),
        last_used_at: n.is_multiple_of(2).then(|| NOW.before(days(100))),
        is_use_recorded: true,
    };
    let mut question = BulkDelete {
        list: List::ApiKeys,
        back: "/admin/inventory?kind=api-key".into(),
        action: "/admin/inventory/delete".into(),
        fixed: vec![("kind", "api-key".into())],
        rows: (0..3).map(row).collect(),
        input: failed(words, &["confirm"]),
    };
    shown(list, "inventory-delete", bulk::delete(&frame, &question));
    for (kind, back) in [
        (List::Sessions, "/sessions"),
        (List::SshKeys, "/ssh-keys"),
        (List::Tokens, "/tokens"),
        (List::ApiKeys, "/admin/services/slurm/api-keys"),
    ] {
        question.list = kind;
        question.back = back.into();
        question.rows.truncate(1);
        question.input = Input::default();
        let name = format!("delete-{}s-picked", kind_word(kind));
        shown(list, &name, bulk::delete(&frame, &question));
    }
}

fn credential(record: Record, n: usize) -> InventoryThing {
    InventoryThing::Credential(Box::new(ApiKeyRow {
        record,
        usage: usage(n),
    }))
}

fn groups(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let group = |members: usize| Group {
        id: GroupId(1),
        name: "staff".into(),
        created_at: NOW.before(days(9)),
        members: (0..members).map(|n| format!("user{n}")).collect(),
    };
    shown(
        list,
        "groups-empty",
        group::group_list(
            &frame,
            &GroupList {
                at: place(List::Groups, "/admin/groups", 0),
                groups: Vec::new(),
                input: Input::default(),
            },
        ),
    );
    shown(
        list,
        "groups",
        group::group_list(
            &frame,
            &GroupList {
                at: place(List::Groups, "/admin/groups", 25),
                groups: (0..25).map(group).collect(),
                input: failed(words, &["name"]),
            },
        ),
    );
    let page = |members: usize, input: Input| GroupPage {
        group: group(members),
        hosts: vec![words.at(0), words.at(1)],
        at: place(List::Users, "/admin/groups/staff", members),
        users: vec![user(words, Role::Member); members],
        input,
    };
    shown(
        list,
        "group",
        group::group_page(&frame, &page(3, Input::default())),
    );
    shown(
        list,
        "group-failed",
        group::group_page(&frame, &page(0, failed(words, &[""]))),
    );
    let mut others = page(25, Input::default());
    shown(list, "group-add", group::add(&frame, &others));
    others.at = no_match(words, List::Users, "/admin/groups/staff/members/add");
    others.users.clear();
    shown(list, "group-add-nothing", group::add(&frame, &others));
    shown(
        list,
        "group-delete",
        group::delete(
            &frame,
            &GroupDelete {
                group: group(3),
                hosts: vec![words.at(0), words.at(1)],
                input: Input::default(),
            },
        ),
    );
}

fn services(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let service = Service {
        id: ServiceId(1),
        name: "slurm".into(),
        permissions: Permissions::parse(&["slurm:submit", "slurm:cancel"]).unwrap(),
        created_at: NOW.before(days(9)),
    };
    let by_role = ByRole {
        member: Permissions::parse(&["slurm:submit"]).unwrap(),
        admin: service.permissions.clone(),
    };
    let facts = ServiceFacts {
        service: service.clone(),
        api_keys: 2,
        last_asked_at: Some(NOW.before(days(1))),
    };
    for (name, rows) in [("services-empty", 0), ("services", 25)] {
        let view = ServiceList {
            at: place(List::Services, "/admin/services", rows),
            rows: vec![facts.clone(); rows],
        };
        shown(list, name, service_list::service_list(&frame, &view));
    }
    shown(
        list,
        "service",
        service::service_page(&frame, &facts, &by_role),
    );
    shown(
        list,
        "service-new",
        service::form(
            &frame,
            &ServiceForm {
                service: None,
                by_role: ByRole::default(),
                version: String::new(),
                input: failed(words, &["name", "permissions"]),
            },
        ),
    );
    shown(
        list,
        "service-edit",
        service::form(
            &frame,
            &ServiceForm {
                service: Some(service),
                by_role,
                version: "v".into(),
                input: Input::default(),
            },
        ),
    );
    shown(
        list,
        "service-delete",
        service::delete(
            &frame,
            &ServiceDelete {
                facts,
                carriers: 12,
                input: failed(words, &["confirm"]),
            },
        ),
    );
}

fn hosts(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let host = |n: usize| HostFacts {
        id: id(n).to_string(),
        name: words.at(n),
        groups: if n.is_multiple_of(2) {
            Vec::new()
        } else {
            vec!["staff".into(), words.at(n)]
        },
        shared_logins: vec![("ubuntu".into(), "staff".into())],
        cache_age_max: Duration::from_secs(86_400),
        created_at: NOW.before(days(90)),
        last_contact_at: (!n.is_multiple_of(3)).then(|| NOW.before(Duration::from_secs(60))),
        last_contact_from: Some("10.0.0.9".into()),
        version: Some(words.at(n)),
        copied_at: [
            None,
            Some(NOW.before(days(3))),
            Some(NOW.before(Duration::from_secs(90))),
        ][n % 3],
        clock_ahead_seconds: [Some(0), None, Some(-90)][n % 3],
        paused_at: n.is_multiple_of(4).then(|| NOW.before(days(1))),
        allowed_addresses: vec!["10.0.0.0/8".into()],
        rotation_requested_at: n.is_multiple_of(2).then_some(NOW),
        credential_rotated_at: n.is_multiple_of(3).then(|| NOW.before(days(2))),
    };
    let code = CodeFacts {
        id: id(7).to_string(),
        uses_left: 3,
        expires_at: NOW.after(days(1)),
        groups: vec!["staff".into()],
    };
    shown(
        list,
        "hosts-empty",
        host_list::host_list(
            &frame,
            &HostList {
                at: place(List::Hosts, "/admin/hosts", 0),
                hosts: Vec::new(),
                codes: Vec::new(),
            },
        ),
    );
    shown(
        list,
        "hosts",
        host_list::host_list(
            &frame,
            &HostList {
                at: place(List::Hosts, "/admin/hosts", 25),
                hosts: (0..25).map(host).collect(),
                codes: vec![code],
            },
        ),
    );
    let mut edit = HostEdit {
        host: host(1),
        groups: vec!["staff".into(), "students".into()],
        version: "v".into(),
        input: Input::default(),
    };
    shown(list, "host", host::host_page(&frame, &edit));
    edit.input = failed(words, &["name", "groups", "shared_logins", "cache_age_max"]);
    shown(list, "host-failed", host::host_page(&frame, &edit));
    shown(
        list,
        "host-code-new",
        host::code_new(
            &frame,
            &CodeNew {
                groups: Vec::new(),
                nonce: "n".into(),
                input: failed(words, &["uses", "expires_in"]),
            },
        ),
    );
    let secret = "kce_4k2m9x0q7w1z_0123456789ABCDEFGHIJKLMNOPQRSTUV3jZRME";
    shown(
        list,
        "host-code-created",
        host::code_created(
            &frame,
            &CodeIssued {
                secret,
                uses_left: 1,
                expires_at: NOW.after(days(1)),
            },
        ),
    );
    shown(
        list,
        "host-code-already",
        host::code_already_created(&frame),
    );
    shown(
        list,
        "host-delete",
        host::delete(&frame, &host(1), &failed(words, &["confirm"])),
    );
}
