#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_redis.py - real nodes on a real redis-server of their own: what a person types, the server
killed and started again, a node cut off, ten thousand removals while it was, a wrong password, the
demo and the torture. No removal that was accepted is lost, nothing stale is called fresh, and the
nodes recover by themselves. (What only the bus does is tested in src/bus/redis.)

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import signal
import sys
import time

from fleets import (Redis, all_is_said, deaf, fresh, hear_each_other, joined, keeps_its_promises,
                    outlasts, proxied, state)
from lib import connected, expect, main, nodes, refused, run, soon, test


@contextlib.contextmanager
def fleet(*options):
    """A server, and nodes that end before it."""
    with nodes() as start:
        server = Redis(start.folder, *options)
        try:
            yield start, server
        finally:
            server.kill()


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
    with fleet() as (start, server):
        made, (a, b, c) = joined(start, *[server.url()] * 3)
        for key in "one", "two", "three":
            expect(c.ask("SET", key, "v") == "OK" and c.ask("GET", key) == b"v")
        a.ask("DEL", "one")
        soon(lambda: state(c, "one") == "miss", "removed by a node")
        stream = "accord:{shop}:changes"
        server.ask("XADD", stream, "*", "key", "two")
        soon(lambda: state(c, "two") == "miss", "removed by a person")
        expect(state(c, "three") == "hit")
        server.ask("XADD", stream, "*", "op", "clear")
        soon(lambda: state(c, "three") == "miss", "all cleared by a person")
        expect(fresh(a) and fresh(b) and fresh(c))
        promises = a.map("ACCORD.STATUS")["promises"]
        expect("P1 P2 P3 P4" in promises and "lost tail is noticed" in promises, promises)
        expect("without replicas=n, a primary that was replaced is still trusted" in promises, promises)
        answer = a.ask("ACCORD.REMOVE", "four", "WAIT", "20000")
        expect("UNKNOWN" not in str(answer), answer)
        expect(all("event=panic" not in line for node in made for line in node.log))


@test
def a_server_killed_and_started_again_costs_the_caches_and_nothing_else():
    for options in (("--appendonly", "yes", "--appendfsync", "always"), ()):
        with fleet(*options) as (start, server):
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


@test
def a_node_cut_off_is_unsure_in_time_and_goes_on_where_it_was():
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, (a, b) = joined(start, server.url(), server.url(port=proxy.port))
        outlasts(proxy, a, b, "stall both", "stall up", "stall down", "cut")
        recovers(a, b)


@test
def nodes_ask_each_other_and_a_person_asks_one():
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, clients = joined(start, server.url(), server.url(), server.url(port=proxy.port))
        hear_each_other(clients, ["web1", "web2", "web3"])
        deaf(clients[0], proxy, "web3")
        stream, number = "accord:{shop}:changes", "0123456789abcdef"
        server.ask("XADD", stream, "*", "op", "beat", "about", f"ask {number} 5000 web2 ping")
        soon(lambda: f"answer {number} done" in str(server.ask("XRANGE", stream, "-", "+")),
             "a person reads its answer")


@test
def ten_thousand_removals_while_disconnected_arrive_all():
    count, batch = 10000, 1000
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, (a, b) = joined(start, server.url(), server.url(port=proxy.port))
        for first in range(0, count, batch):
            b.ask("MSET", *[w for i in range(first, first + batch) for w in (f"k{i}", "v")])
        all_is_said(b)
        soon(lambda: fresh(b) and b.ask("GET", "k9999") == b"v", "stored")  # on a busy machine a lease may lapse
        proxy.ask("cut")
        for client in a, b:  # b's own wait in its outbox
            for first in range(0, count, batch):
                client.ask("ACCORD.REMOVE", *[f"{'k' if client is a else 'own'}{i}"
                                              for i in range(first, first + batch)])
        expect(b.map("ACCORD.STATUS")["outbox"] > 0)
        proxy.ask("heal")
        soon(lambda: fresh(b) and b.map("ACCORD.STATUS")["outbox"] == 0, "caught up")
        expect(all(v is None for v in b.ask("MGET", *[f"k{i}" for i in range(0, count, 37)])))
        expect(server.ask("XLEN", "accord:{shop}:changes") >= 3 * count)


@test
def a_wrong_password_ends_the_start_and_is_shown_nowhere():
    with fleet("--requirepass", "right") as (start, server):
        url = f"redis://:wr0ng@127.0.0.1:{server.port}/shop"
        node = start("web1", bus=url)
        expect(node.ended() not in (0, -6, -11))
        expect("password" in node.log[-1], node.log)
        expect(all("wr0ng" not in line for line in node.log + node.lines))
        path = os.path.join(start.folder, "password")
        with open(path, "w", encoding="ascii") as f:
            f.write("right\n")
        node = start("web2", bus=f"redis://127.0.0.1:{server.port}/shop?password_file={path}")
        node.ready()
        node = start("web3", bus=f"redis://:right@127.0.0.1:{server.port}/shop")
        node.ready()
        with open(f"/proc/{node.process.pid}/cmdline", "rb") as f:
            expect(b"right" not in f.read(), "wiped from the command line")
        with contextlib.closing(node.client()) as c:
            expect(all(b"right" not in (v if isinstance(v, bytes) else str(v).encode())
                       for v in c.ask("ACCORD.STATUS")))


@test
def people_see_who_is_connected_in_the_server_and_in_nodes():
    with fleet() as (start, server):
        made, (a, _) = joined(start, *[server.url()] * 2)
        listed = server.ask("CLIENT", "LIST")
        for name in b"web1", b"web2":
            expect(b" name=accord:{shop}:node:" + name + b" " in listed, listed)
        soon(lambda: connected(a, "web2") == "yes", "web2 is connected")
        expect("here" in run("nodes", "--socket", made[0].socket).stdout)
        made[1].kill(signal.SIGKILL)
        soon(lambda: connected(a, "web2") == "no", "web2 is not")
        expect("down" in run("nodes", "--socket", made[0].socket).stdout)
        expect(connected(a, "web1") in ("yes", "asking"))


@test
def drop_removes_what_accord_made_and_nothing_else():
    with fleet() as (start, server):
        server.ask("SET", "theirs", "v")
        joined(start, server.url())[0][0].kill()
        expect(server.ask("DBSIZE") == 4, server.ask("KEYS", "*"))
        done = run("bus", "drop", server.url())
        expect(done.returncode == 0, done)
        expect(server.ask("KEYS", "*") == [b"theirs"])
        done = run("bus", "schema", server.url())
        expect(done.stdout.startswith("ACL SETUSER accord ") and "~accord:{shop}:*" in done.stdout)


@test
def the_demo_runs_on_it():
    with fleet() as (_, server):
        url = server.url("demo").replace("//", "//default:whispered@")
        keeps_its_promises(url, "demo", "--seconds", "6")


@test
def the_torture_runs_on_it():
    with fleet() as (_, server):
        keeps_its_promises(server.url("torture"), "torture", "--seconds", "8", "--nodes", "4",
                           "--seed", "7")


if __name__ == "__main__":
    sys.exit(main())
