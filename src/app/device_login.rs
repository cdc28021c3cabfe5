//! Login on a device without a browser (RFC 8628): the device sends a request, a person approves it in the console, the
//! device fetches a token.

use std::collections::HashMap;
use std::time::Duration;

use super::issue::token_end;
use super::{App, Issued, new_code};
use crate::model::address::AllowedAddresses;
use crate::model::caller::{Caller, Permit};
use crate::model::code::Purpose;
use crate::model::credential::{Credential, Kind, Owner};
use crate::model::device_login::{DeviceDecision, DeviceLogin, UserCode};
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Origin, Target};
use crate::model::permission::{BuiltinPermission, Permissions};
use crate::model::secret::{Id, Presented, Secret, SecretForm};
use crate::model::text::sanitize;
use crate::model::time::{Lifetime, RequestedExpiration, Time};
use crate::store::{NewDeviceLogin, NewRow, Select};

/// The first polling interval of a device, and its increase after each early poll (RFC 8628, 3.5).
pub const INTERVAL: Duration = Duration::from_secs(5);
/// Logins that one address may begin in a minute.
const BEGUN_PER_ADDRESS: u32 = 30;
/// Wrong codes that one person may type in a minute.
const TRIES_PER_USER: u32 = 10;
/// Limit of devices whose polls are tracked.
const PACES_MAX: usize = 20_000;

/// The request of a device.
#[derive(Debug, Clone)]
pub struct DeviceLoginRequest {
    /// The reported name of the computer.
    pub computer: String,
    pub program: String,
    /// The most permissions of the token; `None`: all permissions of the user.
    pub permissions: Option<Permissions>,
    pub lifetime: Option<Lifetime>,
}

/// The choices of a person who approves a login.
#[derive(Debug, Clone)]
pub struct DeviceApproval {
    pub lifetime: RequestedExpiration,
    /// The permissions of the token; `None`: as the device requested.
    pub permissions: Option<Permissions>,
}

impl From<RequestedExpiration> for DeviceApproval {
    fn from(lifetime: RequestedExpiration) -> Self {
        Self {
            lifetime,
            permissions: None,
        }
    }
}

/// A login that was begun.
pub struct StartedDeviceLogin {
    /// For the device alone.
    pub device_code: Secret,
    /// For the person to type.
    pub user_code: UserCode,
    pub expires_in: Duration,
    pub interval: Duration,
}

/// The answer to a poll (RFC 8628, 3.5).
pub enum Polled {
    Pending,
    /// Pending, and polled too soon: from now on wait this long.
    SlowDown(Duration),
    Denied,
    Expired,
    /// An unknown login, or its token was fetched already.
    Unknown,
    Token(Box<Issued>),
}

/// The last poll of each device and its interval. Kept in memory only: losing it does no harm.
#[derive(Default)]
pub struct PollLimiter(HashMap<Id, PollRecord>);

struct PollRecord {
    requested_at: Time,
    interval: Duration,
    expires_at: Time,
}

impl PollLimiter {
    /// Records a poll. Returns the new interval if it was too soon.
    fn record_poll(&mut self, login: &DeviceLogin, now: Time) -> Option<Duration> {
        if self.0.len() >= PACES_MAX {
            self.0.retain(|_, pace| pace.expires_at > now);
        }
        let full = self.0.len() >= PACES_MAX;
        match self.0.get_mut(&login.code) {
            Some(pace) => {
                let too_soon =
                    now >= pace.requested_at && now.since(pace.requested_at) < pace.interval;
                pace.requested_at = now;
                if too_soon {
                    pace.interval += INTERVAL;
                }
                too_soon.then_some(pace.interval)
            }
            None if full => Some(INTERVAL),
            None => {
                let pace = PollRecord {
                    requested_at: now,
                    interval: INTERVAL,
                    expires_at: login.expires_at,
                };
                self.0.insert(login.code, pace);
                None
            }
        }
    }

    fn forget(&mut self, code: Id) {
        self.0.remove(&code);
    }
}

impl App {
    /// Begins a login on a device. It is unauthenticated, so it is not audited.
    ///
    /// # Errors
    /// [`Error::TooMany`] when its address began many; [`Error::Unavailable`] when too many are pending.
    pub fn begin_device_login(
        &self,
        wanted: DeviceLoginRequest,
        origin: &Origin,
        now: Time,
    ) -> Result<StartedDeviceLogin, Error> {
        let limits = self.address_limits("device", origin.address, BEGUN_PER_ADDRESS);
        self.hit(&limits, "sign-ins were started from your address", now)?;
        let (device_code, code) = new_code(Purpose::Device, now);
        let new = NewDeviceLogin {
            code,
            computer: sanitize(&wanted.computer, 64),
            program: sanitize(&wanted.program, 64),
            address: origin.address,
            permissions: wanted.permissions,
            lifetime: wanted.lifetime,
        };
        let counters = self.limits().stored(&limits);
        let user_code = self.store().begin_device_login(new, counters, now)?;
        Ok(StartedDeviceLogin {
            device_code,
            user_code,
            expires_in: Purpose::Device.lifetime(),
            interval: INTERVAL,
        })
    }

