//! Acts of others on the caller's account: reading and confirming their notices.

use super::App;
use crate::model::account_notice::AccountNotice;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::{BuiltinPermission, Permission};
use crate::model::secret::Id;
use crate::model::user::UserId;

/// Notices in one answer or page.
const NOTICES_MAX: usize = 50;

/// The user whose notices a caller may see.
fn reader(caller: &Caller) -> Option<UserId> {
    let may = caller
        .power
        .contains(&Permission::Builtin(BuiltinPermission::AccountRead));
    let user = caller.user().ok().filter(|_| may);
    user.map(|user| user.id)
}

impl App {
    /// The caller's unconfirmed notices, newest first; empty for a credential without `account:read`.
    pub fn open_account_notices(&self, caller: &Caller) -> Result<Vec<AccountNotice>, Error> {
        reader(caller).map_or(Ok(Vec::new()), |user| {
            self.read.open_account_notices(user, NOTICES_MAX)
        })
    }

    /// The number of those notices.
    pub fn open_account_notice_count(&self, caller: &Caller) -> Result<i64, Error> {
        reader(caller).map_or(Ok(0), |user| self.read.open_account_notice_count(user))
    }

    /// The caller's notices, confirmed ones included, newest first.
    pub fn account_notices(&self, caller: &Caller) -> Result<Vec<AccountNotice>, Error> {
        caller.require(BuiltinPermission::AccountRead)?;
        self.read.account_notices(caller.user()?.id, NOTICES_MAX)
    }

    /// Confirms a notice of the caller.
    pub fn acknowledge_notice(&self, caller: &Caller, id: Id) -> Result<AccountNotice, Error> {
        let user = caller.user()?.id;
        let by = caller.credential()?.id;
        let permit = caller.permit(BuiltinPermission::AccountWrite, Action::NoticeAcknowledge)?;
        self.store().write(permit, move |write| {
            let notice = write.acknowledge_notice(user, id, Some(by))?;
            let target = Target::new("notice", notice.id, &notice.action, Some(user));
            let details = AuditDetails::new(target)
                .after("at", notice.at)
                .after("actor", &notice.actor);
            Ok((notice, details))
        })
    }
}
