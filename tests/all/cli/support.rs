//! A real server and the real command line, each in a temporary folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::console::markup::{self, Form};
use crate::process::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_keycroft");
pub const PASSWORD: &str = "long grass over quiet water";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A folder with a database, a home for the command line, and a server on the database.
pub struct Lab {
    pub folder: tempfile::TempDir,
    server: Server,
    pub url: String,
}

/// The result of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Lab {
    /// With alice, an admin, and bob.
    pub fn new() -> Self {
        Self::serving(|_| Vec::new())
    }

    /// With more arguments for `serve`, created once the folder exists.
    pub fn serving(more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        for arguments in [
            ["user", "add", "alice", "--admin", "--password-stdin"].as_slice(),
            &["user", "add", "bob", "--password-stdin"],
        ] {
            let done = command(folder.path())
                .args(arguments)
                .arg("--db=keycroft.db")
                .fed(PASSWORD);
            assert_eq!((done.code, done.out.as_str()), (0, ""), "{done:?}");
        }
        let more = more(folder.path());
        let server = serve(folder.path(), &more);
        Self {
            url: server.url.clone(),
            folder,
            server,
        }
    }

    /// With alice logged in by a token.
    pub fn signed_in() -> Self {
        let lab = Self::new();
        lab.sign_in("alice", "lab");
        lab
    }

    pub fn sign_in(&self, name: &str, context: &str) {
        let token = self.token(name);
        let done = self
            .command()
            .args(["login", &self.url, "--with-token", "--context", context])
            .fed(&token);
        assert_eq!(done.code, 0, "{done:?}");
    }

    /// A token with all permissions of a user.
    pub fn token(&self, name: &str) -> String {
        let done = self
            .command()
            .args(["user", "token", name, "--db=keycroft.db"])
            .done();
        assert_eq!(done.code, 0, "{done:?}");
        done.out.trim_end().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self) -> Command {
        command(self.folder.path())
    }

    pub fn run(&self, line: &str) -> Done {
        self.command().args(line.split(' ')).done()
    }

    /// Runs a line that has to succeed. Returns its standard output.
    pub fn expect_success(&self, line: &str) -> String {
        let done = self.run(line);
        assert_eq!(done.code, 0, "{line}: {done:?}");
        done.out
    }

    /// Runs a line that has to fail with `code`. Returns its standard error.
    pub fn bad(&self, line: &str, code: i32) -> String {
        let done = self.run(line);
        assert_eq!(
            (done.code, done.out.as_str()),
            (code, ""),
            "{line}: {done:?}"
        );
        done.err
    }

    pub fn stop_server(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
    }

    /// A browser in which a user is signed in.
    pub fn console(&self, name: &str) -> Console {
        let mut console = Console {
            url: self.url.clone(),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .build()
                .new_agent(),
            cookies: BTreeMap::new(),
        };
        let form = console.open("/login").form("/login");
        let form = form.set("username", name).set("password", PASSWORD);
        assert_eq!(console.submit(&form).status, 303);
        console
    }

    /// Sends a request with a credential. Returns the status.
    pub fn post(&self, path: &str, secret: &str, body: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let answer = agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {secret}"))
            .header("Content-Type", "application/json")
            .send(body);
        answer.unwrap().status().as_u16()
    }
}

/// A browser.
pub struct Console {
    url: String,
    agent: ureq::Agent,
    cookies: BTreeMap<String, String>,
}

/// A page.
pub struct Page {
    pub status: u16,
    pub text: String,
}

impl Page {
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let mut forms = markup::forms(&self.text).into_iter();
        let found = forms.find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("no form for {action}: {}", self.text))
    }
}

impl Console {
    #[track_caller]
    pub fn open(&mut self, path: &str) -> Page {
        let url = format!("{}{path}", self.url);
        let request = self.agent.get(url).header("Cookie", self.cookie());
        let answer = request.header("User-Agent", USER_AGENT).call().unwrap();
        let page = self.take(answer);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page
    }

