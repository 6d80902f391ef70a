/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* trust.h - what is done about an entry that cannot be shown to come from a key's holder.
 *
 * Of such an entry nothing is believed: it removes nothing, its writer is no member, it
 * confirms nothing. Its place is passed as if it were the beat of nobody. But it may be a real
 * change of a node whose key is another, and then P1 asks for more (docs/decision/signing.md):
 *
 *     a removal by hand   one key, without origin: applied where unsigned_removals allows it,
 *                         without version and fingerprint. More in a second than that: each
 *                         stands for the removal of everything, and no lease is held until a
 *                         second has passed without. Not allowed at all: refused, no more.
 *     a removal that      the cache is dropped for it, but not more often than
 *     names a node        TRUST_DROP_EVERY_NS: else a stranger could keep it empty for ever.
 *     a sign of life      where it was in the log before our own first one, and nobody else's
 *                         can be verified, it is our key that is wrong: no lease, and nothing
 *                         is published, until nothing like it has come for as long as a member
 *                         may be silent. Whoever was there first is not disturbed.
 *
 * While somebody lives here who cannot be verified, a strict removal waits for the longest
 * lease there may be, whoever confirms (P3).
 *
 * The struct is a part of the core (inside.h), and trust.c one of its files.
 */
#ifndef ACCORD_CORE_TRUST_H
#define ACCORD_CORE_TRUST_H

#include "core/text.h"
#include "wire/change.h"

#define TRUST_DROP_EVERY_NS (600 * NS_PER_S)
#define TRUST_NOTE_EVERY_NS (10 * NS_PER_S) /* of one kind */

struct doubts {
    size_t stand_count;
    struct entry stands[DELIVER_BATCH_MAX]; /* of this step; effects point to them */
    uint64_t read_to;    /* head when attached: before it is read, nothing is published */
    uint64_t known_ns;   /* newest verified entry of another node; 0: none */
    uint64_t unknown_ns; /* newest sign of life that silences us; 0: none */
    uint64_t drop_due_ns;
    uint64_t bucket_ns;   /* by then all removals by hand so far are paid for */
    uint64_t crowd_until; /* no lease before; ns */
    uint64_t note_due_ns[TRUST_KINDS];
    struct text why; /* why we are silent */
};

#endif
