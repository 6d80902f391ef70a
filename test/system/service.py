#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""service.py - packaging/accord.service is a unit that systemd understands, its command starts a
daemon with nothing but what the unit gives it, and that daemon makes no call that the unit forbids.

systemd need not run here: what it does for a service of Type=notify with a store of descriptors is
done by a small manager (lib.py). Prints "ok NAME", "not ok NAME" or "skip NAME: why"."""
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

from lib import ACCORD, ROOT, SANITIZED, WAIT, Manager, Skip, expect, main, nodes, soon, test

UNIT = os.path.join(ROOT, "packaging", "accord.service")
F_GET_SEALS, SEALS = 1034, 0x10 | 0x4 | 0x2 | 0x1  # future write, grow, shrink, seal


def unit_text(folder):
    """The unit, for this build, with its state beside the test."""
    with open(UNIT, encoding="utf-8") as f:
        return f.read().replace("/usr/local/bin/accord", ACCORD).replace("/var/lib/accord", folder)


def settings(text, name):
    return re.findall(rf"^{name}=(.*)$", text, re.M)


def verified(folder, text):
    """What systemd says of it: nothing, where it is right."""
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    path = os.path.join(folder, "accord.service")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True,
                          text=True, timeout=WAIT, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if "accord" in line]


def begin(start, manager, *before):
    """The unit's command as systemd would run it for a user without a home."""
    text = unit_text(start.folder)
    words = shlex.split(settings(text, "ExecStart")[0])
    expect(words[:2] == [ACCORD, "serve"], words)
    # The user has no home, and may be root here: the bus is the one that the unit names.
    expect(any("ACCORD_BUS=" in line for line in settings(text, "Environment")), text)
    given = dict(line.split("=", 1) for line in settings(text, "Environment"))
    more = manager.flags()
    # /run/accord may be another daemon's: a socket is what the EnvironmentFile may name.
    more["environment"] |= {"HOME": "/nonexistent", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": "",
                            "ACCORD_SOCKET": start.folder + "/accord.sock", "ACCORD_NAME": "web1",
                            "ACCORD_MEMORY": "16M", **given}
    more["before"] = [*before, *more["before"]]
    mask = int(settings(text, "UMask")[0], 8)
    return start("web1", *words[2:], sock=start.folder + "/accord.sock", plain=True,
                 preexec=lambda: os.umask(mask), **more)


@test
def systemd_understands_the_unit():
    with nodes() as start:
        text = unit_text(start.folder)
        expect(verified(start.folder, text) == (0, []), verified(start.folder, text))
        _, said = verified(start.folder, text.replace("RestartSec=", "RestartSecs="))
        expect(any("RestartSecs" in line for line in said), "a misspelt line is noticed", said)


@test
def the_units_command_does_what_its_type_promises():
    with nodes() as start:
        manager = Manager(start.folder)
        node = begin(start, manager)
        expect("READY=1" not in manager.told, "ready before anybody can connect")
        soon(lambda: "READY=1" in manager.told, (manager.told, node.log[-8:]))
        with contextlib.closing(node.client()) as c:
            expect(c.ask("PING") == "PONG")
            token = c.map("ACCORD.GET", "k")["token"]
            expect(c.ask("ACCORD.FILL", "k", "v", "TOKEN", token) == "STORED")
        expect(any(line.startswith("STATUS=ready: web1") for line in manager.told), manager.told)
        soon(lambda: len(manager.kept) == 1, "the segment is given to be kept")
        name, fd = manager.kept[0]
        expect(name == "accord-segment" and fcntl.fcntl(fd, F_GET_SEALS) & SEALS == SEALS, name)
        expect(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY, "for reading only")

        reload = settings(unit_text(start.folder), "ExecReload")[0]
        subprocess.run(shlex.split(reload.replace("$MAINPID", str(node.process.pid))), check=True,
                       timeout=WAIT)
        node.logged("reload")
        expect(node.kill(signal.SIGTERM) == 0 and "STOPPING=1" in manager.told, manager.told)

        again = begin(start, manager)
        soon(lambda: manager.told.count("READY=1") == 2, again.log[-8:])
        soon(lambda: again.status()["start"].startswith("warm: 1 items kept"), again.log[-8:])
        most = int(settings(unit_text(start.folder), "FileDescriptorStoreMax")[0])
        soon(lambda: len(manager.kept) == 1, "the older one is taken out again")
        expect(len(manager.kept) <= most)
        for folder, _, files in os.walk(start.folder + "/state"):
            for file in files:
                mode = os.stat(os.path.join(folder, file)).st_mode
                expect(mode & 0o007 == 0, "nothing for everybody", file, oct(mode))


def calls_of(group, seen=()):
    """The system calls of a group of systemd's, with those of the groups that it names."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group],
                          capture_output=True, text=True, timeout=WAIT, check=True)
    calls = set()
    for word in done.stdout.split("\n")[1:]:
        word = word.strip()
        if word.startswith("@") and word not in seen:
            calls |= calls_of(word, (*seen, word))
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed_calls():
    allowed = set()
    for line in settings(unit_text("/x"), "SystemCallFilter"):
        for group in line.lstrip("~").split():
            allowed = allowed - calls_of(group) if line[0] == "~" else allowed | calls_of(group)
    return allowed


def traced(node):
    """The daemon below strace; None: not yet, or not any more."""
    with contextlib.suppress(OSError):
        pid = node.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else None
    return None


@contextlib.contextmanager
def ended_in_any_case(pid):
    """Without its strace a daemon would go on by itself."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        raise


@test
def it_makes_no_call_that_the_unit_forbids():
    if SANITIZED or not shutil.which("strace") or not shutil.which("systemd-analyze"):
        raise Skip("needs strace, systemd-analyze and the plain build")
    with nodes() as start:
        manager = Manager(start.folder)
        trace = start.folder + "/calls"
        for _ in range(2):  # cold, then warm
            node = begin(start, manager, "strace", "-f", "-qq", "-A", "-o", trace)
            soon(lambda: node.process.poll() is not None or traced(node), node.log[-8:])
            if node.process.poll() is not None:
                raise Skip("strace may not trace here")
            with ended_in_any_case(traced(node)):
                node.ready()
                with contextlib.closing(node.client()) as c:
                    expect(c.ask("SET", "k", "v") == "OK" and c.ask("DEL", "k") == 1)
                os.kill(traced(node), signal.SIGTERM)
                expect(node.ended() == 0, node.log[-8:])
        with open(trace, encoding="utf-8", errors="replace") as f:
            made = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", f.read(), re.M))
        expect({"memfd_create", "fcntl", "sendmsg", "recvmsg", "fsync"} & made, made)
        # As root, SQLite gives its files the owner that the database has.
        tolerated = {"fchown", "chown"} if os.geteuid() == 0 else set()
        expect(made - allowed_calls() <= tolerated, sorted(made - allowed_calls()))


if __name__ == "__main__":
    sys.exit(main())
