//! Events: the entries of the audit log, and the hash chain over them.

use std::net::IpAddr;

use super::secret::{Digest, Id};
use super::time::Time;
use super::user::UserId;

/// The action of an event. The same names stand in URLs, commands and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    ApiKeyCreate,
    ApiKeyEdit,
    ApiKeyDisable,
    ApiKeyEnable,
    ApiKeyRotate,
    ApiKeyDelete,
    TokenCreate,
    TokenDelete,
    SessionDelete,
    SessionDeleteOthers,
    SignIn,
    SignOut,
    PasswordChange,
    PasswordReset,
    AccountEdit,
    TotpAdd,
    TotpRemove,
    PasskeyAdd,
    PasskeyEdit,
    PasskeyDelete,
    RecoveryCodesCreate,
    /// A person confirmed an act of somebody else on their account.
    NoticeAcknowledge,
    NoticeChannelCreate,
    NoticeChannelEdit,
    NoticeChannelDelete,
    NoticeTest,
    NoticePreferences,
    EmailRequest,
    EmailConfirm,
    EmailRemove,
    CalendarCreate,
    CalendarDelete,
    SetUp,
    SetUpLink,
    InvitationAccept,
    Revoke,
    UserAdd,
    UserEdit,
    UserRole,
    UserDisable,
    UserEnable,
    UserPermissions,
    UserResetPassword,
    UserResetSecondFactor,
    UserDelete,
    UserOffboard,
    PolicyEdit,
    Sweep,
    Backup,
    Restore,
    GroupAdd,
    GroupDelete,
    GroupAddMember,
    GroupRemoveMember,
    ServiceAdd,
    ServiceEdit,
    ServiceDelete,
    SshKeyAdd,
    SshKeyEdit,
    SshKeyDelete,
    SshKeyImport,
    /// Two users have the same key.
    SshKeyShared,
    DeviceApprove,
    DeviceRefuse,
    HostEnroll,
    HostEdit,
    HostDelete,
    HostRotate,
    HostLogin,
    EnrollmentCodeCreate,
    EnrollmentCodeDelete,
    AuditArchive,
    /// An administrative request without the permission, named by its route.
    Request,
}

impl Action {
    /// Returns whether the act only revokes: it is carried out on a full disk, too.
    pub const fn revokes(self) -> bool {
        match self {
            Self::ApiKeyDisable
            | Self::ApiKeyRotate
            | Self::ApiKeyDelete
            | Self::TokenDelete
            | Self::SessionDelete
            | Self::SessionDeleteOthers
            | Self::SignOut
            | Self::Revoke
            | Self::UserRole
            | Self::UserDisable
            | Self::UserPermissions
            | Self::UserDelete
            | Self::UserOffboard
            | Self::PasskeyDelete
            | Self::GroupDelete
            | Self::GroupRemoveMember
            | Self::ServiceDelete
            | Self::SshKeyDelete
            | Self::DeviceRefuse
            | Self::CalendarDelete
            | Self::HostEdit
            | Self::HostRotate
            | Self::HostDelete
            | Self::EnrollmentCodeDelete => true,
            Self::ApiKeyCreate
            | Self::ApiKeyEdit
            | Self::ApiKeyEnable
            | Self::TokenCreate
            | Self::SignIn
            | Self::PasswordChange
            | Self::PasswordReset
            | Self::AccountEdit
            | Self::TotpAdd
            | Self::TotpRemove
            | Self::PasskeyAdd
            | Self::PasskeyEdit
            | Self::RecoveryCodesCreate
            | Self::NoticeAcknowledge
            | Self::NoticeChannelCreate
            | Self::NoticeChannelEdit
            | Self::NoticeChannelDelete
            | Self::NoticeTest
            | Self::NoticePreferences
            | Self::EmailRequest
            | Self::EmailConfirm
            | Self::EmailRemove
            | Self::CalendarCreate
            | Self::SetUp
            | Self::SetUpLink
            | Self::InvitationAccept
            | Self::UserAdd
            | Self::UserEdit
            | Self::UserEnable
            | Self::UserResetPassword
            | Self::UserResetSecondFactor
            | Self::PolicyEdit
            | Self::Sweep
            | Self::Backup
            | Self::Restore
            | Self::GroupAdd
            | Self::GroupAddMember
            | Self::ServiceAdd
            | Self::ServiceEdit
            | Self::SshKeyAdd
            | Self::SshKeyEdit
            | Self::SshKeyImport
            | Self::SshKeyShared
            | Self::DeviceApprove
            | Self::HostEnroll
            | Self::HostLogin
            | Self::EnrollmentCodeCreate
            | Self::AuditArchive
            | Self::Request => false,
        }
    }

