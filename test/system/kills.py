#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""kills.py - a node that is killed at each of its system calls, one life after the other.

A short life (start, fills, removals of each kind, one that the bus does not take, strict removals
of its own and of another node, stop) is counted once; then it is lived again and again, killed
with SIGKILL right before its n-th call, or right after (killer.c). It is lived in an empty folder
("first"), and in the folder of a node that was killed with a removal in its journal and with a
segment that its manager keeps ("again"). Then it is started once more on what it left: it comes
up, every change that it had acknowledged is in the log, nothing that was removed is served as
fresh anywhere, and its state folder is what it was before or after a write, never anything else.

KILLS=all lives through every call (before: the lives that end before one; 2/8: every eighth of all,
from the second), KILLS=again/before/117 through one; else a share of them is drawn, anew each day,
for SECONDS. AT_A_TIME: how many lives beside each other. ACCORD_BUILD: the folder with the program
(default build)."""

import collections
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import stat
import sys
import tempfile
import threading
import time

import lib
from lib import (SANITIZED, Client, Manager, Node, Probe, RespError, Skip, as_map, compiled, expect,
                 locked, main, nodes, rows, share_out, soon, test)

# Seconds. Many are begun at once, perhaps on a machine that is busy with other things: only what
# comes to no end at all is bad.
lib.WAIT = WAIT = 120
L_MS = 500
SECONDS = 30  # in which lives are begun, where they are drawn
AT_A_TIME = int(os.environ.get("AT_A_TIME", 2 * (os.cpu_count() or 1)))  # they mostly wait
HIT = 1  # ACCORD_HIT
FLAGS = ("--max-stale", f"{L_MS}ms", "--join-settle", "0s", "--publish-timeout", "300ms")
OWN = ("own", "batch1", "batch2", "queued", "strict")
THEIRS = ("theirs", "theirs-strict")
KEYS = ("kept", *OWN, *THEIRS)
# What a start may say of the cache that it finds.
STARTS = ("warm: ", "warm soon: ", "cold so far: ", "cold: this is the first start with this state",
          "cold: the run before had not saved its place")


# What a start may not have to warn of. (Of what a busy machine does, it may.)
DAMAGE = ("level=error", "event=state-moved-aside", "event=state-unreadable", "event=cold-boot",
          "event=segment-refused", "event=renamed")


class Ended(Exception):
    """The node is not there any more."""


class Life:
    def __init__(self, started, place):
        self.started, self.folder = started, place.folder
        self.acknowledged = set(place.acknowledged)  # (op, key): must be in the log, now or soon
        self.gone = {key for _, key in self.acknowledged}  # keys that nobody may serve as fresh
        self.manager = Manager(self.folder, place.kept)
        self.healthy = self.probe = self.node = None

    def start(self, name, *flags, **more):
        self.started.append(Node(self.folder, name, *FLAGS, *flags, **more))
        return self.started[-1]

    def begin(self, *before):
        flags = self.manager.flags()
        flags["before"] = [*flags["before"], *before]
        self.node = self.start("web1", "--state", self.folder + "/state", **flags)

    def up(self):
        """Waits until it is ready. Or dead: then this is false."""
        end = time.monotonic() + WAIT
        while self.node.process.poll() is None:
            if any("ready:" in line for line in self.node.lines):
                return True
            expect(time.monotonic() < end, "it does not come up", self.node.log[-12:])
            time.sleep(0.002)
        return False

    def work(self):
        self.healthy = self.start("healthy")
        self.healthy.ready()
        with contextlib.closing(self.healthy.client()) as other:
            with contextlib.suppress(OSError, Ended):
                with contextlib.closing(Client(self.node.socket)) as c:
                    for key in KEYS:
                        fill(other, key)
                        fill(c, key)
                    fill(c, "tagged", "TAGS", 1, "t")
                    self.probe = attached(self.node)
                    self.remove(c, other)
        if self.probe:
            self.nothing_gone_is_hit(lambda key: self.probe.get(key.encode())[1] == HIT)

    def remove(self, c, other):
        self.told([("remove", "own")], c.ask("DEL", "own"))
        for words in (("MULTI",), ("DEL", "batch1"), ("DEL", "batch2")):
            c.ask(*words)
        self.told([("remove", "batch1"), ("remove", "batch2")], c.ask("EXEC"))
        self.told([("tag", "t")], c.ask("ACCORD.REMOVETAG", "t"))
        self.told([("remove", "theirs")], other.ask("DEL", "theirs"))
        with locked(self.folder):
            self.told([("remove", "queued")], c.ask("ACCORD.REMOVE", "queued"))
        c.send("ACCORD.REMOVE", "strict", "WAIT", WAIT * 1000)
        other.send("ACCORD.REMOVE", "theirs-strict", "WAIT", WAIT * 1000)
        self.told([("remove", "theirs-strict")], other.receive(), strict=True)
        self.told([("remove", "strict")], c.receive(), strict=True)

    def told(self, changes, answer, strict=False):
        """What was answered to a removal, or to several at once. UNPUBLISHED promises as much,
        where there is a state folder; only not yet, and so nothing of what others serve."""
        kept = isinstance(answer, RespError) and answer.startswith("UNPUBLISHED ")
        expect(kept or not isinstance(answer, RespError), answer)
        self.acknowledged.update(changes)
        if strict and not kept:
            self.gone.update(key for _, key in changes)

    def stop(self):
        if self.node.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.node.process.send_signal(signal.SIGTERM)
        code = self.node.ended()
        expect(code in (0, -signal.SIGKILL) or
               code == -signal.SIGTERM and not any("event=start " in x for x in self.node.log),
               "it ended badly", code, self.node.log[-12:])
        return code

    def again(self):
        """It comes up on what it left, and has kept its word."""
        self.begin()
        expect(self.up(), "it does not start again", self.node.log[-12:])
        log = "\n".join(self.node.log)
        expect(not any(word in log for word in DAMAGE), log)
        expect(not [f for f in os.listdir(self.folder + "/state") if "bad" in f], log)
        said = self.node.status()["start"]
        expect(said.startswith(STARTS), said)
        with contextlib.closing(self.node.client()) as c:
            soon(lambda: self.acknowledged <= set(rows(self.folder, IN_LOG)),
                 f"an acknowledged change is lost: {self.acknowledged} {log}")
            # What it published is applied wherever a read is asked to wait for the bus's head.
            self.gone.update(key for op, key in self.acknowledged if op == "remove")
            if ("tag", "t") in self.acknowledged:
                self.gone.add("tagged")
            self.all_know(c)
            soon(lambda: c.ask("DEL", "afterwards") == 0, "it publishes")  # a busy disk takes long
        expect(self.node.kill() == 0, "it does not stop", self.node.log)
        for name in ("bus.db", "state/state.db"):
            with contextlib.closing(sqlite3.connect(f"{self.folder}/{name}", timeout=WAIT)) as db:
                expect(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name)
        return said

    def all_know(self, c):
        sync(c)
        self.nothing_gone_is_hit(lambda key: c.map("ACCORD.GET", key)["state"] == "hit")
        if self.healthy:
            with contextlib.closing(self.healthy.client()) as other:
                sync(other)
                self.nothing_gone_is_hit(lambda key: other.map("ACCORD.GET", key)["state"] == "hit")
        if self.probe:  # a handle that was killed nowhere: it attaches to the new one by itself
            soon(lambda: self.probe.ask("sync")[0] == 0, "accord_sync()")
            self.nothing_gone_is_hit(lambda key: self.probe.get(key.encode())[1] == HIT)

    def nothing_gone_is_hit(self, is_hit):
        hits = [key for key in self.gone if is_hit(key)]
        expect(not hits, "served as fresh after its removal", hits, self.node.log[-12:])

    def close(self):
        if self.probe:
            self.probe.kill()
        self.manager.close()


def sync(client):
    answer = client.ask("ACCORD.SYNC", "WAIT", WAIT * 1000)
    expect(not isinstance(answer, RespError), answer)


IN_LOG = "SELECT op, key FROM accord_changes WHERE op IN ('remove', 'tag')"


def fill(c, key, *more):
    got = as_map(c.ask("ACCORD.GET", key))
    if got.get("state") == "miss":
        c.ask("ACCORD.FILL", key, "old", "TOKEN", got["token"], *more)


def attached(node):
    """A process that maps the segment; none, where the node died before."""
    probe = Probe(node)
    if probe.opened[0] != 0:
        probe.kill()
        raise Ended
    for key in KEYS:
        probe.get(key.encode())
    return probe


class Place:
    """A folder to live in, again and again: each life begins with the same bytes, in the same files
    (the log is another one where its file is). Empty."""
    acknowledged = ()

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="accord-kills-")
        self.files, self.kept = {}, []

    def restore(self):
        for folder, _, names in os.walk(self.folder, topdown=False):
            for path in (os.path.join(folder, name) for name in names):
                if path not in self.files:
                    os.unlink(path)
            if not any(path.startswith(folder + "/") for path in (*self.files, self.folder + "/")):
                os.rmdir(folder)
        for path, data in self.files.items():
            with open(path, "wb") as f:  # the same file, where it is still there
                f.write(data)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for _, fd in self.kept:
            os.close(fd)


class LeftBehind(Place):
    """What a killed node left: a change in its journal, and its segment."""
    acknowledged = (("remove", "before"),)

    def __init__(self):
        super().__init__()
        with nodes() as start, contextlib.ExitStack() as stack:
            life = Life(start.all, self)
            stack.callback(life.close)
            life.begin()
            expect(life.up(), life.node.log)
            with contextlib.closing(life.node.client()) as c:
                for key in (*KEYS, "before", *(f"more{i}" for i in range(50))):
                    fill(c, key)
                fill(c, "tagged", "TAGS", 1, "t")
                soon(lambda: life.manager.kept, "the segment is stored")
                soon(self.saved, "the place is saved")
                with locked(self.folder):
                    answer = c.ask("DEL", "before")
                    expect(isinstance(answer, RespError), answer)
                    life.node.kill(signal.SIGKILL)
            self.kept = [(name, os.dup(fd)) for name, fd in life.manager.kept]
        for folder, _, names in os.walk(self.folder):
            for path in (os.path.join(folder, name) for name in names):
                if not stat.S_ISSOCK(os.stat(path).st_mode):
                    with open(path, "rb") as f:
                        self.files[path] = f.read()

    def saved(self):
        look = self.folder + "/look"
        shutil.copytree(self.folder + "/state", look, dirs_exist_ok=True)
        with contextlib.closing(sqlite3.connect(look + "/state.db")) as db:
            found = db.execute("SELECT position FROM place").fetchall()
        shutil.rmtree(look)
        return found


def live(place, when, at):
    """One life, killed or not. What the killer says of it, and what the next start said."""
    killer = compiled("killer.c")
    place.restore()
    with nodes() as start, contextlib.ExitStack() as stack:
        life = Life(start.all, place)
        stack.callback(life.close)
        report = life.folder + "/killed"
        life.begin(killer, when, str(at), report)
        if life.up():
            life.work()
        code = life.stop()
        expect(when == "count" or not os.path.exists(report) or code == -signal.SIGKILL, code)
        if when == "count":
            soon(lambda: os.path.exists(report) and os.path.getsize(report), "it is counted")
        said = life.again()
        with contextlib.suppress(FileNotFoundError), open(report, encoding="ascii") as f:
            return f.read().split(), said
        return None, said


def drawn(lives):
    """What is to be lived through, and until when lives are begun."""
    wanted = os.environ.get("KILLS", "")
    if wanted in ("all", "before", "after"):
        return [life for life in lives if wanted in ("all", life[1])], None
    if wanted.count("/") == 1:
        part, of = (int(n) for n in wanted.split("/"))
        return lives[part - 1::of], None
    if wanted:
        run, when, at = wanted.split("/")
        return [(run, when, int(at))], None
    random.Random(int(time.time() // 86400)).shuffle(lives)
    return lives, time.monotonic() + SECONDS


@test
def a_node_killed_at_any_system_call_comes_up_again_and_has_kept_its_word():
    if SANITIZED:
        raise Skip("a sanitizer makes other calls")
    places = []
    try:
        for _ in range(AT_A_TIME):
            places.append({"first": Place()})
            places[-1]["again"] = LeftBehind()
        live_and_die(places)
    finally:
        for place in places:
            for run in place.values():
                run.close()


class Sums:
    """What came of all lives; many threads add to it."""

    def __init__(self):
        self.lock, self.killed, self.bad = threading.Lock(), 0, 0
        self.starts = collections.Counter()

    def add(self, what, report, said):
        with self.lock:
            self.killed += report is not None
            self.starts[f"{what[0]}: {' '.join(said.split(' ')[:2])}"] += 1

    def add_bad(self, what, why):
        with self.lock:
            self.bad += 1
            print(f"# KILLS={'/'.join(map(str, what))}: {why!r}", flush=True)


def live_and_die(places):
    def one(place, what):
        run, when, at = what
        if until and time.monotonic() > until:
            return 0
        try:
            sums.add(what, *live(place[run], when, at))
        except Exception as why:  # whatever it was
            sums.add_bad(what, why)
        return 1

    counts = {run: int(live(place, "count", 0)[0][1]) for run, place in places[0].items()}
    lives, until = drawn([(run, when, at) for when in ("before", "after") for run in counts
                          for at in range(1, counts[run] + 1)])
    sums, began = Sums(), time.monotonic()
    lived = sum(share_out(lives, places, one))
    print(f"# calls {counts}; {lived} lives, {sums.killed} killed, {sums.bad} bad, "
          f"{time.monotonic() - began:.0f} s; then they said {dict(sums.starts)}", flush=True)
    expect(not sums.bad, f"{sums.bad} ended badly")
    expect(sums.killed > 0.7 * lived, "the calls are not where they were counted")


if __name__ == "__main__":
    sys.exit(main())
