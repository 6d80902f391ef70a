/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* row.h - a change as a row of accord_changes, for people and programs.
 *
 * Rows are hostile: whatever a person wrote comes out as a change, at worst as CLEAR (B14).
 */
#ifndef ACCORD_BUS_SQLITE_ROW_H
#define ACCORD_BUS_SQLITE_ROW_H

#include <sqlite3.h>

#include "wire/change.h"

/* Followed by the same SQL_INSERT_ROW for each row, with commas between. */
#define SQL_INSERT_ROWS                                                                        \
    "INSERT INTO accord_changes$(key, op, soft, version, fingerprint, message, wall_ms, "      \
    "inserted_ms, origin, incarnation, sequence, nonce, applied, applied_hash, lease_epoch, "  \
    "about) VALUES "
#define SQL_INSERT_ROW "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

/* The columns that sqlite_row_read() expects, from `first` on. */
#define SQL_CHANGE_COLUMNS                                                                     \
    "c.id, key, op, soft, version, fingerprint, message, wall_ms, origin, incarnation, "       \
    "sequence, nonce, applied, applied_hash, lease_epoch, about"

enum { SQL_INSERT_COLUMNS = 16 };
enum { SQL_ROW_BYTES_MAX = KEY_BYTES_MAX + NODE_NAME_BYTES_MAX + CHANGE_ABOUT_BYTES_MAX };

/* Binds `c`, which outlives the statement's next step, to row `row` (from 0) of an INSERT. A
 * result of SQLite. */
MUST_CHECK int sqlite_row_bind(sqlite3_stmt *s, int row, const struct change *c,
                               uint64_t inserted_ms);

/* Binds 32 digits, or NULL for none. A result of SQLite. */
MUST_CHECK int sqlite_bind_id(sqlite3_stmt *s, int column, struct id128 id);

/* Reads the row that `s` stands on. The change's bytes are copied to `room`, at most
 * SQL_ROW_BYTES_MAX; returns how many. */
size_t sqlite_row_read(sqlite3_stmt *s, int first, uint8_t *room, struct entry *out);

/* The message of a row, also of a text that is none of ours; none for NULL. */
struct id128 sqlite_message_read(sqlite3_stmt *s, int column);

/* A column's bytes, of text or BLOB, valid until the next step. */
struct bytes sqlite_column(sqlite3_stmt *s, int column);

/* Whether `b` comes back the same as TEXT, also from a database in UTF-16. */
bool sqlite_is_text(struct bytes b);

#endif
