//! Passkeys: the checks of a registration and of an assertion (Web Authentication, level 3, 7.1 and 7.2). Pure functions;
//! each check names its step. Attestation is not requested, and statements are ignored.

pub mod cbor;
mod key;

use self::cbor::Reader;
pub use self::key::{ALGORITHMS, PasskeyKey};
use super::secret::{Digest, Id};
use super::time::Time;
use super::user::UserId;

/// Bytes of a credential id at most (7.1, step 26).
pub const CREDENTIAL_ID_BYTES_MAX: usize = 1_023;
/// Passkeys of one user at most.
pub const PASSKEYS_MAX: usize = 20;

/// Flags of authenticator data (6.1).
const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// The site that passkeys belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// A host name.
    pub id: String,
    /// Scheme, host and port, as browsers write it.
    pub origin: String,
}

/// Why a public URL can have no passkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRelyingParty {
    /// Passkeys belong to a host name.
    IpAddress,
    /// Browsers offer them to secure contexts alone.
    PlainHttp,
}

impl NoRelyingParty {
    /// One sentence for who wants a passkey.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::IpAddress => {
                "Passkeys need a host name: the public URL of this server is an IP address. Use an authenticator app, or ask an admin to set --public-url to an HTTPS address with a host name."
            }
            Self::PlainHttp => {
                "Passkeys need HTTPS: the public URL of this server is plain HTTP. Use an authenticator app, or ask an admin to set up TLS and --public-url."
            }
        }
    }
}

impl RelyingParty {
    /// Derives it from a public URL without a path (5.1.2, 5.1.3: the effective domain of a secure context).
    ///
    /// # Errors
    /// [`NoRelyingParty`] for an IP address, and for plain HTTP beyond localhost.
    pub fn from_url(url: &str) -> Result<Self, NoRelyingParty> {
        let (scheme, authority) = url.split_once("://").unwrap_or(("", url));
        let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (authority.as_str(), ""),
        };
        if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(NoRelyingParty::IpAddress);
        }
        let is_local = host == "localhost" || host.ends_with(".localhost");
        let default_port = match scheme.as_str() {
            "https" => "443",
            "http" if is_local => "80",
            _ => return Err(NoRelyingParty::PlainHttp),
        };
        let origin = if port.is_empty() || port == default_port {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        };
        Ok(Self {
            id: host.to_owned(),
            origin,
        })
    }
}

/// The client data of an answer, parsed, and the bytes that it was parsed from (5.8.1).
#[derive(Debug, Clone)]
pub struct ClientData {
    pub kind: String,
    /// Decoded.
    pub challenge: Vec<u8>,
    pub origin: String,
    pub cross_origin: bool,
    /// The page was embedded in another site.
    pub has_top_origin: bool,
    pub bytes: Vec<u8>,
}

/// The values that an answer has to agree with.
#[derive(Debug, Clone)]
pub struct Expected {
    pub relying_party: RelyingParty,
    pub challenge: Vec<u8>,
    pub user_verification: UserVerification,
}

/// The requirement that the authenticator verified its user (PIN, fingerprint).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    Required,
    /// The password does it.
    NotNeeded,
}

/// The answer to a registration request.
#[derive(Debug, Clone)]
pub struct Registration {
    pub client_data: ClientData,
    pub attestation_object: Vec<u8>,
}

/// The answer to an assertion request.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub credential_id: Vec<u8>,
    pub client_data: ClientData,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

/// An assertion, and what it is to be checked against.
#[derive(Debug, Clone)]
pub struct PasskeyAnswer {
    pub expected: Expected,
    pub assertion: Assertion,
    /// The digest of the challenge, consumed with the answer.
    pub challenge: Digest,
    pub challenge_expires_at: Time,
}

/// A passkey that was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub credential_id: Vec<u8>,
    /// The `COSE_Key` as received.
    pub public_key: Vec<u8>,
    pub counter: u32,
    pub is_backup_eligible: bool,
    pub is_backed_up: bool,
}

