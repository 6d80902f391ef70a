#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""chp.py - ZeroMQ clients of the Clustered Hashmap Protocol (RFC 12) at real daemons. The client is
one of its own, written after the RFC, over pyzmq: it subscribes, asks for a snapshot, discards what
is older, and keeps the map that comes of it. Models 5 and 6 of the ZeroMQ guide differ in how they
set: with a PUSH socket, or with a PUB to all servers."""
import contextlib
import os
import socket
import struct
import sys
import time
import uuid

from lib import SANITIZED, WAIT, Skip, expect, locked, main, nodes, run, soon, test

try:
    import zmq
except ImportError:
    zmq = None

KEYS = 10000 if SANITIZED else 100000
EMPTY = b"\0" * 8


def three_ports():
    """Three free ports in a row, below those that the kernel gives away."""
    for port in range(20000 + os.getpid() % 4000 * 3, 32000, 3):
        with contextlib.ExitStack() as held:
            try:
                for at in range(port, port + 3):
                    s = held.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", at))
                return port
            except OSError:
                continue
    raise Skip("no three free ports")


class Map:
    """What a client knows of a subtree."""

    def __init__(self, port, tree=b"", push=False, hwm=0):
        self.context, self.tree = zmq.Context(), tree
        self.values, self.properties, self.sequence = {}, {}, 0
        self.updates, self.hugs = [], 0
        self.subscriber = self.made(zmq.SUB, hwm)
        for prefix in (tree, b"HUGZ"):
            self.subscriber.setsockopt(zmq.SUBSCRIBE, prefix)
        self.setter = self.made(zmq.PUSH if push else zmq.PUB, 0)
        self.asker = self.made(zmq.DEALER, hwm)
        self.connect(port)

    def made(self, kind, hwm):
        made = self.context.socket(kind)
        made.linger = 0
        if hwm == 0:
            made.set_hwm(0)
        return made

    def connect(self, port):
        self.subscriber.connect(f"tcp://127.0.0.1:{port + 1}")
        self.setter.connect(f"tcp://127.0.0.1:{port + 2}")
        self.asker.connect(f"tcp://127.0.0.1:{port}")

    def __enter__(self):
        self.until(lambda: self.hugs > 0, "HUGZ")  # the subscription holds
        self.ask()
        return self

    def __exit__(self, *_):
        self.context.destroy(0)

    def ask(self):
        self.asker.send_multipart([b"ICANHAZ?", self.tree])
        self.snapshot()

    def snapshot(self):
        values, properties = {}, {}
        while True:
            expect(self.asker.poll(WAIT * 1000), "no KTHXBAI", len(values))
            key, sequence, _, lines, value = self.asker.recv_multipart()
            expect(len(sequence) == 8, sequence)
            if key == b"KTHXBAI":
                break
            values[key], properties[key] = value, lines
        expect(value == self.tree, value)
        self.values, self.properties = values, properties
        self.sequence = struct.unpack(">Q", sequence)[0]

    def take(self, milliseconds):
        """One update, if one comes: what is older than the map is discarded."""
        if not self.subscriber.poll(milliseconds):
            return
        key, sequence, who, lines, value = self.subscriber.recv_multipart()
        if key == b"HUGZ":
            self.hugs += 1
            expect((sequence, who, lines, value) == (EMPTY, b"", b"", b""))
            return
        number = struct.unpack(">Q", sequence)[0]
        if number <= self.sequence:
            return
        self.sequence = number
        self.updates.append((key, who, lines, value))
        self.values[key], self.properties[key] = value, lines
        if not value:
            del self.values[key], self.properties[key]

    def until(self, condition, what):
        end = time.monotonic() + WAIT
        while not condition():
            expect(time.monotonic() < end, what, self.updates[-5:])
            self.take(100)

    def set(self, key, value, lines=b""):
        who = uuid.uuid4().bytes
        self.setter.send_multipart([key, EMPTY, who, lines, value])
        return who

    def set_and_see(self, key, value, lines=b""):
        """Sets until it comes back: a PUB drops what it sends before it is connected."""
        end, seen = time.monotonic() + WAIT, len(self.updates)
        sent = {self.set(key, value, lines)}
        while not any(u[1] in sent for u in self.updates[seen:]):
            seen = len(self.updates)
            expect(time.monotonic() < end, "the set did not come back", key)
            self.take(500)
            if seen == len(self.updates) and not self.subscriber.poll(0):
                sent.add(self.set(key, value, lines))


def refusal(node, *parts):
    line = node.logged("chp-refused")
    for part in parts:
        node.until(node.log, part, "log")
    return line


@contextlib.contextmanager
def served(*flags, name="web1", options="", start=None, **more):
    with contextlib.ExitStack() as stack:
        start = start or stack.enter_context(nodes())
        port = three_ports()
        address = f"chp://127.0.0.1:{port}{options}"
        node = start(name, "--listen", address, *flags, **more)
        node.ready()
        with contextlib.closing(node.client()) as c:
            yield start, node, c, port


@test
def a_client_reads_a_snapshot_and_then_updates():
    with served() as (_, node, c, port):
        expect(c.ask("SET", "/client/1", "one") == "OK")
        expect(c.ask("SET", "/clientele/1", "other") == "OK")
        expect(c.ask("SET", "/client/empty", "") == "OK")
        with Map(port, b"/client/") as m:
            expect(m.values == {b"/client/1": b"one"}, m.values)
            c.ask("SET", "/clientele/2", "other")
            c.ask("SET", "/client/2", "two")
            m.until(lambda: m.values.get(b"/client/2") == b"two", "a SET")
            c.ask("DEL", "/client/1")
            m.until(lambda: b"/client/1" not in m.values, "a DEL")
            token = c.map("ACCORD.GET", "/client/3")["token"]
            expect(c.ask("ACCORD.FILL", "/client/3", "three", "TOKEN", token) == "STORED")
            m.until(lambda: m.values.get(b"/client/3") == b"three", "a fill")
            c.ask("SET", "/client/2", "")  # an empty value is no value in a tree
            m.until(lambda: b"/client/2" not in m.values, "an empty value")
            expect(all(u[0].startswith(b"/client/") for u in m.updates), m.updates)
            expect(c.ask("PEXPIRE", "/client/3", 50) == 1)
            m.until(lambda: b"/client/3" not in m.values, "a ttl that ran out")
        with Map(port) as everything:
            expect(set(everything.values) == {b"/clientele/1", b"/clientele/2"},
                   everything.values)
        status = node.status()
        expect(status["chp_snapshots"] == 2 and status["chp_keys"] == 2, status)


@test
def a_set_is_stored_here_and_removes_other_copies():
    with served() as (start, _, c, port), Map(port) as m:
        other = start("web2")
        other.ready()
        with contextlib.closing(other.client()) as d:
            m.set_and_see(b"page", b"first")
            expect(c.ask("GET", "page") == b"first")
            d.ask("SET", "page", "of web2")
            m.until(lambda: b"page" not in m.values, "a SET elsewhere")
            expect(c.ask("GET", "page") is None)
            m.set_and_see(b"page", b"second", b"colour=green\nttl=60\n")
            expect(c.ask("GET", "page") == b"second")
            expect(0 < c.ask("TTL", "page") <= 60)
            soon(lambda: d.ask("GET", "page") is None, "the copy of web2 goes")
            # Relative on the wire, then and later; other properties stay with the value (T39).
            expect(m.properties[b"page"] == b"ttl=60\ncolour=green\n", m.properties)
            m.ask()
            ttl, colour = m.properties[b"page"].split(b"\n")[:2]
            expect(0 < int(ttl[4:]) <= 60 and colour == b"colour=green", m.properties)
            d.ask("DEL", "page")
            m.until(lambda: b"page" not in m.values, "a DEL elsewhere")
            m.set_and_see(b"page", b"third")
            m.set_and_see(b"page", b"")
            expect(c.ask("GET", "page") is None and b"page" not in m.values)
            m.set_and_see(b"short", b"value", b"ttl=1\n")
            m.until(lambda: b"short" not in m.values, "a ttl that ran out")


@test
def a_namespace_is_a_subtree_and_goes_as_one():
    with nodes() as start:
        config = start.folder + "/accord.ini"
        with open(config, "w", encoding="ascii") as f:
            f.write("[namespace greeble]\nttl = 1h\ndelimiter = /\n")
        with served("--config", config, start=start) as (_, node, c, port):
            for i in range(50):
                c.ask("ACCORD.SET", f"greeble:{i}", "value", "TAGS", 1, "odd" if i % 2 else "even")
            c.ask("SET", "page", "stays")
            c.ask("SET", "/greeble/5", "has no name in the tree")
            with Map(port, b"/greeble/") as m:
                expect(len(m.values) == 50 and m.values[b"/greeble/5"] == b"value", m.values)
                expect(0 < int(m.properties[b"/greeble/5"][4:]) <= 3600, m.properties)
                m.set_and_see(b"/greeble/new", b"value")
                expect(c.ask("GET", "greeble:new") == b"value")
                c.ask("ACCORD.REMOVETAG", "odd")
                m.until(lambda: len(m.values) == 26, "a tag's removal")
                c.ask("ACCORD.CLEAR", "greeble")
                m.until(lambda: not m.values, "a namespace's removal")
                m.set(b"greeble:7", b"value")
                refusal(node, "/namespace/key")
            with Map(port) as m:
                expect(m.values == {b"page": b"stays"}, m.values)
                c.ask("FLUSHALL")
                m.until(lambda: not m.values, "FLUSHALL")


@test
def what_is_no_message_is_refused_and_said():
    with served() as (_, node, c, port), Map(port) as m:
        m.set_and_see(b"right", b"1")
        for key in (b"HUGZ", b"KTHXBAI"):  # T37
            m.set(key, b"value")
            m.set(key, b"")
        refusal(node, "words of the protocol")
        m.set(b"key", b"value", b"ttl=soon\n")
        node.logged("not a number of seconds")
        m.set(b"key", b"value", b"ttl")
        node.logged("lines of name=value")
        m.setter.send_multipart([b"key", b"value"])
        node.logged("five frames")
        m.setter.send_multipart([b"x"] * 20)
        m.setter.send_multipart([b"k" * 9000, EMPTY, b"", b"", b"value"])
        node.logged("longer than 8192")
        m.setter.send_multipart([b"key", EMPTY, b"short", b"", b"value"])
        node.logged("16 bytes")
        m.asker.send_multipart([b"ICANHAZ?", b"/client"])
        node.logged("begins and ends with a slash")
        m.asker.send_multipart([b"HELLO"])
        node.logged("only ICANHAZ?")
        with Map(port) as other:  # a frame over the limit: its client is disconnected, no other
            other.set_and_see(b"right", b"other")
            other.set(b"key", b"v" * (2 << 20))
        m.setter.send_multipart([b"large", EMPTY, b"", b"", b"v" * (1 << 20)])
        node.logged("chp-set ")  # an item has less room than that
        m.set_and_see(b"right", b"2")
        expect(c.ask("DBSIZE") == 1 and m.values == {b"right": b"2"}, m.values)
        expect(not any(u[0] in (b"HUGZ", b"KTHXBAI", b"key") for u in m.updates))
        status = node.status()
        expect(status["chp_refused"] == 12 and status["chp_sets_failed"] == 1, status)


@test
def a_large_snapshot_ends_however_slowly_it_is_read():
    with served("--memory", "64M", bus="memory:chp") as (_, node, c, port):
        for first in range(0, KEYS, 2000):
            words = [w for i in range(first, first + 2000) for w in (f"/big/{i}", f"v{i}")]
            expect(c.ask("MSET", *words) == "OK")
        # With ZeroMQ's own limits for its queues, and behind for a while (T34).
        with Map(port, b"/none/", hwm=1000) as m, Map(port, b"/none/", hwm=1000) as gone:
            gone.asker.send_multipart([b"ICANHAZ?", b"/big/"])
            m.tree = b"/big/"
            m.asker.send_multipart([b"ICANHAZ?", b"/big/"])
            soon(lambda: node.status()["chp_snapshots_open"] == 2, "both are being sent")
            gone.asker.close()
            c.ask("DEL", "/big/0")
            m.snapshot()
            missing = {b"/big/%d" % i for i in range(1, KEYS)} - set(m.values)
            expect(not missing, len(missing))
            expect(m.values[b"/big/77"] == b"v77")
            soon(lambda: node.status()["chp_snapshots_open"] == 0, "nothing is left of who went")


@test
def a_server_that_starts_again_goes_on_above():
    with served() as (start, node, _, port), Map(port) as m:
        m.set_and_see(b"before", b"1")
        before = m.sequence
        node.kill(9)
        again = start("web1", "--listen", f"chp://127.0.0.1:{port}")
        again.ready()
        hugs = m.hugs
        m.until(lambda: m.hugs > hugs, "HUGZ of the new one")
        with contextlib.closing(again.client()) as c:
            c.ask("SET", "after", "2")
        m.until(lambda: m.values.get(b"after") == b"2", "an update of the new one (T36)")
        m.ask()
        expect(m.sequence > before and m.values == {b"after": b"2"}, m.values, before)
        code = again.kill()  # with a client connected
        expect(code == 0, code, again.log[-20:])


@test
def an_unsure_node_is_silent_until_it_knows_again():
    with served("--max-stale", "1s") as (start, node, c, port), Map(port) as m:
        m.set_and_see(b"key", b"value")
        with locked(start.folder):
            node.logged("event=unsure")
            while m.subscriber.poll(1500):  # what was under way, and then nothing
                m.take(0)
            hugs = m.hugs
            m.asker.send_multipart([b"ICANHAZ?", b""])
            soon(lambda: node.status()["chp_snapshots_open"] == 1, "the question waits")
            with contextlib.closing(m.made(zmq.DEALER, 0)) as many:
                many.connect(f"tcp://127.0.0.1:{port}")
                for i in range(300):
                    many.send_multipart([b"ICANHAZ?", b"/%d/" % i])
                    many.send_multipart([b"ICANHAZ?", b"/%d/" % i])  # asked again: the same
                node.logged("too many snapshots")
                soon(lambda: node.status()["chp_refused"] >= 45, "the others are refused")
                expect(node.status()["chp_snapshots_open"] == 256, node.status())
            expect(not m.asker.poll(500) and m.hugs == hugs)
        m.snapshot()
        expect(m.values in ({b"key": b"value"}, {}), m.values)
        m.until(lambda: m.hugs > hugs, "HUGZ again")
        soon(lambda: node.status()["chp_snapshots_open"] == 0, "who went is not waited for")


@test
def clients_of_model_5_push_what_they_set():
    with served(options="?collector=push") as (_, _, c, port), Map(port, push=True) as m:
        m.set_and_see(b"/client/1", b"pushed", b"ttl=60\n")
        expect(c.ask("GET", "/client/1") == b"pushed")


@test
def sets_that_the_bus_does_not_take_wait_and_none_is_lost():
    with served("--memory", "64M", options="?collector=push") as (start, node, c, port), \
            Map(port, push=True) as m:
        m.set_and_see(b"first", b"1")
        with locked(start.folder):
            for i in range(17000):  # more than are handed over unanswered
                m.set(b"%d" % i, b"value")
            soon(lambda: node.status()["chp_sets"] > 10000, "they are read")
        soon(lambda: node.status()["chp_sets"] == 17001, "all are read")
        m.set_and_see(b"after", b"1")
        expect(c.ask("GET", "after") == b"1")


@test
def clients_of_model_6_set_at_both_servers_and_turn_to_the_other():
    with served() as (start, first, c, port), \
            served(name="web2", start=start) as (_, second, d, other), Map(port) as m:
        m.setter.connect(f"tcp://127.0.0.1:{other + 2}")
        with Map(other) as n:
            # Each server stores it, and the removal that each publishes spares the same bytes.
            m.set_and_see(b"key", b"value")
            end = time.monotonic() + WAIT
            while n.values.get(b"key") != b"value":
                expect(time.monotonic() < end, "the second server has it")
                m.set(b"key", b"value")
                n.take(500)
            for client in (c, d):
                soon(lambda: client.ask("GET", "key") == b"value", "both have it")
        first.kill(9)
        m.values, m.hugs = {}, 0
        m.connect(other)
        m.until(lambda: m.hugs > 0, "HUGZ of the other")
        m.asker.disconnect(f"tcp://127.0.0.1:{port}")
        m.ask()
        expect(m.values == {b"key": b"value"}, m.values)
        expect(second.status()["chp_snapshots"] == 2)


@test
def an_address_that_will_not_do_is_refused_with_what_to_do():
    port = three_ports()
    with nodes() as start, socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        done = run("serve", "--name", "web1", "--bus", f"sqlite:{start.folder}/bus.db", "--socket",
                   start.folder + "/s", *[w for i in range(5) for w in
                                          ("--listen", f"chp://127.0.0.1:{port - 30 + 3 * i}")])
        expect(done.returncode != 0 and "at most 4 addresses" in done.stderr, done.stderr)
        for address, *parts in (
                ("chp://127.0.0.1", "expected chp://host:port"),
                ("chp://127.0.0.1:0", "from 1 to 65533"),
                ("chp://127.0.0.1:65534", "from 1 to 65533"),
                ("chp://0.0.0.0:5556", "open to other hosts", "127.0.0.1"),
                ("chp://127.0.0.1:5556?colector=push", "collector=push"),
                (f"chp://127.0.0.1:{port}", f"port {port + 1}, for updates, is in use")):
            done = run("serve", "--name", "web1", "--bus", f"sqlite:{start.folder}/bus.db",
                       "--socket", start.folder + "/s", "--listen", address)
            expect(done.returncode != 0, address)
            for part in parts:
                expect(part in done.stderr, address, done.stderr)


if __name__ == "__main__":
    if zmq is None and sys.executable != "/usr/bin/python3":
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    if zmq is None:
        print("skip chp: python3-zmq is not installed")
        sys.exit(0)
    sys.exit(main())
