"""Mutants behind switches: one build holds them all, and a number in the environment says which one is on.

mutants.py TREE LIST FOLDER [ROOM_TESTS_ONLY]: rewrites the tree (a copy!) by what `cargo mutants --list --json` printed, builds it once
without those that do not compile, asks each test which switches it passes, and runs for each mutant the tests that pass it until one
fails. FOLDER gets caught.txt, missed.txt, unviable.txt (did not compile), asked.txt (did not compile behind a switch, perhaps would
without) and reached.json. Run again with the same folder, it goes on where it ended.
"""

import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import tree_sitter
import tree_sitter_rust

# As in the script beside this one: what starts programs or waits. They are asked when nothing else notices.
LATE = ("process", "transport::", "cli::", "fuzz::", "races", "attack::race", "command::", "store::", "serve::")
NEVER = ("tidy::", "full_disk")
BATCH_SECONDS = 90
SWITCH = '''//! Which mutant is on.
use std::{collections::HashSet, env::var, fs::OpenOptions, io::Write, sync::{LazyLock, Mutex}};
static ON: LazyLock<u32> = LazyLock::new(|| var("MUTANT_ON").map_or(0, |n| n.parse().unwrap()));
static REACHED: LazyLock<Option<Mutex<HashSet<u32>>>> = LazyLock::new(|| var("MUTANT_REACHED").ok().map(|_| Mutex::default()));
pub fn on(number: u32) -> bool {
    if let Some(reached) = &*REACHED && reached.lock().unwrap().insert(number) {
        let mut file = OpenOptions::new().append(true).create(true).open(var("MUTANT_REACHED").unwrap()).unwrap();
        file.write_all(format!("{number}\\n").as_bytes()).unwrap();
    }
    *ON == number
}
'''


class File:
    """One source file, and what is to be changed in it: (start, end) in bytes -> [(number, text instead)]."""

    def __init__(self, tree, path):
        self.path = path
        self.source = (tree / path).read_bytes()
        self.lines = self.source.split(b"\n")
        self.root = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language())).parse(self.source).root_node
        self.places = collections.defaultdict(list)
        self.bare = set()

    def byte(self, at):
        line = self.lines[at["line"] - 1]
        before = sum(len(line) + 1 for line in self.lines[: at["line"] - 1])
        return before + len(line.decode()[: at["column"] - 1].encode())

    def around(self, start, end, *kinds):
        node = self.root.descendant_for_byte_range(start, end)
        while node and node.type not in kinds:
            node = node.parent
        return node

    def add(self, number, mutant):
        """Finds the expression that the mutant is a part of. False when there is none."""
        start, end = self.byte(mutant["span"]["start"]), self.byte(mutant["span"]["end"])
        instead = mutant["replacement"].encode()
        if mutant["genre"] == "FnValue":
            if "impl " in mutant["function"]["return_type"]:
                # Of two hidden types, one may be returned.
                return False
            self.places[start, start].append((number, instead))
            return True
        if mutant["genre"] == "MatchArmGuard":
            self.places[start, end].append((number, instead))
            return True
        kinds = {
            "BinaryOperator": ("binary_expression", "compound_assignment_expr"),
            "UnaryOperator": ("unary_expression",),
            "StructField": ("struct_expression",),
            "MatchArm": ("match_expression",),
        }[mutant["genre"]]
        node = self.around(start, end, *kinds)
        if node is None:
            return False
        whole = self.source[node.start_byte : start] + instead + self.source[end : node.end_byte]
        self.places[node.start_byte, node.end_byte].append((number, whole))
        if node.type == "match_expression" and node.parent.type in ("expression_statement", "block"):
            self.bare.add((node.start_byte, node.end_byte))
        return True

    def render(self, dropped, start=None, end=None):
        """The text with switches. Only one mutant is on at a time, so what stands instead has no switches inside."""
        inner = start is not None
        start, end = (start, end) if inner else (0, len(self.source))
        out, at = [], start
        for place in sorted(self.places, key=lambda place: (place[0], place[0] != place[1], -place[1])):
            if place[0] < at or place[1] > end or place == (start, end) or (inner and place == (start, start)):
                continue
            mutants = [mutant for mutant in self.places[place] if mutant[0] not in dropped]
            out.append(self.source[at : place[0]])
            at = place[1]
            if place[0] == place[1]:
                for number, text in mutants:
                    out.append(b"if crate::mutant::on(%d) { return /*@%d{*/%s/*@%d}*/; }\n" % (number, number, text, number))
                continue
            inner = self.render(dropped, *place)
            for number, text in reversed(mutants):
                inner = b"if crate::mutant::on(%d) {/*@%d{*/%s/*@%d}*/} else {%s}" % (number, number, text, number, inner)
            out.append(inner if not mutants or place in self.bare else b"(" + inner + b")")
        out.append(self.source[at:end])
        return b"".join(out)


