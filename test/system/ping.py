#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""ping.py - accord ping on SQLite, as somebody uses it at three in the morning: who hears the bus,
who does not, and what that may mean. (On servers: bus_redis.py, bus_postgres.py, bus_nats.py.)

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import json
import os
import signal
import sqlite3

from fleets import hear_each_other, pinged
from lib import expect, halt, locked, main, nodes, rows, run, soon, test

FRESH, UNSURE, TIMEOUT, USAGE, DOWN = 0, 6, 9, 2, 4


def three(start, *flags):
    made = [start(f"web{i + 1}", "--max-stale", "1s", *flags) for i in range(3)]
    for node in made:
        node.ready()
        soon(lambda n=node: n.status()["members"] == 3, "three members")
    return made


def asks(node, *words):
    done = run("ping", "--socket", node.socket, *words)
    return done.returncode, done.stdout, done.stderr


def asks_json(node, *words):
    code, out, err = asks(node, "--json", *words)
    expect(not err, err)
    return code, {row["name"]: row for row in json.loads(out)}


@test
def every_node_answers_one_or_all():
    with nodes() as start, contextlib.ExitStack() as stack:
        made = three(start)
        hear_each_other([stack.enter_context(contextlib.closing(n.client())) for n in made],
                        ["web1", "web2", "web3"])
        soon(lambda: asks(made[0], "web2")[0] == FRESH, "exit code")
        code, out, err = asks(made[0], "web2")
        expect(code in (FRESH, UNSURE) and out.startswith("web2 ") and " ms " in out, out, err)
        soon(lambda: asks(made[0], "--all")[0] == FRESH, "exit code of all")
        code, out, err = asks(made[0], "--all")
        expect("3 asked, 3 answered" in out and "(this node)" in out, out, err)
        code, told = asks_json(made[0], "--all")
        expect(sorted(told) == ["web1", "web2", "web3"], told)
        expect(told["web2"]["incarnation"] == made[1].status()["incarnation"], told)
        expect(told["web2"]["version"] == made[1].status()["version"], told)
        expect(made[1].status()["letters_answered"] > 0 and made[0].status()["letters_asked"] > 0)
        expect(all(n.status()["cold_boots"] == 0 and n.status()["gaps"] == 0 for n in made))


@test
def who_does_not_answer_is_named_with_what_that_may_mean():
    with nodes() as start:
        one, two, three_ = three(start)
        halt(two, one)
        code, out, _ = asks(one, "web2", "--wait", "500ms")
        expect(code == TIMEOUT and "NO ANSWER" in out, code, out)
        soon(lambda: "heard " in asks(one, "web2", "--wait", "500ms")[1], "in words")

        def others_answer():
            code, told = asks_json(one, "--all", "--wait", "1s")
            expect(code == TIMEOUT and told["web2"]["answer"] == "none", told)
            return all(told[name]["answer"] != "none" for name in ("web1", "web3"))

        soon(others_answer, "the others answer")
        two.process.send_signal(signal.SIGCONT)
        soon(lambda: asks(one, "web2", "--wait", "5s")[0] == FRESH, "it goes on, and answers")
        three_.kill(signal.SIGKILL)
        soon(lambda: "silent for " in asks(one, "web3", "--wait", "100ms")[1], "silent, in words")
        soon(lambda: "no node of this name" in asks(one, "web4", "--wait", "300ms")[1], "unknown")
        expect(asks(one, "web4", "--wait", "100ms")[0] == TIMEOUT)


@test
def a_node_without_its_bus_says_that_it_could_not_ask():
    with nodes() as start:
        one, _, _ = three(start)
        with locked(start.folder):  # everybody reads, and nobody writes
            code, out, _ = asks(one, "--all", "--wait", "500ms")
            expect(code == TIMEOUT and out.count("NO ANSWER") == 3, code, out)
            expect(out.count("the question ") == 3, out)
        soon(lambda: asks(one, "--all")[0] == FRESH, "all answer again")


@test
def a_node_that_has_not_joined_says_that_it_is_unsure():
    with nodes() as start:
        alone = start("web1", "--max-stale", "1s", bus="redis://127.0.0.1:1/shop")
        soon(lambda: run("status", "--socket", alone.socket).returncode == UNSURE, "it is up")
        code, out, err = asks(alone, "--all", "--wait", "300ms")
        expect(code == UNSURE and not err and out.count("\n") == 1, code, out, err)
        expect("web1" in out and "not asked" in out and "unsure" in out and "127.0.0.1:1" in out, out)
        code, told = asks_json(alone, "--all", "--wait", "300ms")
        expect(code == UNSURE and told["web1"]["answer"] == "unsure" and told["web1"]["why"], told)
        expect(told["web1"]["self"] is True and told["web1"]["applied"] is None, told)
        code, told = asks_json(alone, "web2", "--wait", "300ms")
        expect(code == TIMEOUT and told["web2"]["answer"] == "none", told)


@test
def what_cannot_be_asked_gets_a_message():
    with nodes() as start:
        one = start("web1", "--max-stale", "1s")
        one.ready()
        for words, part in ((("--wait", "61s", "web1"), "1ms to 60s"),
                            (("two", "words"), "the name of one node is expected"),
                            ((), "the name of one node is expected"), (("a b",), "no node's name"),
                            (("--all", "web1"), "the name of one node is expected")):
            code, _, err = asks(one, *words)
            expect(code == USAGE and part in err, words, code, err)
        with contextlib.closing(one.client()) as c:
            for words, part in ((("a b",), "a node's name"), (("x" * 65,), "a node's name"),
                                (("web1", "WAIT", "0"), "1 to 60000"),
                                (("web1", "WAIT", "60001"), "1 to 60000"),
                                (("web1", "5"), "syntax error")):
                answer = c.ask("ACCORD.PING", *words)
                expect(part in str(answer) and str(answer).startswith("ERR"), words, answer)
            for _ in range(17):  # one after the other on a connection, but all wait
                c.send("ACCORD.PING", "nobody", "WAIT", "2000")
            answers = [str(c.receive()) for _ in range(17)]
            expect("FULL" in answers[16] and "16 questions" in answers[16], answers[16])
            expect(not any("FULL" in a for a in answers[:16]), answers)
        expect(run("ping", "web1", "--socket", start.folder + "/none.sock").returncode == DOWN)


@test
def a_person_asks_with_a_row_and_reads_the_answer():
    with nodes() as start:
        three(start)
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=30)) as db:
            db.execute("INSERT INTO accord_changes(op, about)"
                       " VALUES ('beat', 'ask 0123456789abcdef 5000 web2 ping')")
            db.commit()
        answer = "SELECT origin, about FROM accord_changes WHERE about LIKE 'answer 0123456789abcdef %'"
        soon(lambda: rows(start.folder, answer), "an answer")
        expect(rows(start.folder, answer)[0][0] == "web2", rows(start.folder, answer))


@test
def a_signed_fleet_asks_and_answers():
    with nodes() as start:
        key = start.folder + "/key"
        with open(key, "w", encoding="ascii") as f:
            f.write("k" * 64)
        os.chmod(key, 0o600)
        made = three(start, "--signing-key-file", key)
        with contextlib.closing(made[0].client()) as c:
            soon(lambda: all(r["answer"] == "fresh" for r in pinged(c, "*").values()), "all answer")
        expect(made[0].status()["refused"] == 0, made[0].status()["refused_last"])


if __name__ == "__main__":
    main()
