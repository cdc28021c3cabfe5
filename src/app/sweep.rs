//! Sweeping on request: deletion of expired records. Validity never depends on it.

use super::App;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::permission::BuiltinPermission;
use crate::model::time::Time;

pub use crate::store::SweepCounts;

/// Rows deleted by the sweep of an ordinary request.
pub(super) const SMALL_BATCH_ROWS: usize = 500;
/// Rows in one transaction of a full sweep: other jobs run between two of them, and wait for one.
const BATCH_ROWS: usize = 100;

impl App {
    /// Deletes all expired records. Returns how many.
    pub fn sweep(&self, caller: &Caller) -> Result<SweepCounts, Error> {
        caller.require(BuiltinPermission::PolicyWrite)?;
        let swept = self.sweep_all(caller.now)?;
        self.store().write(
            caller.permit(BuiltinPermission::PolicyWrite, Action::Sweep)?,
            move |_| Ok((swept, details(swept))),
        )
    }

    fn sweep_all(&self, now: Time) -> Result<SweepCounts, Error> {
        let mut all = SweepCounts::default();
        loop {
            let batch = self.store().sweep_batch(now, BATCH_ROWS)?;
            if batch == SweepCounts::default() {
                return Ok(all);
            }
            all += batch;
        }
    }
}

fn details(swept: SweepCounts) -> AuditDetails {
    AuditDetails::new(Target::new("sweep", "sweep", "", None))
        .after("api_keys", swept.api_keys)
        .after("tokens", swept.tokens)
        .after("sessions", swept.sessions)
        .after("codes", swept.codes)
}
