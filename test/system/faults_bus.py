#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""faults_bus.py - what happens to the file of the sqlite bus while nodes run on it: locked, full,
deleted, moved, replaced, restored, damaged. No removal that was accepted is lost, nothing stale is
called fresh, and the nodes recover by themselves.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import fcntl
import glob
import os
import re
import resource
import signal
import sqlite3
import sys
import time

from lib import PROMPT, SANITIZED, WAIT, Skip, expect, locked, main, nodes, refused, rows, soon, test

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters


def pair(start, timeout="300ms"):
    """Two nodes that know each other, and a client of each."""
    both = [start(name, "--max-stale", f"{L}s", "--publish-timeout", timeout)
            for name in ("web1", "web2")]
    for node in both:
        node.ready()
    a, b = [node.client() for node in both]
    soon(lambda: len(a.ask("ACCORD.NODES")) == 2, "web1 sees web2")
    return *both, a, b


def timed(client, *words):
    began = time.monotonic()
    answer = client.ask(*words)
    return answer, time.monotonic() - began


def state(client, key):
    return client.map("ACCORD.GET", key)["state"]


def fresh(client):
    return client.map("ACCORD.STATUS")["state"] == "fresh"


def both_recover(a, b):
    """Both are fresh, and what one removes goes at the other."""
    for client in a, b:
        soon(lambda: fresh(client), f"fresh again: {client.map('ACCORD.STATUS')['line']}")
    for client, other in (a, b), (b, a):
        key = f"after {time.monotonic()}"

        def stored():
            return other.ask("SET", key, "v") == "OK" and other.ask("GET", key) == b"v"

        soon(stored, "values are kept")
        soon(lambda: client.ask("DEL", key) == 0, "removals are published")
        soon(lambda: other.ask("GET", key) is None, "removals arrive")


def misfortune(act):
    """Something happens to the file: what is removed then is not served as fresh after L."""
    with nodes() as start:
        web1, web2, a, b = pair(start)
        expect(b.ask("SET", "k", "old") == "OK")
        expect(state(b, "k") == "hit")
        act(start.folder, a)
        answer = a.ask("DEL", "k")
        expect(answer == 0 or str(answer).startswith("UNPUBLISHED "), answer)
        soon(lambda: a.map("ACCORD.STATUS")["outbox"] == 0, "what was accepted is published")
        time.sleep(L)
        expect(state(b, "k") != "hit", web2.log)
        both_recover(a, b)
        expect(web1.process.poll() is None and web2.process.poll() is None)
        return web1.log + web2.log


# ---- locked -----------------------------------------------------------------------------------

@test
def while_another_program_locks_the_file_removals_answer_in_time_and_arrive_later():
    with nodes() as start:
        web1, _, a, b = pair(start, "800ms")
        expect(b.ask("SET", "k", "old") == "OK")
        with locked(start.folder):
            answer, took = timed(a, "DEL", "k")
            refused(answer, "UNPUBLISHED", "queued for the bus", "locked by another program")
            expect(0.7 < took < PROMPT, took)
            expect(a.ask("GET", "k") is None, "removed here")
            refused(a.ask("SET", "x", "v"), "UNPUBLISHED")
            refused(a.ask("ACCORD.CLEAR", "*"), "UNPUBLISHED")
            expect("locked by another program" in web1.logged("event=publish-failed"))
        soon(lambda: state(b, "k") == "miss", "delivered when unlocked")
        soon(lambda: a.map("ACCORD.STATUS")["outbox"] == 0, "nothing waits")
        found = "SELECT count(*) FROM accord_changes WHERE key = 'k' AND origin = 'web1'"
        expect(rows(start.folder, found) == [(1,)], "once")
        both_recover(a, b)


@test
def a_file_locked_for_longer_than_beats_may_be_late_makes_nodes_unsure_and_they_recover():
    with nodes() as start:
        _, _, a, b = pair(start)
        expect(b.ask("SET", "k", "old") == "OK")
        with locked(start.folder):
            soon(lambda: not fresh(a) and not fresh(b), "both are unsure")
            soon(lambda: "locked by another program" in a.map("ACCORD.STATUS")["line"], "why")
            line = a.map("ACCORD.STATUS")["line"]
            expect(re.match(r"unsure since \d\d:\d\d:\d\d: ", line), line)
            expect(state(b, "k") != "hit")
        both_recover(a, b)


@test
def more_changes_than_the_outbox_holds_are_refused_and_none_that_was_taken_is_lost():
    if SANITIZED:
        raise Skip("65,536 changes take a sanitizer a minute; its unit test is run")
    with nodes() as start:
        _, _, a, b = pair(start, "10ms")
        with locked(start.folder):
            taken, i = 0, 0
            while True:
                keys = [f"k{n}" for n in range(i, i + 1024)]
                answer = a.ask("DEL", *keys)
                if str(answer).startswith("FULL "):
                    break
                refused(answer, "UNPUBLISHED")
                taken, i = taken + len(keys), i + 1024
                expect(taken <= 65536, taken)
            refused(answer, "FULL", "nothing was removed", "try again later")
            expect(taken == 65536, taken)
        soon(lambda: a.map("ACCORD.STATUS")["outbox"] == 0, "published")
        found = "SELECT count(DISTINCT key) FROM accord_changes WHERE op = 'remove'"
        expect(rows(start.folder, found) == [(taken,)])
        both_recover(a, b)


