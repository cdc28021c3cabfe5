//! The database of this machine: by the control socket of its server, or in this process.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::http::{HeaderName, HeaderValue, Method, Request, header};
use zeroize::Zeroizing;

use super::control::{self, ControlError};
use crate::app::{AppState, OpenError};
use crate::client::connection::PROGRAM;
use crate::client::http::{self, HttpAnswer};
use crate::clock::Clock;
use crate::http::{HttpSettings, LocalServer};
use crate::model::secret::Id;
use crate::terminal::environment::DB;
use crate::terminal::exit::{FAILED, Failure, SIGN_IN_NEEDED, USAGE};
use crate::terminal::output::write_stderr;
use crate::wire::{ListOut, ProblemOut, ProblemType};

/// How long a command alternates between the lock and the socket: a server starts or stops, or another command runs.
const REACH_WITHIN: Duration = Duration::from_secs(15);
/// How often it does.
const REACH_AGAIN: Duration = Duration::from_millis(50);
/// How long it waits before it repeats a request that a busy server rejected.
const BUSY_AGAIN: Duration = Duration::from_millis(200);
/// Paths whose POST answers with what their list shows: no secret is lost with the answer.
const SHOWN_AGAIN: [&str; 2] = ["/api/v1/groups", "/api/v1/services"];
/// Where links lead when no public URL is known.
const PUBLIC_URL: &str = "http://127.0.0.1:8420";

/// The treatment of a missing database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingDatabase {
    Create,
    Reject,
}

/// A database, reached anew when its server comes or goes.
pub struct Local {
    path: PathBuf,
    missing: MissingDatabase,
    public_url: Option<String>,
    backend: RefCell<Option<DatabaseAccess>>,
}

/// The two ways to it.
enum DatabaseAccess {
    Control(ureq::Agent),
    InProcess(Box<InProcess>),
}

/// The open database and the handler over it.
struct InProcess {
    app_state: AppState,
    server: LocalServer,
}

impl Drop for InProcess {
    /// Closes the database, also after an error.
    fn drop(&mut self) {
        self.app_state.close();
    }
}

/// Why one attempt failed.
enum OpenAttemptError {
    /// Another try may succeed.
    Again(String),
    Failed(Failure),
}

impl Local {
    pub fn open(path: PathBuf, missing: MissingDatabase) -> Result<Self, Failure> {
        become_owner(&path)?;
        let local = Self {
            path,
            missing,
            public_url: crate::terminal::environment::variable("KEYCROFT_PUBLIC_URL"),
            backend: RefCell::new(None),
        };
        let backend = local.reach(Instant::now() + REACH_WITHIN)?;
        local.backend.replace(Some(backend));
        Ok(local)
    }

    /// Where the links of this command lead, unless a running server says it.
    pub fn set_public_url(&mut self, url: Option<String>) {
        if let Some(url) = url {
            self.public_url = Some(url.trim_end_matches('/').to_owned());
            self.backend.replace(None);
        }
    }

