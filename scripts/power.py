#!/usr/bin/env python3
"""R2: the disk after a power cut. Standard library only.

power.py load URL SECRET TRACE SECONDS ROUND    writes with 16 clients, and puts into the trace what was acknowledged
power.py replay TRACE KEYCROFT CUTS [LIE]       rebuilds the disk for CUTS moments, and looks at each with the program itself
power.py window TRACE KEYCROFT CUTS BEGIN END [LIE]     the same for what lies between two marks: CUTS 0 is every record, in every way where it is decided
power.py acknowledge TRACE WORD...              puts a promise or a mark into the trace

The trace is written by scripts/power.c. Records of type A between its records are the acknowledgments of the server or a command.
At a cut there is for sure: of each file what was synced, of the folder the names that were synced. Of what came later any
part may be there: nothing, all, the beginning, or any sectors of any of it. LIE (files, wal, folder) makes the disk say
"synced" without having done it: then the replay has to find something missing, or it proves nothing.
"""

import http.client
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HEAD = struct.Struct("=cQQII")
CLIENTS = 16


def acknowledge(trace, *words):
    text = " ".join(words).encode()
    record = HEAD.pack(b"A", 0, 0, len(text), 0) + text
    assert os.write(trace, record) == len(record)


# --- the load ---


def load(url, secret, trace, seconds, round_):
    trace = os.open(trace, os.O_WRONLY | os.O_APPEND)
    peer = urllib.parse.urlsplit(url).netloc
    end = time.monotonic() + seconds
    failures = []

    def ask(server, method, path, body, expected):
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        server.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = server.getresponse()
        text = answer.read()
        assert answer.status == expected, (answer.status, text)
        return json.loads(text) if text else None

    def client(number):
        server = http.client.HTTPConnection(peer, timeout=60)
        turn = 0
        while time.monotonic() < end:
            turn += 1
            name = f"{round_} {number} {turn} " + "x" * random.randrange(40)
            created = ask(server, "POST", "/api/v1/api-keys", {"name": name, "permissions": []}, 201)["id"]
            acknowledge(trace, "valid", created)
            what = turn % 3
            if what == 1:
                acknowledge(trace, "unknown", created)
                ask(server, "DELETE", f"/api/v1/api-keys/{created}", None, 204)
                acknowledge(trace, "deleted", created)
            elif what == 2:
                acknowledge(trace, "unknown", created)
                ask(server, "PATCH", f"/api/v1/api-keys/{created}", {"disabled": True}, 200)
                acknowledge(trace, "disabled", created)

    def guarded(number):
        try:
            client(number)
        except (OSError, http.client.HTTPException) as error:
            # The server is killed in the last round: an unanswered request promises nothing.
            if round_ != "killed":
                failures.append(repr(error))
        except AssertionError as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("\n".join(failures))


# --- the disk ---


class File:
    """The synced content of one file, and the writes since."""

    def __init__(self):
        self.sure = bytearray()
        self.pending = []

    def synced(self):
        for change in self.pending:
            apply(self.sure, change)
        self.pending = []


def apply(content, change):
    offset, data = change
    if data is None:
        if offset <= len(content):
            del content[offset:]
        else:
            content.extend(bytes(offset - len(content)))
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def sectors(change, size):
    """The sectors of one write."""
    offset, data = change
    if data is None:
        return [change]
    parts, at = [], 0
    while at < len(data):
        step = size - (offset + at) % size
        parts.append((offset + at, data[at : at + step]))
        at += step
    return parts


MODES = ("nothing", "everything", "beginning", "any writes", "any sectors of 512", "any sectors of 4096", "one torn at 512", "one torn at 4096")


def left_of(file, mode, chance):
    """The content after a cut."""
    content, pending = bytearray(file.sure), file.pending
    if mode == "everything":
        kept = pending
    elif mode == "beginning":
        kept = pending[: chance.randint(0, len(pending))]
    elif mode == "any writes":
        kept = [change for change in pending if chance.random() < 0.5]
    elif mode.startswith("any sectors"):
        share = chance.choice((0.1, 0.5, 0.9))
        size = int(mode.rsplit(" ", 1)[1])
        kept = [part for change in pending for part in sectors(change, size) if chance.random() < share]
    elif mode.startswith("one torn"):
        place = chance.randint(0, len(pending))
        parts = sectors(pending[place], int(mode.rsplit(" ", 1)[1])) if place < len(pending) else []
        kept = pending[:place] + parts[: chance.randint(0, len(parts))]
    else:
        kept = []
    for change in kept:
        apply(content, change)
    return content


