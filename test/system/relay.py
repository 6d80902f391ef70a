#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""relay.py - a fleet on SQLite and one on a redis-server of their own, and `accord relay` between
them: killed and started again, stopped, without a bus, over a log that was flushed; and a move from
the one bus to the other while both serve, in which no removal is lost.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

from fleets import L, Redis, fresh, kept, state
from lib import ACCORD, WAIT, Node, RespError, crashing, expect, halt, main, nodes, rows, run, soon, test

FLAGS = ("--max-stale", f"{L}s")


class Relay(Node):
    """A relay, its standard output and its log."""

    def __init__(self, start, *urls, name="r1", state="relay", flags=(), environment=None):
        self.name, self.lines, self.log = name, [], []
        words = [ACCORD, "relay", "--from", urls[0], "--to", urls[1], "--uncoupled", "--name", name,
                 *flags]
        if state:
            words += ["--state", os.path.join(start.folder, state)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(environment or {})})
        self.readers = [threading.Thread(target=self.read, args=a, daemon=True) for a in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()
        start.all.append(self)

    def logs(self, part):
        return any(part in line for line in list(self.log))


class World:
    """An old bus (sqlite), a new one (redis), and what runs on them."""

    def __init__(self, start, server):
        self.start, self.server = start, server
        self.old = "sqlite:" + os.path.join(start.folder, "bus.db")
        self.new = server.url()

    def relay(self, **more):
        relay = Relay(self.start, self.old, self.new, **more)
        relay.ready()
        return relay

    def node(self, name, bus, *flags):
        """It, and a client of it."""
        sock = f"{self.start.folder}/{name}-{len(self.start.all)}.sock"
        node = self.start(name, *FLAGS, *flags, bus=bus, sock=sock)
        node.ready()
        client = node.client()
        soon(lambda: fresh(client), f"{name} is fresh")
        return node, client

    def begin(self):
        """A node on the old bus, which was there before; a relay; and the first on the new one."""
        _, a = self.node("web1", self.old)
        relay = self.relay()
        return relay, a, self.node("web2", self.new)[1]


@contextlib.contextmanager
def world():
    with nodes() as start:
        server = Redis(start.folder)
        try:
            yield World(start, server)
        finally:
            server.kill()


def gone(client, key):
    soon(lambda: state(client, key) == "miss", f"{key} is gone there too")


def there(key, *clients):
    """It never went: a busy machine may make a node unsure for a moment, but nothing brings it back."""
    for client in clients:
        soon(lambda c=client: state(c, key) == "hit", f"{key} is still there")


@test
def what_is_removed_on_either_bus_goes_on_both_and_each_status_says_so():
    with world() as w:
        relay, a, b = w.begin()
        expect("uncoupled" in relay.ready(), relay.lines)
        kept(a, "of-b", "stays")
        kept(b, "of-a", "stays")
        a.ask("DEL", "of-a")
        b.ask("DEL", "of-b")
        gone(b, "of-a")
        gone(a, "of-b")
        there("stays", a, b)
        for client, other in ((a, "redis"), (b, "sqlite")):
            soon(lambda c=client, o=other: f"r1 uncoupled:{o} " in c.map("ACCORD.STATUS")["relays"],
                 client.map("ACCORD.STATUS")["relays"])
        # A strict removal covers its own bus, and the relay does not hold it up.
        answer = a.map("ACCORD.REMOVE", "of-a", "WAIT", 20000)
        expect("r1" in str(answer["confirmed"]), answer)
        asked = run("ping", "--all", "--wait", "60s", "--socket", w.start.all[0].socket)
        expect(asked.returncode in (0, 6) and "r1" not in asked.stdout, asked)
        listed = run("nodes", "--socket", w.start.all[0].socket)
        expect("relay uncoupled:redis" in listed.stdout, listed)
        shown = run("status", "--socket", w.start.all[0].socket)
        expect("relays " in shown.stdout and "the promises hold for this bus" in shown.stdout, shown)
        expect(relay.kill() == 0, relay.log)
        soon(lambda: a.map("ACCORD.STATUS")["relays"] == "", "it has left")


@test
def a_relay_that_was_killed_goes_on_where_it_stood():
    with world() as w:
        relay, a, b = w.begin()
        for turn in range(3):
            kept(a, f"b{turn}", "stays")
            kept(b, f"a{turn}", "stays")
            relay.kill(signal.SIGKILL)
            a.ask("DEL", f"a{turn}")
            b.ask("DEL", f"b{turn}")
            relay = w.relay()
            gone(b, f"a{turn}")
            gone(a, f"b{turn}")
            there("stays", a, b)


@test
def an_entry_that_crashes_the_relay_is_skipped_after_three_tries():
    with world() as w:
        relay, a, b = w.begin()
        expect(relay.kill() == 0, relay.log)
        kept(b, "k")
        a.ask("DEL", "crash:1")
        crashes = {"LD_PRELOAD": crashing(), "CRASH_AT": "reading"}
        for _ in range(3):
            relay = Relay(w.start, w.old, w.new, environment=crashes)
            expect(relay.ended() == -signal.SIGABRT, relay.process.returncode, relay.log)
            w.start.all.remove(relay)  # ended as it should
        relay = w.relay(environment=crashes)
        expect("tries=3" in relay.logged("event=poison"), relay.log)
        gone(b, "k")  # it may have meant anything
        kept(b, "later")
        a.ask("DEL", "later")
        gone(b, "later")
        relay.kill(signal.SIGKILL)


@test
def a_relay_that_is_stopped_is_called_silent_and_carries_the_rest_later():
    with world() as w:
        relay, a, b = w.begin()
        kept(b, "k")
        soon(lambda: "r1" in a.map("ACCORD.STATUS")["relays"], "it is known")
        halt(relay, w.start.all[0])
        a.ask("DEL", "k")
        soon(lambda: "SILENT" in a.map("ACCORD.STATUS")["relays"], a.map("ACCORD.STATUS")["relays"])
        soon(lambda: fresh(a) and fresh(b), "each bus keeps its own promises")
        relay.process.send_signal(signal.SIGCONT)
        gone(b, "k")
        soon(lambda: "SILENT" not in a.map("ACCORD.STATUS")["relays"], "it is back")


@test
def a_log_that_was_flushed_clears_the_other_side_and_no_more():
    with world() as w:
        relay, a, b = w.begin()
        kept(a, "k")
        kept(b, "k")
        expect(not relay.logs("event=missed"), relay.log)
        w.server.ask("FLUSHALL")
        gone(a, "k")  # what was removed there and lost cannot be known
        relay.logged("event=missed")
        soon(lambda: fresh(a) and fresh(b), "both are fresh again")
        kept(a, "later")
        kept(b, "later", "last")
        b.ask("DEL", "later")
        gone(a, "later")
        a.ask("DEL", "last")
        gone(b, "last")
        # The new bus at the start, for the old one had a history; the old one now.
        expect(len([line for line in relay.log if "event=cleared" in line]) == 2, relay.log)


@test
def a_bus_that_is_away_stops_nobody_on_the_other():
    with world() as w:
        relay, a, b = w.begin()
        kept(a, "k")
        w.server.process.send_signal(signal.SIGSTOP)
        answer = a.map("ACCORD.REMOVE", "k", "WAIT", 20000)
        expect("r1" in str(answer["confirmed"]) + str(answer.get("lapsed", "")), answer)
        soon(lambda: "stalled:" in a.map("ACCORD.STATUS")["relays"], "it says that it stands still")
        soon(lambda: fresh(a), "the other bus is as it was")
        w.server.process.send_signal(signal.SIGCONT)
        soon(lambda: fresh(b), "fresh again")
        kept(b, "k")
        a.ask("DEL", "k")
        gone(b, "k")
        soon(lambda: "stalled:" not in a.map("ACCORD.STATUS")["relays"], "and that it goes on")
        expect(relay.kill() == 0, relay.log)


class Writer:
    """Changes rows, and removes them through whichever node is there; what came of it is known."""

    def __init__(self):
        self.lock, self.versions, self.clients, self.ending = threading.Lock(), {}, [], False
        self.removed = 0
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        n = 0
        while not self.ending:
            n += 1
            key = f"row:{n % 50}"
            self.versions[key] = n  # the commit comes first
            with self.lock:
                if self.clients:
                    client = self.clients[n % len(self.clients)]
                    self.removed += not isinstance(client.ask("ACCORD.REMOVE", key), RespError)
            time.sleep(0.002)

    def through(self, *clients):
        """From now on through these; none of the others is used any more."""
        with self.lock:
            self.clients = list(clients)


def reads(client, writer):
    """Every row is loaded as an application does."""
    for n in range(50):
        key = f"row:{n}"
        got = client.map("ACCORD.GET", key)
        if got["state"] == "miss":
            client.ask("ACCORD.FILL", key, str(writer.versions.get(key, 0)), "TOKEN", got["token"])


def agrees(client, writer):
    """What is there is what the origin has."""
    for key, version in writer.versions.items():
        got = client.map("ACCORD.GET", key)
        if got["state"] == "hit" and got["value"] != str(version):
            return False
    return fresh(client)


@test
def a_fleet_moves_to_another_bus_while_it_serves():
    with world() as w:
        writer = Writer()
        fleet = [w.node(f"web{i}", w.old) for i in range(1, 4)]
        writer.through(*[node.client() for node, _ in fleet])
        writer.thread.start()
        relay = w.relay()
        expect(w.start.all[0].status()["cold_boots"] == 0, "whoever was there keeps what he has")
        for i in range(3):
            for _, client in fleet:
                reads(client, writer)
            relay.kill(signal.SIGKILL)  # at the worst moment: between two moves
            relay = w.relay()
            rest = [other for other in fleet if other is not fleet[i]]
            writer.through(*[node.client() for node, _ in rest])
            expect(fleet[i][0].kill() == 0, fleet[i][0].log)
            fleet[i] = w.node(f"web{i + 1}", w.new)
            writer.through(*[node.client() for node, _ in fleet])
        for _, client in fleet:
            reads(client, writer)
        writer.ending = True
        writer.thread.join(WAIT)
        expect(writer.removed > 100, writer.removed)
        for _, client in fleet:
            soon(lambda c=client: agrees(c, writer), "all agree with the origin")
        expect(relay.kill() == 0, relay.log)


@test
def a_signed_bus_is_told_with_its_key_and_what_nobody_signed_stays_there():
    with world() as w:
        path = os.path.join(w.start.folder, "key")
        with open(path, "w", encoding="ascii") as f:
            f.write("0123456789abcdef" * 2 + "\n")
        os.chmod(path, 0o600)
        _, a = w.node("web1", w.old)
        relay = w.relay(flags=("--to-key-file", path))
        _, b = w.node("web2", w.new, "--signing-key-file", path)
        kept(a, "of-b", "by-hand")
        kept(b, "of-a")
        a.ask("DEL", "of-a")
        b.ask("DEL", "of-b")
        gone(b, "of-a")
        gone(a, "of-b")
        w.server.ask("XADD", "accord:{shop}:changes", "*", "key", "by-hand")
        relay.logged("event=not-signed")
        there("by-hand", a)
        soon(lambda: b.map("ACCORD.STATUS")["refused_unsigned"] > 0, "the node has read it, too")
        expect(b.map("ACCORD.STATUS")["refused_unsigned"] == 1, "of the hand alone")
        expect(all(b.map("ACCORD.STATUS")[f"refused_{why}"] == 0 for why in
                   ("naked", "keys", "altered", "replayed", "late")), b.map("ACCORD.STATUS"))


@test
def a_relay_without_the_key_of_a_signed_bus_says_nothing_there_and_what_to_do():
    with world() as w:
        path = os.path.join(w.start.folder, "key")
        with open(path, "w", encoding="ascii") as f:
            f.write("0123456789abcdef" * 2 + "\n")
        os.chmod(path, 0o600)
        _, a = w.node("web1", w.old)
        _, b = w.node("web2", w.new, "--signing-key-file", path)
        kept(a, "k", "stays")
        kept(b, "k", "stays")
        relay = Relay(w.start, w.old, w.new)
        line = relay.logged("set --to-key-file here")
        expect("event=stalled" in line and "web2 signs what it says" in line, line)
        a.ask("DEL", "k")
        expect(relay.kill() == 0 and not relay.lines, relay.lines, relay.log)
        there("stays", a, b)
        expect(all(b.map("ACCORD.STATUS")[f"refused_{why}"] == 0 for why in
                   ("naked", "unsigned", "keys")), b.map("ACCORD.STATUS"))
        w.relay(flags=("--to-key-file", path))
        gone(b, "k")


@test
def a_relay_from_a_bus_to_itself_clears_nothing():
    with world() as w:
        _, a = w.node("web1", w.old)
        kept(a, "k")
        done = run("relay", "--from", w.old, "--to", w.old, "--uncoupled")
        expect(done.returncode == 3 and "one and the same log" in done.stderr, done)
        expect(rows(w.start.folder, "SELECT op FROM accord_changes WHERE op = 'clear'") == [], "said")
        there("k", a)


@test
def a_relay_that_cannot_be_says_why():
    with world() as w:
        w.begin()
        for words, code, part in (
                (("--to", w.new), 2, "--from and --to are needed"),
                (("--from", w.old, "--to", w.new), 2, "coupled relays are not built"),
                (("--from", "memory:x", "--to", w.new, "--uncoupled"), 2, "nothing to carry"),
                (("--from", w.old, "--to", "pigeon:x", "--uncoupled"), 2, "pigeon"),
                (("--from", w.old, "--to", w.new, "--uncoupled", "--name", "a b"), 2, "--name"),
                (("--from", w.old, "--to", w.new, "--uncoupled", "--state",
                  os.path.join(w.start.folder, "relay")), 3, "in use by another process"),
                (("--from", w.old, "--to", w.new, "--uncoupled", "--name", "r1"), 3,
                 "give each its own --name"),
                (("--from", w.old, "--to", w.old, "--uncoupled", "--name", "r2"), 3,
                 "one and the same log")):
            done = run("relay", *words)
            expect(done.returncode == code and part in done.stderr, words, done)
            expect("secret" not in done.stderr, done)
        expect("uncoupled" in run("relay", "--help").stdout)


if __name__ == "__main__":
    sys.exit(main())
