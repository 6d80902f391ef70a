#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""serve.py - real daemons on a real sqlite bus: started, killed, named twice, misconfigured.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import array
import contextlib
import json
import mmap
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

from lib import (ACCORD, WAIT, Client, RespError, Skip, as_map, expect, main, nodes, rows, run,
                 soon, test)

# ---- one node ---------------------------------------------------------------------------------

@test
def a_node_that_is_ended_while_it_begins_ends_in_order():
    with nodes() as start:
        for i in range(10):
            node = start(f"web{i}")
            node.logged("event=")  # its first line, of whatever
            code = node.kill()
            expect(code == 0 and "event=stopped" in node.log[-1], code, node.log)


@test
def a_node_says_ready_and_serves_until_it_is_stopped():
    with nodes() as start:
        node = start("web1")
        line = node.ready()
        bus = "sqlite:" + os.path.join(start.folder, "bus.db")
        expect(line == f"ready: web1, 1 member (web1), {bus}, THIS HOST ONLY", line)
        c = node.client()
        expect(c.ask("PING") == "PONG")
        expect(c.ask("GET", "k") is None)
        expect(c.ask("SET", "k", b"v\r\n\0x") == "OK")
        expect(c.ask("GET", "k") == b"v\r\n\0x")
        expect(c.ask("DEL", "k") == 1)
        expect(c.ask("GET", "k") is None)
        expect(node.kill() == 0, node.log)
        expect(not os.path.exists(node.socket))
        expect(rows(start.folder, "SELECT count(*) FROM accord_changes WHERE op = 'leave'") ==
               [(1,)])
        expect(any("event=stopped" in line for line in node.log), node.log)


@test
def status_and_nodes_tell_what_is():
    with nodes() as start:
        node = start("web1")
        node.ready()
        done = run("status", "--socket", node.socket)
        expect(done.returncode == 0, done)
        expect(re.match(r"fresh, lease \d\.\d s left, lag \d+\n", done.stdout), done.stdout)
        done = run("status", "--json", env={**os.environ, "ACCORD_SOCKET": node.socket})
        status = json.loads(done.stdout)
        expect(status["state"] == "fresh" and status["ready"] is True, status)
        expect(status["name"] == "web1" and status["members"] == 1, status)
        expect(status["pid"] == node.process.pid, status)
        done = run("nodes", "--socket", node.socket, "--json")
        listed = json.loads(done.stdout)
        expect([n["name"] for n in listed] == ["web1"] and listed[0]["self"] is True, listed)
        expect(listed[0]["connected"] is None, "nobody knows that on this bus", listed)
        expect(listed[0]["about"].startswith("app "), listed)
        expect("web1" in run("nodes", "--socket", node.socket).stdout)
        expect(as_map(node.client().ask("ACCORD.STATUS"))["line"].startswith("fresh, lease "))


@test
def what_a_node_says_of_itself_is_learnt_from_its_beats_once_its_join_is_forgotten():
    with nodes() as start:
        start("web1").ready()
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db:
            soon(lambda: rows(start.folder, "SELECT max(id) FROM accord_changes")[0][0] > 1, "a beat")
            db.execute("DELETE FROM accord_changes WHERE op = 'join'")
            db.commit()
        node = start("web2")
        node.ready()
        soon(lambda: node.status()["members"] == 2, "web1 beats")
        told = {n["name"]: n for n in json.loads(run("nodes", "--json", "--socket", node.socket).stdout)}
        expect(all("app " in told[name]["about"] for name in ("web1", "web2")), told)


@test
def no_daemon_is_exit_code_4_with_what_to_do():
    done = run("status", "--socket", "/tmp/accord-nobody-is-here.sock")
    expect(done.returncode == 4, done)
    expect("no daemon answers" in done.stderr and "accord serve" in done.stderr, done.stderr)


@test
def redis_cli_works():
    if not shutil.which("redis-cli"):
        raise Skip("redis-cli is not installed")
    with nodes() as start:
        node = start("web1")
        node.ready()

        def cli(*words):
            return subprocess.run(["redis-cli", "-s", node.socket, *words], capture_output=True,
                                  text=True, timeout=WAIT).stdout.strip()

        expect(cli("PING") == "PONG")
        expect(cli("SET", "user:1", "Ann") == "OK")
        expect(cli("GET", "user:1") == "Ann")
        expect(cli("DEL", "user:1") == "1")
        expect(cli("GET", "user:1") == "")