# Records after which more content is durable, or other names are.
DECIDING = (b"S", b"D", b"T", b"C", b"L", b"R", b"U")


class Disk:
    def __init__(self, lie):
        self.lie = lie
        self.files = {}
        self.sure = {}
        self.names = {}
        self.pending = []
        self.promised = {}
        # By file name: the required content, and whether the file must exist.
        self.copies = {}
        # Other complete contents that keycroft.db may have instead.
        self.instead = None
        self.marks = {}

    def play(self, kind, number, offset, first, second):
        if kind == b"C":
            self.files[number] = File()
            self.name(("set", first.decode(), self.files[number]))
        elif kind == b"W":
            self.files[number].pending.append((offset, second))
        elif kind == b"T":
            self.files[number].pending.append((offset, None))
        elif kind == b"S":
            is_wal = any(name.endswith("-wal") and file is self.files[number] for name, file in self.names.items())
            if self.lie != "files" and not (self.lie == "wal" and is_wal):
                self.files[number].synced()
        elif kind == b"D":
            if self.lie != "folder":
                self.sure, self.pending = dict(self.names), []
        elif kind in (b"L", b"R"):
            self.name(("set", second.decode(), self.names[first.decode()]))
            if kind == b"R":
                self.name(("gone", first.decode(), None))
        elif kind == b"U":
            self.name(("gone", first.decode(), None))
        elif kind == b"A":
            self.hear(*first.decode().split())
        else:
            sys.exit(f"no such record: {kind}")

    def hear(self, word, of):
        if word == "whole":
            # The promises at the start of the copy; otherwise the present ones, when nothing was written.
            self.copies[of] = (self.copies[of][0] if of in self.copies else dict(self.promised), True)
        elif word == "appearing":
            # A change during the copy may be in it or not: a valid credential may be deleted, but its row exists.
            self.copies[of] = ({name: "unknown" if state in ("valid", "disabled") else state for name, state in self.promised.items()}, False)
        elif word == "restoring":
            self.instead = as_restored(self.copies[of][0])
        elif word == "restored":
            self.promised, self.instead = as_restored(self.copies[of][0]), None
        elif word != "mark":
            self.promised[of] = word

    def name(self, change):
        self.pending.append(change)
        rename(self.names, change)

    def cut(self, folder, mode, chance):
        names = dict(self.sure)
        many = {"nothing": 0, "everything": len(self.pending)}.get(mode, chance.randint(0, len(self.pending)))
        for change in self.pending[:many]:
            rename(names, change)
        for name, file in names.items():
            # Shared memory: SQLite recreates it when no other process has the file open.
            if not name.endswith("-shm"):
                with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
                    out.write(left_of(file, mode, chance))


def as_restored(promised):
    """A restore revokes the only token, alice's."""
    return {name: "revoked" if state == "token" else state for name, state in promised.items()}


def rename(names, change):
    what, name, file = change
    if what == "set":
        names[name] = file
    else:
        names.pop(name, None)


# --- examination ---


def read(trace):
    with open(trace, "rb") as file:
        while head := file.read(HEAD.size):
            kind, number, offset, first, second = HEAD.unpack(head)
            yield kind, number, offset, file.read(first), file.read(second)


def missing_from(path, promised):
    """Broken promises in a database, found with SQLite."""
    db = sqlite3.connect(path)
    try:
        sound = db.execute("PRAGMA integrity_check").fetchone()[0]
        if sound != "ok":
            return "damaged", [sound]
        found = {row[0]: row[1:] for row in db.execute("SELECT id, deleted_at IS NOT NULL, disabled_at IS NOT NULL FROM credentials")}
        users = {row[0] for row in db.execute("SELECT username FROM users")}
    except sqlite3.Error as error:
        return "damaged", [repr(error)]
    finally:
        db.close()
    lost = []
    for name, state in promised.items():
        if state == "user":
            so = name in users
        elif state == "revoked":
            so = name not in found
        elif name not in found:
            so = False
        else:
            ended, disabled = found[name]
            so = {"unknown": True, "valid": not ended and not disabled, "token": not ended, "deleted": ended, "disabled": disabled}[state]
        if not so:
            lost.append(f"{name} {state}")
    return "missing", lost


