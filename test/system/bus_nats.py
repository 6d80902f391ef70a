#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_nats.py - fleets on real nats-servers: killed, cut off, three of them of which one dies,
logins and certificates that are wrong, servers that are too old or that never answer.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import nkeys
from fleets import free_ports, hear_each_other, proxied, state
from lib import (BUILD, ROOT, SANITIZED, WAIT, RespError, Skip, compiled, connected, expect, main,
                 nodes, run, soon, test)

SERVER = os.environ.get("ACCORD_NATS_SERVER", os.path.join(ROOT, "build/servers/nats-server"))
OLD_SERVER = "/usr/sbin/nats-server"
FLAGS = ("--max-stale", "1s", "--memory", "32M")


class Server:
    """A nats-server with JetStream, in a folder of its own."""

    def __init__(self, *flags, program=SERVER, port=None, folder=None):
        if not os.access(program, os.X_OK):
            raise Skip(f"{program} is not there (tools/nats_server.sh builds one)")
        self.own = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="accord-nats-")
        self.port = port or free_ports(1)[0]
        self.words = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.folder,
                      *flags]
        self.start()

    def start(self):
        log = open(os.path.join(self.folder, "log"), "ab")  # the server has its own copy
        with log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log)
        soon(self.listens, "nats-server listens")

    def listens(self):
        expect(self.process.poll() is None, self.words)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as s:
            return s.recv(4) == b"INFO"
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def url(self, cluster="fleet", login="", more="", scheme="nats"):
        return f"{scheme}://{login}127.0.0.1:{self.port}/{cluster}{more}"

    def publish(self, subject, payload):
        """As any client of NATS does."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT) as s:
            s.sendall(b'CONNECT {"verbose":false}\r\nPUB %s %d\r\n%s\r\nPING\r\n'
                      % (subject.encode(), len(payload), payload))
            got = b""
            while b"PONG" not in got:
                got += s.recv(4096)

    def ask(self, what, body=None):
        """JetStream's answer, as any client of NATS gets it."""
        payload = json.dumps(body).encode() if body else b""
        with socket.create_connection(("127.0.0.1", self.port), WAIT) as s:
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB me 1\r\nPUB $JS.API.%s me %d\r\n%s\r\n'
                      % (what.encode(), len(payload), payload))
            got = b""
            while b'{"type"' not in got or not got.endswith(b"}\r\n"):
                got += s.recv(65536)
        answer = json.loads(got[got.index(b'{"type"'):].rpartition(b"\r\n")[0])
        expect("error" not in answer, answer)
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)


def fleet(start, url, count=2):
    started = [start(f"web{i + 1}", *FLAGS, bus=url) for i in range(count)]
    for node in started:
        node.ready()
    soon(lambda: all(n.status()["state"] == "fresh" for n in started), "all are fresh")
    return started


def fill(client, key, value="v"):
    token = client.map("ACCORD.GET", key)["token"]
    return client.ask("ACCORD.FILL", key, value, "TOKEN", token)


def refused_start(start, url, part, ends=True):
    """serve does not begin, and says why; it goes on trying what may yet come right."""
    node = start("web9", *FLAGS, bus=url)
    node.logged(part)
    if not ends:
        node.kill(signal.SIGKILL)
        return
    expect(node.ended() != 0, node.log)


@test
def nodes_ask_each_other():
    with Server() as server, nodes() as start, contextlib.ExitStack() as stack:
        made = fleet(start, server.url(), count=3)
        hear_each_other([stack.enter_context(contextlib.closing(n.client())) for n in made],
                        ["web1", "web2", "web3"])


@test
def a_removal_reaches_all_nodes_also_one_that_a_person_published():
    with Server() as server, nodes() as start:
        web1, web2 = fleet(start, server.url())
        with contextlib.closing(web1.client()) as one, contextlib.closing(web2.client()) as two:
            for key in ("greeble:1", "greeble:2", "greeble:3"):
                expect(fill(two, key) == "STORED")
            one.ask("ACCORD.REMOVE", "greeble:1")
            soon(lambda: state(two, "greeble:1") == "miss", "removed by a node")
            server.publish("accord.fleet.do.remove", b"greeble:2")
            soon(lambda: state(two, "greeble:2") == "miss", "removed by a person")
            expect(state(two, "greeble:3") == "hit")
            answer = one.map("ACCORD.REMOVE", "greeble:3", "WAIT", 10000)
            expect(answer["confirmed"] in (["web2"], [b"web2"]), answer)
            expect(state(two, "greeble:3") == "miss")


