//! Hosts: administration, enrollment, and the requests of hosts themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::issue::within_creator;
use super::{App, Issued, new_code};
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Permit};
use crate::model::code::Purpose;
use crate::model::credential::{Kind, Owner, OwnerId, SecretSlot};
use crate::model::error::{Error, FieldError};
use crate::model::event::{Action, AuditDetails, Origin, Target};
use crate::model::host::{
    AcceptedLogin, CACHE_AGE_DEFAULT, EnrollmentCode, Host, HostChange, HostId, HostRecord,
    LoginKey, NewEnrollmentCode, SharedLogin, shared_logins_text,
};
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::{Id, Presented, Secret, SecretForm};
use crate::model::time::Time;
use crate::model::user::Username;
use crate::store::{HostContact, HostKeyFilter, NewRow, Page, Power, Write};

const NOT_FOUND: Error = Error::NotFound("host");
/// The longest grace period for the secret before a rotation.
const ROTATION_GRACE: Duration = Duration::from_secs(86_400);
/// The last answer to each host, so that a repeated request costs nothing while nothing changes.
pub(super) type SentKeysByHost = Arc<Mutex<HashMap<HostId, SentKeys>>>;

/// The keys last sent to a host.
#[derive(Debug, Clone)]
pub struct SentKeys {
    tag: String,
    as_of: KeyListValidity,
}

/// The time of an answer with all keys, and the time until which it stays correct without changes.
#[derive(Debug, Clone)]
pub struct KeyListValidity {
    event: i64,
    since: Time,
    until: Option<Time>,
}

/// Keys for logins on a host.
pub struct HostKeys {
    pub keys: Vec<LoginKey>,
    pub as_of: KeyListValidity,
}

/// The host of a host credential.
fn host_of(caller: &Caller) -> Result<&Host, Error> {
    match &caller.credential()?.owner {
        Owner::Host(host) => Ok(host),
        Owner::User(_) | Owner::Service(_) => Err(Error::Unauthenticated {
            sent: crate::model::error::SecretSent::Yes,
        }),
    }
}

