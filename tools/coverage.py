#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage.py FILE - gcov's JSON, one object a line, summed over objects: branches taken by file,
the lines with one that never was, and why where the source says so:

    switch (op) { /* never: change_problem() lets no other op pass */

explains one branch of its line, `never 2: ...` two. A line may not explain more than it has left
untaken: what a test does take needs no excuse. An explained branch still counts as not taken.

Exit status 1: src/core is below 95 %, or one of WHOLE has a branch that is neither taken nor
explained, or a line explains what is taken. tools/coverage.sh builds without inlined copies (gcov
would count each), and with atomic counters (two threads would lose counts, and a lost one makes
branches that were never taken look taken)."""

import collections
import json
import re
import sys

LEAST_PERCENT = 95
WHOLE = {"src/core/lease.c", "src/core/strict.c", "src/core/trail.c", "src/cache/token.c",
         "src/cache/reader.c", "src/cache/index.c"}
NEVER = re.compile(r"/\* never(?: (\d+))?: (.*?)(?: \*/|$)")


def read_source(name):
    """The lines of statements that begin with ASSERT; and of each line how many branches it
    explains, and how."""
    lines, inside, explained = set(), False, {}
    with open(name, encoding="utf-8") as source:
        for number, text in enumerate(source, 1):
            inside = inside or text.lstrip().startswith("ASSERT(")
            if inside:
                lines.add(number)
            inside = inside and not text.rstrip().endswith(";")
            found = NEVER.search(text)
            if found:
                explained[number] = (int(found[1] or 1), found[2])
    return lines, explained


sources = {}
taken = collections.defaultdict(dict)  # file -> (line, branch) -> count
with open(sys.argv[1], encoding="utf-8") as f:
    for text in f:
        for file in json.loads(text)["files"]:
            name = file["file"]
            if not name.startswith(("src/core/", "src/cache/")) or "_test" in name:
                continue
            if name not in sources:
                sources[name] = read_source(name)
            for line in file["lines"]:
                if line["line_number"] in sources[name][0]:
                    continue
                for i, branch in enumerate(line["branches"]):
                    at = (line["line_number"], i)
                    taken[name][at] = taken[name].get(at, 0) + branch["count"]

sums = collections.Counter()
good, reasons = True, []
for name in sorted(taken):
    branches = taken[name]
    never = collections.Counter(line for (line, _), count in branches.items() if count == 0)
    whole, hit = len(branches), len(branches) - never.total()
    layer = name.split("/")[1]
    sums[layer, "whole"] += whole
    sums[layer, "hit"] += hit
    for number, (count, reason) in sources[name][1].items():
        sums[layer, "explained"] += count
        reasons.append(f"{name}:{number}: {count} never: {reason}")
        if never[number] < count:
            reasons[-1] += " -- BUT IT IS TAKEN"
            good = False
        never[number] -= count
    lines = " ".join(str(n) for n in sorted(+never))
    good = good and not (name in WHOLE and lines)
    print(f"{100 * hit / max(whole, 1):6.1f} %  {hit:5} of {whole:5}  {name}"
          + (f"  never: {lines}" if lines else "")
          + (" -- MUST BE WHOLE" if name in WHOLE and lines else ""))
print(*reasons, sep="\n")
for layer in ("core", "cache"):
    whole, hit = sums[layer, "whole"], sums[layer, "hit"]
    percent = 100 * hit / max(whole, 1)
    print(f"{percent:6.1f} %  {hit:5} of {whole:5}  src/{layer}; {sums[layer, 'explained']} of "
          "the others are explained")
    good = good and (layer != "core" or percent >= LEAST_PERCENT)
sys.exit(0 if good else 1)
