#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_xmpp.py - real nodes in a room of a real Prosody of their own; the person is slixmpp, a client
that shares nothing with ours: it types ids, asks for help in private, kicks a node; the server is
killed, the room destroyed.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys

from fleets import all_is_said, free_ports, fresh, joined, keeps_its_promises, kept, state
from lib import WAIT, Skip, connected, expect, main, nodes, soon, test

CONFIG = """run_as_root = true
pidfile = "{0}/pid"
data_path = "{0}/data"
log = {{ info = "{0}/log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {1} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{ "saslauth", "disco", "ping" }}
modules_disabled = {{ "s2s", "tls" }}
c2s_require_encryption = false
authentication = "internal_plain"
storage = "internal"
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_tombstones = false
  restrict_room_creation = false
"""


class Prosody:
    """On a port of its own; it dies with this program at the latest."""

    def __init__(self, folder):
        if not shutil.which("prosody"):
            raise Skip("prosody is not installed")
        self.port, = free_ports(1)
        self.folder = os.path.join(folder, "prosody")
        accounts = os.path.join(self.folder, "data", "localhost", "accounts")
        os.makedirs(accounts)
        with open(os.path.join(accounts, "accord.dat"), "w", encoding="ascii") as f:
            f.write('return { ["password"] = "secret"; };\n')
        self.config = os.path.join(self.folder, "prosody.cfg.lua")
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(self.folder, self.port))
        self.start()

    def start(self):
        def die_with_us():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        self.process = subprocess.Popen(
            ["prosody", "--config", self.config, "-F"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
        soon(self.answers, "prosody listens")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def url(self, room="shop", port=None):
        return (f"xmpp://accord:secret@127.0.0.1:{port or self.port}/{room}@rooms.localhost"
                "?domain=localhost&tls=insecure-off")

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT)


@contextlib.contextmanager
def fleet():
    with nodes() as start:
        server = Prosody(start.folder)
        try:
            yield start, server
        finally:
            server.kill()


def person(server, do, room="shop@rooms.localhost"):
    """Joins the room, awaits do(client, room), leaves. What it heard: (from, type, body)."""
    try:
        import slixmpp
    except ImportError as e:
        raise Skip("python3-slixmpp is not installed") from e
    asyncio.set_event_loop(asyncio.new_event_loop())
    client = slixmpp.ClientXMPP("accord@localhost/person", "secret")
    client["feature_mechanisms"].unencrypted_scram = True
    client.register_plugin("xep_0045")
    client.register_plugin("xep_0184")
    heard, failed = [], []
    client.add_event_handler("message", lambda m: heard.append((str(m["from"]), m["type"], m["body"])))

    async def session(_):
        try:
            client.send_presence()
            await client["xep_0045"].join_muc_wait(room, "a person", maxchars=0, timeout=WAIT)
            await do(client, heard)
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)
        client.disconnect()

    client.add_event_handler("session_start", session)
    client.connect(("127.0.0.1", server.port), disable_starttls=True)
    client.loop.run_until_complete(asyncio.wait_for(client.disconnected, WAIT))
    if failed:
        raise failed[0]
    return heard


async def until(condition):
    for _ in range(WAIT * 20):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


@test
def a_person_types_an_id_and_reads_along():
    with fleet() as (start, server):
        made, (a, b) = joined(start, server.url(), server.url())
        kept(b, "greeble:43", "stays", "by a node")
        all_is_said(a)
        all_is_said(b)

        async def types(client, heard):
            client.send_message("shop@rooms.localhost", "/me says hello", mtype="groupchat")
            client.send_message("shop@rooms.localhost", "greeble:43", mtype="groupchat")
            await until(lambda: state(b, "greeble:43") == "miss" and state(a, "greeble:43") == "miss")
            a.ask("DEL", "by a node")
            await until(lambda: any(body == "by a node" for _, _, body in heard))
            client.send_message("shop@rooms.localhost/web1", "help", mtype="chat")
            await until(lambda: any(kind == "chat" and "greeble:43" in body for _, kind, body in heard))

        heard = person(server, types)
        expect(state(b, "stays") == "hit", "talk does no harm")
        said = [body for where, kind, body in heard if kind == "groupchat" and "a person" not in where]
        expect(all(body == "by a node" for body in said if body), "nodes say removals, and nothing else", said)
        expect(all("event=panic" not in line for node in made for line in node.log))


@test
def a_server_killed_and_started_again_loses_no_removal():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url())
        kept(b, "k")
        all_is_said(a)
        all_is_said(b)
        server.kill()
        a.ask("DEL", "k")
        soon(lambda: not fresh(a) and not fresh(b), "nobody is sure without the server")
        expect(state(b, "k") != "hit", "not called fresh")
        server.start()
        all_is_said(a)
        soon(lambda: state(b, "k") == "miss", "and arrives")
        for client in a, b:
            soon(lambda c=client: fresh(c), "fresh again")


@test
def a_node_that_is_kicked_comes_back():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url())
        soon(lambda: connected(a, "web2") == "yes", "web2 is in the room")

        async def kicks(client, _):
            await client["xep_0045"].set_role("shop@rooms.localhost", "web2", "none")

        person(server, kicks)
        kept(b, "k")
        a.ask("DEL", "k")
        soon(lambda: state(b, "k") == "miss", "it hears removals again")
        soon(lambda: fresh(b), "and is sure")


@test
def a_room_destroyed_costs_the_caches_and_nothing_else():
    with fleet() as (start, server):
        _, (a, b) = joined(start, server.url(), server.url())

        async def destroys(client, _):
            await client["xep_0045"].destroy("shop@rooms.localhost")

        person(server, destroys)
        for client in a, b:
            soon(lambda c=client: fresh(c), "fresh again, in a new room")
        kept(b, "k")
        a.ask("DEL", "k")
        soon(lambda: state(b, "k") == "miss", "removals arrive")


@test
def the_demo_runs_on_it():
    with fleet() as (_, server):
        keeps_its_promises(server.url("demo"), "demo", "--seconds", "6")


@test
def the_torture_runs_on_it():
    with fleet() as (_, server):
        keeps_its_promises(server.url("torture"), "torture", "--seconds", "8", "--nodes", "4",
                           "--seed", "7")


if __name__ == "__main__":
    sys.exit(main())
