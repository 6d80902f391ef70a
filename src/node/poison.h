/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* poison.h - has the same entry of the log ended this node again and again?
 *
 * DIR/state.hand, beside the journal, is mapped into memory: what is written there the kernel
 * keeps, however the process ends, and costs no call. Each stage that handles entries notes in
 * its place which one it has in hand (wire/hand.h). A start that finds one noted counts a try;
 * after POISON_TRIES it is on the list of those to be skipped, and stays there, for it may be
 * read again for as long as the log keeps it. (wire/hand.h says what skipping is.)
 *
 * An entry that was got over later, as when somebody had killed the process just then, is no
 * suspect any more. A crash of the host counts nothing, or a try too many: that costs a cache.
 *
 * Threads: poison_open() and _close() alone; each stage's place belongs to its thread; the rest
 * to the loop, or under one mutex. The list does not change after poison_open().
 */
#ifndef ACCORD_NODE_POISON_H
#define ACCORD_NODE_POISON_H

#include "base/limits.h"
#include "wire/hand.h"

/* Of a node; a relay (cli/relay) has two logs, and a stage for each. */
enum poison_stage {
    POISON_READING,
    POISON_APPLYING,
    POISON_FROM = POISON_READING,
    POISON_TO = POISON_APPLYING,
    POISON_STAGES = 2
};

enum { POISON_WHY_BYTES_MAX = 256 };

struct poison;

/* What an earlier run had in hand when it ended. */
struct poison_found {
    struct cursor at; /* log, epoch, position */
    uint64_t tries;   /* POISON_TRIES and more: it is skipped from now on */
};

/* Makes the file where there is none, or none that can be understood. ACCORD_E_IO: then nothing
 * is noted, which poison_hand(NULL, …) and the others take. The caller has the folder's lock.
 */
MUST_CHECK int poison_open(struct poison **out, const char *folder,
                           struct poison_found found[POISON_STAGES], size_t *found_count,
                           char why[POISON_WHY_BYTES_MAX]);
void poison_close(struct poison *p); /* NULL is fine */

struct hand poison_hand(struct poison *p, enum poison_stage stage);

/* Whether an entry at this position, of the log that is being applied, or a later one has ended
 * the process: then they are best applied one by one, so that it is known which. */
bool poison_is_near(const struct poison *p, uint64_t position);
/* This stage is the last of those that handle entries of its log, and has got over them up to
 * here, with all that follows of them: it has nothing in hand. */
void poison_passed(struct poison *p, enum poison_stage stage, uint64_t position);

#endif
