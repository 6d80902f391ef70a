#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# client_verbs.sh - the client verbs of the command line, as a person and as a script use them.
. "$(dirname "$0")/lib.sh"

node_start web1
first=$node_pid
node_start web2
export ACCORD_SOCKET="$tmp/web1.sock"
other=$tmp/web2.sock

# run CODE COMMAND…: its exit code is CODE; output in $tmp/out, messages in $tmp/err.
run() {
    expected=$1
    shift
    timeout 30 "$accord" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    code=$?
    [ $code -eq "$expected" ] || echo "accord $*: exit code $code, expected $expected"
    [ $code -eq "$expected" ]
}
prints() { # prints TEXT CODE COMMAND…
    text=$1
    shift
    run "$@" && { [ "$(cat "$tmp/out")" = "$text" ] || { cat "$tmp/out"; false; }; }
}
explains() { # explains TEXT CODE COMMAND…: on standard error
    text=$1
    shift
    run "$@" && { grep -qF -- "$text" "$tmp/err" || { cat "$tmp/err"; false; }; }
}
json() { # json EXPRESSION CODE COMMAND…: over the object d
    expression=$1
    shift
    run "$@" && python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$tmp/out" "$expression"
}

# ---- what is wrong with the command line, or with the socket
run 0 --help
is help-has-no-blanks-at-the-ends-of-lines sh -c "! grep -n ' $' '$tmp/out'"
is a-flag-given-twice-is-refused explains '--socket is given twice: leave one of them out' 2 get k --socket a --socket b
is a-view-too explains '--timeout is given twice' 2 status --timeout 1s --timeout=2s
is a-flag-without-its-value-says-so explains '--socket wants a value' 2 status --socket
is serve-names-both explains '--name is given twice, as "a" and "b"' 2 serve --name a --name b
is relay-too explains '--to is given twice' 2 relay --to a --to=b
is an-empty-tag-is-refused explains '--tag: a tag has 1 to 8192 bytes' 2 set k v --tag ''
is an-empty-id-is-refused explains '--id: an id has 1 to 64 bytes' 2 remove k --id ''
is no-time-to-answer-is-refused explains '"0s" is no time at all' 2 get k --timeout 0s
is remove-by-tag-wants-tags explains 'one or more tags are expected' 2 remove --tag
: >"$tmp/file"
is a-file-is-no-socket explains 'that is no socket; name the daemon' 4 get k --socket "$tmp/file"
is a-file-is-no-socket-for-status explains 'that is no socket; name the daemon' 4 status --socket "$tmp/file"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$tmp/stale.sock"
is a-stale-socket-says-that-its-daemon-has-ended explains 'the one that listened there has ended' 4 get k --socket "$tmp/stale.sock"
is as-a-view explains 'the one that listened there has ended' 4 nodes --socket "$tmp/stale.sock"
is a-path-too-long-for-a-socket-says-so explains "a socket's path has 1 to 107 bytes" 2 status --socket "$(printf '%0120d' 0)"

# Somebody else, who is in no group: as root alone that can be tried.
denied() { # denied TEXT
    chmod 755 "$tmp"
    install -m 755 "$accord" "$tmp/accord"
    for verb in status 'get k'; do
        # shellcheck disable=SC2086
        setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/accord" $verb >"$tmp/out" 2>"$tmp/err"
        code=$?
        if [ $code -ne 4 ] || ! grep -qF -- "$1" "$tmp/err"; then
            echo "$verb: exit code $code"
            cat "$tmp/err"
            return 1
        fi
    done
}
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    is permission-denied-names-who-may denied 'it is open to root and the group root (mode 0660)'
    chgrp daemon "$tmp/web1.sock"
    is and-how-to-be-one-of-them denied 'become a member (usermod -aG daemon USER'
    chmod 600 "$tmp/web1.sock"
    is or-that-nobody-may denied 'it is open to root alone (mode 0600)'
    chmod 660 "$tmp/web1.sock"
else
    echo "skip permission-denied: needs root and setpriv"
fi

