/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* record.h - what is inside one message of the stream, and where it lies in the log. Pure.
 *
 * A batch is one message, so that it is taken whole or not at all (B4): records of
 * docs/format/change.txt, one after the other. An entry's position is made of its message's
 * sequence in the stream and of its place in the message:
 *
 *     position = sequence << 10 | place
 *
 * The last place of all, 1023, is also where a reader stands that has consumed the whole
 * message, however many entries it had. A message that a person wrote has one entry; what
 * cannot be understood counts as one that clears (B14).
 */
#ifndef ACCORD_BUS_NATS_RECORD_H
#define ACCORD_BUS_NATS_RECORD_H

#include "wire/hand.h"

enum {
    NATS_PLACE_BITS = 10,
    NATS_PLACE_LAST = (1 << NATS_PLACE_BITS) - 1,
    NATS_PAYLOAD_BYTES_MAX = PUBLISH_BATCH_MAX * CHANGE_RECORD_BYTES_MAX,
};
_Static_assert(PUBLISH_BATCH_MAX == 1 << NATS_PLACE_BITS, "a place for each change of a batch");

static inline uint64_t nats_position(uint64_t sequence, uint64_t place)
{
    return sequence << NATS_PLACE_BITS | place;
}
static inline uint64_t nats_sequence_of(uint64_t position)
{
    return position >> NATS_PLACE_BITS;
}
static inline uint64_t nats_place_of(uint64_t position)
{
    return position & NATS_PLACE_LAST;
}

/* A batch that is larger than the server's max_payload goes out in parts. Only the last counts:
 * it names the others' sequences, and its entries are those of all of them together; a part
 * whose last never came has none. Layout: "APRT", format u8 = 1, zero u8, count u16, index u16;
 * in the last part (count - 1) x u64, the sequences of the others; then its piece of the
 * payload. */
struct nats_part {
    uint32_t count, index;
    const uint8_t *others; /* count - 1 numbers of 8 bytes; NULL but in the last part */
    struct bytes piece;
};

enum { NATS_PART_HEAD_BYTES = 10, NATS_PARTS_MAX = 1024 };

/* False: not a part. */
bool nats_part_parse(struct bytes payload, struct nats_part *out);
/* The head of part `index`; `others` are the sequences of those before, used by the last.
 * Returns its length, at most NATS_PART_HEAD_BYTES + 8 * (count - 1). */
size_t nats_part_head(uint8_t *out, uint32_t index, uint32_t count, const uint64_t *others);
uint64_t nats_part_other(const struct nats_part *p, uint32_t index);

/* A message as the stream holds it; its bytes belong to the caller. */
struct nats_message {
    uint64_t sequence;
    const char *verb; /* of a person: what follows ".do." in the subject; NULL: records */
    struct bytes payload;
    bool unfinished;         /* a part that is not the last: no entries */
    uint64_t wall_ms;        /* when the server took it */
    struct id128 log;        /* makes the message ids of what has none */
    const struct hand *hand; /* of who reads it (B17); NULL: nobody who is to note it */
};

/* The entry at `*offset` of the payload, the `place`th; *offset moves behind it. False: there
 * is none. Every reader of the same message makes the same entries of it. What *out points to
 * lies within the payload. */
bool nats_message_next(const struct nats_message *m, size_t *offset, uint64_t place,
                       struct entry *out);

/* The place of the last entry, and in *message that entry's id; NATS_PLACE_LAST and none where
 * there is no entry. */
uint64_t nats_message_last(const struct nats_message *m, struct id128 *message);

/* The message id at `place`; none where there is no such entry. */
struct id128 nats_message_id(const struct nats_message *m, uint64_t place);

/* Writes the changes as one payload. ACCORD_E_SIZE: more than out_bytes; *written is then what
 * it would take. */
MUST_CHECK int nats_payload_write(const struct change *changes, size_t count, uint8_t *out,
                                  size_t out_bytes, size_t *written);

/* What a stream's description says: the log's name, epoch and max_stale. */
struct nats_meta {
    struct id128 log;
    uint64_t epoch;
    uint64_t max_stale_ms, max_stale_before_ms;
    uint64_t set_at; /* position of the entry that set max_stale; 0: its creation */
};

enum { NATS_META_BYTES_MAX = 256 };

void nats_meta_print(const struct nats_meta *m, char text[NATS_META_BYTES_MAX]);
/* False: not a description of ours. */
bool nats_meta_parse(const char *text, struct nats_meta *out);

#endif
