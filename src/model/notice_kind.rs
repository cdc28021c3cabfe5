//! The kinds of notices that are sent through channels.

/// The people who receive a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The user whom it concerns.
    Owner,
    Admins,
}

/// The subject of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    ApiKeyExpires,
    SshKeyExpires,
    /// A sign-in from a browser that the user did not use before.
    NewDevice,
    /// Password, second factor or SSH keys were changed by the user.
    AccountChanged,
    /// An admin or the operator changed the account.
    AdminAct,
    /// A burst of failed sign-ins.
    FailedSignIns,
    ServiceKeyExpires,
    CodeExpires,
    HostSilent,
    BackupOld,
    CertificateExpires,
    /// The mail that confirms an address.
    AddressConfirmation,
    /// Sent by an admin to try a channel.
    Test,
}

impl NoticeKind {
    /// All kinds that can be chosen, in the order of pages.
    pub const ALL: [Self; 11] = [
        Self::ApiKeyExpires,
        Self::SshKeyExpires,
        Self::NewDevice,
        Self::AccountChanged,
        Self::AdminAct,
        Self::FailedSignIns,
        Self::ServiceKeyExpires,
        Self::CodeExpires,
        Self::HostSilent,
        Self::BackupOld,
        Self::CertificateExpires,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKeyExpires => "api-key.expires",
            Self::SshKeyExpires => "ssh-key.expires",
            Self::NewDevice => "session.new-device",
            Self::AccountChanged => "account.changed",
            Self::AdminAct => "account.admin-act",
            Self::FailedSignIns => "session.failed-sign-ins",
            Self::ServiceKeyExpires => "service-key.expires",
            Self::CodeExpires => "enrollment-code.expires",
            Self::HostSilent => "host.silent",
            Self::BackupOld => "backup.old",
            Self::CertificateExpires => "certificate.expires",
            Self::AddressConfirmation => "account.confirm-address",
            Self::Test => "test",
        }
    }

    /// Parses the result of [`NoticeKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL
            .into_iter()
            .chain([Self::AddressConfirmation, Self::Test]);
        all.find(|kind| kind.as_str() == text)
    }

    /// The name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ApiKeyExpires => "API key expires",
            Self::SshKeyExpires => "SSH key expires",
            Self::NewDevice => "Sign-in from a new device",
            Self::AccountChanged => "Password, second factor or SSH key changed",
            Self::AdminAct => "Account changed by an admin",
            Self::FailedSignIns => "Many failed sign-ins",
            Self::ServiceKeyExpires => "API key of a service expires",
            Self::CodeExpires => "Enrollment code expires",
            Self::HostSilent => "Host is silent",
            Self::BackupOld => "Backup is old",
            Self::CertificateExpires => "TLS certificate expires",
            Self::AddressConfirmation => "E-mail address to confirm",
            Self::Test => "Test",
        }
    }

    pub const fn audience(self) -> Audience {
        match self {
            Self::ApiKeyExpires
            | Self::SshKeyExpires
            | Self::NewDevice
            | Self::AccountChanged
            | Self::AdminAct
            | Self::FailedSignIns
            | Self::AddressConfirmation => Audience::Owner,
            Self::ServiceKeyExpires
            | Self::CodeExpires
            | Self::HostSilent
            | Self::BackupOld
            | Self::CertificateExpires
            | Self::Test => Audience::Admins,
        }
    }

    /// Returns whether the notice protects the account: at least one channel of the user always receives it.
    pub const fn is_security(self) -> bool {
        matches!(
            self,
            Self::NewDevice | Self::AccountChanged | Self::AdminAct | Self::FailedSignIns
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_kind_parses_as_written() {
        let others = [NoticeKind::AddressConfirmation, NoticeKind::Test];
        for kind in NoticeKind::ALL.into_iter().chain(others) {
            assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(NoticeKind::parse("nothing"), None);
    }

    #[test]
    fn security_notices_go_to_the_owner() {
        let security = NoticeKind::ALL
            .into_iter()
            .filter(|kind| kind.is_security());
        let kinds: Vec<NoticeKind> = security.collect();
        assert_eq!(kinds.len(), 4);
        assert!(kinds.iter().all(|kind| kind.audience() == Audience::Owner));
    }
}