# ---- get and set
is get-of-nothing-is-a-miss run 5 get k
is get-json-of-a-miss json 'd["state"] == "miss" and d["value"] is d["age_ms"] is d["ttl_ms"] is d["version"] is None' 5 get k --json
is set-says-where-it-stands run 0 set k hello
is set-prints-a-position grep -qE '^set [0-9]+@[0-9a-f]+$' "$tmp/out"
is get-prints-the-value prints hello 0 get k
is get-json-has-the-value json 'd["state"] == "hit" and d["value"] == "hello" and d["ttl_ms"] is None or d["ttl_ms"] > 0' 0 get k --json
is set-with-flags-after-the-words run 0 set k2 v2 --ttl 1h --tag t1 --tag t2
# Jitter takes a part of it.
is get-json-has-the-ttl json '2700000 < d["ttl_ms"] <= 3600000' 0 get --json k2
head -c 100000 /dev/urandom >"$tmp/binary"
stdin_to() { "$accord" set "$1" - <"$tmp/binary" >/dev/null; }
is set-reads-standard-input stdin_to bin
binary_back() { "$accord" get bin | cmp - "$tmp/binary"; }
is get-gives-every-byte-back binary_back
is get-json-gives-binary-as-base64 json '__import__("base64").b64decode(d["value"]["base64"]) == open("'"$tmp"'/binary","rb").read()' 0 get bin --json
is a-word-that-begins-with-a-dash-goes-after-two run 0 set -- -k -v
is get-takes-it-back prints -v 0 get -- -k
is an-empty-value-is-a-value run 0 set empty ''
is an-empty-value-is-a-hit prints '' 0 get empty

# ---- remove, in all its forms
is remove-says-where-it-stands run 0 remove k
is what-was-removed-is-a-miss run 5 get k
gone_there() { "$accord" get "$1" --socket "$other"; [ $? -eq 5 ]; }
"$accord" set far here --socket "$other" >/dev/null
is the-other-node-has-it prints here 0 get far --socket "$other"
is remove-many run 0 remove far k2 nothing
is it-is-gone-on-the-other-node until_true 60 gone_there far
is remove-json json 'd["done"] == "removed" and "@" in d["position"]' 0 remove x --json
"$accord" set a 1 --tag red >/dev/null
"$accord" set b 2 --tag red >/dev/null
"$accord" set c 3 --tag blue >/dev/null
is remove-by-tag run 0 remove --tag red
is all-with-the-tag-are-gone run 5 get a
is both-of-them run 5 get b
is others-stay prints 3 0 get c
"$accord" set s old --grace 1h >/dev/null
is remove-softly run 0 remove --soft s
is what-was-softly-removed-is-stale prints old 7 get s
is stale-says-so explains 'stale (removed)' 7 get s
is flush-is-remove run 0 flush c
is flushed-is-gone run 5 get c
is seed-stores-here run 0 seed c 4
is seeded-is-a-hit prints 4 0 get c
"$accord" set c 5 --socket "$other" >/dev/null
is seeding-elsewhere-removes-here until_true 60 run 5 get c
is clear-everything run 0 clear --all
is cleared-is-gone run 5 get bin

# ---- ack = local: on this node's disk, and not yet in the log
node_start web3 --ack local --state "$tmp/state"
local_one=$tmp/web3.sock
is set-on-the-disk-says-so prints 'set (kept on this host'"'"'s disk; the bus gets it from there)' 0 set l 1 --socket "$local_one"
is it-is-here-all-the-same prints 1 0 get l --socket "$local_one"
is remove-on-the-disk run 0 remove l far --socket "$local_one"
is clear-on-the-disk run 0 clear --all --socket "$local_one"
is on-the-disk-there-is-no-position-yet json 'd == {"done": "removed", "position": None}' 0 remove l --socket "$local_one" --json
is on-the-disk-or-not-strict-is-strict json '"@" in d["position"]' 0 remove l --wait 20s --socket "$local_one" --json
node_stop "$node_pid"