    /// The name in the log, `noun.verb`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKeyCreate => "api-key.create",
            Self::ApiKeyEdit => "api-key.edit",
            Self::ApiKeyDisable => "api-key.disable",
            Self::ApiKeyEnable => "api-key.enable",
            Self::ApiKeyRotate => "api-key.rotate",
            Self::ApiKeyDelete => "api-key.delete",
            Self::TokenCreate => "token.create",
            Self::TokenDelete => "token.delete",
            Self::SessionDelete => "session.delete",
            Self::SessionDeleteOthers => "session.delete-others",
            Self::SignIn => "session.sign-in",
            Self::SignOut => "session.sign-out",
            Self::PasswordChange => "password.change",
            Self::PasswordReset => "password.reset",
            Self::AccountEdit => "account.edit",
            Self::SetUp => "user.set-up",
            Self::SetUpLink => "user.set-up-link",
            Self::InvitationAccept => "user.accept-invitation",
            Self::Revoke => "credential.revoke",
            Self::UserAdd => "user.add",
            Self::UserEdit => "user.edit",
            Self::UserRole => "user.role",
            Self::UserDisable => "user.disable",
            Self::UserEnable => "user.enable",
            Self::UserPermissions => "user.permissions",
            Self::UserResetPassword => "user.reset-password",
            Self::UserResetSecondFactor => "user.reset-second-factor",
            Self::TotpAdd => "totp.add",
            Self::TotpRemove => "totp.remove",
            Self::PasskeyAdd => "passkey.add",
            Self::PasskeyEdit => "passkey.edit",
            Self::PasskeyDelete => "passkey.delete",
            Self::RecoveryCodesCreate => "recovery-codes.create",
            Self::UserDelete => "user.delete",
            Self::UserOffboard => "user.offboard",
            Self::NoticeAcknowledge => "notice.acknowledge",
            Self::NoticeChannelCreate => "notice.create-channel",
            Self::NoticeChannelEdit => "notice.edit-channel",
            Self::NoticeChannelDelete => "notice.delete-channel",
            Self::NoticeTest => "notice.test",
            Self::NoticePreferences => "notice.edit-preferences",
            Self::EmailRequest => "account.enter-email",
            Self::EmailConfirm => "account.confirm-email",
            Self::EmailRemove => "account.remove-email",
            Self::CalendarCreate => "account.create-calendar",
            Self::CalendarDelete => "account.delete-calendar",
            Self::PolicyEdit => "policy.edit",
            Self::Sweep => "sweep",
            Self::Backup => "file.backup",
            Self::Restore => "file.restore",
            Self::GroupAdd => "group.add",
            Self::GroupDelete => "group.delete",
            Self::GroupAddMember => "group.add-member",
            Self::GroupRemoveMember => "group.remove-member",
            Self::ServiceAdd => "service.add",
            Self::ServiceEdit => "service.edit",
            Self::ServiceDelete => "service.delete",
            Self::SshKeyAdd => "ssh-key.add",
            Self::SshKeyEdit => "ssh-key.edit",
            Self::SshKeyDelete => "ssh-key.delete",
            Self::SshKeyImport => "ssh-key.import",
            Self::SshKeyShared => "ssh-key.shared",
            Self::DeviceApprove => "device.approve",
            Self::DeviceRefuse => "device.refuse",
            Self::HostEnroll => "host.enroll",
            Self::HostEdit => "host.edit",
            Self::HostDelete => "host.delete",
            Self::HostRotate => "host.rotate",
            Self::HostLogin => "host.login",
            Self::EnrollmentCodeCreate => "host.enroll-code",
            Self::EnrollmentCodeDelete => "host.delete-enroll-code",
            Self::AuditArchive => "audit.archive",
            Self::Request => "request",
        }
    }
}

