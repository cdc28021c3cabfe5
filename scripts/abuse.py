#!/usr/bin/env python3
"""Abuses a test server on loopback, with TLS for an https URL, and measures the effect. Standard library only.

abuse.py WHAT URL PID SECRET [NUMBER]      WHAT: slow flood descriptors signins timing sweep; probe is used by them.

One line for each bar: `bar: figure, holds` or `falls short`; exit code 1 when one falls short. The server's descriptors,
threads and memory are read from /proc/PID; latencies come from a process of their own, before and meanwhile.
"""

import http.client
import json
import random
import re
import resource
import select
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

URL = urllib.parse.urlsplit(sys.argv[2])
PEER = (URL.hostname, URL.port)
PID, SECRET = sys.argv[3], sys.argv[4]
TLS = ssl.create_default_context() if URL.scheme == "https" else None
if TLS:
    # The server is known: its certificate is not verified.
    TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
OVER = " over TLS" if TLS else ""
short = 0


def line(bar, figure, holds):
    global short
    short += not holds
    print(f"{bar}: {figure}, {'holds' if holds else 'falls short'}", flush=True)


# --- the server, seen from outside ---


def proc():
    """Threads, resident KiB and descriptors of the server."""
    status = open(f"/proc/{PID}/status").read()
    find = lambda word: int(re.search(rf"{word}:\s+(\d+)", status)[1])
    from os import listdir
    return find("Threads"), find("VmRSS"), len(listdir(f"/proc/{PID}/fd"))


class Peak(threading.Thread):
    """The most memory the server has while it runs, in KiB beyond the beginning."""

    def __enter__(self):
        super().__init__(daemon=True)
        self.base, self.most, self.ended = proc()[1], 0, False
        self.start()
        return self

    def run(self):
        while not self.ended:
            self.most = max(self.most, proc()[1] - self.base)
            time.sleep(0.02)

    def __exit__(self, *_):
        self.ended = True
        self.join()


def connect(source=None, timeout=10, buffer=None):
    s = connect_plainly(source, timeout, buffer)
    return TLS.wrap_socket(s) if TLS else s


def connect_plainly(source=None, timeout=10, buffer=None):
    s = socket.socket(socket.AF_INET6 if ":" in PEER[0] else socket.AF_INET)
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(timeout)
    if source:
        s.bind((source, 0))
    s.connect(PEER)
    return s


VERIFY = f"GET /verify HTTP/1.1\r\nHost: {URL.netloc}\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode()


def verify(s):
    s.sendall(VERIFY)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = s.recv(4096)
        if not part:
            raise OSError("closed")
        answer += part
    return answer.startswith(b"HTTP/1.1 204")


def probe(seconds):
    """Verifies about 150 times a second, each tenth time on a new connection: milliseconds, and how many failed."""
    times, errors, s, number = [], 0, None, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        begin = time.perf_counter()
        try:
            if s is None or number % 10 == 0:
                if s is not None:
                    s.close()
                s = connect()
            errors += not verify(s)
        except OSError:
            errors, s = errors + 1, None
        times.append((time.perf_counter() - begin) * 1000)
        time.sleep(0.006)
    times.sort()
    part = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    print(json.dumps({"n": len(times), "errors": errors, "p50": part(0.5), "p99": part(0.99), "most": times[-1]}))


