#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""bus_xmpp.py - real nodes in a room of a real Prosody of their own, and of a real ejabberd; the person
is slixmpp, a client that shares nothing with ours: it types ids, asks for help in private, kicks and
bans a node; the server is killed, the room destroyed, closed to all but members, given a password.
(The system's own python: slixmpp is a package of the system.)

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
import threading

from fleets import (all_is_said, free_ports, fresh, hear_each_other, joined, keeps_its_promises, kept,
                    proxied, state)
from lib import SANITIZED, WAIT, Skip, connected, expect, main, nodes, run, soon, test

CONFIG = """run_as_root = true
pidfile = "{0}/pid"
data_path = "{0}/data"
log = {{ info = "{0}/log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {1} }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{ "saslauth", "disco", "ping", "tls" }}
{2}
authentication = "internal_plain"
storage = "internal"
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_tombstones = false
  restrict_room_creation = false
"""


NO_TLS = """modules_disabled = { "s2s", "tls" }
c2s_direct_tls_ports = { }
c2s_require_encryption = false"""
TLS = """modules_disabled = {{ "s2s" }}
c2s_direct_tls_ports = {{ {2} }}
ssl = {{ certificate = "{0}"; key = "{1}" }}
c2s_direct_tls_ssl = {{ certificate = "{0}"; key = "{1}" }}
c2s_require_encryption = true"""


class Server:
    """On a port of its own, with the accounts accord and guest; it dies with this program at the
    latest."""

    def start(self):
        def die_with_us():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        self.process = subprocess.Popen(
            self.command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
        patiently(self.answers, "the server listens")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def url(self, room="shop", port=None, user="accord", more="&tls=insecure-off"):
        return (f"xmpp://{user}:secret@127.0.0.1:{port or self.port}/{room}@rooms.localhost"
                f"?domain=localhost{more}")

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT)


class Prosody(Server):
    """`tls`: the files of a certificate and its key; then direct_port takes TLS at once."""

    def __init__(self, folder, tls=None):
        if not shutil.which("prosody"):
            raise Skip("prosody is not installed")
        self.port, self.direct_port = free_ports(2)
        self.folder = os.path.join(folder, "prosody")
        accounts = os.path.join(self.folder, "data", "localhost", "accounts")
        os.makedirs(accounts)
        for user in "accord", "guest":
            with open(os.path.join(accounts, user + ".dat"), "w", encoding="ascii") as f:
                f.write('return { ["password"] = "secret"; };\n')
        self.config = os.path.join(self.folder, "prosody.cfg.lua")
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(self.folder, self.port,
                                  TLS.format(*tls, self.direct_port) if tls else NO_TLS))
        self.command, self.environment = ["prosody", "--config", self.config, "-F"], None
        self.start()


EJABBERD = """hosts: [localhost]
loglevel: info
log_rotate_count: 0
auth_method: internal
auth_password_format: plain
acme: {{auto: false}}
listen:
  - {{port: {0}, ip: "127.0.0.1", module: ejabberd_c2s}}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_mam:
    default: never
  mod_muc:
    host: rooms.localhost
    access: all
    access_create: all
    access_admin: none
    default_room_options: {{mam: true, persistent: true}}
"""
# It answers before its database has the accounts.
ACCOUNTS = """User = fun(U) -> (fun Again() -> ejabberd_auth:try_register(U, <<"localhost">>, <<"secret">>),
case ejabberd_auth:check_password(U, <<>>, <<"localhost">>, <<"secret">>) of true -> ok;
_ -> timer:sleep(200), Again() end end)() end,
User(<<"accord">>), User(<<"guest">>), ok = file:write_file("ready", <<>>)."""


