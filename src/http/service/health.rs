//! `/healthz`.

use rouille::Response;

use crate::http::ask::Ask;
use crate::http::problem::Problem;
use crate::http::{headers, query};

/// 200 while reads work and the writer's last commit did.
pub fn healthz(ask: &Ask<'_>) -> Result<Response, Problem> {
    query::none(ask)?;
    ask.desk().health()?;
    Ok(headers::bytes_of(
        "application/json",
        200,
        b"{\"status\":\"ok\"}".to_vec(),
    ))
}