    /// Answers a poll of a device. Writes only if a token is ready; only one poll gets it.
    pub fn poll_device_login(
        &self,
        presented: Presented,
        origin: Origin,
        now: Time,
    ) -> Result<Polled, Error> {
        if presented.form != SecretForm::Code {
            return Ok(Polled::Unknown);
        }
        let Some(login) = self.read.device_login_by_code(&presented)? else {
            return Ok(Polled::Unknown);
        };
        if login.expires_at <= now {
            return Ok(Polled::Expired);
        }
        match login.answer {
            None => {
                let slower = self.poll_limiter().record_poll(&login, now);
                Ok(slower.map_or(Polled::Pending, Polled::SlowDown))
            }
            Some(DeviceDecision::Denied) => Ok(Polled::Denied),
            // Checked here first, so that repeated polls cost the writer nothing; and again within the act.
            Some(DeviceDecision::Approved(session)) => {
                match approver(&self.read, &login, session, now)? {
                    None => Ok(Polled::Denied),
                    Some(_) => self.fetch(presented, login.code, origin, now),
                }
            }
        }
    }

    fn fetch(
        &self,
        presented: Presented,
        code: Id,
        origin: Origin,
        now: Time,
    ) -> Result<Polled, Error> {
        let permit = Permit::by_code(presented, Purpose::Device, Action::TokenCreate, origin, now)?;
        let fetched = self.store().write(permit, move |write| {
            let login = write
                .device_login_by_id(code)?
                .ok_or(Error::NotFound("sign-in"))?;
            let Some(DeviceDecision::Approved(session)) = login.answer else {
                return Err(Error::Conflict("The login was not approved.".to_owned()));
            };
            let session = approver(write, &login, session, write.now)?.ok_or_else(|| {
                Error::Conflict(
                    "The user who approved the login no longer has the required permissions."
                        .to_owned(),
                )
            })?;
            let wanted = login
                .lifetime
                .map_or(RequestedExpiration::Unsaid, RequestedExpiration::In);
            let power = session.power();
            let secret = Secret::generate(SecretForm::Credential(Kind::Token));
            let row = NewRow {
                id: secret.id(),
                kind: Kind::Token,
                owner: session.owner.id(),
                name: sanitize(&format!("{} on {}", login.program, login.computer), 64),
                note: None,
                permissions: login
                    .permissions
                    .as_ref()
                    .map_or_else(|| power.clone(), |wanted| wanted.intersection(&power)),
                allowed_addresses: AllowedAddresses::default(),
                digest: secret.digest(),
                created_by: Some(session.id),
                expires_at: token_end(&write.policy()?, wanted, &session, write.now)?,
                password_at: None,
                user_agent: None,
                address: None,
            };
            write.add_credential(&row)?;
            let target = Target::new(row.kind.as_str(), row.id, &row.name, login.user);
            let details = AuditDetails::new(target)
                .after("permissions", &row.permissions)
                .after("device", login.code)
                .after(
                    "expires",
                    row.expires_at
                        .map_or_else(String::new, |end| end.to_string()),
                );
            Ok(((secret, row.id), details))
        });
        match fetched {
            Ok((secret, id)) => {
                self.poll_limiter().forget(code);
                let record = self.read.record(id)?.ok_or(Error::NotFound("token"))?;
                Ok(Polled::Token(Box::new(Issued { record, secret })))
            }
            // Another poll with the same code was first.
            Err(Error::Unauthenticated { .. }) => Ok(Polled::Unknown),
            Err(
                Error::Conflict(_)
                | Error::NameTaken(_)
                | Error::NotFound(_)
                | Error::AgainstPolicy(_)
                | Error::Invalid(_),
            ) => Ok(Polled::Denied),
            Err(error) => Err(error),
        }
    }

    /// The login with this typed code, for the confirmation page.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no pending login has this code; [`Error::TooMany`]; [`Error::NotAllowed`] without a
    /// session.
    pub fn device_login(&self, caller: &Caller, typed: &str) -> Result<DeviceLogin, Error> {
        const NOT_FOUND: Error =
            Error::NotFound("code, or it has expired: start again on the device");
        let user = caller.user()?.id;
        if caller.session_id().is_none() {
            return Err(Error::NotAllowed(
                "Sign-ins on devices are approved in the console, by a signed-in user.".to_owned(),
            ));
        }
        let limits = [self.rate_limit("device-code", &user.0.to_be_bytes(), TRIES_PER_USER)];
        self.hit(&limits, "codes were tried", caller.now)?;
        let login = match UserCode::parse(typed) {
            Some(code) => self.read.device_login(&code, caller.now)?,
            None => None,
        };
        let Some(login) = login.filter(|login| login.answer.is_none()) else {
            let counters = self.limits().stored(&limits);
            self.store().note_failed_attempt(counters, None)?;
            return Err(NOT_FOUND);
        };
        self.limits().release(&limits);
        Ok(login)
    }

