# SPDX-License-Identifier: BSD-2-Clause
# The only entry point. Each target does what it needs by itself.
#
#   make setup      install the Debian packages that Accord is built and tested with
#   make all        build/accord, build/libaccord.so, build/libaccord.a
#   make demo       three nodes, real data, one of them killed: watch them stay in accord
#   make check      every test, also under sanitizers     make check-quick   the plain build only
#   make tidy       format, layers, purity, limits        make bench         ratios, side by side
#   make sim        fresh seeds of the simulator for a minute (SECONDS, SEEDS, FROM), or one (SEED),
#                   or a scenario (SCENARIO)
#   make model      the coherence protocol under every interleaving, by spin: also the long worlds
#   make mutants    faults planted in core and segment: in how many seeds is each found?
#   make fuzz       every fuzz target for FUZZ_SECONDS    make coverage     branches no test takes
#   make install / uninstall  (PREFIX, DESTDIR)
#
# Sources and tests are found, not registered. SAN=address,undefined or SAN=thread builds into a
# folder of its own; so does CC=clang.

CC       ?= cc
CFLAGS   ?= $(if $(SAN),-O1,-O2) -g
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := $(shell cat VERSION)
SONAME   := libaccord.so.0
comma    := ,
SUFFIX   := $(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
O        ?= build$(SUFFIX)

WARN     := -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla -Wformat=2 -Werror
HARDEN   := -fvisibility=hidden -fPIC -fstack-protector-strong \
            $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CPPFLAGS += -D_GNU_SOURCE -DACCORD_VERSION='"$(VERSION)"' -Isrc -Itest -Iinclude -I. -MMD -MP \
            $(shell pkg-config --cflags libpq)
ALL      := $(WARN) $(HARDEN) $(SANITIZE) $(CPPFLAGS) $(CFLAGS)
LINK     := $(SANITIZE) $(CFLAGS) -Wl,-z,relro,-z,now -pthread

# The layers, and what each may stand on (design, section 3).
LAYERS       := base wire cache core net bus door node client cli
NEEDS_base   := base
NEEDS_wire   := wire base
NEEDS_cache  := cache base
NEEDS_core   := core cache wire base
NEEDS_net    := net base
NEEDS_bus    := bus net wire base
NEEDS_door   := door net core cache wire base
NEEDS_node   := node door bus net core cache wire base
NEEDS_client := client cache wire base
NEEDS_cli    := cli node door bus net core client cache wire base

LIBS_net    = -luv -lmicrohttpd -lcurl $(LIBS_zmq)
LIBS_bus    = -lsqlite3 -lpq -lnats -lstrophe -ljansson -lhiredis -lssl -lcrypto -lz $(LIBS_net)
# Of what is optional: found when it is linked, for a build may have installed it.
LIBS_zmq    = $(shell pkg-config --libs libzmq 2>/dev/null)
LIBS_door   = $(LIBS_net) -lcrypto
LIBS_node   = -linih $(LIBS_bus)
LIBS_cli    = $(LIBS_node) -ldl -lm

source    = $(filter-out %_test.c %_fuzz.c,$(wildcard $(foreach l,$1,src/$l/*.c src/$l/*/*.c)))
object    = $(patsubst %.c,$O/%.o,$1)
OBJ_CLIENT := $(call object,$(call source,client cache wire base))
OBJ_ALL    := $(call object,$(call source,$(LAYERS)))
TESTED     := $(foreach l,$(LAYERS),$(if $(wildcard src/$l/*_test.c src/$l/*/*_test.c),$l))
TESTS      := $(foreach l,$(TESTED),$O/test/$l) $(if $(wildcard test/contract/*.c),$O/test/contracts) $O/test/sim $O/test/stepped

all: $O/accord $O/libaccord.so $O/libaccord.a $O/libaccord-embed.so
.DEFAULT_GOAL := all

$O/accord: $(OBJ_ALL)
	$(CC) $(LINK) -o $@ $^ $(LIBS_cli)
	@pkg-config --exists libzmq || echo "built without libzmq: no chp:// (install libzmq3-dev, then make clean all)"
# nodelete: a thread that ends after a dlclose() still runs our destructor. $ORIGIN: it finds
# libaccord-embed.so beside itself.
$O/libaccord.so: $(OBJ_CLIENT) packaging/libaccord.map
	$(CC) $(LINK) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=packaging/libaccord.map \
	    -Wl,-z,nodelete -Wl,-rpath,'$$ORIGIN' -o $@ $(OBJ_CLIENT) -ldl
	ln -sf libaccord.so $O/$(SONAME)
# One object inside the archive, so that only accord_ names are global.
$O/libaccord.a: $(OBJ_CLIENT)
	ld -r -o $O/libaccord.o $^
	objcopy --wildcard --keep-global-symbol='accord_*' $O/libaccord.o
	rm -f $@ && ar rcs $@ $O/libaccord.o
$O/libaccord-embed.so: $(filter-out $O/src/cli/% $O/src/client/%,$(OBJ_ALL)) packaging/libaccord-embed.map
	$(CC) $(LINK) -shared -Wl,--version-script=packaging/libaccord-embed.map \
	    -Wl,-z,nodelete -o $@ $(filter %.o,$^) $(LIBS_cli)

TEST_WITH_bus := test/fault_proxy.c test/postgres_server.c test/redis_server.c test/room_server.c \
    test/prosody_server.c test/ejabberd_server.c test/chp_server.c
# One test program a layer: its own tests, linked with what it stands on and nothing else.
define layer_test
$O/test/$1: $(call object,$(wildcard src/$1/*_test.c src/$1/*/*_test.c) $(filter-out %/main.c,$(call source,$(NEEDS_$1))) test/test_main.c $(TEST_WITH_$1))
	@mkdir -p $$(@D)
	$$(CC) $$(LINK) -o $$@ $$^ $$(LIBS_$1)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_test,$l)))
