//! The stylesheet, the script and the icon.

use rouille::Response;

use super::Answer;
use crate::html;
use crate::http::context::RequestContext;
use crate::http::headers;
use crate::http::problem::Problem;

/// A file with a hash of its content in its name, which may be cached for ever.
pub fn file(context: &RequestContext<'_>) -> Answer {
    let asset = html::assets()
        .iter()
        .find(|asset| asset.path == context.path)
        .ok_or(Problem::NoSuchPath)?;
    let mut response: Response = headers::bytes_of(asset.content_type, 200, asset.bytes.clone());
    response.headers.push((
        "Cache-Control".into(),
        "public, max-age=31536000, immutable".into(),
    ));
    Ok(response)
}