    /// Approves a login on a device. Its token never outlives the person's session.
    ///
    /// # Errors
    /// As [`App::device_login`]; [`Error::PasswordNeeded`]; [`Error::AgainstPolicy`]; [`Error::Invalid`] for permissions
    /// beyond the requested ones; [`Error::Conflict`] when it was answered meanwhile.
    pub fn approve_device_login(
        &self,
        caller: &Caller,
        typed: &str,
        approval: impl Into<DeviceApproval>,
    ) -> Result<DeviceLogin, Error> {
        let permit =
            caller.permit_with_password(BuiltinPermission::TokensWrite, Action::DeviceApprove)?;
        let login = self.device_login(caller, typed)?;
        let DeviceApproval {
            lifetime: wanted,
            permissions,
        } = approval.into();
        let requested = login.permissions.as_ref();
        if let (Some(chosen), Some(requested)) = (&permissions, requested)
            && !chosen.lie_within(requested)
        {
            let message = "choose only permissions that the device requested";
            return Err(Error::field("permissions", message));
        }
        let (user, session) = (caller.user()?.id, caller.credential()?.clone());
        let answered = login.clone();
        self.store().write(permit, move |write| {
            // Reports a conflict with the policy to the person now, not to the device later.
            token_end(&write.policy()?, wanted, &session, write.now)?;
            let lifetime = match wanted {
                RequestedExpiration::In(lifetime) => Some(lifetime),
                RequestedExpiration::Unsaid | RequestedExpiration::At(_) => None,
            };
            let login = write
                .device_login(&login.user_code, write.now)?
                .ok_or(Error::NotFound("sign-in"))?;
            write.answer_device_login(
                &login,
                user,
                DeviceDecision::Approved(session.id),
                lifetime,
                permissions.as_ref(),
            )?;
            Ok(((), details(&login, user)))
        })?;
        Ok(answered)
    }

    /// Denies a login on a device.
    ///
    /// # Errors
    /// As [`App::device_login`]; [`Error::Conflict`] when it was answered meanwhile.
    pub fn deny_device_login(&self, caller: &Caller, typed: &str) -> Result<DeviceLogin, Error> {
        let permit = caller.permit(BuiltinPermission::TokensWrite, Action::DeviceRefuse)?;
        let login = self.device_login(caller, typed)?;
        let (user, answered) = (caller.user()?.id, login.clone());
        self.store().write(permit, move |write| {
            let login = write
                .device_login(&login.user_code, write.now)?
                .ok_or(Error::NotFound("sign-in"))?;
            write.answer_device_login(&login, user, DeviceDecision::Denied, None, None)?;
            Ok(((), details(&login, user)))
        })?;
        Ok(answered)
    }

    fn poll_limiter(&self) -> std::sync::MutexGuard<'_, PollLimiter> {
        self.shared
            .poll_limiter
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The session that approved a login, if it is still valid and belongs to the same person.
fn approver(
    select: &Select,
    login: &DeviceLogin,
    session: Id,
    now: Time,
) -> Result<Option<Credential>, Error> {
    let session = select.credential(session)?;
    Ok(session.filter(|session| {
        let same = matches!(&session.owner, Owner::User(user) if Some(user.id) == login.user);
        same && session.kind == Kind::Session && session.check(now, None).is_ok()
    }))
}

fn details(login: &DeviceLogin, user: crate::model::user::UserId) -> AuditDetails {
    let address = login
        .address
        .map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    AuditDetails::new(Target::new(
        "device",
        login.code,
        &login.computer,
        Some(user),
    ))
    .after("program", &login.program)
    .after("address", address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_000_000);

    fn login(expires_at: Time) -> DeviceLogin {
        DeviceLogin {
            code: Id::random(),
            user_code: UserCode::random(),
            computer: "laptop".into(),
            program: "keycroft".into(),
            address: None,
            permissions: None,
            lifetime: None,
            requested_at: NOW,
            expires_at,
            answer: None,
            user: None,
        }
    }

    #[test]
    fn poll_limiter_is_bounded_and_drops_expired_entries() {
        let later = NOW.after(INTERVAL);
        let mut poll_limiter = PollLimiter::default();
        for _ in 0..PACES_MAX {
            assert_eq!(poll_limiter.record_poll(&login(later), NOW), None);
        }
        let one_more = login(later);
        assert_eq!(poll_limiter.record_poll(&one_more, NOW), Some(INTERVAL));
        assert_eq!(poll_limiter.0.len(), PACES_MAX);
        // Expired ones make room.
        assert_eq!(poll_limiter.record_poll(&one_more, later), None);
        assert_eq!(poll_limiter.0.len(), 1);
    }
}
