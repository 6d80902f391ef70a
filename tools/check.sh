#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# check.sh - runs every test and ends with one line: "N passed, N failed, N skipped".
#   tools/check.sh quick   the plain build only
#   tools/check.sh LANE…   these of: gcc clang asan tsan model fuzz
#   tools/check.sh         all of them: also clang, AddressSanitizer+UBSan, ThreadSanitizer, the
#                          models, fuzzing
# A test program prints "…: N passed, N failed, N skipped"; a system test (test/system/*.sh, *.py)
# prints "ok NAME", "not ok NAME" or "skip NAME: why" lines. A program that prints neither, or
# ends badly without a failure of its own, counts as one failure. Above the last line is said
# again what failed, in few words.
# Each program is a part; parts stand in a queue (a file each) and several workers take them, for
# most tests wait more than they compute: one worker builds, then computes (simulator, models,
# fuzzing), the others run tests, and who has nothing of his own left helps. What waits for real
# processes and servers, and failed while the machine did something else, is run once more when
# all is quiet: that verdict counts, and both are printed. What computes has one try.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp -d)
mkdir "$log/queue" "$log/taken"
trap 'rm -rf "$log"' EXIT
workers=''
trap 'kill $workers 2>/dev/null; exit 1' INT TERM
nothing=none # what needs no build
: >"$log/built.$nothing"

# ---- what is done with a part

# What a program says of its own failures, in few lines.
few_words() { # few_words NAME FILE
    {
        echo "$1"
        grep -aE '^(not ok|FAIL|FAILED|rerun:|SUMMARY:|WARNING: Thread|[A-Za-z.]*(Error|Expired|Exception)\b)|^[^ ]+:[0-9]+:|error:|killed by' \
            "$2" | cut -c 1-200 | head -n 8 | sed 's/^/    /'
    } >>"$log/failing"
}

# count NAME EXIT_STATUS FILE: adds what FILE reports to the counts.
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
        echo "not ok $1: ended with status $2" >>"$3"
    fi
    {
        [ $f -gt 0 ] && { echo "---- $1"; grep -avE '^ok ' "$3" | tail -n 60; }
        grep -ahE '^(skip|SKIP) ' "$3"
        echo "$1: $p passed, $f failed, $s skipped ($(($(date +%s) - began)) s)"
    } >"$3.said"
    cat "$3.said"
    [ $f -gt 0 ] && cat "$3.said" >>"$log/failures"
    echo "$p $f $s" >>"$log/counts"
    mv "$3.said" "$3.counted"
}

attempt() { # attempt NAME COMMAND…
    name=$1
    shift
    began=$(date +%s)
    timeout -k 30 900 "$@" </dev/null >"$out" 2>&1
    count "$name" $? "$out"
}

# run NAME COMMAND…: whose failure is final.
run() {
    attempt "$@"
    [ "$f" -eq 0 ] || few_words "$1" "$out"
}

# try NAME COMMAND…: a run that is repeated at the end if it fails.
try() {
    attempt "$@"
    [ "$f" -eq 0 ] && return
    {
        echo "counted='-$p -$f -$s' what='$1'"
        shift
        echo "set -- $(words "$@")"
    } >"$(mktemp "$log/again.XXXXXX")"
}

# What failed beside others, alone. Of what passes now nothing failed.
try_again() {
    for again in "$log"/again.*; do
        [ -f "$again" ] || continue
        (
            . "$again"
            out=$log/alone
            echo "again, alone: $what"
            run "again $what" "$@"
            [ "$f" -eq 0 ] && echo "flaky: $what failed beside others, passed alone" | tee -a "$log/failures"
            echo "$counted" >>"$log/counts"
        )
    done
}

# build LANE MAKE-ARGUMENTS…: a build that fails is one failed test, and what it cannot run.
build() {
    lane=$1
    shift
    began=$(date +%s)
    if make -s -j2 "$@" >"$out" 2>&1; then
        echo "ok build $lane" >"$out"
        count "build $lane" 0 "$out"
        until [ -e "$log/servers" ]; do sleep 0.2; done
        : >"$log/built.$lane"
    else
        count "build $lane" 1 "$out"
        few_words "build $lane" "$out"
        rm -f "$log"/queue/*."$lane"
    fi
}

# ---- the queue

words() { # words WORD…: as a shell reads them
    printf " '%s'" "$@"
}

# part KIND BUILD COMMAND…: a part that waits for that build; build, work or test.
number=1000
part() {
    number=$((number + 1))
    file=$log/queue/$number.$1.$2
    shift 2
    words "$@" >"$file"
}

# worker KIND…: does parts of the first kind until none is left, and then of the next.
worker() {
    for kind in "$@"; do
        while take "$kind"; do :; done
    done
}

# One part whose build is there. False: there is none of that kind any more, or none whose build
# can come, because who builds is gone.
take() { # take KIND
    left=false
    for file in "$log"/queue/*."$1".*; do
        [ -f "$file" ] || continue
        taken=$log/taken/${file##*/}
        if [ ! -e "$log/built.${file##*.}" ]; then
            [ -e "$log/over" ] || left=true
            continue
        fi
        mv "$file" "$taken" 2>/dev/null || continue # somebody else has it
        (
            out=$taken.out
            eval "$(cat "$taken")"
        )
        [ -e "$taken.out.counted" ] && rm "$taken"
        return 0
    done
    $left && sleep 0.3
    $left
}

