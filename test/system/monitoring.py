#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""monitoring.py - the HTTP door of real daemons, asked by curl as monitoring and people do: /healthz,
/readyz, /metrics. Prints "ok NAME", "not ok NAME" or "skip NAME: why"."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from lib import WAIT, Skip, expect, main, nodes, run, soon, test

LISTEN = ("--listen", "http://127.0.0.1:0")
SAMPLE = re.compile(r'([a-z][a-z0-9_]*)((?:\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})?)'
                    r' (NaN|[0-9.]+(?:e[+-]?\d+)?)')


def url(node):
    return "http://" + re.search(r"http://([0-9.]+:\d+)", node.logged("listens=http:")).group(1)


def curl(*words):
    """(status, body); status 0: no answer."""
    if not shutil.which("curl"):
        raise Skip("no curl")
    done = subprocess.run(["curl", "-sS", "--max-time", str(WAIT), "-w", "\n%{http_code}", *words],
                          capture_output=True, text=True, check=False)
    body, _, code = done.stdout.rpartition("\n")
    return int(code), body


def samples(text):
    """{name and labels: value}; every line is right, each name has a type, once."""
    found, types, last = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# "):
            kind, name = line.split(" ", 3)[1:3]
            if kind == "TYPE":
                expect(name not in types, line)
                types[name] = line.split(" ")[3]
            continue
        match = SAMPLE.fullmatch(line)
        expect(match, "not of Prometheus's format", line)
        name, labels, value = match.groups()
        expect(name in types and (last == name or not any(n.startswith(name + "{") or n == name
                                                          for n in found)), line)
        expect(name + labels not in found, "twice", line)
        expect((types[name] == "counter") == name.endswith("_total"), line)
        found[name + labels] = float(value)
        last = name
    return found


def status(node):
    done = run("status", "--json", "--socket", node.socket)
    return json.loads(done.stdout)


@test
def a_node_without_a_bus_is_alive_and_not_ready_and_says_why():
    with nodes() as start, contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        node = start("web1", *LISTEN, bus=f"redis://127.0.0.1:{taken.getsockname()[1]}/shop")
        at = url(node)
        expect(curl(at + "/healthz") == (200, "alive\n"), curl(at + "/healthz"))
        soon(lambda: "efused" in curl(at + "/readyz")[1], "the reason is there")
        code, body = curl(at + "/readyz")
        line = run("status", "--socket", node.socket).stdout.splitlines()[0]
        expect(code == 503 and body.startswith("not ready: unsure since "), code, body)
        without = re.compile(r"; next try in [0-9.]+ s")
        expect(without.sub("", body) == without.sub("", f"not ready: {line}\n"), body, line)
        found = samples(curl(at + "/metrics")[1])
        expect(found["accord_fresh"] == 0 and found["accord_ready"] == 0, found)
        expect(found["accord_lag"] != found["accord_lag"], "NaN: unknown", found["accord_lag"])


@test
def a_node_becomes_ready_with_its_lease_and_its_members():
    with nodes() as start:
        one = start("web1", *LISTEN, "--expect-members", "2")
        at = url(one)
        soon(lambda: "1 of 2 members are here; fresh, lease " in curl(at + "/readyz")[1],
             curl(at + "/readyz"))
        expect(curl(at + "/readyz")[0] == 503, "not ready")
        two = start("web2", *LISTEN)
        one.ready()
        two.ready()
        code, body = curl(at + "/readyz")
        expect(code == 200 and re.fullmatch(r"ready: fresh, lease [0-9.]+ s left, lag \d+\n", body),
               code, body)
        expect(curl("-I", at + "/readyz")[0] == 200, "HEAD")
        expect(curl(at + "/nothing") == (404, "There is nothing here. Try /metrics, /healthz or "
                                              "/readyz.\n"), curl(at + "/nothing"))
        two.kill()
        soon(lambda: curl(at + "/readyz")[0] == 503, "web2 has left, so it is not ready")


