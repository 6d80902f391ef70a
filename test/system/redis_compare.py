#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""redis_compare.py - the same bytes to a real redis-server and to Accord: the same bytes back.

Each case is a list of commands on one new connection, after FLUSHALL; cases marked 3 speak RESP3.
Raw cases send bytes that are no commands, and also compare whether the connection is closed.
Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("ACCORD_BUILD", "build"))
WAIT = 60

CASES = {
    "get and set": """
        GET k
        SET k v
        GET k
        STRLEN k
        TYPE k
        EXISTS k
        EXISTS k k nosuch
        TOUCH k nosuch
        DEL k
        DEL k
        GET k
        EXISTS k
        STRLEN k
        TYPE k
        SET k ""
        GET k
        STRLEN k
        UNLINK k nosuch k
        set k lower
        gEt k""",
    "set with options": """
        SET k v EX 100
        TTL k
        SET k v PX 100300
        TTL k
        SET k v KEEPTTL
        TTL k
        SET k v
        TTL k
        SET k v2 GET
        SET k v3 XX
        GET k
        SET new v XX
        GET new
        SET new v XX GET
        SET k v4 XX GET
        SET k v5 NX
        SET k v5 NX GET
        GET k
        SET k v EXAT 1
        GET k
        SET k v PXAT 1000
        GET k
        SETEX k 50 v
        TTL k
        PSETEX k 50000 v
        TTL k
        SETNX k w
        GET k""",
    "set refuses": """
        SET k
        SET k v EX
        SET k v EX 0
        SET k v EX -1
        SET k v EX abc
        SET k v EX 9223372036854775807
        SET k v PX 9223372036854775807
        SET k v EX 1 PX 1
        SET k v EX 1 KEEPTTL
        SET k v KEEPTTL EX 1
        SET k v NX XX
        SET k v XX NX
        SET k v NX EX
        SET k v FOO
        SET k v EXAT 0
        SETEX k 0 v
        SETEX k abc v
        SETEX k v
        PSETEX k -5 v
        GET k
        SETNX k
        GET
        GET a b
        MSET
        MSET a
        MSET a 1 b
        MGET
        DEL
        GETDEL
        GETEX""",
    "getex, getdel, mget, mset": """
        GETDEL k
        SET k v
        GETDEL k
        GET k
        MSET a 1 b 2 c 3
        MGET a b nosuch c
        GETEX a
        TTL a
        GETEX a EX 100
        TTL a
        GETEX a PERSIST
        TTL a
        GETEX a PX 100300
        TTL a
        GETEX nosuch EX 10
        GETEX a EXAT 1
        GET a
        GETEX b EX 0
        GETEX b EX
        GETEX b EX 1 PERSIST
        GETEX b NX
        GETEX b KEEPTTL
        MSET d 4 d 5
        GET d""",
    "expiry": """
        TTL k
        PTTL k
        EXPIRETIME k
        PEXPIRETIME k
        PERSIST k
        EXPIRE k 10
        SET k v
        TTL k
        PTTL k
        EXPIRETIME k
        PERSIST k
        EXPIRE k 100
        TTL k
        PERSIST k
        TTL k
        EXPIRE k 100 XX
        EXPIRE k 100 NX
        EXPIRE k 200 NX
        EXPIRE k 200 GT
        TTL k
        EXPIRE k 100 GT
        EXPIRE k 100 LT
        TTL k
        EXPIRE k 300 LT
        EXPIRE k 300 XX
        TTL k
        PERSIST k
        EXPIRE k 10 GT
        EXPIRE k 10 LT
        TTL k
        EXPIRE k 10 NX XX
        EXPIRE k 10 NX GT
        EXPIRE k 10 GT LT
        EXPIRE k 10 FOO
        EXPIRE k abc
        EXPIRE k 9223372036854775807
        EXPIRE k -9223372036854775808
        PEXPIRE k 9223372036854775807
        EXPIRE k
        PEXPIRE k 100300
        TTL k
        EXPIREAT k 4102444800
        EXPIRETIME k
        PEXPIREAT k 4102444800000
        EXPIRETIME k
        EXPIREAT k 1
        GET k
        SET k v
        EXPIRE k 0
        EXISTS k
        SET k v
        EXPIRE k -1
        EXISTS k
        EXPIRE nosuch -1""",
    "connection": """
        PING
        PING hello
        PING a b
        ECHO hello
        ECHO
        SELECT 0
        SELECT 1000
        SELECT abc
        SELECT
        CLIENT GETNAME
        CLIENT SETNAME me
        CLIENT GETNAME
        CLIENT SETNAME "a b"
        CLIENT SETNAME ""
        CLIENT GETNAME
        CLIENT LIST TYPE x
        CLIENT LIST TYPE pubsub
        CLIENT NO-EVICT on
        CLIENT NO-EVICT maybe
        CLIENT REPLY on
        CLIENT REPLY maybe
        CLIENT nosuch
        CLIENT
        CLIENT ID 1
        CLIENT KILL 1.2.3.4:5
        CLIENT KILL ID 0
        CLIENT KILL ID 99999999
        CLIENT KILL ID abc
        CLIENT KILL FOO
        CLIENT KILL FOO bar
        CLIENT LIST FOO
        AUTH secret
        AUTH default secret
        AUTH nobody secret
        AUTH a b c
        HELLO 4
        HELLO abc
        HELLO 2 FOO
        HELLO 2 SETNAME "a b"
        HELLO 2 AUTH nobody x
        CONFIG
        CONFIG nosuch
        CONFIG GET
        CONFIG GET save
        CONFIG GET nosuch
        COMMAND nosuch
        RESET
        RESET x
        UNWATCH
        TIME x
        DBSIZE
        DBSIZE x""",
    "unknown commands": """
        NOSUCH
        NOSUCH a b c
        nosuch "a b" 'c'
        "" a""",
    "multi": """
        EXEC
        DISCARD
        MULTI
        SET k v
        GET k
        DEL k nosuch
        GET k
        EXEC
        MULTI
        MULTI
        SET k v
        DISCARD
        GET k
        MULTI
        NOSUCH
        SET k v
        EXEC
        MULTI
        GET
        EXEC
        MULTI
        EXEC
        MULTI
        SET k v EX abc
        GET k
        EXEC
        MULTI
        WATCH k
        EXEC
        MULTI
        PING
        SELECT 99
        ECHO x
        EXEC
        GET k""",
    "scan": """
        SCAN abc
        SCAN 0 COUNT 0
        SCAN 0 COUNT abc
        SCAN 0 COUNT
        SCAN 0 FOO bar
        SCAN 0 MATCH
        SCAN
        SCAN 0 MATCH * COUNT 100000 TYPE string
        SCAN 0 COUNT 100000 TYPE list""",
    "flush": """
        SET a 1
        SET b 2
        DBSIZE
        FLUSHALL
        DBSIZE
        GET a
        SET a 1
        FLUSHDB SYNC
        GET a
        FLUSHALL ASYNC
        FLUSHALL FOO
        FLUSHDB ASYNC SYNC""",
    "client reply": """
        CLIENT REPLY SKIP
        PING swallowed
        PING heard
        CLIENT REPLY OFF
        PING swallowed
        SET k v
        CLIENT REPLY ON
        GET k
        QUIT
        PING never""",
    "commands": """
        COMMAND GETKEYS GET a
        COMMAND GETKEYS MSET a 1 b 2
        COMMAND GETKEYS DEL a b c
        COMMAND GETKEYS PING
        COMMAND GETKEYS GET
        COMMAND GETKEYS nosuch a
        COMMAND INFO nosuch""",
}