class Remover:
    """Removes keys one after the other, and notes those that were acknowledged."""

    def __init__(self, node):
        self.node, self.acknowledged, self.refused, self.ending = node, [], 0, False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        with contextlib.closing(self.node.client()) as c:
            n = 0
            while not self.ending:
                answer = c.ask("ACCORD.REMOVE", f"k:{n}")
                if isinstance(answer, RespError):
                    self.refused += 1
                    time.sleep(0.01)
                else:
                    self.acknowledged.append(n)
                n += 1

    def end(self):
        self.ending = True
        self.thread.join(WAIT)
        expect(not self.thread.is_alive(), "the remover ends")


class Watcher:
    """Which keys another node was seen to remove."""

    def __init__(self, node):
        self.seen = set()
        self.process = subprocess.Popen([os.path.join(BUILD, "accord"), "watch", "--json", "--socket",
                                         node.socket], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        expect("watching" in self.process.stderr.readline())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.seen.add(json.loads(line).get("key"))

    def end(self):
        self.process.kill()
        self.process.wait()


def storm(web1, web2, misfortune):
    """Removals while something happens: what was acknowledged came to the other node."""
    watcher, remover = Watcher(web2), Remover(web1)
    try:
        soon(lambda: len(remover.acknowledged) > 50, "removals are acknowledged")
        misfortune()
        count = len(remover.acknowledged)
        soon(lambda: len(remover.acknowledged) > count + 50, "removals go on")
        remover.end()
        def came():
            """Whether web2 removed what was acknowledged, or dropped all that it had."""
            lost = [n for n in remover.acknowledged if f"k:{n}" not in watcher.seen]
            drops = {k: v for k, v in web2.status().items() if k.startswith("drops_") and v}
            drops.pop("drops_start", None)
            return not lost or drops, (lost, drops)
        soon(lambda: came()[0], "what was acknowledged comes: " + repr(came()[1])[:500])
        soon(lambda: web1.status()["state"] == web2.status()["state"] == "fresh", "both are fresh")
    finally:
        remover.ending = True
        watcher.end()


@test
def a_server_that_is_killed_and_restarted_loses_nothing_that_was_acknowledged():
    with Server() as server, nodes() as start:
        web1, web2 = fleet(start, server.url())

        def restart():
            server.kill()
            time.sleep(0.5)
            server.start()
        storm(web1, web2, restart)


@test
def of_three_servers_the_leader_is_killed_and_nothing_is_lost():
    ports, routes = free_ports(3), free_ports(3)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="accord-nats-"))
        listed = ",".join(f"nats://127.0.0.1:{p}" for p in routes)
        servers = []
        for i in range(3):
            os.mkdir(f"{folder}/{i}")
            servers.append(stack.enter_context(Server(
                "--name", f"s{i}", "--cluster_name", "c", "--cluster",
                f"nats://127.0.0.1:{routes[i]}", "--routes", listed, port=ports[i],
                folder=f"{folder}/{i}")))
        url = "nats://" + ",".join(f"127.0.0.1:{p}" for p in ports) + "/fleet?replicas=3"
        start = stack.enter_context(nodes())
        web1, web2 = fleet(start, url)

        def kill_leader():
            leader = stream_leader(servers[0])
            servers[int(leader[1:])].kill()
            time.sleep(3)
        storm(web1, web2, kill_leader)


def stream_leader(server):
    return server.ask("STREAM.INFO.ACCORD_fleet")["cluster"]["leader"]


