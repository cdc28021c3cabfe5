//! Groups: named sets of users.

use super::time::Time;

/// A group's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId(pub i64);

/// A named set of users.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    pub created_at: Time,
    /// Usernames, sorted.
    pub members: Vec<String>,
}

/// Parses a group's name: 1 to 32 of `a-z0-9_-`, a letter first (it goes into a comma-separated header).
pub fn parse_group_name(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let all = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(b));
    if bytes.len() > 32 || !bytes.first().is_some_and(u8::is_ascii_lowercase) || !all {
        return Err("use 1 to 32 of a-z, 0-9, _ and -, beginning with a letter");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_name_of_up_to_32_plain_characters_is_accepted() {
        for valid in ["a", "hpc-users", "a_b-9", &"a".repeat(32)] {
            assert_eq!(parse_group_name(valid).as_deref(), Ok(valid));
        }
        for bad in ["", "9a", "_a", "A", "a,b", "a b", "ä", &"a".repeat(33)] {
            assert!(parse_group_name(bad).is_err(), "{bad}");
        }
    }
}
