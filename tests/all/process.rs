//! The real program as a process: a server, and one connection to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Time limit of a test; no test passes because of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it holds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came true");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The program with a database, without a command.
pub fn keycroft(db: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keycroft"));
    command
        .args(arguments)
        .arg("--db")
        .arg(db)
        .env_clear()
        .envs(crate::fixture::clock_environment());
    command
}

/// A running server.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// A server on a database.
    pub fn start(db: &Path) -> Self {
        Self::spawn(&mut keycroft(db, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Runs the command until it listens.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let mut first = String::new();
        let url = loop {
            first.clear();
            assert!(
                lines.read_line(&mut first).unwrap() > 0,
                "it did not start: {}",
                log.lock().unwrap()
            );
            log.lock().unwrap().push_str(&first);
            if let Some(url) = first.trim_end().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let (_, address) = url.split_once("://").unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
            url,
            log,
            reader: Some(reader),
        }
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// Waits for its end. Returns its log.
    pub fn ended(mut self) -> (std::process::ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    /// Sends SIGTERM and waits for its end.
    pub fn terminate(self) -> (std::process::ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Its standard error so far, for what must not be in it.
    pub fn said_so_far(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its standard error once it contains `part`: lines arrive through a pipe, some time after what they tell.
    #[track_caller]
    pub fn log_with(&self, part: &str) -> String {
        let begun = std::time::Instant::now();
        loop {
            let log = self.said_so_far();
            if log.contains(part) {
                return log;
            }
            let waited = begun.elapsed();
            assert!(
                waited < std::time::Duration::from_secs(30),
                "no {part:?} in {log}"
            );
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    pub fn client(&self) -> Client {
        Client {
            stream: BufReader::new(TcpStream::connect(self.address).unwrap()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A field of the JSON body.
    pub fn field(&self, name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        value[name].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// The same client on a new connection.
    pub fn reconnect(&mut self) {
        let server = self.stream.get_ref().peer_addr().unwrap();
        self.stream = BufReader::new(TcpStream::connect(server).unwrap());
    }

    /// Sends a request without waiting for the answer.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        secret: &str,
        body: &str,
    ) -> std::io::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nUser-Agent: store-test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Sends a form without a credential.
    pub fn form(&mut self, path: &str, fields: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{fields}",
            fields.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.answer().unwrap()
    }

    /// Requests a page of the console in a session, on a separate connection, which ends with the answer.
    pub fn page(&mut self, path: &str, session: &str) -> Answer {
        self.reconnect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: keycroft-session={session}\r\nConnection: close\r\n\r\n"
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        self.stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let answer = Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        self.reconnect();
        answer
    }

    /// Reads an answer; an error if the server is gone.
    pub fn answer(&mut self) -> std::io::Result<Answer> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        let status = head[9..12].parse().unwrap();
        let body = String::from_utf8(body).unwrap();
        Ok(Answer { status, head, body })
    }

    pub fn try_ask(
        &mut self,
        method: &str,
        path: &str,
        secret: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        self.send(method, path, secret, body)?;
        self.answer()
    }

    pub fn ask(&mut self, method: &str, path: &str, secret: &str, body: &str) -> Answer {
        self.try_ask(method, path, secret, body).unwrap()
    }

    pub fn verify(&mut self, secret: &str) -> u16 {
        self.ask("GET", "/verify", secret, "").status
    }
}