class Probe:
    """A process that probes meanwhile."""

    def __init__(self, seconds):
        arguments = [sys.executable, __file__, "probe", *sys.argv[2:5], str(seconds)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    def result(self):
        return json.loads(self.process.communicate()[0])


def shown(before, during):
    ratio = during["p99"] / max(before["p99"], 0.01)
    return f"verification p99 {during['p99']:.1f} ms ({ratio:.1f} times alone), {during['errors']} of {during['n']} failed"


def is_quick(before, during):
    """Under 100 ms without an error; on a busy machine, by the ratio to the time without load."""
    return during["errors"] == 0 and during["p99"] < max(100, 5 * before["p99"])


def wait_until(seconds, condition):
    """The time until the answer; None without one."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.1)
    return None


def require_base(bar, base):
    """Threads and descriptors as before, 20 seconds after."""
    back = lambda: proc()[2] <= base[2] + 8 and proc()[0] <= base[0] + 2
    took = wait_until(20, back)
    now = proc()
    line(f"{bar} back to base", f"threads {base[0]} -> {now[0]}, descriptors {base[2]} -> {now[2]}, RSS {base[1]} -> {now[1]} KiB", took is not None)


# --- R8 ---


def crowd(number, by=connect):
    """Many connections, as many as the machine allows."""
    created = []
    for _ in range(number):
        s = by(buffer=4096)
        s.setblocking(False)
        created.append(s)
    return created


def try_send(s, data):
    try:
        s.send(data)
    except OSError:
        pass


HEAD = f"Host: {URL.netloc}\r\n".encode()
CROWDS = {
    "slow heads": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-A: ", b"a"),
    "slow bodies": (b"POST /oauth/revoke HTTP/1.1\r\n" + HEAD + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n", b"a"),
    "never-readers": ((b"GET /login HTTP/1.1\r\n" + HEAD + b"\r\n") * 120, b""),
}


def hello():
    """The ClientHello of TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        TLS.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


if TLS:
    CROWDS["handshakes begun a byte at a time"] = (hello()[:100], b"\0")
    CROWDS["handshakes never finished"] = (hello(), b"")


def warm():
    """As many threads as the pool has at most, once: SQLite keeps the descriptors of their files for the next ones."""
    base = proc()
    created = crowd(128)
    for s in created:
        try_send(s, CROWDS["never-readers"][0])
    time.sleep(1)
    for s in created:
        s.close()
    wait_until(30, lambda: proc()[0] <= base[0] + 2)


def slow(number, idle):
    warm()
    before_all = Probe(3).result()
    for name, (first, then) in CROWDS.items():
        base = proc()
        watch = Probe(15)
        created = crowd(number, connect_plainly if name.startswith("handshakes") else connect)
        begin = time.monotonic()
        for s in created:
            try_send(s, first)
        arrived = wait_until(3, lambda: proc()[2] >= base[2] + number * 0.9)
        closed_after = None
        while time.monotonic() - begin < 16 and closed_after is None:
            for s in created:
                if then:
                    try_send(s, then)
            time.sleep(0.5)
            if proc()[2] <= base[2] + number * 0.05 + 4:
                closed_after = time.monotonic() - begin
        during = watch.result()
        output = f"95 % dropped after {closed_after:.1f} s" if closed_after else f"{proc()[2] - base[2]} of {number} still there"
        held = closed_after is not None and closed_after <= 15 and is_quick(before_all, during) and arrived is not None
        line(f"R8 {number} {name}{OVER}", f"{output}, {shown(before_all, during)}", held)
        for s in created:
            s.close()
        require_base(f"R8 {name}{OVER}", base)
    base = proc()
    watch = Probe(10)
    created = crowd(number)
    answered_count = 0
    for _ in range(3):
        for s in created:
            try_send(s, VERIFY)
        time.sleep(2)
        for s in created:
            try:
                answered_count += s.recv(4096).startswith(b"HTTP/1.1 204")
            except OSError:
                pass
    during = watch.result()
    line(f"R8 {number} keep-alive{OVER}", f"{answered_count} of {number * 3} answered, {shown(before_all, during)}", answered_count == number * 3 and is_quick(before_all, during))
    for s in created:
        s.close()
    require_base(f"R8 keep-alive{OVER}", base)
    if idle:
        base = proc()
        watch = Probe(15)
        created = crowd(idle)
        during = watch.result()
        closed_after = wait_until(80, lambda: proc()[2] <= base[2] + idle * 0.05 + 4)
        output = f"95 % dropped after {closed_after + 15:.0f} s" if closed_after is not None else f"{proc()[2] - base[2]} still there"
        line(f"R8 {idle} idle{OVER}", f"{output}, {shown(before_all, during)}", closed_after is not None and is_quick(before_all, during))
        for s in created:
            s.close()
        require_base(f"R8 idle{OVER}", base)


# --- R9 ---


def push(data, times):
    """Sends until the server stops reading; returns the answer."""
    s = connect(timeout=15)
    try:
        for _ in range(times):
            s.sendall(data)
    except OSError:
        pass
    try:
        answer = s.recv(4096)
    except OSError:
        answer = b""
    s.close()
    return answer.split(b"\r\n")[0].decode("latin-1") or "closed"


def ordinary():
    """The ordinary time of a verification on a new connection, in milliseconds."""
    took = sorted(timed_verification()[1] for _ in range(50))
    return max(50, 5 * took[-1])


def timed_verification():
    begin = time.perf_counter()
    return is_verifying(), (time.perf_counter() - begin) * 1000


def normal_again(ordinary_ms):
    """Seconds until ten verifications in a row on new connections are correct and as quick as before, and the slowest of them."""
    begin = time.monotonic()
    first, row = begin, []
    while len(row) < 10:
        now = time.monotonic()
        if now - begin > 10:
            return None, 0.0
        right, took = timed_verification()
        if not right or took > ordinary_ms:
            row = []
            continue
        first = first if row else now
        row.append(took)
    return first - begin, max(row)


def require_normal(bar, peak, output, ordinary_ms, is_valid=True):
    after, slowest = normal_again(ordinary_ms)
    line(f"R9 {bar}", f"{output}, {peak.most / 1024:.1f} MiB more at most", is_valid and peak.most < 64 * 1024)
    figure = "not within 10 s" if after is None else f"{after:.2f} s after, ten verifications on new connections took at most {slowest:.1f} ms each"
    line(f"R9 normal after {bar}", f"{figure} (ordinary: under {ordinary_ms:.0f} ms)", after is not None and after <= 2)


def is_verifying():
    try:
        s = connect(timeout=2)
        is_valid = verify(s)
        s.close()
        return is_valid
    except OSError:
        return False


def pipeline(number):
    request = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
    s = connect(timeout=20)

    def send():
        try:
            s.sendall(request * number)
        except OSError:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    count, rest = 0, b""
    try:
        while count < number:
            part = s.recv(1 << 16)
            if not part:
                break
            rest += part
            count += rest.count(b"HTTP/1.1 200 OK\r\n")
            rest = rest[-16:] if not rest.endswith(b"HTTP/1.1 200 OK\r\n") else b""
    except OSError:
        pass
    s.close()
    sender.join()
    return count


def flood(pipelined, resets):
    quick = ordinary()
    base = proc()
    with Peak() as peak:
        answer = push(b"POST /oauth/revoke HTTP/1.1\r\n" + HEAD + b"Content-Length: 18446744073709551615\r\n\r\n", 1)
        other = push(b"POST /oauth/revoke HTTP/1.1\r\n" + HEAD + b"Content-Length: 9000000000\r\n\r\n" + b"a" * 65536, 1)
        require_normal("huge Content-Length", peak, f'"{answer}" and "{other}"', quick, answer[9:12] in ("400", "413", "431") and other[9:12] == "413")
    with Peak() as peak:
        answer = push(b"GET /" + b"a" * 65536, 1) if pipelined < 50_000 else push(b"GET /" + b"a" * 65536, 400)
        require_normal("an endless line", peak, f'"{answer}"', quick)
    with Peak() as peak:
        answer = push(b"GET / HTTP/1.1\r\n" + HEAD + b"X-A: b\r\n" * 10_000, 1)
        s = connect()
        try:
            s.sendall(b"GET / HTTP/1.1\r\n" + HEAD)
            for _ in range(100):
                s.sendall(b"X-A: b\r\n" * 10_000)
        except OSError:
            pass
        s.close()
        require_normal("a million headers", peak, f'"{answer}"', quick)
    with Peak() as peak:
        count = pipeline(pipelined)
        require_normal(f"{pipelined} pipelined requests", peak, f"{count} answered", quick, count == pipelined)
    with Peak() as peak:
        before = Probe(2).result()
        watch = Probe(5)
        for number in range(resets):
            s = connect()
            try_send(s, (VERIFY, VERIFY[:20], b"", b"POST /login HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n")[number % 4])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        during = watch.result()
        require_normal(f"{resets} resets", peak, shown(before, during), quick, during["errors"] == 0)
    require_base("R9", base)


def descriptors(number):
    """The server was started with a limit of 256."""
    quick = ordinary()
    base = proc()
    with Peak() as peak:
        created = []
        for _ in range(number):
            try:
                s = connect(timeout=1)
                s.setblocking(False)
                try_send(s, VERIFY)
                created.append(s)
            except OSError:
                pass
        time.sleep(1)
        among = is_verifying()
        most = proc()[2]
        for s in created:
            s.close()
        require_normal(f"{number} connections, 256 descriptors", peak, f"{most} used, a newcomer {'served' if among else 'not served'} meanwhile", quick, most <= 256)
    require_base("R9 descriptors", base)


# --- S6, S7 ---


class SignIn:
    """One browser that tries to sign in, from a separate address."""

    def __init__(self, number):
        # At most 100 in one network: a quick machine reaches its limit of 200 tries a minute.
        self.source = f"127.{1 + number // 25000}.{(number // 100) % 250}.{1 + number % 100}"
        self.connection = http.client.HTTPConnection(*PEER, timeout=60, source_address=(self.source, 0))
        self.connection.request("GET", "/login")
        answer = self.connection.getresponse()
        page = answer.read().decode()
        self.token = re.search(r'name="form_token" value="([0-9a-f]+)"', page)[1]
        self.cookie = re.search(r"(\S*keycroft-browser=\w+)", answer.getheader("Set-Cookie"))[1]

    def go(self, name, password="never was anybody's password"):
        fields = {"username": name, "password": password, "form_token": self.token, "next": ""}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Cookie": self.cookie}
        body = urllib.parse.urlencode(fields)
        begin = time.perf_counter()
        self.connection.request("POST", "/login", body, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - begin


def signins(number, waves):
    before = Probe(3).result()
    base = proc()
    counts = {}
    with Peak() as peak:
        browsers = [SignIn(place) for place in range(number)]
        watch = Probe(5)
        for wave in range(waves):
            barrier = threading.Barrier(number)

            def one(place):
                barrier.wait()
                try:
                    status = browsers[place].go(f"n{wave}x{place}")[0]
                except OSError:
                    status = "broken"
                counts[status] = counts.get(status, 0) + 1

            threads = [threading.Thread(target=one, args=(place,)) for place in range(number)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        during = watch.result()
    answered = counts.get(401, 0) + counts.get(503, 0)
    held = peak.most < 128 * 1024 and is_quick(before, during) and answered == number * waves
    output = ", ".join(f"{count} times {status}" for status, count in sorted(counts.items(), key=str))
    line(f"S7 {number} parallel sign-ins", f"{output}, {peak.most / 1024:.0f} MiB more at most, {shown(before, during)}", held)
    for browser in browsers:
        browser.connection.close()
    require_base("S7", base)


def timing(pairs):
    """Existing and unknown names in turn; the probability that chance explains the difference (signs flipped)."""
    known = sys.argv[6].split(",")
    random.seed(7)
    differences, statuses, medians = [], set(), {True: [], False: []}
    for number in range(pairs):
        took = {}
        for is_known in random.sample([True, False], 2):
            name = known[number % len(known)] if is_known else f"zz{known[number % len(known)]}"
            browser = SignIn(number * 2 + is_known)
            status, took[is_known] = browser.go(name)
            browser.connection.close()
            statuses.add(status)
            medians[is_known].append(took[is_known] * 1000)
        differences.append(took[True] - took[False])
    # Ranks with signs (Wilcoxon's), so that one hiccup of the machine does not decide.
    order = sorted(range(pairs), key=lambda place: abs(differences[place]))
    ranks = [0.0] * pairs
    for rank, place in enumerate(order):
        ranks[place] = rank + 1.0
    found = abs(sum(rank if difference > 0 else -rank for rank, difference in zip(ranks, differences)))
    rounds, more = 5_000, 0
    for _ in range(rounds):
        bits = random.getrandbits(pairs)
        more += abs(sum(rank if bits >> place & 1 else -rank for place, rank in enumerate(ranks))) >= found
    chance = (more + 1) / (rounds + 1)
    middle = {kind: statistics.median(values) for kind, values in medians.items()}
    output = f"p = {chance:.4f} over {pairs} pairs, medians {middle[True]:.2f} ms known, {middle[False]:.2f} ms unknown, statuses {sorted(statuses)}"
    line("S6 timing of names", output, chance > 0.001 and statuses == {401})


# --- R12 ---


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(*PEER, timeout=60)
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    begin = time.perf_counter()
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text, (time.perf_counter() - begin) * 1000


def sweep(rows):
    dead = open(sys.argv[6]).read().split()
    before = Probe(3).result()
    creations = [ask("POST", "/api/v1/api-keys", {"name": f"before {number}", "permissions": []})[2] for number in range(40)]
    swept, alive, slowest, failed = [], 0, 0.0, 0
    sweeping = threading.Thread(target=lambda: swept.append(ask("POST", "/api/v1/sweep", {})))
    watch = Probe(3)
    sweeping.start()
    number = 0
    while sweeping.is_alive() or number < 20:
        number += 1
        status, _, took = ask("POST", "/api/v1/api-keys", {"name": f"during {number}", "permissions": []})
        slowest, failed = max(slowest, took), failed + (status != 201)
        s = connect()
        s.sendall(VERIFY.replace(SECRET.encode(), dead[number % len(dead)].encode()))
        alive += s.recv(4096).startswith(b"HTTP/1.1 204")
        s.close()
    sweeping.join()
    during = watch.result()
    status, text, took = swept[0]
    removed = json.loads(text).get("tokens") if status == 200 else None
    held = removed == rows and alive == 0 and failed == 0 and slowest < max(250, 5 * max(creations)) and during["most"] < max(250, 5 * before["most"])
    line(f"R12 {rows} expired rows", f"{removed} removed in {took:.0f} ms, slowest of {number} creations {slowest:.0f} ms ({max(creations):.0f} ms before), slowest verification {during['most']:.0f} ms, {alive} dead ones verified, {shown(before, during)}", held)


what, number = sys.argv[1], float(sys.argv[5]) if len(sys.argv) > 5 else 0
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
if what == "probe":
    probe(number)
elif what == "slow":
    slow(int(number), int(sys.argv[6]) if len(sys.argv) > 6 else 0)
elif what == "flood":
    flood(int(number), int(number) // 10)
elif what == "descriptors":
    descriptors(int(number))
elif what == "signins":
    signins(int(number), int(sys.argv[6]) if len(sys.argv) > 6 else 3)
elif what == "timing":
    timing(int(number))
elif what == "sweep":
    sweep(int(number))
else:
    sys.exit(f"no such abuse: {what}")
sys.exit(1 if short else 0)
