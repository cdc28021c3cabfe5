//! The JSON that browsers and authenticators exchange with a relying party (Web Authentication, level 3, 5.1.8 to 5.1.10
//! and 5.8.1). It travels in the field of a form.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::model::error::Error;
use crate::model::passkey::{
    ALGORITHMS, Assertion, ClientData, Passkey, Registration, RelyingParty,
};
use crate::model::user::User;

/// How long a browser waits for its user.
const TIMEOUT_MILLISECONDS: u32 = 300_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityOut<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
}

#[derive(Serialize)]
struct ParameterOut {
    #[serde(rename = "type")]
    kind: &'static str,
    alg: i64,
}

#[derive(Serialize)]
struct DescriptorOut {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SelectionOut {
    resident_key: &'static str,
    user_verification: &'static str,
}

/// `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreationOptionsOut<'a> {
    challenge: String,
    rp: EntityOut<'a>,
    user: EntityOut<'a>,
    pub_key_cred_params: Vec<ParameterOut>,
    timeout: u32,
    exclude_credentials: Vec<DescriptorOut>,
    authenticator_selection: SelectionOut,
    attestation: &'static str,
}

/// `PublicKeyCredentialRequestOptionsJSON`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestOptionsOut<'a> {
    challenge: String,
    rp_id: &'a str,
    timeout: u32,
    allow_credentials: Vec<DescriptorOut>,
    user_verification: &'static str,
}

fn descriptors(passkeys: &[Passkey]) -> Vec<DescriptorOut> {
    let descriptor = |passkey: &Passkey| DescriptorOut {
        kind: "public-key",
        id: BASE64URL_NOPAD.encode(&passkey.registered.credential_id),
    };
    passkeys.iter().map(descriptor).collect()
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Fault(error.to_string()))
}

/// The options of a registration. `present`: the user's passkeys, which their authenticators must not register again.
pub fn creation_options(
    relying_party: &RelyingParty,
    challenge: &[u8],
    user: &User,
    present: &[Passkey],
) -> Result<String, Error> {
    let parameter = |alg| ParameterOut {
        kind: "public-key",
        alg,
    };
    json(&CreationOptionsOut {
        challenge: BASE64URL_NOPAD.encode(challenge),
        rp: EntityOut {
            id: relying_party.id.clone(),
            name: "Keycroft",
            display_name: None,
        },
        user: EntityOut {
            id: BASE64URL_NOPAD.encode(user.subject.as_bytes()),
            name: user.username.as_str(),
            display_name: Some(&user.display_name),
        },
        pub_key_cred_params: ALGORITHMS.map(parameter).into_iter().collect(),
        timeout: TIMEOUT_MILLISECONDS,
        exclude_credentials: descriptors(present),
        authenticator_selection: SelectionOut {
            resident_key: "preferred",
            user_verification: "preferred",
        },
        attestation: "none",
    })
}

/// The options of an assertion. `allowed`: empty for any passkey of this site.
pub fn request_options(
    relying_party: &RelyingParty,
    challenge: &[u8],
    allowed: &[Passkey],
    user_verification: &'static str,
) -> Result<String, Error> {
    json(&RequestOptionsOut {
        challenge: BASE64URL_NOPAD.encode(challenge),
        rp_id: &relying_party.id,
        timeout: TIMEOUT_MILLISECONDS,
        allow_credentials: descriptors(allowed),
        user_verification,
    })
}

/// `CollectedClientData`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientDataIn {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default)]
    top_origin: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestationIn {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionIn {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialIn<R> {
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

fn client_data(encoded: &str) -> Option<ClientData> {
    let bytes_of_json = bytes(encoded)?;
    let data: ClientDataIn = serde_json::from_slice(&bytes_of_json).ok()?;
    Some(ClientData {
        kind: data.kind,
        challenge: bytes(&data.challenge)?,
        origin: data.origin,
        cross_origin: data.cross_origin,
        has_top_origin: data.top_origin.is_some(),
        bytes: bytes_of_json,
    })
}

/// Parses `RegistrationResponseJSON`; members that are not needed are passed over.
pub fn parse_registration(text: &str) -> Option<Registration> {
    let sent: CredentialIn<AttestationIn> = serde_json::from_str(text).ok()?;
    if sent.kind != "public-key" {
        return None;
    }
    Some(Registration {
        client_data: client_data(&sent.response.client_data)?,
        attestation_object: bytes(&sent.response.attestation_object)?,
    })
}

/// Parses `AuthenticationResponseJSON`.
pub fn parse_assertion(text: &str) -> Option<Assertion> {
    let sent: CredentialIn<AssertionIn> = serde_json::from_str(text).ok()?;
    if sent.kind != "public-key" {
        return None;
    }
    let user_handle = match sent.response.user_handle {
        Some(handle) => Some(bytes(&handle)?),
        None => None,
    };
    Some(Assertion {
        credential_id: bytes(&sent.raw_id)?,
        client_data: client_data(&sent.response.client_data)?,
        authenticator_data: bytes(&sent.response.authenticator_data)?,
        signature: bytes(&sent.response.signature)?,
        user_handle,
    })
}
