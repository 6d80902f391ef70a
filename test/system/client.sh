#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# client.sh - applications that use libaccord against a real daemon, with either of them killed.
. "$(dirname "$0")/lib.sh"

export ACCORD_SOCKET="$tmp/web1.sock"
client=$tmp/client
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g $sanitize -pthread -Iinclude \
    -o "$client" test/system/client.c -L"$build" -laccord >"$tmp/err" 2>&1 ||
    {
        not_ok client-builds
        exit 1
    }
cat >"$tmp/accord.conf" <<'END'
[namespace refreshed]
ttl = 20s
refresh_at = 0.05
jitter = 0
[namespace graced]
ttl = 1s
grace = 60s
jitter = 0
[namespace brief]
unsure_ttl = 30s
END
node_start web1 --config "$tmp/accord.conf"
node=$node_pid

is everything-in-the-header-works timeout 60 "$client" everything
is eight-threads-read-load-and-remove timeout 60 "$client" threads 2
is parent-and-four-children-go-on timeout 60 "$client" forks

# ---- one loader per host: 20 processes, each would sleep for 300 ms
loaders=''
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    timeout 60 "$client" load twenty 20000 300 >"$tmp/load.$i" 2>&1 &
    loaders="$loaders $!"
done
# shellcheck disable=SC2086
wait $loaders
is twenty-processes-load-once [ "$(cat "$tmp"/load.* | grep -c '^loaded')" = 1 ]
is the-others-are-given-it [ "$(cat "$tmp"/load.* | grep -c '^given state 1')" = 19 ]

# ---- a loader that dies, and one that hangs: load_timeout is 2 s
within() { # within FILE MILLISECONDS: what it says it took
    [ "$(sed -nE 's/.*after ([0-9]+) ms/\1/p' "$1")" -le "$2" ]
}
hold() { # hold KEY: somebody has the right to load it, and does not come back
    rm -f "$tmp/waits"
    "$client" hold "$1" >"$tmp/hold.$1" 2>&1 &
    holder=$!
    until_true 60 grep -q loading "$tmp/hold.$1" || cat "$tmp/hold.$1"
}
let_go() {
    kill -KILL $holder
    wait $holder 2>/dev/null
}
hold dies
timeout 60 "$client" load dies 20000 0 >"$tmp/waits" 2>&1 &
waiter=$!
sleep 0.3
let_go
wait $waiter
is a-killed-loader-s-right-goes-to-another grep -q '^loaded state 1' "$tmp/waits"
is and-it-goes-at-once within "$tmp/waits" 1500

hold hangs
is a-hanging-loader-does-not-hold-up-others-for-ever timeout 60 "$client" load hangs 20000 0
timeout 60 "$client" load hangs 20000 0 >"$tmp/waits" 2>&1
is what-the-other-loaded-is-there grep -q '^given state 1' "$tmp/waits"
"$accord" remove hangs >/dev/null
let_go
hold patience
timeout 60 "$client" load patience 200 0 >"$tmp/waits" 2>&1
is who-waits-no-longer-loads-alone grep -q '^loaded' "$tmp/waits"
is and-has-waited-as-long-as-it-said within "$tmp/waits" 1500
let_go

# ---- due for a refresh, and within grace: one loads, the others have what is there at once
at_once() { # at_once KEY STATE LEAST: 10 processes, of which one loads, for a second; LEAST of
    # the others have the old value, whose state is STATE
    rm -f "$tmp"/load.*
    loaders=''
    for i in 1 2 3 4 5 6 7 8 9 10; do
        timeout 60 "$client" load "$1" 20000 1000 >"$tmp/load.$i" 2>&1 &
        loaders="$loaders $!"
    done
    # shellcheck disable=SC2086
    wait $loaders
    cat "$tmp"/load.*
    [ "$(cat "$tmp"/load.* | grep -c '^loaded state 1')" = 1 ] &&
        [ "$(cat "$tmp"/load.* | grep -c '^given')" = 9 ] &&
        [ "$(awk -v s="$2" '$1 == "given" && $3 == s && $5 < 900' "$tmp"/load.* | wc -l)" -ge "$3" ]
}
timeout 60 "$client" load refreshed:1 20000 0 >"$tmp/waits" 2>&1
timeout 60 "$client" load graced:1 20000 0 >"$tmp/waits" 2>&1
is what-was-just-loaded-is-not-refreshed sh -c "'$client' load refreshed:1 20000 0 | grep -q '^given state 1'"
sleep 1.3
is one-refreshes-and-nine-hit at_once refreshed:1 1 3
is one-loads-within-grace-and-others-have-the-stale-value at_once graced:1 2 1