@test
def a_wrong_login_is_refused_and_a_right_one_may_be_in_a_file():
    with Server("--user", "me", "--pass", "s3cret") as server, nodes() as start:
        path = os.path.join(start.folder, "password")
        with open(path, "w", encoding="utf-8") as f:
            f.write("s3cret\n")
        refused_start(start, server.url(login="me:wrong@"), "Authorization")
        node = start("web1", *FLAGS, bus=server.url(login="me@", more=f"?password_file={path}"))
        node.ready()
        expect(not any("s3cret" in line for line in node.log + node.lines), node.log)
        with open(f"/proc/{node.process.pid}/cmdline", "rb") as f:
            expect(b"s3cret" not in f.read())
    with Server("--auth", "t0ken") as server, nodes() as start:
        start("web1", *FLAGS, bus=server.url(login="t0ken@")).ready()


def written(start, name, text):
    path = os.path.join(start.folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def takes_one_login(start, server, right, wrong, secrets):
    """`right` and `wrong` are parts of a URL: (login, options)."""
    node = start("web1", *FLAGS, bus=server.url(login=right[0], more=right[1]))
    node.ready()
    refused_start(start, server.url(login=wrong[0], more=wrong[1]), "Authorization Violation")
    for one in start.all:
        said = "\n".join(one.log + one.lines)
        expect(not any(secret in said for secret in secrets), said)
    node.kill()


@test
def a_token_is_taken_from_the_url_or_a_file():
    with nodes() as start:
        config = written(start, "nats.conf", 'authorization { token: "t0ken-right" }\n')
        path = written(start, "token", "t0ken-right\n")
        bad = written(start, "wrong", "t0ken-wrong\n")
        with Server("-c", config) as server:
            secrets = ("t0ken-right", "t0ken-wrong")
            takes_one_login(start, server, ("t0ken-right@", ""), ("t0ken-wrong@", ""), secrets)
            takes_one_login(start, server, ("", f"?password_file={path}"),
                            ("", f"?password_file={bad}"), secrets)


@test
def an_nkey_logs_in_with_a_seed_in_a_file():
    with nodes() as start:
        key, other = nkeys.Key(start.folder, "U"), nkeys.Key(start.folder, "U")
        config = written(start, "nats.conf", "authorization { users: [ { nkey: %s } ] }\n" % key.public)
        seed = written(start, "right.nk", key.seed + "\n")
        bad = written(start, "wrong.nk", other.seed + "\n")
        with Server("-c", config) as server:
            takes_one_login(start, server, ("", f"?nkey={key.public}&nkey_seed={seed}"),
                            ("", f"?nkey={other.public}&nkey_seed={bad}"), (key.seed, other.seed))
            refused_start(start, server.url(more=f"?nkey={key.public}&nkey_seed={bad}"),
                          "Authorization Violation")
            refused_start(start, server.url(), "Authorization Violation")


@test
def credentials_of_an_operator_log_in():
    with nodes() as start:
        operator = nkeys.Operator(start.folder)
        right, seed = operator.creds("right")
        wrong, other = operator.creds("wrong", issuer=nkeys.Key(start.folder, "A"))
        config = written(start, "nats.conf", operator.config)
        with Server("-c", config) as server:
            takes_one_login(start, server, ("", f"?creds={right}"), ("", f"?creds={wrong}"),
                            (seed, other))
            broken = written(start, "broken.creds", "nothing of that kind\n")
            refused_start(start, server.url(more=f"?creds={broken}"), "does not hold a user's credentials")


@test
def what_a_user_may_not_do_is_told_with_the_subject_and_the_cure():
    with nodes() as start:
        printed = run("bus", "schema", "nats://127.0.0.1/fleet").stdout
        for right in ('"$JS.API.STREAM.*.ACCORD_fleet"', '"$JS.API.CONSUMER.CREATE.ACCORD_fleet"',
                      '"accord.fleet.>"', '"_INBOX.>"'):
            expect(printed.count(right) == 1, right, printed)
            config = written(start, "nats.conf", printed.replace(right, '"accord.nothing"'))
            with Server("-c", config) as server:
                node = start("web1", *FLAGS, bus=server.url(login="accord:change%20me@"))
                line = node.logged("Permissions Violation")
                expect(right.strip('"').split("*")[0].rstrip(">") in line, line)
                expect("accord bus schema" in line and "change me" not in line, line)
                node.kill(signal.SIGKILL)


@test
def who_may_not_delete_the_stream_is_told_whom_to_ask_and_nothing_is_removed():
    with nodes() as start:
        path = os.path.join(start.folder, "nats.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("""authorization { users = [
                { user: admin, password: p }
                { user: node, password: p, permissions: {
                    publish: { allow: ">", deny: "$JS.API.STREAM.DELETE.ACCORD_fleet" } } } ] }""")
        with Server("-c", path) as server:
            web1, = fleet(start, server.url(login="node:p@"), 1)
            web1.kill()
            done = run("bus", "drop", server.url(login="node:p@"))
            for part in ("nothing was removed", "$JS.API.STREAM.DELETE.ACCORD_fleet", "nats stream rm ACCORD_fleet"):
                expect(done.returncode == 4 and part in done.stderr, done)
            expect(os.listdir(f"{server.folder}/jetstream/$G/streams") == ["ACCORD_fleet"])
            done = run("bus", "drop", server.url(login="admin:p@"))
            expect(done.returncode == 0 and done.stdout.startswith("removed: "), done)


@test
def what_the_operator_must_mend_is_said_and_tried_again():
    with Server() as server, nodes() as start:
        node = start("web1", *FLAGS, bus=server.url(more="?replicas=3"))
        line = node.logged("event=bus-lost")
        expect("needs the operator" in line and "replicas=N" in line, line)
        soon(lambda: "needs the operator" in node.status()["why"], "its status says so")
        node.kill()


@test
def a_mirror_is_no_log():
    """1.7.4: it lags, and what is published goes elsewhere."""
    with Server() as server, nodes() as start:
        fleet(start, server.url("origin"), 1)
        server.ask("STREAM.CREATE.ACCORD_fleet", {"name": "ACCORD_fleet", "storage": "file",
                                                  "mirror": {"name": "ACCORD_origin"}})
        refused_start(start, server.url("fleet"), "ACCORD_fleet is a mirror")


class Older(threading.Thread):
    """Between a node and a server, of which it says that it is of another version."""

    def __init__(self, port, version):
        super().__init__(daemon=True)
        self.server, self.version = port, version.encode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server), WAIT)
                server.settimeout(None)
                for a, b in (client, server), (server, client):
                    threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    def carry(self, a, b):
        with contextlib.suppress(OSError), a, b:
            while data := a.recv(65536):
                if data.startswith(b"INFO "):
                    data = re.sub(rb'"version":"[^"]*"', b'"version":"' + self.version + b'"', data)
                b.sendall(data)
            b.shutdown(socket.SHUT_RDWR)


@test
def a_server_that_should_be_newer_is_told_in_log_and_status():
    """1.7.4: refused before 2.10.23, warned of before 2.12.3."""
    with Server() as server, nodes() as start:
        older = Older(server.port, "2.12.2")
        with older.listener:
            node = start("web1", *FLAGS, bus=f"nats://127.0.0.1:{older.port}/fleet")
            line = node.logged("event=bus-advice")
            expect("nats-server 2.12.2: upgrade to 2.12.3 or later" in line, line)
            soon(lambda: "upgrade to 2.12.3" in node.status()["bus_advice"], node.status())
            node.kill()
            said = written(start, "said", "")
            with open(said, "w", encoding="utf-8") as log:
                relay = subprocess.Popen(
                    [os.path.join(BUILD, "accord"), "relay", "--from", f"sqlite:{start.folder}/bus.db",
                     "--to", f"nats://127.0.0.1:{older.port}/fleet", "--uncoupled", "--name", "r1"],
                    stdout=log, stderr=log)

            def lines():
                with open(said, encoding="utf-8") as f:
                    return [line for line in f if "event=bus-advice" in line]

            try:
                soon(lines, "a relay says it, too")
                expect(len(lines()) == 1 and "upgrade to 2.12.3" in lines()[0], lines())
            finally:
                relay.terminate()
                relay.wait(WAIT)
            older.version = b"2.10.22"
            refused_start(start, f"nats://127.0.0.1:{older.port}/fleet", "upgrade the server")
        node = start("web2", *FLAGS, bus=server.url())
        node.ready()
        soon(lambda: node.status()["state"] == "fresh", "on the real one")
        expect(node.status()["bus_advice"] == "", node.status())


@test
def a_clock_that_is_ahead_prunes_nothing_that_is_young():
    """T12: what is old is told by the clock that stamped it, the server's."""
    if SANITIZED:
        raise Skip("a sanitizer's library must be the first")
    with Server() as server, nodes() as start:
        clock = written(start, "clock", "")
        with open(clock, "wb") as f:
            f.write(struct.pack("=q", 10 * 86400))
        node = start("web1", *FLAGS, "--retain", "1h", "--retain-changes", "1000", bus=server.url(),
                     environment={"LD_PRELOAD": compiled("wallclock.c", "-shared", "-fPIC", "-ldl"),
                                  "WALLCLOCK": clock})
        node.ready()
        with contextlib.closing(node.client()) as c:
            expect(int(c.ask("TIME")[0]) > time.time() + 9 * 86400, "the clock is ahead")
            for base in range(0, 2000, 200):  # it prunes after so many, several times
                answer = c.ask("ACCORD.REMOVE", *(f"k:{n}" for n in range(base, base + 200)))
                expect(not isinstance(answer, RespError), answer)
        state_of = server.ask("STREAM.INFO.ACCORD_fleet")["state"]
        expect(state_of["first_seq"] == 1 and not state_of.get("num_deleted"), state_of)


def certificate(folder, name, *more):
    """A certificate of its own authority, for 127.0.0.1."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-subj",
                    f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", *more], check=True,
                   capture_output=True)
    return f"{folder}/{name}.pem", f"{folder}/{name}.key"


@test
def tls_is_verified():
    with nodes() as start:
        cert, key = certificate(start.folder, "server")
        other, _ = certificate(start.folder, "other")
        with Server("--tls", "--tlscert", cert, "--tlskey", key) as server:
            refused_start(start, server.url(scheme="tls", more=f"?ca={other}"), "ca= with the authority")
            refused_start(start, server.url(scheme="tls"), "certificate")
            start("web1", *FLAGS, bus=server.url(scheme="tls", more=f"?ca={cert}")).ready()
            start("web2", *FLAGS,
                  bus=server.url(scheme="tls", more="?tls=insecure-skip-verify")).ready()


@test
def the_user_that_schema_prints_has_the_rights_that_nodes_need():
    with nodes() as start:
        printed = run("bus", "schema", "nats://127.0.0.1/fleet")
        expect(printed.returncode == 0, printed)
        # 1.7.4: any replica may answer a direct get, also one that lags. Nodes need no such right.
        expect("DIRECT" not in printed.stdout, printed.stdout)
        path = os.path.join(start.folder, "nats.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(printed.stdout)
        with Server("-c", path) as server:
            web1, web2 = fleet(start, server.url(login="accord:change%20me@"))
            with contextlib.closing(web1.client()) as one, contextlib.closing(web2.client()) as two:
                expect(fill(two, "k") == "STORED")
                one.ask("ACCORD.REMOVE", "k")
                soon(lambda: state(two, "k") == "miss", "removed")
                soon(lambda: connected(one, "web2") == "yes", "web2 is connected")
                web2.kill(signal.SIGKILL)
                soon(lambda: connected(one, "web2") == "no", "web2 is not")
                expect("down" in run("nodes", "--socket", web1.socket).stdout)
            refused_start(start, server.url("other", login="accord:change%20me@"), "STREAM.INFO.ACCORD_other")


@test
def who_is_connected_is_unknown_to_a_user_that_may_not_ask():
    with nodes() as start:
        path = os.path.join(start.folder, "nats.conf")
        printed = run("bus", "schema", "nats://127.0.0.1/fleet").stdout
        with open(path, "w", encoding="utf-8") as f:
            f.write(printed.replace('"$SYS.REQ.ACCOUNT.PING.CONNZ"', '"accord.nothing"'))
        with Server("-c", path) as server:
            web1, web2 = fleet(start, server.url(login="accord:change%20me@"))
            with contextlib.closing(web1.client()) as one, contextlib.closing(web2.client()) as two:
                expect(connected(one, "web2") in ("asking", "unknown"))
                soon(lambda: connected(one, "web2") != "asking", "the answer is there")
                expect(connected(one, "web2") != "no", "nobody may say so")
                expect(fill(two, "k") == "STORED")
                one.ask("ACCORD.REMOVE", "k")
                soon(lambda: state(two, "k") == "miss", "and the log goes on")
            expect(all("ermission" not in line for line in web1.log), web1.log)


@test
def a_server_that_is_too_old_is_refused_unless_it_is_allowed():
    with Server(program=OLD_SERVER) as server, nodes() as start:
        if b"v2.9." not in subprocess.check_output([OLD_SERVER, "--version"]):
            raise Skip("this system's nats-server is new enough")
        refused_start(start, server.url(), "upgrade the server, or say --allow-old-server")
        for flag in (), ("--allow-old-server",):
            node = start("web1", *FLAGS, *flag, bus=server.url(more="" if flag else "?allow-old-server=1"))
            node.ready()
            expect("P1 to P4 are not promised" in node.status()["promises"], node.status())
            node.kill()


@test
def a_server_that_never_answers_is_waited_for_no_longer_than_said():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent, nodes() as start:
        port = silent.getsockname()[1]
        node = start("web1", *FLAGS, "--publish-timeout", "500ms", bus=f"nats://127.0.0.1:{port}/fleet")
        node.logged("nats")
        began = time.monotonic()
        node.kill()
        expect(time.monotonic() - began < 10, "it ends at once")


@test
def a_node_that_is_cut_off_is_unsure_and_comes_back_with_ten_thousand_removals_made_meanwhile():
    with Server() as server, proxied(server.port) as net, nodes() as start:
        web1, = fleet(start, server.url(), 1)
        web2 = start("web2", *FLAGS, bus=f"nats://127.0.0.1:{net.port}/fleet")
        web2.ready()
        with contextlib.closing(web1.client()) as one, contextlib.closing(web2.client()) as two:
            for misfortune in ("cut", "stall both", "stall down"):
                soon(lambda: web2.status()["state"] == "fresh", "fresh before")
                expect(fill(two, "kept") == "STORED" and fill(two, "gone:9999") == "STORED")
                net.ask(misfortune)
                soon(lambda: state(two, "kept") == "unsure", misfortune)
                for base in range(0, 10000, 500):
                    one.ask("ACCORD.REMOVE", *(f"gone:{n}" for n in range(base, base + 500)))
                net.ask("heal")
                soon(lambda: state(two, "gone:9999") == "miss", misfortune)
                expect(state(two, "kept") in ("hit", "miss"))
            # A network that is only slow and bad.
            net.ask("delay 20 10")
            net.ask("split 100")
            expect(fill(two, "slow") == "STORED")
            one.ask("ACCORD.REMOVE", "slow")
            soon(lambda: state(two, "slow") == "miss", "slow")


@test
def clusters_on_one_server_are_apart_and_one_can_be_dropped():
    with Server() as server, nodes() as start:
        web1, = fleet(start, server.url("one"), 1)
        web2 = start("web2", *FLAGS, bus=server.url("two"))
        web2.ready()
        with contextlib.closing(web1.client()) as one, contextlib.closing(web2.client()) as two:
            expect(fill(two, "k") == "STORED")
            one.ask("ACCORD.REMOVE", "k")
            time.sleep(0.2)
            expect(state(two, "k") == "hit")
        web1.kill()
        done = run("bus", "drop", server.url("one"))
        expect(done.returncode == 0 and done.stdout.startswith("removed: "), done)
        done = run("bus", "drop", server.url("one"))
        expect(done.returncode == 0 and done.stdout.startswith("nothing was there: "), done)
        expect(web2.status()["state"] == "fresh")
        web2.kill()
        expect(os.listdir(f"{server.folder}/jetstream/$G/streams") == ["ACCORD_two"])


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
