#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""policy.py - what namespaces and removals promise about loads, seen through each way in: Redis's
protocol, libaccord, a node inside the process (embed:), and the command line.

A token is taken before the loader runs, so a removal between a load's start and its fill refuses
the fill. Of something stale, or due for a refresh, all are served at once and one loads. Prints "ok
NAME", "not ok NAME" or "skip NAME: why"; ACCORD_BUILD names the build folder."""
import contextlib
import os
import sqlite3
import subprocess
import sys
import time

from lib import ACCORD, WAIT, Probe, RespError, as_map, expect, main, nodes, soon, test

MISS, NEGATIVE = 0, 3  # of enum accord_state
SPACES = """load-timeout = 60s
[namespace brief]
ttl = 1h
negative_ttl = 3s
[namespace spread]
ttl = 1000s
jitter = 0.2
[namespace ahead]
ttl = 1000s
refresh_at = 0.001
"""
LOADERS = 4


def begin(start, name, text=SPACES):
    path = os.path.join(start.folder, name + ".ini")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    node = start(name, "--config", path)
    node.ready()
    return node


class Gate:
    """An origin whose every load is counted, and waits until it is let go."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, "gate-" + name)
        os.mkdir(self.folder)
        self.answers("new")
        self.script = (f"cd {self.folder}; echo x >>began; n=0; until test -e go; do n=$((n+1)); "
                       "test $n -gt 1200 && exit 9; sleep 0.05; done; cat value")

    def answers(self, value):
        with open(self.folder + "/value", "w", encoding="ascii") as f:
            f.write(value)

    def began(self):
        with contextlib.suppress(FileNotFoundError), open(self.folder + "/began",
                                                          encoding="ascii") as f:
            return len(f.readlines())
        return 0

    def go(self):
        with open(self.folder + "/go", "w", encoding="ascii"):
            pass


class ByResp:
    """A caller that speaks Redis's protocol: it loads when it is told that it may."""

    def __init__(self, node, gate):
        self.client, self.gate, self.got = node.client(), gate, None

    def call(self, key):
        self.key = key
        self.client.send("ACCORD.GET", key, "LOAD", "60000")

    def answer(self):
        self.got = as_map(self.client.receive())
        if not self.got["may_load"]:
            return self.got["value"]
        with open(self.gate.folder + "/began", "a", encoding="ascii") as f:
            f.write("x\n")
        soon(lambda: os.path.exists(self.gate.folder + "/go"), "the loader is let go")
        with open(self.gate.folder + "/value", encoding="ascii") as f:
            value = f.read()
        self.filled = self.client.ask("ACCORD.FILL", self.key, value, "TOKEN", self.got["token"])
        return value

    def close(self):
        self.client.close()


class ByLibrary:
    """accord_get_or_set() in a process of its own."""

    def __init__(self, node, gate):
        self.probe, self.gate = Probe(node), gate
        expect(self.probe.opened[0] == 0, self.probe.opened)

    def call(self, key):
        self.probe.send("load", key.encode(), self.gate.folder.encode())

    def answer(self):
        status, text = self.probe.receive()
        state, _, value = text.partition(" ")
        expect(status == 0, status, text)
        expect(int(state) not in (MISS, NEGATIVE), state)
        return bytes.fromhex(value.strip("-")).decode()

    def close(self):
        self.probe.kill()


