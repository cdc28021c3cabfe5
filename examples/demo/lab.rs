//! The people, groups, services, programs and API keys of the demo's lab.

/// Username, name for people, day of joining, role.
pub const USERS: [(&str, &str, i64, &str); 20] = [
    ("ada", "Ada Lindqvist", 0, "admin"),
    ("grace", "Grace Okafor", 0, "admin"),
    ("bob", "Bob Tanaka", 0, "member"),
    ("carol", "Carol Meier", 0, "member"),
    ("dmitri", "Dmitri Volkov", 1, "member"),
    ("elena", "Elena Rossi", 1, "member"),
    ("farid", "Farid Haddad", 2, "member"),
    ("gwen", "Gwen Price", 3, "member"),
    ("hiro", "佐藤 宏", 4, "member"),
    ("ines", "Inês Carvalho", 6, "member"),
    ("jonas", "Jonas Weber", 8, "member"),
    ("kavya", "Kavya Nair", 12, "member"),
    ("liam", "Liam Byrne", 15, "member"),
    ("mei", "陈 梅", 20, "member"),
    ("noor", "Noor Al-Sayed", 25, "member"),
    ("oskar", "Oskar Nowak", 30, "member"),
    ("priya", "Priya Raman", 38, "member"),
    ("quentin", "Quentin Dubois", 45, "member"),
    ("rosa", "Rosa Delgado", 52, "member"),
    ("sven", "Sven Halvorsen", 58, "member"),
];

pub const GROUPS: [(&str, &[&str]); 4] = [
    ("staff", &["ada", "grace", "carol", "elena"]),
    (
        "gpu-users",
        &["bob", "dmitri", "farid", "hiro", "mei", "kavya"],
    ),
    ("students", &["liam", "noor", "oskar", "priya", "rosa"]),
    ("storage", &["ada", "carol", "jonas"]),
];

pub const SERVICES: [(&str, &[&str]); 3] = [
    ("slurm", &["slurm:submit", "slurm:cancel"]),
    ("jupyter", &["jupyter:open"]),
    ("minio", &["minio:read", "minio:write"]),
];

pub const PROGRAMS: [&str; 5] = [
    "curl/8.5.0",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "restic/0.17",
    "slurmrestd/24.11",
];

pub const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
];

/// The life of an API key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Used on working days.
    Busy,
    /// Used now and then.
    Rare,
    /// Created and forgotten.
    Unused,
    /// Used until this day.
    UntilDay(i64),
    /// Used, and disabled on this day.
    Disabled(i64),
    /// Used, and deleted on this day.
    Deleted(i64),
    /// Used, and rotated on this day.
    Rotated(i64),
}

use Life::{Busy, Deleted, Disabled, Rare, Rotated, UntilDay, Unused};

