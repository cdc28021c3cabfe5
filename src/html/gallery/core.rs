//! The pages of a person's own things.

use super::samples::*;
use super::second_factor::request;
use super::{Shown, shown};
use crate::html::account::{self, AccountPage};
use crate::html::api_key::{
    self, ApiKeyDelete, ApiKeyEdit, ApiKeyIssued, ApiKeyList, ApiKeyNew, ApiKeyPage, ApiKeyRotate,
    ApiKeyRow, Creator, Holder,
};
use crate::html::event::{self, EventFilter, EventList, Scope};
use crate::html::explain::{Chain, Link};
use crate::html::form::Input;
use crate::html::layout::Flash;
use crate::html::second_factor::StepUpFactors;
use crate::html::session::{self, SessionList};
use crate::html::sign_in::{self, ByCode, PasswordDemand, SavedForm, SignIn};
use crate::html::token::{self, TokenDelete, TokenIssued, TokenList, TokenNew, TokenRow};
use crate::model::credential::RejectReason;
use crate::model::list::{List, Status};
use crate::model::policy::{Choice, Policy};
use crate::model::second_factor::SecondFactors;
use crate::model::time::Lifetime;
use crate::model::user::{Role, UserId};

pub fn pages(words: &Words) -> Vec<Shown> {
    let mut list = Vec::new();
    doors(words, &mut list);
    api_keys(words, &mut list);
    api_key_forms(words, &mut list);
    tokens(words, &mut list);
    rest(words, &mut list);
    list
}

fn kept(words: &Words) -> SavedForm {
    let fields = [
        ("name", words.at(0)),
        ("note", words.at(3)),
        ("password", words.at(1)),
        ("form_token", words.at(2)),
    ];
    SavedForm {
        action: "/api-keys/new".into(),
        fields: fields
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    }
}

fn doors(words: &Words, list: &mut Vec<Shown>) {
    let out = outside();
    shown(
        list,
        "sign-in",
        sign_in::sign_in(
            &out,
            &SignIn {
                next: "/api-keys".into(),
                ..SignIn::default()
            },
        ),
    );
    let failed_sign_in = SignIn {
        next: words.at(1),
        kept: Some(kept(words)),
        problem: Some("The username or the password is wrong.".into()),
        passkey: Some(request(words)),
        input: Input {
            values: vec![("username".into(), words.at(1))],
            errors: Vec::new(),
        },
    };
    shown(
        list,
        "sign-in-failed",
        sign_in::sign_in(&out, &failed_sign_in),
    );
    shown(
        list,
        "set-up",
        sign_in::set_up(
            &out,
            &ByCode {
                input: failed(words, &["username", "display_name", "password"]),
                ..ByCode::default()
            },
        ),
    );
    shown(list, "first-start", sign_in::first_start(&out));
    let by_code = ByCode {
        username: Some("bob".into()),
        display_name: Some(words.at(0)),
        input: Input::default(),
    };
    shown(list, "invitation", sign_in::invitation(&out, &by_code));
    shown(
        list,
        "reset",
        sign_in::reset(
            &out,
            &ByCode {
                input: failed(words, &["password"]),
                ..by_code
            },
        ),
    );
    shown(
        list,
        "signed-out",
        sign_in::note(&out, "Signed out", "You are signed out of this browser."),
    );
    shown(list, "go-on", sign_in::go_on(&frame(words), &kept(words)));
    let demand = PasswordDemand {
        kept: kept(words),
        cancel: "/account".into(),
        factors: StepUpFactors {
            code: true,
            passkey: Some(request(words)),
        },
        input: failed(words, &["current_password"]),
    };
    shown(
        list,
        "password-demand",
        sign_in::password_demand(&frame(words), &demand),
    );
}

pub fn key_list(words: &Words, rows: usize) -> ApiKeyList {
    ApiKeyList {
        holder: Holder::Me,
        at: place(List::ApiKeys, "/api-keys", rows),
        rows: (0..rows)
            .map(|n| ApiKeyRow {
                record: record(words, n),
                usage: usage(n),
            })
            .collect(),
        offered: offered(),
    }
}

