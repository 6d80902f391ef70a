#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""real_clients.py - the clients that people use, as they greet a server and at their ordinary work:
pipelines, transactions, SCAN, CLIENT and INFO. redis-cli also as a person uses it, at a terminal.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import fcntl
import importlib.util
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

from lib import WAIT, Skip, expect, main, nodes, test


class Terminal:
    """A program at a terminal of 80 columns. (At one without a size redis-cli asks the terminal where
    its cursor is, ESC [6n, and takes what is typed next for the answer.)"""

    def __init__(self, *words):
        self.fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs,
                                        start_new_session=True,
                                        env={**os.environ, "TERM": "xterm", "HOME": "/nonexistent"})
        os.close(theirs)

    def until(self, pattern):
        """What comes until then, without what only moves the cursor."""
        text, end = "", time.monotonic() + WAIT
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)):
            expect(time.monotonic() < end, f"waited for {pattern!r} in {text!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                text += os.read(self.fd, 65536).decode(errors="replace")
        return text

    def type(self, line, pattern):
        os.write(self.fd, line.encode() + b"\r")
        return self.until(pattern)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@test
def redis_cli_at_a_terminal():
    with nodes() as start:
        node = start("web1")
        node.ready()
        t = Terminal("redis-cli", "-s", node.socket)
        try:
            t.until(r"sock> $")
            t.type("ping", r"\nPONG\r\n.*sock> $")
            t.type("set greeble:1 blue", r"\nOK\r\n.*sock> $")
            t.type("get greeble:1", r'\n"blue"\r\n.*sock> $')
            t.type("get nosuch", r"\n\(nil\)\r\n.*sock> $")
            t.type("hello 3", r'"proto" => \(integer\) 3\r\n[\s\S]*sock> $')
            t.type("multi", r"\nOK\r\n.*\(TX\)> $")
            t.type("get greeble:1", r"\nQUEUED\r\n.*\(TX\)> $")
            t.type("exec", r'\n1\) "blue"\r\n.*sock> $')
            t.type("accord.get greeble:1", r'"state" => "hit"[\s\S]*sock> $')
            t.type("help accord.get", r"group: accord[\s\S]*sock> $")
            t.type("nosuch", r"\n\(error\) ERR unknown command[\s\S]*sock> $")
            os.write(t.fd, b"exit\r")
            expect(t.process.wait(WAIT) == 0)
        finally:
            t.close()


@test
def redis_py():
    try:
        import redis  # pylint: disable=import-outside-toplevel
    except ImportError:
        raise Skip("python3-redis is not installed") from None
    with nodes() as start:
        node = start("web1")
        node.ready()
        for options in ({}, {"decode_responses": True, "client_name": "me"}):
            r = redis.Redis(unix_socket_path=node.socket, **options)
            text = str if options else str.encode
            expect(r.ping() and r.set("a", "1", ex=10) and r.get("a") == text("1"))
            expect(r.get("nosuch") is None and 8 < r.ttl("a") <= 10)
            for transaction in (True, False):
                with r.pipeline(transaction=transaction) as p:
                    p.set("a", "x").get("a").mget("a", "nosuch").delete("a")
                    expect(p.execute() == [True, text("x"), [text("x"), None], 1])
            r.set("b", "2")
            expect(list(r.scan_iter()) == [text("b")])
            expect(r.info("server")["redis_version"] and r.client_list()[0]["id"])
            r.close()


PHP = r"""
foreach (['connect', 'pconnect'] as $how) {
    $r = new Redis();
    $r->$how($argv[1]);
    $all = [$r->ping(), $r->set('p', '1', ['ex' => 10]), $r->get('p'), $r->get('nosuch'),
            $r->multi()->set('p', '2')->get('p')->exec(), $r->pipeline()->get('p')->get('nosuch')->exec(),
            $r->mget(['p', 'nosuch']), $r->exists('p'), $r->del('p')];
    echo json_encode($all), "\n";
}
"""


@test
def phpredis():
    if subprocess.run(["php", "-r", 'exit(extension_loaded("redis") ? 0 : 1);'], check=False).returncode:
        raise Skip("php-cli and php-redis are not installed")
    with nodes() as start:
        node = start("web1")
        node.ready()
        out = subprocess.run(["php", "-r", PHP, node.socket], check=True, timeout=WAIT,
                             stdout=subprocess.PIPE, text=True).stdout
        line = '[true,true,"1",false,[true,"2"],["2",false],["2",false],1,1]\n'
        expect(out == line + line, out)


NODE = r"""
const assert = require('assert'), path = process.argv[2];
(async () => {
    const Redis = require('ioredis'), {createClient} = require('redis');
    const r = new Redis({path, connectionName: 'me'});
    assert.deepEqual([await r.ping(), await r.set('n', '1'), await r.get('n'), await r.get('nosuch')],
                     ['PONG', 'OK', '1', null]);
    assert.deepEqual(await r.multi().set('n', '2').get('n').exec(), [[null, 'OK'], [null, '2']]);
    assert.deepEqual(await r.pipeline().get('n').get('nosuch').exec(), [[null, '2'], [null, null]]);
    let keys = [];
    for await (const some of r.scanStream()) keys = keys.concat(some);
    assert.deepEqual(keys, ['n']);
    r.disconnect();
    for (const RESP of [2, 3]) {
        const c = createClient({socket: {path}, RESP, name: 'me'});
        c.on('error', e => { throw e; });
        await c.connect();
        assert.deepEqual([await c.ping(), await c.set('n', '1', {EX: 10}), await c.get('n')],
                         ['PONG', 'OK', '1']);
        assert.deepEqual(await c.multi().set('n', '2').get('n').exec(), ['OK', '2']);
        assert.deepEqual(await Promise.all([c.get('n'), c.get('nosuch')]), ['2', null]);
        for (const [name, value] of Object.entries(await c.clientInfo()))
            assert.ok(!Number.isNaN(value), name); // it lacks that field
        await c.close();
    }
    console.log('ok');
})();
"""


@test
def ioredis_and_node_redis():
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skip("nodejs and npm are not installed")
    with tempfile.TemporaryDirectory() as folder, nodes() as start:
        npm = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline",
                              "ioredis@5", "redis@5"], cwd=folder, timeout=180, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if npm.returncode:
            raise Skip(f"npm could not install them: {npm.stdout.strip()[-200:]}")
        node = start("web1")
        node.ready()
        script = os.path.join(folder, "script.js")
        with open(script, "w", encoding="utf-8") as f:
            f.write(NODE)
        out = subprocess.run(["node", script, node.socket], cwd=folder, timeout=WAIT, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        expect(out == "ok\n", out)


def with_debians_python():
    """Debian's redis-py is there for Debian's Python, which need not be the first on the path."""
    debian = "/usr/bin/python3"
    if importlib.util.find_spec("redis") is None and os.access(debian, os.X_OK) and \
            not os.path.samefile(sys.executable, debian):
        os.execv(debian, [debian, *sys.argv])


if __name__ == "__main__":
    with_debians_python()
    sys.exit(main())