def blamed(text, at):
    """The mutant in whose text the byte lies."""
    inside = []
    for mark in re.finditer(rb"/\*@(\d+)([{}])\*/", text):
        if mark.start() >= at:
            break
        inside.append(int(mark[1])) if mark[2] == b"{" else inside.pop()
    return inside[-1] if inside else None


def build(tree, files, mutants, folder):
    """Writes the switches and drops what does not compile until the rest does. Returns {number: the compiler's message}."""
    (tree / "src/mutant.rs").write_text(SWITCH)
    lib = tree / "src/lib.rs"
    if "pub mod mutant" not in lib.read_text():
        # What is sure to overflow or panic is refused otherwise, and is as good a mutant as any.
        head, rest = lib.read_text().split("\n", 1)
        lib.write_text(f"{head}\n#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n{rest}\npub mod mutant;\n")
    for path in tree.glob("tests/**/*.rs"):
        # A server that is started with an empty environment has to know, too.
        path.write_text(path.read_text().replace(".env_clear()", '.env_clear().envs(std::env::vars().filter(|(name, _)| name.starts_with("MUTANT_")))'))
    dropped, constant = {}, set()
    while True:
        texts = {}
        for file in files.values():
            # A constant function can't ask for the environment; most need not be constant.
            plain = re.sub(rb"\bconst fn (\w+)", lambda at: at[0] if at[1] in constant else b"fn " + at[1], file.render(dropped))
            texts[file.path] = plain
            (tree / file.path).write_bytes(plain)
        said = subprocess.run(["cargo", "check", "--lib", "--message-format", "json"], cwd=tree, capture_output=True, text=True)
        if said.returncode == 0:
            return dropped
        known = len(dropped) + len(constant)
        for line in said.stdout.splitlines():
            message = json.loads(line).get("message")
            if not message or message["level"] != "error" or not message["spans"]:
                continue
            callee = re.search(r"cannot call non-const (?:\w+ )?(?:function|method) `(?:.*::)?(\w+)", message["message"])
            for span in message["spans"]:
                number = span["is_primary"] and span["file_name"] in texts and blamed(texts[span["file_name"]], span["byte_start"])
                if number:
                    dropped[number] = f"{(message['code'] or {}).get('code')} {message['message']}"
            if callee and callee[1] == "on":
                at = message["spans"][0]
                number = int(re.match(rb"crate::mutant::on\((\d+)\)", texts[at["file_name"]][at["byte_start"] :])[1])
                dropped[number] = "const"
            elif callee and callee[1] not in ("cmp", "eq"):
                constant.add(callee[1].encode())
        if len(dropped) + len(constant) == known:
            sys.exit("cannot blame a mutant for this:\n" + "\n".join(json.loads(line)["message"]["rendered"] for line in said.stdout.splitlines() if (json.loads(line).get("message") or {}).get("level") == "error"))
        print(f"{len(dropped)} dropped, {len(constant)} functions stay constant", flush=True)


def binaries(tree):
    said = subprocess.run(["cargo", "test", "--no-run", "--lib", "--test", "all", "--message-format", "json"], cwd=tree, capture_output=True, text=True)
    if said.returncode:
        sys.exit(said.stderr)
    built = [json.loads(line) for line in said.stdout.splitlines()]
    return [one["executable"] for one in built if one.get("executable") and one["profile"]["test"]]


def run(tree, binary, tests, seconds, **environment):
    """(outcome, the tests that failed)"""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        environment = {**os.environ, **environment, "TMPDIR": folder, "CARGO_MANIFEST_DIR": str(tree)}
        child = subprocess.Popen([binary, "--exact", *tests], cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, start_new_session=True)
        try:
            said, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.communicate()
            return "timeout", []
        failed = re.findall(r"^test (\S+).* FAILED$", said, re.M)
        return ("caught" if child.returncode else "missed"), failed


