#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh [SECONDS] [NAME…]: builds every src/**/*_fuzz.c (or those named) with libFuzzer, ASan and
# UBSan, and runs each for SECONDS on a copy of its corpus in test/fuzz/NAME/. A crash leaves its
# input in build-fuzz/.
set -u
cd "$(dirname "$0")/.."
seconds=${1:-${FUZZ_SECONDS:-60}}
[ $# -gt 0 ] && shift
out=build-fuzz
failed=0
sources=$(ls src/*/*_fuzz.c src/*/*/*_fuzz.c 2>/dev/null)
mkdir -p $out
make -k -s -j2 O=$out CC=clang-14 SAN=address,undefined,fuzzer-no-link CFLAGS='-O1 -g' fuzzers \
    >$out/build.log 2>&1 || { cat $out/build.log; failed=1; }
for source in $sources; do
    name=$(basename "$source" .c)
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    if [ ! -x $out/fuzz/"$name" ]; then
        echo "not ok fuzz $name: does not build"
        continue
    fi
    rm -rf $out/"$name".corpus
    mkdir -p $out/"$name".corpus
    [ -d test/fuzz/"$name" ] && cp -r test/fuzz/"$name"/. $out/"$name".corpus/
    if $out/fuzz/"$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
        -print_final_stats=1 -artifact_prefix=$out/"$name"- $out/"$name".corpus \
        >$out/"$name".log 2>&1; then
        echo "ok fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' $out/"$name".log) runs"
    else
        tail -n 40 $out/"$name".log
        echo "not ok fuzz $name: see $out/$name.log and the input beside it"
        failed=1
    fi
done
exit $failed
