//! From a request to a response: finds the route, checks its requirement, and adds the common headers.

use rouille::{Request, Response};

use super::console::STEP_UP;
use super::context::{RequestContext, ServerState};
use super::problem::Problem;
use super::route::{ANY, AUTHORIZED_KEYS, CallerHandler, Needs, ROUTES, Route};
use super::{auth, console, headers, host};
use crate::model::permission::BuiltinPermission;
use crate::transport::{Admission, Lane, Peer};

/// Longest body of an ordinary call, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Longest logged path, in characters. Every path with ids and valid names is shorter.
const PATH_CHARACTERS_MAX: usize = 128;
/// The same for a rejected request.
const REJECTED_PATH_CHARACTERS_MAX: usize = 64;

/// Matches `path` against a route's path. Returns the values of `{…}`.
fn fit<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    if pattern == path {
        return Some(Vec::new());
    }
    // Most routes end here, without being split.
    let (plain, _) = pattern.split_once('{')?;
    if !path.starts_with(plain) {
        return None;
    }
    let mut parameters = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            let (_, ending) = wanted.split_once('}')?;
            let parameter = segment.strip_suffix(ending)?;
            if parameter.is_empty() {
                return None;
            }
            parameters.push(parameter);
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(parameters)
}

/// The route for a request, or the reason why none matches.
fn find_route<'p>(
    method: &str,
    path: &'p str,
    peer: Peer,
) -> Result<(&'static Route, Vec<&'p str>), Problem> {
    // HEAD is GET whose answer has no body (RFC 9110, 9.3.2); the transport leaves it out.
    let wanted = |route: &Route| {
        matches!(route.method, ANY)
            || route.method == method
            || (method == "HEAD" && route.method == "GET")
    };
    // A fixed segment wins over a parameter: no key is named `import`.
    let mut fewest = usize::MAX;
    let mut found = None;
    let mut allowed: Vec<&str> = Vec::new();
    let exists = |route: &&Route| {
        !matches!(route.needs, Needs::Operator(_)) || matches!(peer, Peer::Operator { .. })
    };
    for route in ROUTES.iter().filter(exists) {
        let Some(parameters) = fit(route.path, path) else {
            continue;
        };
        if wanted(route) && parameters.is_empty() {
            return Ok((route, parameters));
        }
        // A parameter with an ending (`{id}.pub`) is narrower than one without.
        let openness =
            (2 * parameters.len()).saturating_sub(usize::from(route.path.contains("}.")));
        if openness > fewest {
            continue;
        }
        if openness < fewest {
            fewest = openness;
            found = None;
            allowed.clear();
        }
        if wanted(route) && found.is_none() {
            found = Some((route, parameters));
        }
        allowed.push(route.method);
        if route.method == "GET" {
            allowed.push("HEAD");
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    if allowed.is_empty() {
        return Err(Problem::NoSuchPath);
    }
    Err(Problem::Method(allowed.join(", ")))
}

/// Returns whether `path` is a page for signed-in users.
fn is_page(path: &str) -> bool {
    let found = find_route("GET", path, Peer::Network);
    found.is_ok_and(|(route, _)| matches!(route.needs, Needs::Page(_)))
}

/// Admission for the transport, before it reads the body. `target`: path and query.
pub fn admit(method: &str, target: &str) -> Admission {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // A path of the operator has its lane here as well. The network gets 404 on that lane.
    match find_route(method, path, Peer::Operator { uid: 0 }) {
        Ok((route, _)) if route.path == AUTHORIZED_KEYS && !names_a_login(query) => Admission {
            lane: Lane::Work,
            body_bytes_max: BODY_BYTES_MAX,
        },
        Ok((route, _)) if matches!(route.needs, Needs::Form(_)) && query == STEP_UP => Admission {
            lane: Lane::Hash,
            body_bytes_max: BODY_BYTES_MAX,
        },
        Ok((route, _)) => Admission {
            lane: route.lane,
            body_bytes_max: BODY_BYTES_MAX,
        },
        Err(_) => Admission {
            lane: Lane::Quick,
            body_bytes_max: BODY_BYTES_MAX,
        },
    }
}

/// Returns whether a host asks for the keys of one login. Those of all users take longer.
fn names_a_login(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "username")
}

/// Returns whether a method changes nothing (RFC 9110, 9.2.1), or goes to `/verify`, which never changes anything.
fn is_safe(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS") || path == "/verify"
}

/// Answers a request.
pub fn respond(server_state: &ServerState, request: &Request) -> Response {
    respond_to(server_state, request, Peer::Network)
}

/// Answers a request of a peer, which the transport may have marked as the operator.
pub fn respond_to(server_state: &ServerState, request: &Request, peer: Peer) -> Response {
    let now = server_state.app.now();
    let url = request.raw_url();
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let mut context = RequestContext {
        request,
        peer,
        server_state,
        path,
        parameters: Vec::new(),
        request_id: server_state.request_id(),
        now,
        is_page,
    };
    let answer = answer_request(&mut context);
    let response = match answer {
        Ok(response) => response,
        Err(problem) => reject_request(&context, &problem),
    };
    server_state.app.sweep_sometimes(now);
    if !is_safe(request.method(), path) {
        log_answer(&context, response.status_code);
    }
    headers::finish(response, context.request_id, &server_state.settings)
}

/// Logs a changing request. A rejected one can come from anybody and be of any length: it gets a short line, at level
/// DEBUG only.
fn log_answer(context: &RequestContext<'_>, status: u16) {
    let (level, most) = match status {
        400..500 => (log::Level::Debug, REJECTED_PATH_CHARACTERS_MAX),
        _ => (log::Level::Info, PATH_CHARACTERS_MAX),
    };
    let (id, method) = (&context.request_id, context.request.method());
    log::log!(
        level,
        "{id} {method} {} {status}",
        context.logged_path(most)
    );
}

fn answer_request(context: &mut RequestContext<'_>) -> Result<Response, Problem> {
    auth::require_end_to_end(context.request)?;
    let (route, parameters) = find_route(context.request.method(), context.path, context.peer)?;
    context.parameters = parameters;
    if !is_safe(context.request.method(), context.path) {
        auth::require_same_site(context)?;
    }
    match route.needs {
        Needs::Nothing(handler) => handler(context),
        Needs::Bearer(handler) => call_handler(context, None, handler),
        Needs::Permission(permission, handler) => call_handler(context, Some(permission), handler),
        Needs::Operator(handler) => {
            let caller = auth::bearer(context, None)?;
            if !caller.is_operator() {
                return Err(Problem::NoSuchPath);
            }
            handler(context, &caller)
        }
        Needs::Host(handler) => host::call_host_handler(context, handler),
        Needs::Page(handler) => console::visit(context, handler),
        Needs::Form(handler) => console::send(context, handler),
    }
}

/// Calls a handler. Adds the expiration of the caller's credential, so that programs can react in time.
fn call_handler(
    context: &RequestContext<'_>,
    permission: Option<BuiltinPermission>,
    handler: CallerHandler,
) -> Result<Response, Problem> {
    let caller = auth::bearer(context, permission)?;
    let mut response = handler(context, &caller)?;
    if permission != Some(BuiltinPermission::Introspect) {
        let notices = context.app().open_account_notice_count(&caller)?;
        if notices > 0 {
            let header = ("Keycroft-Notices".into(), notices.to_string().into());
            response.headers.push(header);
        }
    }
    if let Some(end) = caller.credential().ok().and_then(|it| it.expires_at) {
        let header = ("Keycroft-Expires".into(), end.to_string().into());
        response.headers.push(header);
    }
    Ok(response)
}

/// Logs an internal error once, here, with the request id of the answer.
fn reject_request(context: &RequestContext<'_>, problem: &Problem) -> Response {
    if let Problem::App(crate::model::error::Error::Fault(text)) = problem {
        log::error!(
            "{} {} {}: {text}",
            context.request_id,
            context.request.method(),
            context.logged_path(PATH_CHARACTERS_MAX)
        );
    }
    if context.path.starts_with("/oauth/") {
        problem.to_oauth_response()
    } else if console::wants_page(context) {
        console::error_page(context, problem)
    } else {
        problem.to_response(&context.request_id)
    }
}
