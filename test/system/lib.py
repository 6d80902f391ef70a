# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""lib.py - what system tests in Python share: daemons in a folder of their own, a RESP client,
and lines that tools/check.sh counts. Imported, not run. ACCORD_BUILD names the build folder;
ACCORD_SANITIZED says that everything is slow."""
import concurrent.futures
import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("ACCORD_BUILD", "build"))
ACCORD = os.path.join(BUILD, "accord")
SANITIZED = bool(os.environ.get("ACCORD_SANITIZED"))
WAIT = 60  # seconds for what comes sooner; also the longest bound that a daemon is given
OUTWAIT = 2 * WAIT  # by who wants the daemon's own answer
PROMPT = 10  # seconds that "at once" may take on a machine busy with other things; a hang takes more
MIB_IN_KIB = 1024
# What sanitizers keep of freed memory, and their shadow of the rest.
SLACK_KIB = (1024 if SANITIZED else 24) * MIB_IN_KIB
tests = []
programs = {}


class Skip(Exception):
    pass


def test(function):
    tests.append(function)
    return function


class RespError(str):
    pass


class Client:
    """The least that speaks RESP2 over a socket."""

    def __init__(self, address, family=socket.AF_UNIX):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(OUTWAIT)
        self.connect(address)
        self.file = self.socket.makefile("rb")

    def connect(self, address):
        """A unix socket whose queue of callers is full refuses a connect with a time limit at once:
        then come again, within that limit."""
        end = time.monotonic() + WAIT
        while True:
            try:
                return self.socket.connect(address)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def receive(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed by the daemon")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.receive() for _ in range(int(rest))]
        raise ValueError(line)

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def map(self, *words):
        reply = self.ask(*words)
        assert not isinstance(reply, RespError), reply
        return as_map(reply)


def as_map(pairs):
    text = [p.decode() if isinstance(p, bytes) else p for p in pairs]
    return dict(zip(text[::2], text[1::2]))


class Node:
    """A daemon, its standard output and its log."""

    def __init__(self, folder, name, *flags, bus=None, sock=None, environment=None, plain=False,
                 preexec=None, before=(), pass_fds=()):
        self.folder, self.name = folder, name
        self.socket = sock or os.path.join(folder, name + ".sock")
        self.lines, self.log = [], []
        words = [ACCORD, "serve"]
        if not plain:
            given = {str(flag).partition("=")[0] for flag in flags}
            usual = {"--name": name, "--socket": self.socket, "--memory": "16M",
                     "--bus": bus or "sqlite:" + os.path.join(folder, "bus.db")}
            if SANITIZED:
                usual["--publish-timeout"] = "20s"
            words += [w for flag in usual if flag not in given for w in (flag, usual[flag])]
        self.process = subprocess.Popen([*before, *words, *flags], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=preexec, pass_fds=pass_fds,
                                        env={**os.environ, **(environment or {})})
        self.readers = [threading.Thread(target=self.read, args=a, daemon=True) for a in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def until(self, lines, part, what):
        end, ended = time.monotonic() + WAIT, False
        while time.monotonic() < end:
            for line in list(lines):
                if part in line:
                    return line
            if ended:
                break
            if self.process.poll() is not None:
                self.ended()  # all that it wrote is read
                ended = True
            time.sleep(0.01)
        raise AssertionError(f"{self.name}: {what}: {part!r} did not come: {lines} {self.log[-6:]}")

    def ready(self):
        return self.until(self.lines, "ready:", "standard output")

    def logged(self, part):
        return self.until(self.log, part, "log")

    def ended(self):
        code = self.process.wait(WAIT)
        for reader in self.readers:
            reader.join(WAIT)
        return code

    def kill(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def client(self):
        return Client(self.socket)

    def status(self):
        with contextlib.closing(self.client()) as c:
            return c.map("ACCORD.STATUS")

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Manager:
    """What systemd does for a service with FileDescriptorStoreMax: keeps what it is given by
    FDSTORE=1 and gives it to the next start, as descriptors from 3 on."""

    def __init__(self, folder, kept=()):
        self.path = folder + "/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.kept = [(name, os.dup(fd)) for name, fd in kept]  # (name, descriptor)
        self.told = []  # every line that came
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
                if not text:
                    return
                self.told += text.decode().split("\n")
                lines = dict(line.split("=", 1) for line in text.decode().split("\n") if line)
                name = lines.get("FDNAME")
                if "FDSTOREREMOVE" in lines:
                    for fd in [fd for n, fd in self.kept if n == name]:
                        os.close(fd)
                    self.kept = [(n, fd) for n, fd in self.kept if n != name]
                if "FDSTORE" in lines:
                    self.kept += [(name, fd) for fd in fds]

    def flags(self):
        """What Node() takes for a start by this manager."""
        fds = [fd for _, fd in self.kept]
        names = ":".join(name for name, _ in self.kept)
        code = ("import fcntl, os, sys\n"
                f"high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in {fds}]\n"
                "for i, fd in enumerate(high): os.dup2(fd, 3 + i)\n"
                f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(fds)}', "
                f"LISTEN_FDNAMES='{names}')\n"
                "os.execv(sys.argv[1], sys.argv[1:])")
        return {"environment": {"NOTIFY_SOCKET": self.path}, "pass_fds": fds,
                "before": [sys.executable, "-c", code] if fds else []}

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        for _, fd in self.kept:
            os.close(fd)


def sanitize_flag():
    """What programs of the tests' own are compiled with, to be linked with the build's library."""
    names = subprocess.run(["nm", "-D", os.path.join(BUILD, "libaccord.so")], capture_output=True,
                           text=True).stdout
    return ["-fsanitize=thread"] if "__tsan_init" in names else \
        ["-fsanitize=address,undefined"] if "__asan_init" in names else []


def crashing():
    """What LD_PRELOAD takes, so that a key "crash:…" ends the process: crashing.c."""
    library = compiled("crashing.c", "-shared", "-fPIC", "-fno-builtin", "-ldl")
    if not SANITIZED:
        return library
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True,
                          text=True).stdout.strip()
    return asan + ":" + library  # its library must be the first


def compiled(source, *flags):
    """The path of a program made of a file beside this one; gone when the tests end."""
    if source not in programs:
        if not programs:
            programs[None] = tempfile.TemporaryDirectory(prefix="accord-programs-")
        path = os.path.join(programs[None].name, source.replace(".c", ""))
        done = subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-Wall",
                               "-Wextra", "-Werror", "-O1", "-g", "-I", ROOT + "/include", "-o",
                               path, os.path.join(ROOT, "test/system", source), *flags],
                              capture_output=True, text=True)
        expect(done.returncode == 0, done.stderr)
        programs[source] = path
    return programs[source]


class Probe:
    """A process that uses libaccord as it is told (probe.c)."""

    def __init__(self, node, *before):
        sock = getattr(node, "socket", node)
        program = compiled("probe.c", "-L", BUILD, "-laccord", "-pthread", *sanitize_flag())
        self.process = subprocess.Popen([*before, program, sock], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "LD_LIBRARY_PATH": BUILD})
        self.opened = self.receive()

    def __enter__(self):
        expect(self.opened[0] == 0, self.opened)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        code = self.process.wait(WAIT)
        expect(code == 0, code, self.process.stderr.read())

    def send(self, verb, key=b"", more=b""):
        words = [w.hex() or "-" if isinstance(w, bytes) else str(w) for w in (key, more)]
        self.process.stdin.write(f"{verb} {words[0]} {words[1]}\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise ConnectionError(self.process.stderr.read())
        return line.rstrip("\n")

    def receive(self):
        """(status, text)"""
        status, _, text = self.line().partition(" ")
        return int(status), text

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def get(self, key):
        """(status, state, value)"""
        status, text = self.ask("get", key)
        state, _, value = text.partition(" ")
        return status, int(state), bytes.fromhex(value.strip("-"))

    def kill(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def nodes():
    """A folder and a way to start nodes in it; all of it is gone afterwards."""
    folder = tempfile.mkdtemp(prefix="accord-serve-")
    started = []

    def start(name, *flags, **more):
        started.append(Node(folder, name, *flags, **more))
        return started[-1]

    start.folder, start.all = folder, started
    try:
        yield start
        for node in started:
            code = node.kill(signal.SIGKILL)
            # Of itself, a daemon ends with a code that its manual lists.
            expect(code in (0, 1, 2, 3, -signal.SIGKILL), code, node.log[-40:])
            expect(not any("Sanitizer" in line or "runtime error" in line for line in node.log),
                   node.log[-40:])
    finally:
        for node in started:
            node.kill(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


class Proxy:
    """test/fault_proxy.h between a client and the server at `port`; ends with this program at
    the latest. ask("stall up") and so on; a command that is unknown is a failure."""

    def __init__(self, port, seed=1):
        self.process = subprocess.Popen([os.path.join(BUILD, "fault-proxy"), str(port), str(seed)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", (command, answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(WAIT)
        self.process.stdout.close()


def halt(node, other):
    """Stops it, but not where it holds the lock of the bus file: then nobody could publish."""
    while True:
        node.process.send_signal(signal.SIGSTOP)
        with contextlib.closing(other.client()) as c:
            if not str(c.ask("ACCORD.REMOVE", "another")).startswith("UNPUBLISHED "):
                return
        node.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)


def soon(condition, what):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(what)


def share_out(items, places, work):
    """work(place, item) for each item, at each place one at a time. What they answer, in order."""
    free = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def one(item):
        place = free.get()
        try:
            return work(place, item)
        finally:
            free.put(place)

    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(one, items))


def run(*words, **more):
    return subprocess.run([ACCORD, *words], capture_output=True, text=True, timeout=OUTWAIT, **more)


def rows(folder, sql):
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "bus.db"), timeout=WAIT)) as db:
        return db.execute(sql).fetchall()


@contextlib.contextmanager
def locked(folder):
    """The bus file, by another program; the WAL still lets everybody read."""
    with contextlib.closing(sqlite3.connect(folder + "/bus.db", timeout=WAIT,
                                            isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


def connected(client, name):
    """What the bus's server says of that node: yes, no, unknown, asking; None: not a member."""
    listed = [as_map(row) for row in client.ask("ACCORD.NODES")]
    return next((row["connected"] for row in listed if row["name"] == name), None)


