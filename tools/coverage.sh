#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# coverage.sh - which branches of the coherence code no test takes. Builds with gcov into a folder
# of its own, runs the tests of src/core and src/cache and those of test/stepped, and prints for each
# file how many of its branches were taken, and every line with one that was not. Fails below 95 %
# of src/core, and where one is not taken in the files that tools/coverage.py calls WHOLE and is not
# explained in tools/coverage.txt.
# Assertions are no branches here: no test can make one fail. Nothing is inlined, so that each branch
# counts once, and the counters are atomic: the tests of src/cache have threads.
set -eu
cd "$(dirname "$0")/.."
o=build-coverage
make -s -j2 O=$o CFLAGS='-O0 -g --coverage -fprofile-update=atomic -DALWAYS_INLINE="static inline"' \
    $o/test/core $o/test/cache $o/test/stepped
find $o -name '*.gcda' -delete
export ACCORD_TEST_SECONDS=3000 # counting is slow, and more so beside other work
export ACCORD_TEST_SEEDS="${ACCORD_TEST_SEEDS:-24}"
for t in core cache stepped; do
    began=$(date +%s)
    $o/test/$t >$o/$t.out 2>&1 || { tail -n 20 $o/$t.out; exit 1; }
    echo "$(tail -n 1 $o/$t.out) ($(($(date +%s) - began)) s)"
done
sources=$(ls src/core/*.c src/cache/*.c | grep -vE '_(test|fuzz)\.c$')
# shellcheck disable=SC2086
gcov --json-format --stdout --branch-probabilities $(for s in $sources; do
    ls "$o/${s%.c}.o" "$o/sim/${s%.c}.o" 2>/dev/null || true # some are in one place only
done) >$o/gcov.json
exec python3 tools/coverage.py $o/gcov.json tools/coverage.txt
