/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_fuzz.c - any rows in the state journal: every change that comes out is whole, and
 * where a row cannot be read, one change that clears everything comes with the rest.
 *
 * Input: rows of how:1 bytes:1, then the bytes. The low bits of `how` choose the types of the
 * columns; bit 7, a checksum that fits, so that what is behind it is reached. */
#include "node/journal_private.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insert(sqlite3_stmt *s, unsigned how, const uint8_t *data, int bytes)
{
    uint64_t sum = how & 128 ? journal_checksum(data, (size_t)bytes) : how;

    sqlite3_reset(s);
    switch (how & 3) {
    case 0:
        sqlite3_bind_null(s, 1);
        break;
    case 1:
        sqlite3_bind_text(s, 1, (const char *)data, bytes, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_blob(s, 1, data, bytes, SQLITE_STATIC);
    }
    if (how & 4)
        sqlite3_bind_text(s, 2, (const char *)data, bytes, SQLITE_STATIC);
    else
        sqlite3_bind_int64(s, 2, (int64_t)sum);
    ASSERT(sqlite3_step(s) == SQLITE_DONE);
}

static void check(const struct journal *j, const struct journal_report *report)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    size_t count, size;
    const struct change *pending = journal_pending(j, &count);

    ASSERT(report->pending == count);
    for (size_t i = 0; i < count; i++)
        ASSERT(change_encode(&pending[i], record, sizeof record, &size) == ACCORD_OK);
    if (report->unreadable > 0)
        ASSERT(count > 0 && pending[count - 1].op == CHANGE_CLEAR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct journal j;
    static sqlite3_stmt *s;
    struct journal_report report = {.pending = 0};
    char why[JOURNAL_WHY_BYTES_MAX];

    if (!j.db) {
        const char *table = "CREATE TABLE journal(id INTEGER PRIMARY KEY, record, checksum)";
        ASSERT(sqlite3_open(":memory:", &j.db) == SQLITE_OK);
        ASSERT(sqlite3_exec(j.db, table, NULL, NULL, NULL) == SQLITE_OK);
        ASSERT(sqlite3_prepare_v2(j.db, "INSERT INTO journal(record, checksum) VALUES(?1, ?2)",
                                  -1, &s, NULL) == SQLITE_OK);
    }
    ASSERT(sqlite3_exec(j.db, "DELETE FROM journal", NULL, NULL, NULL) == SQLITE_OK);
    bool damaged = size > 0 && data[0] & 1;
    while (size >= 2) {
        size_t bytes = data[1] < size - 2 ? data[1] : size - 2;
        insert(s, data[0], data + 2, (int)bytes);
        data += 2 + bytes;
        size -= 2 + bytes;
    }
    sqlite3_reset(s);
    ASSERT(journal_read_pending(&j, damaged, &report, why) == ACCORD_OK);
    check(&j, &report);
    journal_drop_pending(&j);
    return 0;
}
