//! The fields for permissions in a form, and the same groups as facts.

use maud::{Markup, html};

use super::form::{Choice, Input, Tick, choices, group};
use super::permission::{ACCESS, Access, FILL, Presets, ROW, Row, RowGroup, SINGLE};
use super::when::counted;
use crate::model::permission::{Permission, Permissions};

/// With more resources, those of services and administration are folded.
const RESOURCES_MAX: usize = 8;

/// The actions on one resource, or on one service.
struct GrantedActions {
    group: RowGroup,
    label: String,
    names: Vec<String>,
    manages_credentials: bool,
}

impl GrantedActions {
    fn all(given: &Permissions) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for row in Row::all(given) {
            let (resource, action) = row.field.split_once(':').unwrap_or((&row.field, "allowed"));
            let label = match row.group {
                RowGroup::Services => resource.to_owned(),
                RowGroup::Account | RowGroup::Administration => row.label.clone(),
            };
            let mut actions: Vec<String> = Vec::new();
            actions.extend(row.read.as_ref().map(|_| "read".to_owned()));
            let write = if row.is_single { action } else { "write" };
            actions.extend(row.write.as_ref().map(|_| write.to_owned()));
            let same = |one: &&mut Self| one.group == row.group && one.label == label;
            match found.iter_mut().find(same) {
                Some(one) => one.names.extend(actions),
                None => found.push(Self {
                    group: row.group,
                    label,
                    names: actions,
                    manages_credentials: row.manages_credentials(),
                }),
            }
        }
        found
    }
}

/// Permissions by resource, with a mark at those that manage credentials.
pub(super) fn facts(given: &Permissions) -> Markup {
    let all = GrantedActions::all(given);
    let is_long = all.len() > RESOURCES_MAX;
    let list = |group: Option<RowGroup>| {
        html! {
            dl.facts {
                @for one in all.iter().filter(|one| group.is_none_or(|group| one.group == group)) {
                    dt { (one.label) }
                    dd { (one.names.join(", ")) @if one.manages_credentials { small { "manages credentials" } } }
                }
            }
        }
    };
    let folded = |group: RowGroup, word: &str| {
        let of = || all.iter().filter(move |one| one.group == group);
        let permissions: usize = of().map(|one| one.names.len()).sum();
        html! {
            @if permissions > 0 {
                details {
                    summary { (counted(of().count(), word)) ", " (counted(permissions, "permission")) }
                    (list(Some(group)))
                }
            }
        }
    };
    html! {
        @if all.is_empty() {
            p { "None" }
        } @else if is_long {
            (list(Some(RowGroup::Account)))
            (folded(RowGroup::Services, "service"))
            (folded(RowGroup::Administration, "administrative resource"))
        } @else {
            (list(None))
        }
    }
}

/// The fields for permissions: presets, and rows behind "Choose". `given` are the present ones, `None` for a new
/// credential.
pub(super) fn choice(
    input: &Input,
    offered: &Permissions,
    given: Option<&Permissions>,
    presets: Presets,
) -> Markup {
    let default = given.map_or(presets.default(), |given| presets.matching(offered, given));
    let access = input.value(ACCESS).and_then(Access::from_word);
    let access = access.unwrap_or(default);
    // The rows start from the preset.
    let from = match (access, given) {
        (Access::Choose, Some(given)) => given.clone(),
        (Access::Choose, None) => Permissions::none(),
        (preset, _) => preset.choose_from(offered),
    };
    let shown = presets.shown(offered);
    let answers: Vec<Choice<'_>> = shown
        .iter()
        .map(|(access, label, help)| Choice {
            value: access.as_str(),
            words: label,
            help,
            all: access.groups(),
        })
        .collect();
    html! {
        (group("permissions", "Access", input, &choices(ACCESS, access.as_str(), &answers)))
        // Enter in a field presses the first button of a form, which must not be one that fills rows.
        button hidden {}
        div.matrix { (matrix(input, offered, &from)) }
    }
}

