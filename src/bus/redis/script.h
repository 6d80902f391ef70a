/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* script.h - what Redis runs for us, each whole or not at all.
 *
 * KEYS of all: changes, log, messages (place.h). docs/format/bus_redis.txt says what they hold.
 */
#ifndef ACCORD_BUS_REDIS_SCRIPT_H
#define ACCORD_BUS_REDIS_SCRIPT_H

#include "bus/redis/link.h"

enum redis_script {
    /* Looks at the log. ARGV: the id of an entry, the id of another. Reply: enum redis_look. */
    REDIS_SCRIPT_LOOK,
    /* Makes the log where it is missing, a new epoch where entries may be. ARGV: id and epoch
     * to give, max_stale_ms, the mark's id, message and epoch. Reply: "ok" or "broken". */
    REDIS_SCRIPT_ATTACH,
    /* Appends. ARGV: log, epoch ("" and "": whatever is there), the mark's id and message; then
     * per change its message as 16 bytes, what it is ("c", "m" for members', "s" for members'
     * that set max_stale), of "s" two numbers, how many words, the words. Reply: "ok", epoch,
     * id of the last change, newest id; or one word: "none" (no log), "other", "lost",
     * "broken". */
    REDIS_SCRIPT_PUBLISH,
    /* Forgets a little. ARGV: log, epoch, retain_ms, changes to retain, milliseconds for
     * members' entries, how many entries to look at. Reply: 1 where there is more to do. */
    REDIS_SCRIPT_PRUNE,
    REDIS_SCRIPTS
};

/* The reply of REDIS_SCRIPT_LOOK; all but the last three are text. */
enum redis_look {
    LOOK_FORMAT, /* nil: there is no log */
    LOOK_LOG,
    LOOK_EPOCH,
    LOOK_LOST, /* "1": entries may be missing, the epoch is to be renewed */
    LOOK_HEAD, /* id; "0-0": none yet */
    LOOK_PRUNED_TO,
    LOOK_MAX_STALE_MS,
    LOOK_MAX_STALE_BEFORE_MS,
    LOOK_TERM,
    LOOK_TIME_MS,
    LOOK_ENTRIES, /* at the first id: none or one */
    LOOK_MARKED,  /* at the second */
    LOOK_FIELDS
};

/* Begins the words of a call: EVALSHA with the three keys; the caller adds ARGV. A server that
 * does not know the script answers NOSCRIPT: then the scripts are to be loaded again. */
struct redis_words;
void redis_script_begin(struct redis_words *call, enum redis_script s,
                        const struct redis_place *p);

/* Gives the server all scripts; REDIS_SCRIPTS replies are then to come. */
MUST_CHECK int redis_script_load(struct redis_link *l, uint64_t deadline_ns,
                                 char why[BUS_WHY_BYTES_MAX]);

#endif
