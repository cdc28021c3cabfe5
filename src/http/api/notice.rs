//! `/api/v1/notices`: channels and deliveries, for admins.

use super::{ApiResult, created, idempotency_key, list_page, no_content, ok};
use crate::http::context::RequestContext;
use crate::http::{body, query};
use crate::model::caller::Caller;
use crate::wire::{
    NothingIn, NoticeChannelIn, NoticeChannelOut, NoticeChannelPatch, NoticeDeliveryOut,
    NoticePreferencesOut, NoticePreferencesPatch, NoticeTestOut,
};

pub fn list_channels(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let mut channels = context.app().notice_channels(caller)?;
    channels.reverse();
    list_page(&channels, part, NoticeChannelOut::new)
}

pub fn show_channel(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let id = context.id("channel")?;
    ok(&NoticeChannelOut::new(
        &context.app().notice_channel(caller, id)?,
    ))
}

pub fn create_channel(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let (wanted, bytes) = body::json_with_bytes::<NoticeChannelIn>(context)?;
    let new = wanted.parse()?;
    let once = idempotency_key(context, caller, &bytes)?;
    let (channel, secret) = context.app().create_notice_channel(caller, new, once)?;
    created(&NoticeChannelOut {
        secret: Some(secret),
        ..NoticeChannelOut::new(&channel)
    })
}

pub fn edit_channel(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: NoticeChannelPatch = body::json(context)?;
    let change = wanted.parse()?;
    let id = context.id("channel")?;
    ok(&NoticeChannelOut::new(
        &context.app().change_notice_channel(caller, id, change)?,
    ))
}

pub fn delete_channel(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let id = context.id("channel")?;
    context.app().delete_notice_channel(caller, id)?;
    no_content()
}

/// `POST /api/v1/notices/channels/{id}/test`.
pub fn test_channel(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let NothingIn {} = body::json(context)?;
    let id = context.id("channel")?;
    let notice = context.app().test_notice_channel(caller, id)?;
    ok(&NoticeTestOut {
        id: notice.to_string(),
    })
}

/// `GET /api/v1/me/notices`.
pub fn show_preferences(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    query::reject_parameters(context)?;
    let preferences = context.app().notice_preferences(caller)?;
    ok(&NoticePreferencesOut::new(&preferences))
}

/// `PATCH /api/v1/me/notices`.
pub fn edit_preferences(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let wanted: NoticePreferencesPatch = body::json(context)?;
    let (email, kinds) = wanted.parse()?;
    let app = context.app();
    match (email, kinds) {
        (Some(Some(address)), kinds) => app.request_email(caller, address, kinds)?,
        (Some(None), kinds) => app.remove_email(caller, kinds)?,
        (None, Some(kinds)) => app.change_notice_preferences(caller, kinds)?,
        (None, None) => {}
    }
    let preferences = context.app().notice_preferences(caller)?;
    ok(&NoticePreferencesOut::new(&preferences))
}

pub fn list_deliveries(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let part = query::page_request(context)?;
    let deliveries = context.app().notice_deliveries(caller)?;
    list_page(&deliveries, part, NoticeDeliveryOut::new)
}
