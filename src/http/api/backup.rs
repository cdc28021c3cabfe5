//! `/api/v1/backups`: for the operator alone.

use super::{Answer, no_content};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::wire::BackupIn;

/// Records a backup in the audit log. The command creates the copy itself.
pub fn record(context: &RequestContext<'_>, caller: &Caller) -> Answer {
    let made: BackupIn = body::json(context)?;
    context
        .app()
        .record_backup(caller, &made.name, made.bytes)?;
    no_content()
}
