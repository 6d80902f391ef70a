#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_postgres.py - real nodes on a real PostgreSQL of their own: what transactions and psql
remove, the server killed and started again, a node cut off, what a DBA runs, the demo and the
torture. No removal that was accepted is lost, nothing stale is called fresh, and the nodes recover
by themselves. (What only the bus does is tested in src/bus/postgres.)

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import contextlib
import ctypes
import glob
import os
import pwd
import signal
import subprocess
import sys
import time

from fleets import (all_is_said, deaf, free_ports, hear_each_other, fresh, joined, keeps_its_promises, kept, outlasts, proxied,
                    state)
from lib import ACCORD, WAIT, Skip, connected, expect, main, nodes, run, soon, test

START = 60  # seconds that initdb or a start may take on a busy machine


def user():
    """PostgreSQL refuses root: then it runs as Debian's user for it, or as nobody."""
    if os.geteuid() != 0:
        return None
    names = [u.pw_name for u in pwd.getpwall()]
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


class Postgres:
    """A server on a port of its own; it dies with this program at the latest."""

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise Skip("PostgreSQL's server is not installed")
        self.bin = os.path.dirname(found[-1])
        self.port, = free_ports(1)
        self.folder = os.path.join(folder, "postgres")
        os.chmod(folder, 0o711)
        os.mkdir(self.folder)
        self.user = user()
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        subprocess.run([f"{self.bin}/initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U",
                        "postgres", "-E", "UTF8", "--locale=C", "--no-sync"], check=True,
                       stdout=subprocess.DEVNULL, timeout=START, preexec_fn=self.child)
        self.start()
        self.sql("CREATE DATABASE shop")

    def child(self):
        if self.user:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        os.chdir(self.folder)
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # after setuid(), which clears it

    def start(self):
        self.process = subprocess.Popen(
            [f"{self.bin}/postgres", "-D", f"{self.folder}/data", "-p", str(self.port), "-k",
             self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=self.child)
        end = time.monotonic() + START
        while subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p",
                              str(self.port)], timeout=START, check=False).returncode != 0:
            expect(time.monotonic() < end and self.process.poll() is None, "PostgreSQL answers")
            time.sleep(0.05)

    def sql(self, text, database="postgres", role="postgres"):
        done = subprocess.run([f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-h", "127.0.0.1", "-p", str(self.port), "-U", role, database],
                              input=text, capture_output=True, text=True, timeout=START, check=False)
        expect(done.returncode == 0, text, done.stderr)
        return done.stdout.strip()

    def shop(self, text, role="postgres"):
        return self.sql(text, "shop", role)

    def url(self, rest="shop", port=None, who="postgres"):
        return f"postgres://{who}@127.0.0.1:{port or self.port}/{rest}"

    def kill(self, number=signal.SIGQUIT):
        self.process.send_signal(number)
        self.process.wait(START)


@contextlib.contextmanager
def fleet():
    """A server, and nodes that end before it."""
    with nodes() as start:
        server = Postgres(start.folder)
        try:
            yield start, server
        finally:
            server.kill()


@test
def what_a_transaction_removes_goes_everywhere_once_it_commits():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url(), timeout="5s")
        server.shop("CREATE TABLE greeble (greeble_id integer PRIMARY KEY, name text);"
                    "INSERT INTO greeble VALUES (42, 'a'), (43, 'a');"
                    "SELECT accord.watch_table('greeble', 'greeble:{greeble_id}')")
        kept(b, "page:1", "greeble:42", "greeble:43")
        server.shop("BEGIN; SELECT accord.remove('page:1'); ROLLBACK")
        expect(state(b, "page:1") == "hit")
        server.shop("BEGIN; SELECT accord.remove('page:1'); COMMIT")
        soon(lambda: state(b, "page:1") == "miss", "removed by a transaction")
        server.shop("UPDATE greeble SET name = 'b' WHERE greeble_id = 43")
        soon(lambda: state(b, "greeble:43") == "miss", "removed by a trigger")
        expect(state(b, "greeble:42") == "hit")
        server.shop("TRUNCATE greeble")
        soon(lambda: state(b, "greeble:42") == "miss", "removed by TRUNCATE")
        kept(a, "k")
        answer = b.ask("ACCORD.REMOVE", "k", "WAIT", "20000")
        expect("UNKNOWN" not in str(answer), answer)
        expect(state(a, "k") == "miss")
        promises = a.map("ACCORD.STATUS")["promises"]
        expect("lost tail is noticed" in promises, promises)


