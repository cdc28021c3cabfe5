-- Keycroft's file, version 1: what a new file gets. Older files are brought here by src/store/migrate.rs.
--
-- Times are Unix seconds (UTC). A missing end means never. Ids of 12 characters (0-9a-z) are public.
-- Lists of words (permissions, networks) are sorted and have one space between two words.
-- Of a secret only its SHA-256 is kept; of a password only its Argon2id hash (a PHC string).

PRAGMA application_id = 0x4b435246;  -- "KCRF"

-- What this installation is: one row.
CREATE TABLE installation (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    created_at     INTEGER NOT NULL,
    digest_key     BLOB NOT NULL CHECK (length(digest_key) = 32),  -- for keyed digests (Idempotency-Key, throttle)
    last_backup_at INTEGER
) STRICT;

-- People. A deleted user's row stays: the name and the subject are never given to anybody else.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    subject       TEXT NOT NULL UNIQUE CHECK (length(subject) = 12),
    username      TEXT NOT NULL UNIQUE CHECK (length(username) BETWEEN 1 AND 32 AND username NOT GLOB '*[^a-z0-9_.-]*'
                                             AND username GLOB '[a-z_]*' AND username NOT GLOB '*.'),
    display_name  TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    password_hash TEXT CHECK (password_hash GLOB '$argon2id$*'),
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER,
    deleted_at    INTEGER,
    CHECK (deleted_at IS NULL OR (disabled_at IS NOT NULL AND password_hash IS NULL))
) STRICT;

