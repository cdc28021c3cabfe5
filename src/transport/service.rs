//! One request: admission, body, lane, answer.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response};

use super::body::Body;
use super::convert;
use super::handler::ThreadHandler;
use super::pool::{Pool, Ticket};
use super::registry::Phase;
use super::rejection::{Reject, Rejection, close};
use super::watch::{Framing, Watch};
use super::{Admission, Lane, strict};

const POOL_FULL: Rejection =
    Rejection::full("The server has too much to do. Try again in a moment.");
const BODY_TOO_SLOW: Rejection = Rejection::new(408, "The body of the request took too long.");
const BODY_BROKEN: Rejection =
    Rejection::malformed("The body of the request is not what its head announced.");

/// State shared by the connections of one thread.
pub struct WorkerPool<H> {
    /// The thread's own handler.
    pub handler: ThreadHandler<H>,
    /// For slow requests.
    pub work: Pool<H>,
    /// For password hashing.
    pub hash: Pool<H>,
}

/// Answers the requests of one connection.
pub struct HttpService<H> {
    /// Shared with the other connections of the thread.
    pub pool: Rc<WorkerPool<H>>,
    /// Shared with the stream.
    pub watch: Rc<Watch>,
    /// True if the client uses TLS.
    pub https: bool,
}

impl<H> Clone for HttpService<H> {
    fn clone(&self) -> Self {
        Self {
            pool: Rc::clone(&self.pool),
            watch: Rc::clone(&self.watch),
            https: self.https,
        }
    }
}

impl<H: 'static> hyper::service::Service<Request<Incoming>> for HttpService<H> {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Answering<H>;

    fn call(&self, request: Request<Incoming>) -> Answering<H> {
        let (parts, body) = request.into_parts();
        self.watch.waits_for(Phase::Busy);
        if let Some(rejection) = self.watch.rejection.take() {
            return self.reject(rejection);
        }
        let length = body.size_hint().exact();
        let framing = length.map_or(Framing::Last, Framing::Length);
        self.watch.framing.set(Some(framing));
        if let Err(rejection) = strict::check(&parts.headers) {
            return self.reject(rejection);
        }
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let admission = self
            .pool
            .handler
            .application
            .admit(parts.method.as_str(), target);
        if body.is_end_stream() {
            return self.answer(
                parts,
                Some(Vec::new()),
                admission.lane,
                ConnectionFate::GoOn,
            );
        }
        if length.is_some_and(|length| length > admission.body_bytes_max as u64) {
            return self.answer(parts, None, admission.lane, ConnectionFate::CloseUnread);
        }
        self.watch.waits_for(Phase::Body);
        // Of an earlier body that ended just in time.
        self.watch.body_expired.set(false);
        Answering::Reading(Box::new(RequestReader {
            service: self.clone(),
            parts: Some(parts),
            body,
            bytes: Vec::new(),
            admission,
            then: match framing {
                Framing::Length(_) => ConnectionFate::GoOn,
                Framing::Last => ConnectionFate::Close,
            },
        }))
    }
}

/// The fate of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionFate {
    /// Waits for the next request.
    GoOn,
    /// Closes.
    Close,
    /// Closes, although the client may still be sending.
    CloseUnread,
}

impl<H: 'static> HttpService<H> {
    fn reject(&self, rejection: Rejection) -> Answering<H> {
        self.watch.waits_for(Phase::Busy);
        self.watch.unread.set(true);
        Answering::Ready(finish(
            self.pool.handler.reject(rejection),
            ConnectionFate::Close,
        ))
    }

    fn answer(
        &self,
        parts: Parts,
        body: Option<Vec<u8>>,
        lane: Lane,
        then: ConnectionFate,
    ) -> Answering<H> {
        if then == ConnectionFate::CloseUnread {
            self.watch.unread.set(true);
        }
        // Memory with a password is freed, and so wiped, when the connection ends: hyper keeps its buffer until then.
        let then = match (lane, then) {
            (Lane::Hash, ConnectionFate::GoOn) => ConnectionFate::Close,
            (_, then) => then,
        };
        let peer = self.watch.slot.mark;
        let request = convert::request(&parts, self.watch.slot.peer, self.https, body);
        let pool = match lane {
            Lane::Quick => {
                let answer = self
                    .pool
                    .handler
                    .answer(&request, peer, lane, parts.headers);
                return Answering::Ready(finish(answer.into_response(), then));
            }
            Lane::Work => &self.pool.work,
            Lane::Hash => &self.pool.hash,
        };
        match pool.submit(request, peer, parts.headers) {
            Some(ticket) => Answering::Waiting(Box::new(Waiting {
                ticket,
                watch: Rc::clone(&self.watch),
                watches: true,
                then,
                reject: Arc::clone(&self.pool.handler.application.reject),
            })),
            None => Answering::Ready(finish(self.pool.handler.reject(POOL_FULL), then)),
        }
    }
}

