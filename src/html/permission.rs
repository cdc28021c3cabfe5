//! Permissions: in a few words, and as rows of "no access, read, read and write".

use maud::{Markup, html};

use super::form::{Input, Tick, group, radios};
use crate::model::permission::{BuiltinPermission, Permission, Permissions};

/// The field of the access level; [`Access`] has its values.
pub const ACCESS: &str = "access";
/// The field of single permissions.
pub const SINGLE: &str = "permissions";
/// Prefix of the resource in the fields of the rows: `permission.api-keys`.
pub const ROW: &str = "permission.";

/// Built-in resources with a read and a write permission, in the order of pages.
const RESOURCES: [(&str, &str, BuiltinPermission, BuiltinPermission); 9] = [
    (
        "sessions",
        "Sessions",
        BuiltinPermission::SessionsRead,
        BuiltinPermission::SessionsWrite,
    ),
    (
        "account",
        "Account",
        BuiltinPermission::AccountRead,
        BuiltinPermission::AccountWrite,
    ),
    (
        "api-keys",
        "API keys",
        BuiltinPermission::ApiKeysRead,
        BuiltinPermission::ApiKeysWrite,
    ),
    (
        "tokens",
        "Tokens",
        BuiltinPermission::TokensRead,
        BuiltinPermission::TokensWrite,
    ),
    (
        "ssh-keys",
        "SSH keys",
        BuiltinPermission::SshKeysRead,
        BuiltinPermission::SshKeysWrite,
    ),
    (
        "users",
        "Users and groups",
        BuiltinPermission::UsersRead,
        BuiltinPermission::UsersWrite,
    ),
    (
        "hosts",
        "Hosts",
        BuiltinPermission::HostsRead,
        BuiltinPermission::HostsWrite,
    ),
    (
        "services",
        "Services",
        BuiltinPermission::ServicesRead,
        BuiltinPermission::ServicesWrite,
    ),
    (
        "policy",
        "Policy",
        BuiltinPermission::PolicyRead,
        BuiltinPermission::PolicyWrite,
    ),
];

/// The access level of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// All permissions that can be given.
    Everything,
    /// All except those that create or change credentials.
    WithoutManagement,
    /// Only read permissions.
    ReadOnly,
    /// As chosen in the rows.
    Choose,
}

impl Access {
    const ALL: [Self; 4] = [
        Self::Everything,
        Self::WithoutManagement,
        Self::ReadOnly,
        Self::Choose,
    ];

    /// The name in the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::WithoutManagement => "unmanaging",
            Self::ReadOnly => "read-only",
            Self::Choose => "choose",
        }
    }
}

/// The permissions chosen in a form of [`choice`], out of those `offered`. No choice at all means everything.
pub fn chosen(input: &Input, offered: &Permissions) -> Result<Permissions, String> {
    let word = input.value(ACCESS).unwrap_or(Access::Everything.as_str());
    let access = Access::ALL
        .into_iter()
        .find(|access| access.as_str() == word);
    match access.ok_or("choose one of the answers")? {
        Access::Everything => Ok(offered.clone()),
        Access::WithoutManagement => Ok(without_credential_management(offered)),
        Access::ReadOnly => Ok(read_only(offered)),
        Access::Choose => rows(input),
    }
}

/// Permissions as the fields of the rows of [`choice`], to fill a form.
pub fn as_fields(permissions: &Permissions) -> Vec<(String, String)> {
    let mut fields = vec![(ACCESS.to_owned(), Access::Choose.as_str().to_owned())];
    let mut rest = permissions.clone();
    for (resource, _, read, write) in RESOURCES {
        let has = |own: BuiltinPermission| permissions.contains(&own.into());
        let answer = match (has(read), has(write)) {
            (false, false) => continue,
            (true, false) => "read",
            (false, true) => "write",
            (true, true) => "read-write",
        };
        fields.push((format!("{ROW}{resource}"), answer.to_owned()));
        rest = rest.without(&Permissions::new(&[read, write]));
    }
    fields.extend(
        rest.words()
            .map(|word| (SINGLE.to_owned(), word.to_owned())),
    );
    fields
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
    for (resource, _, read, write) in RESOURCES {
        let wanted = match input.value(&format!("{ROW}{resource}")) {
            None | Some("none") => &[][..],
            Some("read") => &[read],
            Some("write") => &[write],
            Some("read-write") => &[read, write],
            Some(_) => return Err("choose one of the answers".to_owned()),
        };
        permissions.extend(&Permissions::new(wanted));
    }
    Ok(permissions)
}