    /// Sends a request; again when the server went away before it answered. A request that creates something names
    /// itself, so that it is carried out once.
    pub fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<HttpAnswer, Failure> {
        let deadline = Instant::now() + REACH_WITHIN;
        let mut headers = vec![
            (header::ACCEPT, "application/json".to_owned()),
            (header::USER_AGENT, PROGRAM.to_owned()),
        ];
        if let Some((kind, _)) = body {
            headers.push((header::CONTENT_TYPE, kind.to_owned()));
        }
        if *method == Method::POST {
            let name = HeaderName::from_static("idempotency-key");
            headers.push((name, Id::random().to_string()));
        }
        let bytes = body.map_or(&[][..], |(_, bytes)| bytes);
        let mut repeated = false;
        loop {
            let taken = self.backend.take();
            let backend = match taken {
                Some(backend) => backend,
                None => self.reach(deadline)?,
            };
            let send = |method: &Method, headers: &[_], bytes: &[u8]| match &backend {
                DatabaseAccess::Control(agent) => by_socket(agent, method, path, headers, bytes),
                DatabaseAccess::InProcess(open) => in_process(open, method, path, headers, bytes),
            };
            match send(method, &headers, bytes) {
                Ok(answer) if answer.status == 503 && is_back_by(deadline, &answer) => {
                    self.backend.replace(Some(backend));
                    thread::sleep(BUSY_AGAIN);
                }
                Ok(mut answer) if answer.status == 404 && repeated && *method == Method::DELETE => {
                    // The first request was carried out; only its answer was lost.
                    self.backend.replace(Some(backend));
                    answer.status = 204;
                    answer.text = Zeroizing::default();
                    return Ok(answer);
                }
                Ok(mut answer)
                    if answer.status == 409 && repeated && SHOWN_AGAIN.contains(&path) =>
                {
                    // The same, where the answer has no secret: the list has the object.
                    let created = created_before(&answer.text).and_then(|id| {
                        let listed = send(&Method::GET, &headers[..2], &[]);
                        find_listed(&listed.ok()?.text, &id)
                    });
                    self.backend.replace(Some(backend));
                    if let Some(object) = created {
                        answer.status = 201;
                        answer.text = object;
                    }
                    return Ok(answer);
                }
                Ok(answered) => {
                    self.backend.replace(Some(backend));
                    return Ok(answered);
                }
                Err(OpenAttemptError::Failed(failure)) => return Err(failure),
                Err(OpenAttemptError::Again(why)) => {
                    repeated = true;
                    if Instant::now() >= deadline {
                        return Err(self.unreachable(&why));
                    }
                    thread::sleep(REACH_AGAIN);
                }
            }
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::new(FAILED, format!("{}: {why}", self.path.display()))
    }

    /// The server's socket when one listens, else the database itself under its lock.
    fn reach(&self, deadline: Instant) -> Result<DatabaseAccess, Failure> {
        loop {
            match self.reach_once() {
                Ok(backend) => return Ok(backend),
                Err(OpenAttemptError::Failed(failure)) => return Err(failure),
                Err(OpenAttemptError::Again(why)) if Instant::now() >= deadline => {
                    return Err(Failure::new(FAILED, why).hint(
                        "wait for that process, or stop it; a server without a control socket logs a warning at its start",
                    ));
                }
                Err(OpenAttemptError::Again(_)) => thread::sleep(REACH_AGAIN),
            }
        }
    }

    fn reach_once(&self) -> Result<DatabaseAccess, OpenAttemptError> {
        match control::connect(&self.path) {
            Ok(stream) => {
                let config = http::settings().proxy(None).build();
                return control::agent(stream, config)
                    .map(DatabaseAccess::Control)
                    .map_err(|error| OpenAttemptError::Again(error.to_string()));
            }
            Err(ControlError::Rejected(why)) => {
                return Err(OpenAttemptError::Failed(Failure::new(FAILED, why)));
            }
            Err(ControlError::NoServer) => {}
        }
        self.open_in_process()
            .map(|open| DatabaseAccess::InProcess(Box::new(open)))
    }

    fn open_in_process(&self) -> Result<InProcess, OpenAttemptError> {
        let exists = std::fs::symlink_metadata(&self.path).is_ok();
        let opened = match self.missing {
            MissingDatabase::Create => AppState::open_or_create(&self.path, Clock::System),
            MissingDatabase::Reject => AppState::open(&self.path, Clock::System),
        };
        let failure = |error: OpenError| {
            if error.is_locked() {
                return OpenAttemptError::Again(error.to_string());
            }
            let failure = Failure::new(FAILED, error.to_string());
            OpenAttemptError::Failed(
                failure
                    .hint("run this as the database's owner or as root; --db FILE names another"),
            )
        };
        let app_state = opened.map_err(failure)?;
        if !exists {
            write_stderr(&format!("created {}", self.path.display()));
        }
        let settings = HttpSettings {
            public_url_given: self.public_url.is_some(),
            public_url: match &self.public_url {
                Some(url) => url.clone(),
                None => stored_url(&app_state)?.unwrap_or_else(|| PUBLIC_URL.to_owned()),
            },
            behind_proxy: None,
            untrusted_forwarder: std::sync::OnceLock::new(),
            certificate: None,
        };
        let server = LocalServer::open(&app_state, settings)
            .map_err(|error| OpenAttemptError::Failed(Failure::from(error)))?;
        Ok(InProcess { app_state, server })
    }
}

/// True if a server that is busy says that another try before `deadline` may succeed.
fn is_back_by(deadline: Instant, answer: &HttpAnswer) -> bool {
    let seconds = answer
        .header("Retry-After")
        .and_then(|value| value.parse().ok());
    let left = deadline.saturating_duration_since(Instant::now());
    seconds.is_some_and(|seconds| Duration::from_secs(seconds) <= left)
}

/// The id in the answer to a repeated request that was carried out before.
fn created_before(problem: &str) -> Option<String> {
    let problem: ProblemOut = serde_json::from_str(problem).ok()?;
    let is_done = problem.is(ProblemType::AlreadyDone);
    problem.id.filter(|_| is_done)
}

/// An object of a list, as far as it is looked for.
#[derive(Deserialize)]
struct ListedObject {
    id: Option<String>,
    name: Option<String>,
}

/// The object of a list with this id or name.
fn find_listed(list: &str, id: &str) -> Option<Zeroizing<String>> {
    let list: ListOut<Box<RawValue>> = serde_json::from_str(list).ok()?;
    let found = list.items.into_iter().find(|item| {
        let object: Option<ListedObject> = serde_json::from_str(item.get()).ok();
        object.is_some_and(|one| one.id.as_deref() == Some(id) || one.name.as_deref() == Some(id))
    })?;
    Some(Zeroizing::new(found.get().to_owned()))
}

/// The public URL of the server that ran last on the database.
fn stored_url(app_state: &AppState) -> Result<Option<String>, OpenAttemptError> {
    app_state
        .app()
        .and_then(|app| app.public_url())
        .map_err(|error| OpenAttemptError::Failed(Failure::from(error)))
}

fn by_socket(
    agent: &ureq::Agent,
    method: &Method,
    path: &str,
    headers: &[(HeaderName, String)],
    body: &[u8],
) -> Result<HttpAnswer, OpenAttemptError> {
    let bad = || OpenAttemptError::Failed(bad_path(path));
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = if body.is_empty() {
        agent.run(request.body(()).map_err(|_| bad())?)
    } else {
        agent.run(request.body(body).map_err(|_| bad())?)
    };
    let again = |error: ureq::Error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => bad(),
        error => OpenAttemptError::Again(format!("the connection to the server was lost: {error}")),
    };
    http::read_answer(answer).map_err(again)
}

