#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutants.py - does the simulator bite? Plants each fault of sim/mutants/list.txt in a copy of the
tree, and runs seeds until one finds it. Those of sim/mutants/unseen.txt break no promise: each of
them names a unit test, which must pass without it and fail with it.

    tools/mutants.py [--seeds N] [--seconds S] [--jobs N] [--plain] [--results FILE] [NAME ...]

A fault of the first list may name a unit test, too: it is run where no seed was broken in time.

A mutant whose block names a theme is hunted in worlds of that one alone; with --plain, in those
of all as well as any other. --jobs of them are built and hunted at a time.

With --results every outcome is added to that file as it comes, and what stands there is not run
again: a run that was interrupted goes on, and one that shall begin anew needs another file. It
knows a mutant by its name, its text and its theme, but not the state of the tree.

Prints the seeds that each took, and the median. Exit status 1: one was not found, or its lines are
not in the source any more, or its unit test is not. A mutant that does not end a run in time counts
as found, too."""
import argparse
import concurrent.futures
import hashlib
import os
import queue
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LISTS = LIST, UNSEEN = 'sim/mutants/list.txt', 'sim/mutants/unseen.txt'
ENDLESS_SECONDS = 120  # past its time: a run that does not end


class Mutant:
    def __init__(self, name, why):
        self.name, self.why, self.theme, self.hunks = name, why, None, []  # (file, old, new)
        self.test = None  # (layer, part of a test's name)
        self.file = None  # of the list

    def is_unseen(self):
        return self.file == UNSEEN

    def key(self, plain):
        text = hashlib.sha256(repr(self.hunks).encode()).hexdigest()[:8]
        where = self.test[1] if self.is_unseen() else 'all' if plain or not self.theme else self.theme
        return f'{self.name} {where} {text}'


class Outcome:
    """How many seeds it took (None: it was not found; 0: a unit test found it), in how many
    seconds, and what was broken, or why it was not found."""

    def __init__(self, seeds, seconds, what):
        self.seeds, self.seconds, self.what = seeds, seconds, what

    def __str__(self):
        if self.seeds is None:
            return f'NOT FOUND: {self.what}'
        if self.seeds == 0:
            return f'{self.what} ({self.seconds:.0f} s)'
        return f'seed {self.seeds}, {self.what} ({self.seconds:.0f} s)'


def read_list(path):
    mutants, file, fresh = [], None, True
    for line in open(path):
        line = line.rstrip('\n')
        if line.startswith('== '):
            name, why = line[3:].split(': ', 1)
            mutants.append(Mutant(name, why))
            mutants[-1].file = os.path.relpath(path, ROOT)
            fresh = True
        elif line.startswith('theme '):
            mutants[-1].theme = line[6:]
        elif line.startswith('test '):
            mutants[-1].test = tuple(line[5:].split())
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
    """The changed files with their text before, and None; or why a hunk does not apply."""
    before = {}
    for file, old, new in mutant.hunks:
        path = os.path.join(tree, file)
        text = open(path).read()
        before.setdefault(path, text)
        old_text = ''.join(line + '\n' for line in old)
        if text.count(old_text) != 1:
            return before, f'DOES NOT APPLY: {file} has its lines {text.count(old_text)} times'
        with open(path, 'w') as f:
            f.write(text.replace(old_text, ''.join(line + '\n' for line in new)))
    return before, None


def restore(before):
    for path, text in before.items():
        with open(path, 'w') as f:
            f.write(text)


def build(tree, program='build/sim/accord-sim'):
    flags = ['CFLAGS=-O2 -Wno-error', 'need=']
    return subprocess.run(['make', '-s', program] + flags, cwd=tree,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(tree, arguments, seconds, program='build/sim/accord-sim'):
    """Its status and what it printed; None for the first: it did not end."""
    try:
        done = subprocess.run([program, *arguments], cwd=tree, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors='replace',
                              timeout=seconds + ENDLESS_SECONDS)
    except subprocess.TimeoutExpired:
        return None, ''
    return done.returncode, done.stdout


def hunt(tree, theme, options):
    """(how many seeds it took, what was broken), or (None, why not)."""
    status, said = run(tree, ['--seeds', str(options.seeds), '--seconds', str(options.seconds),
                              '--from', '1', *(['--theme', theme] if theme else [])],
                       options.seconds)
    found = re.search(r'FAILED: seed (\d+): ([^:]*):', said)
    if found:
        return int(found.group(1)), found.group(2)
    if status is None:
        return 1, 'a run does not end'
    if status not in (0, 1):
        return 1, f'ended with status {status}'
    ran = re.search(r'(\d+) seeds in', said)
    return None, f'not in {ran.group(1) if ran else "?"} seeds'


def passes(mutant, tree):
    """Whether its unit test does; or why it cannot be run."""
    layer, name = mutant.test
    built = build(tree, f'build/test/{layer}')
    if built.returncode != 0:
        return 'does not build: ' + ' '.join(built.stdout[-600:].split())
    status, said = run(tree, [name], ENDLESS_SECONDS, f'build/test/{layer}')
    if not re.search(r'[1-9]\d* (passed|failed)', said):
        return f'there is no test {name}'
    return status == 0


def try_unit_test(mutant, tree):
    name, began = mutant.test[1], time.time()
    before, problem = {}, passes(mutant, tree)
    if problem is False:
        problem = f'{name} fails without it, too'
    if problem is True:
        before, problem = apply(mutant, tree)
    try:
        problem = problem or passes(mutant, tree)
    finally:
        restore(before)
    if problem is True:
        problem = f'{name} passes'
    return Outcome(None if problem else 0, time.time() - began, problem or f'{name} fails')


def try_one(mutant, tree, options):
    if mutant.is_unseen():
        return try_unit_test(mutant, tree)
    outcome = hunt_one(mutant, tree, options)
    if outcome.seeds is None and mutant.test:
        by_test = try_unit_test(mutant, tree)
        return Outcome(by_test.seeds, outcome.seconds + by_test.seconds,
                       f'{outcome.what}; {by_test.what}')
    return outcome


def hunt_one(mutant, tree, options):
    theme = None if options.plain else mutant.theme
    before, problem = apply(mutant, tree)
    try:
        if problem:
            return Outcome(None, 0, problem)
        built, began = build(tree), time.time()
        if built.returncode != 0:
            return Outcome(None, 0, 'does not build: ' + ' '.join(built.stdout[-600:].split()))
        seeds, what = hunt(tree, theme, options)
        what += f' [{theme}]' if theme else ''
        return Outcome(seeds, time.time() - began, what)
    finally:
        restore(before)


def copy_tree(to):
    for part in ('src', 'sim', 'include', 'defs', 'test', 'tools', 'packaging', 'Makefile', 'VERSION'):
        source = os.path.join(ROOT, part)
        (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, os.path.join(to, part))


def grow_trees(under, count):
    """Each built, so that a mutant needs only what it has changed."""
    first = os.path.join(under, '1')
    os.mkdir(first)
    copy_tree(first)
    built = build(first)
    if built.returncode != 0:
        sys.exit(built.stdout)
    trees = queue.SimpleQueue()
    trees.put(first)
    for i in range(2, count + 1):
        shutil.copytree(first, os.path.join(under, str(i)))
        trees.put(os.path.join(under, str(i)))
    return trees


def read_results(path):
    """key -> outcome; a line is key, seeds or "-", seconds and what, with tabs between."""
    if not path or not os.path.exists(path):
        return {}
    lines = (line.rstrip('\n').split('\t') for line in open(path) if line.endswith('\n'))
    return {key: Outcome(None if seeds == '-' else int(seeds), float(seconds), what)
            for key, seeds, seconds, what in lines}


def write_result(path, key, o):
    if path:
        with open(path, 'a') as f:
            f.write(f'{key}\t{"-" if o.seeds is None else o.seeds}\t{o.seconds:.1f}\t{o.what}\n')


def try_all(mutants, options):
    """name -> outcome."""
    known = read_results(options.results)
    outcomes = {m.name: known[m.key(options.plain)] for m in mutants
                if m.key(options.plain) in known}
    with tempfile.TemporaryDirectory() as under, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        trees = grow_trees(under, options.jobs)

        def one(mutant):
            tree = trees.get()
            outcome = try_one(mutant, tree, options)
            trees.put(tree)
            return mutant, outcome

        ahead = [pool.submit(one, m) for m in mutants if m.name not in outcomes]
        for future in concurrent.futures.as_completed(ahead):
            mutant, outcome = future.result()
            outcomes[mutant.name] = outcome
            write_result(options.results, mutant.key(options.plain), outcome)
            print(f'{mutant.name}: {outcome}', flush=True)
    return outcomes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, default=20000)
    parser.add_argument('--seconds', type=int, default=900, help='for each')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--plain', action='store_true')
    parser.add_argument('--results')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    mutants = [m for name in LISTS for m in read_list(os.path.join(ROOT, name))
               if not options.names or m.name in options.names]
    outcomes = try_all(mutants, options)
    counts = [o.seeds for o in outcomes.values() if o.seeds]
    unseen = [m.name for m in mutants if m.is_unseen()]
    by_test = [m.name for m in mutants if not m.is_unseen() and outcomes[m.name].seeds == 0]
    lost = [name for name, o in outcomes.items() if o.seeds is None]
    median = statistics.median(counts) if counts else 0
    print(f'{len(counts)} of {len(mutants) - len(unseen)} found by seeds, '
          f'{len(by_test)} by a unit test alone; median {median:g} seeds, most {max(counts, default=0)}')
    print(f'{len(unseen) - len(set(lost) & set(unseen))} of {len(unseen)} that break no promise '
          'fail their unit test')
    for name in lost:
        print(f'  lost: {name}')
    print(f'mutants: {len(mutants) - len(lost)} passed, {len(lost)} failed, 0 skipped')
    return 1 if lost else 0


sys.exit(main())