fn without_credential_management(all: &Permissions) -> Permissions {
    all.without(&Permissions::own_where(
        BuiltinPermission::manages_credentials,
    ))
}

fn read_only(all: &Permissions) -> Permissions {
    all.intersection(&Permissions::own_where(|own| {
        own.as_str().ends_with(":read")
    }))
}

/// Permissions in a few words: `everything`, `read only`, or the first three by name.
pub(super) fn brief(given: &Permissions, all: &Permissions) -> String {
    if given.is_empty() {
        return "nothing".to_owned();
    }
    if given == all {
        return "everything".to_owned();
    }
    if *given == without_credential_management(all) {
        return "everything but managing credentials".to_owned();
    }
    if *given == read_only(all) {
        return "read only".to_owned();
    }
    let words: Vec<String> = given.iter().map(|one| one.as_str().to_owned()).collect();
    match words.len() {
        1..=3 => words.join(", "),
        count => format!("{} and {} more", words[..2].join(", "), count - 2),
    }
}

/// Each permission, with a mark at those that manage credentials.
pub(super) fn full(given: &Permissions) -> Markup {
    html! {
        @if given.is_empty() { "None" }
        @for (place, one) in given.iter().enumerate() {
            @if place > 0 { ", " }
            code { (one.as_str()) }
        }
        @if given.manage_credentials() { small { "Can make or change credentials." } }
    }
}

/// The fields for permissions. `given` are the present ones, `None` for a new credential, whose default is everything.
pub(super) fn choice(input: &Input, offered: &Permissions, given: Option<&Permissions>) -> Markup {
    let default = match given {
        None => Access::Everything,
        Some(given) if given == offered => Access::Everything,
        Some(_) => Access::Choose,
    };
    let answers = [
        (Access::Everything.as_str(), "Everything I may do"),
        (
            Access::WithoutManagement.as_str(),
            "Everything but managing credentials",
        ),
        (Access::ReadOnly.as_str(), "Read only"),
        (Access::Choose.as_str(), "Choose permissions"),
    ];
    html! {
        (group("permissions", "Access", input, &radios(input, ACCESS, default.as_str(), &answers)))
        div.matrix { (matrix(input, offered, given.unwrap_or(offered))) }
    }
}

/// The rows, and a checkbox for each single permission.
pub(super) fn matrix(input: &Input, offered: &Permissions, given: &Permissions) -> Markup {
    let shown = |managing: bool| {
        RESOURCES
            .iter()
            .filter(move |(_, _, _, write)| write.manages_credentials() == managing)
            .filter(|(_, _, read, write)| {
                offered.contains(&(*read).into()) || offered.contains(&(*write).into())
            })
    };
    let sided = |one: &Permission| {
        RESOURCES
            .iter()
            .any(|(_, _, read, write)| *one == (*read).into() || *one == (*write).into())
    };
    let single: Vec<Permission> = offered.iter().filter(|one| !sided(one)).collect();
    html! {
        (group("rows", "Use", input, &html! {
            table.list.matrix { (head()) tbody { @for row in shown(false) { (matrix_row(input, offered, given, row)) } } }
            (singles(input, &single, given))
        }))
        (group("managing", "Manage credentials", input, &html! {
            p { b.pill.warn { "Take care" } " Write access here lets the key create or change access. Few programs need it." }
            table.list.matrix { (head()) tbody { @for row in shown(true) { (matrix_row(input, offered, given, row)) } } }
        }))
    }
}

/// A checkbox for each of `single`.
pub(super) fn singles(input: &Input, single: &[Permission], given: &Permissions) -> Markup {
    let on = |one: &Permission| {
        if input.is_fresh() {
            given.contains(one)
        } else {
            input.has(SINGLE, one.as_str())
        }
    };
    html! { @for one in single { (Tick { kind: "checkbox", name: SINGLE, value: one.as_str(), words: one.as_str(), on: on(one) }.show()) } }
}

fn head() -> Markup {
    html! { thead { tr { th { "Resource" } th { "No access" } th { "Read" } th { "Read and write" } } } }
}