/// A registered passkey under its name, to be stored.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    pub name: String,
    pub registered: Registered,
    pub challenge: Digest,
    pub challenge_expires_at: Time,
}

/// A passkey as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: Id,
    pub user: UserId,
    pub name: String,
    pub registered: Registered,
    pub created_at: Time,
    pub last_used_at: Option<Time>,
}

/// The content of a valid assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted {
    pub counter: u32,
    pub is_backed_up: bool,
    pub is_user_verified: bool,
}

/// Why an answer is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyError {
    Type,
    Challenge,
    Origin,
    CrossOrigin,
    RelyingParty,
    UserPresence,
    UserVerification,
    Backup,
    Form,
    Algorithm,
    UserHandle,
    Signature,
    Counter,
}

impl PasskeyError {
    /// One sentence for the person.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Challenge => "this page was open for too long or was sent before; try again",
            Self::Origin | Self::CrossOrigin | Self::RelyingParty => {
                "the passkey was used at another address; open the console at its public URL and try again"
            }
            Self::UserPresence => "the passkey was not confirmed by touch; try again",
            Self::UserVerification => {
                "this passkey did not verify you by PIN, fingerprint or face; use the password as well"
            }
            Self::Counter => {
                "this passkey was used elsewhere meanwhile: it may have been copied; delete it and add another one"
            }
            Self::Algorithm => {
                "this authenticator has no supported signature algorithm (Ed25519, ES256, RS256)"
            }
            Self::Type | Self::Backup | Self::Form | Self::UserHandle | Self::Signature => {
                "the passkey's answer is not valid; try again"
            }
        }
    }
}

/// Checks the client data (7.1, steps 7 to 11; 7.2, steps 10 to 14).
fn check_client_data(
    data: &ClientData,
    kind: &str,
    expected: &Expected,
) -> Result<(), PasskeyError> {
    if data.kind != kind {
        return Err(PasskeyError::Type);
    }
    if !Digest::new(&data.challenge).matches(&Digest::new(&expected.challenge)) {
        return Err(PasskeyError::Challenge);
    }
    if data.origin != expected.relying_party.origin {
        return Err(PasskeyError::Origin);
    }
    if data.cross_origin || data.has_top_origin {
        return Err(PasskeyError::CrossOrigin);
    }
    Ok(())
}

/// Authenticator data (6.1).
struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    counter: u32,
    /// Credential id, and the `COSE_Key` as received.
    credential: Option<(&'a [u8], &'a [u8], Option<PasskeyKey<'a>>)>,
}

impl<'a> AuthenticatorData<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_at_checked(32)?;
        let (flags, rest) = rest.split_first()?;
        let (counter, mut rest) = rest.split_at_checked(4)?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            // The model of the authenticator, which is not asked for.
            let (_aaguid, behind) = rest.split_at_checked(16)?;
            let (length, behind) = behind.split_at_checked(2)?;
            let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
            let (id, behind) = behind.split_at_checked(length)?;
            let mut reader = Reader::new(behind);
            let key = PasskeyKey::read(&mut Reader::new(behind));
            reader.skip()?;
            let cose = &behind[..behind.len() - reader.rest().len()];
            credential = Some((id, cose, key));
            rest = reader.rest();
        }
        if flags & HAS_EXTENSIONS != 0 {
            let mut reader = Reader::new(rest);
            for _ in 0..reader.map()? {
                reader.text()?;
                reader.skip()?;
            }
            rest = reader.rest();
        }
        rest.is_empty().then_some(Self {
            rp_id_hash,
            flags: *flags,
            counter: u32::from_be_bytes(counter.try_into().ok()?),
            credential,
        })
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Checks what both ceremonies check (7.1, steps 14 to 18; 7.2, steps 15 to 19).
    fn check(&self, expected: &Expected) -> Result<(), PasskeyError> {
        let hash = Digest::new(expected.relying_party.id.as_bytes());
        if hash.as_bytes() != self.rp_id_hash {
            return Err(PasskeyError::RelyingParty);
        }
        if !self.has(USER_PRESENT) {
            return Err(PasskeyError::UserPresence);
        }
        if expected.user_verification == UserVerification::Required && !self.has(USER_VERIFIED) {
            return Err(PasskeyError::UserVerification);
        }
        // A backup state requires backup eligibility.
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(PasskeyError::Backup);
        }
        Ok(())
    }
}

