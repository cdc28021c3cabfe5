"""Completion in interactive shells at a pseudo-terminal. One line for each check: `ok …` or `FAILED …`."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
PATIENCE = 20
TAB_PATIENCE = 15
failed = 0


def check(name, holds, shown=""):
    global failed
    if holds:
        print(f"ok {name}")
    else:
        failed += 1
        print(f"FAILED {name}: {shown!r}")


class Shell:
    """An interactive shell with the completions of keycroft."""

    def __init__(self, command, setup, env, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.text = ""
        self.settle(1.0)
        self.type(setup + "; echo rea''dy\n")
        self.wait_for("ready")
        self.settle(0.5)

    def read(self, patience):
        ready, _, _ = select.select([self.fd], [], [], patience)
        if not ready:
            return False
        try:
            part = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += part.decode(errors="replace")
        # fish asks the terminal for its kind and place.
        if b"\x1b[c" in part or b"\x1b[0c" in part:
            os.write(self.fd, b"\x1b[?62;c")
        if b"\x1b[6n" in part:
            os.write(self.fd, b"\x1b[1;1R")
        return bool(part)

    def settle(self, quiet):
        while self.read(quiet):
            pass

    def wait_for(self, words, patience=PATIENCE):
        end = time.monotonic() + patience
        while words not in self.plain() and time.monotonic() < end:
            self.read(0.2)
        return words in self.plain()

    def plain(self):
        """The text on the screen, without escape codes."""
        return re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[=>()][A-Z0-9]?|[\x07\x08\r]", "", self.text)

    def type(self, text):
        os.write(self.fd, text.encode())

    def complete(self, line, expected):
        """Types a line and Tab; returns what the shell then shows, and whether it is the expected. On a busy machine names may
        miss their time limit: three tries."""
        for _ in range(3):
            self.text = ""
            self.type(line + "\t")
            found = self.wait_for(expected, TAB_PATIENCE)
            shown = self.plain()
            # Deletes the line. Ctrl-C would also discard what the next try types, when the shell is slow to handle it.
            self.type("\x15")
            self.settle(0.3)
            if found:
                break
        return found, shown

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/home")
        os.mkdir(f"{folder}/bin")
        os.symlink(PROGRAM, f"{folder}/bin/keycroft")
        env = {"HOME": f"{folder}/home", "PATH": f"{folder}/bin:{os.environ['PATH']}", "TERM": "xterm", "LANG": "C.UTF-8", "PS1": "$ "}

        def run(*arguments, token=None, **more):
            own = {**env, "KEYCROFT_TOKEN": token, "KEYCROFT_SERVER": url} if token else env
            return subprocess.run(["keycroft", *arguments], cwd=folder, env=own, capture_output=True, text=True, check=True, **more).stdout

        run("user", "create", "alice", "--admin", "--db=keycroft.db")
        log = open(f"{folder}/log", "w+")
        server = subprocess.Popen([PROGRAM, "serve", "--listen=127.0.0.1:0", "--db=keycroft.db"], cwd=folder, env=env, stdin=subprocess.DEVNULL, stderr=log)
        try:
            end = time.monotonic() + PATIENCE
            url = None
            while url is None and time.monotonic() < end:
                url = next(iter(re.findall(r"listening on (\S+)", open(f"{folder}/log").read())), None)
                time.sleep(0.05)
            run("login", url, "--with-token", "--context=lab", input=run("user", "token", "alice", "--db=keycroft.db"))
            for name in ("nightly-backup", "zebra-ci", "with a space"):
                run("api-key", "create", name)
            run("group", "create", "staff-of-the-lab")
            run("service", "create", "archive")
            run("api-key", "create", "tape-writer", "--service=archive")
            run("user", "create", "zoe", "--db=keycroft.db")
            run("api-key", "create", "pet-project", token=run("user", "token", "zoe", "--db=keycroft.db").strip())
            run("user", "create", "alice-elsewhere", "--db=other.db")
            setups = {
                "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(keycroft completions bash)"),
                "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u; source <(keycroft completions zsh)"),
                "zsh, autoloaded": (["zsh", "-f", "-i"], "mkdir -p fpath; keycroft completions zsh > fpath/_keycroft; fpath=($PWD/fpath $fpath); autoload -U compinit; compinit -u"),
                "fish": (["fish", "--no-config", "--interactive"], "keycroft completions fish | source"),
            }
            for name, (command, setup) in setups.items():
                shell = Shell(command, setup, env, folder)
                try:
                    for line, expected, what in (
                        ("keycroft api-key show nigh", "nightly-backup", "a name from the server"),
                        ("keycroft api-key delete nightly-backup zeb", "zebra-ci", "a second name"),
                        ("keycroft api-key show --service archive tap", "tape-writer", "the keys of a service"),
                        ("keycroft api-key show --user zoe pet", "pet-project", "the keys of a user"),
                        ("keycroft group add-member sta", "staff-of-the-lab", "a group"),
                        ("keycroft api-key rot", "rotate", "a verb"),
                        ("keycroft api-key create ci --exp", "--expires", "a flag"),
                    ):
                        found, shown = shell.complete(line, expected)
                        check(f"{name} completes {what}", found, shown)
                finally:
                    shell.end()

            def completed(*words):
                """The time and the answer of one request of a shell."""
                begun = time.monotonic()
                done = subprocess.run(["keycroft", "--", "keycroft", *words], cwd=folder, env={**env, "KEYCROFT_COMPLETE": "fish"}, capture_output=True, text=True)
                return time.monotonic() - begun, done.stdout

            # The time of the process itself, without a server: of a debug build on a busy machine it is the larger part.
            own = min(completed("api-key", "rot")[0] for _ in range(7))
            answers = [completed("api-key", "show", "") for _ in range(9)]
            text = max((text for _, text in answers), key=len)
            check("the list is complete", all(word in text for word in ("nightly-backup", "zebra-ci")), text)
            elsewhere = [completed("user", "show", flag, "")[1] for flag in ("--db=other.db", f"--server={url}", "--context=lab")]
            check("a target in the line offers no names", all("alice" not in text for text in elsewhere), elsewhere)
            spaced = [line for line in text.splitlines() if "with a space" in line]
            check("a name with a space is completed by its id", len(spaced) == 1 and re.match(r"[0-9a-z]{12}\t", spaced[0]), spaced)
            times = sorted(time for time, text in answers if "nightly-backup" in text)
            check("names take at most 300 ms more", times and times[0] - own < 0.3, (own, times))
            server.send_signal(signal.SIGSTOP)
            stopped = [completed("api-key", "show", "") for _ in range(5)]
            server.send_signal(signal.SIGCONT)
            check("a server that hangs costs at most 300 ms, and shows no name", min(stopped)[0] - own < 0.35 and not any("nightly" in text for _, text in stopped), (own, stopped))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)


main()
sys.exit(1 if failed else 0)
