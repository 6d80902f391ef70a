/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/nats.h"

#include "bus/nats/presence.h"
#include "bus/nats/publisher.h"
#include "bus/nats/reader.h"

#include <stdio.h>
#include <stdlib.h>

struct nats_bus {
    struct bus_base base;
    struct nats_link link;
    struct nats_reader reader;       /* of the thread that reads */
    struct nats_publisher publisher; /* of the thread that publishes */
    struct nats_presence presence;   /* of the thread that reads */
};

static int check_settings(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    if (s->timeout_ms == 0 || s->max_stale_ms < MAX_STALE_MS_MIN ||
        s->max_stale_ms > MAX_STALE_MS_MAX)
        return bus_fail(why, ACCORD_E_INVALID,
                        "timeout must be at least 1 ms, max_stale from %d to %d ms",
                        MAX_STALE_MS_MIN, MAX_STALE_MS_MAX);
    return ACCORD_OK;
}

static int open_all(struct nats_bus *b, const struct bus_settings *s,
                    char why[BUS_WHY_BYTES_MAX])
{
    struct nats_stream stream;

    int status = nats_link_open(&b->link, s, why);
    if (status != ACCORD_OK)
        return status;
    status = nats_stream_make(&b->link, s->max_stale_ms, &stream, why);
    if (status == ACCORD_OK)
        status = nats_publisher_init(&b->publisher, &b->link, s, why);
    if (status != ACCORD_OK)
        nats_link_close(&b->link);
    return status;
}

static int nats_bus_open(struct bus **out, const struct bus_settings *s,
                         char why[BUS_WHY_BYTES_MAX])
{
    int status = check_settings(s, why);
    struct nats_bus *b = status == ACCORD_OK ? calloc(1, sizeof *b) : NULL;

    if (status != ACCORD_OK)
        return status;
    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    b->base.ops = &bus_nats;
    status = open_all(b, s, why);
    if (status != ACCORD_OK) {
        free(b);
        return status;
    }
    nats_reader_init(&b->reader, &b->link, s);
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static void nats_bus_close(struct bus *bus)
{
    struct nats_bus *b = (struct nats_bus *)bus;

    if (!b)
        return;
    nats_reader_done(&b->reader);
    nats_publisher_done(&b->publisher);
    nats_link_close(&b->link);
    free(b);
}

static int nats_bus_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                           struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_bus *b = (struct nats_bus *)bus;

    int status = nats_reader_attach(&b->reader, resume, view_ms, out, why);
    if (status == ACCORD_OK)
        nats_publisher_aim(&b->publisher, &b->reader.stream);
    b->presence.asked_in_vain = false; /* its rights may be others by now */
    return status;
}

static int nats_bus_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                         const struct entry **entries, size_t *count,
                         char why[BUS_WHY_BYTES_MAX])
{
    struct nats_bus *b = (struct nats_bus *)bus;

    return nats_reader_read(&b->reader, after, timeout_ms, entries, count, why);
}

static int nats_bus_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                         char why[BUS_WHY_BYTES_MAX])
{
    struct nats_bus *b = (struct nats_bus *)bus;

    return nats_reader_head(&b->reader, at, head, why);
}

static int nats_bus_publish(struct bus *bus, const struct change *changes, size_t count,
                            struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_bus *b = (struct nats_bus *)bus;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (changes[i].op == CHANGE_BEAT)
            nats_reader_own(&b->reader, changes[i].incarnation);
    return nats_publisher_publish(&b->publisher, nats_reader_high(&b->reader), changes, count,
                                  last, why);
}

static void nats_bus_wake(struct bus *bus)
{
    struct nats_bus *b = (struct nats_bus *)bus;

    nats_reader_wake(&b->reader);
}

static int nats_bus_present(struct bus *bus, const char *const *names, size_t count,
                            bool *there, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_bus *b = (struct nats_bus *)bus;

    return nats_presence(&b->presence, &b->link, names, count, there, why);
}

static int nats_bus_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_link link;

    int status = nats_link_open(&link, s, why);
    if (status != ACCORD_OK)
        return status;
    status = nats_stream_drop(&link, why);
    if (status == ACCORD_E_DENIED) /* nodes can do without that right */
        (void)bus_fail(why, 0,
                       "nats: nothing was removed: this user may not publish to "
                       "%s.STREAM.DELETE.%s. Put the login of one who may into the URL, or, as "
                       "such a one: nats stream rm %s",
                       link.api, link.stream, link.stream);
    nats_link_close(&link);
    return status;
}

/* A user for nats-server's configuration, with what nodes send and no more. */
static int nats_bus_schema(const struct bus_settings *s, char **out,
                           char why[BUS_WHY_BYTES_MAX])
{
    struct nats_link l;

    int status = nats_link_names(&l, s->url, why);
    if (status != ACCORD_OK)
        return status;
    const char *c = l.cluster, *st = l.stream, *api = l.api;
    if (asprintf(
            out,
            "# For nats-server's configuration; change the password, and keep it in a file\n"
            "# (?password_file=). Nodes make the stream %s by themselves.\n"
            "authorization {\n"
            "  users = [\n"
            "    { user: accord, password: \"change me\", permissions: {\n"
            "        publish: [\"accord.%s.>\", \"%s.STREAM.*.%s\", "
            "\"%s.STREAM.MSG.GET.%s\",\n"
            "                  \"%s.CONSUMER.CREATE.%s\", \"%s.CONSUMER.DELETE.%s.>\",\n"
            "                  \"$JS.FC.%s.>\",\n"
            "                  \"$SYS.REQ.ACCOUNT.PING.CONNZ\"]\n"
            "        subscribe: [\"_INBOX.>\"]\n"
            "    } }\n"
            "  ]\n"
            "}\n",
            st, c, api, st, api, st, api, st, api, st, st) < 0)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    return ACCORD_OK;
}

static const char *nats_bus_caveat(const char *url)
{
    return nats_link_allows_old(url) ? "allow-old-server: of a server before 2.10.23 a kill "
                                       "can lose the stream, so "
                                       "P1 to P4 are not promised on one"
                                     : NULL;
}

const struct bus_ops bus_nats = {
    .scheme = "nats",
    .also = "tls",
    /* A deposed leader may still answer for a while, so a head proves nothing; an own beat that
     * comes back was taken by a majority. */
    .caps = {.one_host = false,
             .head_linearizable = false,
             .may_lose_tail = true,
             .durability = "as the stream's replicas and the servers' sync_interval say"},
    .open = nats_bus_open,
    .close = nats_bus_close,
    .attach = nats_bus_attach,
    .read = nats_bus_read,
    .head = nats_bus_head,
    .publish = nats_bus_publish,
    .wake = nats_bus_wake,
    .present = nats_bus_present,
    .tools = {.schema = nats_bus_schema, .drop = nats_bus_drop, .caveat = nats_bus_caveat},
};
