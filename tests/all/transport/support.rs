//! A server with a tiny handler that records its calls, and a raw client.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use keycroft::http::HttpSettings;
use keycroft::transport::{
    Admission, Application, Deadlines, Lane, Peer, PoolLimits, Rejection, Stop, TransportSettings,
    serve,
};
use rouille::{Request, Response, ResponseBody};
use socket2::{Domain, SockRef, Socket, Type};

/// Time limit of a test; no test passes because of it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// A deadline that a test waits for.
pub const SOON: Duration = Duration::from_millis(300);
/// A deadline that no test reaches.
pub const NEVER: Duration = Duration::from_secs(600);

/// Shared by the handlers of all threads, so that a test can hold requests.
#[derive(Default)]
pub struct Shared {
    /// Handlers opened.
    pub opened: AtomicUsize,
    /// Handlers dropped.
    pub closed: AtomicUsize,
    /// Requests to `/held` that are being answered.
    pub held: AtomicUsize,
    /// Requests to `/held` that were answered.
    pub let_go: AtomicUsize,
    /// Requests to `/slow` that were answered.
    pub slow: AtomicUsize,
    gate: Mutex<bool>,
    opens: Condvar,
}

impl Shared {
    /// Releases every request to `/held`, now and from now on.
    pub fn open_gate(&self) {
        *self.gate.lock().unwrap() = true;
        self.opens.notify_all();
    }

    fn wait_at_gate(&self) {
        self.held.fetch_add(1, SeqCst);
        let mut open = self.gate.lock().unwrap();
        while !*open {
            open = self.opens.wait(open).unwrap();
        }
        self.let_go.fetch_add(1, SeqCst);
    }
}

/// The handler of one thread; not `Sync`, like a database connection.
pub struct ServerState {
    shared: Arc<Shared>,
    not_sync: std::cell::Cell<usize>,
}

impl Drop for ServerState {
    fn drop(&mut self) {
        self.shared.closed.fetch_add(1, SeqCst);
    }
}

fn admit(_method: &str, path: &str) -> Admission {
    let lane = match path {
        "/work" | "/held" | "/long" | "/sized" | "/work-panic" | "/cut" => Lane::Work,
        "/hash" => Lane::Hash,
        _ => Lane::Quick,
    };
    let body_bytes_max = match path {
        "/none" => 0,
        "/megabytes" => 8 * 1024 * 1024,
        _ => 1000,
    };
    Admission {
        lane,
        body_bytes_max,
    }
}

fn respond(server_state: &ServerState, request: &Request, peer: Peer) -> Response {
    server_state.not_sync.set(server_state.not_sync.get() + 1);
    match request.raw_url().split('?').next().unwrap_or_default() {
        "/panic" | "/work-panic" => panic!("as the test asked"),
        "/peer" => return Response::text(format!("{peer:?}")),
        "/empty" => return Response::empty_204(),
        "/thread" => return Response::text(format!("{:?}", std::thread::current().id())),
        "/held" | "/hash" | "/held-worker" => server_state.shared.wait_at_gate(),
        "/slow" => {
            thread::sleep(SOON);
            server_state.shared.slow.fetch_add(1, SeqCst);
        }
        "/inject" => {
            return Response::text("").with_additional_header("X-Bad", "a\r\nSet-Cookie: b=c");
        }
        "/inject-nul" => return Response::text("").with_additional_header("X-Bad", "a\0b"),
        "/inject-name" => return Response::text("").with_additional_header("X-Bad: a\r\nX", "b"),
        "/status-99" => return Response::text("").with_status_code(99),
        "/status-101" => return Response::text("").with_status_code(101),
        "/status-600" => return Response::text("").with_status_code(600),
        "/reserved" => {
            return Response::text("ok")
                .with_additional_header("Content-Length", "1")
                .with_additional_header("Transfer-Encoding", "chunked")
                .with_additional_header("Connection", "upgrade");
        }
        "/long" => {
            return Response {
                data: ResponseBody::from_reader(std::io::repeat(b'x').take(3_000_000)),
                ..Response::text("")
            };
        }
        "/sized" => {
            let data = std::io::repeat(b'x').take(3_000_000);
            return Response {
                data: ResponseBody::from_reader_and_size(data, 3_000_000),
                ..Response::text("")
            };
        }
        "/cut" => {
            let data = std::io::repeat(b'x').take(1_000_000).chain(Failing);
            return Response {
                data: ResponseBody::from_reader(data),
                ..Response::text("")
            };
        }
        "/big" => return Response::text("y".repeat(40_000_000)),
        _ => {}
    }
    let Some(mut data) = request.data() else {
        return Response::text("over the limit").with_status_code(413);
    };
    let mut body = String::new();
    data.read_to_string(&mut body).unwrap();
    let mut message = format!(
        "{} {} from {}\n",
        request.method(),
        request.raw_url(),
        request.remote_addr().ip()
    );
    let mut headers: Vec<_> = request.headers().collect();
    headers.sort_unstable();
    for (name, value) in headers {
        writeln!(message, "{name}: {value}").unwrap();
    }
    writeln!(message, "body: {body}").unwrap();
    Response::text(message)
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("as the test asked"))
    }
}

