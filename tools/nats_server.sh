#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# nats_server.sh - builds the nats-server that the tests of the NATS bus run against, into
# build/servers: Debian's is older than what the bus asks for. Says so and ends with status 0
# where there is no Go: the tests are then skipped, printed and counted.
set -eu
cd "$(dirname "$0")/.."
version=v2.15.3
out=$PWD/build/servers
[ -x "$out/nats-server" ] && exit 0
if ! command -v go >/dev/null 2>&1; then
    echo "nats_server: there is no Go; the tests of the NATS bus will be skipped" >&2
    exit 0
fi
mkdir -p "$out"
# In a module of its own: this tree is none. GOFLAGS of the caller stay.
GOBIN=$out go install "github.com/nats-io/nats-server/v2@$version" >"$out/nats.log" 2>&1 || {
    echo "nats_server: go install failed, the tests of the NATS bus will be skipped:" >&2
    tail -n 3 "$out/nats.log" >&2
}
