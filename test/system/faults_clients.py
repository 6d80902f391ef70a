#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""faults_clients.py - clients that never read, that are too many, that are killed or hang. The
daemon's memory is bounded, it does not spin, and all others are served.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time

from lib import (MIB_IN_KIB, PROMPT, SANITIZED, SLACK_KIB, WAIT, Probe, as_map, clients, expect, main,
                 nodes, refused, run, soon, test)


# ---- never reading ------------------------------------------------------------------------------

def flood(node, command, seconds):
    """Sends it again and again without reading, until the daemon closes. The daemon's growth."""
    before, most = node.resident_kib(), 0
    fast, s = node.client(), socket.socket(socket.AF_UNIX)
    s.connect(node.socket)
    s.setblocking(False)
    end, worst = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            try:
                s.send(command * 8192)
            except BlockingIOError:
                time.sleep(0.001)
            most = max(most, node.resident_kib() - before)
            began = time.monotonic()
            expect(fast.ask("PING") == "PONG")
            worst = max(worst, time.monotonic() - began)
    except OSError:
        return most, worst
    finally:
        s.close()
    raise AssertionError("it was not closed")


@test
def a_client_that_never_reads_its_replies_is_closed_and_said():
    with nodes() as start:
        node = start("web1")
        node.ready()
        expect(node.client().ask("SET", "k", b"v" * 100000) == "OK")
        grown, worst = flood(node, b"GET k\r\n", WAIT)
        expect(grown < 192 * MIB_IN_KIB + SLACK_KIB, grown)
        expect(worst < PROMPT, worst)
        node.logged("event=client-closed")
        expect("does not read its replies" in node.logged("event=client-closed"))
        soon(lambda: as_map(node.client().ask("ACCORD.STATUS"))["state"] == "fresh", "fresh")


# ---- too many -----------------------------------------------------------------------------------

@test
def clients_that_never_read_are_bounded_in_sum_and_the_rest_is_served():
    with nodes() as start:
        node = start("web1", "--client-memory", "64M")
        node.ready()
        limits = node.logged("event=limits")
        expect("client_memory=64M" in limits, limits)
        small = node.client()
        expect(small.ask("SET", "k", b"v" * 100000) == "OK")
        before, deaf = node.resident_kib(), []
        for _ in range(100):  # 1 MiB or more each
            s = socket.socket(socket.AF_UNIX)
            s.connect(node.socket)
            s.send(b"GET k\r\n" * 64)
            deaf.append(s)
            expect(small.ask("PING") == "PONG")
        expect(node.resident_kib() - before < 64 * MIB_IN_KIB + SLACK_KIB, node.resident_kib() - before)
        expect("it holds the most" in node.logged("event=client-closed"))
        stats = small.ask("INFO", "stats").decode()
        expect(int(stats.split("evicted_clients:")[1].split()[0]) > 0, stats)
        for s in deaf:
            s.close()


def raise_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@test
def three_thousand_clients_are_served_at_once():
    count = min(3000, raise_limit(4000) - 200)
    with nodes() as start:
        node = start("web1")
        node.ready()
        before = node.resident_kib()
        many = [node.client() for _ in range(count)]
        for c in many:
            c.send("SET", "k", "v")
        for c in many:
            expect(c.receive() == "OK")
        each = (node.resident_kib() - before) / count
        expect(each < (256 if SANITIZED else 16), f"{each} KiB for each client")
        expect(clients(node) == count + 1)
        for c in many:
            c.close()
        soon(lambda: clients(node) == 1, "all gone")


@test
def a_client_beyond_max_clients_is_told_so():
    with nodes() as start:
        node = start("web1", "--max-clients", "20")
        node.ready()
        many = [node.client() for _ in range(20)]
        for c in many:
            expect(c.ask("PING") == "PONG")
        with contextlib.closing(node.client()) as c:
            refused(c.receive(), "ERR", "max number of clients reached")
        expect("all 20 connections are taken" in node.logged("event=clients-refused"))
        for words in ["status"], ["get", "k"]:
            done = run(*words, "--socket", node.socket)
            expect(done.returncode == 4 and "all connections of the daemon" in done.stderr and
                   "--max-clients" in done.stderr, done)
        done = run("memoize", "k", "--socket", node.socket, "--", "echo", "hi")
        expect(done.returncode == 0 and done.stdout == "hi\n", done)
        expect("all connections of the daemon" in done.stderr, done)
        many.pop().close()
        soon(lambda: node.client().ask("PING") == "PONG", "there is room again")