# ---- memoize
counted() { # counted N: the command ran N times
    [ "$(wc -l <"$tmp/ran")" -eq "$1" ]
}
: >"$tmp/ran"
is memoize-runs-the-command prints one 0 memoize m --ttl 1h -- sh -c "echo x >>$tmp/ran; echo one"
is memoize-then-prints-it prints one 0 memoize m --ttl 1h -- sh -c "echo x >>$tmp/ran; echo two"
is memoize-ran-it-once counted 1
"$accord" remove m >/dev/null
is memoize-runs-it-again-after-a-removal prints two 0 memoize m -- sh -c "echo x >>$tmp/ran; echo two"
is memoize-passes-the-exit-status prints part 3 memoize bad -- sh -c 'echo part; exit 3'
is memoize-does-not-keep-a-failure run 5 get bad
is memoize-passes-a-signal-as-shells-do run 143 memoize bad -- sh -c 'kill -TERM $$'
quietly() { run 0 memoize pipe -- sh -c 'yes | head -n 1' && [ ! -s "$tmp/err" ]; }
is memoize-leaves-pipes-as-they-were quietly
is memoize-of-no-such-command explains 'No such file' 127 memoize bad -- /nowhere/at-all
is memoize-says-what-is-too-large-to-keep explains 'printed, and not kept: it is larger than a block of the cache' 0 memoize large -- head -c 2000000 /dev/zero
is memoize-prints-it-all-the-same [ "$(wc -c <"$tmp/out")" -eq 2000000 ]
is memoize-says-it-of-17-MB explains 'printed, and not kept: it is over 16 MiB' 0 memoize large -- head -c 17000000 /dev/zero
is memoize-prints-that-too [ "$(wc -c <"$tmp/out")" -eq 17000000 ]
is memoize-json json 'd["ran"] and d["exit"] == 0 and d["output"] == "hi\n"' 0 memoize j --json -- echo hi
is memoize-without-a-daemon prints hi 0 memoize j --socket "$tmp/no.sock" -- echo hi
large() { "$accord" memoize big -- cat "$tmp/large" | cmp - "$tmp/large"; }
head -c 20000000 /dev/zero >"$tmp/large"
is memoize-passes-on-what-is-too-large-to-keep large
many() { # twenty processes of this host, one run
    : >"$tmp/ran"
    memoizers=''
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$accord" memoize once --wait 20s -- sh -c "echo x >>$tmp/ran; sleep 0.5; echo v" \
            >"$tmp/many.$i" 2>&1 &
        memoizers="$memoizers $!"
    done
    # shellcheck disable=SC2086
    wait $memoizers
    counted 1 && [ "$(cat "$tmp"/many.* | sort | uniq -c | awk '{print $1 $2}')" = 20v ]
}
is twenty-processes-run-it-once many

# ---- bounds of one read, and positions
run 0 set bounded v --ttl 1h
is get-within-a-bound-is-a-hit prints v 0 get bounded --max-stale 0ms
is get-within-a-bound-of-a-miss run 5 get not-there --max-stale 0ms
is get-says-which-bound-is-meant explains '--max-stale' 2 get bounded --max-stale soon
run 0 remove bounded --json
at=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["position"])' "$tmp/out")
is sync-waits-for-a-position prints "applied here: $at" 0 sync "$at"
is sync-json-says-so json "d == {'applied': True, 'position': '$at'}" 0 sync "$at" --json
is sync-without-a-position prints 'applied here: all that the bus had' 0 sync
is sync-of-what-is-to-come-times-out run 9 sync "999999999@${at#*@}" --wait 0ms
is sync-of-another-log-says-so explains 'epoch' 1 sync 1@77
is sync-of-nonsense-says-how-it-looks explains 'such as 12@1f' 2 sync nonsense

# ---- watch
"$accord" watch 'greeble:*' --count 3 >"$tmp/watched" 2>"$tmp/err" &
watcher=$!
until_true 60 grep -q watching "$tmp/err"
"$accord" remove other:1 >/dev/null
"$accord" remove greeble:43 >/dev/null
sqlite3 "$bus" "INSERT INTO accord_changes(key) VALUES ('greeble:44')"
until_true 60 grep -q greeble:44 "$tmp/watched"
"$accord" remove --soft greeble:45 --socket "$other" >/dev/null
is watch-ends-after-its-count until_true 60 sh -c "! kill -0 $watcher"
is watch-tells-who grep -qE '^remove greeble:43 by web1 at [0-9]+@' "$tmp/watched"
is watch-tells-of-a-person grep -q '^remove greeble:44 by a person or a trigger' "$tmp/watched"
is watch-tells-of-the-other-node grep -q '^remove soft greeble:45 by web2' "$tmp/watched"
is watch-leaves-out-what-does-not-match sh -c "! grep -q other '$tmp/watched'"
"$accord" watch --json >"$tmp/watched" 2>"$tmp/watch.err" &
watcher=$!
until_true 60 grep -q watching "$tmp/watch.err"
node_stop "$first" KILL
is watch-says-when-changes-may-be-missing until_true 60 grep -q 'may be missing' "$tmp/watch.err"
node_start web1
is watch-goes-on-after-a-restart until_true 60 grep -q 'watching again' "$tmp/watch.err"
"$accord" remove after >/dev/null
is watch-json-is-an-object-a-line until_true 60 grep -q '"key":"after"' "$tmp/watched"
kill -INT $watcher
is watch-ends-well-on-ctrl-c wait $watcher