CREATE TABLE groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE group_members (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_group ON group_members (group_id, user_id);

-- Programs that ask about credentials, and the permissions they define.
CREATE TABLE services (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE service_permissions (
    permission TEXT PRIMARY KEY,
    service_id INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX service_permissions_by_service ON service_permissions (service_id);

-- What users and roles have beyond what their role gives: introspect, metrics, services' permissions.
CREATE TABLE user_permissions (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (user_id, permission)
) STRICT, WITHOUT ROWID;

CREATE TABLE role_permissions (
    role       TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    permission TEXT NOT NULL REFERENCES service_permissions (permission) ON DELETE CASCADE,
    PRIMARY KEY (role, permission)
) STRICT, WITHOUT ROWID;

-- Machines whose sshd asks for SSH keys.
CREATE TABLE hosts (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id             TEXT NOT NULL UNIQUE CHECK (length(public_id) = 12),
    name                  TEXT NOT NULL UNIQUE,
    cache_age_max_seconds INTEGER NOT NULL DEFAULT 86400 CHECK (cache_age_max_seconds BETWEEN 0 AND 31536000),
    created_at            INTEGER NOT NULL,
    last_contact_at       INTEGER,
    last_contact_from     TEXT,
    version               TEXT,     -- of the helper, as it says
    copied_at             INTEGER,  -- when it last fetched or confirmed everybody's keys
    clock_ahead_seconds   INTEGER   -- its clock against ours at the last contact; NULL: it did not say
) STRICT;

-- Without a row here every user may log in; with rows, only members of these groups.
CREATE TABLE host_groups (
    host_id  INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE RESTRICT,
    PRIMARY KEY (host_id, group_id)
) STRICT, WITHOUT ROWID;

-- Logins that several people share, opened to groups.
CREATE TABLE host_shared_logins (
    host_id  INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    login    TEXT NOT NULL,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (host_id, login, group_id)
) STRICT, WITHOUT ROWID;

-- Bearer credentials of every kind. Just one of user, service and host owns a credential.
CREATE TABLE credentials (
    number             INTEGER PRIMARY KEY,      -- the order in which they were made
    id                 TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    kind               TEXT NOT NULL CHECK (kind = 'api-key' OR kind = 'token' OR kind = 'session' OR kind = 'host'),
    user_id            INTEGER REFERENCES users (id),
    service_id         INTEGER REFERENCES services (id),
    host_id            INTEGER REFERENCES hosts (id),
    name               TEXT NOT NULL,
    note               TEXT,
    permissions        TEXT NOT NULL,            -- as given; its power is these and what its owner has now
    networks           TEXT NOT NULL,            -- empty: from everywhere
    digest             BLOB CHECK (length(digest) = 32),
    previous_digest    BLOB CHECK (length(previous_digest) = 32),
    previous_ends_at   INTEGER,
    created_at         INTEGER NOT NULL,
    made_by            TEXT,                     -- the credential that made it
    made_under         TEXT,                     -- the API key that this goes back to: what made it, or made the token that made it
    expires_at         INTEGER,
    expired_seen_at    INTEGER,                  -- once seen expired, it stays so when the clock goes back
    disabled_at        INTEGER,
    rotated_at         INTEGER,
    ended_at           INTEGER,                  -- deleted; the row is kept a while for its reason
    ended_reason       TEXT,
    password_at        INTEGER,                  -- sessions: when a password was last typed
    user_agent         TEXT,                     -- sessions
    address            TEXT,                     -- sessions: from where they were begun
    CHECK ((user_id IS NOT NULL) + (service_id IS NOT NULL) + (host_id IS NOT NULL) = 1),
    CHECK ((previous_digest IS NULL) = (previous_ends_at IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_reason IS NULL)),
    CHECK ((ended_at IS NULL) = (digest IS NOT NULL)),
    CHECK (ended_at IS NULL OR previous_digest IS NULL),
    CHECK (kind = 'api-key' OR expires_at IS NOT NULL OR kind = 'host')
) STRICT;
CREATE INDEX credentials_by_user ON credentials (user_id, kind) WHERE user_id IS NOT NULL;
CREATE INDEX credentials_by_service ON credentials (service_id) WHERE service_id IS NOT NULL;
CREATE INDEX credentials_by_host ON credentials (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX credentials_by_end ON credentials (kind, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX credentials_by_ended ON credentials (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX credentials_by_maker ON credentials (made_by) WHERE made_by IS NOT NULL;
CREATE INDEX credentials_made_under ON credentials (made_under) WHERE made_under IS NOT NULL;
CREATE UNIQUE INDEX api_key_names ON credentials (user_id, name) WHERE kind = 'api-key' AND user_id IS NOT NULL AND ended_at IS NULL;
CREATE UNIQUE INDEX service_api_key_names ON credentials (service_id, name) WHERE service_id IS NOT NULL AND ended_at IS NULL;

-- The last use of each, in a narrow table of its own: verification reads the row above, the writer writes here.
CREATE TABLE last_uses (
    credential_id    TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
    at               INTEGER,
    address          TEXT,
    program          TEXT,
    previous_at      INTEGER,  -- of the secret before the last rotation
    previous_address TEXT,
    previous_program TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_days (
    credential_id TEXT NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    day           INTEGER NOT NULL,  -- days since 1970-01-01
    uses          INTEGER NOT NULL,
    refused       INTEGER NOT NULL,
    PRIMARY KEY (credential_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_days_by_day ON usage_days (day);

-- Codes: each opens one act, a stated number of times.
CREATE TABLE codes (
    id         TEXT PRIMARY KEY CHECK (length(id) = 12),
    purpose    TEXT NOT NULL CHECK (purpose IN ('set-up', 'invitation', 'password-reset', 'enrolment', 'device')),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    INTEGER REFERENCES users (id) ON DELETE CASCADE,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    made_by    TEXT,
    made_under TEXT,                      -- as a credential's
    maker_id   INTEGER REFERENCES users (id) ON DELETE CASCADE,   -- whose credential made it; NULL: the file's owner
    power      TEXT,                      -- what that credential could do then: a code never gives more
    groups     TEXT NOT NULL DEFAULT '',  -- enrolment: the groups a new host is limited to
    CHECK ((maker_id IS NULL) = (power IS NULL))
) STRICT;
CREATE INDEX codes_by_end ON codes (expires_at);
CREATE INDEX codes_by_user ON codes (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX codes_made_under ON codes (made_under) WHERE made_under IS NOT NULL;

-- A sign-in of the command line under way (RFC 8628): what the person is shown, and what they said.
CREATE TABLE device_logins (
    code_id          TEXT PRIMARY KEY REFERENCES codes (id) ON DELETE CASCADE,
    user_code        TEXT NOT NULL UNIQUE CHECK (length(user_code) = 8),
    computer         TEXT NOT NULL,
    program          TEXT NOT NULL,
    address          TEXT,
    permissions      TEXT,                   -- as the device wished; NULL: all that the person has
    lifetime_seconds INTEGER,                -- as the device wished, then as the person chose; NULL: as the policy says
    answer           TEXT CHECK (answer IN ('approved', 'refused')),
    approved_with    TEXT,                   -- the session
    CHECK ((answer IS 'approved') = (approved_with IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Public keys. The same key under two users is allowed.
CREATE TABLE ssh_keys (
    number          INTEGER PRIMARY KEY,   -- the order in which they were added
    id              TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    user_id         INTEGER NOT NULL REFERENCES users (id),
    name            TEXT NOT NULL,
    type            TEXT NOT NULL,
    bits            INTEGER NOT NULL,
    key             TEXT NOT NULL,   -- base64 of the wire form, without type and comment
    fingerprint     TEXT NOT NULL,   -- SHA256:…
    comment         TEXT NOT NULL,
    networks        TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    expired_seen_at INTEGER,
    made_by         TEXT,
    made_under      TEXT,            -- as a credential's
    UNIQUE (user_id, name),
    UNIQUE (user_id, fingerprint)
) STRICT;
CREATE INDEX ssh_keys_by_fingerprint ON ssh_keys (fingerprint);
CREATE INDEX ssh_keys_made_under ON ssh_keys (made_under) WHERE made_under IS NOT NULL;
CREATE INDEX ssh_keys_by_end ON ssh_keys (expires_at) WHERE expires_at IS NOT NULL;

-- When the row of an API key goes, what it made goes back to what made that key: "end what it made" finds all of it.
CREATE TRIGGER made_under_goes_up BEFORE DELETE ON credentials WHEN OLD.kind = 'api-key' BEGIN
    UPDATE credentials SET made_under = OLD.made_under WHERE made_under = OLD.id;
    UPDATE codes SET made_under = OLD.made_under WHERE made_under = OLD.id;
    UPDATE ssh_keys SET made_under = OLD.made_under WHERE made_under = OLD.id;
END;

CREATE TABLE ssh_key_uses (
    ssh_key_id        TEXT PRIMARY KEY REFERENCES ssh_keys (id) ON DELETE CASCADE,
    looked_up_at      INTEGER,
    looked_up_host    TEXT,
    used_at           INTEGER,
    used_host         TEXT
) STRICT, WITHOUT ROWID;

-- The organisation's rules: one row. Lifetimes are seconds; NULL is endless.
CREATE TABLE policy (
    id                       INTEGER PRIMARY KEY CHECK (id = 1),
    api_key_lifetime_choice  INTEGER NOT NULL CHECK (api_key_lifetime_choice IN (0, 1)),
    api_key_lifetimes        TEXT NOT NULL,   -- words like 30d and never
    api_key_lifetime_default INTEGER,
    api_key_lifetime_max     INTEGER,
    token_lifetime_choice    INTEGER NOT NULL CHECK (token_lifetime_choice IN (0, 1)),
    token_lifetime_default   INTEGER NOT NULL CHECK (token_lifetime_default BETWEEN 3600 AND 86400),
    token_lifetime_max       INTEGER NOT NULL CHECK (token_lifetime_max BETWEEN 3600 AND 86400),
    session_lifetime         INTEGER NOT NULL CHECK (session_lifetime BETWEEN 300 AND 604800),
    ssh_key_types            TEXT NOT NULL,
    ssh_rsa_bits_min         INTEGER NOT NULL CHECK (ssh_rsa_bits_min BETWEEN 2048 AND 4096),
    ssh_key_lifetime_max     INTEGER,
    api_keys_max             INTEGER NOT NULL CHECK (api_keys_max > 0),
    ssh_keys_max             INTEGER NOT NULL CHECK (ssh_keys_max > 0)
) STRICT;

-- The audit log: each event's hash is over its fields and the hash before it. Never changed, never deleted.
CREATE TABLE events (
    number          INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
    way             TEXT NOT NULL CHECK (way = 'console' OR way = 'api' OR way = 'cli' OR way = 'host'),
    actor           TEXT NOT NULL,
    actor_user_id   INTEGER,
    credential_id   TEXT,
    target_kind     TEXT NOT NULL,
    target_id       TEXT NOT NULL,
    target_name     TEXT NOT NULL,
    target_owner_id INTEGER,
    address         TEXT,
    program         TEXT,
    request_id      TEXT,
    before          TEXT NOT NULL,
    after           TEXT NOT NULL,
    hash            BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX events_by_actor ON events (actor_user_id, number) WHERE actor_user_id IS NOT NULL;
CREATE INDEX events_by_owner ON events (target_owner_id, number) WHERE target_owner_id IS NOT NULL;
CREATE INDEX events_by_action ON events (action, number);
CREATE INDEX events_by_target ON events (target_id, number);

CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'events are never deleted'); END;

-- What is no act.

-- Requests with an Idempotency-Key that succeeded: keyed digests alone.
CREATE TABLE requests_done (
    request BLOB PRIMARY KEY CHECK (length(request) = 32),
    body    BLOB NOT NULL CHECK (length(body) = 32),
    made    TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_done_by_time ON requests_done (at);

-- Failed tries within the present minute, by name, address or known browser.
CREATE TABLE throttle (
    bucket TEXT PRIMARY KEY,
    since  INTEGER NOT NULL,
    count  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX throttle_by_time ON throttle (since);

-- Browsers in which a user signed in before: a digest of their cookie.
CREATE TABLE known_browsers (
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (digest, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_browsers_by_end ON known_browsers (expires_at);

-- Where notices go. The signing key must be kept to sign.
CREATE TABLE webhook (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    url         TEXT NOT NULL,
    signing_key BLOB NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 1;

-- data: a file as version 1 wrote it. The secrets are in tests/all/store/version.rs and good nowhere else.
INSERT INTO installation (id, created_at, digest_key, last_backup_at) VALUES (1, 1795369739, X'aca8d1fcdf5c6d5b1a1d690bcd7a762a972060b6a3d9a5fc2911afd5095c4ae7', NULL);
INSERT INTO users (id, subject, username, display_name, role, password_hash, created_at, disabled_at, deleted_at) VALUES (1, 'kforlnclklu1', 'alice', 'Älice, "the first"', 'admin', '$argon2id$v=19$m=19456,t=2,p=1$aOxGc3niJQdmY9wFVx9LQQ$OT9d0hTIUUInWY2RYH60XrApjonow3Qw3LaGSMzQaD8', 1795369739, NULL, NULL);
INSERT INTO users (id, subject, username, display_name, role, password_hash, created_at, disabled_at, deleted_at) VALUES (2, 'pe23gbaye1g5', 'bob', 'bob', 'member', '$argon2id$v=19$m=19456,t=2,p=1$yb1lEssjuN4dad1ykTcUKw$vlHV79RKaLKzHOtzCGhTMbVr/E3PyNiZgYYP68STJew', 1795369739, NULL, NULL);
INSERT INTO users (id, subject, username, display_name, role, password_hash, created_at, disabled_at, deleted_at) VALUES (3, 'etlkzylo8m9n', 'carol', 'carol', 'member', NULL, 1795369739, 1795369741, 1795369741);
INSERT INTO users (id, subject, username, display_name, role, password_hash, created_at, disabled_at, deleted_at) VALUES (4, '5ix4eojn6cg5', 'dave', 'dave', 'member', NULL, 1795369739, 1795369741, NULL);
INSERT INTO groups (id, name, created_at) VALUES (1, 'gpu', 1795369740);
INSERT INTO group_members (user_id, group_id) VALUES (1, 1);
INSERT INTO group_members (user_id, group_id) VALUES (2, 1);
INSERT INTO services (id, name, created_at) VALUES (1, 'slurm', 1795369740);
INSERT INTO service_permissions (permission, service_id) VALUES ('slurm:cancel', 1);
INSERT INTO service_permissions (permission, service_id) VALUES ('slurm:submit', 1);
INSERT INTO user_permissions (user_id, permission) VALUES (2, 'introspect');
INSERT INTO user_permissions (user_id, permission) VALUES (2, 'slurm:submit');
INSERT INTO role_permissions (role, permission) VALUES ('member', 'slurm:cancel');
INSERT INTO hosts (id, public_id, name, cache_age_max_seconds, created_at, last_contact_at, last_contact_from, version, copied_at) VALUES (1, 'hhhhhhhhhhh1', 'gpu1', 3600, 1795369700, 1795369740, '10.0.0.7', '0.1.0', 1795369740);
INSERT INTO host_groups (host_id, group_id) VALUES (1, 1);
INSERT INTO host_shared_logins (host_id, login, group_id) VALUES (1, 'ubuntu', 1);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (1, 'jsq3151s6bs7', 'token', 1, NULL, NULL, 'made by the operator', NULL, 'account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write', '', X'fd3912446ed09f538ad9766bc859676d2c4adfd5cc9a0d55163cca405723e44c', NULL, NULL, 1795369739, NULL, 1795456139, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (2, 'qps8acxuyyn0', 'api-key', 1, NULL, NULL, 'endless', 'kept for the tests', 'account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write', '', X'2bf1eaa51a5c43c98b7548cb23a8a70517e1f353cb4518436c6c7f188310dfc7', NULL, NULL, 1795369740, 'jsq3151s6bs7', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (3, 'aebb8j9ps0ys', 'api-key', 1, NULL, NULL, 'limited', NULL, 'account:read', '127.0.0.0/8 ::1/128', X'758554a0ef1fe1e04278b8a8f0475501ff1dbadb5956198041a9a1a11121f15a', NULL, NULL, 1795369740, 'jsq3151s6bs7', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (4, 'mr8mwoc40xde', 'api-key', 1, NULL, NULL, 'disabled', NULL, 'account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write', '', X'1d645df5d35a43a7af9ade49c295d5556442c2328b717dc8232786a1a842038e', NULL, NULL, 1795369740, 'jsq3151s6bs7', NULL, NULL, 1795369740, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (5, 'scrhqyvwnsb2', 'api-key', 1, NULL, NULL, 'deleted', NULL, 'account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write', '', NULL, NULL, NULL, 1795369740, 'jsq3151s6bs7', NULL, NULL, NULL, NULL, 1795369740, 'deleted', NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (6, 'w4cdwcxlkxwk', 'api-key', 1, NULL, NULL, 'rotated', NULL, 'account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write', '', X'c997ff902dff5a00728ecb5482db05b246bafc1ca31b67774ff3739c8b300b38', X'c9906d72f76bb069f9541cadd629972f4d45eef85f6c9fa1e035a48afa8178e7', 1795456141, 1795369741, 'jsq3151s6bs7', NULL, NULL, NULL, 1795369741, NULL, NULL, NULL, NULL, NULL);
INSERT INTO credentials (number, id, kind, user_id, service_id, host_id, name, note, permissions, networks, digest, previous_digest, previous_ends_at, created_at, made_by, expires_at, expired_seen_at, disabled_at, rotated_at, ended_at, ended_reason, password_at, user_agent, address) VALUES (7, 'zp9z2dmu5ktc', 'api-key', NULL, 1, NULL, 'scheduler', NULL, 'introspect metrics', '', X'565a2d2d97f2da60afa7f3113bca979ebfa44746e377eecb84d2b7abeaaa5f4e', NULL, NULL, 1795369741, 'jsq3151s6bs7', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO last_uses (credential_id, at, address, program, previous_at, previous_address, previous_program) VALUES ('jsq3151s6bs7', 1795369741, '127.0.0.1', 'golden/1', NULL, NULL, NULL);
INSERT INTO last_uses (credential_id, at, address, program, previous_at, previous_address, previous_program) VALUES ('qps8acxuyyn0', 1795369741, '127.0.0.1', 'golden/1', NULL, NULL, NULL);
INSERT INTO last_uses (credential_id, at, address, program, previous_at, previous_address, previous_program) VALUES ('zp9z2dmu5ktc', 1795369741, '127.0.0.1', 'golden/1', NULL, NULL, NULL);
INSERT INTO usage_days (credential_id, day, uses, refused) VALUES ('jsq3151s6bs7', 20779, 15, 0);
INSERT INTO usage_days (credential_id, day, uses, refused) VALUES ('qps8acxuyyn0', 20779, 1, 0);
INSERT INTO usage_days (credential_id, day, uses, refused) VALUES ('zp9z2dmu5ktc', 20779, 1, 0);
INSERT INTO codes (id, purpose, digest, user_id, uses_left, created_at, expires_at, made_by, groups) VALUES ('cprg8yk3u3i6', 'invitation', X'64de342ea31369c32af1145db8941badabdacb99242bac99fc76e868c7cd4610', 4, 1, 1795369739, 1795974539, NULL, '');
INSERT INTO codes (id, purpose, digest, user_id, uses_left, created_at, expires_at, made_by, groups) VALUES ('eeeeeeeeeee1', 'enrolment', X'0000000000000000000000000000000000000000000000000000000000000000', NULL, 5, 1795369740, 1795456140, NULL, 'gpu');
INSERT INTO ssh_keys (number, id, user_id, name, type, bits, key, fingerprint, comment, networks, created_at, expires_at, expired_seen_at, made_by) VALUES (1, 'kkkkkkkkkkk1', 2, 'laptop', 'ssh-ed25519', 256, 'AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl', 'SHA256:dG9vIHNob3J0IHRvIGJlIG9uZSBidXQgbG9uZyBlbm91Z2g', 'bob@laptop', '', 1795369700, NULL, NULL, NULL);
INSERT INTO ssh_key_uses (ssh_key_id, looked_up_at, looked_up_host, used_at, used_host) VALUES ('kkkkkkkkkkk1', 1795369740, 'gpu1', 1795369740, 'gpu1');
INSERT INTO policy (id, api_key_lifetime_choice, api_key_lifetimes, api_key_lifetime_default, api_key_lifetime_max, token_lifetime_choice, token_lifetime_default, token_lifetime_max, session_lifetime, ssh_key_types, ssh_rsa_bits_min, ssh_key_lifetime_max, api_keys_max, ssh_keys_max) VALUES (1, 1, '7d 30d 60d 90d never', 2592000, NULL, 1, 86400, 86400, 43200, 'ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 ssh-rsa sk-ssh-ed25519@openssh.com sk-ecdsa-sha2-nistp256@openssh.com', 3072, NULL, 10000, 1000);
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (1, 1795369739, 'user.add', 'done', 'cli', 'operator', NULL, NULL, 'user', 'alice', 'Älice, "the first"', 1, NULL, NULL, NULL, '', 'role=admin' || char(10) || 'invited=no' || char(10) || '', X'06cc17b11e153b27188e867dc003873893c8e6fa6fddd12ed55fb010cb406edc');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (2, 1795369739, 'user.add', 'done', 'cli', 'operator', NULL, NULL, 'user', 'bob', 'bob', 2, NULL, NULL, NULL, '', 'role=member' || char(10) || 'invited=no' || char(10) || '', X'94f7729ff3a23b9120723a97e1c9e568b2c8ef16a3b345fba848898b863f9877');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (3, 1795369739, 'user.add', 'done', 'cli', 'operator', NULL, NULL, 'user', 'carol', 'carol', 3, NULL, NULL, NULL, '', 'role=member' || char(10) || 'invited=yes' || char(10) || '', X'11673220a65e71d38965b3b748e1c5d1d5be39fd7a286353f50d75ed0b7ae5a8');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (4, 1795369739, 'user.add', 'done', 'cli', 'operator', NULL, NULL, 'user', 'dave', 'dave', 4, NULL, NULL, NULL, '', 'role=member' || char(10) || 'invited=yes' || char(10) || '', X'a542d49eaa3d0f735c462f9de9ff4512f733a48c1542ca2ee0b040e76bcf8acb');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (5, 1795369739, 'token.create', 'done', 'cli', 'operator', NULL, NULL, 'token', 'jsq3151s6bs7', 'operator', 1, NULL, NULL, NULL, '', '', X'062a1a4ae62e069f0c6b3e18d52e1a2a04af066b10a7ef4e39a1084dabdcc6f4');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (6, 1795369740, 'service.add', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'service', 'slurm', '', NULL, '127.0.0.1', 'golden/1', '43d68he00000', '', 'permissions=slurm:cancel slurm:submit' || char(10) || '', X'4c4c548f854dcb0b38383fca392e7787c9be8c848e9ab4fd558cb6408e5172c8');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (7, 1795369740, 'group.add', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'group', 'gpu', '', NULL, '127.0.0.1', 'golden/1', '43d68he10000', '', '', X'8adc6d21c9cd7665cc801afbe06067357a9a0b3fc1be6e34aa64611bb0333cb4');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (8, 1795369740, 'user.permissions', 'refused', 'api', 'alice', 1, 'jsq3151s6bs7', '', '', '', NULL, '127.0.0.1', 'golden/1', '43d68he40000', '', 'missing=slurm:submit' || char(10) || '', X'c3821eed39a4a223f8aa9c3bd2ed84c3f2cc5828896b9c9ad34ed8f86f3cc7b4');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (9, 1795369740, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'qps8acxuyyn0', 'endless', 1, '127.0.0.1', 'golden/1', '43d68he50000', '', 'permissions=account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write' || char(10) || 'networks=' || char(10) || 'expires=never' || char(10) || '', X'8b5bbbaf4dfc507c3fccc163a040edd22920f234316c4fa0fc57f5463fd87017');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (10, 1795369740, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'aebb8j9ps0ys', 'limited', 1, '127.0.0.1', 'golden/1', '43d68he60000', '', 'permissions=account:read' || char(10) || 'networks=127.0.0.0/8 ::1/128' || char(10) || 'expires=never' || char(10) || '', X'7145b7115efec923d9a649e1e1f6c31ae3cc1575b1720c261b9b32707a07892b');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (11, 1795369740, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'mr8mwoc40xde', 'disabled', 1, '127.0.0.1', 'golden/1', '43d68he70000', '', 'permissions=account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write' || char(10) || 'networks=' || char(10) || 'expires=never' || char(10) || '', X'02074d677c98f6421a524d75949ca58e4e410da6b84e31ca3156cd00df32bdca');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (12, 1795369740, 'api-key.disable', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'mr8mwoc40xde', 'disabled', 1, '127.0.0.1', 'golden/1', '43d68he80000', 'disabled=no' || char(10) || '', 'disabled=yes' || char(10) || '', X'9b2481b6b93bea2afde679080908b5f90c094bd76e893dd4280256cd64785fdd');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (13, 1795369740, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'scrhqyvwnsb2', 'deleted', 1, '127.0.0.1', 'golden/1', '43d68he90000', '', 'permissions=account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write' || char(10) || 'networks=' || char(10) || 'expires=never' || char(10) || '', X'0e0826288288e9fbe015de1dba8b82391824881b6f58182cf3ad8b376cca75fe');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (14, 1795369740, 'api-key.delete', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'scrhqyvwnsb2', 'deleted', 1, '127.0.0.1', 'golden/1', '43d68hea0000', '', '', X'9b42111757d75be333eff9b4c540dc77fa490cdbc089c4f449d8c9965f601001');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (15, 1795369741, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'w4cdwcxlkxwk', 'rotated', 1, '127.0.0.1', 'golden/1', '43d68heb0000', '', 'permissions=account:read account:write api-keys:read api-keys:write audit:read hosts:read hosts:write introspect metrics policy:read policy:write services:read services:write sessions:read sessions:write ssh-keys:read ssh-keys:write tokens:read tokens:write users:read users:write' || char(10) || 'networks=' || char(10) || 'expires=never' || char(10) || '', X'f603d62307cf6e4cf7810e483f453a3cd609a7975b7f10ac4068ded1bf9b8567');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (16, 1795369741, 'api-key.rotate', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'w4cdwcxlkxwk', 'rotated', 1, '127.0.0.1', 'golden/1', '43d68hec0000', '', 'previous ends=2026-11-23T17:49:01Z' || char(10) || '', X'4a79add88aa7c76ed340051e9aadcd75f48936ad1e3225b5bac01b3640a72b48');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (17, 1795369741, 'api-key.create', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'api-key', 'zp9z2dmu5ktc', 'scheduler', NULL, '127.0.0.1', 'golden/1', '43d68hed0000', '', 'permissions=introspect metrics' || char(10) || 'networks=' || char(10) || 'expires=never' || char(10) || '', X'48a2d470f2d768fa8c6853df01ef1e32ad8689b38d676149d6bcf75bd88d3cc9');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (18, 1795369741, 'policy.edit', 'done', 'api', 'alice', 1, 'jsq3151s6bs7', 'policy', 'policy', '', NULL, '127.0.0.1', 'golden/1', '43d68hee0000', 'session_lifetime=7d' || char(10) || '', 'session_lifetime=12h' || char(10) || '', X'5944af8cbb1e0524b8b24085c26e2e6066db830b575f423b4a1d1e4153755991');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (19, 1795369741, 'user.disable', 'done', 'cli', 'operator', NULL, NULL, 'user', 'dave', 'dave', 4, NULL, NULL, NULL, 'disabled=no' || char(10) || '', 'disabled=yes' || char(10) || '', X'623785d3d0445f34f007b91face8f2957d9ee5011df4c2483342231bbbf7fe6d');
INSERT INTO events (number, at, action, outcome, way, actor, actor_user_id, credential_id, target_kind, target_id, target_name, target_owner_id, address, program, request_id, before, after, hash) VALUES (20, 1795369741, 'user.delete', 'done', 'cli', 'operator', NULL, NULL, 'user', 'carol', 'carol', 3, NULL, NULL, NULL, 'role=member' || char(10) || '', '', X'800e3d35ce33413f45634757d8fb5fbebbb452d42019fb46f545a98aff7bf689');
INSERT INTO requests_done (request, body, made, at) VALUES (X'0000000000000000000000000000000000000000000000000000000000000000', X'0000000000000000000000000000000000000000000000000000000000000000', 'qps8acxuyyn0', 1795369740);
INSERT INTO throttle (bucket, since, count) VALUES ('name:golden', 1795369740, 3);
INSERT INTO known_browsers (digest, user_id, expires_at) VALUES (X'0000000000000000000000000000000000000000000000000000000000000000', 2, 1826905740);
INSERT INTO webhook (id, url, signing_key, created_at) VALUES (1, 'https://hooks.lab.example/keycroft', X'0000000000000000000000000000000000000000000000000000000000000000', 1795369740);
