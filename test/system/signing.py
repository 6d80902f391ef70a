#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""signing.py - real nodes that sign what they say, on SQLite and on a redis-server of their own:
two with one key agree; a third with another is told so, and disturbs nobody; what a person writes is
refused, or passes where that is allowed; a copy of an entry is refused; keys come to a fleet one by one.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

from lib import SANITIZED, WAIT, Client, RespError, Skip, expect, main, nodes, refused, soon, test

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters


def key_file(start, name, text):
    path = f"{start.folder}/{name}.key"
    with open(path, "w", encoding="ascii") as f:
        f.write(text * 32 + "\n")
    os.chmod(path, 0o600)
    return path


def flags(start, key, *more):
    return ("--max-stale", f"{L}s", "--publish-timeout", "1s", "--signing-key-file",
            key_file(start, "key-" + key, key), *more)


@contextlib.contextmanager
def redis(folder):
    """Asks a server of its own, which dies with this program at the latest."""
    if not shutil.which("redis-server"):
        raise Skip("redis-server is not installed")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))

    def ask(*words):
        with contextlib.closing(Client(("127.0.0.1", port), socket.AF_INET)) as c:
            return c.ask(*words)

    def answers():
        with contextlib.suppress(OSError):
            return ask("PING") == "PONG"

    try:
        soon(answers, "redis-server answers")
        ask.url = f"redis://127.0.0.1:{port}/shop"
        yield ask
    finally:
        process.kill()
        process.wait(WAIT)


def fill(node, key):
    """A node may have to drop its cache, or be unsure for a moment, in between."""
    def stored():
        with contextlib.closing(node.client()) as c:
            token = c.map("ACCORD.GET", key).get("token")
            return token and c.ask("ACCORD.FILL", key, "v", "TOKEN", token) == "STORED"
    soon(stored, f"{key} is stored on {node.name}")


def state(node, key):
    with contextlib.closing(node.client()) as c:
        return c.map("ACCORD.GET", key)["state"]


def fresh(node):
    return node.status()["state"] == "fresh"


def number(node, field):
    return int(node.status()[field])


def remove(node, key):
    with contextlib.closing(node.client()) as c:
        return c.ask("DEL", key)


def sees_removals(by, at):
    fill(at, "page:1")
    expect(not isinstance(remove(by, "page:1"), RespError))
    soon(lambda: state(at, "page:1") != "hit", f"{at.name} heard of it")


def agree_and_tell_the_third(start, bus):
    a = start("web1", *flags(start, "k"), bus=bus)
    a.ready()
    b = start("web2", *flags(start, "k"), bus=bus)
    b.ready()
    sees_removals(a, b)
    sees_removals(b, a)
    c = start("web3", *flags(start, "x"), bus=bus)
    line = c.logged("event=refused")
    expect("keys differ" in line and "compare signing-key-file" in line, line)
    soon(lambda: "keys differ" in c.status()["why"], "web3 says why it is unsure")
    expect(not fresh(c), c.status())
    refused(remove(c, "page:1"), "UNPUBLISHED", "signing key is not the fleet's")
    sees_removals(a, b)
    expect(fresh(a) and fresh(b), a.status(), b.status())
    for node in a, b:
        expect(number(node, "refused") == 0, node.status()["refused_last"])
        expect(number(node, "cold_boots") == 0, node.log[-10:])
        expect(node.status()["signing"].startswith("signs with key "), node.status()["signing"])


@test
def two_nodes_with_one_key_agree_and_a_third_is_told_on_sqlite():
    with nodes() as start:
        agree_and_tell_the_third(start, None)


@test
def two_nodes_with_one_key_agree_and_a_third_is_told_on_redis():
    with nodes() as start, redis(start.folder) as server:
        agree_and_tell_the_third(start, server.url)
        for node in start.all:
            node.kill(signal.SIGKILL)


def write(start, key):
    """As a person would."""
    with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
        db.execute("INSERT INTO accord_changes(key) VALUES (?)", (key,))


@test
def a_node_without_a_key_is_told_what_to_do_and_takes_part_once_it_has_it():
    with nodes() as start:
        a = start("web1", *flags(start, "k"))
        a.ready()
        fill(a, "page:1")
        plain = start("web2", "--max-stale", f"{L}s", "--publish-timeout", "1s")
        line = plain.logged("event=bus-lost")
        expect("web1 signs what it says" in line and "set signing-key-file here" in line, line)
        soon(lambda: "signing-key-file" in plain.status()["why"], "its status says why")
        expect(not fresh(plain), plain.status())
        refused(remove(plain, "page:1"), "UNPUBLISHED", "signing-key-file")
        expect(state(a, "page:1") == "hit" and fresh(a), a.status())
        plain.kill()
        b = start("web2", *flags(start, "k"))
        b.ready()
        sees_removals(a, b)
        sees_removals(b, a)


