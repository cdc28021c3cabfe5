//! Statements that store pending uses.

use rusqlite::params;

use super::super::cache::VerificationSubject;
use super::super::read::Select;
use super::{DatedExpirations, Pending};
use crate::model::error::Error;
use crate::model::time::Time;

impl Select {
    /// Stores the pending uses of one credential; skips a deleted one.
    pub(in crate::store) fn write_use(&self, pending: &Pending) -> Result<(), Error> {
        let id = pending.id.as_str();
        let subject = VerificationSubject::Credential(pending.id);
        if let Some(expired) = &pending.expired {
            let DatedExpirations {
                expirations,
                seen_at,
            } = **expired;
            for table in ["credentials", "ssh_keys"] {
                let sql = format!(
                    "UPDATE {table} SET expired_seen_at = ? WHERE id = ? AND expired_seen_at IS NULL AND expires_at = ?"
                );
                self.execute_for(
                    subject,
                    &sql,
                    params![seen_at.unix(), id, expirations.own.map(Time::unix)],
                )?;
            }
            let end_grace = "UPDATE credentials SET previous_digest = NULL, previous_ends_at = NULL, previous_quiet_seconds = NULL WHERE id = ? AND rotations = ?";
            self.execute_for(subject, end_grace, params![id, expirations.previous])?;
        }
        for day in pending.days().filter(|day| day.uses + day.rejected > 0) {
            let (uses, rejected) = (day.uses.cast_signed(), day.rejected.cast_signed());
            let counted = params![id, day.day.number(), uses, rejected];
            // Usually there is a row already, and the check whether the credential exists is not needed.
            let more = "UPDATE usage_days SET uses = uses + ?3, refused = refused + ?4 WHERE credential_id = ?1 AND day = ?2";
            if self.execute(more, counted)? == 0 {
                let first = "INSERT INTO usage_days (credential_id, day, uses, refused) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1";
                self.execute(first, counted)?;
            }
        }
        let mut uses: i64 = pending.days().map(|day| day.uses.cast_signed()).sum();
        for (number, last) in pending.uses() {
            let address = last.address.map(|address| address.to_string());
            let at = last.at.unix();
            // Usually it has all uses, and one statement stores everything.
            if self.execute(AGAIN, params![id, at, address, last.program, number, uses])? > 0 {
                uses = 0;
                continue;
            }
            for sql in [FIRST, PREVIOUS, EARLIER] {
                if self.execute(sql, params![id, at, address, last.program, number])? > 0 {
                    break;
                }
            }
        }
        if uses > 0 {
            let more = "UPDATE last_uses SET uses = uses + ? WHERE credential_id = ?";
            self.execute(more, params![uses, id])?;
        }
        Ok(())
    }
}

// Each is for a use of another secret: the current one, which was used before or was not; the previous one; an older
// one.

const AGAIN: &str = "UPDATE last_uses SET at = ?2, address = ?3, program = ?4, uses = uses + ?6 WHERE credential_id = ?1 \
     AND EXISTS (SELECT 1 FROM credentials WHERE id = ?1 AND rotations = ?5)";

const FIRST: &str = "INSERT INTO last_uses (credential_id, at, address, program) SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations = ?5";

const PREVIOUS: &str = "INSERT INTO last_uses (credential_id, previous_at, previous_address, previous_program) \
     SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations = ?5 + 1 \
     ON CONFLICT DO UPDATE SET previous_at = excluded.previous_at, previous_address = excluded.previous_address, \
     previous_program = excluded.previous_program WHERE excluded.previous_at >= coalesce(previous_at, 0)";

const EARLIER: &str = "INSERT INTO last_uses (credential_id, earlier_at, earlier_address, earlier_program) \
     SELECT id, ?2, ?3, ?4 FROM credentials WHERE id = ?1 AND rotations > ?5 + 1 \
     ON CONFLICT DO UPDATE SET earlier_at = excluded.earlier_at, earlier_address = excluded.earlier_address, \
     earlier_program = excluded.earlier_program WHERE excluded.earlier_at >= coalesce(earlier_at, 0)";
