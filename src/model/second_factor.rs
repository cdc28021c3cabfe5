//! Second factors: which ones a user has, how a session was signed in, recovery codes, and what policy requires.

use zeroize::Zeroizing;

use super::error::Error;
use super::passkey::{NewPasskey, PasskeyAnswer};
use super::secret::{Digest, random_characters};
use super::totp::{TotpCode, TotpSeed};
use super::user::Role;

/// Characters of a recovery code: Crockford's base 32, so that no two of them look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 16 characters of 5 bits each.
const RECOVERY_CODE_CHARACTERS: usize = 16;
/// Recovery codes that are created at once.
pub const RECOVERY_CODES: usize = 10;

/// How the holder of a session proved who they are, at sign-in or at the last confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInMethod {
    Password,
    PasswordAndTotp,
    PasswordAndRecoveryCode,
    PasswordAndPasskey,
    /// A passkey that verified its user: two factors in one.
    Passkey,
}

impl SignInMethod {
    pub const ALL: [Self; 5] = [
        Self::Password,
        Self::PasswordAndTotp,
        Self::PasswordAndRecoveryCode,
        Self::PasswordAndPasskey,
        Self::Passkey,
    ];

    /// The word in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PasswordAndTotp => "password-totp",
            Self::PasswordAndRecoveryCode => "password-recovery-code",
            Self::PasswordAndPasskey => "password-passkey",
            Self::Passkey => "passkey",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// The words that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PasswordAndTotp => "password and code",
            Self::PasswordAndRecoveryCode => "password and recovery code",
            Self::PasswordAndPasskey => "password and passkey",
            Self::Passkey => "passkey",
        }
    }

    pub const fn has_second_factor(self) -> bool {
        match self {
            Self::Password => false,
            Self::PasswordAndTotp
            | Self::PasswordAndRecoveryCode
            | Self::PasswordAndPasskey
            | Self::Passkey => true,
        }
    }
}

/// The second factors of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecondFactors {
    pub totp: bool,
    pub passkeys: u32,
    pub recovery_codes_left: u32,
}

impl SecondFactors {
    /// Returns whether there is a factor. Recovery codes alone only replace a lost one.
    pub const fn any(&self) -> bool {
        self.totp || self.passkeys > 0
    }
}

/// The error for a second authenticator app.
pub fn totp_present() -> Error {
    let sentence = "An authenticator app is set up already; remove it first to set up another one.";
    Error::Conflict(sentence.to_owned())
}

/// Who must have a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorRule {
    Optional,
    Admins,
    Everyone,
}

impl SecondFactorRule {
    pub const ALL: [Self; 3] = [Self::Optional, Self::Admins, Self::Everyone];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Admins => "admins",
            Self::Everyone => "everyone",
        }
    }

    /// # Errors
    /// A sentence with the three words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or("choose optional, admins or everyone")
    }

    pub const fn covers(self, role: Role) -> bool {
        match (self, role) {
            (Self::Optional, _) | (Self::Admins, Role::Member) => false,
            (Self::Everyone, _) | (Self::Admins, Role::Admin) => true,
        }
    }
}

/// A one-time code for a lost phone or security key.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// New codes.
    pub fn generate() -> [Self; RECOVERY_CODES] {
        std::array::from_fn(|_| {
            let characters: Zeroizing<[u8; RECOVERY_CODE_CHARACTERS]> =
                Zeroizing::new(random_characters(ALPHABET));
            Self(Zeroizing::new(
                characters.iter().map(|byte| char::from(*byte)).collect(),
            ))
        })
    }

    /// The code in groups of four: `k7m2-9xq4-ab3d-t0zw`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(RECOVERY_CODE_CHARACTERS + 3));
        for (place, character) in self.0.chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    /// The digest that is stored; `subject` is the user's.
    pub fn digest(&self, subject: &str) -> Digest {
        recovery_digest(&self.0, subject)
    }
}

fn recovery_digest(code: &str, subject: &str) -> Digest {
    Digest::from_parts(&[b"recovery code", subject.as_bytes(), code.as_bytes()])
}

/// A code that a person typed: from an authenticator app, or a recovery code.
#[derive(Clone)]
pub enum TypedCode {
    Totp(TotpCode),
    /// The digest under which a recovery code of this user would be stored.
    Recovery(Digest),
}

