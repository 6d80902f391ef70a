#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""strict.py - strict removals among real daemons: who is stopped, killed, restarted, leaves or
joins meanwhile. What is answered OK is read as fresh nowhere any more, by processes that map the
memory of a stopped daemon neither; what is not names the nodes that may still serve it.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import json
import os
import signal
import threading
import time

from lib import (SANITIZED, WAIT, Probe, as_map, expect, halt, locked, main, nodes, refused, rows,
                 run, soon, test)

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters
SILENCE = 5.5 * L  # after so long a node has watched the log for long enough
LONG = str(int(WAIT * 1000))
HIT = 1  # ACCORD_HIT


def fill(node, key, value="old"):
    with contextlib.closing(node.client()) as c:
        token = as_map(c.ask("ACCORD.GET", key))["token"]
        answer = c.ask("ACCORD.FILL", key, value, "TOKEN", token)
        expect(answer == "STORED", answer)


def three(start, watched=True):
    """Web1, web2 and web3, that know each other, and have known the log for long."""
    flags = ("--max-stale", f"{L}s", "--state")
    all_nodes = [start(n, *flags, f"{start.folder}/{n}.state") for n in ("web1", "web2", "web3")]
    for node in all_nodes:
        node.ready()
    for node in all_nodes:
        soon(lambda n=node: int(n.status()["members"]) == 3, "three members")
    if watched:
        time.sleep(SILENCE + 0.2)
    return all_nodes


def strictly(node, *words):
    """The map, or the error, and how long it took."""
    with contextlib.closing(node.client()) as c:
        began = time.monotonic()
        answer = c.ask(*words)
        took = time.monotonic() - began
    if isinstance(answer, list):
        pairs = dict(zip([p.decode() for p in answer[::2]], answer[1::2]))
        return {"position": pairs["position"],
                "confirmed": sorted(n.decode() for n in pairs["confirmed"]),
                "lapsed": sorted(n.decode() for n in pairs["lapsed"])}, took
    return answer, took


@test
def a_removal_that_waits_names_the_nodes_in_every_form():
    with nodes() as start:
        web1, web2, _ = three(start)
        fill(web2, "k")
        for words in (("REMOVE", "k"), ("REMOVETAG", "t"), ("CLEAR", "*"), ("BATCH", 2, "KEY", "k",
                                                                             "TAG", "t")):
            answer, _ = strictly(web1, "ACCORD." + words[0], *words[1:], "WAIT", LONG)
            expect(answer["confirmed"] == ["web2", "web3"] and answer["lapsed"] == [], answer)
        with Probe(web2) as reader:
            expect(reader.get(b"k")[1] != HIT)
        # The command, for people and for programs.
        words = ("--socket", web1.socket, "--wait", LONG + "ms")
        for verb in (("remove", "k"), ("flush", "k", "k2"), ("clear", "--all"),
                     ("remove", "--tag", "t")):
            done = run(*verb, *words)
            expect(done.returncode == 0 and "\nconfirmed by web" in done.stdout, done)
            said = json.loads(run(*verb, *words, "--json").stdout)
            expect(sorted(said["confirmed"]) == ["web2", "web3"] and said["lapsed"] == [], said)
            expect("@" in said["position"], said)


@test
def a_stopped_node_is_named_and_when_its_lease_has_run_out_the_removal_is_done():
    with nodes() as start:
        web1, web2, _ = three(start)
        fill(web2, "k")
        with Probe(web2) as reader:
            soon(lambda: reader.get(b"k")[1] == HIT, "it is there")
            halt(web2, web1)
            answer, took = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", 700)
            refused(answer, "TIMEOUT", "unknown: not confirmed by web2; confirmed by web3")
            done = run("remove", "k", "--wait", "700ms", "--socket", web1.socket)
            expect(done.returncode == 9 and "not confirmed by web2" in done.stdout, done)
            done = run("remove", "k", "--wait", "700ms", "--json", "--socket", web1.socket)
            said = json.loads(done.stdout)
            expect(done.returncode == 9 and said == {"done": "unknown", "unknown": ["web2"],
                                                     "confirmed": ["web3"], "lapsed": []}, said)
            answer, took = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
            state = reader.get(b"k")[1]
            expect(answer["lapsed"] == ["web2"] and answer["confirmed"] == ["web3"], answer)
            expect(state != HIT, state)  # its daemon is still stopped
            expect(took > 1.4 * L, took)
            web2.process.send_signal(signal.SIGCONT)
            soon(lambda: web2.status()["state"] == "fresh", "it is back")
            expect(reader.get(b"k")[1] != HIT)


