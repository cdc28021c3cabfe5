//! Bars N1 and N2: the server delivers notices to a receiver over HTTP, at least once, and bounded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use keycroft::model::secret::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::receiver::{Answer, Receiver};
use crate::store::process::{Server, keycroft, new_lab, run as run_command, stdout_of, until};

/// A database with an admin alice, a server and a receiver.
struct Lab {
    _folder: TempDir,
    db: PathBuf,
    server: Server,
    receiver: Receiver,
    alice: String,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("keycroft.db");
        let alice = new_lab(&db);
        Self {
            server: start(&db),
            _folder: folder,
            db,
            receiver: Receiver::start(),
            alice,
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.server.client().ask(method, path, &self.alice, &body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// Creates a channel to the receiver. Returns the answer.
    fn channel(&self, kind: &str) -> Value {
        let url = self.receiver.url(&format!("/{kind}"));
        let body = json!({"name": kind, "kind": kind, "url": url});
        self.ask("POST", "/api/v1/notices/channels", &body)
    }

    fn test(&self, channel: &Value) -> String {
        let id = channel["id"].as_str().unwrap();
        let path = format!("/api/v1/notices/channels/{id}/test");
        let sent = self.ask("POST", &path, &json!({}));
        sent["id"].as_str().unwrap().to_owned()
    }

    fn deliveries(&self) -> Vec<Value> {
        let listed = self.ask("GET", "/api/v1/notices/deliveries?limit=200", &Value::Null);
        listed["items"].as_array().unwrap().clone()
    }

    /// The first try of a notice.
    fn first_try(&self, notice: &str) -> Value {
        let mut found = None;
        until("the notice is tried", || {
            found = self
                .deliveries()
                .into_iter()
                .find(|one| one["id"] == notice);
            found.is_some()
        });
        found.unwrap()
    }
}

fn start(db: &Path) -> Server {
    Server::spawn(&mut keycroft(
        db,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--public-url",
            "https://keys.lab.example",
        ],
    ))
}

#[test]
fn webhook_is_signed_over_time_and_body() {
    let lab = Lab::new();
    let channel = lab.channel("webhook");
    let key = channel["secret"].as_str().unwrap();
    let notice = lab.test(&channel);
    let delivery = lab.first_try(&notice);
    assert_eq!(delivery["outcome"], "delivered", "{delivery}");
    assert_eq!(delivery["status"], 200);
    let received = &lab.receiver.received()[0];
    assert_eq!(received.path, "/webhook");
    assert_eq!(received.header("Content-Type"), "application/json");
    let signature = received.header("Keycroft-Signature");
    let (time, code) = signature.split_once(',').unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let message = format!("{time}.{}", received.body);
    let expected = Digest::hmac(key.as_bytes(), message.as_bytes()).hex();
    assert_eq!(code, format!("v1={expected}"));
    let body = received.json();
    assert_eq!(body["id"], notice.as_str());
    assert_eq!(body["type"], "test");
    assert_eq!(body["subject"], "Test of the channel webhook");
    assert_eq!(body["url"], "https://keys.lab.example/admin/notices");
    assert_eq!(body["data"]["sender"], "alice");
    let mut fields: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["at", "data", "id", "subject", "text", "type", "url"]
    );
}

#[test]
fn ntfy_and_chat_get_their_own_forms() {
    let lab = Lab::new();
    let (ntfy, chat) = (lab.channel("ntfy"), lab.channel("chat"));
    let name = json!({"name": "<!channel> \u{e9}\u{1f511}"});
    for channel in [&ntfy, &chat] {
        let id = channel["id"].as_str().unwrap();
        let name = json!({"name": format!("{} {}", name["name"].as_str().unwrap(), id)});
        lab.ask("PATCH", &format!("/api/v1/notices/channels/{id}"), &name);
        let notice = lab.test(channel);
        assert_eq!(lab.first_try(&notice)["outcome"], "delivered");
    }
    let received = lab.receiver.received();
    assert_eq!(received[0].path, "/ntfy");
    assert!(received[0].header("Title").starts_with("=?UTF-8?B?"));
    assert_eq!(
        received[0].header("Click"),
        "https://keys.lab.example/admin/notices"
    );
    assert!(
        received[0].body.starts_with("alice sent this notice"),
        "{received:?}"
    );
    let body = received[1].json();
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with("*Test of the channel &lt;!channel&gt; "),
        "{text}"
    );
    assert!(
        text.ends_with("\nhttps://keys.lab.example/admin/notices"),
        "{text}"
    );
    assert_eq!(body.as_object().unwrap().len(), 1);
}