fn api_keys(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let member = frame_after(words, Flash::Done(format!("Deleted {}.", words.at(0))));
    shown(
        list,
        "api-keys-empty",
        api_key::api_key_list(&member, &key_list(words, 0)),
    );
    shown(
        list,
        "api-keys",
        api_key::api_key_list(&frame, &key_list(words, 25)),
    );
    let mut filtered = key_list(words, 0);
    filtered.at = no_match(words, List::ApiKeys, "/api-keys");
    shown(
        list,
        "api-keys-nothing",
        api_key::api_key_list(&frame, &filtered),
    );
    filtered.at.query.status = Some(Status::Deleted);
    filtered.rows = (0..3)
        .map(|n| ApiKeyRow {
            record: ended(words, n),
            usage: Vec::new(),
        })
        .collect();
    filtered.holder = Holder::Service("slurm".into());
    shown(
        list,
        "api-keys-service",
        api_key::api_key_list(&frame_after(words, Flash::Failed(words.at(0))), &filtered),
    );
    for n in [0, 4] {
        let view = ApiKeyPage {
            holder: Holder::Me,
            record: record(words, n),
            power: Role::Member.permissions(),
            refusal: (n == 0).then_some(RejectReason::Disabled),
            usage: usage(n),
            chain: chain(words, n),
            creator: if n == 0 {
                Creator::Credential(Box::new(session(words, 2)))
            } else {
                Creator::Credential(Box::new(record(words, 1)))
            },
            made: (5..7).map(|n| record(words, n)).collect(),
            ssh_keys: vec![(id(71), words.at(71))],
            events: (0..4).map(|n| event_with(words, n)).collect(),
            names: names(),
        };
        shown(
            list,
            &format!("api-key-{n}"),
            api_key::api_key_page(&frame, &view),
        );
    }
    let view = ApiKeyPage {
        holder: Holder::Me,
        record: ended(words, 1),
        power: Role::Member.permissions(),
        refusal: Some(RejectReason::Ended),
        usage: Vec::new(),
        chain: chain(words, 1),
        creator: Creator::Other(id(3).to_string(), Some(format!("token {}", words.at(3)))),
        made: Vec::new(),
        ssh_keys: Vec::new(),
        events: Vec::new(),
        names: event::Names::default(),
    };
    shown(list, "api-key-ended", api_key::api_key_page(&frame, &view));
}

fn names() -> event::Names {
    event::Names {
        viewer: None,
        users: [(UserId(1), "carol".into())].into(),
        has_admin_pages: true,
    }
}

fn chain(words: &Words, n: usize) -> Chain {
    let link = |name, holds| Link {
        name,
        holds,
        sentence: words.at(n),
    };
    let input = if n == 0 {
        Input::default()
    } else {
        failed(words, &["address", "permission"])
    };
    Chain {
        links: vec![
            link("exists", Some(true)),
            link("enabled", Some(false)),
            link("permission_held", None),
        ],
        input,
    }
}

fn api_key_forms(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let mut new = ApiKeyNew {
        holder: Holder::Me,
        policy: Policy::default(),
        offered: Role::Admin.permissions(),
        nonce: "n".into(),
        here: Some("10.0.0.5".into()),
        input: Input::default(),
    };
    shown(list, "api-key-new", api_key::new(&frame, &new));
    new.input = failed(
        words,
        &[
            "name",
            "note",
            "allowed_addresses",
            "expires_at",
            "permissions",
        ],
    );
    new.input.values.push(("access".into(), "choose".into()));
    new.input
        .values
        .push(("expires_in".into(), "custom".into()));
    new.offered = offered();
    shown(list, "api-key-new-failed", api_key::new(&frame, &new));
    new.policy.api_key.choice = Choice::Fixed;
    new.input = Input::default();
    shown(list, "api-key-new-fixed", api_key::new(&frame, &new));
    let issued = ApiKeyIssued {
        holder: Holder::Me,
        offered: offered(),
        record: record(words, 1),
        secret: SECRET,
    };
    shown(list, "api-key-created", api_key::created(&frame, &issued));
    shown(
        list,
        "api-key-rotated",
        api_key::rotated(
            &frame,
            &ApiKeyIssued {
                holder: Holder::Me,
                offered: offered(),
                record: record(words, 4),
                secret: SECRET,
            },
        ),
    );
    shown(
        list,
        "api-key-already",
        api_key::already_created(&frame, &Holder::Me, Some(&record(words, 1))),
    );
    let mut edit = ApiKeyEdit {
        holder: Holder::Me,
        record: record(words, 3),
        policy: Policy::default(),
        offered: offered(),
        version: "v".into(),
        input: Input::default(),
    };
    shown(list, "api-key-edit", api_key::edit(&frame, &edit));
    edit.policy.api_key.max = Lifetime::days(60);
    edit.input = failed(words, &["name", "note", "expires_in"]);
    shown(list, "api-key-edit-failed", api_key::edit(&frame, &edit));
    let rotate = ApiKeyRotate {
        holder: Holder::Me,
        record: record(words, 4),
        policy: Policy::default(),
        nonce: "n".into(),
        input: Input::default(),
    };
    shown(list, "api-key-rotate", api_key::rotate(&frame, &rotate));
    let delete = ApiKeyDelete {
        holder: Holder::Me,
        record: record(words, 0),
        usage: usage(0),
        made: vec![record(words, 7)],
        ssh_keys: vec![(id(72), words.at(72))],
        input: failed(words, &["confirm"]),
    };
    shown(list, "api-key-delete", api_key::delete(&frame, &delete));
}

