//! `/healthz`.

use rouille::Response;

use crate::http::context::RequestContext;
use crate::http::problem::Problem;
use crate::http::{headers, query};

/// 200 while reads work and the writer's last commit succeeded.
pub fn healthz(context: &RequestContext<'_>) -> Result<Response, Problem> {
    query::reject_parameters(context)?;
    context.app().health()?;
    Ok(headers::bytes_of(
        "application/json",
        200,
        b"{\"status\":\"ok\"}".to_vec(),
    ))
}
