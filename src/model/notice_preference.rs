//! The kinds of notices that a user wants, and the channels.

use super::email_address::UserEmail;
use super::notice_channel::{ChannelKind, ChannelNumber};
use super::notice_kind::{Audience, NoticeKind};
use super::secret::Id;

/// A channel as its users see it.
#[derive(Debug, Clone)]
pub struct PreferenceChannel {
    pub number: ChannelNumber,
    pub id: Id,
    pub name: String,
    pub kind: ChannelKind,
    pub for_members: bool,
    pub for_admins: bool,
}

/// The preferences of a user.
#[derive(Debug, Clone)]
pub struct NoticePreferences {
    pub email: UserEmail,
    pub is_admin: bool,
    /// Oldest first.
    pub channels: Vec<PreferenceChannel>,
    /// Kinds that the user does not want on a channel.
    pub opt_outs: Vec<(NoticeKind, ChannelNumber)>,
}

impl NoticePreferences {
    /// The kinds that concern the user.
    pub fn kinds(&self) -> Vec<NoticeKind> {
        let concerns = |kind: &NoticeKind| match kind.audience() {
            Audience::Owner => true,
            Audience::Admins => self.is_admin,
        };
        NoticeKind::ALL.into_iter().filter(concerns).collect()
    }

    /// Returns whether the user can choose this kind on this channel. Admins get notices about the server together,
    /// except by e-mail.
    pub fn is_offered(&self, kind: NoticeKind, channel: &PreferenceChannel) -> bool {
        match kind.audience() {
            Audience::Owner => channel.for_members,
            Audience::Admins => {
                self.is_admin && channel.for_admins && channel.kind == ChannelKind::Email
            }
        }
    }

    /// Returns whether a notice would arrive: e-mail needs a confirmed address.
    pub fn is_usable(&self, channel: &PreferenceChannel) -> bool {
        channel.kind != ChannelKind::Email || self.email.confirmed.is_some()
    }

    /// Returns whether the user wants this kind on this channel.
    pub fn wants(&self, kind: NoticeKind, channel: &PreferenceChannel) -> bool {
        self.is_offered(kind, channel) && !self.opt_outs.contains(&(kind, channel.number))
    }

    /// The security notices that no usable channel would deliver, although one could.
    pub fn unprotected(&self) -> Vec<NoticeKind> {
        let usable = || {
            let channels = self.channels.iter();
            channels.filter(|channel| channel.for_members && self.is_usable(channel))
        };
        let is_lost = |kind: &NoticeKind| {
            kind.is_security()
                && usable().next().is_some()
                && !usable().any(|channel| self.wants(*kind, channel))
        };
        self.kinds().into_iter().filter(is_lost).collect()
    }
}

/// A change to the preferences. `None`: unchanged.
#[derive(Debug, Clone, Default)]
pub struct NoticePreferenceChange {
    /// The kinds, each with all channels on which the user wants it.
    pub kinds: Vec<(NoticeKind, Vec<Id>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::email_address::EmailAddress;

    fn channel(number: i64, kind: ChannelKind) -> PreferenceChannel {
        PreferenceChannel {
            number: ChannelNumber(number),
            id: Id::random(),
            name: "a".to_owned(),
            kind,
            for_members: true,
            for_admins: true,
        }
    }

    fn preferences(confirmed: bool, opt_outs: &[i64]) -> NoticePreferences {
        let address = EmailAddress::parse("bob@lab.example").unwrap();
        let opt_outs = opt_outs.iter();
        NoticePreferences {
            email: UserEmail {
                confirmed: confirmed.then_some(address),
                pending: None,
            },
            is_admin: false,
            channels: vec![
                channel(1, ChannelKind::Email),
                channel(2, ChannelKind::Ntfy),
            ],
            opt_outs: opt_outs
                .map(|number| (NoticeKind::AdminAct, ChannelNumber(*number)))
                .collect(),
        }
    }

    #[test]
    fn security_notice_needs_one_usable_channel() {
        for (confirmed, opt_outs, unprotected) in [
            (true, &[][..], 0),
            (true, &[1], 0),
            (true, &[2], 0),
            (true, &[1, 2], 1),
            (false, &[2], 1),
            (false, &[1], 0),
        ] {
            let found = preferences(confirmed, opt_outs).unprotected();
            assert_eq!(found.len(), unprotected, "{confirmed} {opt_outs:?}");
        }
        let mut none = preferences(false, &[2]);
        none.channels.truncate(1);
        assert!(none.unprotected().is_empty(), "there is no usable channel");
    }

    #[test]
    fn admins_choose_server_notices_only_for_email() {
        let mut admin = preferences(true, &[]);
        let (email, ntfy) = (&admin.channels[0].clone(), &admin.channels[1].clone());
        assert!(!admin.wants(NoticeKind::HostSilent, email));
        assert_eq!(admin.kinds().len(), 6);
        admin.is_admin = true;
        assert!(admin.wants(NoticeKind::HostSilent, email));
        assert!(!admin.wants(NoticeKind::HostSilent, ntfy));
        assert!(admin.wants(NoticeKind::ApiKeyExpires, ntfy));
        assert_eq!(admin.kinds().len(), 11);
    }
}
