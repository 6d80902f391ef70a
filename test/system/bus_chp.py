#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_chp.py - real nodes on a bus that one of them, or one more, serves with --listen chp://: what
a person sets with ZeroMQ, the server killed and started again, a node cut off, ten thousand
removals while it was, the demo and the torture. No removal that was accepted is lost, nothing stale
is called fresh, and the nodes recover by themselves. (What only the bus does is tested in
src/bus/chp.)

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
import time

from fleets import (all_is_said, deaf, fresh, hear_each_other, joined, keeps_its_promises, kept,
                    outlasts, pinged, state)
from lib import SANITIZED, Skip, connected, expect, main, nodes, refused, run, soon, test

WHOLE, ALONE = "active, the other has all", "active, alone"

try:
    import zmq
except ImportError:
    zmq = None


def free_ports(at_least=None):
    """Three in a row, below those that the kernel gives away."""
    for port in range(at_least or 23000 + os.getpid() % 2000 * 3, 31000, 3):
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


class Cable:
    """Between a node and the three ports of a server. "cut": connections end, and new ones with
    them; "stall up" (to the server), "stall down", "stall both": nothing passes any more; "heal"."""

    def __init__(self, to):
        self.port, self.state, self.lock = free_ports(), "heal", threading.Lock()
        self.selector, self.pairs, self.running = selectors.DefaultSelector(), {}, True
        for i in range(3):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", self.port + i))
            s.listen(64)
            self.selector.register(s, selectors.EVENT_READ, to + i)
        self.thread = threading.Thread(target=self.forward, daemon=True)
        self.thread.start()

    def ask(self, command):
        with self.lock:
            self.state = command

    def accept(self, listener, to):
        near = listener.accept()[0]
        if self.state == "cut":
            return near.close()
        try:
            far = socket.create_connection(("127.0.0.1", to), 5)
        except OSError:
            return near.close()
        for one, other, way in (near, far, "up"), (far, near, "down"):
            self.pairs[one] = other, way
            self.selector.register(one, selectors.EVENT_READ, None)

    def end(self, one):
        other, _ = self.pairs.pop(one)
        del self.pairs[other]
        for s in one, other:
            self.selector.unregister(s)
            s.close()

    def pass_on(self, one):
        other, way = self.pairs[one]
        if self.state in ("stall both", f"stall {way}"):
            return time.sleep(0.002)
        try:
            data = one.recv(65536)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.end(one)

    def forward(self):
        while self.running:
            ready = self.selector.select(0.02)
            with self.lock:
                for key, _ in ready:
                    if key.data:
                        self.accept(key.fileobj, key.data)
                    elif key.fileobj in self.pairs:
                        self.pass_on(key.fileobj)
                while self.state == "cut" and self.pairs:
                    self.end(next(iter(self.pairs)))

    def close(self):
        self.running = False
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


class Server:
    """A node that is there for nothing else: its own bus is its own."""

    def __init__(self, start):
        self.start_node, self.port = start, free_ports()
        self.start()

    def url(self, cluster="shop", port=None):
        return f"chp://127.0.0.1:{port or self.port}/{cluster}"

    def start(self):
        self.node = self.start_node("server", "--listen", f"chp://127.0.0.1:{self.port}",
                                    bus="memory:server")
        self.node.ready()

    def kill(self):
        self.node.kill(signal.SIGKILL)


def apart():
    """The first ports of two servers, three each."""
    one = free_ports()
    return [one, free_ports(one + 3)]