class Ejabberd(Server):
    """Without ejabberdctl: that changes to a user of its own, and has a daemon that outlives it."""

    def __init__(self, folder):
        if not shutil.which("ejabberdctl", path=os.environ["PATH"] + ":/usr/sbin"):
            raise Skip("ejabberd is not installed")
        self.port, = free_ports(1)
        self.folder = os.path.join(folder, "ejabberd")
        os.makedirs(os.path.join(self.folder, "spool"))
        config = os.path.join(self.folder, "ejabberd.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write(EJABBERD.format(self.port))
        self.command = ["erl", "-noinput", "+S", "1", "-mnesia", "dir", f'"{self.folder}/spool"',
                        "-s", "ejabberd", "-eval", ACCOUNTS]
        self.environment = os.environ | {
            "EJABBERD_CONFIG_PATH": config, "EJABBERD_LOG_PATH": self.folder + "/log",
            "ERL_CRASH_DUMP": "/dev/null", "ERL_LIBS": "/usr/lib/x86_64-linux-gnu:/usr/lib",
            "HOME": self.folder}
        self.start()

    def answers(self):
        return os.path.exists(os.path.join(self.folder, "ready")) and super().answers()

    def kill(self):
        super().kill()
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.folder, "ready"))


@contextlib.contextmanager
def fleet(server_of=Prosody):
    with nodes() as start:
        server = server_of(start.folder)
        try:
            yield start, server
        finally:
            server.kill()


ROOM = "shop@rooms.localhost"


def person(server, do, room=ROOM, user="accord", nick="a person", password=None):
    """Joins the room, awaits do(client, heard), leaves. What it heard: (from, type, body)."""
    try:
        import slixmpp
    except ImportError as e:
        raise Skip("python3-slixmpp is not installed") from e
    asyncio.set_event_loop(asyncio.new_event_loop())
    client = slixmpp.ClientXMPP(user + "@localhost/person", "secret")
    client["feature_mechanisms"].unencrypted_scram = True
    client.register_plugin("xep_0045")
    client.register_plugin("xep_0184")
    heard, failed = [], []
    client.add_event_handler("message", lambda m: heard.append((str(m["from"]), m["type"], m["body"])))

    async def session(_):
        try:
            client.send_presence()
            await client["xep_0045"].join_muc_wait(room, nick, password=password, maxchars=0, timeout=WAIT)
            await do(client, heard)
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)
        client.disconnect()

    client.add_event_handler("session_start", session)
    client.connect(("127.0.0.1", server.port), disable_starttls=True)
    client.loop.run_until_complete(asyncio.wait_for(client.disconnected, WAIT))
    left = asyncio.all_tasks(client.loop)
    for task in left:
        task.cancel()
    client.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
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
            client.send_message(ROOM, "/me says hello", mtype="groupchat")
            client.send_message(ROOM, "greeble:43", mtype="groupchat")
            await until(lambda: state(b, "greeble:43") == "miss" and state(a, "greeble:43") == "miss")
            a.ask("DEL", "by a node")
            await until(lambda: any(body == "by a node" for _, _, body in heard))
            client.send_message(ROOM + "/web1", "help", mtype="chat")
            await until(lambda: any(kind == "chat" and "greeble:43" in body for _, kind, body in heard))

        heard = person(server, types)
        soon(lambda: state(b, "stays") == "hit", "talk does no harm")
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
            await client["xep_0045"].set_role(ROOM, "web2", "none")

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
            await client["xep_0045"].destroy(ROOM)

        person(server, destroys)
        for client in a, b:
            soon(lambda c=client: fresh(c), "fresh again, in a new room")
        kept(b, "k")
        a.ask("DEL", "k")
        soon(lambda: state(b, "k") == "miss", "removals arrive")


def refused_start(start, name, url, *words):
    """What is known only after the start has given up waiting for it does not end a node."""
    node = start(name, "--publish-timeout", "20s", bus=url)
    expect(node.ended() not in (0, -6, -11), node.log)
    for word in words:
        expect(word in node.log[-1], word, node.log)
    expect(all("secret" not in line and "whisper" not in line for line in node.log), node.log)


async def configured(client, **fields):
    """What the room's owner asks of it, by the names of its form."""
    form = "".join(f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>"
                   for name, value in fields.items())
    iq = client.make_iq_set(ito=ROOM)
    from slixmpp.xmlstream import ET
    iq.append(ET.fromstring(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        f"{form}</x></query>"))
    await iq.send(timeout=WAIT)


def with_affiliation(server, affiliation, user="guest@localhost"):
    async def sets(client, _):
        await client["xep_0045"].set_affiliation(ROOM, affiliation, jid=user)
    person(server, sets)