/// The interface of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Console,
    Api,
    /// The command line on the database itself.
    Cli,
    Host,
}

impl Channel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Host => "host",
        }
    }
}

/// The origin of a request.
#[derive(Debug, Clone)]
pub struct Origin {
    pub channel: Channel,
    pub address: Option<IpAddr>,
    pub program: Option<String>,
    pub request_id: Option<String>,
}

impl Origin {
    /// The command line on the database itself.
    pub const fn operator() -> Self {
        Self {
            channel: Channel::Cli,
            address: None,
            program: None,
            request_id: None,
        }
    }

    /// The same request on the control socket or in process: a command of the operator with this uid.
    pub fn by_operator(self, uid: u32) -> Self {
        let program = self.program.as_deref().unwrap_or("keycroft");
        Self {
            channel: Channel::Cli,
            address: None,
            program: Some(format!("{program} (uid {uid})")),
            ..self
        }
    }
}

/// The actor of an event.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The name of a user, service or host, or `operator`; empty if unknown.
    pub name: String,
    pub user: Option<UserId>,
    /// The presented credential or code.
    pub credential: Option<Id>,
}

impl Actor {
    /// The operator, on the command line.
    pub fn operator() -> Self {
        Self {
            name: "operator".to_owned(),
            user: None,
            credential: None,
        }
    }

    /// An unauthenticated actor.
    pub fn nobody() -> Self {
        Self {
            name: String::new(),
            user: None,
            credential: None,
        }
    }
}

/// The target of an act.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `api-key`, `user`, `policy` and so on.
    pub kind: &'static str,
    pub id: String,
    pub name: String,
    /// The user who owns the target: they see the event too.
    pub owner: Option<UserId>,
}

impl Target {
    pub fn new(
        kind: &'static str,
        id: impl ToString,
        name: impl ToString,
        owner: Option<UserId>,
    ) -> Self {
        Self {
            kind,
            id: id.to_string(),
            name: name.to_string(),
            owner,
        }
    }
}

/// Field names and values before or after an act.
pub type FieldValues = Vec<(&'static str, String)>;

/// The field of a rejected sign-in with the correct password: the second factor was `wrong` or `missing`.
pub const SECOND_FACTOR: &str = "second_factor";

/// The details that a job reports about its act.
#[derive(Debug, Clone, Default)]
pub struct AuditDetails {
    pub target: Target,
    pub before: FieldValues,
    pub after: FieldValues,
}

impl AuditDetails {
    pub const fn new(target: Target) -> Self {
        Self {
            target,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    pub fn before(mut self, word: &'static str, value: impl ToString) -> Self {
        self.before.push((word, value.to_string()));
        self
    }

    pub fn after(mut self, word: &'static str, value: impl ToString) -> Self {
        self.after.push((word, value.to_string()));
        self
    }

    /// Records a change, if it is one.
    pub fn changed(self, word: &'static str, before: impl ToString, after: impl ToString) -> Self {
        let (before, after) = (before.to_string(), after.to_string());
        if before == after {
            self
        } else {
            self.before(word, before).after(word, after)
        }
    }
}

/// The outcome of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Rejected,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rejected => "refused",
        }
    }
}

/// One stored event: text and numbers only, since the chain covers exactly these.
#[derive(Debug, Clone)]
pub struct Event {
    /// 1, 2, 3 and so on, without a gap.
    pub number: i64,
    pub at: Time,
    pub action: String,
    pub outcome: String,
    pub channel: String,
    pub actor: String,
    pub actor_user: Option<UserId>,
    pub credential: Option<String>,
    pub target_kind: String,
    pub target_id: String,
    pub target_name: String,
    pub target_owner: Option<UserId>,
    pub address: Option<String>,
    pub program: Option<String>,
    pub request_id: Option<String>,
    /// Encoded by [`encode_words`].
    pub before: String,
    pub after: String,
}

