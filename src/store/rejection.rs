//! The table `repeated_refusals`: events of rejected acts, at most one a minute for each caller or address.
//!
//! A rejected request costs its sender nothing, so its events must not fill the disk. The first is an event at once.
//! Those within the next minute are counted in one row, which survives a restart. The count becomes part of the next
//! event.

use std::net::IpAddr;

use rusqlite::params;

use super::Store;
use super::event::{COLUMNS, new_event, read_event};
use super::read::Select;
use crate::model::error::Error;
use crate::model::event::{
    Action, Actor, AuditDetails, Channel, Event, Origin, Outcome, SECOND_FACTOR, decode_words,
    encode_words,
};
use crate::model::time::Time;

/// How long rejections are counted before they become an event, in seconds.
const WINDOW_SECONDS: i64 = 60;
/// Different acts of one caller or address with events of their own within a minute; further ones share one.
const KINDS_MAX: i64 = 5;
/// Unauthenticated addresses with events of their own within a minute; further ones share one.
const ADDRESSES_MAX: i64 = 20;
/// Name for all others.
const OTHERS: &str = "others";

/// Rejections counted since an event.
struct RejectionCount {
    who: String,
    what: String,
    since: Time,
    event: i64,
    more: i64,
}

impl RejectionCount {
    /// The details of an event for counted rejections.
    fn words(&self) -> [(&'static str, String); 3] {
        [
            ("repeated", self.more.to_string()),
            ("repeated_since", self.since.to_string()),
            ("repeated_like", format!("event {}", self.event)),
        ]
    }
}

impl Select {
    /// Appends the event of a rejected act, or counts it if there was a similar one within the last minute.
    pub(super) fn add_rejection(
        &self,
        at: Time,
        action: &str,
        actor: &Actor,
        origin: &Origin,
        details: &AuditDetails,
    ) -> Result<(), Error> {
        if origin.channel == Channel::Cli {
            // Operators cause few, and nobody can send them from elsewhere.
            let event = new_event(at, action, actor, origin, Outcome::Rejected, details);
            return self.append(event).map(|_| ());
        }
        let (who, what) = counted_as(action, actor, origin, details);
        let (who, what) = self.share(who, what, at)?;
        let counted = self
            .counted("who = ?1 AND what = ?2", params![who, what])?
            .pop();
        if counted.as_ref().is_some_and(|counted| is_open(counted, at)) {
            let sql = "UPDATE repeated_refusals SET more = more + 1 WHERE who = ? AND what = ?";
            return self.execute(sql, params![who, what]).map(|_| ());
        }
        let mut details = details.clone();
        details.after.extend(
            counted
                .iter()
                .filter(|counted| counted.more > 0)
                .flat_map(RejectionCount::words),
        );
        let event = self.append(new_event(
            at,
            action,
            actor,
            origin,
            Outcome::Rejected,
            &details,
        ))?;
        let sql = "INSERT OR REPLACE INTO repeated_refusals (who, what, since, event, more) VALUES (?, ?, ?, ?, 0)";
        self.execute(sql, params![who, what, at.unix(), event])
            .map(|_| ())
    }

    /// The row that counts a rejection: its own, or a shared one if there are too many within this minute.
    fn share(
        &self,
        mut who: String,
        mut what: String,
        at: Time,
    ) -> Result<(String, String), Error> {
        let (from, to) = (at.unix() - WINDOW_SECONDS + 1, at.unix());
        let kinds = |who: &str| {
            let sql =
                "SELECT count(*) FROM repeated_refusals WHERE who = ? AND since BETWEEN ? AND ?";
            self.count(sql, params![who, from, to])
        };
        if who.starts_with("address ") && kinds(&who)? == 0 {
            let sql = "SELECT count(DISTINCT who) FROM repeated_refusals WHERE who BETWEEN 'address ' AND 'address!' AND since BETWEEN ? AND ?";
            if self.count(sql, [from, to])? >= ADDRESSES_MAX {
                OTHERS.clone_into(&mut who);
            }
        }
        let sql = "SELECT count(*) FROM repeated_refusals WHERE who = ? AND what = ? AND since BETWEEN ? AND ?";
        let has_own = self.count(sql, params![who, what, from, to])? > 0;
        if !has_own && kinds(&who)? >= KINDS_MAX {
            OTHERS.clone_into(&mut what);
        }
        Ok((who, what))
    }