@test
def a_room_for_members_lets_members_in_and_a_ban_keeps_a_node_unsure():
    with fleet() as (start, server):
        _, (a,) = joined(start, server.url())
        person(server, lambda client, _: configured(client, membersonly=1))
        refused_start(start, "web2", server.url(user="guest"), "for its members only")
        with_affiliation(server, "member")
        node = start("web3", "--max-stale", "1s", bus=server.url(user="guest"))
        node.ready()
        b = node.client()
        kept(b, "k")
        all_is_said(b)
        with_affiliation(server, "outcast")
        a.ask("DEL", "k")
        soon(lambda: not fresh(b), "who is banned is not sure")
        expect(state(b, "k") != "hit", "and calls nothing fresh")
        node.logged("banned")
        with_affiliation(server, "member")
        soon(lambda: fresh(b) and state(b, "k") == "miss", "let in again, it hears what it missed")


def patiently(condition, what):
    """A busy machine may take a minute to start Erlang, and as long for what it does first."""
    for _ in range(6):
        with contextlib.suppress(AssertionError):
            return soon(condition, what)
    raise AssertionError(what)


def drops(client):
    return sum(n for name, n in client.map("ACCORD.STATUS").items() if name.startswith("drops_"))


@test
def on_ejabberd_a_node_is_kicked_and_its_server_killed():
    if SANITIZED:
        raise Skip("ejabberd is slow: the plain build's tests ask it")
    with fleet(Ejabberd) as (start, server):
        # So long that what a killed server lost shows as such, and not as a hole that is too old.
        for name in "web1", "web2":
            start(name, "--max-stale", "4s", bus=server.url(user="accord" if name == "web1" else "guest")).ready()
        a, b = [node.client() for node in start.all]
        for client in a, b:
            patiently(lambda c=client: len(c.ask("ACCORD.NODES")) == 2 and fresh(c), "each sees all")
        kept(b, "greeble:43", "k")
        all_is_said(b)

        async def types_and_kicks(client, heard):
            client.send_message(ROOM, "greeble:43", mtype="groupchat")
            await until(lambda: state(b, "greeble:43") == "miss")
            client.send_message(ROOM + "/web2", "help", mtype="chat")
            await until(lambda: any(kind == "chat" and "greeble:43" in body for _, kind, body in heard))
            await client["xep_0045"].set_role(ROOM, "web2", "none")

        person(server, types_and_kicks)
        a.ask("DEL", "k")
        patiently(lambda: state(b, "k") == "miss" and fresh(b), "kicked, it comes back and hears removals")
        kept(b, "k")
        all_is_said(b)
        server.kill()
        a.ask("DEL", "k")
        patiently(lambda: not fresh(a) and not fresh(b), "nobody is sure without the server")
        expect(state(b, "k") != "hit", "not called fresh")
        server.start()
        for client in a, b:
            patiently(lambda c=client: fresh(c) and c.map("ACCORD.STATUS")["outbox"] == 0, "fresh again")
        patiently(lambda: state(b, "k") == "miss", "and the removal arrives")


@test
def on_ejabberd_a_room_is_closed_given_a_password_and_destroyed():
    if SANITIZED:
        raise Skip("ejabberd is slow: the plain build's tests ask it")
    with fleet(Ejabberd) as (start, server):
        secret = "&tls=insecure-off&room_password=whisper"
        start("web1", "--max-stale", "4s", bus=server.url(more=secret)).ready()
        refused_start(start, "web2", server.url(user="guest"), "wants a password", "room_password=")
        a = start.all[0].client()
        person(server, lambda client, _: client["xep_0045"].destroy(ROOM), password="whisper")
        patiently(lambda: fresh(a) and drops(a) > 1, "fresh again, in a new room")
        person(server, lambda client, _: configured(client, membersonly=1), password="whisper")
        refused_start(start, "web3", server.url(user="guest", more=secret), "for its members only")


