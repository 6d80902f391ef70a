/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/sqlite.h"

#include <pthread.h>
#include <stdlib.h>

#include "bus/sqlite/publisher.h"
#include "bus/sqlite/reader.h"

struct sqlite_bus {
    struct bus_base base;
    struct sqlite_place place;
    struct bus_settings settings;
    struct sqlite_reader reader;       /* of the thread that reads */
    struct sqlite_publisher publisher; /* of the thread that publishes */
    pthread_mutex_t publishing;        /* guards the publisher */
    pthread_mutex_t mutex;             /* guards the target */
    struct sqlite_target target;
};

static int check_settings(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    if (s->timeout_ms == 0 || s->max_stale_ms == 0 || s->max_stale_ms > INT64_MAX)
        return bus_fail(why, ACCORD_E_INVALID, "timeout and max_stale must be at least 1 ms");
    if (sqlite3_threadsafe() == 0)
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "this SQLite was built without threads; use the one of the system");
    return ACCORD_OK;
}

static int init(struct sqlite_bus *b, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    b->base.ops = &bus_sqlite;
    b->settings = *s;
    b->settings.url = NULL;
    int status = check_settings(s, why);
    if (status == ACCORD_OK)
        status = sqlite_place_init(&b->place, s->url, why);
    if (status == ACCORD_OK)
        status = sqlite_reader_init(&b->reader, &b->place, &b->settings, why);
    if (status == ACCORD_OK)
        status = sqlite_publisher_init(&b->publisher, &b->place, &b->settings, why);
    if (status != ACCORD_OK)
        sqlite_reader_done(&b->reader);
    return status;
}

static int sqlite_open(struct bus **out, const struct bus_settings *s,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_bus *b = calloc(1, sizeof *b);

    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = init(b, s, why);
    if (status != ACCORD_OK) {
        free(b);
        return status;
    }
    pthread_mutex_init(&b->publishing, NULL);
    pthread_mutex_init(&b->mutex, NULL);
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static void sqlite_close(struct bus *bus)
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    if (!b)
        return;
    sqlite_reader_done(&b->reader);
    sqlite_publisher_done(&b->publisher, /* last_one= */ true);
    pthread_mutex_destroy(&b->mutex);
    pthread_mutex_destroy(&b->publishing);
    free(b);
}

static int sqlite_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                         struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    pthread_mutex_lock(&b->publishing);
    sqlite_publisher_let_go(&b->publisher);
    pthread_mutex_unlock(&b->publishing);
    int status = sqlite_reader_attach(&b->reader, resume, view_ms, out, why);
    if (status != ACCORD_OK)
        return status;
    pthread_mutex_lock(&b->mutex);
    b->target = (struct sqlite_target){out->log, out->epoch};
    pthread_mutex_unlock(&b->mutex);
    return ACCORD_OK;
}

static int sqlite_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                       const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    return sqlite_reader_read(&b->reader, after, timeout_ms, entries, count, why);
}

static int sqlite_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    return sqlite_reader_head(&b->reader, at, head, why);
}

static int sqlite_publish(struct bus *bus, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    pthread_mutex_lock(&b->mutex);
    struct sqlite_target target = b->target;
    pthread_mutex_unlock(&b->mutex);
    pthread_mutex_lock(&b->publishing);
    status = sqlite_publisher_publish(&b->publisher, &target, changes, count, last, why);
    pthread_mutex_unlock(&b->publishing);
    return status;
}

static void sqlite_wake(struct bus *bus)
{
    struct sqlite_bus *b = (struct sqlite_bus *)bus;

    sqlite_wait_stop(&b->reader.wait);
}

const struct bus_ops bus_sqlite = {
    .scheme = "sqlite",
    .caps = {.one_host = true,
             .head_linearizable = true,
             .may_lose_tail = false,
             .durability = "fsync at each commit"},
    .open = sqlite_open,
    .close = sqlite_close,
    .attach = sqlite_attach,
    .read = sqlite_read,
    .head = sqlite_head,
    .publish = sqlite_publish,
    .wake = sqlite_wake,
};
