#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""readme.py - what the README shows is what runs: each block under a comment that names a file of
docs/example is found in that file, word for word; every relative link leads somewhere; the verbs
and targets that it names exist; its sixty seconds work, pasted as one block."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

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


def paste(block, folder):
    """Runs it as it is, but for the folder; what it leaves running is ended behind it."""
    ends = "trap 'code=$?; kill $(jobs -p); wait; exit $code' EXIT\nset -e\n"
    text = ends + block.replace("/tmp/", folder + "/").replace("build/accord", f"{build}/accord")
    return subprocess.run(["timeout", "120", "bash", "-c", text], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)


def dates(ran):
    return [l for l in ran.stdout.splitlines() if re.search(r"\d\d:\d\d:\d\d", l)][:2]


block = re.search(r"```sh\n(build/accord serve .*?)```", readme, re.S).group(1)
if shutil.which("redis-cli") and shutil.which("sqlite3"):
    for _ in range(5):  # a machine that stands still for seconds makes a node unsure meanwhile
        with tempfile.TemporaryDirectory() as folder:
            ran = paste(block, folder)
        hit = len(dates(ran)) == 2 and len(set(dates(ran))) == 1
        if ran.returncode == 0 and hit:
            break
    said = ran.stdout.splitlines()
    report(ran.returncode == 0, "the-sixty-seconds-run", f"{ran.returncode}\n{ran.stderr}")
    report(hit, "its-second-memoize-is-a-hit", ran.stdout)
    report("0" in said, "its-del-prints-0", ran.stdout)
    report(any(l.startswith("fresh, lease ") for l in said), "it-ends-fresh", ran.stdout)
    report("running the command" not in ran.stderr, "no-memoize-comes-too-early", ran.stderr)
else:
    print("skip the-sixty-seconds-run: redis-cli or sqlite3 is not installed")
sys.exit(failed)