    pub fn submit(&mut self, form: &Form) -> Page {
        let request = self.agent.post(format!("{}{}", self.url, form.action));
        let answer = request
            .header("Cookie", self.cookie())
            .header("User-Agent", USER_AGENT)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Sec-Fetch-Site", "same-origin")
            .header("Origin", &self.url)
            .send(markup::encode(&form.fields))
            .unwrap();
        self.take(answer)
    }

    fn cookie(&self) -> String {
        let cookies = self.cookies.iter();
        let cookies: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        cookies.join("; ")
    }

    fn take(&mut self, mut answer: ureq::http::Response<ureq::Body>) -> Page {
        for line in answer.headers().get_all("Set-Cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page {
            status: answer.status().as_u16(),
            text: answer.body_mut().read_to_string().unwrap(),
        }
    }
}

fn serve(folder: &Path, more: &[String]) -> Server {
    let mut command = command(folder);
    Server::spawn(
        command
            .args(["serve", "--listen=127.0.0.1:0", "--db=keycroft.db"])
            .args(more),
    )
}

/// Runs a server with more arguments until it listens.
pub fn serve_and_stop(folder: &Path, more: &[&str]) {
    let more: Vec<String> = more.iter().map(ToString::to_string).collect();
    drop(serve(folder, &more));
}

/// The program, with `folder` as current folder, `folder/home` as home, and an otherwise empty environment.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("HOME", folder.join("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The program started by a shell, which sets limits first.
pub fn by_shell(folder: &Path, before: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .current_dir(folder)
        .env_clear()
        .envs(crate::fixture::clock_environment())
        .env("HOME", folder.join("home"))
        .env("PATH", "/usr/bin:/bin");
    shell
        .arg("-c")
        .arg(format!("{before} exec \"$0\" \"$@\""))
        .arg(PROGRAM)
        .args(arguments);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

pub trait Run {
    fn done(&mut self) -> Done;
    /// With `text` on standard input.
    fn fed(&mut self, text: &str) -> Done;
    fn with(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self;
}

impl Run for Command {
    fn done(&mut self) -> Done {
        let output = self.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn fed(&mut self, text: &str) -> Done {
        let mut child = self.stdin(Stdio::piped()).spawn().unwrap();
        // A program that fails before it reads closes its end, which does not matter here.
        let _ = writeln!(child.stdin.take().unwrap(), "{text}");
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn with(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.env(name, value.as_ref())
    }
}

/// Replaces times, ids, secrets and addresses by names, so that the rest can be compared.
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            plain.push('\n');
        }
        let mut word = String::new();
        for character in line.chars().chain(['\n']) {
            if character.is_ascii_alphanumeric() || "-:_…".contains(character) {
                word.push(character);
            } else {
                plain.push_str(&plain_word(&word));
                word.clear();
                if character != '\n' {
                    plain.push(character);
                }
            }
        }
    }
    plain
}

fn plain_word(word: &str) -> String {
    // A word of 12 letters would match too: an id need not have a digit.
    let is_id = |word: &str| {
        word.len() == 12
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    };
    let is_secret =
        |word: &str| word.len() == 55 && word.starts_with("kc") && word.as_bytes()[3] == b'_';
    let is_hint = |word: &str| word.starts_with("kc") && word.ends_with("_…");
    let is_time =
        |word: &str| word.len() == 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z');
    let is_day =
        |word: &str| word.len() == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
    match word {
        word if is_secret(word) => format!("{}SECRET", &word[..4]),
        word if is_hint(word) => format!("{}ID_…", &word[..4]),
        word if is_time(word) => "TIME".to_owned(),
        word if is_day(word) => "DAY".to_owned(),
        word if is_id(word) => "ID".to_owned(),
        word => match word
            .strip_prefix("1:")
            .filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
        {
            Some(_) => "1:PORT".to_owned(),
            None => word.to_owned(),
        },
    }
}
