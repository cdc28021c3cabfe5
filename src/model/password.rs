//! Passwords: rules and storage (Argon2id, RFC 9106).

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::secret::random_bytes;
use super::text::normalize;

/// Fewest characters of a new password.
pub const CHARACTERS_MIN: usize = 15;
/// Most bytes of a password; longer ones are rejected before any hashing.
pub const BYTES_MAX: usize = 1_024;

/// The most common passwords of 15 and more characters, one per line, in lower case and without spaces between words.
/// `scripts/common-passwords` writes them and names the sources.
const COMMON: &str = include_str!("common-passwords.txt");

/// Memory in KiB, passes and lanes: the minimum for Argon2id in OWASP's Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Reserved memory in KiB; only the part that is needed is touched. The system's allocator returns blocks over 32 MiB
/// to the machine at once. It keeps smaller ones for each thread, which cost 160 MiB after a storm of sign-ins.
const RESERVED_KIB: usize = 33 * 1_024;

/// A typed password. Wiped on drop; never printed.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password typed at a sign-in. Normalization form C makes the same characters match from every keyboard
    /// (NIST SP 800-63B-4, 3.1.1.2).
    pub fn typed(text: &str) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX {
            return Err("a password has at most 1,024 bytes");
        }
        Ok(Self(Zeroizing::new(normalize(text))))
    }

    /// Takes a new password: at least 15 characters, no rules of composition, none of the most common ones (NIST SP
    /// 800-63B-4, 3.1.1.2).
    pub fn chosen(text: &str, username: &str) -> Result<Self, &'static str> {
        let password = Self::typed(text)?;
        if password.0.chars().count() < CHARACTERS_MIN {
            return Err("use at least 15 characters; several words in a row are easy to remember");
        }
        if is_common(&password.0, username) {
            return Err("this is a common password; choose another");
        }
        Ok(password)
    }

    /// Hashes it with a new salt. Returns a PHC string. Takes tens of milliseconds and 19 MiB.
    pub fn hash(&self) -> String {
        let salt: [u8; 16] = random_bytes();
        let params = params();
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect("the parameters are constant and valid"),
            salt: Some(Salt::new(&salt).expect("16 bytes are a salt")),
            hash: self.output(Algorithm::Argon2id, Version::V0x13, params, &salt),
        };
        hash.to_string()
    }

    /// Returns whether this is the password behind `stored`, a PHC string. Takes as long as hashing.
    pub fn matches(&self, stored: &str) -> bool {
        let Ok(stored) = PasswordHash::new(stored) else {
            return false;
        };
        let (Ok(algorithm), Ok(params)) = (
            Algorithm::try_from(stored.algorithm.as_str()),
            Params::try_from(&stored),
        ) else {
            return false;
        };
        let (Some(Ok(version)), Some(salt), Some(expected)) = (
            stored.version.map(Version::try_from),
            stored.salt,
            stored.hash,
        ) else {
            return false;
        };
        // Compares in constant time.
        self.output(algorithm, version, params, &salt) == Some(expected)
    }

    fn output(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: &[u8],
    ) -> Option<Output> {
        let count = params.block_count();
        let mut memory = Vec::with_capacity(count.max(RESERVED_KIB));
        memory.resize(count, Block::default());
        let mut output = [0; HASH_BYTES];
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(self.0.as_bytes(), salt, &mut output, &mut memory)
            .ok()?;
        Output::new(&output).ok()
    }

    /// Takes as long as [`Password::matches`] without matching: for unknown usernames.
    pub fn matches_nobody(&self) {
        let _ = std::hint::black_box(self.hash());
    }
}

fn params() -> Params {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
        .expect("the parameters are constant and valid")
}

fn is_common(text: &str, username: &str) -> bool {
    let lower = text.to_lowercase();
    let joined: String = lower.chars().filter(|c| !separates_words(*c)).collect();
    COMMON
        .lines()
        .any(|common| common == lower || common == joined)
        || repeats(&lower)
        || lower.replace(username, "").chars().count() < 4
}

/// Returns whether people separate words with this character: the words alone decide whether a password is common.
fn separates_words(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '_' | '.' | ',' | '\'')
}

