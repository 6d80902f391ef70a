#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# torture.sh - accord torture as a user runs it, and every scenario of test/scenario on real
# processes. ACCORD_BUILD: the folder with the program (default build).
. "$(dirname "$0")/fleet.sh"

# A run: torture FLAGS…
torture() { run 240 torture --input "$input" "$@"; }
# A sanitizer on a busy machine makes few reads a second; what it finds counts, not how many.
few=100
[ -n "${ACCORD_SANITIZED:-}" ] && few=1

torture --faults kill,sleep
is torture-refuses-an-unknown-fault [ $code -eq 2 ]
is torture-lists-the-faults says 'there is no "sleep"; there are all, kill, end, stop, reader-kill'
torture --bus redis://127.0.0.1:1/x --faults bus-move
is torture-refuses-a-fault-that-the-bus-cannot-have says 'expected one that needs no sqlite bus'
torture --scenario /nowhere/at-all
is torture-names-the-missing-scenario says '/nowhere/at-all: No such file or directory'
echo 'at 1s kill web51' >"$tmp/bad.scn"
torture --scenario "$tmp/bad.scn"
is torture-refuses-a-node-that-cannot-be says '"kill web51": there is no such one'
echo 'at 1s kill' >"$tmp/bad.scn"
torture --scenario "$tmp/bad.scn"
is torture-names-the-line says 'bad.scn: line 1: expected at TIME FAULT WHOM [in N calls] [by TIME] [for TIME]'
head -c 131073 /dev/zero | tr '\0' '\n' >"$tmp/bad.scn"
torture --scenario "$tmp/bad.scn"
is torture-refuses-a-scenario-that-is-too-long says 'bad.scn: a scenario has at most 131072 bytes'
is torture-leaves-nothing-after-an-error leaves_nothing

torture --seconds 8 --nodes 4 --seed 7 --every 500ms --hits-min $few --json
is torture-keeps-its-promises [ $code -eq 0 ]
is torture-json-is-one-object python3 -m json.tool "$tmp/out" "$tmp/pretty"
is torture-json-says-so json 'd["promises_kept"] and d["verdict"] == "held" and d["beyond_the_bound"] == 0'
is torture-judged-enough json 'd["hits_under_faults"] >= d["hits_needed"] == '$few
is torture-did-faults json 'sum(d["faults"].values()) > 3'
is torture-saw-nodes-return json 'd["fresh_again_ns"]["count"] > 0 and d["compared"] > 0'
is torture-leaves-nothing leaves_nothing

torture --seconds 6 --nodes 2 --faults reader-kill --break removal --json
is torture-break-removal-exits-with-10 [ $code -eq 10 ]
is torture-break-removal-tells json '"was acknowledged (bound: 1.00 s" in d["broken"][0]'

torture --seconds 4 --nodes 1 --readers 1 --hits-min 1000000000000
is torture-without-enough-hits-is-not-judged [ $code -eq 11 ]
is torture-says-that-nothing-was-judged says 'NOT JUDGED'
is torture-claims-nothing-then sh -c "! grep -q 'every promise held' '$tmp/out'"

echo 'at 1s turn web1 by -1h' >"$tmp/turn.scn"
torture --scenario "$tmp/turn.scn"
is torture-says-what-a-scenario-needs [ $code -eq 12 ]
is torture-names-the-step-that-cannot-be says \
    'turn.scn: line 1: "turn web1 by -1h" cannot be done here: a wall clock of its own: give --wallclock'

# What the machine or the user's rights do not allow is a skip, and says what that is. A sanitizer
# must be the first library of a process: there is no wall clock for it.
wallclock=
[ -z "${ACCORD_SANITIZED:-}" ] && wallclock=$tmp/wallclock.so &&
    ${CC:-cc} -D_GNU_SOURCE -shared -fPIC -o "$wallclock" test/system/wallclock.c -ldl
for scenario in test/scenario/*.scn; do
    name=$(basename "$scenario" .scn)
    torture --scenario "$scenario" --hits-min $few ${wallclock:+--wallclock "$wallclock"}
    if [ $code -eq 12 ]; then
        echo "skip scenario-$name: $(grep -h ' cannot be done here: ' "$tmp/err")"
    else
        is "scenario-$name" [ $code -eq 0 ]
    fi
done
is torture-leaves-nothing-at-all leaves_nothing
