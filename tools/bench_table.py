#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_table.py RESULTS.jsonl BENCH.json - writes the results with machine and versions as one
JSON object, and prints them as a table. Of results with one name the last counts."""
import datetime
import json
import os
import platform
import re
import subprocess
import sys

# What `make bench` must measure; what is not there is said.
EXPECTED = """read-hit-uniform read-hit-zipf read-hit-vs-redis-unix read-many-16 read-scale-2
resp-get-p1 resp-get-p16 resp-set-fill-p16 resp-set-published-p16 memory-overhead-vs-redis
memory-overhead-vs-memcached removal-host-16 miss-ratio/mean/1% miss-ratio/mean/10%
restart-warm-1g restart-warm-1g-small removal-sqlite-3 removal-redis-3 removal-redis-3-p99
removal-nats-3 removal-nats-3-p99 removal-postgres-3 removal-postgres-3-p99 removal-xmpp-3
removal-xmpp-3-p99 removal-chp-3 removal-chp-3-p99 redis-sustained nats-sustained postgres-sustained xmpp-sustained chp-sustained
redis-catch-up nats-catch-up postgres-catch-up xmpp-catch-up chp-catch-up
idle-sqlite-3 idle-redis-3 idle-nats-3 idle-postgres-3 idle-xmpp-3 idle-chp-3
idle-sqlite-50 idle-redis-50 idle-nats-50 idle-postgres-50 idle-xmpp-50 idle-chp-50""".split()


def first_line(*command):
    """The first line that `command` prints, or None where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip().split("\n")[0]


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError:
        return ""


def found(pattern, text):
    match = re.search(pattern, text or "", re.MULTILINE)
    return match.group(1).strip() if match else None


def machine():
    sources = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    kib = found(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"))
    return {
        "cpu": found(r"^model name\s*:(.*)$", read("/proc/cpuinfo")) or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "memory": int(kib) * 1024 if kib else None,
        "clocksource": read(sources).strip() or None,
        "load": os.getloadavg()[2],
    }


def versions():
    return {
        "accord": read("VERSION").strip(),
        "commit": first_line("git", "describe", "--always", "--dirty"),
        "redis": found(r"v=(\S+)", first_line("redis-server", "--version")),
        "memcached": found(r"memcached (\S+)", first_line("memcached", "-V")),
        "sqlite": first_line("pkg-config", "--modversion", "sqlite3"),
        "gcc": first_line(os.environ.get("CC", "cc"), "--version"),
    }


def reached(result):
    return result["ratio"] >= result["goal"]


def number(value):
    """As few digits as tell two results apart."""
    if abs(value) >= 10000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def print_table(results):
    rows = [("name", "ours", "against", "unit", "ratio", "goal", "", "against what")]
    for r in results:
        rows.append((r["name"], number(r["ours"]), number(r["against"]), r["unit"],
                     f"{r['ratio']:.3g}", f"{r['goal']:.3g}",
                     "reached" if reached(r) else "NOT REACHED", r["peer"]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.rjust(w) if i in (1, 2, 4, 5) else cell.ljust(w)
                 for i, (cell, w) in enumerate(zip(row, widths)))
        print("  ".join(cells).rstrip())


def main():
    results = {}
    for line in read(sys.argv[1]).splitlines():
        result = json.loads(line)
        results[result["name"]] = result
    results = list(results.values())
    whole = {
        "machine": machine(),
        "versions": versions(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "results": results,
    }
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=1, ensure_ascii=False)
        f.write("\n")
    print_table(results)
    names = {r["name"] for r in results}
    missing = [name for name in EXPECTED if name not in names]
    if missing:
        print("not measured: " + " ".join(missing))
    count = sum(reached(r) for r in results)
    m = whole["machine"]
    print(f"{count} of {len(results)} goals reached, on {m['cores']} × {m['cpu']}, "
          f"load {m['load']:.1f}; all of it in {sys.argv[2]}")


main()