/// Returns whether `text` repeats a short piece (up to 8 characters), or runs up or down by one.
fn repeats(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let period = |length: usize| {
        characters
            .iter()
            .skip(length)
            .zip(&characters)
            .all(|(a, b)| a == b)
    };
    let step = |by: i64| {
        characters
            .windows(2)
            .all(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == by)
    };
    (1..=8).any(period) || step(1) || step(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Password, &'static str> {
        Password::chosen(text, "alice")
    }

    #[test]
    fn long_password_of_any_characters_is_accepted() {
        for accepted in [
            "correct horse battery",
            "äöüäöüßéèêçñ 漢字かな",
            "                x",
            &"long passphrase ".repeat(8),
            "passwordpassword and more",
            "correct horse battery staple and a lamp",
        ] {
            assert!(chosen(accepted).is_ok(), "{accepted}");
        }
        assert!(chosen(&"ab c".repeat(32).replace("ab c", "ab1c ab2d")).is_ok());
    }

    #[test]
    fn short_huge_or_common_password_is_rejected() {
        for bad in [
            "",
            "fourteen chars",
            "123456789012345",
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "passwordpassword",
            "PasswordPassword",
            "alicealicealice1",
            "abcdefghijklmnop",
            "qwertyuiopasdfgh",
            "correcthorsebatterystaple",
            "ponmlkjihgfedcba",
            "correct horse battery staple",
            "Correct-Horse-Battery-Staple",
            "Summer2026Summer2026!",
            "Winter 2025 Password",
            "Password-Autumn2024",
            "May the force be with you",
        ] {
            assert!(chosen(bad).is_err(), "{bad}");
        }
        assert!(chosen(&"x y".repeat(400)).is_err());
        assert!(Password::typed(&"x".repeat(1_025)).is_err());
    }

    #[test]
    fn common_password_list_has_3000_effective_lines() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(
            lines.is_sorted_by(|one, next| one < next),
            "sorted, each once"
        );
        assert!(lines.iter().all(|line| line.to_lowercase() == *line));
        assert!(lines.iter().all(|line| chosen(line).is_err()));
        let long = lines
            .iter()
            .filter(|line| line.chars().count() >= CHARACTERS_MIN);
        assert!(long.count() >= 3_000);
        for season in ["spring", "summer", "autumn", "fall", "winter"] {
            for year in 2020..=2030 {
                let password = format!("{season}{year}{season}{year}");
                assert!(lines.contains(&password.as_str()), "{password}");
            }
        }
    }

    #[test]
    fn composed_and_decomposed_passwords_match() {
        let (composed, decomposed) = ("f\u{fc}nfzehn B\u{f6}ller", "fu\u{308}nfzehn Bo\u{308}ller");
        assert!(
            chosen(decomposed)
                .unwrap()
                .matches(&chosen(composed).unwrap().hash())
        );
        assert!(
            chosen(composed)
                .unwrap()
                .matches(&chosen(decomposed).unwrap().hash())
        );
        // Characters are counted in the form in which they are compared.
        assert!(chosen(&"o\u{308}x".repeat(7)).is_err());
    }

    #[test]
    fn hash_matches_only_its_password() {
        let password = chosen("correct horse battery").unwrap();
        let hash = password.hash();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(password.matches(&hash));
        assert!(!chosen("correct horse batterz").unwrap().matches(&hash));
        for nonsense in [
            "nonsense",
            "",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA",
            "$scrypt$ln=16$c2FsdHNhbHQ$aGFzaGhhc2g",
        ] {
            assert!(!password.matches(nonsense), "{nonsense}");
        }
        assert_ne!(hash, password.hash());
    }

    /// Databases hold hashes of the crate's own hasher, and may hold some with other parameters.
    #[test]
    fn hash_with_other_parameters_matches() {
        use argon2::PasswordHasher;
        let password = chosen("correct horse battery").unwrap();
        for (memory, passes, lanes) in [(MEMORY_KIB, PASSES, LANES), (64, 1, 2)] {
            let params = Params::new(memory, passes, lanes, None).unwrap();
            let creator = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let hash = creator
                .hash_password_with_salt(b"correct horse battery", b"some salt of 16b")
                .unwrap()
                .to_string();
            assert!(password.matches(&hash), "{hash}");
            assert!(!chosen("correct horse batterz").unwrap().matches(&hash));
        }
    }

    #[test]
    fn password_length_limits_are_exact() {
        assert!(chosen("fifteen letters").is_ok());
        assert!(Password::typed(&"x".repeat(1_024)).is_ok());
        // Besides the name, four characters are allowed.
        let of = |text| Password::chosen(text, "annabergmann");
        assert!(of("annabergmannwxyz").is_ok());
        assert!(of("annabergmann\u{fc}yz").is_err());
    }
}