    fn counted(
        &self,
        condition: &str,
        with: impl rusqlite::Params,
    ) -> Result<Vec<RejectionCount>, Error> {
        let sql = format!(
            "SELECT who, what, since, event, more FROM repeated_refusals WHERE {condition}"
        );
        self.all(&sql, with, |row| {
            Ok(RejectionCount {
                who: row.get(0)?,
                what: row.get(1)?,
                since: Time::from_unix(row.get(2)?),
                event: row.get(3)?,
                more: row.get(4)?,
            })
        })
    }

    /// Turns the counts of past minutes into events; at most `rows_max` rows.
    pub(super) fn settle_rejections(&self, now: Time, rows_max: i64) -> Result<(), Error> {
        let expired = "since NOT BETWEEN ?1 AND ?2 LIMIT ?3";
        let (from, to) = (now.unix() - WINDOW_SECONDS + 1, now.unix());
        for counted in self.counted(expired, params![from, to, rows_max])? {
            if counted.more > 0 {
                let mut event = self.counted_event(&counted)?;
                event.at = now;
                event.request_id = None;
                event.before = String::new();
                let second_factor = decode_words(&event.after)
                    .into_iter()
                    .find(|(word, _)| word == SECOND_FACTOR);
                let kept = second_factor.map(|(_, value)| (SECOND_FACTOR, value));
                event.after = encode_words(&kept.into_iter().chain(counted.words()).collect());
                self.append(event)?;
            }
            let sql = "DELETE FROM repeated_refusals WHERE who = ? AND what = ?";
            self.execute(sql, params![counted.who, counted.what])?;
        }
        Ok(())
    }

    /// The event whose repetitions are counted; without a caller and target if it is archived.
    fn counted_event(&self, counted: &RejectionCount) -> Result<Event, Error> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE number = ?");
        let found = self.one(&sql, [counted.event], read_event)?;
        Ok(found.map_or_else(
            || {
                let action = counted.what.split(' ').next().unwrap_or_default();
                let (nobody, origin) = (Actor::nobody(), Origin::operator());
                let details = AuditDetails::default();
                new_event(
                    counted.since,
                    action,
                    &nobody,
                    &origin,
                    Outcome::Rejected,
                    &details,
                )
            },
            |(event, _)| event,
        ))
    }
}

impl Store {
    /// Records an act that was rejected before it started.
    pub fn note_rejection(
        &self,
        at: Time,
        action: Action,
        actor: Actor,
        origin: Origin,
        details: AuditDetails,
    ) -> Result<(), Error> {
        self.note(move |select| {
            select.add_rejection(at, action.as_str(), &actor, &origin, &details)
        })
    }
}

fn is_open(counted: &RejectionCount, at: Time) -> bool {
    (0..WINDOW_SECONDS).contains(&(at.unix() - counted.since.unix()))
}

const fn is_known(actor: &Actor) -> bool {
    actor.user.is_some() || actor.credential.is_some()
}

/// The caller and the act under which a rejection is counted. Attempts with a user's password count for this user: other
/// rejections, which need no password, never hide them.
fn counted_as(
    action: &str,
    actor: &Actor,
    origin: &Origin,
    details: &AuditDetails,
) -> (String, String) {
    let mut after = details.after.iter();
    let second_factor = after.find(|(word, _)| *word == SECOND_FACTOR);
    if let (Some((word, value)), Some(user)) = (second_factor, details.target.owner) {
        return (
            format!("user {}", user.0),
            format!("{action} {word} {value}"),
        );
    }
    let what = if is_known(actor) {
        action.to_owned()
    } else {
        format!("{action} {}", details.target.id)
    };
    (caller_or_address(actor, origin), what)
}

/// The key under which rejections are counted. All credentials of a user count as one caller.
fn caller_or_address(actor: &Actor, origin: &Origin) -> String {
    match (actor.user, actor.credential, origin.address) {
        (Some(user), _, _) => format!("user {}", user.0),
        (None, Some(credential), _) => format!("credential {credential}"),
        (None, None, Some(address)) => format!("address {}", network(address)),
        (None, None, None) => "address unknown".to_owned(),
    }
}

/// An IPv6 customer has an entire /64.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            format!("{}/64", std::net::Ipv6Addr::from_bits(network))
        }
    }
}
