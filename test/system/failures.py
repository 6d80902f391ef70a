#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""failures.py - a node of which one call of the C library fails, or every one from one on.

A short life (start, fills, reads, removals, a strict removal elsewhere, stop) is counted once;
then it is lived again and again, each time with another call failing (failing.c). So is a first
life, alone, which makes the log and the state folder. Whatever fails: the node ends only with a code that its manual lists and never by a signal, hangs
nowhere, loses no removal that it acknowledged, and serves nothing as fresh that another node
removed strictly.

FAILURES=all lives through every call there is (some thousand lives; 2/8: every eighth, from the
second), FAILURES=read/17/5/once through one, the 17th read() failing with errno 5 (from: and all
later ones); else a share of them, drawn anew each day. AT_A_TIME: how many lives beside each other.
ACCORD_BUILD: the folder with the program (default build)."""

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from lib import (SANITIZED, WAIT, Client, Node, RespError, Skip, as_map, compiled, expect, main,
                 nodes, rows, share_out, soon, test)

READY = 1.5  # seconds that are waited for a node that may never be ready: its failure was said
LIVES = 30 if SANITIZED else 80  # of those drawn
AT_A_TIME = int(os.environ.get("AT_A_TIME", 2 * (os.cpu_count() or 1)))  # they mostly wait
FLAGS = ("--max-stale", "500ms", "--publish-timeout", "500ms")
HALF = -1  # a read or write that does half of what was asked

ERRORS = {
    "write": (errno.ENOSPC, errno.EAGAIN, HALF), "pwrite64": (errno.ENOSPC, errno.EIO, HALF),
    "read": (errno.EIO, errno.EINTR, HALF), "pread64": (errno.EIO, HALF),
    "writev": (errno.ECONNRESET, errno.EAGAIN), "readv": (errno.ECONNRESET, errno.EINTR),
    "send": (errno.ECONNRESET, errno.EAGAIN, HALF), "recv": (errno.ECONNRESET, errno.EAGAIN, HALF),
    "sendmsg": (errno.ECONNRESET, errno.EAGAIN), "recvmsg": (errno.ECONNRESET, errno.EAGAIN),
    "open": (errno.EMFILE, errno.EACCES), "open64": (errno.EMFILE, errno.EACCES),
    "openat": (errno.EMFILE, errno.EACCES), "socket": (errno.EMFILE,), "accept4": (errno.EMFILE,),
    "fsync": (errno.EIO,), "fdatasync": (errno.EIO,), "mmap": (errno.ENOMEM,),
    "mmap64": (errno.ENOMEM,), "mremap": (errno.ENOMEM,), "epoll_pwait": (errno.EINTR,),
    "epoll_wait": (errno.EINTR,), "poll": (errno.EINTR,), "ppoll": (errno.EINTR,),
    "eventfd": (errno.EMFILE,), "pipe2": (errno.EMFILE,), "inotify_init1": (errno.EMFILE,),
    "ftruncate64": (errno.ENOSPC,), "fallocate64": (errno.ENOSPC,), "mkdir": (errno.ENOSPC,),
    "getrandom": (errno.ENOSYS,), "close": (errno.EIO,), "bind": (errno.EADDRINUSE,),
    "connect": (errno.ECONNREFUSED,), "memfd_create": (errno.EMFILE,),
    "inotify_add_watch": (errno.ENOSPC,), "stat": (errno.EACCES,), "stat64": (errno.EACCES,),
}
ALLOCATIONS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign")


class Lives:
    """A healthy node, and another that is started again and again, on what it left before."""

    def __init__(self, start):
        self.start, self.number, self.before = start, 0, None
        flags = ["-DFAILING_KEEPS_MALLOC"] if SANITIZED else []
        self.shim = compiled("failing.c", "-shared", "-fPIC", *flags, "-ldl")
        if SANITIZED:  # its library must be the first
            asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True,
                                  text=True).stdout.strip()
            self.shim = asan + ":" + self.shim
        self.folder = start.folder
        self.begin()

    def begin(self):
        self.healthy = self.start("healthy", *FLAGS)
        self.healthy.ready()

    def live(self, failure, counts=None):
        """One life. What it said."""
        self.number += 1
        folder = f"{self.folder}/state"
        environment = {"LD_PRELOAD": self.shim}
        if failure:
            names = ("FAIL_CALL", "FAIL_AT", "FAIL_ERRNO", "FAIL_MODE")
            environment.update(zip(names, failure.split("/")))
        if counts:
            environment["FAIL_COUNTS"] = counts
        node = Node(self.folder, "failing", *FLAGS, "--state", folder,
                    environment=environment)
        self.start.all.append(node)
        try:
            self.work(node)
        finally:
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
            try:
                code = node.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                node.process.send_signal(signal.SIGABRT)
                node.ended()
                raise AssertionError("it does not stop", failure, node.log[-12:]) from None
            node.ended()
        self.start.all.remove(node)  # it is judged here
        # SIGTERM ends one that waits for a lock before it has begun.
        begun = any("event=start " in line for line in node.log)
        expect(code in (0, 1, 2, 3) or not begun and code == -signal.SIGTERM, code, failure,
               node.log[-12:])
        expect(not any("Sanitizer" in line or "runtime error" in line for line in node.log),
               failure, node.log[-40:])
        expect(code <= 0 or any("level=error" in line or "accord" in line for line in node.log),
               "it ended without a word", code, failure, node.log)
        return node.log

    def judge(self, failure):
        """None, or how the life ended badly; and whether it met its failure. Which call is the n-th
        varies: a bad life is lived twice, after the life that came before it, too."""
        reached, bad, before = False, None, self.before
        self.before = failure
        for again in (False, True):
            try:
                if again and before:
                    with contextlib.suppress(AssertionError):
                        self.live(before)
                log = self.live(failure)
                return None, reached or any(line.startswith("failing: ") for line in log)
            except AssertionError as why:
                bad = why
                print(f"# FAILURES={failure} after {before}: {why}", flush=True)
                reached = True
        return bad, reached

    def work(self, node):
        end, failed = time.monotonic() + WAIT, False  # a busy machine takes long to come so far
        while time.monotonic() < end and node.process.poll() is None and \
                not any("ready:" in line for line in node.lines):
            if not failed and any(line.startswith("failing: ") for line in node.log):
                end, failed = time.monotonic() + READY, True
            time.sleep(0.005)
        with contextlib.suppress(OSError, ConnectionError, TimeoutError, ValueError):
            with contextlib.closing(Client(node.socket)) as c:
                c.socket.settimeout(3)
                self.ask(c)

    def ask(self, c):
        key, mine = f"strict:{self.number}", f"mine:{self.number}"
        with contextlib.closing(self.healthy.client()) as other:
            other.ask("SET", mine, "old")
            c.ask("SET", key, "old")
            got = as_map(c.ask("ACCORD.GET", "loaded", "LOAD", 0))
            if got.get("token"):
                c.ask("ACCORD.FILL", "loaded", "v", "TOKEN", got["token"], "TAGS", 1, "t")
            c.ask("GET", "loaded")
            c.ask("ACCORD.REMOVETAG", "t")
            removed = c.ask("DEL", mine)
            if isinstance(removed, int):
                soon(lambda: other.ask("GET", mine) is None, "an acknowledged removal is lost")
            # One that cannot let go of the bus's lock keeps others from publishing; they say so.
            if not isinstance(other.ask("ACCORD.REMOVE", key, "WAIT", 5000), RespError):
                expect(c.ask("GET", key) is None, "it serves what was removed strictly")


class FirstLives(Lives):
    """A node that is alone and begins with nothing."""

    def begin(self):
        self.healthy, self.folder = None, self.start.folder + "/first"

    def live(self, failure, counts=None):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        return super().live(failure, counts)

    def ask(self, c):
        c.ask("SET", "mine", "old")
        got = as_map(c.ask("ACCORD.GET", "loaded", "LOAD", 0))
        if got.get("token"):
            c.ask("ACCORD.FILL", "loaded", "v", "TOKEN", got["token"], "TAGS", 1, "t")
        if isinstance(c.ask("DEL", "mine"), int):
            expect(c.ask("GET", "mine") is None, "it serves what it removed")
            expect(rows(self.folder, "SELECT 1 FROM accord_changes "
                                     "WHERE op = 'remove' AND key = 'mine'"),
                   "an acknowledged removal is lost")
        c.ask("ACCORD.REMOVE", "loaded", "WAIT", 3000)


def counted(lives):
    path = lives.start.folder + "/counts"
    lives.live(None, counts=path)
    with open(path, encoding="ascii") as f:
        return {name: int(count) for name, count in (line.split() for line in f)}


def every_failure(counts, calls):
    for call, count in counts.items():
        if call not in calls:
            continue
        for at in range(1, count + 1):
            for error in ERRORS.get(call, (errno.EIO,)):
                passing = error in (errno.EINTR, errno.EAGAIN, HALF)  # never for good
                for mode in ("once",) if passing else ("once", "from"):
                    yield f"{call}/{at}/{error}/{mode}"


def drawn(failures, calls):
    wanted = os.environ.get("FAILURES", "")
    if wanted.count("/") == 1:
        part, of = (int(n) for n in wanted.split("/"))
        return failures[part - 1::of]
    if wanted and wanted != "all":
        return [wanted] if wanted.split("/")[0] in calls else []
    if wanted == "all":
        return failures
    day = int(time.time() // 86400)
    return random.Random(day).sample(failures, min(LIVES, len(failures)))


def live_through(calls, kind=Lives):
    with contextlib.ExitStack() as stack:
        places = [kind(stack.enter_context(nodes())) for _ in range(AT_A_TIME)]
        counts = counted(places[0])
        calls, began = calls(counts), time.monotonic()
        failures = drawn(list(every_failure(counts, calls)), calls)
        expect(failures or os.environ.get("FAILURES"), counts)
        ends = share_out(failures, places, kind.judge)
        bad = [why for why, _ in ends if why]
        reached = sum(met for _, met in ends)
        print(f"# {len(failures)} lives, {reached} of them reached their failure, {len(bad)} bad, "
              f"{time.monotonic() - began:.0f} s; {counts}", flush=True)
        expect(not bad, f"{len(bad)} lives ended badly")
        expect(all(p.healthy is None or p.healthy.process.poll() is None for p in places))
        # How many calls a life makes depends on how long it lasts, and that on the machine.
        expect(reached >= len(failures) / 4, "the calls are not where they were counted")


@test
def a_node_survives_or_ends_well_whatever_allocation_fails():
    if SANITIZED:
        raise Skip("a sanitizer has an allocator of its own")
    live_through(lambda counts: ALLOCATIONS)


@test
def a_node_survives_or_ends_well_whatever_system_call_fails():
    live_through(lambda counts: set(counts) - set(ALLOCATIONS))


@test
def a_first_start_survives_or_ends_well_whatever_call_fails():
    live_through(lambda counts: set(counts) - set(ALLOCATIONS if SANITIZED else ()), FirstLives)


if __name__ == "__main__":
    sys.exit(main())
