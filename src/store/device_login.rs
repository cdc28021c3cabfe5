//! The table `device_logins`, beside the codes that open them.

use rusqlite::{Row, params};

use super::Store;
use super::code::NewCode;
use super::read::Select;
use super::row::{id, invalid, optional_id, position, time};
use super::throttle::CountersNow;
use super::write::Write;
use crate::model::code::Purpose;
use crate::model::device_login::{DeviceDecision, DeviceLogin, UserCode};
use crate::model::error::Error;
use crate::model::permission::Permissions;
use crate::model::secret::{Digest, Id, Presented};
use crate::model::time::{Lifetime, Time};
use crate::model::user::UserId;

/// Logins of devices in the database. Each one more drops an expired one, or the oldest that is unanswered.
const PENDING_MAX: i64 = 10_000;

/// The request of a device.
pub struct NewDeviceLogin {
    pub code: NewCode,
    pub computer: String,
    pub program: String,
    pub address: Option<std::net::IpAddr>,
    pub permissions: Option<Permissions>,
    pub lifetime: Option<Lifetime>,
}

const COLUMNS: &str = "d.code_id, d.user_code, d.computer, d.program, d.address, d.permissions, d.lifetime_seconds, d.answer, d.approved_with, \
    c.user_id, c.created_at, c.expires_at, c.uses_left, c.digest FROM device_logins d JOIN codes c ON c.id = d.code_id";

fn read_login(row: &Row<'_>) -> rusqlite::Result<DeviceLogin> {
    const fn column(name: &str) -> usize {
        position(COLUMNS, name)
    }
    let answer = match (
        row.get_ref(const { column("d.answer") })?
            .as_str_or_null()?,
        optional_id(row, const { column("d.approved_with") })?,
    ) {
        (None, _) => None,
        (Some("approved"), Some(session)) => Some(DeviceDecision::Approved(session)),
        (Some("refused"), _) => Some(DeviceDecision::Denied),
        (Some(_), _) => return Err(invalid(const { column("d.answer") })),
    };
    let seconds: Option<i64> = row.get(const { column("d.lifetime_seconds") })?;
    Ok(DeviceLogin {
        code: id(row, const { column("d.code_id") })?,
        user_code: UserCode::parse(row.get_ref(const { column("d.user_code") })?.as_str()?)
            .ok_or_else(|| invalid(const { column("d.user_code") }))?,
        computer: row.get(const { column("d.computer") })?,
        program: row.get(const { column("d.program") })?,
        address: row
            .get_ref(const { column("d.address") })?
            .as_str_or_null()?
            .and_then(|text| text.parse().ok()),
        permissions: row
            .get_ref(const { column("d.permissions") })?
            .as_str_or_null()?
            .map(Permissions::from_stored),
        lifetime: seconds.map(|seconds| {
            Lifetime::For(std::time::Duration::from_secs(
                u64::try_from(seconds).unwrap_or(0),
            ))
        }),
        requested_at: time(row, const { column("c.created_at") })?
            .ok_or_else(|| invalid(const { column("c.created_at") }))?,
        expires_at: time(row, const { column("c.expires_at") })?
            .ok_or_else(|| invalid(const { column("c.expires_at") }))?,
        answer,
        user: row
            .get::<_, Option<i64>>(const { column("c.user_id") })?
            .map(UserId),
    })
}

fn seconds(lifetime: Option<Lifetime>) -> Option<i64> {
    match lifetime {
        Some(Lifetime::For(duration)) => i64::try_from(duration.as_secs()).ok(),
        Some(Lifetime::Endless) | None => None,
    }
}

