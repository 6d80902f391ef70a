/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_pending.c - reads what a node that ended had accepted and not yet seen in the log. */
#include "node/journal_private.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t journal_checksum(const uint8_t *record, size_t size)
{
    return XXH3_64bits(record, size);
}

struct reading {
    struct pending *list;
    size_t count, unreadable;
    bool cut; /* not every row could be reached */
};

/* NULL: not what was written, or no memory. */
static struct pending *row_read(sqlite3_stmt *s)
{
    const void *record = sqlite3_column_blob(s, 1);
    int size = sqlite3_column_bytes(s, 1);
    struct bytes scope;
    struct pending *p;

    if (!record || size <= 0 || (size_t)size > CHANGE_RECORD_BYTES_MAX ||
        (uint64_t)sqlite3_column_int64(s, 2) != journal_checksum(record, (size_t)size))
        return NULL;
    p = malloc(sizeof *p + (size_t)size);
    if (!p)
        return NULL;
    memcpy(p->record, record, (size_t)size);
    p->record_bytes = (size_t)size;
    p->id = sqlite3_column_int64(s, 0);
    if (change_decode(bytes_of(p->record, p->record_bytes), &p->change, &scope) != ACCORD_OK) {
        free(p);
        return NULL;
    }
    return p;
}

/* Reads from one end until the other, or a row already known, or damage. */
static void read_rows(struct journal *j, const char *sql, struct reading *r, int64_t stop_id)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(j->db, sql, -1, &s, NULL);

    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(s);
        if (result != SQLITE_ROW || r->count == OUTBOX_CHANGES_MAX)
            break;
        if (sqlite3_column_int64(s, 0) == stop_id)
            break;
        struct pending *p = row_read(s);
        if (!p) {
            r->unreadable++;
            continue;
        }
        p->next = r->list;
        r->list = p;
        r->count++;
    }
    if (result != SQLITE_DONE)
        r->cut = true;
    sqlite3_finalize(s);
}

/* What stands in for what cannot be read: everything, everywhere, is dropped. */
static struct pending *clear_all(void)
{
    struct pending *p = calloc(1, sizeof *p);
    struct timespec t;

    if (!p)
        return NULL;
    clock_gettime(CLOCK_REALTIME, &t);
    p->id = INT64_MAX;
    p->change.op = CHANGE_CLEAR;
    p->change.wall_ms = (uint64_t)t.tv_sec * 1000;
    ASSERT(getrandom(&p->change.message, sizeof p->change.message, 0) ==
           sizeof p->change.message);
    return p;
}

static int by_id(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* The list as two arrays, in the order of acceptance. */
static void take_over(struct journal *j, const struct reading *r)
{
    struct pending *next = r->list;

    j->records = calloc(r->count + 1, sizeof(struct pending *));
    j->pending = calloc(r->count + 1, sizeof *j->pending);
    ASSERT(j->records); /* at start: memory that is not there is the end */
    ASSERT(j->pending);
    for (size_t i = 0; i < r->count; i++, next = next->next)
        j->records[i] = next;
    qsort(j->records, r->count, sizeof(struct pending *), by_id);
    for (size_t i = 0; i < r->count; i++)
        j->pending[i] = j->records[i]->change;
    j->pending_count = r->count;
}

void journal_read_pending(struct journal *j, bool damaged, struct journal_report *report)
{
    struct reading r = {0};
    int64_t last = -1;

    read_rows(j, "SELECT id, record, checksum FROM journal ORDER BY id", &r, -1);
    if (damaged && r.cut) {
        last = r.list ? r.list->id : -1;
        read_rows(j, "SELECT id, record, checksum FROM journal ORDER BY id DESC", &r, last);
    }
    if (r.unreadable > 0 || r.cut || j->missing) {
        struct pending *all = clear_all();
        ASSERT(all);
        all->next = r.list;
        r.list = all;
        r.count++;
        r.unreadable += r.unreadable == 0;
    }
    take_over(j, &r);
    report->pending = r.count;
    report->unreadable = r.unreadable;
}

const struct change *journal_pending(const struct journal *j, size_t *count)
{
    *count = j->pending_count;
    return j->pending;
}

void journal_drop_pending(struct journal *j)
{
    for (size_t i = 0; i < j->pending_count; i++)
        free(j->records[i]);
    free(j->records);
    free(j->pending);
    j->records = NULL;
    j->pending = NULL;
    j->pending_count = 0;
}
