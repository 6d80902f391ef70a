/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* outbox.h - the changes accepted here that are not yet seen in the log.
 *
 * A queue in the order of acceptance. Each change has an ordinal, growing by one; the ordinals
 * fall into
 *
 *     oldest … confirmed    known to be in the log, not yet applied there (so still *own*, L3)
 *     confirmed … sent      in the batch on its way
 *     sent … next           waiting for the next batch
 *
 * One batch is on its way at a time; what comes meanwhile travels together in the next. A batch
 * that failed, or whose outcome is unknown, is repeated unchanged, with the same messages and
 * sequences, until the bus has it: order and sequences never break, and no accepted change is
 * lost (L1). Join, beat and leave ride in a batch without an ordinal.
 *
 * Changes that were joined travel in one batch, whole, or wait for the next. Where one of them
 * says what a later one says again, only the later travels: it removes all that the earlier
 * would have, and what came between. (The other way round a value that was set between the two
 * would outlive the second.)
 *
 * Pure. One owner; not thread-safe. Keys are copied in; what outbox_batch() returns stays until
 * that batch is acknowledged.
 */
#ifndef ACCORD_CORE_OUTBOX_H
#define ACCORD_CORE_OUTBOX_H

#include "wire/change.h"

enum {
    OUTBOX_BUCKETS = 65536,
    OUTBOX_FOLD_SLOTS = 4096, /* of the table by which equal changes find each other */
    OUTBOX_ARENA_BYTES = 64 * 1024 * 1024 + 2 * KEY_BYTES_MAX /* a key lies in one piece */
};
_Static_assert(OUTBOX_FOLD_SLOTS >= 2 * PUBLISH_BATCH_MAX, "the table stays sparse");
_Static_assert(OUTBOX_ARENA_BYTES == OUTBOX_BYTES_MAX + 2 * KEY_BYTES_MAX, "arena");

enum outbox_state {
    OUTBOX_IDLE,  /* no batch */
    OUTBOX_SENT,  /* a batch is on its way */
    OUTBOX_FAILED /* it failed; it is to be sent again at retry_ns */
};

struct outbox {
    uint64_t oldest, confirmed, sent, next; /* ordinals, from 1 */

    enum outbox_state state;
    uint64_t batch;      /* number of the batch on its way */
    uint64_t batch_from; /* its first ordinal: nothing from there on is freed */
    uint64_t retry_ns;
    uint32_t failures;    /* in a row */
    size_t changes_count; /* in batch_changes */

    size_t key_bytes; /* of all, summed */
    size_t arena_end; /* where the next key goes, if it fits there */

    uint8_t flags[OUTBOX_CHANGES_MAX];
    uint64_t positions[OUTBOX_CHANGES_MAX]; /* at most: where it is in the log; 0: unknown */
    uint32_t chain[OUTBOX_CHANGES_MAX];     /* next slot of the bucket + 1; 0: the end */
    uint32_t buckets[OUTBOX_BUCKETS];
    uint32_t fold[OUTBOX_FOLD_SLOTS]; /* of outbox_join(): slot + 1; 0: none */
    struct change changes[OUTBOX_CHANGES_MAX];
    struct change batch_changes[PUBLISH_BATCH_MAX];
    uint8_t arena[OUTBOX_ARENA_BYTES];
};

/* `o` is zeroed memory. */
void outbox_init(struct outbox *o);

/* Whether so many more changes, with so many bytes of keys in all, can be accepted. */
bool outbox_has_room(const struct outbox *o, size_t count, size_t key_bytes);
/* Accepts a change; there is room. Its sequence is given when it travels, but for a `resent`
 * one: it keeps sequence 0, for it may be in the log already under an earlier one. Its origin
 * must outlive the outbox. Returns its ordinal. */
uint64_t outbox_add(struct outbox *o, const struct change *c, bool resent);

/* The changes [from, next), none of them sent, at most PUBLISH_BATCH_MAX, travel together.
 * Returns how many need not travel, for a later one says the same. */
size_t outbox_join(struct outbox *o, uint64_t from);

/* Whether there is something to put into a batch now. */
bool outbox_is_ready(const struct outbox *o);
/* Whether what waits fills a batch: then nothing is won by waiting for more. */
bool outbox_fills_batch(const struct outbox *o);
/* Makes the next batch, of state OUTBOX_IDLE: `control` (may be NULL) and what waits. The
 * control goes first. *sequence is the last one given, and moves on. At least one change. */
void outbox_compose(struct outbox *o, const struct change *control, uint64_t *sequence);
/* The failed batch goes out again, unchanged. */
void outbox_resend(struct outbox *o);

/* The batch is in the log, its last change at `last`. False: not the batch on its way. */
bool outbox_acknowledged(struct outbox *o, uint64_t batch, uint64_t last);
/* It is not, or nobody knows. */
bool outbox_failed(struct outbox *o, uint64_t batch, uint64_t retry_ns);

/* An entry of the log bears this message. True: it is one of these, and now confirmed. */
bool outbox_saw(struct outbox *o, struct id128 message, uint64_t position);
/* The state journal. outbox_keep(): a run of changes of [from, until) that are not confirmed
 * and not kept yet, now marked as kept; false: none left. outbox_forget(): the messages of the
 * kept ones of [from, confirmed), written to `messages` (room for OUTBOX_CHANGES_MAX);
 * `from` may not be trimmed yet. */
bool outbox_keep(struct outbox *o, uint64_t from, uint64_t until, const struct change **first,
                 size_t *count);
size_t outbox_forget(const struct outbox *o, uint64_t from, struct id128 *messages);
/* Frees what is confirmed and lies at or before `applied`. False: one of them, acknowledged at
 * a position that has been passed by now, was not met there: the log has lost it. */
bool outbox_trim(struct outbox *o, uint64_t applied);
/* Another place in the log: what is confirmed will perhaps not be seen any more. */
void outbox_forget_confirmed(struct outbox *o);

const struct change *outbox_change(const struct outbox *o, uint64_t ordinal); /* held */
uint64_t outbox_position(const struct outbox *o, uint64_t ordinal);           /* held */
size_t outbox_count(const struct outbox *o); /* not yet confirmed */

/* Asserts every invariant by walking it all; for tests. */
void outbox_check(const struct outbox *o);

#endif
