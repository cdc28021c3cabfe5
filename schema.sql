-- Schema of the database, version 2. src/store/migrate.rs migrates older databases to it.
--
-- Times are Unix seconds (UTC). A missing end means never. Ids of 12 characters (0-9a-z) are public.
-- Lists of words (permissions, allowed_addresses) are sorted and have one space between two words.
-- Of a secret only its SHA-256 is kept; of a password only its Argon2id hash (a PHC string).

PRAGMA application_id = 0x4b435246;  -- "KCRF"

-- The installation: one row.
CREATE TABLE installation (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    created_at     INTEGER NOT NULL,
    digest_key     BLOB NOT NULL CHECK (length(digest_key) = 32),  -- for keyed digests (Idempotency-Key, throttle)
    last_backup_at INTEGER,
    public_url     TEXT,       -- of the server that ran last: where links lead that are created without it
    trusted_proxies     TEXT,  -- networks of --behind-proxy at the last start; NULL: none
    untrusted_forwarder TEXT,  -- address that sent forwarding headers since then without being in them
    noticed_until       INTEGER  -- expirations were searched for notices up to this time; NULL: never
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

-- Authenticator apps (RFC 6238), one a user. The server computes codes, so the seed is kept as it is.
CREATE TABLE totp (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    seed       BLOB NOT NULL CHECK (length(seed) = 20),
    last_step  INTEGER NOT NULL,  -- the last step whose code was accepted: it and earlier ones are rejected
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

-- Digests of recovery codes that were not used yet.
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest  BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (user_id, digest)
) STRICT, WITHOUT ROWID;

-- Public keys of passkeys (Web Authentication).
CREATE TABLE passkeys (
    number        INTEGER PRIMARY KEY,  -- the order in which they were added
    id            TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    credential_id BLOB NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key    BLOB NOT NULL,        -- COSE_Key as received
    counter       INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    is_backup_eligible INTEGER NOT NULL CHECK (is_backup_eligible IN (0, 1)),
    is_backed_up  INTEGER NOT NULL CHECK (is_backed_up IN (0, 1)),
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    CHECK (is_backed_up <= is_backup_eligible),
    UNIQUE (user_id, name)
) STRICT;

CREATE TABLE groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- ASCII alone: no two names differ only by case or Unicode form.
    name       TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 32 AND name NOT GLOB '*[^a-z0-9_-]*' AND name GLOB '[a-z]*'),
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

