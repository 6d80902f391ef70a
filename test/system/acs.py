#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""acs.py - what ArsDigita's and OpenACS's servers ask of a node, and are told by it: curl and Python play them, and
Tcl itself writes the lists that are signed. Prints "ok NAME", "not ok NAME" or "skip NAME: why"."""
import contextlib
import hashlib
import hmac
import http.client
import http.server
import os
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse

from lib import WAIT, Skip, expect, main, nodes, run, soon, test

SECRET = "ein Geheimnis"
FLUSH = "/SYSTEM/flush-memoized-statement.tcl"
# Reads lines of hex, and writes the list of each with a number, in hex.
LISTS = ("fconfigure stdin -buffering line; fconfigure stdout -buffering line\n"
         "while {[gets stdin line] >= 0} {\n"
         "  set text [encoding convertfrom utf-8 [binary decode hex [lindex $line 0]]]\n"
         "  set list [list $text [lindex $line 1]]\n"
         "  puts [binary encode hex [encoding convertto utf-8 $list]]\n"
         "}\n")


def private(folder, name, text):
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as f:
        f.write(text + "\n")
    return path


def port_of(node):
    return int(re.search(r"http://127\.0\.0\.1:(\d+)", node.logged("listens=http:")).group(1))


class Peer:
    """One of OpenACS's servers, with one connection."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)

    def get(self, target):
        self.http.request("GET", target)
        answer = self.http.getresponse()
        return answer.status, answer.read().decode()

    def command(self, command, signed_list, at):
        """`signed_list` is what Tcl makes of both."""
        signature = hmac.new(SECRET.encode(), signed_list, hashlib.sha256).hexdigest()
        query = urllib.parse.urlencode({"cmd": command, "f": "http://10.0.0.1:8000", "t": at})
        return self.get(f"//acs-cluster-do?{query}&s={signature}")

    def close(self):
        self.http.close()


