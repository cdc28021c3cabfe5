//! The table `account_notices`: acts of others on a person's account, shown until the person confirms them.

use rusqlite::{Row, params};

use super::read::Select;
use super::row::{id, invalid, position, rows, time};
use super::write::Write;
use crate::model::account_notice::{AccountNotice, NoticeActor, is_shown};
use crate::model::caller::{Permit, Right};
use crate::model::code::Purpose;
use crate::model::error::Error;
use crate::model::event::{Action, Actor, AuditDetails, FieldValues, decode_words, encode_words};
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user::UserId;

const COLUMNS: &str = "id, user_id, at, action, actor, actor_kind, target_kind, target_id, target_name, before, after, \
    acknowledged_at, acknowledged_by FROM account_notices";

fn read_notice(row: &Row<'_>) -> rusqlite::Result<AccountNotice> {
    const fn column(name: &str) -> usize {
        position(COLUMNS, name)
    }
    let by: Option<String> = row.get(const { column("acknowledged_by") })?;
    Ok(AccountNotice {
        id: id(row, const { column("id") })?,
        user: UserId(row.get(const { column("user_id") })?),
        at: Time::from_unix(row.get(const { column("at") })?),
        action: row.get(const { column("action") })?,
        actor: row.get(const { column("actor") })?,
        by: NoticeActor::parse(row.get_ref(const { column("actor_kind") })?.as_str()?)
            .ok_or_else(|| invalid(const { column("actor_kind") }))?,
        target_kind: row.get(const { column("target_kind") })?,
        target_id: row.get(const { column("target_id") })?,
        target_name: row.get(const { column("target_name") })?,
        before: decode_words(row.get_ref(const { column("before") })?.as_str()?),
        after: decode_words(row.get_ref(const { column("after") })?.as_str()?),
        acknowledged_at: time(row, const { column("acknowledged_at") })?,
        acknowledged_by: by.as_deref().and_then(Id::parse),
    })
}

fn owned_words(words: &FieldValues) -> Vec<(String, String)> {
    let words = words.iter();
    words
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

impl Select {
    /// Unconfirmed notices to a user, newest first.
    pub fn open_account_notices(
        &self,
        user: UserId,
        limit: usize,
    ) -> Result<Vec<AccountNotice>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE user_id = ? AND acknowledged_at IS NULL ORDER BY number DESC LIMIT ?"
        );
        self.all(&sql, params![user.0, rows(limit) - 1], read_notice)
    }

    /// All notices to a user, confirmed ones included, newest first.
    pub fn account_notices(&self, user: UserId, limit: usize) -> Result<Vec<AccountNotice>, Error> {
        let sql = format!("SELECT {COLUMNS} WHERE user_id = ? ORDER BY number DESC LIMIT ?");
        self.all(&sql, params![user.0, rows(limit) - 1], read_notice)
    }

    /// The number of unconfirmed notices to a user.
    pub fn open_account_notice_count(&self, user: UserId) -> Result<i64, Error> {
        let sql =
            "SELECT count(*) FROM account_notices WHERE user_id = ? AND acknowledged_at IS NULL";
        self.count(sql, [user.0])
    }

    /// Adds the notice of an act that somebody else carried out on the person's account. Returns whether it was one.
    pub(super) fn note_for_owner(
        &self,
        permit: &Permit,
        actor: &Actor,
        code_creator: Option<&str>,
        details: &AuditDetails,
    ) -> Result<bool, Error> {
        let Some(owner) = details.target.owner.filter(|_| is_shown(permit.action)) else {
            return Ok(false);
        };
        let (name, by) = match &permit.right {
            Right::Permission { .. } if actor.user != Some(owner) => {
                (actor.name.as_str(), NoticeActor::Admin)
            }
            // Operators create tokens to automate an installation; the user's token list shows them anyway.
            Right::Operator if permit.action != Action::TokenCreate => {
                (actor.name.as_str(), NoticeActor::Operator)
            }
            Right::Code {
                purpose: Purpose::PasswordReset,
                ..
            } => match code_creator {
                Some(creator) if creator == details.target.id => return Ok(false),
                Some(creator) => (creator, NoticeActor::Admin),
                None => ("operator", NoticeActor::Operator),
            },
            _ => return Ok(false),
        };
        let notice = AccountNotice {
            id: Id::random(),
            user: owner,
            at: permit.now,
            action: permit.action.as_str().to_owned(),
            actor: name.to_owned(),
            by,
            target_kind: details.target.kind.to_owned(),
            target_id: details.target.id.clone(),
            target_name: details.target.name.clone(),
            before: owned_words(&details.before),
            after: owned_words(&details.after),
            acknowledged_at: None,
            acknowledged_by: None,
        };
        let sql = "INSERT INTO account_notices (id, user_id, at, action, actor, actor_kind, target_kind, target_id, target_name, before, after) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                notice.id.as_str(),
                owner.0,
                permit.now.unix(),
                notice.action,
                notice.actor,
                by.as_str(),
                notice.target_kind,
                notice.target_id,
                notice.target_name,
                encode_words(&details.before),
                encode_words(&details.after),
            ],
        )?;
        self.enqueue_admin_act(permit.action, &notice)?;
        Ok(true)
    }
}

impl Write<'_> {
    /// Confirms a notice. Confirming it again changes nothing.
    pub fn acknowledge_notice(
        &self,
        user: UserId,
        id: Id,
        by: Option<Id>,
    ) -> Result<AccountNotice, Error> {
        let sql = "UPDATE account_notices SET acknowledged_at = ?, acknowledged_by = ? \
                   WHERE id = ? AND user_id = ? AND acknowledged_at IS NULL";
        let by = by.map(|id| id.to_string());
        self.execute(sql, params![self.now.unix(), by, id.as_str(), user.0])?;
        let sql = format!("SELECT {COLUMNS} WHERE id = ? AND user_id = ?");
        let found = self.one(&sql, params![id.as_str(), user.0], read_notice)?;
        found.ok_or(Error::NotFound("notice"))
    }

    /// Confirms the notices of imported SSH keys once the person has removed all of those keys.
    pub fn resolve_import_notices(&self, user: UserId, by: Option<Id>) -> Result<(), Error> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE user_id = ? AND acknowledged_at IS NULL AND action = ?"
        );
        let action = Action::SshKeyImport.as_str();
        for notice in self.all(&sql, params![user.0, action], read_notice)? {
            let mut left = false;
            let added = notice.after.iter().filter(|(field, _)| field == "added");
            for id in added.flat_map(|(_, ids)| ids.split_ascii_whitespace()) {
                if let Some(id) = Id::parse(id) {
                    left = left || self.ssh_key_name(user, id)?.is_some();
                }
            }
            if !left {
                self.acknowledge_notice(user, notice.id, by)?;
            }
        }
        Ok(())
    }
}
