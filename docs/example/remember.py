#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""remember.py DATABASE NAME - a package's version, from this host's cache or from the database.
Needs redis-py (Debian: python3-redis)."""
import contextlib, os, sqlite3, sys
import redis

# 3 s: more than LOAD waits, so that only a daemon that hangs is given up.
cache = redis.Redis(unix_socket_path=os.environ.get("ACCORD_SOCKET", "/run/accord/accord.sock"),
                    socket_timeout=3, socket_connect_timeout=3)


def remember(key, load, ttl_ms=3_600_000):
    try:
        got = cache.execute_command("ACCORD.GET", key, "LOAD", 2000)  # a map, as a list of pairs
    except redis.RedisError:
        return load()  # no cache, or it hangs: the origin still answers
    got = dict(zip(got[::2], got[1::2]))
    if got[b"state"] == b"hit" or got[b"state"] == b"stale" and not got[b"may_load"]:
        return got[b"value"]
    value = load()  # one process of this host at a time comes here for one key
    if got[b"token"]:  # taken before the load: if the key was removed since, this is refused
        with contextlib.suppress(redis.RedisError):  # a daemon lost meanwhile: the value is good
            cache.execute_command("ACCORD.FILL", key, value, "TOKEN", got[b"token"], "PX", ttl_ms)
    return value


database, name = sys.argv[1:]


def load():
    print("loading", name, file=sys.stderr)
    query = "SELECT version FROM package WHERE name = ?"
    return sqlite3.connect(database).execute(query, (name,)).fetchone()[0].encode()


print(remember("package:" + name, load).decode())