fn matrix_row(
    input: &Input,
    offered: &Permissions,
    given: &Permissions,
    row: &(&str, &str, BuiltinPermission, BuiltinPermission),
) -> Markup {
    let (resource, label, read, write) = row;
    let name = format!("{ROW}{resource}");
    let has = |own: &BuiltinPermission| given.contains(&(*own).into());
    let present = match (has(read), has(write)) {
        (false, false) => "none",
        (true, false) => "read",
        (true, true) => "read-write",
        (false, true) => "write",
    };
    let chosen = input.value(&name).unwrap_or(present);
    let may = |own: &BuiltinPermission| offered.contains(&(*own).into());
    // Only a credential that has write without read (possible in the API) gets this choice.
    let full = if present == "write" {
        ("write", "Write only", may(write))
    } else {
        ("read-write", "Read and write", may(read) && may(write))
    };
    let answers = [
        ("none", "No access", true),
        ("read", "Read", may(read)),
        full,
    ];
    html! {
        tr {
            th { (label) }
            @for (value, words, offered) in answers {
                td data-label=(words) {
                    @if offered {
                        input type="radio" name=(name) value=(value) checked[value == chosen] aria-label={ (label) ": " (words) };
                    } @else { "–" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::user::Role;

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

    #[test]
    fn fields_say_what_they_were_made_of() {
        let permissions = Permissions::parse(&[
            "account:read",
            "api-keys:write",
            "audit:read",
            "slurm:submit",
            "users:read",
            "users:write",
        ])
        .unwrap();
        let input = Input {
            values: as_fields(&permissions),
            errors: Vec::new(),
        };
        assert_eq!(chosen(&input, &Permissions::none()), Ok(permissions));
    }

    #[test]
    fn every_resource_and_each_permission_has_its_place() {
        let sided = |own: &BuiltinPermission| {
            RESOURCES
                .iter()
                .any(|(_, _, read, write)| read == own || write == own)
        };
        let single: Vec<&BuiltinPermission> = BuiltinPermission::ALL
            .iter()
            .filter(|own| !sided(own))
            .collect();
        assert_eq!(
            single,
            [
                &BuiltinPermission::AuditRead,
                &BuiltinPermission::Introspect,
                &BuiltinPermission::Metrics
            ]
        );
        for (resource, _, read, write) in RESOURCES {
            assert_eq!(read.as_str(), format!("{resource}:read"));
            assert_eq!(write.as_str(), format!("{resource}:write"));
        }
    }

    #[test]
    fn what_the_form_shows_is_what_it_sends_back() {
        let all = Role::Member.permissions();
        assert_eq!(chosen(&sent(&[]), &all), Ok(all.clone()));
        assert_eq!(
            chosen(&sent(&[("access", "read-only")]), &all)
                .unwrap()
                .to_string(),
            "account:read api-keys:read sessions:read ssh-keys:read tokens:read"
        );
        assert_eq!(
            chosen(&sent(&[("access", "unmanaging")]), &all)
                .unwrap()
                .to_string(),
            "account:read api-keys:read sessions:read sessions:write ssh-keys:read tokens:read"
        );
        let rows = sent(&[
            ("access", "choose"),
            ("permission.tokens", "read-write"),
            ("permission.account", "read"),
            ("permissions", "slurm:submit"),
        ]);
        assert_eq!(
            chosen(&rows, &all).unwrap().to_string(),
            "account:read slurm:submit tokens:read tokens:write"
        );
        assert!(chosen(&sent(&[("access", "all")]), &all).is_err());
        assert!(
            chosen(
                &sent(&[("access", "choose"), ("permission.tokens", "x")]),
                &all
            )
            .is_err()
        );
        assert!(
            chosen(
                &sent(&[("access", "choose"), ("permissions", "users:all")]),
                &all
            )
            .is_err()
        );
    }

    #[test]
    fn permissions_are_said_briefly() {
        let all = Role::Member.permissions();
        assert_eq!(brief(&all, &all), "everything");
        assert_eq!(brief(&read_only(&all), &all), "read only");
        assert_eq!(
            brief(&Permissions::parse(&["slurm:submit"]).unwrap(), &all),
            "slurm:submit"
        );
        assert_eq!(
            brief(&Role::Admin.permissions(), &all),
            "account:read, account:write and 19 more"
        );
        assert_eq!(brief(&Permissions::none(), &all), "nothing");
    }

    #[test]
    fn the_rows_show_what_is_given() {
        let all = Role::Member.permissions();
        let given = Permissions::parse(&["tokens:read", "ssh-keys:write"]).unwrap();
        let markup = choice(&Input::default(), &all, Some(&given)).into_string();
        assert!(
            markup.contains("name=\"permission.tokens\" value=\"read\" checked"),
            "{markup}"
        );
        assert!(markup.contains("name=\"permission.ssh-keys\" value=\"write\" checked"));
        assert!(markup.contains("name=\"permission.account\" value=\"none\" checked"));
        assert!(markup.contains("name=\"access\" value=\"choose\" checked"));
        assert!(!markup.contains("permission.users"));
    }
}
