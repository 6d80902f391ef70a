#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage.py FILE LIST - gcov's JSON, one object a line, summed over objects: branches taken by
file, and every line with one that never was. LIST (tools/coverage.txt) says of some why no test
can take them:

    src/core/apply.c apply_change: switch (change->op) {
        1 change_problem() lets no other op pass

the file, the function, the line as it stands there, and how many of its branches; with a ~ before
that, tests that draw by chance may take them. A branch that is explained still counts as not taken.

Exit status 1: src/core is below 95 %, or src/core or a file of WHOLE has a branch that is neither
taken nor explained, or LIST explains what is taken, or what is not there any more.
tools/coverage.sh says how is built and what is run."""

import collections
import json
import re
import sys

LEAST_PERCENT = 95
# What promises rest on beside the core: tokens, and the order in which a segment is written and
# read.
WHOLE = {"src/core/lease.c", "src/core/strict.c", "src/core/trail.c", "src/cache/token.c",
         "src/cache/reader.c", "src/cache/index.c"}
NO_SOURCES = re.compile(r"_(test|fuzz)\.c$|/(fixture|fleet)\.h$")


def read_source(name):
    """Its lines, and the numbers of those of statements that begin with ASSERT: no test can make
    one fail."""
    lines, asserted, inside = [""], set(), False
    with open(name, encoding="utf-8") as source:
        for text in source:
            text = text.strip()
            inside = inside or text.startswith("ASSERT(")
            if inside:
                asserted.add(len(lines))
            inside = inside and not text.endswith(";")
            lines.append(text)
    return lines, asserted


def read_gcov(name):
    """(file, line, branch) -> how often taken; (file, line) -> function; file -> its lines."""
    taken, functions, sources = collections.Counter(), {}, {}
    for text in open(name, encoding="utf-8"):
        for file in json.loads(text)["files"]:
            path = file["file"]
            if not path.startswith(("src/core/", "src/cache/")) or NO_SOURCES.search(path):
                continue
            if path not in sources:
                sources[path] = read_source(path)
            for line in file["lines"]:
                number = line["line_number"]
                if number in sources[path][1]:
                    continue
                functions[path, number] = line.get("function_name", "")
                for i, branch in enumerate(line["branches"]):
                    taken[path, number, i] += branch["count"]
    return taken, functions, {path: lines for path, (lines, _) in sources.items()}


def read_list(name):
    """(file, function, text) -> (how many branches, whether chance may take them)."""
    explained, place = {}, None
    for text in open(name, encoding="utf-8"):
        if text.startswith("#") or not text.strip():
            continue
        if text[0] != " ":
            where, line = text.strip().split(": ", 1)
            place = (*where.split(), line)
            assert place not in explained, f"{name} has {place} twice"
        else:
            count, _ = text.split(None, 1) # a line without a reason is none
            explained[place] = (int(count.lstrip("~")), count.startswith("~"))
            place = None
    return explained


def judge_list(explained, never, functions, sources):
    """What is explained by (file, line); and what is wrong with the list."""
    excused, faults = collections.Counter(), []
    for (path, function, text), (count, by_chance) in explained.items():
        lines = [number for (file, number), name in functions.items()
                 if (file, name) == (path, function) and sources[file][number] == text]
        untaken = sum(never[path, number] for number in lines)
        if not lines:
            faults.append(f"{path} {function}: {text}\n    is not there any more")
        elif untaken < count and not by_chance:
            faults.append(f"{path} {function}: {text}\n    {count - untaken} of {count} explained "
                          "branches are taken")
        for number in lines:
            excused[path, number] = min(count, never[path, number])
            count -= excused[path, number]
    return excused, faults


def main():
    taken, functions, sources = read_gcov(sys.argv[1])
    explained = read_list(sys.argv[2])
    whole, hit, never = (collections.Counter() for _ in range(3))
    for (path, number, _), count in taken.items():
        for key in path, path.split("/")[1]:
            whole[key] += 1
            hit[key] += count > 0
        never[path, number] += count == 0
    excused, faults = judge_list(explained, never, functions, sources)
    for path in sorted(sources):
        if whole[path] == 0:
            continue
        lines = [n for (file, n), count in sorted(never.items())
                 if file == path and count > excused[file, n]]
        reasons = sum(count for (file, _), count in excused.items() if file == path)
        print(f"{100 * hit[path] / whole[path]:6.1f} %  {hit[path]:5} of {whole[path]:5}  {path}"
              + (f"  explained: {reasons}" if reasons else "")
              + (f"  never: {' '.join(map(str, lines))}" if lines else ""))
        if path in WHOLE or path.startswith("src/core/"):
            faults += [f"{path}:{n}: {sources[path][n]}\n    is never taken one way, and not explained"
                       for n in lines]
    faults += [f"{path} is of those that must be whole, and was not counted"
               for path in sorted(WHOLE - set(sources))]
    for layer in ("core", "cache"):
        percent = 100 * hit[layer] / max(whole[layer], 1)
        print(f"{percent:6.1f} %  {hit[layer]:5} of {whole[layer]:5}  src/{layer}")
        if layer == "core" and percent < LEAST_PERCENT:
            faults.append(f"src/core is below {LEAST_PERCENT} %")
    print(*faults, sep="\n")
    return 1 if faults else 0


sys.exit(main())
