//! A software authenticator that can also violate the rules (Web Authentication, level 3).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

pub const UP: u8 = 1;
pub const UV: u8 = 4;
pub const BE: u8 = 8;
pub const BS: u8 = 16;
pub const AT: u8 = 64;
pub const ED: u8 = 128;

pub const ORIGIN: &str = "http://localhost:8420";
pub const RP_ID: &str = "localhost";

const RSA: &[u8] = include_bytes!("../../files/passkey-rsa.der");

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

#[derive(Clone, Copy, Debug)]
pub enum Algorithm {
    Es256,
    EdDsa,
    Rs256,
}

pub struct Authenticator {
    key: Key,
    pub credential_id: Vec<u8>,
    pub counter: u32,
    /// Set in each answer besides user presence.
    pub flags: u8,
    pub user_handle: Option<Vec<u8>>,
}

/// Everything that an answer is made of, before it is signed.
#[derive(Clone)]
pub struct Parts {
    pub kind: String,
    pub challenge: String,
    pub origin: String,
    pub cross_origin: bool,
    pub top_origin: Option<String>,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub credential_id: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
    /// Behind everything else of the authenticator data.
    pub tail: Vec<u8>,
    /// Of registrations: the `COSE_Key`, format and statement.
    pub cose: Vec<u8>,
    pub format: Vec<u8>,
    pub type_of_credential: String,
    /// Changed after signing.
    pub spoil: Spoil,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    Nothing,
    Signature,
    AuthenticatorData,
    ClientData,
    /// Left out.
    NoSignature,
}

pub fn text(value: &str) -> Vec<u8> {
    [head(3, value.len()), value.as_bytes().to_vec()].concat()
}

pub fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len()), value.to_vec()].concat()
}

/// The head of a CBOR item.
pub fn head(major: u8, argument: usize) -> Vec<u8> {
    let major = major << 5;
    match argument {
        0..=23 => vec![major | u8::try_from(argument).unwrap()],
        24..=255 => vec![major | 0x18, u8::try_from(argument).unwrap()],
        _ => [
            vec![major | 0x19],
            u16::try_from(argument).unwrap().to_be_bytes().to_vec(),
        ]
        .concat(),
    }
}

/// A negative integer as CBOR.
fn negative(value: i64) -> Vec<u8> {
    head(1, usize::try_from(-1 - value).unwrap())
}