-- Permissions of users and roles beyond the role: introspect, metrics, permissions of services.
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
    version               TEXT,     -- of the helper, as reported by it
    cached_at             INTEGER,  -- when it last fetched or confirmed everybody's keys
    clock_ahead_seconds   INTEGER,  -- its clock against ours at the last contact; NULL: it did not say
    paused_at             INTEGER,  -- admits nobody since then
    rotation_requested_at INTEGER   -- its credential is to be rotated at its next sync
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
    allowed_addresses  TEXT NOT NULL,            -- empty: from everywhere
    digest             BLOB CHECK (length(digest) = 32),
    previous_digest    BLOB CHECK (length(previous_digest) = 32),
    previous_ends_at   INTEGER,                  -- the latest end of its grace period
    previous_quiet_seconds INTEGER CHECK (previous_quiet_seconds >= 3600),  -- it expires earlier: once the new secret was used and it was not for so long
    created_at         INTEGER NOT NULL,
    created_by         TEXT,                     -- the credential that made it
    created_by_name    TEXT,                     -- its kind and name then: it may be gone
    root_api_key       TEXT,                     -- root API key this credential derives from
    expires_at         INTEGER,
    expired_seen_at    INTEGER,                  -- once seen expired, it stays so when the clock goes back
    disabled_at        INTEGER,
    rotated_at         INTEGER,
    rotations          INTEGER NOT NULL DEFAULT 0,  -- number of rotations: distinguishes its secrets
    deleted_at           INTEGER,                  -- deleted; the row is kept a while for its reason
    deletion_reason       TEXT,
    password_at        INTEGER,                  -- sessions: when the holder last proved who they are
    signed_in_with     TEXT CHECK (signed_in_with = 'password' OR signed_in_with = 'password-totp' OR signed_in_with = 'password-recovery-code' OR signed_in_with = 'password-passkey' OR signed_in_with = 'passkey'),  -- sessions
    confirmed_with     TEXT CHECK (confirmed_with = 'password' OR confirmed_with = 'password-totp' OR confirmed_with = 'password-recovery-code' OR confirmed_with = 'password-passkey' OR confirmed_with = 'passkey'),  -- sessions: at password_at
    idle_max_seconds   INTEGER CHECK (idle_max_seconds > 0),  -- sessions: unused for so long, they expire
    user_agent         TEXT,                     -- sessions
    address            TEXT,                     -- sessions: from where they were begun
    last_used_at       INTEGER,                  -- the latest in last_uses, less than a minute behind: lists sort and filter by it
    CHECK ((user_id IS NOT NULL) + (service_id IS NOT NULL) + (host_id IS NOT NULL) = 1),
    CHECK ((previous_digest IS NULL) = (previous_ends_at IS NULL)),
    CHECK (previous_quiet_seconds IS NULL OR previous_digest IS NOT NULL),
    CHECK ((deleted_at IS NULL) = (deletion_reason IS NULL)),
    CHECK ((deleted_at IS NULL) = (digest IS NOT NULL)),
    CHECK (deleted_at IS NULL OR previous_digest IS NULL),
    CHECK (kind = 'api-key' OR expires_at IS NOT NULL OR kind = 'host')
) STRICT;
-- Lists of everybody's credentials sort by what two of these begin with, and read what they decide by from the rest, without
-- the rows. Each use in another minute moves last_used_at in two of them: a third would cost a quarter more.
CREATE INDEX credentials_by_user ON credentials (user_id, kind, deleted_at, last_used_at) WHERE user_id IS NOT NULL;
CREATE INDEX credentials_by_user_and_end ON credentials (user_id, kind, deleted_at, expires_at, expired_seen_at, disabled_at) WHERE user_id IS NOT NULL;
CREATE INDEX credentials_by_kind_and_use ON credentials (kind, deleted_at, last_used_at, expires_at, name, note, expired_seen_at, disabled_at, previous_ends_at, user_id, created_at);
CREATE INDEX credentials_by_kind_and_end ON credentials (kind, deleted_at, expires_at, name, note, expired_seen_at, disabled_at, previous_ends_at, user_id, created_at);
CREATE INDEX credentials_by_service ON credentials (service_id) WHERE service_id IS NOT NULL;
CREATE INDEX credentials_by_host ON credentials (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX credentials_by_end ON credentials (kind, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX credentials_by_deletion ON credentials (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX credentials_by_creator ON credentials (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX credentials_by_root_api_key ON credentials (root_api_key) WHERE root_api_key IS NOT NULL;
CREATE UNIQUE INDEX api_key_names ON credentials (user_id, name) WHERE kind = 'api-key' AND user_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX api_keys_by_name ON credentials (kind, deleted_at, name COLLATE NOCASE) WHERE kind = 'api-key';
CREATE UNIQUE INDEX service_api_key_names ON credentials (service_id, name) WHERE service_id IS NOT NULL AND deleted_at IS NULL;

-- Last use of each credential, in a separate narrow table: verification reads the row above, the writer writes here.
CREATE TABLE last_uses (
    credential_id    TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
    at               INTEGER,
    address          TEXT,
    program          TEXT,
    previous_at      INTEGER,  -- of the secret before the last rotation
    previous_address TEXT,
    previous_program TEXT,
    earlier_at       INTEGER,  -- the latest of all secrets before that: a rotation loses no use
    earlier_address  TEXT,
    earlier_program  TEXT,
    uses             INTEGER NOT NULL DEFAULT 0  -- the sum of its rows in usage_days: lists sort by it
) STRICT, WITHOUT ROWID;
CREATE INDEX last_uses_by_uses ON last_uses (uses);

-- The only writers of credentials.last_used_at. Once a minute: its indices cost more than the use itself.
CREATE TRIGGER last_use_begins AFTER INSERT ON last_uses BEGIN
    UPDATE credentials SET last_used_at = nullif(max(coalesce(NEW.at, 0), coalesce(NEW.previous_at, 0), coalesce(NEW.earlier_at, 0)), 0)
    WHERE id = NEW.credential_id;
END;
CREATE TRIGGER last_use_moves AFTER UPDATE ON last_uses
WHEN NEW.at / 60 IS NOT OLD.at / 60 OR NEW.previous_at / 60 IS NOT OLD.previous_at / 60 OR NEW.earlier_at / 60 IS NOT OLD.earlier_at / 60 BEGIN
    UPDATE credentials SET last_used_at = nullif(max(coalesce(NEW.at, 0), coalesce(NEW.previous_at, 0), coalesce(NEW.earlier_at, 0)), 0)
    WHERE id = NEW.credential_id;
END;

CREATE TABLE usage_days (
    credential_id TEXT NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    day           INTEGER NOT NULL,  -- days since 1970-01-01
    uses          INTEGER NOT NULL,
    refused       INTEGER NOT NULL,
    PRIMARY KEY (credential_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_days_by_day ON usage_days (day);
CREATE TRIGGER usage_day_ends AFTER DELETE ON usage_days WHEN OLD.uses > 0 BEGIN
    UPDATE last_uses SET uses = uses - OLD.uses WHERE credential_id = OLD.credential_id;
END;

-- Codes: each opens one act, a stated number of times.
CREATE TABLE codes (
    id         TEXT PRIMARY KEY CHECK (length(id) = 12),
    purpose    TEXT NOT NULL CHECK (purpose IN ('set-up', 'invitation', 'password-reset', 'enrollment', 'device', 'email-confirmation')),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    INTEGER REFERENCES users (id) ON DELETE CASCADE,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_by TEXT,
    root_api_key TEXT,                    -- as a credential's
    creator_id INTEGER REFERENCES users (id) ON DELETE CASCADE,   -- owner of the creating credential; NULL: the operator
    power      TEXT,                      -- permissions of that credential then: a code never gives more
    groups     TEXT NOT NULL DEFAULT '',  -- enrollment: the groups a new host is limited to
    CHECK ((creator_id IS NULL) = (power IS NULL))
) STRICT;
CREATE INDEX codes_by_end ON codes (expires_at);
CREATE INDEX codes_by_user ON codes (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX codes_by_root_api_key ON codes (root_api_key) WHERE root_api_key IS NOT NULL;

-- Pending logins of the command line (RFC 8628): data for the approval page, and the decision.
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
    allowed_addresses TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    expired_seen_at INTEGER,
    created_by      TEXT,
    root_api_key    TEXT,            -- as a credential's
    -- Options of sshd (AUTHORIZED_KEYS FILE FORMAT in sshd(8)); permitopen: HOST:PORT, one space between two.
    restrict          INTEGER NOT NULL DEFAULT 0 CHECK (restrict IN (0, 1)),
    no_touch_required INTEGER NOT NULL DEFAULT 0 CHECK (no_touch_required IN (0, 1)),
    verify_required   INTEGER NOT NULL DEFAULT 0 CHECK (verify_required IN (0, 1)),
    command           TEXT CHECK (length(CAST(command AS BLOB)) BETWEEN 1 AND 2048 AND instr(command, char(0)) = 0 AND command NOT LIKE '%\'
                                  AND command NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
    permitopen        TEXT NOT NULL DEFAULT '' CHECK (permitopen NOT GLOB '*[^] [A-Za-z0-9_.:*-]*'),
    UNIQUE (user_id, name),
    UNIQUE (user_id, fingerprint)
) STRICT;
CREATE INDEX ssh_keys_by_fingerprint ON ssh_keys (fingerprint);
CREATE INDEX ssh_keys_by_root_api_key ON ssh_keys (root_api_key) WHERE root_api_key IS NOT NULL;
CREATE INDEX ssh_keys_by_end ON ssh_keys (expires_at) WHERE expires_at IS NOT NULL;

-- When the row of an API key is deleted, its creations derive from the creator of that key, so that all of them are found.
CREATE TRIGGER root_api_key_goes_up BEFORE DELETE ON credentials WHEN OLD.kind = 'api-key' BEGIN
    UPDATE credentials SET root_api_key = OLD.root_api_key WHERE root_api_key = OLD.id;
    UPDATE codes SET root_api_key = OLD.root_api_key WHERE root_api_key = OLD.id;
    UPDATE ssh_keys SET root_api_key = OLD.root_api_key WHERE root_api_key = OLD.id;
END;

CREATE TABLE ssh_key_uses (
    ssh_key_id        TEXT PRIMARY KEY REFERENCES ssh_keys (id) ON DELETE CASCADE,
    looked_up_at      INTEGER,
    looked_up_host    TEXT,
    used_at           INTEGER,
    used_host         TEXT
) STRICT, WITHOUT ROWID;

-- Acts of admins and the operator on a person's account, shown to that person until confirmed. Written with the act.
CREATE TABLE account_notices (
    number          INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,  -- as in events; so are target, before and after
    actor           TEXT NOT NULL,
    actor_kind      TEXT NOT NULL CHECK (actor_kind IN ('admin', 'operator')),
    target_kind     TEXT NOT NULL,
    target_id       TEXT NOT NULL,
    target_name     TEXT NOT NULL,
    before          TEXT NOT NULL,
    after           TEXT NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,           -- the credential that confirmed it
    CHECK (acknowledged_by IS NULL OR acknowledged_at IS NOT NULL)
) STRICT;
CREATE INDEX account_notices_by_user ON account_notices (user_id, number);
CREATE INDEX account_notices_open ON account_notices (user_id) WHERE acknowledged_at IS NULL;
CREATE INDEX account_notices_by_acknowledgment ON account_notices (acknowledged_at) WHERE acknowledged_at IS NOT NULL;

-- Policy: one row. Lifetimes are in seconds; NULL: no limit.
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
    session_idle_max         INTEGER NOT NULL DEFAULT 259200 CHECK (session_idle_max BETWEEN 300 AND 604800),
    second_factor            TEXT NOT NULL DEFAULT 'optional' CHECK (second_factor IN ('optional', 'admins', 'everyone')),
    second_factor_from       INTEGER,         -- NULL: at once
    ssh_key_types            TEXT NOT NULL,
    ssh_rsa_bits_min         INTEGER NOT NULL CHECK (ssh_rsa_bits_min BETWEEN 2048 AND 4096),
    ssh_key_lifetime_max     INTEGER,
    api_keys_max             INTEGER NOT NULL CHECK (api_keys_max > 0),
    ssh_keys_max             INTEGER NOT NULL CHECK (ssh_keys_max > 0)
) STRICT;

-- The audit log: the hash of each event covers its fields and the hash before it. Events are never changed, and deleted only
-- once they are archived.
CREATE TABLE events (
    number          INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
    channel         TEXT NOT NULL CHECK (channel = 'console' OR channel = 'api' OR channel = 'cli' OR channel = 'host'),
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
CREATE TRIGGER events_last BEFORE DELETE ON events WHEN OLD.number > (SELECT coalesce(max(last), 0) FROM event_archives)
BEGIN SELECT raise(ABORT, 'only archived events are deleted'); END;

-- Prefixes of the audit log that were written to archive files. The chain of the kept events starts from the last head.
CREATE TABLE event_archives (
    first       INTEGER NOT NULL CHECK (first > 0),
    last        INTEGER PRIMARY KEY CHECK (last >= first),
    head        BLOB NOT NULL CHECK (length(head) = 32),  -- the hash of the event `last`
    archived_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER event_archives_append BEFORE INSERT ON event_archives WHEN NEW.first <> (SELECT coalesce(max(last), 0) + 1 FROM event_archives)
BEGIN SELECT raise(ABORT, 'archives have no gap'); END;
CREATE TRIGGER event_archives_stay BEFORE UPDATE ON event_archives BEGIN SELECT raise(ABORT, 'archives are never changed'); END;
CREATE TRIGGER event_archives_last BEFORE DELETE ON event_archives BEGIN SELECT raise(ABORT, 'archives are never deleted'); END;

-- Refused acts of one caller, or from one address, within a minute: the first becomes an event at once, the others are counted
-- here and written into the next one.
CREATE TABLE repeated_refusals (
    who   TEXT NOT NULL,     -- 'user 1', 'credential …', 'address …', or 'others'
    what  TEXT NOT NULL,     -- the action; of strangers also its target; or 'others'
    since INTEGER NOT NULL,  -- when the first was refused
    event INTEGER NOT NULL,  -- the number of its event
    more  INTEGER NOT NULL CHECK (more >= 0),
    PRIMARY KEY (who, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX repeated_refusals_by_time ON repeated_refusals (since);

-- Bookkeeping; not audited.

-- Requests with an Idempotency-Key that succeeded: keyed digests alone.
CREATE TABLE requests_done (
    request BLOB PRIMARY KEY CHECK (length(request) = 32),
    body    BLOB NOT NULL CHECK (length(body) = 32),
    made    TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_done_by_time ON requests_done (at);

-- Counted attempts, by keyed digests of names, addresses, known browsers and sessions. A row of 100 locks its thing.
CREATE TABLE throttle (
    bucket   TEXT PRIMARY KEY,                                -- hexadecimal
    since    INTEGER NOT NULL,                                -- the beginning of the last minute with attempts
    count    INTEGER NOT NULL,                                -- attempts in that minute
    in_a_row INTEGER NOT NULL DEFAULT 0 CHECK (in_a_row >= 0) -- failures since the last success
) STRICT, WITHOUT ROWID;
CREATE INDEX throttle_by_end ON throttle (since + max(3600, 86400 * in_a_row)) WHERE in_a_row < 100;

-- Challenges that a passkey answered, until they expire: each is answered once.
CREATE TABLE spent_challenges (
    digest     BLOB PRIMARY KEY CHECK (length(digest) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_challenges_by_end ON spent_challenges (expires_at);

-- Browsers in which a user signed in before: a digest of their cookie.
CREATE TABLE known_browsers (
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (digest, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_browsers_by_end ON known_browsers (expires_at);

-- Channels of notices. A signing key has to be kept as it is: the server signs with it.
CREATE TABLE notice_channels (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    name        TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL CHECK (kind IN ('webhook', 'ntfy', 'chat', 'email')),
    url         TEXT,
    signing_key BLOB,
    for_members INTEGER NOT NULL DEFAULT 1 CHECK (for_members IN (0, 1)),  -- notices to users about their own account and credentials
    for_admins  INTEGER NOT NULL DEFAULT 1 CHECK (for_admins IN (0, 1)),   -- notices about services, hosts and the server
    created_at  INTEGER NOT NULL,
    CHECK ((kind = 'email') = (url IS NULL)),
    CHECK ((kind = 'webhook') = (signing_key IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX notice_channels_email ON notice_channels (kind) WHERE kind = 'email';

-- E-mail addresses of users. Notices go to a confirmed one alone.
CREATE TABLE email_addresses (
    user_id      INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    address      TEXT CHECK (length(CAST(address AS BLOB)) BETWEEN 3 AND 254),
    pending      TEXT CHECK (length(CAST(pending AS BLOB)) BETWEEN 3 AND 254),  -- waits for its confirmation
    requested_at INTEGER NOT NULL   -- of the last mail with a link
) STRICT;

-- Secrets of calendar feeds; each reads names and expirations of its user alone.
CREATE TABLE calendars (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL
) STRICT;

-- Kinds of notices that a user does not want on a channel.
CREATE TABLE notice_opt_outs (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL,
    channel INTEGER NOT NULL REFERENCES notice_channels (number) ON DELETE CASCADE,
    PRIMARY KEY (user_id, kind, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_opt_outs_by_channel ON notice_opt_outs (channel);

-- Notices that wait for their delivery: one row for each notice, channel and recipient. Written with the act.
CREATE TABLE notices (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 12),  -- the same with each try
    channel     INTEGER NOT NULL REFERENCES notice_channels (number) ON DELETE CASCADE,
    user_id     INTEGER REFERENCES users (id) ON DELETE CASCADE,  -- the recipient; NULL: admins
    address     TEXT,              -- of an e-mail
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    path        TEXT NOT NULL,     -- of the page behind the link
    data        TEXT NOT NULL,     -- names and values, as in events
    item_kind   TEXT CHECK (item_kind IN ('credential', 'ssh-key', 'code')),  -- the thing that expires
    item_id     TEXT,
    expires_at  INTEGER,           -- its expiration; a notice of another expiration is dropped
    tries       INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    next_try_at INTEGER NOT NULL,
    CHECK ((item_kind IS NULL) = (item_id IS NULL) AND (item_kind IS NULL) = (expires_at IS NULL))
) STRICT;
CREATE INDEX notices_due ON notices (next_try_at);
CREATE INDEX notices_by_channel ON notices (channel);
CREATE INDEX notices_by_user ON notices (user_id) WHERE user_id IS NOT NULL;

-- Notices that were created once and must not be created again.
CREATE TABLE notices_given (
    item      TEXT NOT NULL,       -- an id, or a word such as 'backup'
    threshold INTEGER NOT NULL,    -- days before the expiration; 0: without a threshold
    moment    INTEGER NOT NULL,    -- the expiration, or the beginning of the state
    PRIMARY KEY (item, threshold)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_given_by_moment ON notices_given (moment);

-- The last 100 tries of a delivery.
CREATE TABLE notice_deliveries (
    number      INTEGER PRIMARY KEY,
    notice_id   TEXT NOT NULL,
    channel     TEXT NOT NULL,     -- its name
    kind        TEXT NOT NULL,
    recipient   TEXT,              -- a username; NULL: admins
    at          INTEGER NOT NULL,
    try         INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'given-up')),
    status      INTEGER,           -- of the answer
    detail      TEXT NOT NULL,
    next_try_at INTEGER,
    CHECK ((outcome = 'failed') = (next_try_at IS NOT NULL))
) STRICT;

PRAGMA user_version = 2;