@test
def a_room_with_a_password_lets_in_who_says_it():
    with fleet() as (start, server):
        url = server.url(more="&tls=insecure-off&room_password=whisper")
        made, (a, b) = joined(start, url, url)  # whoever makes the room gives it the password
        refused_start(start, "web3", server.url(), "wants a password", "room_password=")
        kept(b, "k")
        a.ask("DEL", "k")
        soon(lambda: state(b, "k") == "miss", "removals arrive")
        expect(all("whisper" not in line for node in made for line in node.log + node.lines))
        with open(f"/proc/{made[0].process.pid}/cmdline", "rb") as f:
            words = f.read()
        expect(b"secret" not in words and b"whisper" not in words, "wiped from the command line")


@test
def a_node_whose_nick_is_taken_sits_under_another():
    with fleet() as (start, server):
        _, (a,) = joined(start, server.url())

        async def sits(_client, _heard):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, web2_joins)

        def web2_joins():
            node = start("web2", "--max-stale", "1s", bus=server.url())
            node.ready()
            b = node.client()
            soon(lambda: connected(a, "web2") == "yes", "it is there by its own name")
            kept(b, "k")
            all_is_said(b)
            a.ask("DEL", "k")
            soon(lambda: state(b, "k") == "miss", "and hears removals")

        person(server, sits, user="guest", nick="web2")


@test
def nodes_ask_each_other_through_the_room():
    with fleet() as (start, server):
        _, clients = joined(start, server.url(), server.url())
        hear_each_other(clients, ["web1", "web2"])


@test
def ten_thousand_removals_while_disconnected_arrive_all():
    count, batch = 10000, 1000
    with fleet() as (start, server), proxied(server.port) as proxy:
        # Beats of a that b missed are asked for, within max_stale: more than most tests' second.
        for name, port in ("web1", None), ("web2", proxy.port):
            start(name, "--max-stale", "6s", "--publish-timeout", "300ms", bus=server.url(port=port)).ready()
        a, b = [node.client() for node in start.all]
        soon(lambda: len(a.ask("ACCORD.NODES")) == len(b.ask("ACCORD.NODES")) == 2, "each sees all")
        for first in range(0, count, batch):
            b.ask("MSET", *[w for i in range(first, first + batch) for w in (f"k{i}", "v")])
        all_is_said(b)
        soon(lambda: fresh(b), "b is sure")
        expect(b.ask("GET", "k9999") == b"v")
        drops = b.map("ACCORD.STATUS")
        proxy.ask("cut")
        for client in a, b:  # b's own wait in its outbox
            for first in range(0, count, batch):
                client.ask("ACCORD.REMOVE", *[f"{'k' if client is a else 'own'}{i}"
                                              for i in range(first, first + batch)])
        all_is_said(a)
        said = int(a.map("ACCORD.STATUS")["beats_sent"])
        soon(lambda: int(a.map("ACCORD.STATUS")["beats_sent"]) > said, "a beat that b misses")
        expect(b.map("ACCORD.STATUS")["outbox"] > 0)
        proxy.ask("heal")
        soon(lambda: fresh(b) and b.map("ACCORD.STATUS")["outbox"] == 0, "caught up")
        expect(all(v is None for v in b.ask("MGET", *[f"k{i}" for i in range(0, count, 37)])))
        now = b.map("ACCORD.STATUS")
        expect([k for k in now if k.startswith("drops_") and now[k] != drops[k]] == [], "drops", now)


@test
def beats_that_were_missed_are_no_hole():
    with fleet() as (start, server), proxied(server.port) as proxy:
        _, (a, b) = joined(start, server.url(), server.url(port=proxy.port))
        kept(b, "stays", "k")
        all_is_said(b)

        def beats(count):
            said = int(a.map("ACCORD.STATUS")["beats_sent"]) + count
            soon(lambda: int(a.map("ACCORD.STATUS")["beats_sent"]) >= said, "beats of a")

        for removes in False, True:
            before = drops(b)
            soon(lambda: fresh(b), "b is sure")
            proxy.ask("cut")
            beats(3)
            if removes:
                a.ask("DEL", "k")
                all_is_said(a)
            beats(3)
            soon(lambda: not fresh(b), "b is cut off")
            proxy.ask("heal")
            soon(lambda: fresh(b), "b is sure again")
            beats(2)
            soon(lambda: fresh(b), "and stays so")
            status = b.map("ACCORD.STATUS")
            expect(status["gaps"] == 0 and drops(b) == before, status)
        expect(state(b, "stays") == "hit" and state(b, "k") == "miss")
        node = start("web3", bus=server.url())
        node.ready()
        c = node.client()
        beats(2)
        soon(lambda: fresh(c), "c is sure")
        expect(c.map("ACCORD.STATUS")["gaps"] == 0, c.map("ACCORD.STATUS"))


