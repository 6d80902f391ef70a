#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install.sh - what a packager and a first user do: install, compile with pkg-config, run,
# uninstall. Only accord_ names leave the libraries.
. "$(dirname "$0")/lib.sh"

if [ -n "$sanitize" ]; then
    skip install 'installed and consumed with the plain build'
    exit 0
fi

# ---- names
names() { # names FLAGS FILE: what it exports that is not ours
    # shellcheck disable=SC2086
    nm $1 --defined-only "$2" | awk 'NF == 3 { print $3 }' | grep -v '^accord_'
}
is shared-library-exports-accord-names-only sh -c "[ -z '$(names -D "$build/libaccord.so")' ]"
is static-library-exports-accord-names-only sh -c "[ -z '$(names -g "$build/libaccord.a")' ]"
embed=$(nm -D --defined-only "$build/libaccord-embed.so" | awk 'NF == 3 { print $3 }' | sort | tr '\n' ' ')
is embed-library-exports-its-three-names \
    [ "$embed" = 'accord_embed_socket accord_embed_start accord_embed_stop ' ]
declared=$(sed -nE 's/^ACCORD_API.*[ *](accord_[a-z_]+)\(.*/\1/p' include/accord.h | sort)
exported=$(nm -D --defined-only "$build/libaccord.so" | awk 'NF == 3 { print $3 }' | sort)
is every-name-of-the-header-is-exported-and-no-other [ "$declared" = "$exported" ]
needed=$(readelf -d "$build/libaccord.so" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p' | grep -vE '^(libc\.so|ld-linux)' )
is the-library-needs-libc-only [ -z "$needed" ]

# ---- the header alone
for c in 'gcc -x c -std=c99' 'gcc -x c -std=c11' 'g++ -x c++ -std=c++98 -Wno-long-long' \
    'g++ -x c++ -std=c++17' 'clang-14 -x c -std=c99' 'clang-14 -x c++ -std=c++11'; do
    what=header-compiles-alone-with-$(echo "$c" | sed 's/ -Wno.*//; s/ -x / /; s/[ =]/-/g; s/--*/-/g')
    command -v "${c%% *}" >/dev/null || { skip "$what" "no ${c%% *}"; continue; }
    # shellcheck disable=SC2086
    is "$what" $c -Wall -Wextra -Wpedantic -Werror -fsyntax-only include/accord.h
done

# ---- install
root=$tmp/root
is install make -s O="$build" install DESTDIR="$root" PREFIX=/opt/accord
lib=$root/opt/accord/lib
is installed-program-runs "$root/opt/accord/bin/accord" version
is soname-links-to-the-library [ "$(readlink "$lib/libaccord.so.0")" = "libaccord.so.$(cat VERSION)" ]

cat >"$tmp/consumer.c" <<'END'
#include <accord.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct accord_result r;
    struct accord *a;
    char value[100];

    if (argc != 2 || accord_open(&a, argv[1], NULL) != ACCORD_OK)
        return 2;
    if (accord_set(a, "k", 1, "installed", 9, NULL, NULL) != ACCORD_OK ||
        accord_get(a, "k", 1, value, sizeof value, &r) != ACCORD_OK)
        return 1;
    printf("%.*s %s\n", (int)r.value_bytes, value, accord_version());
    accord_close(a);
    return 0;
}
END
if command -v pkg-config >/dev/null; then
    config() {
        PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --define-variable=libdir="$lib" \
            --define-variable=includedir="$root/opt/accord/include" "$@" accord
    }
    is pkg-config-knows-the-version [ "$(config --modversion)" = "$(cat VERSION)" ]
    # shellcheck disable=SC2046
    is a-consumer-builds-shared ${CC:-cc} -Wall -Werror -o "$tmp/shared" "$tmp/consumer.c" \
        $(config --cflags --libs)
    # shellcheck disable=SC2046
    is a-consumer-builds-static ${CC:-cc} -Wall -Werror -static -o "$tmp/static" \
        "$tmp/consumer.c" $(config --static --cflags --libs)
    # shellcheck disable=SC2046
    is a-consumer-builds-as-cplusplus g++ -x c++ -Wall -Werror -o "$tmp/cplusplus" \
        "$tmp/consumer.c" $(config --cflags --libs)
    node_start web1
    LD_LIBRARY_PATH=$lib
    for how in shared static cplusplus; do
        is "the-$how-consumer-works" [ "$("$tmp/$how" "$tmp/web1.sock")" = "installed $(cat VERSION)" ]
    done
    embedded() { # the installed library finds the one beside it, with no LD_LIBRARY_PATH
        "$tmp/found" "embed:?bus=memory:x&name=inside&memory=16M" | grep -q '^installed '
    }
    # shellcheck disable=SC2046
    is a-consumer-builds-with-a-path ${CC:-cc} -o "$tmp/found" "$tmp/consumer.c" \
        $(config --cflags --libs) -Wl,-rpath,"$lib"
    unset LD_LIBRARY_PATH
    is the-installed-library-finds-its-embedded-node embedded
else
    skip pkg-config 'pkg-config is not installed'
fi

# ---- documents
doc=$root/opt/accord/share/doc/accord
is the-shell-example-is-installed-as-a-program [ "$(stat -c %a "$doc/example/remember.sh")" = 755 ]
missing() { # what the installed README says of operating and architecture that is not there
    grep -oE '\]\((docs/operating/|ARCHITECTURE)[^)#]*' "$doc/README.md" | sed 's/^](//' |
        while read -r link; do [ -f "$doc/$link" ] || echo "$link"; done
}
is the-installed-readme-links-to-operating [ "$(grep -c '](docs/operating/' "$doc/README.md")" -gt 0 ]
is what-the-installed-readme-says-of-operating-is-there [ -z "$(missing)" ]

# ---- uninstall
is uninstall make -s O="$build" uninstall DESTDIR="$root" PREFIX=/opt/accord
is uninstall-leaves-no-document [ ! -e "$doc" ]
is uninstall-leaves-no-file [ -z "$(find "$root" -type f -o -type l)" ]
