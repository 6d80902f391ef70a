/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/keyless.h"

#include <stdio.h>

#include "bus/layer.h"
#include "bus/signing.h"
#include "net/time.h"

struct keyless_bus {
    struct bus_layer layer;
    char name[NODE_NAME_BYTES_MAX + 1];
    const char *key_setting;
    struct hand hand;
    struct id128 log; /* of the reading thread, as all below */
    uint64_t epoch;
    uint64_t judged_to; /* what is read again up to here says nothing new */
    uint64_t silence_ms;
    uint64_t until_ms; /* 0: nobody asks for signatures */
    char why[BUS_WHY_BYTES_MAX];
};

static struct keyless_bus *of(struct bus *b)
{
    return (struct keyless_bus *)(void *)b;
}

static const struct bus_ops *inner_ops(const struct keyless_bus *b)
{
    return layer_inner_ops(&b->layer);
}

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

static int keyless_open(struct bus **out, const struct bus_settings *s,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct bus_layer *layer;
    int status = layer_open(&layer, sizeof(struct keyless_bus), keyless_ops, s, why);

    if (status != ACCORD_OK)
        return status;
    *out = (struct bus *)(void *)layer;
    struct keyless_bus *b = of(*out);
    snprintf(b->name, sizeof b->name, "%s", s->node ? s->node : "");
    b->key_setting = s->key_setting ? s->key_setting : "signing-key-file";
    b->hand = s->hand;
    return ACCORD_OK;
}

static bool begins_with(struct bytes text, const char *word)
{
    size_t length = strlen(word);

    return text.size_bytes >= length && memcmp(text.data, word, length) == 0;
}

/* A sign of life of who takes nothing that is not signed. What has no room to say that it does
 * (a long letter) says neither. */
static bool asks_for_signatures(const struct keyless_bus *b, const struct change *c)
{
    if ((c->op != CHANGE_JOIN && c->op != CHANGE_BEAT) || c->origin.size_bytes == 0 ||
        bytes_equal(c->origin, bytes_of_text(b->name)))
        return false;
    struct bytes text = change_about_text(c);
    bool has_room = text.size_bytes + CHANGE_ACCEPTS_BYTES <= SIGNED_ABOUT_BYTES_MAX;
    return change_is_signed(c) && has_room && !change_accepts_unsigned(c) &&
           !begins_with(text, "relay ");
}

static void judge(struct keyless_bus *b, const struct entry *e)
{
    if (e->position <= b->judged_to)
        return;
    b->judged_to = e->position;
    if (!asks_for_signatures(b, &e->change))
        return;
    b->until_ms = now_ms() + b->silence_ms;
    (void)bus_fail(b->why, ACCORD_E_DENIED,
                   "%.*s signs what it says (position %llu), and %s has no key, so what it "
                   "says is refused there: set %s here, to the file that %.*s has; or, for a "
                   "while, signing = accept there",
                   (int)e->change.origin.size_bytes, (const char *)e->change.origin.data,
                   (unsigned long long)e->position, b->name[0] ? b->name : "who reads here",
                   b->key_setting, (int)e->change.origin.size_bytes,
                   (const char *)e->change.origin.data);
}

static int refused(const struct keyless_bus *b, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_DENIED, "%s", b->why);
}

static int read_on(struct keyless_bus *b, uint64_t after, uint64_t timeout_ms,
                   const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    int status = inner_ops(b)->read(b->layer.inner, after, timeout_ms, entries, count, why);

    for (size_t i = 0; status == ACCORD_OK && i < *count; i++)
        judge(b, &(*entries)[i]);
    return status;
}

/* Is anybody there? Reads on from `after`, as far as time allows; the rest the next time. */
static int look(struct keyless_bus *b, uint64_t after, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t end_ms = now_ms() + KEYLESS_CATCH_UP_MS, at = u64_max(after, b->judged_to);
    const struct entry *entries = NULL;
    size_t count = 0;

    do {
        int status = read_on(b, at, /* timeout_ms= */ 0, &entries, &count, why);
        if (status != ACCORD_OK)
            return status;
        at = count > 0 ? entries[count - 1].position : at;
    } while (count > 0 && now_ms() < end_ms);
    if (b->until_ms > 0 && (count > 0 || now_ms() < b->until_ms))
        return refused(b, why);
    b->until_ms = 0;
    return ACCORD_OK;
}

/* Who is not told of the members (a relay goes on where it stood) asks by himself. */
static int look_at_members(struct keyless_bus *b, char why[BUS_WHY_BYTES_MAX])
{
    struct bus_attached a;
    int status = inner_ops(b)->attach(b->layer.inner, NULL, b->silence_ms, &a, why);

    if (status != ACCORD_OK)
        return status;
    hand_attach(&b->hand, a.log, a.epoch); /* what is read here can end us, too */
    return look(b, a.after, why);
}

static int keyless_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                          struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct keyless_bus *b = of(bus);
    struct bus_attached a;
    int status = inner_ops(b)->attach(b->layer.inner, resume, view_ms, &a, why);
    bool looks = b->until_ms > 0;

    if (status != ACCORD_OK)
        return status;
    if (!id128_equal(b->log, a.log) || b->epoch != a.epoch) {
        b->log = a.log;
        b->epoch = a.epoch;
        b->judged_to = b->until_ms = 0;
        looks = view_ms == 0;
    }
    /* As long as the core remembers a member that says nothing. */
    b->silence_ms = u64_max(a.max_stale_ms, a.max_stale_before_ms) * 11 / 2;
    if (looks) {
        status = b->until_ms > 0 ? look(b, a.after, why) : look_at_members(b, why);
        if (status == ACCORD_OK) /* back to where it is asked to begin */
            status = inner_ops(b)->attach(b->layer.inner, resume, view_ms, &a, why);
    }
    if (status == ACCORD_OK)
        *out = a;
    return status;
}

static int keyless_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                        const struct entry **entries, size_t *count,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct keyless_bus *b = of(bus);
    const struct entry *from = NULL;
    size_t found = 0;
    int status = read_on(b, after, timeout_ms, &from, &found, why);

    if (status == ACCORD_OK && b->until_ms > 0)
        status = refused(b, why);
    if (status != ACCORD_OK)
        return status;
    *entries = from;
    *count = found;
    return ACCORD_OK;
}

void keyless_ops(struct bus_ops *out, const struct bus_ops *inner)
{
    layer_ops(out, inner);
    out->open = keyless_open;
    out->attach = keyless_attach;
    out->read = keyless_read;
}