$O/test/contracts: $(call object,$(wildcard test/contract/*.c) test/test_main.c $(TEST_WITH_bus) $(call source,$(NEEDS_bus)))
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^ $(LIBS_bus)
# What stands between a client and a real server in tests, and does what networks do.
$O/fault-proxy: $(call object,test/fault_proxy.c test/fault_proxy_main.c)
	$(CC) $(LINK) -o $@ $^

# One fuzz target a harness, out of an archive of everything: each takes what it calls. Only for a
# compiler that has libFuzzer: tools/fuzz.sh says with what.
FUZZED := $(wildcard src/*/*_fuzz.c src/*/*/*_fuzz.c)
$O/libfuzzed.a: $(filter-out %/main.o,$(OBJ_ALL))
	rm -f $@ && ar rcs $@ $^
define fuzz_target
$O/fuzz/$(basename $(notdir $1)): $(call object,$1) $O/libfuzzed.a
	@mkdir -p $$(@D)
	$$(CC) $$(LINK) -fsanitize=fuzzer -o $$@ $$^ $$(LIBS_cli)
endef
$(foreach f,$(FUZZED),$(eval $(call fuzz_target,$f)))
fuzzers: $(foreach f,$(FUZZED),$O/fuzz/$(basename $(notdir $f)))
# The simulator: the real core and segment, compiled so that it may stop them between any two
# loads and stores of shared words; the rest of the world is its own (sim/README.md).
SIM_SOURCES := $(filter-out src/base/assert.c src/cache/clock.c,$(call source,core cache wire base)) \
    src/cli/torture/scenario.c src/node/settings_units.c
SIM_OBJECTS := $(patsubst %.c,$O/sim/%.o,$(SIM_SOURCES) $(filter-out %_test.c,$(wildcard sim/*.c)))
$O/sim/accord-sim: $(SIM_OBJECTS)
	$(CC) $(LINK) -o $@ $^
$O/test/sim: $(call object,$(wildcard sim/check*.c) test/test_main.c $(call source,base))
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^
# The segment's reader and writer, stopped in the same way, but everywhere in turn and by no seed.
$O/test/stepped: $(patsubst %.c,$O/sim/%.o,$(wildcard test/stepped/*.c) test/test_main.c \
    sim/fiber.c $(filter-out src/cache/clock.c,$(call source,cache base)))
	@mkdir -p $(@D)
	$(CC) $(LINK) -o $@ $^
# The core's memory is kept from one daemon to the next (sim/memory.h).
$O/sim/src/core/core.o: ALL += -include sim/memory.h -Dcalloc=memory_core_take \
    -Dfree=memory_core_give
$O/sim/%.o: %.c | need
	@mkdir -p $(@D)
	$(CC) $(ALL) -DSEGMENT_STEP -DITEM_LOADS_ATOMIC -c -o $@ $<

$O/%.o: %.c | need
	@mkdir -p $(@D)
	$(CC) $(ALL) -c -o $@ $<

# What a build needs is installed by the build; where that cannot be, it says what is missing.
need:
	@tools/setup.sh build
tests: $(TESTS) $O/fault-proxy
test-names:
	@echo $(notdir $(TESTS))
setup:
	tools/setup.sh
demo: all
	$O/accord demo
check: | setup
	tools/check.sh
SECONDS ?= 60
sim: $O/sim/accord-sim
	$O/sim/accord-sim $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(SEED),$(SEED),$(SIM_SEEDS))
SIM_SEEDS = $(if $(SCENARIO),--seeds $(or $(SEEDS),50) --from $(or $(FROM),1),--seconds $(SECONDS) \
    $(if $(SEEDS),--seeds $(SEEDS)) --from $(or $(FROM),$(shell date +%s)000))
mutants: | setup
	tools/mutants.py $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS)) \
	    $(if $(RESULTS),--results $(RESULTS)) $(NAMES)
check-quick: all tests
	tools/check.sh quick
tidy: | setup
	tools/tidy.sh
bench: | setup
	tools/bench.sh
model: | setup
	model/run.sh
	model/run.sh long
fuzz: | setup
	tools/fuzz.sh
coverage: | setup
	tools/coverage.sh
clean:
	rm -rf build build-*

# LIBDIR and the others may be given too: a distribution has opinions of its own.
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR     ?= $(PREFIX)/share/doc/accord
UNITDIR    ?= $(PREFIX)/lib/systemd/system
INSTALLED  := $(BINDIR)/accord $(LIBDIR)/libaccord.so.$(VERSION) $(LIBDIR)/$(SONAME) \
              $(LIBDIR)/libaccord.so $(LIBDIR)/libaccord.a $(LIBDIR)/libaccord-embed.so \
              $(LIBDIR)/pkgconfig/accord.pc $(INCLUDEDIR)/accord.h $(UNITDIR)/accord.service

install: all
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCLUDEDIR) $(DOCDIR)/example \
	    $(DOCDIR)/docs/operating $(UNITDIR))
	install -m 755 $O/accord $(DESTDIR)$(BINDIR)/accord
	install -m 644 $O/libaccord.so $(DESTDIR)$(LIBDIR)/libaccord.so.$(VERSION)
	ln -sf libaccord.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libaccord.so
	install -m 644 $O/libaccord.a $O/libaccord-embed.so $(DESTDIR)$(LIBDIR)
	install -m 644 include/accord.h $(DESTDIR)$(INCLUDEDIR)
	sed -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    packaging/accord.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/accord.pc
	sed -e 's|/usr/local/bin|$(BINDIR)|' -e 's|/usr/local/share/doc/accord|$(DOCDIR)|' \
	    packaging/accord.service >$(DESTDIR)$(UNITDIR)/accord.service
	install -m 644 LICENSE README.md ARCHITECTURE.md $(DESTDIR)$(DOCDIR)
	install -m 644 $(wildcard docs/operating/*.md) $(DESTDIR)$(DOCDIR)/docs/operating
	install -m 644 $(wildcard docs/example/*) $(DESTDIR)$(DOCDIR)/example
	chmod 755 $(DESTDIR)$(DOCDIR)/example/remember.sh
	$(if $(DESTDIR),,-ldconfig 2>/dev/null)
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rm -rf $(DESTDIR)$(DOCDIR)

.PHONY: all need tests test-names fuzzers setup demo check check-quick tidy model sim bench fuzz coverage install uninstall clean
.DELETE_ON_ERROR:
-include $(shell find $O -name '*.d' 2>/dev/null)