/// The rows by group. Administrative ones are folded while none of them is chosen.
fn matrix(input: &Input, offered: &Permissions, from: &Permissions) -> Markup {
    let rows = Row::all(offered);
    let of = |group: RowGroup| rows.iter().filter(move |row| row.group == group);
    let chosen = |row: &Row| row_value(input, row, from) != "none";
    let shown = |groups: &[RowGroup]| {
        html! {
            table.list aria-label="Permissions" {
                thead { tr { th scope="col" { "Resource" } th scope="col" { "None" } th scope="col" { "Read" } th scope="col" { "Write" } } }
                @for group in groups.iter().filter(|group| of(**group).next().is_some()) {
                    tbody data-group=(group.as_str()) {
                        tr { th scope="rowgroup" { (group.label()) } td colspan="3" { (fill_buttons(input, *group)) } }
                        @for row in of(*group) { (matrix_row(input, row, from)) }
                    }
                }
            }
        }
    };
    let administrative = of(RowGroup::Administration).count();
    html! {
        (shown(&RowGroup::ALL[..2]))
        @if administrative > 0 {
            details open[of(RowGroup::Administration).any(chosen) || input.value(FILL).is_some_and(|word| word.starts_with(RowGroup::Administration.as_str()))] {
                summary { (administrative) " administrative resources" }
                (shown(&RowGroup::ALL[2..]))
            }
        }
    }
}

/// The buttons that choose for all rows of a group. Without scripts they send the form, which comes back filled.
fn fill_buttons(input: &Input, group: RowGroup) -> Markup {
    html! {
        span.group role="group" aria-label=(group.label()) {
            @for (side, label) in [("all", "All"), ("read", "Read"), ("none", "None")] {
                @let value = format!("{} {side}", group.as_str());
                button name=(FILL) value=(value) formnovalidate autofocus[input.has(FILL, &value)] { (label) }
            }
        }
    }
}

/// The value of a row: the one sent, if the row offers it.
fn row_value(input: &Input, row: &Row, from: &Permissions) -> String {
    let sent = input.value(&format!("{ROW}{}", row.field));
    let sent = sent.filter(|value| row.values(value).contains(&Some(*value)));
    sent.unwrap_or_else(|| row.value(from)).to_owned()
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

fn matrix_row(input: &Input, row: &Row, from: &Permissions) -> Markup {
    let chosen = row_value(input, row, from);
    let columns = row
        .values(&chosen)
        .into_iter()
        .zip(["none", "read", "write"]);
    html! {
        tr {
            th scope="row" { (row.label) @if row.manages_credentials() { " " span.muted { "manages credentials" } } }
            @for (value, column) in columns {
                td { @if let Some(value) = value { input type="radio" name={ (ROW) (row.field) } value=(value) checked[value == chosen] aria-label={ (row.label) ": " (column) }; } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::user::Role;

    #[test]
    fn facts_are_grouped_and_folded_when_long() {
        let given = [
            "account:read",
            "account:write",
            "slurm:submit",
            "slurm:view",
        ];
        let markup = facts(&Permissions::parse(&given).unwrap()).into_string();
        assert_eq!(
            markup,
            "<dl class=\"facts\"><dt>Account</dt><dd>read, write<small>manages credentials</small></dd>\
             <dt>slurm</dt><dd>submit, view</dd></dl>"
        );
        let mut admin = Role::Admin.permissions();
        admin.extend(&Permissions::parse(&given).unwrap());
        let markup = facts(&admin).into_string();
        for wanted in [
            "<summary>1 service, 2 permissions</summary>",
            "<summary>7 administrative resources, 11 permissions</summary>",
            "<dt>Introspection</dt><dd>allowed</dd>",
        ] {
            assert!(markup.contains(wanted), "{wanted}: {markup}");
        }
        assert_eq!(facts(&Permissions::none()).into_string(), "<p>None</p>");
    }

    #[test]
    fn rows_show_the_given_permissions() {
        let all = Role::Member.permissions();
        let given = Permissions::parse(&["tokens:read", "ssh-keys:write"]).unwrap();
        let markup = choice(&Input::default(), &all, Some(&given), Presets::Person).into_string();
        for wanted in [
            "name=\"permission.tokens\" value=\"read\" checked",
            "name=\"permission.ssh-keys\" value=\"write\" checked",
            "name=\"permission.account\" value=\"none\" checked",
            "name=\"access\" value=\"choose\" checked",
        ] {
            assert!(markup.contains(wanted), "{wanted}: {markup}");
        }
        // A member has no other choice of everything, and no service to use.
        for missing in [
            "permission.users",
            "value=\"everything\"",
            "value=\"services\"",
        ] {
            assert!(!markup.contains(missing), "{missing}: {markup}");
        }
        let read_only = Access::ReadOnly.choose_from(&all);
        let markup =
            choice(&Input::default(), &all, Some(&read_only), Presets::Person).into_string();
        assert!(markup.contains("name=\"access\" value=\"read-only\" checked"));
    }
}
