#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""versions.py - an older and a newer Accord on one SQLite log, in both directions: nothing is
lost, and what cannot be understood removes more, never less (docs/format/versions.txt).

This build is the daemon. The newer one is written here: it adds a column, and uses two ops that
this build does not know. The older one is what the first logs were made with: their tables,
word for word, and what their nodes wrote. Prints "ok NAME", "not ok NAME" or "skip NAME: why".
ACCORD_BUILD names the build folder."""
import contextlib
import sqlite3
import sys
import time

from lib import WAIT, as_map, expect, main, nodes, rows, soon, test

L = 2  # seconds: max_stale of these clusters, also of the older log

# As a log was made before tables knew of versions to come, and of changes of max_stale.
OLDER = """
PRAGMA journal_mode = WAL;
CREATE TABLE accord_meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL,
  log TEXT NOT NULL,
  epoch TEXT NOT NULL,
  max_stale_ms INTEGER NOT NULL CHECK (max_stale_ms > 0),
  pruned_to INTEGER NOT NULL DEFAULT 0,
  created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE accord_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT,
  op TEXT NOT NULL DEFAULT 'remove'
    CHECK (op IN ('remove', 'tag', 'prefix', 'namespace', 'clear', 'join', 'leave', 'beat')),
  soft INTEGER NOT NULL DEFAULT 0 CHECK (soft IN (0, 1)),
  version INTEGER CHECK (typeof(version) IN ('integer', 'null')),
  fingerprint INTEGER,
  message TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
  wall_ms INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)),
  inserted_ms INTEGER NOT NULL
    DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)),
  origin TEXT,
  incarnation TEXT, sequence INTEGER,
  nonce INTEGER, applied INTEGER, applied_hash INTEGER, lease_epoch INTEGER, about TEXT
);
INSERT INTO accord_meta(id, format, log, epoch, max_stale_ms)
  VALUES (1, 1, '00112233445566778899aabbccddeeff', '0123456789abcdef', 2000);
"""


class Other:
    """A node of another version on the log: what it writes and reads is SQL of its own."""

    def __init__(self, folder, more=False):
        self.db = sqlite3.connect(folder + "/bus.db", timeout=WAIT, isolation_level=None)
        self.more, self.sequence, self.last = more, 0, 0
        if more:
            self.db.execute("ALTER TABLE accord_changes ADD COLUMN more TEXT")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.db.close()

    def say(self, op, key=None, more=None, about=None, **fields):
        """Its next change. The position."""
        self.sequence += 1
        fields = {"op": op, "key": key, "origin": "web9", "incarnation": "9" * 32,
                  "sequence": self.sequence, "about": about, **fields}
        if op in ("join", "beat"):
            fields["nonce"] = self.sequence
        if self.more:
            fields["more"] = more
        self.last = self.db.execute(
            f"INSERT INTO accord_changes({', '.join(fields)}) "
            f"VALUES ({', '.join('?' * len(fields))})", tuple(fields.values())).lastrowid
        return self.last

    def hears(self, key):
        """What a node of the daemon's version said of a key, as this version reads it."""
        columns = "op, key, soft, version, message, origin, incarnation, sequence"
        columns += ", more" if self.more else ""
        return self.db.execute(f"SELECT {columns} FROM accord_changes "
                               "WHERE key = ? AND origin <> 'web9'", (key,)).fetchall()


def begin(start, name):
    config = start.folder + "/namespaces.ini"
    with open(config, "w", encoding="ascii") as f:
        f.write("[namespace user]\n[namespace page]\n")
    node = start(name, "--max-stale", f"{L}s", "--config", config)
    node.ready()
    return node


def fill(node, *keys):
    with contextlib.closing(node.client()) as c:
        for key in keys:
            token = c.map("ACCORD.GET", key)["token"]
            expect(c.ask("ACCORD.FILL", key, "v", "TOKEN", token) == "STORED", key, node.log[-5:])


def hits(node, *keys):
    """Those of them that are there."""
    with contextlib.closing(node.client()) as c:
        return [key for key in keys if c.map("ACCORD.GET", key)["state"] == "hit"]


def applied(node, position):
    soon(lambda: int(node.status()["position"].split("@")[0]) >= position, node.log[-5:])


def kept_its_place(*all_nodes):
    """Nobody dropped anything beyond what was removed, or takes another for diverged."""
    for node in all_nodes:
        status = node.status()
        expect(status["cold_boots"] == 0, status["cold_boots"], node.log)
        expect(status["gaps"] == 0, node.log)
        expect(status["divergences"] == 0, node.log)


KEYS = ("user:1", "user:2", "page:1", "page:2", "plain")


@test
def what_a_newer_node_says_is_applied_as_the_wider_removal_or_passed_over_if_marked():
    with nodes() as start:
        one, two = begin(start, "web1"), begin(start, "web2")
        with Other(start.folder, more=True) as newer:
            newer.say("join", about="app newer")
            fill(one, *KEYS)
            applied(one, newer.say("remove", "user:1", more="only where blue"))
            expect(hits(one, *KEYS) == ["user:2", "page:1", "page:2", "plain"], "known op, new field")
            applied(one, newer.say("beat", more="ask 7", about="resend 7"))
            applied(one, newer.say("may-note", "user:2", more="3"))
            applied(one, newer.say("may-note", more="4"))
            expect(hits(one, *KEYS) == ["user:2", "page:1", "page:2", "plain"], "may be ignored")
            applied(one, newer.say("must-swap", "page:2", more="page:1"))
            expect(hits(one, *KEYS) == ["user:2", "plain"], "its namespace, whole")
            fill(one, *KEYS)
            applied(one, newer.say("must-swap", None, more="user:1 page:1"))
            expect(not hits(one, *KEYS), "everything")
            fill(one, *KEYS)
            newer.say("beat")
            applied(one, newer.say("remove", "plain"))  # no number of its is missing
            expect(hits(one, *KEYS) == list(KEYS[:-1]))
            expect(one.status()["members"] == 3, "the newer one is a member")
            time.sleep(2 * L)  # beats of both carry what they saw at their places
            newer.say("beat")
            kept_its_place(one, two)


