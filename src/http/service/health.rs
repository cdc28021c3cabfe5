//! `/healthz`.

use rouille::Response;

use crate::http::ask::Ask;
use crate::http::headers;
use crate::http::problem::Problem;

/// 200 while reads work and the writer's last commit did.
pub fn healthz(ask: &Ask<'_>) -> Result<Response, Problem> {
    ask.desk().health()?;
    Ok(headers::bytes_of(
        "application/json",
        200,
        b"{\"status\":\"ok\"}".to_vec(),
    ))
}
