//! Login names that belong to system accounts and cloud images' default users.

/// The list with its sources. A separate file, so that operators can read it and distributors can extend it.
const LIST: &str = include_str!("reserved_logins.txt");

/// Returns whether `login` is the name of a system account. On a host that admits every user, a user with this name
/// could log in to that account.
pub fn is_reserved_login(login: &str) -> bool {
    let login = login.to_ascii_lowercase();
    entries().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => login.starts_with(prefix),
        None => login == entry,
    })
}

fn entries() -> impl Iterator<Item = &'static str> {
    let lines = LIST.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_account_is_reserved() {
        for name in [
            "root",
            "Root",
            "ubuntu",
            "postgres",
            "git",
            "daemon",
            "sshd",
            "systemd-network",
            "systemd-anything",
            "_apt",
            "_chrony",
            "debian",
            "Debian-exim",
            "ec2-user",
            "ec2-instance-connect",
            "cloud-user",
            "centos",
            "rocky",
            "almalinux",
            "fedora",
            "admin",
            "azureuser",
            "opc",
            "core",
            "pi",
            "vagrant",
            "nobody",
            "www-data",
            "nginx",
            "mysql",
            "polkitd",
            "messagebus",
            "chrony",
            "tss",
            "keycroft-host",
            "tomcat10",
        ] {
            assert!(is_reserved_login(name), "{name}");
        }
    }

    #[test]
    fn personal_name_is_not_reserved() {
        for name in [
            "alice",
            "bob",
            "carol",
            "mallory",
            "roots",
            "rooty",
            "systemd",
            "gitta",
            "adminka",
            "ubuntuu",
            "corey",
            "pia",
            "binh",
            "manuel",
            "newson",
            "games2",
            "listarr",
            "debian2",
            "a.root",
            "root-alice",
        ] {
            assert!(!is_reserved_login(name), "{name}");
        }
    }

    #[test]
    fn reserved_logins_are_unique_and_valid() {
        let mut seen = std::collections::BTreeSet::new();
        for entry in entries() {
            assert!(seen.insert(entry), "{entry} is listed twice");
            let name = entry.trim_end_matches('*');
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
            assert!(!name.is_empty() && name.chars().all(allowed), "{entry}");
        }
        assert!(seen.len() > 250, "{}", seen.len());
        assert!(LIST.contains("# Sources:"));
    }
}
