//! Listening: where, under which conditions, and until when.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::context::{ServerState, Settings};
use super::respond::{admit, respond_to};
use crate::app::AppState;
use crate::transport;

/// Why the server did not start, in one line.
#[derive(Debug)]
pub struct ServeError(String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Connections the kernel keeps waiting for us.
const BACKLOG: i32 = 1_024;

/// Opens the socket.
///
/// # Errors
/// [`ServeError`], when the address can't be had.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let open = || -> std::io::Result<TcpListener> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| ServeError(format!("can't listen on {address}: {error}")))
}

/// Serves until told to stop; says by `ready` when it does. The office stays open, and is for the caller to close.
///
/// # Errors
/// [`ServeError`], when it can't be begun.
pub fn serve(
    app_state: &AppState,
    settings: Settings,
    wire: &transport::Settings,
    listeners: Vec<TcpListener>,
    stop: &transport::Stop,
    ready: impl FnOnce(),
) -> Result<(), ServeError> {
    let settings = Arc::new(settings);
    let opened = app_state.clone();
    let open = move || ServerState::open(&opened, &settings);
    transport::serve(wire, listeners, stop, open, admit, respond_to, ready)
        .map_err(|error| ServeError(error.to_string()))
}