/// For admins.
impl App {
    /// Hosts, newest first.
    pub fn hosts(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<HostRecord>, Error> {
        caller.require(BuiltinPermission::HostsRead)?;
        self.read.hosts(after, limit)
    }

    /// One host.
    pub fn host(&self, caller: &Caller, id: Id) -> Result<HostRecord, Error> {
        caller.require(BuiltinPermission::HostsRead)?;
        self.read.host(id)?.ok_or(NOT_FOUND)
    }

    /// Changes a host. The next login there follows the new rules.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for a name in use, a shared login that is a username, or a concurrent
    /// change; [`Error::Invalid`] for an unknown group.
    pub fn edit_host(
        &self,
        caller: &Caller,
        id: Id,
        change: HostChange,
    ) -> Result<HostRecord, Error> {
        let permit =
            caller.permit_with_password(BuiltinPermission::HostsWrite, Action::HostEdit)?;
        self.store().write(permit, move |write| {
            let before = write.host(id)?.ok_or(NOT_FOUND)?;
            if change.version.is_some_and(|version| version != before.version()) {
                return Err(Error::Conflict("Somebody changed this host meanwhile; review its present state, and save again if you still want to.".to_owned()));
            }
            let mut after = before.clone();
            if let Some(name) = change.name {
                after.host.name = name;
            }
            if let Some(mut groups) = change.groups {
                groups.sort_unstable();
                groups.dedup();
                after.groups = groups;
            }
            if let Some(shared_logins) = change.shared_logins {
                require_no_username(write, &before.shared_logins, &shared_logins)?;
                after.shared_logins = shared_logins;
            }
            if let Some(age) = change.cache_age_max {
                after.host.cache_age_max = age;
            }
            if let Some(paused) = change.paused {
                after.host.paused_at = state_start(paused, before.host.paused_at, write.now);
            }
            if let Some(requested) = change.rotation_requested {
                after.host.rotation_requested_at = state_start(requested, before.host.rotation_requested_at, write.now);
            }
            if let Some(allowed_addresses) = change.allowed_addresses {
                // A caller limited to addresses can narrow those of a host, and no more.
                if let Power::Credential(caller, _) = &write.power
                    && !allowed_addresses.lie_within(&before.allowed_addresses)
                {
                    within_creator(Some(allowed_addresses.clone()), caller)?;
                }
                after.allowed_addresses = allowed_addresses;
            }
            write.edit_host(&after)?;
            let details = AuditDetails::new(Target::new("host", id, &after.host.name, None))
                .changed("name", &before.host.name, &after.host.name)
                .changed("groups", before.groups.join(" "), after.groups.join(" "))
                .changed("shared_logins", shared_logins_text(&before.shared_logins), shared_logins_text(&after.shared_logins))
                .changed(
                    "cache_age_max",
                    before.host.cache_age_max.as_secs(),
                    after.host.cache_age_max.as_secs(),
                )
                .changed("paused", before.host.paused_at.is_some(), after.host.paused_at.is_some())
                .changed("allowed_addresses", &before.allowed_addresses, &after.allowed_addresses)
                .changed(
                    "rotation_requested",
                    before.host.rotation_requested_at.is_some(),
                    after.host.rotation_requested_at.is_some(),
                );
            let saved = write.host(id)?.ok_or(NOT_FOUND)?;
            Ok((saved, details))
        })
    }

    /// Deletes a host. Its credential is invalid from the next request on.
    pub fn delete_host(&self, caller: &Caller, id: Id) -> Result<(), Error> {
        let permit =
            caller.permit_with_password(BuiltinPermission::HostsWrite, Action::HostDelete)?;
        let sent_keys = Arc::clone(&self.shared.sent_keys);
        self.store().write(permit, move |write| {
            let host = write.host(id)?.ok_or(NOT_FOUND)?;
            write.delete_host(host.host.id)?;
            lock(&sent_keys).remove(&host.host.id);
            let details = AuditDetails::new(Target::new("host", id, &host.host.name, None))
                .before("groups", host.groups.join(" "))
                .before("shared_logins", shared_logins_text(&host.shared_logins));
            Ok(((), details))
        })
    }

    /// Valid enrollment codes, newest first.
    pub fn enrollment_codes(&self, caller: &Caller) -> Result<Vec<EnrollmentCode>, Error> {
        caller.require(BuiltinPermission::HostsRead)?;
        self.read.enrollment_codes(caller.now)
    }

    /// Creates an enrollment code.
    pub fn add_enrollment_code(
        &self,
        caller: &Caller,
        new: NewEnrollmentCode,
        once: Option<IdempotencyKey>,
    ) -> Result<(Secret, EnrollmentCode), Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::HostsWrite, Action::EnrollmentCodeCreate)?
            .once(once);
        let (secret, mut row) = new_code(Purpose::Enrollment, caller.now);
        let mut groups = new.groups;
        groups.sort_unstable();
        groups.dedup();
        row.uses = new.uses;
        row.expires_at = caller.now.after(new.lifetime);
        row.groups = groups.join(" ");
        let code = EnrollmentCode {
            id: row.id,
            uses_left: row.uses,
            created_at: caller.now,
            expires_at: row.expires_at,
            groups,
            created_by: caller.credential_id(),
        };
        let created = code.clone();
        self.store().write(permit, move |write| {
            write.require_any_address()?;
            row.creator = write.code_creator()?;
            for name in &code.groups {
                if write.group(name)?.is_none() {
                    let message = format!("unknown group {name}");
                    return Err(Error::Invalid(vec![FieldError::new("groups", message)]));
                }
            }
            write.add_code(&row)?;
            let details = AuditDetails::new(Target::new("enrollment-code", code.id, "", None))
                .after("uses", code.uses_left)
                .after("expires", code.expires_at)
                .after("groups", code.groups.join(" "));
            Ok(((), details))
        })?;
        Ok((secret, created))
    }

    /// Deletes an enrollment code.
    pub fn delete_enrollment_code(&self, caller: &Caller, id: Id) -> Result<(), Error> {
        let permit = caller
            .permit_with_password(BuiltinPermission::HostsWrite, Action::EnrollmentCodeDelete)?;
        self.store().write(permit, move |write| {
            if !write.delete_enrollment_code(id)? {
                return Err(Error::NotFound("enrollment code"));
            }
            Ok((
                (),
                AuditDetails::new(Target::new("enrollment-code", id, "", None)),
            ))
        })
    }
}

/// The start of a state that holds now; `None` if it does not hold.
fn state_start(holds: bool, before: Option<Time>, now: Time) -> Option<Time> {
    holds.then(|| before.unwrap_or(now))
}

