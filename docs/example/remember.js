// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the Accord authors
// remember.js DATABASE NAME - a package's version, from this host's cache or from the database.
// Needs ioredis (npm install ioredis) and the sqlite3 program, which stands in for a driver.
const { execFileSync } = require("node:child_process");
const Redis = require("ioredis");

const cache = new Redis({
  path: process.env.ACCORD_SOCKET || "/run/accord/accord.sock",
  maxRetriesPerRequest: 0,
  connectTimeout: 3000,
  commandTimeout: 3000, // more than LOAD waits: only a daemon that hangs is given up
});
cache.on("error", () => {}); // remember() goes to the origin by itself

async function remember(key, load, ttlMs = 3_600_000) {
  const list = await cache.call("ACCORD.GET", key, "LOAD", 2000).catch(() => null);
  if (!list) return load(); // no cache, or it hangs: the origin still answers
  const got = {}; // a map, as a list of pairs
  for (let i = 0; i < list.length; i += 2) got[list[i]] = list[i + 1];
  if (got.state === "hit" || (got.state === "stale" && !got.may_load)) return got.value;
  const value = await load(); // one process of this host at a time comes here for one key
  if (got.token) // taken before the load: if the key was removed since, this is refused
    await cache.call("ACCORD.FILL", key, value, "TOKEN", got.token, "PX", ttlMs).catch(() => {});
  return value;
}

const [database, name] = process.argv.slice(2);

async function load() {
  console.error("loading", name);
  const quoted = name.replace(/'/g, "''");
  const query = `SELECT version FROM package WHERE name = '${quoted}'`;
  return execFileSync("sqlite3", [database, query]).toString().trimEnd();
}

remember("package:" + name, load).then((version) => {
  console.log(version);
  cache.disconnect();
});