class Pair:
    """Two nodes that serve a bus, of which one answers, and are on it themselves; by default in a
    cluster of their own."""

    def __init__(self, start, cluster="servers"):
        self.start_node, self.cluster, self.ports, self.nodes = start, cluster, apart(), {}
        self.begin(0)
        self.alone(0)
        self.begin(1)
        self.in_step(0)

    def url(self, cluster="shop"):
        return "chp://{},{}/{}".format(*[f"127.0.0.1:{p}" for p in self.ports], cluster)

    def begin(self, i):
        self.nodes[i] = self.start_node(f"server{i + 1}", "--max-stale", "1s", "--listen",
                                        f"chp://127.0.0.1:{self.ports[i]}", bus=self.url(self.cluster))

    def kill(self, i):
        self.nodes[i].kill(signal.SIGKILL)

    def signal(self, i, number):
        self.nodes[i].process.send_signal(number)

    def status(self, i):
        with contextlib.closing(self.nodes[i].client()) as c:
            return c.map("ACCORD.STATUS")

    def says(self, i, text):
        try:
            return self.status(i)["chp_bus_pair"] == text
        except OSError:
            return False  # it does not listen yet

    def in_step(self, active):
        soon(lambda: self.says(active, WHOLE) and self.says(1 - active, "passive"), "both are in step")

    def alone(self, active):
        soon(lambda: self.says(active, ALONE), f"server{active + 1} answers alone")


@contextlib.contextmanager
def fleet():
    if zmq is None:
        raise Skip("no python3-zmq: apt-get install python3-zmq")
    with nodes() as start:
        yield start, Server(start)


@contextlib.contextmanager
def cable(port):
    made = Cable(port)
    try:
        yield made
    finally:
        made.close()


class Person:
    """Any client of CHP, with what the protocol has and no more."""

    def __init__(self, port):
        self.context = zmq.Context()
        self.asks, self.sets = self.context.socket(zmq.DEALER), self.context.socket(zmq.XPUB)
        self.updates = self.context.socket(zmq.SUB)
        self.updates.subscribe(b"/accord/shop/")
        self.updates.connect(f"tcp://127.0.0.1:{port + 1}")
        self.asks.connect(f"tcp://127.0.0.1:{port}")
        self.sets.connect(f"tcp://127.0.0.1:{port + 2}")
        self.sets.recv()  # the collector subscribes: what is sent before that is nobody's

    def set(self, key):
        self.sets.send_multipart([key, b"", os.urandom(16), b"", b""])

    def keys(self):
        self.asks.send_multipart([b"ICANHAZ?", b"/accord/shop/"])
        keys = []
        while (message := self.asks.recv_multipart())[0] != b"KTHXBAI":
            keys.append(message[0])
        return keys

    def hears(self, key):
        """Soon, and each message after the one before it."""
        before = 0
        while self.updates.poll(20000):
            heard, sequence, _, properties, _ = self.updates.recv_multipart()
            at, after = int.from_bytes(sequence, "big"), int(properties.split(b"after=")[1].split()[0])
            expect(at > before and after == (before or after), at, before, after)
            before = at
            if heard == key:
                return True
        return False

    def close(self):
        self.context.destroy(0)


@contextlib.contextmanager
def person(port):
    made = Person(port)
    try:
        yield made
    finally:
        made.close()


def recovers(*clients):
    """All are fresh, and what one removes goes at the others."""
    for client in clients:
        soon(lambda c=client: fresh(c), f"fresh again: {client.map('ACCORD.STATUS')['line']}")
    for client in clients:
        for other in clients:
            key = f"after {time.monotonic()}"

            def stored(to=other, k=key):
                return to.ask("SET", k, "v") == "OK" and to.ask("GET", k) == b"v"

            soon(stored, "values are kept")
            soon(lambda c=client, k=key: c.ask("DEL", k) in (0, 1), "removals are published")
            soon(lambda c=other, k=key: c.ask("GET", k) is None, "removals arrive")


