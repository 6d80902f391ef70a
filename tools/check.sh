#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# check.sh - runs every test and ends with one line: "N passed, N failed, N skipped".
#   tools/check.sh quick   the plain build only
#   tools/check.sh LANE…   these of: gcc clang asan tsan model fuzz
#   tools/check.sh         all of them: also clang, AddressSanitizer+UBSan, ThreadSanitizer, the
#                          models, fuzzing
# A test program prints "…: N passed, N failed, N skipped"; a system test (test/system/*.sh, *.py)
# prints "ok NAME", "not ok NAME" or "skip NAME: why" lines. A program that prints neither, or
# ends badly without a failure of its own, counts as one failure. Two kinds of build are tested at
# a time: most tests wait more than they compute. What waits for real processes and servers, and
# failed while the machine did something else, is run once more when all is quiet: that verdict
# counts, and both are printed. What computes (simulator, models, fuzzing) has one try.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
trap 'exit 1' INT TERM

# count NAME EXIT_STATUS FILE: adds what FILE reports to the lane's counts.
count() {
    p=$(grep -cE '^ok ' "$3") f=$(grep -cE '^not ok ' "$3") s=$(grep -cE '^skip ' "$3")
    sums=$(sed -nE 's/^.*: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$3" |
        awk '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0}')
    read -r more_p more_f more_s <<EOF
$sums
EOF
    p=$((p + more_p)) f=$((f + more_f)) s=$((s + more_s))
    if { [ "$2" -ne 0 ] && [ $f -eq 0 ]; } || [ $((p + f + s)) -eq 0 ]; then
        f=$((f + 1))
        echo "not ok $1: ended with status $2" | tee -a "$log/failures"
    fi
    [ $f -gt 0 ] && { echo "---- $1"; grep -vE '^ok ' "$3" | tail -n 60; } | tee -a "$log/failures"
    grep -hE '^(skip|SKIP) ' "$3"
    echo "$1: $p passed, $f failed, $s skipped ($(($(date +%s) - began)) s)"
    echo "$p $f $s" >>"$log/counts"
}

# run NAME COMMAND…
run() {
    name=$1
    shift
    began=$(date +%s)
    timeout 900 "$@" </dev/null >"$out" 2>&1
    count "$name" $? "$out"
}

# try NAME COMMAND…: a run that is repeated at the end if it fails.
try() {
    run "$@"
    [ "$f" -eq 0 ] && return
    again=$(mktemp "$log/again.XXXXXX")
    {
        export -p
        echo "counted='-$p -$f -$s' what='$1'"
        shift
        printf 'set --'
        printf " '%s'" "$@"
        echo
    } >"$again"
}

# What failed beside others, alone. Of what passes now nothing failed.
try_again() {
    for again in "$log"/again.*; do
        [ -f "$again" ] || continue
        (
            . "$again"
            out=$log/again.out
            echo "again, alone: $what"
            run "again $what" "$@"
            [ "$f" -eq 0 ] && echo "flaky: $what failed beside others, passed alone" | tee -a "$log/failures"
            echo "$counted" >>"$log/counts"
        )
    done
}

# build NAME MAKE-ARGUMENTS…: a build that fails is one failed test, and what it cannot run.
build() {
    name=$1
    shift
    began=$(date +%s)
    if make -s -j2 "$@" all tests >"$out" 2>&1; then
        echo "ok build $name" >"$out"
        count "build $name" 0 "$out"
    else
        count "build $name" 1 "$out"
        return 1
    fi
}

# The contract on real chat servers is run in two lanes, not in four, and on ejabberd in one; with
# ACCORD_EJABBERD=1 the whole of it is asked there, not only what differs from Prosody.
# And a network that fails takes seconds of waiting: one lane.
slow=_on_xmpp,bus_network_
slower=_on_xmpp_ejabberd,bus_network_

units() { # units FOLDER [LEFT_OUT]
    for t in "$1"/test/*; do
        [ -f "$t" ] && [ -x "$t" ] && try "$t" env ACCORD_TEST_NOT="${2:-}" "$t"
    done
}

system() { # system FOLDER TESTS…
    folder=$1
    shift
    for t in "$@"; do
        [ -x "$t" ] && try "$folder $t" env ACCORD_BUILD="$PWD/$folder" "$t"
    done
}

# Seeds that no other commit has run, and that this one runs again: half a minute of them.
fresh_seeds() {
    commit=$(git rev-parse --short=8 HEAD 2>/dev/null) && echo "$((0x$commit))000" || date +%s000
}

# Kept seeds, the scenarios, the seeds that reach every rare path, those of themes, and fresh ones.
simulate() {
    make -s build/sim/accord-sim
    run "sim kept" build/sim/accord-sim --kept sim/seeds/kept.txt
    run "sim scenarios" tools/sim_scenarios.sh
    run "sim paths" build/sim/accord-sim --from 1 --seeds 400 --must-reach
    run "sim strangers" build/sim/accord-sim --theme stranger --from 1 --seeds 60
    for theme in holes cut ping space moved operator; do # never by chance, like strangers
        run "sim $theme" build/sim/accord-sim --theme $theme --from 1 --seeds 20
    done
    run "sim fresh" build/sim/accord-sim --seconds 30 --from "$(fresh_seeds)"
}

# lane NAME: one kind of build and its tests.
lane() {
    out=$log/$1.out
    case $1 in
    gcc)
        if build gcc; then
            units build
            simulate
            system build test/system/*.sh test/system/*.py
        fi
        ;;
    clang)
        if build clang CC=clang-14; then
            units build-clang $slow
            run "sim repeat" tools/sim_repeat.sh
        fi
        ;;
    asan)
        export ACCORD_SANITIZED=1 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
        if build asan+ubsan SAN=address,undefined; then
            units build-address-undefined $slower
            system build-address-undefined test/system/*.sh test/system/*.py
        fi
        ;;
    tsan) # what threads and processes share: base, wire and core have no threads, of cli one verb
        export ACCORD_SANITIZED=1 TSAN_OPTIONS=halt_on_error=1
        if build tsan SAN=thread; then
            try "build-thread/test/cache beside" build-thread/test/cache beside_a_writer
            try "build-thread/test/cache killed" build-thread/test/cache killed_anywhere
            try "build-thread/test/cli relay" build-thread/test/cli relay
            for t in bus client contracts door node; do
                try build-thread/test/$t env ACCORD_TEST_NOT=$slow build-thread/test/$t
            done
            system build-thread test/system/client.sh test/system/demo.sh test/system/serve.py
        fi
        ;;
    model)
        run model model/run.sh
        ;;
    fuzz)
        run fuzz tools/fuzz.sh "${FUZZ_SECONDS:-4}"
        ;;
    esac
}

tools/nats_server.sh # what the tests of the NATS bus run against
if [ "${1:-}" = quick ]; then
    lane gcc
elif [ $# -gt 0 ]; then
    for l in "$@"; do
        lane "$l"
    done
else
    # asan begins first: it is the longest.
    { lane asan; lane clang; lane fuzz; } >"$log/second" 2>&1 &
    lane gcc
    lane tsan
    lane model
    wait
    cat "$log/second"
fi
try_again
# Once more at the end, where it is looked for.
[ -s "$log/failures" ] && { echo "==== What failed:" && cat "$log/failures"; }
awk '{p += $1; f += $2; s += $3}
     END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0}' "$log/counts"