/// Takes the authenticator data out of an attestation object (6.5.4). The statement is ignored: none is requested
/// (5.4.7), and no rule here depends on the model of an authenticator.
fn authenticator_data_of(attestation_object: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(attestation_object);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..reader.map()? {
        let twice = match reader.text()? {
            "fmt" => format.replace(reader.text()?).is_some(),
            "attStmt" => statement.replace(reader.skip()?).is_some(),
            "authData" => data.replace(reader.bytes()?).is_some(),
            _ => return None,
        };
        if twice {
            return None;
        }
    }
    (format.is_some() && statement.is_some() && reader.rest().is_empty())
        .then_some(data)
        .flatten()
}

/// Checks a registration (7.1).
///
/// # Errors
/// [`PasskeyError`] of the first check that fails.
pub fn check_registration(
    registration: &Registration,
    expected: &Expected,
) -> Result<Registered, PasskeyError> {
    check_client_data(&registration.client_data, "webauthn.create", expected)?;
    let data = authenticator_data_of(&registration.attestation_object).ok_or(PasskeyError::Form)?;
    let data = AuthenticatorData::parse(data).ok_or(PasskeyError::Form)?;
    data.check(expected)?;
    let (id, cose, key) = data.credential.as_ref().ok_or(PasskeyError::Form)?;
    // Step 20: one of the algorithms that were offered.
    key.as_ref().ok_or(PasskeyError::Algorithm)?;
    // Step 26.
    if id.is_empty() || id.len() > CREDENTIAL_ID_BYTES_MAX {
        return Err(PasskeyError::Form);
    }
    Ok(Registered {
        credential_id: id.to_vec(),
        public_key: cose.to_vec(),
        counter: data.counter,
        is_backup_eligible: data.has(BACKUP_ELIGIBLE),
        is_backed_up: data.has(BACKED_UP),
    })
}

/// Checks an assertion of `passkey`, whose user has this `subject` (7.2).
///
/// # Errors
/// [`PasskeyError`] of the first check that fails.
pub fn check_assertion(
    assertion: &Assertion,
    passkey: &Registered,
    subject: &str,
    expected: &Expected,
) -> Result<Asserted, PasskeyError> {
    // Step 6: the credential is the user's.
    if assertion.credential_id != passkey.credential_id {
        return Err(PasskeyError::Form);
    }
    if assertion
        .user_handle
        .as_deref()
        .is_some_and(|handle| handle != subject.as_bytes())
    {
        return Err(PasskeyError::UserHandle);
    }
    check_client_data(&assertion.client_data, "webauthn.get", expected)?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data).ok_or(PasskeyError::Form)?;
    data.check(expected)?;
    // Step 19: eligibility never changes.
    if data.has(BACKUP_ELIGIBLE) != passkey.is_backup_eligible {
        return Err(PasskeyError::Backup);
    }
    // Steps 20 and 21.
    let hash = Digest::new(&assertion.client_data.bytes);
    let message = [&assertion.authenticator_data, hash.as_bytes().as_slice()].concat();
    let key = PasskeyKey::from_stored(&passkey.public_key).ok_or(PasskeyError::Algorithm)?;
    if !key.verifies(&message, &assertion.signature) {
        return Err(PasskeyError::Signature);
    }
    // Step 22: a counter that does not grow is a sign of a copy. One that was 0 may stay 0.
    if passkey.counter != 0 && data.counter <= passkey.counter {
        return Err(PasskeyError::Counter);
    }
    Ok(Asserted {
        counter: data.counter,
        is_backed_up: data.has(BACKED_UP),
        is_user_verified: data.has(USER_VERIFIED),
    })
}