@test
def what_a_node_or_a_person_removes_goes_everywhere():
    with fleet() as (start, server), person(server.port) as somebody:
        made, (a, b, c) = joined(start, *[server.url()] * 3)
        for key in "one", "two", "three":
            expect(c.ask("SET", key, "v") == "OK" and c.ask("GET", key) == b"v")
        a.ask("DEL", "one")
        soon(lambda: state(c, "one") == "miss", "removed by a node")
        somebody.set(b"/accord/shop/remove/two")
        expect(somebody.hears(b"/accord/shop/remove/two"), "it is told")
        soon(lambda: state(c, "two") == "miss", "removed by a person")
        expect(state(c, "three") == "hit")
        somebody.set(b"/accord/shop/nonsense/two")
        soon(lambda: state(c, "three") == "miss", "what is not understood clears")
        expect(b"/accord/shop/remove/one" in somebody.keys())
        expect(fresh(a) and fresh(b) and fresh(c))
        promises = a.map("ACCORD.STATUS")["promises"]
        expect("P1 P2 P3 P4" in promises and "lost tail is noticed" in promises, promises)
        expect("the log ends with the process that serves it" in promises, promises)
        answer = a.ask("ACCORD.REMOVE", "four", "WAIT", "20000")
        expect("UNKNOWN" not in str(answer), answer)
        with contextlib.closing(server.node.client()) as s:
            told = s.map("ACCORD.STATUS")
            expect(told["chp_bus_logs"] == 1 and told["chp_bus_appended"] >= 10, told)
        expect(all("event=panic" not in line for node in made for line in node.log))


@test
def a_server_killed_and_started_again_costs_the_caches_and_nothing_else():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url())
        expect(b.ask("SET", "k", "old") == "OK")
        expect(state(b, "k") == "hit")
        server.kill()
        answer = a.ask("DEL", "k")
        refused(answer, "UNPUBLISHED", "queued for the bus")
        soon(lambda: not fresh(a) and not fresh(b), "nobody is sure without the server")
        expect(state(b, "k") != "hit", "not called fresh")
        server.start()
        all_is_said(a)
        soon(lambda: state(b, "k") == "miss", "and arrives")
        recovers(a, b)
        expect(a.map("ACCORD.STATUS")["cold_boots"] >= 1)


@test
def a_node_that_serves_the_bus_is_on_it_itself():
    with nodes() as start:
        port = free_ports()
        url = f"chp://127.0.0.1:{port}/shop"
        first = start("web1", "--listen", f"chp://127.0.0.1:{port}", "--max-stale", "1s", bus=url)
        second = start("web2", "--max-stale", "1s", bus=url)
        first.ready()
        second.ready()
        with contextlib.closing(first.client()) as a, contextlib.closing(second.client()) as b:
            soon(lambda: len(a.ask("ACCORD.NODES")) == 2, "they know each other")
            recovers(a, b)
            first.kill(signal.SIGKILL)
            soon(lambda: not fresh(b), "the other is unsure")
        again = start("web1", "--listen", f"chp://127.0.0.1:{port}", "--max-stale", "1s", bus=url)
        again.ready()
        with contextlib.closing(again.client()) as a, contextlib.closing(second.client()) as b:
            recovers(a, b)
        expect(again.kill() == 0, again.log)


@test
def a_node_cut_off_is_unsure_in_time_and_goes_on_where_it_was():
    with fleet() as (start, server), cable(server.port) as wire:
        _, (a, b) = joined(start, server.url(), server.url(port=wire.port))
        outlasts(wire, a, b, "stall up", "cut")
        recovers(a, b)


@test
def a_server_that_stands_still_makes_all_unsure_and_loses_nothing():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url())
        expect(b.ask("SET", "stays", "v") == "OK" and state(b, "stays") == "hit")
        server.node.process.send_signal(signal.SIGSTOP)
        soon(lambda: not fresh(a) and not fresh(b), "nobody is sure")
        expect(state(b, "stays") != "hit")
        server.node.process.send_signal(signal.SIGCONT)
        recovers(a, b)
        expect(state(b, "stays") == "hit", "the log is the same")


