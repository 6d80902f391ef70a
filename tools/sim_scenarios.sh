#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sim_scenarios.sh - does every scenario that `accord torture` runs on real processes hold in the
# simulator too, over many seeds? One that is for real processes only is a skip, with the reason.
# And is what cannot be there refused, with the file and its line?
#   tools/sim_scenarios.sh [SEEDS]
set -u
cd "$(dirname "$0")/.."
seeds=${1:-40} sim=build/sim/accord-sim
make -s $sim || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for scenario in test/scenario/*.scn; do
    name=sim-$(basename "$scenario" .scn)
    $sim --scenario "$scenario" --seeds "$seeds" >"$tmp/out" 2>&1
    case $? in
    0) echo "ok $name: $(sed -n 's/, [0-9]* leases.*//p' "$tmp/out")" ;;
    3) echo "skip $name: $(sed -n 's/^.*\.scn: \(line [0-9]*: \)/\1/p' "$tmp/out")" ;;
    *)
        cat "$tmp/out"
        echo "not ok $name"
        ;;
    esac
done

# refuses NAME STATUS MESSAGE TEXT: that scenario ends so, and says that of its file.
refuses() {
    printf "$4" >"$tmp/$1.scn"
    $sim --scenario "$tmp/$1.scn" --seeds 1 >"$tmp/out" 2>&1
    if [ $? -eq "$2" ] && grep -qF -e "$3" "$tmp/out" && grep -qF "$1.scn" "$tmp/out"; then
        echo "ok sim-refuses-$1"
    else
        cat "$tmp/out"
        echo "not ok sim-refuses-$1"
    fi
}
refuses verb 2 'line 2: expected kill, end, stop' 'nodes 3\nat 1s explode web1\n'
refuses nodes 2 'the simulator has at most 52 nodes' 'nodes 53\n'
refuses readers 2 'the simulator has at most 4 readers for each node' 'nodes 2\nreaders 9\n'
refuses node 2 'line 1: the simulator has at most 52 nodes' 'at 1s start web53\n'
refuses reader 2 'line 2: there is no such reader' 'readers 3\nat 1s kill reader4\n'
refuses late 2 'line 2: it comes after the end' 'seconds 5\nat 6s kill web1\n'
refuses term 2 'at most 600 s, with a max_stale of 100ms' 'max-stale 10ms\n'
refuses twice 1 'line 2: kill web1 could not be done' 'at 1s kill web1\nat 2s kill web1\n'
refuses missing 1 'line 1: kill web9 could not be done' 'at 1s kill web9\n'
refuses clock 3 'line 2: turn is for real processes' 'nodes 3\nat 1s turn web1 by -1h\n'
refuses shift 3 'line 1: shift is for real processes' 'at 1s shift reader1 by 1h\n'
refuses long 2 'a scenario has at most 131072 bytes' '%131073s\n'
if $sim --scenario "$tmp/none.scn" >"$tmp/out" 2>&1; then
    echo "not ok sim-refuses-no-file"
else
    echo "ok sim-refuses-no-file"
fi
