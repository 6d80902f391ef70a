#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# setup.sh - installs the Debian packages that Accord is built, tested and measured with, and
# nothing that is there already. Says what it wants and why where it cannot.
#   tools/setup.sh build   what `make all demo` need
#   tools/setup.sh         and what `make check tidy` need
#   tools/setup.sh bench   and what `make bench` compares with
set -eu

build='gcc make pkg-config libuv1-dev libsqlite3-dev libxxhash-dev libinih-dev libjansson-dev
       libnats-dev libstrophe-dev zlib1g-dev libpq-dev libhiredis-dev libssl-dev libmicrohttpd-dev
       libcurl4-openssl-dev'
# Without it the build has no chp:// door.
optional='libzmq3-dev'
# prosody, ejabberd, python3-slixmpp: a chat room on two servers, and the person in it.
# pgbouncer: the PostgreSQL bus runs through a pooler, or says why it does not.
# iproute2: the network between node and server that the contract cuts.
# nats-server: Debian's, which is too old; the NATS bus says so.
# curl: asks the HTTP door as people and monitoring do. python3-zmq: clients of the CHP door that are
# not ours. tcl: writes the lists that OpenACS signs. tcc: compiles fast what runs briefly (model/run.sh).
check='g++ clang-14 libclang-rt-14-dev clang-format-14 universal-ctags python3 sqlite3 strace spin tcc systemd
       redis-server redis-tools openssl prosody ejabberd python3-slixmpp python3-redis python3-zmq php-cli
       php-redis zstd postgresql-15 pgbouncer nats-server iproute2 curl tcl'
# liblmdb-dev, php-apcu: caches within a process.
bench='redis-server memcached postgresql-15 liblmdb-dev php-cli php-apcu'

want="$build $optional"
if [ "${1:-}" = build ]; then
    command -v apt-get >/dev/null 2>&1 || exit 0 # another system: the compiler will say
else
    want="$want $check"
    command -v npm >/dev/null 2>&1 || want="$want nodejs npm"
fi
[ "${1:-}" = bench ] && want="$want $bench"

missing=''
for p in $want; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
        missing="$missing $p"
done
[ -z "$missing" ] && exit 0
# Nobody but root can install it, and what it is for can be done without.
can_do_without() {
    [ "${1:-}" = build ] || return 1
    for p in $missing; do
        case " $optional " in *" $p "*) ;; *) return 1 ;; esac
    done
}

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: this is not Debian; install the counterparts of:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=''
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
    as_root='sudo'
elif can_do_without "${1:-}"; then
    exit 0 # the build says what it does not have
else
    cat >&2 <<EOF
setup: these packages are missing and I may not install them:$missing
  libraries and gcc build Accord; clang, ctags and clang-format check it; redis, python3, php and
  npm are the real clients and peers of its tests. As root, run:
    apt-get install --no-install-recommends$missing
EOF
    exit 1
fi
echo "setup: installing$missing"
# The servers are started by the tests themselves, on private ports: keep the packages from
# starting theirs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    trap '$as_root rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null
