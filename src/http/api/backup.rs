//! `/api/v1/backups` and `/api/v1/audit-archives`, for the operator alone.

use super::{ApiResult, no_content};
use crate::http::body;
use crate::http::context::RequestContext;
use crate::model::caller::Caller;
use crate::wire::{AuditArchiveIn, BackupIn};

/// Records a backup in the audit log. The command creates the copy itself.
pub fn record(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let created: BackupIn = body::json(context)?;
    context
        .app()
        .record_backup(caller, &created.name, created.bytes)?;
    no_content()
}

/// Records an archive of old events and deletes them. The command writes the file itself.
pub fn archive_events(context: &RequestContext<'_>, caller: &Caller) -> ApiResult {
    let archive: AuditArchiveIn = body::json(context)?;
    context
        .app()
        .archive_events(caller, &archive.head()?, &archive.name)?;
    no_content()
}
