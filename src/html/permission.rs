//! Permissions: in words, and as fields of a form: presets, or rows of none, read and write. The markup of the form is in
//! `permission_form`.

use maud::{Markup, html};

pub use super::form::FILL;
use super::form::Input;
use crate::model::permission::{Permission, Permissions};

/// The field of the access level; [`Access`] has its values.
pub const ACCESS: &str = "access";
/// The field of single permissions.
pub const SINGLE: &str = "permissions";
/// Prefix of the resource in the fields of the rows: `permission.api-keys`, `permission.slurm:submit`.
pub const ROW: &str = "permission.";

/// The groups of rows, in the order of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowGroup {
    Account,
    Services,
    Administration,
}

impl RowGroup {
    pub(super) const ALL: [Self; 3] = [Self::Account, Self::Services, Self::Administration];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Services => "services",
            Self::Administration => "administration",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Account => "Your account",
            Self::Services => "Services",
            Self::Administration => "Administration",
        }
    }

    const fn from_permission(permission: &Permission) -> Self {
        match permission {
            Permission::Service(_) => Self::Services,
            Permission::Builtin(own) if own.is_administrative() => Self::Administration,
            Permission::Builtin(_) => Self::Account,
        }
    }
}

/// The name of a built-in resource.
fn resource_label(resource: &str) -> &str {
    match resource {
        "account" => "Account",
        "api-keys" => "API keys",
        "audit" => "Audit log",
        "hosts" => "Hosts",
        "introspect" => "Introspection",
        "metrics" => "Metrics",
        "policy" => "Policy",
        "services" => "Services",
        "sessions" => "Sessions",
        "ssh-keys" => "SSH keys",
        "tokens" => "Tokens",
        "users" => "Users and groups",
        other => other,
    }
}

/// One row of the form: a resource with what can be read and written, or a single permission.
pub(super) struct Row {
    pub(super) group: RowGroup,
    /// The name of its field behind [`ROW`].
    pub(super) field: String,
    pub(super) label: String,
    /// A single permission, which is in the place of `write`.
    pub(super) is_single: bool,
    pub(super) read: Option<Permission>,
    pub(super) write: Option<Permission>,
}

impl Row {
    /// The rows of `offered`, in the order of pages.
    pub(super) fn all(offered: &Permissions) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for permission in offered.iter() {
            let word = permission.as_str().to_owned();
            let (resource, action) = word.split_once(':').unwrap_or((&word, ""));
            let group = RowGroup::from_permission(&permission);
            let is_single = !matches!(action, "read" | "write");
            let field = if is_single { &word } else { resource };
            let place = rows.iter().position(|row| row.field == field);
            let place = place.unwrap_or_else(|| {
                let label = match (group, is_single) {
                    (RowGroup::Services, true) => format!("{resource} {action}"),
                    _ => resource_label(resource).to_owned(),
                };
                rows.push(Self {
                    group,
                    field: field.to_owned(),
                    label,
                    is_single,
                    read: None,
                    write: None,
                });
                rows.len() - 1
            });
            if action == "read" {
                rows[place].read = Some(permission);
            } else {
                rows[place].write = Some(permission);
            }
        }
        rows
    }

    pub(super) fn manages_credentials(&self) -> bool {
        matches!(&self.write, Some(Permission::Builtin(own)) if own.manages_credentials())
    }

    /// The value of its field for `given`.
    pub(super) fn value(&self, given: &Permissions) -> &'static str {
        let has = |side: &Option<Permission>| side.as_ref().is_some_and(|one| given.contains(one));
        match (has(&self.read), has(&self.write)) {
            (false, false) => "none",
            (true, false) => "read",
            (true, true) => "read-write",
            (false, true) if self.is_single => "yes",
            (false, true) => "write",
        }
    }

    /// The values that it offers in the columns "None", "Read" and "Write".
    pub(super) fn values(&self, present: &str) -> [Option<&'static str>; 3] {
        let write = match (&self.read, &self.write) {
            (_, None) => None,
            (None, Some(_)) if self.is_single => Some("yes"),
            // Only a credential with write but not read (possible in the API) gets this choice.
            (Some(_), Some(_)) if present != "write" => Some("read-write"),
            (_, Some(_)) => Some("write"),
        };
        [Some("none"), self.read.as_ref().map(|_| "read"), write]
    }
}

/// The access level of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only permissions of services.
    Services,
    /// Only read permissions.
    ReadOnly,
    /// All except administrative ones.
    Account,
    /// All permissions that can be given.
    Everything,
    /// As chosen in the rows.
    Choose,
}

