//! Requests without a socket: the same handler, called in process by the owner of the database.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rouille::Request;

use super::context::ServerState;
use super::respond::respond_to;
use super::settings::HttpSettings;
use crate::app::AppState;
use crate::model::error::Error;
use crate::transport::Peer;

/// A server without a socket.
pub struct LocalServer {
    state: ServerState,
    peer: Peer,
}

/// An answer for a client.
pub struct LocalAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl LocalServer {
    pub fn open(app_state: &AppState, settings: HttpSettings) -> Result<Self, Error> {
        let uid = rustix::process::getuid().as_raw();
        Ok(Self {
            state: ServerState::open(app_state, &Arc::new(settings))?,
            peer: Peer::Operator { uid },
        })
    }

    /// Answers a request of the operator.
    pub fn call(
        &self,
        method: &str,
        target: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> std::io::Result<LocalAnswer> {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let request = Request::fake_http_from(from, method, target, headers, body);
        let response = respond_to(&self.state, &request, self.peer);
        let (mut reader, _) = response.data.into_reader_and_size();
        let mut body = Vec::new();
        reader.read_to_end(&mut body)?;
        let headers = response.headers.into_iter();
        Ok(LocalAnswer {
            status: response.status_code,
            headers: headers
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            body,
        })
    }
}