@test
def a_killed_node_starts_again_at_the_same_socket():
    with nodes() as start:
        node = start("web1")
        node.ready()
        node.client().ask("SET", "k", "v")
        expect(node.kill(signal.SIGKILL) == -signal.SIGKILL)
        expect(os.path.exists(node.socket), "the stale socket is part of the test")
        again = start("web1")
        expect("1 member (web1)" in again.ready(), again.lines)
        expect(again.client().ask("GET", "k") is None, "a restarted node begins empty")
        expect(again.kill() == 0)


@test
def a_socket_in_use_is_refused_and_its_owner_goes_on():
    with nodes() as start:
        first = start("web1")
        first.ready()
        second = start("web2", sock=first.socket)
        expect(second.ended() == 3, second.log)
        expect("in use" in second.log[-1] and first.socket in second.log[-1], second.log)
        expect(first.client().ask("PING") == "PONG")


@test
def a_file_at_the_sockets_path_is_not_deleted():
    with nodes() as start:
        path = os.path.join(start.folder, "precious")
        with open(path, "w", encoding="ascii") as f:
            f.write("data")
        node = start("web1", sock=path)
        expect(node.ended() != 0)
        expect(path in node.log[-1], node.log)
        with open(path, encoding="ascii") as f:
            expect(f.read() == "data")


@test
def a_listener_on_all_addresses_needs_a_password():
    with nodes() as start:
        node = start("web1", "--listen", "tcp://0.0.0.0:0")
        expect(node.ended() != 0)
        expect("password" in node.log[-1], node.log)


@test
def a_tcp_client_gives_the_password_first():
    with nodes() as start:
        secret = os.path.join(start.folder, "secret")
        with open(secret, "w", encoding="ascii") as f:
            f.write("s3cret\n")
        os.chmod(secret, 0o600)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        node = start("web1", "--listen", f"tcp://127.0.0.1:{port}", "--password-file", secret)
        node.ready()
        c = Client(("127.0.0.1", port), socket.AF_INET)
        expect(str(c.ask("GET", "k")).startswith("NOAUTH"))
        expect(str(c.ask("AUTH", "wrong")).startswith("WRONGPASS"))
        expect(c.ask("AUTH", "s3cret") == "OK")
        expect(c.ask("GET", "k") is None)
        expect(not any("s3cret" in line for line in node.log), "a secret in the log")


@test
def hup_takes_the_log_level_and_keeps_the_rest():
    with nodes() as start:
        config = os.path.join(start.folder, "a.conf")

        def write(level, memory):
            with open(config, "w", encoding="ascii") as f:
                f.write(f"name = web1\nsocket = {start.folder}/web1.sock\nlog-level = {level}\n"
                        f"memory = {memory}\nbus = sqlite:{start.folder}/bus.db\n")

        write("info", "16M")
        node = start("web1", "--config", config, plain=True)
        node.ready()
        write("warn", "32M")
        node.process.send_signal(signal.SIGHUP)
        line = node.logged("event=reloaded")
        expect("level=warn" in line and "restart_for=memory" in line, line)
        write("nonsense", "32M")
        node.process.send_signal(signal.SIGHUP)
        expect(f"{config}:3: log-level is " in node.logged("SIGHUP: nothing was changed"))
        expect(node.client().ask("PING") == "PONG")


@test
def the_log_can_be_json_lines():
    with nodes() as start:
        node = start("web1", "--log", "json")
        node.ready()
        node.kill()
        events = [json.loads(line)["event"] for line in node.log]
        expect("start" in events and "ready" in events and "stopped" in events, events)