# ---- bench
is bench-measures run 0 bench --keys 1000 --each 100ms
is bench-says-what-a-hit-costs grep -qE '^get, a hit, copied +[0-9.]+ ns' "$tmp/out"
is bench-json json 'd["hit_ns"] > 0 and d["not_hits"] == 0' 0 bench --keys 1000 --each 100ms --json
is bench-publishes-nothing-unless-asked sh -c "[ \$(sqlite3 '$bus' \"SELECT count(*) FROM accord_changes WHERE key LIKE 'accord-bench%'\") = 0 ]"

# ---- wrong use
is get-wants-a-key explains 'one key is expected' 2 get
is an-unknown-flag-is-named explains 'unknown flag --nonsense' 2 get k --nonsense
is a-flag-without-its-value explains '--ttl wants a value' 2 set k v --ttl
is a-bad-duration-is-explained explains '"soon" is no duration; write 500ms' 2 set k v --ttl soon
is clear-wants-to-know-what explains 'or --all' 2 clear
is memoize-wants-a-command explains 'a command are expected' 2 memoize k
is no-daemon-is-exit-code-4 explains 'no daemon answers at' 4 get k --socket "$tmp/no.sock"
long=$(head -c 9000 /dev/zero | tr '\0' k)
is a-key-over-the-limit-is-explained explains '1 to 8192 bytes' 2 get "$long"
is set-of-a-key-over-the-limit-too explains '1 to 8192 bytes' 2 set "$long" v
is memoize-of-a-key-over-the-limit-too explains '1 to 8192 bytes' 2 memoize "$long" -- echo hi
is remove-of-a-key-over-the-limit-too explains '1 to 8192 bytes' 2 remove "$long"
is a-key-at-the-limit-is-fine run 5 get "$(head -c 8192 /dev/zero | tr '\0' k)"
for verb in get set memoize remove flush seed clear watch bench; do
    is "$verb-help-teaches" sh -c "'$accord' $verb --help | grep -q '  accord $verb'"
done
full() { # full CODE COMMAND…
    expected=$1
    shift
    "$accord" "$@" >/dev/full 2>"$tmp/err"
    [ $? -eq "$expected" ] && [ "$(cat "$tmp/err")" = 'accord: standard output: No space left on device' ]
}
for command in 'get c --json' 'set c 6' status nodes version 'ping --all' --help 'help set' 'set --help' maxstale; do
    # shellcheck disable=SC2086
    is "a-full-disk-is-told-by-$(echo "$command" | tr ' ' -)" full 1 $command
done
is who-closes-a-pipe-gets-no-message sh -c "'$accord' --help 2>'$tmp/err' | head -n 1 >/dev/null; ! [ -s '$tmp/err' ]"
is a-life-of-nothing-is-refused explains 'is no time at all' 2 set nothing v --ttl 0s
is and-nothing-is-stored run 5 get nothing
is memoize-refuses-it-too explains 'is no time at all' 2 memoize nothing --ttl 0 -- echo hi
is clear-takes-a-name-or-all explains 'give a namespace or --all, not both' 2 clear k --all
is clear-of-what-is-not-declared explains 'only declared ones can be cleared' 2 clear page
is demo-wants-a-bus-there-is explains 'names no bus of this build' 2 demo --bus foo:x
is torture-wants-it-too explains 'names no bus of this build' 2 torture --bus foo:x
if command -v redis-server >/dev/null; then
    redis-server --port 0 --unixsocket "$tmp/redis.sock" --save '' --dir "$tmp" >"$tmp/redis.out" 2>&1 &
    redis=$!
    until_true 60 test -S "$tmp/redis.sock"
    for command in 'get k' status nodes 'ping --all'; do
        # shellcheck disable=SC2086
        is "a-redis-is-no-daemon-says-$(echo "$command" | tr ' ' -)" \
            explains 'is not an Accord daemon' 1 $command --socket "$tmp/redis.sock"
    done
    kill $redis
else
    skip a-redis-is-no-daemon 'no redis-server here'
fi
is bus-wants-to-know-what explains 'expected schema or drop' 2 bus
is bus-knows-its-words explains '"make" is not known' 2 bus make sqlite:/x
is bus-knows-its-urls explains 'names no bus of this build' 2 bus drop pigeon:x
is bus-of-a-file-has-nothing-to-drop explains 'delete its files' 1 bus drop sqlite:/x
is bus-of-a-file-has-nothing-to-prepare explains 'nothing needs' 1 bus schema sqlite:/x
