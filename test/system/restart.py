#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""restart.py - a daemon that comes back has what it had, and nothing that was removed meanwhile;
where it cannot prove that, it starts cold and says why.

The earlier segment comes from a service manager (a small one, in lib.py), or from a process that still
maps it through libaccord. Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names
the build folder."""
import array
import contextlib
import json
import mmap
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

from lib import (ACCORD, SANITIZED, WAIT, Manager, Node, Probe, RespError, as_map, expect, main,
                 nodes, refused, rows, soon, test)

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters
F_ADD_SEALS, F_GET_SEALS, SEALS = 1033, 1034, 0x10 | 0x8 | 0x4 | 0x2 | 0x1


def begin(start, name="web1", *flags, **more):
    node = start(name, "--state", f"{start.folder}/{name}.state", "--max-stale", f"{L}s", *flags,
                 **more)
    node.ready()
    return node


def fill(node, *keys, value="old"):
    with contextlib.closing(node.client()) as c:
        for key in keys:
            token = c.map("ACCORD.GET", key)["token"]
            expect(c.ask("ACCORD.FILL", key, value, "TOKEN", token) == "STORED", key)


def state(node, key):
    with contextlib.closing(node.client()) as c:
        return c.map("ACCORD.GET", key)["state"]


def stored(manager):
    soon(lambda: manager.kept, "the segment was given to the manager")


def cold(node, *parts):
    said = node.status()["start"]
    expect(said.startswith("cold"), said)
    for part in parts:
        expect(part in said, part, said, node.log)


def warm(node, items):
    soon(lambda: node.status()["start"].startswith("warm: "), node.log[-8:])
    expect(node.status()["inherited"] == items, node.status()["start"], node.log[-8:])


KEYS = [f"key{i}" for i in range(20)]


# ---- by the service manager --------------------------------------------------------------------

@test
def a_daemon_restarted_by_its_manager_is_warm():
    for number in (signal.SIGTERM, signal.SIGKILL):
        with nodes() as start:
            manager = Manager(start.folder)
            node = begin(start, **manager.flags())
            fill(node, *KEYS)
            stored(manager)
            node.kill(number)
            again = begin(start, **manager.flags())
            warm(again, 20)
            for key in KEYS:
                expect(state(again, key) == "hit", key)
            soon(lambda: len(manager.kept) == 1, "one segment is kept, not two")
            again.kill(number)  # and once more, from the copy of the copy
            again = begin(start, **manager.flags())
            warm(again, 20)
            expect(state(again, "key7") == "hit")


@test
def what_was_removed_while_the_daemon_was_down_is_gone():
    for number in (signal.SIGTERM, signal.SIGKILL):
        with nodes() as start:
            manager = Manager(start.folder)
            node = begin(start, **manager.flags())
            other = begin(start, "web2")
            fill(node, *KEYS)
            stored(manager)
            node.kill(number)
            with contextlib.closing(other.client()) as c:
                expect(c.ask("DEL", "key3") == 0)
            with contextlib.closing(sqlite3.connect(start.folder + "/bus.db",
                                                    timeout=WAIT)) as db, db:
                db.execute("INSERT INTO accord_changes(key) VALUES ('key4')")
            again = begin(start, **manager.flags())
            warm(again, 20)
            expect(state(again, "key3") == "miss", again.log)
            expect(state(again, "key4") == "miss", again.log)
            expect(state(again, "key5") == "hit", again.log)


@test
def tokens_of_the_run_before_are_refused():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        with contextlib.closing(node.client()) as c:
            token = c.map("ACCORD.GET", "new")["token"]
        stored(manager)
        node.kill(signal.SIGKILL)
        again = begin(start, **manager.flags())
        with contextlib.closing(again.client()) as c:
            expect(c.ask("ACCORD.FILL", "new", "v", "TOKEN", token) == "REFUSED token")


@test
def a_removal_that_only_the_state_folder_kept_is_not_undone():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, "web1", "--publish-timeout", "300ms", **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT,
                                                isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            with contextlib.closing(node.client()) as c:
                refused(c.ask("DEL", "key3"), "UNPUBLISHED")
            node.kill(signal.SIGKILL)
            db.execute("ROLLBACK")
        again = begin(start, **manager.flags())
        again.logged("pending=1")
        warm(again, 19)
        expect(state(again, "key3") == "miss")


@test
def a_log_that_was_replaced_meanwhile_makes_a_cold_start():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        node.kill()
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(start.folder + "/bus.db" + end)
        again = begin(start, **manager.flags())
        cold(again, "another log")
        expect(again.status()["drops_gone"] == 1)
        expect(state(again, "key3") == "miss")
        fill(again, *KEYS, value="newer")  # and from then on it is as any
        soon(lambda: len(manager.kept) == 1, "stored")
        again.kill()
        warm(begin(start, **manager.flags()), 20)


@test
def a_log_that_was_pruned_meanwhile_makes_a_cold_start():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        node.kill()
        other = begin(start, "web2")
        with contextlib.closing(other.client()) as c:
            for i in range(3):
                c.ask("DEL", f"key{i}")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db, db:
            db.execute("DELETE FROM accord_changes WHERE id < "
                       "(SELECT max(id) FROM accord_changes)")
        again = begin(start, **manager.flags())
        cold(again, "pruned")
        expect(state(again, "key9") == "miss")


@test
def another_size_of_memory_and_other_namespaces_do_not_make_it_cold():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS, "users:1/a", "users:1")
        stored(manager)
        node.kill()
        config = start.folder + "/accord.ini"
        with open(config, "w", encoding="ascii") as f:
            f.write("[namespace users]\ndelimiter = /\n")
        again = begin(start, "web1", "--memory", "64M", "--config", config, **manager.flags())
        warm(again, 21)
        expect(state(again, "users:1/a") == "miss", "it has no tag for users:1/")
        expect(state(again, "users:1") == "hit")


# ---- by its clients ----------------------------------------------------------------------------

def attached(node):
    """A process that maps the segment; its reads make it look for the daemon."""
    probe = Probe(node)
    expect(probe.get(b"key1") == (0, 1, b"old"), probe.get(b"key1"))
    return probe


@test
def a_daemon_restarted_from_a_shell_gets_its_segment_from_an_attached_process():
    for number in (signal.SIGTERM, signal.SIGKILL):
        with nodes() as start:
            node = begin(start)
            other = begin(start, "web2")
            fill(node, *KEYS)
            with attached(node) as probe:
                node.kill(number)
                with contextlib.closing(other.client()) as c:
                    c.ask("DEL", "key3")
                again = begin(start)
                # It reads on in the old one until that lease has run out, then attaches again.
                soon(lambda: probe.get(b"key1") and again.status()["inherited"] > 0, again.log)
                warm(again, 19)
                expect(probe.get(b"key1") == (0, 1, b"old"))
                expect(probe.get(b"key3")[1] == 0, "removed meanwhile")
                expect(state(again, "key5") == "hit")


@test
def without_clients_and_without_a_manager_the_start_is_cold_and_says_so():
    with nodes() as start:
        node = begin(start)
        cold(node, "first start with this state folder")
        fill(node, *KEYS)
        node.kill()
        again = begin(start)
        soon(lambda: again.status()["drops_no_segment"] == 1, again.log)
        cold(again, "no process has offered the earlier segment")
        again.logged("cold why=")
        expect(state(again, "key1") == "miss")


@test
def without_a_state_folder_it_says_why_it_is_cold():
    with nodes() as start:
        node = start("web1")
        node.ready()
        cold(node, "without --state nothing is kept")
        node.kill()


@test
def after_a_restart_of_the_host_the_start_is_cold():
    with nodes() as start:
        node = begin(start)
        fill(node, *KEYS)
        soon(lambda: node.status()["position"], "attached")
        node.kill()
        # Another boot: as the state folder of a host that was restarted looks.
        forge(start.folder, boot=b"\1" * 16)
        again = begin(start)
        cold(again, "the host was restarted since")


def forge(folder, **columns):
    """Writes the place anew, with a right checksum."""
    names = ("log epoch position message hash boot device inode bytes incarnation seed").split()
    with contextlib.closing(sqlite3.connect(folder + "/web1.state/state.db")) as db, db:
        place = dict(zip(names, db.execute(f"SELECT {', '.join(names)} FROM place").fetchone()))
        place.update(columns)
        data = b"".join(v if isinstance(v, bytes) else (v & (1 << 64) - 1).to_bytes(8, "little")
                        for v in place.values())
        place["checksum"] = xxh3(data)
        db.execute(f"UPDATE place SET {', '.join(n + ' = ?' for n in place)}",
                   list(place.values()))


def xxh3(data):
    import ctypes  # only here; the build needs the library anyway
    import ctypes.util
    library = ctypes.CDLL(ctypes.util.find_library("xxhash"))
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    number = library.XXH3_64bits(data, len(data))
    return number - (1 << 64) if number >> 63 else number


def offer(node, fd, incarnation):
    """What ACCORD.OFFER answers; fd None: no descriptor goes with it."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(WAIT)
        s.connect(node.socket)
        text = f"*2\r\n$12\r\nACCORD.OFFER\r\n${len(incarnation)}\r\n{incarnation}\r\n".encode()
        socket.send_fds(s, [text], [] if fd is None else [fd])
        return s.recv(1000).decode()


