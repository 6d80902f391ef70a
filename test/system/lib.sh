# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - what system tests share; read with `.`, not run. Gives $accord, $build, $tmp (removed at
# the end), nodes that are stopped at the end, and lines that tools/check.sh counts.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${ACCORD_BUILD:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
accord=$build/accord
export PATH="$build:$PATH" LD_LIBRARY_PATH="$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
tmp=$(mktemp -d)
mkdir "$tmp/bus"
bus=$tmp/bus/bus.db
failed=0
node_pids=''

# The compiler flags of the build under test, for programs of the tests' own.
case $(nm -D "$build/libaccord.so" 2>/dev/null | grep -oE '__(tsan|asan)_init' | head -n 1) in
*tsan*) sanitize=-fsanitize=thread ;;
*asan*) sanitize=-fsanitize=address,undefined ;;
*) sanitize='' ;;
esac

ok() { echo "ok $1"; }
skip() { echo "skip $1: $2"; }
not_ok() {
    failed=1
    echo "not ok $1"
    for f in "$tmp/out" "$tmp/err" "$tmp/waits" "$tmp"/*.log; do
        [ -s "$f" ] && { echo "---- $f"; tail -n 20 "$f"; }
    done
}
# is NAME COMMAND…: one test.
is() {
    name=$1
    shift
    if "$@" >"$tmp/is" 2>&1; then ok "$name"; else
        not_ok "$name"
        cat "$tmp/is"
    fi
}
# until_true SECONDS COMMAND…: tries ten times a second.
until_true() {
    tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -le 0 ] && return 1
        sleep 0.1
    done
}
fresh() { "$accord" status --socket "$1" | grep -q '^fresh'; }

# node_start NAME [FLAGS…]: a node of its own socket $tmp/NAME.sock on the bus $bus; its process is in
# $node_pid. Waits until it is fresh. Gives a busy machine $publish_timeout to publish.
publish_timeout=20s
node_start() {
    node_name=$1
    shift
    "$accord" serve --name "$node_name" --bus "sqlite:$bus" \
        --socket "$tmp/$node_name.sock" --memory 16M --publish-timeout "$publish_timeout" "$@" \
        >>"$tmp/$node_name.log" 2>&1 </dev/null &
    node_pid=$!
    node_pids="$node_pids $node_pid"
    until_true 60 fresh "$tmp/$node_name.sock" || {
        not_ok "node-$node_name-becomes-fresh"
        exit 1
    }
}
# node_stop PID [SIGNAL]: and waits for it.
node_stop() {
    kill -s "${2:-TERM}" "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    node_pids=$(echo "$node_pids" | sed "s/\\b$1\\b//")
}
finish() {
    for p in $node_pids; do
        kill "$p" 2>/dev/null
        kill -s CONT "$p" 2>/dev/null # one that a test has stopped would never end
    done
    # shellcheck disable=SC2086
    [ -n "$node_pids" ] && wait $node_pids 2>/dev/null
    rm -rf "$tmp"
    [ $failed -eq 0 ]
}
trap 'finish; exit $?' EXIT
trap 'exit 1' INT TERM