@test
def a_killed_node_is_waited_for_as_long_as_readers_may_hold_its_memory():
    with nodes() as start:
        web1, web2, web3 = three(start)
        fill(web2, "k")
        with Probe(web2) as reader:
            soon(lambda: reader.get(b"k")[1] == HIT, "it is there")
            web2.kill(signal.SIGKILL)
            answer, took = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
            expect(reader.get(b"k")[1] != HIT)
            expect(answer["lapsed"] == ["web2"], answer)
            expect(took > L, took)
        # It starts again at once: its successor confirms for itself, and the dead one has lapsed.
        again = start("web2", "--max-stale", f"{L}s")
        again.ready()
        soon(lambda: int(web1.status()["members"]) == 3, "three members")
        answer, _ = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
        names = answer["confirmed"] + answer["lapsed"]
        expect(all("#" in n for n in names if n.startswith("web2")), answer)
        expect(len([n for n in names if n.startswith("web2#")]) == 2, answer)
        expect("web3" in answer["confirmed"], answer)
        # Silent for long enough, it is not waited for any more.
        time.sleep(SILENCE + 0.2)
        took = min(strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)[1] for _ in range(5))
        expect(took < 1.4 * L, took)  # the disk may be slow, but not five times


@test
def who_left_is_not_waited_for_and_who_joins_has_nothing_old():
    with nodes() as start:
        web1, web2, web3 = three(start)
        web3.kill(signal.SIGTERM)
        answer, took = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
        expect(answer["confirmed"] == ["web2"] and answer["lapsed"] == [], answer)
        halt(web2, web1)
        got = []
        thread = threading.Thread(
            target=lambda: got.append(strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)))
        thread.start()
        web4 = start("web4", "--max-stale", f"{L}s")
        web4.ready()
        thread.join()
        web2.process.send_signal(signal.SIGCONT)
        expect(got[0][0]["lapsed"] == ["web2"], got)
        with Probe(web4) as reader:
            expect(reader.get(b"k")[1] != HIT)


@test
def a_node_that_began_just_now_waits_in_full():
    with nodes() as start:
        web1, _, _ = three(start, watched=False)
        answer, took = strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
        expect(took > 0.5 * L and answer["confirmed"] == ["web2", "web3"], answer, took)


@test
def what_was_answered_ok_is_read_by_nobody_while_nodes_are_stopped_and_go_on():
    """Readers in other processes, a version in each value: after OK for version n, no hit is
    older than n."""
    with nodes() as start:
        web1, web2, web3 = three(start)
        floor, stop, wrong = [0], threading.Event(), []

        def reading(node):
            with Probe(node) as reader:
                while not stop.is_set():
                    least = floor[0]
                    _, state, value = reader.get(b"k")
                    if state == HIT and int(value) < least:
                        wrong.append((node.name, value, least))

        def loading(node):
            while not stop.is_set():
                with contextlib.suppress(OSError), contextlib.closing(node.client()) as c:
                    got = as_map([w for w in c.ask("ACCORD.GET", "k")])
                    if got["state"] != "hit":
                        value = rows_of_origin[0]
                        c.ask("ACCORD.FILL", "k", value, "TOKEN", got["token"])
                time.sleep(0.002)

        rows_of_origin = [0]
        threads = [threading.Thread(target=reading, args=(n,)) for n in (web1, web2, web3)]
        threads += [threading.Thread(target=loading, args=(n,)) for n in (web1, web3)]
        for t in threads:
            t.start()
        done = unknown = 0
        for turn in range(12):
            stopped = web2 if turn % 4 == 1 else web3 if turn % 4 == 3 else None
            if stopped:
                halt(stopped, web1)
            rows_of_origin[0] += 1
            version = rows_of_origin[0]
            answer, _ = strictly(web1, "ACCORD.REMOVE", "k", "WAIT",
                                 100 if turn % 6 == 1 else LONG)
            if isinstance(answer, dict):
                floor[0] = version
                done += 1
            else:
                unknown += 1
            time.sleep(0.1)
            if stopped:
                stopped.process.send_signal(signal.SIGCONT)
        stop.set()
        for t in threads:
            t.join()
        expect(not wrong, wrong[:5])
        expect(done >= 9 and unknown >= 1, done, unknown)