class ByCommand:
    """accord memoize."""

    def __init__(self, node, gate):
        self.socket, self.gate, self.process = node.socket, gate, None

    def call(self, key):
        self.process = subprocess.Popen([ACCORD, "memoize", "--socket", self.socket, key, "--",
                                         "sh", "-c", self.gate.script], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def answer(self):
        out, err = self.process.communicate(timeout=WAIT)
        expect(self.process.returncode == 0, out, err)
        return out

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


WAYS = [ByResp, ByLibrary, ByCommand]


def state(node, key):
    with contextlib.closing(node.client()) as c:
        return c.map("ACCORD.GET", key)["state"]


def fill(node, key, value, *more):
    with contextlib.closing(node.client()) as c:
        token = c.map("ACCORD.GET", key)["token"]
        expect(c.ask("ACCORD.FILL", key, value, "TOKEN", token, *more) == "STORED", key)


def synced(node):
    with contextlib.closing(node.client()) as c:
        answer = c.ask("ACCORD.SYNC", "WAIT", WAIT * 1000)
        expect(not isinstance(answer, RespError), answer)


# ---- the token comes before the loader ----------------------------------------------------------

def removals(start, other):
    """Each way in which a key can go: by this name, and how."""
    def ask(*words):
        with contextlib.closing(other.client()) as c:
            answer = c.ask(*words)
            expect(not isinstance(answer, RespError), answer)

    def insert(key):
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("INSERT INTO accord_changes(key) VALUES (?)", (key,))

    return {"del": lambda key: ask("DEL", key), "soft": lambda key: ask("ACCORD.REMOVE", key, "SOFT"),
            "clear": lambda key: ask("ACCORD.CLEAR", "*"), "row": insert}


@test
def what_is_removed_while_it_is_loaded_is_not_kept():
    with nodes() as start:
        node, other = begin(start, "web1"), begin(start, "web2")
        for way in WAYS:
            for name, remove in removals(start, other).items():
                key = f"{way.__name__}-{name}"
                gate = Gate(start.folder, key)
                gate.answers("old")
                with contextlib.closing(way(node, gate)) as caller:
                    caller.call(key)
                    if way is ByResp:  # this one loads in answer(): the token is in hand by then
                        soon(lambda: node.status()["loads"] == 1, "the right is given")
                    else:
                        soon(lambda: gate.began() == 1, f"{key}: the loader runs")
                    remove(key)
                    synced(node)
                    gate.go()
                    expect(caller.answer() == "old", "who loaded it may use it once")
                    if way is ByResp:
                        expect(caller.filled == "REFUSED token", caller.filled)
                expect(state(node, key) == "miss", key, "an old value is kept")


@test
def a_plain_set_after_a_missed_get_is_not_kept_either():
    with nodes() as start:
        node, other = begin(start, "web1"), begin(start, "web2")
        for name, remove in removals(start, other).items():
            with contextlib.closing(node.client()) as c:
                expect(c.ask("GET", name) is None)
                remove(name)
                synced(node)
                expect(c.ask("SET", name, "old") == "OK")
                expect(state(node, name) == "miss", name)
        expect(node.status()["sets_not_stored"] == 4, node.status())


@test
def a_node_inside_a_process_refuses_such_a_fill_too():
    with nodes() as start:
        other = begin(start, "web2")
        address = f"embed:?bus=sqlite:{start.folder}/bus.db&name=inside&memory=16M&load-timeout=60s"
        gate = Gate(start.folder, "embed")
        gate.answers("old")
        with Probe(address) as probe:
            probe.send("load", b"k", gate.folder.encode())
            soon(lambda: gate.began() == 1, "the loader runs")
            with contextlib.closing(other.client()) as c:
                names = [as_map(row)["name"] for row in c.ask("ACCORD.NODES")]
                expect("inside" in names, names)
                answer = c.ask("ACCORD.REMOVE", "k", "WAIT", WAIT * 1000)
                expect(not isinstance(answer, RespError), answer)
            gate.go()
            status, text = probe.receive()
            expect(status == 0 and text.endswith(b"old".hex()), status, text)
            expect(probe.get(b"k")[1] == MISS, "an old value is kept", probe.get(b"k"))


# ---- one loads, all are served ------------------------------------------------------------------

def crowd(node, gate, way, key, old):
    """LOADERS callers of one key that has an old value: all but one have it at once, one loads."""
    callers = [way(node, gate) for _ in range(LOADERS)]
    try:
        for caller in callers[:1]:
            caller.call(key)
        if way is ByResp:
            soon(lambda: node.status()["loads"] == 1, "the first has the right")
        else:
            soon(lambda: gate.began() == 1, "the first loads")
        for caller in callers[1:]:
            caller.call(key)
        for caller in callers[1:]:
            expect(caller.answer() == old, "served while another loads")
        gate.go()
        expect(callers[0].answer() == "new")
        expect(gate.began() == 1, "one loads", gate.began())
    finally:
        for caller in callers:
            caller.close()
    with contextlib.closing(node.client()) as c:
        got = c.map("ACCORD.GET", key)
        expect((got["state"], got["value"]) == ("hit", "new"), got)


@test
def what_is_removed_softly_is_served_stale_while_one_refreshes_it():
    with nodes() as start:
        node, other = begin(start, "web1"), begin(start, "web2")
        with contextlib.closing(other.client()) as c, Probe(other) as probe:
            removes = {ByResp: lambda key: expect(not isinstance(c.ask("ACCORD.REMOVE", key, "SOFT"),
                                                                 RespError)),
                       ByLibrary: lambda key: expect(probe.ask("soft", key.encode())[0] == 0),
                       ByCommand: lambda key: subprocess.run(
                           [ACCORD, "remove", "--soft", "--socket", other.socket, key],
                           check=True, timeout=WAIT, capture_output=True)}
            for way in WAYS:
                key = way.__name__
                fill(node, key, "old")
                removes[way](key)
                synced(node)
                got = node.client().map("ACCORD.GET", key)
                expect((got["state"], got["why"], got["value"]) == ("stale", "removed", "old"), got)
                crowd(node, Gate(start.folder, key), way, key, "old")


@test
def what_is_due_for_a_refresh_is_a_hit_for_all_and_one_loads_it_anew():
    with nodes() as start:
        node = begin(start, "web1")
        for way in WAYS:
            key = "ahead:" + way.__name__
            fill(node, key, "old")
            time.sleep(1.2)  # refresh_at is 0.1 % of 1000 s
            expect(state(node, key) == "hit", "it is fresh meanwhile")
            crowd(node, Gate(start.folder, way.__name__), way, key, "old")


# ---- nodes that differ --------------------------------------------------------------------------

@test
def status_says_which_node_differs_in_which_setting():
    with nodes() as start:
        node = begin(start, "web1")
        begin(start, "web2")
        soon(lambda: node.status()["members"] == 2, "both are there")
        expect(node.status()["settings_differ"] == "", node.status()["settings_differ"])
        third = begin(start, "web3", SPACES.replace("ttl = 1h", "ttl = 2h") + "[namespace shop]\n")
        wanted = "web3: brief.ttl is 2h there, 1h here; shop is declared only there"
        soon(lambda: node.status()["settings_differ"] == wanted, node.status()["settings_differ"])
        done = subprocess.run([ACCORD, "status", "--socket", node.socket], capture_output=True,
                              text=True, timeout=WAIT, check=True)
        expect(f"settings_differ      {wanted}\n" in done.stdout, done.stdout)
        both = third.status()["settings_differ"].split(" | ")
        expect(sorted(line.split(":")[0] for line in both) == ["web1", "web2"], both)


# ---- times --------------------------------------------------------------------------------------

@test
def jitter_spreads_the_ends_of_equal_ttls_and_makes_none_later():
    with nodes() as start:
        node = begin(start, "web1")
        began = time.monotonic()
        keys = [f"spread:{i}" for i in range(200)]
        for key in keys:
            fill(node, key, "v")
        with contextlib.closing(node.client()) as c:
            left = [c.ask("PTTL", key) for key in keys]
        passed_ms = (time.monotonic() - began) * 1000
        expect(all(800000 - passed_ms - 1 <= ms <= 1000000 for ms in left), min(left), max(left))
        # A fifth of 1000 s in ten parts: each has its share of 200 keys, or nearly so.
        parts = [0] * 10
        for ms in left:
            parts[min(9, max(0, int((ms + passed_ms / 2 - 800000) / 20000)))] += 1
        expect(min(parts) >= 3 and max(parts) <= 50, parts)


@test
def negative_entries_live_for_their_own_time():
    with nodes() as start:
        node = begin(start, "web1")
        with contextlib.closing(node.client()) as c, Probe(node) as probe:
            began = time.monotonic()
            fill(node, "brief:none", "", "NEGATIVE")
            fill(node, "brief:some", "v")
            if time.monotonic() - began < 2:
                got = c.map("ACCORD.GET", "brief:none")
                library = probe.get(b"brief:none")[1]
                done = subprocess.run([ACCORD, "get", "--json", "--socket", node.socket,
                                       "brief:none"], capture_output=True, text=True, timeout=WAIT,
                                      check=False)
                if time.monotonic() - began < 3:
                    expect(got["state"] == "negative" and got["value"] is None, got)
                    expect(library == NEGATIVE, library)
                    expect('"negative"' in done.stdout, done)
                    expect(c.ask("GET", "brief:none") is None)
            soon(lambda: state(node, "brief:none") == "miss", "negative_ttl ends")
            expect(time.monotonic() - began >= 2.9, "it lived for its time")
            expect(state(node, "brief:some") == "hit", "and that of values is another")


if __name__ == "__main__":
    sys.exit(main())