impl Access {
    const ALL: [Self; 5] = [
        Self::Services,
        Self::ReadOnly,
        Self::Account,
        Self::Everything,
        Self::Choose,
    ];

    /// The name in the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::ReadOnly => "read-only",
            Self::Account => "account",
            Self::Everything => "everything",
            Self::Choose => "choose",
        }
    }

    /// The groups of rows that it chooses completely; none for [`Access::Choose`].
    pub(super) const fn groups(self) -> Option<&'static str> {
        match self {
            Self::Services => Some("services"),
            Self::ReadOnly => Some(""),
            Self::Account => Some("account services"),
            Self::Everything => Some("account services administration"),
            Self::Choose => None,
        }
    }

    /// Parses the name.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == word)
    }

    /// Its permissions out of those offered; for [`Access::Choose`] there are none.
    pub(super) fn choose_from(self, offered: &Permissions) -> Permissions {
        let keep = |one: &Permission| match self {
            Self::Services => RowGroup::from_permission(one) == RowGroup::Services,
            Self::ReadOnly => one.as_str().ends_with(":read"),
            Self::Account => RowGroup::from_permission(one) != RowGroup::Administration,
            Self::Everything => true,
            Self::Choose => false,
        };
        let mut kept = Permissions::none();
        for one in offered.iter().filter(keep) {
            kept.insert(one);
        }
        kept
    }
}

/// The owner of the credential in the form, who determines the presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presets {
    /// A person: all account permissions, unless others are chosen.
    Person,
    /// A service: all of its permissions, unless others are chosen.
    Service,
}

impl Presets {
    pub(super) const fn default(self) -> Access {
        match self {
            Self::Person => Access::Account,
            Self::Service => Access::Everything,
        }
    }

    /// The presets that differ in `offered`, with their label and explanation.
    pub(super) fn shown(self, offered: &Permissions) -> Vec<(Access, &'static str, String)> {
        let has = |access: Access| !access.choose_from(offered).is_empty();
        let everything = Access::Everything.choose_from(offered);
        let mut shown = Vec::new();
        let mut add = |access, label, help: String| shown.push((access, label, help));
        match self {
            Self::Service => {
                let all = "All permissions that you and the service have.";
                add(
                    Access::Everything,
                    "All permissions of the service",
                    all.into(),
                );
            }
            Self::Person => {
                if has(Access::Services) && Access::Services.choose_from(offered) != everything {
                    let help =
                        format!("{}. Cannot read or change your account.", services(offered));
                    add(Access::Services, "Use services only", help);
                }
                let reads = Access::ReadOnly.choose_from(offered);
                let is_administrative =
                    |one: Permission| RowGroup::from_permission(&one) == RowGroup::Administration;
                if !reads.is_empty() {
                    let help = if reads.iter().any(is_administrative) {
                        "All read permissions you have, including administration."
                    } else {
                        "All read permissions you have."
                    };
                    add(Access::ReadOnly, "Read only", help.into());
                }
                let help = "Includes managing your credentials.";
                add(Access::Account, "All account permissions", help.into());
                if Access::Account.choose_from(offered) != everything {
                    let label = "Everything, including administration";
                    let help = "All permissions you have. Choose a short expiration.";
                    add(Access::Everything, label, help.into());
                }
            }
        }
        add(
            Access::Choose,
            "Choose",
            "Starts from the selection above.".into(),
        );
        shown
    }

    /// The preset that equals `given`; [`Access::Choose`] if none does.
    pub(super) fn matching(self, offered: &Permissions, given: &Permissions) -> Access {
        let shown = self.shown(offered);
        let mut shown = shown.iter().rev().map(|(access, _, _)| *access);
        let equal =
            |access: &Access| *access != Access::Choose && access.choose_from(offered) == *given;
        shown.find(equal).unwrap_or(Access::Choose)
    }
}

/// The names of the services of `offered`: `slurm, storage and 3 more`.
fn services(offered: &Permissions) -> String {
    let mut names: Vec<&str> = Vec::new();
    for word in offered.words() {
        let is_service = matches!(Permission::parse(word), Ok(Permission::Service(_)));
        let name = word.split(':').next().unwrap_or_default();
        if is_service && !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [all @ .., last] if !all.is_empty() && names.len() <= 3 => {
            format!("{} and {last}", all.join(", "))
        }
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
        _ => names.join(""),
    }
}

/// The permissions chosen in a form of [`super::permission_form::choice`], out of those `offered`. No choice at all means the default.
pub fn chosen(
    input: &Input,
    offered: &Permissions,
    presets: Presets,
) -> Result<Permissions, String> {
    let access = match input.value(ACCESS) {
        None => presets.default(),
        Some(word) => Access::from_word(word).ok_or("choose one of the options")?,
    };
    match access {
        Access::Choose => rows(input),
        preset => Ok(preset.choose_from(offered)),
    }
}

