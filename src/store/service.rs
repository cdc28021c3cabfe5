//! The tables `services`, `service_permissions` and `role_permissions`.

use rusqlite::{Row, params};

use super::read::{Page, Select};
use super::row::rows;
use super::write::Write;
use crate::model::error::Error;
use crate::model::permission::{Permission, Permissions};
use crate::model::service::{ByRole, Service, ServiceId};
use crate::model::time::Time;
use crate::model::user::Role;

pub(super) const SERVICE_COLUMNS: &str = "s.id, s.name, s.created_at, (SELECT group_concat(permission, ' ') FROM service_permissions WHERE service_id = s.id)";

pub(super) fn read_service(row: &Row<'_>) -> rusqlite::Result<Service> {
    let permissions = row
        .get_ref(3)?
        .as_str_or_null()?
        .map_or_else(Permissions::none, Permissions::from_stored);
    Ok(Service {
        id: ServiceId(row.get(0)?),
        name: row.get(1)?,
        permissions,
        created_at: Time::from_unix(row.get(2)?),
    })
}

impl Select {
    pub fn service(&self, name: &str) -> Result<Option<Service>, Error> {
        self.one(
            &format!("SELECT {SERVICE_COLUMNS} FROM services s WHERE s.name = ?"),
            [name],
            read_service,
        )
    }

    pub fn service_by_id(&self, id: ServiceId) -> Result<Option<Service>, Error> {
        self.one(
            &format!("SELECT {SERVICE_COLUMNS} FROM services s WHERE s.id = ?"),
            [id.0],
            read_service,
        )
    }

    /// Services, newest first; `after` is [`Page::next`] of the previous page.
    pub fn services(&self, after: Option<i64>, limit: usize) -> Result<Page<Service>, Error> {
        let services = self.all(
            &format!(
                "SELECT {SERVICE_COLUMNS} FROM services s WHERE s.id < ? ORDER BY s.id DESC LIMIT ?"
            ),
            params![after.unwrap_or(i64::MAX), rows(limit)],
            read_service,
        )?;
        Ok(Page::new(services, limit, |service| {
            service.id.0.to_string()
        }))
    }

    /// The permissions of a service that each role includes.
    pub fn given_by_role(&self, service: ServiceId) -> Result<ByRole, Error> {
        let given = |role: Role| -> Result<Permissions, Error> {
            let sql = "SELECT r.permission FROM role_permissions r JOIN service_permissions p ON p.permission = r.permission \
                       WHERE r.role = ? AND p.service_id = ?";
            let words = self.all(sql, params![role.as_str(), service.0], |row| {
                row.get::<_, String>(0)
            })?;
            Ok(Permissions::from_stored(&words.join(" ")))
        };
        Ok(ByRole {
            member: given(Role::Member)?,
            admin: given(Role::Admin)?,
        })
    }

    /// All permissions that services define.
    pub fn defined_permissions(&self) -> Result<Permissions, Error> {
        let words = self.all("SELECT permission FROM service_permissions", [], |row| {
            row.get::<_, String>(0)
        })?;
        Ok(Permissions::from_stored(&words.join(" ")))
    }

    pub fn require_defined(&self, permissions: &Permissions, field: &str) -> Result<(), Error> {
        let defined = self.defined_permissions()?;
        let unknown = permissions
            .iter()
            .find(|one| matches!(one, Permission::Service(_)) && !defined.contains(one));
        unknown.map_or(Ok(()), |one| {
            Err(Error::field(field, format!("unknown permission \"{one}\"")))
        })
    }
}

impl Write<'_> {
    /// # Errors
    /// [`Error::NameTaken`] when there is a service of this name, or was a user.
    pub fn add_service(&self, name: &str, permissions: &Permissions) -> Result<ServiceId, Error> {
        if self.service(name)?.is_some() {
            return Err(Error::NameTaken(format!(
                "A service named {name} exists; choose another name."
            )));
        }
        // Proxies pass the owner's name to applications: a service must not look like a person.
        if self.count("SELECT count(*) FROM users WHERE username = ?", [name])? > 0 {
            return Err(Error::NameTaken(format!(
                "{name} is or was a username; choose another name for the service."
            )));
        }
        self.execute(
            "INSERT INTO services (name, created_at) VALUES (?, ?)",
            params![name, self.now.unix()],
        )?;
        let id = ServiceId(self.connection.last_insert_rowid());
        self.define(id, permissions)?;
        Ok(id)
    }

    /// Sets the permissions that a service defines. Dropped ones are removed from everyone in the same transaction.
    pub fn set_service_permissions(
        &self,
        service: &Service,
        permissions: &Permissions,
    ) -> Result<(), Error> {
        self.undefine(&service.permissions.without(permissions))?;
        self.define(service.id, &permissions.without(&service.permissions))
    }

    /// Deletes a service, its API keys and its permissions.
    pub fn delete_service(&self, service: &Service) -> Result<(), Error> {
        self.undefine(&service.permissions)?;
        self.execute(
            "DELETE FROM credentials WHERE service_id = ?",
            [service.id.0],
        )?;
        self.execute("DELETE FROM services WHERE id = ?", [service.id.0])
            .map(|_| ())
    }

    fn define(&self, service: ServiceId, permissions: &Permissions) -> Result<(), Error> {
        for word in permissions.words() {
            self.execute(
                "INSERT INTO service_permissions (permission, service_id) VALUES (?, ?)",
                params![word, service.0],
            )?;
        }
        Ok(())
    }

    fn undefine(&self, permissions: &Permissions) -> Result<(), Error> {
        for word in permissions.words() {
            // Removed from credentials too: a permission of this name that is defined later is a different one.
            self.execute(
                "UPDATE credentials SET permissions = trim(replace(' ' || permissions || ' ', ' ' || ?1 || ' ', ' ')) \
                 WHERE instr(' ' || permissions || ' ', ' ' || ?1 || ' ') > 0",
                [word],
            )?;
            self.execute("DELETE FROM user_permissions WHERE permission = ?", [word])?;
            self.execute(
                "DELETE FROM service_permissions WHERE permission = ?",
                [word],
            )?;
        }
        Ok(())
    }

    /// Sets the permissions of a service that a role includes.
    pub fn give_to_role(
        &self,
        service: ServiceId,
        role: Role,
        permissions: &Permissions,
    ) -> Result<(), Error> {
        let taken = "DELETE FROM role_permissions WHERE role = ? AND permission IN \
                     (SELECT permission FROM service_permissions WHERE service_id = ?)";
        self.execute(taken, params![role.as_str(), service.0])?;
        for word in permissions.words() {
            self.execute(
                "INSERT INTO role_permissions (role, permission) VALUES (?, ?)",
                params![role.as_str(), word],
            )?;
        }
        Ok(())
    }
}
