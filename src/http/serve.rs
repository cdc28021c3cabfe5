//! Listening and serving.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rouille::Response;

use super::context::{RequestIds, ServerState};
use super::headers;
use super::problem::Problem;
use super::respond::{admit, respond_to};
use super::settings::HttpSettings;
use crate::app::AppState;
use crate::transport::{self, Application, Rejection};

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

/// Answers to requests that the transport rejects.
pub fn reject(
    settings: &Arc<HttpSettings>,
) -> impl Fn(Rejection) -> Response + Send + Sync + use<> {
    let (settings, ids) = (Arc::clone(settings), RequestIds::default());
    move |rejection| {
        let id = ids.next();
        let response = Problem::Transport(rejection).to_response(&id);
        headers::finish(response, id, &settings)
    }
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
    let reject = reject(&settings);
    let opened = app_state.clone();
    let open = move || ServerState::open(&opened, &settings);
    let application = Application::new(open, admit, respond_to, reject);
    transport::serve(wire, listeners, stop, application, ready)
        .map_err(|error| ServeError(error.to_string()))
}