/// Permissions as the fields of the rows of [`super::permission_form::choice`], to fill a form.
pub fn as_fields(permissions: &Permissions) -> Vec<(String, String)> {
    let rows = Row::all(permissions);
    let rows = rows.iter().map(|row| {
        let value = row.value(permissions).to_owned();
        (format!("{ROW}{}", row.field), value)
    });
    let access = (ACCESS.to_owned(), Access::Choose.as_str().to_owned());
    std::iter::once(access).chain(rows).collect()
}

/// The form after a button that fills a group of rows.
pub fn fill(input: &mut Input, offered: &Permissions) {
    let Some(word) = input.value(FILL).map(str::to_owned) else {
        return;
    };
    let (group, side) = word.split_once(' ').unwrap_or_default();
    let filled: Vec<(String, String)> = Row::all(offered)
        .iter()
        .filter(|row| row.group.as_str() == group)
        .map(|row| {
            let [none, read, write] = row.values("");
            let value = match side {
                "all" => write.or(read),
                "read" => read.or(none),
                _ => none,
            };
            let value = value.unwrap_or_default().to_owned();
            (format!("{ROW}{}", row.field), value)
        })
        .collect();
    let is_replaced = |name: &str| name == ACCESS || filled.iter().any(|(field, _)| field == name);
    input.values.retain(|(name, _)| !is_replaced(name));
    let access = (ACCESS.to_owned(), Access::Choose.as_str().to_owned());
    input.values.push(access);
    input.values.extend(filled);
}

/// The single permissions that were checked, as on the page of a user's grants.
pub fn ticked(input: &Input) -> Result<Permissions, String> {
    let words: Vec<&str> = input
        .values
        .iter()
        .filter(|(name, _)| name == SINGLE)
        .map(|(_, word)| word.as_str())
        .collect();
    Permissions::parse(&words)
}

fn rows(input: &Input) -> Result<Permissions, String> {
    let mut permissions = ticked(input)?;
    for (name, value) in &input.values {
        let Some(field) = name.strip_prefix(ROW) else {
            continue;
        };
        let side = |action: &str| format!("{field}:{action}");
        let words = match value.as_str() {
            "none" => vec![],
            "yes" => vec![field.to_owned()],
            "read" | "write" => vec![side(value)],
            "read-write" => vec![side("read"), side("write")],
            _ => return Err("choose one of the options".to_owned()),
        };
        permissions.extend(&Permissions::parse(&words)?);
    }
    Ok(permissions)
}

/// Permissions in a few words: `all account permissions`, `read only`, or the first three by name.
pub(super) fn brief(given: &Permissions, all: &Permissions) -> String {
    if given.is_empty() {
        return "nothing".to_owned();
    }
    let presets = [
        (Access::Services, "services only"),
        (Access::ReadOnly, "read only"),
        (Access::Account, "all account permissions"),
        (Access::Everything, "everything"),
    ];
    for (access, words) in presets {
        if *given == access.choose_from(all) {
            return words.to_owned();
        }
    }
    let words: Vec<String> = given.iter().map(|one| one.as_str().to_owned()).collect();
    match words.len() {
        1..=3 => words.join(", "),
        count => format!("{} and {} more", words[..2].join(", "), count - 2),
    }
}

