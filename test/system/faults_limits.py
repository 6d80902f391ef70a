#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""faults_limits.py - what clients send that is too long, too much, cut, slow, or no command at
all. It is refused in words that name the limit, takes no memory, and others are served.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import random
import re
import socket
import sys
import time

from lib import (PROMPT, SLACK_KIB, Probe, RespError, as_map, clients, expect, main, nodes, refused,
                 run, soon, test)

BLOCK = "with its key and tags it is larger than a block of "


def value_bytes_max(node):
    return int(re.search(r"value_bytes=(\d+)", node.logged("event=limits")).group(1))


# ---- limits -----------------------------------------------------------------------------------

@test
def keys_of_1_and_8192_bytes_work_and_of_0_and_8193_are_refused():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c = node.client()
        for size in 1, 8191, 8192:
            key = b"k" * size
            expect(c.ask("SET", key, "v") == "OK", size)
            expect(c.ask("GET", key) == b"v", size)
            expect(c.map("ACCORD.GET", key)["state"] == "hit", size)
            expect(c.ask("DEL", key) == 1, size)
            expect("@" in c.ask("ACCORD.REMOVETAG", key), size)
        token = c.map("ACCORD.GET", "k")["token"]
        over = b"k" * 8193
        for words in (("GET", over), ("SET", over, "v"), ("DEL", "k", over), ("MGET", "k", over),
                      ("ACCORD.GET", over), ("ACCORD.FILL", over, "v", "TOKEN", token),
                      ("ACCORD.FILL", "k", "v", "TOKEN", token, "TAGS", 1, over),
                      ("ACCORD.REMOVE", over), ("ACCORD.REMOVETAG", over),
                      ("ACCORD.CLEAR", over), ("ACCORD.WATCH", over)):
            refused(c.ask(*words), "TOOLARGE", "8193 bytes", "at most 8192")
        for words in (("GET", ""), ("SET", "", "v"), ("DEL", ""), ("ACCORD.REMOVETAG", "")):
            refused(c.ask(*words), "ERR", "at least 1 byte")
        expect(c.ask("PING") == "PONG")


@test
def a_value_fits_one_block_and_one_byte_more_is_refused_with_the_limit():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c, most = node.client(), value_bytes_max(node)
        for size in 0, 1, most - 1, most:
            expect(c.ask("SET", "k", b"v" * size) == "OK", size)
            expect(c.ask("GET", "k") == b"v" * size, size)
        over = most + 64  # a version, a ttl and tags would have had their place there
        refused(c.ask("SET", "k", b"v" * over), "TOOLARGE", BLOCK)
        expect(c.ask("GET", "k") is None, "what was there is old now")
        long = b"k" * 8192  # what the key takes, the value cannot have
        expect(c.ask("SET", long, b"v" * (most - 8191)) == "OK")
        refused(c.ask("SET", long, b"v" * (over - 8191)), "TOOLARGE", BLOCK)
        refused(c.ask("ACCORD.SET", "k", b"v" * over), "TOOLARGE", BLOCK)
        token = c.map("ACCORD.GET", "k")["token"]
        expect(c.ask("ACCORD.FILL", "k", b"v" * over, "TOKEN", token) == "REFUSED size")
        expect(c.ask("ACCORD.FILL", "k", b"v" * most, "TOKEN", token) == "STORED")
        c = node.client()  # with no miss to remember, which would make these outdated
        for size in 1 << 20, (1 << 20) + 1, 3 << 20:
            expect(c.ask("SET", "k", "before") == "OK")
            refused(c.ask("SET", "k", b"v" * size), "TOOLARGE")
            expect(c.ask("GET", "k") is None, size)


@test
def counts_at_their_limits_work_and_one_more_is_refused():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c = node.client()
        token = c.map("ACCORD.GET", "k")["token"]
        tags = [f"t{i}" for i in range(33)]
        fill = ("ACCORD.FILL", "k", "v", "TOKEN", token, "TAGS")
        expect(c.ask(*fill, 32, *tags[:32]) == "STORED")
        refused(c.ask(*fill, 33, *tags), "TOOLARGE", "at most 32 tags")
        for count in 1024, 1025, 3000:  # more than one request's worth is several
            keys = [f"k{i}" for i in range(count)]
            expect(c.ask("MSET", *[w for k in keys for w in (k, "v")]) == "OK")
            expect(c.ask("DEL", *keys) == count, count)
            expect("@" in c.ask("ACCORD.REMOVE", "KEYS", count, *keys), count)
        expect(len(c.ask("MGET", *["k"] * 16384)) == 16384)
        refused(c.ask("MGET", *["k"] * 16385), "TOOLARGE", "at most 16384 keys")
        refused(c.ask("MSET", *["k"] * 2 * 16385), "TOOLARGE", "at most 16384 keys")
        refused(c.ask("ACCORD.REMOVE", "KEYS", 3, "a", "b"), "ERR", "KEYS 3, but 2")


