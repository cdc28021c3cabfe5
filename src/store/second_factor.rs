//! The tables `totp`, `recovery_codes`, `passkeys` and `consumed_challenges`.

use rusqlite::{Row, params};

use super::read::Select;
use super::row::{id, position, rows, time};
use super::write::{Power, Write};
use crate::model::credential::{Credential, Kind};
use crate::model::error::{Error, FieldError};
use crate::model::passkey::{
    Asserted, NewPasskey, PASSKEYS_MAX, Passkey, PasskeyAnswer, PasskeyError, Registered,
    check_assertion,
};
use crate::model::second_factor::{
    Factor, FactorProof, NewFactor, SecondFactors, SignInMethod, TypedCode, totp_present,
};
use crate::model::secret::{Digest, Id};
use crate::model::time::Time;
use crate::model::totp::TotpSeed;
use crate::model::user::{User, UserId};

const PASSKEY_COLUMNS: &str = "id, user_id, name, credential_id, public_key, counter, is_backup_eligible, is_backed_up, created_at, last_used_at";

fn read_passkey(row: &Row<'_>) -> rusqlite::Result<Passkey> {
    const fn column(name: &str) -> usize {
        position(PASSKEY_COLUMNS, name)
    }
    Ok(Passkey {
        id: id(row, const { column("id") })?,
        user: UserId(row.get(const { column("user_id") })?),
        name: row.get(const { column("name") })?,
        registered: Registered {
            credential_id: row.get(const { column("credential_id") })?,
            public_key: row.get(const { column("public_key") })?,
            counter: row.get(const { column("counter") })?,
            is_backup_eligible: row.get(const { column("is_backup_eligible") })?,
            is_backed_up: row.get(const { column("is_backed_up") })?,
        },
        created_at: Time::from_unix(row.get(const { column("created_at") })?),
        last_used_at: time(row, const { column("last_used_at") })?,
    })
}

fn wrong_code() -> Error {
    Error::field("code", "this code is wrong, has expired or was used before")
}

fn wrong_passkey(error: PasskeyError) -> Error {
    Error::field("passkey", error.sentence())
}

/// The error for a user without the second factor that policy requires.
fn factor_required() -> Error {
    Error::AgainstPolicy(FieldError::new(
        "code",
        "your organization requires a second factor, and you have none yet; sign out of the console and sign in again to set one up",
    ))
}

