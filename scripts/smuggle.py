#!/usr/bin/env python3
"""Requests that two programs could parse differently, sent to a test server or to a proxy in front of it. Standard library only.

smuggle.py vectors NAME URL SECRET LOG    each vector hides a change (DELETE /api/v1/sessions, as nobody); in the server's LOG it must never appear
smuggle.py crowd NAME URL SECRET NUMBER   slow heads, slow bodies and never-readers; verification goes on meanwhile

One line for each bar: `bar: figure, holds` or `falls short`.
"""

import socket
import sys
import time
import urllib.parse

WHAT, NAME = sys.argv[1:3]
URL = urllib.parse.urlsplit(sys.argv[3])
SECRET = sys.argv[4]
HOST = f"Host: {URL.netloc}\r\n"
HIDDEN = f"DELETE /api/v1/sessions HTTP/1.1\r\n{HOST}\r\n"
short = 0


def line(bar, figure, holds):
    global short
    short += not holds
    print(f"{bar}: {figure}, {'holds' if holds else 'falls short'}", flush=True)


def connect(buffer=None):
    s = socket.socket()
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(10)
    s.connect((URL.hostname, URL.port))
    return s


def verify():
    """The time of a verification on a new connection, in milliseconds; None for a wrong answer."""
    begin = time.perf_counter()
    try:
        s = connect()
        s.sendall(f"GET /verify HTTP/1.1\r\n{HOST}Authorization: Bearer {SECRET}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := s.recv(4096):
            answer += part
        s.close()
    except OSError:
        return None
    is_valid = answer.startswith(b"HTTP/1.1 204") and b"remote-user: alice" in answer.lower() and answer.count(b"HTTP/1.1") == 1
    return (time.perf_counter() - begin) * 1000 if is_valid else None


def post(headers, body):
    return f"POST /oauth/revoke HTTP/1.1\r\n{HOST}Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}"


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n"


def vectors():
    """Names and bytes. A program that finds two requests in one of them parses it wrongly, or differently from another program."""
    end = "0\r\n\r\n"
    both = f"Content-Length: {len(end + HIDDEN)}\r\nTransfer-Encoding: chunked\r\n"
    yield "CL.TE", post(both, end + HIDDEN)
    yield "TE.CL", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", chunk(HIDDEN) + end)
    for number, coding in enumerate((
        "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
        " Transfer-Encoding: chunked", "X: x\r\n Transfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked", "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\x00", "Transfer-Encoding: \"chunked\"", "X: x\nTransfer-Encoding: chunked", "transfer_encoding: chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunKed;q=1", "Content-Encoding: chunked", "Transfer-Encoding:chunked\r", "TRANSFER-ENCODING: CHUNKED",
    )):
        # Without the chunked coding, the length applies: the hidden request lies within it, and the other way round.
        yield f"TE.TE {number} by length", post(f"Content-Length: {len(end + HIDDEN)}\r\n{coding}\r\n", end + HIDDEN)
        if coding.lower().lstrip().startswith("transfer-encoding") or "\n" in coding:
            yield f"TE.TE {number} by chunks", post(f"Content-Length: 4\r\n{coding}\r\n", chunk(HIDDEN) + end)
    inside = len(HIDDEN)
    for number, length in enumerate((
        f"Content-Length: {inside}\r\nContent-Length: 0", f"Content-Length: 0\r\nContent-Length: {inside}", f"Content-Length: 0, {inside}", f"Content-Length: +{inside}", f"Content-Length: -{inside}",
        f"Content-Length: 0x{inside:x}", f"Content-Length: {inside}.0", f"Content-Length : {inside}", f"Content-Length:\x0b{inside}", f"Content-Length: \"{inside}\"", f"Content_Length: {inside}\r\nContent-Length: {inside}",
        f"Content-Length: {inside + 2**64}", f"Content-Length: {inside + 2**32}", f"X: x\r\n Content-Length: 0\r\nContent-Length: {inside}", f"X: x\nContent-Length: 0\r\nContent-Length: {inside}", f"Content-Length: {inside} 0",
    )):
        yield f"CL.CL {number}", post(f"{length}\r\n", HIDDEN)
    for number, size in enumerate(("-1", "+5", "0x5", "5 ", " 5", "5\t", "5;a=\n", "ffffffffffffffff", "10000000000000005", "5\n", "5;\x00", "00000000000000000005", "5\r\r", "")):
        yield f"chunk size {number}", post("Transfer-Encoding: chunked\r\n", f"{size}\r\n{HIDDEN}\r\n{end}")
    yield "chunks that end with LF", post("Transfer-Encoding: chunked\r\n", f"{len(HIDDEN):x}\n{HIDDEN}\n0\n\n")
    yield "trailer with a length", post("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", f"5\r\nhello\r\n0\r\nContent-Length: {inside}\r\nTransfer-Encoding: chunked\r\n\r\n")
    yield "GET with a length", f"GET /healthz HTTP/1.1\r\n{HOST}Content-Length: {inside}\r\n\r\n{HIDDEN}"
    yield "HEAD with chunks", f"HEAD /healthz HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{chunk(HIDDEN)}{end}"
    yield "HTTP/1.0 with chunks", f"POST /oauth/revoke HTTP/1.0\r\n{HOST}Connection: keep-alive\r\nContent-Length: {len(chunk(HIDDEN) + end)}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk(HIDDEN)}{end}"
    yield "upgrade", f"GET /verify HTTP/1.1\r\n{HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: {inside}\r\n\r\n{HIDDEN}"
    yield "expectation", f"POST /oauth/revoke HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: {inside}\r\n\r\n{HIDDEN}"
    yield "length named in Connection", f"POST /oauth/revoke HTTP/1.1\r\n{HOST}Connection: Content-Length\r\nContent-Length: {inside}\r\n\r\n{HIDDEN}"
    yield "coding named in Connection", f"POST /oauth/revoke HTTP/1.1\r\n{HOST}Connection: Transfer-Encoding, keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{chunk(HIDDEN)}{end}"
    yield "line break in the path", f"GET /healthz%0d%0aX:%20y%0d%0a%0d%0aDELETE%20/api/v1/sessions HTTP/1.1\r\n{HOST}\r\n"
    yield "line break in a header", f"GET /healthz HTTP/1.1\r\n{HOST}X: a\rDELETE /api/v1/sessions HTTP/1.1\r\n\r\n"


def send_vectors(log):
    # Sent openly, it is served and logged: otherwise the rest would prove nothing.
    before = open(log, errors="replace").read().count("DELETE /api/v1/sessions")
    s = connect()
    s.sendall(HIDDEN.encode())
    s.recv(4096)
    s.close()
    seen = open(log, errors="replace").read().count("DELETE /api/v1/sessions") > before
    line(f"HTTP smuggling {NAME}, the control", "an open request is seen in the log", seen)
    sent, wrong, probes = 0, [], 0
    for name, text in vectors():
        sent, answers = sent + 1, 0
        before = open(log, errors="replace").read().count("DELETE /api/v1/sessions")
        try:
            s = connect()
            s.settimeout(0.5)
            s.sendall(text.encode("latin-1"))
            try:
                while part := s.recv(65536):
                    answers += part.count(b"HTTP/1.1 ")
            except OSError:
                pass
            s.close()
        except OSError:
            pass
        # The next client, maybe on the same connection behind a proxy, gets its own answer.
        for _ in range(2):
            probes += 1
            if verify() is None:
                wrong.append(f"{name}: the next request was not answered right")
        # A proxy that parses two requests, answers both and forwards both agrees with the server.
        served = open(log, errors="replace").read().count("DELETE /api/v1/sessions") != before
        if served and (NAME == "direct" or answers < 2):
            wrong.append(f"{name}: the hidden request was served")
    for one in wrong:
        print(one, file=sys.stderr)
    line(f"HTTP smuggling {NAME}", f"{sent} vectors, {len(wrong)} went through, {probes} requests behind them", not wrong)


def crowd(number):
    alone = sorted(filter(None, (verify() for _ in range(100))))
    created = []
    page = f"GET /login HTTP/1.1\r\n{HOST}\r\n"
    for kind, first in (
        ("head", f"GET /healthz HTTP/1.1\r\n{HOST}X-A: "),
        ("body", post("Content-Length: 60000\r\n", "a")),
        # A proxy reads the answers itself; more requests would be a flood, not a slow client.
        ("reader", page * 2),
    ):
        for _ in range(number):
            s = connect(buffer=4096)
            s.setblocking(False)
            try:
                s.send(first.encode())
            except OSError:
                pass
            created.append((kind, s))
    times, failed = [], 0
    end = time.monotonic() + 14
    while time.monotonic() < end:
        took = verify()
        failed += took is None
        times.append(took or 10_000)
        for kind, s in created if len(times) % 20 == 0 else ():
            if kind != "reader":
                try:
                    s.send(b"a")
                except OSError:
                    pass
        time.sleep(0.02)
    for _, s in created:
        s.close()
    times.sort()
    p99, before = times[int(len(times) * 0.99)], alone[int(len(alone) * 0.99)]
    holds = failed == 0 and p99 < max(100, 5 * before)
    line(f"R8 {number} each of slow heads, slow bodies, never-readers {NAME}", f"verification p99 {p99:.1f} ms ({before:.1f} ms before), {failed} of {len(times)} failed", holds)


if WHAT == "vectors":
    send_vectors(sys.argv[5])
else:
    crowd(int(sys.argv[5]))
sys.exit(1 if short else 0)