fn finish(mut response: Response<Body>, then: ConnectionFate) -> Response<Body> {
    if then != ConnectionFate::GoOn {
        close(response.headers_mut());
    }
    response
}

/// A pending answer.
pub enum Answering<H> {
    /// Complete.
    Ready(Response<Body>),
    /// Reading the body.
    Reading(Box<RequestReader<H>>),
    /// Waiting for a pool.
    Waiting(Box<Waiting>),
    /// Taken by hyper.
    Given,
}

/// A body that is being read.
pub struct RequestReader<H> {
    service: HttpService<H>,
    parts: Option<Parts>,
    body: Incoming,
    bytes: Vec<u8>,
    admission: Admission,
    then: ConnectionFate,
}

/// A request in a pool.
pub struct Waiting {
    ticket: Ticket,
    watch: Rc<Watch>,
    watches: bool,
    then: ConnectionFate,
    reject: Reject,
}

impl<H> Unpin for Answering<H> {}

impl<H: 'static> Future for Answering<H> {
    type Output = io::Result<Response<Body>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Reading(reading) => *self = ready!(reading.poll(cx)),
                Self::Waiting(waiting) => return waiting.poll(cx),
                Self::Ready(_) | Self::Given => break,
            }
        }
        match mem::replace(&mut *self, Self::Given) {
            Self::Ready(response) => Poll::Ready(Ok(response)),
            // hyper never polls again; if it did, the connection would end.
            _ => Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
        }
    }
}

impl<H: 'static> RequestReader<H> {
    /// Continues once the body is complete or is known to be unavailable.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answering<H>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if self.service.watch.body_expired.take() => {
                    return Poll::Ready(self.service.reject(BODY_TOO_SLOW));
                }
                Poll::Pending => return Poll::Pending,
            };
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are ignored: no handler uses them.
                    let Some(data) = frame.data_ref() else {
                        continue;
                    };
                    if self.bytes.len() + data.len() > self.admission.body_bytes_max {
                        self.bytes = Vec::new();
                        return Poll::Ready(self.answer(None, ConnectionFate::CloseUnread));
                    }
                    self.bytes.extend_from_slice(data);
                }
                Some(Err(_)) => return Poll::Ready(self.service.reject(BODY_BROKEN)),
                None => {
                    let bytes = mem::take(&mut self.bytes);
                    return Poll::Ready(self.answer(Some(bytes), self.then));
                }
            }
        }
    }

    fn answer(&mut self, body: Option<Vec<u8>>, then: ConnectionFate) -> Answering<H> {
        self.service.watch.waits_for(Phase::Busy);
        match self.parts.take() {
            Some(parts) => self.service.answer(parts, body, self.admission.lane, then),
            None => Answering::Given,
        }
    }
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Response<Body>>> {
        if let Poll::Ready(reply) = Pin::new(&mut self.ticket.reply).poll(cx) {
            let response = match reply {
                Ok(answer) => answer.into_response(),
                Err(_) => POOL_FULL.answer(&self.reject),
            };
            return Poll::Ready(Ok(finish(response, self.then)));
        }
        if self.watches
            && let Poll::Ready(disconnected) = self.watch.poll_disconnect(cx)
        {
            self.watches = false;
            self.ticket.disconnected.store(true, Relaxed);
            // A broken connection ends here; the pool notices that nobody waits.
            disconnected?;
        }
        Poll::Pending
    }
}
