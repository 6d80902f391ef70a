#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""faults_node.py - what happens to a daemon itself: killed in the middle of writes, stopped,
started with a state folder that is no longer its own, with clocks that jump, with wrong settings,
without a reader of its log. What it accepted is not lost, and nothing stale is called fresh.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time

from lib import (ACCORD, PROMPT, SANITIZED, WAIT, Probe, RespError, Skip, as_map, compiled,
                 expect, locked, main, nodes, refused, rows, run, soon, test)

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters


def state(client, key):
    return client.map("ACCORD.GET", key)["state"]


def fresh(node):
    return node.status()["state"] == "fresh"


def fill(client, keys):
    """Stores them there and tells nobody."""
    for key in keys:
        client.send("ACCORD.GET", key)
    tokens = [as_map(client.receive())["token"] for _ in keys]
    for key, token in zip(keys, tokens):
        client.send("ACCORD.FILL", key, "old", "TOKEN", token)
    for key in keys:
        expect(client.receive() == "STORED", key)


# ---- killed -----------------------------------------------------------------------------------

def remove_one_by_one(node, name, accepted):
    """Until the daemon is gone; `accepted` gets each key whose removal was answered for."""
    with contextlib.suppress(OSError), contextlib.closing(node.client()) as c:
        for i in range(100000):
            key = f"{name}-{i}"
            answer = c.ask("DEL", key)
            if answer == 0 or str(answer).startswith("UNPUBLISHED "):
                accepted.append(key)


@test
def a_daemon_killed_in_the_middle_of_writes_has_what_it_answered_for():
    with nodes() as start:
        flags = ("--state", start.folder + "/state", "--publish-timeout", "50ms",
                 "--max-stale", f"{L}s")
        web2 = start("web2", "--max-stale", f"{L}s")
        web2.ready()
        b, accepted = web2.client(), []
        for turn in range(3):
            node = start("web1", *flags)
            node.ready()
            keys = [f"{turn}{w}-{i}" for w in "abc" for i in range(200)]
            fill(b, keys)
            writers = [threading.Thread(target=remove_one_by_one,
                                        args=(node, f"{turn}{w}", accepted)) for w in "abc"]
            for writer in writers:
                writer.start()
            time.sleep(0.15)
            with locked(start.folder):  # from here on some are only kept in the state folder
                time.sleep(0.1 * turn)
                node.kill(signal.SIGKILL)
            for writer in writers:
                writer.join()
        last = start("web1", *flags)
        last.ready()
        soon(lambda: last.status()["outbox"] == 0, "what was kept is published")
        logged = {key for key, in rows(start.folder, "SELECT key FROM accord_changes "
                                       "WHERE op = 'remove'")}
        expect(len(accepted) > 30, len(accepted))
        expect(not set(accepted) - logged, sorted(set(accepted) - logged)[:9], last.log)
        expect(not isinstance(b.ask("ACCORD.SYNC"), RespError))
        for key in accepted:
            b.send("EXISTS", key)
        expect(sum(b.receive() for _ in accepted) == 0, "none is left on the other node")


@test
def a_daemon_stopped_while_the_bus_is_locked_ends_in_time_and_resends_at_the_next_start():
    with nodes() as start:
        flags = ("--state", start.folder + "/state", "--publish-timeout", "300ms")
        node = start("web1", *flags)
        node.ready()
        with locked(start.folder):
            refused(node.client().ask("DEL", "k"), "UNPUBLISHED")
            began = time.monotonic()
            expect(node.kill(signal.SIGTERM) == 0, node.log)
            expect(time.monotonic() - began < PROMPT)
        found = "SELECT count(*) FROM accord_changes WHERE key = 'k'"
        expect(rows(start.folder, found) == [(0,)])
        again = start("web1", *flags)
        again.logged("pending=1")
        again.ready()
        soon(lambda: rows(start.folder, found) == [(1,)], "resent")


