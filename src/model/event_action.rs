//! The names of actions in the audit log: in groups for a filter, and under earlier names.

/// Actions that version 2 of the schema renamed: the audit log keeps the earlier name.
const RENAMED: [(&str, &str); 4] = [
    ("credential.burn", "credential.revoke"),
    ("user.end-everything", "user.offboard"),
    ("host.enrol-code", "host.enroll-code"),
    ("host.delete-enrol-code", "host.delete-enroll-code"),
];

/// Actions that share the word before the dot, with what people call them.
pub struct ActionGroup {
    /// Matches each action that begins with it and a dot.
    pub word: &'static str,
    pub label: &'static str,
    pub actions: &'static [(&'static str, &'static str)],
}

const fn group(
    word: &'static str,
    label: &'static str,
    actions: &'static [(&'static str, &'static str)],
) -> ActionGroup {
    ActionGroup {
        word,
        label,
        actions,
    }
}

/// The groups and actions of the filter.
pub const GROUPS: &[ActionGroup] = &[
    group(
        "api-key",
        "API keys",
        &[
            ("api-key.create", "Created"),
            ("api-key.edit", "Changed"),
            ("api-key.rotate", "Rotated"),
            ("api-key.disable", "Disabled"),
            ("api-key.enable", "Enabled"),
            ("api-key.delete", "Deleted"),
        ],
    ),
    group(
        "token",
        "Tokens",
        &[("token.create", "Generated"), ("token.delete", "Deleted")],
    ),
    group(
        "ssh-key",
        "SSH keys",
        &[
            ("ssh-key.add", "Added"),
            ("ssh-key.edit", "Changed"),
            ("ssh-key.delete", "Deleted"),
            ("ssh-key.import", "Imported"),
            ("ssh-key.shared", "Shared"),
        ],
    ),
    group(
        "session",
        "Sessions",
        &[
            ("session.sign-in", "Signed in"),
            ("session.sign-out", "Signed out"),
            ("session.delete", "Signed out elsewhere"),
        ],
    ),
    group("credential", "Revocations", &[]),
    group("device", "Logins of the command line", &[]),
    group("password", "Passwords", &[]),
    group("totp", "Authenticator apps", &[]),
    group("passkey", "Passkeys", &[]),
    group("recovery-codes", "Recovery codes", &[]),
    group("account", "Accounts", &[]),
    group(
        "user",
        "Users",
        &[
            ("user.add", "Added"),
            ("user.role", "Role changed"),
            ("user.permissions", "Permissions changed"),
            ("user.disable", "Disabled"),
            ("user.enable", "Enabled"),
            ("user.reset-password", "Reset link created"),
            ("user.reset-second-factor", "Second factor reset"),
            ("user.offboard", "Offboarded"),
            ("user.delete", "Deleted"),
        ],
    ),
    group("group", "Groups", &[]),
    group("service", "Services", &[]),
    group(
        "host",
        "Hosts",
        &[
            ("host.enroll", "Enrolled"),
            ("host.enroll-code", "Enrollment code created"),
            ("host.edit", "Changed"),
            ("host.login", "Login reported"),
            ("host.delete", "Deleted"),
        ],
    ),
    group("policy", "Policy", &[]),
    group("notice", "Notices", &[]),
    group("file", "Backups", &[]),
    group("audit", "Audit log", &[]),
    group("sweep", "Sweeps", &[]),
    group("request", "Rejected requests", &[]),
];

/// The present name of an action.
pub fn present_name(action: &str) -> &str {
    let renamed = RENAMED.iter().find(|(earlier, _)| *earlier == action);
    renamed.map_or(action, |(_, present)| present)
}

/// All names of an action, earlier ones too.
pub fn all_names(action: &str) -> Vec<&str> {
    let present = present_name(action);
    let earlier = RENAMED.iter().filter(|(_, name)| *name == present);
    std::iter::once(present)
        .chain(earlier.map(|(earlier, _)| *earlier))
        .collect()
}

/// Returns true for the name of a group of actions.
pub fn is_group(word: &str) -> bool {
    !word.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_names_and_present_names_are_one_action() {
        for (earlier, present) in RENAMED {
            assert_eq!(all_names(earlier), [present, earlier]);
            assert_eq!(all_names(present), [present, earlier]);
        }
        assert_eq!(all_names("api-key.create"), ["api-key.create"]);
        assert_eq!(all_names("no such action"), ["no such action"]);
    }

    #[test]
    fn groups_contain_actions_that_exist() {
        let source = include_str!("event.rs");
        for group in GROUPS {
            assert!(is_group(group.word));
            let start = format!("=> \"{}", group.word);
            assert!(source.contains(&start), "{}", group.word);
            for (action, _) in group.actions {
                assert!(action.starts_with(&format!("{}.", group.word)), "{action}");
                assert!(source.contains(&format!("=> \"{action}\"")), "{action}");
            }
        }
    }

    #[test]
    fn every_action_belongs_to_a_group() {
        for line in include_str!("event.rs").lines() {
            let Some(action) = line.trim().split("=> \"").nth(1) else {
                continue;
            };
            let word = action.split(['.', '"']).next().unwrap();
            let is_action = line.trim().starts_with("Self::") && action.contains('.');
            assert!(
                !is_action || GROUPS.iter().any(|group| group.word == word),
                "{line}"
            );
        }
    }
}
