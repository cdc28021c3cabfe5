//! What holds for any bytes at all, a function for each reader. The fuzzers of this folder ask with bytes that they make up,
//! `cargo test` with those that were kept.

mod database;
mod endpoint;
mod host;
mod key;
mod request;
mod text;

/// What holds for whatever a reader is given; panics when it does not.
pub type Property = fn(&[u8]);

/// Every reader by the name of its fuzzer, which is also that of the folder of its corpus.
pub const ALL: &[(&str, Property)] = &[
    ("authorization", endpoint::authorization),
    ("authorized_keys_file", key::authorized_keys_file),
    ("authorized_keys_line", key::authorized_keys_line),
    ("cookie", endpoint::cookie),
    ("database", database::database),
    ("form", request::form),
    ("forwarded", endpoint::forwarded),
    ("host_copy", host::host_copy),
    ("json", request::json),
    ("key_options", key::key_options),
    ("login_line", host::login_line),
    ("names", text::names),
    ("allowed_addresses", text::allowed_addresses),
    ("next", endpoint::next),
    ("query", request::query),
    ("scan", host::scan),
    ("secret", text::secret),
    ("settings_file", host::settings_file),
    ("ssh_key", key::ssh_key),
    ("times", text::times),
    ("user_code", text::user_code),
    ("wire", request::wire),
];