@test
def a_daemon_goes_on_when_nobody_reads_its_log_any_more():
    with nodes() as start:
        sock = start.folder + "/web1.sock"
        process = subprocess.Popen([ACCORD, "serve", "--name", "web1", "--socket", sock, "--bus",
                                    f"sqlite:{start.folder}/bus.db", "--memory", "16M"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.stdout.readline()
            process.stdout.close()
            process.stderr.close()
            with Probe(sock) as p:
                with locked(start.folder):
                    expect(p.ask("remove", b"k")[0] == -12)  # UNPUBLISHED, which is logged
                soon(lambda: p.ask("set", b"k", b"v")[0] == 0, "it serves on")
            expect(process.poll() is None)
        finally:
            process.terminate()
            expect(process.wait(WAIT) == 0)


# ---- stopped ------------------------------------------------------------------------------------

@test
def readers_of_a_stopped_daemon_see_unsure_by_themselves_and_never_what_was_removed_meanwhile():
    with nodes() as start:
        web1, web2 = [start(name, "--max-stale", f"{L}s") for name in ("web1", "web2")]
        web1.ready(), web2.ready()
        a, b = web1.client(), web2.client()
        fill(b, ["kept", "removed"])
        with Probe(web2) as kept, Probe(web2) as removed:
            expect(kept.get(b"kept")[1] == 1 and removed.get(b"removed")[1] == 1)
            kept.send("history", b"kept", 3 * L)
            removed.send("history", b"removed", 3 * L)
            web2.process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            expect(a.ask("DEL", "removed") == 0)
            answered = time.monotonic() - stopped
            time.sleep(2 * L)
            done = run("get", "kept", "--socket", web2.socket, "--timeout", "200ms")
            expect(done.returncode != 0 and "did not answer in time" in done.stderr, done)
            web2.process.send_signal(signal.SIGCONT)
            web2.logged("event=stood-still")
            for probe, last in (kept, "1"), (removed, "0"):
                changes = [change.split(":") for change in probe.line().split()]
                expect([s for _, s in changes] == ["1", "5", last], changes)
                late = int(changes[1][0]) / 1000 - (answered if last == "0" else 0)
                expect(late < L + 1, changes, answered)


# ---- clocks -------------------------------------------------------------------------------------

@test
def a_wall_clock_that_jumps_changes_nothing_that_was_promised():
    if SANITIZED:
        raise Skip("a sanitizer's library must be the first")
    year = 365 * 86400
    with nodes() as start:
        clock = start.folder + "/clock"

        def set_clock(seconds):
            with open(clock, "r+b" if os.path.exists(clock) else "wb") as f:
                f.write(struct.pack("=q", seconds))

        set_clock(0)
        shim = compiled("wallclock.c", "-shared", "-fPIC", "-ldl")
        jumping = start("web1", "--max-stale", "500ms",
                        environment={"LD_PRELOAD": shim, "WALLCLOCK": clock})
        steady = start("web2", "--max-stale", "500ms")
        jumping.ready(), steady.ready()
        a, b = jumping.client(), steady.client()
        soon(lambda: len(a.ask("ACCORD.NODES")) == 2, "web1 sees web2")
        for jump in year, -year, -3600, 3600, -40 * year, 0:
            expect(a.ask("SET", "mine", "v", "PX", 600000) == "OK")
            set_clock(jump)
            wall = int(a.ask("TIME")[0]) - time.time()
            expect(abs(wall - jump) < 60, "the jump is real", wall, jump)
            fill(a, ["k"])
            fill(b, ["k2"])
            expect(b.ask("DEL", "k") == 0 and a.ask("DEL", "k2") == 0)
            soon(lambda: a.ask("GET", "k") is None and b.ask("GET", "k2") is None, jump)
            expect(a.ask("GET", "mine") == b"v", "what was stored for ten minutes", jump)
            time.sleep(0.6)  # more than a lease
            expect(fresh(jumping) and fresh(steady), jump)
        expect(not any("event=unsure" in line for line in jumping.log + steady.log),
               jumping.log, steady.log)
        expect(not any("event=silent" in line for line in jumping.log + steady.log))


@test
def a_client_in_another_time_namespace_is_served_over_the_socket():
    if not shutil.which("unshare"):
        raise Skip("unshare is not installed")
    tried = subprocess.run(["unshare", "--time", "--boottime", "100000", "true"],
                           capture_output=True, text=True)
    if tried.returncode != 0:
        raise Skip("a time namespace needs root: " + tried.stderr.strip())
    with nodes() as start:
        node = start("web1")
        node.ready()
        expect(node.client().ask("SET", "k", "v") == "OK")
        with Probe(node, "unshare", "--time", "--boottime", "100000", "--") as p:
            expect(p.get(b"k") == (0, 1, b"v"))
            expect(p.ask("set", b"k", b"w")[0] == 0)
            expect(p.get(b"k") == (0, 1, b"w"))
            attached = node.client().ask("INFO", "clients")
            expect(b"attached_clients:0" in attached, attached)


# ---- cloned machines ----------------------------------------------------------------------------

def ended(node):
    return node.process.poll() is not None


@test
def a_daemon_with_the_identity_of_another_ends_and_costs_the_others_two_drops_at_most():
    if SANITIZED:
        raise Skip("a sanitizer's library must be the first")
    with nodes() as start:
        alike = {"LD_PRELOAD": compiled("clone.c", "-shared", "-fPIC")}
        flags = ("--max-stale", f"{L}s")
        first = start("web1", *flags, environment=alike)
        others = [start("web2", *flags), start("web3", *flags)]
        for node in first, *others:
            node.ready()
        for i in range(20):
            expect(first.client().ask("DEL", f"k{i}") == 0)
        second = start("web1", *flags, sock=start.folder + "/clone.sock", environment=alike)
        soon(lambda: ended(second), "the clone ends")
        expect(any("another process bears this node's identity" in line for line in second.log),
               second.log)
        # The first one ends, too, if it reads what the clone has said before it ended.
        soon(lambda: ended(first) or fresh(first), first.log)
        web1 = start("web1", *flags) if ended(first) else first
        for node in web1, *others:
            soon(lambda node=node: fresh(node), node.log)
        for node in others:
            expect(node.status()["cold_boots"] <= 2, node.log)
        done = others[0].client().ask("ACCORD.REMOVE", "k", "WAIT", 20000)
        expect(isinstance(done, (list, dict)), done)


# ---- the state folder ---------------------------------------------------------------------------

def with_pending(start, *keys):
    """A state folder that holds removals which the bus does not have."""
    folder = start.folder + "/state"
    node = start("web1", "--state", folder, "--publish-timeout", "50ms")
    node.ready()
    with locked(start.folder):
        for key in keys:
            refused(node.client().ask("DEL", key), "UNPUBLISHED")
        node.kill(signal.SIGKILL)
    return folder


def restarted(start, folder):
    node = start("web1", "--state", folder)
    node.ready()
    return node


def published(start, sql):
    return rows(start.folder, f"SELECT count(*) FROM accord_changes WHERE {sql}")[0][0]


@test
def a_state_folder_of_another_format_is_moved_aside_and_its_changes_are_published():
    for version in 0, 99:
        with nodes() as start:
            folder = with_pending(start, "k")
            with contextlib.closing(sqlite3.connect(folder + "/state.db")) as db:
                db.execute(f"PRAGMA user_version={version}")
                db.commit()
            node = restarted(start, folder)
            line = node.logged("event=state-moved-aside")
            expect(f"it is of format {version}, this version reads 2" in line, line)
            expect("state.db.bad-" in line, line)
            soon(lambda: published(start, "key = 'k'") == 1, version)


@contextlib.contextmanager
def small_disk(folder):
    """A file system of 8 MiB, and how to fill it: entered, it is full; left, there is room."""
    os.mkdir(folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", folder],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        raise Skip("mounting a small file system needs root")

    @contextlib.contextmanager
    def full():
        with open(folder + "/filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"x" * 4096) > 0:
                pass
        yield
        os.unlink(folder + "/filler")

    try:
        yield full
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@test
def a_state_folder_on_a_full_disk_is_said_costs_nothing_and_keeps_again_when_there_is_room():
    with nodes() as start, small_disk(start.folder + "/small") as full:
        flags = ("--state", start.folder + "/small/state", "--publish-timeout", "50ms")
        node = start("web1", *flags)
        node.ready()
        with contextlib.closing(node.client()) as c:
            with full():
                with locked(start.folder):
                    for i in range(100):
                        c.send("DEL", f"full{i}")
                    answers = [c.receive() for i in range(100)]
                    expect(all(str(a).startswith("UNPUBLISHED ") for a in answers), answers[:3])
                    node.logged("event=keep-failed")
                soon(lambda: node.status()["outbox"] == 0, "published from memory")
                expect(c.ask("DEL", "k") == 0, "it works on")
            with locked(start.folder):
                refused(c.ask("DEL", "room"), "UNPUBLISHED")
                node.kill(signal.SIGKILL)
        again = start("web1", *flags)
        again.ready()
        soon(lambda: again.status()["outbox"] == 0, "what was kept is published")
        found = rows(start.folder, "SELECT count(DISTINCT key) FROM accord_changes "
                                   "WHERE op = 'remove' AND key != 'k'")
        expect(found == [(101,)], found)
        expect(again.kill() == 0, again.log)


@test
def a_state_folder_cut_off_clears_everything_instead():
    with nodes() as start:
        folder = with_pending(start, "k")
        with contextlib.closing(sqlite3.connect(folder + "/state.db")) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(folder + "/state.db", os.path.getsize(folder + "/state.db") // 2)
        node = restarted(start, folder)
        expect("everything is cleared, on every host" in node.logged("event=state-unreadable"))
        soon(lambda: published(start, "op = 'clear'") == 1, "not lost in silence")


@test
def somebody_elses_database_in_the_state_folder_is_kept_for_him():
    with nodes() as start:
        folder = start.folder + "/state"
        os.mkdir(folder)
        with contextlib.closing(sqlite3.connect(folder + "/state.db")) as db:
            db.execute("CREATE TABLE precious(x)")
            db.execute("INSERT INTO precious VALUES (42)")
            db.commit()
        node = restarted(start, folder)
        node.logged("event=state-moved-aside")
        aside = [f for f in os.listdir(folder) if f.startswith("state.db.bad-")]
        with contextlib.closing(sqlite3.connect(os.path.join(folder, aside[0]))) as db:
            expect(db.execute("SELECT x FROM precious").fetchall() == [(42,)])


@test
def a_state_folder_that_cannot_be_is_refused_with_its_name():
    with nodes() as start:
        with open(start.folder + "/file", "w", encoding="ascii"):
            pass
        for folder, why, code in ((start.folder + "/file", " is no folder: give one", 2),
                                  (start.folder + "/file/below", ": Not a directory; give", 1),
                                  ("/proc/nowhere", ": No such file or directory; give", 1)):
            node = start("web1", "--state", folder)
            expect(node.ended() == code, node.log)  # the last lines say how a setting is used
            said = [line for line in node.log if f"--state: state folder {folder}" in line]
            expect(len(said) == 1 and why in said[0], node.log)


# ---- settings -----------------------------------------------------------------------------------

@test
def a_bad_setting_is_named_with_its_place_and_what_is_expected():
    with nodes() as start:
        config = start.folder + "/a.conf"
        for text, line, *parts in (
                ("name = web1\nthis is no line\n", 2, '"this is no line" is no setting',
                 "expected name = value"),
                ("\n\nnmae = web1\n", 3, 'did you mean "name"?'),
                ("memory = lots\n", 1, 'memory is "lots"', "a size like 256M"),
                ("memory = 1M\n", 1, "from 8M to 64G"),
                ("max-stale = 3\n", 1, "a time like 500ms, 3s or 1h", "from 500ms to 1h"),
                ("ack = maybe\n", 1, 'ack is "maybe"', "bus", "local"),
                ("mode = 999\n", 1, 'mode is "999"'),
                ("[users]\nttl = 1s\n", 1, "no section is called [users]",
                 "did you mean [namespace users]?"),
                ("[namespace]\nttl = 1s\n", 1, "expected [namespace NAME]"),
                ("[namespace a b]\n", 1, '"a b" is no name for a namespace'),
                ("[namespace a]\nwhen_unsure = guess\n", 2, "load", "stale", "error"),
                ("[namespace a]\njitter = 2\n", 2, 'jitter is "2"'),
                ("name = " + "x" * 65 + "\n", 1, "at most 64 bytes"),
                ("bus = " + "x" * 300 + "\n", 1, "longer than 196 bytes")):
            with open(config, "w", encoding="ascii") as f:
                f.write(text)
            done = run("serve", "--config", config)
            expect(done.returncode == 2, text, done)
            for part in (f"{config}:{line}: ", *parts):
                expect(part in done.stderr, part, done.stderr)
        for words, part in ((["--config", start.folder + "/none"], "No such file"),
                            (["--config", start.folder], "Is a directory"),
                            (["--memory"], "--memory needs a value"),
                            (["--memory", "1T"], '--memory: memory is "1T"')):
            done = run("serve", *words)
            expect(done.returncode == 2 and part in done.stderr, words, done)


@test
def a_socket_or_a_port_that_cannot_be_is_refused_with_what_to_do():
    with nodes() as start:
        for flags, *parts in (
                (("--listen", "tcp://127.0.0.1:99999"), "expected tcp://host:port"),
                (("--listen", "tcp://127.0.0.1"), "expected tcp://host:port"),
                (("--listen", "gopher://127.0.0.1:1"), "expected unix:", "tcp://host:port", "http://host:port", "chp://host:port"),
                (("--listen", "http://127.0.0.1:99999"), "expected http://host:port"),
                (("--listen", "http://0.0.0.0:0"), "set a password (password-file)", "http://127.0.0.1"),
                (("--socket", start.folder + "/no/a.sock"), "its folder does not exist",
                 f"mkdir -p {start.folder}/no"),
                (("--socket", start.folder + "/" + "x" * 108), "at most 107 bytes"),
                (("--socket", start.folder), "exists and is not a socket"),
                (("--socket", start.folder), "accord: --socket: "),
                (("--state", "/dev/null"), "accord: --state: state folder /dev/null is no folder")):
            node = start("web1", *flags)
            expect(node.ended() in (1, 2, 3), flags, node.log)
            for part in parts:
                expect(any(part in line for line in node.log), part, node.log)


@test
def a_relative_bus_is_shown_with_its_folder():
    with nodes() as start:
        config = start.folder + "/accord.ini"
        with open(config, "w", encoding="ascii") as f:
            f.write(f"name = web1\nbus = sqlite:shared.db\nsocket = {start.folder}/a.sock\n")
        node = start("web1", "--config", config, plain=True,
                     preexec=lambda: os.chdir(start.folder))
        expect(f" sqlite:{start.folder}/shared.db, THIS HOST ONLY" in node.ready(), node.lines)
        expect(node.kill() == 0 and os.path.exists(start.folder + "/shared.db"), node.log)
        with open(config, "a", encoding="ascii") as f:
            f.write("state = /dev/null\n")
        done = run("serve", "--config", config)
        expect(done.returncode == 2 and f"accord: {config}:4: state folder" in done.stderr, done)


@test
def a_socket_in_a_folder_that_may_not_be_written_is_refused_with_what_to_do():
    if os.geteuid() != 0:
        raise Skip("becoming another user needs root")
    with nodes() as start:
        os.chmod(start.folder, 0o755)
        done = subprocess.run([ACCORD, "serve", "--name", "web1", "--socket",
                               start.folder + "/a.sock", "--bus", "memory:x"], text=True,
                              capture_output=True, timeout=WAIT, user="nobody")
        expect(done.returncode == 1, done)
        expect(f"this user must be able to write to {start.folder}, or give another path" in
               done.stderr, done.stderr)


if __name__ == "__main__":
    sys.exit(main())