def expect(condition, *what):
    if not condition:
        raise AssertionError(what)


def refused(answer, word, *parts):
    """The answer is this error, and says all of this."""
    expect(isinstance(answer, RespError) and answer.startswith(word + " "), answer)
    for part in parts:
        expect(part in answer, part, answer)


def clients(node):
    """How many are connected, the one that asks included."""
    with contextlib.closing(node.client()) as c:
        return int(re.search(rb"connected_clients:(\d+)", c.ask("INFO", "clients")).group(1))


def main():
    """Runs the tests of this program, or those whose name contains the first argument."""
    if not os.access(ACCORD, os.X_OK):
        print(f"not ok {sys.argv[0]}: {ACCORD} is not built")
        return 1
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = 0
    for function in tests:
        if wanted not in function.__name__:
            continue
        began = time.monotonic()
        try:
            function()
            print(f"ok {function.__name__}", flush=True)
        except Skip as why:
            print(f"skip {function.__name__}: {why}", flush=True)
        except Exception:  # whatever it was, it is this test's failure
            failed += 1
            print(f"not ok {function.__name__}", flush=True)
            traceback.print_exc(file=sys.stdout)
        if os.environ.get("ACCORD_TIMES"):
            print(f"  {time.monotonic() - began:.1f} s", flush=True)
    return 1 if failed else 0
