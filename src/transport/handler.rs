//! The handler: one `H` per thread, created again after a panic.

use std::cell::RefCell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use rouille::{Request, Response};

use super::convert::HandlerAnswer;
use super::rejection::{Rejection, request_id};
use super::{Admission, Lane, Peer};

const FAULT: Rejection = Rejection::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "Internal error. The server's log has the details under the Request-Id.",
);

/// Creates one `H` for the calling thread.
type HandlerFactory<H> = Box<dyn Fn() -> Result<H, String> + Send + Sync>;

/// The functions that `serve` was called with, shared by all threads.
pub struct Plan<H> {
    open: HandlerFactory<H>,
    admit: fn(&str, &str) -> Admission,
    respond: fn(&H, &Request, Peer) -> Response,
}

impl<H> Plan<H> {
    /// The functions that `serve` was called with.
    pub fn new<E: Display>(
        open: impl Fn() -> Result<H, E> + Send + Sync + 'static,
        admit: fn(&str, &str) -> Admission,
        respond: fn(&H, &Request, Peer) -> Response,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: Box::new(move || open().map_err(|error| error.to_string())),
            admit,
            respond,
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
    pub plan: Arc<Plan<H>>,
    own: RefCell<H>,
}

impl<H> ThreadHandler<H> {
    /// Opens the `H` of the calling thread.
    pub fn open(plan: &Arc<Plan<H>>) -> Result<Self, String> {
        Ok(Self {
            own: RefCell::new((plan.open)()?),
            plan: Arc::clone(plan),
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
            let response = (self.plan.respond)(&self.own.borrow(), request, peer);
            HandlerAnswer::from_handler(response, lane, headers)
        }));
        let fault = match answered {
            Ok(Ok(answer)) => return answer,
            Ok(Err(fault)) => Some(fault),
            Err(_panic) => None,
        };
        let id = request_id();
        if let Some(fault) = fault {
            log::error!("{id}: {fault}");
        } else {
            log::error!("{id}: a handler panicked");
            self.reopen(&id);
        }
        HandlerAnswer::Ours(FAULT.answer_with_id(&id))
    }

    fn reopen(&self, id: &str) {
        match (self.plan.open)() {
            Ok(own) => drop(self.own.replace(own)),
            Err(error) => log::error!("{id}: continues with the old handler: {error}"),
        }
    }
}
