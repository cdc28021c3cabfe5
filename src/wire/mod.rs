//! JSON shapes of the API, shared by the server and the command-line client. Domain types are never serialized
//! themselves, so a new field of a struct can't leak.

mod account;
mod audit_archive;
mod credential;
mod diagnostics;
mod event;
mod explanation;
mod host;
mod inventory;
mod notice;
mod oauth;
mod passkey;
mod policy;
mod problem;
mod ssh_key;
mod user;
mod verification;

use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::audit_chain::ChainHead;
use crate::model::error::Error;
use crate::model::secret::Digest;

pub use self::ssh_key::{
    ImportIn, ImportLineOut, ImportOut, SshKeyIn, SshKeyOptionsIn, SshKeyOptionsOut, SshKeyOut,
    SshKeyPatch,
};
pub use account::{MeIn, MeOut, NoticeOut, PasswordByCodeIn, PasswordIn, SecondFactorOut, SetUpIn};
pub use audit_archive::{ArchiveHeader, ArchivedEvent};
pub use credential::{
    ApiKeyIn, ApiKeyOut, ApiKeyPatch, CreatorOut, DisabledPatch, OperatorTokenIn, RotateIn,
    SessionOut, TokenIn, TokenOut, UsageOut,
};
pub use diagnostics::{AdviceOut, DiagnosticsOut};
pub use event::EventOut;
pub use explanation::{CheckOut, ExplanationOut};
pub use host::{
    AuthorizedKeysOut, CLOCK_HEADER, EnrollIn, EnrollOut, EnrollmentCodeIn, EnrollmentCodeOut,
    HostLoginOut, HostOut, HostPatch, LOGINS_MAX, LoginIn, LoginKeyOut,
};
pub use inventory::CredentialOut;
pub use notice::{
    NoticeChannelIn, NoticeChannelOut, NoticeChannelPatch, NoticeDeliveryOut, NoticePreferencesOut,
    NoticePreferencesPatch, NoticeTestOut, PreferenceChannelOut, PreferenceKindOut, WebhookOut,
};
pub use oauth::{
    DeviceAuthorizationOut, IntrospectionOut, MetadataOut, OauthProblemOut, TokenGrantOut,
};
pub use passkey::{creation_options, parse_assertion, parse_registration, request_options};
pub use policy::{ExceedingOut, PolicyOut, PolicyPatch, PolicyPreviewOut, SweptOut};
pub use problem::{FieldOut, ProblemOut, ProblemType};
pub use user::{
    GroupIn, GroupOut, LinkOut, OffboardOut, OffboardPreviewOut, RolesOut, ServiceIn, ServiceOut,
    ServicePatch, UserIn, UserOut, UserPatch,
};
pub use verification::{FORWARDING_HEADERS, IDENTITY_HEADERS, SECRET_HEADERS, is_end_to_end};

/// The description of the JSON API. A test compares it with the route table.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// A page of a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListOut<T> {
    pub items: Vec<T>,
    /// Value of `after` for the next page.
    pub next: Option<String>,
}

/// A finished backup.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupIn {
    pub name: String,
    pub bytes: u64,
}

/// The last event of a written archive file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditArchiveIn {
    pub name: String,
    pub number: i64,
    /// Hexadecimal.
    pub hash: String,
}

impl AuditArchiveIn {
    pub fn head(&self) -> Result<ChainHead, Error> {
        let hash = Digest::from_hex(&self.hash)
            .ok_or_else(|| Error::field("hash", "expected 64 hexadecimal digits"))?;
        Ok(ChainHead {
            number: self.number,
            hash,
        })
    }
}

/// `{}`: for requests without parameters.
#[derive(Debug, Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
pub struct NothingIn {}

/// Distinguishes `null` (`Some(None)`) from absent (`None`).
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be absent but not `null`, whose meaning would be unclear.
fn non_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An integer. JSON does not distinguish 3 from 3.0 (RFC 8259, 6), and some programs write the second form.
struct WholeNumber(u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = WholeNumber;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an integer")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<WholeNumber, E> {
                let complete = u32::try_from(number);
                complete
                    .map(WholeNumber)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<WholeNumber, E> {
                let wrong = || E::invalid_value(Unexpected::Float(number), &self);
                if number.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&number) {
                    return Err(wrong());
                }
                format!("{number:.0}")
                    .parse()
                    .map(WholeNumber)
                    .map_err(|_| wrong())
            }
        }

        deserializer.deserialize_u32(Number)
    }
}

/// As [`non_null`], for an integer.
fn non_null_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    WholeNumber::deserialize(deserializer).map(|complete| Some(complete.0))
}

fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::<WholeNumber>::deserialize(deserializer)?.map(|complete| complete.0))
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}