@test
def the_service_manager_is_told():
    with nodes() as start:
        path = os.path.join(start.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(WAIT)
            node = start("web1", environment={"NOTIFY_SOCKET": path})
            node.ready()
            told = ""
            while "READY=1" not in told:
                told = s.recv(4096).decode()
            node.kill()
            while "STOPPING=1" not in told:
                told = s.recv(4096).decode()


# ---- wrong settings ---------------------------------------------------------------------------

@test
def a_bad_line_of_the_file_is_named():
    with nodes() as start:
        config = os.path.join(start.folder, "a.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write("name = web1\n\n[namespace user]\nttl = soon\n")
        done = run("serve", "--config", config)
        expect(done.returncode == 2, done)
        expect(f"{config}:4: ttl is \"soon\", but must be a time like" in done.stderr, done.stderr)


@test
def what_is_wrong_only_later_is_named_with_its_place_too():
    with nodes() as start:
        config = os.path.join(start.folder, "a.conf")
        for line, part in (("name = a b", "must be letters"),
                           ("bus = foo:bar", "names no bus"),
                           ("bus = redis://x:y:z", "is no host:port"),
                           ("listen = udp://x", "expected unix:"),
                           ("listen = tcp://0.0.0.0:7001", "set a password"),
                           ("password-file = /nope", "No such file"),
                           ("ack = local", "--state DIR"),
                           ("signing = require", "signing-key-file")):
            with open(config, "w", encoding="ascii") as f:
                f.write(f"socket = {start.folder}/a.sock\n{line}\n")
            other = ["--bus", "memory:x"] if not line.startswith("bus") else []
            done = run("serve", "--config", config, *other)
            expect(done.returncode == 2, line, done)
            expect(f"{config}:2: " in done.stderr and part in done.stderr, line, done.stderr)
        done = run("serve", "--socket", start.folder + "/a.sock", "--bus", "memory:x",
                   "--listen", "udp://x")
        expect(done.returncode == 2 and "--listen: udp://x: " in done.stderr, done)


@test
def a_variable_that_is_no_setting_is_warned_of():
    with nodes() as start:
        node = start("web1", environment={"ACCORD_MEMROY": "1G", "ACCORD_BUILD": "x"})
        line = node.logged("event=environment")
        expect("ACCORD_MEMROY (did you mean ACCORD_MEMORY?)" in line, line)
        expect("ACCORD_BUILD" not in line, line)
        node.ready()


@test
def a_bus_that_is_unknown_or_cannot_be_written_is_said():
    with nodes() as start:
        node = start("web1", bus="carrier-pigeon:here")
        expect(node.ended() == 2)
        expect("carrier-pigeon" in node.log[-1] and "sqlite:" in node.log[-1], node.log)
        node = start("web1", bus="sqlite:/proc/nowhere/bus.db")
        expect(node.ended() != 0)
        expect("/proc/nowhere" in node.log[-1], node.log)


@test
def unknown_verbs_and_flags_are_named():
    done = run("sreve")
    expect(done.returncode == 2 and "sreve" in done.stderr, done)
    done = run("serve", "--memroy", "1G")
    expect(done.returncode == 2 and 'did you mean "memory"?' in done.stderr, done)
    done = run("--help")
    expect(done.returncode == 0 and "serve" in done.stdout and "Exit codes" in done.stdout)
    done = run("serve", "--help")
    expect(done.returncode == 0 and "--max-stale" in done.stdout and "refresh_at" in done.stdout)


# ---- several nodes ----------------------------------------------------------------------------

@test
def what_one_node_removes_is_gone_at_the_other():
    with nodes() as start:
        a, b = start("web1"), start("web2")
        a.ready(), b.ready()
        ca, cb = a.client(), b.client()
        soon(lambda: len(ca.ask("ACCORD.NODES")) == 2, "web1 sees web2")
        expect(cb.ask("SET", "k", "old") == "OK")
        expect(cb.ask("GET", "k") == b"old")
        expect(ca.ask("DEL", "k") == 0, "web1 never had it")
        position = cb.ask("ACCORD.SYNC")
        expect(not isinstance(position, RespError), position)
        expect(cb.ask("GET", "k") is None)
        rows(start.folder, "SELECT 1")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT)) as db:
            expect(cb.ask("SET", "by hand", "old") == "OK")
            db.execute("INSERT INTO accord_changes(key) VALUES ('by hand')")
            db.commit()
        soon(lambda: cb.ask("GET", "by hand") is None, "a person's row removes")


@test
def the_ready_line_waits_for_the_expected_members():
    with nodes() as start:
        a = start("web1", "--expect-members", "2")
        a.logged("event=waiting-for-members")
        expect(not a.lines)
        b = start("web2", "--expect-members", "2")
        for node in a, b:
            expect("2 members (" in node.ready(), node.lines)
            expect("web1" in node.lines[0] and "web2" in node.lines[0])


@test
def two_live_nodes_with_one_name_are_refused():
    with nodes() as start:
        first = start("web1")
        first.ready()
        second = start("web1", sock=os.path.join(start.folder, "other.sock"))
        expect(second.ended() == 3, second.lines, second.log)
        expect(any("web1" in line and "event=fatal" in line for line in second.log), second.log)
        expect(not second.lines, "it never said ready")
        expect(first.client().ask("PING") == "PONG")
        soon(lambda: as_map(first.client().ask("ACCORD.STATUS"))["state"] == "fresh", "first")


# ---- state ------------------------------------------------------------------------------------

@test
def two_daemons_do_not_share_a_state_folder():
    with nodes() as start:
        state = os.path.join(start.folder, "state")
        first = start("web1", "--state", state)
        first.ready()
        second = start("web2", "--state", state)
        expect(second.ended() == 3, second.log)
        expect("in use by another daemon" in second.log[-1], second.log)


