//! The pages of notices.

use super::samples::*;
use super::{Shown, shown};
use crate::html::form::Input;
use crate::html::notice_channel::{self, ChannelForm, ChannelList};
use crate::html::notice_preference::{self, PreferencePage};
use crate::model::email_address::{EmailAddress, UserEmail};
use crate::model::notice_channel::{ChannelKind, ChannelNumber, ChannelUrl, NoticeChannel};
use crate::model::notice_delivery::{Delivery, TryOutcome};
use crate::model::notice_preference::{NoticePreferences, PreferenceChannel};

const KINDS: [ChannelKind; 4] = ChannelKind::ALL;

fn channel(words: &Words, n: usize) -> NoticeChannel {
    let kind = KINDS[n % KINDS.len()];
    let url = ChannelUrl::parse("https://keys.lab.example/hook").ok();
    NoticeChannel {
        number: ChannelNumber(n.try_into().unwrap_or_default()),
        id: id(n),
        name: words.at(n),
        kind,
        url: url.filter(|_| kind != ChannelKind::Email),
        for_members: n.is_multiple_of(2),
        for_admins: n < 3,
        created_at: NOW,
        waiting: 3,
    }
}

fn delivery(words: &Words, n: usize) -> Delivery {
    let outcomes = [
        TryOutcome::Delivered,
        TryOutcome::Failed,
        TryOutcome::GivenUp,
    ];
    let outcome = outcomes[n % outcomes.len()];
    Delivery {
        notice: id(n),
        channel: words.at(n),
        kind: "api-key.expires".into(),
        recipient: n.is_multiple_of(2).then(|| "bob".into()),
        at: NOW.before(days(1)),
        attempt: 2,
        outcome,
        status: Some(503),
        detail: words.at(n + 1),
        next_try_at: (outcome == TryOutcome::Failed).then(|| NOW.after(days(1))),
    }
}

fn preferences(words: &Words, count: usize) -> NoticePreferences {
    let channel = |n: usize| PreferenceChannel {
        number: ChannelNumber(n.try_into().unwrap_or_default()),
        id: id(n),
        name: words.at(n),
        kind: KINDS[n % KINDS.len()],
        for_members: true,
        for_admins: true,
    };
    NoticePreferences {
        email: UserEmail {
            confirmed: None,
            pending: EmailAddress::parse("alice@lab.example").ok(),
        },
        is_admin: true,
        channels: (0..count).map(channel).collect(),
        opt_outs: Vec::new(),
    }
}

pub fn pages(words: &Words) -> Vec<Shown> {
    let mut list = Vec::new();
    let frame = frame(words);
    for (name, channels, deliveries) in [("none", 0, 0), ("new", 1, 0), ("full", 8, 25)] {
        let view = ChannelList {
            channels: (0..channels).map(|n| channel(words, n)).collect(),
            deliveries: (0..deliveries).map(|n| delivery(words, n)).collect(),
        };
        let page = notice_channel::notice_channel_list(&frame, &view);
        shown(&mut list, &format!("notice-channels-{name}"), page);
    }
    let form = |channel: Option<NoticeChannel>, input: Input| {
        let nonce = "1795360440-aaaaaaaaaaaaaaaaaaaa".into();
        let view = ChannelForm {
            channel,
            nonce,
            input,
        };
        notice_channel::form(&frame, &view)
    };
    let empty = form(None, Input::default());
    shown(&mut list, "notice-channel-new", empty);
    let refused = form(None, failed(words, &["name", "kind", "url"]));
    shown(&mut list, "notice-channel-failed", refused);
    for n in [0, 3] {
        let page = form(Some(channel(words, n)), Input::default());
        shown(&mut list, &format!("notice-channel-edit-{n}"), page);
    }
    let one = channel(words, 0);
    let created = notice_channel::created(&frame, &one, "0123456789");
    shown(&mut list, "notice-channel-created", created);
    shown(
        &mut list,
        "notice-channel-again",
        notice_channel::already(&frame),
    );
    shown(
        &mut list,
        "notice-channel-delete",
        notice_channel::delete(&frame, &one),
    );
    let page = |count: usize, email_input: Input, kinds_input: Input| {
        let view = PreferencePage {
            preferences: preferences(words, count),
            calendar_created_at: (count > 0).then_some(NOW),
            email_input,
            kinds_input,
        };
        notice_preference::notice_preference_page(&frame, &view)
    };
    let none = Input::default;
    shown(&mut list, "notices-none", page(0, none(), none()));
    shown(&mut list, "notices", page(5, none(), none()));
    let refused = page(5, failed(words, &["email"]), none());
    shown(&mut list, "notices-email-failed", refused);
    let refused = page(5, none(), failed(words, &["kinds"]));
    shown(&mut list, "notices-kinds-failed", refused);
    let link = notice_preference::calendar_link(&frame, "/calendar/x.ics");
    shown(&mut list, "calendar-link", link);
    let confirm = notice_preference::confirm(&frame, Some("alice@lab.example"));
    shown(&mut list, "notices-confirm", confirm);
    shown(
        &mut list,
        "notices-confirm-none",
        notice_preference::confirm(&frame, None),
    );
    list
}