@test
def binary_keys_and_values_come_back_as_they_went():
    every = bytes(range(256))
    keys = [every, b"\0", b"\r\n", b"\xff\xfe", b" ", b"*3\r\n$3\r\nSET\r\n", b"a:\0:b"]
    with nodes() as start:
        a, b = start("web1"), start("web2")
        a.ready(), b.ready()
        c, other = a.client(), b.client()
        with Probe(a) as p:
            for key in keys:
                expect(c.ask("SET", key, every * 9) == "OK", key)
                expect(p.get(key) == (0, 1, every * 9), key)
                expect(p.ask("set", key, every)[0] == 0, key)
                expect(c.ask("GET", key) == every, key)
                expect(not isinstance(other.ask("ACCORD.SYNC"), RespError))
                expect(other.ask("SET", key, b"elsewhere") == "OK")
                soon(lambda: p.get(key)[1] == 0, f"{key} goes when it is set elsewhere")
                expect(other.ask("GET", key) == b"elsewhere", key)
                expect(p.ask("remove", key)[0] == 0, key)
                expect(other.ask("ACCORD.SYNC") and other.ask("GET", key) is None, key)
        done = run("set", "--socket", a.socket, "text", "-", input="bin\0ary\n")
        expect(done.returncode == 0, done)
        expect(c.ask("GET", "text") == b"bin\0ary\n")


@test
def the_library_and_the_command_line_have_the_same_limits():
    with nodes() as start:
        node = start("web1")
        node.ready()
        most = value_bytes_max(node)
        with Probe(node) as p:
            for size, state in (1, 1), (8192, 1):
                expect(p.ask("set", b"k" * size, b"v")[0] == 0, size)
                expect(p.get(b"k" * size) == (0, state, b"v"), size)
                expect(p.ask("remove", b"k" * size)[0] == 0, size)
            for verb in "get", "set", "fill", "remove", "tag":
                for key in b"", b"k" * 8193:
                    expect(p.ask(verb, key, b"v")[0] == -4, verb, len(key))  # INVALID
            expect(p.ask("set", b"k", b"v" * most)[0] == 0)
            expect(p.get(b"k") == (0, 1, b"v" * most))
            status, why = p.ask("set", b"k", b"v" * (most + 64))
            expect(status == -11 and BLOCK in why, status, why)  # SIZE
            expect(p.get(b"k")[1] == 0, "what was there is old now")
            expect(p.ask("fill", b"k", b"v" * (most + 64))[0] == -11)
            expect(p.ask("set", b"k", b"v" * (2 << 20))[0] == -11)
            expect(p.ask("set", b"k", b"again")[0] == 0, "the connection lives on")
        for words in (["get", "k" * 8193], ["remove", "k" * 8193], ["set", "k" * 8193, "v"]):
            done = run(*words, "--socket", node.socket)
            expect(done.returncode == 2 and "1 to 8192 bytes" in done.stderr, done.stderr)
        done = run("set", "--socket", node.socket, "k", "-", input="v" * (most + 64))
        expect(done.returncode == 1 and BLOCK in done.stderr, done.stderr)


@test
def loads_beyond_the_table_are_unarbitrated_and_the_table_empties_again():
    with nodes() as start:
        node = start("web1", "--load-timeout", "600s")
        node.ready()
        c, other = node.client(), node.client()
        for i in range(4096):
            c.send("ACCORD.GET", f"k{i}", "LOAD", 0)
        for i in range(4096):
            expect(as_map(c.receive())["may_load"] == 1, i)

        def may_load(client):
            return as_map(client.ask("ACCORD.GET", "one more", "LOAD", 0))["may_load"]

        expect(may_load(c) == 1 and may_load(other) == 1, "both load: nobody waits in vain")
        c.close()
        soon(lambda: may_load(other) == 1 and may_load(node.client()) == 0,
             "the places of a client that is gone are free again")


# ---- malformed, truncated, huge, slow -----------------------------------------------------------

