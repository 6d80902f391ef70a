#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench.sh - installs what Accord is compared with, builds and runs bench/*_bench.c, writes
# build/bench.json and prints it as a table. Ends with status 1 where a program failed; a goal
# that is not reached is said, and is no failure.
#   tools/bench.sh             all of them
#   tools/bench.sh resp miss   bench/resp_bench.c and bench/miss_bench.c
# ACCORD_TRACES: folder of the key traces for miss_bench (default: bench/traces).
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh bench
make -s -j"$(nproc)" all
tools/nats_server.sh
out=build/bench
mkdir -p $out

# The programs link the very objects of build/accord and build/libaccord.so.
objects=$(ls src/*/*.c src/*/*/*.c | grep -vE '^src/cli/|_(test|fuzz)\.c$' |
    sed 's|^|build/|; s|\.c$|.o|')
rm -f $out/accord.a
# shellcheck disable=SC2086
ar rcs $out/accord.a $objects
build() { # build NAME
    "${CC:-cc}" -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
        -D_GNU_SOURCE -Isrc -Iinclude -I. "-I$(pg_config --includedir)" -o "$out/$1" \
        "bench/$1.c" bench/bench.c bench/fill.c bench/idle.c bench/many.c bench/prober.c bench/three.c \
        $out/accord.a \
        -Wl,--as-needed -pthread -luv -lsqlite3 -lpq -lnats -lstrophe -lhiredis -lssl -lcrypto -lz \
        -lmicrohttpd -lcurl -llmdb -linih -ljansson $(pkg-config --libs libzmq 2>/dev/null) -ldl -lm
}

traces=${ACCORD_TRACES:-bench/traces}
failed=''
run() { # run NAME
    echo "== $1" >&2
    set -- "$1" "$out/$1"
    [ "$1" = miss_bench ] && set -- "$@" "$traces"/*.keys*
    name=$1
    shift
    ACCORD_BUILD=$PWD/build "$@" >>$out/results.jsonl || failed="$failed $name"
}

# A partial run replaces its own results and keeps the others.
if [ $# -eq 0 ]; then
    set -- $(ls bench/*_bench.c | sed 's|.*/||; s|_bench\.c$||')
    rm -f $out/results.jsonl
fi
for name; do
    build "${name}_bench" || failed="$failed ${name}_bench"
done
for name; do
    [ -x "$out/${name}_bench" ] && run "${name}_bench"
done
tools/bench_table.py $out/results.jsonl build/bench.json
if [ -n "$failed" ]; then
    echo "bench: failed:$failed" >&2
    exit 1
fi