impl Event {
    /// The hash of this event after one with the hash `previous`: SHA-256 over all its fields, each with its length.
    pub fn chained(&self, previous: &Digest) -> Digest {
        let user = |id: Option<UserId>| id.map_or(0, |id| id.0).to_be_bytes();
        let optional = |text: &Option<String>| {
            text.as_ref()
                .map_or_else(Vec::new, |text| [b"+", text.as_bytes()].concat())
        };
        Digest::from_parts(&[
            previous.as_bytes(),
            &self.number.to_be_bytes(),
            &self.at.unix().to_be_bytes(),
            self.action.as_bytes(),
            self.outcome.as_bytes(),
            self.channel.as_bytes(),
            self.actor.as_bytes(),
            &user(self.actor_user),
            &optional(&self.credential),
            self.target_kind.as_bytes(),
            self.target_id.as_bytes(),
            self.target_name.as_bytes(),
            &user(self.target_owner),
            &optional(&self.address),
            &optional(&self.program),
            &optional(&self.request_id),
            self.before.as_bytes(),
            self.after.as_bytes(),
        ])
    }
}

/// The hash before the first event.
pub fn chain_start() -> Digest {
    Digest::new(b"keycroft audit log")
}

/// Names and values as text: one line each, `name=value`, with `\` before a line break or `\` in the value.
pub fn encode_words(words: &FieldValues) -> String {
    let mut text = String::new();
    for (word, value) in words {
        text.push_str(word);
        text.push('=');
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('\n');
    }
    text
}

/// Parses the result of [`encode_words`].
pub fn decode_words(text: &str) -> Vec<(String, String)> {
    let decode = |value: &str| {
        let mut decoded = String::new();
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            match (character, character == '\\') {
                (_, true) => match characters.next() {
                    Some('n') => decoded.push('\n'),
                    Some(other) => decoded.push(other),
                    None => {}
                },
                (other, false) => decoded.push(other),
            }
        }
        decoded
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(word, value)| (word.to_owned(), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            number: 1,
            at: Time::from_unix(1_000),
            action: Action::UserAdd.as_str().into(),
            outcome: Outcome::Done.as_str().into(),
            channel: Channel::Cli.as_str().into(),
            actor: "operator".into(),
            actor_user: None,
            credential: None,
            target_kind: "user".into(),
            target_id: "alice".into(),
            target_name: "Alice".into(),
            target_owner: Some(UserId(1)),
            address: None,
            program: Some(String::new()),
            request_id: None,
            before: String::new(),
            after: "role=admin\n".into(),
        }
    }

    #[test]
    fn channel_has_the_name_used_in_filters() {
        let ways = [Channel::Console, Channel::Api, Channel::Cli, Channel::Host];
        assert_eq!(ways.map(Channel::as_str), ["console", "api", "cli", "host"]);
        assert_eq!(Origin::operator().channel, Channel::Cli);
    }

    #[test]
    fn every_event_field_is_part_of_the_hash() {
        let complete = event().chained(&chain_start()).hex();
        let edits: [fn(&mut Event); 17] = [
            |e| e.number = 2,
            |e| e.at = Time::from_unix(1_001),
            |e| e.action.push('x'),
            |e| e.outcome.push('x'),
            |e| e.channel.push('x'),
            |e| e.actor.push('x'),
            |e| e.actor_user = Some(UserId(2)),
            |e| e.credential = Some(String::new()),
            |e| e.target_kind.push('x'),
            |e| e.target_id.push('x'),
            |e| e.target_name.push('x'),
            |e| e.target_owner = None,
            |e| e.address = Some("::1".into()),
            |e| e.program = None,
            |e| e.request_id = Some("x".into()),
            |e| e.before.push('x'),
            |e| e.after.push('x'),
        ];
        for (place, edit) in edits.iter().enumerate() {
            let mut changed = event();
            edit(&mut changed);
            assert_ne!(changed.chained(&chain_start()).hex(), complete, "{place}");
        }
        assert_ne!(event().chained(&Digest::new(b"another")).hex(), complete);
    }

    #[test]
    fn encoded_values_decode_unchanged() {
        let words: FieldValues = vec![("name", "a=b\\n\nc\\".into()), ("note", String::new())];
        let decoded = decode_words(&encode_words(&words));
        assert_eq!(
            decoded,
            [
                ("name".into(), "a=b\\n\nc\\".into()),
                ("note".to_owned(), String::new())
            ]
        );
    }
}
