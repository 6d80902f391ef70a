/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The state journal, byte by byte: frames appended to a file. What node/journal.h promises is
 * modelled, not its SQLite: a keep is all or nothing and on disk before it returns; a forget is
 * written some time; a crash leaves what was synced and, torn anywhere, some of what was not;
 * what cannot be read is replaced by a change that clears everything. */
#include "sim/sim.h"

#include <stdlib.h>

enum { KEEP = 'K', FORGET = 'F', FRAME_BYTES = 24, PENDING_MAX = 4096 };

/* Before each payload; all numbers in the machine's order, for nobody else reads them. */
struct frame {
    uint64_t checksum; /* of the rest and the payload */
    uint64_t size;     /* of the payload */
    uint64_t kind;
};
_Static_assert(sizeof(struct frame) == FRAME_BYTES, "no padding");

static uint64_t checksum(const struct frame *f, const uint8_t *payload)
{
    uint64_t sum = f->size * 31 + f->kind;

    for (uint64_t i = 0; i < f->size; i++)
        sum = (sum ^ payload[i]) * 0x100000001b3ull;
    return sum;
}

static void reserve(struct disk *d, size_t bytes)
{
    if (d->size + bytes <= d->capacity)
        return;
    d->capacity = 2 * (d->size + bytes);
    d->bytes = realloc(d->bytes, d->capacity);
    ASSERT(d->bytes);
}

static void append(struct disk *d, uint64_t kind, const void *payload, size_t size)
{
    struct frame f = {0, size, kind};

    f.checksum = checksum(&f, payload);
    reserve(d, FRAME_BYTES + size);
    memcpy(d->bytes + d->size, &f, FRAME_BYTES);
    memcpy(d->bytes + d->size + FRAME_BYTES, payload, size);
    d->size += FRAME_BYTES + size;
}

int disk_keep(struct disk *d, const struct change *changes, size_t count)
{
    static uint8_t payload[256 * 1024];
    size_t size = 0;

    if (d->full)
        return ACCORD_E_IO;
    for (size_t i = 0; i < count; i++) {
        uint64_t written;
        size_t bytes = 0;
        ASSERT(size + CHANGE_RECORD_BYTES_MAX + 8 <= sizeof payload);
        int status =
            change_encode(&changes[i], payload + size + 8, CHANGE_RECORD_BYTES_MAX, &bytes);
        ASSERT(status == ACCORD_OK);
        written = bytes;
        memcpy(payload + size, &written, 8);
        size += 8 + bytes;
    }
    size_t before = d->size;
    append(d, KEEP, payload, size);
    if (d->fails_sync) {
        d->size = before; /* rolled back */
        return ACCORD_E_IO;
    }
    d->durable = d->size;
    d->kept += count;
    return ACCORD_OK;
}

void disk_forget(struct disk *d, const struct id128 *messages, size_t count)
{
    if (!d->full)
        append(d, FORGET, messages, count * sizeof *messages);
    d->kept -= u64_min(d->kept, count);
}

void disk_crash(struct disk *d, struct rng *r, bool stale, bool torn)
{
    size_t left = d->size - d->durable;

    d->size = d->durable + (stale ? 0 : rng_below(r, left + 1));
    if (torn && d->size > d->durable)
        d->bytes[d->durable + rng_below(r, d->size - d->durable)] ^=
            (uint8_t)(1 << rng_below(r, 8));
    d->durable = d->size;
}

void disk_damage(struct disk *d, struct rng *r, bool misdirected)
{
    if (d->size == 0)
        return;
    size_t at = rng_below(r, d->size), count = misdirected ? 1 + rng_below(r, 64) : 1;

    for (size_t i = at; i < d->size && i < at + count; i++)
        d->bytes[i] ^= (uint8_t)(misdirected ? 0xa5 : 1 << rng_below(r, 8));
}

void disk_copy(struct disk *to, const struct disk *from)
{
    to->size = to->durable = to->kept = 0;
    reserve(to, from->size);
    if (from->size > 0)
        memcpy(to->bytes, from->bytes, from->size);
    to->size = to->durable = from->size;
}

void disk_clear(struct disk *d)
{
    d->size = d->durable = d->kept = 0;
    d->full = d->fails_sync = false;
}

/* ---- reading -------------------------------------------------------------------------------
 */

static void read_keep(struct sim *s, const uint8_t *payload, size_t size, struct change *list,
                      size_t *count)
{
    for (size_t at = 0; at + 8 <= size;) {
        uint64_t bytes;
        struct bytes unknown;
        memcpy(&bytes, payload + at, 8);
        uint8_t *copy = sim_alloc(s, bytes + 1);
        memcpy(copy, payload + at + 8, bytes);
        ASSERT(*count < PENDING_MAX);
        int status = change_decode(bytes_of(copy, bytes), &list[*count], &unknown);
        ASSERT(status == ACCORD_OK);
        *count += 1;
        at += 8 + bytes;
    }
}

static void read_forget(const uint8_t *payload, size_t size, struct change *list, size_t *count)
{
    for (size_t at = 0; at + sizeof(struct id128) <= size; at += sizeof(struct id128)) {
        struct id128 message;
        memcpy(&message, payload + at, sizeof message);
        size_t kept = 0;
        for (size_t i = 0; i < *count; i++)
            if (!id128_equal(list[i].message, message))
                list[kept++] = list[i];
        *count = kept;
    }
}

/* Behind a damaged frame nothing can be trusted to begin where it should; all the rest is
 * unreadable, unless it is the end that was never synced. */
size_t disk_read(struct sim *s, struct disk *d, struct change **out, bool *damaged)
{
    static struct change list[PENDING_MAX];
    size_t count = 0, at = 0;

    *damaged = false;
    while (at + FRAME_BYTES <= d->size) {
        struct frame f;
        memcpy(&f, d->bytes + at, FRAME_BYTES);
        const uint8_t *payload = d->bytes + at + FRAME_BYTES;
        if (f.size > d->size - at - FRAME_BYTES || f.checksum != checksum(&f, payload))
            break;
        if (f.kind == KEEP)
            read_keep(s, payload, f.size, list, &count);
        else
            read_forget(payload, f.size, list, &count);
        at += FRAME_BYTES + f.size;
    }
    *damaged = at < d->size;
    SOMETIMES(count > 0, "disk: a journal had changes to resend");
    SOMETIMES(*damaged, "disk: a journal was torn or damaged");
    *out = sim_alloc(s, (count + 1) * sizeof list[0]); /* one more for the caller */
    if (count > 0)
        memcpy(*out, list, count * sizeof list[0]);
    disk_clear(d);
    if (count > 0) {
        int status = disk_keep(d, list, count);
        ASSERT(status == ACCORD_OK);
    }
    d->kept = count;
    return count;
}