/// A valid factor, as it is written when it is consumed.
enum FactorConsumption<'a> {
    Nothing,
    TotpStep(i64),
    RecoveryCode(Digest),
    Passkey(Id, Asserted, &'a PasskeyAnswer),
    NewTotp(&'a TotpSeed, i64),
    NewPasskey(&'a NewPasskey),
}

impl Select {
    /// The second factors of a user.
    pub fn second_factors(&self, user: UserId) -> Result<SecondFactors, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM totp WHERE user_id = ?1), (SELECT count(*) FROM passkeys WHERE user_id = ?1), \
                   (SELECT count(*) FROM recovery_codes WHERE user_id = ?1)";
        let found = self.one(sql, [user.0], |row| {
            Ok(SecondFactors {
                totp: row.get(0)?,
                passkeys: row.get(1)?,
                recovery_codes_left: row.get(2)?,
            })
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The names of enabled users without a second factor, in order. A deleted user is disabled.
    pub fn users_without_second_factor(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT u.username FROM users u WHERE u.disabled_at IS NULL \
                   AND NOT EXISTS (SELECT 1 FROM totp t WHERE t.user_id = u.id) \
                   AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id) ORDER BY u.username";
        self.all(sql, [], |row| row.get(0))
    }

    /// Returns whether a password alone is not enough for this user.
    pub fn needs_second_factor(&self, user: &User, now: Time) -> Result<bool, Error> {
        Ok(self.second_factors(user.id)?.any()
            || self.policy()?.requires_second_factor(user.role, now))
    }

    /// Requires that a session was confirmed within the last 10 minutes, by the factors that its user must have.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`].
    pub fn require_confirmed(&self, credential: &Credential, now: Time) -> Result<(), Error> {
        if credential.kind != Kind::Session {
            return Ok(());
        }
        if !credential.is_recently_confirmed(now) {
            return Err(Error::PasswordNeeded);
        }
        let with = credential.confirmed_with;
        if with.is_some_and(SignInMethod::has_second_factor) {
            return Ok(());
        }
        match credential.owner.user() {
            Some(user) if self.needs_second_factor(user, now)? => Err(Error::PasswordNeeded),
            Some(_) | None => Ok(()),
        }
    }

    fn totp(&self, user: UserId) -> Result<Option<(TotpSeed, i64)>, Error> {
        let sql = "SELECT seed, last_step FROM totp WHERE user_id = ?";
        self.one(sql, [user.0], |row| {
            Ok((TotpSeed::from_stored(row.get(0)?), row.get(1)?))
        })
    }

    /// The passkeys of a user, newest first.
    pub fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, Error> {
        let sql = format!(
            "SELECT {PASSKEY_COLUMNS} FROM passkeys WHERE user_id = ? ORDER BY number DESC LIMIT ?"
        );
        self.all(&sql, params![user.0, rows(PASSKEYS_MAX)], read_passkey)
    }

    /// A passkey of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn passkey(&self, user: UserId, id: Id) -> Result<Passkey, Error> {
        let found = self.passkeys(user)?.into_iter().find(|one| one.id == id);
        found.ok_or(Error::NotFound("passkey"))
    }

    /// Returns whether there is any passkey.
    pub fn has_passkeys(&self) -> Result<bool, Error> {
        Ok(self.count("SELECT EXISTS (SELECT 1 FROM passkeys)", [])? > 0)
    }

    /// The passkey with this credential id.
    pub fn passkey_by_credential(&self, credential_id: &[u8]) -> Result<Option<Passkey>, Error> {
        let sql = format!("SELECT {PASSKEY_COLUMNS} FROM passkeys WHERE credential_id = ?");
        self.one(&sql, [credential_id], read_passkey)
    }

    /// Requires that a challenge was not answered before. Its age was checked with its MAC, at the time of the request.
    fn require_fresh_challenge(&self, challenge: &Digest) -> Result<(), Error> {
        let sql = "SELECT count(*) FROM spent_challenges WHERE digest = ?";
        if self.count(sql, [challenge.as_bytes()])? > 0 {
            return Err(wrong_passkey(PasskeyError::Challenge));
        }
        Ok(())
    }

    fn find_asserted(&self, user: &User, answer: &PasskeyAnswer) -> Result<(Id, Asserted), Error> {
        self.require_fresh_challenge(&answer.challenge)?;
        let passkey = self
            .passkey_by_credential(&answer.assertion.credential_id)?
            .filter(|passkey| passkey.user == user.id);
        let passkey = passkey.ok_or_else(|| {
            Error::field(
                "passkey",
                "this passkey is not registered for your account, or was deleted",
            )
        })?;
        let asserted = check_assertion(
            &answer.assertion,
            &passkey.registered,
            &user.subject,
            &answer.expected,
        )
        .map_err(wrong_passkey)?;
        Ok((passkey.id, asserted))
    }

    /// Checks a proof without consumption it.
    fn find_factor_proof<'a>(
        &self,
        user: &User,
        proof: &'a FactorProof,
        now: Time,
    ) -> Result<(FactorConsumption<'a>, SignInMethod), Error> {
        match proof {
            FactorProof::Code(TypedCode::Totp(code)) => {
                let found = self.totp(user.id)?;
                let step = found.and_then(|(seed, last)| seed.matching_step(code, now, last));
                let step = step.ok_or_else(wrong_code)?;
                Ok((
                    FactorConsumption::TotpStep(step),
                    SignInMethod::PasswordAndTotp,
                ))
            }
            FactorProof::Code(TypedCode::Recovery(digest)) => {
                let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = ? AND digest = ?";
                if self.count(sql, params![user.id.0, digest.as_bytes()])? == 0 {
                    return Err(wrong_code());
                }
                Ok((
                    FactorConsumption::RecoveryCode(*digest),
                    SignInMethod::PasswordAndRecoveryCode,
                ))
            }
            FactorProof::Passkey(answer) => {
                let (id, asserted) = self.find_asserted(user, answer)?;
                Ok((
                    FactorConsumption::Passkey(id, asserted, answer),
                    SignInMethod::PasswordAndPasskey,
                ))
            }
        }
    }

    /// Checks the factor that comes with a password, without consumption it: so that a wrong one does not wait for the writer.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong or missing one; [`Error::AgainstPolicy`] when policy requires one that the user lacks.
    pub fn check_factor(&self, user: &User, factor: &Factor, now: Time) -> Result<(), Error> {
        self.verify_factor(user, factor, now).map(|_| ())
    }

    fn verify_factor<'a>(
        &self,
        user: &User,
        factor: &'a Factor,
        now: Time,
    ) -> Result<(FactorConsumption<'a>, SignInMethod), Error> {
        let factors = self.second_factors(user.id)?;
        match factor {
            Factor::Proof(proof) => self.find_factor_proof(user, proof, now),
            Factor::None if factors.any() => Err(Error::field(
                "code",
                "enter the code of your authenticator app, or a recovery code",
            )),
            Factor::None if self.policy()?.requires_second_factor(user.role, now) => {
                Err(factor_required())
            }
            Factor::None => Ok((FactorConsumption::Nothing, SignInMethod::Password)),
            Factor::New(..) if factors.any() => Err(Error::Conflict(
                "A second factor was set up meanwhile; sign in with it.".to_owned(),
            )),
            // Without a policy a first factor belongs to a session, which was confirmed.
            Factor::New(..) if !self.policy()?.requires_second_factor(user.role, now) => {
                Err(Error::Conflict(
                    "A second factor has become optional; sign in without one.".to_owned(),
                ))
            }
            Factor::New(NewFactor::Totp(seed, code), _) => {
                let step = seed.matching_step(code, now, -1).ok_or_else(wrong_code)?;
                Ok((
                    FactorConsumption::NewTotp(seed, step),
                    SignInMethod::PasswordAndTotp,
                ))
            }
            Factor::New(NewFactor::Passkey(passkey), _) => {
                self.require_fresh_challenge(&passkey.challenge)?;
                Ok((
                    FactorConsumption::NewPasskey(passkey),
                    SignInMethod::PasswordAndPasskey,
                ))
            }
        }
    }

    /// Consumes the factor that comes with a password, within the act. The check and the change are in one transaction, so
    /// that a code or a challenge counts once, in any race.
    pub(super) fn consume_factor(
        &self,
        user: &User,
        factor: &Factor,
        now: Time,
    ) -> Result<SignInMethod, Error> {
        let (consumption, method) = self.verify_factor(user, factor, now)?;
        match consumption {
            FactorConsumption::Nothing => {}
            FactorConsumption::TotpStep(step) => {
                let sql = "UPDATE totp SET last_step = ?, last_used_at = ? WHERE user_id = ?";
                self.execute(sql, params![step, now.unix(), user.id.0])?;
            }
            FactorConsumption::RecoveryCode(digest) => {
                let sql = "DELETE FROM recovery_codes WHERE user_id = ? AND digest = ?";
                self.execute(sql, params![user.id.0, digest.as_bytes()])?;
            }
            FactorConsumption::Passkey(id, asserted, answer) => {
                self.note_passkey_use(id, asserted, now)?;
                self.consume_challenge(&answer.challenge, answer.challenge_expires_at)?;
            }
            FactorConsumption::NewTotp(seed, step) => self.insert_totp(user.id, seed, step, now)?,
            FactorConsumption::NewPasskey(passkey) => {
                self.insert_passkey(user.id, passkey, now)?;
            }
        }
        if let Factor::New(_, recovery_codes) = factor {
            self.insert_recovery_codes(user.id, recovery_codes)?;
        }
        Ok(method)
    }

    /// Consumes a passkey that signs in alone: it must have verified its user.
    pub(super) fn consume_passkey(
        &self,
        user: &User,
        answer: &PasskeyAnswer,
        now: Time,
    ) -> Result<SignInMethod, Error> {
        let (id, asserted) = self.find_verified(user, answer)?;
        self.note_passkey_use(id, asserted, now)?;
        self.consume_challenge(&answer.challenge, answer.challenge_expires_at)?;
        Ok(SignInMethod::Passkey)
    }

    /// Checks a passkey that signs in alone, without consumption it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the reason.
    pub fn check_passkey(&self, user: &User, answer: &PasskeyAnswer) -> Result<(), Error> {
        self.find_verified(user, answer).map(|_| ())
    }

    /// Checks a passkey that signs in or confirms alone.
    fn find_verified(&self, user: &User, answer: &PasskeyAnswer) -> Result<(Id, Asserted), Error> {
        let found = self.find_asserted(user, answer)?;
        let (_, asserted) = &found;
        if !asserted.is_user_verified {
            return Err(wrong_passkey(PasskeyError::UserVerification));
        }
        Ok(found)
    }

    fn note_passkey_use(&self, id: Id, asserted: Asserted, now: Time) -> Result<(), Error> {
        let sql =
            "UPDATE passkeys SET counter = ?, is_backed_up = ?, last_used_at = ? WHERE id = ?";
        let values = params![
            asserted.counter,
            asserted.is_backed_up,
            now.unix(),
            id.as_str()
        ];
        self.execute(sql, values).map(|_| ())
    }

    /// Consumes a challenge that was found to be fresh within the same transaction.
    fn consume_challenge(&self, challenge: &Digest, expires_at: Time) -> Result<(), Error> {
        let sql = "INSERT INTO spent_challenges (digest, expires_at) VALUES (?, ?)";
        self.execute(sql, params![challenge.as_bytes(), expires_at.unix()])
            .map(|_| ())
    }

    fn insert_totp(
        &self,
        user: UserId,
        seed: &TotpSeed,
        step: i64,
        now: Time,
    ) -> Result<(), Error> {
        let sql =
            "INSERT OR IGNORE INTO totp (user_id, seed, last_step, created_at) VALUES (?, ?, ?, ?)";
        let values = params![user.0, seed.as_bytes(), step, now.unix()];
        if self.execute(sql, values)? == 1 {
            Ok(())
        } else {
            Err(totp_present())
        }
    }

    fn require_free_passkey_name(&self, user: UserId, name: &str) -> Result<(), Error> {
        let sql = "SELECT count(*) FROM passkeys WHERE user_id = ? AND name = ?";
        if self.count(sql, params![user.0, name])? > 0 {
            return Err(Error::NameTaken(format!(
                "You have a passkey named {name}; choose another name."
            )));
        }
        Ok(())
    }

    fn insert_passkey(&self, user: UserId, new: &NewPasskey, now: Time) -> Result<Id, Error> {
        self.consume_challenge(&new.challenge, new.challenge_expires_at)?;
        if self.second_factors(user)?.passkeys as usize >= PASSKEYS_MAX {
            return Err(Error::Conflict(format!(
                "You have {PASSKEYS_MAX} passkeys, the maximum; delete one first."
            )));
        }
        self.require_free_passkey_name(user, &new.name)?;
        // One credential id belongs to one account (Web Authentication, 7.1, step 27).
        if self
            .passkey_by_credential(&new.registered.credential_id)?
            .is_some()
        {
            return Err(Error::Conflict(
                "This passkey is registered already.".to_owned(),
            ));
        }
        let id = Id::random();
        let key = &new.registered;
        let sql = "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, counter, is_backup_eligible, is_backed_up, created_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                id.as_str(),
                user.0,
                new.name,
                key.credential_id,
                key.public_key,
                key.counter,
                key.is_backup_eligible,
                key.is_backed_up,
                now.unix()
            ],
        )?;
        Ok(id)
    }

    fn insert_recovery_codes(&self, user: UserId, digests: &[Digest]) -> Result<(), Error> {
        self.execute("DELETE FROM recovery_codes WHERE user_id = ?", [user.0])?;
        for digest in digests {
            let sql = "INSERT INTO recovery_codes (user_id, digest) VALUES (?, ?)";
            self.execute(sql, params![user.0, digest.as_bytes()])?;
        }
        Ok(())
    }
}

