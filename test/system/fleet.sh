# SPDX-License-Identifier: BSD-2-Clause
# fleet.sh - what the tests of accord demo and accord torture share; read with `.`, not run. Gives
# $accord, $build, $tmp (removed at the end), and an $input of packages.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${ACCORD_BUILD:-build}
accord=$build/accord
tmp=$(mktemp -d)
TMPDIR=$tmp/work
export TMPDIR
mkdir "$TMPDIR"
trap 'rm -rf "$tmp"' EXIT

ok() { echo "ok $1"; }
not_ok() {
    echo "not ok $1"
    for f in "$tmp/out" "$tmp/err"; do
        [ -s "$f" ] && { echo "---- $f"; tail -n 40 "$f"; }
    done
}
# is NAME COMMAND…: one test.
is() {
    name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name"; fi
}
run() { # run SECONDS VERB FLAGS…: the exit code is in $code
    limit=$1
    shift
    timeout "$limit" "$accord" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    code=$?
}
says() { grep -qF -- "$1" "$tmp/out" "$tmp/err"; }
leaves_nothing() { # no folder, and no process that names it or our input
    [ -z "$(ls -A "$TMPDIR")" ] && ! pgrep -f "$tmp" >/dev/null
}
json() { # json EXPRESSION: over the object d
    python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$tmp/out" "$1"
}

# Some records of a real kind, for machines that are not Debian.
cat >"$tmp/packages" <<'EOF'
Package: adduser
Version: 3.134
Section: admin
Architecture: all
Installed-Size: 686
Depends: passwd
Description: add and remove users and groups
 This package includes the 'adduser' and 'deluser' commands.

Package: apt
Version: 2.6.1
Section: admin
Architecture: amd64
Description: commandline package manager

Package: zlib1g
Version: 1:1.2.13.dfsg-1
Section: libs
Architecture: amd64
Description: compression library - runtime
EOF
input=/var/lib/dpkg/status
[ -r $input ] || input=$tmp/packages
