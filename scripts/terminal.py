"""The command line at a pseudo-terminal. One line for each check: `ok …` or `FAILED …`."""

import datetime
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata

PROGRAM = os.path.abspath(sys.argv[1])
PATIENCE = 30
failed = 0


def check(name, holds, shown=""):
    global failed
    if holds:
        print(f"ok {name}")
    else:
        failed += 1
        print(f"FAILED {name}: {shown!r}")


class Lab:
    """A folder with a file, a home, and a server."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        os.mkdir(f"{self.folder.name}/home")
        self.env = {"HOME": f"{self.folder.name}/home", "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        self.run("user", "create", "alice", "--admin", "--db=keycroft.db")
        self.server = subprocess.Popen(
            [PROGRAM, "serve", "--listen=127.0.0.1:0", "--db=keycroft.db"],
            cwd=self.folder.name, env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        self.url = next(line.split()[-1] for line in self.server.stderr if line.startswith("listening on"))
        self.token = self.run("user", "token", "alice", "--db=keycroft.db").stdout.strip()
        self.run("login", self.url, "--with-token", "--context=lab", text=self.token + "\n")

    def run(self, *arguments, text=""):
        return subprocess.run([PROGRAM, *arguments], cwd=self.folder.name, env=self.env, input=text, capture_output=True, text=True, check=True)

    def terminal(self, *arguments, columns=80, rows=24, env=None):
        return Terminal([PROGRAM, *arguments], self.folder.name, {**self.env, **(env or {})}, columns, rows)

    def close(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(PATIENCE)
        self.folder.cleanup()


class Terminal:
    """A program at its own terminal."""

    def __init__(self, command, folder, env, columns, rows=24):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.chdir(folder)
            os.execve(command[0], command, env)
        self.text = ""

    def read(self):
        """The output since the last call; False at the end."""
        ready, _, _ = select.select([self.fd], [], [], PATIENCE)
        if not ready:
            raise TimeoutError(self.text)
        try:
            part = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += part.decode()
        return bool(part)

    def wait_for(self, words):
        while words not in self.text and self.read():
            pass
        return words in self.text

    def hidden(self):
        """Waits until typed text is not echoed."""
        end = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.fd)[3] & termios.ECHO and time.monotonic() < end:
            time.sleep(0.01)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit code as a shell reports it."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def clean(text):
    """The text without escape codes."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def width_of(line):
    """Columns of a line on a terminal."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in line)
    return len(line) + wide - sum(unicodedata.combining(one) > 0 for one in line)


def prompts(lab):
    lab.run("api-key", "create", "ci", "--expires=30d")
    asked = lab.terminal("api-key", "delete", "ci")
    asked.wait_for("[y/N]")
    check("a deletion says what it would break", "no recorded use" in asked.text, asked.text)
    asked.type("n\n")
    check("no is no", asked.end() == 1 and "nothing was done" in asked.text, asked.text)
    asked = lab.terminal("api-key", "delete", "ci")
    asked.wait_for("[y/N]")
    asked.type("\x03")
    check("Ctrl-C at a question: 130", asked.end() == 130, asked.text)
    check("and nothing was done", "ci" in lab.run("api-key", "list").stdout)
    asked = lab.terminal("api-key", "delete", "ci")
    asked.wait_for("[y/N]")
    asked.type("y\n")
    check("yes is yes", asked.end() == 0 and lab.run("api-key", "list").stdout == "", asked.text)
    asked = lab.terminal("user", "delete", "alice")
    asked.wait_for("Type alice")
    asked.type("y\n")
    check("deleting a user wants the name", asked.end() == 1, asked.text)


def rotations(lab):
    """A key that is in use: every question about it shows its use, also after a rotation; none is answered by default."""
    secret = lab.run("api-key", "create", "gate", "--expires=30d").stdout.strip()

    def state():
        return json.loads(lab.run("api-key", "show", "gate", "--json").stdout)

    def verify(text):
        return subprocess.run([PROGRAM, "verify"], cwd=lab.folder.name, env=lab.env, input=text + "\n", capture_output=True, text=True).returncode

    def rotate(answer):
        """Its new secret, the question and the exit code."""
        asked = lab.terminal("api-key", "rotate", "gate", "--out", "rotated")
        asked.wait_for("[24h]: ")
        question = asked.text
        asked.type(answer)
        code = asked.end()
        path = f"{lab.folder.name}/rotated"
        new = open(path).read().strip() if os.path.exists(path) else None
        if new is not None:
            os.remove(path)
        return new, question, code, asked.text

    check("the key is valid", verify(secret) == 0)
    for answer, name in (("\x03", "Ctrl-C"), ("\x04", "the end of input"), ("tomorrow\n", "no duration"), ("30d\n", "more than 7 days")):
        new, question, code, text = rotate(answer)
        check(f"rotate, {name}: nothing was done", code != 0 and not new and state()["rotated_at"] is None and verify(secret) == 0, text)
    check("the question tells the use and the choices", "last used" in question and '"now"' in question, question)
    planned, question, code, text = rotate("\n")
    asked = lab.terminal("api-key", "delete", "gate")
    asked.wait_for("[y/N]")
    check("a deletion after the rotation tells the use", "last used" in asked.text and "no recorded use" not in asked.text, asked.text)
    asked.type("n\n")
    asked.end()
    check("only Enter: both secrets are valid", code == 0 and verify(planned) == 0 and verify(secret) == 0, text)
    left = datetime.datetime.fromisoformat(state()["previous_ends_at"]) - datetime.datetime.fromisoformat(state()["rotated_at"])
    check("the old one for 24 hours", left == datetime.timedelta(hours=24), left)
    leaked, question, code, text = rotate("now\n")
    check("another rotation tells the use of the secrets before", "last used" in question, question)
    check("now: the old secrets are revoked", code == 0 and verify(leaked) == 0 and verify(planned) != 0 and verify(secret) != 0, text)
    lab.run("api-key", "delete", "gate", "--yes")


def hidden(lab):
    asked = lab.terminal("verify")
    asked.wait_for("it is not shown")
    asked.hidden()
    asked.type("\x03")
    check("Ctrl-C at a hidden question: 130", asked.end() == 130, asked.text)
    asked = lab.terminal("verify")
    asked.wait_for("it is not shown")
    asked.hidden()
    asked.type(lab.token + "\n")
    code = asked.end()
    check("a pasted secret is not shown", code == 0 and lab.token not in asked.text and "alice" in asked.text, asked.text)


def device(lab):
    login = lab.terminal("login", lab.url, "--context=other")
    login.wait_for("Waiting")
    check("a login shows where to go and a code", re.search(r"type the code [B-Z]{4}-[B-Z]{4}", login.text), login.text)
    login.type("\x03")
    check("Ctrl-C while it waits: 130", login.end() == 130, login.text)
    browser, opened = f"{lab.folder.name}/browser", f"{lab.folder.name}/opened"
    with open(browser, "w") as script:
        script.write(f'#!/bin/sh\nprintf %s "$1" >{opened}.new && mv {opened}.new {opened}\n')
    os.chmod(browser, 0o755)
    os.symlink(browser, f"{lab.folder.name}/xdg-open")
    for env, expected in (({"BROWSER": browser}, True), ({"DISPLAY": ":9"}, True), ({"DISPLAY": ":9", "SSH_CONNECTION": "a"}, False), ({}, False)):
        if os.path.exists(opened):
            os.remove(opened)
        login = lab.terminal("login", lab.url, "--context=other", env={"PATH": f"{lab.folder.name}:{lab.env['PATH']}", **env})
        login.wait_for("Waiting")
        end = time.monotonic() + (5 if expected else 0.5)
        while not os.path.exists(opened) and time.monotonic() < end:
            time.sleep(0.02)
        login.type("\x03")
        login.end()
        found = os.path.exists(opened) and open(opened).read()
        check(f"login with {sorted(env)} opens a browser: {expected}", found == (f"{lab.url}/device" if expected else False), found)
    check("and nothing is kept", "other" not in lab.run("context", "list").stdout)


def tables(lab):
    lab.run("api-key", "create", "a-name-of-some-length", "--expires=30d")
    for name in ("x" * 64, "\u65e5" * 40, "\u062a\u062c\u0631\u0628\u0629" * 8):
        lab.run("api-key", "create", name)
    lab.run("group", "create", "staff")
    lab.run("group", "add-member", "staff", "alice")
    lists = ("api-key", "token", "user", "group", "event", "context")
    for noun in lists:
        for columns in (40, 60, 80, 100, 140):
            shown = lab.terminal(noun, "list", columns=columns, env={"PAGER": "", "LANG": "C.UTF-8"})
            code = shown.end()
            lines = clean(shown.text).splitlines()
            rows = len(lab.run(noun, "list").stdout.splitlines())
            longest = max(width_of(line) for line in lines)
            check(f"{noun} list at {columns} columns: one line a row", code == 0 and len(lines) == rows + 1 and longest <= columns, (rows, longest, shown.text))
    wide = lab.terminal("api-key", "list", columns=140)
    check("a wide window has all columns", wide.end() == 0 and "PERMISSIONS" in wide.text and re.search(r"in (29|30)d", wide.text), wide.text)
    check("a state has a color", "\x1b[32mactive\x1b[0m" in wide.text, wide.text)
    all_columns = lab.terminal("api-key", "list", "-o", "wide", columns=40, env={"PAGER": ""})
    check("-o wide cuts nothing", all_columns.end() == 0 and "x" * 64 in all_columns.text and "PERMISSIONS" in all_columns.text, all_columns.text)
    for env in ({"TERM": "dumb"}, {"LC_ALL": "C"}, {"LC_ALL": "C", "TERM": "dumb"}):
        odd = lab.terminal("api-key", "list", columns=60, env={"PAGER": "", **env})
        code = odd.end()
        escape = "\x1b" in odd.text
        check(f"{env}: no panic, no stray escape code", code == 0 and "panicked" not in odd.text and escape == ("TERM" not in env), odd.text)
        check(f"{env}: the ellipsis is of the locale", ("..." in odd.text) == ("LC_ALL" in env or "LANG" not in lab.env), odd.text)
    empty = lab.terminal("ssh-key", "list")
    check("an empty list is one sentence", empty.end() == 0 and clean(empty.text).splitlines() == ["no SSH keys; add one: keycroft ssh-key add"], empty.text)
    paged = lab.terminal("event", "list", "--all", rows=6, env={"PAGER": "head -n 2"})
    check("a long list goes to the pager", paged.end() == 0 and len(clean(paged.text).splitlines()) == 2, paged.text)
    short = lab.terminal("group", "list", env={"PAGER": "head -n 1"})
    check("a short list does not", short.end() == 0 and len(clean(short.text).splitlines()) == 2, short.text)
    with open(f"{lab.folder.name}/keys", "w") as file:
        file.write("no key\n" * 5)
    rejected = lab.terminal("ssh-key", "import", "keys", rows=4, env={"PAGER": "head -n 1"})
    check("a table before a failure is not paged", rejected.end() == 6 and "5 rejected" in rejected.text, rejected.text)
    lab.run("api-key", "create", "ending", "--expires", "2d")
    noted = lab.terminal("api-key", "list", rows=2, env={"PAGER": "head -n 1"})
    check("notes of a paged list are printed", noted.end() == 0 and "API key ending" in noted.text, noted.text)
    lab.run("api-key", "delete", "ending", "--yes")
    missing = lab.terminal("event", "list", "--all", rows=6, env={"PAGER": "/no/such/pager"})
    check("without the pager the list is printed", missing.end() == 0 and len(clean(missing.text).splitlines()) > 10, missing.text)
    several = lab.terminal("api-key", "delete", "a-name-of-some-length", "x" * 64)
    several.wait_for("[y/N]")
    check("several deletions: each effect before the one question", several.text.count("no recorded use") == 2 and "these 2 API keys" in several.text, several.text)
    several.type("n\n")
    several.end()
    usage = lab.terminal("api-key", "--help", columns=40)
    usage.end()
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in usage.text.splitlines()]
    longest = max(len(line) for line in lines if not line.startswith("Usage:"))
    check("help fits 40 columns", longest <= 40, longest)
    for name in ("whoami", "api-key"):
        arguments = (name,) if name == "whoami" else (name, "list")
        plain = lab.terminal(*arguments, env={"NO_COLOR": "1"})
        check(f"NO_COLOR: {name} has no escape code", plain.end() == 0 and "\x1b" not in plain.text, plain.text)
    for arguments in (("nonsense",), ("--help",)):
        plain = lab.terminal(*arguments, env={"NO_COLOR": "1"})
        plain.end()
        check(f"NO_COLOR: {arguments[0]} has no escape code", "\x1b" not in plain.text, plain.text)


def heads(lab):
    for command in ("event export --all", "api-key list", "man", "completions zsh"):
        done = subprocess.run(
            ["sh", "-c", f'"$0" {command} | head -1', PROGRAM], cwd=lab.folder.name, env=lab.env, capture_output=True, text=True, check=True
        )
        check(f"{command} | head", "panicked" not in done.stderr and done.stderr == "", done.stderr)


lab = Lab()
try:
    for part in (prompts, rotations, hidden, device, tables, heads):
        part(lab)
finally:
    lab.close()
sys.exit(1 if failed else 0)
