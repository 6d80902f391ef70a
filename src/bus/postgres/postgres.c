/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/postgres.h"

#include <stdlib.h>

#include "bus/postgres/presence.h"
#include "bus/postgres/publisher.h"
#include "net/time.h"

struct pg_bus {
    struct bus_base base;
    struct pg_place place;
    struct bus_settings settings;
    struct pg_shared shared;
    struct pg_reader reader; /* of the thread that reads */
    struct pg_publisher publisher;
    pthread_mutex_t publishing; /* guards the publisher */
};

static void pg_close(struct bus *bus)
{
    struct pg_bus *b = (struct pg_bus *)bus;

    if (!b)
        return;
    pg_reader_done(&b->reader);
    pg_publisher_done(&b->publisher);
    pg_place_done(&b->place);
    pthread_mutex_destroy(&b->shared.mutex);
    pthread_mutex_destroy(&b->publishing);
    free(b);
}

static int make(struct pg_bus **out, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_bus *b = calloc(1, sizeof *b);

    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = pg_place_init(&b->place, s->url, why);
    if (status != ACCORD_OK) {
        free(b);
        return status;
    }
    pg_place_of_node(&b->place, s->node);
    b->base.ops = &bus_postgres;
    b->settings = *s;
    b->settings.url = NULL;
    pthread_mutex_init(&b->shared.mutex, NULL);
    pthread_mutex_init(&b->publishing, NULL);
    pg_publisher_init(&b->publisher, &b->place, &b->settings, &b->shared);
    status = pg_reader_init(&b->reader, &b->place, &b->settings, &b->shared, why);
    if (status != ACCORD_OK)
        pg_close((struct bus *)b);
    else
        *out = b;
    return status;
}

static int pg_open(struct bus **out, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_bus *b = NULL;

    if (s->timeout_ms == 0 || s->max_stale_ms == 0 || s->max_stale_ms > INT64_MAX)
        return bus_fail(why, ACCORD_E_INVALID, "timeout and max_stale must be at least 1 ms");
    int status = make(&b, s, why);
    if (status == ACCORD_OK)
        status = pg_reader_connect(&b->reader, why);
    if (status != ACCORD_OK) {
        pg_close((struct bus *)b);
        return status;
    }
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static int pg_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                     struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    return pg_reader_attach(&((struct pg_bus *)bus)->reader, resume, view_ms, out, why);
}

static int pg_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                   const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    return pg_reader_read(&((struct pg_bus *)bus)->reader, after, timeout_ms, entries, count,
                          why);
}

static int pg_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                   char why[BUS_WHY_BYTES_MAX])
{
    return pg_reader_head(&((struct pg_bus *)bus)->reader, at, head, why);
}

static int pg_publish(struct bus *bus, const struct change *changes, size_t count,
                      struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_bus *b = (struct pg_bus *)bus;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    pthread_mutex_lock(&b->publishing);
    status = pg_publisher_publish(&b->publisher, changes, count, last, why);
    pthread_mutex_unlock(&b->publishing);
    return status;
}

static void pg_wake(struct bus *bus)
{
    pg_reader_wake(&((struct pg_bus *)bus)->reader);
}

static int pg_present(struct bus *bus, const char *const *names, size_t count, bool *there,
                      char why[BUS_WHY_BYTES_MAX])
{
    return pg_presence(&((struct pg_bus *)bus)->reader, names, count, there, why);
}

static int pg_schema(const struct bus_settings *s, char **out, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_bus *b = NULL;

    int status = make(&b, s, why);
    if (status != ACCORD_OK)
        return status;
    char *text = pg_schema_text(b->place.schema);
    pg_close((struct bus *)b);
    if (!text)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    *out = text;
    return ACCORD_OK;
}

/* Triggers on the tables that were watched go with the function that they call. */
static int drop_schema(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    int status = pg_asked(pg_link_script(l, "DROP SCHEMA @ CASCADE", why));

    if (status != ACCORD_E_DENIED)
        return status;
    return bus_fail(why, status,
                    "schema %s: only the schema's owner or a superuser can drop it",
                    l->place->schema);
}

static int pg_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_bus *b = NULL;

    int status = make(&b, s, why);
    if (status != ACCORD_OK)
        return status;
    struct pg_link *l = &b->reader.link;
    l->deadline_ns = time_monotonic_ns() + s->timeout_ms * NS_PER_MS;
    status = pg_link_open(l, why);
    if (status == ACCORD_OK)
        status = drop_schema(l, why);
    pg_close((struct bus *)b);
    return status;
}

/* Who lists several servers means to promote one of them. */
static const char *pg_caveat(const char *url)
{
    char why[BUS_WHY_BYTES_MAX];
    struct pg_place p;

    if (pg_place_init(&p, url, why) != ACCORD_OK)
        return NULL;
    bool several = p.url.server_count > 1;
    pg_place_done(&p);
    return several ? "without synchronous_standby_names, a primary that was replaced is still "
                     "trusted by the nodes that reach it alone"
                   : NULL;
}

const struct bus_ops bus_postgres = {
    .scheme = "postgres",
    .also = "postgresql",
    .caps = {.one_host = false,
             .head_linearizable = true,
             .may_lose_tail = true,
             .durability = "synchronous_commit on; what a failover loses is noticed"},
    .open = pg_open,
    .close = pg_close,
    .attach = pg_attach,
    .read = pg_read,
    .head = pg_head,
    .publish = pg_publish,
    .wake = pg_wake,
    .present = pg_present,
    .tools = {.schema = pg_schema, .drop = pg_drop, .caveat = pg_caveat},
};