fn in_process(
    open: &InProcess,
    method: &Method,
    path: &str,
    headers: &[(HeaderName, String)],
    body: &[u8],
) -> Result<HttpAnswer, OpenAttemptError> {
    if path.parse::<ureq::http::Uri>().is_err() || !path.starts_with('/') {
        return Err(OpenAttemptError::Failed(bad_path(path)));
    }
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
        .collect();
    let failed = |why: String| OpenAttemptError::Failed(Failure::new(FAILED, why));
    let answer = open
        .server
        .call(method.as_str(), path, headers, body.to_vec())
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(answer.body).map_err(|error| failed(error.to_string()))?;
    let headers = answer.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    Ok(HttpAnswer {
        status: answer.status,
        headers: headers.collect(),
        text: Zeroizing::new(text),
    })
}

fn bad_path(path: &str) -> Failure {
    Failure::new(USAGE, format!("{path:?} is not a valid request path"))
}

/// Root continues as the owner of the database: new files must not lock the owner out, and files that the owner can
/// replace must not be opened with root's rights.
fn become_owner(path: &Path) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(owner) = std::fs::symlink_metadata(path).or_else(|_| std::fs::metadata(folder)) else {
        return Ok(());
    };
    if owner.uid() == 0 {
        return Ok(());
    }
    let error = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(DB, path)
        .gid(owner.gid())
        .uid(owner.uid())
        .exec();
    let why = format!("cannot continue as user {}: {error}", owner.uid());
    Err(Failure::new(FAILED, why).hint(format!("run this as the owner of {}", path.display())))
}

/// Records a backup in the database, through its server or in this process.
pub fn record_backup(path: &Path, name: &str, bytes: u64) -> Result<(), String> {
    let owner = std::fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    let is_foreign = rustix::process::geteuid().is_root() && owner.uid() != 0;
    if is_foreign && control::connect(path).is_err() {
        return Err("no server runs; run `keycroft backup` as the database's owner".to_owned());
    }
    let local = Local {
        path: path.to_owned(),
        missing: MissingDatabase::Reject,
        public_url: None,
        backend: RefCell::new(None),
    };
    let body = crate::wire::BackupIn {
        name: name.to_owned(),
        bytes,
    };
    let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    let sent = Some(("application/json", &body[..]));
    match local.exchange(&Method::POST, "/api/v1/backups", sent) {
        Ok(answer) if answer.is_success() => Ok(()),
        Ok(answer) => Err(answer.text.to_string()),
        Err(failure) => Err(failure.message),
    }
}

/// The error without a database and a server.
pub fn nothing_there(path: &Path) -> Failure {
    let message = format!("no server chosen, and no {} in this folder", path.display());
    Failure::new(SIGN_IN_NEEDED, message)
        .hint("keycroft login https://keys.lab.example, or --db FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_of_a_lost_answer_is_found_in_its_list() {
        let problem = |kind: &str| {
            format!(
                r#"{{"type":"urn:keycroft:problem:{kind}","title":"","status":409,"id":"lab"}}"#
            )
        };
        assert_eq!(
            created_before(&problem("already-done")).as_deref(),
            Some("lab")
        );
        assert_eq!(created_before(&problem("name-taken")), None);
        assert_eq!(created_before("{}"), None);
        let list =
            r#"{"items":[{"name":"gpu"},{"name":"lab","members":[]},{"id":"x"}],"next":null}"#;
        let found = |id: &str| find_listed(list, id).map(|text| text.to_string());
        assert_eq!(
            found("lab").as_deref(),
            Some(r#"{"name":"lab","members":[]}"#)
        );
        assert_eq!(found("x").as_deref(), Some(r#"{"id":"x"}"#));
        assert_eq!(found("other"), None);
    }
}