/// Rejects a shared login that is also a username: it would take the login from that user. Existing ones may stay.
fn require_no_username(
    write: &Write<'_>,
    before: &[SharedLogin],
    after: &[SharedLogin],
) -> Result<(), Error> {
    for shared in after {
        let is_new = before.iter().all(|one| one.login != shared.login);
        if is_new && shared.login.as_str() != "root" && write.user(&shared.login)?.is_some() {
            return Err(Error::Conflict(format!(
                "{} is the login of a user; it can't be shared.",
                shared.login
            )));
        }
    }
    Ok(())
}

/// For hosts.
impl App {
    /// Requires a valid enrollment code, without spending it.
    pub fn require_enrollment_code(&self, presented: &Presented, now: Time) -> Result<(), Error> {
        self.read
            .code(presented, Purpose::Enrollment, now)
            .map(|_| ())
    }

    /// Enrolls a host with a code, which is used up only on success.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the code is invalid; [`Error::Conflict`] for a name in use.
    pub fn enroll_host(
        &self,
        presented: Presented,
        name: String,
        origin: Origin,
        now: Time,
    ) -> Result<Issued, Error> {
        let secret = Secret::generate(SecretForm::Credential(Kind::Host));
        let (id, digest) = (secret.id(), secret.digest());
        let (program, address) = (origin.program.clone(), origin.address);
        let permit = Permit::by_code(
            presented,
            Purpose::Enrollment,
            Action::HostEnroll,
            origin,
            now,
        )?;
        self.store().write(permit, move |write| {
            let groups: Vec<String> = write
                .code_groups
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect();
            let host = write.add_host(id, &name, CACHE_AGE_DEFAULT, &groups)?;
            write.add_credential(&NewRow {
                id,
                kind: Kind::Host,
                owner: OwnerId::Host(host),
                name: name.clone(),
                note: None,
                permissions: Permissions::none(),
                allowed_addresses: AllowedAddresses::default(),
                digest,
                created_by: None,
                expires_at: None,
                password_at: None,
                user_agent: program,
                address,
            })?;
            let details = AuditDetails::new(Target::new("host", id, &name, None))
                .after("groups", groups.join(" "));
            Ok(((), details))
        })?;
        let record = self.read.record(id)?.ok_or(NOT_FOUND)?;
        Ok(Issued { record, secret })
    }

    /// The tag of the last answer to a host, if its keys are still the same.
    pub fn sent_keys_tag(&self, caller: &Caller) -> Result<Option<String>, Error> {
        let host = host_of(caller)?;
        let Some(copy) = lock(&self.shared.sent_keys).get(&host.id).cloned() else {
            return Ok(None);
        };
        let holds = copy.as_of.event == self.read.last_event_number()?
            && copy.as_of.since <= caller.now
            && copy.as_of.until.is_none_or(|until| caller.now < until);
        Ok(holds.then_some(copy.tag))
    }

    /// Stores the tag of an answer.
    pub fn remember_sent_keys(
        &self,
        caller: &Caller,
        tag: &str,
        as_of: KeyListValidity,
    ) -> Result<(), Error> {
        let tag = tag.to_owned();
        let host = host_of(caller)?.id;
        lock(&self.shared.sent_keys).insert(host, SentKeys { tag, as_of });
        Ok(())
    }

    /// The keys for logins on the calling host.
    pub fn host_keys(&self, caller: &Caller, wanted: &HostKeyFilter) -> Result<HostKeys, Error> {
        let host = host_of(caller)?;
        // Read before the keys: a change in between causes another request.
        let event = self.read.last_event_number()?;
        let mut keys = self.read.host_keys(host.id, wanted)?;
        for found in &mut keys {
            found.key = self.seen(found.key.clone(), caller.now);
        }
        keys.retain(|found| !found.key.is_expired(caller.now));
        if wanted.login.is_some() {
            let ids: Vec<Id> = keys.iter().map(|found| found.key.id).collect();
            self.store().uses.note_lookup(&ids, &host.name, caller.now);
        }
        let until = keys.iter().filter_map(|found| found.key.expires_at).min();
        let since = caller.now;
        Ok(HostKeys {
            keys,
            as_of: KeyListValidity {
                event,
                since,
                until,
            },
        })
    }