RESP3 = {
    "resp3": """
        GET k
        SET k v
        GET k
        MGET k nosuch
        SET new v XX
        GETDEL nosuch
        GETEX nosuch
        CONFIG GET save
        CLIENT GETNAME
        MULTI
        GET nosuch
        EXEC
        COMMAND INFO nosuch
        SET k v NX
        SET k v XX GET
        RESET
        GET nosuch""",
}

RAW = {
    "inline": b"PING\r\nSET k \"a b\\x41\\n\"\r\nGET k\r\n\r\nGET 'k'\nEXISTS  k   \r\n",
    "inline with unbalanced quotes": b"GET \"k\r\nPING\r\n",
    "inline with text after quotes": b"GET \"k\"x\r\nPING\r\n",
    "inline too long": b"A" * (64 * 1024 + 17),
    "multibulk count not a number": b"*x\r\n",
    "multibulk count negative": b"*-5\r\nPING\r\n",
    "multibulk count zero": b"*0\r\nPING\r\n",
    "multibulk count too large": b"*2147483648\r\n",
    "multibulk count without end": b"*" + b"1" * (64 * 1024 + 17),
    "bulk is no bulk": b"*1\r\n:4\r\nPING\r\n",
    "bulk is an empty line": b"*1\r\n\r\n",
    "bulk length not a number": b"*1\r\n$x\r\n",
    "bulk length negative": b"*1\r\n$-1\r\n",
    "bulk length too large": b"*1\r\n$536870913\r\n",
    "bulk length with plus": b"*1\r\n$+4\r\nPING\r\n",
    "bulk length with zero": b"*1\r\n$04\r\nPING\r\n",
    "bulk length without end": b"*1\r\n$" + b"1" * (64 * 1024 + 17),
    "after good commands": b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n$x\r\nPING\r\n",
    "binary keys and values":
        b"*3\r\n$3\r\nSET\r\n$3\r\n\0\r\n\r\n$4\r\n\xff\0\r\n\r\n*2\r\n$3\r\nGET\r\n$3\r\n\0\r\n\r\n",
    "http post": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "http host": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "quit": b"QUIT\r\nPING\r\n",
    "unknown command with line ends":
        b"*2\r\n$5\r\nNO\r\nX\r\n$4\r\na\r\nb\r\nPING\r\n",
}


