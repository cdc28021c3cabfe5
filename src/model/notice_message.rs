//! The texts of notices: one subject, one paragraph and one link each. No secrets, and no control characters.

use super::code::Purpose;
use super::event::{Action, FieldValues};
use super::notice_kind::NoticeKind;
use super::text::sanitize;
use super::time::Time;

/// Longest name in a text, in characters.
const NAME_CHARACTERS_MAX: usize = 100;

/// A notice before it is addressed.
#[derive(Debug, Clone)]
pub struct NoticeMessage {
    pub kind: NoticeKind,
    pub subject: String,
    pub body: String,
    /// Of the page behind the link.
    pub path: String,
    /// Values for programs.
    pub data: FieldValues,
    /// The expiration that it announces.
    pub item: Option<ExpiringItem>,
}

/// The table of an item that expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    Credential,
    SshKey,
    Code,
}

impl ItemKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::SshKey => "ssh-key",
            Self::Code => "code",
        }
    }
}

/// An item that expires. The notice is dropped when it is deleted, disabled, or gets another expiration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringItem {
    pub kind: ItemKind,
    pub id: String,
    pub name: String,
    /// A username or the name of a service; empty for a code.
    pub owner: String,
    pub is_of_service: bool,
    pub expires_at: Time,
}

impl ExpiringItem {
    pub const fn notice_kind(&self) -> NoticeKind {
        match (self.kind, self.is_of_service) {
            (ItemKind::Credential, false) => NoticeKind::ApiKeyExpires,
            (ItemKind::Credential, true) => NoticeKind::ServiceKeyExpires,
            (ItemKind::SshKey, _) => NoticeKind::SshKeyExpires,
            (ItemKind::Code, _) => NoticeKind::CodeExpires,
        }
    }
}

/// A name that is safe in a text.
fn safe_name(name: &str) -> String {
    sanitize(name, NAME_CHARACTERS_MAX)
}

/// "2026-11-22 15:04:05 UTC".
fn readable(at: Time) -> String {
    at.to_string().replace('T', " ").replace('Z', " UTC")
}

