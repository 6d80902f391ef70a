#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""poison.py - an entry of the log that crashes the node which reads or applies it does so three
times; the fourth start skips it, drops its cache, says so, and serves.

The crashes are real ones of the real daemon: crashing.c, preloaded, ends it whenever it looks at
such an entry. Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build
folder."""
import contextlib
import os
import signal
import sqlite3
import sys

from lib import (SANITIZED, WAIT, Manager, Node, Probe, RespError, crashing, expect, main, nodes, rows,
                 run, soon, test)

TRIES = 3
L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters


class Victim:
    """A node that crashes at such an entry; it is started again and again."""

    def __init__(self, start, stage, manager=None):
        self.start, self.stage, self.manager = start, stage, manager
        config = start.folder + "/victim.ini"
        with open(config, "w", encoding="ascii") as f:
            f.write("[namespace crash]\n")
        self.flags = ("--config", config, "--max-stale", f"{L}s", "--state",
                      start.folder + "/state")

    def begin(self):
        more = self.manager.flags() if self.manager else {}
        environment = {**more.pop("environment", {}), "LD_PRELOAD": crashing(), "CRASH_AT": self.stage}
        return Node(self.start.folder, "victim", *self.flags, environment=environment, **more)


def write(folder, key):
    """As a person would. Its position."""
    with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db, db:
        return db.execute("INSERT INTO accord_changes(key) VALUES (?)", (key,)).lastrowid


def fill(node, key, value):
    with contextlib.closing(node.client()) as c:
        token = c.map("ACCORD.GET", key)["token"]
        expect(c.ask("ACCORD.FILL", key, value, "TOKEN", token) == "STORED", key, node.log[-5:])


def state(node, key):
    with contextlib.closing(node.client()) as c:
        return c.map("ACCORD.GET", key)["state"]


def removed(node, key):
    with contextlib.closing(node.client()) as c:
        answer = c.ask("DEL", key)
        expect(not isinstance(answer, RespError), answer)


def crash_three_times(victim, node, position, warm=False):
    """The node runs, and the entry is written by now."""
    for tries in range(1, TRIES + 1):
        expect(node.ended() == -signal.SIGABRT, node.process.returncode, node.log[-6:])
        inherited = any("event=warm" in line for line in node.log)
        expect(inherited if warm and tries == 2 else warm or not inherited, node.log)
        node = victim.begin()
        line = node.logged("event=poison" if tries == TRIES else "event=in-hand")
        expect(f"position={position}@" in line and f"tries={tries}" in line, line)
    return node


def skipped(node, position):
    """It serves, and says what it has skipped."""
    node.ready()
    soon(lambda: node.status()["drops_poison"] == 1, node.log[-8:])
    status = node.status()
    expect(status["poison"].startswith(f"{position}@"), status["poison"])
    expect(any("event=cold-boot" in line and f"position {position} " in line for line in node.log),
           node.log)
    said = run("status", "--socket", node.socket).stdout
    expect(any(line.split() == ["poison", status["poison"]] for line in said.splitlines()), said)


def stop(node):
    node.kill(signal.SIGKILL)
    expect(not any("Sanitizer" in line for line in node.log), node.log)


def live(start, stage, manager=None):
    """What both stages have in common. The node, serving again."""
    other = start("other", "--max-stale", f"{L}s")  # another version, without that bug
    other.ready()
    victim = Victim(start, stage, manager)
    node = victim.begin()
    node.ready()
    expect(rows(start.folder, "SELECT count(*) FROM accord_changes")[0][0] > 0)
    fill(node, "before", "old")
    if manager:
        soon(lambda: manager.kept, "the segment was given to the manager")
    position = write(start.folder, "crash:1")
    node = crash_three_times(victim, node, position, warm=manager is not None)
    skipped(node, position)
    expect(state(node, "before") != "hit", "the cache was dropped")
    fill(node, "after", "new")
    fill(other, "seen", "new")
    removed(other, "after")
    soon(lambda: state(node, "after") == "miss", "what comes later is applied")
    removed(node, "seen")
    soon(lambda: state(other, "seen") == "miss", "and it is heard")
    for one in (node, other):
        expect(one.status()["divergences"] == 0, one.log[-6:])
    expect(other.process.poll() is None)
    stop(node)  # and once more, soon enough for the entry to be read again
    node = victim.begin()
    node.ready()
    expect(node.process.poll() is None, node.log[-6:])
    fill(node, "again", "new")
    return node


@test
def an_entry_that_crashes_the_reader_is_skipped_after_three_tries():
    with nodes() as start:
        stop(live(start, "reading"))


@test
def an_entry_that_crashes_what_applies_it_is_skipped_after_three_tries():
    with nodes() as start:
        stop(live(start, "applying"))


@test
def a_segment_kept_over_the_crashes_is_dropped_at_the_entry_too():
    with nodes() as start:
        stop(live(start, "applying", Manager(start.folder)))


@test
def two_such_entries_one_behind_the_other_cost_three_tries_each():
    with nodes() as start:
        victim = Victim(start, "applying")
        node = victim.begin()
        node.ready()
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            first, _, last = [db.execute("INSERT INTO accord_changes(key) VALUES (?)",
                                         (key,)).lastrowid for key in ("crash:1", "k", "crash:2")]
        node = crash_three_times(victim, node, first)
        node = crash_three_times(victim, node, last)
        node.ready()
        soon(lambda: node.status()["drops_poison"] == 2, node.log[-8:])
        stop(node)


@test
def a_process_killed_three_times_elsewhere_skips_nothing():
    with nodes() as start:
        victim = Victim(start, "reading")
        for _ in range(TRIES + 1):
            node = victim.begin()
            node.ready()
            write(start.folder, "k")
            stop(node)
            expect(not any("event=poison" in line for line in node.log), node.log)


@test
def a_file_that_cannot_be_made_is_said_and_costs_nothing_else():
    with nodes() as start:
        os.makedirs(start.folder + "/state/state.hand")
        node = start("web1", "--max-stale", f"{L}s", "--state", start.folder + "/state")
        node.ready()
        expect("state.hand" in node.logged("event=no-hand"), node.log)
        fill(node, "k", "v")


@test
def a_node_inside_an_application_skips_it_too():
    with nodes() as start:
        outside = start("outside", "--max-stale", f"{L}s")
        outside.ready()
        address = (f"embed:?bus=sqlite:{start.folder}/bus.db&name=inside&memory=16M"
                   f"&state={start.folder}/state&max-stale={L}s")
        before = ["env", "LD_PRELOAD=" + crashing(), "CRASH_AT=reading",
                  "XDG_RUNTIME_DIR=", "TMPDIR=" + start.folder]  # crashed, they leave folders
        inside = Probe(address, *before)
        expect(inside.opened[0] == 0, inside.opened)
        expect(inside.ask("fill", b"k", b"v")[0] == 0)
        write(start.folder, "crash:1")
        expect(inside.process.wait(WAIT) == -signal.SIGABRT, inside.process.returncode)
        for _ in range(1, TRIES):  # it opens, and soon reads on
            with contextlib.suppress(ConnectionError):
                inside = Probe(address, *before)
                expect(inside.process.wait(WAIT) == -signal.SIGABRT, inside.process.returncode)
        inside = Probe(address, *before)
        expect(inside.opened[0] == 0, inside.opened)
        soon(lambda: inside.ask("fill", b"k2", b"w")[0] == 0, "it stores")
        with contextlib.closing(outside.client()) as c:
            c.ask("DEL", "k2")
        expect(inside.ask("sync")[0] == 0)
        expect(inside.get(b"k2")[1] != 1, "what comes later is applied")
        inside.kill()


if __name__ == "__main__":
    sys.exit(main())
