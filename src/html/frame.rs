//! The data for every page.

use crate::model::account_notice::AccountNotice;
use crate::model::time::Time;

/// The color theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// The theme of the person's system.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The name in the cookie and in the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The name on the button.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    /// The value of `<meta name="color-scheme">`.
    pub(super) const fn color_scheme(self) -> &'static str {
        match self {
            Self::System => "light dark",
            Self::Light | Self::Dark => self.as_str(),
        }
    }

    /// Parses the name; anything else is [`Theme::System`].
    pub fn from_word(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|theme| theme.as_str() == word);
        found.unwrap_or_default()
    }
}

/// Shows or hides the admins' pages; decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminPages {
    Shown,
    Hidden,
}

/// The result of the previous act; stays on the page until the next one.
#[derive(Debug, Clone)]
pub enum Flash {
    Done(String),
    Failed(String),
}

/// The data for every page of a signed-in user.
#[derive(Debug, Clone)]
pub struct Frame {
    pub username: String,
    pub display_name: String,
    pub admin: AdminPages,
    pub theme: Theme,
    /// The token of every changing form.
    pub form_token: String,
    /// The one "now" of the request, for relative times.
    pub now: Time,
    pub flash: Option<Flash>,
    /// The name of this installation, from its public URL: `keys.lab.example`.
    pub site: String,
    /// Without a slash at the end: `https://keys.lab.example`; for lines to paste.
    pub public_url: String,
    /// Acts of others on the person's account, shown until confirmed.
    pub notices: Vec<AccountNotice>,
}

/// The data for a page of a visitor who is not signed in.
#[derive(Debug, Clone)]
pub struct Outside {
    pub theme: Theme,
    pub form_token: String,
    pub flash: Option<Flash>,
    pub site: String,
}
