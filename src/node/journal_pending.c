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
    bool cut;       /* not every row could be reached */
    bool no_memory; /* what is missing is not damaged */
};

/* NULL: not what was written, or no memory. */
static struct pending *row_read(sqlite3_stmt *s, struct reading *r)
{
    const void *record = sqlite3_column_blob(s, 1);
    int size = sqlite3_column_bytes(s, 1);
    struct bytes scope;
    struct pending *p;

    if (!record || size <= 0 || (size_t)size > CHANGE_RECORD_BYTES_MAX ||
        (uint64_t)sqlite3_column_int64(s, 2) != journal_checksum(record, (size_t)size))
        return NULL;
    p = malloc(sizeof *p + (size_t)size);
    if (!p) {
        r->no_memory = true;
        return NULL;
    }
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
        struct pending *p = row_read(s, r);
        if (!p) {
            r->no_memory = r->no_memory || journal_out_of_memory(j);
            r->unreadable++;
            continue;
        }
        p->next = r->list;
        r->list = p;
        r->count++;
    }
    r->no_memory = r->no_memory || journal_out_of_memory(j);
    if (result != SQLITE_DONE)
        r->cut = true;
    sqlite3_finalize(s);
}

/* What stands in for what cannot be read: everything, everywhere, is dropped. */
static int clear_all(struct reading *r)
{
    struct pending *p = calloc(1, sizeof *p);
    struct timespec t;

    if (!p)
        return ACCORD_E_NOMEM;
    if (getrandom(&p->change.message, sizeof p->change.message, 0) !=
        sizeof p->change.message) {
        free(p);
        return ACCORD_E_IO;
    }
    clock_gettime(CLOCK_REALTIME, &t);
    p->id = INT64_MAX;
    p->change.op = CHANGE_CLEAR;
    p->change.wall_ms = (uint64_t)t.tv_sec * 1000;
    p->next = r->list;
    r->list = p;
    r->count++;
    r->unreadable += r->unreadable == 0;
    return ACCORD_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct pending *x = *(const struct pending *const *)a;
    const struct pending *y = *(const struct pending *const *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* The list as two arrays, in the order of acceptance. */
static int take_over(struct journal *j, const struct reading *r)
{
    struct pending *next = r->list;

    j->records = calloc(r->count + 1, sizeof(struct pending *));
    j->pending = calloc(r->count + 1, sizeof *j->pending);
    if (!j->records || !j->pending)
        return ACCORD_E_NOMEM;
    for (size_t i = 0; i < r->count; i++, next = next->next)
        j->records[i] = next;
    qsort(j->records, r->count, sizeof(struct pending *), by_id);
    for (size_t i = 0; i < r->count; i++)
        j->pending[i] = j->records[i]->change;
    j->pending_count = r->count;
    return ACCORD_OK;
}

static int give_up(struct journal *j, struct reading *r, int status, char *why)
{
    while (r->list) {
        struct pending *next = r->list->next;
        free(r->list);
        r->list = next;
    }
    journal_drop_pending(j);
    return journal_fail(
        why, status, "state folder %.500s: cannot read its journal: %s", j->folder,
        status == ACCORD_E_NOMEM ? "out of memory" : "the system has no random numbers");
}

int journal_read_pending(struct journal *j, bool damaged, struct journal_report *report,
                         char why[JOURNAL_WHY_BYTES_MAX])
{
    struct reading r = {0};
    int64_t last = -1;
    int status = ACCORD_OK;

    read_rows(j, "SELECT id, record, checksum FROM journal ORDER BY id", &r, -1);
    if (damaged && r.cut) {
        last = r.list ? r.list->id : -1;
        read_rows(j, "SELECT id, record, checksum FROM journal ORDER BY id DESC", &r, last);
    }
    if (r.no_memory)
        status = ACCORD_E_NOMEM;
    else if (r.unreadable > 0 || r.cut || j->missing)
        status = clear_all(&r);
    if (status == ACCORD_OK)
        status = take_over(j, &r);
    if (status != ACCORD_OK)
        return give_up(j, &r, status, why);
    report->pending = r.count;
    report->unreadable = r.unreadable;
    return ACCORD_OK;
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