/// Owner, name, day of creation, lifetime, permissions, life.
pub const KEYS: [(&str, &str, i64, &str, &[&str], Life); 45] = [
    (
        "ada",
        "nightly backup",
        0,
        "never",
        &["audit:read", "users:read"],
        Busy,
    ),
    ("ada", "prometheus", 0, "365d", &["metrics"], Busy),
    (
        "ada",
        "old laptop",
        0,
        "30d",
        &["account:read"],
        UntilDay(20),
    ),
    (
        "ada",
        "inventory report",
        5,
        "90d",
        &["users:read", "hosts:read"],
        Rare,
    ),
    (
        "ada",
        "terraform",
        21,
        "90d",
        &["hosts:read", "hosts:write"],
        Deleted(50),
    ),
    (
        "grace",
        "offboarding script",
        2,
        "90d",
        &["users:read", "users:write"],
        Rare,
    ),
    ("grace", "audit export", 2, "365d", &["audit:read"], Busy),
    ("grace", "test", 33, "7d", &["account:read"], Unused),
    (
        "bob",
        "training pipeline",
        1,
        "90d",
        &["slurm:submit", "slurm:cancel"],
        Rotated(58),
    ),
    ("bob", "notebook", 3, "60d", &["jupyter:open"], Busy),
    ("bob", "ci", 10, "never", &["slurm:submit"], Busy),
    ("bob", "phone", 14, "30d", &["account:read"], Unused),
    (
        "carol",
        "restic",
        0,
        "365d",
        &["minio:read", "minio:write"],
        Busy,
    ),
    (
        "carol",
        "dashboard",
        9,
        "90d",
        &["api-keys:read", "tokens:read"],
        Rare,
    ),
    (
        "carol",
        "restic (old)",
        0,
        "30d",
        &["minio:write"],
        Disabled(12),
    ),
    ("dmitri", "sweep", 2, "90d", &["slurm:submit"], Busy),
    (
        "dmitri",
        "sweep 2",
        30,
        "90d",
        &["slurm:submit", "slurm:cancel"],
        Busy,
    ),
    (
        "dmitri",
        "leaked on the wiki",
        18,
        "never",
        &["slurm:submit"],
        Deleted(19),
    ),
    (
        "elena",
        "bookkeeping",
        4,
        "365d",
        &["account:read", "sessions:read"],
        Rare,
    ),
    ("elena", "calendar", 40, "30d", &["account:read"], Busy),
    (
        "farid",
        "cryo-em",
        3,
        "62d",
        &["slurm:submit", "minio:read"],
        Busy,
    ),
    ("farid", "cryo-em viewer", 3, "59d", &["minio:read"], Rare),
    ("farid", "spare", 3, "never", &["slurm:submit"], Unused),
    ("gwen", "thesis", 5, "90d", &["jupyter:open"], Busy),
    (
        "gwen",
        "thesis (tablet)",
        22,
        "30d",
        &["jupyter:open"],
        UntilDay(40),
    ),
    (
        "hiro",
        "gpu watcher",
        6,
        "90d",
        &["slurm:submit", "slurm:cancel"],
        Busy,
    ),
    ("hiro", "バックアップ", 8, "365d", &["minio:write"], Rare),
    ("ines", "sequencer", 7, "never", &["minio:write"], Busy),
    (
        "ines",
        "sequencer test",
        7,
        "7d",
        &["minio:write"],
        UntilDay(9),
    ),
    ("jonas", "mirror", 9, "90d", &["minio:read"], Busy),
    ("jonas", "quota report", 11, "90d", &["account:read"], Rare),
    (
        "kavya",
        "hyperparameters",
        13,
        "60d",
        &["slurm:submit"],
        Busy,
    ),
    (
        "kavya",
        "one-off",
        29,
        "7d",
        &["slurm:submit"],
        UntilDay(31),
    ),
    (
        "liam",
        "homework",
        16,
        "30d",
        &["jupyter:open"],
        UntilDay(44),
    ),
    ("liam", "homework 2", 47, "30d", &["jupyter:open"], Busy),
    (
        "mei",
        "alphafold",
        21,
        "90d",
        &["slurm:submit", "minio:read", "minio:write"],
        Busy,
    ),
    ("mei", "viewer", 24, "90d", &["minio:read"], Disabled(55)),
    ("noor", "notebook", 26, "60d", &["jupyter:open"], Busy),
    ("noor", "ci", 35, "never", &["slurm:submit"], Unused),
    ("oskar", "robot arm", 31, "90d", &["slurm:submit"], Busy),
    (
        "oskar",
        "robot arm (bench)",
        36,
        "30d",
        &["slurm:submit"],
        Rare,
    ),
    ("priya", "simulation", 39, "22d", &["slurm:submit"], Busy),
    ("quentin", "import", 46, "30d", &["minio:write"], Rare),
    ("rosa", "notebook", 53, "30d", &["jupyter:open"], Busy),
    ("sven", "first try", 58, "7d", &["account:read"], Unused),
];