/// A running server; stops on drop.
pub struct Server {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    pub stop: Stop,
    thread: Option<thread::JoinHandle<std::io::Result<()>>>,
}

/// Settings under which no deadline ends a test by chance.
pub fn settings() -> TransportSettings {
    let pool = PoolLimits {
        threads_max: 2,
        queue_max: 4,
        idle: NEVER,
        patience: NEVER,
    };
    TransportSettings {
        workers: 2,
        work: pool,
        hash: PoolLimits {
            threads_max: 1,
            queue_max: 2,
            ..pool
        },
        connections_max: 2000,
        connections_per_address_max: 1000,
        deadlines: Deadlines {
            handshake: NEVER,
            head: NEVER,
            body: NEVER,
            idle: NEVER,
            write: NEVER,
            linger: SOON,
            stop: PATIENCE,
        },
        tls: None,
        signals: false,
        ..TransportSettings::default()
    }
}

impl Server {
    pub fn start() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: TransportSettings) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), settings)
    }

    pub fn on(listener: TcpListener, settings: TransportSettings) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let stop = Stop::new();
        let thread = thread::spawn({
            let (stop, shared) = (stop.clone(), Arc::clone(&shared));
            let open = move || {
                shared.opened.fetch_add(1, SeqCst);
                Ok::<_, String>(ServerState {
                    shared: Arc::clone(&shared),
                    not_sync: std::cell::Cell::new(0),
                })
            };
            move || {
                let application = Application::new(open, admit, respond, reject());
                serve(&settings, vec![listener], &stop, application, || ())
            }
        });
        Self {
            address,
            shared,
            stop,
            thread: Some(thread),
        }
    }

    pub fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// Sends these bytes and nothing more. Returns everything until the server closes.
    pub fn exchange(&self, sent: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        client.send(sent);
        client.rest()
    }

    /// Returns whether a new connection is answered.
    pub fn is_alive(&self) -> bool {
        let mut client = self.connect();
        client.send("GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
        client.answer().status == 200
    }

    /// Waits for the server to return.
    pub fn ended(&mut self) -> std::io::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.open_gate();
        self.stop.now();
        self.stop.now();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// A client with this source address.
    pub fn from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::new(socket.into())
    }

    /// A client with so small a buffer that the server soon has to wait for it.
    pub fn narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::new(socket.into())
    }

    /// Requests a path, and expects the connection to stay open.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.answer()
    }

    /// Closes at once, with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    /// Sends bytes one by one with a pause between, until the server ends the connection. Returns its answer. During a
    /// pause nothing comes back.
    pub fn trickle(mut self, mut bytes: impl Iterator<Item = u8>) -> String {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let byte = bytes.next().expect("the server ended the connection");
                    if self.stream.write_all(&[byte]).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        self.read_text()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends nothing more; waits for answers.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer, by its Content-Length or its chunks; none of 100.
    pub fn answer(&mut self) -> Answer {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                break String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            assert!(self.more(), "the connection ended: {:?}", self.read_text());
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length").map(|text| text.parse::<usize>().unwrap());
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        if matches!(status, 100 | 204 | 304) {
            return answer;
        }
        let length = length.expect("a length");
        while self.read.len() < length {
            assert!(self.more(), "the connection ended: {:?}", self.read_text());
        }
        let rest = self.read.split_off(length);
        answer.body = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        answer
    }

    /// Everything until the server closes.
    pub fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// The head of an answer, or the bytes before the connection ended.
    pub fn rest_until_answer(&mut self) -> String {
        while find(&self.read, b"\r\n\r\n").is_none() && self.more() {}
        self.read_text()
    }

    /// Waits for the server to close.
    pub fn is_closed(&mut self) -> bool {
        !self.more()
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    fn read_text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Waits until this holds; fails after a time limit.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        thread::yield_now();
    }
}

/// The program's own answers to requests that the transport rejects, on plain HTTP.
pub fn reject() -> impl Fn(Rejection) -> Response + Send + Sync {
    let settings = HttpSettings {
        public_url: "http://127.0.0.1:8420".to_owned(),
        public_url_given: false,
        behind_proxy: None,
        untrusted_forwarder: std::sync::OnceLock::new(),
        certificate: None,
    };
    keycroft::http::reject(&Arc::new(settings))
}
