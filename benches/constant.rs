//! Answers every request with the same few bytes through the real transport: the constant that `scripts/bench` compares
//! verification with.
//!
//! `constant PORT [STATUS]`, on 127.0.0.1, until SIGTERM. STATUS is 204 (the default, without a body) or 200.
//!
//! docs/performance.md has the cost of verification beyond it.

use std::net::TcpListener;
use std::process::ExitCode;

use keycroft::transport::{
    Admission, Application, Lane, Peer, Rejection, Stop, TransportSettings, serve,
};
use rouille::{Request, Response};

fn main() -> ExitCode {
    // `cargo bench` and `cargo test --benches` start this without a port.
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let Some(port) = arguments.next().and_then(|word| word.parse().ok()) else {
        eprintln!("usage: constant PORT [200|204]");
        return ExitCode::SUCCESS;
    };
    let with_body = arguments.next().as_deref() == Some("200");
    match run(port, with_body) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The handler.
struct Constant {
    with_body: bool,
}

fn run(port: u16, with_body: bool) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let application = Application::new(
        move || Ok::<_, std::convert::Infallible>(Constant { with_body }),
        |_, _| Admission {
            lane: Lane::Quick,
            body_bytes_max: 64 * 1024,
        },
        respond,
        |rejection: Rejection| Response::text(rejection.detail).with_status_code(rejection.status),
    );
    serve(
        &TransportSettings::default(),
        vec![listener],
        &Stop::new(),
        application,
        || (),
    )
}

fn respond(constant: &Constant, _: &Request, _: Peer) -> Response {
    if constant.with_body {
        Response::text("ok\n")
    } else {
        Response::empty_204()
    }
}
