//! Notices to a person about acts of others on their account, shown until the person confirms them.

use super::event::Action;
use super::secret::Id;
use super::time::Time;
use super::user::UserId;

/// An act of an admin or the operator on another person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNotice {
    pub id: Id,
    pub user: UserId,
    pub at: Time,
    /// The action of the event, such as `user.reset-password`.
    pub action: String,
    /// The username of the admin, or `operator`.
    pub actor: String,
    pub by: NoticeActor,
    pub target_kind: String,
    pub target_id: String,
    pub target_name: String,
    /// Fields and values of the event.
    pub before: Vec<(String, String)>,
    pub after: Vec<(String, String)>,
    pub acknowledged_at: Option<Time>,
    /// The credential that confirmed it.
    pub acknowledged_by: Option<Id>,
}

/// The role of the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeActor {
    Admin,
    /// The owner of the database, or root.
    Operator,
}

impl NoticeActor {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    /// Parses the result of [`NoticeActor::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Admin, Self::Operator];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// Returns whether an act of this kind is shown to the owner of the account. Acts before the person has the account,
/// and its deletion, are not.
pub const fn is_shown(action: Action) -> bool {
    !matches!(
        action,
        Action::UserAdd
            | Action::UserDelete
            | Action::SetUp
            | Action::SetUpLink
            | Action::InvitationAccept
    )
}

impl AccountNotice {
    /// One sentence without a date: "Admin alice reset your password."
    pub fn sentence(&self) -> String {
        let who = match self.by {
            NoticeActor::Admin => format!("Admin {}", self.actor),
            NoticeActor::Operator => "The operator of the server".to_owned(),
        };
        let name = self.target_name.as_str();
        let (kind, id) = (self.target_kind.as_str(), self.target_id.as_str());
        let act = match self.action.as_str() {
            "user.reset-password" => "created a link that resets your password".to_owned(),
            "user.reset-second-factor" => {
                "removed your second factors and your password, and created a link that sets a new password".to_owned()
            }
            "password.reset" => "reset your password: the one-time link was used".to_owned(),
            "ssh-key.import" => match value(&self.after, "keys") {
                Some(keys) => format!("added to your SSH keys: {keys}"),
                None => "imported SSH keys for you and added none".to_owned(),
            },
            "ssh-key.delete" => format!("deleted your SSH key {name}"),
            "session.delete" => "signed out one of your sessions".to_owned(),
            "token.create" => "created a token that acts as you".to_owned(),
            "user.role" => format!("changed your role{}", change_text(self, "role")),
            "user.permissions" => {
                format!("changed your permissions{}", change_text(self, "permissions"))
            }
            "user.disable" => "disabled your account".to_owned(),
            "user.enable" => "enabled your account".to_owned(),
            "user.edit" => "changed your account".to_owned(),
            "user.offboard" | "user.end-everything" => {
                "disabled your account and revoked all your credentials".to_owned()
            }
            "group.add-member" => format!("added you to the group {id}"),
            "group.remove-member" => format!("removed you from the group {id}"),
            other => match other.split_once('.') {
                Some(("api-key" | "token", verb)) => {
                    let noun = if kind == "token" { "token" } else { "API key" };
                    format!("{} your {noun} {name}", past_tense(verb))
                }
                _ => format!("changed your account ({other})"),
            },
        };
        format!("{who} {act}.")
    }
}

/// " from X to Y", if the event has both.
fn change_text(notice: &AccountNotice, field: &str) -> String {
    match (value(&notice.before, field), value(&notice.after, field)) {
        (Some(before), Some(after)) if !before.is_empty() && !after.is_empty() => {
            format!(" from {before} to {after}")
        }
        (_, Some(after)) if !after.is_empty() => format!(" to {after}"),
        _ => String::new(),
    }
}

fn value<'a>(pairs: &'a [(String, String)], field: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(name, _)| name == field);
    found.map(|(_, value)| value.as_str())
}

fn past_tense(verb: &str) -> String {
    match verb {
        "edit" => "changed".to_owned(),
        other if other.ends_with('e') => format!("{other}d"),
        other => format!("{other}ed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(action: &str, by: NoticeActor) -> AccountNotice {
        let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
        AccountNotice {
            id: Id::random(),
            user: UserId(1),
            at: Time::from_unix(1_000),
            action: action.to_owned(),
            actor: "alice".to_owned(),
            by,
            target_kind: "api-key".to_owned(),
            target_id: "staff".to_owned(),
            target_name: "laptop".to_owned(),
            before: vec![pair("role", "member")],
            after: vec![pair("role", "admin"), pair("keys", "laptop (SHA256:x)")],
            acknowledged_at: None,
            acknowledged_by: None,
        }
    }

    #[test]
    fn every_act_has_a_sentence_that_names_actor_and_object() {
        use NoticeActor::{Admin, Operator};
        for (action, by, sentence) in [
            (
                "password.reset",
                Admin,
                "Admin alice reset your password: the one-time link was used.",
            ),
            (
                "user.reset-password",
                Operator,
                "The operator of the server created a link that resets your password.",
            ),
            (
                "ssh-key.import",
                Admin,
                "Admin alice added to your SSH keys: laptop (SHA256:x).",
            ),
            (
                "ssh-key.delete",
                Admin,
                "Admin alice deleted your SSH key laptop.",
            ),
            (
                "user.role",
                Admin,
                "Admin alice changed your role from member to admin.",
            ),
            ("user.enable", Admin, "Admin alice enabled your account."),
            (
                "user.end-everything",
                Admin,
                "Admin alice disabled your account and revoked all your credentials.",
            ),
            (
                "group.add-member",
                Admin,
                "Admin alice added you to the group staff.",
            ),
            (
                "api-key.disable",
                Admin,
                "Admin alice disabled your API key laptop.",
            ),
            (
                "api-key.edit",
                Admin,
                "Admin alice changed your API key laptop.",
            ),
            (
                "second-factor.reset",
                Admin,
                "Admin alice changed your account (second-factor.reset).",
            ),
        ] {
            assert_eq!(notice(action, by).sentence(), sentence);
        }
    }

    #[test]
    fn actor_is_parsed_as_written() {
        for actor in [NoticeActor::Admin, NoticeActor::Operator] {
            assert_eq!(NoticeActor::parse(actor.as_str()), Some(actor));
        }
        assert_eq!(NoticeActor::parse("host"), None);
    }

    #[test]
    fn change_is_written_with_the_values_that_are_known() {
        for (before, after, text) in [
            ("member", "admin", " from member to admin"),
            ("", "admin", " to admin"),
            ("member", "", ""),
            ("", "", ""),
        ] {
            let pairs = |value: &str| vec![("role".to_owned(), value.to_owned())];
            let mut changed = notice("user.role", NoticeActor::Admin);
            changed.before = pairs(before);
            changed.after = pairs(after);
            assert_eq!(change_text(&changed, "role"), text);
        }
    }
}
