//! `keycroft whoami` and `keycroft status`.

use clap::Args;

use super::connection::Remote;
use super::exit::Failure;
use super::output::{self, Cell};
use crate::wire::MeOut;

#[derive(Args)]
pub struct WhoamiArguments {
    #[command(flatten)]
    remote: Remote,
}

/// `keycroft whoami`.
///
/// # Errors
/// With what to say and the exit code.
pub fn whoami(arguments: &WhoamiArguments) -> Result<(), Failure> {
    let client = arguments.remote.client()?;
    let answer = client.get("/api/v1/me")?;
    if client.connection.json {
        return output::line(&answer.text);
    }
    let me: MeOut = answer.parse()?;
    let name = me.username.or(me.service).unwrap_or_default();
    output::record(&[
        ("username", name.into()),
        ("display name", me.display_name.into()),
        ("role", Cell::maybe(me.role.as_deref())),
        ("server", client.connection.server.as_str().into()),
        ("credential", client.connection.credential()?.hint().into()),
        ("kind", me.kind.into()),
        (
            "from",
            client.connection.credential()?.source.to_string().into(),
        ),
        (
            "expires",
            Cell::time(me.expires_at.as_deref(), "never", client.now()),
        ),
        ("permissions", Cell::words(&me.permissions)),
    ])
}
