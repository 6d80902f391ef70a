/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/row.h"

#include "base/hex.h"
#include "test.h"

TEST(sqlite_text_is_what_comes_back_the_same)
{
    static const char *const text[] = {"a",
                                       "\x01",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbd",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const blob[] = {"\x80",
                                       "\xbf",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xc2",
                                       "\xc2\x41",
                                       "\xe0\x9f\xbf",
                                       "\xe1\x80",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xef\xbf\xbe",
                                       "\xef\xbf\xbf",
                                       "\xef\xbb\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf8\x88\x80\x80\x80",
                                       "\xfe",
                                       "\xff",
                                       "good\xf0\x9f\x90"};

    for (size_t i = 0; i < COUNT_OF(text); i++)
        CHECK(sqlite_is_text(bytes_of_text(text[i])));
    for (size_t i = 0; i < COUNT_OF(blob); i++)
        CHECK(!sqlite_is_text(bytes_of_text(blob[i])));
    CHECK(!sqlite_is_text(bytes_of("a\0b", 3)));
    CHECK(sqlite_is_text(bytes_of(NULL, 0)));
}

TEST(sqlite_hex_takes_only_its_digits)
{
    uint64_t high = 7, low = 7;

    CHECK(hex_parse(bytes_of_text("0123456789abcdeffedcba9876543210"), &high, &low));
    CHECK(high == 0x0123456789abcdef && low == 0xfedcba9876543210);
    CHECK(hex_parse(bytes_of_text("00000000000000ff"), &high, NULL));
    CHECK(high == 0xff);
    CHECK(!hex_parse(bytes_of_text("0123456789abcdeffedcba987654321"), &high, &low));
    CHECK(!hex_parse(bytes_of_text("0123456789abcdeffedcba98765432100"), &high, &low));
    CHECK(!hex_parse(bytes_of_text("0123456789ABCDEF0123456789abcdef"), &high, &low));
    CHECK(!hex_parse(bytes_of_text("00000000000000fg"), &high, NULL));
    CHECK(high == 0xff);
}

/* Reads one row of literals as if it were of the table. */
static struct change read_literals(const char *columns)
{
    static uint8_t room[SQL_ROW_BYTES_MAX];
    char sql[512] = "SELECT ";
    struct entry e;
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;

    CHECK(strlen(columns) < sizeof sql - sizeof "SELECT ");
    memcpy(sql + strlen(sql), columns, strlen(columns) + 1);
    CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(s) == SQLITE_ROW);
    CHECK(sqlite_row_read(s, 0, room, &e) <= sizeof room);
    CHECK(sqlite3_finalize(s) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    CHECK(e.position == 7);
    return e.change;
}

#define REST "NULL,NULL,NULL,NULL,NULL,NULL,NULL"

TEST(sqlite_row_makes_the_best_of_what_stands_there)
{
    /* id, key, op, soft, version, fingerprint, message, wall_ms, origin, … */
    struct change c = read_literals("7, 'k', 'remove', 0, 5, NULL, 'mine', 3, NULL, " REST);
    CHECK(c.op == CHANGE_REMOVE && c.has_version && c.version == 5 && !c.has_fingerprint);
    CHECK(!id128_is_none(c.message)); /* of a text that is none of ours */
    struct change d = read_literals("7, 'k', 'remove', 0, 5, NULL, 'mine2', 3, NULL, " REST);
    CHECK(!id128_equal(c.message, d.message));

    c = read_literals("7, 'k', 'remove', 1, 'two', 'x', NULL, 'then', NULL, " REST);
    CHECK(c.op == CHANGE_REMOVE && c.soft && !c.has_version && !c.has_fingerprint);
    CHECK(c.wall_ms == 0);
    c = read_literals("7, 43, 'remove', NULL, NULL, NULL, NULL, NULL, NULL, " REST);
    CHECK(bytes_equal(c.key, bytes_of_text("43")));
    c = read_literals(
        "7, 'k', 'remove', 0, NULL, NULL, NULL, 3, 'web1', NULL, 4, 5, NULL, NULL, "
        "NULL, NULL");
    CHECK(c.op == CHANGE_REMOVE && c.nonce == 5); /* of a strict removal */
    c = read_literals("7, zeroblob(8193), 'remove', 1, 1, 1, NULL, NULL, NULL, " REST);
    CHECK(c.op == CHANGE_CLEAR && c.key.size_bytes == 0 && !c.soft && !c.has_version);
    c = read_literals("7, 'k', NULL, 0, NULL, NULL, NULL, NULL, NULL, " REST);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, 'k', x'00ff', 0, NULL, NULL, NULL, NULL, NULL, " REST);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, 'k', 'remove', 0, NULL, NULL, NULL, NULL, zeroblob(65), " REST);
    CHECK(c.op == CHANGE_REMOVE && c.origin.size_bytes == 0);
    c = read_literals(
        "7, NULL, 'beat', 0, NULL, NULL, NULL, NULL, 'web1', 'no hex', 3, 4, 5, 6, 7, "
        "zeroblob(513)");
    CHECK(c.op == CHANGE_BEAT && c.about.size_bytes == 0 && id128_is_none(c.incarnation));
    CHECK(c.sequence == 3 && c.nonce == 4 && c.applied == 5 && c.lease_epoch == 7);
}

TEST(sqlite_row_of_a_later_version_stands_for_the_wider_removal)
{
#define OF_WEB9                                                                                \
    "'00000000000000030000000000000004', 6, 'web9', "                                          \
    "'00000000000000070000000000000008', 9, 10, 11, 12, 13, 'more'"
    struct change c = read_literals("7, 'user:7', 'must-swap', 1, 5, 6, " OF_WEB9);

    CHECK(c.op == CHANGE_NAMESPACE && bytes_equal(c.key, bytes_of_text("user")));
    CHECK(!c.soft && !c.has_version && !c.has_fingerprint);
    CHECK(id128_equal(c.message, (struct id128){3, 4}) && c.wall_ms == 6);
    CHECK(bytes_equal(c.origin, bytes_of_text("web9")) && c.sequence == 9);
    CHECK(id128_equal(c.incarnation, (struct id128){7, 8}) && c.nonce == 0);
    c = read_literals("7, 'user', 'must-swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR && c.sequence == 9);
    c = read_literals("7, ':7', 'must-swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, NULL, 'must-swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, hex(zeroblob(40)) || ':', 'must-swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR); /* no namespace has such a name */
    c = read_literals("7, zeroblob(8193), 'must-swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, 'user:7', 'swap', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR); /* a word that no version may use */
    c = read_literals("7, 'user:7', 'must-', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_CLEAR);
    c = read_literals("7, 'user:7', 'may-note', 1, 5, 6, " OF_WEB9);
    CHECK(c.op == CHANGE_BEAT && c.key.size_bytes == 0 && !c.has_version && c.nonce == 0);
    CHECK(bytes_equal(c.origin, bytes_of_text("web9")) && c.sequence == 9);
    CHECK(id128_equal(c.message, (struct id128){3, 4}));
#undef OF_WEB9
}
