#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
# remember.sh DATABASE NAME - a package's version, from this host's cache or from the database.
set -eu
export database="$1" name="$2"

load() {
    echo "loading $name" >&2
    sqlite3 "$database" "SELECT version FROM package WHERE name = '$name'"
}

# A program that memoize can run: this one, called in another way.
[ "${3:-}" = load ] && { load; exit; }
accord memoize "package:$name" --ttl 1h -- sh "$0" "$database" "$name" load