def wanted(node):
    """What ACCORD.ATTACH says is wanted; its descriptors are dropped."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(WAIT)
        s.connect(node.socket)
        now = str(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        s.sendall(f"ACCORD.ATTACH 1 {now}\r\n".encode())
        data, fds, _, _ = socket.recv_fds(s, 4096, 4)
        for fd in fds:
            os.close(fd)
        words = data.decode().split("\r\n")
        return words[words.index("wanted") + 2] if "wanted" in words else None


def segment_fd(node):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(WAIT)
        s.connect(node.socket)
        now = str(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        s.sendall(f"ACCORD.ATTACH 1 {now}\r\n".encode())
        _, fds, _, _ = socket.recv_fds(s, 4096, 4)
        os.close(fds[1])
        return fds[0]


def counterfeit(original):
    """A file that any process can make: the bytes of the segment, its seals, not its identity."""
    import fcntl
    size = os.fstat(original).st_size
    fd = os.memfd_create("accord-segment", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    with mmap.mmap(original, size, mmap.MAP_SHARED, mmap.PROT_READ) as old:
        os.pwrite(fd, old[:], 0)
    os.fchmod(fd, 0o400)
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS & ~0x8)
    return fd


@test
def a_hostile_descriptor_is_not_believed():
    with nodes() as start:
        node = begin(start)
        fill(node, *KEYS)
        expect(wanted(node) is None, "the first start wants nothing")
        incarnation = node.status()["incarnation"]
        real = segment_fd(node)
        node.kill()
        again = begin(start)
        expect(wanted(again) == incarnation, wanted(again))
        pipe = os.pipe()
        for fd in (None, counterfeit(real), pipe[0], os.open("/dev/zero", os.O_RDONLY),
                   os.open(start.folder, os.O_RDONLY), segment_fd(again)):
            answer = offer(again, fd, incarnation)
            expect(answer.startswith("-NOTWANTED "), fd, answer)
        expect("not wanted" in offer(again, real, "0" * 32))
        expect(again.status()["inherited"] == 0)
        expect(offer(again, real, incarnation) == "+OK\r\n")
        warm(again, 20)
        expect("not wanted" in offer(again, real, incarnation), "once is enough")
        expect(wanted(again) is None)


@test
def a_copied_state_folder_does_not_inherit_from_a_daemon_that_lives():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        soon(lambda: rows_of_state(start.folder, "web1"), "saved")
        shutil.copytree(start.folder + "/web1.state", start.folder + "/web2.state")
        clone = begin(start, "web2", **manager.flags())
        clone.logged("the daemon that writes it still runs")
        expect(state(clone, "key1") == "miss", "it is cold")
        expect(state(node, "key1") == "hit", "and the first one is not disturbed")
        # Dead, the first one may be inherited from by both, each from its own place.
        soon(lambda: len(manager.kept) == 1, "stored")
        expect(clone.status()["incarnation"] != node.status()["incarnation"])
        with contextlib.closing(clone.client()) as c:
            expect(c.ask("DEL", "key2") == 0)
        node.kill(signal.SIGKILL)
        clone.kill(signal.SIGKILL)
        a = begin(start)
        expect(state(a, "key2") == "miss")


def rows_of_state(folder, name):
    shutil.copytree(f"{folder}/{name}.state", f"{folder}/look", dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(f"{folder}/look/state.db")) as db:
        return db.execute("SELECT position FROM place").fetchall()


# ---- told of cold boots -------------------------------------------------------------------------

def replace_bus(folder):
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder + "/bus.db" + end)


@test
def a_command_runs_after_each_cold_boot_and_is_told_why():
    with nodes() as start:
        said = start.folder + "/said"
        node = begin(start, "web1", "--on-cold-boot",
                     f'echo "$ACCORD_CAUSE $ACCORD_POSITION $ACCORD_READS $ACCORD_WHY" >>{said}')

        def lines():
            with contextlib.suppress(FileNotFoundError), open(said, encoding="utf-8") as f:
                return f.read().splitlines()
            return []

        soon(lambda: len(lines()) == 1, node.log)
        expect(lines()[0].startswith("start "), lines())
        expect(" fresh this is the first start with this state folder" in lines()[0], lines())
        replace_bus(start.folder)
        soon(lambda: len(lines()) == 2, node.log)
        expect(lines()[1].startswith("gone "), lines())
        position = lines()[1].split(" ")[1]
        expect(position.partition("@")[2] == node.status()["position"].partition("@")[2],
               "of the log that is read now", lines())
        node.logged("on-cold-boot ended=\"with status 0\"")
        soon(lambda: node.status()["cold_commands"] == 2, node.status())
        expect(node.status()["cold_commands_failed"] == 0)


@test
def what_a_command_loads_after_a_cold_boot_is_kept():
    with nodes() as start:
        node = begin(start, "web1", "--on-cold-boot",
                     f"{os.path.abspath(ACCORD)} memoize loaded --ttl 1h --socket "
                     f"{start.folder}/web1.sock -- echo of-$ACCORD_CAUSE")
        soon(lambda: state(node, "loaded") == "hit", node.log)
        replace_bus(start.folder)
        soon(lambda: node.status()["cold_commands"] == 2 and state(node, "loaded") == "hit",
             node.log)
        expect(node.status()["cold_commands_failed"] == 0, node.log)


@test
def a_command_that_fails_or_hangs_stops_nothing():
    for command, word in (("exit 7", "with status 7"), ("sleep 100", "killed after")):
        with nodes() as start:
            node = begin(start, "web1", "--on-cold-boot", command, "--on-cold-boot-timeout",
                         "300ms")
            fill(node, "key")
            node.logged(word)
            expect(node.status()["cold_commands_failed"] == 1)
            expect(state(node, "key") == "hit")
            expect(node.kill() == 0, node.log)


@test
def a_warm_start_runs_no_command():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        node.kill()
        again = begin(start, "web1", "--on-cold-boot", "true", **manager.flags())
        warm(again, 20)
        expect(again.status()["cold_commands"] == 0)


@test
def a_library_that_watches_is_told_of_a_cold_boot():
    with nodes() as start:
        node = begin(start)
        watch = subprocess.Popen([ACCORD, "watch", "--socket", node.socket],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            expect("watching" in watch.stderr.readline())
            replace_bus(start.folder)
            lines = [watch.stdout.readline(), watch.stdout.readline()]
            expect(lines[0].startswith("drop at ") and "replaced" in lines[0], lines)
            expect(lines[1].startswith("cold-boot at "), lines)
            expect("moved, deleted or replaced" in lines[1], lines)
        finally:
            watch.kill()
            watch.communicate()


@contextlib.contextmanager
def watching(node):
    """`accord watch --json`, and a function that gives the next object."""
    watch = subprocess.Popen([ACCORD, "watch", "--json", "--socket", node.socket],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        expect("watching" in watch.stderr.readline())
        yield lambda: json.loads(watch.stdout.readline())
    finally:
        watch.kill()
        watch.communicate()


@test
def who_watches_hears_of_a_restart_that_was_cold():
    with nodes() as start:
        node = begin(start)
        with watching(node) as heard:
            node.kill(signal.SIGKILL)
            first = heard()
            expect(first["op"] == "break" and first["position"] is None, first)
            again = begin(start)
            told = heard()
            expect(told["op"] == "cold-boot", told)
            expect("no process has offered the earlier segment" in told["key"], told)
            fill(again, "key")
            with contextlib.closing(again.client()) as c:
                c.ask("DEL", "key")
            expect(heard()["op"] == "remove")


@test
def who_watches_hears_of_a_restart_that_was_warm():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, **manager.flags())
        fill(node, *KEYS)
        stored(manager)
        with watching(node) as heard:
            node.kill()
            expect(heard()["op"] == "break")
            again = begin(start, **manager.flags())
            warm(again, 20)
            told = heard()
            expect(told["op"] == "warm" and "20 items kept" in told["key"], told)


@test
def reads_under_load_survive_restarts_and_are_never_older_than_the_bound():
    """A writer that never stops, a reader that never stops, a daemon that is killed every second
    or so: no fresh read is older than the bound, and each restart is warm."""
    with nodes() as start:
        node = begin(start)
        other = begin(start, "web2")
        version, stop = [0], threading.Event()

        def write():
            with contextlib.closing(other.client()) as c:
                while not stop.is_set():
                    version[0] += 1
                    if not isinstance(c.ask("DEL", "row"), RespError):
                        done.append((time.monotonic(), version[0]))
                    time.sleep(0.03)

        done = []
        writer = threading.Thread(target=write)
        writer.start()
        try:
            fill(node, *KEYS)
            with attached(node) as probe:
                for _ in range(3):
                    end = time.monotonic() + 1.2
                    while time.monotonic() < end:
                        began = time.monotonic()
                        seen = version[0]
                        status, what, value = probe.get(b"row")
                        if what == 1:
                            floor = max((v for at, v in list(done)
                                         if at < began - L * 1.1), default=0)
                            expect(int(value) >= floor, value, floor)
                        elif what == 0:
                            probe.ask("fill", b"row", str(seen).encode())
                    node.kill(signal.SIGKILL)
                    node = begin(start)
                    # Once the lease of the one before has run out, it is asked for its segment.
                    soon(lambda: probe.get(b"key1") and node.status()["inherited"] > 0,
                         node.log[-10:])
        finally:
            stop.set()
            writer.join()


if __name__ == "__main__":
    sys.exit(main())