/// "in 7 days", "in 5 hours".
fn time_until(end: Time, now: Time) -> String {
    let left = end.since(now).as_secs();
    let (count, unit) = match left {
        0..3_600 => (left.div_ceil(60), "minute"),
        3_600..86_400 => (left.div_ceil(3_600), "hour"),
        _ => (left.div_ceil(86_400), "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("in {count} {unit}{plural}")
}

impl NoticeMessage {
    fn new(kind: NoticeKind, subject: String, body: String, path: impl Into<String>) -> Self {
        Self {
            kind,
            subject,
            body,
            path: path.into(),
            data: Vec::new(),
            item: None,
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.data.push((name, value.to_string()));
        self
    }

    /// A credential, an SSH key or a code expires soon.
    pub fn expiration(item: ExpiringItem, now: Time) -> Self {
        let (name, owner, end) = (
            safe_name(&item.name),
            safe_name(&item.owner),
            item.expires_at,
        );
        let (id, when, date) = (&item.id, time_until(end, now), readable(end));
        let (name_of_item, body, path) = match item.notice_kind() {
            NoticeKind::SshKeyExpires => (
                format!("SSH key {name}"),
                format!(
                    "The SSH key {name} of {owner} expires {when}, on {date}. After that, hosts reject it. Extend it in Keycroft, or add a new key."
                ),
                format!("/ssh-keys/{id}"),
            ),
            NoticeKind::CodeExpires => (
                format!("Enrollment code {id}"),
                format!(
                    "The enrollment code {id} expires {when}, on {date}. After that, no host can enroll with it. If hosts still need a code, create a new one."
                ),
                "/admin/hosts".to_owned(),
            ),
            NoticeKind::ServiceKeyExpires => (
                format!("API key {name} of service {owner}"),
                format!(
                    "The API key {name} of the service {owner} expires {when}, on {date}. After that, requests with this key are rejected. Extend or rotate it in Keycroft."
                ),
                format!("/admin/services/{owner}/api-keys/{id}"),
            ),
            _ => (
                format!("API key {name}"),
                format!(
                    "The API key {name} of {owner} expires {when}, on {date}. After that, requests with this key are rejected. Extend or rotate it in Keycroft."
                ),
                format!("/api-keys/{id}"),
            ),
        };
        let subject = format!("{name_of_item} expires {when}");
        let owner_field = if item.is_of_service {
            "service"
        } else {
            "username"
        };
        let message = Self::new(item.notice_kind(), subject, body, path)
            .with("id", id)
            .with("name", &name)
            .with(owner_field, &owner)
            .with("expires_at", end);
        Self {
            item: Some(item),
            ..message
        }
    }

    /// A sign-in from a new browser.
    pub fn new_device(username: &str, device: &str, address: Option<&str>, at: Time) -> Self {
        let (device, from) = (safe_name(device), address.unwrap_or("an unknown address"));
        let body = format!(
            "Somebody signed in to Keycroft as {username} with {device} from {from}, on {}. If that was not you, sign out that session, change your password and tell an admin.",
            readable(at)
        );
        let subject = format!("New sign-in as {username}");
        Self::new(NoticeKind::NewDevice, subject, body, "/sessions")
            .with("username", username)
            .with("device", &device)
            .with("address", address.unwrap_or_default())
    }

    /// A change of the account by its user. `None` for acts without a notice.
    pub fn account_changed(action: Action, username: &str, name: &str, at: Time) -> Option<Self> {
        let name = safe_name(name);
        let (change, path) = match action {
            Action::PasswordChange | Action::PasswordReset => {
                ("the password was changed".to_owned(), "/account")
            }
            Action::TotpAdd => ("an authenticator app was added".to_owned(), FACTORS),
            Action::TotpRemove => ("the authenticator app was removed".to_owned(), FACTORS),
            Action::PasskeyAdd => (format!("the passkey {name} was added"), FACTORS),
            Action::PasskeyEdit => (format!("the passkey {name} was renamed"), FACTORS),
            Action::PasskeyDelete => (format!("the passkey {name} was deleted"), FACTORS),
            Action::RecoveryCodesCreate => ("new recovery codes were created".to_owned(), FACTORS),
            Action::SshKeyAdd => (format!("the SSH key {name} was added"), "/ssh-keys"),
            Action::SshKeyEdit => (format!("the SSH key {name} was changed"), "/ssh-keys"),
            Action::SshKeyDelete => (format!("the SSH key {name} was deleted"), "/ssh-keys"),
            Action::SshKeyImport => ("SSH keys were imported".to_owned(), "/ssh-keys"),
            _ => return None,
        };
        let body = format!(
            "In the Keycroft account {username}, {change} on {}. If that was not you, change your password and tell an admin.",
            readable(at)
        );
        let subject = format!("Account {username}: {change}");
        Some(
            Self::new(NoticeKind::AccountChanged, subject, body, path)
                .with("username", username)
                .with("action", action.as_str()),
        )
    }

    /// An act of an admin or the operator. `sentence`: of the account notice.
    pub fn admin_act(
        action: Action,
        username: &str,
        actor: &str,
        sentence: &str,
        at: Time,
    ) -> Self {
        let sentence = sanitize(sentence, 1_000);
        let body = format!(
            "{sentence} Keycroft account: {username}. Time: {}. If you did not expect this, ask the admin.",
            readable(at)
        );
        let subject = format!("Account {username}: changed by an admin");
        Self::new(NoticeKind::AdminAct, subject, body, "/account")
            .with("username", username)
            .with("action", action.as_str())
            .with("actor", safe_name(actor))
    }

    /// A burst of failed sign-ins.
    pub fn failed_sign_ins(username: &str, count: u32, address: Option<&str>, at: Time) -> Self {
        let from = address.unwrap_or("an unknown address");
        let body = format!(
            "{count} sign-ins to Keycroft as {username} failed within a minute, the last one from {from} on {}. Keycroft limits the number of attempts. If that was not you, tell an admin.",
            readable(at)
        );
        let subject = format!("Failed sign-ins as {username}");
        Self::new(NoticeKind::FailedSignIns, subject, body, "/events")
            .with("username", username)
            .with("address", address.unwrap_or_default())
    }

    /// A host whose cache is too old.
    pub fn host_silent(name: &str, id: &str, since: Option<Time>) -> Self {
        let name = safe_name(name);
        let seen = since.map_or_else(
            || "has never fetched SSH keys".to_owned(),
            |at| format!("last fetched SSH keys on {}", readable(at)),
        );
        let body = format!(
            "The host {name} {seen}. Its cache has expired: while the Keycroft server is unreachable, SSH logins with keys from Keycroft fail there. On this host, run: keycroft host check"
        );
        let path = format!("/admin/hosts/{id}");
        Self::new(
            NoticeKind::HostSilent,
            format!("Host {name} is silent"),
            body,
            path,
        )
        .with("id", id)
        .with("name", &name)
    }

    /// An old backup, or none.
    pub fn backup_old(last: Option<Time>) -> Self {
        let last_backup = last.map_or_else(
            || "No backup of the Keycroft database exists.".to_owned(),
            |at| {
                format!(
                    "The last backup of the Keycroft database was created on {}.",
                    readable(at)
                )
            },
        );
        let body = format!(
            "{last_backup} Create one with keycroft backup, or enable keycroft-backup.timer on the server."
        );
        let subject = "The last backup is older than a week".to_owned();
        let subject = last.map_or_else(|| "No backup exists".to_owned(), |_| subject);
        let last_backup = last.map_or_else(String::new, |at| at.to_string());
        Self::new(NoticeKind::BackupOld, subject, body, "/admin/diagnostics")
            .with("last_backup_at", last_backup)
    }

    /// The certificate of the server expires soon.
    pub fn certificate_expires(end: Time, now: Time) -> Self {
        let date = readable(end);
        let (when, effect) = if end > now {
            let when = format!("expires {}", time_until(end, now));
            (when, "After that, clients reject it.")
        } else {
            ("expired".to_owned(), "Clients reject it.")
        };
        let body = format!(
            "The TLS certificate of the Keycroft server {when}, on {date}. {effect} Renew it, and send SIGHUP to the server to load it."
        );
        let subject = format!("The TLS certificate {when}");
        Self::new(
            NoticeKind::CertificateExpires,
            subject,
            body,
            "/admin/diagnostics",
        )
        .with("expires_at", end)
    }

    /// The mail that confirms an address. Its path gets a code when it is sent.
    pub fn address_confirmation(address: &str) -> Self {
        let body = format!(
            "Somebody entered {address} as the address for notices of a Keycroft account. If that was you, open the link within 24 hours, sign in and confirm the address. If not, ignore this mail."
        );
        let path = Purpose::EmailConfirmation.path().unwrap_or("/");
        let subject = "Confirm your e-mail address".to_owned();
        Self::new(NoticeKind::AddressConfirmation, subject, body, path)
    }

    /// The address for notices was changed or removed, to the old address.
    pub fn address_changed(username: &str, at: Time) -> Self {
        let body = format!(
            "The e-mail address for notices of the Keycroft account {username} was changed on {}. This address receives no more notices. If that was not you, change your password and tell an admin.",
            readable(at)
        );
        let subject = format!("Account {username}: the e-mail address was changed");
        Self::new(
            NoticeKind::AccountChanged,
            subject,
            body,
            "/account/notices",
        )
        .with("username", username)
    }

    /// A test of a channel.
    pub fn test(channel: &str, sender: &str) -> Self {
        let (channel, sender) = (safe_name(channel), safe_name(sender));
        let body = format!("{sender} sent this notice to test the channel {channel}.");
        let subject = format!("Test of the channel {channel}");
        Self::new(NoticeKind::Test, subject, body, "/admin/notices")
            .with("channel", &channel)
            .with("sender", &sender)
    }
}

/// The page of second factors.
const FACTORS: &str = "/account/second-factor";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_unix(1_000_000);

    fn item(kind: ItemKind, is_of_service: bool) -> ExpiringItem {
        ExpiringItem {
            kind,
            id: "4k2m9x0q7w1z".to_owned(),
            name: "ci".to_owned(),
            owner: "bob".to_owned(),
            is_of_service,
            expires_at: NOW.after(Duration::from_secs(7 * 86_400)),
        }
    }

    #[test]
    fn expiration_notice_contains_item_owner_and_date() {
        for (kind, of_service, notice, subject, path) in [
            (
                ItemKind::Credential,
                false,
                NoticeKind::ApiKeyExpires,
                "API key ci expires in 7 days",
                "/api-keys/4k2m9x0q7w1z",
            ),
            (
                ItemKind::Credential,
                true,
                NoticeKind::ServiceKeyExpires,
                "API key ci of service bob expires in 7 days",
                "/admin/services/bob/api-keys/4k2m9x0q7w1z",
            ),
            (
                ItemKind::SshKey,
                false,
                NoticeKind::SshKeyExpires,
                "SSH key ci expires in 7 days",
                "/ssh-keys/4k2m9x0q7w1z",
            ),
            (
                ItemKind::Code,
                false,
                NoticeKind::CodeExpires,
                "Enrollment code 4k2m9x0q7w1z expires in 7 days",
                "/admin/hosts",
            ),
        ] {
            let message = NoticeMessage::expiration(item(kind, of_service), NOW);
            assert_eq!(message.kind, notice);
            assert_eq!(message.subject, subject);
            assert_eq!(message.path, path);
            assert!(
                message.body.contains("on 1970-01-19 13:46:40 UTC."),
                "{}",
                message.body
            );
        }
    }

    #[test]
    fn time_left_is_rounded_up() {
        for (seconds, words) in [
            (59, "in 1 minute"),
            (3_599, "in 60 minutes"),
            (3_600, "in 1 hour"),
            (86_399, "in 24 hours"),
            (86_400, "in 1 day"),
            (7 * 86_400 - 3, "in 7 days"),
        ] {
            assert_eq!(
                time_until(NOW.after(Duration::from_secs(seconds)), NOW),
                words
            );
        }
    }

    #[test]
    fn hostile_name_leaves_no_control_character() {
        let hostile = "a\r\nBcc: x@example.com\u{202e}\0";
        let expiring = ExpiringItem {
            name: hostile.to_owned(),
            ..item(ItemKind::Credential, false)
        };
        let messages = [
            NoticeMessage::expiration(expiring, NOW),
            NoticeMessage::new_device("bob", hostile, None, NOW),
            NoticeMessage::account_changed(Action::PasskeyAdd, "bob", hostile, NOW).unwrap(),
            NoticeMessage::admin_act(Action::UserEdit, "bob", hostile, hostile, NOW),
            NoticeMessage::host_silent(hostile, "4k2m9x0q7w1z", None),
            NoticeMessage::test(hostile, hostile),
        ];
        for message in messages {
            for text in [&message.subject, &message.body, &message.path] {
                assert!(
                    !text.chars().any(super::super::text::is_invisible),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn own_acts_without_a_notice_have_no_message() {
        assert!(NoticeMessage::account_changed(Action::ApiKeyCreate, "bob", "", NOW).is_none());
        assert!(NoticeMessage::account_changed(Action::PasswordChange, "bob", "", NOW).is_some());
    }

    #[test]
    fn every_change_of_the_ways_to_sign_in_has_a_message() {
        for (action, change) in [
            (Action::PasswordChange, "the password was changed"),
            (Action::PasswordReset, "the password was changed"),
            (Action::TotpAdd, "an authenticator app was added"),
            (Action::TotpRemove, "the authenticator app was removed"),
            (Action::PasskeyAdd, "the passkey blue was added"),
            (Action::PasskeyEdit, "the passkey blue was renamed"),
            (Action::PasskeyDelete, "the passkey blue was deleted"),
            (
                Action::RecoveryCodesCreate,
                "new recovery codes were created",
            ),
            (Action::SshKeyAdd, "the SSH key blue was added"),
            (Action::SshKeyEdit, "the SSH key blue was changed"),
            (Action::SshKeyDelete, "the SSH key blue was deleted"),
            (Action::SshKeyImport, "SSH keys were imported"),
        ] {
            let message = NoticeMessage::account_changed(action, "bob", "blue", NOW).unwrap();
            assert_eq!(message.subject, format!("Account bob: {change}"));
        }
    }
}