fn tokens(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let view = |rows: usize| TokenList {
        rows: (0..rows)
            .map(|n| TokenRow {
                record: token(words, n),
                created_by: words.at(n + 1),
                creator_path: n.is_multiple_of(2).then(|| "/api-keys/4k2m9x0q7w1z".into()),
            })
            .collect(),
        at: place(List::Tokens, "/tokens", rows),
        offered: offered(),
    };
    shown(list, "tokens-empty", token::token_list(&frame, &view(0)));
    shown(list, "tokens", token::token_list(&frame, &view(25)));
    let new = TokenNew {
        policy: Policy::default(),
        offered: offered(),
        nonce: "n".into(),
        input: Input::default(),
    };
    shown(list, "token-new", token::new(&frame, &new));
    shown(
        list,
        "token-new-failed",
        token::new(
            &frame,
            &TokenNew {
                input: failed(words, &["name", "expires_in"]),
                ..new
            },
        ),
    );
    shown(
        list,
        "token-created",
        token::created(
            &frame,
            &TokenIssued {
                offered: offered(),
                record: token(words, 0),
                secret: SECRET,
            },
        ),
    );
    shown(list, "token-already", token::already_created(&frame));
    shown(
        list,
        "token-delete",
        token::delete(
            &frame,
            &TokenDelete {
                made: vec![record(words, 1)],
                ssh_keys: Vec::new(),
                record: token(words, 1),
                usage: usage(1),
            },
        ),
    );
}

fn rest(words: &Words, list: &mut Vec<Shown>) {
    let frame = frame(words);
    let sessions = |rows: usize| SessionList {
        rows: (0..rows).map(|n| session(words, n)).collect(),
        at: place(List::Sessions, "/sessions", rows),
        current: id(0),
    };
    shown(
        list,
        "sessions-one",
        session::session_list(&frame, &sessions(1)),
    );
    shown(
        list,
        "sessions",
        session::session_list(&frame, &sessions(25)),
    );
    let mut account = AccountPage {
        factors: SecondFactors::default(),
        passkey: None,
        notices: Vec::new(),
        user: user(words, Role::Admin),
        name_input: Input::default(),
        password_input: Input::default(),
    };
    shown(list, "account", account::account_page(&frame, &account));
    account.factors.passkeys = 1;
    account.passkey = Some(request(words));
    account.password_input = failed(words, &["current", "new"]);
    shown(
        list,
        "account-failed",
        account::account_page(&frame, &account),
    );
    let mut events = EventList {
        scope: Scope::Own,
        events: Vec::new(),
        names: names(),
        filter: EventFilter::default(),
        input: Input::default(),
        count: Some("1,204 events".into()),
        is_part: false,
        older: Some("12".into()),
        is_first: false,
    };
    shown(list, "events-empty", event::event_list(&frame, &events));
    events.events = (0..25).map(|n| event_with(words, n)).collect();
    shown(list, "events", event::event_list(&frame, &events));
    events.scope = Scope::All;
    events.filter = EventFilter {
        text: words.at(0),
        target: words.at(3),
        action: words.at(1),
        user: words.at(2),
        range: "7d".into(),
        ..EventFilter::default()
    };
    shown(list, "events-all", event::event_list(&frame, &events));
    events.input = failed(words, &["since"]);
    events.events.clear();
    shown(list, "events-failed", event::event_list(&frame, &events));
}