impl Write<'_> {
    /// Requires that the session behind the act was confirmed, by the factors that its user must have.
    ///
    /// # Errors
    /// [`Error::PasswordNeeded`].
    pub fn require_confirmation(&self) -> Result<(), Error> {
        match &self.power {
            Power::Credential(credential, _) => self.require_confirmed(credential, self.now),
            Power::Unlimited => Ok(()),
        }
    }

    /// Consumes the factor that comes with a user's password.
    ///
    /// # Errors
    /// As [`Select::check_factor`].
    pub fn consume_factor_of(&self, user: &User, factor: &Factor) -> Result<SignInMethod, Error> {
        self.consume_factor(user, factor, self.now)
    }

    /// Adds a factor of a user; `recovery_codes` when it is the first. Returns whether it was.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong code; [`Error::Conflict`] for a second app, or a passkey that is registered.
    pub fn add_factor(
        &self,
        user: UserId,
        new: &NewFactor,
        recovery_codes: &[Digest],
    ) -> Result<bool, Error> {
        let is_first = !self.second_factors(user)?.any();
        match new {
            NewFactor::Totp(seed, code) => {
                let step = seed
                    .matching_step(code, self.now, -1)
                    .ok_or_else(wrong_code)?;
                self.insert_totp(user, seed, step, self.now)?;
            }
            NewFactor::Passkey(passkey) => {
                self.require_fresh_challenge(&passkey.challenge)?;
                self.insert_passkey(user, passkey, self.now)?;
            }
        }
        if is_first {
            self.insert_recovery_codes(user, recovery_codes)?;
        }
        Ok(is_first)
    }

    /// Puts new recovery codes in place of the old ones.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a user without a factor.
    pub fn replace_recovery_codes(&self, user: UserId, digests: &[Digest]) -> Result<(), Error> {
        if !self.second_factors(user)?.any() {
            return Err(Error::Conflict(
                "Recovery codes require a second factor; set one up first.".to_owned(),
            ));
        }
        self.insert_recovery_codes(user, digests)
    }

    /// Removes the authenticator app of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::AgainstPolicy`] when it is the last factor, and one is required.
    pub fn remove_totp(&self, user: &User) -> Result<(), Error> {
        if self.execute("DELETE FROM totp WHERE user_id = ?", [user.id.0])? == 0 {
            return Err(Error::NotFound("authenticator app"));
        }
        self.after_removal(user)
    }

    /// Renames a passkey of a user. Returns its name before.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NameTaken`].
    pub fn rename_passkey(&self, user: UserId, id: Id, name: &str) -> Result<String, Error> {
        let before = self.passkey(user, id)?.name;
        if before != name {
            self.require_free_passkey_name(user, name)?;
            let sql = "UPDATE passkeys SET name = ? WHERE id = ?";
            self.execute(sql, params![name, id.as_str()])?;
        }
        Ok(before)
    }

    /// Deletes a passkey of a user; its name.
    ///
    /// # Errors
    /// As [`Write::remove_totp`].
    pub fn delete_passkey(&self, user: &User, id: Id) -> Result<String, Error> {
        let name = self.passkey(user.id, id)?.name;
        self.execute("DELETE FROM passkeys WHERE id = ?", [id.as_str()])?;
        self.after_removal(user)?;
        Ok(name)
    }

    fn after_removal(&self, user: &User) -> Result<(), Error> {
        if self.second_factors(user.id)?.any() {
            return Ok(());
        }
        if self.policy()?.requires_second_factor(user.role, self.now) {
            return Err(Error::AgainstPolicy(FieldError::new(
                "",
                "your organization requires a second factor; add another one before you remove this one",
            )));
        }
        self.execute("DELETE FROM recovery_codes WHERE user_id = ?", [user.id.0])
            .map(|_| ())
    }

    /// Deletes all factors of a user. Returns those there were.
    pub fn delete_factors(&self, user: UserId) -> Result<SecondFactors, Error> {
        let before = self.second_factors(user)?;
        for table in ["totp", "recovery_codes", "passkeys"] {
            self.execute(&format!("DELETE FROM {table} WHERE user_id = ?"), [user.0])?;
        }
        Ok(before)
    }
}