impl Store {
    /// Records the login request of a device. Returns the code for the person to type. Bookkeeping; not audited.
    pub fn begin_device_login(
        &self,
        new: NewDeviceLogin,
        counters: CountersNow,
        now: Time,
    ) -> Result<UserCode, Error> {
        self.note(move |select| {
            select.store_counters(&counters())?;
            if select.count("SELECT count(*) FROM device_logins", [])? >= PENDING_MAX {
                let oldest = "DELETE FROM codes WHERE id = (SELECT d.code_id FROM device_logins d JOIN codes c ON c.id = d.code_id \
                              WHERE d.answer IS NULL OR c.expires_at <= ?1 ORDER BY c.expires_at > ?1, c.created_at, c.rowid LIMIT 1)";
                if select.execute(oldest, [now.unix()])? == 0 {
                    return Err(Error::unavailable());
                }
            }
            let mut user_code = UserCode::random();
            while select.count("SELECT count(*) FROM device_logins WHERE user_code = ?", [user_code.letters()])? > 0 {
                user_code = UserCode::random();
            }
            select.insert_code(&new.code, now)?;
            let sql = "INSERT INTO device_logins (code_id, user_code, computer, program, address, permissions, lifetime_seconds) VALUES (?, ?, ?, ?, ?, ?, ?)";
            let address = new.address.map(|address| address.to_string());
            let permissions = new.permissions.as_ref().map(ToString::to_string);
            select.execute(sql, params![new.code.id.as_str(), user_code.letters(), new.computer, new.program, address, permissions, seconds(new.lifetime)])?;
            Ok(user_code)
        })
    }
}

impl Select {
    /// The login with this typed code, while it can be answered or fetched.
    pub fn device_login(
        &self,
        user_code: &UserCode,
        now: Time,
    ) -> Result<Option<DeviceLogin>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE d.user_code = ? AND c.uses_left > 0 AND c.expires_at > ?"
        );
        self.one(&sql, params![user_code.letters(), now.unix()], read_login)
    }

    /// The login with this device code, expired or not; `None` if it is unknown or was fetched.
    pub fn device_login_by_code(
        &self,
        presented: &Presented,
    ) -> Result<Option<DeviceLogin>, Error> {
        let sql =
            format!("SELECT {COLUMNS} WHERE d.code_id = ? AND c.purpose = ? AND c.uses_left > 0");
        let found = self.one(
            &sql,
            params![presented.id.as_str(), Purpose::Device.as_str()],
            |row| {
                let digest: [u8; 32] = row.get(const { position(COLUMNS, "c.digest") })?;
                Ok((digest, read_login(row)?))
            },
        )?;
        Ok(found.and_then(|(digest, login)| {
            Digest::from_stored(&digest)
                .is_some_and(|digest| digest.matches(&presented.digest))
                .then_some(login)
        }))
    }

    /// The login with this code id, within the act that fetches it.
    pub fn device_login_by_id(&self, code: Id) -> Result<Option<DeviceLogin>, Error> {
        self.one(
            &format!("SELECT {COLUMNS} WHERE d.code_id = ?"),
            [code.as_str()],
            read_login,
        )
    }
}

impl Write<'_> {
    /// Records the person's answer. The statement itself checks that it is the first.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was answered before.
    pub fn answer_device_login(
        &self,
        login: &DeviceLogin,
        user: UserId,
        answer: DeviceDecision,
        lifetime: Option<Lifetime>,
        permissions: Option<&Permissions>,
    ) -> Result<(), Error> {
        let (word, session) = match &answer {
            DeviceDecision::Approved(session) => ("approved", Some(session.as_str())),
            DeviceDecision::Denied => ("refused", None),
        };
        let sql = "UPDATE device_logins SET answer = ?, approved_with = ?, lifetime_seconds = ?, permissions = coalesce(?, permissions) WHERE code_id = ? AND answer IS NULL";
        if self.execute(
            sql,
            params![
                word,
                session,
                seconds(lifetime),
                permissions.map(ToString::to_string),
                login.code.as_str()
            ],
        )? != 1
        {
            return Err(Error::Conflict(
                "This request was answered before; start again on the device if it is still waiting."
                    .to_owned(),
            ));
        }
        self.execute(
            "UPDATE codes SET user_id = ? WHERE id = ?",
            params![user.0, login.code.as_str()],
        )
        .map(|_| ())
    }
}