@test
def an_accepted_removal_survives_a_kill_while_the_bus_is_locked():
    with nodes() as start:
        state = os.path.join(start.folder, "state")
        node = start("web1", "--state", state, "--ack", "local")
        node.ready()
        c = node.client()
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT,
                                                isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            expect(c.ask("DEL", "precious:1") == 0)
            node.kill(signal.SIGKILL)
            db.execute("ROLLBACK")
        found = "SELECT count(*) FROM accord_changes WHERE key = 'precious:1'"
        expect(rows(start.folder, found) == [(0,)])
        again = start("web1", "--state", state, "--ack", "local")
        again.logged("pending=1")
        again.ready()
        soon(lambda: rows(start.folder, found) == [(1,)], "it was resent")
        again.kill()
        last = start("web1", "--state", state, "--ack", "local")
        last.logged("pending=0")


@test
def a_removal_that_the_bus_does_not_take_is_said_to_be_unpublished():
    with nodes() as start:
        node = start("web1", "--publish-timeout", "200ms")
        node.ready()
        c = node.client()
        expect(c.ask("SET", "k", "v") == "OK")
        with contextlib.closing(sqlite3.connect(start.folder + "/bus.db", timeout=WAIT,
                                                isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            answer = c.ask("DEL", "k")
            expect(str(answer).startswith("UNPUBLISHED "), answer)
            expect(c.ask("GET", "k") is None, "removed here all the same")
            db.execute("ROLLBACK")
        found = "SELECT count(*) FROM accord_changes WHERE key = 'k' AND op = 'remove'"
        soon(lambda: rows(start.folder, found)[0][0] >= 1, "published as soon as it can be")


@test
def a_damaged_state_folder_is_moved_aside():
    with nodes() as start:
        state = os.path.join(start.folder, "state")
        os.mkdir(state)
        with open(os.path.join(state, "state.db"), "w", encoding="ascii") as f:
            f.write("rubbish" * 1000)
        node = start("web1", "--state", state)
        aside = node.logged("event=state-moved-aside")
        expect("state.db.bad-" in aside and "dropped=" in aside and "cannot be read" in aside)
        node.logged("event=state-unreadable")
        node.ready()
        expect("database was moved aside: it is damaged" in node.logged("event=cold why="))
        expect("moved aside: it is damaged" in node.status()["start"], node.status())
        soon(lambda: rows(start.folder, "SELECT count(*) FROM accord_changes WHERE op = 'clear'")
             == [(1,)], "everything is cleared in its stead")


@test
def a_bus_file_deleted_while_running_is_noticed():
    with nodes() as start:
        node = start("web1", "--max-stale", "1s")
        node.ready()
        c = node.client()
        expect(c.ask("SET", "k", "v") == "OK")
        for name in "bus.db", "bus.db-wal", "bus.db-shm":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(start.folder, name))
        node.logged("event=unsure")
        expect(c.ask("GET", "k") is None, "the copy is not served as fresh")
        expect(node.process.poll() is None)


@test
def a_node_stopped_for_longer_than_its_lease_serves_nothing_old():
    with nodes() as start:
        a, b = start("web1", "--max-stale", "1s"), start("web2", "--max-stale", "1s")
        a.ready(), b.ready()
        ca, cb = a.client(), b.client()
        expect(cb.ask("SET", "k", "old") == "OK")
        time.sleep(0.2)  # what is stopped while it writes to the bus holds all writers up
        b.process.send_signal(signal.SIGSTOP)
        answer = ca.ask("DEL", "k")
        expect(answer == 0, answer, a.log)
        time.sleep(1.5)
        cb.send("GET", "k")
        b.process.send_signal(signal.SIGCONT)
        expect(cb.receive() is None)


@test
def a_full_disk_refuses_nothing_that_was_accepted():
    with nodes() as start:
        small = os.path.join(start.folder, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", small],
                          capture_output=True).returncode != 0:
            raise Skip("mounting a small file system needs root")
        try:
            node = start("web1", "--publish-timeout", "300ms", bus=f"sqlite:{small}/bus.db")
            node.ready()
            c = node.client()
            expect(c.ask("SET", "k", "v") == "OK")
            filler = os.open(os.path.join(small, "filler"), os.O_WRONLY | os.O_CREAT)
            with contextlib.suppress(OSError):
                while os.write(filler, b"x" * 4096) > 0:
                    pass
            os.close(filler)
            for i in range(100):
                c.send("DEL", "k%d" % i)
            answers = [str(c.receive()) for _ in range(100)]
            expect(answers[-1].startswith("UNPUBLISHED "), answers[-1])
            os.unlink(os.path.join(small, "filler"))
            soon(lambda: as_map(c.ask("ACCORD.STATUS"))["outbox"] == 0, "published afterwards")
            with contextlib.closing(sqlite3.connect(f"{small}/bus.db", timeout=WAIT)) as db:
                found = db.execute("SELECT count(DISTINCT key) FROM accord_changes "
                                   "WHERE op = 'remove' AND key != 'k'").fetchone()
            expect(found == (100,), found)
            node.kill()
        finally:
            for node in start.all:
                node.kill(signal.SIGKILL)
            subprocess.run(["umount", small], check=False)


@test
def a_bus_file_of_another_user_is_refused_with_what_to_do():
    if os.geteuid() != 0:
        raise Skip("becoming another user needs root")
    with nodes() as start:
        os.chmod(start.folder, 0o755)
        start("web1").ready()
        done = subprocess.run([ACCORD, "serve", "--name", "web2", "--bus",
                               f"sqlite:{start.folder}/bus.db", "--socket",
                               f"/tmp/accord-serve-{os.getpid()}.sock"], capture_output=True,
                              text=True, timeout=WAIT, user="nobody")
        expect(done.returncode == 1, done)
        expect("bus.db may not be written by this user; change its owner or mode" in
               done.stderr.splitlines()[-1], done.stderr)


@test
def too_few_descriptors_are_refused_with_how_many_are_needed():
    with nodes() as start:
        for files, code in (64, None), (63, 1):
            node = start("web1", preexec=lambda n=files: resource.setrlimit(
                resource.RLIMIT_NOFILE, (n, n)))
            if code is None:
                node.ready()
                expect("clients=1 files=64" in node.logged("event=fewer-clients"), node.log)
                expect(node.kill() == 0, node.log)
                continue
            expect(node.ended() == code, node.log)
            expect("63 open files are allowed: a node needs 64" in node.log[-1] and
                   "ulimit -n" in node.log[-1], node.log)


@test
def descriptors_that_run_out_end_nobodys_service():
    with nodes() as start:
        node = start("web1", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                (120, 120)))
        node.ready()
        said = [line for line in node.log if "event=fewer-clients" in line]
        expect(len(said) == 1 and "clients=24 files=120 files_wanted=10096" in said[0], node.log)
        first = node.client()
        others = []
        for _ in range(200):
            with contextlib.suppress(OSError):
                others.append(node.client())
        expect(first.ask("SET", "k", "v") == "OK")
        expect(first.ask("GET", "k") == b"v")
        for other in others:
            other.close()

        def served():
            try:
                return node.client().ask("PING") == "PONG"
            except OSError:
                return False

        soon(served, "new clients are served once the others are gone")