@test
def metrics_are_well_formed_and_what_status_says():
    with nodes() as start:
        one, two = start("web1", *LISTEN), start("web2")
        one.ready()
        two.ready()
        for i in range(5):
            expect(run("remove", f"k{i}", "--socket", two.socket).returncode == 0, i)
        with contextlib.closing(one.client()) as c:
            c.ask("SET", "a", "1")
            c.ask("GET", "a")
        soon(lambda: samples(curl(url(one) + "/metrics")[1])["accord_applied_changes_total"] >= 5,
             "what was removed is counted")
        before, found, after = status(one), samples(curl(url(one) + "/metrics")[1]), status(one)
        for field in ("applied_changes", "applied_own", "beats_sent", "published", "door_commands"):
            expect(int(before[field]) <= found[f"accord_{field}_total"] <= int(after[field]), field)
        expect(found["accord_fresh"] == 1 and found["accord_members"] == 2, found)
        expect(0 < found["accord_lease_left_seconds"] <= 3, found["accord_lease_left_seconds"])
        expect(found["accord_max_stale_seconds"] == 3, found["accord_max_stale_seconds"])
        expect(found[f'accord_info{{name="web1",incarnation="{after["incarnation"]}",'
                     f'version="{after["version"]}"}}'] == 1, found)
        expect(sum(name.startswith("accord_nodes_silent{") for name in found) == 2, found)
        expect(found['accord_limits_limit{name="clients"}'] > 0, found)
        expect(len(found) > 150, len(found))
        expect("k1" not in curl(url(one) + "/metrics")[1], "no keys")


@test
def a_node_that_hardly_keeps_up_says_so():
    with nodes() as start:
        node = start("web1", "--max-stale", "2s")
        node.ready()
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)  # more than half of max_stale; more does no harm
        node.process.send_signal(signal.SIGCONT)
        soon(lambda: node.status()["lag_alarms"] >= 1, node.log)
        node.logged("lagging lag_ms=")
        soon(lambda: node.status()["lagging"] in (0, False), node.log)


@test
def who_may_ask_is_checked():
    with nodes() as start:
        node = start("web1", *LISTEN, "--http-host", "shop.example", "--http-host=web1.internal")
        at = url(node)
        for host, code in (("shop.example", 200), ("web1.internal:9180", 200), ("[::1]", 200),
                           ("evil.example", 421), (socket.gethostname(), 200)):
            got = curl("-H", f"Host: {host}", at + "/healthz")
            expect(got[0] == code, host, got)
        code, body = curl("-H", "Host: evil.example", at + "/metrics")
        expect("--http-host" in body, body)
        expect(curl("-H", "Origin: http://evil.example", at + "/metrics")[0] == 403, "Origin")
        expect(curl("-X", "POST", "-d", "x", at + "/metrics")[0] == 405, "POST")
        found = samples(curl(at + "/metrics")[1])
        expect(found["accord_http_refused_total"] == 4, found["accord_http_refused_total"])


@test
def what_is_open_to_other_hosts_has_a_password():
    with nodes() as start:
        path = os.path.join(start.folder, "password")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
            f.write("geheim\n")
        node = start("web1", "--listen", "http://0.0.0.0:0", "--password-file", path)
        at = url(node).replace("0.0.0.0", "127.0.0.1")
        node.ready()
        code, body = curl(at + "/metrics")
        expect(code == 401 and "password-file" in body, code, body)
        expect(curl("-u", "prometheus:falsch", at + "/metrics")[0] == 401, "a wrong one")
        expect(curl("-u", "prometheus:geheim", at + "/metrics")[0] == 200, "Basic")
        expect(curl("-H", "Authorization: Bearer geheim", at + "/metrics")[0] == 200, "Bearer")
        soon(lambda: curl(at + "/readyz") == (200, "ready\n"), "one word")
        expect(curl(at + "/healthz") == (200, "alive\n"), "alive")
        expect(not any("geheim" in line or "falsch" in line for line in node.log), node.log)


@test
def callers_that_are_too_many_or_too_slow_cost_nobody_else():
    with nodes() as start:
        node = start("web1", *LISTEN)
        node.ready()
        host, port = url(node)[7:].split(":")
        idle = [socket.create_connection((host, int(port)), WAIT) for _ in range(64)]
        for i, s in enumerate(idle):
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: local"[:10 + i % 20])
        soon(lambda: status(node)["http_connections"] in (64, "64"), "they are here")
        code, body = curl(url(node) + "/healthz")
        expect(code == 503 and "(64)" in body, code, body)
        expect(run("get", "k", "--socket", node.socket).returncode == 5, "the cache answers")
        soon(lambda: curl(url(node) + "/healthz")[0] == 200, "slow ones are closed")
        for s in idle:
            s.settimeout(WAIT)
            expect(s.recv(1) == b"", "closed")
            s.close()
        expect(int(status(node)["http_slow"]) >= 64, status(node))


@test
def a_node_ends_in_order_with_callers_connected():
    with nodes() as start:
        node = start("web1", *LISTEN)
        node.ready()
        host, port = url(node)[7:].split(":")
        with contextlib.closing(socket.create_connection((host, int(port)), WAIT)) as s:
            s.sendall(b"GET /healthz HT")
            time.sleep(0.1)
            expect(node.kill() == 0, node.log)


if __name__ == "__main__":
    sys.exit(main())