@test
def nodes_ask_each_other():
    with fleet() as (start, server), cable(server.port) as wire:
        _, clients = joined(start, server.url(), server.url(), server.url(port=wire.port))
        hear_each_other(clients, ["web1", "web2", "web3"])
        deaf(clients[0], wire, "web3")


@test
def ten_thousand_removals_while_disconnected_arrive_all():
    count, batch = 10000, 1000
    with fleet() as (start, server), cable(server.port) as wire:
        _, (a, b) = joined(start, server.url(), server.url(port=wire.port))
        for first in range(0, count, batch):
            b.ask("MSET", *[w for i in range(first, first + batch) for w in (f"k{i}", "v")])
        all_is_said(b)
        expect(fresh(b) and b.ask("GET", "k9999") == b"v")
        wire.ask("cut")
        for client in a, b:  # b's own wait in its outbox
            for first in range(0, count, batch):
                client.ask("ACCORD.REMOVE", *[f"{'k' if client is a else 'own'}{i}"
                                              for i in range(first, first + batch)])
        expect(b.map("ACCORD.STATUS")["outbox"] > 0)
        wire.ask("heal")
        soon(lambda: fresh(b) and b.map("ACCORD.STATUS")["outbox"] == 0, "caught up")
        expect(all(v is None for v in b.ask("MGET", *[f"k{i}" for i in range(0, count, 37)])))
        with contextlib.closing(server.node.client()) as s:
            expect(s.map("ACCORD.STATUS")["chp_bus_entries"] >= 3 * count)


@test
def people_see_who_is_connected():
    with fleet() as (start, server):
        made, (a, _) = joined(start, *[server.url()] * 2)
        soon(lambda: connected(a, "web2") == "yes", "web2 is connected")
        expect("here" in run("nodes", "--socket", made[0].socket).stdout)
        made[1].kill(signal.SIGKILL)
        soon(lambda: connected(a, "web2") == "no", "web2 is not")
        expect(pinged(a, "web2", 500)["web2"]["answer"] == "none")


@test
def drop_begins_the_log_anew_and_what_is_wrong_is_said():
    with fleet() as (start, server):
        made, (a,) = joined(start, server.url())
        done = run("bus", "drop", server.url())
        expect(done.returncode == 0 and "removed: chp://" in done.stdout, done)
        soon(lambda: a.map("ACCORD.STATUS")["cold_boots"] >= 1, "noticed")
        recovers(a)
        made[0].kill()
        done = run("bus", "drop", server.url("none"))
        expect(done.returncode == 0 and "nothing was there" in done.stdout, done)
        for url, part in ((server.url() + ",127.0.0.1:1", "cluster"),
                          ("chp://192.0.2.1/shop", "through a tunnel")):
            node = start("web9", bus=url)
            expect(node.ended() not in (0, -6, -11), url)
            expect(part in node.log[-1], node.log)


@test
def of_two_servers_either_may_be_killed_and_no_removal_is_lost():
    with nodes() as start:
        pair = Pair(start)
        _, clients = joined(start, *[pair.url()] * 3)
        for active in (0, 1, 0):
            a, b, c = clients
            kept(c, "k", "other")
            all_is_said(a)
            pair.kill(active)
            a.ask("DEL", "k")
            pair.alone(1 - active)
            all_is_said(a)
            recovers(*clients)
            expect(state(c, "k") == "miss", "removed while nobody answered")
            expect(state(c, "other") == "miss", "whoever takes over has another epoch")
            pair.begin(active)
            pair.in_step(1 - active)
            expect(fresh(a) and fresh(b) and fresh(c), "a server that comes back disturbs nobody")
        told = pair.status(1)
        expect(told["chp_bus_takeovers"] >= 1 and told["chp_bus_logs"] == 2, told)
        promises = clients[0].map("ACCORD.STATUS")["promises"]
        expect("P1 to P3 hold unless the two servers lose each other while nodes reach both" in promises,
               promises)