# ---- the segment ------------------------------------------------------------------------------

def attach(node):
    c = node.client()
    c.send("ACCORD.ATTACH", 1, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    fds = array.array("i")
    _, messages, _, _ = c.socket.recvmsg(65536, socket.CMSG_SPACE(2 * fds.itemsize))
    for level, kind, data in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
    expect(len(fds) == 2, fds)
    return c, fds[0], fds[1]


@test
def a_client_that_attaches_can_read_the_segment_and_not_write_it():
    with nodes() as start:
        node = start("web1")
        node.ready()
        c, segment, hints = attach(node)
        size = os.fstat(segment).st_size
        mmap.mmap(segment, size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED).close()
        mmap.mmap(hints, os.fstat(hints).st_size, flags=mmap.MAP_SHARED).close()

        def refused(action):
            try:
                action()
            except (OSError, ValueError):
                return True
            return False

        expect(refused(lambda: mmap.mmap(segment, size, flags=mmap.MAP_SHARED)))
        expect(refused(lambda: os.write(segment, b"x")))
        expect(refused(lambda: os.ftruncate(segment, 0)))
        expect(refused(lambda: os.ftruncate(hints, 0)))

        def reopened():
            fd = os.open(f"/proc/self/fd/{segment}", os.O_RDWR)
            try:
                mmap.mmap(fd, size, flags=mmap.MAP_SHARED)
            finally:
                os.close(fd)

        expect(refused(reopened))
        expect(c.ask is not None)


@test
def a_client_killed_while_attached_leaves_nothing_behind():
    with nodes() as start:
        node = start("web1")
        node.ready()
        before = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        for _ in range(8):
            child = os.fork()
            if child == 0:
                attach(node)
                os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
        soon(lambda: len(os.listdir(f"/proc/{node.process.pid}/fd")) <= before,
             "descriptors of dead clients are closed")
        expect(node.client().ask("PING") == "PONG")


if __name__ == "__main__":
    sys.exit(main())
