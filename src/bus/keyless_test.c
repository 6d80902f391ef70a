/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/keyless.h"

#include <time.h>

#include "bus/memory.h"
#include "bus/signed.h"
#include "test.h"

enum { L_MS = 500 }; /* of these clusters: silence is 2750 ms */

static char why[BUS_WHY_BYTES_MAX];

struct one {
    struct bus_ops ops;
    struct bus *bus;
    struct bus_attached at;
    uint64_t after;
};

static int attach(struct one *o)
{
    return o->ops.attach(o->bus, NULL, /* view_ms= */ 3600 * 1000, &o->at, why);
}

static void open_one(struct one *o, const char *node, const struct signing *key)
{
    struct bus_settings s = {.url = "memory:keyless-fast",
                             .max_stale_ms = L_MS,
                             .retain_ms = 1000000,
                             .retain_changes = 100000,
                             .timeout_ms = 1000,
                             .node = node,
                             .signing = key};

    if (key)
        signed_ops(&o->ops, &bus_memory);
    else
        keyless_ops(&o->ops, &bus_memory);
    CHECK(o->ops.open(&o->bus, &s, why) == ACCORD_OK);
    CHECK(attach(o) == ACCORD_OK);
    o->after = o->at.after;
}

static void say(struct one *o, enum change_op op, const char *node, const char *about)
{
    static uint64_t said;
    uint64_t number = ++said;
    struct position last;
    struct change c = {.op = op,
                       .message = {9, number},
                       .origin = bytes_of_text(node),
                       .incarnation = {1, 1},
                       .sequence = number,
                       .nonce = 1,
                       .about = bytes_of_text(about)};

    c.key = op == CHANGE_REMOVE ? bytes_of_text("page:1") : c.key;
    CHECK(o->ops.publish(o->bus, &c, 1, &last, why) == ACCORD_OK);
}

/* Until nothing comes, or it is refused. */
static int read_all(struct one *o)
{
    const struct entry *entries;
    size_t count = 1;
    int status = ACCORD_OK;

    while (status == ACCORD_OK && count > 0) {
        status = o->ops.read(o->bus, o->after, /* timeout_ms= */ 0, &entries, &count, why);
        if (status == ACCORD_OK && count > 0)
            o->after = entries[count - 1].position;
    }
    return status;
}

static struct signing with_key(void)
{
    struct signing s = {0};

    CHECK(signing_add(&s, bytes_of_text("0123456789abcdef0123456789abcdef")) == ACCORD_OK);
    return s;
}

TEST(keyless_is_refused_while_others_ask_for_signatures_and_told_what_to_do)
{
    struct signing key = with_key();
    struct one a = {0}, plain = {0};

    open_one(&a, "web1", &key);
    open_one(&plain, "web2", NULL);
    say(&a, CHANGE_BEAT, "web1", "");
    CHECK(read_all(&plain) == ACCORD_E_DENIED);
    CHECK(strstr(why, "web1") && strstr(why, "signing-key-file"));
    CHECK(attach(&plain) == ACCORD_E_DENIED);
    CHECK(strstr(why, "signing-key-file"));
    plain.ops.close(plain.bus);
    open_one(&plain, "web2", NULL); /* begun anew it meets him again */
    CHECK(read_all(&plain) == ACCORD_E_DENIED);
    plain.ops.close(plain.bus);
    a.ops.close(a.bus);
}

TEST(keyless_that_attaches_without_a_view_is_told_before_it_says_anything)
{
    struct signing key = with_key();
    struct bus_settings s = {.url = "memory:keyless-fast",
                             .max_stale_ms = L_MS,
                             .retain_ms = 1000000,
                             .retain_changes = 100000,
                             .timeout_ms = 1000,
                             .node = "r1",
                             .key_setting = "--to-key-file"};
    struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    struct one a = {0}, relay = {0};
    struct position last;

    open_one(&a, "web1", &key);
    say(&a, CHANGE_BEAT, "web1", "");
    keyless_ops(&relay.ops, &bus_memory);
    CHECK(relay.ops.open(&relay.bus, &s, why) == ACCORD_OK);
    CHECK(relay.ops.attach(relay.bus, NULL, 0, &relay.at, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "web1 signs") && strstr(why, "r1 has no key"));
    CHECK(strstr(why, "set --to-key-file here"));
    while (relay.ops.attach(relay.bus, NULL, 0, &relay.at, why) == ACCORD_E_DENIED)
        nanosleep(&pause, NULL);
    /* What is to be read from there on was not lost by looking. */
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("k"),
                       .message = {8, 8},
                       .origin = bytes_of_text("r1"),
                       .incarnation = {2, 2}};
    CHECK(relay.ops.publish(relay.bus, &c, 1, &last, why) == ACCORD_OK);
    relay.after = relay.at.after;
    CHECK(relay.after < last.value);
    CHECK(read_all(&relay) == ACCORD_OK);
    CHECK(relay.after == last.value);
    relay.ops.close(relay.bus);
    a.ops.close(a.bus);
}

TEST(keyless_goes_on_when_nobody_asks_for_signatures_any_more)
{
    struct signing key = with_key();
    struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    struct one a = {0}, plain = {0};

    open_one(&a, "web1", &key);
    open_one(&plain, "web2", NULL);
    say(&a, CHANGE_JOIN, "web1", "app x 1");
    CHECK(read_all(&plain) == ACCORD_E_DENIED);
    uint64_t before = plain.after;
    while (attach(&plain) == ACCORD_E_DENIED)
        nanosleep(&pause, NULL);
    CHECK(read_all(&plain) == ACCORD_OK); /* what it said is read again, and says nothing new */
    CHECK(plain.after > before);
    say(&a, CHANGE_BEAT, "web1", "");
    CHECK(read_all(&plain) == ACCORD_E_DENIED);
    plain.ops.close(plain.bus);
    a.ops.close(a.bus);
}

TEST(keyless_is_not_disturbed_by_who_accepts_nor_by_relays_people_and_itself)
{
    struct signing lenient = with_key(), strict = with_key();
    struct one a = {0}, b = {0}, plain = {0};
    char much[SIGNED_ABOUT_BYTES_MAX + 1];

    lenient.accept_unsigned = true;
    memset(much, 'a', SIGNED_ABOUT_BYTES_MAX);
    much[SIGNED_ABOUT_BYTES_MAX] = '\0';
    open_one(&a, "web1", &lenient);
    open_one(&b, "web3", &strict);
    open_one(&plain, "web2", NULL);
    say(&a, CHANGE_JOIN, "web1", "app x 1");
    say(&a, CHANGE_BEAT, "web1", "\tuser.ttl=1h");
    say(&a, CHANGE_BEAT, "web1", much);
    say(&a, CHANGE_REMOVE, "web1", "");
    say(&b, CHANGE_JOIN, "carrier", "relay uncoupled:sqlite 1");
    say(&b, CHANGE_BEAT, "web2", ""); /* itself, before its key was taken away */
    say(&b, CHANGE_BEAT, "", "");
    say(&b, CHANGE_REMOVE, "web3", "");
    say(&plain, CHANGE_BEAT, "web4", "");
    CHECK(read_all(&plain) == ACCORD_OK);
    say(&b, CHANGE_BEAT, "web3", "");
    CHECK(read_all(&plain) == ACCORD_E_DENIED);
    plain.ops.close(plain.bus);
    a.ops.close(a.bus);
    b.ops.close(b.bus);
}
