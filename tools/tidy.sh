#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tidy.sh - the rules of the house that a machine can check. Prints every offence; fails on any.
set -u
cd "$(dirname "$0")/.."
make -s -j"$(nproc)" all || exit 1
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT
ours=$(git ls-files -co --exclude-standard 'src/*.[ch]' 'test/*.[ch]' 'bench/*.[ch]' 'include/*.h' \
    'sim/*.[ch]')

# core, cache and wire are pure: these are the only names they may borrow from outside. The
# reader's clock is the one exception, and it is one file.
pure=$(ls build/src/base/*.o build/src/core/*.o build/src/cache/*.o build/src/wire/*.o |
    grep -vE '_(test|fuzz)\.o$')
# shellcheck disable=SC2086
nm -g --defined-only $pure | awk 'NF == 3 { print $3 }' | sort -u >"$bad.own"
for o in $pure; do
    case $o in build/src/base/* | build/src/cache/clock.o) continue ;; esac
    nm -u "$o" | awk '{ print $NF }' | sort -u |
        grep -vxFf "$bad.own" |
        grep -vE '^(memcpy|memmove|memset|memcmp|memchr|strlen|bcmp|__stack_chk_fail|__mem(cpy|move|set)_chk|_GLOBAL_OFFSET_TABLE_)$' |
        { [ "$o" = build/src/core/core.o ] && grep -vE '^(calloc|free)$' || cat; } |
        sed "s|^|$o: pure code may not use |"
done >>"$bad"
rm -f "$bad.own"

# Layers: includes point one way (design, "The house").
layer() { # layer FOLDER ALLOWED…
    from=$1
    shift
    allowed=$(echo "$from $*" | tr ' ' '|')
    # shellcheck disable=SC2046
    grep -nE '^#include "[a-z0-9_]+/' $(echo "$ours" | grep -E "^src/$from/") /dev/null |
        grep -vE '_(test|fuzz)\.c:' |
        grep -vE "#include \"($allowed|defs)/" | sed "s|\$|: $from may not include that|"
}
{
    layer base
    layer wire base
    layer net base
    layer cache base
    layer core wire cache base
    layer bus net wire base
    layer door net core cache wire base
    layer node door bus net core cache wire base
    layer client cache wire base
    layer cli node door bus net core client cache wire base
} >>"$bad"

# A function fits on a screen, a file in a head.
echo "$ours" | grep '\.c$' |
    ctags -L - -f - --languages=C --kinds-C=f --fields=+ne |
    sed -nE 's/^([^\t]+)\t([^\t]+)\t.*line:([0-9]+).*end:([0-9]+).*/\1 \2 \3 \4/p' |
    awk '$4 - $3 + 1 > 70 { print $2 ":" $3 ": " $1 "() has " $4 - $3 + 1 " lines; at most 70" }' >>"$bad"
# shellcheck disable=SC2086
wc -l $ours | awk '$2 != "total" && $1 > 1000 { print $2 ": " $1 " lines; at most 1000" }' >>"$bad"

# Every pure module has its test beside it; every file says its licence; banned calls.
for c in $(echo "$ours" | grep -E '^src/(core|cache|wire)/[a-z0-9_]+\.c$' | grep -vE '_(test|fuzz)\.c$'); do
    [ -f "${c%.c}_test.c" ] || echo "$c: no ${c%.c}_test.c" >>"$bad"
done
for f in $ours; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' || echo "$f: no SPDX line" >>"$bad"
done
# shellcheck disable=SC2086
grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|alloca|rand|localtime|gmtime) *\(' $ours |
    sed 's/$/: banned call/' >>"$bad"
# shellcheck disable=SC2086
grep -nE '\bXXX\b|\bTODO\b[^(#]*$' $ours | sed 's/$/: a TODO carries an issue number/' >>"$bad"

# The public header stands alone, in C99 and in C++.
for lang in 'c -std=c99' 'c++ -std=c++11'; do
    # shellcheck disable=SC2086
    cc -x $lang -Wall -Wextra -Wpedantic -Werror -fsyntax-only include/accord.h 2>>"$bad"
done
# The libraries give away accord_ names only.
for lib in build/libaccord.a build/libaccord.so; do
    flags='-g --defined-only'
    [ $lib = build/libaccord.so ] && flags='-D --defined-only'
    # shellcheck disable=SC2086
    nm $flags $lib 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^accord_' |
        sed "s|^|$lib exports |" >>"$bad"
done

# shellcheck disable=SC2086
clang-format-14 --dry-run -Werror $ours 2>>"$bad"
cat "$bad" >&2
[ ! -s "$bad" ] && echo "tidy: nothing to mend"
