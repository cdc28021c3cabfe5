//! `keycroft health`: a health check for containers and monitors, without curl.

use std::time::Duration;

use clap::Args;

use crate::client::cause::cause;
use crate::client::connection::ServerAddress;
use crate::client::http;
use crate::terminal::environment::variable;
use crate::terminal::exit::{Failure, UNREACHABLE, USAGE};

/// Time limit of the check.
const TIME_LIMIT: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct HealthArguments {
    /// Server to check [env: `KEYCROFT_SERVER`]
    #[arg(default_value_t = variable("KEYCROFT_SERVER").unwrap_or_else(|| "http://127.0.0.1:8420".to_owned()))]
    url: String,
}

/// `keycroft health`: exits with 0 when `/healthz` answers 200 within [`TIME_LIMIT`], else with 7.
///
/// The certificate of an `https` server is not validated: the request carries no secret, and the address inside a
/// container rarely is the name in the certificate.
pub fn run_health(arguments: &HealthArguments) -> Result<(), Failure> {
    let server =
        ServerAddress::parse(&arguments.url).map_err(|message| Failure::new(USAGE, message))?;
    let url = format!("{}/healthz", server.as_str());
    let tls = ureq::tls::TlsConfig::builder()
        .disable_verification(true)
        .build();
    let agent = http::settings()
        .timeout_global(Some(TIME_LIMIT))
        .proxy(None)
        .tls_config(tls)
        .build()
        .new_agent();
    let failed = |why: String| Failure::new(UNREACHABLE, format!("{url}: {why}"));
    match agent.get(&url).call() {
        Ok(answer) if answer.status() == 200 => Ok(()),
        Ok(answer) => {
            let why = format!("expected 200, got {}", answer.status().as_u16());
            Err(failed(why).hint("keycroft check, and the server's log"))
        }
        Err(error) => Err(failed(cause(&error))),
    }
}