@test
def a_removal_asked_for_again_by_its_id_is_made_once_over_a_restart_too():
    with nodes() as start:
        web1 = start("web1", "--max-stale", f"{L}s", "--state", start.folder + "/state",
                     "--publish-timeout", "200ms")
        web1.ready()
        with contextlib.closing(web1.client()) as c:
            first = c.ask("ACCORD.REMOVE", "k", "ID", "one")
            expect(c.ask("ACCORD.REMOVE", "k", "ID", "one") == first, first)
        done = run("remove", "k", "--id", "one", "--socket", web1.socket)
        # The command sends a batch, which is another removal.
        expect(done.returncode == 0, done)
        again = run("remove", "k", "--id", "one", "--socket", web1.socket)
        expect(again.stdout == done.stdout, done, again)
        with locked(start.folder), contextlib.closing(web1.client()) as c:
            refused(c.ask("ACCORD.REMOVE", "kept", "ID", "two"), "UNPUBLISHED")
            web1.kill(signal.SIGKILL)
        web1 = start("web1", "--max-stale", f"{L}s", "--state", start.folder + "/state")
        web1.ready()
        answer, _ = strictly(web1, "ACCORD.REMOVE", "kept", "WAIT", LONG, "ID", "two")
        expect("position" in answer, answer)
        count = rows(start.folder, "SELECT count(*) FROM accord_changes WHERE key = 'kept'")
        expect(count == [(1,)], count)
        count = rows(start.folder, "SELECT count(*) FROM accord_changes WHERE key = 'k'")
        expect(count == [(2,)], count)


@test
def what_is_not_on_the_bus_yet_is_said_in_json_too():
    with nodes() as start:
        web1 = start("web1", "--max-stale", f"{L}s", "--publish-timeout", "200ms")
        web1.ready()
        with locked(start.folder):
            for words in (("remove", "k"), ("set", "k", "v"), ("clear", "--all"),
                          ("remove", "k", "--wait", "10s")):
                done = run(*words, "--json", "--socket", web1.socket)
                said = json.loads(done.stdout)
                expect(done.returncode == 8 and said["done"] == "unpublished", words, done)
                expect(said["why"] and said["why"] in done.stderr, words, done)


@test
def status_tells_which_promises_hold_here_and_counts_strict_removals():
    with nodes() as start:
        web1 = start("web1", "--max-stale", f"{L}s")
        web1.ready()
        strictly(web1, "ACCORD.REMOVE", "k", "WAIT", LONG)
        refused(strictly(web1, "ACCORD.REMOVE", "k", "WAIT", 0)[0], "TIMEOUT", "unknown")
        status = web1.status()
        expect(status["promises"].startswith("P1 P2 P3 P4 on this host only"), status)
        expect("reads of its head" in status["promises"], status)
        expect(status["strict_done"] == 1 and status["strict_unknown"] == 1, status)
        expect(status["strict_waits"] == 0 and int(status["lag_ms"]) <= L * 1000, status)
        done = run("status", "--socket", web1.socket)
        expect("promises " in done.stdout and "strict_unknown " in done.stdout, done)
        said = json.loads(run("status", "--json", "--socket", web1.socket).stdout)
        expect(said["drops_gap"] == 0 and said["drops_gone"] == 0, said)


@test
def many_words_of_one_command_are_one_publish():
    with nodes() as start:
        web1 = start("web1")
        web1.ready()
        before = int(web1.status()["published"])
        keys = [f"key-{i}" for i in range(1500)]
        done = run("remove", "--socket", web1.socket, *keys)
        expect(done.returncode == 0, done)
        said = [r[0].decode() if isinstance(r[0], bytes) else r[0] for r in
                rows(start.folder, "SELECT key FROM accord_changes WHERE op = 'remove' ORDER BY id")]
        expect(said == keys, said[:5])
        expect(int(web1.status()["published"]) >= before + 1500)
        ids = [r[0] for r in
               rows(start.folder, "SELECT id FROM accord_changes WHERE op = 'remove' ORDER BY id")]
        expect(ids[1023] - ids[0] == 1023, "neighbours")


if __name__ == "__main__":
    main()