# ---- gone, moved, replaced, restored ------------------------------------------------------------

@test
def a_file_deleted_under_two_nodes_is_made_again():
    def delete(folder, _):
        remove_files(folder)

    log = misfortune(delete)
    expect(any("deleted or replaced" in line for line in log), log)


@test
def a_file_moved_away_under_two_nodes_is_made_again():
    def move(folder, _):
        os.mkdir(folder + "/away")
        for name in glob.glob(folder + "/bus.db*"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, folder + "/away/" + os.path.basename(name))

    misfortune(move)


def remove_files(folder, *parts):
    """As rm does: what a node has made anew meanwhile goes too."""
    for part in parts or ("", "-accord-lock", "-accord-wake", "-shm", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder + "/bus.db" + part)


def backup(folder):
    with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db, \
            contextlib.closing(sqlite3.connect(folder + "/backup.db")) as copy:
        db.backup(copy)


@test
def files_beside_deleted_under_two_nodes_are_noticed_also_when_an_application_writes():
    def delete(folder, _):
        with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db:
            db.execute("PRAGMA wal_checkpoint")
        remove_files(folder, "-wal", "-shm")
        with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db:
            db.execute("INSERT INTO accord_changes(key) VALUES ('k')")
            db.commit()
        time.sleep(L)

    misfortune(delete)


@test
def a_file_replaced_by_an_older_copy_is_noticed_by_both():
    def replace(folder, a):
        backup(folder)
        expect(a.ask("DEL", "x", "y", "z") == 0)
        os.replace(folder + "/backup.db", folder + "/bus.db")
        remove_files(folder, "-wal", "-shm")

    misfortune(replace)


@test
def a_database_restored_in_place_from_an_older_copy_is_noticed_by_both():
    def restore(folder, a):
        backup(folder)
        expect(a.ask("DEL", "x", "y", "z") == 0)
        with contextlib.closing(sqlite3.connect(folder + "/backup.db")) as copy, \
                contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db:
            copy.backup(db)

    misfortune(restore)


@test
def a_log_truncated_under_two_nodes_is_noticed_by_both():
    def truncate(folder, a):
        expect(a.ask("DEL", "x", "y", "z") == 0)
        with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("DELETE FROM accord_changes")

    misfortune(truncate)


@test
def a_log_whose_positions_begin_anew_is_noticed_by_both():
    """Far below what was deleted: nobody waits until they have grown past it again."""
    def re_seed(folder, a):
        with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'accord_changes'")
        expect(a.ask("DEL", "x", "y", "z") == 0)
        with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("DELETE FROM accord_changes")
            db.execute("DELETE FROM sqlite_sequence WHERE name = 'accord_changes'")

    misfortune(re_seed)


@test
def a_log_overwritten_by_its_longer_fork_is_noticed_by_both():
    def fork(folder, a):
        backup(folder)
        expect(a.ask("DEL", "x", "y", "z") == 0)
        with contextlib.closing(sqlite3.connect(folder + "/backup.db")) as copy, \
                contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT)) as db:
            with copy:
                copy.executemany("INSERT INTO accord_changes(key) VALUES (?)", [("other",)] * 50)
            copy.backup(db)

    misfortune(fork)


@test
def a_folder_moved_away_makes_nodes_unsure_until_it_is_back():
    with nodes() as start:
        folder = start.folder + "/bus"
        os.mkdir(folder)
        flags = ("--max-stale", f"{L}s", "--publish-timeout", "300ms")
        web1 = start("web1", *flags, bus=f"sqlite:{folder}/bus.db")
        web1.ready()
        a = web1.client()
        expect(a.ask("SET", "k", "v") == "OK")
        os.rename(folder, folder + ".away")
        soon(lambda: not fresh(a), "unsure")
        answer, took = timed(a, "DEL", "k")
        refused(answer, "UNPUBLISHED", folder)
        expect(took < PROMPT, took)
        line = a.map("ACCORD.STATUS")["line"]
        expect(folder in line and "next try in" in line, line)
        os.rename(folder + ".away", folder)
        soon(lambda: fresh(a), "fresh again")
        soon(lambda: a.map("ACCORD.STATUS")["outbox"] == 0, "published")
        with contextlib.closing(sqlite3.connect(folder + "/bus.db")) as db:
            found = db.execute("SELECT count(*) FROM accord_changes WHERE key = 'k' AND "
                               "fingerprint IS NULL").fetchone()
        expect(found == (1,), found)


