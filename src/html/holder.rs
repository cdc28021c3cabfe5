//! The owner of the API keys on a page.

use super::layout::Section;
use super::permission::Presets;
use crate::model::secret::Id;

/// The owner of the API keys, which determines their path.
#[derive(Debug, Clone)]
pub enum Holder {
    /// The signed-in user: `/api-keys`.
    Me,
    /// The service of this name: `/admin/services/NAME/api-keys`.
    Service(String),
    /// Another user, for admins: `/admin/users/NAME/api-keys`. Their list is on the page of the user.
    User(String),
}

impl Holder {
    /// The path of the list; all other pages are below it.
    pub fn path(&self) -> String {
        match self {
            Self::Me => "/api-keys".to_owned(),
            Self::Service(name) => format!("/admin/services/{name}/api-keys"),
            Self::User(name) => format!("/admin/users/{name}/api-keys"),
        }
    }

    /// The path of the page that lists them.
    pub fn list_path(&self) -> String {
        match self {
            Self::Me | Self::Service(_) => self.path(),
            Self::User(name) => format!("/admin/users/{name}"),
        }
    }

    /// The page of the owner.
    pub(super) fn owner_path(&self) -> String {
        match self {
            Self::Me => "/account".to_owned(),
            Self::Service(name) => format!("/admin/services/{name}"),
            Self::User(name) => format!("/admin/users/{name}"),
        }
    }

    pub(super) fn section(&self) -> Section {
        match self {
            Self::Me => Section::ApiKeys,
            Self::Service(_) => Section::Services,
            Self::User(_) => Section::Users,
        }
    }

    pub(super) fn path_of(&self, id: Id, act: &str) -> String {
        format!("{}/{id}{act}", self.path())
    }

    /// The presets of permissions in its forms.
    pub fn presets(&self) -> Presets {
        match self {
            Self::Service(_) => Presets::Service,
            Self::Me | Self::User(_) => Presets::Person,
        }
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::Me => "API keys".to_owned(),
            Self::Service(name) | Self::User(name) => format!("API keys of {name}"),
        }
    }
}
