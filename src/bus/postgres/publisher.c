/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/publisher.h"

#include "net/time.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_TEXT = 25,
    OID_UUID = 2950,
    ARRAY_HEAD_BYTES = 20,
    ARRAYS = 7,
    PRUNE_ROWS = 500,
    PRUNE_PUBLISHED_MIN = 64,
    MEMBERS_RETAIN_MS = 3600 * 1000,
};
#define PRUNE_NS      (10 * NS_PER_S)
#define PRUNE_MORE_NS (50 * NS_PER_MS)

static const struct pg_statement publish = {
    PG_PUBLISH,
    "SELECT *, pg_backend_pid() FROM @.publish($1::uuid, $2::bigint, $3::bigint, $4::uuid,"
    " $5::text[], $6::bytea[], $7::uuid[], $8::bytea[], $9::bytea[],"
    " $10::bigint[], $11::bigint[])"};

void pg_publisher_init(struct pg_publisher *p, const struct pg_place *place,
                       const struct bus_settings *settings, struct pg_shared *shared)
{
    *p = (struct pg_publisher){.settings = settings, .shared = shared};
    p->link = (struct pg_link){.place = place, .timeout_ms = settings->timeout_ms};
    snprintf(p->notify, sizeof p->notify, "NOTIFY %s", place->schema);
}

void pg_publisher_done(struct pg_publisher *p)
{
    pg_link_close(&p->link);
}

/* ---- arrays, in the server's binary form ---- */

/* All arrays of one publish, one behind the other. */
struct arrays {
    uint8_t *data; /* NULL: out of memory */
    size_t size, room;
    size_t begin[ARRAYS + 1];
    size_t count;
};

static uint8_t *grow(struct arrays *a, size_t size)
{
    if (!a->data)
        return NULL;
    if (a->size + size > a->room) {
        size_t room = u64_max(2 * a->room, a->size + size);
        uint8_t *larger = realloc(a->data, room);
        if (!larger) {
            free(a->data);
            a->data = NULL;
            return NULL;
        }
        a->data = larger;
        a->room = room;
    }
    uint8_t *at = a->data + a->size;
    a->size += size;
    return at;
}

static void add_u32(struct arrays *a, uint32_t value)
{
    uint8_t *at = grow(a, 4);

    for (int i = 3; at && i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

static void array_begin(struct arrays *a, uint32_t type, size_t count)
{
    a->begin[a->count++] = a->size;
    add_u32(a, 1); /* dimension */
    add_u32(a, 1); /* there may be NULLs */
    add_u32(a, type);
    add_u32(a, (uint32_t)count);
    add_u32(a, 1); /* the first index */
    a->begin[a->count] = a->size;
}

static void array_end(struct arrays *a)
{
    a->begin[a->count] = a->size;
}

static void add_bytes(struct arrays *a, struct bytes b, bool given)
{
    add_u32(a, given ? (uint32_t)b.size_bytes : UINT32_MAX);
    uint8_t *at = given ? grow(a, b.size_bytes) : NULL;
    if (at && b.size_bytes > 0)
        memcpy(at, b.data, b.size_bytes);
}

static void add_number(struct arrays *a, uint64_t value, bool given)
{
    uint8_t room[8];

    for (int i = 7; i >= 0; i--, value >>= 8)
        room[i] = (uint8_t)value;
    add_bytes(a, bytes_of(room, 8), given);
}

static void add_id(struct arrays *a, struct id128 id)
{
    uint8_t room[16];

    for (int i = 7; i >= 0; i--, id.high >>= 8, id.low >>= 8) {
        room[i] = (uint8_t)id.high;
        room[8 + i] = (uint8_t)id.low;
    }
    add_bytes(a, bytes_of(room, 16), true);
}

static void add_record(struct arrays *a, const struct change *c)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX];
    size_t size = 0;

    int status = change_encode(c, record, sizeof record, &size);
    ASSERT(status == ACCORD_OK); /* change_problem() was asked */
    add_bytes(a, bytes_of(record, size), true);
}

enum column { OP, KEY, MESSAGE, ORIGIN, RECORD, STALE, BEFORE };

static void add_column(struct arrays *a, enum column column, const struct change *c)
{
    switch (column) {
    case OP:
        add_bytes(a, bytes_of_text(change_op_word(c->op)), true);
        break;
    case KEY:
        add_bytes(a, c->key, c->key.size_bytes > 0);
        break;
    case MESSAGE:
        add_id(a, c->message);
        break;
    case ORIGIN:
        add_bytes(a, c->origin, c->origin.size_bytes > 0);
        break;
    case RECORD:
        add_record(a, c);
        break;
    case STALE:
        add_number(a, c->version, change_sets_max_stale(c));
        break;
    case BEFORE:
        add_number(a, change_max_stale_before(c), change_sets_max_stale(c));
        break;
    }
}

/* False: out of memory. */
static bool build(struct arrays *a, const struct change *changes, size_t count)
{
    static const uint32_t types[ARRAYS] = {OID_TEXT,  OID_BYTEA, OID_UUID, OID_BYTEA,
                                           OID_BYTEA, OID_INT8,  OID_INT8};

    *a = (struct arrays){.room = ARRAYS * ARRAY_HEAD_BYTES + 512 * count};
    a->data = malloc(a->room);
    for (size_t column = 0; column < ARRAYS; column++) {
        array_begin(a, types[column], count);
        for (size_t i = 0; i < count; i++)
            add_column(a, (enum column)column, &changes[i]);
        array_end(a);
    }
    return a->data != NULL;
}

/* ---- publishing ---- */

static bool sets_max_stale(const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (change_sets_max_stale(&changes[i]))
            return true;
    return false;
}