class Server(http.server.ThreadingHTTPServer):
    """One of ArsDigita's servers: notes which statements it is told to flush."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.server.hang.wait()
            path, _, query = self.path.partition("?")
            name, _, statement = query.partition("=")
            self.server.asked.append((path, name, urllib.parse.unquote_to_bytes(statement)))
            body = self.server.body
            self.send_response(self.server.code)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(OSError):  # who asked has given up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *words):
            pass

    def __init__(self, port=0, code=200, body=b"Successful."):
        super().__init__(("127.0.0.1", port), self.Handler)
        self.asked, self.code, self.body, self.hang = [], code, body, threading.Event()
        self.hang.set()
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def statements(self):
        return [statement for _, _, statement in self.asked]

    def end(self):
        self.hang.set()
        self.shutdown()
        self.server_close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def tcl():
    """A function that gives the list of two words, by Tcl itself."""
    program = shutil.which("tclsh") or shutil.which("tclsh8.6")
    if not program:
        raise Skip("no tclsh")
    with subprocess.Popen([program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write(LISTS)
        process.stdin.flush()

        def make(text, number):
            process.stdin.write(f"{text.encode().hex()} {number}\n")
            process.stdin.flush()
            return bytes.fromhex(process.stdout.readline().strip())

        yield make
        process.stdin.close()


def value(node, key):
    return run("get", key, "--socket", node.socket).stdout


def keep(node, key):
    """Here, without a word to others."""
    done = run("memoize", key, "--socket", node.socket, "--", "echo", "kept")
    expect(done.returncode == 0 and value(node, key) == "kept\n", done)


@test
def a_statement_is_flushed_on_this_host_alone_and_only_for_listed_addresses():
    with nodes() as start:
        config = private(start.folder, "accord.ini", "listen = http://127.0.0.1:0\n"
                         "ClusterMachine = 10.0.0.7\nClusterMachine=127.0.0.*\n")
        one = start("web1", "--config", config)
        two = start("web2", "--listen", "http://127.0.0.1:0", "--cluster-machine", "10.0.0.7")
        one.ready()
        two.ready()
        statement = "db_string n {select [count] from $t; -- \"}"
        for node in (one, two):
            keep(node, statement)
        done = subprocess.run(["curl", "-sS", "--max-time", str(WAIT), "-G", "--data-urlencode",
                               "statement=" + statement, f"http://127.0.0.1:{port_of(one)}{FLUSH}"],
                              capture_output=True, text=True, check=True)
        expect(done.stdout == "Successful.", done)
        expect(value(one, statement) == "", "gone here")
        before = int(two.status()["applied_foreign"])
        expect(run("remove", "another", "--wait", "20s", "--socket", one.socket).returncode == 0, "")
        expect(value(two, statement) == "kept\n", "and nobody else heard of it")
        expect(int(two.status()["applied_foreign"]) == before, "it is not in the log")
        with contextlib.closing(Peer(port_of(two))) as stranger:
            code, body = stranger.get(FLUSH + "?statement=" + urllib.parse.quote(statement))
            expect(code == 403 and "127.0.0.1 is not one" in body, code, body)
        two.logged("acs-refused")
        expect(value(two, statement) == "kept\n", "refused")
        expect("not for what ArsDigita's servers change" in one.status()["promises"], "said aloud")
        expect(one.status()["acs_flushes"] == 1 and two.status()["acs_refused"] == 1, "counted")


@test
def a_command_signed_over_tcls_own_list_is_carried_out_once():
    with nodes() as start, tcl() as make:
        secret = private(start.folder, "secret", SECRET)
        node = start("web1", "--listen", "http://127.0.0.1:0", "--cluster-machine", "127.0.0.1",
                     "--acs-secret-file", secret)
        node.ready()
        with contextlib.closing(Peer(port_of(node))) as peer:
            at = int(time.time() * 1000)
            key = "db_string x {select \"a b\" from [t]}"
            command = make("ns_cache_flush", "util_memoize").decode() + " " + \
                make(key, 0).decode()[:-2]
            keep(node, key)
            answer = peer.command(command, make(command, at), at)
            expect(answer == (200, "1\n"), answer, command)
            expect(value(node, key) == "", "gone")
            keep(node, key)
            code, body = peer.command(command, make(command, at), at)
            expect(code == 417 and "a copy is not carried out" in body, code, body)
            expect(value(node, key) == "kept\n", "a copy does nothing")
            answer = peer.command(command, make(command, at + 1), at + 1)
            expect(answer == (200, "1\n"), answer)
            code, body = peer.command(command, make(command, at - 100000), at - 100000)
            expect(code == 417 and "set the clocks" in body, code, body)
            code, body = peer.command(command, make("another", at), at)
            expect(code == 417 and "does not match its signature" in body, code, body)
            answer = peer.command("acs::cache_flush_all", make("acs::cache_flush_all", at), at)
            expect(answer == (200, "0\n"), answer)
            code, body = peer.command("exec touch /tmp/x", make("exec touch /tmp/x", at), at)
            expect(code == 417 and "none that flushes a cache" in body, code, body)
        expect(node.status()["acs_replays"] == 1, node.status()["acs_replays"])
        expect(not any(SECRET in line for line in node.log), "never logged")


@test
def whatever_text_tcl_quotes_its_signature_fits():
    draw = random.Random(7)
    letters = ["a", "b", " ", "{", "}", "[", "]", '"', "\\", "$", ";", "#", "\n", "\t", "\v", "\f",
               "\r", "ä", "€"]
    with nodes() as start, tcl() as make:
        secret = private(start.folder, "secret", SECRET)
        node = start("web1", "--listen", "http://127.0.0.1:0", "--cluster-machine", "127.0.0.1",
                     "--acs-secret-file", secret)
        with contextlib.closing(Peer(port_of(node))) as peer:
            for _ in range(200):
                text = "".join(draw.choices(letters, k=draw.randint(1, 12)))
                at = int(time.time() * 1000)
                code, body = peer.command(text, make(text, at), at)
                expect(code == 417 and "signature" not in body, text, make(text, at), code, body)


@test
def servers_are_told_each_key_once_by_who_removed_it_and_a_dead_one_delays_nobody():
    with nodes() as start, contextlib.ExitStack() as stack:
        well, hangs, refuses = (Server(), Server(), Server(code=403, body=b"not you"))
        for server in (well, hangs, refuses):
            stack.callback(server.end)
        hangs.hang.clear()
        dead = free_port()
        one = start("web1", *[word for peer in (well.address, hangs.address, refuses.address,
                                                f"127.0.0.1:{dead}")
                              for word in ("--acs-peer", peer)])
        two = start("web2", "--listen", "http://127.0.0.1:0", "--cluster-machine", "127.0.0.1",
                    "--acs-peer", well.address)
        one.ready()
        two.ready()
        keys = [b"greeble_info 42", b"db_string n {select [x] from $t; -- \"&+%}", bytes(range(1, 256)),
                b"k" * 8192]
        client = one.client()
        for key in keys:
            expect(client.ask("DEL", key) == 0, key[:20])
        soon(lambda: len(well.asked) == len(keys), well.asked)
        expect(well.statements() == keys, well.statements())
        expect({path + name for path, name, _ in well.asked} == {FLUSH + "statement"}, "as they say it")
        soon(lambda: one.status()["acs_tell_refused"] == len(keys), one.status())
        one.logged("acs-peer-refuses")
        one.logged("acs-peer-silent")

        # What web2 removes web2 tells; what was told to web2 by such a server nobody tells again.
        expect(run("remove", "of-web2", "--socket", two.socket).returncode == 0, "")
        with contextlib.closing(Peer(port_of(two))) as peer:
            expect(peer.get(FLUSH + "?statement=from-acs") == (200, "Successful."), "taken")
        expect(run("remove", "last", "--wait", "20s", "--socket", two.socket).returncode == 0, "")
        soon(lambda: well.statements()[-1] == b"last", well.statements())
        expect(well.statements()[len(keys):] == [b"of-web2", b"last"], well.statements())

        soon(lambda: one.status()["acs_told"] == len(keys), one.status())
        status = one.status()
        expect(status["acs_waiting"] == 2 * len(keys), status)
        expect("(acs-peer)" in status["promises"] and "P1 P2 P3 P4" in status["promises"], status)
        text = run("status", "--socket", one.socket).stdout
        for part in (f"{well.address} is told", f"{hangs.address} ", "4 keys wait",
                     "(it answered 403: not you)", f"127.0.0.1:{dead} does not answer"):
            expect(part in text, part, text)

        # Who hung, and who was dead, hear of it when they are back.
        hangs.hang.set()
        late = Server(port=dead)
        stack.callback(late.end)
        soon(lambda: late.statements() == keys, late.statements())
        soon(lambda: list(dict.fromkeys(hangs.statements())) == keys, hangs.statements())
        soon(lambda: one.status()["acs_waiting"] == 0, one.status())

        # A tag is more than they have words for; what a person writes is told by every node.
        before = len(well.asked)
        client.ask("ACCORD.REMOVETAG", "red")
        with contextlib.closing(sqlite3.connect(os.path.join(start.folder, "bus.db"),
                                                timeout=WAIT)) as bus:
            bus.execute("INSERT INTO accord_changes(key) VALUES ('typed')")
            bus.commit()
        soon(lambda: well.statements()[before:] == [b"typed"] * 2, well.statements()[before:])
        client.close()


@test
def a_queue_that_is_full_forgets_its_oldest_and_says_so():
    with nodes() as start, contextlib.ExitStack() as stack:
        port = free_port()
        node = start("web1", "--acs-peer", f"127.0.0.1:{port}")
        node.ready()
        client = node.client()
        keys = [b"%04d" % i + b"k" * 8000 for i in range(64)]
        for key in keys:
            client.ask("DEL", key)
        client.close()
        node.logged("acs-peer-forgot")

        def counted():
            status = node.status()
            return status["acs_forgotten"], status["acs_waiting"]

        soon(lambda: sum(counted()) == 64, "the newest may be applied after its answer")
        forgotten, waiting = counted()
        expect(forgotten == 32 and waiting == 32, forgotten, waiting)
        server = Server(port=port)
        stack.callback(server.end)
        # The one that was being asked for may be told though the queue has forgotten it.
        soon(lambda: server.statements()[-1:] == keys[-1:], "the newest")
        told = server.statements()
        expect(told[-(64 - forgotten):] == keys[forgotten:], [k[:4] for k in told])


@test
def with_signing_a_removal_typed_by_hand_is_told_where_it_passes():
    with nodes() as start, contextlib.ExitStack() as stack:
        server = Server()
        stack.callback(server.end)
        key = private(start.folder, "key", "x" * 40)
        node = start("web1", "--acs-peer", server.address, "--signing-key-file", key,
                     "--unsigned-removals", "1")
        strict = start("web2", "--acs-peer", server.address, "--signing-key-file", key)
        node.ready()
        strict.ready()
        with contextlib.closing(sqlite3.connect(os.path.join(start.folder, "bus.db"),
                                                timeout=WAIT)) as bus:
            bus.execute("INSERT INTO accord_changes(key) VALUES ('typed')")
            bus.commit()
        expect(run("remove", "last", "--wait", "20s", "--socket", node.socket).returncode == 0, "")
        expect(run("remove", "of-web2", "--wait", "20s", "--socket", strict.socket).returncode == 0, "")
        soon(lambda: len(server.asked) >= 3, "all that passed somewhere")
        expect(sorted(server.statements()) == [b"last", b"of-web2", b"typed"], server.statements())


@test
def settings_that_mean_nothing_are_refused_with_what_to_do():
    with nodes() as start:
        empty, readable = private(start.folder, "empty", ""), private(start.folder, "open", "x")
        os.chmod(readable, 0o644)
        listen, machine = ("--listen", "http://127.0.0.1:0"), ("--cluster-machine", "10.0.0.7")
        for flags, part in (
                ((*listen, "--cluster-machine", "web2"), "is no address: give one like 10.0.0.7"),
                (machine, "add --listen http://HOST:PORT"),
                ((*listen, "--acs-secret-file", empty), "only with a cluster-machine"),
                ((*listen, *machine, "--acs-secret-file", empty), "its first line is empty"),
                ((*listen, *machine, "--acs-secret-file", readable), "chmod 600"),
                ((*listen, *machine, "--acs-secret-file", "/no/such"), "No such file"),
                (("--acs-peer", "web2"), "is no HOST:PORT: give one like 10.0.0.7:8000"),
                (("--acs-peer", "h:80", "--acs-peer", "h:80"), "once is enough")):
            node = start("web1", *flags)
            expect(node.ended() == 2, flags, node.log)
            expect(any(part in line for line in node.log), part, node.log)


if __name__ == "__main__":
    sys.exit(main())