@test
def a_server_killed_and_started_again_loses_nothing():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url(), timeout="5s")
        kept(b, "k", "stays")
        all_is_said(a)
        server.kill(signal.SIGKILL)
        answer = a.ask("DEL", "k")
        expect(str(answer).startswith("UNPUBLISHED"), answer)
        soon(lambda: not fresh(a) and not fresh(b), "nobody is sure without the server")
        expect(state(b, "k") != "hit", "not called fresh")
        server.start()
        all_is_said(a)
        soon(lambda: fresh(a) and fresh(b), "fresh again")
        soon(lambda: state(b, "k") == "miss", "and arrives")
        expect(state(b, "stays") == "hit", "the rest is kept: nothing was lost")


@test
def a_node_cut_off_is_unsure_in_time_and_goes_on_where_it_was():
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, (a, b) = joined(start, server.url(), server.url(port=proxy.port), timeout="5s")
        outlasts(proxy, a, b, "stall both", "stall down", "cut")


@test
def nodes_ask_each_other_and_a_person_reads_it():
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, clients = joined(start, server.url(), server.url(), server.url(port=proxy.port),
                            timeout="5s")
        hear_each_other(clients, ["web1", "web2", "web3"])
        deaf(clients[0], proxy, "web3")
        said = server.shop("SELECT encode(record, 'escape') FROM accord.changes WHERE member"
                           " AND encode(record, 'escape') LIKE '%answer %'")
        expect("done" in str(said), said)


@test
def a_dba_prepares_the_database_and_cleans_it_up():
    with fleet() as (start, server):
        server.sql("CREATE ROLE node LOGIN; CREATE ROLE webapp LOGIN")
        node = start("web1", bus=server.url(who="node:secret"))
        expect(node.ended() not in (0, -6, -11))
        expect("accord bus schema" in node.log[-1], node.log)
        done = run("bus", "schema", server.url())
        expect(done.returncode == 0, done)
        server.shop(done.stdout)
        server.shop(done.stdout)  # again, as after an update
        server.shop("SELECT accord.allow_node('node'), accord.allow_writer('webapp')")
        node = start("web2", bus=server.url(who="node:secret"))
        node.ready()
        with open(f"/proc/{node.process.pid}/cmdline", "rb") as f:
            expect(b"secret" not in f.read(), "wiped from the command line")
        with contextlib.closing(node.client()) as c:
            kept(c, "k")
            server.shop("SELECT accord.remove('k')", role="webapp")
            soon(lambda: state(c, "k") == "miss", "removed by a role that may do no more")
            other = start("web3", bus=server.url(who="node:secret"))
            other.ready()
            soon(lambda: connected(c, "web3") == "yes", "web3 is connected")
            expect(server.sql("SELECT DISTINCT application_name FROM pg_stat_activity WHERE "
                              "application_name = 'accord node web3'") == "accord node web3")
            other.kill(signal.SIGKILL)
            soon(lambda: connected(c, "web3") == "no", "web3 is not")
            expect("down" in run("nodes", "--socket", node.socket).stdout)
        expect(all("secret" not in line for line in node.log + node.lines), node.log)
        expect(node.status()["bus_advice"] == "", node.status())
        node.kill()
        server.shop("CREATE OR REPLACE FUNCTION accord.version() RETURNS integer LANGUAGE sql AS 'SELECT 3'")
        node = start("web2", bus=server.url(who="node:secret"))  # as an older Accord had left it
        line = node.logged("event=bus-advice")
        expect("its owner (postgres) should run what `accord bus schema URL` prints" in line, line)
        expect("bus_advice           schema accord is of an older Accord (version 3" in
               run("status", "--socket", node.socket).stdout)
        node.kill()
        done = run("bus", "drop", server.url())
        expect(done.returncode == 0 and "removed: postgres://***@" in done.stdout, done)
        expect(server.shop("SELECT count(*) FROM pg_namespace WHERE nspname = 'accord'") == "0")