impl TypedCode {
    /// Parses a typed code, with spaces, hyphens and capitals where people put them; `None` when it can be neither.
    pub fn parse(typed: &str, subject: &str) -> Option<Self> {
        if typed.len() > 200 {
            return None;
        }
        let is_filler =
            |character: &char| character.is_whitespace() || "-‐‑‒–—".contains(*character);
        let text: Zeroizing<String> = Zeroizing::new(
            typed
                .chars()
                .filter(|character| !is_filler(character))
                .flat_map(char::to_lowercase)
                .collect(),
        );
        if let Some(code) = TotpCode::parse(&text) {
            return Some(Self::Totp(code));
        }
        let meant = |character: char| match character {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let text: Zeroizing<String> = Zeroizing::new(text.chars().map(meant).collect());
        let fits = text.len() == RECOVERY_CODE_CHARACTERS
            && text.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| Self::Recovery(recovery_digest(&text, subject)))
    }
}

/// The proof of a second factor, not checked yet.
#[derive(Clone)]
pub enum FactorProof {
    Code(TypedCode),
    Passkey(Box<PasskeyAnswer>),
}

/// A factor that is being set up, checked as far as its own form goes.
#[derive(Clone)]
pub enum NewFactor {
    /// The seed, and a code that shows that the app has it.
    Totp(TotpSeed, TotpCode),
    Passkey(Box<NewPasskey>),
}

/// The factor that accompanies a password.
#[derive(Clone)]
pub enum Factor {
    None,
    Proof(FactorProof),
    /// The first factor of a user who must have one: set up in the commit that makes the session.
    New(NewFactor, Vec<Digest>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "abcdefghijkl";

    #[test]
    fn recovery_code_typed_loosely_is_the_same() {
        let codes = RecoveryCode::generate();
        let code = &codes[0];
        let shown = code.reveal();
        let groups: Vec<usize> = shown.split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 4, 4]);
        for typed in [
            shown.to_string(),
            shown.to_uppercase(),
            shown.replace('-', " "),
            shown.replace('-', ""),
            format!("  {}\n", shown.as_str()),
            shown.replace('0', "O").replace('1', "l"),
            shown.replace('1', "I"),
        ] {
            let Some(TypedCode::Recovery(digest)) = TypedCode::parse(&typed, SUBJECT) else {
                panic!("{typed}");
            };
            assert!(digest.matches(&code.digest(SUBJECT)), "{typed}");
            assert!(!digest.matches(&code.digest("someone else")));
        }
        let mut all: Vec<String> = codes.iter().map(|code| code.reveal().to_string()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), RECOVERY_CODES);
    }

    #[test]
    fn typed_code_is_of_either_form_or_none() {
        for typed in ["123456", " 123 456 ", "123-456"] {
            assert!(
                matches!(TypedCode::parse(typed, SUBJECT), Some(TypedCode::Totp(_))),
                "{typed}"
            );
        }
        let padded = |length: usize| format!("{:length$}", "123456");
        assert!(TypedCode::parse(&padded(200), SUBJECT).is_some());
        let long = padded(201);
        for typed in [
            "",
            "12345",
            "1234567",
            "１２３４５６",
            "uuuu-uuuu-uuuu-uuuu",
            long.as_str(),
        ] {
            assert!(TypedCode::parse(typed, SUBJECT).is_none(), "{typed}");
        }
    }

    #[test]
    fn only_sign_in_by_password_lacks_a_second_factor() {
        for method in SignInMethod::ALL {
            assert_eq!(SignInMethod::parse(method.as_str()), Some(method));
            assert_eq!(method.has_second_factor(), method != SignInMethod::Password);
        }
        assert_eq!(SignInMethod::parse("code"), None);
    }

    #[test]
    fn rule_covers_its_roles() {
        use Role::{Admin, Member};
        use SecondFactorRule::{Admins, Everyone, Optional};
        for (rule, role, covered) in [
            (Optional, Member, false),
            (Optional, Admin, false),
            (Admins, Member, false),
            (Admins, Admin, true),
            (Everyone, Member, true),
            (Everyone, Admin, true),
        ] {
            assert_eq!(rule.covers(role), covered, "{rule:?} {role:?}");
        }
        for rule in SecondFactorRule::ALL {
            assert_eq!(SecondFactorRule::parse(rule.as_str()), Ok(rule));
        }
        assert!(SecondFactorRule::parse("all").is_err());
    }

    #[test]
    fn recovery_codes_do_not_count_as_a_factor() {
        let left = SecondFactors {
            recovery_codes_left: 10,
            ..SecondFactors::default()
        };
        assert!(!left.any());
        assert!(SecondFactors { totp: true, ..left }.any());
        assert!(
            SecondFactors {
                passkeys: 1,
                ..left
            }
            .any()
        );
    }
}
