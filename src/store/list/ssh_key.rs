//! Lists of SSH keys.

use super::super::host::is_use_recorded;
use super::super::inventory::{SHARED, json};
use super::super::read::Select;
use super::credential::read_id;
use super::{ListExtent, ListSource, nearest};
use crate::model::error::Error;
use crate::model::inventory::{SOON, UNUSED};
use crate::model::list::{Column, Expiration, ListQuery, Listed, Status, Used};
use crate::model::policy::Policy;
use crate::model::secret::Id;
use crate::model::time::Time;
use crate::model::user::UserId;

const FROM: &str = "ssh_keys k";
const USES: &str = " LEFT JOIN ssh_key_uses l ON l.ssh_key_id = k.id";
const OWNER: &str = "(SELECT username FROM users WHERE id = k.user_id)";
const LAST_USED: &str = "coalesce(l.used_at, l.looked_up_at)";

impl Select {
    /// The rows of SSH keys: of one user, or of everybody.
    pub fn list_ssh_keys(
        &self,
        owner: Option<UserId>,
        query: &ListQuery,
        policy: &Policy,
        now: Time,
        extent: ListExtent,
    ) -> Result<Listed<i64>, Error> {
        let source = source(owner, query, policy, now);
        self.list(&source, query.page, extent, "k.number", |row| row.get(0))
    }

    /// Those of SSH keys that several users have.
    pub fn shared_ssh_keys(&self, ids: &[Id]) -> Result<Vec<Id>, Error> {
        let sql = format!(
            "SELECT k.id FROM ssh_keys k WHERE k.id IN (SELECT value FROM json_each(?)) AND {SHARED}"
        );
        self.all(&sql, [json(ids)], read_id)
    }
}

fn source(owner: Option<UserId>, query: &ListQuery, policy: &Policy, now: Time) -> ListSource {
    let mut source = ListSource {
        join: Some((USES, "l.")),
        ..ListSource::new(FROM)
    };
    if let Some(owner) = owner {
        let row = source.bind(owner.0);
        source.require(format!("k.user_id = {row}"));
    }
    let unix = now.unix();
    let expired =
        |at: &str| format!("(k.expired_seen_at IS NOT NULL OR coalesce(k.expires_at <= {at}, 0))");
    let weak = |source: &mut ListSource| {
        let types = source.bind(json(&policy.ssh_key_types));
        let bits = source.bind(i64::from(policy.ssh_rsa_bits_min));
        format!(
            "(k.type NOT IN (SELECT value FROM json_each({types})) OR (k.type = 'ssh-rsa' AND k.bits < {bits}))"
        )
    };
    match query.status {
        Some(Status::Expired) => {
            let at = source.bind(unix);
            source.require(expired(&at));
        }
        Some(Status::Expiring) => {
            let (at, soon) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            source.require(format!("NOT {} AND k.expires_at <= {soon}", expired(&at)));
        }
        Some(Status::Active) => {
            let (at, soon) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            let weak = weak(&mut source);
            source.require(format!(
                "NOT {} AND coalesce(k.expires_at > {soon}, 1) AND NOT {weak}",
                expired(&at)
            ));
        }
        Some(Status::Weak) => {
            let weak = weak(&mut source);
            source.require(weak);
        }
        Some(Status::Shared) => {
            source.require(SHARED);
            source.scans_rows = true;
        }
        _ => {}
    }
    match query.used {
        None => {}
        Some(Used::Never) => {
            source.require(format!("{} AND {LAST_USED} IS NULL", is_use_recorded(None)));
        }
        Some(Used::Unused) => {
            let since = source.bind(now.before(UNUSED).unix());
            source.require(format!(
                "{} AND coalesce({LAST_USED}, k.created_at) < {since}",
                is_use_recorded(Some(&since))
            ));
        }
        Some(Used::Recently) => {
            let since = source.bind(unix - 30 * 86_400);
            source.require(format!("{LAST_USED} >= {since}"));
        }
    }
    match query.expires {
        None => {}
        Some(Expiration::Never) => source.require("k.expires_at IS NULL"),
        Some(Expiration::Soon) => {
            let (from, to) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            source.require(format!("k.expires_at > {from} AND k.expires_at <= {to}"));
        }
    }
    let columns = "k.name, k.comment, k.fingerprint";
    source.search(&query.text, columns, Some("k.id = {}"));
    source.end_conditions();
    let key = match query.order.column {
        Column::Name => "k.name COLLATE NOCASE".to_owned(),
        Column::Owner => OWNER.to_owned(),
        Column::Fingerprint => "k.fingerprint".to_owned(),
        Column::Expires => "k.expires_at".to_owned(),
        Column::Created => "k.number".to_owned(),
        Column::Urgency => {
            let (at, soon) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            let weak = weak(&mut source);
            let (expired, recently) = (expired(&at), SOON.as_secs());
            let urgency = format!(
                "CASE WHEN {expired} THEN CASE WHEN k.expires_at > {at} - {recently} THEN 2 ELSE 4 END \
                 WHEN {weak} THEN 0 WHEN k.expires_at <= {soon} THEN 1 ELSE 3 END"
            );
            nearest(&urgency, "k.expires_at", &at)
        }
        Column::Status => {
            let (at, soon) = (source.bind(unix), source.bind(now.after(SOON).unix()));
            let weak = weak(&mut source);
            format!(
                "CASE WHEN {} THEN 0 WHEN {weak} THEN 1 WHEN k.expires_at <= {soon} THEN 3 ELSE 4 END",
                expired(&at)
            )
        }
        _ => LAST_USED.to_owned(),
    };
    let is_expiration = query.order.column == Column::Expires;
    source.order_by(&key, query.order, "k.number", is_expiration);
    source
}
