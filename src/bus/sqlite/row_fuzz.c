/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* row_fuzz.c - any row of accord_changes, of any types: it comes out as a change that can be
 * applied, inside its room, and the same when it is written and read again.
 *
 * Input: columns of type:1 bytes:1, then the bytes; what is not given is NULL. */
#include "bus/sqlite/row.h"

enum { COLUMNS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bind(sqlite3_stmt *s, int column, unsigned type, const uint8_t *data, int bytes)
{
    uint64_t number = 0;

    memcpy(&number, data, bytes < 8 ? (size_t)bytes : 8);
    if (type % 4 == 0)
        sqlite3_bind_int64(s, column, (int64_t)number);
    else if (type % 4 == 1)
        sqlite3_bind_text(s, column, (const char *)data, bytes, SQLITE_STATIC);
    else if (type % 4 == 2)
        sqlite3_bind_blob(s, column, data, bytes, SQLITE_STATIC);
    else
        sqlite3_bind_double(s, column, (double)number / 7);
}

static void check_inside(struct bytes b, const uint8_t *room, size_t used)
{
    if (b.size_bytes == 0)
        return;
    ASSERT(b.data >= room);
    ASSERT(b.data + b.size_bytes <= room + used);
}

static void check_same(const struct change *a, const struct change *b)
{
    ASSERT(a->op == b->op && a->soft == b->soft);
    ASSERT(a->has_version == b->has_version && a->version == b->version);
    ASSERT(a->has_fingerprint == b->has_fingerprint && a->fingerprint == b->fingerprint);
    ASSERT(bytes_equal(a->key, b->key));
    ASSERT(id128_equal(a->message, b->message));
    ASSERT(a->wall_ms == b->wall_ms);
    ASSERT(bytes_equal(a->origin, b->origin));
    ASSERT(id128_equal(a->incarnation, b->incarnation));
    ASSERT(a->sequence == b->sequence && a->nonce == b->nonce);
    ASSERT(a->applied == b->applied && a->applied_hash == b->applied_hash);
    ASSERT(a->lease_epoch == b->lease_epoch);
    ASSERT(bytes_equal(a->about, b->about));
}

/* The statement whose row is its own parameters. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;

    ASSERT(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sqlite3 *db;
    static sqlite3_stmt *raw, *ours;
    static uint8_t room[SQL_ROW_BYTES_MAX], room_again[SQL_ROW_BYTES_MAX];
    struct entry e, again;

    if (!db) {
        ASSERT(sqlite3_open(":memory:", &db) == SQLITE_OK);
        raw = prepare(db, "SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16");
        /* ?8 is when the row was inserted: no part of the change. */
        ours = prepare(db, "SELECT 1,?1,?2,?3,?4,?5,?6,?7,?9,?10,?11,?12,?13,?14,?15,?16");
    }
    sqlite3_reset(raw);
    sqlite3_clear_bindings(raw);
    for (int column = 1; column <= COLUMNS && size >= 2; column++) {
        size_t bytes = data[1] < size - 2 ? data[1] : size - 2;
        bind(raw, column, data[0], data + 2, (int)bytes);
        data += 2 + bytes;
        size -= 2 + bytes;
    }
    ASSERT(sqlite3_step(raw) == SQLITE_ROW);
    size_t used = sqlite_row_read(raw, 0, room, &e);
    ASSERT(used <= sizeof room);
    check_inside(e.change.key, room, used);
    check_inside(e.change.origin, room, used);
    check_inside(e.change.about, room, used);
    ASSERT(!change_problem(&e.change));

    sqlite3_reset(ours);
    ASSERT(sqlite_row_bind(ours, 0, &e.change, 0) == SQLITE_OK);
    ASSERT(sqlite3_step(ours) == SQLITE_ROW);
    (void)sqlite_row_read(ours, 0, room_again, &again);
    check_same(&e.change, &again.change);
    return 0;
}