    /// Records a request of a host; `copied`: its cache has the present keys of all users; `clock`: the reported time.
    pub fn note_contact(
        &self,
        caller: &Caller,
        copied: bool,
        clock: Option<Time>,
    ) -> Result<(), Error> {
        self.store().uses.note_host(HostContact {
            host: host_of(caller)?.id,
            at: caller.now,
            address: caller.origin.address,
            version: caller.origin.program.clone(),
            copied,
            clock,
        });
        Ok(())
    }

    /// Sets a new secret of the calling host. The present one stays valid for [`ROTATION_GRACE`], or until the host
    /// fetched all keys with the new one ([`App::finish_rotation`]).
    pub fn rotate_host(&self, caller: &Caller) -> Result<Issued, Error> {
        let host = host_of(caller)?.clone();
        let permit = Permit::by_host(caller, Action::HostRotate)?;
        let (slot, id) = (caller.slot()?, host.public_id);
        let secret = Secret::generate_for(SecretForm::Credential(Kind::Host), id);
        let digest = secret.digest();
        self.store().write(permit, move |write| {
            let ends_at = write.now.after(ROTATION_GRACE);
            write.rotate_host_credential(&host, slot, &digest, ends_at)?;
            let details =
                AuditDetails::new(Target::new("host", id, &host.name, None)).after("secret", "new");
            Ok(((), details))
        })?;
        let record = self.read.record(id)?.ok_or(NOT_FOUND)?;
        Ok(Issued { record, secret })
    }

    /// Revokes the previous secret once the host uses the new one.
    pub fn finish_rotation(&self, caller: &Caller) -> Result<(), Error> {
        let host = host_of(caller)?.clone();
        if caller.slot()? == SecretSlot::Previous || caller.credential()?.previous.is_none() {
            return Ok(());
        }
        let permit = Permit::by_host(caller, Action::HostRotate)?;
        self.store().write(permit, move |write| {
            write.revoke_previous_secret(host.public_id)?;
            let target = Target::new("host", host.public_id, &host.name, None);
            Ok((
                (),
                AuditDetails::new(target).after("previous_secret", "revoked"),
            ))
        })
    }

    /// The calling host.
    pub fn calling_host<'a>(&self, caller: &'a Caller) -> Result<&'a Host, Error> {
        host_of(caller)
    }

    /// Records logins that the host's sshd accepted: one event each.
    pub fn report_logins(&self, caller: &Caller, logins: Vec<AcceptedLogin>) -> Result<(), Error> {
        let host = host_of(caller)?.clone();
        let permit = Permit::by_host(caller, Action::HostLogin)?;
        if logins.is_empty() {
            return Ok(());
        }
        let (actor, origin) = (caller.actor(), caller.origin.clone());
        self.store().write(permit, move |write| {
            let mut logins = logins.into_iter();
            let last = logins.next_back();
            for login in logins {
                let details = report_login(write, &host, login)?;
                write.add_login_event(&actor, &origin, &details)?;
            }
            let details = match last {
                Some(login) => report_login(write, &host, login)?,
                None => AuditDetails::default(),
            };
            Ok(((), details))
        })
    }
}

fn report_login(
    write: &Write<'_>,
    host: &Host,
    mut login: AcceptedLogin,
) -> Result<AuditDetails, Error> {
    // A host's clock may be ahead; no use lies in the future.
    login.at = login.at.min(write.now);
    let found = match Username::parse(&login.login) {
        Ok(name) => write.host_keys(
            host.id,
            &HostKeyFilter {
                login: Some(name),
                fingerprint: Some(login.fingerprint.clone()),
                even_if_paused: true,
            },
        )?,
        Err(_) => Vec::new(),
    };
    for one in &found {
        write.note_login(one.key.id, &host.name, &login)?;
    }
    let target = match found.as_slice() {
        [one] => Target::new("ssh-key", one.key.id, &one.key.name, Some(one.key.owner)),
        // An unknown key, or that of one of several users of the login.
        _ => Target::new("login", &login.login, &login.fingerprint, None),
    };
    let address = login.address.map_or_else(String::new, |at| at.to_string());
    Ok(AuditDetails::new(target)
        .after("host", &host.name)
        .after("login", &login.login)
        .after("fingerprint", &login.fingerprint)
        .after("address", address)
        .after("at", login.at))
}

fn lock(
    sent_keys: &Mutex<HashMap<HostId, SentKeys>>,
) -> std::sync::MutexGuard<'_, HashMap<HostId, SentKeys>> {
    // Every change leaves the map complete.
    sent_keys.lock().unwrap_or_else(PoisonError::into_inner)
}