@test
def what_we_say_is_read_by_a_newer_node():
    with nodes() as start:
        one = begin(start, "web1")
        with Other(start.folder, more=True) as newer:
            newer.say("join", about="app newer")
            fill(one, "user:1")
            with contextlib.closing(one.client()) as c:
                expect(c.ask("DEL", "user:1") == 1)
            (op, key, soft, version, message, origin, incarnation, sequence, more), = \
                newer.hears("user:1")
            expect((op, key, soft, version, origin, more) ==
                   ("remove", "user:1", 0, None, "web1", None))
            expect(len(message) == len(incarnation) == 32 and sequence > 0)
            kept_its_place(one)


@test
def the_log_of_an_older_node_is_read_and_written_by_both():
    with nodes() as start:
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db")) as db:
            db.executescript(OLDER)
        with Other(start.folder) as older:
            older.say("join", about="app older")
            older.say("remove", "user:1")
            one = begin(start, "web1")
            expect(rows(start.folder, "SELECT count(*) FROM accord_changes")[0][0] > 2)
            fill(one, *KEYS)
            applied(one, older.say("tag", "none"))
            expect(hits(one, *KEYS) == list(KEYS))
            applied(one, older.say("remove", "user:1", version=5))
            applied(one, older.say("namespace", "page", soft=1))
            expect(hits(one, *KEYS) == ["user:2", "plain"])
            older.say("beat")
            with contextlib.closing(one.client()) as c:
                expect(c.ask("DEL", "user:2") == 1)
            expect(len(older.hears("user:2")) == 1)
            applied(one, older.say("clear"))
            expect(not hits(one, *KEYS))
            expect(one.status()["members"] == 2)
            older.say("leave")
            soon(lambda: one.status()["members"] == 1, "it has left")
            kept_its_place(one)


@test
def a_node_that_knows_nothing_of_letters_passes_over_them_and_is_named():
    with nodes() as start:
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db")) as db:
            db.executescript(OLDER)
        with Other(start.folder) as older:
            older.say("join", about="app older")
            one, two = begin(start, "web1"), begin(start, "web2")
            soon(lambda: two.status()["members"] == 3, "three members")
            with contextlib.closing(one.client()) as c:
                def answers():
                    return {row["name"]: row["answer"] for row in
                            map(as_map, c.ask("ACCORD.PING", "*", "WAIT", "2000"))}
                soon(lambda: answers()["web2"] == "fresh", "web2 answers")
                older.say("beat")  # it lives, and was told nothing that it must understand
                row, = map(as_map, c.ask("ACCORD.PING", "web9", "WAIT", "200"))
                expect(row["answer"] == "none", row)
            said = rows(start.folder, "SELECT DISTINCT op FROM accord_changes"
                                      " WHERE about LIKE 'ask %' OR about LIKE 'answer %'")
            expect(said == [("beat",)], said)
            kept_its_place(one, two)


@test
def a_newer_node_asks_what_we_do_not_know_and_answers_in_its_own_words():
    with nodes() as start:
        one = begin(start, "web1")
        with Other(start.folder, more=True) as newer:
            newer.say("join", about="app newer")
            newer.say("beat", about="ask 0000000000000007 5000 web1 swap page:1 page:2")
            refusal = "SELECT about FROM accord_changes WHERE about LIKE 'answer 0000000000000007 %'"
            soon(lambda: rows(start.folder, refusal), "an answer")
            expect(rows(start.folder, refusal)[0][0].split()[2] == "refused", refusal)
            with contextlib.closing(one.client()) as c:
                c.send("ACCORD.PING", "web9", "WAIT", "20000")
                asked = "SELECT about FROM accord_changes WHERE about LIKE 'ask % web9 ping'"
                soon(lambda: rows(start.folder, asked), "a question")
                number = rows(start.folder, asked)[0][0].split()[1]
                newer.say("beat", about=f"answer {number} done 9.9 fresh and more")
                row, = map(as_map, c.receive())
                expect((row["answer"], row["version"], row["why"]) == ("fresh", "9.9", "and more"), row)
            kept_its_place(one)


@test
def an_op_of_no_version_is_refused_and_a_word_of_one_to_come_is_not():
    with nodes() as start:
        begin(start, "web1")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            for op, key in (("swap", "k"), ("must-", "k"), ("may-", "k"), ("must-Swap", "k"),
                            ("may-note", ""), ("must-swap", "k" * 8193)):
                try:
                    db.execute("INSERT INTO accord_changes(op, key) VALUES (?, ?)", (op, key))
                    raise AssertionError(f"{op} {key} was taken")
                except sqlite3.IntegrityError:
                    pass
            for op, key in (("must-swap", "k" * 8192), ("must-swap", None), ("may-note", "k"),
                            ("may-note", None)):
                db.execute("INSERT INTO accord_changes(op, key) VALUES (?, ?)", (op, key))


if __name__ == "__main__":
    sys.exit(main())
