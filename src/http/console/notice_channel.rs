//! `/admin/notices`.

use super::{
    Answer, done, done_with, form, frame, idempotency_key, nonce, nonce_again, page_response,
    show_again,
};
use crate::html::Markup;
use crate::html::form::Input;
use crate::html::notice_channel::{self as pages, ChannelForm, ChannelList};
use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::notice_channel::NoticeChannel;
use crate::model::permission::BuiltinPermission;
use crate::wire::{NoticeChannelIn, NoticeChannelPatch};

const LIST: &str = "/admin/notices";

/// The channel in the message after an act.
fn named(channel: &NoticeChannel) -> String {
    format!("Channel {}", channel.name)
}

pub fn list_notice_channels(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let view = ChannelList {
        channels: context.app().notice_channels(caller)?,
        deliveries: context.app().notice_deliveries(caller)?,
    };
    page_response(pages::notice_channel_list(&frame(context, caller), &view))
}

fn find_channel(context: &RequestContext<'_>, caller: &Caller) -> Result<NoticeChannel, Problem> {
    let text = context.parameter(0);
    let id = crate::model::secret::Id::parse(text).ok_or(Error::NotFound("channel"))?;
    Ok(context.app().notice_channel(caller, id)?)
}

pub fn show_new_notice_channel_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    caller.require(BuiltinPermission::PolicyWrite)?;
    let view = ChannelForm {
        channel: None,
        nonce: nonce(context),
        input: Input::default(),
    };
    page_response(pages::form(&frame(context, caller), &view))
}

pub fn create_notice_channel(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Answer {
    caller.require(BuiltinPermission::PolicyWrite)?;
    let once = idempotency_key(context, caller, &input)?;
    let wanted = NoticeChannelIn {
        name: input.value("name").unwrap_or_default().to_owned(),
        kind: input.value("kind").unwrap_or_default().to_owned(),
        url: form::filled(&input, "url"),
        members: input.has("members", "yes"),
        admins: input.has("admins", "yes"),
    };
    let created = wanted
        .parse()
        .and_then(|new| context.app().create_notice_channel(caller, new, Some(once)));
    match created {
        Ok((channel, Some(key))) => {
            page_response(pages::created(&frame(context, caller), &channel, &key))
        }
        Ok((channel, None)) => done_with(context, LIST, "added", &named(&channel)),
        Err(Error::AlreadyDone { .. }) => page_response(pages::already(&frame(context, caller))),
        Err(error) => show_again(error.into(), input, "name", |input| {
            let view = ChannelForm {
                channel: None,
                nonce: nonce_again(context, caller, &input),
                input,
            };
            Ok(pages::form(&frame(context, caller), &view))
        }),
    }
}

fn edit_form(
    context: &RequestContext<'_>,
    caller: &Caller,
    input: Input,
) -> Result<Markup, Problem> {
    let view = ChannelForm {
        channel: Some(find_channel(context, caller)?),
        nonce: String::new(),
        input,
    };
    Ok(pages::form(&frame(context, caller), &view))
}

pub fn show_edit_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    page_response(edit_form(context, caller, Input::default())?)
}

pub fn edit_notice_channel(context: &RequestContext<'_>, caller: &Caller, input: Input) -> Answer {
    let id = find_channel(context, caller)?.id;
    let wanted = NoticeChannelPatch {
        name: Some(input.value("name").unwrap_or_default().to_owned()),
        url: form::filled(&input, "url"),
        members: Some(input.has("members", "yes")),
        admins: Some(input.has("admins", "yes")),
    };
    let changed = wanted
        .parse()
        .and_then(|change| context.app().change_notice_channel(caller, id, change));
    match changed {
        Ok(channel) => done_with(context, LIST, "saved", &named(&channel)),
        Err(error) => show_again(error.into(), input, "name", |input| {
            edit_form(context, caller, input)
        }),
    }
}

pub fn test(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let id = find_channel(context, caller)?.id;
    context.app().test_notice_channel(caller, id)?;
    done(LIST, "test-sent")
}

pub fn show_delete_form(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let channel = find_channel(context, caller)?;
    page_response(pages::delete(&frame(context, caller), &channel))
}

pub fn delete_notice_channel(context: &RequestContext<'_>, caller: &Caller, _: Input) -> Answer {
    let channel = find_channel(context, caller)?;
    context.app().delete_notice_channel(caller, channel.id)?;
    done_with(context, LIST, "deleted", &named(&channel))
}