# Every transaction changes the origin and removes a key of its own, which its number was taken for
# first; some are slow, and some never commit. "done" says what did, and in which order.
ORDERS = """
\\set n random(1, 10)
BEGIN;
SELECT nextval('orders') AS id \\gset
SELECT accord.remove('order:' || :id);
\\if :n > 7
\\sleep :ms ms
\\endif
\\if :n = 10
ROLLBACK;
\\else
INSERT INTO done VALUES (:id);
COMMIT;
\\endif
"""


def orders(server, name, seconds, clients, ms, folder):
    """pgbench with those transactions; the slow ones sleep `ms`."""
    path = os.path.join(folder, name + ".sql")
    with open(path, "w", encoding="ascii") as f:
        f.write(ORDERS)
    os.chmod(path, 0o644)
    return subprocess.Popen([f"{server.bin}/pgbench", "-n", "-h", "127.0.0.1", "-p", str(server.port),
                             "-U", "postgres", "-c", str(clients), "-T", str(seconds), "-R", "200",
                             "-D", f"ms={ms}", "-f", path, "shop"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


@test
def transactions_that_commit_late_are_never_skipped_and_hold_up_nobody():
    """ACCORD_SLOW_SECONDS: for how long (as many minutes as you like by hand)."""
    seconds = int(os.environ.get("ACCORD_SLOW_SECONDS", "5"))
    with fleet() as (start, server):
        joined(start, server.url(), server.url(), timeout="5s")
        server.shop("CREATE SEQUENCE orders; CREATE TABLE done (id bigint PRIMARY KEY)")
        path = os.path.join(start.folder, "watched")
        with open(path, "w", encoding="utf-8") as out:
            watch = subprocess.Popen([ACCORD, "watch", "order:*", "--socket", start.folder +
                                      "/web2.sock"], stdout=out, stderr=subprocess.PIPE, text=True)
        try:
            expect("watching" in watch.stderr.readline(), "accord watch")

            def seen():
                with open(path, encoding="utf-8") as f:
                    return [line.split()[1] for line in f if line.startswith("remove order:")
                            and line.endswith("\n")]

            # One transaction is open from before all others until after them.
            slowest = subprocess.Popen(
                [f"{server.bin}/psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p",
                 str(server.port), "-U", "postgres", "shop"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True)
            slowest.stdin.write("BEGIN; SELECT accord.remove('order:slowest');\n\\echo open\n")
            slowest.stdin.flush()
            while slowest.stdout.readline().strip() != "open":
                expect(slowest.poll() is None, "psql")
            runs = [orders(server, "some", seconds, 8, 700, start.folder),
                    orders(server, "many", seconds, 8, 20, start.folder)]
            for bench in runs:
                _, said = bench.communicate(timeout=seconds + 120)
                expect(bench.returncode == 0, said[-2000:])
            done = {f"order:{n}" for n in server.shop("SELECT id FROM done").split()}
            given = int(server.shop("SELECT last_value FROM orders"))
            expect(0 < len(done) < given, len(done), given)
            soon(lambda: len(seen()) >= len(done), "all that was committed is removed")
            expect(set(seen()) == done, "and nothing else is, while the slowest is still open",
                   set(seen()) ^ done)
            expect(len(seen()) == len(done), "once each")
            slowest.communicate("COMMIT;\n", timeout=START)
            soon(lambda: "order:slowest" in seen(), "the slowest comes last")
            expect(len(seen()) == len(done) + 1)
            print(f"# {len(done)} committed of {given}, in {seconds} s, one open all the while",
                  file=sys.stderr)
        finally:
            watch.terminate()
            watch.wait(WAIT)


@test
def the_demo_runs_on_it():
    with fleet() as (_, server):
        keeps_its_promises(server.url("shop?cluster=demo"), "demo", "--seconds", "6")


@test
def the_torture_runs_on_it():
    with fleet() as (_, server):
        keeps_its_promises(server.url("shop?cluster=torture"), "torture", "--seconds", "8", "--nodes",
                           "4", "--seed", "7")


if __name__ == "__main__":
    sys.exit(main())
