#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutants.py - does the simulator bite? Plants each fault of sim/mutants/list.txt in a copy of the
tree, and runs seeds until one finds it.

    tools/mutants.py [--seeds N] [--seconds S] [NAME ...]

Prints the seeds that each took, and the median. Exit status 1: one was not found, or its lines are
not in the source any more. A mutant that does not end a run in time counts as found, too."""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Mutant:
    def __init__(self, name, why):
        self.name, self.why, self.hunks = name, why, []  # (file, old, new)


def read_list(path):
    mutants, file, fresh = [], None, True
    for line in open(path):
        line = line.rstrip('\n')
        if line.startswith('== '):
            name, why = line[3:].split(': ', 1)
            mutants.append(Mutant(name, why))
            fresh = True
        elif line.startswith('file '):
            file, fresh = line[5:], True
        elif line == '~':
            fresh = True
        elif line[:1] in ('-', '+', ' ') and mutants:
            if fresh:
                mutants[-1].hunks.append([file, [], []])
                fresh = False
            if line[0] in '- ':
                mutants[-1].hunks[-1][1].append(line[1:])
            if line[0] in '+ ':
                mutants[-1].hunks[-1][2].append(line[1:])
    return mutants


def apply(mutant, tree):
    """The changed files and their text before, or None: a hunk does not apply."""
    before = {}
    for file, old, new in mutant.hunks:
        path = os.path.join(tree, file)
        text = open(path).read()
        before.setdefault(path, text)
        old_text = ''.join(line + '\n' for line in old)
        if text.count(old_text) != 1:
            print(f'{mutant.name}: DOES NOT APPLY: {file} has its lines '
                  f'{text.count(old_text)} times', flush=True)
            restore(before)
            return None
        with open(path, 'w') as f:
            f.write(text.replace(old_text, ''.join(line + '\n' for line in new)))
    return before


def restore(before):
    for path, text in before.items():
        with open(path, 'w') as f:
            f.write(text)


def build(tree):
    flags = ['CFLAGS=-O2 -Wno-error', 'need=']
    return subprocess.run(['make', '-s', 'build/sim/accord-sim'] + flags, cwd=tree,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def hunt(tree, options):
    """(how many seeds it took, what was broken), or (None, why not)."""
    command = ['build/sim/accord-sim', '--seeds', str(options.seeds), '--from', '1']
    try:
        run = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, errors='replace', timeout=options.seconds)
    except subprocess.TimeoutExpired as e:
        text = (e.stdout or b'').decode(errors='replace')
        return None, f'not found in {options.seconds} s' + text[-80:]
    found = re.search(r'FAILED: seed (\d+): ([^:]*):', run.stdout)
    if found:
        return int(found.group(1)), found.group(2)
    if run.returncode not in (0, 1):
        return 1, f'ended with status {run.returncode}'
    return None, f'not found in {options.seeds} seeds'


def copy_tree(to):
    for part in ('src', 'sim', 'include', 'defs', 'test', 'tools', 'packaging', 'Makefile', 'VERSION'):
        source = os.path.join(ROOT, part)
        (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, os.path.join(to, part))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, default=20000)
    parser.add_argument('--seconds', type=int, default=900, help='for each')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    mutants = [m for m in read_list(os.path.join(ROOT, 'sim/mutants/list.txt'))
               if not options.names or m.name in options.names]
    counts, lost = [], []
    with tempfile.TemporaryDirectory() as tree:
        copy_tree(tree)
        built = build(tree)
        if built.returncode != 0:
            sys.exit(built.stdout)
        for mutant in mutants:
            before = apply(mutant, tree)
            if before is None:
                lost.append(mutant.name)
                continue
            built, began = build(tree), time.time()
            seeds, what = hunt(tree, options) if built.returncode == 0 else (None, 'does not build')
            if seeds is None:
                lost.append(mutant.name)
                print(f'{mutant.name}: NOT FOUND: {what}', flush=True)
                if built.returncode != 0:
                    print(built.stdout[-600:], flush=True)
            else:
                counts.append(seeds)
                print(f'{mutant.name}: seed {seeds}, {what} ({time.time() - began:.0f} s)', flush=True)
            restore(before)
    median = statistics.median(counts) if counts else 0
    print(f'{len(counts)} of {len(mutants)} found; median {median:g} seeds, most {max(counts, default=0)}')
    for name in lost:
        print(f'  lost: {name}')
    print(f'mutants: {len(counts)} passed, {len(lost)} failed, 0 skipped')
    return 1 if lost else 0


sys.exit(main())
