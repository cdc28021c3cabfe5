//! A database with a believable lab: 20 users, 45 API keys in all states, 60 days of use. `cargo run --example demo -- FILE`, or
//! `scripts/demo`, which also serves it.
//!
//! Everything happens through the API's own handlers while the clock runs through the 60 days, so that events, uses and hashes
//! fit together. The same seed makes the same lab; only ids and secrets differ.

mod lab;

use std::error::Error;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use keycroft::app::AppState;
use keycroft::clock::Clock;
use keycroft::http::{HttpSettings, ServerState, respond_to};
use keycroft::model::event::{Channel, Origin};
use keycroft::model::password::Password;
use keycroft::model::time::Time;
use keycroft::transport::Peer;
use serde_json::{Value, json};

use lab::Life::{Deleted, Disabled, Rare, Rotated, UntilDay, Unused};
use lab::{BROWSERS, GROUPS, KEYS, PROGRAMS, SERVICES, USERS};

type Done<T = ()> = Result<T, Box<dyn Error>>;

const DAY: i64 = 86_400;
const DAYS: i64 = 60;
/// The password of every user.
const PASSWORD: &str = "correct horse battery";

/// A small generator of numbers (splitmix64): the lab is the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// An API key of the lab.
struct Key {
    id: String,
    secret: String,
    /// The previous secret during a rotation.
    previous: Option<String>,
}

struct Host {
    secret: String,
    /// The day of its last contact.
    last_day: i64,
}

struct Lab {
    app_state: AppState,
    server_state: ServerState,
    settings: Arc<HttpSettings>,
    clock: Clock,
    begin: i64,
    random: Random,
    /// A bearer of each user who joined: an API key, deleted after the last act of its owner.
    bearers: Vec<(&'static str, String)>,
    keys: Vec<Option<Key>>,
    hosts: Vec<Host>,
}

impl Lab {
    fn create(path: &Path) -> Done<Self> {
        let now = Clock::System.now().unix();
        let begin = now - DAYS * DAY;
        let clock = Clock::manual(Time::from_unix(begin));
        let settings = Arc::new(HttpSettings {
            public_url: "http://127.0.0.1:8420".to_owned(),
            public_url_given: false,
            behind_proxy: None,
            untrusted_forwarder: std::sync::OnceLock::new(),
            certificate: None,
        });
        let app_state = AppState::open_or_create(path, clock.clone())?;
        let server_state = ServerState::open(&app_state, &settings)?;
        Ok(Self {
            app_state,
            server_state,
            settings,
            clock,
            begin,
            random: Random(20),
            bearers: Vec::new(),
            keys: KEYS.iter().map(|_| None).collect(),
            hosts: Vec::new(),
        })
    }

    /// Turns the clock to a time of a day, never back.
    fn turn(&self, day: i64, second: i64) {
        let time = self.begin + day * DAY + second;
        let time = time.clamp(self.clock.now().unix(), self.begin + DAYS * DAY);
        self.clock.turn_to(Time::from_unix(time));
    }

