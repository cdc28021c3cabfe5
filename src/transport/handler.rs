//! The application: the functions behind the transport, and one `H` per thread, created again after a panic.

use std::cell::RefCell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyper::header::HeaderMap;
use rouille::{Request, Response};

use super::body::Body;
use super::convert::HandlerAnswer;
use super::rejection::{Reject, Rejection, request_id};
use super::{Admission, Lane, Peer};

const FAULT: Rejection = Rejection::new(
    500,
    "Internal error. The server's log has the details under the Request-Id.",
);

/// Creates one `H` for the calling thread.
type HandlerFactory<H> = Box<dyn Fn() -> Result<H, String> + Send + Sync>;

/// The functions of an application, shared by all threads.
pub struct Application<H> {
    open: HandlerFactory<H>,
    admit: fn(&str, &str) -> Admission,
    respond: fn(&H, &Request, Peer) -> Response,
    pub(super) reject: Reject,
}

impl<H> Application<H> {
    /// `open` creates one `H` for each thread that answers, on that thread. It is called again after a panic and when a
    /// pool grows. `admit` gets method and path of a request; `respond` answers it. `reject` creates the answer to a
    /// request that the transport rejects.
    pub fn new<E: Display>(
        open: impl Fn() -> Result<H, E> + Send + Sync + 'static,
        admit: fn(&str, &str) -> Admission,
        respond: fn(&H, &Request, Peer) -> Response,
        reject: impl Fn(Rejection) -> Response + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: Box::new(move || open().map_err(|error| error.to_string())),
            admit,
            respond,
            reject: Arc::new(reject),
        })
    }

    /// The route table's admission of a request before its body is read; `target` is path and query.
    pub fn admit(&self, method: &str, target: &str) -> Admission {
        (self.admit)(method, target)
    }
}

/// The `H` of one thread.
pub struct ThreadHandler<H> {
    /// Its source.
    pub application: Arc<Application<H>>,
    own: RefCell<H>,
}

impl<H> ThreadHandler<H> {
    /// Opens the `H` of the calling thread.
    pub fn open(application: &Arc<Application<H>>) -> Result<Self, String> {
        Ok(Self {
            own: RefCell::new((application.open)()?),
            application: Arc::clone(application),
        })
    }

    /// Answers a request. A panic becomes a 500 without detail and drops `H`, which may be inconsistent. `headers`: an
    /// emptied map for reuse.
    pub fn answer(
        &self,
        request: &Request,
        peer: Peer,
        lane: Lane,
        headers: HeaderMap,
    ) -> HandlerAnswer {
        let answered = catch_unwind(AssertUnwindSafe(|| {
            let response = (self.application.respond)(&self.own.borrow(), request, peer);
            HandlerAnswer::from_handler(response, lane, headers)
        }));
        let fault = match answered {
            Ok(Ok(answer)) => return answer,
            Ok(Err(fault)) => Some(fault),
            Err(_panic) => None,
        };
        let response = (self.application.reject)(FAULT);
        let id = request_id(&response).to_owned();
        if let Some(fault) = fault {
            log::error!("{id}: {fault}");
        } else {
            log::error!("{id}: a handler panicked");
            self.reopen(&id);
        }
        HandlerAnswer::of_rejection(response)
    }

    /// The answer to a request that the transport rejects.
    pub fn reject(&self, rejection: Rejection) -> hyper::Response<Body> {
        rejection.answer(&self.application.reject)
    }

    fn reopen(&self, id: &str) {
        match (self.application.open)() {
            Ok(own) => drop(self.own.replace(own)),
            Err(error) => log::error!("{id}: continues with the old handler: {error}"),
        }
    }
}
