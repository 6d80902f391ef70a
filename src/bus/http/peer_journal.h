/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_journal.h - a node's own stream, as it is told to its peers: what each of them may still
 * lack stands here, in memory, by its number.
 *
 * What was published at once is told at once, so that it arrives as neighbours. What is beyond
 * the bounds is forgotten, oldest first: a peer that lacks it is told so, and drops its cache.
 * Not thread-safe.
 */
#ifndef ACCORD_BUS_HTTP_PEER_JOURNAL_H
#define ACCORD_BUS_HTTP_PEER_JOURNAL_H

#include "bus/http/peer_talk.h"

enum {
    PEER_JOURNAL_CHANGES_MAX = 65536,
    PEER_JOURNAL_BYTES_MAX = 64 * 1024 * 1024,
    PEER_TELL_BYTES = 256 * 1024, /* told at once, where one publish is not more */
};

struct peer_journal_item {
    uint8_t *told; /* peer_told_put() */
    uint32_t bytes;
    bool ends; /* what was published at once */
};

struct peer_journal {
    struct peer_journal_item *items; /* a deque: [at, at + count) */
    size_t at, count, capacity, bytes;
    uint64_t newest;      /* number of the newest; 0: none was ever */
    uint64_t newest_sign; /* of life; 0: none */
};

void peer_journal_done(struct peer_journal *j); /* all is as if nothing was ever published */

/* The oldest number that can be told; newest + 1: none can. */
static inline uint64_t peer_journal_oldest(const struct peer_journal *j)
{
    return j->newest - j->count + 1;
}

/* Room for so many more: after it peer_journal_add() fails only for the memory of its bytes. */
MUST_CHECK bool peer_journal_reserve(struct peer_journal *j, size_t count);
/* The next. False: no memory; unchanged. `ends`: the next was not published with it. */
MUST_CHECK bool peer_journal_add(struct peer_journal *j, const struct peer_told *told,
                                 bool is_sign, bool ends);
/* Takes back the last `count`, which nobody was told. */
void peer_journal_undo(struct peer_journal *j, size_t count);

/* What is before `needed` nobody lacks; and what is beyond the bounds. The newest sign of life
 * stays, and all after it, where the bounds allow. */
void peer_journal_forget(struct peer_journal *j, uint64_t needed);

/* From `first` on, whole publishes, up to PEER_TELL_BYTES or one of them: how many changes, and
 * their bytes. `first` can be told, or is newest + 1. */
size_t peer_journal_count(const struct peer_journal *j, uint64_t first, size_t *bytes);
void peer_journal_copy(const struct peer_journal *j, uint64_t first, size_t count,
                       uint8_t *out);

#endif
