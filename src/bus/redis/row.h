/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* row.h - a change as an entry of a stream, for people and programs; and where it stands.
 *
 * An entry is pairs of field and value: key, op, soft, version, fingerprint, message, wall_ms,
 * origin, incarnation, sequence, nonce, applied, applied_hash, lease_epoch, about; numbers in
 * decimal, ids as hexadecimal digits, what is empty or 0 left out. Only "key" is needed:
 * without an op it is "remove". `after` is the publisher's: see redis_row_follows(). Other
 * fields mean nothing. (docs/operating/bus_redis.md shows what to type.)
 *
 * Entries are hostile: whatever a person wrote comes out as a change, at worst as CLEAR (B14).
 *
 * A position is an entry's id "milliseconds-number" as one number: the milliseconds, then 20
 * bits for the number. */
#ifndef ACCORD_BUS_REDIS_ROW_H
#define ACCORD_BUS_REDIS_ROW_H

#include <hiredis/hiredis.h>

#include "wire/change.h"

enum {
    REDIS_SEQUENCE_BITS = 20,
    REDIS_MS_BITS = 43, /* until the year 2248 */
    REDIS_ID_BYTES_MAX = 48,
    REDIS_ROW_WORDS_MAX = 32,
    REDIS_ROW_TEXT_BYTES = 288, /* of the numbers of one row */
};

/* False: not an id, or one that is no position (a person gave it by hand). */
bool redis_id_parse(struct bytes text, uint64_t *position);
void redis_id_print(uint64_t position, char text[REDIS_ID_BYTES_MAX]);

/* The words of a command, that borrow from changes and from `text`. */
struct redis_words {
    const char **words;
    size_t *sizes;
    size_t count, max;
    char *text;
    size_t text_used, text_max;
};

/* ACCORD_E_NOMEM. */
MUST_CHECK int redis_words_init(struct redis_words *w, size_t words_max, size_t text_max);
void redis_words_done(struct redis_words *w); /* fine on zeroed memory */
void redis_words_clear(struct redis_words *w);
void redis_words_add(struct redis_words *w, const void *data, size_t size); /* borrowed */
void redis_words_add_text(struct redis_words *w, const char *text);         /* borrowed */
void redis_words_add_number(struct redis_words *w, uint64_t number);        /* decimal */
void redis_words_add_hex(struct redis_words *w, uint64_t high, const uint64_t *low);

/* Appends how many words the row has, then the row; its message first. */
void redis_row_write(struct redis_words *w, const struct change *c);

/* Where an entry stands, and nothing else of it. False: as below. */
bool redis_row_position(const redisReply *reply, uint64_t *position);

/* That and its message, and nothing else of it. False: as below. */
bool redis_row_name(const redisReply *reply, uint64_t *position, struct id128 *message);

/* Reads one entry of a reply; its bytes lie in the reply. False: it has no position, or is no
 * entry at all. */
bool redis_row_read(const redisReply *reply, struct entry *out);

/* Whether an entry says of itself that it was appended right after `position` in `epoch`: then
 * nothing lies hidden between. Only the first entry of a publish says so. */
bool redis_row_follows(const redisReply *reply, uint64_t position, uint64_t epoch);

#endif
