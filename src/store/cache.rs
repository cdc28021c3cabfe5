//! Credentials in memory, in the form that verification reads, dropped as soon as a write concerns them.
//!
//! Every drop takes the next number of one sequence and leaves it in the slot of the credential or the owner that it
//! concerns. An entry carries the number that was current before its read began. It is valid while no slot that
//! concerns it has a higher one. The writer drops after COMMIT and before it answers. So a caller whose change was
//! acknowledged never meets an older entry, and a read under way is stored but never valid.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;

use crate::model::credential::{Credential, Owner, OwnerId};
use crate::model::secret::Id;

/// Limit for all entries together, in bytes.
const BYTES_MAX: usize = 40 << 20;
/// Independent parts, so that cores rarely wait for each other.
const SHARDS: usize = 16;
/// Slots for the numbers of drops. Two credentials in one slot drop each other, which costs a lookup.
const SLOTS: usize = 4_096;
/// Estimate of the bookkeeping of one entry: the table, the index and the allocator.
const ENTRY_BYTES: usize = 96;

/// The subject of a write that concerns verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VerificationSubject {
    Credential(Id),
    Owner(OwnerId),
    /// A row that did not exist, so that nothing of it is cached.
    NewRow,
    Everything,
}

/// A position in the sequence of drops, taken before a read.
#[derive(Debug, Clone, Copy)]
pub(super) struct DropMark(u64);

/// The entries of all threads.
pub(super) struct Cache {
    sequence: AtomicU64,
    /// Number of the last drop of everything.
    everything: AtomicU64,
    credentials: Box<[AtomicU64]>,
    owners: Box<[AtomicU64]>,
    shards: Box<[Mutex<Shard>]>,
    shard_bytes_max: usize,
    /// Owners of entries, shared by all their credentials.
    known_owners: Mutex<HashMap<OwnerId, Owner>>,
}

/// Entries in no order, an index over them, and the hand of a clock that chooses one to evict.
#[derive(Default)]
struct Shard {
    entries: Vec<CacheEntry>,
    index: HashMap<Id, usize>,
    bytes: usize,
    hand: usize,
}

struct CacheEntry {
    credential: Arc<Credential>,
    as_of: DropMark,
    bytes: usize,
    /// True if it was used since the hand passed it.
    found: bool,
}

/// Nobody chooses ids, so a quick hash spreads them well enough.
fn slot(of: &impl Hash) -> usize {
    let hash = FixedState::default().hash_one(of);
    usize::try_from(hash % SLOTS as u64).unwrap_or_default()
}

fn slots() -> Box<[AtomicU64]> {
    (0..SLOTS).map(|_| AtomicU64::new(0)).collect()
}

impl Cache {
    pub(super) fn new() -> Self {
        Self::with_bytes(BYTES_MAX)
    }

