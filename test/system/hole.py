#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""hole.py - a row of the log is lost before a node has read it: the node's cache lacks a removal,
and knows. Its origin says it again, and the cache stays; or is dead, and it goes.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import signal
import sqlite3

from lib import Probe, as_map, expect, halt, main, nodes, rows, soon, test

HIT = 1  # ACCORD_HIT


def fill(node, *keys):
    with contextlib.closing(node.client()) as c:
        for key in keys:
            token = as_map(c.ask("ACCORD.GET", key))["token"]
            answer = c.ask("ACCORD.FILL", key, "value", "TOKEN", token)
            expect(answer == "STORED", answer)


def lose(folder, key, in_silence=True):
    """Takes the newest row of that key out of the log: without a word to those who have not read
    it, as a disk does that gives back an old page; or as a person does, by DELETE."""
    with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=30)) as db:
        db.isolation_level = None
        db.execute("BEGIN IMMEDIATE")
        name, = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND"
                           " name LIKE 'accord_changes%'").fetchone()
        guard, sql = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND"
                                " name LIKE 'accord_delete%'").fetchone()
        if in_silence:
            db.execute(f"DROP TRIGGER {guard}")
        gone = db.execute(f"DELETE FROM {name} WHERE id ="
                          f" (SELECT max(id) FROM {name} WHERE key = ?)", (key,)).rowcount
        if in_silence:
            db.execute(sql)
        db.execute("COMMIT")
    expect(gone == 1, gone)


def has_applied(node, folder, key):
    newest = rows(folder, f"SELECT max(id) FROM accord_changes WHERE key = '{key}'")[0][0]
    return int(str(node.status()["position"]).partition("@")[0]) >= newest


def with_a_loss(start, max_stale, in_silence=True):
    """Web1 has removed "lost" and then "next"; web2, stopped, has both, and "lost" is not in the
    log any more."""
    web1, web2 = (start(n, "--max-stale", max_stale) for n in ("web1", "web2"))
    for node in (web1, web2):
        node.ready()
        soon(lambda n=node: int(n.status()["members"]) == 2, "two members")
        soon(lambda n=node: n.status()["state"] == "fresh", "fresh")
    fill(web2, "lost", "next", "kept")
    halt(web2, web1)
    with contextlib.closing(web1.client()) as c:
        for key in ("lost", "next"):
            answer = str(c.ask("ACCORD.REMOVE", key))
            expect(not answer.startswith("UNPUBLISHED "), answer)
    soon(lambda: has_applied(web1, start.folder, "next"), "web1 has read what it wrote")
    lose(start.folder, "lost", in_silence)
    return web1, web2


@test
def a_lost_change_is_said_again_by_its_origin_and_the_cache_kept():
    with nodes() as start:
        web1, web2 = with_a_loss(start, "20s")
        web2.process.send_signal(signal.SIGCONT)
        web2.logged("event=hole-closed")
        soon(lambda: web2.status()["state"] == "fresh", "it is fresh again")
        status = web2.status()
        expect(status["gaps"] == 1 and status["holes_resent"] == 1, status)
        expect(status["holes_open"] == 0 and status["holes_replayed"] == 0, status)
        expect(status["cold_boots"] == 0, status)
        expect(web1.status()["resends"] == 1, web1.status())
        unsure = web2.logged("did not arrive before position")
        expect("event=unsure" in unsure and "of web1" in unsure, unsure)
        expect("were published again" in web2.logged("event=hole-closed"), web2.log)
        with Probe(web2) as reader:
            expect(reader.get(b"kept")[1] == HIT, "kept")
            expect(reader.get(b"lost")[1] != HIT, "lost")
            expect(reader.get(b"next")[1] != HIT, "next")
        said = rows(start.folder, "SELECT about FROM accord_changes WHERE about LIKE 'res%' ORDER"
                                  " BY id")
        expect([row[0].partition(" ")[0] for row in said] == ["resend", "resent"], said)
        again = rows(start.folder, "SELECT count(*) FROM accord_changes WHERE key = 'lost'")
        expect(again == [(1,)], again)


@test
def a_lost_change_of_a_dead_node_drops_the_cache():
    with nodes() as start:
        web1, web2 = with_a_loss(start, "2s")
        web1.kill(signal.SIGKILL)
        web2.process.send_signal(signal.SIGCONT)
        dropped = web2.logged("event=cold-boot")
        expect("of web1 did not arrive" in dropped, dropped)
        soon(lambda: web2.status()["state"] == "fresh", "it is fresh again")
        status = web2.status()
        expect(status["drops_hole_late"] + status["drops_hole_silent"] == 1, status)
        expect(status["gaps"] == 1 and status["holes_resent"] == 0, status)
        expect(status["holes_open"] == 0 and status["cold_boots"] == 1, status)
        with Probe(web2) as reader:
            for key in (b"kept", b"lost", b"next"):
                expect(reader.get(key)[1] != HIT, key)


@test
def a_row_that_a_person_deletes_is_no_hole_but_a_log_that_is_gone():
    with nodes() as start:
        _, web2 = with_a_loss(start, "20s", in_silence=False)
        web2.process.send_signal(signal.SIGCONT)
        web2.logged("event=cold-boot")
        soon(lambda: web2.status()["state"] == "fresh", "it is fresh again")
        status = web2.status()
        expect(status["drops_gone"] == 1 and status["gaps"] == 0, status)
        with Probe(web2) as reader:
            expect(reader.get(b"lost")[1] != HIT, "lost")


if __name__ == "__main__":
    main()