@test
def a_file_that_becomes_rubbish_ends_nothing_and_a_new_one_is_taken():
    with nodes() as start:
        web1, web2, a, b = pair(start)
        expect(b.ask("SET", "k", "old") == "OK")
        for name in "bus.db", "bus.db-wal":
            with open(os.path.join(start.folder, name), "r+b") as f:
                f.write(os.urandom(os.fstat(f.fileno()).st_size))
        a.ask("DEL", "k")
        soon(lambda: not fresh(a) and not fresh(b), "both are unsure")
        expect(state(b, "k") != "hit")
        line = a.map("ACCORD.STATUS")["line"]
        expect("bus.db" in line, line)
        remove_files(start.folder)
        both_recover(a, b)
        expect(state(b, "k") != "hit")
        expect(web1.process.poll() is None and web2.process.poll() is None)


# ---- full ---------------------------------------------------------------------------------------

@test
def a_file_size_limit_is_a_full_disk_and_no_end():
    with nodes() as start:
        web1, _, a, b = pair(start)
        expect(b.ask("SET", "k", "old") == "OK")
        pid = web1.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        answer = a.ask("DEL", "k")
        refused(answer, "UNPUBLISHED", "queued for the bus", "bus.db")
        expect(a.ask("GET", "k") is None)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        soon(lambda: state(b, "k") == "miss", "delivered when there is room")
        both_recover(a, b)
        expect(web1.process.poll() is None)


# ---- who may join -------------------------------------------------------------------------------

@test
def a_bus_that_cannot_be_is_refused_at_start_with_what_to_do():
    with nodes() as start:
        for bus, code, *parts in (
                ("redis://localhost:6379/0?clster=x", 2, "is not known to redis", "cluster"),
                ("mysql://localhost/x", 2, "names no bus of this build", "sqlite:", "redis:"),
                ("postgres://localhost/x?clster=x", 2, "clster"),
                ("nats://localhost/x?clster=x", 2, "is not known to nats", "replicas"),
                ("nats://localhost/No-Such", 2, "1 to 32 of a-z, 0-9 and _"),
                ("xmpp://a@b/c", 2, "is no room of the form room@conference.host", "expected xmpp://"),
                ("http://a,b", 2, "names no bus of this build", "sqlite:", "nats:"),
                ("bus.db", 2, "names no bus of this build", "sqlite:"),
                ("sqlite:", 2, "expected sqlite:/path/to/file"),
                (f"sqlite:{start.folder}", None, "not a plain file"),
                (f"sqlite:{start.folder}/no/bus.db", None, f"{start.folder}/no", "create it"),
                ("memory:", 2, "memory:")):
            node = start("web1", bus=bus)
            ended = node.ended()
            expect(ended == code if code else ended not in (0, -6, -11), bus, ended, node.log)
            for part in parts:
                expect(part in node.log[-1], part, node.log)


@test
def a_log_of_a_later_format_is_not_touched():
    with nodes() as start:
        start("web1").ready()
        start.all[0].kill()
        rows(start.folder, "SELECT 1")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db")) as db:
            db.execute("UPDATE accord_meta SET format = 99")
            db.commit()
        node = start("web2")
        node.logged("has a log of format 99")
        expect(node.ended() == 1, "it does not wait for what does not come")
        expect(rows(start.folder, "SELECT format FROM accord_meta") == [(99,)])


@test
def a_node_that_wants_a_looser_bound_than_the_cluster_is_refused():
    with nodes() as start:
        start("web1", "--max-stale", "1s").ready()
        looser = start("web2", "--max-stale", "2s")
        expect(looser.ended() == 3, looser.log)
        expect("this cluster keeps max_stale 1 s, this node was told 2 s; leave --max-stale out, "
               "or give at most 1 s" in "\n".join(looser.log), looser.log)
        start("web3", "--max-stale", "500ms").ready()
        start("web4").ready()


def stop_without_lock(node):
    """Stops it at a moment when it does not hold the lock that others need to write."""
    with open(node.folder + "/bus.db-accord-lock", "r+b") as f:
        while True:
            node.process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            with contextlib.suppress(BlockingIOError):
                fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            node.process.send_signal(signal.SIGCONT)


@test
def a_node_stopped_so_long_that_another_took_its_name_serves_nothing_old():
    with nodes() as start:
        first = start("web1", "--max-stale", "500ms")
        first.ready()
        c = first.client()
        expect(c.ask("SET", "k", "old") == "OK")
        stop_without_lock(first)
        time.sleep(3)  # more than member_ttl, four times max_stale, and what is added to it
        second = start("web1", sock=os.path.join(start.folder, "other.sock"))
        second.ready()
        d = second.client()
        expect(d.ask("DEL", "k") == 0)
        c.send("GET", "k")
        first.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(ConnectionError):
            expect(c.receive() is None)
        soon(lambda: (first.process.poll() is None) != (second.process.poll() is None),
             "one of the two ends")
        loser = first if first.process.poll() is not None else second
        expect(loser.ended() == 3, loser.log)
        expect("accord: another live node is named web1; give each node its own --name" in
               loser.log, loser.log)


if __name__ == "__main__":
    sys.exit(main())
