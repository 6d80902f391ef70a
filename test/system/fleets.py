# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""fleets.py - what the tests on real servers share: nodes that know each other, and what a network
does to one of them. The server is the test's own; `url(port=n)` reaches it through a proxy."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

from lib import ACCORD, SANITIZED, WAIT, Client, Proxy, Skip, as_map, expect, soon

L = 2 if SANITIZED else 1  # seconds: max_stale of these clusters


def free_ports(count):
    """So many that nobody listened on a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in taken:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in taken]


class Redis:
    """A redis-server on a port of its own; it dies with this program at the latest."""

    def __init__(self, folder, *options):
        if not shutil.which("redis-server"):
            raise Skip("redis-server is not installed")
        self.port, = free_ports(1)
        self.folder = os.path.join(folder, "redis")
        os.mkdir(self.folder)
        self.options = options
        self.start()

    def start(self):
        def die_with_us():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
             "--save", "", *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_us)
        soon(self.answers, "redis-server answers")

    def answers(self):
        try:
            with self.client() as c:
                return str(c.ask("PING")).startswith(("PONG", "NOAUTH"))
        except OSError:
            return False

    @contextlib.contextmanager
    def client(self):
        c = Client(("127.0.0.1", self.port), socket.AF_INET)
        try:
            yield c
        finally:
            c.close()

    def ask(self, *words):
        with self.client() as c:
            return c.ask(*words)

    def url(self, rest="shop", port=None):
        return f"redis://127.0.0.1:{port or self.port}/{rest}"

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT)


def joined(start, *urls, timeout="300ms"):
    """Nodes web1, web2, … that know each other, and a client of each."""
    made = [start(f"web{i + 1}", "--max-stale", f"{L}s", "--publish-timeout", timeout, bus=url)
            for i, url in enumerate(urls)]
    for node in made:
        node.ready()
    clients = [node.client() for node in made]
    for client in clients:
        soon(lambda c=client: len(c.ask("ACCORD.NODES")) == len(urls), "each sees all")
    return made, clients


def state(client, key):
    return client.map("ACCORD.GET", key)["state"]


def fresh(client):
    return client.map("ACCORD.STATUS")["state"] == "fresh"


def all_is_said(client):
    soon(lambda: client.map("ACCORD.STATUS")["outbox"] == 0, "what was accepted is published")


def kept(client, *keys):
    """Stores them; while a node is not sure, what it is given is not kept as fresh."""
    for key in keys:
        soon(lambda k=key: client.ask("SET", k, "v") == "OK" and state(client, k) == "hit",
             f"{key} is kept")


@contextlib.contextmanager
def proxied(port):
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()


def outlasts(proxy, a, b, *faults):
    """b is behind the proxy. While it is cut off it calls nothing fresh that a removed; afterwards
    it goes on where it was."""
    for fault in faults:
        kept(b, "k", "stays")
        all_is_said(a)
        all_is_said(b)
        proxy.ask(fault)
        a.ask("DEL", "k")
        time.sleep(1.2 * L)
        expect(state(b, "k") != "hit", fault, "what was removed L ago is not fresh")
        expect(not fresh(b), fault)
        proxy.ask("heal")
        soon(lambda: fresh(b), "fresh again")
        soon(lambda: state(b, "k") == "miss", "it hears what it missed")
        expect(state(b, "stays") == "hit", fault, "and keeps the rest: nothing was lost")


def keeps_its_promises(url, verb, *flags):
    """`accord demo` or `accord torture` on that bus; the password "whispered" is never shown."""
    done = subprocess.run([ACCORD, verb, "--bus", url, *flags], capture_output=True, text=True,
                          timeout=400, check=False)
    expect(done.returncode == 0, done.stdout[-3000:], done.stderr[-3000:])
    expect("every promise held" in done.stdout, done.stdout)
    expect("whispered" not in done.stdout + done.stderr, "a password is shown", done.stdout)


def pinged(client, name, wait_ms=20000):
    """What ACCORD.PING tells, by node."""
    return {row["name"]: row
            for row in map(as_map, client.ask("ACCORD.PING", name, "WAIT", wait_ms))}


def hear_each_other(clients, names):
    """Each asks one, and all, through the bus; and who is not there is named, with what it may
    mean. On a busy machine a node may be unsure for a moment."""
    def answers(client, other):
        row = pinged(client, other)[other]
        expect(row["answer"] != "none", row)
        return (row["answer"] == "fresh" and row["self"] == 0 and row["round_trip_us"] > 0 and
                row["lag"] == 0 and row["applied"] > 0)

    def all_answer(client, own):
        told = pinged(client, "*")
        expect([n for n, r in told.items() if r["self"]] == [own], told)
        return sorted(told) == sorted(names) and all(r["answer"] == "fresh" for r in told.values())

    def nobody(client):
        row = pinged(client, "nobody", 500)["nobody"]
        expect(row["answer"] == "none" and row["round_trip_us"] == "unknown", row)
        return "no node of this name" in row["why"]

    for i, client in enumerate(clients):
        soon(lambda c=client, n=names[(i + 1) % len(names)]: answers(c, n), "one answers")
        soon(lambda c=client, n=names[i]: all_answer(c, n), "all answer")
    soon(lambda: nobody(clients[0]), "nobody is named")


def deaf(client, proxy, name):
    """It is behind the proxy: cut off it does not answer, and is named; healed it does."""
    proxy.ask("cut")
    row = pinged(client, name, 1000)[name]
    expect(row["answer"] == "none" and row["why"], row)
    proxy.ask("heal")
    soon(lambda: pinged(client, name, 5000)[name]["answer"] != "none", "it answers again")
