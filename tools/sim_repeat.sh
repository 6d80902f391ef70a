#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sim_repeat.sh - does every run of the simulator repeat exactly? The same seeds, built by gcc at
# -O2 and by clang at -O0, and run twice: the hashes of all their traces must be the same.
#   tools/sim_repeat.sh [SEEDS]
set -u
cd "$(dirname "$0")/.."
seeds=${1:-40}
make -s build/sim/accord-sim || exit 1
make -s CC=clang-14 O=build-clang-O0 CFLAGS='-O0' HARDEN='-fvisibility=hidden -fPIC' \
    build-clang-O0/sim/accord-sim || exit 1
a=$(mktemp) b=$(mktemp) c=$(mktemp)
trap 'rm -f "$a" "$b" "$c"' EXIT
build/sim/accord-sim --hash --go-on --from 1 --seeds "$seeds" >"$a"
build/sim/accord-sim --hash --go-on --from 1 --seeds "$seeds" >"$b"
build-clang-O0/sim/accord-sim --hash --go-on --from 1 --seeds "$seeds" >"$c"
if cmp "$a" "$b" && cmp "$a" "$c" && [ "$(grep -c . "$a")" -ge "$seeds" ]; then
    echo "repeat: $seeds passed, 0 failed, 0 skipped"
else
    diff "$a" "$c" | head -n 10
    echo "repeat: 0 passed, 1 failed, 0 skipped"
    exit 1
fi
