#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh - checks the models with spin: each world must be clean with every rule, and each rule
# left out must be found to break a promise.
#   model/run.sh                    the worlds of model/check.txt
#   model/run.sh long               those of model/long.txt
#   model/run.sh FILE [PATTERN]     of another list; only worlds "MODEL/NAME" that match (grep -E)
# What a rule's absence breaks is found soon: such a search is compiled by tcc where there is one,
# or most of its time would be the compiler's.
# A search that did not end (memory, depth, time) proves nothing: it is said, and is a failure.
# Ends with "model: N passed, N failed, N skipped". A counterexample is kept in build/model.
set -u
cd "$(dirname "$0")/.."
list=model/check.txt
[ "${1:-}" = long ] && { list=model/long.txt; shift; }
[ -f "${1:-}" ] && { list=$1; shift; }
pattern=${1:-.}
work=build/model
mkdir -p $work
passed=0 failed=0

if ! command -v spin >/dev/null 2>&1; then
    echo "SKIP model: spin is not installed (Debian: apt-get install spin)"
    echo "model: 0 passed, 0 failed, 1 skipped"
    exit 0
fi

out_of_time=152 # ended by SIGXCPU
quick='cc -O0'
command -v tcc >/dev/null 2>&1 && quick=tcc

say() { printf '%-7s %-16s %-22s %s\n' "$@"; }

# The value of KEY=… among the words that follow, else DEFAULT.
setting() { # setting KEY DEFAULT WORDS…
    key=$1 value=$2
    shift 2
    for word; do
        case $word in "$key"=*) value=${word#*=} ;; esac
    done
    echo "$value"
}

# One search. Prints its line; true if it came out as it must.
search() { # search MODEL WORLD RULE-OR-clean WORDS…
    model=$1 world=$2 rule=$3
    shift 3
    dir=$work/$model-$world-$rule
    rm -rf "$dir"
    mkdir -p "$dir"
    defines='' compile='' run='-E' cc=$quick
    [ "$rule" = clean ] && cc="cc $(setting CC -O0 "$@")"
    for word; do
        case $word in
        -D*) defines="$defines $word" ;;
        BITS=*) compile="$compile -DBITSTATE" run="$run -w${word#*=} -k3" ;;
        LIVE=*) run="$run -a -f -N ${word#*=}" ;;
        esac
    done
    case "$*" in
    *LIVE=*) compile="$compile -DNFAIR=3" ;;
    *) compile="$compile -DSAFETY -DNOCLAIM" ;;
    esac
    case "$*" in
    *BITS=*) ;;
    *) compile="$compile $(setting STORE -DCOLLAPSE "$@")" ;;
    esac
    [ "$rule" = clean ] || defines="$defines -DNO_$rule"
    # shellcheck disable=SC2086
    if ! (cd "$dir" && spin -a $defines "../../../model/$model.pml" >spin.out 2>&1 &&
        $cc -w $compile "-DMEMLIM=$(setting MB 2000 "$@")" \
            -o pan pan.c 2>cc.out); then
        say FAILED "$model/$world" "$rule" "it cannot be built"
        head -n 5 "$dir"/*.out
        return 1
    fi
    # Seconds of computing, not of a busy machine.
    # shellcheck disable=SC2086
    (cd "$dir" && ulimit -S -t "$(setting SECONDS 120 "$@")" &&
        exec ./pan $run "-m$(setting DEPTH 100000 "$@")" >pan.out 2>&1)
    status=$?
    states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$dir/pan.out")
    depth=$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' "$dir/pan.out")
    facts="$states states, depth $depth"
    found=$(sed -nE 's/^pan:1: (.*) \(at depth.*/\1/p' "$dir/pan.out")
    incomplete=$(grep -ohE 'max search depth too small|Search not completed|out of memory|reached -DMEMLIM bound' \
        "$dir/pan.out" | head -n 1)
    case $found in
    'assertion violated'* | 'acceptance cycle'*)
        if [ "$rule" = clean ]; then
            say FAILED "$model/$world" clean "$facts: $found"
            echo "  the way there: cd $dir && spin -k $model.pml.trail$defines -p -g ../../../model/$model.pml"
            return 1
        fi
        say killed "$model/$world" "$rule" "$facts: $found"
        rm -rf "$dir"
        return 0
        ;;
    '') ;;
    *)
        say FAILED "$model/$world" "$rule" "$facts: the model itself is wrong: $found"
        return 1
        ;;
    esac
    [ $status -eq $out_of_time ] && incomplete='its time is over'
    [ -z "$incomplete" ] && ! grep -q 'errors: 0$' "$dir/pan.out" && incomplete="pan ended with $status"
    if [ -n "$incomplete" ]; then
        say FAILED "$model/$world" "$rule" "$facts: not searched to the end: $incomplete"
        return 1
    elif [ "$rule" = clean ]; then
        case "$*" in
        *BITS=*) say passed "$model/$world" clean "$facts, by bitstate: no error found" ;;
        *) say passed "$model/$world" clean "$facts, all" ;;
        esac
        rm -rf "$dir"
        return 0
    fi
    say FAILED "$model/$world" "$rule" "$facts: nothing depends on this rule"
    return 1
}

count() {
    if search "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

model='' world='' words='' wanted=false
while read -r kind first second rest; do
    case $kind in
    '=')
        model=$first world=$second words=$rest wanted=false
        echo "$model/$world" | grep -qE "$pattern" && wanted=true
        # shellcheck disable=SC2086
        $wanted && count "$model" "$world" clean $words
        ;;
    '-')
        $wanted || continue
        for rule in $first $second $rest; do
            # shellcheck disable=SC2086
            count "$model" "$world" "$rule" $words
        done
        ;;
    esac
done <"$list"
echo "model: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