/* The server gave up waiting for its standby, and said so in a warning: the commit may be lost
 * with the primary. Whether it is there is unknown. */
static int check_warned(const struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    return l->warned ? bus_fail(why, ACCORD_E_TIMEOUT,
                                "committed, but perhaps not on the synchronous standby")
                     : ACCORD_OK;
}

/* *position 0: the outbox is long, and was moved a part of the way. */
static int publish_once(struct pg_publisher *p, const struct pg_target *target,
                        const struct arrays *arrays, bool stale, uint64_t *position,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct pg_mark mark = pg_shared_mark(p->shared);
    bool marked = pg_target_equal(&mark.in, target);
    struct pg_arguments a = {.count = 0};
    uint8_t log[16], epoch[8], at[8], message[16];
    PGresult *r = NULL;

    pg_put_id(&a, target->log, log);
    pg_put_number(&a, target->epoch, epoch);
    pg_put_number(&a, mark.position, at);
    if (!marked)
        a.values[a.count - 1] = NULL;
    pg_put_id(&a, mark.message, message);
    for (size_t i = 0; i < ARRAYS; i++)
        pg_put_bytes(&a, i < STALE || stale ? bytes_of(arrays->data + arrays->begin[i],
                                                       arrays->begin[i + 1] - arrays->begin[i])
                                            : bytes_of(NULL, 0));
    p->link.warned = false;
    int status = pg_link_run_then(&p->link, &publish, &a, p->notify, &r, why);
    if (status == ACCORD_E_GONE)
        status = ACCORD_E_DOWN; /* the reading side finds out why, and attaches anew */
    if (status == ACCORD_OK)
        status = check_warned(&p->link, why);
    /* By a session of which we do not know how durable its commits are. */
    if (status == ACCORD_OK &&
        pg_link_check_backend(&p->link, pg_number(r, 0, 2), why) != ACCORD_OK)
        status = ACCORD_E_TIMEOUT;
    if (status == ACCORD_OK && PQgetisnull(r, 0, 0))
        status = bus_fail(why, ACCORD_E_DOWN,
                          "the log in schema %s was replaced or restored; it is being attached "
                          "anew",
                          p->link.place->schema);
    if (status == ACCORD_OK)
        *position = pg_number(r, 0, 1);
    PQclear(r);
    return status;
}

/* Pruning takes no lock that others wait for. What comes of it does not matter here. */
static void prune(struct pg_publisher *p)
{
    static const struct pg_statement pruning = {
        PG_PRUNE, "SELECT @.prune($1::bigint, $2::bigint, $3::bigint, $4::bigint)"};
    const struct bus_settings *s = p->settings;
    struct pg_arguments a = {.count = 0};
    uint8_t room[4][8];
    char why[BUS_WHY_BYTES_MAX];
    PGresult *r = NULL;

    pg_put_number(&a, u64_min(s->retain_ms, INT32_MAX * 1000ull), room[0]);
    pg_put_number(&a, u64_min(s->retain_changes, INT64_MAX), room[1]);
    pg_put_number(&a, u64_max(MEMBERS_RETAIN_MS, 8 * u64_min(s->max_stale_ms, UINT32_MAX)),
                  room[2]);
    pg_put_number(&a, PRUNE_ROWS, room[3]);
    bool more =
        pg_link_run(&p->link, &pruning, &a, &r, why) == ACCORD_OK && pg_is_true(r, 0, 0);
    PQclear(r);
    p->published = 0;
    p->prune_due_ns = time_monotonic_ns() + (more ? PRUNE_MORE_NS : PRUNE_NS);
}

static bool prune_is_due(const struct pg_publisher *p)
{
    return time_monotonic_ns() >= p->prune_due_ns ||
           p->published >= u64_max(p->settings->retain_changes / 8, PRUNE_PUBLISHED_MIN);
}

static int publish_all(struct pg_publisher *p, const struct pg_target *target,
                       const struct change *changes, size_t count, struct position *last,
                       char why[BUS_WHY_BYTES_MAX])
{
    bool stale = sets_max_stale(changes, count);
    struct arrays arrays;
    uint64_t position = 0;
    int status = ACCORD_OK;

    if (!build(&arrays, changes, count))
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    while (status == ACCORD_OK && position == 0)
        status = publish_once(p, target, &arrays, stale, &position, why);
    free(arrays.data);
    if (status != ACCORD_OK)
        return status;
    *last = (struct position){pg_epoch(target), position};
    pg_shared_saw(p->shared, target, position, changes[count - 1].message);
    p->published += count;
    return ACCORD_OK;
}

int pg_publisher_publish(struct pg_publisher *p, const struct change *changes, size_t count,
                         struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    pthread_mutex_lock(&p->shared->mutex);
    struct pg_target target = p->shared->target;
    pthread_mutex_unlock(&p->shared->mutex);

    if (id128_is_none(target.log))
        return bus_fail(why, ACCORD_E_DOWN, "it is not attached");
    p->link.deadline_ns = time_monotonic_ns() + p->settings->timeout_ms * NS_PER_MS;
    int status = pg_link_open(&p->link, why);
    if (status != ACCORD_OK)
        return status == ACCORD_E_TIMEOUT ? ACCORD_E_DOWN : status;
    struct pg_target here = target;
    here.identity = p->link.identity;
    if (!pg_target_equal(&here, &target))
        status = bus_fail(why, ACCORD_E_DOWN,
                          "another server or database answers now; it is being attached anew");
    if (status == ACCORD_OK)
        status = publish_all(p, &target, changes, count, last, why);
    if (status == ACCORD_OK && prune_is_due(p))
        prune(p);
    return status;
}
