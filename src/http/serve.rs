//! Listening and serving.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::context::ServerState;
use super::respond::{admit, respond_to};
use super::settings::HttpSettings;
use crate::app::AppState;
use crate::transport;

/// The reason why the server did not start, in one line.
#[derive(Debug)]
pub struct ServeError(String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Connections that the kernel queues.
const BACKLOG: i32 = 1_024;

/// Opens the socket.
///
/// # Errors
/// [`ServeError`], when the address is not available.
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

/// Serves until it is stopped; calls `ready` once it does. The caller closes the app state.
///
/// # Errors
/// [`ServeError`], when it can't start.
pub fn serve(
    app_state: &AppState,
    settings: HttpSettings,
    wire: &transport::TransportSettings,
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
