#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo.sh - accord demo as a user runs it: it keeps its promises, its checker bites, it leaves
# nothing behind. ACCORD_BUILD: the folder with the program (default build).
. "$(dirname "$0")/fleet.sh"
# A sanitizer on a busy machine makes few reads a second; what it finds counts, not how many. Where
# there are fewer, a run goes on by itself: so the limits are far.
few=100 patience=400
[ -n "${ACCORD_SANITIZED:-}" ] && few=1

# ---- wrong arguments: named, explained, exit code 2, and nothing started
run 10 demo --seconds 3
is demo-refuses-a-value-out-of-range [ $code -eq 2 ]
is demo-says-what-it-expects says '--seconds: expected a number from 4 to 86400, not "3"'
run 10 demo --secons 6
is demo-refuses-an-unknown-flag [ $code -eq 2 ]
run 10 demo --seconds 4 --input /nowhere/at-all
is demo-fails-without-its-input [ $code -eq 1 ]
is demo-names-the-missing-input says '/nowhere/at-all: No such file or directory'
printf 'Package: a\nnonsense\n' >"$tmp/bad"
run 10 demo --seconds 4 --input "$tmp/bad"
is demo-names-the-line-that-is-no-control-file says 'line 2: expected'
run 10 demo --seconds 4 --trace /nowhere/at-all
is demo-names-the-missing-trace says '/nowhere/at-all: No such file or directory'
run 10 demo --seconds 4 --bus nonsense:x
is demo-refuses-a-bus-that-is-none [ $code -eq 2 ]
run 60 demo --seconds 4 --bus sqlite:/proc/nowhere/bus.db
is demo-fails-where-its-nodes-cannot-start [ $code -eq 1 ]
is demo-leaves-nothing-after-an-error leaves_nothing

# ---- a run with no terminal: every promise holds, one node killed and back
run $patience demo --seconds 6 --hits-min $few --input "$input"
is demo-keeps-its-promises [ $code -eq 0 ]
is demo-says-so says 'every promise held'
is demo-kills-a-node says 'was killed with SIGKILL'
is demo-sees-it-serve-hits-again says 'serves hits again'
is demo-prints-plain-lines-without-a-terminal sh -c "! grep -q '$(printf '\033')' '$tmp/out'"
is demo-leaves-nothing leaves_nothing

# ---- too little to judge by: no promise is said to have held
run $patience demo --seconds 4 --hits-min 1000000000000 --input "$tmp/packages"
is demo-without-enough-hits-is-not-judged [ $code -eq 11 ]
is demo-says-that-nothing-was-judged says 'NOT JUDGED'
is demo-claims-nothing-then sh -c "! grep -q 'every promise held' '$tmp/out'"

# ---- the same as one object. Few changes: readers that are given little time mostly hit, too.
run $patience demo --seconds 6 --rate 10 --hits-min $few --max-stale 1s --json --input "$tmp/packages"
is demo-json-run-keeps-its-promises [ $code -eq 0 ]
is demo-json-is-one-object python3 -m json.tool "$tmp/out" "$tmp/pretty"
is demo-json-has-reads-that-hit json 'd["with"]["hits"] > 0 and d["without"]["reads"] > 0'
is demo-json-hits-mostly json 'd["with"]["hit_ratio"] > 0.5'
is demo-json-has-no-broken-promise json 'd["freshness"]["beyond_the_bound"] == 0 and d["promises_kept"]'
is demo-json-judged-enough json 'd["verdict"] == "held" and d["with"]["hits"] >= d["hits_needed"] == '$few
if [ -z "${ACCORD_SANITIZED:-}" ]; then # its probers run when nobody else wants to
    is demo-json-measured-removals json 'd["removals"]["gone_on_all_nodes_ns"]["count"] > 0'
fi
is demo-json-knows-refused-fills json 'd["refused_stale_fills"] is not None'
is demo-json-saw-the-node-return json 'd["killed"]["served_hits_again"]'

# ---- a trace instead of zipf
seq 1 500 | awk '{ print "key" $1 % 37 }' >"$tmp/trace"
run $patience demo --seconds 4 --max-stale 1s --hits-min $few --trace "$tmp/trace" --input "$input"
is demo-replays-a-trace [ $code -eq 0 ]
is demo-says-how-many-keys-the-trace-has says '500 requests of 37 different keys'

# ---- the checker bites: removals that are forgotten are found
run $patience demo --seconds 8 --max-stale 1s --break removal --json --input "$input"
is demo-break-removal-exits-with-10 [ $code -eq 10 ]
is demo-break-removal-counts-stale-reads json 'd["freshness"]["beyond_the_bound"] > 0 and not d["promises_kept"]'
is demo-break-removal-tells-them-in-full json '"was acknowledged (bound: 1.00 s" in d["broken"][0]'
is demo-break-removal-leaves-nothing leaves_nothing

# ---- ended from outside: politely, and not
ended_by() { # ended_by SIGNAL: after it nothing is left
    "$accord" demo --seconds 60 --input "$tmp/packages" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    tries=0
    until grep -q 'reads/s' "$tmp/out" || [ $tries -ge 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -s "$1" $pid
    wait $pid 2>/dev/null
    tries=0
    until leaves_nothing || [ $tries -ge 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    leaves_nothing
}
is demo-interrupted-leaves-nothing ended_by INT
is demo-interrupted-says-so says 'interrupted'
is demo-killed-leaves-nothing ended_by KILL
ended_at_once() { # as soon as it has said what it does, while its nodes begin
    : >"$tmp/out" # of the run before
    "$accord" demo --seconds 60 --input "$tmp/packages" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    tries=0
    until grep -q 'in a SQLite origin' "$tmp/out" || [ $tries -ge 2000 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    kill -s INT $pid
    wait $pid
    [ $? -eq 1 ] && leaves_nothing && ! grep -qE 'PROBLEM|FAILED' "$tmp/out" && [ ! -s "$tmp/err" ]
}
is demo-interrupted-at-its-start-ends-its-nodes ended_at_once
is demo-interrupted-at-its-start-says-so says 'interrupted'
