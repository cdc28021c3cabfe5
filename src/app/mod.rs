//! The verbs: one function per thing that can be asked. The only user of the store.

mod account;
mod account_notice;
mod audit_archive;
mod credential;
mod device_login;
mod event;
mod explain;
mod file;
mod group;
mod host;
mod inventory;
mod issue;
mod metrics;
mod overview;
mod policy;
mod rate_limit;
mod service;
mod sign_in;
mod ssh_key;
mod sweep;
mod usage;
mod user;
mod verify;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use self::ssh_key::{Import, ImportOutcome, ImportedLine, login_keys_of_file};
pub use account::Invited;
pub use audit_archive::AuditLog;
pub use credential::{Scope, WithMade};
pub use device_login::{BegunLogin, Polled, WantedLogin};
pub use event::{Download, DownloadScope};
pub use explain::{Check, Circumstances, Explanation};
pub use file::{Condition, Copied, Existing, Finding, OpenError, Restored, Survivor};
pub use host::{AsOf, HostKeys};
pub use inventory::{Inventory, Owned};
pub use issue::Issued;
pub use metrics::{Counters, Figures};
pub use overview::{Exceeding, Facts, Preview, ServiceUse, UserCounts};
pub use sign_in::{Browser, SignedIn};
pub use sweep::Swept;
pub use user::{OffboardPreview, Offboarded};
pub use verify::{Asked, Introspected};

use crate::clock::Clock;
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::error::Error;
use crate::model::event::{Action, Origin};
use crate::model::permission::BuiltinPermission;
use crate::model::rate_limit::RateLimiter;
use crate::model::secret::{Digest, Form, Secret};
use crate::model::time::Time;
use crate::store::{LockRole, NewCode, Read, Store, Waits};

pub use crate::store::{CredentialFilter, EventFilter, LoginKeys, Page, Verdict, Wanted};

/// How long a server waits at its start for a command that has the database open.
const SERVER_LOCK_WAIT: Duration = Duration::from_secs(30);

/// What all desks of one process share: the file and the clock.
#[derive(Clone)]
pub struct AppState {
    store: Store,
    clock: Clock,
    swept_at: Arc<AtomicI64>,
    counters: Arc<Counters>,
    copies: host::Copies,
    paces: Arc<std::sync::Mutex<device_login::PollLimiter>>,
    downloads: Arc<std::sync::Mutex<event::Downloads>>,
    limits: rate_limit::RateLimits,
}

impl AppState {
    /// Opens the file at `path`; makes it when nothing is there.
    pub fn open_or_create(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        create_missing(path, &clock)?;
        Self::open(path, clock)
    }

    /// The same for a server, which waits for a command that has the database, and not for another server.
    pub fn serve(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        create_missing(path, &clock)?;
        let store = Store::open_as(path, Waits::default(), LockRole::Server, SERVER_LOCK_WAIT)?;
        Self::over(store, clock)
    }

    /// Opens the file at `path`.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        Self::open_with(path, clock, Waits::default())
    }

    /// The same, with a writer that waits as long as `waits` says.
    pub fn open_with(path: &Path, clock: Clock, waits: Waits) -> Result<Self, OpenError> {
        Self::over(Store::open_with(path, waits)?, clock)
    }

    fn over(store: Store, clock: Clock) -> Result<Self, OpenError> {
        let counters = store.counters()?;
        Ok(Self {
            store,
            limits: rate_limit::RateLimits::new(RateLimiter::from_stored(counters)),
            swept_at: Arc::new(AtomicI64::new(clock.now().unix())),
            counters: Arc::default(),
            copies: host::Copies::default(),
            clock,
            paces: Arc::default(),
            downloads: Arc::default(),
        })
    }

    /// A desk for one thread.
    pub fn app(&self) -> Result<App, Error> {
        let read = self.store.read()?;
        let digest_key = read.digest_key()?;
        Ok(App {
            read,
            digest_key,
            shared: self.clone(),
        })
    }

    /// Notes where the server on this database is reached. On a full disk the note is missing, and the server runs.
    pub fn note_public_url(&self, url: &str) {
        if let Err(error) = self.store.note_public_url(url.to_owned()) {
            log::warn!("the public URL was not noted: {error}");
        }
    }

    /// Reserves disk space for revocations on a full disk, for as long as this is open.
    pub fn reserve_space(&self) {
        self.store.reserve_space();
    }

    /// Writes what is noted in memory and closes the file.
    pub fn close(&self) {
        self.store.close();
    }
}

fn create_missing(path: &Path, clock: &Clock) -> Result<(), OpenError> {
    if std::fs::symlink_metadata(path).is_err() {
        match Store::create(path, clock.now()) {
            Ok(()) => log::info!("created {}", path.display()),
            // Another process was faster; what it created is examined like any other database.
            Err(_) if std::fs::symlink_metadata(path).is_ok() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where things are asked; one for each thread, since its connection is not to be shared.
pub struct App {
    read: Read,
    digest_key: [u8; 32],
    shared: AppState,
}

impl App {
    /// The present second. Read once per request and passed inward.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// The operator as a caller, for what is asked outside of a request.
    pub fn operator(&self, uid: u32) -> Caller {
        Caller::operator(uid, Origin::operator(), self.now())
    }

    const fn store(&self) -> &Store {
        &self.shared.store
    }

    /// How many statements this desk has asked the file, ever.
    pub fn statements_asked(&self) -> u64 {
        self.read.statements_asked()
    }

    /// Whether the file can be read and the writer's last commit succeeded.
    pub fn health(&self) -> Result<(), Error> {
        self.read.ping()?;
        self.store().check_files()?;
        if self.store().is_writing() {
            Ok(())
        } else {
            Err(Error::unavailable())
        }
    }

    /// Where the server that ran last on this database is reached; `None` when none ever ran.
    pub fn public_url(&self) -> Result<Option<String>, Error> {
        self.read.public_url()
    }

    /// A digest that only this installation can make: of an `Idempotency-Key`, a cookie, a name that is throttled.
    pub fn keyed(&self, parts: &[&[u8]]) -> Digest {
        Digest::keyed(&self.digest_key, parts)
    }

    /// Starts a small sweep, at most once a minute, without waiting for it.
    pub fn sweep_sometimes(&self, now: Time) {
        const EVERY_SECONDS: i64 = 60;
        let last = self.shared.swept_at.load(Ordering::Relaxed);
        let due = now.unix() - last >= EVERY_SECONDS || now.unix() < last;
        if due
            && self
                .shared
                .swept_at
                .compare_exchange(last, now.unix(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.store().sweep_some(now, sweep::SMALL_BATCH_ROWS);
        }
    }

    /// Notes that an administrative request was refused at the door.
    pub fn note_refused_request(&self, caller: &Caller, missing: BuiltinPermission, request: &str) {
        let target = crate::model::event::Target::new("request", request, "", None);
        let trace =
            crate::model::event::AuditDetails::of(target).after("missing", missing.as_str());
        if let Err(error) = self.store().note_refusal(
            caller.now,
            Action::Request,
            caller.actor(),
            caller.origin.clone(),
            trace,
        ) {
            log::error!("a refused request was not noted: {error}");
        }
    }
}

/// A new code for `purpose`, and what is stored of it.
fn new_code(purpose: Purpose, now: Time) -> (Secret, NewCode) {
    let secret = Secret::generate(Form::Code);
    let code = NewCode {
        id: secret.id(),
        purpose,
        digest: secret.digest(),
        user: None,
        uses: 1,
        expires_at: now.after(purpose.lifetime()),
        creator: None,
        groups: String::new(),
    };
    (secret, code)
}