impl Authenticator {
    pub fn new(algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let key = match algorithm {
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                Key::P256(EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap())
            }
            Algorithm::EdDsa => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Key::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
            }
            Algorithm::Rs256 => Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).unwrap())),
        };
        let id: ring::rand::Random<[u8; 32]> = ring::rand::generate(&random).unwrap();
        Self {
            key,
            credential_id: id.expose().to_vec(),
            counter: 0,
            flags: UV,
            user_handle: None,
        }
    }

    /// The public key as `COSE_Key`.
    pub fn cose(&self) -> Vec<u8> {
        let one = |n: usize| head(0, n);
        match &self.key {
            Key::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (&point[1..33], &point[33..65]);
                [
                    head(5, 5),
                    one(1),
                    one(2),
                    one(3),
                    negative(-7),
                    negative(-1),
                    one(1),
                    negative(-2),
                    bytes(x),
                    negative(-3),
                    bytes(y),
                ]
                .concat()
            }
            Key::Ed25519(pair) => [
                head(5, 4),
                one(1),
                one(1),
                one(3),
                negative(-8),
                negative(-1),
                one(6),
                negative(-2),
                bytes(pair.public_key().as_ref()),
            ]
            .concat(),
            Key::Rsa(pair) => {
                let public =
                    ring::signature::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                [
                    head(5, 4),
                    one(1),
                    one(3),
                    one(3),
                    negative(-257),
                    negative(-1),
                    bytes(&public.n),
                    negative(-2),
                    bytes(&public.e),
                ]
                .concat()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn parts(&mut self, kind: &str, options: &Value) -> Parts {
        self.counter += u32::from(self.counter > 0);
        Parts {
            kind: kind.to_owned(),
            challenge: options["challenge"].as_str().unwrap().to_owned(),
            origin: ORIGIN.to_owned(),
            cross_origin: false,
            top_origin: None,
            rp_id: RP_ID.to_owned(),
            flags: UP | self.flags,
            counter: self.counter,
            credential_id: self.credential_id.clone(),
            user_handle: self.user_handle.clone(),
            tail: Vec::new(),
            cose: self.cose(),
            format: [text("none"), text("attStmt"), head(5, 0)].concat(),
            type_of_credential: "public-key".to_owned(),
            spoil: Spoil::Nothing,
        }
    }

    /// Answers `navigator.credentials.create`; `change` may spoil what is sent.
    pub fn register(&mut self, options: &str, change: impl FnOnce(&mut Parts)) -> String {
        let options: Value = serde_json::from_str(options).unwrap();
        let handle = options["user"]["id"].as_str().unwrap();
        self.user_handle = Some(BASE64URL_NOPAD.decode(handle.as_bytes()).unwrap());
        let mut parts = self.parts("webauthn.create", &options);
        parts.flags |= AT;
        change(&mut parts);
        let id = &parts.credential_id;
        let attested = if parts.flags & AT == 0 {
            Vec::new()
        } else {
            let length = u16::try_from(id.len()).unwrap().to_be_bytes();
            [&[0; 16][..], &length, id, &parts.cose].concat()
        };
        let data = [authenticator_data(&parts), attested, parts.tail.clone()].concat();
        let object = [
            head(5, 3),
            text("fmt"),
            parts.format.clone(),
            text("authData"),
            bytes(&data),
        ]
        .concat();
        let client = client_data(&parts);
        json!({
            "id": BASE64URL_NOPAD.encode(id),
            "rawId": BASE64URL_NOPAD.encode(id),
            "type": parts.type_of_credential,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(client.as_bytes()),
                "attestationObject": BASE64URL_NOPAD.encode(&object),
                "transports": ["internal"],
            },
        })
        .to_string()
    }

    /// Answers `navigator.credentials.get`.
    pub fn assert(&mut self, options: &str, change: impl FnOnce(&mut Parts)) -> String {
        let options: Value = serde_json::from_str(options).unwrap();
        let mut parts = self.parts("webauthn.get", &options);
        change(&mut parts);
        let mut data = [authenticator_data(&parts), parts.tail.clone()].concat();
        let mut client = client_data(&parts);
        let hash = ring::digest::digest(&ring::digest::SHA256, client.as_bytes());
        let mut signature = self.sign(&[&data[..], hash.as_ref()].concat());
        match parts.spoil {
            Spoil::Nothing => {}
            Spoil::Signature => *signature.last_mut().unwrap() ^= 1,
            // The counter alone: everything else is compared by itself.
            Spoil::AuthenticatorData => data[36] ^= 1,
            Spoil::ClientData => client = client.replace('{', "{ "),
            Spoil::NoSignature => signature.clear(),
        }
        json!({
            "id": BASE64URL_NOPAD.encode(&parts.credential_id),
            "rawId": BASE64URL_NOPAD.encode(&parts.credential_id),
            "type": parts.type_of_credential,
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(client.as_bytes()),
                "authenticatorData": BASE64URL_NOPAD.encode(&data),
                "signature": BASE64URL_NOPAD.encode(&signature),
                "userHandle": parts.user_handle.map(|handle| BASE64URL_NOPAD.encode(&handle)),
            },
        })
        .to_string()
    }
}

fn authenticator_data(parts: &Parts) -> Vec<u8> {
    let hash = ring::digest::digest(&ring::digest::SHA256, parts.rp_id.as_bytes());
    [hash.as_ref(), &[parts.flags], &parts.counter.to_be_bytes()].concat()
}

fn client_data(parts: &Parts) -> String {
    let mut data = json!({
        "type": parts.kind,
        "challenge": parts.challenge,
        "origin": parts.origin,
        "crossOrigin": parts.cross_origin,
        // Browsers add members at will (5.8.1.1).
        "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
    });
    if let Some(top) = &parts.top_origin {
        data["topOrigin"] = top.as_str().into();
    }
    data.to_string()
}