@test
def where_descriptors_run_out_the_daemon_serves_on_does_not_spin_and_recovers():
    with nodes() as start:
        node = start("web1")
        node.ready()
        first = node.client()
        expect(first.ask("SET", "k", "v") == "OK")
        pid = node.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 5, hard))
        others = []
        for _ in range(40):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(0.2)
            with contextlib.suppress(OSError):
                s.connect(node.socket)
            others.append(s)
        expect("raise the limit" in node.logged("event=clients-refused"))
        cpu, began = node.cpu_seconds(), time.monotonic()
        while time.monotonic() < began + 2:
            expect(first.ask("GET", "k") == b"v")
            expect(first.ask("SET", "k", "v") == "OK")
            time.sleep(0.05)
        spent = node.cpu_seconds() - cpu
        expect(spent < (2 if SANITIZED else 0.6), f"{spent} s of processor time in 2 s")
        for s in others:
            s.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))

        def served():
            with contextlib.suppress(OSError), contextlib.closing(node.client()) as c:
                return c.ask("PING") == "PONG"

        soon(served, "new clients are served again")


# ---- killed and hanging loaders -----------------------------------------------------------------

def killed_child(node, *words):
    """A process of its own that sends the command and is killed once it was answered."""
    code = ("import sys, lib\nc = lib.Client(sys.argv[1])\n"
            "print(c.ask(*sys.argv[2:]), flush=True)\nsys.stdin.read()")
    child = subprocess.Popen([sys.executable, "-c", code, node.socket, *map(str, words)],
                             cwd=os.path.dirname(os.path.abspath(__file__)),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answer = child.stdout.readline()
    return child, answer


@test
def a_loader_killed_gives_its_right_to_the_next_who_waits():
    with nodes() as start:
        node = start("web1", "--load-timeout", "60s")
        node.ready()
        child, answer = killed_child(node, "ACCORD.GET", "k", "LOAD", 0)
        expect("may_load', 1" in answer.replace("b'", "'"), answer)
        first, second = node.client(), node.client()
        first.send("ACCORD.GET", "k", "LOAD", 30000)
        time.sleep(0.1)
        second.send("ACCORD.GET", "k", "LOAD", 30000)
        time.sleep(0.1)
        child.send_signal(signal.SIGKILL)
        began = time.monotonic()
        child.communicate()
        given = as_map(first.receive())
        expect(given["may_load"] == 1 and given["state"] == "miss", given)
        expect(time.monotonic() - began < PROMPT)
        expect(first.ask("ACCORD.FILL", "k", "v", "TOKEN", given["token"]) == "STORED")
        answer = as_map(second.receive())
        expect(answer["state"] == "hit" and answer["value"] == "v", answer)


@test
def a_loader_that_hangs_loses_its_right_after_load_timeout():
    with nodes() as start:
        node = start("web1", "--load-timeout", "500ms")
        node.ready()
        hangs, waits = node.client(), node.client()
        token = as_map(hangs.ask("ACCORD.GET", "k", "LOAD", 0))["token"]
        began = time.monotonic()
        given = as_map(waits.ask("ACCORD.GET", "k", "LOAD", 30000))
        took = time.monotonic() - began
        expect(given["may_load"] == 1, given)
        expect(0.3 < took < PROMPT, took)
        expect(waits.ask("ACCORD.FILL", "k", "new", "TOKEN", given["token"]) == "STORED")
        # It wakes up: nothing was removed since, so what it has is no older than its token.
        expect(hangs.ask("ACCORD.FILL", "k", "late", "TOKEN", token) == "STORED")
        expect(waits.ask("DEL", "k") == 1)
        expect(hangs.ask("ACCORD.FILL", "k", "older", "TOKEN", token) == "REFUSED token")


@test
def readers_and_fillers_killed_at_work_leave_nothing_behind():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c = node.client()
        expect(c.ask("SET", "k", b"v" * 3000) == "OK")
        c.close()
        for turn in range(6):
            reader, filler = Probe(node), node.client()
            reader.send("spin", b"k", 60)
            filler.socket.sendall(b"*5\r\n$11\r\nACCORD.FILL\r\n$1\r\nf\r\n$100000\r\nhalf")
            time.sleep(0.02 * turn)
            reader.kill()
            filler.close()
        soon(lambda: clients(node) == 1, "their connections are closed")
        with Probe(node) as p:
            expect(p.get(b"k") == (0, 1, b"v" * 3000))
            expect(p.ask("remove", b"k")[0] == 0)
            expect(p.get(b"k")[1] == 0)


if __name__ == "__main__":
    sys.exit(main())
