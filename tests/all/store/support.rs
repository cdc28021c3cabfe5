//! A lab: a database with a manual clock, an admin alice and a member bob, used through the app layer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keycroft::app::{App, AppState};
use keycroft::clock::Clock;
use keycroft::model::caller::{Caller, Permit};
use keycroft::model::credential::{Kind, NewCredential};
use keycroft::model::error::Error;
use keycroft::model::event::{Action, AuditDetails, Channel, Origin, Target};
use keycroft::model::secret::Presented;
use keycroft::model::time::{Lifetime, RequestedExpiration, Time};
use keycroft::model::user::{NewUser, Role, Username};
use keycroft::store::{Read, Store, WriterTimeouts};
use rusqlite::Connection;
use tempfile::TempDir;

/// The start time of every lab.
pub const NOW: Time = Time::from_unix(1_800_000_000);

pub struct Lab {
    pub folder: TempDir,
    pub path: PathBuf,
    pub clock: Clock,
    pub app_state: AppState,
    pub app: App,
    /// A token of alice, valid for 24 hours.
    pub alice: String,
    pub bob: String,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(WriterTimeouts::default())
    }

    pub fn with(waits: WriterTimeouts) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), waits)
    }

    pub fn in_folder(folder: TempDir, waits: WriterTimeouts) -> Self {
        let path = folder.path().join("keycroft.db");
        let clock = Clock::manual(NOW);
        Store::create(&path, NOW).unwrap();
        let app_state = AppState::open_with(&path, clock.clone(), waits).unwrap();
        let app = app_state.app().unwrap();
        let alice = add_user(&app, "alice", Role::Admin);
        let bob = add_user(&app, "bob", Role::Member);
        Self {
            folder,
            path,
            clock,
            app_state,
            app,
            alice,
            bob,
        }
    }

    /// Closes the database and opens it again, like a restart.
    pub fn restart(self) -> Self {
        self.app_state.close();
        let Self {
            folder,
            path,
            clock,
            alice,
            bob,
            ..
        } = self;
        let app_state = AppState::open(&path, clock.clone()).unwrap();
        let app = app_state.app().unwrap();
        Self {
            folder,
            path,
            clock,
            app_state,
            app,
            alice,
            bob,
        }
    }

    pub fn turn_to(&self, unix: i64) {
        self.clock.turn_to(Time::from_unix(unix));
    }

    pub fn caller(&self, secret: &str) -> Result<Caller, Error> {
        caller(&self.app, secret)
    }

    pub fn is_good(&self, secret: &str) -> bool {
        match self.caller(secret) {
            Ok(_) => true,
            Err(Error::Unauthenticated { .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    pub fn api_key(
        &self,
        owner: &str,
        name: &str,
        end: RequestedExpiration,
    ) -> Result<String, Error> {
        api_key(&self.app, owner, name, end)
    }

    /// A connection of another program.
    pub fn stranger(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub fn number(&self, sql: &str) -> i64 {
        number(&self.path, sql)
    }
}

fn add_user(app: &App, name: &str, role: Role) -> String {
    let username = Username::parse(name).unwrap();
    let user = NewUser {
        username: username.clone(),
        display_name: name.to_owned(),
        role,
        password: None,
    };
    app.add_user(&app.operator(0), user, None).unwrap();
    let issued = app.user_token(
        &app.operator(0),
        &username,
        RequestedExpiration::Unsaid,
        None,
    );
    issued.unwrap().secret.reveal().to_string()
}

pub fn caller(app: &App, secret: &str) -> Result<Caller, Error> {
    let presented = Presented::parse(secret).expect("a secret in our form");
    app.caller(&presented, Kind::is_bearer, origin(), app.now())
}

pub fn origin() -> Origin {
    Origin {
        channel: Channel::Api,
        address: "127.0.0.1".parse().ok(),
        program: Some("test".to_owned()),
        request_id: None,
    }
}

pub fn api_key(
    app: &App,
    owner: &str,
    name: &str,
    end: RequestedExpiration,
) -> Result<String, Error> {
    let caller = caller(app, owner)?;
    let wanted = NewCredential {
        kind: Kind::ApiKey,
        name: Some(name.to_owned()),
        note: None,
        end,
        permissions: None,
        allowed_addresses: None,
    };
    let scope = App::own(&caller, Kind::ApiKey)?;
    let issued = app.issue(&caller, &scope, wanted, None)?;
    Ok(issued.secret.reveal().to_string())
}

pub const fn for_seconds(seconds: u64) -> RequestedExpiration {
    RequestedExpiration::In(Lifetime::For(Duration::from_secs(seconds)))
}

pub const ENDLESS: RequestedExpiration = RequestedExpiration::In(Lifetime::Endless);

/// The result on a separate connection.
pub fn number(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A store of a new database, without the app layer: for jobs that no use case has.
pub fn bare_store(folder: &Path, waits: WriterTimeouts) -> Store {
    let path = folder.join("keycroft.db");
    Store::create(&path, NOW).unwrap();
    Store::open_with(&path, waits).unwrap()
}

/// Adds a group as the operator: the smallest act.
pub fn add_group(store: &Store, name: &str) -> Result<(), Error> {
    let name = name.to_owned();
    store.write(permit(), move |write| {
        write.add_group(&name)?;
        Ok(((), trace(&name)))
    })
}

pub fn permit() -> Permit {
    Permit::by_operator(Action::GroupAdd, NOW)
}

pub fn trace(name: &str) -> AuditDetails {
    AuditDetails::new(Target::new("group", name, name, None))
}

/// The groups and the number of events, for a reader.
pub fn groups_and_events(read: &Read) -> (Vec<String>, usize) {
    let groups = read.groups(None, 200).unwrap().items;
    let events = read.events(&keycroft::store::EventCondition::default(), None, 200);
    (
        groups.into_iter().map(|group| group.name).collect(),
        events.unwrap().items.len(),
    )
}