    /// Sends a request to the handlers of the server. Returns status and body.
    fn send(
        &self,
        mark: Peer,
        from: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Done<(u16, Value)> {
        let peer = SocketAddr::new(from.parse::<IpAddr>()?, 40_000);
        let mut headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if body.is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = rouille::Request::fake_http_from(peer, method, path, headers, bytes);
        let response = respond_to(&self.server_state, &request, mark);
        let mut text = String::new();
        let (mut reader, _) = response.data.into_reader_and_size();
        reader.read_to_string(&mut text)?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok((response.status_code, value))
    }

    /// A request that has to succeed.
    fn act(&self, bearer: Option<&str>, method: &str, path: &str, body: &Value) -> Done<Value> {
        let body = (!body.is_null()).then_some(body);
        let (status, answer) = match bearer {
            None => {
                let mark = Peer::Operator { uid: 0 };
                self.send(mark, "127.0.0.1", method, path, &[], body)?
            }
            Some(secret) => {
                let bearer = format!("Bearer {secret}");
                let headers = [
                    ("Authorization", bearer.as_str()),
                    ("User-Agent", "keycroft/0.1.0"),
                ];
                self.send(Peer::Network, "10.0.0.12", method, path, &headers, body)?
            }
        };
        if !(200..300).contains(&status) {
            return Err(format!("{method} {path}: {status} {answer}").into());
        }
        Ok(answer)
    }

    fn bearer(&self, user: &str) -> Done<String> {
        let found = self.bearers.iter().find(|(name, _)| *name == user);
        let (_, secret) = found.ok_or_else(|| format!("{user} has not joined"))?;
        Ok(secret.clone())
    }

    /// Users, groups, services and hosts.
    fn set_up(&mut self) -> Done {
        self.join("ada")?;
        let bearer = self.bearer("ada")?;
        let ada = Some(bearer.as_str());
        for (name, members) in GROUPS {
            self.act(ada, "POST", "/api/v1/groups", &json!({ "name": name }))?;
            if members.contains(&"ada") {
                let path = format!("/api/v1/groups/{name}/members/ada");
                self.act(ada, "PUT", &path, &json!({}))?;
            }
        }
        self.join("grace")?;
        for (name, permissions) in SERVICES {
            let body = json!({"name": name, "permissions": permissions});
            self.act(ada, "POST", "/api/v1/services", &body)?;
            let roles = json!({"roles": {"member": permissions, "admin": permissions}});
            self.act(ada, "PATCH", &format!("/api/v1/services/{name}"), &roles)?;
            let key = json!({"name": "introspection", "permissions": ["introspect"], "expires_in": "365d"});
            self.act(
                ada,
                "POST",
                &format!("/api/v1/services/{name}/api-keys"),
                &key,
            )?;
        }
        for (name, last_day) in [
            ("login1", DAYS),
            ("gpu1", DAYS),
            ("gpu2", DAYS),
            ("storage1", 41),
        ] {
            let body = json!({"expires_in": "24h"});
            let code = self.act(ada, "POST", "/api/v1/hosts/enrollment-codes", &body)?;
            let code = text(&code, "secret")?;
            let body = json!({ "name": name });
            let host = self.act(Some(&code), "POST", "/api/v1/hosts/enroll", &body)?;
            let patch = match name {
                "gpu1" | "gpu2" => {
                    json!({"groups": ["gpu-users", "staff"], "shared_logins": {"train": ["gpu-users"]}})
                }
                "storage1" => json!({"groups": ["storage"]}),
                _ => json!({"cache_age_max": "24h"}),
            };
            let path = format!("/api/v1/hosts/{}", text(&host, "id")?);
            self.act(ada, "PATCH", &path, &patch)?;
            self.hosts.push(Host {
                secret: text(&host, "secret")?,
                last_day,
            });
        }
        self.act(
            ada,
            "POST",
            "/api/v1/hosts/enrollment-codes",
            &json!({"uses": 5, "expires_in": "90d"}),
        )?;
        Ok(())
    }

    /// A user joins, with a password and an SSH key.
    fn join(&mut self, name: &'static str) -> Done {
        let Some((_, display_name, _, role)) = USERS.iter().find(|(one, ..)| *one == name) else {
            return Err(format!("{name} is not in the list").into());
        };
        let admin = self.bearers.first().map(|(_, secret)| secret.clone());
        let mut body = json!({"username": name, "display_name": display_name, "role": role});
        // The last one has not accepted the invitation yet.
        if name != "sven" {
            body["password"] = json!(PASSWORD);
        }
        self.act(admin.as_deref(), "POST", "/api/v1/users", &body)?;
        let token = self.act(
            None,
            "POST",
            &format!("/api/v1/users/{name}/token"),
            &json!({}),
        )?;
        let token = text(&token, "secret")?;
        let key = json!({"name": "demo", "expires_in": "never"});
        let key = self.act(Some(&token), "POST", "/api/v1/api-keys", &key)?;
        let bearer = text(&key, "secret")?;
        let me = self.act(Some(&bearer), "GET", "/api/v1/me", &Value::Null)?;
        for notice in me["notices"].as_array().into_iter().flatten() {
            let path = format!("/api/v1/me/notices/{}/acknowledge", text(notice, "id")?);
            self.act(Some(&bearer), "POST", &path, &json!({}))?;
        }
        for (group, members) in GROUPS {
            if members.contains(&name) && admin.is_some() {
                let path = format!("/api/v1/groups/{group}/members/{name}");
                self.act(admin.as_deref(), "PUT", &path, &json!({}))?;
            }
        }
        if name != "sven" {
            let count = 1 + self.random.below(2);
            for number in 0..count {
                let place = if number == 0 { "laptop" } else { "desktop" };
                let body = json!({"public_key": format!("{} {name}@{place}", self.ssh_key()), "name": place,
                    "expires_in": if number == 0 { "365d" } else { "90d" }});
                self.act(Some(&bearer), "POST", "/api/v1/ssh-keys", &body)?;
            }
        }
        self.bearers.push((name, bearer));
        Ok(())
    }

    /// The text of an Ed25519 key that nobody has the private part of.
    fn ssh_key(&mut self) -> String {
        let mut blob = Vec::new();
        {
            let part = b"ssh-ed25519".as_slice();
            blob.extend_from_slice(&[0, 0, 0, 11]);
            blob.extend_from_slice(part);
        }
        blob.extend_from_slice(&[0, 0, 0, 32]);
        for _ in 0..4 {
            blob.extend_from_slice(&self.random.next().to_be_bytes());
        }
        format!("ssh-ed25519 {}", data_encoding::BASE64.encode(&blob))
    }

    /// Everything that happens on one day.
    fn live(&mut self, day: i64) -> Done {
        self.turn(day, 8 * 3_600);
        for (name, _, joins, _) in USERS {
            if joins == day && !self.bearers.iter().any(|(one, _)| *one == name) {
                self.join(name)?;
            }
        }
        for place in 0..KEYS.len() {
            self.change_key(place, day)?;
        }
        for hour in [10, 15] {
            let second = i64::try_from(self.random.below(1_800))?;
            self.turn(day, hour * 3_600 + second);
            for place in 0..KEYS.len() {
                self.use_key(place, day)?;
            }
        }
        self.contact_hosts(day)?;
        if day >= DAYS - 6 {
            self.sign_in(day)?;
        }
        self.delete_bearers(day)?;
        self.flush()
    }

    /// Deletes the bearers of users who do nothing after `day`.
    fn delete_bearers(&mut self, day: i64) -> Done {
        let acts_later = |user: &str| {
            KEYS.iter().any(|(owner, _, created, _, _, life)| {
                let change = match life {
                    Disabled(on) | Deleted(on) | Rotated(on) => *on,
                    _ => 0,
                };
                *owner == user && day < change.max(*created)
            })
        };
        let bearers = std::mem::take(&mut self.bearers);
        let (needed, others): (Vec<_>, Vec<_>) = bearers
            .into_iter()
            .partition(|(user, _)| *user == "ada" || acts_later(user));
        self.bearers = needed;
        for (_, bearer) in others {
            self.delete_bearer(&bearer)?;
        }
        Ok(())
    }

    fn delete_bearer(&self, bearer: &str) -> Done {
        let id = bearer.split('_').nth(1).unwrap_or_default();
        let path = format!("/api/v1/api-keys/{id}");
        self.act(Some(bearer), "DELETE", &path, &Value::Null)?;
        Ok(())
    }

    /// Creates, disables, rotates or deletes an API key on its day.
    fn change_key(&mut self, place: usize, day: i64) -> Done {
        let (owner, name, created, lifetime, permissions, life) = KEYS[place];
        let bearer = self.bearer(owner);
        if created == day {
            let mut body =
                json!({"name": name, "expires_in": lifetime, "permissions": permissions});
            if name == "prometheus" || name == "restic" {
                body["allowed_addresses"] = json!(["10.0.0.0/8"]);
                body["note"] = json!("Runs on storage1.");
            }
            let fresh = self.act(Some(&bearer?), "POST", "/api/v1/api-keys", &body)?;
            self.keys[place] = Some(Key {
                id: text(&fresh, "id")?,
                secret: text(&fresh, "secret")?,
                previous: None,
            });
            return Ok(());
        }
        let Some(id) = self.keys[place].as_ref().map(|key| key.id.clone()) else {
            return Ok(());
        };
        let path = format!("/api/v1/api-keys/{id}");
        match life {
            Disabled(on) if on == day => {
                self.act(Some(&bearer?), "PATCH", &path, &json!({"disabled": true}))?;
            }
            Deleted(on) if on == day => {
                self.act(Some(&bearer?), "DELETE", &path, &Value::Null)?;
            }
            Rotated(on) if on == day => {
                let body = json!({"grace": "7d"});
                let fresh = self.act(Some(&bearer?), "POST", &format!("{path}/rotate"), &body)?;
                let secret = text(&fresh, "secret")?;
                if let Some(key) = &mut self.keys[place] {
                    key.previous = Some(std::mem::replace(&mut key.secret, secret));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Some uses of an API key. Its program keeps sending it after it expired or was disabled.
    fn use_key(&mut self, place: usize, day: i64) -> Done {
        let (.., life) = KEYS[place];
        let Some(key) = &self.keys[place] else {
            return Ok(());
        };
        let weekend = (self.begin / DAY + day + 4).rem_euclid(7) >= 5;
        let uses = match life {
            Unused => 0,
            Rare => u64::from(self.random.below(12) == 0),
            UntilDay(last) if day > last => 0,
            Deleted(on) | Disabled(on) if day > on + 2 => 0,
            _ if weekend => self.random.below(2),
            _ => self.random.below(8),
        };
        let old = self.random.below(3) == 0;
        let secret = match &key.previous {
            Some(previous) if old => previous.clone(),
            _ => key.secret.clone(),
        };
        let bearer = format!("Bearer {secret}");
        let address = format!("10.0.{}.{}", 1 + place % 4, 10 + place);
        for _ in 0..uses {
            let headers = [
                ("Authorization", bearer.as_str()),
                ("User-Agent", PROGRAMS[place % PROGRAMS.len()]),
            ];
            self.send(Peer::Network, &address, "GET", "/verify", &headers, None)?;
        }
        Ok(())
    }

    /// Hosts fetch keys and report logins.
    fn contact_hosts(&mut self, day: i64) -> Done {
        self.turn(day, 23 * 3_600);
        for place in 0..self.hosts.len() {
            if day > self.hosts[place].last_day {
                continue;
            }
            let bearer = format!("Bearer {}", self.hosts[place].secret);
            let time = self.clock.now().to_string();
            let headers = [
                ("Authorization", bearer.as_str()),
                ("User-Agent", "keycroft-host/0.1.0"),
                ("Keycroft-Time", time.as_str()),
            ];
            let from = format!("10.0.9.{}", 10 + place);
            let path = "/api/v1/hosts/self/authorized-keys";
            let (_, keys) = self.send(Peer::Network, &from, "GET", path, &headers, None)?;
            let keys = keys["items"].as_array().cloned().unwrap_or_default();
            let mut logins = Vec::new();
            for key in keys {
                if self.random.below(6) == 0 {
                    logins.push(
                        json!({"login": key["login"], "fingerprint": key["fingerprint"],
                        "address": format!("10.0.0.{}", 20 + self.random.below(60)), "at": time}),
                    );
                }
            }
            let path = "/api/v1/hosts/self/logins";
            let logins = Value::Array(logins);
            self.send(Peer::Network, &from, "POST", path, &headers, Some(&logins))?;
        }
        Ok(())
    }

    /// Some people sign in to the console, create a token, and somebody mistypes a password.
    fn sign_in(&mut self, day: i64) -> Done {
        self.turn(day, 23 * 3_600 + 600);
        for _ in 0..3 {
            let count = u64::try_from(self.bearers.len())?;
            let place = usize::try_from(self.random.below(count))?;
            let (name, bearer) = self.bearers[place].clone();
            if name == "sven" {
                continue;
            }
            let origin = Origin {
                channel: Channel::Console,
                address: Some(format!("10.0.0.{}", 20 + place).parse()?),
                program: Some(BROWSERS[place % BROWSERS.len()].to_owned()),
                request_id: None,
            };
            let typed = if self.random.below(6) == 0 {
                "not this one, sorry"
            } else {
                PASSWORD
            };
            let password = Password::typed(typed).map_err(std::string::ToString::to_string)?;
            let now = self.clock.now();
            let app = &self.server_state.app;
            // A wrong password is an event, not a failure of the demo.
            let _ = app.sign_in(name, &password, None, origin, now);
            if day == DAYS - 1 {
                let body = json!({"name": "keycroft login on laptop", "expires_in": "24h"});
                self.act(Some(&bearer), "POST", "/api/v1/tokens", &body)?;
            }
        }
        Ok(())
    }

    /// Writes the uses in memory to the database, with the day on which they were.
    fn flush(&mut self) -> Done {
        self.app_state.close();
        let path = self.app_state_path();
        self.app_state = AppState::open(&path, self.clock.clone())?;
        self.server_state = ServerState::open(&self.app_state, &self.settings)?;
        Ok(())
    }

    fn app_state_path(&self) -> std::path::PathBuf {
        std::env::args_os()
            .nth(1)
            .map_or_else(|| "demo.db".into(), Into::into)
    }

    /// The last acts: somebody leaves, and a host is paused.
    fn finish(&mut self) -> Done {
        self.turn(DAYS, 0);
        let ada = self.bearer("ada")?;
        self.act(
            Some(&ada),
            "POST",
            "/api/v1/users/jonas/offboard",
            &json!({}),
        )?;
        let hosts = self.act(Some(&ada), "GET", "/api/v1/hosts", &Value::Null)?;
        for host in hosts["items"].as_array().into_iter().flatten() {
            if host["name"] == "gpu2" {
                let path = format!("/api/v1/hosts/{}", text(host, "id")?);
                self.act(Some(&ada), "PATCH", &path, &json!({"paused": true}))?;
            }
        }
        self.delete_bearer(&ada)?;
        self.app_state.close();
        Ok(())
    }
}

fn text(value: &Value, name: &str) -> Done<String> {
    let found = value[name].as_str();
    Ok(found
        .ok_or_else(|| format!("no {name} in {value}"))?
        .to_owned())
}

fn main() -> Done {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err("usage: demo FILE".into());
    };
    let mut lab = Lab::create(Path::new(&path))?;
    lab.set_up()?;
    for day in 0..DAYS {
        lab.live(day)?;
    }
    lab.finish()?;
    println!(
        "{}: sign in as ada or bob with \"{PASSWORD}\"",
        Path::new(&path).display()
    );
    Ok(())
}
