/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/chp.h"

#include "bus/chp/publisher.h"
#include "bus/chp/reader.h"

#include <stdlib.h>

struct chp_bus {
    struct bus_base base;
    struct chp_place place;
    void *context;
    struct chp_reader reader;       /* of the thread that reads */
    struct chp_publisher publisher; /* of the thread that publishes */
};

static int open_all(struct chp_bus *b, const struct bus_settings *s,
                    char why[BUS_WHY_BYTES_MAX])
{
    int status = chp_context_new(&b->context, why);

    if (status != ACCORD_OK)
        return status;
    status = chp_reader_init(&b->reader, &b->place, b->context, &s->hand, why);
    if (status != ACCORD_OK)
        return status;
    status = chp_publisher_init(&b->publisher, &b->place, b->context, why);
    if (status != ACCORD_OK)
        goto no_publisher;
    /* Whoever serves it may be this process, and not listen yet: nobody is waited for. */
    status = chp_link_open(&b->reader.link, chp_place_deadline(&b->place), why);
    if (status == ACCORD_OK)
        return ACCORD_OK;
    chp_publisher_done(&b->publisher);
no_publisher:
    chp_reader_done(&b->reader);
    return status;
}

static int chp_bus_open(struct bus **out, const struct bus_settings *s,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = calloc(1, sizeof *b);

    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    b->base.ops = &bus_chp;
    int status = chp_place_parse(&b->place, s, why);
    if (status == ACCORD_OK)
        status = open_all(b, s, why);
    if (status != ACCORD_OK) {
        chp_context_free(b->context);
        free(b);
        return status;
    }
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static void chp_bus_close(struct bus *bus)
{
    struct chp_bus *b = (struct chp_bus *)bus;

    if (!b)
        return;
    chp_reader_done(&b->reader);
    chp_publisher_done(&b->publisher);
    chp_context_free(b->context);
    free(b);
}

static int chp_bus_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                          struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = (struct chp_bus *)bus;

    int status = chp_reader_attach(&b->reader, resume, view_ms, out, why);
    if (status == ACCORD_OK)
        chp_publisher_aim(&b->publisher, out->log, out->epoch, b->reader.link.server);
    return status;
}

static int chp_bus_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                        const struct entry **entries, size_t *count,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = (struct chp_bus *)bus;

    return chp_reader_read(&b->reader, after, timeout_ms, entries, count, why);
}

static int chp_bus_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = (struct chp_bus *)bus;

    return chp_reader_head(&b->reader, at, head, why);
}

static int chp_bus_publish(struct bus *bus, const struct change *changes, size_t count,
                           struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = (struct chp_bus *)bus;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    return chp_publisher_publish(&b->publisher, changes, count, last, why);
}

static void chp_bus_wake(struct bus *bus)
{
    chp_reader_wake(&((struct chp_bus *)bus)->reader);
}

static int chp_bus_present(struct bus *bus, const char *const *names, size_t count, bool *there,
                           char why[BUS_WHY_BYTES_MAX])
{
    struct chp_bus *b = (struct chp_bus *)bus;

    return chp_reader_present(&b->reader, names, count, there, why);
}

static int ask_to_drop(const struct chp_place *p, void *context, char why[BUS_WHY_BYTES_MAX])
{
    struct talk_question q = chp_place_question(p, TALK_DROP);
    struct talk_answer a;
    struct chp_link l;

    chp_link_init(&l, p, context, /* wants_to_hear= */ false);
    int status = ACCORD_E_DOWN;
    for (size_t i = 0; i < p->url.server_count && status == ACCORD_E_DOWN; i++)
        status = chp_link_ask(&l, &q, NULL, NULL, &a, chp_place_deadline(p), why);
    chp_link_close(&l);
    if (status == ACCORD_OK && a.refused[0])
        return bus_fail(why, ACCORD_E_GONE, "chp: %s has no log of %s", p->server[0],
                        p->cluster);
    return status;
}

static int chp_bus_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct chp_place place;
    void *context = NULL;

    int status = chp_place_parse(&place, s, why);
    if (status == ACCORD_OK)
        status = chp_context_new(&context, why);
    if (status == ACCORD_OK)
        status = ask_to_drop(&place, context, why);
    chp_context_free(context);
    return status;
}

static const char *chp_bus_caveat(const char *url)
{
    static const char pair[] = "P1 to P3 hold unless the two servers lose each other while "
                               "nodes reach both: then both "
                               "answer until they meet again, and every cache begins anew";
    struct bus_settings s = {.url = url, .max_stale_ms = MAX_STALE_MS_MIN, .timeout_ms = 1};
    char why[BUS_WHY_BYTES_MAX];
    struct chp_place place;

    bool two =
        chp_place_parse(&place, &s, why) == ACCORD_OK && place.url.server_count == CHP_PAIR;
    return two ? pair : NULL;
}

const struct bus_ops bus_chp = {
    .scheme = "chp",
    .caps = {.one_host = false,
             .head_linearizable = true,
             .may_lose_tail = true,
             .durability = "none: the log ends with the process that serves it"},
    .open = chp_bus_open,
    .close = chp_bus_close,
    .attach = chp_bus_attach,
    .read = chp_bus_read,
    .head = chp_bus_head,
    .publish = chp_bus_publish,
    .wake = chp_bus_wake,
    .present = chp_bus_present,
    .tools = {.drop = chp_bus_drop, .caveat = chp_bus_caveat},
};