class Server:
    def __init__(self, address, words):
        self.address = address
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def connect(self):
        end = time.monotonic() + WAIT
        while True:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(WAIT)
            try:
                s.connect(self.address)
                return s
            except OSError:
                s.close()
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def ready(self):
        """Accord stores for good only once it holds a lease."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with self.connect() as s:
                replies = self.ask(s, [["SET", "ready", "1"], ["GET", "ready"]])
            if replies == [b"+OK\r\n", b"$1\r\n1\r\n"]:
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.address}: not ready: {replies}")

    @staticmethod
    def ask(s, commands):
        """One after the other: the raw bytes of each reply; None for none (closed, or muted)."""
        replies = []
        stream = s.makefile("rb")
        for words in commands:
            try:
                s.sendall(encode(words))
            except ConnectionError:
                replies.append(None)
                break
            muted = words[:2] in (["CLIENT", "REPLY"],) and words[2:] in (["SKIP"], ["OFF"])
            if muted or words == ["PING", "swallowed"] or (replies and muting(commands, words)):
                continue
            try:
                replies.append(reply(stream))
            except ConnectionError:
                replies.append(None)
                break
        return replies

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def muting(commands, words):
    """Whether `words` runs while CLIENT REPLY OFF holds."""
    at = commands.index(words)
    return ["CLIENT", "REPLY", "OFF"] in commands[:at] and \
        ["CLIENT", "REPLY", "ON"] in commands[at:] and words != ["CLIENT", "REPLY", "ON"]


def encode(words):
    words = [w.encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def reply(stream):
    line = stream.readline()
    if not line:
        raise ConnectionError
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=" and int(rest) >= 0:
        return line + stream.read(int(rest) + 2)
    if kind in b"*%~>" and int(rest) >= 0:
        count = int(rest) * (2 if kind == b"%" else 1)
        return line + b"".join(reply(stream) for _ in range(count))
    return line


def commands_of(text):
    return [shlex.split(line, posix=True) for line in text.strip().splitlines()]


def raw(server, data):
    """All that comes back until it is quiet, and whether the connection was closed."""
    with server.connect() as s:
        s.sendall(encode(["FLUSHALL"]))
        s.recv(100)
        try:
            s.sendall(data)
        except OSError:
            pass
        heard, closed = b"", False
        s.settimeout(0.5)
        try:
            while not closed:
                more = s.recv(65536)
                heard += more
                closed = not more
        except ConnectionError:
            closed = True
        except TimeoutError:
            pass
        return heard, closed


def case(server, commands, resp3):
    with server.connect() as s:
        first = [["FLUSHALL"]] + ([["HELLO", "3"]] if resp3 else [])
        server.ask(s, first)
        return server.ask(s, commands)


def all_at_once(server, commands):
    """The same commands in one write: pipelined replies come in order."""
    with server.connect() as s:
        server.ask(s, [["FLUSHALL"]])
        s.sendall(b"".join(encode(c) for c in commands))
        stream = s.makefile("rb")
        return [reply(stream) for _ in commands]


def random_commands(seed):
    """A pipeline on few keys. Missed GETs and removals are kept apart: a SET after a GET that
    missed and a removal after that stores nothing here, as its value may be outdated."""
    r = random.Random(seed)
    out = []
    for i in range(300):
        key = "k%d" % r.randrange(6)
        reads = [["GET", key], ["MGET", "k1", "k2", key], ["GETEX", key, "EX", "300"]]
        removals = [["DEL", key], ["GETDEL", key], ["EXPIRE", key, "-1"], ["UNLINK", key, "k2"]]
        out.append(r.choice([["SET", key, "v%d" % i], ["SET", key, "x" * r.randrange(3000)],
                             ["STRLEN", key], ["EXISTS", key, "k1"], ["TTL", key],
                             ["SET", key, "w", "EX", "1000"], ["PERSIST", key], ["TTL", key],
                             ["MSET", key, "m", "k3", "n"], ["SET", key, "g", "GET"],
                             ["SET", key, "xx", "XX"], ["EXPIRE", key, "500"], ["TYPE", key],
                             ["NOSUCH", key], ["SET", key], ["DBSIZE"]] +
                            (reads if seed % 2 else removals)))
    return out


def patterns(server, seed):
    """SCAN MATCH over fixed keys: the set of what matches."""
    r = random.Random(seed)
    keys = sorted({"".join(r.choice("ab*?[]^-\\") for _ in range(r.randrange(1, 5)))
                   for _ in range(60)})
    found = []
    with server.connect() as s:
        server.ask(s, [["FLUSHALL"]] + [["SET", k, "1"] for k in keys])
        for _ in range(150):
            pattern = "".join(r.choice("ab*?[]^-\\*") for _ in range(r.randrange(1, 7)))
            s.sendall(encode(["SCAN", "0", "COUNT", "100000", "MATCH", pattern]))
            stream = s.makefile("rb")
            assert stream.readline() == b"*2\r\n"
            cursor = reply(stream)
            assert cursor == b"$1\r\n0\r\n", cursor
            count = int(stream.readline()[1:-2])
            found.append((pattern, sorted(reply(stream) for _ in range(count))))
    return found


def compare(name, redis, accord):
    if redis == accord:
        print("ok", name, flush=True)
        return True
    print("not ok", name, flush=True)
    if isinstance(redis, list):
        for i, (r, a) in enumerate(zip(redis, accord)):
            if r != a:
                print("  reply", i, "redis ", str(r)[:300], "\n  reply", i, "accord", str(a)[:300])
    else:
        print("  redis ", str(redis)[:300], "\n  accord", str(accord)[:300])
    return False


def labelled(commands, replies):
    kept = [c for c in commands if c[:2] != ["CLIENT", "REPLY"] and c != ["PING", "swallowed"]]
    if len(kept) != len(replies):
        return replies
    return [(" ".join(c), r) for c, r in zip(kept, replies)]


def run(redis, accord):
    good = True
    for resp3, cases in ((False, CASES), (True, RESP3)):
        for name, text in cases.items():
            commands = commands_of(text)
            good &= compare(name.replace(" ", "-"),
                            *(labelled(commands, case(s, commands, resp3))
                              for s in (redis, accord)))
    for name, data in RAW.items():
        good &= compare("raw-" + name.replace(" ", "-"), raw(redis, data), raw(accord, data))
    for seed in range(5):
        commands = random_commands(seed)
        good &= compare(f"random-pipeline-{seed}",
                        *([(" ".join(c)[:60], r) for c, r in zip(commands, all_at_once(s, commands))]
                          for s in (redis, accord)))
    for seed in range(2):
        good &= compare(f"patterns-{seed}", patterns(redis, seed), patterns(accord, seed))
    return good


def main():
    if not shutil.which("redis-server"):
        print("skip redis-compare: redis-server is not installed (make setup)")
        return 0
    folder = tempfile.mkdtemp(prefix="accord-redis-")
    config = os.path.join(folder, "accord.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write("[namespace default]\njitter = 0\n")
    servers = []
    try:
        servers.append(Server(os.path.join(folder, "redis.sock"),
                              ["redis-server", "--port", "0", "--unixsocket",
                               os.path.join(folder, "redis.sock"), "--save", "",
                               "--dir", folder]))
        servers.append(Server(os.path.join(folder, "accord.sock"),
                              [os.path.join(BUILD, "accord"), "serve", "--name", "one", "--bus",
                               "sqlite:" + os.path.join(folder, "bus.db"), "--socket",
                               os.path.join(folder, "accord.sock"), "--memory", "16M",
                               "--publish-timeout", "20s", "--config", config]))
        for server in servers:
            server.ready()
        return 0 if run(*servers) else 1
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
