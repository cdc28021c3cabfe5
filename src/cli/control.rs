//! HTTP over the control socket of a running server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::OFlags;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Longest time that one read or write may take: a server may wait for its disk.
const IO_TIME: Duration = Duration::from_secs(60);
/// The size of each buffer, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// Why the control socket of a database is not used.
#[derive(Debug)]
pub enum ControlError {
    /// No server listens: no socket, one that a killed server left, or a server that is stopping.
    NoServer,
    /// A reason that does not go away by waiting.
    Rejected(String),
}

/// Connects to the server of the database at `path` and checks who that server is.
pub fn connect(path: &Path) -> Result<UnixStream, ControlError> {
    let socket = crate::transport::control_socket_path(path);
    let rejected = |why: &str| {
        Err(ControlError::Rejected(format!(
            "{}: {why}",
            socket.display()
        )))
    };
    match fs::symlink_metadata(&socket) {
        Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return rejected("permission denied; run this as the database's owner or as root");
        }
        Ok(_) | Err(_) => return Err(ControlError::NoServer),
    }
    let stream = match connect_through_folder(&socket) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return rejected("permission denied; run this as the database's owner or as root");
        }
        Err(_) => return Err(ControlError::NoServer),
    };
    let Ok(server) = rustix::net::sockopt::socket_peercred(&stream) else {
        return rejected("the user of its server is unknown");
    };
    let own = rustix::process::geteuid();
    if server.uid != own && !server.uid.is_root() {
        return rejected(&format!(
            "its server runs as user {}, not as {}; nothing was sent",
            server.uid.as_raw(),
            own.as_raw()
        ));
    }
    Ok(stream)
}

/// A socket's path may have 107 bytes; the folder is named by a descriptor instead.
fn connect_through_folder(socket: &Path) -> io::Result<UnixStream> {
    let folder = open_folder(socket)?;
    let name = socket.file_name().unwrap_or_default();
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    UnixStream::connect(short)
}

fn open_folder(socket: &Path) -> io::Result<File> {
    let folder = socket
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::PATH.union(OFlags::DIRECTORY).bits().cast_signed())
        .open(folder)
}

/// An agent whose only connection is this one.
pub fn agent(stream: UnixStream, config: ureq::config::Config) -> io::Result<ureq::Agent> {
    stream.set_read_timeout(Some(IO_TIME))?;
    stream.set_write_timeout(Some(IO_TIME))?;
    let connector = ControlConnector(Mutex::new(Some(stream)));
    Ok(ureq::Agent::with_parts(config, connector, FixedResolver))
}

/// Hands the connection out once; the agent keeps it for further requests.
#[derive(Debug)]
struct ControlConnector(Mutex<Option<UnixStream>>);

impl Connector for ControlConnector {
    type Out = ControlTransport;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let taken = self.0.lock().ok().and_then(|mut stream| stream.take());
        let stream = taken.ok_or_else(|| ureq::Error::Io(io::ErrorKind::NotConnected.into()))?;
        Ok(Some(ControlTransport {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
        }))
    }
}

#[derive(Debug)]
struct ControlTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl Transport for ControlTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output).map_err(ureq::Error::Io)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let count = self.stream.read(input).map_err(ureq::Error::Io)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

/// The connection is made already: nothing is resolved.
#[derive(Debug)]
struct FixedResolver;

impl Resolver for FixedResolver {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(addresses)
    }
}