@test
def what_is_no_resp_is_told_in_redis_words_and_closed():
    with nodes() as start:
        node = start("web1")
        node.ready()
        for text, problem in ((b"*1048577\r\n", "invalid multibulk length"),
                              (b"*x\r\n", "invalid multibulk length"),
                              (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
                              (b"*1\r\n$-1\r\n", "invalid bulk length"),
                              (b"*1\r\n$536870913\r\n", "invalid bulk length"),
                              (b'SET "k\r\n', "unbalanced quotes"),
                              (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
                              (b"x" * 70000, "too big inline request")):
            with contextlib.closing(node.client()) as c:
                c.socket.sendall(b"PING\r\n" + text)
                expect(c.receive() == "PONG", text[:20])
                refused(c.receive(), "ERR", "Protocol error: " + problem)
                expect(c.file.read() == b"", "closed")
        expect(node.client().ask("PING") == "PONG")


@test
def a_command_cut_anywhere_does_nothing_and_leaves_nothing():
    command = b"*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$5\r\nvalue\r\n"
    with nodes() as start:
        node = start("web1")
        node.ready()
        before = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        for end in range(len(command)):
            with contextlib.closing(node.client()) as c:
                c.socket.sendall(command[:end])
        soon(lambda: clients(node) == 1, "all are gone")
        expect(node.client().ask("GET", "cut") is None)
        soon(lambda: len(os.listdir(f"/proc/{node.process.pid}/fd")) <= before, "descriptors")


@test
def a_hundred_clients_that_send_a_byte_at_a_time_hold_up_nobody():
    command = b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$2\r\n\r\n\r\n"
    with nodes() as start:
        node = start("web1")
        node.ready()
        slow, fast = [node.client() for _ in range(100)], node.client()
        worst = 0
        for i in range(len(command)):
            for c in slow:
                c.socket.sendall(command[i:i + 1])
            began = time.monotonic()
            expect(fast.ask("PING") == "PONG")
            worst = max(worst, time.monotonic() - began)
        for c in slow:
            expect(c.receive() == "OK")
        expect(fast.ask("GET", "slow") == b"\r\n")
        expect(worst < PROMPT, worst)


@test
def declared_half_gigabytes_take_no_memory():
    with nodes() as start:
        node = start("web1")
        node.ready()
        fast = node.client()
        before = node.resident_kib()
        declared = [node.client() for _ in range(200)]
        for c in declared:
            c.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nx")
        c = declared[0]
        for _ in range(64):
            c.socket.sendall(b"x" * (1 << 20))
            expect(fast.ask("PING") == "PONG")
        grown = node.resident_kib() - before
        expect(grown < SLACK_KIB, grown)
        many = node.client()  # and a million arguments, none of them whole
        many.socket.sendall(b"*1048576\r\n$3\r\nDEL\r\n" + b"$1\r\nk\r\n" * 100000)
        expect(fast.ask("PING") == "PONG")
        for c in declared:
            c.close()
        grown = node.resident_kib() - before
        expect(grown < SLACK_KIB, grown)


@test
def a_command_of_32_mib_is_refused_and_closed():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c = node.client()
        with contextlib.suppress(OSError):
            c.socket.sendall(b"*64\r\n$3\r\nDEL\r\n")
            for _ in range(40):
                c.socket.sendall(b"$1000000\r\n" + b"k" * 1000000 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            refused(c.receive(), "TOOLARGE", "more than 33554432 bytes")
        expect(node.client().ask("PING") == "PONG")


def garbage(r):
    """Bytes that look more or less like commands."""
    words = [b"SET", b"GET", b"ACCORD.GET", b"ACCORD.FILL", b"MULTI", b"EXEC", b"HELLO", b"3",
             b"ACCORD.WATCH", b"ACCORD.ATTACH", b"DEL", b"k", b"", b"LOAD", b"-1", b"CLIENT",
             b"REPLY", b"OFF", b"18446744073709551616", b"WAIT", b"TOKEN", b"TAGS", b"*", b"\xff"]
    kind = r.randrange(4)
    if kind == 0:
        return r.randbytes(r.randrange(1, 2000))
    if kind == 1:
        return b" ".join(r.choices(words, k=r.randrange(1, 9))) + r.choice([b"\r\n", b"\n", b""])
    parts = r.choices(words, k=r.randrange(1, 9))
    text = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
    if kind == 2:
        at = r.randrange(len(text))
        text = text[:at] + r.randbytes(r.randrange(4)) + text[at + r.randrange(4):]
    return text


@test
def hundreds_of_connections_that_send_rubbish_change_nothing():
    seed = int(os.environ.get("SEED", "1"))
    with nodes() as start:
        node = start("web1")
        node.ready()
        fast = node.client()
        expect(fast.ask("SET", "mine", "v") == "OK")
        before = node.resident_kib()
        for i in range(300):
            r = random.Random(seed * 1000 + i)
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(node.socket)
                s.setblocking(False)
                with contextlib.suppress(OSError):
                    for _ in range(r.randrange(1, 8)):
                        s.sendall(garbage(r))
                        if r.randrange(2):
                            s.recv(1 << 16)
            if i % 20 == 0:
                expect(fast.ask("PING") == "PONG", seed, i)
        expect(node.process.poll() is None, seed, node.log)
        fast.close()
        soon(lambda: clients(node) == 1, "they are gone")
        expect(node.resident_kib() - before < SLACK_KIB, seed)


if __name__ == "__main__":
    sys.exit(main())