    fn with_bytes(bytes_max: usize) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            credentials: slots(),
            owners: slots(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: bytes_max / SHARDS,
            known_owners: Mutex::default(),
        }
    }

    /// The present position. Take it before a read whose result goes into the cache.
    pub(super) fn mark(&self) -> DropMark {
        DropMark(self.sequence.load(Ordering::SeqCst))
    }

    /// Invalidates every entry that `concern` is part of. Only the writer calls this, after COMMIT.
    pub(super) fn drop_entries(&self, subject: VerificationSubject) {
        if subject == VerificationSubject::NewRow {
            return;
        }
        let number = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        let slot = match subject {
            VerificationSubject::Credential(id) => &self.credentials[slot(&id)],
            VerificationSubject::Owner(owner) => &self.owners[slot(&owner)],
            VerificationSubject::NewRow | VerificationSubject::Everything => &self.everything,
        };
        slot.store(number, Ordering::SeqCst);
    }

    fn is_valid(&self, entry: &CacheEntry) -> bool {
        let as_of = entry.as_of.0;
        let credential = &entry.credential;
        [
            &self.everything,
            &self.credentials[slot(&credential.id)],
            &self.owners[slot(&credential.owner.id())],
        ]
        .iter()
        .all(|dropped| dropped.load(Ordering::SeqCst) <= as_of)
    }

    pub(super) fn find(&self, id: Id) -> Option<Arc<Credential>> {
        let mut shard = self.shard(id);
        let place = *shard.index.get(&id)?;
        if self.is_valid(&shard.entries[place]) {
            let entry = &mut shard.entries[place];
            entry.found = true;
            return Some(Arc::clone(&entry.credential));
        }
        shard.remove(place);
        None
    }

    /// Stores a credential that was read after `as_of`.
    pub(super) fn store(&self, mut credential: Credential, as_of: DropMark) -> Arc<Credential> {
        let owner_bytes = self.share_owner(&mut credential);
        let bytes = ENTRY_BYTES + owner_bytes + bytes_of(&credential);
        let credential = Arc::new(credential);
        let entry = CacheEntry {
            credential: Arc::clone(&credential),
            as_of,
            bytes,
            found: false,
        };
        if bytes > self.shard_bytes_max || !self.is_valid(&entry) {
            return credential;
        }
        let mut shard = self.shard(credential.id);
        if let Some(place) = shard.index.get(&credential.id).copied() {
            shard.remove(place);
        }
        while shard.bytes + bytes > self.shard_bytes_max {
            shard.evict();
        }
        shard.bytes += bytes;
        let place = shard.entries.len();
        shard.index.insert(credential.id, place);
        shard.entries.push(entry);
        credential
    }

    /// Shares an equal owner with other entries. Returns the bytes that the owner takes otherwise.
    fn share_owner(&self, credential: &mut Credential) -> usize {
        let mut known = self
            .known_owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match known.get(&credential.owner.id()) {
            Some(owner) if *owner == credential.owner => {
                credential.owner = owner.clone();
                0
            }
            _ => {
                if known.len() >= SLOTS {
                    known.clear();
                }
                known.insert(credential.owner.id(), credential.owner.clone());
                owner_bytes(&credential.owner)
            }
        }
    }

    fn shard(&self, id: Id) -> MutexGuard<'_, Shard> {
        // A panic elsewhere leaves complete and correct entries.
        self.shards[slot(&id) % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn remove(&mut self, place: usize) {
        let removed = self.entries.swap_remove(place);
        self.bytes -= removed.bytes;
        self.index.remove(&removed.credential.id);
        if let Some(moved) = self.entries.get(place) {
            self.index.insert(moved.credential.id, place);
        }
    }

    /// Removes an entry that was not used for a while.
    fn evict(&mut self) {
        loop {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let Some(entry) = self.entries.get_mut(self.hand) else {
                return;
            };
            if !mem::replace(&mut entry.found, false) {
                let place = self.hand;
                return self.remove(place);
            }
            self.hand += 1;
        }
    }
}

fn owner_bytes(owner: &Owner) -> usize {
    match owner {
        Owner::User(user) => {
            let groups: usize = user.groups.iter().map(|group| group.len() + 24).sum();
            mem::size_of_val(&**user)
                + user.subject.len()
                + user.username.as_str().len()
                + user.display_name.len()
                + user.granted.heap_bytes()
                + user.granted_by_role.heap_bytes()
                + groups
        }
        Owner::Service(service) => {
            mem::size_of_val(&**service) + service.name.len() + service.permissions.heap_bytes()
        }
        Owner::Host(host) => mem::size_of_val(&**host) + host.name.len(),
    }
}