@test
def a_backup_that_is_killed_costs_no_cache():
    with nodes() as start:
        pair = Pair(start)
        _, (a, b) = joined(start, *[pair.url()] * 2)
        kept(b, "stays")
        pair.kill(1)
        pair.alone(0)
        recovers(a, b)
        expect(state(b, "stays") == "hit", "the log is the same")
        pair.begin(1)
        pair.in_step(0)
        recovers(a, b)
        expect(state(b, "stays") == "hit", "and stays so")


@test
def a_server_that_stood_still_vouches_for_nothing_once_it_was_replaced():
    with nodes() as start:
        pair = Pair(start)
        _, (a, b) = joined(start, *[pair.url()] * 2)
        kept(b, "k")
        all_is_said(a)
        pair.signal(0, signal.SIGSTOP)
        a.ask("DEL", "k")
        pair.alone(1)
        all_is_said(a)
        pair.signal(0, signal.SIGCONT)
        pair.in_step(1)
        expect(state(b, "k") != "hit", "not called fresh")
        recovers(a, b)


@test
def who_serves_the_bus_is_said_by_its_url():
    with nodes() as start:
        one, other = apart()
        url = f"chp://127.0.0.1:{one},127.0.0.1:{other}/shop"
        for flags, bus, part in ((("--listen", f"chp://127.0.0.1:{one}", "--listen",
                                   f"chp://127.0.0.1:{other}"), url, "both servers of --bus"),
                                 ((), f"chp://127.0.0.1:{one},127.0.0.1:{one + 2}/shop", "overlap"),
                                 ((), url.replace("/shop", ",127.0.0.1:9/shop"), "a primary and a backup")):
            node = start("web9", *flags, bus=bus)
            expect(node.ended() not in (0, -6, -11), bus)
            expect(part in node.log[-1], node.log)
        door = start("web1", "--listen", f"chp://127.0.0.1:{one}", bus="chp://127.0.0.1:9,127.0.0.1:19/shop")
        soon(lambda: any("none of the two of --bus" in line for line in door.log), "it is a door only")
        start("alone", "--listen", f"chp://127.0.0.1:{other}", bus="memory:alone").ready()
        node = start("web2", bus=url)
        # The log has what kept it first, perhaps that nobody listened yet.
        soon(lambda: "serves alone" in run("status", "--socket", node.socket).stdout,
             "and these no servers of two")
        expect(node.kill() == 0 and door.kill() == 0, node.log, door.log)


@test
def the_torture_runs_while_both_servers_are_killed_in_turn():
    if SANITIZED:
        raise Skip("the plain build runs it")
    with nodes() as start:
        pair = Pair(start)
        failed = []

        def torture():
            try:
                keeps_its_promises(pair.url("torture"), "torture", "--seconds", "40", "--nodes", "3",
                                   "--faults", "kill,stop", "--every", "5s", "--seed", "7")
            except BaseException as problem:  # said by who waits for it
                failed.append(problem)

        running = threading.Thread(target=torture)
        running.start()
        active, kills = 0, 0
        while running.is_alive() and kills < 3:
            running.join(4)
            pair.kill(active)
            active, kills = 1 - active, kills + 1
            pair.alone(active)
            running.join(2)
            pair.begin(1 - active)
            pair.in_step(active)
        expect(running.is_alive() or failed, "it ran on through all of them")
        running.join()
        expect(not failed, failed)


@test
def the_demo_serves_its_own_bus():
    if SANITIZED:
        raise Skip("the plain build runs it")
    keeps_its_promises(f"chp://127.0.0.1:{free_ports()}/demo", "demo", "--seconds", "6")


@test
def the_torture_runs_on_it():
    if SANITIZED:
        raise Skip("the plain build runs it")
    keeps_its_promises(f"chp://127.0.0.1:{free_ports()}", "torture", "--seconds", "8", "--nodes",
                       "4", "--seed", "7")


if __name__ == "__main__":
    sys.exit(main())
