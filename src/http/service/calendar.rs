//! `GET /calendar/SECRET.ics`: the expirations of a user, for calendar programs.

use rouille::Response;

use crate::http::context::RequestContext;
use crate::http::headers;
use crate::http::problem::Problem;
use crate::model::error::Error;
use crate::model::secret::Presented;

pub fn calendar(context: &RequestContext<'_>) -> Result<Response, Problem> {
    let presented = Presented::parse(context.parameter(0)).ok_or(Error::NotFound("calendar"))?;
    let url = &context.server_state.settings.public_url;
    let site = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    let file = context.app().calendar(&presented, site, context.now)?;
    let kind = "text/calendar; charset=utf-8";
    Ok(headers::bytes_of(kind, 200, file.into_bytes()))
}