fn bytes_of(credential: &Credential) -> usize {
    mem::size_of::<Credential>()
        + credential.permissions.heap_bytes()
        + credential.allowed_addresses.heap_bytes()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{NewRow, Read, Store};
    use super::*;
    use crate::model::address::AllowedAddresses;
    use crate::model::caller::Permit;
    use crate::model::credential::{Grace, Kind};
    use crate::model::error::Error;
    use crate::model::event::{Action, AuditDetails};
    use crate::model::permission::{BuiltinPermission, Permissions};
    use crate::model::second_factor::SignInMethod;
    use crate::model::secret::{Secret, SecretForm, random_bytes};
    use crate::model::time::Time;
    use crate::model::user::{Disabled, NewUser, Role, User, UserId, Username};
    use crate::store::Write;

    const NOW: Time = Time::from_unix(1_800_000_000);

    fn facts(credential: &Credential) -> String {
        let digest = credential.digest.map(|digest| *digest.as_bytes());
        let previous = credential
            .previous
            .map(|previous| (*previous.digest.as_bytes(), previous.grace));
        format!(
            "{:?} {:?} {:?} {:?} {digest:?} {previous:?} {:?} {:?} {} {} {:?} {:?}",
            credential.id.as_str(),
            credential.owner,
            credential.permissions,
            credential.allowed_addresses,
            credential.expires_at,
            credential.disabled,
            credential.is_deleted,
            credential.seen_expired,
            credential.password_at,
            credential.confirmed_with
        )
    }

    fn act(store: &Store, job: impl FnOnce(&Write<'_>) -> Result<(), Error> + Send + 'static) {
        let permit = Permit::by_operator(Action::Sweep, NOW);
        // Some acts are rejected, such as disabling the last admin.
        let _ = store.write(permit, move |write| {
            job(write)?;
            Ok(((), AuditDetails::default()))
        });
    }

    fn key(owner: OwnerId, kind: Kind, created_by: Option<Id>) -> NewRow {
        let secret = Secret::generate(SecretForm::Credential(kind));
        NewRow {
            id: secret.id(),
            kind,
            owner,
            name: secret.id().to_string(),
            note: None,
            permissions: Permissions::new(&[BuiltinPermission::AccountRead]),
            allowed_addresses: AllowedAddresses::default(),
            digest: secret.digest(),
            created_by,
            expires_at: Some(NOW.after(Duration::from_secs(86_400))),
            password_at: None,
            user_agent: None,
            address: None,
        }
    }

    /// Bar D2 of docs/guarantees.md.
    #[test]
    fn each_hit_equals_a_fresh_select_under_random_acts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keycroft.db");
        Store::create(&path, NOW).unwrap();
        let store = Store::open(&path).unwrap();
        let mut users = Vec::new();
        for name in ["alice", "bob", "carol"] {
            let user = NewUser {
                username: Username::parse(name).unwrap(),
                display_name: name.to_owned(),
                role: Role::Admin,
                password: None,
            };
            act(&store, move |write| write.add_user(&user, None).map(|_| ()));
            let read = store.read().unwrap();
            users.push(
                read.user(&Username::parse(name).unwrap())
                    .unwrap()
                    .unwrap()
                    .id,
            );
        }
        act(&store, |write| write.add_group("lab"));
        let mut ids: Vec<Id> = Vec::new();
        let read = store.read().unwrap();
        let mut hits = 0;
        for _ in 0..600 {
            step(&store, &users, &mut ids);
            hits += compare(&store, &read, &ids);
        }
        assert!(hits > 1_000, "the cache was asked: {hits}");
        store.close();
    }

    fn compare(store: &Store, read: &Read, ids: &[Id]) -> usize {
        let mut hits = 0;
        for id in ids {
            hits += usize::from(store.cache.find(*id).is_some());
            let fresh = read.credential(*id).unwrap();
            let cached = read.credential_now(*id).unwrap();
            assert_eq!(
                cached.as_deref().map(facts),
                fresh.as_ref().map(facts),
                "{id}"
            );
        }
        hits
    }

    /// One random act.
    fn step(store: &Store, users: &[UserId], ids: &mut Vec<Id>) {
        let [choice, one, two, three]: [u8; 4] = random_bytes();
        let user = users[usize::from(one) % users.len()];
        let id = ids.get(usize::from(two) % ids.len().max(1)).copied();
        let disabled = Disabled::from(three % 2 == 0);
        let digest = Secret::generate(SecretForm::Credential(Kind::ApiKey)).digest();
        let end = NOW.after(Duration::from_secs(60 * u64::from(three)));
        match (choice % 16, id) {
            (0..=2, _) | (_, None) => {
                let kind = [Kind::ApiKey, Kind::Token, Kind::Session][usize::from(three) % 3];
                let row = key(OwnerId::User(user), kind, id);
                ids.push(row.id);
                act(store, move |write| write.add_credential(&row));
            }
            (3, Some(id)) => act(store, move |write| {
                write.set_credential_disabled(id, disabled)
            }),
            (4, Some(id)) => act(store, move |write| {
                let grace = Grace {
                    ends_at: end,
                    until_unused: None,
                };
                write.rotate_credential(id, &digest, Some(grace), Some(end))
            }),
            (5, Some(id)) => act(store, move |write| write.revoke_previous_secret(id)),
            (6, Some(id)) => act(store, move |write| {
                write.set_confirmed(id, SignInMethod::Passkey)
            }),
            (7, Some(id)) => act(store, move |write| {
                let Some(record) = write.record(id)? else {
                    return Ok(());
                };
                write.revoke_credential(id, record.kind, "deleted")
            }),
            (8, Some(id)) => act(store, move |write| {
                let Some(mut record) = write.record(id)? else {
                    return Ok(());
                };
                record.expires_at = Some(end);
                record.permissions = Permissions::new(&[BuiltinPermission::TokensRead]);
                write.edit_credential(&record)
            }),
            (9, _) => act(store, move |write| {
                let found = write.user_by_id(user)?.ok_or(Error::NotFound("user"))?;
                write.set_user_disabled(&found, disabled)
            }),
            (10, _) => act(store, move |write| {
                let found = write.user_by_id(user)?.ok_or(Error::NotFound("user"))?;
                let role = if three % 2 == 0 {
                    Role::Admin
                } else {
                    Role::Member
                };
                write.set_role(&found, role)
            }),
            (11, _) => act(store, move |write| {
                let granted = Permissions::new(&[BuiltinPermission::Metrics]);
                write.set_granted(user, &granted)
            }),
            (12, _) => act(store, move |write| {
                let group = write.group("lab")?.ok_or(Error::NotFound("group"))?;
                if three % 2 == 0 {
                    write.add_member(group.id, user)
                } else {
                    write.remove_member(group.id, user).map(|_| ())
                }
            }),
            (13, _) => act(store, move |write| {
                write.revoke_sessions(user, None).map(|_| ())
            }),
            (14, _) => {
                let now = NOW.after(Duration::from_secs(600 * u64::from(three)));
                store.sweep_batch(now, 5).unwrap();
            }
            _ => act(store, move |write| {
                write.set_display_name(user, &format!("n{three}"))
            }),
        }
    }

    #[test]
    fn entry_read_before_a_drop_is_never_found() {
        let cache = Cache::new();
        let folder = tempfile::tempdir().unwrap();
        let credential = some_credential(folder.path());
        let as_of = cache.mark();
        cache.drop_entries(VerificationSubject::Credential(credential.id));
        cache.store(credential.clone(), as_of);
        assert!(cache.find(credential.id).is_none());
        let as_of = cache.mark();
        cache.store(credential.clone(), as_of);
        assert!(cache.find(credential.id).is_some());
        for subject in [
            VerificationSubject::Credential(credential.id),
            VerificationSubject::Owner(credential.owner.id()),
            VerificationSubject::Everything,
        ] {
            let as_of = cache.mark();
            cache.store(credential.clone(), as_of);
            cache.drop_entries(VerificationSubject::NewRow);
            assert!(cache.find(credential.id).is_some());
            cache.drop_entries(subject);
            assert!(cache.find(credential.id).is_none(), "{subject:?}");
        }
    }

    fn some_credential(folder: &Path) -> Credential {
        let path = folder.join("keycroft.db");
        Store::create(&path, NOW).unwrap();
        let store = Store::open(&path).unwrap();
        let user = NewUser {
            username: Username::parse("alice").unwrap(),
            display_name: "Alice".to_owned(),
            role: Role::Admin,
            password: None,
        };
        let row = key(OwnerId::User(UserId(1)), Kind::ApiKey, None);
        let id = row.id;
        act(&store, move |write| {
            write.add_user(&user, None)?;
            write.add_credential(&row)
        });
        store.read().unwrap().credential(id).unwrap().unwrap()
    }

    fn bytes_in(cache: &Cache) -> usize {
        let shards = cache.shards.iter();
        shards.map(|shard| shard.lock().unwrap().bytes).sum()
    }

    /// A credential of a user, as read from the database: with a copy of its owner.
    fn read_again(credential: &Credential, user: i64) -> Credential {
        let Owner::User(owner) = &credential.owner else {
            panic!("the owner is a user");
        };
        let mut owner = User::clone(owner);
        owner.id = UserId(user);
        Credential {
            id: Id::random(),
            owner: Owner::User(Arc::new(owner)),
            ..credential.clone()
        }
    }

    /// For bar P6 of docs/guarantees.md: with an owner for each, 10,000 API keys take 3 MiB more.
    #[test]
    fn credentials_of_an_owner_share_its_memory() {
        let folder = tempfile::tempdir().unwrap();
        let first = some_credential(folder.path());
        let cache = Cache::new();
        let mark = cache.mark();
        for _ in 0..100 {
            cache.store(read_again(&first, 1), mark);
        }
        let entry = ENTRY_BYTES + bytes_of(&first);
        assert_eq!(bytes_in(&cache), 100 * entry + owner_bytes(&first.owner));
        let stored = [(); 2].map(|()| cache.store(read_again(&first, 1), mark));
        assert!(matches!(
            stored.each_ref().map(|credential| &credential.owner),
            [Owner::User(one), Owner::User(other)] if Arc::ptr_eq(one, other)
        ));
        for user in 2..5_000 {
            cache.store(read_again(&first, user), mark);
        }
        assert!(cache.known_owners.lock().unwrap().len() <= SLOTS);
    }

    #[test]
    fn cache_is_bounded_by_bytes_and_keeps_used_entries() {
        let folder = tempfile::tempdir().unwrap();
        let first = some_credential(folder.path());
        let cache = Cache::with_bytes(SHARDS * 20_000);
        let mark = cache.mark();
        cache.store(first.clone(), mark);
        for _ in 0..2_000 {
            let other = Credential {
                id: Id::random(),
                ..first.clone()
            };
            cache.store(other, mark);
            assert!(cache.find(first.id).is_some(), "it is in use");
        }
        let bytes = bytes_in(&cache);
        assert!(bytes <= SHARDS * 20_000 && bytes > 10_000, "{bytes}");
        let entries: usize = cache
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().index.len())
            .sum();
        assert!(entries < 2_000);
    }
}
