/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/xmpp.h"

#include <stdlib.h>

#include "bus/xmpp/publisher.h"
#include "bus/xmpp/reader.h"
#include "net/time.h"

struct xmpp_bus {
    struct bus_base base;
    struct xmpp_place place;
    struct xmpp_room room;
    struct xmpp_reader reader;       /* of the thread that reads */
    struct xmpp_publisher publisher; /* of the thread that publishes */
};

static void bus_close(struct bus *bus)
{
    struct xmpp_bus *b = (struct xmpp_bus *)bus;

    if (!b)
        return;
    xmpp_reader_done(&b->reader);
    xmpp_room_close(&b->room);
    xmpp_publisher_done(&b->publisher);
    xmpp_place_done(&b->place);
    free(b);
}

static int init(struct xmpp_bus *b, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    if (s->timeout_ms == 0 || s->max_stale_ms == 0)
        return bus_fail(why, ACCORD_E_INVALID, "timeout and max_stale must be at least 1 ms");
    int status = xmpp_place_init(&b->place, s->url, s->node, why);
    if (status == ACCORD_OK)
        status = xmpp_room_open(&b->room, &b->place, s, why);
    if (status != ACCORD_OK)
        return status;
    xmpp_reader_init(&b->reader, &b->room, s);
    status = xmpp_publisher_init(&b->publisher, &b->room, s, why);
    if (status == ACCORD_OK)
        status =
            xmpp_link_up(&b->room.link, time_monotonic_ns() + s->timeout_ms * NS_PER_MS, why);
    return status == ACCORD_E_TIMEOUT ? ACCORD_OK : status; /* attach() waits on */
}

static int bus_open(struct bus **out, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_bus *b = calloc(1, sizeof *b);

    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    b->base.ops = &bus_xmpp;
    int status = init(b, s, why);
    if (status != ACCORD_OK) {
        bus_close((struct bus *)b);
        return status;
    }
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static int bus_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                      struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_bus *b = (struct xmpp_bus *)bus;

    int status = xmpp_reader_attach(&b->reader, resume, view_ms, out, why);
    if (status == ACCORD_OK)
        xmpp_publisher_aim(&b->publisher, out->log, out->epoch);
    return status;
}

static int bus_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                    const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    return xmpp_reader_read(&((struct xmpp_bus *)bus)->reader, after, timeout_ms, entries,
                            count, why);
}

static int bus_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                    char why[BUS_WHY_BYTES_MAX])
{
    return xmpp_reader_head(&((struct xmpp_bus *)bus)->reader, at, head, why);
}

static int bus_publish(struct bus *bus, const struct change *changes, size_t count,
                       struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    int status = bus_check_changes(changes, count, why);

    if (status != ACCORD_OK)
        return status;
    return xmpp_publisher_publish(&((struct xmpp_bus *)bus)->publisher, changes, count, last,
                                  why);
}

static void bus_wake(struct bus *bus)
{
    xmpp_reader_wake(&((struct xmpp_bus *)bus)->reader);
}

static int bus_present(struct bus *bus, const char *const *names, size_t count, bool *there,
                       char why[BUS_WHY_BYTES_MAX])
{
    return xmpp_reader_present(&((struct xmpp_bus *)bus)->reader, names, count, there, why);
}

/* Destroys the room: its owner alone may. To come in makes it, where there is none. */
static int bus_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct bus *bus = NULL;

    int status = bus_open(&bus, s, why);
    if (status != ACCORD_OK)
        return status;
    struct xmpp_link *l = &((struct xmpp_bus *)bus)->room.link;
    bool made = xmpp_link_made_room(l);
    status = xmpp_link_destroy_room(l, time_monotonic_ns() + s->timeout_ms * NS_PER_MS, why);
    if (status == ACCORD_E_DENIED)
        status = bus_fail(why, status, "xmpp: only the room's owner may destroy it");
    else if (status == ACCORD_OK && made)
        status = bus_fail(why, ACCORD_E_GONE, "xmpp: there was no such room");
    bus_close(bus);
    return status;
}

static const char *bus_caveat(const char *url)
{
    (void)url;
    return "the room must live in one process of one server: both halves of a split cluster "
           "echo";
}

const struct bus_ops bus_xmpp = {
    .scheme = "xmpp",
    /* A node that was silently removed from the room would answer from memory: an own beat that
     * comes back proves more. */
    .caps = {.one_host = false,
             .head_linearizable = false,
             .may_lose_tail = true,
             .durability = "as the server writes the room's archive",
             .max_stale_ms = XMPP_MAX_STALE_MS},
    .open = bus_open,
    .close = bus_close,
    .attach = bus_attach,
    .read = bus_read,
    .head = bus_head,
    .publish = bus_publish,
    .wake = bus_wake,
    .present = bus_present,
    .tools = {.drop = bus_drop, .caveat = bus_caveat},
};