# ---- another time namespace: no mapping, and all of it works over the socket
if unshare --time --boottime 100000 true 2>/dev/null; then
    "$accord" set there far >/dev/null
    is in-another-time-namespace-reads-go-over-the-socket \
        sh -c "[ \"\$(unshare --time --boottime 100000 '$accord' get there)\" = far ]"
    is and-so-does-everything-else unshare --time --boottime 100000 "$client" everything
else
    skip another-time-namespace 'not permitted here'
fi

# ---- killed in the middle of reads and fills: everybody else goes on
killed=''
for what in read fill read fill; do
    "$client" for-ever $what >"$tmp/$what" 2>&1 &
    killed="$killed $!"
done
until_true 60 sh -c "grep -q begun '$tmp/read' && grep -q begun '$tmp/fill'"
sleep 0.5
for p in $killed; do
    kill -KILL "$p"
    wait "$p" 2>/dev/null
done
is others-go-on-after-readers-and-fillers-were-killed timeout 60 "$client" threads 1
is the-node-is-still-fresh fresh "$ACCORD_SOCKET"

# ---- the daemon stopped under eight threads, and going on
is of-a-stopped-daemon-few-calls-pay-the-timeout timeout 120 "$client" stops "$node"
is and-when-it-goes-on-so-does-everything until_true 60 fresh "$ACCORD_SOCKET"

# ---- the daemon killed and restarted under four readers
timeout 90 "$client" restart >"$tmp/restart" 2>"$tmp/err" &
readers=$!
until_true 60 grep -q '^hits' "$tmp/restart"
node_stop "$node" KILL
sleep 4 # its last lease runs out
node_start web1 --config "$tmp/accord.conf"
node=$node_pid
wait $readers
is readers-survive-a-killed-daemon [ $? -eq 0 ]
is readers-hit-then-are-unsure-then-hit-again grep -q '4 hit, 4 unsure, 4 hit again' "$tmp/restart"

# ---- the bus is lost: what is loaded meanwhile is kept for a while, as stale, never as a hit. And
# what cannot be published is queued, by a node that soon gives up waiting
publish_timeout=500ms
node_start web2
mv "$tmp/bus" "$tmp/away" # the folder, or the file would be made anew
is without-its-bus-the-node-is-unsure until_true 60 sh -c "! '$accord' status | grep -q ^fresh"
timeout 60 "$client" load brief:1 1000 0 >"$tmp/waits" 2>&1
is while-unsure-the-origin-is-asked grep -q '^loaded state 5' "$tmp/waits"
timeout 60 "$client" load brief:1 1000 0 >"$tmp/waits" 2>&1
is and-then-what-it-said-is-served-as-stale grep -q '^given state 2' "$tmp/waits"
is while-unsure-a-removal-is-queued-and-says-so \
    sh -c "'$accord' remove brief:2 --socket '$tmp/web2.sock' --timeout 90s 2>'$tmp/err'
        [ \$? -eq 8 ] && grep -q queued '$tmp/err'"
mv "$tmp/away" "$tmp/bus"
is with-its-bus-it-is-fresh-again until_true 60 fresh "$ACCORD_SOCKET"
timeout 60 "$client" load brief:1 1000 0 >"$tmp/waits" 2>&1
is and-what-was-kept-meanwhile-is-loaded-anew grep -q '^loaded state 1' "$tmp/waits"

# ---- a clean stop while it is used, and no daemon at all
node_stop "$node"
is a-stopped-daemon-is-gone sh -c "'$accord' get k; [ \$? -eq 4 ]"

# ---- a node inside the process
is a-node-inside-the-process-works timeout 60 "$client" everything \
    "embed:?bus=memory:embedded&name=inside&memory=16M"