@test
def a_node_without_a_key_goes_on_when_nobody_asks_for_one_any_more():
    short = ("--max-stale", "500ms")  # for 5.5 times as long web1 counts as alive
    with nodes() as start, redis(start.folder) as server:
        a = start("web1", *short, "--signing-key-file", key_file(start, "key-k", "k"), bus=server.url)
        a.ready()
        plain = start("web2", *short, bus=server.url)
        plain.logged("event=bus-lost")
        a.kill()
        soon(lambda: fresh(plain), "web1 is gone, and is waited for no more")
        fill(plain, "page:2")
        expect(not isinstance(remove(plain, "page:2"), RespError))
        expect(state(plain, "page:2") != "hit")
        for node in start.all:
            node.kill(signal.SIGKILL)


@test
def a_row_of_a_person_is_refused_and_passes_where_that_is_allowed():
    with nodes() as start:
        strict = start("web1", *flags(start, "k"))
        lenient = start("web2", *flags(start, "k", "--unsigned-removals", "100"))
        for node in strict, lenient:
            node.ready()
            fill(node, "page:7")
        write(start, "page:7")
        soon(lambda: state(lenient, "page:7") != "hit", "web2 lets it pass")
        soon(lambda: number(strict, "refused_unsigned") == 1, "web1 refuses it")
        expect(state(strict, "page:7") == "hit")
        expect("a person or a trigger" in strict.logged("event=refused"))
        expect(number(lenient, "unsigned_applied") == 1 and number(lenient, "refused") == 0)
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            db.executemany("INSERT INTO accord_changes(key) VALUES (?)",
                           [(f"page:{i}",) for i in range(5000)])
        soon(lambda: number(lenient, "drops_unsigned") >= 1, "web2 drops its cache for too many")
        soon(lambda: fresh(lenient), "and goes on")


@test
def a_row_that_was_altered_is_refused():
    with nodes() as start:
        a = start("web1", *flags(start, "k"))
        a.ready()
        remove(a, "page:1")
        fill(a, "page:2")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("INSERT INTO accord_changes(key, op, wall_ms, origin, incarnation, sequence, "
                       "about) SELECT 'page:2', op, wall_ms, origin, incarnation, sequence + 100, "
                       "about FROM accord_changes WHERE op = 'remove'")
        soon(lambda: number(a, "refused_altered") == 1, "it is refused")
        soon(lambda: number(a, "drops_unverified") == 1, "and may have been real")


@test
def a_copy_of_an_entry_is_refused():
    with nodes() as start, redis(start.folder) as server:
        a = start("web1", *flags(start, "k"), bus=server.url)
        b = start("web2", *flags(start, "k"), bus=server.url)
        for node in a, b:
            node.ready()
        with contextlib.closing(a.client()) as c:  # answered once it has come
            answer = c.ask("ACCORD.REMOVE", "page:1", "WAIT", 1000 * WAIT // 2)
            expect(not isinstance(answer, RespError), answer)
        fill(b, "page:1")
        [said] = [e for _, e in server("XRANGE", "accord:{shop}:changes", "-", "+")
                  if b"remove" in e and b"page:1" in e]
        server("XADD", "accord:{shop}:changes", "*", *said)
        for node in a, b:
            soon(lambda n=node: number(n, "refused_replayed") == 1, "it is refused")
        expect(state(b, "page:1") == "hit")
        expect("copied" in b.logged("event=refused"))
        sees_removals(a, b)
        for node in a, b:
            expect(number(node, "cold_boots") == 0 and number(node, "gaps") == 0, node.log[-10:])
            node.kill(signal.SIGKILL)


@test
def keys_come_to_a_fleet_one_by_one():
    with nodes() as start:
        plain = start("web1", "--max-stale", f"{L}s")
        plain.ready()
        a = start("web2", *flags(start, "k", "--signing", "accept"))
        a.ready()
        sees_removals(a, plain)
        sees_removals(plain, a)
        expect(number(a, "members") == 2 and number(plain, "members") == 2)
        expect(plain.status()["settings_differ"] == "", plain.status()["settings_differ"])
        plain.kill()
        b = start("web1", *flags(start, "k"))
        b.ready()
        sees_removals(a, b)
        sees_removals(b, a)


if __name__ == "__main__":
    sys.exit(main())