/// Each permission by name, with a mark at those that manage credentials.
pub(super) fn full(given: &Permissions) -> Markup {
    html! {
        @if given.is_empty() { "None" }
        @for (place, one) in given.iter().enumerate() {
            @if place > 0 { ", " }
            code { (one.as_str()) }
        }
        @if given.manage_credentials() { small { "Can create or change credentials." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::permission::BuiltinPermission;
    use crate::model::user::Role;

    const PERSON: Presets = Presets::Person;

    fn sent(pairs: &[(&str, &str)]) -> Input {
        let values = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Input {
            values,
            errors: Vec::new(),
        }
    }

    fn offered() -> Permissions {
        let mut all = Role::Member.permissions();
        all.extend(
            &Permissions::parse(&["slurm:submit", "storage:read", "storage:write"]).unwrap(),
        );
        all
    }

    #[test]
    fn fields_give_back_the_permissions_they_came_from() {
        let permissions = Permissions::parse(&[
            "account:read",
            "api-keys:write",
            "audit:read",
            "introspect",
            "slurm:submit",
            "storage:write",
            "users:read",
            "users:write",
        ])
        .unwrap();
        let input = Input {
            values: as_fields(&permissions),
            errors: Vec::new(),
        };
        assert_eq!(
            chosen(&input, &Permissions::none(), PERSON),
            Ok(permissions)
        );
    }

    #[test]
    fn every_builtin_permission_has_a_row_with_a_label() {
        let all = Role::Admin.permissions();
        let rows = Row::all(&all);
        let of = |row: &Row| [row.read.clone(), row.write.clone()];
        let found: Vec<Permission> = rows.iter().flat_map(of).flatten().collect();
        assert_eq!(found.len(), BuiltinPermission::ALL.len());
        for row in rows {
            assert_ne!(row.label, row.field);
        }
    }

    #[test]
    fn presets_choose_their_permissions() {
        let all = offered();
        let preset = |word: &str| {
            let input = sent(&[("access", word)]);
            chosen(&input, &all, PERSON).unwrap().to_string()
        };
        assert_eq!(chosen(&sent(&[]), &all, PERSON), Ok(all.clone()));
        assert_eq!(
            preset("read-only"),
            "account:read api-keys:read sessions:read ssh-keys:read storage:read tokens:read"
        );
        assert_eq!(
            preset("services"),
            "slurm:submit storage:read storage:write"
        );
        assert_eq!(preset("account"), all.to_string());
        let mut admins = Role::Admin.permissions();
        admins.extend(&all);
        assert_eq!(chosen(&sent(&[]), &admins, PERSON), Ok(all.clone()));
        let everything = sent(&[("access", "everything")]);
        assert_eq!(chosen(&everything, &admins, PERSON), Ok(admins));
        let service = Permissions::parse(&["introspect", "slurm:submit"]).unwrap();
        assert_eq!(
            chosen(&sent(&[]), &service, Presets::Service),
            Ok(service.clone())
        );
    }

    #[test]
    fn rows_choose_single_permissions() {
        let all = offered();
        let rows = sent(&[
            ("access", "choose"),
            ("permission.tokens", "read-write"),
            ("permission.account", "read"),
            ("permission.slurm:submit", "yes"),
            ("permission.storage", "none"),
        ]);
        assert_eq!(
            chosen(&rows, &all, PERSON).unwrap().to_string(),
            "account:read slurm:submit tokens:read tokens:write"
        );
        for bad in [
            [("access", "all"), ("permission.tokens", "read")],
            [("access", "choose"), ("permission.tokens", "x")],
            [("access", "choose"), ("permission.introspect", "read")],
            [("access", "choose"), ("permissions", "users:all")],
        ] {
            assert!(chosen(&sent(&bad), &all, PERSON).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fill_button_chooses_only_for_its_group() {
        let mut input = sent(&[
            ("fill", "account read"),
            ("access", "account"),
            ("permission.tokens", "read-write"),
            ("permission.storage", "read-write"),
        ]);
        fill(&mut input, &offered());
        assert_eq!(
            chosen(&input, &offered(), PERSON).unwrap().to_string(),
            "account:read api-keys:read sessions:read ssh-keys:read storage:read storage:write tokens:read"
        );
        input.values[0].1 = "services all".to_owned();
        fill(&mut input, &offered());
        let all = chosen(&input, &offered(), PERSON).unwrap();
        assert!(all.contains(&Permission::parse("slurm:submit").unwrap()));
    }

    #[test]
    fn permissions_have_a_short_summary() {
        let all = Role::Member.permissions();
        let parse = |words: &[&str]| Permissions::parse(words).unwrap();
        assert_eq!(
            brief(&all, &offered()),
            "account:read, account:write and 8 more"
        );
        assert_eq!(brief(&all, &all), "all account permissions");
        assert_eq!(
            brief(&Access::ReadOnly.choose_from(&all), &all),
            "read only"
        );
        assert_eq!(brief(&parse(&["slurm:submit"]), &all), "slurm:submit");
        let services = parse(&["slurm:submit", "storage:read", "storage:write"]);
        assert_eq!(brief(&services, &offered()), "services only");
        let admin = Role::Admin.permissions();
        assert_eq!(brief(&admin, &admin), "everything");
        assert_eq!(
            brief(&admin, &all),
            "account:read, account:write and 19 more"
        );
        assert_eq!(brief(&Permissions::none(), &all), "nothing");
    }

    #[test]
    fn services_are_named_up_to_three() {
        let named = |words: &[&str]| services(&Permissions::parse(words).unwrap());
        assert_eq!(named(&["a:x", "a:y", "users:read"]), "a");
        assert_eq!(named(&["a:x", "b:y"]), "a and b");
        assert_eq!(named(&["a:x", "b:y", "c:z"]), "a, b and c");
        assert_eq!(named(&["a:x", "b:y", "c:z", "d:z"]), "a, b and 2 more");
    }
}
