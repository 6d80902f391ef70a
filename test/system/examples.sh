#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# examples.sh - docs/example as the README shows it, each against a real daemon and a real SQLite
# origin: the first call loads, the second is a hit, and after the row's removal it loads again.
# Without a daemon, and with one that hangs, the origin still answers.
. "$(dirname "$0")/lib.sh"

origin=$tmp/origin.db
sqlite3 "$origin" "CREATE TABLE package(name TEXT PRIMARY KEY, version TEXT)"
node_start web1
daemon=$node_pid
export ACCORD_SOCKET="$tmp/web1.sock"

# try LANGUAGE EXPECTED-OUTPUT LOADS: runs the example once more.
try() {
    # shellcheck disable=SC2086
    timeout 60 $command "$origin" "$1" >"$tmp/out" 2>"$tmp/err" </dev/null || return 1
    [ "$(cat "$tmp/out")" = "$2" ] && [ "$(grep -c '^loading ' "$tmp/err")" -eq "$3" ]
}

# example LANGUAGE COMMAND…
example() {
    language=$1
    shift
    command=$*
    row=pkg-$language
    sqlite3 "$origin" "INSERT INTO package VALUES ('$row', '1.0')"
    is "example-$language-loads-what-is-not-there" try "$row" 1.0 1
    is "example-$language-then-hits" try "$row" 1.0 0
    sqlite3 "$origin" "UPDATE package SET version = '2.0' WHERE name = '$row'"
    "$accord" remove "package:$row" >/dev/null
    is "example-$language-loads-again-after-a-removal" try "$row" 2.0 1
    is "example-$language-then-hits-again" try "$row" 2.0 0
}

# without_a_daemon LANGUAGE COMMAND…: none is there, or it accepts and never answers. (It is
# woken again, and fresh before the next example.)
without_a_daemon() {
    language=$1
    shift
    command=$*
    ACCORD_SOCKET=$tmp/nowhere.sock is "example-$language-works-without-a-daemon" \
        try "pkg-$language" 2.0 1
    kill -STOP "$daemon"
    is "example-$language-works-with-a-daemon-that-hangs" try "pkg-$language" 2.0 1
    kill -CONT "$daemon"
    until_true 60 fresh "$ACCORD_SOCKET" || not_ok "the-daemon-goes-on-after-$language"
}

folder=docs/example
cc=${CC:-cc}
# shellcheck disable=SC2086
if $cc -Wall -Wextra -Werror $sanitize -Iinclude -o "$tmp/remember" $folder/remember.c \
    -L"$build" -laccord -lsqlite3 2>"$tmp/err"; then
    example c "$tmp/remember"
    without_a_daemon c "$tmp/remember"
else
    not_ok example-c-builds
fi

example shell $folder/remember.sh
without_a_daemon shell $folder/remember.sh
example shell-run-by-sh env -C $folder sh remember.sh

if /usr/bin/python3 -c 'import redis, sqlite3' 2>/dev/null; then
    example python /usr/bin/python3 $folder/remember.py
    without_a_daemon python /usr/bin/python3 $folder/remember.py
else
    skip example-python 'python3-redis is not installed'
fi

if php -r 'exit(extension_loaded("redis") ? 0 : 1);' 2>/dev/null; then
    example php php $folder/remember.php
    without_a_daemon php php $folder/remember.php
else
    skip example-php 'php-cli and php-redis are not installed'
fi

# ioredis comes from the npm registry; it is kept for the next run where there is a cache folder.
modules=$tmp/node
mkdir "$modules"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip example-node 'nodejs and npm are not installed'
elif ! (cd "$modules" && timeout 120 npm install --silent --no-audit --no-fund --prefer-offline \
    ioredis@5 >"$tmp/npm.out" 2>&1); then
    skip example-node "npm could not install ioredis: $(tail -n 1 "$tmp/npm.out")"
else
    export NODE_PATH="$modules/node_modules"
    example node node $folder/remember.js
    without_a_daemon node node $folder/remember.js
fi
