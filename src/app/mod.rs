//! Use cases: one function per request. The only user of the store.

mod account;
mod account_notice;
mod audit_archive;
mod calendar;
mod credential;
mod database;
mod device_login;
mod event;
mod explain;
mod group;
mod host;
mod inventory;
mod issue;
mod list;
mod metrics;
mod notice;
mod notice_preference;
mod overview;
mod policy;
mod rate_limit;
mod second_factor;
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

pub use self::ssh_key::{ImportOutcome, ImportRequest, ImportedLine, login_keys_from_database};
pub use account::Invited;
pub use audit_archive::AuditLog;
pub use credential::{CredentialScope, WithDerived};
pub use database::{
    Condition, Existing, Finding, FinishedBackup, OpenError, Restored, ValidCredential,
};
pub use device_login::{DeviceApproval, DeviceLoginRequest, Polled, StartedDeviceLogin};
pub use event::{Download, DownloadScope};
pub use explain::{Circumstances, ExplainedCheck, Explanation};
pub use host::{HostKeys, KeyListValidity};
pub use inventory::InventoryPage;
pub use issue::Issued;
pub use list::{Holders, OwnedItem};
pub use metrics::{Counters, Figures};
pub use notice::NoticeSignal;
pub use overview::{ExceedingCredential, Facts, Preview, ServiceUse, UserCounts};
pub use second_factor::ChallengePurpose;
pub use sign_in::{Browser, Confirmation, PendingSignIn, SignInStep, SignedIn};
pub use sweep::SweepCounts;
pub use user::{OffboardPreview, Offboarded};
pub use verify::{Introspected, UseContext};

use crate::clock::Clock;
use crate::model::caller::Caller;
use crate::model::code::Purpose;
use crate::model::error::Error;
use crate::model::event::{Action, Origin};
use crate::model::permission::BuiltinPermission;
use crate::model::rate_limit::RateLimiter;
use crate::model::secret::{Digest, Secret, SecretForm, random_bytes};
use crate::model::time::Time;
use crate::store::{LockRole, NewCode, Read, Store, WriterTimeouts};

pub use crate::store::{
    CredentialFilter, EventCondition, HostKeyFilter, ListExtent, LoginKeys, Membership, Page,
    Verdict,
};

/// How long a starting server waits for a command that has the database open.
const SERVER_LOCK_WAIT: Duration = Duration::from_secs(30);

/// State shared by all threads of a process: the database and the clock.
#[derive(Clone)]
pub struct AppState {
    store: Store,
    clock: Clock,
    swept_at: Arc<AtomicI64>,
    counters: Arc<Counters>,
    sent_keys: host::SentKeysByHost,
    poll_limiter: Arc<std::sync::Mutex<device_login::PollLimiter>>,
    downloads: Arc<std::sync::Mutex<event::Downloads>>,
    limits: rate_limit::RateLimits,
    /// Never stored, so that nobody who reads a backup can forge a signature. Signatures end with the process.
    process_key: Arc<[u8; 32]>,
}

impl AppState {
    /// Opens the database at `path`; creates it if it does not exist.
    pub fn open_or_create(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        create_missing(path, &clock)?;
        Self::open(path, clock)
    }

    /// Opens the database for a server. Waits for a command that has it open, but not for another server.
    pub fn serve(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        create_missing(path, &clock)?;
        let store = Store::open_as(
            path,
            WriterTimeouts::default(),
            LockRole::Server,
            SERVER_LOCK_WAIT,
        )?;
        Self::with_store(store, clock)
    }

    /// Opens the database at `path`.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        Self::open_with(path, clock, WriterTimeouts::default())
    }

    /// Opens the database with the time limits `waits`.
    pub fn open_with(path: &Path, clock: Clock, waits: WriterTimeouts) -> Result<Self, OpenError> {
        Self::with_store(Store::open_with(path, waits)?, clock)
    }

    fn with_store(store: Store, clock: Clock) -> Result<Self, OpenError> {
        let counters = store.counters()?;
        Ok(Self {
            store,
            limits: rate_limit::RateLimits::new(RateLimiter::from_stored(counters)),
            swept_at: Arc::new(AtomicI64::new(clock.now().unix())),
            counters: Arc::default(),
            sent_keys: host::SentKeysByHost::default(),
            clock,
            poll_limiter: Arc::default(),
            downloads: Arc::default(),
            process_key: Arc::new(random_bytes()),
        })
    }

    /// An app for one thread.
    pub fn app(&self) -> Result<App, Error> {
        let read = self.store.read()?;
        let digest_key = read.digest_key()?;
        Ok(App {
            read,
            digest_key,
            shared: self.clone(),
        })
    }

    /// Records the public URL of the server. On a full disk it is not recorded, and the server runs.
    pub fn note_public_url(&self, url: &str) {
        if let Err(error) = self.store.note_public_url(url.to_owned()) {
            log::warn!("the public URL was not stored: {error}");
        }
    }

    /// Reserves disk space for revocations on a full disk, for as long as this is open.
    pub fn reserve_space(&self) {
        self.store.reserve_space();
    }

    /// Stores everything pending and closes the database.
    pub fn close(&self) {
        self.store.close();
    }
}

fn create_missing(path: &Path, clock: &Clock) -> Result<(), OpenError> {
    if std::fs::symlink_metadata(path).is_err() {
        match Store::create(path, clock.now()) {
            Ok(()) => log::info!("created {}", path.display()),
            // Another process was faster; its database is examined like any other.
            Err(_) if std::fs::symlink_metadata(path).is_ok() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The use cases; one instance per thread, since its connection can't be shared.
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

    /// The operator as a caller, outside a request.
    pub fn operator(&self, uid: u32) -> Caller {
        Caller::operator(uid, Origin::operator(), self.now())
    }

    const fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The number of SQL statements run by this instance so far.
    pub fn statement_count(&self) -> u64 {
        self.read.statement_count()
    }

    /// Checks that the database can be read and that the writer's last commit succeeded.
    pub fn health(&self) -> Result<(), Error> {
        self.read.ping()?;
        self.store().check_files()?;
        if self.store().is_writing() {
            Ok(())
        } else {
            Err(Error::unavailable())
        }
    }

    /// The public URL of the last server on this database; `None` if none ever ran.
    pub fn public_url(&self) -> Result<Option<String>, Error> {
        self.read.public_url()
    }

    /// A digest with this installation's key: of an `Idempotency-Key`, a cookie, or the subject of a rate limit.
    pub fn keyed(&self, parts: &[&[u8]]) -> Digest {
        Digest::keyed(&self.digest_key, parts)
    }

    /// A digest with a key of this process: of what must not follow from the database, or from a backup of it.
    fn keyed_in_process(&self, parts: &[&[u8]]) -> Digest {
        Digest::keyed(&self.shared.process_key[..], parts)
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

    /// Records an administrative request that was rejected for lack of a permission.
    pub fn note_rejected_request(
        &self,
        caller: &Caller,
        missing: BuiltinPermission,
        request: &str,
    ) {
        let target = crate::model::event::Target::new("request", request, "", None);
        let details =
            crate::model::event::AuditDetails::new(target).after("missing", missing.as_str());
        if let Err(error) = self.store().note_rejection(
            caller.now,
            Action::Request,
            caller.actor(),
            caller.origin.clone(),
            details,
        ) {
            log::error!("a rejected request was not recorded: {error}");
        }
    }
}

/// A new code for `purpose`, and its row.
fn new_code(purpose: Purpose, now: Time) -> (Secret, NewCode) {
    let secret = Secret::generate(SecretForm::Code);
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