#[test]
fn expiration_reaches_the_receiver_of_a_running_server() {
    let lab = Lab::new();
    let body = json!({"name": "ci", "expires_in": "3d"});
    lab.ask("POST", "/api/v1/api-keys", &body);
    lab.channel("webhook");
    until("the notice arrives", || !lab.receiver.received().is_empty());
    let notice = lab.receiver.received()[0].json();
    assert_eq!(notice["type"], "api-key.expires");
    assert_eq!(notice["data"]["name"], "ci");
    assert_eq!(notice["data"]["username"], "alice");
    assert!(
        notice["subject"]
            .as_str()
            .unwrap()
            .starts_with("API key ci expires in ")
    );
}

#[test]
fn failing_receiver_is_tried_again_or_given_up() {
    let lab = Lab::new();
    for (number, (status, outcome, detail)) in [
        (500, "failed", ""),
        (404, "failed", ""),
        (410, "given-up", "the receiver no longer exists"),
        (204, "delivered", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let url = lab.receiver.url("/x");
        let body = json!({"name": format!("hook {number}"), "kind": "webhook", "url": url});
        let channel = lab.ask("POST", "/api/v1/notices/channels", &body);
        lab.receiver.answer(Answer::status(status));
        let delivery = lab.first_try(&lab.test(&channel));
        assert_eq!(delivery["outcome"], outcome, "{delivery}");
        assert_eq!(delivery["status"], status);
        assert_eq!(delivery["detail"], detail);
        assert_eq!(delivery["next_try_at"].is_null(), outcome != "failed");
    }
}

#[test]
fn redirect_is_not_followed() {
    let lab = Lab::new();
    let other = Receiver::start();
    let channel = lab.channel("webhook");
    let answer = format!(
        "HTTP/1.1 307 X\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        other.url("/stolen")
    );
    lab.receiver.answer(Answer::Bytes(answer.into_bytes()));
    let delivery = lab.first_try(&lab.test(&channel));
    assert_eq!(delivery["outcome"], "failed");
    assert_eq!(delivery["status"], 307);
    assert_eq!(
        delivery["detail"],
        "the receiver redirects; enter the final URL"
    );
    assert!(other.received().is_empty());
}

#[test]
fn unreachable_receiver_fails_without_its_path_in_the_log() {
    let lab = Lab::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for (name, url) in [
        ("nothing listens", format!("http://127.0.0.1:{port}/s3cr3t")),
        ("no such name", "http://nothing.invalid/s3cr3t".to_owned()),
        (
            "no TLS",
            lab.receiver.url("/s3cr3t").replace("http:", "https:"),
        ),
    ] {
        let body = json!({"name": name, "kind": "chat", "url": url});
        let channel = lab.ask("POST", "/api/v1/notices/channels", &body);
        let delivery = lab.first_try(&lab.test(&channel));
        assert_eq!(delivery["outcome"], "failed", "{name}");
        let detail = delivery["detail"].as_str().unwrap();
        assert!(
            !detail.is_empty() && !detail.contains("s3cr3t"),
            "{name}: {detail}"
        );
    }
    assert!(!lab.server.said_so_far().contains("s3cr3t"));
}

/// A receiver that never answers, or answers without end, delays neither requests nor other channels for long.
#[test]
fn hanging_or_endless_receiver_is_cut_off() {
    let lab = Lab::new();
    let other = Receiver::start();
    let body = json!({"name": "other", "kind": "webhook", "url": other.url("/")});
    let others = lab.ask("POST", "/api/v1/notices/channels", &body);
    let channel = lab.channel("webhook");
    lab.receiver.answer(Answer::Hang);
    let hanging = lab.test(&channel);
    until("it hangs", || !lab.receiver.received().is_empty());
    let second = lab.test(&channel);
    let behind = lab.test(&others);
    let delivery = lab.first_try(&hanging);
    assert_eq!(delivery["outcome"], "failed");
    assert_eq!(delivery["detail"], "no answer within 10 seconds");
    assert_eq!(lab.first_try(&behind)["outcome"], "delivered");
    // The channel rests: its other notice was not tried.
    assert!(
        lab.deliveries()
            .iter()
            .all(|one| one["id"] != second.as_str())
    );
    let mut endless = b"HTTP/1.1 200 X\r\nContent-Length: 10485760\r\n\r\n".to_vec();
    endless.resize(endless.len() + 10_485_760, b'x');
    other.answer(Answer::Bytes(endless));
    let delivery = lab.first_try(&lab.test(&others));
    assert_eq!(delivery["outcome"], "delivered", "{delivery}");
    assert_eq!(delivery["detail"], "");
}

/// Bar N1: `kill -9` in the middle of deliveries loses nothing, and repeats one notice at most.
#[test]
fn killed_server_loses_no_notice_and_repeats_one_at_most() {
    const NOTICES: usize = 60;
    let mut lab = Lab::new();
    let channel = lab.channel("webhook");
    lab.receiver.answer(Answer::Hang);
    let sent: Vec<String> = (0..NOTICES).map(|_| lab.test(&channel)).collect();
    until("the first is tried", || !lab.receiver.received().is_empty());
    lab.server.signal("KILL");
    let _ = lab.server.child.wait();
    lab.receiver.answer(Answer::status(200));
    let mut kills = 1;
    loop {
        let before = lab.receiver.received().len();
        lab.server = start(&lab.db);
        until("more is delivered", || {
            lab.receiver.received().len() > before + 3 || lab.receiver.received().len() >= NOTICES
        });
        lab.server.signal("KILL");
        let _ = lab.server.child.wait();
        kills += 1;
        if lab.receiver.received().len() >= NOTICES {
            break;
        }
    }
    lab.server = start(&lab.db);
    until("all are delivered", || {
        let path = "/api/v1/notices/channels";
        lab.ask("GET", path, &Value::Null)["items"][0]["waiting"] == 0
    });
    let mut times = HashMap::<String, usize>::new();
    for received in lab.receiver.received() {
        *times
            .entry(received.json()["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert!(
        sent.iter().all(|id| times.contains_key(id)),
        "a notice was lost"
    );
    let repeated = times.values().filter(|count| **count > 1).count();
    assert!(times.values().all(|count| *count <= 2), "{times:?}");
    assert!(repeated <= kills, "{repeated} repeated by {kills} kills");
    assert!(kills > 3);
}

/// A full disk, for one: the notice was delivered, and its try can't be recorded.
#[test]
fn delivery_that_is_not_recorded_is_not_repeated() {
    let lab = Lab::new();
    let channel = lab.channel("webhook");
    let file = rusqlite::Connection::open(&lab.db).unwrap();
    let stop = "CREATE TRIGGER stop BEFORE INSERT ON notice_deliveries BEGIN SELECT raise(ABORT, 'no'); END";
    file.execute_batch(stop).unwrap();
    let first = lab.test(&channel);
    until("it is delivered", || !lab.receiver.received().is_empty());
    until("the failure is logged", || {
        lab.server
            .said_so_far()
            .contains("notices are not delivered at the moment")
    });
    let second = lab.test(&channel);
    file.execute_batch("DROP TRIGGER stop").unwrap();
    assert_eq!(lab.first_try(&first)["outcome"], "delivered");
    assert_eq!(lab.first_try(&second)["outcome"], "delivered");
    let received = lab.receiver.received().into_iter();
    let ids: Vec<String> = received
        .map(|one| one.json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [first, second]);
}

#[test]
fn command_creates_tests_and_deletes_a_channel() {
    let lab = Lab::new();
    let run = |arguments: &[&str]| stdout_of(&lab.db, arguments);
    let url = lab.receiver.url("/x");
    let key = run(&[
        "notice-channel",
        "create",
        "tickets",
        "--kind",
        "webhook",
        "--url",
        &url,
    ]);
    assert_eq!(key.len(), 40);
    run(&["notice", "test", "tickets"]);
    assert_eq!(
        lab.receiver.received()[0].json()["data"]["sender"],
        "operator"
    );
    let listed = run(&["notice", "deliveries"]);
    assert!(
        listed.contains("\ttickets\tadmins\tdelivered\t1\t200"),
        "{listed}"
    );
    lab.receiver.answer(Answer::status(503));
    let failed = run_command(&lab.db, &["notice", "test", "tickets"]);
    assert_eq!(failed.status.code(), Some(1));
    let error = String::from_utf8(failed.stderr).unwrap();
    assert!(
        error.contains("not delivered to tickets (status 503)"),
        "{error}"
    );
    run(&["notice-channel", "edit", "tickets", "--name", "helpdesk"]);
    let listed = run(&["notice-channel", "list"]);
    assert!(
        listed.contains("helpdesk\twebhook\thttp://127.0.0.1:"),
        "{listed}"
    );
    run(&["notice-channel", "delete", "helpdesk", "--yes"]);
    assert!(run(&["notice-channel", "list"]).is_empty());
}

/// Bar P6: with a channel and nothing due, the thread sleeps.
#[test]
fn thread_of_notices_sleeps_while_nothing_is_due() {
    let lab = Lab::new();
    let channel = lab.channel("webhook");
    assert_eq!(lab.first_try(&lab.test(&channel))["outcome"], "delivered");
    let pid = lab.server.child.id();
    let switches = || -> Option<String> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let statuses = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
        let own = statuses.filter(|status| status.starts_with("Name:\tnotices\n"));
        let lines = own.flat_map(|status| status.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .into_iter()
            .find(|line| line.starts_with("voluntary_ctxt_switches"))
    };
    let mut before = switches();
    assert!(before.is_some());
    until("it sleeps for 3 seconds", || {
        std::thread::sleep(std::time::Duration::from_secs(3));
        let after = switches();
        std::mem::replace(&mut before, after.clone()) == after
    });
}

#[test]
fn thread_of_notices_starts_with_the_first_channel() {
    let lab = Lab::new();
    let pid = lab.server.child.id();
    let has_thread = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut names = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.any(|name| name.trim_end() == "notices")
    };
    assert!(!has_thread());
    lab.channel("webhook");
    until("the thread runs", has_thread);
}