# Whatever is in the queue still, or was begun and not counted, has failed.
count_what_is_left() {
    for file in "$log"/queue/* "$log"/taken/*.*.*; do
        case $file in *'*'* | *.out*) continue ;; esac
        out=$log/left began=$(date +%s)
        : >"$out"
        eval "set -- $(cat "$file")"
        count "$2, never done" 1 "$out"
        few_words "$2, never done" "$out"
    done
}

# ---- the parts

# The contract on real chat servers, and on two CHP servers, is run in two lanes, not in four, and on
# ejabberd in one; with ACCORD_EJABBERD=1 the whole of it is asked there, not only what differs from
# Prosody. And a network that fails takes seconds of waiting: one lane.
slow=_on_xmpp,_on_chp_pair,bus_network_
slower=_on_xmpp_ejabberd,bus_network_

# The programs, and last those of the lowest layers: they take the least time.
programs=$(make -s test-names | tr ' ' '\n' | tac)
units() { # units LANE FOLDER LEFT_OUT PROGRAMS…
    lane=$1 folder=$2 left_out=$3
    shift 3
    for t in "$@"; do
        part test "$lane" try "$folder/test/$t" env $with ACCORD_TEST_NOT="$left_out" "$folder/test/$t"
    done
}

system() { # system LANE FOLDER TESTS…
    lane=$1 folder=$2
    shift 2
    for t in "$@"; do
        [ -x "$t" ] && part test "$lane" \
            try "$folder $t" env $with ACCORD_BUILD="$PWD/$folder" "$t"
    done
}

# Seeds that no other commit has run, and that this one runs again: half a minute of them.
fresh_seeds() {
    commit=$(git rev-parse --short=8 HEAD 2>/dev/null) && echo "$((0x$commit))000" || date +%s000
}

# Kept seeds, the scenarios, the seeds that reach every rare path, those of themes, and fresh ones.
simulate() { # simulate LANE
    part work "$1" run "sim kept" build/sim/accord-sim --kept sim/seeds/kept.txt
    part work "$1" run "sim scenarios" tools/sim_scenarios.sh
    part work "$1" run "sim paths" build/sim/accord-sim --from 1 --seeds 400 --must-reach
    part work "$1" run "sim strangers" build/sim/accord-sim --theme stranger --from 1 --seeds 60
    for theme in holes cut ping space moved operator twins; do # never by chance, like strangers
        part work "$1" run "sim $theme" build/sim/accord-sim --theme $theme --from 1 --seeds 20
    done
    part work "$1" run "sim fresh" build/sim/accord-sim --seconds 30 --from "$(fresh_seeds)"
}

# lane NAME: one kind of build and its tests.
lane() {
    with=''
    case $1 in
    gcc)
        part build $nothing build gcc all tests build/sim/accord-sim
        units gcc build '' $programs
        simulate gcc
        system gcc build test/system/*.sh test/system/*.py
        ;;
    clang)
        part build $nothing build clang CC=clang-14 all tests
        units clang build-clang $slow $programs
        part work clang run "sim repeat" tools/sim_repeat.sh
        ;;
    asan)
        with='ACCORD_SANITIZED=1 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1'
        part build $nothing build asan SAN=address,undefined all tests
        units asan build-address-undefined $slower $programs
        system asan build-address-undefined test/system/*.sh test/system/*.py
        ;;
    tsan) # what threads and processes share: base, wire and core have no threads, of cli one verb
        with='ACCORD_SANITIZED=1 TSAN_OPTIONS=halt_on_error=1'
        o=build-thread shared='contracts client node door bus'
        part build $nothing build tsan SAN=thread all $o/fault-proxy \
            $(printf "$o/test/%s " $shared cache cli)
        units tsan $o $slow $shared
        part test tsan try "$o/test/cache beside" env $with $o/test/cache beside_a_writer
        part test tsan try "$o/test/cache killed" env $with $o/test/cache killed_anywhere
        part test tsan try "$o/test/cli relay" env $with $o/test/cli relay
        system tsan $o test/system/client.sh test/system/demo.sh test/system/serve.py
        ;;
    model)
        for model in $(sed -nE 's/^= ([a-z]+) .*/\1/p' model/check.txt | uniq); do
            part work $nothing run "model $model" model/run.sh model/check.txt "^$model/"
        done
        ;;
    fuzz)
        part work $nothing run fuzz tools/fuzz.sh "${FUZZ_SECONDS:-4}"
        ;;
    *)
        echo "check.sh: there is no lane $1" >&2
        exit 1
        ;;
    esac
}

# ---- all of it

case ${1:-} in
quick) set -- gcc ;;
'') set -- gcc asan tsan clang fuzz model ;;
esac
for l in "$@"; do
    lane "$l"
done

# What the tests of the NATS bus run against.
{ tools/nats_server.sh; : >"$log/servers"; } &
worker build work test &
builder=$! workers=$!
for i in $(seq $(($(nproc) * 2 - 1))); do
    worker test work &
    workers="$workers $!"
done
wait $builder
: >"$log/over"
wait
count_what_is_left
try_again

# Once more at the end, where it is looked for: in full, and in few words.
[ -s "$log/failures" ] && { echo "==== What failed:" && cat "$log/failures"; }
[ -s "$log/failing" ] && {
    echo "==== Failed, also alone: $(grep -c '^[^ ]' "$log/failing") parts" && tail -n 30 "$log/failing"
}
awk '{p += $1; f += $2; s += $3}
     END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0}' "$log/counts"