def reach(tree, folder, workers):
    """{test: the switches it passes}, each test in a process of its own; those that fail as they are are left out."""
    known = folder / "reached.json"
    reached = json.loads(known.read_text()) if known.exists() else {}

    def ask(binary, test):
        with tempfile.NamedTemporaryFile() as file:
            outcome, _ = run(tree, binary, [test], 300, MUTANT_REACHED=file.name)
            numbers = sorted({int(number) for number in Path(file.name).read_text().split()})
        if outcome != "missed":
            print(f"{test} does not pass as it is: {outcome}", flush=True)
            numbers = []
        return f"{binary} {test}", numbers

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        asked = []
        for binary in binaries(tree):
            listed = subprocess.run([binary, "--list", "--format", "terse"], cwd=tree, capture_output=True, text=True).stdout
            names = [line[: -len(": test")] for line in listed.splitlines() if line.endswith(": test")]
            asked += [pool.submit(ask, binary, name) for name in names if f"{binary} {name}" not in reached and not any(word in name for word in NEVER)]
        for done in concurrent.futures.as_completed(asked):
            test, numbers = done.result()
            reached[test] = numbers
            if len(reached) % 50 == 0:
                known.write_text(json.dumps(reached))
    known.write_text(json.dumps(reached))
    return reached


def main():
    tree, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[3]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    workers = int(os.environ.get("WORKERS", os.cpu_count()))
    mutants = dict(enumerate(json.loads(Path(sys.argv[2]).read_text()), 1))
    files, lost = {}, {}
    kept = folder / "dropped.json"
    if kept.exists():
        dropped = {int(number): why for number, why in json.loads(kept.read_text()).items()}
    else:
        for number, mutant in mutants.items():
            file = files.setdefault(mutant["file"], None) or File(tree, mutant["file"])
            files[mutant["file"]] = file
            if not file.add(number, mutant):
                lost[number] = "no expression found"
        dropped = lost | build(tree, files, mutants, folder)
        kept.write_text(json.dumps(dropped, indent=1))
        for number, why in dropped.items():
            print("dropped", mutants[number]["name"], "|", why)
    reached = reach(tree, folder, workers)
    passing = collections.defaultdict(list)
    for test, numbers in reached.items():
        for number in numbers:
            passing[number].append(test)
    outcomes = folder / "outcomes.json"
    done = {int(number): one for number, one in json.loads(outcomes.read_text()).items()} if outcomes.exists() else {}
    killers, lock = collections.Counter(), threading.Lock()

    def judge(number):
        file, function = mutants[number]["file"], mutants[number]["function"]["function_name"]

        def order(test):
            name = test.split(" ")[1]
            late = any(word in name for word in LATE)
            near = Path(file).stem in name or Path(file).parent.name in name
            return late, -killers[function, name], -min(killers[file, name], 3), not near, len(reached[test])

        left, size = sorted(passing[number], key=order), 4
        while left:
            binary = left[0].split(" ")[0]
            late = order(left[0])[0]
            batch = [test for test in left if test.split(" ")[0] == binary and order(test)[0] == late][:size]
            left = [test for test in left if test not in set(batch)]
            outcome, failed = run(tree, binary, [test.split(" ")[1] for test in batch], BATCH_SECONDS, MUTANT_ON=str(number))
            if outcome != "missed":
                with lock:
                    for name in failed:
                        killers[function, name] += 1
                        killers[file, name] += 1
                return number, outcome, failed
            size = min(size * 4, 128)
        return number, "missed", [test.split(" ")[1] for test in passing[number]]

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        open_ones = sorted((number for number in mutants if number not in dropped and number not in done), key=lambda number: mutants[number]["file"])
        for one in concurrent.futures.as_completed([pool.submit(judge, number) for number in open_ones]):
            number, outcome, tests = one.result()
            done[number] = {"outcome": outcome, "tests": len(tests), "first": tests[:3]}
            if outcome != "caught":
                print(outcome, mutants[number]["name"], f"({len(tests)} tests)", flush=True)
            outcomes.write_text(json.dumps(done))
    counted = collections.Counter(one["outcome"] for one in done.values())
    print(f"{len(mutants)} mutants: {dict(counted)}, {len(dropped)} dropped")


if __name__ == "__main__":
    main()
