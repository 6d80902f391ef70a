/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/row.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"

enum { ID_TEXT_BYTES = 32 };

/* The length of the UTF-8 character at `at`, which has `left` bytes; 0: none, or one that
 * SQLite replaces when it converts (surrogates, U+FFFE, U+FFFF). */
static size_t character(const uint8_t *at, size_t left)
{
    static const uint32_t least[5] = {0, 1, 0x80, 0x800, 0x10000};
    size_t bytes = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    uint32_t c = bytes == 1 ? at[0] : at[0] & (0xffu >> (bytes + 1));

    if (bytes > left || (bytes == 4 && at[0] >> 3 != 30))
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        c = c << 6 | (at[i] & 0x3f);
    }
    bool whole = c >= least[bytes] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) &&
                 c != 0xfffe && c != 0xffff;
    return whole ? bytes : 0;
}

bool sqlite_is_text(struct bytes b)
{
    size_t i = 0, length;

    if (b.size_bytes >= 3 && memcmp(b.data, "\xef\xbb\xbf", 3) == 0)
        return false; /* a byte order mark is eaten */
    while (i < b.size_bytes) {
        length = character(b.data + i, b.size_bytes - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

/* Binding. */

static int bind_bytes(sqlite3_stmt *s, int column, struct bytes b)
{
    const void *data = b.data;

    if (b.size_bytes == 0)
        return sqlite3_bind_null(s, column);
    if (sqlite_is_text(b))
        return sqlite3_bind_text(s, column, data, (int)b.size_bytes, SQLITE_STATIC);
    return sqlite3_bind_blob(s, column, data, (int)b.size_bytes, SQLITE_STATIC);
}

int sqlite_bind_id(sqlite3_stmt *s, int column, struct id128 id)
{
    char text[ID_TEXT_BYTES];

    if (id128_is_none(id))
        return sqlite3_bind_null(s, column);
    hex_print(text, id.high);
    hex_print(text + 16, id.low);
    return sqlite3_bind_text(s, column, text, ID_TEXT_BYTES, SQLITE_TRANSIENT);
}

/* Numbers of 64 bits without sign are shown with one by SQLite; both ways it is the same bits.
 */
static int bind_number(sqlite3_stmt *s, int column, uint64_t value, bool given)
{
    return given ? sqlite3_bind_int64(s, column, (int64_t)value) : sqlite3_bind_null(s, column);
}

int sqlite_row_bind(sqlite3_stmt *s, int row, const struct change *c, uint64_t inserted_ms)
{
    int column = row * SQL_INSERT_COLUMNS;
    int result = bind_bytes(s, ++column, c->key);

    result |= sqlite3_bind_text(s, ++column, change_op_word(c->op), -1, SQLITE_STATIC);
    result |= sqlite3_bind_int(s, ++column, c->soft);
    result |= bind_number(s, ++column, c->version, c->has_version);
    result |= bind_number(s, ++column, c->fingerprint, c->has_fingerprint);
    result |= sqlite_bind_id(s, ++column, c->message);
    result |= bind_number(s, ++column, c->wall_ms, true);
    result |= bind_number(s, ++column, inserted_ms, true);
    result |= bind_bytes(s, ++column, c->origin);
    result |= sqlite_bind_id(s, ++column, c->incarnation);
    result |= bind_number(s, ++column, c->sequence, c->sequence > 0);
    result |= bind_number(s, ++column, c->nonce, c->nonce > 0);
    result |= bind_number(s, ++column, c->applied, c->applied > 0);
    result |= bind_number(s, ++column, c->applied_hash, c->applied_hash > 0);
    result |= bind_number(s, ++column, c->lease_epoch, c->lease_epoch > 0);
    result |= bind_bytes(s, ++column, c->about);
    ASSERT(column == (row + 1) * SQL_INSERT_COLUMNS);
    return result;
}

/* Reading. */

struct bytes sqlite_column(sqlite3_stmt *s, int column)
{
    const void *data = sqlite3_column_type(s, column) == SQLITE_BLOB
                           ? sqlite3_column_blob(s, column)
                           : (const void *)sqlite3_column_text(s, column);

    return bytes_of(data, data ? (size_t)sqlite3_column_bytes(s, column) : 0);
}

static uint64_t number(sqlite3_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s, column);
}

struct id128 sqlite_message_read(sqlite3_stmt *s, int column)
{
    struct bytes text = sqlite_column(s, column);
    struct id128 id = {0, 0};

    if (text.size_bytes == 0 || hex_parse(text, &id.high, &id.low))
        return id;
    /* Only where the table's own check was switched off: still the same on every node. */
    for (size_t i = 0; i < text.size_bytes; i++) {
        id.high = cursor_hash(id.high, text.data[i], id);
        id.low = cursor_hash(id.low, i, id);
    }
    return id;
}

/* Copies a column to *room and moves *room on. False: longer than `most`; nothing copied. */
static bool take(sqlite3_stmt *s, int column, size_t most, uint8_t **room, struct bytes *out)
{
    struct bytes b = sqlite_column(s, column);

    if (b.size_bytes > most)
        return false;
    *out = bytes_of(b.size_bytes > 0 ? *room : NULL, b.size_bytes);
    if (b.size_bytes > 0)
        memcpy(*room, b.data, b.size_bytes);
    *room += b.size_bytes;
    return true;
}

static void read_envelope(sqlite3_stmt *s, int first, uint8_t **room, struct change *c)
{
    c->message = sqlite_message_read(s, first + 6);
    c->wall_ms = number(s, first + 7);
    if (!take(s, first + 8, NODE_NAME_BYTES_MAX, room, &c->origin))
        return; /* no node wrote that */
    if (!hex_parse(sqlite_column(s, first + 9), &c->incarnation.high, &c->incarnation.low))
        c->incarnation = (struct id128){0, 0};
    c->sequence = number(s, first + 10);
    c->nonce = number(s, first + 11);
    c->applied = number(s, first + 12);
    c->applied_hash = number(s, first + 13);
    c->lease_epoch = number(s, first + 14);
    if (!take(s, first + 15, CHANGE_ABOUT_BYTES_MAX, room, &c->about))
        c->about = bytes_of(NULL, 0);
}

size_t sqlite_row_read(sqlite3_stmt *s, int first, uint8_t *room, struct entry *out)
{
    struct entry e = {.position = number(s, first)};
    struct change *c = &e.change;
    uint8_t *end = room;

    read_envelope(s, first, &end, c);
    struct bytes op = sqlite_column(s, first + 2);
    bool known = change_op_parse(op, &c->op) == ACCORD_OK;
    known = take(s, first + 1, KEY_BYTES_MAX, &end, &c->key) && known;
    c->soft = sqlite3_column_int(s, first + 3) != 0;
    /* What is no number would have kept something: without it, the change removes more. */
    c->has_version = sqlite3_column_type(s, first + 4) == SQLITE_INTEGER;
    c->version = c->has_version ? number(s, first + 4) : 0;
    c->has_fingerprint = sqlite3_column_type(s, first + 5) == SQLITE_INTEGER;
    c->fingerprint = c->has_fingerprint ? number(s, first + 5) : 0;
    if (!known || change_problem(c))
        change_stand_in_word(c, op);
    *out = e;
    return (size_t)(end - room);
}