def look(disk, keycroft, mode, chance):
    """A fault of the disk after a cut at this moment, as a sentence; empty without one."""
    with tempfile.TemporaryDirectory() as folder:
        disk.cut(folder, mode, chance)
        db = os.path.join(folder, "keycroft.db")
        if not os.path.exists(db):
            return "missing: the file itself" if disk.promised else None
        # SQLite examines a copy, so that the program finds the file as the cut left it.
        copy = os.path.join(folder, "copy")
        os.mkdir(copy)
        for ending in ("", "-wal", "-journal"):
            if os.path.exists(db + ending):
                shutil.copy(db + ending, copy)
        how, lost = missing_from(os.path.join(copy, "keycroft.db"), disk.promised)
        if lost and disk.instead is not None:
            how, lost = missing_from(os.path.join(copy, "keycroft.db"), disk.instead)
        if lost:
            return f"{how}: {len(lost)}, {lost[0]}"
        shutil.rmtree(copy)
        output = subprocess.run([keycroft, "check", "--db", db], capture_output=True, text=True, timeout=120)
        if output.returncode != 0:
            return f"damaged: keycroft check reports {output.stdout} {output.stderr}"
        for name, (promised, is_sure) in disk.copies.items():
            if os.path.exists(os.path.join(folder, name)):
                how, lost = missing_from(os.path.join(folder, name), promised)
                if lost:
                    return f"{how}: in {name} {len(lost)}, {lost[0]}"
            elif is_sure:
                return f"missing: {name}"
    return None


def replay(trace, keycroft, cuts, lie):
    kinds = [record[0] for record in read(trace)]
    chance = random.Random(len(kinds))
    # Half of the cuts anywhere; half close to the critical records: syncs, truncations, renames and first writes.
    close = [place for place, kind in enumerate(kinds) if kind in DECIDING]
    wanted = {}
    while len(wanted) < min(cuts, len(kinds)):
        place = chance.randrange(len(kinds)) if chance.random() < 0.5 else chance.choice(close) + chance.randint(-1, 1)
        wanted.setdefault(max(place, 0), [chance.choice(MODES)])
    return cut_at(trace, keycroft, wanted, chance, lie)


def window(trace, keycroft, cuts, begin, end, lie):
    places, close = {}, set()
    for place, record in enumerate(read(trace)):
        if record[0] in DECIDING:
            close.update((place - 1, place, place + 1))
        if record[0] == b"A":
            places[record[3].decode()] = place
    first, last = places[f"mark {begin}"], places[f"mark {end}"]
    chance = random.Random(last - first)
    every = [(place, mode) for place in range(first, last + 1) for mode in (MODES if place in close else (chance.choice(MODES),))]
    wanted = {}
    for place, mode in every if cuts == 0 else chance.sample(every, min(cuts, len(every))):
        wanted.setdefault(place, []).append(mode)
    return cut_at(trace, keycroft, wanted, chance, lie)


def cut_at(trace, keycroft, wanted, chance, lie):
    disk, wrong, promises, records, syncs, written = Disk(lie), [], 0, 0, 0, 0
    for place, record in enumerate(read(trace)):
        disk.play(*record)
        records, syncs, written = records + 1, syncs + (record[0] == b"S"), written + len(record[4])
        for mode in wanted.get(place, ()):
            found = look(disk, keycroft, mode, chance)
            promises = max(promises, len(disk.promised))
            if found:
                wrong.append(f"cut {place}, {mode}: {found}")
        if lie and wrong:
            break
    lost, damaged = sum(" missing: " in one for one in wrong), sum(" damaged: " in one for one in wrong)
    cuts = sum(len(modes) for modes in wanted.values())
    print(f"{cuts} power cuts in {records} records ({syncs} syncs, {written >> 20} MiB, {promises} promises): {lost} with something missing, {damaged} damaged")
    for one in wrong[:10]:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


if sys.argv[1] == "load":
    load(sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), sys.argv[6])
elif sys.argv[1] == "replay":
    sys.exit(replay(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else None))
elif sys.argv[1] == "window":
    sys.exit(window(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[6], sys.argv[7] if len(sys.argv) > 7 else None))
elif sys.argv[1] == "acknowledge":
    acknowledge(os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), *sys.argv[3:])
else:
    sys.exit(f"no such act: {sys.argv[1]}")
