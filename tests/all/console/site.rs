//! An installation for console tests: a temporary database, a clock that stands still, alice (admin) and bob (member).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use keycroft::app::{App, AppState};
use keycroft::clock::Clock;
use keycroft::http::{HttpSettings, ServerState};
use keycroft::model::password::Password;
use keycroft::model::time::{RequestedExpiration, Time};
use keycroft::model::user::{NewUser, Role, Username};
use tempfile::TempDir;

use super::browser::Browser;

pub const ALICE: &str = "alice likes green tea";
pub const BOB: &str = "bob likes black coffee";

/// One installation in its own folder.
pub struct Site {
    pub clock: Clock,
    pub server_state: ServerState,
    pub app_state: AppState,
    pub settings: Arc<HttpSettings>,
    folder: TempDir,
}

impl Site {
    /// With alice and bob, on plain HTTP and loopback.
    pub fn new() -> Self {
        let site = Self::empty("http://127.0.0.1:8420");
        site.add_user("alice", Role::Admin, Some(ALICE));
        site.add_user("bob", Role::Member, Some(BOB));
        site
    }

    /// Without any user.
    pub fn empty(public_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Time::parse("2026-11-22T12:00:00Z").unwrap());
        let settings = Arc::new(HttpSettings {
            public_url: public_url.to_owned(),
            public_url_given: public_url.starts_with("https:"),
            behind_proxy: None,
            untrusted_forwarder: std::sync::OnceLock::new(),
            certificate: None,
        });
        let path = folder.path().join("keycroft.db");
        let app_state = AppState::open_or_create(&path, clock.clone()).unwrap();
        Self {
            server_state: ServerState::open(&app_state, &settings).unwrap(),
            clock,
            app_state,
            settings,
            folder,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("keycroft.db")
    }

    /// Closes the database and opens it again, like a restart.
    pub fn reopen(&mut self) {
        self.reopen_after(|_| {});
    }

    /// The same, with a change by another program in between.
    pub fn reopen_after(&mut self, change: impl FnOnce(&rusqlite::Connection)) {
        self.app_state.close();
        change(&rusqlite::Connection::open(self.path()).unwrap());
        self.app_state = AppState::open(&self.path(), self.clock.clone()).unwrap();
        self.server_state = ServerState::open(&self.app_state, &self.settings).unwrap();
    }

    /// The same browser after a restart.
    pub fn browser_with(&self, cookies: BTreeMap<String, String>) -> Browser<'_> {
        let mut browser = self.browser();
        browser.cookies = cookies;
        browser
    }

    pub fn app(&self) -> &App {
        &self.server_state.app
    }

    pub fn add_user(&self, name: &str, role: Role, password: Option<&str>) {
        let username = Username::parse(name).unwrap();
        let password =
            password.map(|password| Password::chosen(password, username.as_str()).unwrap());
        let user = NewUser {
            display_name: format!("{name} of the lab"),
            username,
            role,
            password,
        };
        self.app()
            .add_user(&self.app().operator(0), user, None)
            .unwrap();
    }

    /// A token with all permissions of a user.
    pub fn token(&self, name: &str) -> String {
        let name = Username::parse(name).unwrap();
        let issued = self.app().user_token(
            &self.app().operator(0),
            &name,
            RequestedExpiration::Unsaid,
            None,
        );
        issued.unwrap().secret.reveal().to_string()
    }

    /// Advances the clock.
    pub fn pass(&self, seconds: i64) {
        let now = self.clock.now().unix();
        self.clock.turn_to(Time::from_unix(now + seconds));
    }

    /// A new browser.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(&self.server_state)
    }

    /// A browser in which `name` just signed in.
    pub fn signed_in(&self, name: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let password = if name == "alice" { ALICE } else { BOB };
        let page = browser.sign_in(name, password);
        assert_eq!(page.status, 303, "{}", page.text());
        browser
    }

    /// One number from the database.
    pub fn count(&self, sql: &str) -> i64 {
        self.value(sql)
    }

    pub fn text(&self, sql: &str) -> String {
        self.value(sql)
    }

    fn value<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = rusqlite::Connection::open_with_flags(self.path(), flags).unwrap();
        file.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}
