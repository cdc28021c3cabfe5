//! Groups.

use super::App;
use crate::model::caller::Caller;
use crate::model::error::Error;
use crate::model::event::{Action, AuditDetails, Target};
use crate::model::group::Group;
use crate::model::idempotency::IdempotencyKey;
use crate::model::permission::BuiltinPermission;
use crate::model::user::Username;
use crate::store::Page;

impl App {
    /// Groups, newest first.
    pub fn groups(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Group>, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.groups(after, limit)
    }

    /// One group.
    pub fn group(&self, caller: &Caller, name: &str) -> Result<Group, Error> {
        caller.require(BuiltinPermission::UsersRead)?;
        self.read.group(name)?.ok_or(Error::NotFound("group"))
    }

    /// Adds a group.
    pub fn add_group(
        &self,
        caller: &Caller,
        name: String,
        once: Option<IdempotencyKey>,
    ) -> Result<Group, Error> {
        self.store().write(
            caller
                .permit_with_password(BuiltinPermission::UsersWrite, Action::GroupAdd)?
                .once(once),
            move |write| {
                write.add_group(&name)?;
                let group = write.group(&name)?.ok_or(Error::NotFound("group"))?;
                Ok((
                    group,
                    AuditDetails::new(Target::new("group", name, "", None)),
                ))
            },
        )
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while a host is limited to it; [`Error::Forbidden`] without
    /// `hosts:write`
    /// when hosts admit the group.
    pub fn delete_group(&self, caller: &Caller, name: String) -> Result<(), Error> {
        self.store().write(
            caller.permit_with_password(BuiltinPermission::UsersWrite, Action::GroupDelete)?,
            move |write| {
                let group = write.group(&name)?.ok_or(Error::NotFound("group"))?;
                // Without the shared login, the user of that name may log in with it again.
                if write.group_opens_hosts(&group, write.now)? {
                    write.require_hosts_write()?;
                }
                write.delete_group(&group)?;
                let details = AuditDetails::new(Target::new("group", &group.name, "", None))
                    .before("members", group.members.join(" "));
                Ok(((), details))
            },
        )
    }

    /// Adds a user to a group.
    pub fn add_group_member(
        &self,
        caller: &Caller,
        group: String,
        username: Username,
    ) -> Result<(), Error> {
        self.change_member(caller, Action::GroupAddMember, group, username)
    }

    /// Removes a user from a group.
    pub fn remove_group_member(
        &self,
        caller: &Caller,
        group: String,
        username: Username,
    ) -> Result<(), Error> {
        self.change_member(caller, Action::GroupRemoveMember, group, username)
    }

    fn change_member(
        &self,
        caller: &Caller,
        action: Action,
        group: String,
        username: Username,
    ) -> Result<(), Error> {
        self.store().write(
            caller.permit_with_password(BuiltinPermission::UsersWrite, action)?,
            move |write| {
                let group = write.group(&group)?.ok_or(Error::NotFound("group"))?;
                let user = write.user(&username)?.ok_or(Error::NotFound("user"))?;
                if action == Action::GroupAddMember {
                    if write.group_opens_hosts(&group, write.now)? {
                        write.require_hosts_write()?;
                    }
                    write.add_member(group.id, user.id)?;
                } else if !write.remove_member(group.id, user.id)? {
                    return Err(Error::NotFound("member of this group"));
                }
                Ok((
                    (),
                    AuditDetails::new(Target::new(
                        "group",
                        &group.name,
                        &user.username,
                        Some(user.id),
                    )),
                ))
            },
        )
    }
}
