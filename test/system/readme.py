#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""readme.py - what the README shows is what runs: each block under a comment that names a file of
docs/example is found in that file, word for word; every relative link leads somewhere; the verbs
and targets that it names exist."""
import os
import re
import subprocess
import sys

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
build = os.path.abspath(os.environ.get("ACCORD_BUILD", os.path.join(top, "build")))
os.chdir(top)
readme = open("README.md").read()
failed = False


def report(good, name, why=""):
    global failed
    failed |= not good
    print(f"ok {name}" if good else f"not ok {name}: {why}")


blocks = re.findall(r"<!-- (docs/example/\S+) -->\n```\w+\n(.*?)\n```", readme, re.S)
report(len(blocks) == 5, "the-readme-shows-five-languages", f"{len(blocks)} blocks")
for path, text in blocks:
    report(text in open(path).read(), f"the-readme-shows-{path}", "differs from the file")

links = [l for l in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in l]
report(all(os.path.exists(l) for l in links), "links-lead-somewhere",
       " ".join(l for l in links if not os.path.exists(l)))

makefile = open("Makefile").read()
targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", readme))
missing = [t for t in targets if not re.search(rf"^{t}:|\s{t}\b.*:|^{t} ", makefile, re.M)]
report(not missing, "make-targets-exist", " ".join(missing))

verbs = set(re.findall(r"\baccord ([a-z]+)\b(?= [A-Z`-]|`| \w+:)", readme)) | {"serve", "memoize"}
usage = subprocess.run([f"{build}/accord", "--help"], capture_output=True, text=True).stdout
missing = [v for v in verbs if not re.search(rf"^\s+{v}\s", usage, re.M)]
report(not missing, "verbs-exist", " ".join(missing))
sys.exit(failed)