@test
def drop_destroys_the_room_and_no_other():
    with fleet() as (start, server):
        made, _ = joined(start, server.url(), )
        node = start("web2", bus=server.url("other"))
        node.ready()
        made[0].kill()
        log = os.path.join(server.folder, "data", "rooms%2elocalhost", "muc_log")
        expect("shop.list" in os.listdir(log), os.listdir(log))
        for said in ("removed", "nothing was there"):
            done = run("bus", "drop", server.url())
            expect(done.returncode == 0 and said in done.stdout, done)
            expect("secret" not in done.stdout + done.stderr, done)
        soon(lambda: "shop.list" not in os.listdir(log), os.listdir(log))
        soon(lambda: node.status()["state"] == "fresh", "the other room's nodes go on")


def certificate(folder, name):
    """The files of a certificate of its own authority, for localhost, and of its key."""
    files = f"{folder}/{name}.pem", f"{folder}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", files[1], "-out", files[0], "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return files


@test
def tls_is_demanded_and_the_certificate_is_verified():
    with nodes() as start:
        pair, (other, _) = certificate(start.folder, "server"), certificate(start.folder, "other")
        server = Prosody(start.folder, tls=pair)
        try:
            start("web1", bus=server.url(more=f"&ca={pair[0]}")).ready()
            start("web2", bus=server.url(port=server.direct_port,
                                         more=f"&ca={pair[0]}&tls=direct")).ready()
            refused_start(start, "web3", server.url(more=f"&ca={other}"), "certificate", "ca=FILE")
            refused_start(start, "web4", server.url(more=""), "certificate")
            refused_start(start, "web5", server.url(port=server.direct_port,
                                                    more=f"&ca={other}&tls=direct"), "certificate")
        finally:
            server.kill()


class PlainServer:
    """Offers those mechanisms, refuses SCRAM, and remembers all that it was told."""

    def __init__(self, *mechanisms):
        self.mechanisms, self.told = mechanisms, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    self.speak(connection)

    def speak(self, connection):
        offered = "".join(f"<mechanism>{m}</mechanism>" for m in self.mechanisms)
        here = b""
        while part := connection.recv(4096):
            here += part
            self.told += part
            if b"<stream:stream" in here and here.rstrip().endswith(b">"):
                connection.sendall((
                    "<?xml version='1.0'?><stream:stream from='localhost' id='x' version='1.0' "
                    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
                    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                    f"{offered}</mechanisms></stream:features>").encode())
                here = b""
            elif b"<auth" in here:
                connection.sendall(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                                   b"<not-authorized/></failure>")
                here = b""


@test
def without_tls_a_password_is_not_said_in_the_clear():
    for mechanisms, why in ((["PLAIN"], "in the clear"), (["SCRAM-SHA-1", "PLAIN"], "refused"),
                            (["SCRAM-SHA-1-PLUS", "PLAIN"], "in the clear")):
        with nodes() as start:
            server = PlainServer(*mechanisms)
            refused_start(start, "web1", "xmpp://accord:secret@127.0.0.1:"
                          f"{server.port}/shop@rooms.localhost?domain=localhost&tls=insecure-off", why)
            expect(b"<stream:stream" in server.told, server.told)
            expect(b"PLAIN" not in server.told and b"secret" not in server.told, server.told)
            expect((b"SCRAM-SHA-1" in server.told) == ("SCRAM-SHA-1" in mechanisms), server.told)
            server.listener.close()


@test
def a_new_log_in_a_room_has_a_longer_max_stale():
    with fleet() as (start, server):
        start("web1", bus=server.url()).ready()
        expect(start.all[0].status()["max_stale_ms"] == 15000, start.all[0].status())
        start("web2", "--max-stale", "4s", bus=server.url("other")).ready()
        node = start("web3", bus=server.url("other"))  # the log's own number wins
        node.ready()
        expect(node.status()["max_stale_ms"] == 4000, node.status())


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
